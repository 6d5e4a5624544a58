package io.forebay.queue;

import io.forebay.queue.core.GroupQueueState.CountsVisitor;
import java.util.concurrent.atomic.AtomicLongArray;

/**
 * How a group stands in one queue, for those who only look: written by the group's actor behind each of its turns, read by any
 * thread. Each value is one that was true; two of them may be of different turns.
 */
public final class GroupMarks implements CountsVisitor {
    private static final int FLOOR = 0;
    private static final int DEPTH = 1;
    private static final int IN_FLIGHT = 2;
    private static final int RETURNED = 3;
    private static final int POPPED = 4;
    private static final int REDELIVERED = 5;
    private static final int ACKED = 6;
    private static final int DEAD_LETTERED = 7;

    private final int queueId;
    private final int groupId;
    private final AtomicLongArray values = new AtomicLongArray(DEAD_LETTERED + 1);

    public GroupMarks(int queueId, int groupId) {
        this.queueId = queueId;
        this.groupId = groupId;
    }

    /** Called by the group's actor alone. */
    @Override
    public void counts(
            long floor,
            long depth,
            int inFlight,
            int returned,
            long popped,
            long redelivered,
            long acked,
            long deadLettered) {
        // In no order that anybody relies on: a plain store each, without a fence.
        values.lazySet(FLOOR, floor);
        values.lazySet(DEPTH, depth);
        values.lazySet(IN_FLIGHT, inFlight);
        values.lazySet(RETURNED, returned);
        values.lazySet(POPPED, popped);
        values.lazySet(REDELIVERED, redelivered);
        values.lazySet(ACKED, acked);
        values.lazySet(DEAD_LETTERED, deadLettered);
    }

    public int queueId() {
        return queueId;
    }

    public int groupId() {
        return groupId;
    }

    /** Everything below this queue offset is settled. */
    public long floor() {
        return values.get(FLOOR);
    }

    /** Messages readable and not settled, in flight ones included. */
    public long depth() {
        return values.get(DEPTH);
    }

    /** Messages out to consumers. */
    public long inFlight() {
        return values.get(IN_FLIGHT);
    }

    /** Messages that came back and go out again, now or when it is time. */
    public long returned() {
        return values.get(RETURNED);
    }

    /** Deliveries since the start. */
    public long popped() {
        return values.get(POPPED);
    }

    /** Deliveries with an attempt above one among them. */
    public long redelivered() {
        return values.get(REDELIVERED);
    }

    /** Messages acked since the start. */
    public long acked() {
        return values.get(ACKED);
    }

    /** Messages dead-lettered since the start. */
    public long deadLettered() {
        return values.get(DEAD_LETTERED);
    }
}
