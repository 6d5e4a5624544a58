package io.forebay.queue.core;

import java.util.Arrays;

/**
 * Binary heap of (instant, queue offset), the earliest first. Entries are not removed when what they stand for is gone: who
 * takes them out tells. Confined to its owner.
 */
final class DueOffsets {
    private static final int CAPACITY_MIN = 16;

    private long[] dues = {};
    private long[] offsets = {};
    private int count;

    int count() {
        return count;
    }

    /** Whether an {@link #add} would have to grow. */
    boolean isFull() {
        return count == dues.length;
    }

    /** {@link Long#MAX_VALUE} if there is none. */
    long firstDueMillis() {
        return count == 0 ? Long.MAX_VALUE : dues[0];
    }

    long firstOffset() {
        return offsets[0];
    }

    void add(long dueMillis, long offset) {
        if (isFull()) {
            int capacity = Math.max(CAPACITY_MIN, count * 2);
            dues = Arrays.copyOf(dues, capacity);
            offsets = Arrays.copyOf(offsets, capacity);
        }
        int i = count++;
        while (i > 0) {
            int parent = (i - 1) >>> 1;
            if (dues[parent] <= dueMillis) {
                break;
            }
            dues[i] = dues[parent];
            offsets[i] = offsets[parent];
            i = parent;
        }
        dues[i] = dueMillis;
        offsets[i] = offset;
    }

    void removeFirst() {
        int last = --count;
        long due = dues[last];
        long offset = offsets[last];
        int i = 0;
        while (true) {
            int child = 2 * i + 1;
            if (child >= last) {
                break;
            }
            if (child + 1 < last && dues[child + 1] < dues[child]) {
                child++;
            }
            if (dues[child] >= due) {
                break;
            }
            dues[i] = dues[child];
            offsets[i] = offsets[child];
            i = child;
        }
        dues[i] = due;
        offsets[i] = offset;
    }

    void clear() {
        count = 0;
    }

    /** Empties it and gives its memory back. */
    void release() {
        count = 0;
        dues = new long[0];
        offsets = new long[0];
    }
}
