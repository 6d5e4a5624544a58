package io.forebay.queue.core;

import io.forebay.storage.log.AckRecord;
import io.forebay.storage.log.DeadLetteredRecord;
import io.forebay.storage.log.DeadlineRecord;
import io.forebay.storage.log.DeliveryRange;
import io.forebay.storage.log.GivenBackRecord;
import io.forebay.storage.log.GroupSnapshot;
import io.forebay.storage.log.LogRecord;
import io.forebay.storage.log.OffsetSet;
import io.forebay.storage.log.PopRecord;
import io.forebay.storage.log.PurgeRecord;
import io.forebay.storage.log.SeekRecord;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.function.LongToIntFunction;

/**
 * What one consumer group knows of one queue: the cursor, what is in flight, what came back, what is settled ahead of
 * others. Everything a Pop, an Ack or a change of an invisible duration means is decided here.
 *
 * <p><b>How to use it.</b> A {@code decide} method returns the record that says what happens (or null) and the shell calls
 * {@code apply} with it at once, before the next decision, whether or not the record is written yet; then hands it to the
 * StoreWriter, and calls {@code written} with its sequence. A decided record is never taken back. Nobody outside may see
 * a delivery before its record is written: until then its handle does not exist.
 *
 * <p><b>Recovery</b> is {@link #restore} with the newest snapshot, {@link #replay} with every later record of this owner in
 * order of sequence (records it holds already are skipped), and {@link #recovered}.
 *
 * <p><b>Expiry</b> is no record: it follows from deadlines that are in records, so recovery finds it again. {@link #expire}
 * makes what is due available; {@link #nextDueMillis} says when to call it. Decisions call it, too, so look at {@link
 * #available} after each. A delivery that expired can still be acked or
 * extended until its message goes out again.
 *
 * <p>All times are log times in milliseconds. Memory follows {@code cursor - floor}, which {@link
 * GroupQueueLimits#lookAheadMax} bounds, and never the backlog. Confined to its actor.
 */
public final class GroupQueueState {
    private static final int RING_MIN = 64;
    private static final int RING_MAX = 1 << 30;

    // What a message between floor and cursor is. Zero is what the ring is outside of them.
    private static final byte NONE = 0;
    private static final byte IN_FLIGHT = 1;
    /** Its deadline is over; may go out again; its last delivery still counts for an Ack or an extension. */
    private static final byte EXPIRED = 2;
    /** Nacked, given back or taken back, and not due yet. */
    private static final byte WAITING = 3;
    /** Nacked, given back or taken back, and due; may go out again. */
    private static final byte RETURNED = 4;

    private static final byte SETTLED = 5;
    /** Cannot be read: never goes out, is not settled and holds nobody back. */
    private static final byte SKIPPED = 6;

    private final GroupQueueLimits limits;
    private long floor;
    private long cursor;
    private long heldSequence = Checkpoint.NO_SEQUENCE;
    private long newestLogMillis = Long.MIN_VALUE;

    // The ring over [floor, cursor): a message's slot is its offset modulo the capacity, a power of two.
    private int mask;
    private byte[] statuses;
    /** The attempts counted so far, the one in flight included. */
    private int[] attempts;
    /** In flight and expired: the deadline. Waiting and returned: when it may go out again. */
    private long[] dueMillis;
    /** The last delivery of a message that is not settled. */
    private Checkpoint[] lastDeliveries;
    /** One bit per slot: expired or returned. */
    private long[] readyBits;
    /** No message below is ready. */
    private long readyFrom;

    private int inFlightCount;
    private int readyCount;
    private int waitingCount;
    private int settledAheadCount;
    private int skippedAheadCount;
    private int pendingCount;

    private final LongMap<SessionHold> sessions = new LongMap<>();
    /** Written checkpoints with deliveries in flight, by a lower bound of their earliest deadline. */
    private final DueHeap<Checkpoint> deadlines = new DueHeap<>();

    /** Binary heap of (due, offset). An entry counts only while its message waits for that very instant. */
    private long[] waitingDue = new long[RING_MIN];

    private long[] waitingOffsets = new long[RING_MIN];
    private int waitingEntries;

    private long poppedTotal;
    private long redeliveredTotal;
    private long settledTotal;

    /** What the queue cannot read. */
    private OffsetSet quarantined = OffsetSet.empty();
    /** What this group passed over for that, since the start of this state. */
    private OffsetSet skipped = OffsetSet.empty();

    private final OffsetCollector accepted = new OffsetCollector();

    /** A group that has popped nothing yet and begins at an offset. */
    public GroupQueueState(GroupQueueLimits limits, long startOffset) {
        if (startOffset < 0) {
            throw new IllegalArgumentException("start offset is " + startOffset);
        }
        this.limits = limits;
        this.floor = startOffset;
        this.cursor = startOffset;
        this.readyFrom = startOffset;
        allocate(RING_MIN);
    }

    // ---- what is known ------------------------------------------------------------------------------------------

    /** @return every message below is settled; never falls, but by a seek */
    public long floor() {
        return floor;
    }

    /** @return the first message never popped */
    public long cursor() {
        return cursor;
    }

    /** @return the highest sequence whose record is in this state and known to be written */
    public long heldSequence() {
        return heldSequence;
    }

    public int inFlightCount() {
        return inFlightCount;
    }

    /** @return whether a checkpoint has been applied whose sequence is not known yet; no snapshot can be taken then */
    public boolean hasPending() {
        return pendingCount > 0;
    }

    /**
     * How many messages a Pop could take now.
     *
     * @param readableEnd exclusive
     */
    public long available(long readableEnd) {
        passQuarantined(readableEnd);
        long fresh = Math.max(0, lookAheadEnd(readableEnd) - cursor);
        return Math.min(readyCount + fresh, Math.max(0, limits.inFlightMax() - inFlightCount));
    }

    /** @return when {@link #expire} is due next, {@link Long#MAX_VALUE} if nothing is; may be early, never late */
    public long nextDueMillis() {
        return Math.min(deadlines.nextDueMillis(), waitingEntries == 0 ? Long.MAX_VALUE : waitingDue[0]);
    }

    public GroupQueueCounts counts(long readableEnd) {
        long depth = Math.max(readableEnd, cursor) - floor - settledAheadCount - skippedAheadCount;
        return new GroupQueueCounts(
                floor,
                cursor,
                depth,
                inFlightCount,
                readyCount,
                waitingCount,
                poppedTotal,
                redeliveredTotal,
                settledTotal);
    }

    /** Takes the deliveries of a checkpoint that are in flight. */
    public interface DeliveryVisitor {
        void delivery(long queueOffset, int attempt, long deadlineMillis);
    }

    /** Visits, in order of offset, those deliveries of a checkpoint that are in flight. */
    public void visitInFlight(Checkpoint checkpoint, DeliveryVisitor visitor) {
        for (DeliveryRange range : checkpoint.deliveries()) {
            long end = Math.min(range.firstOffset() + range.count(), cursor);
            for (long offset = Math.max(range.firstOffset(), floor); offset < end; offset++) {
                int slot = (int) offset & mask;
                if (lastDeliveries[slot] == checkpoint && statuses[slot] == IN_FLIGHT) {
                    visitor.delivery(offset, attempts[slot], dueMillis[slot]);
                }
            }
        }
    }

    /** Takes a session's request that has deliveries in flight. */
    public interface RequestVisitor {
        void request(long sessionId, long requestId);
    }

    /** Visits every request that has deliveries in flight: after a restart the dispatcher sends its repetition here. */
    public void visitRequests(RequestVisitor visitor) {
        sessions.forEach(session -> {
            for (Checkpoint held = session.oldest(); held != null; held = held.newer) {
                visitor.request(held.sessionId(), held.requestId());
            }
        });
    }

    // ---- decisions ----------------------------------------------------------------------------------------------

    /**
     * Decides a Pop. What came back goes first, then what was never out, each in order of offset.
     *
     * @param readableEnd exclusive; messages below may be delivered
     * @param epoch the stripe's
     * @param nonce random, for the handles
     * @param recordBytes the size of a message's record, asked only for messages that may go out; null: sizes do not
     *     matter
     */
    public PopDecision decidePop(
            PopCommand command,
            long nowMillis,
            long readableEnd,
            long epoch,
            long nonce,
            LongToIntFunction recordBytes) {
        expire(nowMillis);
        SessionHold session = sessions.get(command.sessionId());
        Checkpoint repeated = session == null ? null : session.find(command.requestId());
        if (repeated != null) {
            return new PopDecision(PopReason.REPEATED, null, repeated);
        }
        passQuarantined(readableEnd);
        long end = lookAheadEnd(readableEnd);
        if (readyCount == 0 && cursor >= end) {
            return readableEnd > cursor ? PopDecision.LOOK_AHEAD_FULL : PopDecision.EMPTY;
        }
        int room = Math.min(command.maxMessages(), limits.inFlightMax() - inFlightCount);
        if (room <= 0) {
            return PopDecision.IN_FLIGHT_LIMIT;
        }
        List<DeliveryRange> deliveries = select(room, end, command.maxBytes(), recordBytes);
        return new PopDecision(
                PopReason.DELIVERED,
                new PopRecord(
                        epoch,
                        nonce,
                        command.sessionId(),
                        command.requestId(),
                        nowMillis,
                        nowMillis + command.invisibleMillis(),
                        deliveries),
                null);
    }

    /**
     * Decides an Ack. A late one is taken as long as its message has not gone out again.
     *
     * @param handles gets an outcome for each
     * @return null if nothing is to be written
     */
    public AckRecord decideAck(TokenBatch handles) {
        accepted.clear();
        for (int i = 0; i < handles.count(); i++) {
            HandleOutcome outcome = judge(handles, i);
            if (outcome == HandleOutcome.ACCEPTED) {
                accepted.add(handles.queueOffset(i));
            }
            handles.judge(i, outcome);
        }
        return accepted.isEmpty() ? null : new AckRecord(accepted.toSet());
    }

    /**
     * Decides a change of the deadline. A delivery that expired may be extended as long as its message has not gone out
     * again; one that was returned may not.
     *
     * @param handles gets an outcome for each
     * @param millis from now; extended: the new invisible duration, nacked: the delay of the next delivery
     * @param reason why it was nacked, empty if nobody says
     * @return null if nothing is to be written
     */
    public DeadlineRecord decideChange(
            TokenBatch handles, DeadlineRecord.Kind kind, long nowMillis, long millis, String reason) {
        accepted.clear();
        for (int i = 0; i < handles.count(); i++) {
            HandleOutcome outcome = judge(handles, i);
            if (outcome == HandleOutcome.ACCEPTED) {
                if (!isReturned(handles.queueOffset(i))) {
                    accepted.add(handles.queueOffset(i));
                } else {
                    // A repeated nack is answered as the first was; an extension would take back what others may have.
                    outcome = kind == DeadlineRecord.Kind.NACKED
                            ? HandleOutcome.ALREADY_RETURNED
                            : HandleOutcome.STALE_HANDLE;
                }
            }
            handles.judge(i, outcome);
        }
        return accepted.isEmpty() ? null : new DeadlineRecord(accepted.toSet(), nowMillis + millis, kind, reason);
    }

    /**
     * Decides that deliveries are given back untouched: their attempts are not counted and they may go out at once.
     *
     * @param handles gets an outcome for each
     * @return null if nothing is to be written
     */
    public GivenBackRecord decideGiveBack(TokenBatch handles, long nowMillis) {
        accepted.clear();
        for (int i = 0; i < handles.count(); i++) {
            HandleOutcome outcome = judge(handles, i);
            if (outcome == HandleOutcome.ACCEPTED) {
                if (isReturned(handles.queueOffset(i))) {
                    outcome = HandleOutcome.ALREADY_RETURNED;
                } else {
                    accepted.add(handles.queueOffset(i));
                }
            }
            handles.judge(i, outcome);
        }
        return accepted.isEmpty()
                ? null
                : new GivenBackRecord(accepted.toSet(), false, GivenBackRecord.Cause.RETURNED, nowMillis);
    }

    /**
     * Decides that a session gives back everything it holds: it closed in good order. Uncounted.
     *
     * @return null if it holds nothing
     */
    public GivenBackRecord decideSessionClosed(long sessionId, long nowMillis) {
        expire(nowMillis);
        SessionHold session = sessions.get(sessionId);
        if (session == null) {
            return null;
        }
        accepted.clear();
        for (Checkpoint held = session.oldest(); held != null; held = held.newer) {
            visitInFlight(held, (offset, attempt, deadline) -> accepted.add(offset));
        }
        return new GivenBackRecord(accepted.toSet(), false, GivenBackRecord.Cause.RETURNED, nowMillis);
    }

    /**
     * Decides that a session's consumer is gone: what it held comes back, the attempt counted and its backoff taken.
     *
     * @return one record for each backoff; empty if it holds nothing
     */
    public List<GivenBackRecord> decideConsumerGone(long sessionId, long nowMillis) {
        expire(nowMillis);
        SessionHold session = sessions.get(sessionId);
        if (session == null) {
            return List.of();
        }
        Map<Long, OffsetCollector> byBackoff = new TreeMap<>();
        for (Checkpoint held = session.oldest(); held != null; held = held.newer) {
            visitInFlight(
                    held,
                    (offset, attempt, deadline) -> byBackoff
                            .computeIfAbsent(limits.goneBackoffMillis(attempt), backoff -> new OffsetCollector())
                            .add(offset));
        }
        List<GivenBackRecord> records = new ArrayList<>(byBackoff.size());
        byBackoff.forEach((backoffMillis, offsets) -> records.add(new GivenBackRecord(
                offsets.toSet(), true, GivenBackRecord.Cause.CONSUMER_GONE, nowMillis + backoffMillis)));
        return records;
    }

    /**
     * Decides to extend what a living session holds: those deliveries that have less than half of the duration left.
     *
     * @param invisibleMillis the duration, from now
     * @param maxHoldMillis deliveries popped longer ago are left to their deadlines
     * @return one record for all of them, or null
     */
    public DeadlineRecord decideExtendSession(
            long sessionId, long nowMillis, long invisibleMillis, long maxHoldMillis) {
        expire(nowMillis);
        SessionHold session = sessions.get(sessionId);
        if (session == null) {
            return null;
        }
        accepted.clear();
        for (Checkpoint held = session.oldest(); held != null; held = held.newer) {
            if (held.isWritten() && nowMillis - held.poppedMillis() <= maxHoldMillis) {
                visitInFlight(held, (offset, attempt, deadline) -> {
                    if (deadline - nowMillis < invisibleMillis / 2) {
                        accepted.add(offset);
                    }
                });
            }
        }
        return accepted.isEmpty()
                ? null
                : new DeadlineRecord(accepted.toSet(), nowMillis + invisibleMillis, DeadlineRecord.Kind.EXTENDED, "");
    }

    // ---- events -------------------------------------------------------------------------------------------------

    /**
     * A Pop is decided.
     *
     * @return what is to be passed to {@link #written(Checkpoint, long)} when the record is written
     */
    public Checkpoint apply(PopRecord record) {
        Checkpoint checkpoint = new Checkpoint(
                record.epoch(),
                record.nonce(),
                record.sessionId(),
                record.requestId(),
                record.poppedMillis(),
                record.deadlineMillis(),
                record.deliveries());
        for (DeliveryRange range : record.deliveries()) {
            deliver(checkpoint, range);
        }
        hold(checkpoint);
        pendingCount++;
        return checkpoint;
    }

    /** Messages are settled by their consumers. */
    public void apply(AckRecord record) {
        OffsetSet offsets = record.offsets();
        for (int range = 0; range < offsets.rangeCount(); range++) {
            settle(offsets.rangeFirst(range), offsets.rangeLast(range));
        }
    }

    /** Deadlines are moved. */
    public void apply(DeadlineRecord record) {
        OffsetSet offsets = record.offsets();
        for (int range = 0; range < offsets.rangeCount(); range++) {
            if (record.kind() == DeadlineRecord.Kind.EXTENDED) {
                extend(offsets.rangeFirst(range), offsets.rangeLast(range), record.deadlineMillis());
            } else {
                putBack(offsets.rangeFirst(range), offsets.rangeLast(range), true, record.deadlineMillis());
            }
        }
    }

    /** Deliveries are given back or taken back. */
    public void apply(GivenBackRecord record) {
        OffsetSet offsets = record.offsets();
        for (int range = 0; range < offsets.rangeCount(); range++) {
            putBack(offsets.rangeFirst(range), offsets.rangeLast(range), record.counted(), record.dueMillis());
        }
    }

    /** A message is settled by moving it to the dead letters. */
    public void apply(DeadLetteredRecord record) {
        settle(record.offset(), record.offset());
    }

    /** The group begins anew at an offset; handles given out before are stale. */
    public void apply(SeekRecord record) {
        beginAt(record.offset());
    }

    /** Everything below an offset is settled unseen. */
    public void apply(PurgeRecord record) {
        if (record.belowOffset() >= cursor) {
            if (record.belowOffset() > floor) {
                beginAt(record.belowOffset());
            }
        } else if (record.belowOffset() > floor) {
            for (long offset = floor; offset < record.belowOffset(); offset++) {
                settle(offset, offset);
            }
        }
    }

    /**
     * Messages cannot be read: they are passed over, in flight or not. No record of this owner: the queue keeps the list and
     * tells it again after a restart, before {@link #recovered}.
     */
    public void quarantine(long firstOffset, long count) {
        quarantined = quarantined.union(OffsetSet.range(firstOffset, count));
        skipQuarantined();
    }

    private void skipQuarantined() {
        for (int range = 0; range < quarantined.rangeCount(); range++) {
            skip(Math.max(quarantined.rangeFirst(range), floor), Math.min(quarantined.rangeLast(range) + 1, cursor));
        }
    }

    /** A checkpoint's record is written: its handles exist from now on, and its deadlines count. */
    public void written(Checkpoint checkpoint, long sequence) {
        checkpoint.written(sequence);
        pendingCount--;
        written(sequence);
        if (checkpoint.inFlightCount > 0) {
            deadlines.put(checkpoint, checkpoint.deadlineMillis());
        }
    }

    /** Any other record is written. */
    public void written(long sequence) {
        heldSequence = Math.max(heldSequence, sequence);
    }

    /**
     * Makes available what is due: deliveries whose deadline has come, and returned messages whose delay is over.
     *
     * @return how many messages became available
     */
    public int expire(long nowMillis) {
        int before = readyCount;
        while (deadlines.nextDueMillis() <= nowMillis) {
            expire(deadlines.first(), nowMillis);
        }
        while (waitingEntries > 0 && waitingDue[0] <= nowMillis) {
            long offset = waitingOffsets[0];
            int slot = (int) offset & mask;
            boolean isValid =
                    offset >= floor && offset < cursor && statuses[slot] == WAITING && dueMillis[slot] == waitingDue[0];
            removeFirstWaiting();
            if (isValid) {
                waitingCount--;
                makeReady(offset, slot, RETURNED);
            }
        }
        return readyCount - before;
    }

    // ---- recovery -----------------------------------------------------------------------------------------------

    /**
     * Applies a record read from the log. Records up to {@link #heldSequence()} are skipped, so it does no harm to replay
     * what a snapshot holds.
     *
     * @param logMillis the log time of the record's frame
     * @return whether it was new
     * @throws IllegalStateException if the record contradicts what came before, which means that records are missing
     */
    public boolean replay(LogRecord record, long sequence, long logMillis) {
        newestLogMillis = Math.max(newestLogMillis, logMillis);
        if (sequence <= heldSequence) {
            return false;
        }
        if (record instanceof PopRecord pop) {
            written(apply(pop), sequence);
        } else if (record instanceof AckRecord ack) {
            apply(ack);
        } else if (record instanceof DeadlineRecord deadline) {
            apply(deadline);
        } else if (record instanceof GivenBackRecord givenBack) {
            apply(givenBack);
        } else if (record instanceof DeadLetteredRecord deadLettered) {
            apply(deadLettered);
        } else if (record instanceof SeekRecord seek) {
            apply(seek);
        } else if (record instanceof PurgeRecord purge) {
            apply(purge);
        } else {
            throw new IllegalStateException(
                    "a group's queue has no use for a record of type " + record.type() + " with sequence " + sequence);
        }
        written(sequence);
        return true;
    }

    /**
     * Ends recovery. If the clock stands before the newest log time, what remained of every deadline then is what remains
     * of it now; nothing gets more than it was granted.
     */
    public void recovered(long nowMillis) {
        if (nowMillis < newestLogMillis) {
            long backMillis = newestLogMillis - nowMillis;
            for (long offset = floor; offset < cursor; offset++) {
                int slot = (int) offset & mask;
                if (statuses[slot] != SETTLED) {
                    dueMillis[slot] -= backMillis;
                }
            }
            rebuildDeadlines();
            rebuildWaiting();
        }
        skipQuarantined();
        expire(nowMillis);
    }

    /**
     * @param heldSequence as the snapshot's record states it
     * @param logMillis the log time of the snapshot's frame
     * @throws IllegalStateException if the snapshot contradicts itself
     */
    public static GroupQueueState restore(
            GroupQueueLimits limits, GroupSnapshot snapshot, long heldSequence, long logMillis) {
        GroupQueueState state = new GroupQueueState(limits, snapshot.floor());
        state.fill(snapshot);
        state.heldSequence = heldSequence;
        state.newestLogMillis = logMillis;
        return state;
    }

    /**
     * What {@link #restore} takes, with {@link #heldSequence()} beside it. What expired is in it as in flight with its
     * deadline, so it expires again.
     */
    public GroupSnapshot snapshot() {
        if (pendingCount > 0) {
            throw new AssertionError("snapshot with " + pendingCount + " checkpoints that are not written");
        }
        OffsetCollector settled = new OffsetCollector();
        Map<Checkpoint, LiveDeliveries> live = new LinkedHashMap<>();
        List<GroupSnapshot.Redelivery> redeliveries = new ArrayList<>(waitingCount);
        for (long offset = floor; offset < cursor; offset++) {
            int slot = (int) offset & mask;
            Checkpoint last = lastDeliveries[slot];
            switch (statuses[slot]) {
                case SETTLED -> settled.add(offset);
                case IN_FLIGHT, EXPIRED ->
                    live.computeIfAbsent(last, LiveDeliveries::new).add(offset, attempts[slot], dueMillis[slot]);
                case WAITING, RETURNED ->
                    redeliveries.add(new GroupSnapshot.Redelivery(
                            offset,
                            dueMillis[slot],
                            attempts[slot],
                            last.epoch(),
                            last.sequence(),
                            last.nonce(),
                            0,
                            0));
                case SKIPPED -> {
                    // Neither settled nor out: whoever restores this finds it as the rest.
                }
                default -> throw new AssertionError(describe(offset));
            }
        }
        List<GroupSnapshot.CheckpointState> checkpoints = new ArrayList<>(live.size());
        live.values().forEach(deliveries -> checkpoints.add(deliveries.toState()));
        return new GroupSnapshot(
                floor, cursor, settled.toSet(), checkpoints, redeliveries, 0, List.of(), List.of(), List.of());
    }

    private void fill(GroupSnapshot snapshot) {
        cursor = snapshot.cursor();
        ensureRing(cursor);
        for (long offset = floor; offset < cursor; offset++) {
            statuses[(int) offset & mask] = SKIPPED;
            skippedAheadCount++;
        }
        OffsetSet acked = snapshot.acked();
        for (int range = 0; range < acked.rangeCount(); range++) {
            for (long offset = acked.rangeFirst(range); offset <= acked.rangeLast(range); offset++) {
                claim(offset, SETTLED);
                settledAheadCount++;
            }
        }
        Map<Long, Checkpoint> bySequence = new HashMap<>();
        for (GroupSnapshot.CheckpointState state : snapshot.checkpoints()) {
            bySequence.put(state.sequence(), fill(state, acked));
        }
        for (GroupSnapshot.Redelivery redelivery : snapshot.redeliveries()) {
            int slot = claim(redelivery.offset(), WAITING);
            attempts[slot] = redelivery.attempts();
            dueMillis[slot] = redelivery.dueMillis();
            lastDeliveries[slot] = bySequence.computeIfAbsent(redelivery.sequence(), sequence -> {
                Checkpoint token = new Checkpoint(
                        redelivery.epoch(), redelivery.nonce(), 0, 0, 0, redelivery.dueMillis(), List.of());
                token.written(sequence);
                return token;
            });
            waitingCount++;
            addWaiting(redelivery.dueMillis(), redelivery.offset());
        }
        for (long offset = floor; offset < cursor && skippedAheadCount > 0; offset++) {
            if (statuses[(int) offset & mask] == SKIPPED) {
                skipped = skipped.union(OffsetSet.range(offset, 1));
            }
        }
        advanceFloor();
    }

    private Checkpoint fill(GroupSnapshot.CheckpointState state, OffsetSet acked) {
        Checkpoint checkpoint = new Checkpoint(
                state.epoch(),
                state.nonce(),
                state.sessionId(),
                state.requestId(),
                state.poppedMillis(),
                state.deadlineMillis(),
                state.ranges());
        checkpoint.written(state.sequence());
        long earliestMillis = Long.MAX_VALUE;
        for (DeliveryRange range : state.ranges()) {
            for (long offset = Math.max(range.firstOffset(), floor); offset <= range.lastOffset(); offset++) {
                if (acked.contains(offset) || state.returned().contains(offset)) {
                    continue;
                }
                int slot = claim(offset, IN_FLIGHT);
                attempts[slot] = range.attempt();
                dueMillis[slot] = state.deadlineMillis();
                for (GroupSnapshot.MovedDeadline moved : state.moved()) {
                    if (moved.offsets().contains(offset)) {
                        dueMillis[slot] = moved.deadlineMillis();
                    }
                }
                earliestMillis = Math.min(earliestMillis, dueMillis[slot]);
                lastDeliveries[slot] = checkpoint;
                checkpoint.inFlightCount++;
                inFlightCount++;
            }
        }
        if (checkpoint.inFlightCount > 0) {
            hold(checkpoint);
            deadlines.put(checkpoint, earliestMillis);
        }
        return checkpoint;
    }

    /** Gives a message of a snapshot its one status. */
    private int claim(long offset, byte status) {
        int slot = (int) offset & mask;
        if (offset < floor || offset >= cursor || statuses[slot] != SKIPPED) {
            throw new IllegalStateException("snapshot of a group names offset " + offset + " twice or outside of ["
                    + floor + ", " + cursor + ")");
        }
        statuses[slot] = status;
        skippedAheadCount--;
        return slot;
    }

    // ---- choosing what goes out ---------------------------------------------------------------------------------

    /** How far the cursor may go now. */
    private long lookAheadEnd(long readableEnd) {
        return Math.min(readableEnd, floor + limits.lookAheadMax());
    }

    /** @return at least one range: the caller has seen that something is there */
    private List<DeliveryRange> select(int room, long end, long maxBytes, LongToIntFunction recordBytes) {
        if (readyCount == 0 && quarantined.isEmpty()) {
            int count = (int) Math.min(room, end - cursor);
            if (recordBytes != null) {
                count = fittingCount(count, maxBytes, recordBytes);
            }
            return List.of(new DeliveryRange(cursor, count, 1));
        }
        List<DeliveryRange> ranges = new ArrayList<>();
        long bytesLeft = maxBytes;
        long runFirst = -1;
        int runCount = 0;
        int runAttempt = 0;
        long ready = nextReady(readyFrom);
        if (ready >= 0) {
            readyFrom = ready;
        }
        long fresh = cursor;
        for (int selected = 0; selected < room; selected++) {
            long offset;
            int attempt;
            if (ready >= 0) {
                offset = ready;
                attempt = attempts[(int) offset & mask] + 1;
                ready = nextReady(offset + 1);
            } else {
                while (fresh < end && quarantined.contains(fresh)) {
                    fresh++;
                }
                if (fresh >= end) {
                    break;
                }
                offset = fresh++;
                attempt = 1;
            }
            if (recordBytes != null) {
                bytesLeft -= recordBytes.applyAsInt(offset);
                if (bytesLeft < 0 && selected > 0) {
                    break;
                }
            }
            if (runCount > 0 && offset == runFirst + runCount && attempt == runAttempt) {
                runCount++;
            } else {
                if (runCount > 0) {
                    ranges.add(new DeliveryRange(runFirst, runCount, runAttempt));
                }
                runFirst = offset;
                runCount = 1;
                runAttempt = attempt;
            }
        }
        if (runCount > 0) {
            ranges.add(new DeliveryRange(runFirst, runCount, runAttempt));
        }
        return ranges;
    }

    private int fittingCount(int countMax, long maxBytes, LongToIntFunction recordBytes) {
        long bytesLeft = maxBytes - recordBytes.applyAsInt(cursor);
        int count = 1;
        while (count < countMax) {
            bytesLeft -= recordBytes.applyAsInt(cursor + count);
            if (bytesLeft < 0) {
                break;
            }
            count++;
        }
        return count;
    }

    /** @return the first ready message at or above an offset, or -1 */
    private long nextReady(long from) {
        long offset = Math.max(from, floor);
        while (offset < cursor) {
            int slot = (int) offset & mask;
            long bits = readyBits[slot >>> 6] >>> slot;
            if (bits != 0) {
                long found = offset + Long.numberOfTrailingZeros(bits);
                // The rest of the word may already be the ring's beginning.
                return found < cursor ? found : -1;
            }
            offset = (offset | 63) + 1;
        }
        return -1;
    }

    // ---- what handles prove -------------------------------------------------------------------------------------

    private HandleOutcome judge(TokenBatch handles, int index) {
        long offset = handles.queueOffset(index);
        if (offset < 0 || offset >= cursor) {
            return HandleOutcome.UNKNOWN_OFFSET;
        }
        if (offset < floor) {
            return skipped.contains(offset) ? HandleOutcome.QUARANTINED : HandleOutcome.ALREADY_SETTLED;
        }
        int slot = (int) offset & mask;
        if (statuses[slot] == SETTLED) {
            return HandleOutcome.ALREADY_SETTLED;
        }
        if (statuses[slot] == SKIPPED) {
            return HandleOutcome.QUARANTINED;
        }
        Checkpoint last = lastDeliveries[slot];
        if (!last.isToken(handles.epoch(index), handles.sequence(index))) {
            return HandleOutcome.STALE_HANDLE;
        }
        return last.nonce() == handles.nonce(index) ? HandleOutcome.ACCEPTED : HandleOutcome.FORGED_HANDLE;
    }

    private boolean isReturned(long offset) {
        byte status = statuses[(int) offset & mask];
        return status == WAITING || status == RETURNED;
    }

    // ---- transitions --------------------------------------------------------------------------------------------

    private void deliver(Checkpoint checkpoint, DeliveryRange range) {
        long first = range.firstOffset();
        long end = first + range.count();
        ensureRing(end);
        long offset = first;
        int deliveredCount = range.count();
        for (; offset < floor && offset < end; offset++) {
            if (!skipped.contains(offset)) {
                throw contradiction("pop", offset);
            }
            deliveredCount--;
        }
        for (; offset < end && offset < cursor; offset++) {
            int slot = (int) offset & mask;
            byte status = statuses[slot];
            if (status == SETTLED) {
                throw contradiction("pop", offset);
            }
            if (status == SKIPPED) {
                // Popped before it was found to be unreadable.
                deliveredCount--;
                continue;
            }
            leave(slot);
            give(checkpoint, slot, range.attempt());
        }
        if (first > cursor) {
            // What a Pop passes over it could not read.
            passOver(first);
        }
        for (; offset < end; offset++) {
            give(checkpoint, (int) offset & mask, range.attempt());
        }
        cursor = Math.max(cursor, end);
        checkpoint.inFlightCount += deliveredCount;
        inFlightCount += deliveredCount;
        poppedTotal += deliveredCount;
        if (range.attempt() > 1) {
            redeliveredTotal += deliveredCount;
        }
    }

    private void give(Checkpoint checkpoint, int slot, int attempt) {
        statuses[slot] = IN_FLIGHT;
        attempts[slot] = attempt;
        dueMillis[slot] = checkpoint.deadlineMillis();
        lastDeliveries[slot] = checkpoint;
    }

    /** @param last inclusive */
    private void settle(long first, long last) {
        if (last >= cursor) {
            throw contradiction("settle", last);
        }
        long from = Math.max(first, floor);
        for (long offset = from; offset <= last; offset++) {
            int slot = (int) offset & mask;
            byte status = statuses[slot];
            if (status == SETTLED) {
                continue;
            }
            leave(slot);
            statuses[slot] = SETTLED;
            lastDeliveries[slot] = null;
            settledAheadCount++;
            settledTotal++;
        }
        if (from == floor) {
            advanceFloor();
        }
    }

    /** @param last inclusive */
    private void extend(long first, long last, long deadlineMillis) {
        for (long offset = first; offset <= last; offset++) {
            int slot = (int) offset & mask;
            if (isPassedOver("extend", offset)) {
                continue;
            }
            Checkpoint checkpoint = lastDeliveries[slot];
            if (statuses[slot] != IN_FLIGHT) {
                leave(slot);
                statuses[slot] = IN_FLIGHT;
                inFlightCount++;
                checkpoint.inFlightCount++;
                hold(checkpoint);
            }
            dueMillis[slot] = deadlineMillis;
            if (!checkpoint.isInHeap() || deadlineMillis < checkpoint.heapDueMillis()) {
                deadlines.put(checkpoint, deadlineMillis);
            }
        }
    }

    /** @param last inclusive */
    private void putBack(long first, long last, boolean isCounted, long due) {
        for (long offset = first; offset <= last; offset++) {
            if (isPassedOver("put back", offset)) {
                continue;
            }
            int slot = (int) offset & mask;
            leave(slot);
            statuses[slot] = WAITING;
            dueMillis[slot] = due;
            if (!isCounted) {
                attempts[slot]--;
            }
            waitingCount++;
            addWaiting(due, offset);
        }
    }

    /** @param end exclusive; both within floor and cursor */
    private void skip(long first, long end) {
        for (long offset = first; offset < end; offset++) {
            int slot = (int) offset & mask;
            if (statuses[slot] != SETTLED && statuses[slot] != SKIPPED) {
                leave(slot);
                statuses[slot] = SKIPPED;
                lastDeliveries[slot] = null;
                skippedAheadCount++;
                skipped = skipped.union(OffsetSet.range(offset, 1));
            }
        }
        advanceFloor();
    }

    /** Moves the cursor over what cannot be read. */
    private void passOver(long toOffset) {
        skipped = skipped.union(OffsetSet.range(cursor, toOffset - cursor));
        while (cursor < toOffset) {
            statuses[(int) cursor++ & mask] = SKIPPED;
            skippedAheadCount++;
        }
    }

    private void passQuarantined(long readableEnd) {
        while (!quarantined.isEmpty() && cursor < lookAheadEnd(readableEnd) && quarantined.contains(cursor)) {
            ensureRing(cursor + 1);
            passOver(cursor + 1);
            advanceFloor();
        }
    }

    private void beginAt(long offset) {
        for (long old = floor; old < cursor; old++) {
            int slot = (int) old & mask;
            leave(slot);
            statuses[slot] = NONE;
            lastDeliveries[slot] = null;
        }
        settledAheadCount = 0;
        waitingEntries = 0;
        floor = offset;
        cursor = offset;
        readyFrom = offset;
        skipped = OffsetSet.empty();
    }

    /** Undoes what a status means for the counts; the caller sets the next one. */
    private void leave(int slot) {
        switch (statuses[slot]) {
            case IN_FLIGHT -> {
                inFlightCount--;
                Checkpoint checkpoint = lastDeliveries[slot];
                if (--checkpoint.inFlightCount == 0) {
                    retire(checkpoint);
                }
            }
            case EXPIRED, RETURNED -> {
                readyCount--;
                readyBits[slot >>> 6] &= ~(1L << slot);
            }
            case WAITING -> waitingCount--;
            case SKIPPED -> skippedAheadCount--;
            default -> {
                // Settled ones are counted where they are passed.
            }
        }
    }

    private void makeReady(long offset, int slot, byte status) {
        statuses[slot] = status;
        readyBits[slot >>> 6] |= 1L << slot;
        readyFrom = readyCount++ == 0 ? offset : Math.min(readyFrom, offset);
    }

    private void expire(Checkpoint checkpoint, long nowMillis) {
        long earliestMillis = Long.MAX_VALUE;
        for (DeliveryRange range : checkpoint.deliveries()) {
            long end = Math.min(range.firstOffset() + range.count(), cursor);
            for (long offset = Math.max(range.firstOffset(), floor); offset < end; offset++) {
                int slot = (int) offset & mask;
                if (lastDeliveries[slot] != checkpoint || statuses[slot] != IN_FLIGHT) {
                    continue;
                }
                if (dueMillis[slot] <= nowMillis) {
                    inFlightCount--;
                    checkpoint.inFlightCount--;
                    makeReady(offset, slot, EXPIRED);
                } else {
                    earliestMillis = Math.min(earliestMillis, dueMillis[slot]);
                }
            }
        }
        if (checkpoint.inFlightCount == 0) {
            retire(checkpoint);
        } else if (earliestMillis == Long.MAX_VALUE) {
            throw new AssertionError("deliveries in flight are not found: " + checkpoint);
        } else {
            deadlines.put(checkpoint, earliestMillis);
        }
    }

    private void hold(Checkpoint checkpoint) {
        if (checkpoint.session != null || checkpoint.inFlightCount == 0) {
            return;
        }
        SessionHold session = sessions.get(checkpoint.sessionId());
        if (session == null) {
            session = new SessionHold(checkpoint.sessionId());
            sessions.put(session.sessionId, session);
        }
        session.add(checkpoint);
    }

    /** Nothing of it is in flight any more. */
    private void retire(Checkpoint checkpoint) {
        deadlines.remove(checkpoint);
        SessionHold session = checkpoint.session;
        if (session != null) {
            session.remove(checkpoint);
            if (session.isEmpty()) {
                sessions.remove(session.sessionId);
            }
        }
    }

    private void advanceFloor() {
        while (floor < cursor) {
            int slot = (int) floor & mask;
            if (statuses[slot] == SETTLED) {
                settledAheadCount--;
            } else if (statuses[slot] == SKIPPED) {
                skippedAheadCount--;
            } else {
                break;
            }
            statuses[slot] = NONE;
            floor++;
        }
    }

    /** @return whether a record speaks of a message that was found to be unreadable later, so that nothing is to be done */
    private boolean isPassedOver(String what, long offset) {
        if (offset >= cursor || offset >= floor && statuses[(int) offset & mask] == SETTLED) {
            throw contradiction(what, offset);
        }
        if (offset >= floor && statuses[(int) offset & mask] != SKIPPED) {
            return false;
        }
        if (!skipped.contains(offset)) {
            throw contradiction(what, offset);
        }
        return true;
    }

    private IllegalStateException contradiction(String what, long offset) {
        return new IllegalStateException("a record that is to " + what + " offset " + offset
                + " contradicts what came before: " + describe(offset) + "; records of this group's queue are missing");
    }

    private String describe(long offset) {
        String status =
                offset >= floor && offset < cursor ? "status " + statuses[(int) offset & mask] : "not in the window";
        return "floor " + floor + ", cursor " + cursor + ", offset " + offset + ": " + status;
    }

    // ---- ring ---------------------------------------------------------------------------------------------------

    private void allocate(int capacity) {
        mask = capacity - 1;
        statuses = new byte[capacity];
        attempts = new int[capacity];
        dueMillis = new long[capacity];
        lastDeliveries = new Checkpoint[capacity];
        readyBits = new long[capacity >>> 6];
    }

    /** Makes room for messages up to an offset, exclusive. */
    private void ensureRing(long end) {
        long count = end - floor;
        if (count <= mask + 1) {
            return;
        }
        if (count > RING_MAX) {
            throw contradiction("keep the window up to", end);
        }
        byte[] oldStatuses = statuses;
        int[] oldAttempts = attempts;
        long[] oldDueMillis = dueMillis;
        Checkpoint[] oldLastDeliveries = lastDeliveries;
        int oldMask = mask;
        allocate(Integer.highestOneBit((int) count - 1) << 1);
        for (long offset = floor; offset < cursor; offset++) {
            int from = (int) offset & oldMask;
            int to = (int) offset & mask;
            statuses[to] = oldStatuses[from];
            attempts[to] = oldAttempts[from];
            dueMillis[to] = oldDueMillis[from];
            lastDeliveries[to] = oldLastDeliveries[from];
            if (statuses[to] == EXPIRED || statuses[to] == RETURNED) {
                readyBits[to >>> 6] |= 1L << to;
            }
        }
    }

    /** @return entries kept for returned messages, outdated ones included */
    int waitingEntries() {
        return waitingEntries;
    }

    /** Gives back the memory of a window that was large once. For a shell that has nothing else to do. */
    public void trim() {
        if (floor == cursor && mask + 1 > RING_MIN) {
            allocate(RING_MIN);
        }
        if (waitingCount == 0 && waitingDue.length > RING_MIN) {
            waitingEntries = 0;
            waitingDue = new long[RING_MIN];
            waitingOffsets = new long[RING_MIN];
        }
    }

    // ---- what waits for its time --------------------------------------------------------------------------------

    private void addWaiting(long due, long offset) {
        if (waitingEntries == waitingDue.length) {
            if (waitingEntries > 2 * waitingCount) {
                // Most have been settled while they waited: drop those instead of growing.
                rebuildWaiting();
                return;
            }
            waitingDue = Arrays.copyOf(waitingDue, waitingEntries * 2);
            waitingOffsets = Arrays.copyOf(waitingOffsets, waitingEntries * 2);
        }
        int i = waitingEntries++;
        while (i > 0) {
            int parent = (i - 1) >>> 1;
            if (waitingDue[parent] <= due) {
                break;
            }
            waitingDue[i] = waitingDue[parent];
            waitingOffsets[i] = waitingOffsets[parent];
            i = parent;
        }
        waitingDue[i] = due;
        waitingOffsets[i] = offset;
    }

    private void removeFirstWaiting() {
        int last = --waitingEntries;
        long due = waitingDue[last];
        long offset = waitingOffsets[last];
        int i = 0;
        while (true) {
            int child = 2 * i + 1;
            if (child >= last) {
                break;
            }
            if (child + 1 < last && waitingDue[child + 1] < waitingDue[child]) {
                child++;
            }
            if (waitingDue[child] >= due) {
                break;
            }
            waitingDue[i] = waitingDue[child];
            waitingOffsets[i] = waitingOffsets[child];
            i = child;
        }
        waitingDue[i] = due;
        waitingOffsets[i] = offset;
    }

    /** Every message that waits, each once. */
    private void rebuildWaiting() {
        waitingEntries = 0;
        for (long offset = floor; offset < cursor; offset++) {
            if (statuses[(int) offset & mask] == WAITING) {
                addWaiting(dueMillis[(int) offset & mask], offset);
            }
        }
    }

    private void rebuildDeadlines() {
        deadlines.clear();
        for (long offset = floor; offset < cursor; offset++) {
            int slot = (int) offset & mask;
            if (statuses[slot] == IN_FLIGHT) {
                Checkpoint checkpoint = lastDeliveries[slot];
                if (!checkpoint.isInHeap() || dueMillis[slot] < checkpoint.heapDueMillis()) {
                    deadlines.put(checkpoint, dueMillis[slot]);
                }
            }
        }
    }
}
