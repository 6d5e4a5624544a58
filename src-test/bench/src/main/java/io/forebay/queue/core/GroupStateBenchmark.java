package io.forebay.queue.core;

import io.forebay.storage.log.AckRecord;
import io.forebay.storage.log.DeliveryRange;
import io.forebay.storage.log.PopRecord;
import java.util.ArrayDeque;
import java.util.concurrent.TimeUnit;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.BenchmarkMode;
import org.openjdk.jmh.annotations.Fork;
import org.openjdk.jmh.annotations.Level;
import org.openjdk.jmh.annotations.Measurement;
import org.openjdk.jmh.annotations.Mode;
import org.openjdk.jmh.annotations.OperationsPerInvocation;
import org.openjdk.jmh.annotations.OutputTimeUnit;
import org.openjdk.jmh.annotations.Param;
import org.openjdk.jmh.annotations.Scope;
import org.openjdk.jmh.annotations.Setup;
import org.openjdk.jmh.annotations.State;
import org.openjdk.jmh.annotations.Warmup;

/**
 * A group's state in one queue: nanoseconds for each message of a Pop of 32 that is decided and applied, and acked, with {@code
 * inFlight} others popped and not acked before it.
 */
@State(Scope.Thread)
@BenchmarkMode(Mode.AverageTime)
@OutputTimeUnit(TimeUnit.NANOSECONDS)
@Warmup(iterations = 3, time = 1)
@Measurement(iterations = 5, time = 1)
@Fork(1)
public class GroupStateBenchmark {
    private static final int BATCH = 32;
    private static final long EPOCH = 3;
    private static final long NONCE = 9;
    private static final long INVISIBLE = 60_000;

    @Param({"1024", "1048576"})
    private int inFlight;

    private final TokenBatch batch = new TokenBatch(BATCH);
    private final ArrayDeque<Checkpoint> open = new ArrayDeque<>();
    private GroupQueueState state;
    private long nextSequence;

    @Setup(Level.Trial)
    public void open() {
        state = new GroupQueueState(new GroupQueueLimits(1 << 22, 1 << 22), 0);
        nextSequence = 1;
        open.clear();
        for (int popped = 0; popped < inFlight; popped += BATCH) {
            open.addLast(pop());
        }
    }

    private Checkpoint pop() {
        PopRecord record = state.decidePop(
                        new PopCommand(1, nextSequence, BATCH, Long.MAX_VALUE, INVISIBLE),
                        0,
                        Long.MAX_VALUE / 2,
                        EPOCH,
                        NONCE,
                        null)
                .record();
        Checkpoint checkpoint = state.apply(record);
        state.written(checkpoint, nextSequence++);
        return checkpoint;
    }

    /** The oldest is acked, so that as many are in flight as before. */
    @Benchmark
    @OperationsPerInvocation(BATCH)
    public AckRecord popAndAck() {
        open.addLast(pop());
        Checkpoint oldest = open.removeFirst();
        batch.clear();
        for (DeliveryRange range : oldest.deliveries()) {
            for (long offset = range.firstOffset(); offset <= range.lastOffset(); offset++) {
                batch.add(offset, EPOCH, oldest.sequence(), NONCE);
            }
        }
        AckRecord record = state.decideAck(batch);
        state.apply(record);
        state.written(nextSequence++);
        return record;
    }
}
