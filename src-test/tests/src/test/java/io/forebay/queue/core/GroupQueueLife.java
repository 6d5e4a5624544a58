package io.forebay.queue.core;

import io.forebay.queue.core.GroupQueueModel.Message;
import io.forebay.queue.core.GroupQueueModel.Popped;
import io.forebay.queue.core.GroupQueueModel.Status;
import io.forebay.storage.log.AckRecord;
import io.forebay.storage.log.CorruptRecordException;
import io.forebay.storage.log.DeadLetteredRecord;
import io.forebay.storage.log.DeadlineRecord;
import io.forebay.storage.log.DeliveryRange;
import io.forebay.storage.log.FilteredRecord;
import io.forebay.storage.log.GivenBackRecord;
import io.forebay.storage.log.KeyParkedRecord;
import io.forebay.storage.log.KeyUnparkedRecord;
import io.forebay.storage.log.LogRecord;
import io.forebay.storage.log.OffsetSet;
import io.forebay.storage.log.PopRecord;
import io.forebay.storage.log.PurgeRecord;
import io.forebay.storage.log.SeekRecord;
import io.forebay.testkit.sim.SeededRun;
import io.forebay.testkit.sim.Tally;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.random.RandomGenerator;

/**
 * One life of a group's queue: random limits, settings, messages and consumers, and a shell that carries what the real one
 * carries between {@link GroupQueueState} and its log. {@link GroupQueueModel} goes the same way; after each step the two are
 * compared, and I1 to I7 are checked. What happens in a life, and what must hold, is told by {@link GroupQueueStateModelTest}.
 */
final class GroupQueueLife {
    private static final int SESSIONS = 4;
    private static final int HANDLES_MAX = 100;
    private static final long DAY_MILLIS = 24 * 3_600_000L;
    private static final long DRAIN_NONCE = 7;

    private static final RetryBackoff[] BACKOFFS = {
        RetryBackoff.NONE,
        RetryBackoff.parse("fixed 50 ms"),
        RetryBackoff.parse("fixed 40 ms jitter 100 %"),
        RetryBackoff.parse("list 10 ms, 0 ms, 90 ms"),
        RetryBackoff.parse("list 80 ms, 20 ms jitter 30 %"),
        RetryBackoff.parse("exponential 5 ms to 80 ms"),
        RetryBackoff.parse("exponential 20 ms to 200 ms factor 1.5 jitter 50 %")
    };
    private static final String[] FILTERS = {"", "", "a", "b", "c"};
    private static final MessageFilter SOME = (message, added) -> true;
    private static final String[] REASONS = {"", "no stock", "x".repeat(254) + "\uD83D\uDE00"};

    private record Handle(long offset, long epoch, long sequence, long nonce) {}

    /** What a look at messages has found, on another thread in the real shell. */
    private record Found(long first, int count, long unreadable, int settingsNumber) {}

    private final RandomGenerator random;
    private final SeededRun.Progress progress;
    private final Tally seen;
    private final SyntheticMessages messages;
    private final GroupQueueLog log;

    private GroupQueueLimits limits;
    private GroupQueueState state;
    private GroupQueueModel model;
    private long nowMillis = 1_700_000_000_000L;
    private long epoch = 1;
    private final int sendMax;
    private long readableEnd;
    /** The queue stores nothing below. */
    private long firstStored;

    private GroupPolicy policy;
    private int settingsNumber;
    private boolean isTracking;

    private Found found;
    private final List<Poison> taken = new ArrayList<>();
    /** By session, as the dispatcher counts what is in flight; null while nobody tells it. */
    private Map<Long, Integer> inFlightTold;

    /** Of any age. */
    private final List<Handle> handles = new ArrayList<>();

    private final Map<Long, Handle> newestHandles = new HashMap<>();
    private long nextRequestId = 1;
    private final List<long[]> recentRequests = new ArrayList<>();
    private final TokenBatch batch = new TokenBatch(8);

    /** I3: no first delivery below, unless the group has ever been ordered. */
    private long firstDeliveredBelow;

    private boolean wasOrdered;
    /** The largest window that may be; 0 until it is known. */
    private long windowMax;

    private long ringMax;
    /** Settled in other ways than by an Ack. */
    private final TreeSet<Long> gone = new TreeSet<>();
    /** The log times of its records go back: the next crash is the end. */
    private boolean isClockWrong;

    private boolean isOver;

    /** @param seen gets how often each kind of step was made */
    GroupQueueLife(RandomGenerator random, SeededRun.Progress progress, Tally seen) {
        this.random = random;
        this.progress = progress;
        this.seen = seen;
        messages = new SyntheticMessages(random);
        sendMax = 2 + random.nextInt(20);
        long startOffset = random.nextBoolean() ? 0 : random.nextInt(1_000);
        readableEnd = startOffset;
        firstStored = startOffset;
        firstDeliveredBelow = startOffset;
        log = new GroupQueueLog(random, startOffset);
        limits = randomLimits();
        state = new GroupQueueState(limits, startOffset);
        model = new GroupQueueModel(startOffset);
        state.recovered(nowMillis);
        drawSettings();
        applySettings();
    }

    private GroupQueueLimits randomLimits() {
        int lookAhead = switch (random.nextInt(6)) {
            case 0 -> 1 + random.nextInt(10);
            case 1 -> 40 + random.nextInt(150);
            default -> 10 + random.nextInt(60);
        };
        int inFlight = random.nextInt(3) == 0 ? 1 + random.nextInt(20) : 1_000;
        return new GroupQueueLimits(lookAhead, inFlight);
    }

    // ---- steps --------------------------------------------------------------------------------------------------

    /** @return whether life goes on */
    boolean step() throws CorruptRecordException {
        int dice = random.nextInt(1_000);
        if (dice < 100) {
            note("send");
            readableEnd += random.nextInt(sendMax);
        } else if (dice < 290) {
            if (random.nextBoolean()) {
                look();
            }
            pop();
        } else if (dice < 460) {
            write(1 + random.nextInt(8));
        } else if (dice < 620) {
            ack();
        } else if (dice < 650) {
            extend();
        } else if (dice < 710) {
            nack();
        } else if (dice < 730) {
            giveBack();
        } else if (dice < 740) {
            consumerGone();
        } else if (dice < 745) {
            sessionClosed();
        } else if (dice < 845) {
            note("clock");
            nowMillis += random.nextInt(4) == 0 ? random.nextInt(300) : random.nextInt(15);
        } else if (dice < 860) {
            expire();
        } else if (dice < 895) {
            look();
        } else if (dice < 935) {
            dealWithPoison();
        } else {
            rareStep(dice - 935);
        }
        if (!isOver) {
            if (random.nextInt(8) != 0) {
                takeBackUncounted();
            }
            check();
        }
        return !isOver;
    }

    private void rareStep(int dice) throws CorruptRecordException {
        if (dice < 10) {
            unpark();
        } else if (dice < 22) {
            takeSnapshot();
        } else if (dice < 32) {
            note("flush");
            log.flush();
        } else if (dice < 39) {
            crash(random.nextInt(3) == 0);
        } else if (dice < 47) {
            note("configure");
            drawSettings();
            applySettings();
        } else if (dice < 53) {
            boolean isOpen = random.nextBoolean();
            note(isOpen ? "breaker opens" : "breaker closes");
            state.breaker(isOpen);
            model.isBreakerOpen = isOpen;
        } else if (dice < 56) {
            note("quarantine");
            quarantine(Math.max(0, model.floor() - 3) + random.nextInt(30), 1 + random.nextInt(4));
        } else if (dice < 57) {
            seek();
        } else if (dice < 58) {
            note("purge");
            purge(random.nextLong(firstStored, readableEnd + 1));
        } else if (dice < 59) {
            truncate();
        } else {
            note("trim");
            state.trim();
        }
    }

    private void note(String what) {
        progress.note(what);
        saw(what);
    }

    private void saw(String what) {
        seen.saw(what);
    }

    // ---- settings -----------------------------------------------------------------------------------------------

    private void drawSettings() {
        boolean isOrdered = policy != null && random.nextInt(3) > 0 ? policy.isOrdered() : random.nextBoolean();
        String filter =
                policy != null && random.nextInt(3) > 0 ? policy.filterText() : FILTERS[random.nextInt(FILTERS.length)];
        policy = Policies.group(fields -> {
            fields.maxAttempts = random.nextInt(5);
            fields.backoff = BACKOFFS[random.nextInt(BACKOFFS.length)];
            fields.isOrdered = isOrdered;
            fields.poison = isOrdered && random.nextInt(3) > 0 ? PoisonPolicy.PARK : PoisonPolicy.DEAD_LETTER;
            fields.filterText = filter;
            fields.filter = filter.isEmpty() ? MessageFilter.ALL : SOME;
        });
        isTracking = random.nextInt(4) == 0 ? !isTracking : isTracking;
    }

    private void applySettings() {
        settingsNumber++;
        state.configure(policy, policy.maxAttempts(), isTracking, nowMillis);
        if (!isTracking) {
            inFlightTold = null;
        } else if (inFlightTold == null) {
            inFlightTold = new TreeMap<>();
            model.acked = 0;
            model.failed = 0;
        }
        model.configure(policy, policy.maxAttempts(), nowMillis);
        wasOrdered |= policy.isOrdered();
    }

    // ---- pop ----------------------------------------------------------------------------------------------------

    private void pop() {
        note("pop");
        long session = random.nextInt(SESSIONS);
        long request = nextRequestId++;
        if (!recentRequests.isEmpty() && random.nextInt(4) == 0) {
            long[] recent = recentRequests.get(random.nextInt(recentRequests.size()));
            session = recent[0];
            request = recent[1];
        }
        int max = random.nextInt(5) == 0 ? 1 : 1 + random.nextInt(40);
        boolean isSized = random.nextBoolean();
        PopCommand command = new PopCommand(
                session, request, max, isSized ? random.nextInt(2_000) : Long.MAX_VALUE, random.nextInt(120));
        long nonce = random.nextLong();
        PopDecision decision = state.decidePop(
                command, nowMillis, readableEnd, epoch, nonce, isSized ? SyntheticMessages::recordBytes : null);
        model.expire(nowMillis);
        List<Popped> repeated = inFlightOf(session, request);
        if (!repeated.isEmpty()) {
            Must.equal("a repeated request", PopReason.REPEATED, decision.reason());
            checkRepeated(decision.repeated(), repeated);
            saw("pop: REPEATED");
            return;
        }
        model.passQuarantined(readableEnd, limits.lookAheadMax());
        long[] candidates = model.candidates(readableEnd, limits.lookAheadMax());
        int room = Math.min(max, limits.inFlightMax() - model.inFlight());
        if (candidates.length == 0 || room <= 0) {
            PopReason reason = whyNothing(candidates.length);
            Must.equal("why nothing goes out", reason, decision.reason());
            Must.equal("nothing goes out", null, decision.record());
            saw("pop: " + reason);
            return;
        }
        Must.equal("why something goes out", PopReason.DELIVERED, decision.reason());
        PopRecord record = decision.record();
        Must.equal("session", session, record.sessionId());
        Must.equal("request", request, record.requestId());
        Must.equal("I5: nonce", nonce, record.nonce());
        Must.equal("I5: epoch", epoch, record.epoch());
        Must.equal("popped", nowMillis, record.poppedMillis());
        Must.equal("I7: deadline", nowMillis + command.invisibleMillis(), record.deadlineMillis());
        checkSelection(record, candidates, room, command.maxBytes());
        rememberRequest(session, request);
        Checkpoint checkpoint = state.apply(record);
        log.decided(record, checkpoint, model.apply(record));
        if (isTracking) {
            inFlightTold.merge(session, offsetsOf(record).size(), Integer::sum);
        }
    }

    private PopReason whyNothing(int candidateCount) {
        if (candidateCount > 0) {
            return PopReason.IN_FLIGHT_LIMIT;
        }
        long end = model.lookAheadEnd(readableEnd, limits.lookAheadMax());
        return readableEnd > model.cursor && model.cursor >= end ? PopReason.LOOK_AHEAD_FULL : PopReason.EMPTY;
    }

    private void rememberRequest(long session, long request) {
        recentRequests.add(new long[] {session, request});
        if (recentRequests.size() > 12) {
            recentRequests.remove(0);
        }
    }

    private void checkSelection(PopRecord record, long[] candidates, int room, long maxBytes) {
        int count = 0;
        long bytes = 0;
        for (DeliveryRange range : record.deliveries()) {
            for (long offset = range.firstOffset(); offset <= range.lastOffset(); offset++) {
                Must.hold(count < room, "more than there is room for, with %d", offset);
                Must.hold(count < candidates.length, "I2, I4, I7: %d goes out", offset);
                Must.equal("I3: what goes out", candidates[count], offset);
                bytes += SyntheticMessages.recordBytes(offset);
                Must.hold(count == 0 || bytes <= maxBytes, "more bytes than asked for, with %d", offset);
                count++;
                checkDelivery(offset, range.attempt());
            }
        }
        if (count < candidates.length && count < room) {
            long next = candidates[count];
            Must.hold(bytes + SyntheticMessages.recordBytes(next) > maxBytes, "less than there is, without %d", next);
        }
    }

    /** Nothing of this is taken from what the model would select. */
    private void checkDelivery(long offset, int attempt) {
        Must.hold(offset >= firstStored && offset < readableEnd, "I2: %d is not readable", offset);
        Must.hold(offset >= model.floor(), "I4: %d is settled", offset);
        Must.hold(
                policy.maxAttempts() == 0 || attempt <= policy.maxAttempts(), "I6: one attempt too many of %d", offset);
        Message message = model.message(offset);
        if (message == null) {
            Must.hold(!policy.isScanning(), "%d was not looked at", offset);
            Must.equal("I6: first attempt", 1, attempt);
            checkFirstDelivery(offset);
            return;
        }
        Must.hold(message.isUnsettled(), "I4: %d is settled", offset);
        Must.hold(message.status != Status.OUT, "I5: %d is out", offset);
        Must.equal("I6: attempt", message.attempts + 1, attempt);
        if (message.status == Status.NEW) {
            Must.hold(messages.isWanted(policy.filterText(), offset), "I2: %d is not wanted", offset);
            checkFirstDelivery(offset);
        } else {
            Must.hold(model.retryMillis(message) <= nowMillis, "I7: %d is before its time", offset);
        }
        if (policy.isOrdered()) {
            Must.equal("key", messages.keyHash(offset), message.keyHash);
            Must.hold(model.earlierOfKey(message) == null, "I3: %d goes before an earlier one of its key", offset);
        }
    }

    private void checkFirstDelivery(long offset) {
        if (!wasOrdered) {
            Must.hold(offset >= firstDeliveredBelow, "I3: %d goes out for the first time", offset);
            firstDeliveredBelow = offset + 1;
        }
    }

    private List<Popped> inFlightOf(long session, long request) {
        List<Popped> requests = new ArrayList<>();
        for (Message message : model.unsettled()) {
            if (message.status == Status.OUT
                    && message.last.record.sessionId() == session
                    && message.last.record.requestId() == request
                    && !requests.contains(message.last)) {
                requests.add(message.last);
            }
        }
        return requests;
    }

    private void checkRepeated(Checkpoint checkpoint, List<Popped> repeated) {
        Popped popped = null;
        for (Popped one : repeated) {
            popped = one.record.nonce() == checkpoint.nonce() ? one : popped;
        }
        Must.hold(popped != null, "another checkpoint is repeated: %d", checkpoint.requestId());
        Must.equal("written", popped.isWritten(), checkpoint.isWritten());
        List<Long> expected = new ArrayList<>();
        for (Message message : model.unsettled()) {
            if (message.status == Status.OUT && message.last == popped) {
                expected.addAll(List.of(message.offset, (long) message.attempts, message.dueMillis));
            }
        }
        List<Long> visited = new ArrayList<>();
        state.visitInFlight(
                checkpoint, (offset, attempt, deadline) -> visited.addAll(List.of(offset, (long) attempt, deadline)));
        Must.equal("what is repeated", expected, visited);
    }

    // ---- what consumers say -------------------------------------------------------------------------------------

    private void ack() {
        note("ack");
        fillBatch();
        AckRecord record = state.decideAck(batch);
        checkOffsets("acked", checkOutcomes(null), record == null ? null : record.offsets());
        if (record != null) {
            state.apply(record);
            model.apply(record);
            log.decided(record);
        }
    }

    private void extend() {
        note("extend");
        fillBatch();
        long millis = random.nextInt(200);
        DeadlineRecord record = state.decideExtend(batch, nowMillis, millis);
        checkOffsets("extended", checkOutcomes(HandleOutcome.STALE_HANDLE), record == null ? null : record.offsets());
        if (record != null) {
            Must.equal("I7: deadline", nowMillis + millis, record.deadlineMillis());
            Must.equal("kind", DeadlineRecord.Kind.EXTENDED, record.kind());
            state.apply(record);
            model.apply(record);
            log.decided(record);
        }
    }

    private void nack() {
        boolean isDelayGiven = random.nextBoolean();
        note(isDelayGiven ? "nack with delay" : "nack");
        fillBatch();
        long millis = isDelayGiven ? random.nextInt(200) : -1;
        String reason = REASONS[random.nextInt(REASONS.length)];
        List<LogRecord> records = state.decideNack(batch, nowMillis, millis, reason);
        TreeSet<Long> left = checkOutcomes(HandleOutcome.ALREADY_RETURNED);
        for (LogRecord record : records) {
            if (record instanceof DeadlineRecord nacked) {
                Must.hold(!model.isBreakerOpen, "I6: counted at %d though the breaker is open", nowMillis);
                Must.equal("kind", DeadlineRecord.Kind.NACKED, nacked.kind());
                Must.equal("reason", reason, nacked.reason());
                checkDelays(nacked.offsets(), millis, nacked.deadlineMillis(), left);
                state.apply(nacked);
            } else {
                GivenBackRecord givenBack = (GivenBackRecord) record;
                Must.hold(model.isBreakerOpen, "I6: not counted at %d though the breaker is closed", nowMillis);
                checkUncounted(givenBack, GivenBackRecord.Cause.BREAKER_OPEN);
                checkDelays(givenBack.offsets(), millis, givenBack.dueMillis(), left);
                state.apply(givenBack);
            }
            model.apply(record);
            log.decided(record);
        }
        Must.hold(left.isEmpty(), "I6: %d is not nacked", left.isEmpty() ? 0 : left.first());
    }

    /** @param givenMillis negative for the group's backoff */
    private void checkDelays(OffsetSet offsets, long givenMillis, long dueMillis, TreeSet<Long> left) {
        offsets.forEach(offset -> {
            Must.hold(left.remove(offset), "I6: %d comes back", offset);
            long backoff = model.backoff.delayMillis(model.message(offset).attempts, offset);
            Must.equal("I7: delay", nowMillis + (givenMillis >= 0 ? givenMillis : backoff), dueMillis);
        });
    }

    private static void checkUncounted(GivenBackRecord record, GivenBackRecord.Cause cause) {
        Must.equal("I6: cause", cause, record.cause());
        Must.equal("I6: counted", false, record.counted());
    }

    private void giveBack() {
        note("give back");
        fillBatch();
        GivenBackRecord record = state.decideGiveBack(batch, nowMillis);
        givenBack(checkOutcomes(HandleOutcome.ALREADY_RETURNED), record);
    }

    private void sessionClosed() {
        note("session closed");
        long session = random.nextInt(SESSIONS);
        GivenBackRecord record = state.decideSessionClosed(session, nowMillis);
        model.expire(nowMillis);
        givenBack(heldBy(session), record);
    }

    private void givenBack(TreeSet<Long> expected, GivenBackRecord record) {
        checkOffsets("given back", expected, record == null ? null : record.offsets());
        if (record != null) {
            checkUncounted(record, GivenBackRecord.Cause.RETURNED);
            Must.equal("I7: given back", nowMillis, record.dueMillis());
            state.apply(record);
            model.apply(record);
            log.decided(record);
        }
    }

    private void consumerGone() {
        note("consumer gone");
        long session = random.nextInt(SESSIONS);
        List<GivenBackRecord> records = state.decideConsumerGone(session, nowMillis);
        model.expire(nowMillis);
        takenBack(
                records,
                heldBy(session),
                model.isBreakerOpen ? GivenBackRecord.Cause.BREAKER_OPEN : GivenBackRecord.Cause.CONSUMER_GONE);
    }

    private void takeBackUncounted() {
        TreeSet<Long> expected = new TreeSet<>();
        for (Message message : model.unsettled()) {
            if (message.status == Status.EXPIRED && message.isUncounted) {
                expected.add(message.offset);
                saw("expired uncounted");
            }
        }
        takenBack(state.decideUncounted(nowMillis), expected, GivenBackRecord.Cause.BREAKER_OPEN);
    }

    private void takenBack(List<GivenBackRecord> records, TreeSet<Long> left, GivenBackRecord.Cause cause) {
        for (GivenBackRecord record : records) {
            Must.equal("I6: counted", cause == GivenBackRecord.Cause.CONSUMER_GONE, record.counted());
            Must.equal("I6: cause", cause, record.cause());
            checkDelays(record.offsets(), -1, record.dueMillis(), left);
            state.apply(record);
            model.apply(record);
            log.decided(record);
        }
        Must.hold(left.isEmpty(), "I1: %d is not taken back", left.isEmpty() ? 0 : left.first());
    }

    private TreeSet<Long> heldBy(long session) {
        TreeSet<Long> held = new TreeSet<>();
        for (Message message : model.unsettled()) {
            if (message.status == Status.OUT && message.last.record.sessionId() == session) {
                held.add(message.offset);
            }
        }
        return held;
    }

    // ---- handles ------------------------------------------------------------------------------------------------

    private void fillBatch() {
        batch.clear();
        if (handles.isEmpty()) {
            return;
        }
        if (random.nextInt(3) == 0) {
            // A run of consecutive messages, as consumers ack them.
            long first = random.nextLong(model.floor(), model.cursor + 1);
            long end = first + 1 + random.nextInt(30);
            for (long offset = first; offset < Math.min(end, model.cursor); offset++) {
                addNewest(offset);
            }
            return;
        }
        for (int count = 1 + random.nextInt(6); count > 0; count--) {
            if (random.nextBoolean()) {
                addNewest(random.nextLong(model.floor(), model.cursor + 1));
                continue;
            }
            Handle handle = handles.get(random.nextInt(handles.size()));
            switch (random.nextInt(30)) {
                case 0 -> batch.add(handle.offset(), handle.epoch(), handle.sequence(), handle.nonce() + 1);
                case 1 ->
                    batch.add(handle.offset() + random.nextInt(50), handle.epoch(), handle.sequence(), handle.nonce());
                case 2 -> batch.add(handle.offset(), handle.epoch(), -1, handle.nonce());
                case 3 -> batch.add(-1 - handle.offset(), handle.epoch(), handle.sequence(), handle.nonce());
                case 4 ->
                    batch.add(
                            handle.offset(), handle.epoch() - 1 + random.nextInt(3), handle.sequence(), handle.nonce());
                default -> add(handle);
            }
        }
    }

    private void addNewest(long offset) {
        Handle handle = newestHandles.get(offset);
        if (handle != null) {
            add(handle);
        }
    }

    private void add(Handle handle) {
        batch.add(handle.offset(), handle.epoch(), handle.sequence(), handle.nonce());
    }

    /**
     * Every handle is judged as the model does.
     *
     * @param ofReturned what a handle gets whose delivery is over; null: it is as good as any
     * @return what was accepted
     */
    private TreeSet<Long> checkOutcomes(HandleOutcome ofReturned) {
        TreeSet<Long> accepted = new TreeSet<>();
        for (int i = 0; i < batch.count(); i++) {
            long offset = batch.queueOffset(i);
            HandleOutcome outcome = batch.outcome(i);
            HandleOutcome expected = model.judge(offset, batch.epoch(i), batch.sequence(i), batch.nonce(i));
            if (expected == HandleOutcome.ACCEPTED && ofReturned != null) {
                Status status = model.message(offset).status;
                expected = status == Status.RETURNED || status == Status.PARKED ? ofReturned : expected;
            }
            // What cannot be read and lies below the floor: after a restart nobody knows any more why it was passed.
            boolean isPassed = expected == HandleOutcome.ALREADY_SETTLED
                    && outcome == HandleOutcome.QUARANTINED
                    && offset < model.floor();
            if (outcome != expected && !isPassed) {
                throw new AssertionError(
                        "I4, I5: a handle of " + offset + ", expected " + expected + ", was " + outcome);
            }
            if (expected == HandleOutcome.ACCEPTED) {
                accepted.add(offset);
            }
        }
        return accepted;
    }

    private static void checkOffsets(String what, TreeSet<Long> expected, OffsetSet offsets) {
        List<Long> list = new ArrayList<>();
        if (offsets != null) {
            offsets.forEach(list::add);
            Must.hold(!list.isEmpty(), "a record that says nothing, %d", 0);
        }
        Must.equal(what, new ArrayList<>(expected), list);
    }

    // ---- time, looks, poison --------------------------------------------------------------------------------------

    private void expire() {
        note("expire");
        state.expire(nowMillis);
        model.expire(nowMillis);
        Must.hold(state.nextDueMillis() > nowMillis, "the alarm rings for nothing at %d", state.nextDueMillis());
    }

    /** Looks ahead, and takes what was found then or later. */
    private void look() {
        note("look");
        if (found != null) {
            Found late = found;
            found = null;
            if (late.settingsNumber == settingsNumber) {
                found(late);
            }
            return;
        }
        if (!state.isScanDue(readableEnd)) {
            return;
        }
        long first = state.scanFrom();
        Must.equal("where to look", model.scanFrom(), first);
        int max = 1 + random.nextInt(60);
        int count = state.scanCount(readableEnd, max);
        long end = Math.max(model.cursor, model.lookAheadEnd(readableEnd, limits.lookAheadMax()));
        Must.equal("how far to look", Math.min(max, end - first), (long) count);
        long unreadable = -1;
        for (int i = 0; i < count && unreadable < 0; i++) {
            if (messages.isUnreadable(first + i)) {
                unreadable = first + i;
                count = i;
            }
        }
        Found now = new Found(first, count, unreadable, settingsNumber);
        if (random.nextInt(3) == 0) {
            found = now;
        } else {
            found(now);
        }
    }

    private void found(Found what) {
        TreeSet<Long> unwanted = new TreeSet<>();
        for (long offset = what.first; offset < what.first + what.count; offset++) {
            boolean isWanted = messages.isWanted(policy.filterText(), offset);
            state.scanned(offset, isWanted, messages.keyHash(offset));
            if (model.scanned(offset, isWanted, messages.keyHash(offset), limits.lookAheadMax())) {
                unwanted.add(offset);
            }
        }
        if (what.unreadable >= 0 && what.unreadable == state.scanFrom() && policy.isScanning()) {
            saw("unreadable found by looking");
            state.quarantine(what.unreadable, 1);
            state.scannedUnreadable(what.unreadable);
            model.scannedUnreadable(what.unreadable, limits.lookAheadMax());
        }
        FilteredRecord record = state.decideFiltered();
        checkOffsets("filtered", unwanted, record == null ? null : record.offsets());
        if (record != null) {
            saw("filtered");
            record.offsets().forEach(gone::add);
            state.apply(record);
            model.apply(record);
            log.decided(record);
        }
    }

    private void dealWithPoison() {
        note("poison");
        if (taken.isEmpty()) {
            takePoison();
        } else {
            taken.forEach(this::bury);
            taken.clear();
        }
    }

    private void takePoison() {
        int max = 1 + random.nextInt(8);
        List<Poison> got = state.takePoisoned(max);
        for (Poison poison : got) {
            Message message = model.message(poison.queueOffset());
            Must.hold(message != null && model.isPoison(message), "I6: %d is no poison", poison.queueOffset());
            Must.hold(!message.isTaken, "I6: %d is poison twice", poison.queueOffset());
            message.isTaken = true;
            Must.equal("I6: attempts", message.attempts, poison.attempts());
            if (message.isPastKnown) {
                Must.equal("first popped", message.firstPoppedMillis, poison.firstPoppedMillis());
                Must.equal("last popped", message.last.record.poppedMillis(), poison.lastPoppedMillis());
                Must.equal("reason", GroupQueueState.kept(message.reasonOfLastAttempt()), poison.reason());
            }
            saw("poison taken");
        }
        taken.addAll(got);
        for (Message message : model.unsettled()) {
            Must.hold(
                    got.size() == max || !model.isPoison(message) || message.isTaken,
                    "I6: nobody is told that %d is poison",
                    message.offset);
        }
    }

    /** It may have been acked, purged or tried again since it was taken. */
    private void bury(Poison poison) {
        long offset = poison.queueOffset();
        Message message = model.message(offset);
        boolean isPoison = message != null && model.isPoison(message) && message.isTaken;
        Must.equal("I6: still poison", isPoison, state.isPoison(offset));
        if (!isPoison) {
            saw("poison no more");
        } else if (random.nextInt(6) == 0) {
            state.poisonedAgain(offset);
            message.isTaken = false;
        } else if (messages.isUnreadable(offset)) {
            quarantine(offset, 1);
        } else if (policy.poison() == PoisonPolicy.PARK && messages.keyHash(offset) != KeyLines.NO_KEY) {
            saw("parked");
            KeyParkedRecord record = new KeyParkedRecord(
                    offset,
                    poison.attempts(),
                    nowMillis,
                    SyntheticMessages.messageGroup(messages.keyHash(offset)),
                    poison.reason());
            state.apply(record);
            model.apply(record);
            log.decided(record);
        } else {
            saw("dead-lettered");
            gone.add(offset);
            DeadLetteredRecord record = new DeadLetteredRecord(offset, 9, poison.attempts(), poison.reason());
            state.apply(record);
            model.apply(record);
            log.decided(record);
        }
    }

    private void unpark() {
        List<KeyParkedRecord> keys = state.parkedKeys();
        if (!keys.isEmpty()) {
            KeyUnparkedRecord.How how = KeyUnparkedRecord.How.values()[random.nextInt(3)];
            note("unpark: " + how);
            unpark(keys.get(random.nextInt(keys.size())), how);
        }
    }

    private void unpark(KeyParkedRecord parked, KeyUnparkedRecord.How how) {
        long offset = parked.blockedOffset();
        Must.equal("parked", model.message(offset).parked, parked);
        Must.equal("nothing is parked there", null, state.decideUnpark(offset + 100_000, how, nowMillis));
        KeyUnparkedRecord record = state.decideUnpark(offset, how, nowMillis);
        Must.equal("key", parked.messageGroup(), record.messageGroup());
        Must.equal("how", how, record.how());
        DeadLetteredRecord dead = null;
        if (how == KeyUnparkedRecord.How.DEAD_LETTERED) {
            Poison poison = state.poisonAt(offset);
            Must.equal("reason", parked.reason(), poison.reason());
            dead = new DeadLetteredRecord(offset, 9, poison.attempts(), poison.reason());
            state.apply(dead);
            model.apply(dead);
        }
        if (how != KeyUnparkedRecord.How.TRIED_AGAIN) {
            gone.add(offset);
        }
        state.apply(record);
        model.apply(record);
        if (dead == null) {
            log.decided(record);
        } else {
            log.decided(dead, record);
        }
    }

    // ---- operators and the queue ----------------------------------------------------------------------------------

    private void seek() {
        note("seek");
        long offset = random.nextLong(firstStored, readableEnd + 1);
        SeekRecord record =
                state.decideSeek(offset, nowMillis, random.nextBoolean() ? SeekRecord.BY_OFFSET : nowMillis);
        Must.equal("seek", offset, record.offset());
        state.apply(record);
        model.apply(record);
        log.decided(record);
        firstDeliveredBelow = offset;
        windowMax = 0;
    }

    private void truncate() {
        note("truncate");
        firstStored =
                random.nextLong(firstStored, Math.max(firstStored, Math.min(readableEnd, model.floor() + 60)) + 1);
        purge(firstStored);
    }

    private void purge(long below) {
        long unsettled = Math.max(0, below - Math.max(model.floor(), model.cursor));
        for (Message message : model.unsettled()) {
            unsettled += message.offset < below ? 1 : 0;
        }
        Must.equal("not settled below", unsettled, state.unsettledBelow(below));
        PurgeRecord record = state.decidePurge(below, nowMillis);
        Must.equal("nothing to purge", below <= model.floor(), record == null);
        if (record != null) {
            Must.equal("purge", below, record.belowOffset());
            state.apply(record);
            model.apply(record);
            log.decided(record);
        }
    }

    private void quarantine(long first, long count) {
        state.quarantine(first, count);
        for (long offset = first; offset < first + count; offset++) {
            model.quarantine(offset);
        }
    }

    // ---- log ----------------------------------------------------------------------------------------------------

    private void write(int count) {
        note("write");
        log.write(count, state, nowMillis, this::deliver);
    }

    /** The consumers see what is written. */
    private void deliver(PopRecord record, long sequence) {
        for (long offset : offsetsOf(record)) {
            Handle handle = new Handle(offset, record.epoch(), sequence, record.nonce());
            Handle before = newestHandles.put(offset, handle);
            Must.hold(
                    before == null
                            || before.epoch < handle.epoch
                            || (before.epoch == handle.epoch && before.sequence < sequence),
                    "I5: tokens of %d grow",
                    offset);
            if (handles.size() == HANDLES_MAX) {
                handles.remove(random.nextInt(HANDLES_MAX));
            }
            handles.add(handle);
            if (messages.isUnreadable(offset)) {
                saw("unreadable found by reading");
                quarantine(offset, 1);
            }
        }
    }

    private void takeSnapshot() throws CorruptRecordException {
        write(log.pendingCount());
        note("snapshot");
        log.takeSnapshot(state, model, nowMillis);
    }

    private void crash(boolean isPowerCut) throws CorruptRecordException {
        note(isPowerCut ? "power cut" : "kill");
        if (isClockWrong) {
            isOver = true;
            return;
        }
        log.crash(isPowerCut);
        found = null;
        taken.clear();
        inFlightTold = null;
        windowMax = 0;
        epoch += 1 + random.nextInt(2);
        if (random.nextInt(3) == 0) {
            limits = randomLimits();
        }
        if (random.nextInt(4) == 0) {
            drawSettings();
        }
        // What nobody knows to be unreadable any more goes out again.
        List<Long> unreadable = random.nextInt(4) == 0 ? List.of() : new ArrayList<>(model.quarantined);
        GroupQueueLog.Recovered recovered = log.recover(limits, unreadable);
        saw("recovered from " + recovered.from());
        state = recovered.state();
        model = recovered.model();
        startClock(recovered.newestMillis());
        state.recovered(nowMillis);
        model.recovered(nowMillis, Math.max(0, recovered.newestMillis() - nowMillis));
        takeTotals(state.counts(readableEnd));
        applySettings();
        if (isPowerCut) {
            readableEnd = Math.max(Math.max(model.cursor, firstStored), readableEnd - random.nextInt(60));
        }
        firstDeliveredBelow = unreadable.isEmpty() ? model.floor() : firstNew();
        if (firstStored > model.floor()) {
            purge(firstStored); // what the queue dropped and no record of this group says yet
        }
    }

    /** What was found to be unreadable counts in a replay or not: it depends on when it is told again. */
    private void takeTotals(GroupQueueCounts counts) {
        model.poppedTotal = counts.poppedTotal();
        model.redeliveredTotal = counts.redeliveredTotal();
        model.settledTotal = counts.settledTotal();
        model.deadLetteredTotal = counts.deadLetteredTotal();
        model.filteredTotal = counts.filteredTotal();
        model.purgedTotal = counts.purgedTotal();
    }

    private long firstNew() {
        for (Message message : model.unsettled()) {
            if (message.status == Status.NEW) {
                return message.offset;
            }
        }
        return model.cursor;
    }

    /** Log time: the wall clock, which may be days off, but never before what the log has; see LogClock. */
    private void startClock(long newestMillis) {
        long wallMillis = nowMillis
                + switch (random.nextInt(12)) {
                    case 0 -> random.nextLong(4 * DAY_MILLIS);
                    case 1 -> -random.nextLong(4 * DAY_MILLIS);
                    case 2, 3, 4 -> random.nextInt(300);
                    default -> 0;
                };
        nowMillis = Math.max(wallMillis, log.newestMillis());
        if (random.nextInt(30) == 0 && newestMillis != Long.MIN_VALUE) {
            saw("clock behind the log");
            isClockWrong = true;
            nowMillis = newestMillis - random.nextInt(400);
        }
    }

    // ---- what must hold after each step ---------------------------------------------------------------------------

    private void check() {
        GroupQueueComparison.compare(state, model, limits, readableEnd);
        if (model.cursor > model.floor()) {
            GroupQueueComparison.compare(state, model, random.nextLong(model.floor(), model.cursor));
        }
        checkMemory();
        checkActivity();
        checkOneValidHandle();
        if (!state.hasPending() && random.nextInt(8) == 0) {
            GroupQueueComparison.compare(state.snapshot(), model);
        }
    }

    /** After a restart the window may be larger than the look-ahead: what cannot be read was passed, or the limit fell. */
    private void checkMemory() {
        long window = model.cursor - model.floor();
        if (windowMax == 0) {
            windowMax = Math.max(window, limits.lookAheadMax());
            ringMax = Math.max(state.window().capacity(), Math.max(64, 4 * windowMax));
        }
        Must.hold(window <= windowMax, "memory: a window of %d", window);
        Must.hold(
                state.window().capacity() <= ringMax,
                "memory: a ring of %d",
                state.window().capacity());
        Must.hold(state.waitingEntries() <= 64 + 4 * windowMax, "memory: %d entries wait", state.waitingEntries());
    }

    /** The dispatcher, told of every Pop and of what it is told here, knows what each session holds. */
    private void checkActivity() {
        GroupActivity activity = state.activity();
        if (isTracking) {
            long[] sessions = activity.freedSessionIds();
            int[] counts = activity.freedCounts();
            for (int i = 0; i < sessions.length; i++) {
                inFlightTold.merge(sessions[i], -counts[i], Integer::sum);
            }
            Must.equal("told: acked", model.acked, activity.acked());
            Must.equal("told: failed", model.failed, activity.failed());
            int[] held = new int[SESSIONS];
            for (Message message : model.unsettled()) {
                if (message.status == Status.OUT) {
                    held[(int) message.last.record.sessionId()]++;
                }
            }
            for (int session = 0; session < SESSIONS; session++) {
                int told = inFlightTold.getOrDefault((long) session, 0);
                Must.equal("told: in flight", held[session], told);
            }
        }
        activity.clear();
        model.acked = 0;
        model.failed = 0;
    }

    private void checkOneValidHandle() {
        if (handles.isEmpty()) {
            return;
        }
        long offset = handles.get(random.nextInt(handles.size())).offset();
        batch.clear();
        for (Handle handle : handles) {
            if (handle.offset() == offset) {
                add(handle);
            }
        }
        state.decideAck(batch);
        int valid = 0;
        for (int i = 0; i < batch.count(); i++) {
            valid += batch.outcome(i) == HandleOutcome.ACCEPTED ? 1 : 0;
        }
        Must.hold(valid <= 1, "I5: valid handles of %d", offset);
        checkOutcomes(null);
    }

    // ---- the end ------------------------------------------------------------------------------------------------

    /** I1, I4: in the end every message that is not settled can be had, and nothing else. */
    void drain() {
        note("drain");
        write(log.pendingCount());
        state.breaker(false);
        model.isBreakerOpen = false;
        found = null;
        if (random.nextBoolean()) {
            policy = Policies.group();
            isTracking = false;
            applySettings();
        }
        // Once for deadlines, once for the backoff of what has expired uncounted.
        for (int i = 0; i < 2; i++) {
            nowMillis += 1_000_000;
            expire();
            takeBackUncounted();
        }
        while (!taken.isEmpty()) {
            dealWithPoison();
        }
        for (KeyParkedRecord parked : state.parkedKeys()) {
            unpark(parked, KeyUnparkedRecord.How.TRIED_AGAIN);
        }
        TreeSet<Long> left = new TreeSet<>();
        model.unsettled().forEach(message -> left.add(message.offset));
        for (long offset = model.cursor; offset < readableEnd; offset++) {
            left.add(offset);
        }
        left.removeAll(model.quarantined);
        gone.clear();
        while (drainSome(left)) {
            check();
        }
        left.removeAll(gone);
        left.removeAll(model.quarantined);
        Must.hold(left.isEmpty(), "I1: %d never came", left.isEmpty() ? 0 : left.first());
        Must.equal("I1: floor", readableEnd, state.floor());
        Must.equal("I1: depth", 0L, state.counts(readableEnd).depth());
        Must.equal("alarm", Long.MAX_VALUE, state.nextDueMillis());
        state.visitRequests((session, request) -> Must.hold(false, "nothing is in flight any more, but %d", request));
    }

    private boolean drainSome(TreeSet<Long> left) {
        boolean isSome = false;
        while (state.isScanDue(readableEnd) && state.scannedReadyCount() == 0) {
            look();
            isSome = true;
        }
        while (!taken.isEmpty() || state.hasPoisoned()) {
            dealWithPoison();
            isSome = true;
        }
        for (KeyParkedRecord parked : state.parkedKeys()) {
            unpark(parked, KeyUnparkedRecord.How.SKIPPED);
            isSome = true;
        }
        PopDecision decision = state.decidePop(
                new PopCommand(0, nextRequestId++, 64, Long.MAX_VALUE, 10_000),
                nowMillis,
                readableEnd,
                epoch,
                DRAIN_NONCE,
                null);
        model.expire(nowMillis);
        if (decision.record() == null) {
            if (!isSome && decision.reason() != PopReason.EMPTY) {
                throw new AssertionError("I1: nothing goes out: " + decision.reason() + " at " + state.floor());
            }
            return isSome;
        }
        Checkpoint checkpoint = state.apply(decision.record());
        log.decided(decision.record(), checkpoint, model.apply(decision.record()));
        List<Long> offsets = offsetsOf(decision.record());
        if (isTracking) {
            inFlightTold.merge(0L, offsets.size(), Integer::sum);
        }
        log.write(log.pendingCount(), state, nowMillis, (record, sequence) -> {});
        batch.clear();
        for (long offset : offsets) {
            Must.hold(left.remove(offset), "I2, I4: %d comes though it is settled or came before", offset);
            batch.add(offset, epoch, checkpoint.sequence(), DRAIN_NONCE);
        }
        AckRecord record = state.decideAck(batch);
        state.apply(record);
        model.apply(record);
        return true;
    }

    private static List<Long> offsetsOf(PopRecord record) {
        List<Long> offsets = new ArrayList<>();
        for (DeliveryRange range : record.deliveries()) {
            for (long offset = range.firstOffset(); offset <= range.lastOffset(); offset++) {
                offsets.add(offset);
            }
        }
        return offsets;
    }
}
