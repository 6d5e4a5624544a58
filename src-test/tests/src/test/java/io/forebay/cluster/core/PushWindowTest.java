package io.forebay.cluster.core;

import static org.assertj.core.api.Assertions.assertThat;

import io.forebay.protocol.SubscriptionProgress;
import io.forebay.testkit.sim.SeededRun;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import java.util.random.RandomGenerator;
import org.junit.jupiter.api.Test;

class PushWindowTest {
    private static SubscriptionProgress progress(long credits) {
        return SubscriptionProgress.begin(credits);
    }

    @Test
    void progressNamesExactlyWhatWasReceived() {
        SubscriptionProgress progress = progress(100);
        for (long number : new long[] {3, 1, 64, 2}) {
            assertThat(progress.hasReceived(number)).isFalse();
            progress = progress.received(number, 5);
            assertThat(progress.hasReceived(number)).isTrue();
        }
        assertThat(progress.receivedUpTo()).isEqualTo(3);
        assertThat(progress.receivedCount()).isEqualTo(20);
        assertThat(progress.hasReceived(4)).isFalse();
        assertThat(progress.hasReceived(65)).isFalse();
        progress = progress.received(67, 1);
        assertThat(progress.hasReceived(67)).isTrue();
    }

    @Test
    void creditsAreSplitAmongTheTwoPopsThatWait() {
        PushWindow window = new PushWindow(100, progress(11));
        assertThat(window.nextAsk(0, true)).isEqualTo(new PushWindow.Ask(1, 6, 0, true));
        assertThat(window.nextAsk(0, true)).isEqualTo(new PushWindow.Ask(2, 5, 0, true));
        assertThat(window.nextAsk(0, true)).isNull();
        assertThat(window.onDelivered(0, 2, 3, 300, 9)).isTrue();
        assertThat(window.nextAsk(0, true)).isEqualTo(new PushWindow.Ask(3, 2, 0, true));
        assertThat(window.bytes()).isEqualTo(300);
        window.onProgress(progress(11).received(2, 3));
        assertThat(window.bytes()).isZero();
    }

    @Test
    void nothingIsAskedForWithoutCredits() {
        PushWindow window = new PushWindow(100, progress(0));
        assertThat(window.nextAsk(0, true)).isNull();
        window.onProgress(progress(1));
        assertThat(window.nextAsk(0, true).count()).isEqualTo(1);
        assertThat(window.nextAsk(0, true)).isNull();
    }

    @Test
    void aPushThatWasOvertakenIsAskedForAgain() {
        PushWindow window = new PushWindow(10, progress(100));
        window.nextAsk(0, true);
        window.nextAsk(0, true);
        window.onDelivered(0, 1, 10, 1, 5);
        window.onDelivered(0, 2, 7, 1, 6);
        window.onProgress(progress(100).received(2, 7));
        assertThat(window.nextAsk(0, false)).isEqualTo(new PushWindow.Ask(1, 10, 5, false));
        // Refused for now: it stays lost.
        window.onRefused(1, 50);
        assertThat(window.nextAsk(49, true)).isNull();
        assertThat(window.nextAsk(50, false)).isEqualTo(new PushWindow.Ask(1, 10, 5, false));
        // Gone in the meantime: its number is for something new.
        window.onNothing(1, 0);
        assertThat(window.nextAsk(50, false)).isNull();
        assertThat(window.nextAsk(50, true).number()).isEqualTo(1);
    }

    @Test
    void whatIsPushedWhileTheClientAttachesIsAskedForAgainWhenItHasSubscribed() {
        PushWindow window = new PushWindow(10, progress(100));
        window.nextAsk(0, true);
        window.nextAsk(0, true);
        window.suspend();
        assertThat(window.onDelivered(0, 1, 10, 1, 5)).isFalse();
        assertThat(window.nextAsk(0, true)).isNull();
        window.onSubscribedAgain(progress(100));
        assertThat(window.nextAsk(0, true)).isEqualTo(new PushWindow.Ask(1, 10, 5, false));
    }

    @Test
    void noNumberIsFurtherAheadThanTheClientCanName() {
        PushWindow window = new PushWindow(1, progress(1000));
        window.nextAsk(0, true);
        for (int i = 2; i <= SubscriptionProgress.WINDOW; i++) {
            assertThat(window.nextAsk(0, true).number()).isEqualTo(i);
            window.onDelivered(0, i, 1, 1, 5);
        }
        assertThat(window.nextAsk(0, true)).isNull();
    }

    /**
     * A node, a client and a line between them that loses single pushes, breaks, and whose node is started again. In the end
     * every message has come, none twice; the client never gets more than its credits, but
     * after a restart, when nobody knows how much was on its way.
     */
    @Test
    void everythingComesOnceOverALineThatLosesAndBreaks() {
        long steps = SeededRun.steps(200_000);
        SeededRun.run("push window", (random, progress) -> {
            for (long done = 0; done < steps; ) {
                Run run = new Run(random);
                for (int i = 0; i < 2_000; i++) {
                    progress.at(++done);
                    run.step();
                }
                run.finish();
            }
        });
    }

    private static final class Run {
        private record Pushed(long number, List<Integer> messages) {}

        private final RandomGenerator random;
        private final int countMax;
        // The node.
        private PushWindow window;
        private final List<PushWindow.Ask> asked = new ArrayList<>();
        // Its queues: they know which request has what, while it is in flight.
        private final TreeSet<Integer> stored = new TreeSet<>();
        private final Map<Long, List<Integer>> inFlight = new HashMap<>();
        private int sent;
        // The line.
        private final ArrayDeque<Pushed> down = new ArrayDeque<>();
        private final ArrayDeque<SubscriptionProgress> up = new ArrayDeque<>();
        // The client.
        private SubscriptionProgress progress = progress(0);
        private final Set<Integer> held = new HashSet<>();
        private final Set<Integer> acked = new HashSet<>();
        private boolean isRestarted;
        private long now;

        Run(RandomGenerator random) {
            this.random = random;
            countMax = 1 + random.nextInt(20);
            window = new PushWindow(countMax, progress);
        }

        void step() {
            now++;
            int dice = random.nextInt(1000);
            if (dice < 150) {
                int count = random.nextInt(8);
                for (int i = 0; i < count; i++) {
                    stored.add(sent++);
                }
            } else if (dice < 400) {
                ask();
                serve();
            } else if (dice < 600) {
                receive();
            } else if (dice < 800) {
                tellProgress();
            } else if (dice < 930) {
                ack();
            } else if (dice < 960) {
                down.pollFirst();
            } else if (dice < 975) {
                window.onSilence(now - 50);
            } else if (dice < 985) {
                breakLine(false);
            } else if (dice < 990) {
                breakLine(true);
            } else {
                up.pollFirst();
            }
            if (!up.isEmpty() && random.nextInt(3) == 0) {
                window.onProgress(up.pollFirst());
            }
        }

        private void ask() {
            for (PushWindow.Ask ask = window.nextAsk(now, random.nextInt(4) > 0);
                    ask != null;
                    ask = window.nextAsk(now, true)) {
                assertThat(ask.number()).isLessThanOrEqualTo(progress.receivedUpTo() + SubscriptionProgress.WINDOW);
                asked.add(ask);
            }
        }

        private void serve() {
            if (asked.isEmpty()) {
                return;
            }
            PushWindow.Ask ask = asked.remove(random.nextInt(asked.size()));
            List<Integer> messages = inFlight.get(ask.number());
            if (messages == null) {
                if (stored.isEmpty() || random.nextInt(20) == 0) {
                    if (random.nextInt(10) == 0) {
                        window.onRefused(ask.number(), now + random.nextInt(3));
                    } else if (!ask.isWaiting() || random.nextInt(10) == 0) {
                        window.onNothing(ask.number(), now + random.nextInt(3));
                    } else {
                        asked.add(ask);
                    }
                    return;
                }
                messages = new ArrayList<>();
                for (int i = 0; i < ask.count() && !stored.isEmpty(); i++) {
                    messages.add(stored.pollFirst());
                }
                inFlight.put(ask.number(), messages);
            }
            if (window.onDelivered(now, ask.number(), messages.size(), messages.size(), 1)) {
                down.addLast(new Pushed(ask.number(), List.copyOf(messages)));
            }
        }

        private void receive() {
            Pushed pushed = down.pollFirst();
            if (pushed == null) {
                return;
            }
            if (progress.hasReceived(pushed.number())) {
                // A second copy. What the first one did not have goes back.
                List<Integer> out = inFlight.getOrDefault(pushed.number(), new ArrayList<>());
                for (int message : pushed.messages()) {
                    if (!held.contains(message) && out.remove((Integer) message)) {
                        stored.add(message);
                    }
                }
                forgetSettled();
                return;
            }
            progress = progress.received(pushed.number(), pushed.messages().size());
            for (int message : pushed.messages()) {
                assertThat(held.add(message)).as("%d comes twice", message).isTrue();
                assertThat(acked).doesNotContain(message);
            }
            assertThat(progress.receivedCount())
                    .isLessThanOrEqualTo(progress.totalCredits() + (isRestarted ? 2L * countMax : 0));
        }

        private void ack() {
            if (held.isEmpty()) {
                return;
            }
            for (int message : List.copyOf(held)) {
                if (random.nextBoolean()) {
                    held.remove(message);
                    acked.add(message);
                    inFlight.values().forEach(messages -> messages.remove((Integer) message));
                }
            }
            forgetSettled();
        }

        private void forgetSettled() {
            inFlight.values().removeIf(List::isEmpty);
        }

        private void tellProgress() {
            long credits = Math.max(progress.totalCredits(), progress.receivedCount() + random.nextInt(60));
            progress = progress.withTotalCredits(credits);
            up.addLast(progress);
        }

        private void breakLine(boolean isRestart) {
            down.clear();
            up.clear();
            if (isRestart) {
                asked.clear();
                isRestarted = true;
                window = new PushWindow(countMax, progress);
                return;
            }
            window.suspend();
            for (int i = random.nextInt(4); i > 0; i--) {
                serve();
            }
            assertThat(down).isEmpty();
            window.onSubscribedAgain(progress);
        }

        /** A second copy that brought something new and was lost, too: that comes back at its deadline only. */
        private void expireSecondCopies() {
            inFlight.forEach((number, messages) -> {
                if (progress.hasReceived(number) && down.isEmpty()) {
                    for (int message : List.copyOf(messages)) {
                        if (!held.contains(message)) {
                            messages.remove((Integer) message);
                            stored.add(message);
                        }
                    }
                }
            });
            forgetSettled();
        }

        void finish() {
            for (int i = 0; i < 20_000 && !(stored.isEmpty() && acked.size() == sent); i++) {
                now++;
                tellProgress();
                while (!up.isEmpty()) {
                    window.onProgress(up.pollFirst());
                }
                ask();
                serve();
                receive();
                ack();
                window.onSilence(now - 100);
                expireSecondCopies();
            }
            assertThat(acked.size()).as("%s of what was sent", window).isEqualTo(sent);
        }
    }
}
