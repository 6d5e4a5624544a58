package io.forebay.persistence;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import akka.actor.ActorSystem;
import akka.actor.typed.javadsl.Adapter;
import io.forebay.config.StoreSettings;
import io.forebay.testkit.faults.MemoryDisk;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.Test;

/** <b>I8</b>: whoever waits for a read is told how it ended, whatever is thrown, and whenever the system ends. */
class PatientReadsTest {
    private final akka.actor.typed.ActorSystem<Void> typed = PersistentActorsTest.start(new MemoryDisk(), "");
    private final ActorSystem system = Adapter.toClassic(typed);
    private final PatientReads reads = new PatientReads(system, StoreSettings.READ_DISPATCHER);

    private static Throwable failureOf(CompletableFuture<?> asked) throws Exception {
        try {
            throw new AssertionError("it was answered: " + asked.get(60, TimeUnit.SECONDS));
        } catch (ExecutionException e) {
            return e.getCause();
        }
    }

    @Test
    void whatIsThrownIsTold() throws Exception {
        for (Throwable thrown : new Throwable[] {
            new IllegalStateException("a"),
            new java.io.IOException("b"),
            new LinkageError("c"),
            new StackOverflowError("d")
        }) {
            CompletableFuture<Void> failed = new CompletableFuture<>();
            PatientReads.Read read = () -> {
                if (thrown instanceof Exception e) {
                    throw e;
                }
                throw (Error) thrown;
            };
            if (thrown instanceof Error) {
                assertThatThrownBy(() -> reads.read(read, failed)).isSameAs(thrown);
            } else {
                reads.read(read, failed);
            }
            assertThat(failureOf(failed)).isSameAs(thrown);
        }
        PersistentActorsTest.stop(typed);
    }

    @Test
    void whatIsNotThereNowIsReadAgain() throws Exception {
        AtomicInteger tries = new AtomicInteger();
        CompletableFuture<String> read = new CompletableFuture<>();
        reads.read(
                () -> {
                    if (tries.incrementAndGet() < 3) {
                        throw new NotNowException("not now");
                    }
                    read.complete("read");
                },
                read);
        assertThat(read.get(60, TimeUnit.SECONDS)).isEqualTo("read");
        assertThat(tries).hasValue(3);
        PersistentActorsTest.stop(typed);
    }

    @Test
    void whoWaitsForALaterTryWhenTheSystemHasEndedIsTold() throws Exception {
        PersistentActorsTest.stop(typed);
        CompletableFuture<Void> failed = new CompletableFuture<>();
        reads.read(
                () -> {
                    throw new NotNowException("not now");
                },
                failed);
        assertThat(failureOf(failed)).hasMessageContaining("not now");
    }
}
