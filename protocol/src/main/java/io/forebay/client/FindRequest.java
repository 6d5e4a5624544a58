package io.forebay.client;

import io.forebay.protocol.ForebayException;
import io.forebay.protocol.LookCommand;
import io.forebay.protocol.Names;
import io.forebay.protocol.Refusal;
import java.time.Instant;

/**
 * Which messages to look for in a topic, a page at a time. Immutable; {@code with…} methods give changed copies.
 *
 * @param topic the topic
 * @param id the message's id, "" for any
 * @param key one of the message's keys, "" for any; one of the two is needed
 * @param since stored at that time or later, by the node's log time; null for all
 * @param until stored before that time; null for all
 * @param countMax most messages of a page
 */
public record FindRequest(String topic, String id, String key, Instant since, Instant until, int countMax) {
    /** @throws ForebayException with a refusal that names the value that is out of range */
    public FindRequest {
        Refusal refusal = Names.check("topic", topic);
        if (refusal == null && id.isEmpty() && key.isEmpty()) {
            refusal = Refusal.of(Refusal.Code.ILLEGAL_ARGUMENT, "an id or a key to find is needed");
        }
        if (refusal == null && (countMax < 1 || countMax > LookCommand.PAGE_COUNT_MAX)) {
            refusal = Refusal.illegalArgument(
                    "the number of messages of a page", countMax, "1 to " + LookCommand.PAGE_COUNT_MAX);
        }
        if (refusal != null) {
            throw refusal.toException();
        }
    }

    public static FindRequest ofId(String topic, String id) {
        return new FindRequest(topic, id, "", null, null, LookCommand.PAGE_COUNT_MAX);
    }

    public static FindRequest ofKey(String topic, String key) {
        return new FindRequest(topic, "", key, null, null, LookCommand.PAGE_COUNT_MAX);
    }

    public FindRequest withSince(Instant newSince) {
        return new FindRequest(topic, id, key, newSince, until, countMax);
    }

    public FindRequest withUntil(Instant newUntil) {
        return new FindRequest(topic, id, key, since, newUntil, countMax);
    }

    public FindRequest withCountMax(int newCountMax) {
        return new FindRequest(topic, id, key, since, until, newCountMax);
    }

    /** As the command has it: never negative, and late rather than an overflow. */
    static long millis(Instant time) {
        if (time == null) {
            return LookCommand.NO_TIME;
        }
        try {
            return Math.max(0, time.toEpochMilli());
        } catch (ArithmeticException e) {
            return time.getEpochSecond() < 0 ? 0 : Long.MAX_VALUE;
        }
    }
}
