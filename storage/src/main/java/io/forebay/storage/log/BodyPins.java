package io.forebay.storage.log;

import io.forebay.storage.index.IndexEntry;
import java.io.IOException;
import java.util.Arrays;
import java.util.HashMap;
import java.util.Map;

/**
 * Which bodies are still needed because an entry of another queue names them. As many as there are entries that nobody
 * has released yet: dead letters, due and committed messages. The StoreWriter's thread adds; thread-safe.
 */
final class BodyPins {
    /** Says where a body lies. */
    interface Places {
        /** @return false if it is not known */
        boolean lookup(int queueId, long offset, IndexEntry entry) throws IOException;
    }

    private QueueMarks[] entryQueues = new QueueMarks[16];
    private long[] entryOffsets = new long[16];
    private int[] bodyQueueIds = new int[16];
    private long[] bodyOffsets = new long[16];
    /** Whether the body is known to lie where cleaning has moved it. */
    private boolean[] isMoved = new boolean[16];

    private int count;

    synchronized void add(QueueMarks entryQueue, long entryOffset, int bodyQueueId, long bodyOffset) {
        if (count == entryQueues.length) {
            int capacity = count * 2;
            entryQueues = Arrays.copyOf(entryQueues, capacity);
            entryOffsets = Arrays.copyOf(entryOffsets, capacity);
            bodyQueueIds = Arrays.copyOf(bodyQueueIds, capacity);
            bodyOffsets = Arrays.copyOf(bodyOffsets, capacity);
            isMoved = Arrays.copyOf(isMoved, capacity);
        }
        entryQueues[count] = entryQueue;
        entryOffsets[count] = entryOffset;
        bodyQueueIds[count] = bodyQueueId;
        bodyOffsets[count] = bodyOffset;
        isMoved[count] = false;
        count++;
    }

    /** Leaves out those whose entry is released. */
    private void dropReleased() {
        int kept = 0;
        for (int pin = 0; pin < count; pin++) {
            if (entryOffsets[pin] >= entryQueues[pin].releasedBelow()) {
                entryQueues[kept] = entryQueues[pin];
                entryOffsets[kept] = entryOffsets[pin];
                bodyQueueIds[kept] = bodyQueueIds[pin];
                bodyOffsets[kept] = bodyOffsets[pin];
                isMoved[kept] = isMoved[pin];
                kept++;
            }
        }
        Arrays.fill(entryQueues, kept, count, null);
        count = kept;
        if (count < entryQueues.length / 4 && entryQueues.length > 16) {
            int capacity = entryQueues.length / 2;
            entryQueues = Arrays.copyOf(entryQueues, capacity);
            entryOffsets = Arrays.copyOf(entryOffsets, capacity);
            bodyQueueIds = Arrays.copyOf(bodyQueueIds, capacity);
            bodyOffsets = Arrays.copyOf(bodyOffsets, capacity);
            isMoved = Arrays.copyOf(isMoved, capacity);
        }
    }

    /** The offsets of the pinned bodies of each queue that has some, ascending. */
    synchronized Map<Integer, long[]> bodies() {
        dropReleased();
        return grouped(false);
    }

    /** Per queue the offsets in ascending order, some perhaps twice. */
    private Map<Integer, long[]> grouped(boolean isUnmovedOnly) {
        Map<Integer, int[]> counts = new HashMap<>();
        for (int pin = 0; pin < count; pin++) {
            if (!isUnmovedOnly || !isMoved[pin]) {
                counts.computeIfAbsent(bodyQueueIds[pin], id -> new int[1])[0]++;
            }
        }
        Map<Integer, long[]> offsets = new HashMap<>();
        counts.forEach((id, some) -> offsets.put(id, new long[some[0]]));
        for (int pin = 0; pin < count; pin++) {
            if (!isUnmovedOnly || !isMoved[pin]) {
                offsets.get(bodyQueueIds[pin])[--counts.get(bodyQueueIds[pin])[0]] = bodyOffsets[pin];
            }
        }
        offsets.values().forEach(Arrays::sort);
        return offsets;
    }

    /** The lowest address of a pinned body that lies where it was written first; 0 if that is not known. */
    synchronized long lowestPosition(Places places) {
        dropReleased();
        IndexEntry entry = new IndexEntry();
        long lowest = Long.MAX_VALUE;
        for (Map.Entry<Integer, long[]> queue : grouped(true).entrySet()) {
            int queueId = queue.getKey();
            long[] offsets = queue.getValue();
            int moved = 0;
            try {
                // In the order of their offsets they lie one behind the other, but for those that were moved.
                while (moved < offsets.length) {
                    if (!places.lookup(queueId, offsets[moved], entry)) {
                        return 0;
                    }
                    if (!entry.isMoved()) {
                        lowest = Math.min(lowest, entry.position());
                        break;
                    }
                    moved++;
                }
            } catch (IOException e) {
                return 0;
            }
            noteMoved(queueId, offsets, moved);
        }
        return lowest;
    }

    private void noteMoved(int queueId, long[] offsets, int movedCount) {
        for (int pin = 0; pin < count && movedCount > 0; pin++) {
            if (bodyQueueIds[pin] == queueId && Arrays.binarySearch(offsets, 0, movedCount, bodyOffsets[pin]) >= 0) {
                isMoved[pin] = true;
            }
        }
    }
}
