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
import static io.forebay.queue.core.MessageWindow.SKIPPED;
import static io.forebay.queue.core.MessageWindow.UNWANTED;
import static io.forebay.queue.core.MessageWindow.WAITING;

import io.forebay.storage.log.AckRecord;
import io.forebay.storage.log.DeadLetteredRecord;
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
import io.forebay.storage.log.SeekRecord;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
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
public final class GroupQueueState {
    static final String REASON_EXPIRED = "not acked in time";
    static final String REASON_GONE = "consumer gone";
    static final String REASON_NACKED = "nacked";
    /** What of a reason is kept until its message is settled. */
    private static final int REASON_CHARS_KEPT = 256;

    private final GroupQueueLimits limits;
    private final MessageWindow window;
    private long heldSequence = Checkpoint.NO_SEQUENCE;
    private long newestLogMillis = Long.MIN_VALUE;

    // The group's settings; neutral ones until they are configured.
    private int maxAttempts;
    private RetryBackoff backoff = RetryBackoff.NONE;
    private String filterText = "";
    private boolean isScanning;
    private boolean isBreakerOpen;
    private boolean isTracking;

    /** Null unless the group is ordered. */
    private KeyLines lines;
    /** When scanning: below, the filter and the keys have been asked. */
    private long scannedEnd;

    private int pendingCount;
    private final LongMap<SessionHold> sessions = new LongMap<>();
    /** Written checkpoints with deliveries in flight, by a lower bound of their earliest deadline. */
    private final DueHeap<Checkpoint> deadlines = new DueHeap<>();
    /** An entry counts only while its message waits for that very instant. */
    private final DueOffsets waiting = new DueOffsets();
    /** Offsets that may be poison, each to be looked at once. */
    private final ArrayDeque<Long> poisoned = new ArrayDeque<>();
    /** Offsets that may have expired uncounted. */
    private final ArrayDeque<Long> uncounted = new ArrayDeque<>();
    /** By offset of what blocks it. */
    private final TreeMap<Long, KeyParkedRecord> parked = new TreeMap<>();
    /** By offset: why its last attempt failed, if that is more than a deadline. */
    private final LongMap<String> reasons = new LongMap<>();
    /** Handles of offsets below are of before a seek if nothing else is known of them. */
    private long staleBelow;

    private long poppedTotal;
    private long redeliveredTotal;
    private long settledTotal;
    private long deadLetteredTotal;
    private long filteredTotal;
    private long purgedTotal;

    /** What the queue cannot read. */
    private OffsetSet quarantined = OffsetSet.empty();
    /** What this group passed over for that, since the start of this state. */
    private OffsetSet skipped = OffsetSet.empty();

    private final OffsetCollector accepted = new OffsetCollector();
    /** What the filter does not want and no record says yet. */
    private final OffsetCollector unwanted = new OffsetCollector();

    private final GroupActivity activity = new GroupActivity();

    /** A group that has popped nothing yet and begins at an offset. */
    public GroupQueueState(GroupQueueLimits limits, long startOffset) {
        if (startOffset < 0) {
            throw new IllegalArgumentException("start offset is " + startOffset);
        }
        this.limits = limits;
        this.window = new MessageWindow(startOffset);
        this.scannedEnd = startOffset;
    }

    // ---- settings -----------------------------------------------------------------------------------------------

    /**
     * The group's settings, at the start and whenever they change. What they say holds for everything that is not settled: an
     * attempt limit that was lowered makes poison of what has had so many, another filter is asked about what is pending.
     *
     * @param attemptsMax deliveries before a message is poison; 0 for no limit
     */
    public void configure(GroupPolicy policy, int attemptsMax, boolean isActivityWanted, long nowMillis) {
        boolean isOrdered = lines != null;
        maxAttempts = attemptsMax;
        backoff = policy.backoff();
        if (isActivityWanted && !isTracking) {
            // From now on who listens has to know what is out.
            activity.clear();
            sessions.forEach(session -> {
                for (Checkpoint held = session.oldest(); held != null; held = held.newer) {
                    activity.addFreed(held.sessionId(), -held.inFlightCount);
                }
            });
        }
        isTracking = isActivityWanted;
        if (policy.isOrdered() != isOrdered
                || policy.isScanning() != isScanning
                || !policy.filterText().equals(filterText)) {
            filterText = policy.filterText();
            isScanning = policy.isScanning();
            lines = policy.isOrdered() ? new KeyLines(window) : null;
            rescan();
        }
        reclassify(nowMillis);
        expire(nowMillis);
    }

    /** While it is open, attempts that fail are not counted. */
    public void breaker(boolean isOpen) {
        isBreakerOpen = isOpen;
    }

    private void rescan() {
        scannedEnd = window.floor;
        unwanted.clear();
        for (long offset = window.floor; offset < window.cursor; offset++) {
            if (window.status(offset) == UNWANTED) {
                window.status(offset, PENDING);
            }
        }
        refreshAll();
    }

    /** What waits for another attempt, judged anew. */
    private void reclassify(long nowMillis) {
        for (long offset = window.floor; offset < window.cursor; offset++) {
            int slot = window.slot(offset);
            switch (window.statuses[slot]) {
                case WAITING, RETURNED -> {
                    if (isLast(slot)) {
                        poison(offset);
                    }
                }
                case EXPIRED, EXPIRED_WAITING -> {
                    if (isLast(slot)) {
                        poison(offset);
                    } else {
                        window.status(offset, retryMillis(offset, slot) > nowMillis ? EXPIRED_WAITING : EXPIRED);
                        refresh(offset);
                    }
                }
                case POISON, POISON_TAKEN -> {
                    if (!isLast(slot)) {
                        window.dueMillis[slot] = nowMillis;
                        window.status(offset, RETURNED);
                        refresh(offset);
                    }
                }
                default -> {
                    // Has not failed, or is beyond trying.
                }
            }
        }
        rebuildWaiting();
    }

    private boolean isLast(int slot) {
        return maxAttempts > 0 && window.attempts[slot] >= maxAttempts;
    }

    /** When a message that expired may go out again. */
    private long retryMillis(long offset, int slot) {
        return window.dueMillis[slot] + backoff.delayMillis(window.attempts[slot], offset);
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
        long depth = Math.max(readableEnd, window.cursor)
                - window.floor
                - window.count(SETTLED)
                - window.count(SKIPPED)
                - window.count(UNWANTED);
        return new GroupQueueCounts(
                window.floor,
                window.cursor,
                depth,
                inFlightCount(),
                window.count(RETURNED) + window.count(EXPIRED),
                window.count(WAITING) + window.count(EXPIRED_WAITING) + window.count(EXPIRED_UNCOUNTED),
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
            default -> 0;
        };
    }

    /** What a Pop would take first, in order, without taking it; only what is known, see {@link #scanned}. */
    public long[] nextOffsets(int countMax, long readableEnd) {
        long[] offsets = new long[countMax];
        int count = 0;
        for (long offset = window.firstReady();
                offset >= 0 && count < countMax;
                offset = window.nextReady(offset + 1)) {
            offsets[count++] = offset;
        }
        long end = isScanning ? window.cursor : lookAheadEnd(readableEnd);
        for (long offset = window.cursor; offset < end && count < countMax; offset++) {
            if (!quarantined.contains(offset)) {
                offsets[count++] = offset;
            }
        }
        return Arrays.copyOf(offsets, count);
    }

    // ---- looking at messages ------------------------------------------------------------------------------------

    /** @return whether messages from {@link #scanFrom()} on are to be looked at before they can go out */
    public boolean isScanDue(long readableEnd) {
        if (!isScanning) {
            return false;
        }
        scannedEnd = Math.max(scannedEnd, window.floor);
        // What is settled needs no look.
        while (scannedEnd < window.cursor
                && (window.status(scannedEnd) == SETTLED || window.status(scannedEnd) == SKIPPED)) {
            scannedEnd++;
        }
        return scannedEnd < Math.max(window.cursor, lookAheadEnd(readableEnd));
    }

    public long scanFrom() {
        return scannedEnd;
    }

    /** @return how many messages may be looked at from {@link #scanFrom} on */
    public int scanCount(long readableEnd, int countMax) {
        long end = Math.max(window.cursor, lookAheadEnd(readableEnd));
        return (int) Math.max(0, Math.min(countMax, end - scannedEnd));
    }

    /** How many messages could go out as far as has been looked, or are out. The shell looks ahead until there are enough. */
    public int scannedReadyCount() {
        return window.readyCount();
    }

    /**
     * What was found at {@link #scanFrom()}; ignored at any other offset: the group has been reset meanwhile.
     *
     * @param isWanted what the filter says; of no concern to a message that was out
     * @param keyHash of its message group, {@link KeyLines#NO_KEY} if it has none
     */
    public void scanned(long queueOffset, boolean isWanted, long keyHash) {
        if (queueOffset != scannedEnd || !isScanning) {
            return;
        }
        scannedEnd++;
        if (queueOffset == window.cursor) {
            window.extend(queueOffset + 1, PENDING);
        }
        byte status = window.status(queueOffset);
        if (quarantined.contains(queueOffset) && status == PENDING) {
            skip(queueOffset, queueOffset + 1);
            return;
        }
        if (status == MessageWindow.NONE || status == SETTLED || status == SKIPPED) {
            return;
        }
        if (status == PENDING && !isWanted) {
            window.status(queueOffset, UNWANTED);
            unwanted.add(queueOffset);
            return;
        }
        if (lines != null) {
            lines.add(queueOffset, keyHash);
            KeyLines.Line line = lines.line(queueOffset);
            if (line != null && status == PARKED) {
                line.isParked = true;
            }
        }
        refresh(queueOffset);
    }

    /** The message at {@link #scanFrom()} cannot be read: it is passed over. */
    public void scannedUnreadable(long queueOffset) {
        if (queueOffset == scannedEnd && isScanning) {
            quarantined = quarantined.union(OffsetSet.range(queueOffset, 1));
            if (queueOffset < window.cursor) {
                scannedEnd++;
                skip(queueOffset, queueOffset + 1);
            } else {
                scanned(queueOffset, true, KeyLines.NO_KEY);
            }
        }
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
        String reason = reasons.get(queueOffset);
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
            int count = settle(offsets.rangeFirst(range), offsets.rangeLast(range));
            settledTotal += count;
            if (isTracking) {
                activity.addAcked(count);
            }
        }
    }

    /** Deadlines are moved. */
    public void apply(DeadlineRecord record) {
        OffsetSet offsets = record.offsets();
        boolean isExtended = record.kind() == DeadlineRecord.Kind.EXTENDED;
        String reason = record.reason().isEmpty() ? REASON_NACKED : kept(record.reason());
        for (int range = 0; range < offsets.rangeCount(); range++) {
            if (isExtended) {
                extend(offsets.rangeFirst(range), offsets.rangeLast(range), record.deadlineMillis());
            } else {
                putBack(
                        offsets.rangeFirst(range),
                        offsets.rangeLast(range),
                        true,
                        true,
                        record.deadlineMillis(),
                        reason);
            }
        }
    }

    private static String kept(String reason) {
        return reason.length() <= REASON_CHARS_KEPT ? reason : reason.substring(0, REASON_CHARS_KEPT - 1) + "…";
    }

    /** Deliveries are given back or taken back. */
    public void apply(GivenBackRecord record) {
        OffsetSet offsets = record.offsets();
        String reason = record.cause() == GivenBackRecord.Cause.CONSUMER_GONE ? REASON_GONE : null;
        boolean isFailure = record.cause() != GivenBackRecord.Cause.RETURNED;
        for (int range = 0; range < offsets.rangeCount(); range++) {
            putBack(
                    offsets.rangeFirst(range),
                    offsets.rangeLast(range),
                    record.counted(),
                    isFailure,
                    record.dueMillis(),
                    reason);
        }
    }

    /** A message is settled by moving it to the dead letters. */
    public void apply(DeadLetteredRecord record) {
        deadLetteredTotal += settle(record.offset(), record.offset());
    }

    /** Messages are settled unseen: the filter does not want them. */
    public void apply(FilteredRecord record) {
        OffsetSet offsets = record.offsets();
        if (!offsets.isEmpty() && offsets.last() >= window.cursor) {
            window.extend(offsets.last() + 1, PENDING);
        }
        for (int range = 0; range < offsets.rangeCount(); range++) {
            filteredTotal += settle(offsets.rangeFirst(range), offsets.rangeLast(range));
        }
    }

    /** A key waits behind a message that failed too often. */
    public void apply(KeyParkedRecord record) {
        long offset = record.blockedOffset();
        if (isPassedOver("park", offset)) {
            return;
        }
        move(offset, PARKED);
        window.dueMillis[window.slot(offset)] = record.parkedMillis();
        parked.put(offset, record);
        KeyLines.Line line = lines != null && offset < scannedEnd ? lines.line(offset) : null;
        if (line != null) {
            line.isParked = true;
        }
    }

    /** A parked key goes on. */
    public void apply(KeyUnparkedRecord record) {
        long offset = record.blockedOffset();
        switch (record.how()) {
            case TRIED_AGAIN -> {
                if (!isPassedOver("unpark", offset)) {
                    move(offset, RETURNED);
                    int slot = window.slot(offset);
                    window.attempts[slot] = 0;
                    window.dueMillis[slot] = record.unparkedMillis();
                    refresh(offset);
                }
            }
            case SKIPPED -> purgedTotal += settle(offset, offset);
            case DEAD_LETTERED -> {
                // The record beside it has settled the message.
            }
        }
    }

    /** The group begins anew at an offset; handles given out before are stale. */
    public void apply(SeekRecord record) {
        if (record.askedMillis() != SeekRecord.BEGINNING) {
            staleBelow = Math.max(staleBelow, window.cursor);
        }
        beginAt(record.offset());
    }

    /** Everything below an offset is settled unseen. */
    public void apply(PurgeRecord record) {
        long below = record.belowOffset();
        if (below <= window.floor) {
            return;
        }
        long inWindow = Math.min(below, window.cursor);
        purgedTotal += below - inWindow + settle(window.floor, inWindow - 1);
        if (below > window.cursor) {
            beginAt(below);
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
            skip(
                    Math.max(quarantined.rangeFirst(range), window.floor),
                    Math.min(quarantined.rangeLast(range) + 1, window.cursor));
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
     * Makes available what is due: deliveries whose deadline and backoff are over, and returned messages whose delay is.
     *
     * @return how many messages became available
     */
    public int expire(long nowMillis) {
        int before = window.readyCount();
        while (deadlines.nextDueMillis() <= nowMillis) {
            expire(deadlines.first(), nowMillis);
        }
        while (waiting.firstDueMillis() <= nowMillis) {
            long due = waiting.firstDueMillis();
            long offset = waiting.firstOffset();
            waiting.removeFirst();
            byte status = window.status(offset);
            if (status == WAITING && window.dueMillis[window.slot(offset)] == due) {
                window.status(offset, RETURNED);
                refresh(offset);
            } else if (status == EXPIRED_WAITING && retryMillis(offset, window.slot(offset)) == due) {
                window.status(offset, EXPIRED);
                refresh(offset);
            }
        }
        return window.readyCount() - before;
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
        } else if (record instanceof FilteredRecord filtered) {
            apply(filtered);
        } else if (record instanceof KeyParkedRecord keyParked) {
            apply(keyParked);
        } else if (record instanceof KeyUnparkedRecord unparked) {
            apply(unparked);
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
     * Ends the replay; {@link #configure} comes next. If the clock stands before the newest log time, what remained of every
     * deadline then is what remains of it now; nothing gets more than it was granted.
     */
    public void recovered(long nowMillis) {
        if (nowMillis < newestLogMillis) {
            long backMillis = newestLogMillis - nowMillis;
            for (long offset = window.floor; offset < window.cursor; offset++) {
                window.dueMillis[window.slot(offset)] -= backMillis;
            }
            rebuildDeadlines();
            rebuildWaiting();
        }
        skipQuarantined();
        window.advanceFloor();
        refreshAll();
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

    MessageWindow window() {
        return window;
    }

    Map<Long, KeyParkedRecord> parked() {
        return parked;
    }

    LongMap<String> reasons() {
        return reasons;
    }

    long staleBelow() {
        return staleBelow;
    }

    void staleBelow(long offset) {
        staleBelow = offset;
    }

    void addWaiting(long offset) {
        waiting.add(window.dueMillis[window.slot(offset)], offset);
    }

    void addDeadline(Checkpoint checkpoint, long earliestMillis) {
        hold(checkpoint);
        deadlines.put(checkpoint, earliestMillis);
    }

    // ---- choosing what goes out ---------------------------------------------------------------------------------

    /** How far the cursor may go now. */
    private long lookAheadEnd(long readableEnd) {
        return Math.min(readableEnd, window.floor + limits.lookAheadMax());
    }

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
        long fresh = window.cursor;
        long freshEnd = isScanning ? fresh : end;
        for (int selected = 0; selected < room; selected++) {
            long offset;
            int attempt;
            if (ready >= 0) {
                offset = ready;
                attempt = window.attempts[window.slot(offset)] + 1;
                ready = window.nextReady(offset + 1);
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

    /** Whether a message may go out now. */
    private boolean mayGoOut(long offset) {
        byte status = window.statuses[window.slot(offset)];
        if (status != EXPIRED && status != RETURNED && (status != PENDING || isScanning && offset >= scannedEnd)) {
            return false;
        }
        return lines == null || (offset < scannedEnd && lines.isFree(offset));
    }

    /** After a change of its status or of its line. */
    private void refresh(long offset) {
        if (mayGoOut(offset)) {
            window.ready(offset);
        }
    }

    private void refreshAll() {
        window.clearReady();
        for (long offset = window.floor; offset < window.cursor; offset++) {
            refresh(offset);
        }
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

    /** Whether its last delivery is over for good, so that it cannot be extended. */
    private boolean isReturned(long offset) {
        byte status = window.status(offset);
        return status == WAITING
                || status == RETURNED
                || status == POISON
                || status == POISON_TAKEN
                || status == PARKED;
    }

    // ---- transitions --------------------------------------------------------------------------------------------

    private void deliver(Checkpoint checkpoint, DeliveryRange range) {
        long first = range.firstOffset();
        long end = first + range.count();
        long offset = first;
        int deliveredCount = range.count();
        for (; offset < window.floor && offset < end; offset++) {
            if (!skipped.contains(offset)) {
                throw contradiction("pop", offset);
            }
            deliveredCount--;
        }
        for (; offset < end && offset < window.cursor; offset++) {
            int slot = window.slot(offset);
            byte status = window.statuses[slot];
            if (status == SETTLED) {
                throw contradiction("pop", offset);
            }
            if (status == SKIPPED) {
                // Popped before it was found to be unreadable.
                deliveredCount--;
                continue;
            }
            leave(offset, slot);
            window.status(offset, IN_FLIGHT);
            give(checkpoint, slot, range.attempt());
        }
        if (offset < end) {
            if (first > window.cursor) {
                passOver(first);
            }
            window.extend(end, IN_FLIGHT);
            for (; offset < end; offset++) {
                give(checkpoint, window.slot(offset), range.attempt());
            }
        }
        checkpoint.inFlightCount += deliveredCount;
        poppedTotal += deliveredCount;
        if (range.attempt() > 1) {
            redeliveredTotal += deliveredCount;
        }
    }

    private void give(Checkpoint checkpoint, int slot, int attempt) {
        window.attempts[slot] = attempt;
        window.dueMillis[slot] = checkpoint.deadlineMillis();
        window.lastDeliveries[slot] = checkpoint;
        if (attempt == 1) {
            window.firstPoppedMillis[slot] = checkpoint.poppedMillis();
        }
    }

    /**
     * @param last inclusive
     * @return how many were not settled before
     */
    private int settle(long first, long last) {
        if (last >= window.cursor) {
            throw contradiction("settle", last);
        }
        int count = 0;
        long from = Math.max(first, window.floor);
        for (long offset = from; offset <= last; offset++) {
            int slot = window.slot(offset);
            if (window.statuses[slot] == SETTLED) {
                continue;
            }
            leave(offset, slot);
            window.status(offset, SETTLED);
            window.lastDeliveries[slot] = null;
            forget(offset);
            count++;
        }
        if (from == window.floor) {
            window.advanceFloor();
        }
        return count;
    }

    /** Whatever waited behind a message, or was noted of it, waits and counts no more. */
    private void forget(long offset) {
        if (reasons.size() > 0) {
            reasons.remove(offset);
        }
        if (lines != null && offset < scannedEnd) {
            long next = lines.remove(offset);
            if (next >= 0) {
                refresh(next);
            }
        }
    }

    /** @param last inclusive */
    private void extend(long first, long last, long deadlineMillis) {
        for (long offset = first; offset <= last; offset++) {
            if (isPassedOver("extend", offset)) {
                continue;
            }
            int slot = window.slot(offset);
            Checkpoint checkpoint = window.lastDeliveries[slot];
            if (window.statuses[slot] != IN_FLIGHT) {
                window.status(offset, IN_FLIGHT);
                checkpoint.inFlightCount++;
                hold(checkpoint);
                if (isTracking) {
                    activity.addFreed(checkpoint.sessionId(), -1);
                }
            }
            window.dueMillis[slot] = deadlineMillis;
            if (!checkpoint.isInHeap() || deadlineMillis < checkpoint.heapDueMillis()) {
                deadlines.put(checkpoint, deadlineMillis);
            }
        }
    }

    /**
     * @param last inclusive
     * @param reasonOrNull why, if it is worth keeping
     */
    private void putBack(long first, long last, boolean isCounted, boolean isFailure, long due, String reasonOrNull) {
        for (long offset = first; offset <= last; offset++) {
            if (isPassedOver("put back", offset)) {
                continue;
            }
            int slot = window.slot(offset);
            if (isFailure && isTracking && window.statuses[slot] == IN_FLIGHT) {
                activity.addFailed(); // what had expired before was counted then
            }
            move(offset, WAITING);
            window.dueMillis[slot] = due;
            if (!isCounted) {
                window.attempts[slot]--;
            } else {
                if (reasonOrNull != null) {
                    reasons.put(offset, reasonOrNull);
                }
                if (isLast(slot)) {
                    poison(offset);
                    continue;
                }
            }
            addWaiting(due, offset);
        }
    }

    private void poison(long offset) {
        move(offset, POISON);
        poisoned.addLast(offset);
    }

    private void move(long offset, byte status) {
        leave(offset, window.slot(offset));
        window.status(offset, status);
    }

    /** @param end exclusive; both within floor and cursor */
    private void skip(long first, long end) {
        for (long offset = first; offset < end; offset++) {
            int slot = window.slot(offset);
            if (window.statuses[slot] != SETTLED && window.statuses[slot] != SKIPPED) {
                leave(offset, slot);
                window.status(offset, SKIPPED);
                window.lastDeliveries[slot] = null;
                forget(offset);
                skipped = skipped.union(OffsetSet.range(offset, 1));
            }
        }
        window.advanceFloor();
    }

    /** Moves the cursor over what did not go out: it could not be read, or was held back. */
    private void passOver(long toOffset) {
        if (quarantined.isEmpty()) {
            window.extend(toOffset, PENDING);
            return;
        }
        while (window.cursor < toOffset) {
            long offset = window.cursor;
            boolean isUnreadable = quarantined.contains(offset);
            window.extend(offset + 1, isUnreadable ? SKIPPED : PENDING);
            if (isUnreadable) {
                skipped = skipped.union(OffsetSet.range(offset, 1));
            }
        }
    }

    private void passQuarantined(long readableEnd) {
        while (!isScanning
                && !quarantined.isEmpty()
                && window.cursor < lookAheadEnd(readableEnd)
                && quarantined.contains(window.cursor)) {
            passOver(window.cursor + 1);
            window.advanceFloor();
        }
    }

    private void beginAt(long offset) {
        for (long old = window.floor; old < window.cursor; old++) {
            leave(old, window.slot(old));
        }
        window.restart(offset);
        waiting.clear();
        poisoned.clear();
        uncounted.clear();
        unwanted.clear();
        parked.clear();
        reasons.clear();
        if (lines != null) {
            lines = new KeyLines(window);
        }
        scannedEnd = offset;
        skipped = OffsetSet.empty();
    }

    /** Undoes what a status means for others; the caller sets the next one. */
    private void leave(long offset, int slot) {
        byte status = window.statuses[slot];
        if (status == IN_FLIGHT) {
            landed(window.lastDeliveries[slot]);
        } else if (status == PARKED) {
            parked.remove(offset);
            KeyLines.Line line = lines != null && offset < scannedEnd ? lines.line(offset) : null;
            if (line != null) {
                line.isParked = false;
            }
        }
    }

    private void landed(Checkpoint checkpoint) {
        if (isTracking) {
            activity.addFreed(checkpoint.sessionId(), 1);
        }
        if (--checkpoint.inFlightCount == 0) {
            retire(checkpoint);
        }
    }

    private void expire(Checkpoint checkpoint, long nowMillis) {
        long earliestMillis = Long.MAX_VALUE;
        int expiredCount = 0;
        for (DeliveryRange range : checkpoint.deliveries()) {
            long end = Math.min(range.firstOffset() + range.count(), window.cursor);
            for (long offset = Math.max(range.firstOffset(), window.floor); offset < end; offset++) {
                int slot = window.slot(offset);
                if (window.lastDeliveries[slot] != checkpoint || window.statuses[slot] != IN_FLIGHT) {
                    continue;
                }
                if (window.dueMillis[slot] > nowMillis) {
                    earliestMillis = Math.min(earliestMillis, window.dueMillis[slot]);
                    continue;
                }
                expiredCount++;
                expired(offset, slot, nowMillis);
            }
        }
        checkpoint.inFlightCount -= expiredCount;
        for (int i = 0; isTracking && i < expiredCount; i++) {
            activity.addFreed(checkpoint.sessionId(), 1);
            activity.addFailed();
        }
        if (checkpoint.inFlightCount == 0) {
            retire(checkpoint);
        } else if (earliestMillis == Long.MAX_VALUE) {
            throw new AssertionError("deliveries in flight are not found: " + checkpoint);
        } else {
            deadlines.put(checkpoint, earliestMillis);
        }
    }

    /** Its checkpoint's count is the caller's. */
    private void expired(long offset, int slot, long nowMillis) {
        if (reasons.size() > 0) {
            reasons.remove(offset);
        }
        if (isBreakerOpen) {
            window.status(offset, EXPIRED_UNCOUNTED);
            uncounted.addLast(offset);
        } else if (isLast(slot)) {
            window.status(offset, POISON);
            poisoned.addLast(offset);
        } else {
            long retry = retryMillis(offset, slot);
            if (retry <= nowMillis) {
                window.status(offset, EXPIRED);
                refresh(offset);
            } else {
                window.status(offset, EXPIRED_WAITING);
                addWaiting(retry, offset);
            }
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

    /** @return whether a record speaks of a message that was found to be unreadable later, so that nothing is to be done */
    private boolean isPassedOver(String what, long offset) {
        byte status = window.status(offset);
        if (offset >= window.cursor || status == SETTLED || status == UNWANTED) {
            throw contradiction(what, offset);
        }
        if (status == PENDING && window.lastDeliveries[window.slot(offset)] == null) {
            throw contradiction(what, offset);
        }
        if (offset >= window.floor && status != SKIPPED) {
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
        String status = window.contains(offset) ? "status " + window.status(offset) : "not in the window";
        return "floor " + window.floor + ", cursor " + window.cursor + ", offset " + offset + ": " + status;
    }

    // ---- memory -------------------------------------------------------------------------------------------------

    /** @return entries kept for returned messages, outdated ones included */
    int waitingEntries() {
        return waiting.count();
    }

    /** Gives back the memory of a window that was large once. For a shell that has nothing else to do. */
    public void trim() {
        if (window.floor == window.cursor) {
            window.trim();
            waiting.release();
            if (lines != null) {
                lines = new KeyLines(window);
            }
        }
    }

    private void addWaiting(long due, long offset) {
        int waitingCount = window.count(WAITING) + window.count(EXPIRED_WAITING);
        if (waiting.isFull() && waiting.count() > 2 * waitingCount) {
            // Most have been settled while they waited: drop those instead of growing.
            rebuildWaiting();
            return;
        }
        waiting.add(due, offset);
    }

    /** Every message that waits, each once. */
    private void rebuildWaiting() {
        waiting.clear();
        for (long offset = window.floor; offset < window.cursor; offset++) {
            int slot = window.slot(offset);
            if (window.statuses[slot] == WAITING) {
                waiting.add(window.dueMillis[slot], offset);
            } else if (window.statuses[slot] == EXPIRED_WAITING) {
                waiting.add(retryMillis(offset, slot), offset);
            }
        }
    }

    private void rebuildDeadlines() {
        deadlines.clear();
        for (long offset = window.floor; offset < window.cursor; offset++) {
            int slot = window.slot(offset);
            if (window.statuses[slot] == IN_FLIGHT) {
                Checkpoint checkpoint = window.lastDeliveries[slot];
                if (!checkpoint.isInHeap() || window.dueMillis[slot] < checkpoint.heapDueMillis()) {
                    deadlines.put(checkpoint, window.dueMillis[slot]);
                }
            }
        }
    }
}
