package io.forebay.queue.core;

import io.forebay.storage.log.ExpiredRecord;
import io.forebay.storage.log.PurgeRecord;
import io.forebay.storage.log.QueueSnapshot;
import java.util.ArrayDeque;
import java.util.Collection;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/**
 * Which messages of a queue are kept. What every group has settled goes when the topic's grace time is over, without a record:
 * a start that does not know of it keeps it a little longer. What some group has not settled goes when it is too old or too
 * much, also if no group reads the queue at all; that is an {@link ExpiredRecord}, because it must not come back. What is not
 * known, of a time or a size, errs towards keeping. Confined to its actor.
 */
public final class QueueRetention {
    /** {@link #nextDueMillis} of a queue in which nothing becomes due. */
    public static final long NEVER = Long.MAX_VALUE;

    private static final long NOT_ATTACHED = -1;
    /** Parts that the grace time is divided into: offsets that are settled within the same one go together. */
    private static final int GRACE_PARTS = 64;
    /** This part of the bytes that a queue may keep is dropped at once, not one message for each that comes. */
    private static final int SPARE_PART = 64;

    private final OffsetMarks marks;
    private final Map<Integer, Long> groupFloors = new HashMap<>();
    private final ArrayDeque<QueueSnapshot.Settled> settled = new ArrayDeque<>();
    private long firstOffset;
    /** Below it every group has settled everything. */
    private long settledEnd;

    private long expiredCount;
    /** What a decision drops whose record is not written yet. */
    private long decidedBelow;

    public QueueRetention() {
        marks = new OffsetMarks();
    }

    private QueueRetention(QueueSnapshot snapshot, long snapshotMillis) {
        if (snapshot.marks().isEmpty() && snapshot.nextOffset() > 0) {
            // Of an earlier version: whatever it holds was written before it.
            marks = OffsetMarks.restore(List.of(new QueueSnapshot.Mark(snapshot.nextOffset(), snapshotMillis, 0)));
        } else {
            marks = OffsetMarks.restore(snapshot.marks());
        }
        settled.addAll(snapshot.settled());
        firstOffset = snapshot.firstOffset();
        settledEnd =
                Math.max(firstOffset, settled.isEmpty() ? 0 : settled.peekLast().offset());
        expiredCount = snapshot.expiredCount();
    }

    /** @param snapshotMillis log time of the snapshot's record */
    public static QueueRetention restore(QueueSnapshot snapshot, long snapshotMillis) {
        return new QueueRetention(snapshot, snapshotMillis);
    }

    /**
     * Nothing is let go that one of these groups may need, until it has said what it needs.
     *
     * @param groupIds that read the queue, though they have not said so yet
     */
    public void await(Collection<Integer> groupIds) {
        groupIds.forEach(groupId -> groupFloors.putIfAbsent(groupId, NOT_ATTACHED));
    }

    /** What lies below is not stored. */
    public void raiseFirstOffset(long offset) {
        if (offset > firstOffset) {
            firstOffset = offset;
            settledEnd = Math.max(settledEnd, offset);
            marks.dropBelow(offset);
            while (!settled.isEmpty() && settled.peekFirst().offset() <= offset) {
                settled.pollFirst();
            }
        }
    }

    /** @return lowest offset that is stored; it never falls */
    public long firstOffset() {
        return firstOffset;
    }

    /** @return messages that went unsettled, too old or too much */
    public long expiredCount() {
        return expiredCount;
    }

    /** @return when and how much of it was written */
    public OffsetMarks marks() {
        return marks;
    }

    /** Messages up to an offset are written, see {@link OffsetMarks#add}. */
    public void written(long endOffset, long logMillis, long addedBytes) {
        marks.add(endOffset, logMillis, addedBytes);
    }

    // ---- settled ------------------------------------------------------------------------------------------------

    /** A group has settled everything below its floor, which falls by a seek; adds the group if it is new. */
    public void groupFloor(int groupId, long floor, long nowMillis, long graceMillis) {
        Long before = groupFloors.put(groupId, floor);
        // Only the group that holds everybody back can change the lowest floor.
        if (before == null || before <= settledEnd || floor < settledEnd) {
            settle(nowMillis, graceMillis);
        }
    }

    public void removeGroup(int groupId, long nowMillis, long graceMillis) {
        if (groupFloors.remove(groupId) != null) {
            settle(nowMillis, graceMillis);
        }
    }

    /** The lowest floor of all groups, as far as it is stored; -1 if there is no group, or one has not said it yet. */
    private long lowestFloor() {
        long lowest = NEVER;
        for (long floor : groupFloors.values()) {
            if (floor == NOT_ATTACHED) {
                return -1;
            }
            lowest = Math.min(lowest, floor);
        }
        return groupFloors.isEmpty() ? -1 : Math.max(firstOffset, lowest);
    }

    private void settle(long nowMillis, long graceMillis) {
        long lowest = lowestFloor();
        if (lowest < 0 || lowest == settledEnd) {
            return;
        }
        long until = NEVER;
        while (!settled.isEmpty() && settled.peekLast().offset() > lowest) {
            until = settled.pollLast().millis();
        }
        if (lowest > settledEnd && graceMillis > 0) {
            long part = Math.max(1, graceMillis / GRACE_PARTS);
            until = (nowMillis / part + 1) * part;
            if (!settled.isEmpty() && settled.peekLast().millis() >= until) {
                until = settled.pollLast().millis();
            }
        }
        boolean isStated = !settled.isEmpty() && settled.peekLast().offset() == lowest;
        if (until != NEVER && lowest > firstOffset && !isStated) {
            settled.addLast(new QueueSnapshot.Settled(lowest, until));
        }
        settledEnd = lowest;
    }

    /**
     * Lets go of what every group has settled and whose grace time is over.
     *
     * @return whether {@link #firstOffset()} has risen
     */
    public boolean release(long nowMillis, long graceMillis) {
        if (lowestFloor() < 0) {
            return false;
        }
        long below = graceMillis == 0 ? settledEnd : firstOffset;
        while (!settled.isEmpty() && (graceMillis == 0 || settled.peekFirst().millis() + graceMillis <= nowMillis)) {
            below = Math.max(below, settled.pollFirst().offset());
        }
        boolean isMore = below > firstOffset;
        raiseFirstOffset(below);
        return isMore;
    }

    // ---- not settled --------------------------------------------------------------------------------------------

    /**
     * Whether something is too old or too much.
     *
     * @param maxAgeMillis 0 for no limit
     * @param maxBytes 0 for no limit
     */
    public boolean isExpiryDue(long nowMillis, long maxAgeMillis, long maxBytes) {
        return Math.max(aged(nowMillis, maxAgeMillis), beyond(maxBytes)) > Math.max(firstOffset, decidedBelow);
    }

    private long aged(long nowMillis, long maxAgeMillis) {
        return maxAgeMillis == 0 ? -1 : marks.writtenBy(nowMillis - maxAgeMillis);
    }

    private long beyond(long maxBytes) {
        return isFull(maxBytes) ? marks.behind(maxBytes) : -1;
    }

    /** Drops what {@link #isExpiryDue} has found. It counts as decided: it is not found again. */
    public ExpiredRecord decideExpiry(long nowMillis, long maxAgeMillis, long maxBytes) {
        long aged = aged(nowMillis, maxAgeMillis);
        long beyond = beyond(maxBytes);
        long below = Math.max(aged, beyond);
        long countedTo = Math.max(Math.max(firstOffset, settledEnd), decidedBelow);
        decidedBelow = below;
        return new ExpiredRecord(
                below,
                nowMillis,
                Math.max(0, below - countedTo),
                aged >= beyond ? ExpiredRecord.Cause.MAX_AGE : ExpiredRecord.Cause.MAX_BYTES);
    }

    /** Whether the bytes beyond what may be kept are worth a decision. */
    private boolean isFull(long maxBytes) {
        return maxBytes > 0 && marks.storedBytes() - maxBytes > maxBytes / SPARE_PART;
    }

    /** An operator drops what lies below; what is behind the written end is not touched. */
    public PurgeRecord decidePurge(long belowOffset, long writtenEnd, long nowMillis) {
        long below = Math.max(firstOffset, Math.min(belowOffset, writtenEnd));
        decidedBelow = Math.max(decidedBelow, below);
        return new PurgeRecord(below, nowMillis);
    }

    /** Its record is written, or replayed. Idempotent, but for the count. */
    public void apply(ExpiredRecord record) {
        expiredCount += record.expiredCount();
        raiseFirstOffset(record.belowOffset());
    }

    /** Its record is written, or replayed. Idempotent. */
    public void apply(PurgeRecord record) {
        raiseFirstOffset(record.belowOffset());
    }

    /** No record that was decided and is not written will be. */
    public void forgetDecided() {
        decidedBelow = 0;
    }

    // ---- time ---------------------------------------------------------------------------------------------------

    /** @return when {@link #release} or {@link #decideExpiry} will find something, as far as is known now */
    public long nextDueMillis(long graceMillis, long maxAgeMillis) {
        long due = settled.isEmpty() || lowestFloor() < 0
                ? NEVER
                : settled.peekFirst().millis() + graceMillis;
        if (maxAgeMillis > 0) {
            long written = marks.millisAt(Math.max(firstOffset, decidedBelow));
            if (written >= 0) {
                due = Math.min(due, written + maxAgeMillis);
            }
        }
        return due;
    }

    List<QueueSnapshot.Settled> settled() {
        return List.copyOf(settled);
    }
}
