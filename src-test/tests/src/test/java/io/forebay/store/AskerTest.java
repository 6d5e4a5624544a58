package io.forebay.store;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import akka.actor.testkit.typed.javadsl.ActorTestKit;
import akka.actor.testkit.typed.javadsl.TestProbe;
import akka.actor.typed.ActorRef;
import io.forebay.support.PatientTestKits;
import java.time.Duration;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;

/** An answer, and that there was none, are gone on with in the executor that was named. */
class AskerTest {
    private record Question(ActorRef<String> replyTo) {}

    private static ActorTestKit kit;
    private static ExecutorService executor;

    @BeforeAll
    static void start() {
        kit = PatientTestKits.create();
        executor = Executors.newSingleThreadExecutor(task -> new Thread(task, "the one"));
    }

    @AfterAll
    static void stop() {
        executor.shutdown();
        kit.shutdownTestKit();
    }

    private final TestProbe<Question> target = kit.createTestProbe(Question.class);
    private final Asker asker = new Asker(kit.system(), executor);

    @Test
    void answerIsGoneOnWithInTheExecutor() throws Exception {
        CompletableFuture<String> asked = asker.ask(target.ref(), Question::new, Duration.ofMinutes(1));
        CompletableFuture<String> thread =
                asked.thenApply(answer -> Thread.currentThread().getName());
        CompletableFuture<String> further = thread.exceptionally(failure -> null)
                .thenCompose(name ->
                        CompletableFuture.completedFuture(Thread.currentThread().getName()));
        target.receiveMessage().replyTo().tell("yes");
        assertThat(asked.get(10, TimeUnit.SECONDS)).isEqualTo("yes");
        assertThat(thread.get(10, TimeUnit.SECONDS)).isEqualTo("the one");
        assertThat(further.get(10, TimeUnit.SECONDS)).isEqualTo("the one");
    }

    @Test
    void silenceIsATimeoutInTheExecutor() throws Exception {
        CompletableFuture<String> asked = asker.ask(target.ref(), Question::new, Duration.ofMillis(50));
        CompletableFuture<String> thread =
                asked.exceptionally(failure -> Thread.currentThread().getName());
        assertThatThrownBy(() -> asked.get(10, TimeUnit.SECONDS))
                .isInstanceOf(ExecutionException.class)
                .hasCauseInstanceOf(TimeoutException.class);
        // It may have been over before anybody wanted to go on with it.
        assertThat(thread.get(10, TimeUnit.SECONDS))
                .isIn("the one", Thread.currentThread().getName());
    }
}
