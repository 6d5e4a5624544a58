package io.forebay.watch;

import static org.assertj.core.api.Assertions.assertThat;

import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeoutException;
import org.junit.jupiter.api.Test;

class PulseTest {
    private final List<CompletableFuture<Integer>> questions = new ArrayList<>();
    private long nanos = Long.MAX_VALUE - 5; // a clock may wrap
    private final Pulse pulse = new Pulse(
            () -> {
                CompletableFuture<Integer> question = new CompletableFuture<>();
                questions.add(question);
                return question;
            },
            () -> nanos);

    @Test
    void silenceLastsFromTheFirstQuestionWithoutAnAnswerToTheNextAnswer() {
        assertThat(pulse.silence()).isZero();
        pulse.beat();
        nanos += 10;
        assertThat(pulse.silence()).isEqualTo(Duration.ofNanos(10));
        questions.get(0).completeExceptionally(new TimeoutException());
        nanos += 10;
        pulse.beat();
        assertThat(pulse.silence()).isEqualTo(Duration.ofNanos(20));
        questions.get(1).complete(7);
        assertThat(pulse.silence()).isZero();
        assertThat(pulse.latest()).isEqualTo(7);
        nanos += 1000;
        assertThat(pulse.silence()).as("nobody has asked since").isZero();
    }

    @Test
    void oneQuestionIsUnderWayAtMost() {
        CompletableFuture<Void> first = pulse.beat();
        assertThat(pulse.beat()).isSameAs(first);
        assertThat(questions).hasSize(1);
        questions.get(0).complete(1);
        assertThat(first).isCompleted();
        assertThat(pulse.beat()).isNotSameAs(first);
        assertThat(questions).hasSize(2);
    }

    @Test
    void anAnswerThatIsThereAtOnceIsTaken() {
        Pulse quick = new Pulse(() -> CompletableFuture.completedFuture(3), () -> nanos);
        assertThat(quick.beat()).isCompleted();
        assertThat(quick.silence()).isZero();
        assertThat(quick.beat()).isCompleted();
        assertThat(quick.latest()).isEqualTo(3);
    }
}
