package io.forebay.node;

import akka.Done;
import akka.actor.typed.ActorSystem;
import java.util.concurrent.CompletionStage;

/**
 * A node in an actor system of its own: cluster provider, joined to the configured seed nodes or, without any, to itself;
 * Artery bound to loopback unless configured otherwise. This is what {@code forebay node} runs. An application that has an
 * actor system embeds {@code Forebay} instead.
 */
public final class ForebayNode {

    private ForebayNode() {}

    /**
     * Starts and waits until the node serves (recovery included).
     *
     * @throws NodeStartException with one clear line; nothing is left behind, and nothing stored was touched
     */
    public static ForebayNode start(NodeOptions options) throws NodeStartException {
        throw new AssertionError("skeleton");
    }

    public ActorSystem<Void> system() {
        throw new AssertionError("skeleton");
    }

    /** {@code akka://SYSTEM@HOST:PORT}, the address under which others reach {@code /system/forebay}. */
    public String address() {
        throw new AssertionError("skeleton");
    }

    /** The one line a launcher prints to stdout when the node serves: {@code ready akka://SYSTEM@HOST:PORT}. */
    public String readyLine() {
        throw new AssertionError("skeleton");
    }

    /** Stops gracefully: refuses what is new, drains, forces, writes the closing checkpoint. Also what SIGTERM does. */
    public CompletionStage<Done> stop() {
        throw new AssertionError("skeleton");
    }

    /** Completes when the system has terminated, however that came about. */
    public CompletionStage<Done> whenTerminated() {
        throw new AssertionError("skeleton");
    }
}
