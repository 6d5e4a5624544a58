package io.forebay.queue.core;

import io.forebay.queue.core.GroupQueueModel.Popped;
import io.forebay.storage.log.CorruptRecordException;
import io.forebay.storage.log.GroupSnapshot;
import io.forebay.storage.log.LogRecord;
import io.forebay.storage.log.PopRecord;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.List;
import java.util.random.RandomGenerator;

/**
 * What one group's queue has decided, written and made durable, with its snapshots; and what is left of that after a kill or a
 * power cut. Records and snapshots come back through their bytes.
 */
final class GroupQueueLog {
    private static final int SNAPSHOTS_MAX = 3;
    private static final long FIRST_SEQUENCE = 10;

    private record Logged(long sequence, long logMillis, LogRecord record) {}

    /** Records of one frame; the checkpoint and the delivery of the first, if that is a Pop. */
    private record Pending(List<LogRecord> records, Checkpoint checkpoint, Popped popped) {}

    private record Snapshot(
            byte[] bytes, byte[] version1OrNull, long held, long sequence, long logMillis, GroupQueueModel model) {}

    /** Hears of a Pop that is written: only now its messages may be seen. */
    interface DeliverySink {
        void written(PopRecord record, long sequence);
    }

    /** What recovery has made of it, not {@link GroupQueueState#recovered} yet. */
    record Recovered(GroupQueueState state, GroupQueueModel model, long newestMillis, String from) {}

    private final RandomGenerator random;
    private final long startOffset;
    private final ArrayDeque<Pending> pending = new ArrayDeque<>();
    private final List<Logged> written = new ArrayList<>();
    private long nextSequence = FIRST_SEQUENCE;
    private long durableSequence;
    /** The newest last. The first is what was recovered from the last time, if that is so. */
    private final ArrayList<Snapshot> snapshots = new ArrayList<>();

    private boolean isSnapshotUsed;

    GroupQueueLog(RandomGenerator random, long startOffset) {
        this.random = random;
        this.startOffset = startOffset;
    }

    // ---- writing ------------------------------------------------------------------------------------------------

    void decided(LogRecord... records) {
        pending.add(new Pending(List.of(records), null, null));
    }

    void decided(PopRecord record, Checkpoint checkpoint, Popped popped) {
        pending.add(new Pending(List.of(record), checkpoint, popped));
    }

    int pendingCount() {
        return pending.size();
    }

    /** Writes some of what is decided, in order. */
    void write(int count, GroupQueueState state, long nowMillis, DeliverySink sink) {
        for (int i = 0; i < count && !pending.isEmpty(); i++) {
            Pending next = pending.removeFirst();
            nextSequence += random.nextInt(3) == 0 ? random.nextInt(5) : 0; // of other owners
            for (LogRecord record : next.records) {
                long sequence = nextSequence++;
                written.add(new Logged(sequence, nowMillis, record));
                if (next.checkpoint == null) {
                    state.written(sequence);
                } else {
                    state.written(next.checkpoint, sequence);
                    next.popped.sequence = sequence;
                    sink.written((PopRecord) record, sequence);
                }
            }
        }
    }

    /** All that is written survives a power cut from now on. */
    void flush() {
        durableSequence = nextSequence - 1;
    }

    /** The log time of the newest record. */
    long newestMillis() {
        long newest = written.isEmpty() ? Long.MIN_VALUE : written.get(written.size() - 1).logMillis;
        for (Snapshot snapshot : snapshots) {
            newest = Math.max(newest, snapshot.logMillis);
        }
        return newest;
    }

    /** When nothing is pending. */
    void takeSnapshot(GroupQueueState state, GroupQueueModel model, long nowMillis) throws CorruptRecordException {
        GroupSnapshot newest = state.snapshot();
        boolean isOld = newest.parked().isEmpty() && newest.staleBelow() == 0;
        byte[] bytes = newest.encode();
        Must.equal("a snapshot through its bytes", newest, GroupSnapshot.decode(bytes));
        snapshots.add(new Snapshot(
                bytes,
                isOld ? ofVersion1(newest) : null,
                state.heldSequence(),
                nextSequence++,
                nowMillis,
                model.copyForSnapshot()));
        if (snapshots.size() > SNAPSHOTS_MAX) {
            snapshots.remove(1);
        }
    }

    /** The bytes that a node of before would have written. */
    private static byte[] ofVersion1(GroupSnapshot snapshot) {
        byte[] start = new GroupSnapshot(
                        snapshot.floor(),
                        snapshot.cursor(),
                        snapshot.acked(),
                        snapshot.checkpoints(),
                        List.of(),
                        0,
                        List.of(),
                        List.of(),
                        List.of(),
                        List.of())
                .encode();
        int startBytes = start.length - 4 - 8 - 4 * 4;
        List<GroupSnapshot.Redelivery> redeliveries = snapshot.redeliveries();
        ByteBuffer bytes =
                ByteBuffer.allocate(startBytes + 4 + 44 * redeliveries.size()).order(ByteOrder.LITTLE_ENDIAN);
        bytes.put(start, 0, startBytes).put(1, (byte) 1).putInt(redeliveries.size());
        for (GroupSnapshot.Redelivery one : redeliveries) {
            bytes.putLong(one.offset()).putLong(one.dueMillis()).putInt(one.attempts());
            bytes.putLong(one.epoch()).putLong(one.sequence()).putLong(one.nonce());
        }
        return bytes.array();
    }

    // ---- crash and recovery -------------------------------------------------------------------------------------

    /** What was not written is gone, or what was not durable; what recovery finds, it makes durable. */
    void crash(boolean isPowerCut) {
        pending.clear();
        if (isPowerCut) {
            written.removeIf(logged -> logged.sequence > durableSequence);
            snapshots.removeIf(snapshot -> snapshot.sequence > durableSequence);
            if (random.nextBoolean()) {
                nextSequence = Math.max(FIRST_SEQUENCE, durableSequence + 1); // given again, in another epoch
            }
        }
        durableSequence = nextSequence - 1;
    }

    /**
     * Recovers state and model from the same snapshot and the same records.
     *
     * @param unreadable told to the state before or behind the records
     */
    Recovered recover(GroupQueueLimits limits, List<Long> unreadable) throws CorruptRecordException {
        Snapshot from = chooseSnapshot();
        boolean isVersion1 = from != null && from.version1OrNull != null && random.nextInt(3) == 0;
        GroupQueueState state = from == null
                ? new GroupQueueState(limits, startOffset)
                : GroupQueueState.restore(
                        limits,
                        GroupSnapshot.decode(isVersion1 ? from.version1OrNull : from.bytes),
                        from.held,
                        from.logMillis);
        GroupQueueModel model = from == null ? new GroupQueueModel(startOffset) : from.model.copyForSnapshot();
        if (isVersion1) {
            model.forgetPast();
        }
        boolean isToldFirst = random.nextBoolean();
        if (isToldFirst) {
            unreadable.forEach(offset -> state.quarantine(offset, 1));
        }
        long newestMillis = from == null ? Long.MIN_VALUE : from.logMillis;
        long replayFrom = from == null ? 0 : from.held - random.nextInt(40);
        for (Logged logged : written) {
            if (logged.sequence >= replayFrom) {
                newestMillis = Math.max(newestMillis, logged.logMillis);
                replay(logged, state, model);
            }
        }
        if (!isToldFirst) {
            unreadable.forEach(offset -> state.quarantine(offset, 1));
        }
        model.quarantined.addAll(unreadable);
        String source = from == null ? "the first record on" : isVersion1 ? "version 1" : "a snapshot";
        return new Recovered(state, model, newestMillis, source);
    }

    /** The newest, or the one before or none: a checkpoint that was not finished is as good as none, now and for ever. */
    private Snapshot chooseSnapshot() {
        int dice = random.nextInt(10);
        int index = snapshots.size() - (dice == 1 ? 2 : 1);
        if (index < 0 || (dice == 0 && !isSnapshotUsed)) {
            if (!isSnapshotUsed) {
                snapshots.clear();
                return null;
            }
            index = 0;
        }
        Snapshot chosen = snapshots.get(index);
        snapshots.clear();
        snapshots.add(chosen);
        isSnapshotUsed = true;
        return chosen;
    }

    private static void replay(Logged logged, GroupQueueState state, GroupQueueModel model)
            throws CorruptRecordException {
        LogRecord record = throughBytes(logged.record);
        boolean isNew = logged.sequence > state.heldSequence();
        Must.equal("new", isNew, state.replay(record, logged.sequence, logged.logMillis));
        Must.equal("new twice", false, state.replay(record, logged.sequence, logged.logMillis));
        if (isNew && record instanceof PopRecord pop) {
            model.apply(pop).sequence = logged.sequence;
        } else if (isNew) {
            model.apply(record);
        }
    }

    private static LogRecord throughBytes(LogRecord record) throws CorruptRecordException {
        byte[] bytes = new byte[record.bodyBytes()];
        record.encodeBody(bytes, 0);
        return LogRecord.decode(record.type(), record.type().version(), bytes, 0, bytes.length);
    }
}
