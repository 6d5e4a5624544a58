package io.forebay.queue.core;

/**
 * What a description of a group's queue tells.
 *
 * @param floor everything below is settled; the oldest message not settled, if there is any
 * @param cursor the first message never popped, in a group that looks at messages the first one not looked at
 * @param depth messages readable and not settled, in flight ones included
 * @param inFlight messages out to consumers
 * @param ready messages that came back and may go out again, or wait for an earlier one of their key
 * @param waiting messages that came back and wait for their time
 * @param pending messages never out that the cursor has passed: looked at, or held back by their key
 * @param poisoned messages whose last attempt failed and that are not dead-lettered or parked yet
 * @param parkedKeys keys that wait for an operator
 * @param keys keys with messages that are not settled, as far as has been looked; 0 unless ordered
 * @param isLookAheadFull whether the message at the floor holds up the queue
 * @param poppedTotal deliveries since the start of this state
 * @param redeliveredTotal deliveries with an attempt above one among them
 * @param settledTotal messages acked since the start of this state
 * @param deadLetteredTotal messages dead-lettered since the start of this state
 * @param filteredTotal messages passed over by the filter since the start of this state
 * @param purgedTotal messages purged, expired by retention or skipped since the start of this state
 */
public record GroupQueueCounts(
        long floor,
        long cursor,
        long depth,
        int inFlight,
        int ready,
        int waiting,
        int pending,
        int poisoned,
        int parkedKeys,
        int keys,
        boolean isLookAheadFull,
        long poppedTotal,
        long redeliveredTotal,
        long settledTotal,
        long deadLetteredTotal,
        long filteredTotal,
        long purgedTotal) {}
