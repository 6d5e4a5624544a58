package io.forebay.store;

import java.time.InstantSource;
import java.util.function.LongSupplier;

/**
 * Log time: the wall clock at start, then monotonic, never below the newest time in any log of the node. Every instant in a
 * record is one of this clock. It does not follow the wall clock when that is set. Thread-safe.
 */
public final class LogClock {
    /**
     * @param wall read once, here
     * @param nanoTime monotonic, like {@link System#nanoTime()}
     */
    public LogClock(InstantSource wall, LongSupplier nanoTime) {
        throw new AssertionError("skeleton");
    }

    /** Milliseconds since 1970, never smaller than what was returned before. */
    public long millis() {
        throw new AssertionError("skeleton");
    }

    /** From now on {@link #millis()} is at least this; called with the newest time of a log before its stripe serves. */
    public void raiseTo(long newestMillis) {
        throw new AssertionError("skeleton");
    }
}
