package io.forebay.persistence;

import akka.actor.ActorSystem;
import akka.dispatch.MessageDispatcher;
import java.time.Duration;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.Executor;

/** Reads what is stored, on a plugin's dispatcher, and again what the device or the stripe does not give now. Thread-safe. */
final class PatientReads {
    /** Pauses between tries; all together about a quarter of a minute. */
    private static final int READS_MAX = 300;

    private static final Duration PAUSE = Duration.ofMillis(50);

    /** A read that goes on, when it is done again, where it was. */
    interface Read {
        /**
         * Ends with whoever waits being told, unless it fails.
         *
         * @throws NotNowException to be done again a little later
         */
        void read() throws Exception;
    }

    private final ActorSystem system;
    private final MessageDispatcher dispatcher;

    /** @param dispatcher on which threads may wait for the device */
    PatientReads(ActorSystem system, String dispatcher) {
        this.system = system;
        this.dispatcher = system.dispatchers().lookup(dispatcher);
    }

    /** Where reads run. */
    Executor executor() {
        return dispatcher;
    }

    /**
     * Reads, beginning in this thread, which is one of the {@link #executor()}'s.
     *
     * @param failed completed with what it fails with, and else not touched
     */
    void read(Read read, CompletableFuture<?> failed) {
        read(read, failed, 1);
    }

    private void read(Read read, CompletableFuture<?> failed, int reads) {
        try {
            read.read();
        } catch (NotNowException notNow) {
            if (reads >= READS_MAX) {
                failed.completeExceptionally(notNow);
                return;
            }
            try {
                system.scheduler().scheduleOnce(PAUSE, () -> read(read, failed, reads + 1), dispatcher);
            } catch (IllegalStateException ended) {
                failed.completeExceptionally(notNow); // with the system, and there is no later
            }
        } catch (Exception e) {
            failed.completeExceptionally(e);
        } catch (Error e) {
            failed.completeExceptionally(e);
            throw e;
        }
    }
}
