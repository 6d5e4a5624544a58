package io.forebay.store;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.forebay.store.EvacuationState.Step;
import org.junit.jupiter.api.Test;

class EvacuationStateTest {
    private final EvacuationState state = new EvacuationState(20, 1_000);

    @Test
    void aPlanIsDueWithEachSegment() {
        state.appended(999);
        assertThat(state.isPlanDue()).isFalse();
        state.appended(1);
        assertThat(state.isPlanDue()).isTrue();
        state.planning();
        assertThat(state.isPlanDue()).isFalse();
        state.ended();
        assertThat(state.isPlanDue()).isFalse();
        state.wantPlan();
        assertThat(state.isPlanDue()).isTrue();
    }

    @Test
    void noMoreIsMovedThanTheShareOfWhatIsAppended() {
        state.wantPlan();
        state.planning();
        state.reading();
        long appended = 0;
        long moved = 0;
        for (int round = 0; round < 1_000; round++) {
            state.appended(7);
            appended += 7;
            if (state.step() == Step.READING) {
                state.holding();
            }
            if (state.mayAppend(false)) {
                state.moved(90);
                moved += 90;
                state.reading();
            }
            assertThat(moved).isLessThanOrEqualTo(appended / 5 + 90);
        }
        assertThat(moved).isGreaterThan(appended / 5 - 100);
    }

    @Test
    void whatIsNotUsedOfTheShareDoesNotPileUp() {
        state.appended(1_000_000);
        state.planning();
        state.reading();
        long moved = 0;
        for (state.holding(); state.mayAppend(false); state.holding()) {
            state.moved(100);
            moved += 100;
            state.reading();
        }
        assertThat(moved).isEqualTo(1_000);
        assertThat(state.mayAppend(true)).as("on a low disk").isTrue();
    }

    @Test
    void oneSegmentAfterTheOther() {
        state.wantPlan();
        state.planning();
        assertThat(state.isCallUnderWay()).isTrue();
        state.reading();
        state.forcing();
        assertThat(state.isCallUnderWay()).isFalse();
        state.finishing();
        state.finished();
        assertThat(state.completedCount()).isOne();
        assertThat(state.isPlanDue()).as("there may be more").isTrue();
        assertThatThrownBy(state::finishing).isInstanceOf(AssertionError.class);
    }

    private void hold() {
        state.wantPlan();
        state.planning();
        state.reading();
        state.holding();
    }

    @Test
    void whatIsHeldIsHeldInVainWhileNothingIsAppended() {
        state.wantPlan();
        state.planning();
        state.reading();
        assertThat(state.isHeldInVain()).isFalse();
        state.holding();
        assertThat(state.isHeldInVain()).isTrue();
        state.appended(1);
        assertThat(state.isHeldInVain()).isFalse();
        assertThat(state.isHeldInVain()).isTrue();
    }

    @Test
    void whatHasNotBegunIsGivenUpAndTheShareStaysAsItIs() {
        hold();
        assertThat(state.goOnWithoutShare()).isFalse();
        assertThat(state.mayAppend(false)).isFalse();
    }

    @Test
    void whatHasBegunIsFinishedOnCreditThatTheNextOnePaysBack() {
        state.appended(500);
        hold();
        state.moved(100);
        state.reading();
        state.holding();
        assertThat(state.mayAppend(false)).as("its share is used up").isFalse();
        assertThat(state.goOnWithoutShare()).isTrue();
        assertThat(state.mayAppend(false)).isTrue();
        state.moved(300);
        state.reading();
        state.holding();
        assertThat(state.mayAppend(false)).isTrue();
        state.appended(5);
        assertThat(state.mayAppend(false))
                .as("there is something to have a share of")
                .isFalse();
        assertThat(state.goOnWithoutShare()).isTrue();
        state.moved(100);
        state.reading();
        state.forcing();
        state.finishing();
        state.finished();

        hold();
        assertThat(state.goOnWithoutShare()).as("the next one").isFalse();
        state.appended(1_995);
        assertThat(state.mayAppend(false)).as("400 bytes are owed").isFalse();
        state.appended(1);
        assertThat(state.mayAppend(false)).isTrue();
    }

    @Test
    void withoutAShareNothingIsDone() {
        EvacuationState off = new EvacuationState(0, 1_000);
        off.appended(10_000);
        off.wantPlan();
        assertThat(off.isPlanDue()).isFalse();
    }
}
