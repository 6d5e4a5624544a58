package io.forebay.queue.core;

import java.util.ArrayDeque;
import java.util.Arrays;
import java.util.HashMap;
import java.util.Map;

/**
 * What the queues of a topic have for a group, as far as they have told, and which is asked next: each in turn, of those that
 * have more than they were asked for. Confined to its owner.
 */
final class QueueRotation {
    /** One queue. */
    static final class Hint {
        final int queueId;
        /** What the queue said last. */
        private long availableCount;
        /** What the Pops it has not answered yet may take of it. */
        private long askedCount;
        /** As the queue said last, with what went out since. */
        private long inFlightCount;

        private boolean isInRotation;

        private Hint(int queueId) {
            this.queueId = queueId;
        }

        private long spare() {
            return Math.max(0, availableCount - askedCount);
        }
    }

    private final Map<Integer, Hint> queues = new HashMap<>();
    /** Queues that may have something, each once; the next Pop goes to the first, which then goes to the end. */
    private final ArrayDeque<Hint> rotation = new ArrayDeque<>();

    private long spareTotal;
    private long outTotal;

    int count() {
        return queues.size();
    }

    /** What the queues have that nobody was promised; an estimate. */
    long spareTotal() {
        return spareTotal;
    }

    /** Messages in flight, and those that queues were asked for and have not told about yet. */
    long outTotal() {
        return outTotal;
    }

    /** @return null if there is no such queue */
    Hint get(int queueId) {
        return queues.get(queueId);
    }

    Hint add(int queueId) {
        return queues.computeIfAbsent(queueId, Hint::new);
    }

    /** @return whether it was there */
    boolean remove(int queueId) {
        Hint queue = queues.remove(queueId);
        if (queue == null) {
            return false;
        }
        if (queue.isInRotation) {
            rotation.remove(queue);
        }
        spareTotal -= queue.spare();
        outTotal -= queue.askedCount + queue.inFlightCount;
        return true;
    }

    void available(Hint queue, long count) {
        change(queue, count, queue.askedCount, queue.inFlightCount);
        enter(queue);
    }

    void asked(Hint queue, int count) {
        change(queue, queue.availableCount, queue.askedCount + count, queue.inFlightCount);
        enter(queue);
    }

    /**
     * The queue has decided.
     *
     * @param askedCount as it was asked
     * @param gotCount what it handed out of that
     * @param availableCount what it has now
     */
    void decided(Hint queue, int askedCount, int gotCount, long availableCount) {
        change(
                queue,
                availableCount,
                Math.max(0, queue.askedCount - askedCount),
                queue.inFlightCount + Math.max(0, gotCount));
        enter(queue);
    }

    /** The queue says what is in flight. */
    void inFlight(Hint queue, long count) {
        change(queue, queue.availableCount, queue.askedCount, count);
    }

    private void change(Hint queue, long availableCount, long askedCount, long inFlightCount) {
        spareTotal -= queue.spare();
        outTotal -= queue.askedCount + queue.inFlightCount;
        queue.availableCount = availableCount;
        queue.askedCount = askedCount;
        queue.inFlightCount = inFlightCount;
        spareTotal += queue.spare();
        outTotal += queue.askedCount + queue.inFlightCount;
    }

    /** Whether {@link #take} has one. */
    boolean hasNext() {
        for (Hint queue = rotation.peekFirst(); queue != null; queue = rotation.peekFirst()) {
            if (queue.spare() > 0) {
                return true;
            }
            rotation.pollFirst();
            queue.isInRotation = false;
        }
        return false;
    }

    /** The queue whose turn it is; it is in the rotation again when it was {@link #asked}. Null if none has anything. */
    Hint take() {
        if (!hasNext()) {
            return null;
        }
        Hint queue = rotation.pollFirst();
        queue.isInRotation = false;
        return queue;
    }

    private void enter(Hint queue) {
        if (!queue.isInRotation && queue.spare() > 0) {
            queue.isInRotation = true;
            rotation.addLast(queue);
        }
    }

    @Override
    public String toString() {
        return queues.size() + " queues, next "
                + Arrays.toString(
                        rotation.stream().mapToInt(queue -> queue.queueId).toArray());
    }
}
