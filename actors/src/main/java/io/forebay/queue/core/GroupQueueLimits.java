package io.forebay.queue.core;

/**
 * Bounds of one group's state in one queue.
 *
 * @param lookAheadMax how far the cursor may run ahead of the first unsettled message, in messages; bounds the memory
 * @param inFlightMax how many messages may be out to consumers at a time
 * @param goneBackoffMillis wait before a message that its consumer did not survive goes out the second time; it doubles
 *     with each attempt
 * @param goneBackoffMaxMillis upper bound of that wait
 */
public record GroupQueueLimits(int lookAheadMax, int inFlightMax, long goneBackoffMillis, long goneBackoffMaxMillis) {
    private static final int LOOK_AHEAD_LIMIT = 1 << 26;

    public GroupQueueLimits {
        check(lookAheadMax >= 1 && lookAheadMax <= LOOK_AHEAD_LIMIT, "lookAheadMax", lookAheadMax);
        check(inFlightMax >= 1, "inFlightMax", inFlightMax);
        check(goneBackoffMillis >= 0, "goneBackoffMillis", goneBackoffMillis);
        check(goneBackoffMaxMillis >= goneBackoffMillis, "goneBackoffMaxMillis", goneBackoffMaxMillis);
    }

    /** @param attempt the attempt that failed, from 1 */
    long goneBackoffMillis(int attempt) {
        int doublings = Math.min(attempt - 1, 40);
        // 40 doublings of a millisecond are 35 years: past that only an overflow could follow.
        long wait = goneBackoffMillis << doublings;
        boolean isOverflown = wait >> doublings != goneBackoffMillis;
        return isOverflown ? goneBackoffMaxMillis : Math.min(wait, goneBackoffMaxMillis);
    }

    private static void check(boolean isRight, String name, long value) {
        if (!isRight) {
            throw new IllegalArgumentException(name + " is " + value);
        }
    }
}
