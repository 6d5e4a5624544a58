package io.forebay.protocol.wire;

import akka.actor.typed.ActorRef;
import akka.actor.typed.ActorSystem;
import com.typesafe.config.Config;
import io.forebay.protocol.Message;

/** What the transport of an actor system takes. Thread-safe. */
public final class WireFrames {
    /** Akka's own default, taken where there is no remoting to ask. */
    public static final int FRAME_BYTES_DEFAULT = 256 * 1024;
    /** Kept free in each frame for what the transport adds: addresses, manifest, metadata. */
    public static final int ENVELOPE_BYTES = 4 * 1024;
    /** The smallest frame that Akka allows. */
    public static final int FRAME_BYTES_MIN = 32 * 1024;

    private static final String KEY = "akka.remote.artery.advanced.maximum-frame-size";

    private WireFrames() {}

    /** Largest frame of a running system, in bytes: {@code akka.remote.artery.advanced.maximum-frame-size}. */
    public static int frameBytesOf(ActorSystem<?> system) {
        Config config = system.settings().config();
        return config.hasPath(KEY) ? (int) Math.min(Integer.MAX_VALUE / 2, config.getBytes(KEY)) : FRAME_BYTES_DEFAULT;
    }

    /** An upper bound of what a message adds to the wire form of a Send of its topic; cheap to get. */
    public static int bytesAtMost(Message message) {
        return (int) Math.min(Integer.MAX_VALUE, WireSizes.bytesAtMost(message, message.topic()));
    }

    /** Whether what is sent to {@code ref} leaves this actor system: only then anything is serialized and cut. */
    public static boolean isRemote(ActorRef<?> ref) {
        return !ref.path().address().hasLocalScope();
    }
}
