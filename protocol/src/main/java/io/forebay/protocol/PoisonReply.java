package io.forebay.protocol;

import java.util.List;

/** Answers to {@link PoisonCommand}s. Lists are not copied and must not be changed. */
public sealed interface PoisonReply extends SessionEvent.Reply permits PoisonReply.ParkedPage, PoisonReply.Unparked {

    /**
     * @param totalCount keys that are parked, on all pages
     * @param cursor where the next page begins; "" if there is nothing further
     */
    record ParkedPage(long requestId, List<ParkedKey> keys, int totalCount, String cursor) implements PoisonReply {}

    /** @param count keys that go on */
    record Unparked(long requestId, int count) implements PoisonReply {}
}
