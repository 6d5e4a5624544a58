package io.forebay.queue;

import java.util.concurrent.atomic.AtomicLong;

/**
 * From which offset on the messages of a queue are expected in memory: those after which the whole stripe has written no
 * more than half a segment. An estimate; being wrong costs a hop to another thread, or a read that waits a little.
 * Confined to its actor, but for the stripe's count.
 */
final class HotOffsets {
    private static final int MARKS = 16;

    private final AtomicLong stripeBytes;
    private final long hotBytes;
    private final long[] offsets = new long[MARKS];
    private final long[] bytesThen = new long[MARKS];
    private int first;
    private int count;
    private long endOffset;

    /**
     * @param stripeBytes bytes of messages written to the stripe since the start
     * @param endOffset end of what was recovered: that is cold
     */
    HotOffsets(AtomicLong stripeBytes, int segmentBytes, long endOffset) {
        this.stripeBytes = stripeBytes;
        this.hotBytes = segmentBytes / 2;
        this.endOffset = endOffset;
    }

    /** More has been written: up to this offset. */
    void written(long newEndOffset) {
        long now = stripeBytes.get();
        int last = (first + count - 1) % MARKS;
        if (count == 0 || now - bytesThen[last] > hotBytes / (MARKS - 2)) {
            if (count == MARKS) {
                first = (first + 1) % MARKS;
                count--;
            }
            int next = (first + count++) % MARKS;
            offsets[next] = endOffset;
            bytesThen[next] = now;
        }
        endOffset = newEndOffset;
    }

    boolean isHot(long offset) {
        long now = stripeBytes.get();
        while (count > 0 && now - bytesThen[first] > hotBytes) {
            first = (first + 1) % MARKS;
            count--;
        }
        return count > 0 && offset >= offsets[first];
    }
}
