package io.forebay.protocol;

import java.util.List;

/** Answers to {@link PoisonCommand}s. Lists are not copied and must not be changed. */
public sealed interface PoisonReply extends SessionEvent.Reply
        permits PoisonReply.ParkedPage, PoisonReply.Unparked, PoisonReply.Redriven {

    /**
     * @param totalCount keys that are parked, on all pages
     * @param cursor where the next page begins; "" if there is nothing further
     */
    record ParkedPage(long requestId, List<ParkedKey> keys, int totalCount, String cursor) implements PoisonReply {}

    /** @param count keys that go on */
    record Unparked(long requestId, int count) implements PoisonReply {}

    /**
     * @param node name of the node that has them
     * @param letters that were moved, or would be, in order of queue and offset
     * @param stayedCount letters that were meant and could not be moved
     * @param notes why, and what could not be read: for people
     * @param doneCount letters looked at so far, over all pages; those that went earlier among them
     * @param totalCount letters to look at, as far as it is known now
     * @param cursor where the next page begins; "" if there is nothing further
     * @param range of a dry run, a cursor for what this page has looked at and nothing else: however often it is asked for again, even of
     *     a node that died over it, no other letters are moved; else ""
     */
    record Redriven(
            long requestId,
            String node,
            List<RedrivenLetter> letters,
            int stayedCount,
            List<String> notes,
            long doneCount,
            long totalCount,
            String cursor,
            String range)
            implements PoisonReply {}
}
