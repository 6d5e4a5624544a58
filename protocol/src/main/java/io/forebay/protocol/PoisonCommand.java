package io.forebay.protocol;

/**
 * What an operator asks about messages that have failed too often, or does about them: keys that are parked behind one, and dead
 * letters.
 */
public sealed interface PoisonCommand extends SessionCommand.Request
        permits PoisonCommand.ListParked, PoisonCommand.Unpark {
    /** Most elements of a page. */
    int PAGE_COUNT_MAX = 1000;

    /**
     * The keys of a group that are parked, in the order of topic, queue and offset. Answered by {@link PoisonReply.ParkedPage}.
     *
     * @param topic in that topic only; "" for all
     * @param countMax most keys of the page, 1 to {@link #PAGE_COUNT_MAX}
     * @param cursor "" to begin, else as the last page gave it
     */
    record ListParked(long requestId, String group, String topic, int countMax, String cursor)
            implements PoisonCommand {}

    /**
     * Lets parked keys go on. Answered by {@link PoisonReply.Unparked} when that is written. A key that is not parked is refused,
     * and so is any if the group keeps no order.
     *
     * @param messageGroup the key; "" for all that are parked in that topic
     */
    record Unpark(long requestId, String group, String topic, String messageGroup, UnparkHow how)
            implements PoisonCommand {}
}
