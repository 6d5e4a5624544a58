package io.forebay.persistence;

import io.forebay.storage.log.QueueReader;
import io.forebay.store.StripeHandle;
import java.util.concurrent.ConcurrentLinkedDeque;
import java.util.concurrent.atomic.AtomicInteger;

/**
 * Readers of one reserved queue, for one after the other: actors that recover together find their events near each other, and who
 * comes next finds the frame that was read last checked already. Thread-safe.
 */
final class EventReaders {
    /** That are kept, each with some 64 KiB at most: as many as read at the same time. */
    private static final int KEPT_MAX = 4;

    private final StripeHandle stripe;
    private final int queueId;
    /** Those given back last come first. */
    private final ConcurrentLinkedDeque<QueueReader> kept = new ConcurrentLinkedDeque<>();

    private final AtomicInteger keptCount = new AtomicInteger();

    EventReaders(StripeHandle stripe, int queueId) {
        this.stripe = stripe;
        this.queueId = queueId;
    }

    /** One that is nobody else's until it is given back; one that has failed need not be. */
    QueueReader take() {
        QueueReader reader = kept.pollFirst();
        if (reader == null) {
            reader = stripe.log().newReader(queueId);
        } else {
            keptCount.decrementAndGet();
        }
        reader.keepBuffer();
        return reader;
    }

    void giveBack(QueueReader reader) {
        reader.releaseBuffer();
        if (keptCount.incrementAndGet() <= KEPT_MAX) {
            kept.addFirst(reader);
        } else {
            keptCount.decrementAndGet();
        }
    }
}
