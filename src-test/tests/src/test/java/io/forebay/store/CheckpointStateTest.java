package io.forebay.store;

import static org.assertj.core.api.Assertions.assertThat;

import io.forebay.storage.log.Owner;
import io.forebay.store.CheckpointState.Step;
import java.util.List;
import java.util.function.BooleanSupplier;
import org.junit.jupiter.api.Test;

class CheckpointStateTest {
    private static final Owner ONE = Owner.queue(1);
    private static final Owner TWO = Owner.group(1, 7);

    private static final BooleanSupplier NOTHING_TO_FREE = () -> false;

    private final CheckpointState state = new CheckpointState(1000, 0);

    @Test
    void isDueWhenTheLogHasGrown() {
        state.appended(999);
        assertThat(state.isDue()).isFalse();
        state.appended(1);
        assertThat(state.isDue()).isTrue();
        state.begin(List.of(ONE));
        state.appended(5000);
        assertThat(state.isDue()).isFalse();
    }

    @Test
    void isDueWhenIdleOnlyIfSomethingChanged() {
        assertThat(state.isDueWhenIdle(NOTHING_TO_FREE)).isFalse();
        state.appended(10);
        assertThat(state.isDueWhenIdle(NOTHING_TO_FREE)).isFalse();
        assertThat(state.isDueWhenIdle(NOTHING_TO_FREE)).isTrue();
        complete();
        assertThat(state.isDueWhenIdle(NOTHING_TO_FREE)).isFalse();
        assertThat(state.isDueWhenIdle(NOTHING_TO_FREE)).isFalse();
        assertThat(state.hasChanges()).isFalse();
        assertThat(state.completedCount()).isEqualTo(1);
    }

    /** Before, what was released behind the last checkpoint kept its segments until somebody sent again. */
    @Test
    void isDueWhenIdleIfItFreesASegmentAlthoughNothingChanged() {
        assertThat(state.isDueWhenIdle(() -> true)).isTrue();
        state.appended(10);
        assertThat(state.isDueWhenIdle(() -> true)).as("not idle").isFalse();
        state.begin(List.of());
        assertThat(state.isDueWhenIdle(() -> true)).as("under way").isFalse();
    }

    @Test
    void whatRecoveryReplayedIsAChange() {
        CheckpointState recovered = new CheckpointState(1000, 10);
        assertThat(recovered.isDueWhenIdle(NOTHING_TO_FREE)).isTrue();
    }

    @Test
    void gathersEachSnapshotOnce() {
        long id = state.begin(List.of(ONE, TWO));
        assertThat(state.isAwaited(id, ONE)).isTrue();
        assertThat(state.isAwaited(id - 1, ONE)).isFalse();
        state.gathered(ONE);
        assertThat(state.isAwaited(id, ONE)).isFalse();
        assertThat(state.isGathered()).isFalse();
        state.gathered(TWO);
        assertThat(state.isGathered()).isTrue();
        state.manifestWritten(55);
        assertThat(state.isGathered()).isFalse();
        assertThat(state.isForced(54)).isFalse();
        assertThat(state.isForced(55)).isTrue();
        state.finishing();
        assertThat(state.isForced(55)).isFalse();
        state.finished();
        assertThat(state.step()).isEqualTo(Step.IDLE);
    }

    @Test
    void goesOnWithoutTheSnapshotsThatDidNotComeInTime() {
        long id = state.begin(List.of(ONE, TWO));
        state.gathered(ONE);
        state.timedOut(id - 1);
        assertThat(state.isGathered()).isFalse();
        state.timedOut(id);
        assertThat(state.isGathered()).isTrue();
        assertThat(state.isAwaited(id, TWO)).isFalse();
    }

    @Test
    void anAbandonedOneCountsAsNotTaken() {
        state.appended(1000);
        long id = state.begin(List.of(ONE));
        state.appended(10);
        state.abandon();
        assertThat(state.isDue()).isTrue();
        assertThat(state.isAwaited(id, ONE)).isFalse();
        assertThat(state.begin(List.of())).isEqualTo(id + 1);
        assertThat(state.isGathered()).isTrue();
        assertThat(state.completedCount()).isZero();
    }

    private void complete() {
        state.begin(List.of());
        state.manifestWritten(1);
        state.finishing();
        state.finished();
    }
}
