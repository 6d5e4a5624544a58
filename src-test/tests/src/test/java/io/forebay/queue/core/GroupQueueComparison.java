package io.forebay.queue.core;

import io.forebay.queue.core.GroupQueueModel.Message;
import io.forebay.queue.core.GroupQueueModel.Status;
import io.forebay.storage.log.DeliveryRange;
import io.forebay.storage.log.GroupSnapshot;
import io.forebay.storage.log.KeyParkedRecord;
import io.forebay.storage.log.PopRecord;
import java.util.Arrays;
import java.util.List;

/** Compares all that a {@link GroupQueueState} tells with what a {@link GroupQueueModel} knows. */
final class GroupQueueComparison {
    private final GroupQueueState state;
    private final GroupQueueModel model;
    private final GroupQueueLimits limits;
    private final long readableEnd;
    private final List<Message> unsettled;
    /** How far the cursor may go. */
    private final long lookAheadEnd;

    private GroupQueueComparison(
            GroupQueueState state, GroupQueueModel model, GroupQueueLimits limits, long readableEnd) {
        this.state = state;
        this.model = model;
        this.limits = limits;
        this.readableEnd = readableEnd;
        unsettled = model.unsettled();
        lookAheadEnd = model.lookAheadEnd(readableEnd, limits.lookAheadMax());
    }

    /** What is told at any time, of all messages together. */
    static void compare(GroupQueueState state, GroupQueueModel model, GroupQueueLimits limits, long readableEnd) {
        long available = state.available(readableEnd);
        model.passQuarantined(readableEnd, limits.lookAheadMax());
        Must.equal("I1: floor", model.floor(), state.floor());
        Must.equal("cursor", model.cursor, state.cursor());
        GroupQueueComparison comparison = new GroupQueueComparison(state, model, limits, readableEnd);
        comparison.looks();
        comparison.whatCouldGoOut(available);
        comparison.counts();
        comparison.alarm();
    }

    private void looks() {
        boolean isDue = state.isScanDue(readableEnd);
        if (!model.isScanning) {
            Must.equal("a look is due", false, isDue);
            return;
        }
        long from = model.scanFrom();
        Must.equal("a look is due", from < Math.max(model.cursor, lookAheadEnd), isDue);
        Must.equal("where to look", from, state.scanFrom());
    }

    private void whatCouldGoOut(long available) {
        long[] candidates = model.candidates(readableEnd, limits.lookAheadMax());
        long[] next = state.nextOffsets(candidates.length + 1, readableEnd);
        if (!Arrays.equals(candidates, next)) {
            throw new AssertionError("I1, I3, I7: could go out: " + Arrays.toString(candidates) + ", would go out: "
                    + Arrays.toString(next));
        }
        long known = 0;
        while (known < candidates.length && candidates[(int) known] < model.cursor) {
            known++;
        }
        long free = known + (model.isScanning ? 0 : Math.max(0, lookAheadEnd - model.cursor));
        Must.equal("available", Math.min(free, Math.max(0, limits.inFlightMax() - model.inFlight())), available);
    }

    private void counts() {
        int[] byStatus = new int[Status.values().length];
        int ready = 0;
        int waiting = 0;
        int poison = 0;
        boolean isPoisonLeft = false;
        long keys = 0;
        for (Message message : unsettled) {
            byStatus[message.status.ordinal()]++;
            keys |= message.isScanned ? 1L << message.keyHash : 0;
            if (model.isPoison(message)) {
                poison++;
                isPoisonLeft |= !message.isTaken;
            } else if (message.status == Status.EXPIRED || message.status == Status.RETURNED) {
                ready += message.isDue ? 1 : 0;
                waiting += message.isDue ? 0 : 1;
            }
        }
        GroupQueueCounts counts = state.counts(readableEnd);
        Must.equal("I1: depth", unsettled.size() + Math.max(0, readableEnd - model.cursor), counts.depth());
        Must.equal("in flight", byStatus[Status.OUT.ordinal()], counts.inFlight());
        Must.equal("in flight", byStatus[Status.OUT.ordinal()], state.inFlightCount());
        Must.equal("ready", ready, counts.ready());
        Must.equal("waiting", waiting, counts.waiting());
        Must.equal("pending", byStatus[Status.NEW.ordinal()], counts.pending());
        Must.equal("poison", poison, counts.poisoned());
        Must.hold(!isPoisonLeft || state.hasPoisoned(), "I6: nobody is told of poison, %d", poison);
        Must.equal("keys", model.isOrdered ? Long.bitCount(keys & ~1L) : 0, counts.keys());
        boolean isFull = readableEnd > model.cursor && model.cursor >= lookAheadEnd;
        Must.equal("look-ahead full", isFull, counts.isLookAheadFull());
        Must.equal("popped", model.poppedTotal, counts.poppedTotal());
        Must.equal("redelivered", model.redeliveredTotal, counts.redeliveredTotal());
        Must.equal("settled", model.settledTotal, counts.settledTotal());
        Must.equal("dead-lettered", model.deadLetteredTotal, counts.deadLetteredTotal());
        Must.equal("filtered", model.filteredTotal, counts.filteredTotal());
        Must.equal("purged", model.purgedTotal, counts.purgedTotal());
        Must.equal("parked", byStatus[Status.PARKED.ordinal()], counts.parkedKeys());
        parked(byStatus[Status.PARKED.ordinal()]);
    }

    private void parked(int count) {
        List<KeyParkedRecord> keys = state.parkedKeys();
        Must.equal("parked", count, keys.size());
        for (KeyParkedRecord record : keys) {
            Message message = model.message(record.blockedOffset());
            Must.equal("parked", message == null ? null : message.parked, record);
            int behind = 0;
            for (Message other : unsettled) {
                behind += other != message && other.isScanned && other.keyHash == message.keyHash ? 1 : 0;
            }
            boolean isLine = model.isOrdered && message.isScanned && message.keyHash != KeyLines.NO_KEY;
            Must.equal("waiting behind", isLine ? behind : 0, state.waitingBehind(record.blockedOffset()));
        }
    }

    /** It may ring early, never late. */
    private void alarm() {
        long alarm = state.nextDueMillis();
        for (Message message : unsettled) {
            boolean isWaiting = switch (message.status) {
                case OUT -> message.last.isWritten();
                case EXPIRED -> !message.isDue && !message.isUncounted;
                case RETURNED -> !message.isDue && !model.isPoison(message);
                default -> false;
            };
            if (isWaiting && alarm > model.retryMillis(message)) {
                throw new AssertionError("I7: the alarm at " + alarm + " is late for " + message.offset);
            }
        }
    }

    // ---- every message ------------------------------------------------------------------------------------------

    /** What is told of one message. */
    static void compare(GroupQueueState state, GroupQueueModel model, long offset) {
        Message message = model.message(offset);
        boolean isTimed = message != null
                && (message.status == Status.OUT
                        || (message.status == Status.EXPIRED && !message.isDue && !message.isUncounted)
                        || (message.status == Status.RETURNED && !model.isPoison(message)));
        Must.equal("I7: due", isTimed ? model.retryMillis(message) : 0, state.dueMillis(offset));
        boolean isTaken = message != null && model.isPoison(message) && message.isTaken;
        Must.equal("I6: poison", isTaken, state.isPoison(offset));
        Must.equal("parked", message == null ? null : message.parked, state.parkedAt(offset));
    }

    /** What a snapshot tells of one message, as numbers. */
    private static final class Told {
        private static final int OUT = 1;
        private static final int RETURNED = 2;
        private static final int PARKED = 3;
        private static final int SETTLED = 4;

        int kind;
        long sessionId;
        long requestId;
        long dueMillis;
        int attempts;
        long epoch;
        long sequence;
        long nonce;
        long firstPoppedMillis;
        long lastPoppedMillis;
        String reason;
        String messageGroup;
        String parkedFor;

        void tell(int newKind, GroupSnapshot.Redelivery one) {
            kind = newKind;
            dueMillis = one.dueMillis();
            attempts = one.attempts();
            epoch = one.epoch();
            sequence = one.sequence();
            nonce = one.nonce();
            firstPoppedMillis = one.firstPoppedMillis();
            lastPoppedMillis = one.lastPoppedMillis();
        }
    }

    /** Everything that is kept of every message. */
    static void compare(GroupSnapshot snapshot, GroupQueueModel model) {
        Must.equal("floor", model.floor(), snapshot.floor());
        Must.equal("cursor", model.cursor, snapshot.cursor());
        Must.equal("stale below", model.staleBelow(), snapshot.staleBelow());
        Told[] told = new Told[(int) (model.cursor - model.floor())];
        long base = model.floor();
        snapshot.acked().forEach(offset -> of(told, base, offset).kind = Told.SETTLED);
        for (GroupSnapshot.CheckpointState one : snapshot.checkpoints()) {
            for (DeliveryRange range : one.ranges()) {
                for (long offset = range.firstOffset(); offset <= range.lastOffset(); offset++) {
                    if (!snapshot.acked().contains(offset)) {
                        tell(of(told, base, offset), one, range.attempt());
                    }
                }
            }
            for (GroupSnapshot.MovedDeadline moved : one.moved()) {
                moved.offsets().forEach(offset -> told[(int) (offset - base)].dueMillis = moved.deadlineMillis());
            }
        }
        snapshot.firstPops()
                .forEach(one -> told[(int) (one.offset() - base)].firstPoppedMillis = one.firstPoppedMillis());
        snapshot.redeliveries().forEach(one -> of(told, base, one.offset()).tell(Told.RETURNED, one));
        for (GroupSnapshot.Parked one : snapshot.parked()) {
            Told parked = of(told, base, one.delivery().offset());
            parked.tell(Told.PARKED, one.delivery());
            parked.messageGroup = one.messageGroup();
            parked.parkedFor = one.reason();
        }
        snapshot.reasons()
                .forEach(one -> one.offsets().forEach(offset -> told[(int) (offset - base)].reason = one.reason()));
        for (int i = 0; i < told.length; i++) {
            compare(told[i], model.messageAt(base + i));
        }
    }

    /** Each offset once. */
    private static Told of(Told[] told, long base, long offset) {
        int index = (int) (offset - base);
        Must.hold(
                index >= 0 && index < told.length && told[index] == null,
                "a snapshot names %d twice, or though it is not in the window",
                offset);
        told[index] = new Told();
        return told[index];
    }

    private static void tell(Told told, GroupSnapshot.CheckpointState one, int attempt) {
        told.kind = Told.OUT;
        told.sessionId = one.sessionId();
        told.requestId = one.requestId();
        told.dueMillis = one.deadlineMillis();
        told.attempts = attempt;
        told.epoch = one.epoch();
        told.sequence = one.sequence();
        told.nonce = one.nonce();
        told.firstPoppedMillis = attempt == 1 ? one.poppedMillis() : -1;
        told.lastPoppedMillis = one.poppedMillis();
    }

    private static void compare(Told told, Message message) {
        int kind = switch (message.status) {
            case NEW, SKIPPED -> 0;
            case OUT, EXPIRED -> Told.OUT;
            case RETURNED -> Told.RETURNED;
            case PARKED -> Told.PARKED;
            case SETTLED -> Told.SETTLED;
        };
        int toldKind = told == null ? 0 : told.kind;
        if (kind != toldKind) {
            throw new AssertionError(
                    "a snapshot tells of " + message.offset + ", " + message.status + ", as of kind " + toldKind);
        }
        if (message.last == null) {
            return;
        }
        PopRecord last = message.last.record;
        if (kind == Told.OUT) {
            Must.equal("session", last.sessionId(), told.sessionId);
            Must.equal("request", last.requestId(), told.requestId);
        }
        Must.equal("I7: due", message.dueMillis, told.dueMillis);
        Must.equal("I6: attempts", message.attempts, told.attempts);
        Must.equal("I5: epoch", last.epoch(), told.epoch);
        Must.equal("I5: sequence", message.last.sequence, told.sequence);
        Must.equal("I5: nonce", last.nonce(), told.nonce);
        if (kind == Told.PARKED) {
            Must.equal("key", message.parked.messageGroup(), told.messageGroup);
            Must.equal("parked for", message.parked.reason(), told.parkedFor);
        }
        if (message.isPastKnown) {
            Must.equal("first popped", message.firstPoppedMillis, told.firstPoppedMillis);
            Must.equal("last popped", last.poppedMillis(), told.lastPoppedMillis);
            String reason = message.reasonOrNull();
            Must.equal("reason", reason == null ? null : GroupQueueState.kept(reason), told.reason);
        }
    }
}
