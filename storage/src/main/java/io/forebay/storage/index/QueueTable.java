package io.forebay.storage.index;

import java.util.concurrent.atomic.AtomicReferenceArray;
import java.util.function.Consumer;

/**
 * The queues by their id: open addressing, at most half full, no boxing. Grown under the index's lock, read by any thread
 * without it; a place is filled once, and the whole is replaced when it grows.
 */
final class QueueTable {
    private volatile AtomicReferenceArray<QueueExtents> places = new AtomicReferenceArray<>(64);
    private int count;

    /** Null if the queue never had an extent. Any thread. */
    QueueExtents find(int queueId) {
        AtomicReferenceArray<QueueExtents> now = places;
        int mask = now.length() - 1;
        for (int place = place(queueId, mask); ; place = (place + 1) & mask) {
            QueueExtents found = now.get(place);
            if (found == null || found.queueId == queueId) {
                return found;
            }
        }
    }

    private static int place(int queueId, int mask) {
        int hash = queueId * 0x9E37_79B9;
        return (hash ^ (hash >>> 15)) & mask;
    }

    /** Under the lock. */
    QueueExtents findOrMake(int queueId) {
        QueueExtents found = find(queueId);
        if (found == null) {
            found = new QueueExtents(queueId);
            if (2 * (count + 1) > places.length()) {
                AtomicReferenceArray<QueueExtents> grown = new AtomicReferenceArray<>(2 * places.length());
                forEach(queue -> insert(grown, queue));
                places = grown;
            }
            insert(places, found);
            count++;
        }
        return found;
    }

    private static void insert(AtomicReferenceArray<QueueExtents> target, QueueExtents queue) {
        int mask = target.length() - 1;
        int place = place(queue.queueId, mask);
        while (target.get(place) != null) {
            place = (place + 1) & mask;
        }
        target.set(place, queue);
    }

    /** Under the lock. */
    void forEach(Consumer<QueueExtents> action) {
        AtomicReferenceArray<QueueExtents> now = places;
        for (int place = 0; place < now.length(); place++) {
            QueueExtents queue = now.get(place);
            if (queue != null) {
                action.accept(queue);
            }
        }
    }
}
