package io.forebay.queue.core;

import static org.assertj.core.api.Assertions.assertThat;

import io.forebay.storage.log.AckRecord;
import io.forebay.storage.log.CorruptRecordException;
import io.forebay.storage.log.DeadLetteredRecord;
import io.forebay.storage.log.DeadlineRecord;
import io.forebay.storage.log.DeliveryRange;
import io.forebay.storage.log.FilteredRecord;
import io.forebay.storage.log.GivenBackRecord;
import io.forebay.storage.log.GroupSnapshot;
import io.forebay.storage.log.KeyParkedRecord;
import io.forebay.storage.log.KeyUnparkedRecord;
import io.forebay.storage.log.LogRecord;
import io.forebay.storage.log.LostRecord;
import io.forebay.storage.log.OffsetSet;
import io.forebay.storage.log.PopRecord;
import io.forebay.storage.log.PurgeRecord;
import io.forebay.storage.log.RedrivenRecord;
import io.forebay.storage.log.SeekRecord;
import java.util.ArrayList;
import java.util.BitSet;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

/**
 * A group some of whose records a repair has given up. Invariants: it takes all the others, whatever is lost, and its snapshot says
 * the same as it; I1 what no record that is left has settled goes out again; I4 what one has settled does not; I6 an attempt that is
 * not known is not taken back, and as long as nothing but Pops is lost no message has more attempts than it had.
 */
@Tag("proof")
class LostGroupRecordsTest {
    private static final GroupQueueLimits LIMITS = new GroupQueueLimits(100_000, 100_000);
    private static final long NEVER = 1L << 50;
    private static final long END = 400;
    private static final PopCommand ALL = new PopCommand(9, 1 << 20, 1_000_000, Long.MAX_VALUE, 100);

    @Test
    void anAckOfWhatALostPopHadGivenIsTaken() {
        GroupQueueState state = new GroupQueueState(LIMITS, 0);
        assertThat(state.replay(new LostRecord(0), 1, 10)).isTrue();
        assertThat(state.replay(new AckRecord(OffsetSet.range(3, 2)), 2, 10)).isTrue();
        assertThat(goneOut(state, 8).keySet()).containsExactly(0L, 1L, 2L, 5L, 6L, 7L);
    }

    @Test
    void whatALostSeekHadPassedIsNotTakenForALookAhead() {
        long far = 1L << 40;
        for (LogRecord record : List.of(
                new AckRecord(OffsetSet.range(far, 2)),
                new FilteredRecord(OffsetSet.range(far, 2)),
                new RedrivenRecord(far, 3))) {
            GroupQueueState state = new GroupQueueState(LIMITS, 0);
            state.replay(new LostRecord(0), 1, 10);
            assertThat(state.replay(record, 2, 10)).as("%s", record).isTrue();
            assertThat(state.replay(pop(far + 2, 2, 1), 3, 10)).isTrue();
        }
    }

    @Test
    void anAttemptOfALostPopIsNotTakenBack() {
        assertThat(attemptsAfter(pop(0, 1, 1), returned(0), new LostRecord(0), returned(0)))
                .containsEntry(0L, 1);
        assertThat(attemptsAfter(pop(0, 1, 1), nacked(0, 20), new LostRecord(0), returned(0)))
                .containsEntry(0L, 2);
    }

    @Test
    void anAttemptOfALostPopThatFailedCounts() {
        assertThat(attemptsAfter(pop(0, 1, 1), nacked(0, 20), new LostRecord(0), nacked(0, 30)))
                .containsEntry(0L, 3);
        assertThat(attemptsAfter(
                        pop(0, 1, 1), nacked(0, 20), new LostRecord(0), extended(0, 50), extended(0, 60), gone(0)))
                .containsEntry(0L, 3);
    }

    @Test
    void whatIsParkedAndComesBackWasLetTryAgain() {
        LogRecord parked = new KeyParkedRecord(0, 1, 20, "key", "why");
        assertThat(attemptsAfter(pop(0, 1, 1), nacked(0, 20), parked, new LostRecord(0), nacked(0, 30)))
                .containsEntry(0L, 2);
        GroupQueueState state = replayed(pop(0, 1, 1), nacked(0, 20), parked, new LostRecord(0), extended(0, 60));
        assertThat(state.parkedKeys()).isEmpty();
        assertThat(goneOut(state, 1)).containsEntry(0L, 1);
    }

    @Test
    void whatALostPopHasTakenOutWaitsAsLongAsItWasExtended() {
        GroupQueueState state = replayed(pop(0, 1, 1), nacked(0, 20), new LostRecord(0), extended(0, 5_000));
        state.recovered(4_999);
        assertThat(state.decidePop(ALL, 4_999, 1, 2, 78, null).record()).isNull();
        assertThat(state.decidePop(ALL, 5_000, 1, 2, 78, null).record().deliveries())
                .containsExactly(new DeliveryRange(0, 1, 2));
    }

    /** The same, behind a snapshot: of what had come back it keeps the handle alone. */
    @Test
    void whatALostPopHasTakenOutOfASnapshotWaitsAsLongAsItWasExtended() throws CorruptRecordException {
        GroupQueueState state = restored(replayed(pop(0, 1, 1), nacked(0, 20)), 2);
        state.replay(new LostRecord(0), 3, 10);
        state.replay(extended(0, 5_000), 4, 10);
        state.recovered(4_999);
        assertThat(state.decidePop(ALL, 5_000, 1, 2, 78, null).record().deliveries())
                .containsExactly(new DeliveryRange(0, 1, 2));
    }

    @Test
    void anyRecordsMayBeLost() throws CorruptRecordException {
        for (int seed = 0; seed < 6_000; seed++) {
            Random random = new Random(seed);
            Life life = new Life(random);
            List<LogRecord> records = life.records;
            BitSet lost = lost(random, records);
            int snapshotAt = random.nextBoolean() ? -1 : random.nextInt(Math.max(1, lost.nextSetBit(0)));
            GroupQueueState state = new GroupQueueState(LIMITS, 0);
            TreeSet<Long> settled = new TreeSet<>();
            boolean isOnlyPops = true;
            try {
                for (int index = 0; index < records.size(); index++) {
                    LogRecord record = lost.get(index) ? new LostRecord(0) : records.get(index);
                    isOnlyPops &= !lost.get(index) || records.get(index) instanceof PopRecord;
                    state.replay(record, index + 1, 10);
                    settle(record, settled);
                    if (index == snapshotAt) {
                        state = restored(state, index + 1);
                    }
                }
                state.recovered(10);
                GroupQueueState again = restored(state, records.size());
                Set<Long> expected = new TreeSet<>();
                for (long offset = 0; offset < END; offset++) {
                    if (!settled.contains(offset)) {
                        expected.add(offset);
                    }
                }
                TreeMap<Long, Integer> goneOut = goneOut(state, END);
                assertThat(goneOut.keySet()).as("I1, I4").isEqualTo(expected);
                assertThat(goneOut(again, END)).as("I6, by a snapshot").isEqualTo(goneOut);
                for (Map.Entry<Long, Integer> one : goneOut.entrySet()) {
                    int had = life.attempts.getOrDefault(one.getKey(), 0);
                    assertThat(!isOnlyPops || one.getValue() <= had + 1)
                            .as("I6: %s, it had %d attempts", one, had)
                            .isTrue();
                }
            } catch (RuntimeException | AssertionError e) {
                throw new AssertionError("seed " + seed + ", lost are " + lost + " of " + records, e);
            }
        }
    }

    /** A few in a row, or here and there one, and sometimes Pops alone. */
    private static BitSet lost(Random random, List<LogRecord> records) {
        BitSet lost = new BitSet();
        int from = random.nextInt(records.size());
        lost.set(from, Math.min(records.size(), from + 1 + random.nextInt(6)));
        int more = random.nextInt(3) * random.nextInt(4);
        for (int count = 0; count < more; count++) {
            lost.set(random.nextInt(records.size()));
        }
        if (random.nextInt(3) == 0) {
            for (int index = 0; index < records.size(); index++) {
                lost.set(index, lost.get(index) && records.get(index) instanceof PopRecord);
            }
        }
        return lost;
    }

    /** What a record settles, or what a seek brings back. */
    private static void settle(LogRecord record, TreeSet<Long> settled) {
        if (record instanceof AckRecord ack) {
            ack.offsets().forEach(settled::add);
        } else if (record instanceof FilteredRecord filtered) {
            filtered.offsets().forEach(settled::add);
        } else if (record instanceof DeadLetteredRecord dead) {
            settled.add(dead.offset());
        } else if (record instanceof RedrivenRecord redriven) {
            settled.add(redriven.offset());
        } else if (record instanceof KeyUnparkedRecord unparked && unparked.how() == KeyUnparkedRecord.How.SKIPPED) {
            settled.add(unparked.blockedOffset());
        } else if (record instanceof PurgeRecord purge) {
            OffsetSet.range(0, purge.belowOffset()).forEach(settled::add);
        } else if (record instanceof SeekRecord seek) {
            settled.clear();
            if (seek.offset() > 0) {
                OffsetSet.range(0, seek.offset()).forEach(settled::add);
            }
        }
    }

    /** Records as a group writes them, none of them lost. */
    private static final class Life {
        private enum Status {
            OUT,
            BACK,
            PARKED
        }

        final List<LogRecord> records = new ArrayList<>();
        /** That count, of what was out and is not settled. */
        final TreeMap<Long, Integer> attempts = new TreeMap<>();

        private final TreeMap<Long, Status> statuses = new TreeMap<>();
        private final Random random;
        private long cursor;

        Life(Random random) {
            this.random = random;
            records.add(new SeekRecord(0, SeekRecord.BEGINNING, 5));
            int steps = 10 + random.nextInt(60);
            while (records.size() < steps && cursor < END / 2) {
                long offset = any(Status.OUT);
                if (offset < 0 || random.nextInt(4) == 0) {
                    pop();
                } else {
                    speakOf(offset);
                }
                if (random.nextInt(25) == 0) {
                    begin();
                }
            }
        }

        /** @return −1 if there is none */
        private long any(Status status) {
            List<Long> offsets = new ArrayList<>();
            statuses.forEach((offset, each) -> {
                if (each == status) {
                    offsets.add(offset);
                }
            });
            return offsets.isEmpty() ? -1 : offsets.get(random.nextInt(offsets.size()));
        }

        private void pop() {
            long back = any(Status.BACK);
            if (random.nextInt(6) == 0) {
                back = any(Status.OUT); // it has expired
            }
            if (back >= 0 && random.nextInt(3) > 0) {
                int attempt = attempts.merge(back, 1, Integer::sum);
                records.add(LostGroupRecordsTest.pop(back, 1, attempt));
                statuses.put(back, Status.OUT);
                return;
            }
            if (random.nextInt(8) == 0) {
                records.add(
                        random.nextBoolean()
                                ? new FilteredRecord(OffsetSet.of(cursor))
                                : new RedrivenRecord(cursor, 3));
                cursor++;
            }
            int count = 1 + random.nextInt(5);
            records.add(LostGroupRecordsTest.pop(cursor, count, 1));
            for (; count > 0; count--) {
                attempts.put(cursor, 1);
                statuses.put(cursor++, Status.OUT);
            }
        }

        private void speakOf(long offset) {
            switch (random.nextInt(9)) {
                case 0, 1 -> {
                    records.add(new AckRecord(OffsetSet.of(offset)));
                    settled(offset);
                }
                case 2 -> {
                    records.add(new DeadLetteredRecord(offset, 9, 3, "why"));
                    settled(offset);
                }
                case 3 -> records.add(extended(offset, 100 + random.nextInt(900)));
                case 4 -> back(offset, gone(offset));
                case 5, 6 -> {
                    back(offset, returned(offset));
                    attempts.merge(offset, -1, Integer::sum);
                }
                case 7 -> back(offset, nacked(offset, 5 + random.nextInt(200)));
                default -> {
                    back(offset, nacked(offset, 10));
                    records.add(new KeyParkedRecord(offset, attempts.get(offset), 20, "key", "why"));
                    statuses.put(offset, Status.PARKED);
                }
            }
            long parked = any(Status.PARKED);
            if (parked >= 0 && random.nextInt(3) == 0) {
                boolean isSkipped = random.nextInt(3) == 0;
                KeyUnparkedRecord.How how =
                        isSkipped ? KeyUnparkedRecord.How.SKIPPED : KeyUnparkedRecord.How.TRIED_AGAIN;
                records.add(new KeyUnparkedRecord(parked, isSkipped ? parked + 1 : parked, 30, how, "key"));
                if (isSkipped) {
                    settled(parked);
                } else {
                    statuses.put(parked, Status.BACK);
                    attempts.put(parked, 0);
                }
            }
        }

        private void back(long offset, LogRecord record) {
            records.add(record);
            statuses.put(offset, Status.BACK);
        }

        private void settled(long offset) {
            statuses.remove(offset);
            attempts.remove(offset);
        }

        /** The group begins elsewhere, or part of it is purged. */
        private void begin() {
            long offset = random.nextLong(cursor + 10);
            boolean isSeek = random.nextBoolean();
            records.add(
                    isSeek
                            ? new SeekRecord(
                                    offset, 5, random.nextBoolean() ? SeekRecord.BY_OFFSET : SeekRecord.BEGINNING)
                            : new PurgeRecord(offset, 5));
            (isSeek ? statuses : statuses.headMap(offset)).clear();
            (isSeek ? attempts : attempts.headMap(offset)).clear();
            cursor = isSeek ? offset : Math.max(cursor, offset);
        }
    }

    private static PopRecord pop(long first, int count, int attempt) {
        return new PopRecord(1, 77, 5, 1 + first, 10, 1_000, List.of(new DeliveryRange(first, count, attempt)));
    }

    private static DeadlineRecord extended(long offset, long untilMillis) {
        return new DeadlineRecord(OffsetSet.of(offset), untilMillis, DeadlineRecord.Kind.EXTENDED, "");
    }

    private static DeadlineRecord nacked(long offset, long dueMillis) {
        return new DeadlineRecord(OffsetSet.of(offset), dueMillis, DeadlineRecord.Kind.NACKED, "why");
    }

    private static GivenBackRecord gone(long offset) {
        return new GivenBackRecord(OffsetSet.of(offset), true, GivenBackRecord.Cause.CONSUMER_GONE, 5);
    }

    /** Uncounted. */
    private static GivenBackRecord returned(long offset) {
        return new GivenBackRecord(OffsetSet.of(offset), false, GivenBackRecord.Cause.RETURNED, 5);
    }

    private static GroupQueueState replayed(LogRecord... records) {
        GroupQueueState state = new GroupQueueState(LIMITS, 0);
        long sequence = 0;
        for (LogRecord record : records) {
            state.replay(record, ++sequence, 10);
        }
        return state;
    }

    private static Map<Long, Integer> attemptsAfter(LogRecord... records) {
        return goneOut(replayed(records), 1);
    }

    /** By a snapshot, as it is read from a log. */
    private static GroupQueueState restored(GroupQueueState state, long heldSequence) throws CorruptRecordException {
        byte[] snapshot = state.snapshot().encode();
        return GroupQueueState.restore(LIMITS, GroupSnapshot.decode(snapshot), heldSequence, 10);
    }

    /** The next attempt of each message that goes out when all that is out has come back, and what is parked is tried again. */
    private static TreeMap<Long, Integer> goneOut(GroupQueueState state, long readableEnd) {
        state.recovered(NEVER);
        for (KeyParkedRecord parked : state.parkedKeys()) {
            int attempts = state.poisonAt(parked.blockedOffset()).attempts();
            state.apply(state.decideUnpark(parked.blockedOffset(), KeyUnparkedRecord.How.TRIED_AGAIN, NEVER));
            assertThat(attempts).isNotNegative();
        }
        PopDecision decision = state.decidePop(ALL, NEVER, readableEnd, 2, 78, null);
        TreeMap<Long, Integer> attempts = new TreeMap<>();
        if (decision.record() != null) {
            for (DeliveryRange range : decision.record().deliveries()) {
                for (int i = 0; i < range.count(); i++) {
                    assertThat(attempts.put(range.firstOffset() + i, range.attempt()))
                            .isNull();
                }
            }
        }
        return attempts;
    }
}
