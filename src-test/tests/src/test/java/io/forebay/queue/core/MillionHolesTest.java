package io.forebay.queue.core;

import static org.assertj.core.api.Assertions.assertThat;

import io.forebay.storage.log.AckRecord;
import io.forebay.storage.log.DeliveryRange;
import io.forebay.storage.log.GroupSnapshot;
import io.forebay.storage.log.LogRecord;
import io.forebay.storage.log.PopRecord;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;

/**
 * A group of which every other message is acked, a million of them: what is held of that, in memory and in a snapshot, and that
 * it is right after a restart. Says how long it took and how much it is for each.
 */
class MillionHolesTest {
    private static final int HOLES = 1_000_000;
    private static final int END = 2 * HOLES;
    private static final int BATCH = 10_000;
    private static final long EPOCH = 3;
    private static final long NONCE = 9;
    private static final long INVISIBLE = 60_000;
    private static final GroupQueueLimits LIMITS = new GroupQueueLimits(1 << 22, 1 << 22);
    /** Of one message in the window: status, attempts, two instants, a reference, a bit; twice that at the worst, for a ring. */
    private static final int BYTES_PER_MESSAGE_MAX = 2 * 32;

    private final TokenBatch batch = new TokenBatch(BATCH);
    private final List<LogRecord> behind = new ArrayList<>();
    private long nextSequence = 1;

    @Test
    void holesBetweenMessagesInFlightSurviveARestart() throws Exception {
        long before = usedBytes();
        GroupQueueState state = new GroupQueueState(LIMITS, 0);
        List<Checkpoint> checkpoints = new ArrayList<>();
        for (int first = 0; first < END; first += BATCH) {
            checkpoints.add(pop(state, 0));
        }
        for (Checkpoint checkpoint : checkpoints) {
            ackEveryOther(state, checkpoint);
        }
        report("memory of a million holes", (usedBytes() - before) / HOLES, "bytes each");
        assertThat((usedBytes() - before) / END).isLessThan(BYTES_PER_MESSAGE_MAX);
        long held = state.heldSequence();
        byte[] snapshot = snapshotOf(state);
        assertThat(snapshot.length / HOLES).as("bytes of the snapshot per hole").isLessThan(2);

        // Something is acked behind the snapshot, and something goes out again.
        ackSome(state, checkpoints.get(7), 0, 2, 4);
        ackSome(state, checkpoints.get(7), 8);
        state = restored(snapshot, held, 0);

        before = usedBytes();
        assertThat(state.floor()).isZero();
        assertThat(state.cursor()).isEqualTo(END);
        assertThat(state.inFlightCount()).isEqualTo(HOLES - 4);
        // I4, I1: the others come back, each once, and nothing else.
        state.expire(INVISIBLE);
        long expected = 0;
        for (Checkpoint popped = pop(state, INVISIBLE); popped != null; popped = pop(state, INVISIBLE)) {
            for (DeliveryRange range : popped.deliveries()) {
                assertThat(range.attempt()).as("I6").isEqualTo(2);
                for (long offset = range.firstOffset(); offset <= range.lastOffset(); offset++) {
                    while (isAckedBehind(expected)) {
                        expected += 2;
                    }
                    if (offset != expected) {
                        throw new AssertionError("I1, I4: " + offset + " comes instead of " + expected);
                    }
                    expected += 2;
                }
            }
            ackAll(state, popped);
        }
        assertThat(expected).isEqualTo(END);
        assertThat(state.floor()).isEqualTo(END);
        assertThat(state.counts(END).depth()).isZero();
        state.trim();
        assertThat(usedBytes() - before).as("memory that is given back").isLessThan(0);
    }

    @Test
    void holesBetweenMessagesOfABlockedKeySurviveARestart() throws Exception {
        GroupQueueState state = new GroupQueueState(LIMITS, 0);
        configure(state);
        // Every other message is of one key, whose first is never acked.
        Checkpoint first = pop(state, 0);
        assertThat(first.deliveries().get(0).firstOffset()).isZero();
        ackAllBut(state, first, 0);
        for (Checkpoint popped = pop(state, 0); popped != null; popped = pop(state, 0)) {
            ackAll(state, popped);
        }
        assertThat(state.counts(END).pending()).isEqualTo(HOLES - 1);
        long held = state.heldSequence();
        byte[] snapshot = snapshotOf(state);
        assertThat(snapshot.length / HOLES).as("bytes of the snapshot per hole").isLessThan(1);
        ackSome(state, first, 0);
        state = restored(snapshot, held, 1);

        // I3: the key goes on in order, and nothing else is left.
        configure(state);
        assertThat(state.floor()).isEqualTo(2);
        for (long offset = 2; offset < 2 + 2 * 1_000; offset += 2) {
            Checkpoint popped = pop(state, 1);
            assertThat(popped.deliveries()).containsExactly(new DeliveryRange(offset, 1, 1));
            ackAll(state, popped);
        }
        assertThat(state.counts(END).depth()).isEqualTo(HOLES - 1 - 1_000);
    }

    private static void configure(GroupQueueState state) {
        state.configure(Policies.group(policy -> policy.isOrdered = true), 0, false, 0);
        while (state.isScanDue(END)) {
            long offset = state.scanFrom();
            state.scanned(offset, true, offset % 2 == 0 ? 77 : KeyLines.NO_KEY);
        }
    }

    private static boolean isAckedBehind(long offset) {
        long index = offset - 7 * BATCH;
        return index == 0 || index == 2 || index == 4 || index == 8;
    }

    private static byte[] snapshotOf(GroupQueueState state) {
        long begin = System.nanoTime();
        byte[] bytes = state.snapshot().encode();
        report("snapshot of a million holes", millisSince(begin), "ms");
        report("snapshot of a million holes", bytes.length, "bytes");
        return bytes;
    }

    private GroupQueueState restored(byte[] snapshot, long held, long nowMillis) throws Exception {
        long before = usedBytes();
        long begin = System.nanoTime();
        GroupQueueState state = GroupQueueState.restore(LIMITS, GroupSnapshot.decode(snapshot), held, 0);
        for (int i = 0; i < behind.size(); i++) {
            assertThat(state.replay(behind.get(i), held + 1 + i, 0)).isTrue();
        }
        state.recovered(nowMillis);
        report("restart with a million holes", millisSince(begin), "ms");
        long bytes = usedBytes() - before;
        report("memory of a million holes after a restart", bytes / HOLES, "bytes each");
        assertThat(bytes / END).isLessThan(BYTES_PER_MESSAGE_MAX);
        nextSequence = held + 1 + behind.size();
        return state;
    }

    /** @return null if nothing can go out */
    private Checkpoint pop(GroupQueueState state, long nowMillis) {
        PopRecord record = state.decidePop(
                        new PopCommand(1, nextSequence, BATCH, Long.MAX_VALUE, INVISIBLE),
                        nowMillis,
                        END,
                        EPOCH,
                        NONCE,
                        null)
                .record();
        if (record == null) {
            return null;
        }
        Checkpoint checkpoint = state.apply(record);
        state.written(checkpoint, nextSequence++);
        return checkpoint;
    }

    private void ackEveryOther(GroupQueueState state, Checkpoint checkpoint) {
        DeliveryRange range = checkpoint.deliveries().get(0);
        batch.clear();
        for (long offset = range.firstOffset() + 1; offset <= range.lastOffset(); offset += 2) {
            add(checkpoint, offset);
        }
        ack(state);
    }

    private void ackAll(GroupQueueState state, Checkpoint checkpoint) {
        ackAllBut(state, checkpoint, -1);
    }

    private void ackAllBut(GroupQueueState state, Checkpoint checkpoint, long exceptOffset) {
        batch.clear();
        for (DeliveryRange range : checkpoint.deliveries()) {
            for (long offset = range.firstOffset(); offset <= range.lastOffset(); offset++) {
                if (offset != exceptOffset) {
                    add(checkpoint, offset);
                }
            }
        }
        ack(state);
    }

    private void ackSome(GroupQueueState state, Checkpoint checkpoint, int... indexes) {
        batch.clear();
        for (int index : indexes) {
            add(checkpoint, checkpoint.deliveries().get(0).firstOffset() + index);
        }
        behind.add(ack(state));
    }

    private void add(Checkpoint checkpoint, long offset) {
        batch.add(offset, EPOCH, checkpoint.sequence(), NONCE);
    }

    private AckRecord ack(GroupQueueState state) {
        AckRecord record = state.decideAck(batch);
        state.apply(record);
        state.written(nextSequence++);
        return record;
    }

    private static long millisSince(long beginNanos) {
        return (System.nanoTime() - beginNanos) / 1_000_000;
    }

    private static void report(String what, long number, String unit) {
        System.out.println(what + ": " + number + " " + unit);
    }

    private static long usedBytes() {
        for (int i = 0; i < 3; i++) {
            System.gc();
        }
        return Runtime.getRuntime().totalMemory() - Runtime.getRuntime().freeMemory();
    }
}
