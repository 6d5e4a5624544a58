package io.forebay.queue.core;

import io.forebay.storage.log.DeadlineRecord;
import io.forebay.storage.log.DeliveryRange;
import io.forebay.storage.log.GroupSnapshot;
import io.forebay.storage.log.OffsetSet;
import java.util.ArrayList;
import java.util.List;
import java.util.TreeMap;

/** Gathers, in order of offset, what of a checkpoint goes into a snapshot: the deliveries its handles still stand for. */
final class LiveDeliveries {
    private final Checkpoint checkpoint;
    private final List<DeliveryRange> ranges = new ArrayList<>();
    private final TreeMap<Long, OffsetCollector> movedDeadlines = new TreeMap<>();
    private long rangeFirst;
    private int count;
    private int rangeAttempt;

    LiveDeliveries(Checkpoint checkpoint) {
        this.checkpoint = checkpoint;
    }

    /**
     * @param unsettledBefore the last offset below that is not settled: over what is settled a range goes on, so that a million
     *     holes do not make a million ranges
     */
    void add(long offset, int attempt, long deadlineMillis, long unsettledBefore) {
        if (count > 0 && attempt == rangeAttempt && unsettledBefore == rangeFirst + count - 1) {
            count = (int) (offset - rangeFirst) + 1;
        } else {
            endRange();
            rangeFirst = offset;
            count = 1;
            rangeAttempt = attempt;
        }
        if (deadlineMillis != checkpoint.deadlineMillis()) {
            movedDeadlines
                    .computeIfAbsent(deadlineMillis, deadline -> new OffsetCollector())
                    .add(offset);
        }
    }

    private void endRange() {
        if (count > 0) {
            ranges.add(new DeliveryRange(rangeFirst, count, rangeAttempt));
        }
    }

    GroupSnapshot.CheckpointState toState() {
        endRange();
        count = 0;
        List<GroupSnapshot.MovedDeadline> moved = new ArrayList<>(movedDeadlines.size());
        movedDeadlines.forEach((deadlineMillis, offsets) -> moved.add(
                new GroupSnapshot.MovedDeadline(deadlineMillis, DeadlineRecord.Kind.EXTENDED, offsets.toSet())));
        return new GroupSnapshot.CheckpointState(
                checkpoint.sequence(),
                checkpoint.epoch(),
                checkpoint.nonce(),
                checkpoint.sessionId(),
                checkpoint.requestId(),
                checkpoint.poppedMillis(),
                checkpoint.deadlineMillis(),
                ranges,
                moved,
                OffsetSet.empty());
    }
}
