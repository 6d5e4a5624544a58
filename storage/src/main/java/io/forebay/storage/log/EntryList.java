package io.forebay.storage.log;

import java.util.Arrays;

/** The entries of a segment, and the bodies they name. Grows only; confined to whoever has the segment. */
final class EntryList {
    /** Is shown entries. */
    interface Visitor {
        void entry(int queueId, long queueOffset, int bodyQueueId, long bodyOffset);
    }

    private int[] queueIds = new int[8];
    private long[] queueOffsets = new long[8];
    private int[] bodyQueueIds = new int[8];
    private long[] bodyOffsets = new long[8];
    private int count;

    int count() {
        return count;
    }

    void add(int queueId, long queueOffset, int bodyQueueId, long bodyOffset) {
        if (count == queueIds.length) {
            int capacity = count * 2;
            queueIds = Arrays.copyOf(queueIds, capacity);
            queueOffsets = Arrays.copyOf(queueOffsets, capacity);
            bodyQueueIds = Arrays.copyOf(bodyQueueIds, capacity);
            bodyOffsets = Arrays.copyOf(bodyOffsets, capacity);
        }
        queueIds[count] = queueId;
        queueOffsets[count] = queueOffset;
        bodyQueueIds[count] = bodyQueueId;
        bodyOffsets[count] = bodyOffset;
        count++;
    }

    void each(Visitor visitor) {
        for (int i = 0; i < count; i++) {
            visitor.entry(queueIds[i], queueOffsets[i], bodyQueueIds[i], bodyOffsets[i]);
        }
    }
}
