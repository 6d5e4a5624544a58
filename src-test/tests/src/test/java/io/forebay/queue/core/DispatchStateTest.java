package io.forebay.queue.core;

import static org.assertj.core.api.Assertions.assertThat;

import io.forebay.testkit.sim.SeededRun;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.random.RandomGenerator;
import org.junit.jupiter.api.Test;

class DispatchStateTest {
    private final DispatchState<String> state =
            new DispatchState<>(new DispatchState.Limits(5, 3, 65_536), Policies.group());
    private final List<String> told = new ArrayList<>();
    private final DispatchState.Handout<String> out = new DispatchState.Handout<>() {
        @Override
        public void assign(int queueId, long sessionId, long requestId, int maxMessages, String pop) {
            told.add(pop + ">" + queueId);
        }

        @Override
        public void answerEmpty(long sessionId, long requestId, String pop) {
            told.add(pop + " empty");
        }

        @Override
        public void breakerChanged(boolean isOpen) {
            told.add("breaker " + isOpen);
        }
    };

    @Test
    void popsGoToQueuesInTurn() {
        for (int queue = 1; queue <= 3; queue++) {
            state.onAvailable(0, queue, 100, out);
        }
        for (int request = 0; request < 6; request++) {
            assertThat(state.onPop(0, 1, request, 10, 0, "p" + request, out))
                    .isEqualTo(DispatchState.PopOutcome.ASSIGNED);
        }
        assertThat(told).containsExactly("p0>1", "p1>2", "p2>3", "p3>1", "p4>2", "p5>3");
    }

    @Test
    void queueIsNotAskedForMoreThanItHas() {
        state.onAvailable(0, 1, 10, out);
        state.onPop(0, 1, 1, 10, 100, "a", out);
        assertThat(state.onPop(0, 1, 2, 10, 100, "b", out)).isEqualTo(DispatchState.PopOutcome.HELD);
        state.onPopResult(1, 1, 1, 1, 10, 10, 4, out);
        assertThat(told).containsExactly("a>1", "b>1");
    }

    @Test
    void heldPopsAreServedInOrderOfArrival() {
        state.onPop(0, 1, 1, 1, 100, "a", out);
        state.onPop(0, 2, 1, 1, 100, "b", out);
        state.onPop(0, 1, 2, 1, 100, "c", out);
        state.onAvailable(0, 7, 2, out);
        assertThat(told).containsExactly("a>7", "b>7");
        assertThat(state.heldCount()).isEqualTo(1);
    }

    @Test
    void popThatDoesNotWaitIsAnsweredEmptyAtOnce() {
        assertThat(state.onPop(5, 1, 1, 1, 5, "a", out)).isEqualTo(DispatchState.PopOutcome.EMPTY);
        assertThat(told).containsExactly("a empty");
    }

    @Test
    void popThatGotNothingGoesToTheNextQueueOrWaitsAgainBeforeTheOthers() {
        state.onAvailable(0, 1, 1, out);
        state.onAvailable(0, 2, 1, out);
        state.onPop(0, 1, 1, 1, 100, "a", out);
        state.onPopResult(1, 1, 1, 1, 1, 0, 0, out);
        state.onPop(1, 1, 2, 1, 100, "b", out);
        state.onPopResult(2, 2, 1, 1, 1, 0, 0, out);
        state.onAvailable(0, 1, 1, out);
        assertThat(told).containsExactly("a>1", "a>2", "a>1");
    }

    @Test
    void popThatGotNothingAfterItsTimeIsAnsweredEmpty() {
        state.onAvailable(0, 1, 1, out);
        state.onPop(0, 1, 1, 1, 100, "a", out);
        state.onPopResult(100, 1, 1, 1, 1, 0, 0, out);
        assertThat(told).containsExactly("a>1", "a empty");
    }

    @Test
    void heldPopEndsEmptyWhenItsTimeIsOver() {
        state.onPop(0, 1, 1, 1, 100, "a", out);
        state.onPop(0, 1, 2, 1, 50, "b", out);
        assertThat(state.nextDueMillis(0)).isEqualTo(50);
        state.onDue(99, out);
        assertThat(told).containsExactly("b empty");
        state.onDue(100, out);
        assertThat(told).containsExactly("b empty", "a empty");
        assertThat(state.nextDueMillis(0)).isEqualTo(Long.MAX_VALUE);
    }

    @Test
    void heldPopsAreBoundedInAllAndForEachSession() {
        for (int request = 0; request < 3; request++) {
            state.onPop(0, 1, request, 1, 100, "a", out);
        }
        assertThat(state.onPop(0, 1, 9, 1, 100, "a", out))
                .isEqualTo(DispatchState.PopOutcome.TOO_MANY_HELD_FOR_SESSION);
        state.onPop(0, 2, 1, 1, 100, "b", out);
        state.onPop(0, 2, 2, 1, 100, "b", out);
        assertThat(state.onPop(0, 3, 1, 1, 100, "c", out)).isEqualTo(DispatchState.PopOutcome.TOO_MANY_HELD);
    }

    @Test
    void repeatedHeldPopKeepsItsPlaceAndIsAnsweredOnce() {
        state.onPop(0, 1, 1, 1, 100, "a", out);
        assertThat(state.onPop(10, 1, 1, 1, 110, "a again", out)).isEqualTo(DispatchState.PopOutcome.HELD);
        assertThat(state.heldCount()).isEqualTo(1);
        state.onAvailable(0, 1, 5, out);
        assertThat(told).containsExactly("a again>1");
    }

    @Test
    void repeatedPopGoesToTheQueueThatServedIt() {
        state.onAvailable(0, 1, 1, out);
        state.onAvailable(0, 2, 5, out);
        state.onPop(0, 1, 1, 1, 100, "a", out);
        state.onPop(0, 1, 1, 1, 100, "a while asked", out);
        state.onPopResult(0, 1, 1, 1, 1, 1, 0, out);
        state.onPopResult(0, 1, 1, 1, 1, 1, 0, out);
        state.onPop(0, 1, 1, 1, 100, "a later", out);
        assertThat(told).containsExactly("a>1", "a while asked>1", "a later>1");
    }

    @Test
    void repetitionAfterARestartGoesToTheQueueThatRemembers() {
        state.onServedBefore(2, 1, 77);
        state.onAvailable(0, 1, 5, out);
        state.onPop(0, 1, 77, 1, 100, "a", out);
        assertThat(told).containsExactly("a>2");
    }

    @Test
    void emptyResultOfACancelledPopIsToldToNobody() {
        state.onPop(0, 1, 1, 1, 100, "a", out);
        assertThat(state.onCancel(1, 1)).isEqualTo(DispatchState.CancelOutcome.CANCELLED);
        assertThat(state.onCancel(1, 1)).isEqualTo(DispatchState.CancelOutcome.UNKNOWN);
        state.onAvailable(0, 1, 1, out);
        state.onPop(0, 1, 2, 1, 100, "b", out);
        assertThat(state.onCancel(1, 2)).isEqualTo(DispatchState.CancelOutcome.TOO_LATE);
        state.onPopResult(500, 1, 1, 2, 1, 0, 0, out);
        assertThat(told).containsExactly("b>1");
    }

    @Test
    void goneSessionLeavesNothing() {
        state.onPop(0, 1, 1, 1, 100, "a", out);
        state.onPop(0, 2, 1, 1, 100, "b", out);
        state.onSessionGone(1);
        assertThat(state.heldCount()).isEqualTo(1);
        state.onAvailable(0, 1, 5, out);
        state.onSessionGone(2);
        state.onPopResult(0, 1, 2, 1, 1, 0, 4, out);
        assertThat(told).containsExactly("b>1");
        assertThat(state.sessionCount()).isZero();
    }

    @Test
    void popsOfAQueueThatGoesAreHandedOn() {
        state.onAvailable(0, 1, 5, out);
        state.onPop(0, 1, 1, 1, 100, "a", out);
        state.onPop(0, 1, 2, 1, 100, "b", out);
        state.onAvailable(0, 2, 1, out);
        state.onQueueGone(1, 1, out);
        assertThat(told).containsExactlyInAnyOrder("a>1", "b>1", "a>2");
        assertThat(state.heldCount()).isEqualTo(1);
    }

    /**
     * Random queues, consumers, repetitions, cancellations and losses against queues that are plain counters. After each step: no Pop
     * is held while a queue that said so has something, every Pop is answered at most once, and once more if it was repeated since,
     * what is held is bounded; in the end every Pop was answered and every message had.
     */
    @Test
    void noWakeUpIsLost() {
        long steps = SeededRun.steps(200_000);
        SeededRun.run("dispatch", (random, progress) -> {
            for (long done = 0; done < steps; ) {
                DispatchRun run = new DispatchRun(random);
                for (int i = 0; i < 4_000; i++) {
                    progress.at(++done);
                    run.step();
                }
                run.finish();
            }
        });
    }

    private static final class DispatchRun implements DispatchState.Handout<Long> {
        private record Asked(int queueId, long sessionId, long requestId, int max, long pop) {}

        private final RandomGenerator random;
        private final DispatchState<Long> state =
                new DispatchState<>(new DispatchState.Limits(40, 15, 65_536), Policies.group());
        private final Map<Integer, Long> stored = new TreeMap<>();
        private final List<Asked> asked = new ArrayList<>();
        private final Map<Long, String> open = new HashMap<>();
        private final Set<Long> answered = new HashSet<>();
        private final Map<Long, Long> sessions = new HashMap<>();
        /** Requests that came again while a queue had them. */
        private final Set<Long> repeated = new HashSet<>();
        /** Requests whose deliveries their queue may still know. */
        private final Set<Long> delivered = new HashSet<>();

        private long now = 1;
        private long nextRequest = 1;

        DispatchRun(RandomGenerator random) {
            this.random = random;
            for (int queue = 1; queue <= 1 + random.nextInt(6); queue++) {
                stored.put(queue, 0L);
                state.onAvailable(now, queue, 0, this);
            }
        }

        void step() {
            int dice = random.nextInt(100);
            if (dice < 25) {
                int queue = 1 + random.nextInt(stored.size());
                long before = stored.get(queue);
                stored.merge(queue, (long) random.nextInt(12), Long::sum);
                if (before == 0) {
                    state.onAvailable(now, queue, stored.get(queue), this);
                }
            } else if (dice < 60) {
                boolean isRepetition = nextRequest > 1 && random.nextInt(6) == 0;
                long request = isRepetition ? Math.max(1, nextRequest - 1 - random.nextInt(20)) : nextRequest++;
                long session = sessions.computeIfAbsent(request, absent -> (long) random.nextInt(4));
                if (open.containsKey(request) && asked.stream().anyMatch(one -> one.requestId() == request)) {
                    repeated.add(request);
                }
                answered.remove(request);
                open.put(request, "");
                DispatchState.PopOutcome outcome = state.onPop(
                        now, session, request, 1 + random.nextInt(9), now + random.nextInt(30), request, this);
                if (outcome == DispatchState.PopOutcome.TOO_MANY_HELD
                        || outcome == DispatchState.PopOutcome.TOO_MANY_HELD_FOR_SESSION) {
                    answer(request);
                }
            } else if (dice < 90) {
                serve();
            } else if (dice < 97) {
                now += random.nextInt(10);
                state.onDue(now, this);
            } else if (dice < 99) {
                long request = Math.max(1, nextRequest - 1 - random.nextInt(10));
                for (long session = 0; session < 4; session++) {
                    DispatchState.CancelOutcome outcome = state.onCancel(session, request);
                    if (outcome == DispatchState.CancelOutcome.CANCELLED) {
                        answer(request);
                    } else if (outcome == DispatchState.CancelOutcome.TOO_LATE) {
                        open.put(request, "cancelled");
                    }
                }
            }
            check();
        }

        private void serve() {
            if (asked.isEmpty()) {
                return;
            }
            // Each queue answers in its order, queues among each other do not.
            Asked one = asked.get(random.nextInt(asked.size()));
            for (Asked earlier : asked) {
                if (earlier.queueId() == one.queueId()) {
                    one = earlier;
                    break;
                }
            }
            asked.remove(one);
            int got = (int) Math.min(one.max(), stored.get(one.queueId()));
            stored.merge(one.queueId(), (long) -got, Long::sum);
            if (got > 0) {
                delivered.add(one.pop());
            } else if (one.max() == 0 && delivered.contains(one.pop()) && random.nextBoolean()) {
                got = -1;
            } else {
                delivered.remove(one.pop());
            }
            String said = open.get(one.pop());
            if (got != 0 || "cancelled".equals(said)) {
                answer(one.pop());
            }
            if (repeated.remove(one.pop()) && got != 0) {
                answered.remove(one.pop());
                open.put(one.pop(), said);
            }
            state.onPopResult(
                    now,
                    one.queueId(),
                    one.sessionId(),
                    one.requestId(),
                    one.max(),
                    got,
                    stored.get(one.queueId()),
                    this);
        }

        private void check() {
            assertThat(state.heldCount()).isLessThanOrEqualTo(40 + asked.size());
            if (state.heldCount() > 0) {
                stored.forEach((queue, count) -> {
                    long promised = asked.stream()
                            .filter(one -> one.queueId() == queue)
                            .mapToLong(Asked::max)
                            .sum();
                    // A count that has grown since the queue told it is told again with its next result.
                    assertThat(count == 0 || promised > 0)
                            .as("queue %d has %d, %s", queue, count, state)
                            .isTrue();
                });
            }
        }

        void finish() {
            for (int i = 0; i < 10_000 && !(asked.isEmpty() && state.heldCount() == 0); i++) {
                serve();
                now += 5;
                state.onDue(now, this);
            }
            assertThat(asked).isEmpty();
            assertThat(open).isEmpty();
            assertThat(state.heldCount()).isZero();
        }

        private void answer(long request) {
            assertThat(answered.add(request)).as("answered once: %d", request).isTrue();
            assertThat(open.remove(request)).isNotNull();
        }

        @Override
        public void assign(int queueId, long sessionId, long requestId, int maxMessages, Long pop) {
            asked.add(new Asked(queueId, sessionId, requestId, maxMessages, pop));
        }

        @Override
        public void answerEmpty(long sessionId, long requestId, Long pop) {
            answer(pop);
        }

        @Override
        public void breakerChanged(boolean isOpen) {
            throw new AssertionError("no breaker is set");
        }
    }
}
