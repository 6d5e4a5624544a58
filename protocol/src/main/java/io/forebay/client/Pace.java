package io.forebay.client;

import java.time.Duration;

/**
 * Spreads things over time: so many a second at most. What a slow time left undone is not made up for by a burst. Times are readings of a
 * monotonic clock, in nanoseconds. Confined to whoever steps it.
 */
final class Pace {
    /** With a rate, steps are made so small that so many go in a second. */
    private static final int STEPS_PER_SECOND = 10;

    private static final long NANOS_PER_SECOND = 1_000_000_000L;

    private final int ratePerSecond;
    private long begunNanos;

    /** @param ratePerSecond 0 for no limit */
    Pace(int ratePerSecond) {
        this.ratePerSecond = ratePerSecond;
    }

    /**
     * A step begins.
     *
     * @param countMax most things that one step may do, at least 1
     * @return most things that this one may do, at least 1
     */
    int begin(long nowNanos, int countMax) {
        begunNanos = nowNanos;
        return ratePerSecond == 0 ? countMax : Math.max(1, Math.min(countMax, ratePerSecond / STEPS_PER_SECOND));
    }

    /**
     * The step has ended.
     *
     * @param doneCount things it did
     * @return how long from now the next one has to wait
     */
    Duration end(long nowNanos, int doneCount) {
        if (ratePerSecond == 0) {
            return Duration.ZERO;
        }
        long takesNanos = doneCount * NANOS_PER_SECOND / ratePerSecond;
        return Duration.ofNanos(Math.max(0, takesNanos - (nowNanos - begunNanos)));
    }
}
