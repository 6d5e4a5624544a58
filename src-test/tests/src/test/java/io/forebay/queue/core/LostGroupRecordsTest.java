package io.forebay.queue.core;

import static org.assertj.core.api.Assertions.assertThat;

import io.forebay.storage.log.AckRecord;
import io.forebay.storage.log.DeadLetteredRecord;
import io.forebay.storage.log.DeadlineRecord;
import io.forebay.storage.log.DeliveryRange;
import io.forebay.storage.log.GivenBackRecord;
import io.forebay.storage.log.LogRecord;
import io.forebay.storage.log.LostRecord;
import io.forebay.storage.log.OffsetSet;
import io.forebay.storage.log.PopRecord;
import io.forebay.storage.log.SeekRecord;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import java.util.Set;
import java.util.TreeSet;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

/**
 * A group some of whose records a repair has given up. Invariants: it takes all the others, whatever is lost; I1 what no record that
 * is left has settled goes out again; I4 what one has settled does not.
 */
@Tag("proof")
class LostGroupRecordsTest {
    private static final GroupQueueLimits LIMITS = new GroupQueueLimits(100_000, 100_000);
    private static final long NEVER = 1L << 50;

    @Test
    void anAckOfWhatALostPopHadGivenIsTaken() {
        GroupQueueState state = new GroupQueueState(LIMITS, 0);
        assertThat(state.replay(new LostRecord(0), 1, 10)).isTrue();
        assertThat(state.replay(new AckRecord(OffsetSet.range(3, 2)), 2, 10)).isTrue();
        assertThat(goneOut(state, 8)).containsExactly(0L, 1L, 2L, 5L, 6L, 7L);
    }

    @Test
    void whatALostSeekHadPassedIsNotTakenForALookAhead() {
        GroupQueueState state = new GroupQueueState(LIMITS, 0);
        state.replay(new LostRecord(0), 1, 10);
        long far = 1L << 40;
        state.replay(pop(far, 2, 1), 2, 10);
        assertThat(state.replay(new AckRecord(OffsetSet.range(far, 2)), 3, 10)).isTrue();
    }

    @Test
    void anyRecordsMayBeLost() {
        for (int seed = 0; seed < 2_000; seed++) {
            Random random = new Random(seed);
            List<LogRecord> records = life(random);
            int from = random.nextInt(records.size());
            int to = from + 1 + random.nextInt(Math.min(6, records.size() - from));
            GroupQueueState state = new GroupQueueState(LIMITS, 0);
            Set<Long> settled = new TreeSet<>();
            for (int index = 0; index < records.size(); index++) {
                boolean isLost = index >= from && index < to;
                LogRecord record = isLost ? new LostRecord(0) : records.get(index);
                state.replay(record, index + 1, 10);
                if (record instanceof AckRecord ack) {
                    for (int range = 0; range < ack.offsets().rangeCount(); range++) {
                        for (long o = ack.offsets().rangeFirst(range);
                                o <= ack.offsets().rangeLast(range);
                                o++) {
                            settled.add(o);
                        }
                    }
                } else if (record instanceof DeadLetteredRecord dead) {
                    settled.add(dead.offset());
                }
            }
            Set<Long> expected = new TreeSet<>();
            for (long offset = 0; offset < 200; offset++) {
                if (!settled.contains(offset)) {
                    expected.add(offset);
                }
            }
            assertThat(new TreeSet<>(goneOut(state, 200))).as("seed %d", seed).isEqualTo(expected);
        }
    }

    /** Records as a group writes them, none of them lost. */
    private static List<LogRecord> life(Random random) {
        List<LogRecord> records = new ArrayList<>();
        TreeSet<Long> out = new TreeSet<>();
        long cursor = 0;
        records.add(new SeekRecord(0, SeekRecord.BEGINNING, 5));
        for (int step = 0; step < 30 && cursor < 150; step++) {
            int kind = random.nextInt(5);
            if (kind == 0 || out.isEmpty()) {
                int count = 1 + random.nextInt(5);
                records.add(pop(cursor, count, 1));
                for (int i = 0; i < count; i++) {
                    out.add(cursor++);
                }
                continue;
            }
            long offset = new ArrayList<>(out).get(random.nextInt(out.size()));
            switch (kind) {
                case 1 -> {
                    records.add(new AckRecord(OffsetSet.of(offset)));
                    out.remove(offset);
                }
                case 2 -> {
                    records.add(new DeadLetteredRecord(offset, 9, 3, "why"));
                    out.remove(offset);
                }
                case 3 -> records.add(new DeadlineRecord(OffsetSet.of(offset), 500, DeadlineRecord.Kind.EXTENDED, ""));
                default ->
                    records.add(
                            new GivenBackRecord(OffsetSet.of(offset), true, GivenBackRecord.Cause.CONSUMER_GONE, 5));
            }
        }
        return records;
    }

    private static PopRecord pop(long first, int count, int attempt) {
        return new PopRecord(1, 77, 5, 1 + first, 10, 1_000, List.of(new DeliveryRange(first, count, attempt)));
    }

    /** Offsets that go out when everything that is out has come back. */
    private static List<Long> goneOut(GroupQueueState state, long readableEnd) {
        state.recovered(NEVER);
        List<Long> offsets = new ArrayList<>();
        PopDecision decision = state.decidePop(
                new PopCommand(9, 1 << 20, 1_000, Long.MAX_VALUE, 100), NEVER, readableEnd, 2, 78, null);
        for (DeliveryRange range : decision.record().deliveries()) {
            for (int i = 0; i < range.count(); i++) {
                offsets.add(range.firstOffset() + i);
            }
        }
        offsets.sort(null);
        return offsets;
    }
}
