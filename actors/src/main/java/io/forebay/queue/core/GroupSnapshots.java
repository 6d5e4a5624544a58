package io.forebay.queue.core;

import static io.forebay.queue.core.MessageWindow.EXPIRED;
import static io.forebay.queue.core.MessageWindow.EXPIRED_UNCOUNTED;
import static io.forebay.queue.core.MessageWindow.EXPIRED_WAITING;
import static io.forebay.queue.core.MessageWindow.IN_FLIGHT;
import static io.forebay.queue.core.MessageWindow.PARKED;
import static io.forebay.queue.core.MessageWindow.PENDING;
import static io.forebay.queue.core.MessageWindow.POISON;
import static io.forebay.queue.core.MessageWindow.POISON_TAKEN;
import static io.forebay.queue.core.MessageWindow.RETURNED;
import static io.forebay.queue.core.MessageWindow.SETTLED;
import static io.forebay.queue.core.MessageWindow.WAITING;

import io.forebay.storage.log.DeliveryRange;
import io.forebay.storage.log.GroupSnapshot;
import io.forebay.storage.log.KeyParkedRecord;
import io.forebay.storage.log.OffsetSet;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/** What of a group's state goes into its snapshot, and comes out of it. */
final class GroupSnapshots {
    private GroupSnapshots() {}

    static GroupSnapshot of(GroupQueueState state) {
        MessageWindow window = state.window();
        OffsetCollector settled = new OffsetCollector();
        Map<Checkpoint, LiveDeliveries> live = new LinkedHashMap<>();
        List<GroupSnapshot.Redelivery> redeliveries = new ArrayList<>();
        List<GroupSnapshot.FirstPop> firstPops = new ArrayList<>();
        List<GroupSnapshot.Parked> parked = new ArrayList<>();
        Map<String, OffsetSet.Builder> reasons = new LinkedHashMap<>();
        long unsettledBefore = window.floor - 1;
        for (long offset = window.floor; offset < window.cursor; offset++) {
            int slot = window.slot(offset);
            Checkpoint last = window.lastDeliveries[slot];
            switch (window.statuses[slot]) {
                case SETTLED -> settled.add(offset);
                case IN_FLIGHT, EXPIRED, EXPIRED_WAITING, EXPIRED_UNCOUNTED -> {
                    live.computeIfAbsent(last, LiveDeliveries::new)
                            .add(offset, window.attempts[slot], window.dueMillis[slot], unsettledBefore);
                    if (window.attempts[slot] > 1) {
                        firstPops.add(new GroupSnapshot.FirstPop(offset, window.firstPoppedMillis[slot]));
                    }
                }
                // Poison is found again by its attempts.
                case WAITING, RETURNED, POISON, POISON_TAKEN -> redeliveries.add(redelivery(window, offset));
                case PARKED -> {
                    KeyParkedRecord record = state.parkedAt(offset);
                    parked.add(new GroupSnapshot.Parked(
                            redelivery(window, offset), record.messageGroup(), record.reason()));
                }
                default -> {
                    // Pending, unwanted or unreadable: whoever restores this finds it as the rest.
                }
            }
            if (window.statuses[slot] != SETTLED) {
                unsettledBefore = offset;
            }
            String reason = state.reasons().get(offset);
            if (reason != null) {
                reasons.computeIfAbsent(reason, text -> OffsetSet.builder()).add(offset);
            }
        }
        List<GroupSnapshot.CheckpointState> checkpoints = new ArrayList<>(live.size());
        live.values().forEach(deliveries -> checkpoints.add(deliveries.toState()));
        List<GroupSnapshot.Reason> reasonList = new ArrayList<>(reasons.size());
        reasons.forEach((reason, offsets) -> reasonList.add(new GroupSnapshot.Reason(reason, offsets.build())));
        return new GroupSnapshot(
                window.floor,
                window.cursor,
                settled.toSet(),
                checkpoints,
                redeliveries,
                state.staleBelow(),
                firstPops,
                reasonList,
                parked,
                state.received().entrySet().stream()
                        .map(entry -> new GroupSnapshot.Received(entry.getKey(), entry.getValue()))
                        .toList());
    }

    private static GroupSnapshot.Redelivery redelivery(MessageWindow window, long offset) {
        int slot = window.slot(offset);
        Checkpoint last = window.lastDeliveries[slot];
        return new GroupSnapshot.Redelivery(
                offset,
                window.dueMillis[slot],
                window.attempts[slot],
                last.epoch(),
                last.sequence(),
                last.nonce(),
                window.firstPoppedMillis[slot],
                last.poppedMillis());
    }

    /** @param state new, and beginning at the snapshot's floor */
    static void fill(GroupQueueState state, GroupSnapshot snapshot) {
        MessageWindow window = state.window();
        window.extend(snapshot.cursor(), PENDING);
        OffsetSet acked = snapshot.acked();
        for (int range = 0; range < acked.rangeCount(); range++) {
            for (long offset = acked.rangeFirst(range); offset <= acked.rangeLast(range); offset++) {
                claim(window, offset, SETTLED);
            }
        }
        Map<Long, Checkpoint> bySequence = new HashMap<>();
        for (GroupSnapshot.CheckpointState checkpoint : snapshot.checkpoints()) {
            bySequence.put(checkpoint.sequence(), fill(state, checkpoint));
        }
        for (GroupSnapshot.Redelivery redelivery : snapshot.redeliveries()) {
            fill(window, redelivery, WAITING, bySequence);
            state.addWaiting(redelivery.offset());
        }
        for (GroupSnapshot.FirstPop first : snapshot.firstPops()) {
            if (window.contains(first.offset())) {
                window.firstPoppedMillis[window.slot(first.offset())] = first.firstPoppedMillis();
            }
        }
        for (GroupSnapshot.Parked parked : snapshot.parked()) {
            GroupSnapshot.Redelivery delivery = parked.delivery();
            fill(window, delivery, PARKED, bySequence);
            state.parked()
                    .put(
                            delivery.offset(),
                            new KeyParkedRecord(
                                    delivery.offset(),
                                    delivery.attempts(),
                                    delivery.dueMillis(),
                                    parked.messageGroup(),
                                    parked.reason()));
        }
        for (GroupSnapshot.Reason reason : snapshot.reasons()) {
            reason.offsets().forEach(offset -> state.reasons().put(offset, reason.reason()));
        }
        snapshot.received().forEach(one -> state.received().put(one.queueId(), one.offsets()));
        state.staleBelow(snapshot.staleBelow());
        window.advanceFloor();
    }

    private static void fill(
            MessageWindow window, GroupSnapshot.Redelivery redelivery, byte status, Map<Long, Checkpoint> bySequence) {
        int slot = claim(window, redelivery.offset(), status);
        window.attempts[slot] = redelivery.attempts();
        window.dueMillis[slot] = redelivery.dueMillis();
        window.firstPoppedMillis[slot] = redelivery.firstPoppedMillis();
        window.lastDeliveries[slot] = bySequence.computeIfAbsent(redelivery.sequence(), sequence -> {
            Checkpoint token = new Checkpoint(
                    redelivery.epoch(),
                    redelivery.nonce(),
                    0,
                    0,
                    redelivery.lastPoppedMillis(),
                    redelivery.dueMillis(),
                    List.of());
            token.written(sequence);
            return token;
        });
    }

    private static Checkpoint fill(GroupQueueState state, GroupSnapshot.CheckpointState snapshot) {
        MessageWindow window = state.window();
        Checkpoint checkpoint = new Checkpoint(
                snapshot.epoch(),
                snapshot.nonce(),
                snapshot.sessionId(),
                snapshot.requestId(),
                snapshot.poppedMillis(),
                snapshot.deadlineMillis(),
                snapshot.ranges());
        checkpoint.written(snapshot.sequence());
        long earliestMillis = Long.MAX_VALUE;
        for (DeliveryRange range : snapshot.ranges()) {
            for (long offset = Math.max(range.firstOffset(), window.floor); offset <= range.lastOffset(); offset++) {
                if (window.status(offset) == SETTLED || snapshot.returned().contains(offset)) {
                    continue;
                }
                int slot = claim(window, offset, IN_FLIGHT);
                window.attempts[slot] = range.attempt();
                window.dueMillis[slot] = snapshot.deadlineMillis();
                for (GroupSnapshot.MovedDeadline moved : snapshot.moved()) {
                    if (moved.offsets().contains(offset)) {
                        window.dueMillis[slot] = moved.deadlineMillis();
                    }
                }
                earliestMillis = Math.min(earliestMillis, window.dueMillis[slot]);
                window.lastDeliveries[slot] = checkpoint;
                if (range.attempt() == 1) {
                    window.firstPoppedMillis[slot] = snapshot.poppedMillis();
                }
                checkpoint.inFlightCount++;
            }
        }
        if (checkpoint.inFlightCount > 0) {
            state.addDeadline(checkpoint, earliestMillis);
        }
        return checkpoint;
    }

    /** Gives a message of a snapshot its one status. */
    private static int claim(MessageWindow window, long offset, byte status) {
        if (window.status(offset) != PENDING) {
            throw new IllegalStateException("snapshot of a group names offset " + offset + " twice or outside of ["
                    + window.floor + ", " + window.cursor + ")");
        }
        window.status(offset, status);
        return window.slot(offset);
    }
}
