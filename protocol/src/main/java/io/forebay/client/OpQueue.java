package io.forebay.client;

import java.util.concurrent.atomic.AtomicReference;

/**
 * Unbounded queue from any number of threads to one: a linked list whose producers exchange its end and then link what
 * they added (D. Vyukov's intrusive multi-producer, single-consumer queue). Adding is one atomic exchange. What bounds it
 * is the client's limit on pending bytes.
 *
 * <p>What was taken out is no part of the list any more and may be added again, also to another queue: a Send that one
 * node did not answer goes to another one. Therefore the last one is not given out before the stub is linked behind it.
 */
final class OpQueue {
    private final Op<?> stub = new Op<Void>() {};
    private final AtomicReference<Op<?>> last = new AtomicReference<>(stub);
    private Op<?> first = stub;

    /** Any thread. The op must be in no queue. */
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
        Op<?> op = first;
        Op<?> behind = op.next;
        if (op == stub) {
            if (behind == null) {
                return null;
            }
            stub.next = null;
            first = behind;
            op = behind;
            behind = op.next;
        }
        if (behind == null) {
            if (op != last.get()) {
                return null; // someone has exchanged the end and not linked yet
            }
            add(stub);
            behind = op.next;
            if (behind == null) {
                return null; // someone came before the stub and has not linked yet
            }
        }
        first = behind;
        op.next = null;
        return op;
    }
}
