package io.forebay.protocol;

import java.util.List;

/**
 * One queue of a topic on one node.
 *
 * @param number within the topic on that node, from 0
 * @param stripe the stripe it writes to
 * @param firstOffset lowest offset that is still stored
 * @param nextOffset offset the next message will get
 * @param depth messages stored: the difference
 * @param expired messages that not every group had settled when they were dropped, too old or too much; since the queue was
 *     made
 * @param quarantined stored messages that cannot be read, and are never delivered
 * @param quarantines what is wrong with them, in order, and with what is not stored any more, until it is released; of the
 *     topic at most {@link TopicDescription#QUARANTINES_MAX} are told of
 * @param unserved why it is not served, or a group in it: for each a line that names it and says what to do, that of the queue
 *     first; of the topic at most {@link TopicDescription#UNSERVED_MAX} are told. Of a queue that is not served the numbers say
 *     nothing
 */
public record QueueDescription(
        int number,
        int stripe,
        long firstOffset,
        long nextOffset,
        long depth,
        long expired,
        long quarantined,
        List<Quarantine> quarantines,
        List<String> unserved) {}
