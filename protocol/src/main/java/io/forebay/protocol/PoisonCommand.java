package io.forebay.protocol;

/**
 * What an operator asks about messages that have failed too often, or does about them: keys that are parked behind one, and dead
 * letters.
 */
public sealed interface PoisonCommand extends SessionCommand.Request
        permits PoisonCommand.ListParked, PoisonCommand.Unpark, PoisonCommand.ListLetters, PoisonCommand.Redrive {
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

    /**
     * Dead letters of a group, oldest first in each queue; nothing is popped. Answered by {@link LookReply.MessagePage}, which may be
     * empty and not the last. What tells of a letter's life is in its message's properties, {@code dead-letter.topic} and others.
     *
     * @param countMax most messages of the page, 1 to {@link #PAGE_COUNT_MAX}
     * @param bytesMax most bytes of bodies of the page, at least 1; one message is given however large it is
     * @param cursor "" to begin, else as the last page gave it
     */
    record ListLetters(long requestId, String group, DeadLetterFilter filter, int countMax, int bytesMax, String cursor)
            implements PoisonCommand {}

    /**
     * Moves dead letters of a group to the topic they come from, or to another one, oldest first in each queue. Answered by {@link
     * PoisonReply.Redriven} when what it did is flushed. A letter that has gone is not moved again, so the request may be repeated. All
     * groups of the topic get the message; it keeps everything but its {@code dead-letter.*} properties, and gets {@code redriven.*}.
     * Refused with {@link Refusal.Code#UNKNOWN_TOPIC}, {@link Refusal.Code#UNKNOWN_GROUP} or an illegal value it moved nothing; refused
     * with another code it may have moved some.
     *
     * @param toTopic "" for the topic each letter comes from
     * @param countMax most letters that are moved, 1 to {@link #PAGE_COUNT_MAX}; more of them may be looked at
     * @param isDryRun whether nothing is to be changed, only told
     * @param cursor "" to begin, else as the last page gave it, or a dry run's range
     */
    record Redrive(
            long requestId,
            String group,
            DeadLetterFilter filter,
            String toTopic,
            int countMax,
            boolean isDryRun,
            String cursor)
            implements PoisonCommand {}
}
