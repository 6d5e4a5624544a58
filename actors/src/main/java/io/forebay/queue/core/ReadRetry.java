package io.forebay.queue.core;

/**
 * When a message that the device does not give is worth another try, and when that has lasted so long that it counts as
 * unreadable. Of one message at a time: whoever reads in order cannot go on without it. Confined to its actor.
 */
public final class ReadRetry {
    /** It has lasted too long. */
    public static final long NEVER = -1;

    private static final long DELAY_MILLIS_MIN = 20;
    private static final long DELAY_MILLIS_MAX = 1_000;
    private static final long NONE = -1;

    private final long patienceMillis;
    private long offset = NONE;
    private long sinceMillis;
    private long delayMillis;
    /** Of the frame of the message that was given up last. */
    private long givenUpPosition = NONE;

    /** @param patienceMillis how long reads of one message may fail */
    public ReadRetry(long patienceMillis) {
        this.patienceMillis = patienceMillis;
    }

    /**
     * A read of a message has failed.
     *
     * @param position of its frame, negative if not known: what lies in one frame with a message that was given up is given up, too
     * @return milliseconds until it is to be read again, or {@link #NEVER}
     */
    public long failed(long queueOffset, long position, long nowMillis) {
        if (queueOffset != offset) {
            if (position >= 0 && position == givenUpPosition) {
                offset = NONE;
                return NEVER;
            }
            offset = queueOffset;
            sinceMillis = nowMillis;
            delayMillis = 0;
        } else if (nowMillis - sinceMillis >= patienceMillis) {
            offset = NONE;
            givenUpPosition = position;
            return NEVER;
        }
        delayMillis = Math.min(DELAY_MILLIS_MAX, Math.max(DELAY_MILLIS_MIN, 2 * delayMillis));
        // The last try is made when patience ends, not before.
        return Math.max(1, Math.min(delayMillis, sinceMillis + patienceMillis - nowMillis));
    }

    /** What failed can be read, or need not be any more. */
    public void passed() {
        offset = NONE;
        givenUpPosition = NONE;
    }

    /** @return whether reads of a message fail that has not been given up */
    public boolean isFailing() {
        return offset != NONE;
    }

    /** @return the message whose reads fail; of no meaning unless {@link #isFailing} */
    public long offset() {
        return offset;
    }
}
