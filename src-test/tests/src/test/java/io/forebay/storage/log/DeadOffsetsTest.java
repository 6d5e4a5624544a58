package io.forebay.storage.log;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.forebay.testkit.sim.SeededRun;
import java.util.BitSet;
import java.util.List;
import java.util.concurrent.atomic.AtomicReference;
import java.util.random.RandomGenerator;
import org.junit.jupiter.api.Test;

/** Offsets that are released though some below them are not: the set is the one of the oracle, a bit for each offset, after every step. */
class DeadOffsetsTest {
    private static final int QUEUE = Owner.RESERVED_FROM;

    /** So that both sides of the place where the set is divided are met. */
    private static final long BASE = (1L << 32) - 300;

    private static QueueMarks marks(long nextOffset) {
        QueueMarks marks = new QueueMarks(QUEUE);
        marks.raise(nextOffset);
        return marks;
    }

    @Test
    void whatIsReleasedIsWhatTheOracleSays() {
        SeededRun.run("released offsets", (random, progress) -> {
            for (int round = 0; round < 8; round++) {
                QueueMarks marks = marks(BASE + 1_000);
                marks.releaseBelow(BASE);
                BitSet released = new BitSet();
                for (int step = 0; step < 200; step++) {
                    progress.at(step);
                    long before = QueueMarks.releasedInAll(List.of(marks));
                    if (random.nextInt(20) == 0) {
                        int below = random.nextInt(1_000);
                        marks.releaseBelow(BASE + below);
                        released.set(0, below);
                    } else {
                        OffsetSet some = some(random, released);
                        marks.release(some);
                        assertThat(QueueMarks.releasedInAll(List.of(marks)))
                                .as("it is told")
                                .isGreaterThan(before);
                    }
                    check(marks, released);
                }
            }
        });
    }

    private static OffsetSet some(RandomGenerator random, BitSet released) {
        OffsetSet.Builder builder = OffsetSet.builder();
        for (int ranges = 1 + random.nextInt(4); ranges > 0; ranges--) {
            int first = random.nextInt(1_000);
            int count = Math.min(1_000 - first, random.nextInt(10) == 0 ? 1 + random.nextInt(200) : 1 + random.nextInt(3));
            builder.addRange(BASE + first, count);
            released.set(first, first + count);
        }
        return builder.build();
    }

    private static void check(QueueMarks marks, BitSet released) {
        assertThat(marks.releasedBelow()).isEqualTo(BASE + released.nextClearBit(0));
        for (int offset = 0; offset <= 1_000; offset++) {
            assertThat(marks.isReleased(BASE + offset)).as("%d", offset).isEqualTo(released.get(offset));
            assertThat(marks.nextNeeded(BASE + offset)).isEqualTo(BASE + released.nextClearBit(offset));
        }
        assertThat(marks.nextNeeded(0)).isEqualTo(BASE + released.nextClearBit(0));
    }

    @Test
    void whatWasNotGivenCannotBeReleased() {
        QueueMarks marks = marks(10);
        assertThatThrownBy(() -> marks.release(OffsetSet.of(3, 10)))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("offset 10");
        assertThat(marks.isReleased(3)).isFalse();
        marks.release(OffsetSet.range(0, 10));
        assertThat(marks.releasedBelow()).isEqualTo(10);
        assertThat(marks.releasedAloneBytes()).isZero();
    }

    @Test
    void anOffsetThatLiesAloneTakesTwoBytesAndLongRunsNextToNone() {
        int count = 200_000;
        QueueMarks alone = marks(100L * count + 1);
        for (int each = 1; each <= count; each++) {
            alone.release(OffsetSet.of(100L * each));
        }
        assertThat(alone.releasedAloneBytes() / (double) count).isLessThan(2.1);
        QueueMarks every = marks(2L * count + 2);
        for (int each = 1; each <= count; each++) {
            every.release(OffsetSet.of(2L * each));
        }
        assertThat(every.releasedAloneBytes() / (double) count).isLessThan(0.3);
        QueueMarks run = marks(count + 2);
        for (int each = 1; each <= count; each++) {
            run.release(OffsetSet.of(each));
        }
        assertThat(run.releasedAloneBytes()).isLessThan(20_000);
        run.release(OffsetSet.of(0));
        assertThat(run.releasedBelow()).isEqualTo(count + 1);
        assertThat(run.releasedAloneBytes()).isZero();
    }

    /** Nobody ever finds one needed again that was released, whichever of the two places knows it at that instant. */
    @Test
    void whatIsReleasedStaysSoWhileOthersAreReleased() throws Exception {
        int count = 40_000;
        QueueMarks marks = marks(count);
        long[] releasedTo = {0};
        AtomicReference<String> wrong = new AtomicReference<>();
        Thread writer = new Thread(() -> {
            for (int at = 0; at < count; at += 4) {
                marks.release(OffsetSet.of(at + 1, at + 3));
                marks.release(OffsetSet.of(at + 2));
                marks.release(OffsetSet.of(at));
                synchronized (releasedTo) {
                    releasedTo[0] = at + 4;
                }
            }
        });
        writer.start();
        for (long to = 0; to < count && wrong.get() == null; ) {
            synchronized (releasedTo) {
                to = releasedTo[0];
            }
            for (long offset = Math.max(0, to - 8); offset < to; offset++) {
                if (!marks.isReleased(offset) || marks.nextNeeded(offset) < to) {
                    wrong.set(offset + " of " + to);
                }
            }
        }
        writer.join();
        assertThat(wrong.get()).isNull();
        assertThat(marks.releasedBelow()).isEqualTo(count);
    }
}
