package io.forebay.queue.core;

import static org.assertj.core.api.Assertions.assertThat;

import io.forebay.testkit.sim.SeededRun;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.random.RandomGenerator;
import org.junit.jupiter.api.Test;

/**
 * A dispatcher under random policies that change, with consumers that ack, fail, give back and vanish, against queues that are
 * plain counters. Whenever something is handed out: the group is not paused, no more is out than the group and the session
 * may have, no more has gone out than the rate and the breaker allow, and no session was passed over twice. In the end,
 * with no limits left, everything is handed out.
 */
class DispatchModelTest {
    private static final int QUEUE_IN_FLIGHT_MAX = 1_000_000;

    @Test
    void limitsAreKeptAndTurnsAreFair() {
        long steps = SeededRun.steps(300_000);
        SeededRun.run("dispatch limits", (random, progress) -> {
            for (long done = 0; done < steps; ) {
                Run run = new Run(random, progress);
                for (int i = 0; i < 3_000; i++) {
                    progress.at(++done);
                    run.step();
                }
                run.finish();
            }
        });
    }

    private static final class StoredQueue {
        final int id;
        long stored;
        final Map<Long, Integer> held = new TreeMap<>();
        final ArrayDeque<Asked> asked = new ArrayDeque<>();

        StoredQueue(int id) {
            this.id = id;
        }

        int inFlight() {
            return held.values().stream().mapToInt(Integer::intValue).sum();
        }
    }

    private record Asked(long sessionId, long requestId, int max) {}

    private static final class Run implements DispatchState.Handout<Long> {
        private final RandomGenerator random;
        private final SeededRun.Progress progress;
        private final Map<Integer, StoredQueue> queues = new TreeMap<>();
        private final Map<Long, Long> waiting = new HashMap<>();
        private final Set<Long> sessionsGone = new HashSet<>();
        private final Set<Long> everAssigned = new HashSet<>();
        /** For each session that waits: who was served since. */
        private final Map<Long, Set<Long>> servedSince = new TreeMap<>();

        private final int sessionCount;
        private GroupPolicy policy;
        private DispatchState<Long> state;
        private long now = 1_000;
        private long nextRequest = 1;
        private long rateSinceMillis;
        private long handedOutSince;
        private boolean isBreakerOpen;

        Run(RandomGenerator random, SeededRun.Progress progress) {
            this.random = random;
            this.progress = progress;
            sessionCount = 1 + random.nextInt(6);
            policy = randomPolicy();
            state = new DispatchState<>(new DispatchState.Limits(10_000, 10_000, QUEUE_IN_FLIGHT_MAX), policy);
            rateSinceMillis = now;
            for (int id = 1; id <= 1 + random.nextInt(5); id++) {
                queues.put(id, new StoredQueue(id));
                state.onQueueAdded(id);
            }
        }

        private GroupPolicy randomPolicy() {
            return Policies.group(group -> {
                group.isPaused = random.nextInt(10) == 0;
                group.inFlightMax = random.nextInt(3) == 0 ? QUEUE_IN_FLIGHT_MAX : 1 + random.nextInt(60);
                group.consumerInFlightMax = random.nextInt(2) == 0 ? 0 : 1 + random.nextInt(20);
                group.ratePerSecond = random.nextInt(3) == 0 ? 1 + random.nextInt(2_000) : 0;
                group.breakerPercent = random.nextInt(3) == 0 ? 1 + random.nextInt(100) : 0;
            });
        }

        void step() {
            int dice = random.nextInt(100);
            StoredQueue queue = queues.get(1 + random.nextInt(queues.size()));
            if (dice < 20) {
                long before = queue.stored;
                queue.stored += random.nextInt(40);
                if (before == 0) {
                    state.onAvailable(now, queue.id, queue.stored, this);
                }
            } else if (dice < 50) {
                poll(random.nextInt(sessionCount), random.nextInt(500));
            } else if (dice < 70) {
                serve(queue);
            } else if (dice < 88) {
                settle(queue);
            } else if (dice < 97) {
                now += random.nextInt(100);
                state.onDue(now, this);
            } else if (dice < 98) {
                long session = random.nextInt(sessionCount);
                state.onSessionGone(session);
                waiting.values().removeIf(owner -> owner == session);
                servedSince.remove(session);
                // Its queues take back what it holds when they hear of it, which may be later.
                sessionsGone.add(session);
            } else {
                policy = randomPolicy();
                progress.note(policy.toString());
                handedOutSince = 0;
                rateSinceMillis = now;
                servedSince.values().forEach(Set::clear);
                state.configure(now, policy, this);
            }
            assertThat(state.heldCount()).isEqualTo(waiting.size());
        }

        private void poll(long session, long waitMillis) {
            if (sessionsGone.contains(session)) {
                return;
            }
            long request = nextRequest++;
            beginToWait(session, request);
            DispatchState.PopOutcome outcome =
                    state.onPop(now, session, request, 1 + random.nextInt(30), now + waitMillis, request, this);
            if (outcome == DispatchState.PopOutcome.HELD) {
                assertThat(waiting).containsKey(request);
            }
        }

        private void beginToWait(long session, long request) {
            if (!isWaiting(session)) {
                servedSince.put(session, new HashSet<>());
            }
            waiting.put(request, session);
        }

        private void serve(StoredQueue queue) {
            Asked asked = queue.asked.pollFirst();
            if (asked == null) {
                return;
            }
            int got = (int) Math.min(asked.max(), queue.stored);
            boolean isRefused = random.nextInt(20) == 0;
            if (isRefused) {
                got = 0;
            } else if (got > 0) {
                queue.stored -= got;
                queue.held.merge(asked.sessionId(), got, Integer::sum);
            }
            handedOutSince -= asked.max() - got;
            if (!isRefused && got == 0 && !sessionsGone.contains(asked.sessionId())) {
                // It waits again, or is answered; either way not by the queue.
                beginToWait(asked.sessionId(), asked.requestId());
            }
            freeable(asked.sessionId());
            state.onPopResult(
                    now,
                    queue.id,
                    asked.sessionId(),
                    asked.requestId(),
                    asked.max(),
                    isRefused ? -1 : got,
                    queue.stored,
                    this);
            tell(queue, 0, 0, Map.of());
        }

        /** Some of what a session holds is acked, fails, or is given back. */
        private void settle(StoredQueue queue) {
            if (queue.held.isEmpty()) {
                return;
            }
            List<Long> holders = new ArrayList<>(queue.held.keySet());
            long session = holders.get(random.nextInt(holders.size()));
            int count = sessionsGone.contains(session)
                    ? queue.held.get(session)
                    : 1 + random.nextInt(queue.held.get(session));
            queue.held.merge(session, -count, Integer::sum);
            queue.held.values().removeIf(left -> left == 0);
            int kind = random.nextInt(4);
            if (kind > 1) {
                queue.stored += count;
            }
            freeable(session);
            tell(queue, kind <= 1 ? count : 0, kind == 2 ? count : 0, Map.of(session, count));
            if (kind > 1) {
                state.onAvailable(now, queue.id, queue.stored, this);
            }
            boolean isForgotten = queues.values().stream()
                    .noneMatch(each -> each.held.containsKey(session)
                            || each.asked.stream().anyMatch(asked -> asked.sessionId() == session));
            if (isForgotten) {
                sessionsGone.remove(session);
            }
        }

        /** It may have more now: its turn comes behind those that waited already. */
        private void freeable(long session) {
            Set<Long> served = servedSince.get(session);
            if (served != null) {
                served.clear();
            }
        }

        private void tell(StoredQueue queue, int acked, int failed, Map<Long, Integer> freed) {
            long[] sessions = freed.keySet().stream().mapToLong(Long::longValue).toArray();
            int[] counts = freed.values().stream().mapToInt(Integer::intValue).toArray();
            state.onInFlight(now, queue.id, queue.inFlight(), acked, failed, sessions, counts, this);
        }

        @Override
        public void assign(int queueId, long sessionId, long requestId, int maxMessages, Long pop) {
            queues.get(queueId).asked.addLast(new Asked(sessionId, requestId, maxMessages));
            waiting.remove(requestId);
            handedOutSince += maxMessages;
            assertThat(maxMessages).isPositive();
            assertThat(policy.isPaused()).isFalse();
            if (policy.inFlightMax() != QUEUE_IN_FLIGHT_MAX) {
                assertThat(out(-1)).isLessThanOrEqualTo(policy.inFlightMax());
            }
            if (policy.consumerInFlightMax() > 0) {
                assertThat(out(sessionId)).isLessThanOrEqualTo(policy.consumerInFlightMax());
            }
            if (policy.ratePerSecond() > 0) {
                long allowed = policy.ratePerSecond() * (1000 + now - rateSinceMillis) / 1000;
                assertThat(handedOutSince).isLessThanOrEqualTo(allowed);
            }
            if (isBreakerOpen) {
                assertThat(maxMessages).isLessThanOrEqualTo(Breaker.PROBES_PER_SECOND);
            }
            if (everAssigned.add(requestId)) {
                // Not again for a Pop that was handed on because its queue had nothing.
                servedSince.forEach((waiter, served) -> {
                    if (waiter != sessionId && isWaiting(waiter) && mayHaveMore(waiter)) {
                        assertThat(served.add(sessionId))
                                .as("%d is served twice while %d waits: %s", sessionId, waiter, state)
                                .isTrue();
                    }
                });
            }
            freeable(sessionId);
        }

        private boolean isWaiting(long session) {
            return waiting.containsValue(session);
        }

        private boolean mayHaveMore(long session) {
            return policy.consumerInFlightMax() == 0 || out(session) < policy.consumerInFlightMax();
        }

        /** @param session -1 for all */
        private long out(long session) {
            long out = 0;
            for (StoredQueue queue : queues.values()) {
                for (Map.Entry<Long, Integer> held : queue.held.entrySet()) {
                    out += session < 0 || held.getKey() == session ? held.getValue() : 0;
                }
                for (Asked asked : queue.asked) {
                    out += session < 0 || asked.sessionId() == session ? asked.max() : 0;
                }
            }
            return out;
        }

        @Override
        public void answerEmpty(long sessionId, long requestId, Long pop) {
            assertThat(waiting.remove(requestId)).isNotNull();
        }

        @Override
        public void breakerChanged(boolean isOpen) {
            assertThat(isOpen).isNotEqualTo(isBreakerOpen);
            isBreakerOpen = isOpen;
        }

        void finish() {
            policy = Policies.group(group -> group.inFlightMax = QUEUE_IN_FLIGHT_MAX);
            progress.note("finish");
            state.configure(now, policy, this);
            sessionsGone.clear();
            for (int i = 0; i < 100_000 && queues.values().stream().anyMatch(queue -> queue.stored > 0); i++) {
                poll(random.nextInt(sessionCount), 1_000);
                queues.values().forEach(this::serve);
            }
            assertThat(queues.values()).allMatch(queue -> queue.stored == 0);
        }
    }
}
