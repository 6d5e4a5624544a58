package io.forebay.store;

import java.time.InstantSource;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicLong;
import java.util.function.LongSupplier;

/**
 * Log time: the wall clock at start, then monotonic, never below the newest time in any log of the node. Every instant in a
 * record is one of this clock. It does not follow the wall clock when that is set. Thread-safe.
 */
public final class LogClock {
    private final LongSupplier nanoTime;
    private final long startNanos;
    /** Log time at {@link #startNanos}; raised only, so what was returned stays below what will be. */
    private final AtomicLong startMillis;

    /**
     * @param wall read once, here
     * @param nanoTime monotonic, like {@link System#nanoTime()}
     */
    public LogClock(InstantSource wall, LongSupplier nanoTime) {
        this.nanoTime = nanoTime;
        this.startNanos = nanoTime.getAsLong();
        this.startMillis = new AtomicLong(wall.millis());
    }

    /** Milliseconds since 1970, never smaller than what was returned before. */
    public long millis() {
        return startMillis.get() + sinceStartMillis();
    }

    /** From now on {@link #millis()} is at least this; called with the newest time of a log before its stripe serves. */
    public void raiseTo(long newestMillis) {
        long neededStartMillis = newestMillis - sinceStartMillis();
        startMillis.accumulateAndGet(neededStartMillis, Math::max);
    }

    private long sinceStartMillis() {
        return TimeUnit.NANOSECONDS.toMillis(nanoTime.getAsLong() - startNanos);
    }
}
