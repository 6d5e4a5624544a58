package io.forebay.queue.core;

import io.forebay.storage.log.PopRecord;
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
 * What it costs that nobody acks: nanoseconds for each message of 32 whose deadline passes, without a backoff, and that go out again
 * in the next Pop, with {@code inFlight} messages popped in all. They stay as many, and the log's time goes on by one millisecond
 * with each Pop.
 */
@State(Scope.Thread)
@BenchmarkMode(Mode.AverageTime)
@OutputTimeUnit(TimeUnit.NANOSECONDS)
@Warmup(iterations = 3, time = 1)
@Measurement(iterations = 5, time = 1)
@Fork(1)
public class ExpiryBenchmark {
    private static final int BATCH = 32;
    private static final int MESSAGES_MAX = 1 << 20;

    @Param({"1024", "1048576"})
    private int inFlight;

    private GroupQueueState state;
    private long nowMillis;
    private long nextSequence;

    @Setup(Level.Trial)
    public void popAll() {
        state = new GroupQueueState(new GroupQueueLimits(MESSAGES_MAX, MESSAGES_MAX), 0);
        nowMillis = 0;
        nextSequence = 1;
        for (int popped = 0; popped < inFlight; popped += BATCH) {
            pop();
            nowMillis++;
        }
    }

    /** Until as many Pops as there are have been decided again. */
    private long invisibleMillis() {
        return inFlight / BATCH;
    }

    private PopRecord pop() {
        PopRecord record = state.decidePop(
                        new PopCommand(1, nextSequence, BATCH, Long.MAX_VALUE, invisibleMillis()),
                        nowMillis,
                        inFlight,
                        3,
                        9,
                        null)
                .record();
        state.written(state.apply(record), nextSequence++);
        return record;
    }

    @Benchmark
    @OperationsPerInvocation(BATCH)
    public PopRecord expireAndPopAgain() {
        int expired = state.expire(nowMillis);
        if (expired != BATCH) {
            throw new AssertionError(expired + " messages expired at " + nowMillis);
        }
        PopRecord record = pop();
        nowMillis++;
        return record;
    }
}
