package io.forebay.testkit.sim;

import java.time.Instant;
import java.time.InstantSource;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicLong;

/**
 * Time that passes only when somebody says so: a wall clock and a monotonic one. Kept over the lives of a node: one that starts reads
 * the wall clock, one that runs does not see when it is set. Thread-safe with one thread that has time pass.
 */
public class VirtualTime implements InstantSource {
    private static final long START_MILLIS = 1_800_000_000_000L;

    private final AtomicLong nanos = new AtomicLong();
    private volatile long wallMillis;

    /** Begins on 15 January 2027. */
    public VirtualTime() {
        this(START_MILLIS);
    }

    /** @param wallMillis since 1970 */
    public VirtualTime(long wallMillis) {
        this.wallMillis = wallMillis;
    }

    @Override
    public final Instant instant() {
        return Instant.ofEpochMilli(wallMillis);
    }

    @Override
    public final long millis() {
        return wallMillis;
    }

    /** The monotonic clock. */
    public final long nanos() {
        return nanos.get();
    }

    /** The wall clock is set, or time passes without a node. */
    public final void shiftWall(long millis) {
        wallMillis += millis;
    }

    /** Both clocks go on. For {@link VirtualScheduler#pass}: timers do not hear of it. */
    public final void pass(long millis) {
        wallMillis += millis;
        nanos.addAndGet(TimeUnit.MILLISECONDS.toNanos(millis));
    }
}
