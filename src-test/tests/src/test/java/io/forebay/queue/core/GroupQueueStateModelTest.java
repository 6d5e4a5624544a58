package io.forebay.queue.core;

import static org.assertj.core.api.Assertions.assertThat;

import io.forebay.storage.log.AckRecord;
import io.forebay.storage.log.CorruptRecordException;
import io.forebay.storage.log.DeadlineRecord;
import io.forebay.storage.log.DeliveryRange;
import io.forebay.storage.log.GivenBackRecord;
import io.forebay.storage.log.GroupSnapshot;
import io.forebay.storage.log.LogRecord;
import io.forebay.storage.log.PopRecord;
import io.forebay.storage.log.PurgeRecord;
import io.forebay.storage.log.SeekRecord;
import io.forebay.testkit.sim.SeededRun;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeSet;
import java.util.random.RandomGenerator;
import org.junit.jupiter.api.Test;

/**
 * Drives {@link GroupQueueState} and {@link GroupQueueModel} through the same random commands and compares them after
 * each: pop, repeated pop, ack with every kind of handle, extend, nack, give back, consumer gone, session closed, session
 * extended, expiry, seek, purge, quarantine; records are written later than decided; the process is killed (what was not
 * written is gone), the power is cut (what was not durable is gone), and recovery begins with a snapshot and replays an
 * overlapping log. Snapshots and records go through their bytes.
 *
 * <p>Checked besides: I1 nothing unsettled is missing (and all of it can be had in the end), I3 first deliveries come in
 * order of offset, I4 what was acked does not come back, I5 one valid handle at most and tokens grow, I6 attempts, I7
 * nothing before its time.
 */
class GroupQueueStateModelTest {
    private static final int SESSIONS = 4;
    private static final int HANDLES_MAX = 300;

    private record Handle(long offset, long epoch, long sequence, long nonce) {}

    private record Logged(long sequence, long logMillis, LogRecord record) {}

    private record Pending(LogRecord record, Checkpoint checkpoint, GroupQueueModel.Popped popped, long logMillis) {}

    /** A delivery as a client or the log saw it, for what must hold without any model. */
    private record Token(long epoch, long sequence) implements Comparable<Token> {
        @Override
        public int compareTo(Token other) {
            int byEpoch = Long.compare(epoch, other.epoch);
            return byEpoch != 0 ? byEpoch : Long.compare(sequence, other.sequence);
        }
    }

    @Test
    void groupQueueDoesWhatThePlainModelDoes() {
        long steps = SeededRun.steps(400_000);
        SeededRun.run("group queue against model", (random, progress) -> {
            long done = 0;
            while (done < steps) {
                // Many lives of different limits: rare mixtures of settings count as much as long runs.
                Life life = new Life(random, progress);
                long length = Math.min(steps - done, 500 + random.nextInt(6_000));
                for (long i = 0; i < length; i++) {
                    progress.at(++done);
                    life.step();
                }
                life.drain();
            }
        });
    }

    private static final class Life {
        private final RandomGenerator random;
        private final SeededRun.Progress progress;
        private GroupQueueLimits limits;
        private GroupQueueState state;
        private GroupQueueModel model;
        private long nowMillis = 1_000_000;
        private long readableEnd;
        private long epoch = 1;
        private long nextSequence = 10;
        private long nextRequestId = 1;

        private final ArrayDeque<Pending> pending = new ArrayDeque<>();
        /** What is written, from the start of this life. */
        private final List<Logged> log = new ArrayList<>();

        private long durableSequence;
        private final long startOffset;
        /** The newest snapshot that may be recovered from, and what it holds. */
        private byte[] snapshot;

        private long snapshotHeld;
        private long snapshotMillis;
        private long snapshotDurableFrom;
        private byte[] olderSnapshot;
        private long olderHeld;
        private long olderMillis;

        private final List<Handle> handles = new ArrayList<>();
        private final List<long[]> recentRequests = new ArrayList<>();
        private final TokenBatch batch = new TokenBatch(8);
        private long highestFirstDelivered = -1;
        private Map<Long, Token> highestToken = new HashMap<>();
        private final List<Long> quarantined = new ArrayList<>();

        Life(RandomGenerator random, SeededRun.Progress progress) {
            this.random = random;
            this.progress = progress;
            startOffset = random.nextBoolean() ? 0 : random.nextInt(1_000);
            readableEnd = startOffset;
            limits = randomLimits();
            state = new GroupQueueState(limits, startOffset);
            model = new GroupQueueModel(startOffset);
        }

        private GroupQueueLimits randomLimits() {
            int lookAhead = random.nextInt(4) == 0 ? 1 + random.nextInt(10) : 20 + random.nextInt(150);
            int inFlight = random.nextInt(3) == 0 ? 1 + random.nextInt(20) : 1_000;
            return new GroupQueueLimits(lookAhead, inFlight);
        }

        void step() throws Exception {
            int dice = random.nextInt(1_000);
            if (dice < 120) {
                note("send");
                readableEnd += random.nextInt(20);
            } else if (dice < 330) {
                pop();
            } else if (dice < 500) {
                write(1 + random.nextInt(4));
            } else if (dice < 680) {
                ack();
            } else if (dice < 740) {
                change();
            } else if (dice < 770) {
                giveBack();
            } else if (dice < 790) {
                consumerGone();
            } else if (dice < 800) {
                sessionClosed();
            } else if (dice < 930) {
                note("clock");
                nowMillis += random.nextInt(4) == 0 ? random.nextInt(300) : random.nextInt(15);
            } else if (dice < 955) {
                note("expire");
                state.expire(nowMillis);
            } else if (dice < 975) {
                takeSnapshot();
            } else if (dice < 985) {
                note("flush");
                durableSequence = nextSequence - 1;
            } else if (dice < 990) {
                crash(random.nextInt(3) == 0);
            } else if (dice < 992) {
                quarantine();
            } else if (dice < 993) {
                seekOrPurge();
            } else {
                note("trim");
                state.trim();
            }
            check();
        }

        private void note(String what) {
            progress.note(what);
        }

        // ---- commands

        private void pop() {
            long session = random.nextInt(SESSIONS);
            long request = nextRequestId++;
            if (!recentRequests.isEmpty() && random.nextInt(4) == 0) {
                long[] recent = recentRequests.get(random.nextInt(recentRequests.size()));
                session = recent[0];
                request = recent[1];
            }
            int max = random.nextInt(5) == 0 ? 1 : 1 + random.nextInt(40);
            boolean isSized = random.nextBoolean();
            long maxBytes = isSized ? random.nextInt(2_000) : Long.MAX_VALUE;
            PopCommand command = new PopCommand(session, request, max, maxBytes, random.nextInt(120));
            note(command.toString());
            long nonce = random.nextLong();
            model.passQuarantined(readableEnd, limits.lookAheadMax());
            List<GroupQueueModel.Popped> repeated = repeated(session, request);
            List<Long> expected = expectedPop(max, isSized ? maxBytes : -1);
            PopDecision decision = state.decidePop(
                    command,
                    nowMillis,
                    readableEnd,
                    epoch,
                    nonce,
                    isSized ? GroupQueueStateModelTest::recordBytes : null);
            if (!repeated.isEmpty()) {
                assertThat(decision.reason()).isEqualTo(PopReason.REPEATED);
                checkRepeated(decision.repeated(), repeated);
                return;
            }
            if (expected.isEmpty()) {
                boolean isSomething = !model.candidates(nowMillis, readableEnd, limits.lookAheadMax())
                        .isEmpty();
                PopReason reason = isSomething
                        ? PopReason.IN_FLIGHT_LIMIT
                        : readableEnd > model.cursor ? PopReason.LOOK_AHEAD_FULL : PopReason.EMPTY;
                assertThat(decision.reason()).isEqualTo(reason);
                assertThat(decision.record()).isNull();
                return;
            }
            assertThat(decision.reason()).isEqualTo(PopReason.DELIVERED);
            PopRecord record = decision.record();
            assertThat(offsetsOf(record)).isEqualTo(expected);
            assertThat(record.sessionId()).isEqualTo(session);
            assertThat(record.requestId()).isEqualTo(request);
            assertThat(record.nonce()).isEqualTo(nonce);
            assertThat(record.epoch()).isEqualTo(epoch);
            assertThat(record.poppedMillis()).isEqualTo(nowMillis);
            assertThat(record.deadlineMillis()).isEqualTo(nowMillis + command.invisibleMillis());
            checkPop(record);
            recentRequests.add(new long[] {session, request});
            if (recentRequests.size() > 12) {
                recentRequests.remove(0);
            }
            Checkpoint checkpoint = state.apply(record);
            pending.add(new Pending(record, checkpoint, model.apply(record), nowMillis));
        }

        private List<Long> expectedPop(int max, long maxBytes) {
            long room = Math.min(max, limits.inFlightMax() - model.inFlight(nowMillis));
            List<Long> expected = new ArrayList<>();
            long bytes = 0;
            for (long offset : model.candidates(nowMillis, readableEnd, limits.lookAheadMax())) {
                bytes += recordBytes(offset);
                if (expected.size() >= room || (maxBytes >= 0 && bytes > maxBytes && !expected.isEmpty())) {
                    break;
                }
                expected.add(offset);
            }
            return expected;
        }

        private void checkPop(PopRecord record) {
            for (DeliveryRange range : record.deliveries()) {
                for (long offset = range.firstOffset(); offset <= range.lastOffset(); offset++) {
                    assertThat(range.attempt()).as("I6: attempt of %d", offset).isEqualTo(model.attemptOf(offset));
                    assertThat(model.settled).as("I4").doesNotContain(offset);
                    assertThat(offset).as("I4").isGreaterThanOrEqualTo(model.floor());
                    GroupQueueModel.Out out = model.outs.get(offset);
                    if (out == null) {
                        assertThat(offset).as("I3: first deliveries").isGreaterThan(highestFirstDelivered);
                        highestFirstDelivered = offset;
                    } else {
                        assertThat(nowMillis).as("I7").isGreaterThanOrEqualTo(out.dueMillis);
                    }
                }
            }
        }

        private List<GroupQueueModel.Popped> repeated(long session, long request) {
            List<GroupQueueModel.Popped> found = new ArrayList<>();
            model.outs.forEach((offset, out) -> {
                if (out.isInFlight(nowMillis)
                        && out.last.record.sessionId() == session
                        && out.last.record.requestId() == request
                        && !found.contains(out.last)) {
                    found.add(out.last);
                }
            });
            return found;
        }

        private void checkRepeated(Checkpoint checkpoint, List<GroupQueueModel.Popped> repeated) {
            GroupQueueModel.Popped popped = repeated.stream()
                    .filter(one -> one.record.nonce() == checkpoint.nonce())
                    .findFirst()
                    .orElseThrow();
            assertThat(checkpoint.isWritten()).isEqualTo(popped.isWritten());
            List<String> expected = new ArrayList<>();
            model.outs.forEach((offset, out) -> {
                if (out.last == popped && out.isInFlight(nowMillis)) {
                    expected.add(offset + "/" + out.attempts + "/" + out.dueMillis);
                }
            });
            List<String> visited = new ArrayList<>();
            state.visitInFlight(
                    checkpoint, (offset, attempt, deadline) -> visited.add(offset + "/" + attempt + "/" + deadline));
            assertThat(visited).containsExactlyInAnyOrderElementsOf(expected);
        }

        private void ack() {
            fillBatch();
            note("ack of " + batch.count());
            AckRecord record = state.decideAck(batch);
            List<Long> accepted = checkOutcomes(null);
            assertThat(record == null).isEqualTo(accepted.isEmpty());
            if (record != null) {
                assertThat(record.offsets().toArray()).containsExactly(toArray(accepted));
                applied(record);
            }
        }

        private void change() {
            fillBatch();
            boolean isNack = random.nextBoolean();
            DeadlineRecord.Kind kind = isNack ? DeadlineRecord.Kind.NACKED : DeadlineRecord.Kind.EXTENDED;
            note(kind + " of " + batch.count());
            long millis = random.nextInt(200);
            DeadlineRecord record;
            if (isNack) {
                List<LogRecord> records = state.decideNack(batch, nowMillis, millis, "");
                record = records.isEmpty() ? null : (DeadlineRecord) records.get(0);
            } else {
                record = state.decideExtend(batch, nowMillis, millis);
            }
            List<Long> accepted = checkOutcomes(isNack ? HandleOutcome.ALREADY_RETURNED : HandleOutcome.STALE_HANDLE);
            assertThat(record == null).isEqualTo(accepted.isEmpty());
            if (record != null) {
                assertThat(record.offsets().toArray()).containsExactly(toArray(accepted));
                assertThat(record.deadlineMillis()).isEqualTo(nowMillis + millis);
                assertThat(record.kind()).isEqualTo(kind);
                applied(record);
            }
        }

        private void giveBack() {
            fillBatch();
            note("give back of " + batch.count());
            GivenBackRecord record = state.decideGiveBack(batch, nowMillis);
            List<Long> accepted = checkOutcomes(HandleOutcome.ALREADY_RETURNED);
            assertThat(record == null).isEqualTo(accepted.isEmpty());
            if (record != null) {
                assertThat(record.offsets().toArray()).containsExactly(toArray(accepted));
                assertThat(record.counted()).isFalse();
                applied(record);
            }
        }

        private void consumerGone() {
            long session = random.nextInt(SESSIONS);
            note("consumer gone " + session);
            List<Long> expected = heldBy(session, Long.MAX_VALUE);
            List<Long> returned = new ArrayList<>();
            for (GivenBackRecord record : state.decideConsumerGone(session, nowMillis)) {
                assertThat(record.counted()).as("I6").isTrue();
                record.offsets().forEach(offset -> {
                    returned.add(offset);
                    assertThat(record.dueMillis()).isEqualTo(nowMillis);
                });
                applied(record);
            }
            assertThat(returned).containsExactlyInAnyOrderElementsOf(expected);
        }

        private void sessionClosed() {
            long session = random.nextInt(SESSIONS);
            note("session closed " + session);
            List<Long> expected = heldBy(session, Long.MAX_VALUE);
            GivenBackRecord record = state.decideSessionClosed(session, nowMillis);
            assertThat(record == null).isEqualTo(expected.isEmpty());
            if (record != null) {
                assertThat(record.counted()).isFalse();
                assertThat(record.offsets().toArray()).containsExactly(toArray(expected));
                applied(record);
            }
        }

        private List<Long> heldBy(long session, long maxHoldMillis) {
            List<Long> offsets = new ArrayList<>();
            model.outs.forEach((offset, out) -> {
                if (out.isInFlight(nowMillis)
                        && out.last.record.sessionId() == session
                        && nowMillis - out.last.record.poppedMillis() <= maxHoldMillis) {
                    offsets.add(offset);
                }
            });
            return offsets;
        }

        private void quarantine() {
            long first = Math.max(0, model.floor() - 3) + random.nextInt(30);
            long count = 1 + random.nextInt(4);
            note("quarantine of " + count + " from " + first);
            state.quarantine(first, count);
            for (long offset = first; offset < first + count; offset++) {
                model.quarantine(offset);
                quarantined.add(offset);
            }
        }

        private void seekOrPurge() {
            long offset = random.nextLong(startOffset, readableEnd + 1);
            LogRecord record;
            if (random.nextBoolean()) {
                note("seek to " + offset);
                record = new SeekRecord(offset, nowMillis, -1);
                state.apply((SeekRecord) record);
                // What was delivered first and what acked begins anew.
                highestFirstDelivered = offset - 1;
            } else {
                note("purge below " + offset);
                record = new PurgeRecord(offset, nowMillis);
                state.apply((PurgeRecord) record);
            }
            model.apply(record);
            pending.add(new Pending(record, null, null, nowMillis));
        }

        private void applied(LogRecord record) {
            if (record instanceof AckRecord ack) {
                state.apply(ack);
            } else if (record instanceof DeadlineRecord deadline) {
                state.apply(deadline);
            } else {
                state.apply((GivenBackRecord) record);
            }
            model.apply(record);
            pending.add(new Pending(record, null, null, nowMillis));
        }

        // ---- handles

        private void fillBatch() {
            batch.clear();
            if (handles.isEmpty()) {
                return;
            }
            if (random.nextInt(5) < 2) {
                // A run of consecutive deliveries, as consumers ack them.
                int from = Math.max(0, handles.size() - 1 - random.nextInt(handles.size()));
                int count = 1 + random.nextInt(30);
                for (int i = from; i < Math.min(handles.size(), from + count); i++) {
                    add(handles.get(i));
                }
                return;
            }
            for (int count = 1 + random.nextInt(6); count > 0; count--) {
                Handle handle = handles.get(random.nextInt(handles.size()));
                int dice = random.nextInt(30);
                if (dice == 0) {
                    batch.add(handle.offset(), handle.epoch(), handle.sequence(), handle.nonce() + 1);
                } else if (dice == 1) {
                    batch.add(handle.offset() + random.nextInt(50), handle.epoch(), handle.sequence(), handle.nonce());
                } else if (dice == 2) {
                    batch.add(handle.offset(), handle.epoch(), -1, handle.nonce());
                } else if (dice == 3) {
                    batch.add(-1 - handle.offset(), handle.epoch(), handle.sequence(), handle.nonce());
                } else {
                    add(handle);
                }
            }
        }

        private void add(Handle handle) {
            batch.add(handle.offset(), handle.epoch(), handle.sequence(), handle.nonce());
        }

        /** @return what was accepted, ascending, each once */
        private List<Long> checkOutcomes(HandleOutcome ofReturned) {
            List<Long> accepted = new ArrayList<>();
            for (int i = 0; i < batch.count(); i++) {
                long offset = batch.queueOffset(i);
                HandleOutcome expected = model.judge(offset, batch.epoch(i), batch.sequence(i), batch.nonce(i));
                if (expected == HandleOutcome.ACCEPTED && ofReturned != null && model.outs.get(offset).isReturned) {
                    expected = ofReturned;
                }
                if (expected == HandleOutcome.QUARANTINED && offset < model.floor()) {
                    // After a restart nobody knows any more why it was passed.
                    assertThat(batch.outcome(i)).isIn(HandleOutcome.QUARANTINED, HandleOutcome.ALREADY_SETTLED);
                    continue;
                }
                if (expected == HandleOutcome.ALREADY_SETTLED
                        && offset < model.floor()
                        && quarantined.contains(offset)) {
                    assertThat(batch.outcome(i)).isIn(HandleOutcome.QUARANTINED, HandleOutcome.ALREADY_SETTLED);
                    continue;
                }
                assertThat(batch.outcome(i)).as("handle of %d", offset).isEqualTo(expected);
                if (expected == HandleOutcome.ACCEPTED && !accepted.contains(offset)) {
                    accepted.add(offset);
                }
            }
            accepted.sort(null);
            return accepted;
        }

        // ---- log

        private void write(int count) {
            note("write " + count);
            for (int i = 0; i < count && !pending.isEmpty(); i++) {
                Pending next = pending.removeFirst();
                nextSequence += random.nextInt(3) == 0 ? random.nextInt(5) : 0;
                long sequence = nextSequence++;
                log.add(new Logged(sequence, next.logMillis(), next.record()));
                if (next.checkpoint() == null) {
                    state.written(sequence);
                    continue;
                }
                state.written(next.checkpoint(), sequence);
                next.popped().sequence = sequence;
                PopRecord record = (PopRecord) next.record();
                Token token = new Token(record.epoch(), sequence);
                for (long offset : offsetsOf(record)) {
                    Token before = highestToken.put(offset, token);
                    assertThat(before == null || token.compareTo(before) > 0)
                            .as("I5: tokens of %d grow", offset)
                            .isTrue();
                    if (handles.size() == HANDLES_MAX) {
                        handles.remove(random.nextInt(HANDLES_MAX));
                    }
                    handles.add(new Handle(offset, record.epoch(), sequence, record.nonce()));
                }
            }
        }

        private void takeSnapshot() throws Exception {
            note("snapshot");
            write(pending.size());
            olderSnapshot = snapshot;
            olderHeld = snapshotHeld;
            olderMillis = snapshotMillis;
            snapshot = state.snapshot().encode();
            snapshotHeld = state.heldSequence();
            snapshotMillis = nowMillis;
            snapshotDurableFrom = nextSequence - 1;
        }

        private void crash(boolean isPowerCut) throws Exception {
            note(isPowerCut ? "power cut" : "kill");
            pending.clear();
            if (isPowerCut) {
                log.removeIf(logged -> logged.sequence() > durableSequence);
                if (snapshotDurableFrom > durableSequence) {
                    snapshot = olderSnapshot;
                    snapshotHeld = olderHeld;
                    snapshotMillis = olderMillis;
                    snapshotDurableFrom = 0;
                    if (olderHeld > durableSequence) {
                        snapshot = null;
                    }
                }
            }
            // The plain way to recover: everything from the beginning.
            model = new GroupQueueModel(startOffset);
            highestToken = new HashMap<>();
            highestFirstDelivered = -1;
            for (Logged logged : log) {
                if (logged.record() instanceof PopRecord pop) {
                    model.apply(pop).sequence = logged.sequence();
                } else {
                    model.apply(logged.record());
                }
            }
            quarantined.forEach(model::quarantine);
            highestFirstDelivered = model.cursor - 1;
            epoch++;
            if (random.nextInt(3) == 0) {
                limits = randomLimits();
            }
            nowMillis += random.nextInt(3) == 0 ? random.nextInt(300) : 0;
            recover();
            // A snapshot may have kept that the cursor had passed what cannot be read.
            while (model.cursor < state.cursor() && model.quarantined.contains(model.cursor)) {
                model.cursor++;
            }
            durableSequence = log.isEmpty() ? 0 : log.get(log.size() - 1).sequence();
            nextSequence = Math.max(nextSequence, durableSequence + 1);
        }

        private void recover() throws CorruptRecordException {
            long from;
            if (snapshot == null || random.nextInt(10) == 0) {
                state = new GroupQueueState(limits, startOffset);
                from = 0;
            } else {
                state = GroupQueueState.restore(limits, GroupSnapshot.decode(snapshot), snapshotHeld, snapshotMillis);
                from = Math.max(0, snapshotHeld - random.nextInt(40));
            }
            boolean isQuarantineFirst = random.nextBoolean();
            if (isQuarantineFirst) {
                quarantined.forEach(offset -> state.quarantine(offset, 1));
            }
            for (Logged logged : log) {
                if (logged.sequence() >= from) {
                    LogRecord record = throughBytes(logged.record());
                    boolean isNew = logged.sequence() > state.heldSequence();
                    assertThat(state.replay(record, logged.sequence(), logged.logMillis()))
                            .isEqualTo(isNew);
                    assertThat(state.replay(record, logged.sequence(), logged.logMillis()))
                            .as("replay is idempotent")
                            .isFalse();
                }
            }
            if (!isQuarantineFirst) {
                quarantined.forEach(offset -> state.quarantine(offset, 1));
            }
            state.recovered(nowMillis);
        }

        private static LogRecord throughBytes(LogRecord record) throws CorruptRecordException {
            byte[] bytes = new byte[record.bodyBytes()];
            record.encodeBody(bytes, 0);
            return LogRecord.decode(record.type(), record.type().version(), bytes, 0, bytes.length);
        }

        // ---- what must hold after each step

        private void check() {
            long available = state.available(readableEnd);
            model.passQuarantined(readableEnd, limits.lookAheadMax());
            assertThat(state.floor()).as("I1: floor").isEqualTo(model.floor());
            assertThat(state.cursor()).as("cursor").isEqualTo(model.cursor);
            GroupQueueCounts counts = state.counts(readableEnd);
            long unread = Math.max(readableEnd, model.cursor) - model.cursor;
            assertThat(counts.depth()).as("I1: depth").isEqualTo(model.outs.size() + unread);
            assertThat((long) counts.inFlight() + counts.ready() + counts.waiting())
                    .as("I1: messages out or back")
                    .isEqualTo(model.outs.size());
            assertThat(state.hasPending()).isEqualTo(pending.stream().anyMatch(one -> one.checkpoint() != null));
            long nextDue = state.nextDueMillis();
            long ready = 0;
            for (GroupQueueModel.Out out : model.outs.values()) {
                if (out.isReady(nowMillis)) {
                    ready++;
                } else if (out.isReturned || out.last.isWritten()) {
                    assertThat(nextDue).as("I7: the alarm is not late").isLessThanOrEqualTo(out.dueMillis);
                }
            }
            assertThat((long) counts.ready()).as("I7").isLessThanOrEqualTo(ready);
            if (counts.ready() < ready) {
                assertThat(nextDue).as("what is due has an alarm").isLessThanOrEqualTo(nowMillis);
            }
            assertThat(available).isGreaterThanOrEqualTo(0);
            checkOneValidHandle();
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
            assertThat(valid).as("I5: valid handles of %d", offset).isLessThanOrEqualTo(1);
        }

        /** I1, I4: in the end every message that is not settled can be had, and nothing else. */
        void drain() {
            note("drain");
            write(pending.size());
            limits = new GroupQueueLimits(limits.lookAheadMax(), limits.inFlightMax());
            OffsetsLeft left = new OffsetsLeft();
            model.outs.keySet().forEach(left::add);
            for (long offset = model.cursor; offset < readableEnd; offset++) {
                if (!model.quarantined.contains(offset)) {
                    left.add(offset);
                }
            }
            nowMillis += 1_000_000;
            while (true) {
                PopDecision decision = state.decidePop(
                        new PopCommand(99, nextRequestId++, 64, Long.MAX_VALUE, 10_000),
                        nowMillis,
                        readableEnd,
                        epoch,
                        7,
                        null);
                if (decision.record() == null) {
                    assertThat(decision.reason()).isEqualTo(PopReason.EMPTY);
                    break;
                }
                state.written(state.apply(decision.record()), nextSequence);
                batch.clear();
                for (long offset : offsetsOf(decision.record())) {
                    left.remove(offset);
                    batch.add(offset, epoch, nextSequence, 7);
                }
                nextSequence++;
                state.apply(state.decideAck(batch));
            }
            assertThat(left.isEmpty()).as("I1: never delivered: %s", left).isTrue();
            assertThat(state.floor()).isGreaterThanOrEqualTo(readableEnd);
            GroupQueueCounts counts = state.counts(readableEnd);
            assertThat(counts.depth()).isZero();
            assertThat(counts.inFlight() + counts.ready() + counts.waiting()).isZero();
            assertThat(state.nextDueMillis()).isGreaterThan(nowMillis - 1_000_000);
        }
    }

    /** Offsets that must come exactly once. */
    private static final class OffsetsLeft {
        private final TreeSet<Long> offsets = new TreeSet<>();

        void add(long offset) {
            offsets.add(offset);
        }

        void remove(long offset) {
            assertThat(offsets.remove(offset))
                    .as("I2, I4: %d came though it is settled or came before", offset)
                    .isTrue();
        }

        boolean isEmpty() {
            return offsets.isEmpty();
        }

        @Override
        public String toString() {
            return offsets.toString();
        }
    }

    private static int recordBytes(long offset) {
        return (int) (Long.rotateLeft(offset * 0x9E3779B97F4A7C15L, 20) & 127);
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

    private static long[] toArray(List<Long> offsets) {
        return offsets.stream().mapToLong(Long::longValue).toArray();
    }
}
