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

    LiveDeliveries(Checkpoint checkpoint) {
        this.checkpoint = checkpoint;
    }

    void add(long offset, int attempt, long deadlineMillis) {
        DeliveryRange last = ranges.isEmpty() ? null : ranges.get(ranges.size() - 1);
        if (last != null && last.lastOffset() + 1 == offset && last.attempt() == attempt) {
            ranges.set(ranges.size() - 1, new DeliveryRange(last.firstOffset(), last.count() + 1, attempt));
        } else {
            ranges.add(new DeliveryRange(offset, 1, attempt));
        }
        if (deadlineMillis != checkpoint.deadlineMillis()) {
            movedDeadlines
                    .computeIfAbsent(deadlineMillis, deadline -> new OffsetCollector())
                    .add(offset);
        }
    }

    GroupSnapshot.CheckpointState toState() {
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
