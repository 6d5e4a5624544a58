package io.forebay.store;

import akka.Done;
import akka.actor.typed.ActorSystem;
import akka.actor.typed.Extension;
import akka.actor.typed.ExtensionId;
import java.util.List;
import java.util.concurrent.CompletionStage;

/**
 * The stripes of a node inside an application's {@code ActorSystem}: opens them, recovers them, closes them in coordinated
 * shutdown. Does nothing before {@link #open()}. Thread-safe.
 */
public final class ForebayStorage implements Extension {
    private static final Id ID = new Id();

    private ForebayStorage(ActorSystem<?> system) {}

    /** The one of this system; creating it starts nothing and waits for nothing. */
    public static ForebayStorage get(ActorSystem<?> system) {
        return ID.apply(system);
    }

    /**
     * Registers one that is given what is recovered.
     *
     * @throws IllegalStateException after {@link #open()}
     */
    public void register(StripeRecovery recovery) {
        throw new AssertionError("skeleton");
    }

    /**
     * Locks the directory, opens every stripe on a blocking dispatcher and replays it into the registered sinks. Idempotent: later
     * calls return the same stage.
     *
     * @return the stripes in the order of their ids; fails with a typed exception (directory locked or foreign, corrupt, newer
     *     format), then nothing is left open
     */
    public CompletionStage<List<StripeHandle>> open() {
        throw new AssertionError("skeleton");
    }

    /** As {@link #open()}, and waits for it when somebody else calls it; starts nothing. */
    public CompletionStage<List<StripeHandle>> whenReady() {
        throw new AssertionError("skeleton");
    }

    /** The open stripes, by id; empty before. */
    public List<StripeHandle> stripes() {
        throw new AssertionError("skeleton");
    }

    /** How each open stripe is. */
    public List<StripeHealth> health() {
        throw new AssertionError("skeleton");
    }

    /** Drains, takes a checkpoint, forces and closes every stripe. Part of coordinated shutdown; idempotent. */
    public CompletionStage<Done> stop() {
        throw new AssertionError("skeleton");
    }

    /** For {@code akka.actor.typed.extensions}. */
    public static final class Id extends ExtensionId<ForebayStorage> {
        @Override
        public ForebayStorage createExtension(ActorSystem<?> system) {
            return new ForebayStorage(system);
        }
    }
}
