package io.forebay.protocol;

/**
 * What an operator asks about stored messages, or does to them without popping. A page answers as much as its bounds allow and
 * carries a cursor; the next request repeats the question with that cursor, "" begins. Nothing here holds up the queues: what
 * has to be read is read on threads that may wait.
 */
public sealed interface LookCommand extends SessionCommand.Request
        permits LookCommand.Seek,
                LookCommand.Peek,
                LookCommand.Purge,
                LookCommand.Release,
                LookCommand.Find,
                LookCommand.Explain {
    /** Any queue, or all of them. */
    int EVERY_QUEUE = -1;
    /** No bound in that direction. */
    long NO_TIME = -1;
    /** Most messages of a page. */
    int PAGE_COUNT_MAX = 1000;

    /**
     * Sets where a group goes on. Answered by {@link LookReply.Seeked}. A place outside what is stored is moved to the nearest end,
     * and the answer says so. Handles given out before are stale then. Idempotent.
     *
     * @param queue number of a queue, {@link #EVERY_QUEUE} for all; an offset needs one
     * @param isDryRun whether nothing is to be changed, only told
     */
    record Seek(long requestId, String group, String topic, int queue, SeekPlace place, boolean isDryRun)
            implements LookCommand {}

    /**
     * Stored messages as they lie, or those that a group would get next; nothing is popped. Answered by
     * {@link LookReply.MessagePage}.
     *
     * @param queue number of a queue, {@link #EVERY_QUEUE} for all, one after the other
     * @param offset where to begin; -1 at the oldest; others need a queue and no group
     * @param group "" for messages as they lie
     * @param countMax most messages of the page, 1 to {@link #PAGE_COUNT_MAX}
     * @param bytesMax most bytes of bodies of the page, at least 1; one message is given however large it is
     */
    record Peek(
            long requestId,
            String topic,
            int queue,
            long offset,
            String group,
            int countMax,
            int bytesMax,
            String cursor)
            implements LookCommand {}

    /**
     * Drops messages. Answered by {@link LookReply.Purged}. Idempotent.
     *
     * @param group for this group only; "" for everyone
     * @param queue number of a queue, {@link #EVERY_QUEUE} for all; an offset needs one
     * @param belowOffset the first offset that is kept; -1 for what the next message gets: everything stored now goes
     * @param isDryRun whether nothing is to be changed, only told
     */
    record Purge(long requestId, String topic, String group, int queue, long belowOffset, boolean isDryRun)
            implements LookCommand {}

    /**
     * Lets messages be read again that are {@link Quarantine quarantined}, because what was in the way is gone. Answered by {@link
     * LookReply.Released}. Groups that come to them get them: new ones, those behind, and by a seek those that have passed them over.
     * What still cannot be read is quarantined again. Idempotent.
     *
     * @param queue number of a queue, {@link #EVERY_QUEUE} for all; an offset needs one
     * @param offset of one message; -1 for all that are quarantined
     * @param isDryRun whether nothing is to be changed, only told
     */
    record Release(long requestId, String topic, int queue, long offset, boolean isDryRun) implements LookCommand {}

    /**
     * Looks through a topic for messages with an id or a key; there is no index, so everything in between is read. Answered by
     * {@link LookReply.MessagePage}, which may be empty and not the last.
     *
     * @param id the message's id, "" for any
     * @param key one of the message's keys, "" for any; one of the two is needed
     * @param sinceMillis stored at that time or later, by the node's log time; {@link #NO_TIME} for all
     * @param untilMillis stored before that time; {@link #NO_TIME} for all
     * @param countMax most messages of the page, 1 to {@link #PAGE_COUNT_MAX}
     */
    record Find(
            long requestId,
            String topic,
            String id,
            String key,
            long sinceMillis,
            long untilMillis,
            int countMax,
            String cursor)
            implements LookCommand {}

    /**
     * What became of one message, from the log. Answered by {@link LookReply.LifePage}.
     *
     * @param topic "" if a handle is given
     * @param queue its number; not looked at if a handle is given
     * @param offset not looked at if a handle is given
     * @param handle of any delivery of the message; null to go by topic, queue and offset
     */
    record Explain(long requestId, String topic, int queue, long offset, ReceiptHandle handle, String cursor)
            implements LookCommand {}
}
