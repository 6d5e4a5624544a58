package io.forebay.client;

import io.forebay.protocol.ForebayException;
import io.forebay.protocol.LookCommand;
import io.forebay.protocol.Names;
import io.forebay.protocol.Refusal;

/**
 * Which stored messages to look at, a page at a time. Immutable; {@code with…} methods give changed copies.
 *
 * @param topic the topic
 * @param queue number of a queue, {@link LookCommand#EVERY_QUEUE} for all, one after the other
 * @param offset where to begin in that queue; -1 at the oldest
 * @param group messages that this group would get next; "" for messages as they lie
 * @param countMax most messages of a page
 * @param bytesMax most bytes of bodies of a page; one message is given however large it is
 */
public record PeekRequest(String topic, int queue, long offset, String group, int countMax, int bytesMax) {
    /** Most bytes of a page that names none. */
    public static final int BYTES_MAX_DEFAULT = 1 << 20;

    /** @throws ForebayException with a refusal that names the value that is out of range */
    public PeekRequest {
        Refusal refusal = Names.check("topic", topic);
        refusal = refusal != null || group.isEmpty() ? refusal : Names.check("group", group);
        if (refusal == null && (countMax < 1 || countMax > LookCommand.PAGE_COUNT_MAX)) {
            refusal = Refusal.illegalArgument(
                    "the number of messages of a page", countMax, "1 to " + LookCommand.PAGE_COUNT_MAX);
        }
        if (refusal != null) {
            throw refusal.toException();
        }
    }

    /** All that is stored, from the oldest on. */
    public static PeekRequest of(String topic, int countMax) {
        return new PeekRequest(topic, LookCommand.EVERY_QUEUE, -1, "", countMax, BYTES_MAX_DEFAULT);
    }

    public PeekRequest withQueue(int newQueue) {
        return new PeekRequest(topic, newQueue, offset, group, countMax, bytesMax);
    }

    public PeekRequest withOffset(long newOffset) {
        return new PeekRequest(topic, queue, newOffset, group, countMax, bytesMax);
    }

    public PeekRequest withGroup(String newGroup) {
        return new PeekRequest(topic, queue, offset, newGroup, countMax, bytesMax);
    }

    public PeekRequest withCountMax(int newCountMax) {
        return new PeekRequest(topic, queue, offset, group, newCountMax, bytesMax);
    }

    public PeekRequest withBytesMax(int newBytesMax) {
        return new PeekRequest(topic, queue, offset, group, countMax, newBytesMax);
    }
}
