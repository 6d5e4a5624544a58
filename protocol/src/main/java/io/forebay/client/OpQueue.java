package io.forebay.client;

import java.util.concurrent.atomic.AtomicReference;

/**
 * Unbounded queue from any number of threads to one: a linked list whose producers exchange its end and then link what
 * they added (D. Vyukov's intrusive multi-producer, single-consumer queue). Adding is one atomic exchange. What bounds it
 * is the client's limit on pending bytes.
 */
final class OpQueue {
    private final AtomicReference<Op<?>> last;
    private Op<?> consumed;

    OpQueue() {
        consumed = new Op<Void>() {};
        last = new AtomicReference<>(consumed);
    }

    /** Any thread. */
    void add(Op<?> op) {
        Op<?> before = last.getAndSet(op);
        before.next = op;
    }

    /**
     * The one consumer.
     *
     * @return null if it is empty, or if the next one's producer has not linked it yet: it wakes the consumer afterwards
     */
    Op<?> poll() {
        Op<?> first = consumed.next;
        if (first == null) {
            return null;
        }
        consumed.next = null;
        consumed = first;
        return first;
    }
}
