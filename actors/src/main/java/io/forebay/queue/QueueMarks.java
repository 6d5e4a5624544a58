package io.forebay.queue;

/**
 * Where a queue begins and ends, for those who only look: written by the queue's actor, read by any thread. What is read is
 * never ahead of what is written, and may be a little behind.
 */
public final class QueueMarks {
    private volatile long firstOffset;
    private volatile long nextOffset;

    /** The lowest offset that some group may still need. */
    public long firstOffset() {
        return firstOffset;
    }

    /** The offset that the next message gets. */
    public long nextOffset() {
        return nextOffset;
    }

    void firstOffset(long offset) {
        firstOffset = offset;
    }

    void nextOffset(long offset) {
        nextOffset = offset;
    }
}
