package io.forebay.queue.core;

import static org.assertj.core.api.Assertions.assertThat;

import io.forebay.storage.log.OffsetSet;
import io.forebay.storage.log.QuarantinedRecord;
import io.forebay.storage.log.QueueSnapshot;
import io.forebay.storage.log.SendWindow;
import java.util.List;
import org.junit.jupiter.api.Test;

class QueueStateTest {
    private static QueueState begun(long nextOffset, boolean isReadableWhenDurable) {
        QueueState state = new QueueState();
        state.begin(
                nextOffset,
                0,
                List.of(),
                Policies.topic(fields -> fields.isReadableWhenDurable = isReadableWhenDurable),
                1_000);
        return state;
    }

    @Test
    void writtenMessagesAreReadableAtOnceByDefault() {
        QueueState state = begun(5, false);
        assertThat(state.readableEnd()).isEqualTo(5);
        assertThat(state.written(8, 40, 1_000, 100)).isTrue();
        assertThat(state.readableEnd()).isEqualTo(8);
        assertThat(state.awaitsDurability()).isFalse();
    }

    @Test
    void messagesOfADurableTopicAreReadableWhenTheyAreFlushed() {
        QueueState state = begun(0, true);
        assertThat(state.written(3, 10, 1_000, 100)).isFalse();
        assertThat(state.written(5, 14, 1_000, 100)).isFalse();
        assertThat(state.readableEnd()).isZero();
        assertThat(state.durable(9)).isFalse();
        assertThat(state.durable(13)).isTrue();
        assertThat(state.readableEnd()).isEqualTo(3);
        assertThat(state.writtenEnd()).isEqualTo(5);
        assertThat(state.durable(14)).isTrue();
        assertThat(state.readableEnd()).isEqualTo(5);
    }

    @Test
    void whatIsToldLateChangesNothing() {
        QueueState state = begun(0, true);
        state.written(5, 14, 1_000, 100);
        assertThat(state.written(3, 10, 900, 100)).isFalse();
        assertThat(state.writtenEnd()).isEqualTo(5);
        assertThat(state.durable(13)).isFalse();
        assertThat(state.durable(14)).isTrue();
        assertThat(state.readableEnd()).isEqualTo(5);
    }

    private static QuarantinedRecord bad(long firstOffset, long count) {
        return new QuarantinedRecord(
                firstOffset, count, 4096, -1, 1_000, QuarantinedRecord.Cause.BAD_FRAME, "segment-0", "bad");
    }

    @Test
    void whatCannotBeReadIsNotedOnce() {
        QueueState state = begun(10, false);
        assertThat(state.decideQuarantine(3, 2)).isTrue();
        assertThat(state.decideQuarantine(4, 1)).isFalse();
        assertThat(state.quarantined().isEmpty()).isTrue();
        state.apply(bad(3, 2));
        assertThat(state.quarantined()).isEqualTo(OffsetSet.range(3, 2));
        assertThat(state.decideQuarantine(4, 1)).isFalse();
        assertThat(state.decideQuarantine(9, 2)).as("behind the end").isFalse();
        assertThat(state.decideQuarantine(4, 2)).isTrue();
    }

    /** As by a repair: it begins where another one does, which was noted first. */
    @Test
    void aLongerQuarantineIsToldOf() {
        QueueState state = begun(10, false);
        state.apply(bad(3, 1));
        state.apply(bad(3, 4));
        assertThat(state.quarantined()).isEqualTo(OffsetSet.range(3, 4));
        assertThat(state.quarantines()).containsExactly(bad(3, 4));
        state.apply(bad(3, 2));
        assertThat(state.quarantines()).as("not less").containsExactly(bad(3, 4));
    }

    @Test
    void whatIsWrongWithItIsKeptOverSnapshotsUntilItIsReleased() {
        QueueState state = begun(1_000, false);
        int count = 3 * QueueState.QUARANTINES_KEPT / 2;
        for (int i = 0; i < count; i++) {
            state.apply(bad(2 * i, 1));
        }
        assertThat(state.quarantined().count()).isEqualTo(count);
        assertThat(state.quarantines()).as("bounded").hasSize(QueueState.QUARANTINES_KEPT);
        assertThat(state.quarantines()).as("the newest").contains(bad(2 * count - 2, 1));
        QueueState restored = QueueState.restore(state.toSnapshot(), 5, 5, 1_000);
        assertThat(restored.quarantines()).isEqualTo(state.quarantines());
        assertThat(restored.quarantined()).isEqualTo(state.quarantined());
        restored.retention().raiseFirstOffset(2 * count - 1);
        assertThat(restored.quarantines()).as("gone, but told").isEqualTo(state.quarantines());
        restored = QueueState.restore(restored.toSnapshot(), 5, 5, 1_000);
        QuarantinedRecord release = restored.decideRelease(0, Long.MAX_VALUE, 2_000);
        assertThat(restored.quarantinedIn(release).isEmpty())
                .as("nothing to be read")
                .isTrue();
        restored.apply(release);
        assertThat(restored.quarantines()).isEmpty();
        assertThat(restored.decideRelease(0, Long.MAX_VALUE, 2_000)).isNull();
    }

    @Test
    void aReleaseTakesBackWhatItNamesAndNothingElse() {
        QueueState state = begun(1_000, false);
        for (long offset : new long[] {3, 4, 5, 9, 20}) {
            assertThat(state.decideQuarantine(offset, 1)).isTrue();
            state.apply(bad(offset, 1));
        }
        assertThat(state.decideRelease(6, 3, 2_000)).isNull();
        QuarantinedRecord release = state.decideRelease(4, 10, 2_000);
        assertThat(release.cause()).isEqualTo(QuarantinedRecord.Cause.RELEASED);
        assertThat(release.notedMillis()).isEqualTo(2_000);
        assertThat(state.quarantinedIn(release)).isEqualTo(OffsetSet.of(4, 5, 9));
        state.apply(release);
        state.apply(release);
        assertThat(state.quarantined()).isEqualTo(OffsetSet.of(3, 20));
        assertThat(state.quarantines()).containsExactly(bad(3, 1), bad(20, 1));
        assertThat(state.decideQuarantine(5, 1)).as("if it is bad all the same").isTrue();
        assertThat(state.decideQuarantine(3, 1)).as("known").isFalse();
    }

    @Test
    void aChangeOfDeduplicationIsNotedBeforeTheNextMessage() {
        QueueState state = begun(0, false);
        assertThat(state.decideWindowNote(1_000)).isNull();
        state.configure(Policies.topic(fields -> fields.deduplication = Deduplication.PRODUCER));
        assertThat(state.decideWindowNote(1_001).kind()).isEqualTo(SendWindow.Kind.PRODUCER);
        assertThat(state.decideWindowNote(1_002)).isNull();
        QueueState restored = QueueState.restore(state.toSnapshot(), 5, 5, 1_000);
        restored.begin(0, 0, List.of(), Policies.topic(fields -> fields.deduplication = Deduplication.PRODUCER), 1_000);
        assertThat(restored.decideWindowNote(1_000)).isNull();
        restored.configure(Policies.topic());
        assertThat(restored.decideWindowNote(1_001).kind()).isEqualTo(SendWindow.Kind.OFF);
    }

    @Test
    void aSnapshotOfVersionOneKeepsItsMessagesForAWholeAge() {
        QueueState state = QueueState.restore(QueueSnapshot.of(100, 20), 5, 5, 50_000);
        state.begin(100, 30, List.of(), Policies.topic(fields -> fields.maxAgeMillis = 1_000), 70_000);
        assertThat(state.retention().firstOffset()).isEqualTo(30);
        assertThat(state.retention().isExpiryDue(50_999, 1_000, 1)).isFalse();
        assertThat(state.retention().isExpiryDue(51_000, 1_000, 1)).isTrue();
        assertThat(state.retention().decideExpiry(51_000, 1_000, 1).belowOffset())
                .isEqualTo(100);
    }
}
