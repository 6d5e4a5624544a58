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
import io.forebay.storage.log.KeyParkedRecord;
import io.forebay.storage.log.KeyUnparkedRecord;
import io.forebay.storage.log.LogRecord;
import io.forebay.storage.log.LostRecord;
import io.forebay.storage.log.OffsetSet;
import io.forebay.storage.log.PopRecord;
import io.forebay.storage.log.PurgeRecord;
import io.forebay.storage.log.RedriveReceivedRecord;
import io.forebay.storage.log.RedrivenRecord;
import io.forebay.storage.log.SeekRecord;
import java.util.ArrayDeque;
import java.util.Map;
import java.util.TreeMap;

/**
 * The messages of one consumer group in one queue, and what events do to them: the part of {@link GroupQueueState} that changes
 * them. {@code apply} is the only mutator besides time ({@link #expire}), settings ({@link #configure}) and what is found by
 * looking ({@link #scanned}); recovery applies stored events in order.
 *
 * <p>All times are log times in milliseconds. Confined to its actor.
 */
abstract class GroupMessages {
    /** Records are lost: as far as that a group may well have looked ahead, whatever its limit is now. */
    private static final int JUMP_MIN = 1 << 20;

    static final String REASON_EXPIRED = "not acked in time";
    static final String REASON_GONE = "consumer gone";
    static final String REASON_NACKED = "nacked";
    /** What of a reason is kept until its message is settled. */
    static final int REASON_CHARS_KEPT = 256;

    final GroupQueueLimits limits;
    final MessageWindow window;
    long heldSequence = Checkpoint.NO_SEQUENCE;
    long newestLogMillis = Long.MIN_VALUE;

    // The group's settings; neutral ones until they are configured.
    int maxAttempts;
    RetryBackoff backoff = RetryBackoff.NONE;
    String filterText = "";
    boolean isScanning;
    boolean isBreakerOpen;
    boolean isTracking;

    /** Null unless the group is ordered. */
    KeyLines lines;
    /** When scanning: below, the filter and the keys have been asked. */
    long scannedEnd;

    int pendingCount;
    final LongMap<SessionHold> sessions = new LongMap<>();
    /** Written checkpoints with deliveries in flight, by a lower bound of their earliest deadline. */
    final DueHeap<Checkpoint> deadlines = new DueHeap<>();
    /** An entry counts only while its message waits for that very instant. */
    final DueOffsets waiting = new DueOffsets();
    /** Offsets that may be poison, each to be looked at once. */
    final ArrayDeque<Long> poisoned = new ArrayDeque<>();
    /** Offsets that may have expired uncounted. */
    final ArrayDeque<Long> uncounted = new ArrayDeque<>();
    /** By offset of what blocks it. */
    final TreeMap<Long, KeyParkedRecord> parked = new TreeMap<>();
    /** By id of the dead-letter queue: what came from it. */
    final TreeMap<Integer, OffsetSet> received = new TreeMap<>();
    /** By offset: why its last attempt failed, if that is more than a deadline. */
    final LongMap<String> reasons = new LongMap<>();
    /** Handles of offsets below are of before a seek if nothing else is known of them. */
    long staleBelow;

    long poppedTotal;
    long redeliveredTotal;
    long settledTotal;
    long deadLetteredTotal;
    long filteredTotal;
    long purgedTotal;

    /** What the queue cannot read. */
    OffsetSet quarantined = OffsetSet.empty();
    /** What this group passed over for that, since the start of this state. */
    OffsetSet skipped = OffsetSet.empty();
    /** Whether records of this group were given up, so that others may contradict what came before. */
    boolean isIncomplete;

    final OffsetCollector accepted = new OffsetCollector();
    /** What the filter does not want and no record says yet. */
    final OffsetCollector unwanted = new OffsetCollector();

    final GroupActivity activity = new GroupActivity();

    /** A group that has popped nothing yet and begins at an offset. */
    GroupMessages(GroupQueueLimits limits, long startOffset) {
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

    void rescan() {
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
    void reclassify(long nowMillis) {
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
                        expiredForTheLastTime(offset, slot);
                    } else {
                        window.status(offset, retryMillis(offset, slot) > nowMillis ? EXPIRED_WAITING : EXPIRED);
                        refresh(offset);
                    }
                }
                case POISON, POISON_TAKEN -> {
                    if (!isLast(slot)) {
                        // Its wait may not be over yet.
                        window.status(offset, window.dueMillis[slot] > nowMillis ? WAITING : RETURNED);
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

    boolean isLast(int slot) {
        return maxAttempts > 0 && window.attempts[slot] >= maxAttempts;
    }

    /** When a message that expired may go out again. */
    long retryMillis(long offset, int slot) {
        return window.dueMillis[slot] + backoff.delayMillis(window.attempts[slot], offset);
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
        if (queueOffset == window.cursor) {
            if (queueOffset >= window.floor + limits.lookAheadMax()) {
                return; // the group was reset into what is looked at, or its floor has not come as far as was thought
            }
            window.extend(queueOffset + 1, PENDING);
        }
        scannedEnd++;
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
        }
        refresh(queueOffset);
    }

    /** The message at {@link #scanFrom()} cannot be read: it is passed over. */
    public void scannedUnreadable(long queueOffset) {
        if (queueOffset == scannedEnd && isScanning) {
            quarantined = quarantined.union(OffsetSet.range(queueOffset, 1));
            if (queueOffset < window.cursor) {
                scannedEnd++;
                skip(Math.max(queueOffset, window.floor), queueOffset + 1);
            } else {
                scanned(queueOffset, true, KeyLines.NO_KEY);
            }
        }
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

    static String kept(String reason) {
        if (reason.length() <= REASON_CHARS_KEPT) {
            return reason;
        }
        int end = REASON_CHARS_KEPT - 1;
        return reason.substring(0, Character.isHighSurrogate(reason.charAt(end - 1)) ? end - 1 : end) + "…";
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
            if (isIncomplete) {
                jumpTo(offsets.first());
            }
            window.extend(offsets.last() + 1, PENDING);
        }
        for (int range = 0; range < offsets.rangeCount(); range++) {
            filteredTotal += settle(offsets.rangeFirst(range), offsets.rangeLast(range));
        }
    }

    /** A dead letter went back to a queue: what lies before it stays. */
    public void apply(RedrivenRecord record) {
        if (isIncomplete) {
            jumpTo(record.offset());
        }
        long passed = window.cursor;
        if (record.offset() >= passed) {
            window.extend(record.offset() + 1, PENDING);
            skipQuarantined();
            for (long offset = passed; offset < record.offset(); offset++) {
                refresh(offset);
            }
        }
        settledTotal += settle(record.offset(), record.offset());
    }

    /** A dead letter of another stripe has come into a queue of this one. */
    public void apply(RedriveReceivedRecord record) {
        OffsetSet known = received.getOrDefault(record.fromQueueId(), OffsetSet.empty());
        received.put(
                record.fromQueueId(),
                known.union(OffsetSet.range(record.fromOffset(), 1)).from(record.fromFloor()));
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
        reasons.remove(offset); // the record has it
    }

    /** A parked key goes on. */
    public void apply(KeyUnparkedRecord record) {
        long offset = record.blockedOffset();
        switch (record.how()) {
            case TRIED_AGAIN -> {
                if (!isPassedOver("unpark", offset)) {
                    move(offset, RETURNED);
                    int slot = window.slot(offset);
                    attemptsAnew(slot);
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

    /** What could not be read may be again: who has not passed it over yet, or is sent back to it, gets it. */
    public void released(OffsetSet offsets) {
        quarantined = quarantined.minus(offsets);
    }

    void skipQuarantined() {
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
        } else if (record instanceof RedrivenRecord redriven) {
            apply(redriven);
        } else if (record instanceof RedriveReceivedRecord redriveReceived) {
            apply(redriveReceived);
        } else if (record instanceof KeyParkedRecord keyParked) {
            apply(keyParked);
        } else if (record instanceof KeyUnparkedRecord unparked) {
            apply(unparked);
        } else if (record instanceof SeekRecord seek) {
            apply(seek);
        } else if (record instanceof PurgeRecord purge) {
            apply(purge);
        } else if (record instanceof LostRecord) {
            isIncomplete = true;
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

    MessageWindow window() {
        return window;
    }

    Map<Long, KeyParkedRecord> parked() {
        return parked;
    }

    Map<Integer, OffsetSet> received() {
        return received;
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

    /** How far the cursor may go now. */
    long lookAheadEnd(long readableEnd) {
        return Math.min(readableEnd, window.floor + limits.lookAheadMax());
    }

    /** Whether a message may go out now. */
    boolean mayGoOut(long offset) {
        byte status = window.statuses[window.slot(offset)];
        if (status != EXPIRED && status != RETURNED && (status != PENDING || isScanning && offset >= scannedEnd)) {
            return false;
        }
        return lines == null || (offset < scannedEnd && lines.isFree(offset));
    }

    /** After a change of its status or of its line. */
    void refresh(long offset) {
        if (mayGoOut(offset)) {
            window.ready(offset);
        }
    }

    void refreshAll() {
        window.clearReady();
        for (long offset = window.floor; offset < window.cursor; offset++) {
            refresh(offset);
        }
    }

    // ---- transitions --------------------------------------------------------------------------------------------

    void deliver(Checkpoint checkpoint, DeliveryRange range) {
        long first = range.firstOffset();
        long end = first + range.count();
        long offset = first;
        int deliveredCount = range.count();
        for (; offset < window.floor && offset < end; offset++) {
            if (!skipped.contains(offset) && !isIncomplete) {
                throw contradiction("pop", offset);
            }
            deliveredCount--;
        }
        if (isIncomplete) {
            jumpTo(first);
        }
        for (; offset < end && offset < window.cursor; offset++) {
            int slot = window.slot(offset);
            byte status = window.statuses[slot];
            if (status == SETTLED && !isIncomplete) {
                throw contradiction("pop", offset);
            }
            if (status == SETTLED || status == SKIPPED) {
                // Popped before it was found to be unreadable.
                deliveredCount--;
                continue;
            }
            leave(offset, slot);
            if (status != WAITING && status != RETURNED && reasons.size() > 0) {
                reasons.remove(
                        offset); // its last attempt was not acked in time, whatever the one before has failed for
            }
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

    void give(Checkpoint checkpoint, int slot, int attempt) {
        window.attempts[slot] = attempt;
        window.dueMillis[slot] = checkpoint.deadlineMillis();
        window.lastDeliveries[slot] = checkpoint;
        if (attempt == 1) {
            window.firstPoppedMillis[slot] = checkpoint.poppedMillis();
        }
    }

    /**
     * @param last inclusive
     * @return how many were not settled before, without those that cannot be read
     */
    int settle(long first, long last) {
        if (last >= window.cursor) {
            if (!isIncomplete) {
                throw contradiction("settle", last);
            }
            // What delivered them is lost; those between were not delivered, as far as is known.
            jumpTo(first);
            window.extend(last + 1, PENDING);
        }
        int count = 0;
        long from = Math.max(first, window.floor);
        for (long offset = from; offset <= last; offset++) {
            int slot = window.slot(offset);
            byte status = window.statuses[slot];
            if (status == SETTLED) {
                continue;
            }
            count += status == SKIPPED ? 0 : 1;
            leave(offset, slot);
            window.status(offset, SETTLED);
            window.lastDeliveries[slot] = null;
            forget(offset);
        }
        if (from == window.floor) {
            window.advanceFloor();
        }
        return count;
    }

    /** Whatever waited behind a message, or was noted of it, waits and counts no more. */
    void forget(long offset) {
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
    void extend(long first, long last, long deadlineMillis) {
        for (long offset = first; offset <= last; offset++) {
            if (isPassedOver("extend", offset)) {
                continue;
            }
            int slot = window.slot(offset);
            if (isOutUnseen(offset, slot)) {
                // Nobody knows the handle any more: it waits as long as whoever has it may keep it.
                move(offset, WAITING);
                window.dueMillis[slot] = deadlineMillis;
                addWaiting(deadlineMillis, offset);
                continue;
            }
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
    void putBack(long first, long last, boolean isCounted, boolean isFailure, long due, String reasonOrNull) {
        for (long offset = first; offset <= last; offset++) {
            if (isPassedOver("put back", offset)) {
                continue;
            }
            int slot = window.slot(offset);
            if (isFailure && isTracking && window.statuses[slot] == IN_FLIGHT) {
                activity.addFailed(); // what had expired before was counted then
            }
            boolean wasCounted = !isOutUnseen(offset, slot);
            move(offset, WAITING);
            window.dueMillis[slot] = due;
            if (isCounted && !wasCounted) {
                window.attempts[slot]++;
            } else if (!isCounted && wasCounted) {
                window.attempts[slot]--;
            }
            if (isCounted && reasonOrNull != null) {
                reasons.put(offset, reasonOrNull);
            }
            if (isLast(slot)) {
                // Even if this attempt does not count: the limit may have been lowered while it was out.
                poison(offset);
            } else {
                addWaiting(due, offset);
            }
        }
    }

    /**
     * Whether what had come back is spoken of as being out: the record of the Pop that took it out again is lost, and its attempt
     * was not counted.
     */
    private boolean isOutUnseen(long offset, int slot) {
        if (!isReturned(offset)) {
            return false;
        }
        if (window.statuses[slot] == PARKED) {
            attemptsAnew(slot); // only who is let try again goes out
        }
        return true;
    }

    private void attemptsAnew(int slot) {
        window.attempts[slot] = 0;
    }

    /** Whether its last delivery is over for good, so that it cannot be extended. */
    boolean isReturned(long offset) {
        byte status = window.status(offset);
        return status == WAITING
                || status == RETURNED
                || status == POISON
                || status == POISON_TAKEN
                || status == PARKED;
    }

    void poison(long offset) {
        move(offset, POISON);
        poisoned.addLast(offset);
    }

    /** Its checkpoint's count is the caller's. Should the limit be raised, it waits for its backoff as if it was returned. */
    void expiredForTheLastTime(long offset, int slot) {
        if (reasons.size() > 0) {
            reasons.remove(offset);
        }
        window.dueMillis[slot] = retryMillis(offset, slot);
        window.status(offset, POISON);
        poisoned.addLast(offset);
    }

    void move(long offset, byte status) {
        leave(offset, window.slot(offset));
        window.status(offset, status);
    }

    /** @param end exclusive; both within floor and cursor */
    void skip(long first, long end) {
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
    void passOver(long toOffset) {
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

    void passQuarantined(long readableEnd) {
        while (!isScanning
                && !quarantined.isEmpty()
                && window.cursor < lookAheadEnd(readableEnd)
                && quarantined.contains(window.cursor)) {
            passOver(window.cursor + 1);
            window.advanceFloor();
        }
    }

    void beginAt(long offset) {
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
    void leave(long offset, int slot) {
        byte status = window.statuses[slot];
        if (status == IN_FLIGHT) {
            landed(window.lastDeliveries[slot]);
        } else if (status == PARKED) {
            parked.remove(offset);
        }
    }

    void landed(Checkpoint checkpoint) {
        if (isTracking) {
            activity.addFreed(checkpoint.sessionId(), 1);
        }
        if (--checkpoint.inFlightCount == 0) {
            retire(checkpoint);
        }
    }

    void expire(Checkpoint checkpoint, long nowMillis) {
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
    void expired(long offset, int slot, long nowMillis) {
        if (isBreakerOpen) {
            window.status(offset, EXPIRED_UNCOUNTED);
            uncounted.addLast(offset);
        } else if (isLast(slot)) {
            expiredForTheLastTime(offset, slot);
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

    void hold(Checkpoint checkpoint) {
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
    void retire(Checkpoint checkpoint) {
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
    boolean isPassedOver(String what, long offset) {
        byte status = window.status(offset);
        if (isIncomplete && (status == MessageWindow.NONE || window.lastDeliveries[window.slot(offset)] == null)) {
            return true; // what delivered it, or brought it back, is lost
        }
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

    /** Records are lost: what lies further behind an offset than any group looks ahead was settled or passed by one of them. */
    private void jumpTo(long offset) {
        long floorMin = offset - Math.max(limits.lookAheadMax(), JUMP_MIN);
        if (floorMin > window.cursor) {
            beginAt(floorMin);
        } else if (floorMin > window.floor) {
            settle(window.floor, floorMin - 1);
        }
    }

    IllegalStateException contradiction(String what, long offset) {
        return new IllegalStateException("a record that is to " + what + " offset " + offset
                + " contradicts what came before: " + describe(offset) + "; records of this group's queue are missing");
    }

    String describe(long offset) {
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

    void addWaiting(long due, long offset) {
        int waitingCount = window.count(WAITING) + window.count(EXPIRED_WAITING);
        if (waiting.isFull() && waiting.count() > 2 * waitingCount) {
            // Most have been settled while they waited: drop those instead of growing.
            rebuildWaiting();
            return;
        }
        waiting.add(due, offset);
    }

    /** Every message that waits, each once. */
    void rebuildWaiting() {
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

    void rebuildDeadlines() {
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
