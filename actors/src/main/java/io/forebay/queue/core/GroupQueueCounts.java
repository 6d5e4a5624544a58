package io.forebay.queue.core;

/**
 * What a description of a group's queue tells.
 *
 * @param floor everything below is settled; the oldest message not settled, if there is any
 * @param cursor the first message never popped
 * @param depth messages readable and not settled, in flight ones included
 * @param inFlight messages out to consumers
 * @param ready messages that came back and may go out again
 * @param waiting messages that came back and wait for their time
 * @param poppedTotal deliveries since the start of this state
 * @param redeliveredTotal deliveries with an attempt above one among them
 * @param settledTotal messages settled since the start of this state
 */
public record GroupQueueCounts(
        long floor,
        long cursor,
        long depth,
        int inFlight,
        int ready,
        int waiting,
        long poppedTotal,
        long redeliveredTotal,
        long settledTotal) {}
