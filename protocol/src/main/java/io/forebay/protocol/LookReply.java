package io.forebay.protocol;

import java.util.List;

/** Answers to {@link LookCommand}s. Lists are not copied and must not be changed. */
public sealed interface LookReply extends SessionEvent.Reply
        permits LookReply.Seeked, LookReply.Purged, LookReply.Released, LookReply.MessagePage, LookReply.LifePage {

    /** @param queues one for each queue that was asked for, in the order of their numbers */
    record Seeked(long requestId, List<QueueSeek> queues) implements LookReply {}

    /** @param queues one for each queue that was asked for, in the order of their numbers */
    record Purged(long requestId, List<QueuePurge> queues) implements LookReply {}

    /** @param queues one for each queue that was asked for, in the order of their numbers */
    record Released(long requestId, List<QueueRelease> queues) implements LookReply {}

    /**
     * @param node name of the node that has them
     * @param messages in order of queue and offset
     * @param notes what could not be read, and where: for people
     * @param doneCount messages looked at so far, over all pages
     * @param totalCount messages to look at, as far as it is known now
     * @param cursor where the next page begins; "" if there is nothing further
     */
    record MessagePage(
            long requestId,
            String node,
            List<StoredMessage> messages,
            List<String> notes,
            long doneCount,
            long totalCount,
            String cursor)
            implements LookReply {}

    /**
     * Part of the life of a message.
     *
     * @param place which message it is
     * @param message as it is stored; null on other pages than the first, and if it is not stored any more
     * @param groups names of the groups that consume the topic now
     * @param events in the order of the log; nothing that is derived
     * @param notes what could not be read, and from where on the log tells: for people
     * @param doneRecords records looked at so far, over all pages
     * @param totalRecords records to look at, as far as it is known now
     * @param nowMillis log time of the node
     * @param cursor where the next page begins; "" if there is nothing further
     */
    record LifePage(
            long requestId,
            MessagePlace place,
            StoredMessage message,
            List<String> groups,
            List<LifeEvent> events,
            List<String> notes,
            long doneRecords,
            long totalRecords,
            long nowMillis,
            String cursor)
            implements LookReply {}
}
