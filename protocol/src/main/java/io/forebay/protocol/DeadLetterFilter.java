package io.forebay.protocol;

import java.util.Locale;

/**
 * Which dead letters of a group are meant. Immutable.
 *
 * @param topic the topic they come from; "" for any
 * @param reason what the reason of their last failure contains, in small letters or capitals; "" for any
 * @param sinceMillis they became dead letters then or later, by the node's log time; {@link LookCommand#NO_TIME} for all
 * @param untilMillis they became dead letters before that time; {@link LookCommand#NO_TIME} for all
 */
public record DeadLetterFilter(String topic, String reason, long sinceMillis, long untilMillis) {
    /** All dead letters. */
    public static final DeadLetterFilter ALL = new DeadLetterFilter("", "", LookCommand.NO_TIME, LookCommand.NO_TIME);

    public DeadLetterFilter withTopic(String newTopic) {
        return new DeadLetterFilter(newTopic, reason, sinceMillis, untilMillis);
    }

    public DeadLetterFilter withReason(String newReason) {
        return new DeadLetterFilter(topic, newReason, sinceMillis, untilMillis);
    }

    /** @param newUntilMillis exclusive */
    public DeadLetterFilter withTime(long newSinceMillis, long newUntilMillis) {
        return new DeadLetterFilter(topic, reason, newSinceMillis, newUntilMillis);
    }

    /**
     * Whether a dead letter is meant.
     *
     * @param fromTopic "" if it is not known
     * @param why "" if it is not known
     */
    public boolean matches(String fromTopic, String why, long storedMillis) {
        return (topic.isEmpty() || topic.equals(fromTopic))
                && (reason.isEmpty() || why.toLowerCase(Locale.ROOT).contains(reason.toLowerCase(Locale.ROOT)))
                && (sinceMillis == LookCommand.NO_TIME || storedMillis >= sinceMillis)
                && (untilMillis == LookCommand.NO_TIME || storedMillis < untilMillis);
    }
}
