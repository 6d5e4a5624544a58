package io.forebay.queue.core;

import static io.forebay.queue.core.MessageWindow.EXPIRED;
import static io.forebay.queue.core.MessageWindow.EXPIRED_UNCOUNTED;
import static io.forebay.queue.core.MessageWindow.EXPIRED_WAITING;
import static io.forebay.queue.core.MessageWindow.IN_FLIGHT;
import static io.forebay.queue.core.MessageWindow.PENDING;
import static io.forebay.queue.core.MessageWindow.POISON;
import static io.forebay.queue.core.MessageWindow.POISON_TAKEN;
import static io.forebay.queue.core.MessageWindow.RETURNED;
import static io.forebay.queue.core.MessageWindow.SETTLED;
import static io.forebay.queue.core.MessageWindow.SKIPPED;
import static io.forebay.queue.core.MessageWindow.UNWANTED;
import static io.forebay.queue.core.MessageWindow.WAITING;

import io.forebay.storage.log.AckRecord;
import io.forebay.storage.log.DeadlineRecord;
import io.forebay.storage.log.DeliveryRange;
import io.forebay.storage.log.FilteredRecord;
import io.forebay.storage.log.GivenBackRecord;
import io.forebay.storage.log.GroupSnapshot;
import io.forebay.storage.log.KeyParkedRecord;
import io.forebay.storage.log.KeyUnparkedRecord;
import io.forebay.storage.log.LogRecord;
import io.forebay.storage.log.OffsetSet;
import io.forebay.storage.log.PopRecord;
import io.forebay.storage.log.PurgeRecord;
import io.forebay.storage.log.RedriveReceivedRecord;
import io.forebay.storage.log.RedrivenRecord;
import io.forebay.storage.log.SeekRecord;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.TreeMap;
import java.util.function.LongToIntFunction;

/**
 * What one consumer group knows of one queue: the cursor, what is in flight, what came back, what is settled ahead of
 * others, which keys wait. Everything a Pop, an Ack or a change of an invisible duration means is decided here.
 *
 * <p><b>How to use it.</b> A {@code decide} method returns the record that says what happens (or null) and the shell calls
 * {@code apply} with it at once, before the next decision, whether or not the record is written yet; then hands it to the
 * StoreWriter, and calls {@code written} with its sequence. A decided record is never taken back. Nobody outside may see
 * a delivery before its record is written: until then its handle does not exist.
 *
 * <p><b>Recovery</b> is {@link #restore} with the newest snapshot, {@link #replay} with every later record of this owner in
 * order of sequence (records it holds already are skipped), {@link #recovered}, and then {@link #configure}: what is replayed
 * means the same whatever the group's settings are by now.
 *
 * <p><b>Expiry</b> is no record: it follows from deadlines that are in records, so recovery finds it again. {@link #expire}
 * makes what is due available; {@link #nextDueMillis} says when to call it. Decisions call it, too, so look at {@link
 * #available} after each. A delivery that expired can still be acked or
 * extended until its message goes out again. An attempt that failed waits for its {@link RetryBackoff}; after the last one its
 * message is {@link #takePoisoned poison}.
 *
 * <p><b>Groups that look at messages</b> (ordered ones, and those with a filter) take only what was {@link #scanned}: the
 * shell reads ahead from {@link #scanFrom} and tells what it found, and the cursor is how far it got. In an ordered group a
 * message may go out only when every earlier one of its key is settled.
 *
 * <p>All times are log times in milliseconds. Memory follows {@code cursor - floor}, which {@link
 * GroupQueueLimits#lookAheadMax} bounds, and never the backlog. Confined to its actor.
 */
public final class GroupQueueState extends GroupMessages {
    /** A group that has popped nothing yet and begins at an offset. */
    public GroupQueueState(GroupQueueLimits limits, long startOffset) {
        super(limits, startOffset);
    }

    // ---- what is known ------------------------------------------------------------------------------------------

    /** @return every message below is settled; never falls, but by a seek */
    public long floor() {
        return window.floor;
    }

    /** @return the first message never popped, in a group that scans the first one not scanned */
    public long cursor() {
        return window.cursor;
    }

    /** @return the highest sequence whose record is in this state and known to be written */
    public long heldSequence() {
        return heldSequence;
    }

    /** @return how many messages of this queue may be out at once */
    public int inFlightMax() {
        return limits.inFlightMax();
    }

    /** @return messages below an offset, which is readable, that are not settled */
    public long unsettledBelow(long offset) {
        long count = Math.max(0, offset - Math.max(window.floor, window.cursor));
        for (long one = window.floor; one < Math.min(offset, window.cursor); one++) {
            byte status = window.status(one);
            count += status == SETTLED || status == SKIPPED || status == UNWANTED ? 0 : 1;
        }
        return count;
    }

    public int inFlightCount() {
        return window.count(IN_FLIGHT);
    }

    /** @return whether a checkpoint has been applied whose sequence is not known yet; no snapshot can be taken then */
    public boolean hasPending() {
        return pendingCount > 0;
    }

    /** @return to be read and cleared by the dispatcher's informant; empty unless activity is wanted */
    public GroupActivity activity() {
        return activity;
    }

    /**
     * How many messages a Pop could take now.
     *
     * @param readableEnd exclusive
     */
    public long available(long readableEnd) {
        passQuarantined(readableEnd);
        return Math.min(
                window.readyCount() + freshCount(readableEnd), Math.max(0, limits.inFlightMax() - inFlightCount()));
    }

    /** What may go out though nobody has looked at it. */
    private long freshCount(long readableEnd) {
        return isScanning ? 0 : Math.max(0, lookAheadEnd(readableEnd) - window.cursor);
    }

    /** @return when {@link #expire} is due next, {@link Long#MAX_VALUE} if nothing is; may be early, never late */
    public long nextDueMillis() {
        return Math.min(deadlines.nextDueMillis(), waiting.firstDueMillis());
    }

    public GroupQueueCounts counts(long readableEnd) {
        return new GroupQueueCounts(
                window.floor,
                window.cursor,
                depth(readableEnd),
                inFlightCount(),
                returnedCount(),
                waitingCount(),
                window.count(PENDING),
                window.count(POISON) + window.count(POISON_TAKEN),
                parked.size(),
                lines == null ? 0 : lines.lineCount(),
                isLookAheadFull(readableEnd),
                poppedTotal,
                redeliveredTotal,
                settledTotal,
                deadLetteredTotal,
                filteredTotal,
                purgedTotal);
    }

    private long depth(long readableEnd) {
        return Math.max(readableEnd, window.cursor)
                - window.floor
                - window.count(SETTLED)
                - window.count(SKIPPED)
                - window.count(UNWANTED);
    }

    private int returnedCount() {
        return window.count(RETURNED) + window.count(EXPIRED);
    }

    private int waitingCount() {
        return window.count(WAITING) + window.count(EXPIRED_WAITING) + window.count(EXPIRED_UNCOUNTED);
    }

    /** Takes a part of what {@link GroupQueueCounts} tells. */
    public interface CountsVisitor {
        /** @param returned messages that came back, ready or waiting for their time */
        void counts(
                long floor,
                long depth,
                int inFlight,
                int returned,
                long popped,
                long redelivered,
                long acked,
                long deadLettered);
    }

    /** As {@link #counts}, behind each turn, without making anything. */
    public void visitCounts(long readableEnd, CountsVisitor visitor) {
        visitor.counts(
                window.floor,
                depth(readableEnd),
                inFlightCount(),
                returnedCount() + waitingCount(),
                poppedTotal,
                redeliveredTotal,
                settledTotal,
                deadLetteredTotal);
    }

    /** Whether the queue waits because its first unsettled message, at the floor, holds it up. */
    public boolean isLookAheadFull(long readableEnd) {
        return readableEnd > window.cursor && window.cursor >= lookAheadEnd(readableEnd);
    }

    /** Takes the deliveries of a checkpoint that are in flight. */
    public interface DeliveryVisitor {
        void delivery(long queueOffset, int attempt, long deadlineMillis);
    }

    /** Visits, in order of offset, those deliveries of a checkpoint that are in flight. */
    public void visitInFlight(Checkpoint checkpoint, DeliveryVisitor visitor) {
        for (DeliveryRange range : checkpoint.deliveries()) {
            long end = Math.min(range.firstOffset() + range.count(), window.cursor);
            for (long offset = Math.max(range.firstOffset(), window.floor); offset < end; offset++) {
                int slot = window.slot(offset);
                if (window.lastDeliveries[slot] == checkpoint && window.statuses[slot] == IN_FLIGHT) {
                    visitor.delivery(offset, window.attempts[slot], window.dueMillis[slot]);
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

    /** @return when a message that was out may go out again or is taken back, 0 if it waits for nothing */
    public long dueMillis(long queueOffset) {
        int slot = window.slot(queueOffset);
        return switch (window.status(queueOffset)) {
            case IN_FLIGHT, WAITING, RETURNED -> window.dueMillis[slot];
            case EXPIRED_WAITING -> retryMillis(queueOffset, slot);
            default -> 0;
        };
    }

    /** What a Pop would take first, in order, without taking it; only what is known, see {@link #scanned}. */
    public long[] nextOffsets(int countMax, long readableEnd) {
        long[] offsets = new long[countMax];
        int count = 0;
        int readyCount = Math.min(countMax, window.readyCount());
        for (long offset = window.firstReady(); count < readyCount; ) {
            offsets[count++] = offset;
            // Behind the last one it would look through all of the window.
            offset = count == readyCount ? -1 : window.nextReady(offset + 1);
        }
        long end = isScanning ? window.cursor : lookAheadEnd(readableEnd);
        for (long offset = window.cursor; offset < end && count < countMax; offset++) {
            if (!quarantined.contains(offset)) {
                offsets[count++] = offset;
            }
        }
        return Arrays.copyOf(offsets, count);
    }

    /**
     * Decides that what the filter does not want is settled unseen.
     *
     * @return null if there is nothing of that kind
     */
    public FilteredRecord decideFiltered() {
        if (unwanted.isEmpty()) {
            return null;
        }
        FilteredRecord record = new FilteredRecord(unwanted.toSet());
        unwanted.clear();
        return record;
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
        if (window.readyCount() == 0 && freshCount(readableEnd) == 0) {
            return isLookAheadFull(readableEnd) ? PopDecision.LOOK_AHEAD_FULL : PopDecision.EMPTY;
        }
        int room = Math.min(command.maxMessages(), limits.inFlightMax() - inFlightCount());
        if (room <= 0) {
            return PopDecision.IN_FLIGHT_LIMIT;
        }
        List<DeliveryRange> deliveries = select(room, lookAheadEnd(readableEnd), command.maxBytes(), recordBytes);
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
     * Decides to extend deliveries. One that expired may be extended as long as its message has not gone out again; one that
     * was returned may not.
     *
     * @param handles gets an outcome for each
     * @param millis the new invisible duration, from now
     * @return null if nothing is to be written
     */
    public DeadlineRecord decideExtend(TokenBatch handles, long nowMillis, long millis) {
        accepted.clear();
        for (int i = 0; i < handles.count(); i++) {
            HandleOutcome outcome = judge(handles, i);
            if (outcome == HandleOutcome.ACCEPTED) {
                if (isReturned(handles.queueOffset(i))) {
                    // An extension would take back what others may have.
                    outcome = HandleOutcome.STALE_HANDLE;
                } else {
                    accepted.add(handles.queueOffset(i));
                }
            }
            handles.judge(i, outcome);
        }
        return accepted.isEmpty()
                ? null
                : new DeadlineRecord(accepted.toSet(), nowMillis + millis, DeadlineRecord.Kind.EXTENDED, "");
    }

    /**
     * Decides that attempts have failed. A repeated nack is answered as the first was.
     *
     * @param handles gets an outcome for each
     * @param delayMillis until the next delivery; negative: the group's backoff
     * @param reason why, empty if nobody says
     * @return one record for each instant at which messages come back; uncounted ones while the breaker is open
     */
    public List<LogRecord> decideNack(TokenBatch handles, long nowMillis, long delayMillis, String reason) {
        TreeMap<Long, OffsetCollector> byDelay = new TreeMap<>();
        for (int i = 0; i < handles.count(); i++) {
            HandleOutcome outcome = judge(handles, i);
            long offset = handles.queueOffset(i);
            if (outcome == HandleOutcome.ACCEPTED) {
                if (isReturned(offset)) {
                    outcome = HandleOutcome.ALREADY_RETURNED;
                } else {
                    byDelay.computeIfAbsent(
                                    delayMillis >= 0 ? delayMillis : backoffMillis(offset),
                                    delay -> new OffsetCollector())
                            .add(offset);
                }
            }
            handles.judge(i, outcome);
        }
        List<LogRecord> records = new ArrayList<>(byDelay.size());
        byDelay.forEach((delay, offsets) -> records.add(
                isBreakerOpen
                        ? takenBack(offsets, false, GivenBackRecord.Cause.BREAKER_OPEN, nowMillis + delay)
                        : new DeadlineRecord(offsets.toSet(), nowMillis + delay, DeadlineRecord.Kind.NACKED, reason)));
        return records;
    }

    private long backoffMillis(long offset) {
        return backoff.delayMillis(window.attempts[window.slot(offset)], offset);
    }

    private static GivenBackRecord takenBack(
            OffsetCollector offsets, boolean isCounted, GivenBackRecord.Cause cause, long dueMillis) {
        return new GivenBackRecord(offsets.toSet(), isCounted, cause, dueMillis);
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
        return accepted.isEmpty() ? null : takenBack(accepted, false, GivenBackRecord.Cause.RETURNED, nowMillis);
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
        return takenBack(accepted, false, GivenBackRecord.Cause.RETURNED, nowMillis);
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
        TreeMap<Long, OffsetCollector> byBackoff = new TreeMap<>();
        for (Checkpoint held = session.oldest(); held != null; held = held.newer) {
            visitInFlight(
                    held,
                    (offset, attempt, deadline) -> byBackoff
                            .computeIfAbsent(backoffMillis(offset), delay -> new OffsetCollector())
                            .add(offset));
        }
        List<GivenBackRecord> records = new ArrayList<>(byBackoff.size());
        byBackoff.forEach((delay, offsets) -> records.add(takenBack(
                offsets,
                !isBreakerOpen,
                isBreakerOpen ? GivenBackRecord.Cause.BREAKER_OPEN : GivenBackRecord.Cause.CONSUMER_GONE,
                nowMillis + delay)));
        return records;
    }

    /**
     * Decides that what has expired while the breaker was open comes back uncounted. To be called after every {@link #expire}
     * and decision: until then such messages do not go out.
     *
     * @return one record for each backoff; empty if there is nothing
     */
    public List<GivenBackRecord> decideUncounted(long nowMillis) {
        if (uncounted.isEmpty()) {
            return List.of();
        }
        TreeMap<Long, OffsetCollector> byBackoff = new TreeMap<>();
        while (!uncounted.isEmpty()) {
            long offset = uncounted.pollFirst();
            if (window.status(offset) == EXPIRED_UNCOUNTED) {
                byBackoff
                        .computeIfAbsent(backoffMillis(offset), delay -> new OffsetCollector())
                        .add(offset);
            }
        }
        List<GivenBackRecord> records = new ArrayList<>(byBackoff.size());
        byBackoff.forEach((delay, offsets) ->
                records.add(takenBack(offsets, false, GivenBackRecord.Cause.BREAKER_OPEN, nowMillis + delay)));
        return records;
    }

    /**
     * Decides that the group begins anew.
     *
     * @param offset the next one to go out
     * @param askedMillis the log time asked for, or {@link SeekRecord#BY_OFFSET} or {@link SeekRecord#BEGINNING}
     */
    public SeekRecord decideSeek(long offset, long nowMillis, long askedMillis) {
        return new SeekRecord(offset, nowMillis, askedMillis);
    }

    /** @return null if nothing unsettled lies below the offset */
    public PurgeRecord decidePurge(long belowOffset, long nowMillis) {
        return belowOffset <= window.floor ? null : new PurgeRecord(belowOffset, nowMillis);
    }

    // ---- poison -------------------------------------------------------------------------------------------------

    /**
     * Takes messages whose last attempt has failed. Each is given once; whoever has it decides what becomes of it, or calls
     * {@link #poisonedAgain}. Until then it can still be acked.
     */
    public List<Poison> takePoisoned(int countMax) {
        List<Poison> taken = new ArrayList<>();
        while (taken.size() < countMax && !poisoned.isEmpty()) {
            long offset = poisoned.pollFirst();
            if (window.status(offset) == POISON) {
                window.status(offset, POISON_TAKEN);
                taken.add(poisonAt(offset));
            }
        }
        return taken;
    }

    public boolean hasPoisoned() {
        return !poisoned.isEmpty();
    }

    /** @return whether a message that was taken is still to be dealt with: it may have been acked or purged since */
    public boolean isPoison(long queueOffset) {
        return window.status(queueOffset) == POISON_TAKEN;
    }

    /** What was taken could not be dealt with. */
    public void poisonedAgain(long queueOffset) {
        if (isPoison(queueOffset)) {
            window.status(queueOffset, POISON);
            poisoned.addFirst(queueOffset);
        }
    }

    /** @return what is known of a message that was out and is not settled */
    public Poison poisonAt(long queueOffset) {
        int slot = window.slot(queueOffset);
        Checkpoint last = window.lastDeliveries[slot];
        KeyParkedRecord key = parked.get(queueOffset);
        String reason = key == null ? reasons.get(queueOffset) : key.reason();
        return new Poison(
                queueOffset,
                window.attempts[slot],
                window.firstPoppedMillis[slot],
                last == null ? 0 : last.poppedMillis(),
                reason == null ? REASON_EXPIRED : reason);
    }

    /** @return the keys that are parked, by the offset of the message that blocks each */
    public List<KeyParkedRecord> parkedKeys() {
        return List.copyOf(parked.values());
    }

    /** @return the parked message, null if none is at that offset */
    public KeyParkedRecord parkedAt(long queueOffset) {
        return parked.get(queueOffset);
    }

    /** @return how many messages wait behind a parked one, as far as has been looked */
    public int waitingBehind(long parkedOffset) {
        if (lines == null || parkedOffset >= scannedEnd || lines.line(parkedOffset) == null) {
            return 0;
        }
        return lines.line(parkedOffset).count() - 1;
    }

    /** @return the first parked message of a key, null if it is not parked */
    public KeyParkedRecord parkedKey(String messageGroup) {
        for (KeyParkedRecord record : parked.values()) {
            if (record.messageGroup().equals(messageGroup)) {
                return record;
            }
        }
        return null;
    }

    /** Decides that a parked key goes on; null if no message is parked there. */
    public KeyUnparkedRecord decideUnpark(long parkedOffset, KeyUnparkedRecord.How how, long nowMillis) {
        KeyParkedRecord record = parked.get(parkedOffset);
        if (record == null) {
            return null;
        }
        long resumed = how == KeyUnparkedRecord.How.TRIED_AGAIN ? parkedOffset : parkedOffset + 1;
        return new KeyUnparkedRecord(parkedOffset, resumed, nowMillis, how, record.messageGroup());
    }

    // ---- dead letters that go back --------------------------------------------------------------------------------

    /**
     * Messages that are neither settled nor beyond reading, in order.
     *
     * @param end exclusive
     */
    public long[] unsettled(long from, long end, int countMax) {
        long[] offsets = new long[countMax];
        int count = 0;
        for (long offset = Math.max(from, window.floor); offset < end && count < countMax; offset++) {
            byte status = window.status(offset);
            if (status != SETTLED && status != SKIPPED && status != UNWANTED && !quarantined.contains(offset)) {
                offsets[count++] = offset;
            }
        }
        return Arrays.copyOf(offsets, count);
    }

    /** Whether a message, which is readable, is neither settled nor beyond reading. */
    public boolean isUnsettled(long queueOffset) {
        return unsettled(queueOffset, queueOffset + 1, 1).length > 0;
    }

    /** Whether a message lies too far behind the oldest one that is not settled to be settled before it. */
    public boolean isTooFarAhead(long queueOffset) {
        return queueOffset - window.floor >= limits.lookAheadMax();
    }

    /**
     * Decides that a dead letter goes back to a queue.
     *
     * @return null if it is settled, or out, or {@link #isTooFarAhead}
     */
    public RedrivenRecord decideRedrive(long queueOffset, int toQueueId, long readableEnd) {
        if (queueOffset < window.floor
                || queueOffset >= readableEnd
                || isTooFarAhead(queueOffset)
                || quarantined.contains(queueOffset)) {
            return null;
        }
        return switch (window.status(queueOffset)) {
            case MessageWindow.NONE, PENDING, RETURNED, WAITING, EXPIRED, EXPIRED_WAITING ->
                new RedrivenRecord(queueOffset, toQueueId);
            default -> null;
        };
    }

    /** @return letters of that dead-letter queue of another stripe that have come, but for those known to be settled there */
    public OffsetSet receivedFrom(int queueId) {
        return received.getOrDefault(queueId, OffsetSet.empty());
    }

    /**
     * Decides that a dead letter of another stripe comes into a queue of this one.
     *
     * @param fromFloor everything below is settled there
     * @return null if it has come before
     */
    public RedriveReceivedRecord decideReceived(int fromQueueId, long fromOffset, long fromFloor, int toQueueId) {
        OffsetSet known = received.get(fromQueueId);
        return known != null && known.contains(fromOffset)
                ? null
                : new RedriveReceivedRecord(fromQueueId, fromOffset, Math.min(fromFloor, fromOffset), toQueueId);
    }

    /**
     * @param heldSequence as the snapshot's record states it
     * @param logMillis the log time of the snapshot's frame
     * @throws IllegalStateException if the snapshot contradicts itself
     */
    public static GroupQueueState restore(
            GroupQueueLimits limits, GroupSnapshot snapshot, long heldSequence, long logMillis) {
        GroupQueueState state = new GroupQueueState(limits, snapshot.floor());
        GroupSnapshots.fill(state, snapshot);
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
        return GroupSnapshots.of(this);
    }

    // ---- choosing what goes out ---------------------------------------------------------------------------------

    /** @return at least one range: the caller has seen that something is there */
    private List<DeliveryRange> select(int room, long end, long maxBytes, LongToIntFunction recordBytes) {
        if (window.readyCount() == 0 && quarantined.isEmpty()) {
            int count = (int) Math.min(room, end - window.cursor);
            if (recordBytes != null) {
                count = fittingCount(count, maxBytes, recordBytes);
            }
            return List.of(new DeliveryRange(window.cursor, count, 1));
        }
        List<DeliveryRange> ranges = new ArrayList<>();
        long bytesLeft = maxBytes;
        long runFirst = -1;
        int runCount = 0;
        int runAttempt = 0;
        long ready = window.firstReady();
        int readyLeft = window.readyCount();
        long fresh = window.cursor;
        long freshEnd = isScanning ? fresh : end;
        for (int selected = 0; selected < room; selected++) {
            long offset;
            int attempt;
            if (ready >= 0) {
                offset = ready;
                attempt = window.attempts[window.slot(offset)] + 1;
                // Behind the last one it would look through all of the window.
                ready = --readyLeft == 0 ? -1 : window.nextReady(offset + 1);
            } else {
                while (fresh < freshEnd && quarantined.contains(fresh)) {
                    fresh++;
                }
                if (fresh >= freshEnd) {
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
        long bytesLeft = maxBytes - recordBytes.applyAsInt(window.cursor);
        int count = 1;
        while (count < countMax) {
            bytesLeft -= recordBytes.applyAsInt(window.cursor + count);
            if (bytesLeft < 0) {
                break;
            }
            count++;
        }
        return count;
    }

    // ---- what handles prove -------------------------------------------------------------------------------------

    private HandleOutcome judge(TokenBatch handles, int index) {
        long offset = handles.queueOffset(index);
        if (offset < 0 || offset >= window.cursor) {
            return offset >= 0 && offset < staleBelow ? HandleOutcome.STALE_HANDLE : HandleOutcome.UNKNOWN_OFFSET;
        }
        if (offset < window.floor) {
            return skipped.contains(offset) ? HandleOutcome.QUARANTINED : HandleOutcome.ALREADY_SETTLED;
        }
        int slot = window.slot(offset);
        byte status = window.statuses[slot];
        if (status == SETTLED) {
            return HandleOutcome.ALREADY_SETTLED;
        }
        if (status == SKIPPED) {
            return HandleOutcome.QUARANTINED;
        }
        Checkpoint last = window.lastDeliveries[slot];
        if (last == null) {
            return offset < staleBelow ? HandleOutcome.STALE_HANDLE : HandleOutcome.UNKNOWN_OFFSET;
        }
        if (!last.isToken(handles.epoch(index), handles.sequence(index))) {
            return HandleOutcome.STALE_HANDLE;
        }
        return last.nonce() == handles.nonce(index) ? HandleOutcome.ACCEPTED : HandleOutcome.FORGED_HANDLE;
    }
}
