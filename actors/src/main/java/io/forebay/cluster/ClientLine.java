package io.forebay.cluster;

import akka.actor.typed.ActorRef;
import akka.actor.typed.javadsl.ActorContext;
import io.forebay.protocol.Chunk;
import io.forebay.protocol.ChunkAck;
import io.forebay.protocol.SessionCommand;
import io.forebay.protocol.SessionEvent;
import io.forebay.protocol.SessionLimits;
import io.forebay.protocol.wire.MalformedWireException;
import io.forebay.protocol.wire.WireCutter;
import io.forebay.protocol.wire.WireFrames;
import io.forebay.protocol.wire.WireJoiner;
import java.util.function.Predicate;

/**
 * The line to a session's client: where that is, whether it is watched, when it was last heard, and the cutting and joining of
 * what is larger than a frame. Confined to its session; times come in as values.
 */
final class ClientLine {
    private static final int STREAM_OVERHEAD_BYTES = 1 << 20;
    private static final int STUCK_COUNT_MAX = 3;

    private final SessionLimits limits;
    private final Predicate<ActorRef<?>> isMember;
    private final WireJoiner<SessionCommand> joiner;

    private ActorRef<SessionEvent> client;
    private String clientName;
    private boolean isRemote;
    private boolean isWatched;
    private int frameBytes;
    private WireCutter<SessionEvent> cutter;
    private long heardMillis;
    /** When the last chunk was acknowledged, or nothing waited for that. */
    private long cutterMovedMillis;
    /** When the last piece of a command came. */
    private long pieceMillis;
    /** How often in a row nothing was acknowledged for too long. */
    private int stuckCount;

    ClientLine(SessionLimits limits, Predicate<ActorRef<?>> isMember) {
        this.limits = limits;
        this.isMember = isMember;
        joiner = new WireJoiner<>(SessionCommand.class, limits.bytesInFlightMax() + STREAM_OVERHEAD_BYTES);
    }

    /** The client is there from now on; both directions begin anew. */
    void attach(
            ActorContext<Object> context,
            ActorRef<SessionEvent> newClient,
            int clientFrameBytes,
            String name,
            long nowMillis) {
        if (client != null && isWatched && !client.equals(newClient)) {
            context.unwatch(client);
        }
        client = newClient;
        clientName = name;
        isRemote = WireFrames.isRemote(newClient);
        isWatched = !isRemote || isMember.test(newClient);
        if (isWatched) {
            context.watch(newClient);
        }
        frameBytes = Math.min(clientFrameBytes, limits.frameBytes());
        cutter = isRemote ? WireCutter.ofEvents(frameBytes, limits.chunkBytesInFlightMax()) : null;
        joiner.reset();
        heardMillis = nowMillis;
        stuckCount = 0;
    }

    /** What was on its way may be lost: both directions begin anew. */
    void beginAnew() {
        joiner.reset();
        if (cutter != null) {
            cutter.reset(frameBytes, limits.chunkBytesInFlightMax());
        }
        stuckCount = 0;
    }

    String clientName() {
        return clientName;
    }

    boolean isClient(ActorRef<?> ref) {
        return ref.equals(client);
    }

    /** Whether what is told may get lost on the way. */
    boolean isRemote() {
        return isRemote;
    }

    void heard(long nowMillis) {
        heardMillis = nowMillis;
    }

    long heardMillis() {
        return heardMillis;
    }

    /** The node has stood still: what the client said meanwhile lies unread, and was not said too late. */
    void stoodStill(long nowMillis) {
        heardMillis = nowMillis;
        cutterMovedMillis = nowMillis;
        pieceMillis = nowMillis;
    }

    /** Whether nothing but time tells that it is gone, and that time is over. */
    boolean isSilent(long nowMillis) {
        return !isWatched && nowMillis - heardMillis > limits.sessionTimeoutMillis();
    }

    /** Whether what was cut has been waiting for acknowledgements for too long; if so it waits anew. */
    boolean isStuck(long nowMillis) {
        boolean isStuck = waitingBytes() > 0 && nowMillis - cutterMovedMillis > limits.sessionTimeoutMillis();
        if (isStuck) {
            cutterMovedMillis = nowMillis;
            stuckCount++;
        }
        return isStuck;
    }

    /** Whether that has been so again and again, though the client was asked to attach anew. */
    boolean isHopeless() {
        return stuckCount >= STUCK_COUNT_MAX;
    }

    void tell(SessionEvent event, long nowMillis) {
        if (cutter == null) {
            client.tell(event);
            return;
        }
        if (cutter.waitingBytes() == 0) {
            cutterMovedMillis = nowMillis;
        }
        cutter.offer(event, client::tell);
    }

    /** Behind nothing that waits. */
    void tellAtOnce(SessionEvent event) {
        client.tell(event);
    }

    /** @return the command that is complete now, null if it is not */
    SessionCommand join(Chunk chunk, long nowMillis) throws MalformedWireException {
        pieceMillis = nowMillis;
        client.tell(new ChunkAck(chunk.streamId(), chunk.index()));
        return joiner.accept(chunk);
    }

    void acked(ChunkAck ack, long nowMillis) {
        if (cutter != null) {
            cutterMovedMillis = nowMillis;
            stuckCount = 0;
            cutter.acked(ack, client::tell);
        }
    }

    boolean isCongested() {
        return cutter != null && cutter.isCongested();
    }

    /**
     * Gives up the command whose chunks are being received.
     *
     * @return id of the request that it is, -1 if that is not known
     */
    long dropUnfinished() {
        long requestId = joiner.requestId();
        joiner.reset();
        return requestId;
    }

    boolean isUnfinished() {
        return joiner.heldBytes() > 0;
    }

    /** Whether the rest of a command has not come for too long. */
    boolean isAbandoned(long nowMillis) {
        return isUnfinished() && nowMillis - pieceMillis > limits.sessionTimeoutMillis();
    }

    /** Bytes that are held for the client: of events that it has not acknowledged, and of a command that is not complete. */
    long heldBytes() {
        return joiner.heldBytes() + untakenBytes();
    }

    /** Bytes of events that the client has not acknowledged. */
    long untakenBytes() {
        return cutter == null ? 0 : cutter.heldBytes();
    }

    /** Bytes that wait here for the client. */
    long waitingBytes() {
        return cutter == null ? 0 : cutter.waitingBytes();
    }
}
