package io.forebay.store;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.forebay.store.RewriteState.Entry;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import org.junit.jupiter.api.Test;

class RewriteStateTest {
    private static RewriteState<String> state(Object... sequencesAndOrigins) {
        List<Entry<String>> entries = new ArrayList<>();
        for (int i = 0; i < sequencesAndOrigins.length; i += 2) {
            entries.add(new Entry<>((Integer) sequencesAndOrigins[i], (String) sequencesAndOrigins[i + 1]));
        }
        return new RewriteState<>(entries, 3);
    }

    @Test
    void framesAreWrittenInOrderOfSequenceWhoeverAnswersFirst() {
        RewriteState<String> state = state(1, "a", 2, "b", 5, "a", 6, "b");
        assertThat(state.awaited()).containsExactlyInAnyOrder("a", "b");
        assertThat(state.next()).isEqualTo(RewriteState.WAIT);
        assertThat(state.answered("b", List.of(2L, 6L))).isZero();
        assertThat(state.next()).isEqualTo(RewriteState.WAIT);
        assertThat(state.answered("a", List.of(1L, 5L))).isZero();
        assertThat(List.of(state.next(), state.next(), state.next(), state.next()))
                .containsExactly(0, 1, 2, 3);
        assertThat(state.next()).isEqualTo(RewriteState.COMPLETE);
        assertThat(state.isHandedOut()).isTrue();
    }

    @Test
    void framesOfTheStripeItselfWaitForNobody() {
        RewriteState<String> state = state(1, null, 2, "a", 3, null);
        assertThat(state.next()).isZero();
        assertThat(state.next()).isEqualTo(RewriteState.WAIT);
        state.gone("a");
        assertThat(state.next()).isEqualTo(1);
        assertThat(state.next()).isEqualTo(2);
        assertThat(state.next()).isEqualTo(RewriteState.COMPLETE);
    }

    @Test
    void whatARestartedOriginDoesNotHaveAnyMoreIsCounted() {
        RewriteState<String> state = state(1, "a", 2, "a", 5, "a");
        assertThat(state.answered("a", List.of(5L, 99L))).isEqualTo(2);
        assertThat(state.answered("a", List.of())).isZero();
        assertThat(state.next()).isZero();
    }

    @Test
    void afterTheTimeLimitNobodyIsWaitedFor() {
        RewriteState<String> state = state(1, "a", 2, "b");
        state.answered("b", List.of(2L));
        state.timedOut();
        assertThat(state.awaited()).isEmpty();
        assertThat(state.next()).isZero();
    }

    @Test
    void aFailedAttemptStartsOverAndAsksNobodyAgain() {
        RewriteState<String> state = state(1, "a", 2, "b");
        state.answered("a", List.of(1L));
        assertThat(state.next()).isZero();
        assertThat(state.failed()).isFalse();
        assertThat(state.awaited()).containsExactly("b");
        assertThat(state.next()).isEqualTo(RewriteState.WAIT);
        state.again();
        assertThat(state.next()).isZero();
        assertThat(state.next()).isEqualTo(RewriteState.WAIT);
        state.gone("b");
        assertThat(state.next()).isEqualTo(1);
        assertThat(state.failed()).isFalse();
        assertThat(state.failed()).isTrue();
        assertThat(state.failed()).isTrue();
        state.again();
        assertThat(state.next()).isZero();
    }

    @Test
    void itFinishesOncePerAttempt() {
        RewriteState<String> state = state(1, null);
        assertThat(state.isReadyToFinish()).isFalse();
        state.next();
        assertThat(state.isReadyToFinish()).isTrue();
        state.finishing();
        assertThat(state.isReadyToFinish()).isFalse();
        assertThat(state.next()).isEqualTo(RewriteState.WAIT);
        state.failed();
        assertThat(state.isReadyToFinish()).isFalse();
        state.again();
        assertThat(state.next()).isZero();
        assertThat(state.next()).isEqualTo(RewriteState.COMPLETE);
        assertThat(state.isReadyToFinish()).isTrue();
    }

    @Test
    void nothingToWriteIsComplete() {
        assertThat(state().next()).isEqualTo(RewriteState.COMPLETE);
    }

    @Test
    void sequencesOutOfOrderAreABug() {
        assertThatThrownBy(() -> state(2, "a", 2, "b")).isInstanceOf(AssertionError.class);
    }

    /** Whatever comes in whatever order: each frame once per attempt, in order, none of an origin that was not heard of. */
    @Test
    void anyOrderOfAnswersWritesEachFrameOnceInOrder() {
        for (long seed = 0; seed < 2000; seed++) {
            Random random = new Random(seed);
            int count = random.nextInt(20);
            List<Entry<String>> entries = new ArrayList<>();
            Map<String, Boolean> isHeardOf = new HashMap<>();
            for (int i = 0; i < count; i++) {
                String origin = random.nextInt(5) == 0 ? null : "origin " + random.nextInt(4);
                entries.add(new Entry<>(10 + i, origin));
                if (origin != null) {
                    isHeardOf.put(origin, false);
                }
            }
            RewriteState<String> state = new RewriteState<>(entries, 1000);
            List<String> silent = new ArrayList<>(isHeardOf.keySet());
            int expected = 0;
            while (!state.isHandedOut()) {
                int index = state.next();
                if (index == RewriteState.WAIT) {
                    assertThat(isHeardOf.get(entries.get(expected).origin()))
                            .as("seed %d", seed)
                            .isFalse();
                    String origin = silent.remove(random.nextInt(silent.size()));
                    isHeardOf.put(origin, true);
                    if (random.nextBoolean()) {
                        state.answered(origin, List.of());
                    } else {
                        state.gone(origin);
                    }
                } else {
                    assertThat(index).as("seed %d", seed).isEqualTo(expected++);
                    if (random.nextInt(30) == 0) {
                        state.failed();
                        state.again();
                        expected = 0;
                    }
                }
            }
            assertThat(expected).as("seed %d", seed).isEqualTo(count);
        }
    }
}
