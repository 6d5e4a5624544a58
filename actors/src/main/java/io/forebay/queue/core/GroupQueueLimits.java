package io.forebay.queue.core;

/**
 * Bounds of one group's state in one queue.
 *
 * @param lookAheadMax how far the cursor may run ahead of the first unsettled message, in messages; bounds the memory
 * @param inFlightMax how many messages may be out to consumers at a time
 */
public record GroupQueueLimits(int lookAheadMax, int inFlightMax) {
    private static final int LOOK_AHEAD_LIMIT = 1 << 26;

    public GroupQueueLimits {
        check(lookAheadMax >= 1 && lookAheadMax <= LOOK_AHEAD_LIMIT, "lookAheadMax", lookAheadMax);
        check(inFlightMax >= 1, "inFlightMax", inFlightMax);
    }

    private static void check(boolean isRight, String name, long value) {
        if (!isRight) {
            throw new IllegalArgumentException(name + " is " + value);
        }
    }
}
