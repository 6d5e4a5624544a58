package io.forebay.queue.core;

import io.forebay.storage.log.AckRecord;
import io.forebay.storage.log.DeadLetteredRecord;
import io.forebay.storage.log.DeadlineRecord;
import io.forebay.storage.log.DeliveryRange;
import io.forebay.storage.log.FilteredRecord;
import io.forebay.storage.log.GivenBackRecord;
import io.forebay.storage.log.KeyParkedRecord;
import io.forebay.storage.log.KeyUnparkedRecord;
import io.forebay.storage.log.LogRecord;
import io.forebay.storage.log.PopRecord;
import io.forebay.storage.log.PurgeRecord;
import io.forebay.storage.log.SeekRecord;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashSet;
import java.util.IdentityHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;

/** A group's queue told in the plainest way: one object for each message, everything else found by looking at all of them. */
public final class GroupQueueModel {
    /** How a message stands. */
    public enum Status {
        /** Never out, as far as is known. */
        NEW,
        /** With a consumer, its deadline not over. */
        OUT,
        /** Its deadline is over; its handle counts until it goes out again. */
        EXPIRED,
        /** Nacked, given back, taken back, or expired for the last time: its delivery is over. */
        RETURNED,
        PARKED,
        SETTLED,
        /** Cannot be read. */
        SKIPPED
    }

    /** One Pop's record. */
    public static final class Popped {
        public final PopRecord record;
        public long sequence = -1;

        Popped(PopRecord record) {
            this.record = record;
        }

        boolean isWritten() {
            return sequence >= 0;
        }
    }

    /** A message that the cursor has passed. */
    public static final class Message {
        public final long offset;
        public Status status = Status.NEW;
        public Popped last;
        public int attempts;
        /** The deadline while it is out or expired; when it may go out again if it was returned; since when it is parked. */
        public long dueMillis;
        /** Expired or returned: its time has come, as far as somebody has looked at the clock. */
        boolean isDue;
        /** Expired while the breaker was open. */
        boolean isUncounted;
        /** Poison that somebody deals with. */
        boolean isTaken;
        /** Looked at with the settings there are. */
        boolean isScanned;

        long keyHash;
        /** Log time of the first attempt that counts. */
        long firstPoppedMillis;
        /** Why the attempt of that number failed. */
        private String reason = "";

        private int reasonAttempt = -1;
        /** Whether everything of its past is known: a snapshot of version 1 does not tell all. */
        boolean isPastKnown = true;

        KeyParkedRecord parked;

        Message(long offset) {
            this.offset = offset;
        }

        private Message(Message other, Map<Popped, Popped> copies) {
            offset = other.offset;
            status = other.status;
            last = other.last == null ? null : copies.computeIfAbsent(other.last, Message::copyOf);
            attempts = other.attempts;
            dueMillis = other.dueMillis;
            firstPoppedMillis = other.firstPoppedMillis;
            reason = other.reason;
            reasonAttempt = other.reasonAttempt;
            isPastKnown = other.isPastKnown;
            parked = other.parked;
        }

        private static Popped copyOf(Popped popped) {
            Popped copy = new Popped(popped.record);
            copy.sequence = popped.sequence;
            return copy;
        }

        public boolean isReturned() {
            return status == Status.RETURNED;
        }

        /** Neither settled nor unreadable. */
        boolean isUnsettled() {
            return status != Status.SETTLED && status != Status.SKIPPED;
        }

        /** Was out, and is not settled. */
        boolean wasOut() {
            return isUnsettled() && status != Status.NEW;
        }

        String reasonOfLastAttempt() {
            return reasonAttempt == attempts ? reason : GroupQueueState.REASON_EXPIRED;
        }

        /** What is noted of it: why its last attempt failed; while it is out, why the one before did. Null for a deadline. */
        String reasonOrNull() {
            int attempt = status == Status.OUT || status == Status.EXPIRED ? attempts - 1 : attempts;
            boolean isNone = reasonAttempt != attempt || reason.equals(GroupQueueState.REASON_EXPIRED);
            return isNone || status == Status.PARKED ? null : reason; // a parked one has it in its record
        }
    }

    /** From {@link #base} on, up to the cursor. */
    private final ArrayList<Message> messages = new ArrayList<>();

    private long base;
    private long floor;
    public long cursor;
    /** Handles below are of before a seek if nothing else is known of them. */
    private long staleBelow;

    final TreeSet<Long> quarantined = new TreeSet<>();

    // The group's settings.
    int maxAttempts;
    RetryBackoff backoff = RetryBackoff.NONE;
    boolean isScanning;
    boolean isOrdered;
    String filterText = "";
    boolean isBreakerOpen;

    // What has happened since somebody set them to zero.
    long poppedTotal;
    long redeliveredTotal;
    long settledTotal;
    long deadLetteredTotal;
    long filteredTotal;
    long purgedTotal;
    int acked;
    int failed;

    public GroupQueueModel(long start) {
        base = start;
        floor = start;
        cursor = start;
    }

    // ---- looking ------------------------------------------------------------------------------------------------

    /** The first message that is not settled. */
    public long floor() {
        while (floor < cursor && !at(floor).isUnsettled()) {
            floor++;
        }
        if (floor - base > 512) {
            messages.subList(0, (int) (floor - base)).clear();
            base = floor;
        }
        return floor;
    }

    private Message at(long offset) {
        return messages.get((int) (offset - base));
    }

    /** The message, null if the cursor has not passed it or everything up to it is settled. */
    public Message message(long offset) {
        return offset < floor() || offset >= cursor ? null : at(offset);
    }

    /** The message, settled or not, between floor and cursor. */
    Message messageAt(long offset) {
        return at(offset);
    }

    /** What the cursor has passed and is not settled, in order. */
    public List<Message> unsettled() {
        List<Message> found = new ArrayList<>();
        for (long offset = floor(); offset < cursor; offset++) {
            if (at(offset).isUnsettled()) {
                found.add(at(offset));
            }
        }
        return found;
    }

    boolean isLast(Message message) {
        return maxAttempts > 0 && message.attempts >= maxAttempts;
    }

    boolean isPoison(Message message) {
        return message.status == Status.RETURNED && isLast(message);
    }

    /** When a message that was out may go out again at the soonest; its deadline while it is out. */
    long retryMillis(Message message) {
        return message.status == Status.EXPIRED
                ? message.dueMillis + backoff.delayMillis(message.attempts, message.offset)
                : message.dueMillis;
    }

    /** Whether it may go out, if nothing before it holds it back. */
    private boolean isItsTime(Message message) {
        return switch (message.status) {
            case NEW -> !isScanning || message.isScanned;
            case EXPIRED -> message.isDue && !message.isUncounted;
            case RETURNED -> message.isDue && !isPoison(message);
            default -> false;
        };
    }

    long lookAheadEnd(long readableEnd, int lookAheadMax) {
        return Math.min(readableEnd, floor() + lookAheadMax);
    }

    /** What Pops take, in this order. I3: in an ordered group nothing goes before an earlier message of its key. */
    long[] candidates(long readableEnd, int lookAheadMax) {
        long end = isScanning ? cursor : Math.max(cursor, lookAheadEnd(readableEnd, lookAheadMax));
        long[] found = new long[(int) (end - floor())];
        Set<Long> keysBefore = new HashSet<>();
        int count = 0;
        for (long offset = floor; offset < end; offset++) {
            if (offset >= cursor) {
                if (!quarantined.contains(offset)) {
                    found[count++] = offset;
                }
                continue;
            }
            Message message = at(offset);
            boolean isFirst = !isOrdered
                    || (message.isScanned
                            && (message.keyHash == KeyLines.NO_KEY
                                    || !message.isUnsettled()
                                    || keysBefore.add(message.keyHash)));
            if (isFirst && isItsTime(message)) {
                found[count++] = offset;
            }
        }
        return Arrays.copyOf(found, count);
    }

    /** I3: the first message before another one, of the same key and not settled; null if there is none. */
    Message earlierOfKey(Message message) {
        for (long offset = floor(); message.keyHash != KeyLines.NO_KEY && offset < message.offset; offset++) {
            Message earlier = at(offset);
            if (earlier.keyHash == message.keyHash && earlier.isUnsettled()) {
                return earlier;
            }
        }
        return null;
    }

    int inFlight() {
        int count = 0;
        for (long offset = floor(); offset < cursor; offset++) {
            count += at(offset).status == Status.OUT ? 1 : 0;
        }
        return count;
    }

    /** Where the next look is due. */
    long scanFrom() {
        long offset = floor();
        while (offset < cursor && (at(offset).isScanned || !at(offset).isUnsettled())) {
            offset++;
        }
        return offset;
    }

    public HandleOutcome judge(long offset, long epoch, long sequence, long nonce) {
        if (offset < 0 || offset >= cursor) {
            return offset >= 0 && offset < staleBelow ? HandleOutcome.STALE_HANDLE : HandleOutcome.UNKNOWN_OFFSET;
        }
        Message message = message(offset);
        if (message == null || message.status == Status.SETTLED) {
            return HandleOutcome.ALREADY_SETTLED;
        }
        if (message.status == Status.SKIPPED) {
            return HandleOutcome.QUARANTINED;
        }
        if (message.last == null) {
            return offset < staleBelow ? HandleOutcome.STALE_HANDLE : HandleOutcome.UNKNOWN_OFFSET;
        }
        if (message.last.record.epoch() != epoch || message.last.sequence != sequence || sequence < 0) {
            return HandleOutcome.STALE_HANDLE;
        }
        return message.last.record.nonce() == nonce ? HandleOutcome.ACCEPTED : HandleOutcome.FORGED_HANDLE;
    }

    long staleBelow() {
        return staleBelow;
    }

    // ---- settings, time, looks --------------------------------------------------------------------------------------

    void configure(GroupPolicy policy, int attemptsMax, long nowMillis) {
        if (isOrdered != policy.isOrdered()
                || isScanning != policy.isScanning()
                || !filterText.equals(policy.filterText())) {
            for (long offset = floor(); offset < cursor; offset++) {
                at(offset).isScanned = false;
            }
        }
        isOrdered = policy.isOrdered();
        isScanning = policy.isScanning();
        filterText = policy.filterText();
        maxAttempts = attemptsMax;
        backoff = policy.backoff();
        for (long offset = floor(); offset < cursor; offset++) {
            Message message = at(offset);
            if (message.status == Status.EXPIRED && !message.isUncounted) {
                message.isDue = false; // judged by the new backoff below
                if (isLast(message)) {
                    failForTheLastTime(message);
                }
            } else if (message.status == Status.RETURNED && !isLast(message)) {
                message.isTaken = false;
            }
        }
        expire(nowMillis);
    }

    /** The last attempt of a message is over by its deadline: as if it had been returned then, with its backoff. */
    private void failForTheLastTime(Message message) {
        message.dueMillis = retryMillis(message);
        message.status = Status.RETURNED;
        message.isDue = false;
        failedFor(message, GroupQueueState.REASON_EXPIRED);
    }

    private static void failedFor(Message message, String reason) {
        message.reason = reason;
        message.reasonAttempt = message.attempts;
    }

    /** Somebody looks at the clock. */
    void expire(long nowMillis) {
        for (long offset = floor(); offset < cursor; offset++) {
            Message message = at(offset);
            if (message.status == Status.OUT && message.last.isWritten() && message.dueMillis <= nowMillis) {
                message.status = Status.EXPIRED;
                message.isUncounted = isBreakerOpen;
                message.isDue = false;
                failed++;
                if (!isBreakerOpen && isLast(message)) {
                    failForTheLastTime(message);
                }
            }
            if (message.status == Status.EXPIRED && !message.isUncounted && retryMillis(message) <= nowMillis) {
                message.isDue = true;
            }
            if (message.status == Status.RETURNED && message.dueMillis <= nowMillis) {
                message.isDue = true;
            }
        }
    }

    /** @return whether it waits for a record that says it is not wanted */
    boolean scanned(long offset, boolean isWanted, long keyHash, int lookAheadMax) {
        if (!isScanning || offset != scanFrom() || offset == Math.max(cursor, floor() + lookAheadMax)) {
            return false;
        }
        if (offset == cursor) {
            pass(offset + 1);
        }
        Message message = at(offset);
        message.isScanned = true;
        message.keyHash = keyHash;
        return message.status == Status.NEW && !isWanted;
    }

    void scannedUnreadable(long offset, int lookAheadMax) {
        quarantine(offset);
        if (isScanning && offset == cursor && offset == scanFrom() && offset < floor() + lookAheadMax) {
            pass(offset + 1);
        }
    }

    void quarantine(long offset) {
        quarantined.add(offset);
        skipQuarantined();
    }

    private void skipQuarantined() {
        for (long offset : quarantined.subSet(floor(), cursor)) {
            skip(at(offset));
        }
    }

    private static void skip(Message message) {
        if (message.status != Status.SETTLED) {
            message.status = Status.SKIPPED;
            message.last = null;
            message.parked = null;
        }
    }

    /** A group that does not look passes what it knows to be unreadable. */
    void passQuarantined(long readableEnd, int lookAheadMax) {
        while (!isScanning && cursor < lookAheadEnd(readableEnd, lookAheadMax) && quarantined.contains(cursor)) {
            pass(cursor + 1);
        }
    }

    /** The cursor moves on. */
    private void pass(long toOffset) {
        while (cursor < toOffset) {
            Message message = new Message(cursor);
            if (quarantined.contains(cursor)) {
                skip(message);
            }
            messages.add(message);
            cursor++;
        }
    }

    // ---- records ------------------------------------------------------------------------------------------------

    public Popped apply(PopRecord record) {
        Popped popped = new Popped(record);
        for (DeliveryRange range : record.deliveries()) {
            for (long offset = range.firstOffset(); offset <= range.lastOffset(); offset++) {
                pass(offset + 1);
                Message message = message(offset);
                if (message == null || !message.isUnsettled()) {
                    continue; // unreadable since
                }
                message.status = Status.OUT;
                message.last = popped;
                message.dueMillis = record.deadlineMillis();
                message.attempts = range.attempt();
                if (range.attempt() == 1) {
                    message.firstPoppedMillis = record.poppedMillis();
                }
                poppedTotal++;
                redeliveredTotal += range.attempt() > 1 ? 1 : 0;
            }
        }
        return popped;
    }

    public void apply(LogRecord record) {
        if (record instanceof AckRecord ack) {
            ack.offsets().forEach(offset -> {
                int count = settle(offset);
                settledTotal += count;
                acked += count;
            });
        } else if (record instanceof DeadlineRecord deadline) {
            deadline.offsets().forEach(offset -> move(offset, deadline));
        } else if (record instanceof GivenBackRecord givenBack) {
            givenBack.offsets().forEach(offset -> giveBack(offset, givenBack));
        } else if (record instanceof DeadLetteredRecord deadLettered) {
            deadLetteredTotal += settle(deadLettered.offset());
        } else if (record instanceof FilteredRecord filtered) {
            pass(filtered.offsets().last() + 1);
            filtered.offsets().forEach(offset -> filteredTotal += settle(offset));
        } else if (record instanceof KeyParkedRecord parked) {
            park(parked);
        } else if (record instanceof KeyUnparkedRecord unparked) {
            unpark(unparked);
        } else if (record instanceof SeekRecord seek) {
            staleBelow = seek.askedMillis() == SeekRecord.BEGINNING ? staleBelow : Math.max(staleBelow, cursor);
            beginAt(seek.offset());
        } else if (record instanceof PurgeRecord purge) {
            purge(purge.belowOffset());
        } else {
            throw new AssertionError(record);
        }
    }

    /** @return how many messages that settles: none or one */
    private int settle(long offset) {
        Message message = message(offset);
        if (message == null || message.status == Status.SETTLED) {
            return 0;
        }
        int count = message.status == Status.SKIPPED ? 0 : 1;
        message.status = Status.SETTLED;
        message.last = null;
        message.parked = null;
        return count;
    }

    private void move(long offset, DeadlineRecord record) {
        Message message = message(offset);
        if (message == null || !message.isUnsettled()) {
            return; // unreadable since
        }
        boolean isNack = record.kind() == DeadlineRecord.Kind.NACKED;
        failed += isNack && message.status == Status.OUT ? 1 : 0;
        message.status = isNack ? Status.RETURNED : Status.OUT;
        message.dueMillis = record.deadlineMillis();
        message.isDue = false;
        if (isNack) {
            failedFor(message, record.reason().isEmpty() ? GroupQueueState.REASON_NACKED : record.reason());
        }
    }

    private void giveBack(long offset, GivenBackRecord record) {
        Message message = message(offset);
        if (message == null || !message.isUnsettled()) {
            return;
        }
        failed += record.cause() != GivenBackRecord.Cause.RETURNED && message.status == Status.OUT ? 1 : 0;
        message.status = Status.RETURNED;
        message.dueMillis = record.dueMillis();
        message.isDue = false;
        if (!record.counted()) {
            message.attempts--;
        } else {
            failedFor(message, GroupQueueState.REASON_GONE);
        }
    }

    private void park(KeyParkedRecord record) {
        Message message = message(record.blockedOffset());
        if (message != null && message.isUnsettled()) {
            message.status = Status.PARKED;
            message.dueMillis = record.parkedMillis();
            message.isTaken = false;
            message.parked = record;
        }
    }

    private void unpark(KeyUnparkedRecord record) {
        Message message = message(record.blockedOffset());
        if (record.how() == KeyUnparkedRecord.How.SKIPPED) {
            purgedTotal += settle(record.blockedOffset());
        } else if (record.how() == KeyUnparkedRecord.How.TRIED_AGAIN && message != null && message.isUnsettled()) {
            message.status = Status.RETURNED;
            message.dueMillis = record.unparkedMillis();
            message.isDue = true;
            message.attempts = 0;
            message.reasonAttempt = -1;
            message.parked = null;
        }
    }

    private void purge(long below) {
        for (long offset = floor(); offset < Math.min(below, cursor); offset++) {
            purgedTotal += settle(offset);
        }
        if (below > cursor) {
            purgedTotal += below - cursor;
            beginAt(below);
        }
    }

    private void beginAt(long offset) {
        messages.clear();
        base = offset;
        floor = offset;
        cursor = offset;
    }

    // ---- recovery -----------------------------------------------------------------------------------------------

    /** What a snapshot keeps of it. */
    GroupQueueModel copyForSnapshot() {
        GroupQueueModel copy = new GroupQueueModel(floor());
        Map<Popped, Popped> copies = new IdentityHashMap<>();
        copy.staleBelow = staleBelow;
        for (long offset = floor; offset < cursor; offset++) {
            Message message = new Message(at(offset), copies);
            if (message.status == Status.EXPIRED) {
                message.status = Status.OUT; // it expires again
            } else if (message.status == Status.SKIPPED) {
                message = new Message(offset); // it is found to be unreadable again
            }
            copy.messages.add(message);
        }
        copy.cursor = cursor;
        return copy;
    }

    /** What a snapshot of version 1 keeps of it. */
    void forgetPast() {
        for (Message message : messages) {
            message.isPastKnown = false;
        }
    }

    /** @param backMillis how far the clock stands behind the log */
    void recovered(long nowMillis, long backMillis) {
        for (long offset = floor(); offset < cursor; offset++) {
            at(offset).dueMillis -= backMillis;
        }
        skipQuarantined();
        expire(nowMillis);
    }
}
