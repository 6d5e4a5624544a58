package io.forebay.queue.core;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.ArrayList;
import java.util.List;
import java.util.function.Consumer;
import org.junit.jupiter.api.Test;

/** What goes out at all: pause, rate, maxima, breaker, and whose turn it is. */
class DispatchLimitsTest {
    private static final long[] NO_SESSIONS = {};
    private static final int[] NO_COUNTS = {};

    private final List<String> told = new ArrayList<>();
    private final DispatchState.Handout<String> out = new DispatchState.Handout<>() {
        @Override
        public void assign(int queueId, long sessionId, long requestId, int maxMessages, String pop) {
            told.add(pop + ">" + queueId + " " + maxMessages);
        }

        @Override
        public void answerEmpty(long sessionId, long requestId, String pop) {
            told.add(pop + " empty");
        }

        @Override
        public void breakerChanged(boolean isOpen) {
            told.add(isOpen ? "opens" : "closes");
        }
    };

    private static DispatchState<String> state(Consumer<Policies.Group> changes) {
        return new DispatchState<>(new DispatchState.Limits(100, 100, 65_536), Policies.group(changes));
    }

    @Test
    void nothingGoesOutWhileTheGroupIsPausedAndHeldPopsAreServedAtOnceWhenItGoesOn() {
        DispatchState<String> state = state(group -> group.isPaused = true);
        state.onAvailable(0, 1, 50, out);
        state.onPop(0, 1, 1, 10, 1000, "a", out);
        state.onPop(0, 2, 1, 10, 500, "b", out);
        state.onPop(0, 3, 1, 10, 0, "c", out);
        assertThat(told).containsExactly("c empty");
        assertThat(state.nextDueMillis(0)).isEqualTo(500);
        state.onDue(500, out);
        state.configure(600, Policies.group(), out);
        assertThat(told).containsExactly("c empty", "b empty", "a>1 10");
        state.configure(700, Policies.group(group -> group.isPaused = true), out);
        assertThat(state.onPop(700, 1, 2, 10, 9000, "d", out)).isEqualTo(DispatchState.PopOutcome.HELD);
    }

    /** As the pushes of a subscription do, whose numbers stay until they have brought something. */
    @Test
    void aPopThatComesAgainAndHadGotNothingIsHeldToTheLimitsAsANewOneIs() {
        DispatchState<String> state = state(group -> {});
        state.onAvailable(0, 1, 1, out);
        state.onPop(0, 1, 7, 10, 100, "a", out);
        state.onPopResult(0, 1, 1, 7, 10, 0, 0, out);
        state.onEndWait(1, 7, out);
        assertThat(told).containsExactly("a>1 10", "a empty");
        state.configure(0, Policies.group(group -> group.isPaused = true), out);
        state.onAvailable(0, 1, 5, out);
        assertThat(state.onPop(0, 1, 7, 10, 100, "a", out)).isEqualTo(DispatchState.PopOutcome.HELD);
        assertThat(told).hasSize(2);
    }

    /** A Pop of ten from queue 1, whose deliveries are settled when that is told. */
    private void popTen(DispatchState<String> state) {
        state.onAvailable(0, 1, 50, out);
        state.onPop(0, 1, 7, 10, 100, "a", out);
        state.onPopResult(0, 1, 1, 7, 10, 10, 40, out);
    }

    @Test
    void aPopThatIsRepeatedWhenItsDeliveriesAreGoneGetsNothingWhileTheGroupIsPaused() {
        DispatchState<String> state = state(group -> {});
        popTen(state);
        state.onInFlight(0, 1, 0, 10, 0, new long[] {1}, new int[] {10}, out);
        state.configure(1, Policies.group(group -> group.isPaused = true), out);
        assertThat(state.onPop(2, 1, 7, 10, 1000, "again", out)).isEqualTo(DispatchState.PopOutcome.ASSIGNED);
        assertThat(told).as("what it got before, if that is there").containsExactly("a>1 10", "again>1 0");
        state.onPopResult(3, 1, 1, 7, 0, 0, 40, out);
        assertThat(state.heldCount()).isEqualTo(1);
        assertThat(told).hasSize(2);
        state.configure(4, Policies.group(), out);
        assertThat(told).hasSize(3).last().isEqualTo("again>1 10");
    }

    @Test
    void aPopThatIsRepeatedWhenItsDeliveriesAreGoneGetsNothingWhileAsMuchIsOutAsMayBe() {
        for (boolean isOfGroup : new boolean[] {true, false}) {
            told.clear();
            DispatchState<String> state = state(group -> {
                group.inFlightMax = isOfGroup ? 10 : group.inFlightMax;
                group.consumerInFlightMax = isOfGroup ? group.consumerInFlightMax : 10;
            });
            popTen(state);
            state.onInFlight(0, 1, 0, 10, 0, new long[] {1}, new int[] {10}, out);
            state.onPop(1, 1, 8, 10, 0, "b", out);
            state.onPopResult(1, 1, 1, 8, 10, 10, 30, out);
            state.onPop(2, 1, 7, 10, 2, "again", out);
            state.onPopResult(3, 1, 1, 7, 0, 0, 30, out);
            assertThat(told).containsExactly("a>1 10", "b>1 10", "again>1 0", "again empty");
        }
    }

    @Test
    void aPopThatIsRepeatedWhileItsQueueHasItGetsWhatThatOneGetsAndTakesNothingOfAnyLimit() {
        DispatchState<String> state = state(group -> group.inFlightMax = 10);
        state.onAvailable(0, 1, 50, out);
        state.onPop(0, 1, 7, 10, 100, "a", out);
        assertThat(state.onPop(1, 1, 7, 10, 100, "again", out)).isEqualTo(DispatchState.PopOutcome.ASSIGNED);
        assertThat(told).containsExactly("a>1 10");
        state.onPopResult(2, 1, 1, 7, 10, 10, 40, out);
        assertThat(told).containsExactly("a>1 10", "again>1 0");
        state.onPopResult(3, 1, 1, 7, 0, -1, 40, out);
        assertThat(state.onCancel(1, 7)).isEqualTo(DispatchState.CancelOutcome.UNKNOWN);
        state.onPop(4, 1, 8, 5, 100, "b", out);
        assertThat(told).hasSize(2);
        state.onInFlight(5, 1, 8, 2, 0, new long[] {1}, new int[] {2}, out);
        assertThat(told).hasSize(3).last().isEqualTo("b>1 2");
    }

    @Test
    void aPopThatIsRepeatedWhileItsQueueHasItIsAnsweredOnceIfThatHasNothing() {
        DispatchState<String> state = state(group -> {});
        state.onAvailable(0, 1, 5, out);
        state.onPop(0, 1, 7, 10, 100, "a", out);
        state.onPop(1, 1, 7, 10, 100, "again", out);
        state.onPopResult(200, 1, 1, 7, 10, 0, 0, out);
        assertThat(told).containsExactly("a>1 10", "again empty");
    }

    @Test
    void noMoreIsOutThanTheGroupMayHaveOverAllQueues() {
        DispatchState<String> state = state(group -> group.inFlightMax = 10);
        state.onAvailable(0, 1, 50, out);
        state.onAvailable(0, 2, 50, out);
        state.onPop(0, 1, 1, 6, 100, "a", out);
        state.onPop(0, 1, 2, 6, 100, "b", out);
        state.onPop(0, 1, 3, 6, 100, "c", out);
        assertThat(told).containsExactly("a>1 6", "b>2 4");
        // Five of the six: one may go to somebody else.
        state.onPopResult(0, 1, 1, 1, 6, 5, 45, out);
        assertThat(told).hasSize(3).last().isEqualTo("c>1 1");
        state.onPopResult(0, 2, 1, 2, 4, 4, 46, out);
        state.onPopResult(0, 1, 1, 3, 1, 1, 44, out);
        state.onPop(0, 1, 4, 6, 100, "d", out);
        assertThat(told).hasSize(3);
        state.onInFlight(0, 1, 3, 3, 0, new long[] {1}, new int[] {3}, out);
        assertThat(told).hasSize(4).last().isEqualTo("d>2 3");
    }

    @Test
    void aSessionThatHasAllItMayHaveLosesNoTurnToOthers() {
        DispatchState<String> state = state(group -> group.consumerInFlightMax = 4);
        state.onPop(0, 1, 1, 10, 100, "a1", out);
        state.onPop(0, 1, 2, 10, 100, "a2", out);
        state.onPop(0, 2, 1, 10, 100, "b1", out);
        state.onAvailable(0, 1, 100, out);
        assertThat(told).containsExactly("a1>1 4", "b1>1 4");
        state.onPopResult(0, 1, 1, 1, 4, 4, 96, out);
        state.onPopResult(0, 1, 2, 1, 4, 4, 92, out);
        assertThat(told).hasSize(2);
        state.onInFlight(0, 1, 7, 1, 0, new long[] {1}, new int[] {1}, out);
        assertThat(told).hasSize(3).last().isEqualTo("a2>1 1");
    }

    @Test
    void whatASessionHeldBeforeTheStartCounts() {
        DispatchState<String> state = state(group -> group.consumerInFlightMax = 4);
        state.onInFlight(0, 1, 3, 0, 0, new long[] {1}, new int[] {-3}, out);
        state.onAvailable(0, 1, 100, out);
        state.onPop(0, 1, 1, 10, 100, "a", out);
        assertThat(told).containsExactly("a>1 1");
    }

    @Test
    void aRefusedPopTakesNothingOfAnyLimit() {
        DispatchState<String> state = state(group -> {
            group.inFlightMax = 10;
            group.consumerInFlightMax = 10;
            group.ratePerSecond = 10;
        });
        state.onAvailable(0, 1, 100, out);
        for (int request = 1; request <= 5; request++) {
            state.onPop(0, 1, request, 10, 0, "a", out);
            state.onPopResult(0, 1, 1, request, 10, -1, 100, out);
        }
        assertThat(told).hasSize(5).containsOnly("a>1 10");
    }

    @Test
    void aRateIsKeptToWithABurstOfOneSecondAndHeldPopsAreServedWhenTokensCome() {
        DispatchState<String> state = state(group -> group.ratePerSecond = 100);
        state.onAvailable(0, 1, 1000, out);
        state.onPop(0, 1, 1, 80, 100_000, "a", out);
        state.onPopResult(0, 1, 1, 1, 80, 80, 920, out);
        state.onPop(0, 1, 2, 80, 100_000, "b", out);
        state.onPopResult(0, 1, 1, 2, 20, 20, 900, out);
        state.onPop(0, 1, 3, 80, 100_000, "c", out);
        assertThat(told).containsExactly("a>1 80", "b>1 20");
        assertThat(state.nextDueMillis(0)).isEqualTo(20);
        state.onDue(19, out);
        assertThat(told).hasSize(2);
        state.onDue(20, out);
        assertThat(told).hasSize(3).last().isEqualTo("c>1 2");
    }

    @Test
    void whatAQueueDidNotHaveIsGivenBackToTheRate() {
        DispatchState<String> state = state(group -> group.ratePerSecond = 10);
        state.onAvailable(0, 1, 1, out);
        state.onPop(0, 1, 1, 10, 100, "a", out);
        state.onPopResult(0, 1, 1, 1, 10, 1, 0, out);
        state.onAvailable(0, 2, 30, out);
        state.onPop(0, 1, 2, 30, 100, "b", out);
        assertThat(told).containsExactly("a>1 10", "b>2 9");
    }

    @Test
    void thoseThatWaitShareWhatComes() {
        DispatchState<String> state = state(group -> {});
        state.onPop(0, 1, 1, 1000, 100, "greedy", out);
        state.onPop(0, 1, 2, 1000, 100, "greedy", out);
        state.onPop(0, 2, 1, 10, 100, "b", out);
        state.onPop(0, 3, 1, 10, 100, "c", out);
        state.onAvailable(0, 1, 9, out);
        assertThat(told).containsExactly("greedy>1 3", "b>1 3", "c>1 3");
    }

    @Test
    void sessionsTakeTurnsHoweverManyPopsEachHas() {
        DispatchState<String> state = state(group -> {});
        for (int request = 1; request <= 4; request++) {
            state.onPop(0, 1, request, 1, 100, "a" + request, out);
        }
        state.onPop(0, 2, 1, 1, 100, "b1", out);
        state.onPop(0, 2, 2, 1, 100, "b2", out);
        state.onAvailable(0, 1, 5, out);
        assertThat(told).containsExactly("a1>1 1", "b1>1 1", "a2>1 1", "b2>1 1", "a3>1 1");
    }

    @Test
    void theBreakerOpensWhenTooManyFailAndLetsProbesOutUntilTheySucceed() {
        DispatchState<String> state = state(group -> group.breakerPercent = 50);
        state.onAvailable(0, 1, 10_000, out);
        state.onInFlight(0, 1, 0, 30, 19, NO_SESSIONS, NO_COUNTS, out);
        state.onInFlight(900, 1, 0, 0, 10, NO_SESSIONS, NO_COUNTS, out);
        assertThat(told).isEmpty();
        state.onInFlight(1100, 1, 0, 0, 1, NO_SESSIONS, NO_COUNTS, out);
        assertThat(told).containsExactly("opens");
        assertThat(state.isBreakerOpen()).isTrue();
        state.onPop(1100, 1, 1, 100, 9000, "a", out);
        state.onPopResult(1100, 1, 1, 1, 8, 8, 9992, out);
        state.onPop(1100, 1, 2, 100, 9000, "b", out);
        assertThat(told).containsExactly("opens", "a>1 8");
        assertThat(state.nextDueMillis(1100)).isEqualTo(2000);
        // The probes fail, then the next ones succeed.
        state.onInFlight(1200, 1, 0, 0, 8, NO_SESSIONS, NO_COUNTS, out);
        state.onDue(2000, out);
        assertThat(told).hasSize(3).last().isEqualTo("b>1 8");
        state.onPopResult(2000, 1, 1, 2, 8, 8, 9984, out);
        state.onInFlight(2100, 1, 0, 8, 0, NO_SESSIONS, NO_COUNTS, out);
        assertThat(state.isBreakerOpen()).isTrue();
        state.onInFlight(4100, 1, 0, 8, 0, NO_SESSIONS, NO_COUNTS, out);
        assertThat(told).hasSize(4).last().isEqualTo("closes");
        state.onPop(4100, 1, 3, 100, 9000, "c", out);
        assertThat(told).last().isEqualTo("c>1 100");
    }

    @Test
    void aBreakerThatIsTakenAwayCloses() {
        DispatchState<String> state = state(group -> group.breakerPercent = 10);
        state.onInFlight(0, 1, 0, 0, 50, NO_SESSIONS, NO_COUNTS, out);
        state.configure(1, Policies.group(), out);
        state.onInFlight(2, 1, 0, 0, 50, NO_SESSIONS, NO_COUNTS, out);
        assertThat(told).containsExactly("opens", "closes");
    }

    @Test
    void fewFailuresOpenNoBreaker() {
        DispatchState<String> state = state(group -> group.breakerPercent = 10);
        state.onInFlight(0, 1, 0, 0, 49, NO_SESSIONS, NO_COUNTS, out);
        // Eleven seconds later those are forgotten.
        state.onInFlight(11_000, 1, 0, 0, 49, NO_SESSIONS, NO_COUNTS, out);
        assertThat(told).isEmpty();
    }

    @Test
    void whatAQueueThatIsGoneHadOutCountsNoMore() {
        DispatchState<String> state = state(group -> group.inFlightMax = 10);
        state.onAvailable(0, 1, 50, out);
        state.onPop(0, 1, 1, 6, 100, "a", out);
        state.onPop(0, 1, 2, 4, 100, "b", out);
        state.onPopResult(0, 1, 1, 1, 6, 6, 44, out);
        state.onAvailable(0, 2, 50, out);
        state.onQueueGone(0, 1, out);
        assertThat(told).containsExactly("a>1 6", "b>1 4", "b>2 4");
        state.onPop(0, 1, 3, 100, 100, "c", out);
        assertThat(told).last().isEqualTo("c>2 6");
    }
}
