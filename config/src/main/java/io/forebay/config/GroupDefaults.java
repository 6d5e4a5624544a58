package io.forebay.config;

import static io.forebay.config.Checks.check;
import static io.forebay.config.Checks.checkCount;

import java.time.Duration;

/**
 * What holds for a consumer group that sets nothing itself: the part of section {@code forebay.group} that each group may
 * set for itself, under the same names.
 *
 * @param invisibleDefault invisible duration of a Pop that asks for none
 * @param popDurability level at which a checkpoint must be before its messages go out
 * @param ackDurability what an Ack is answered for that asks for nothing
 * @param start where a new group begins
 * @param maxAttempts deliveries of a message before it is poison, 0 for no limit
 * @param retryBackoff the wait after a failed attempt, as it is written
 * @param isOrdered one message of a key out at a time, in order
 * @param poison what becomes of a message of an ordered group after its last attempt
 * @param consumerInFlightMax messages of a topic that one session may have out at once, 0 for no limit
 * @param rateLimit deliveries of a topic a second, 0 for no limit
 * @param delivery how subscribed consumers get their messages
 * @param breakerPercent share of failed attempts from which deliveries slow down, 0 for never
 */
public record GroupDefaults(
        Duration invisibleDefault,
        DurabilitySetting popDurability,
        DurabilitySetting ackDurability,
        StartSetting start,
        int maxAttempts,
        String retryBackoff,
        boolean isOrdered,
        PoisonSetting poison,
        int consumerInFlightMax,
        int rateLimit,
        DeliverySetting delivery,
        int breakerPercent) {
    static final String SECTION = GroupSettings.SECTION;

    static final String INVISIBLE_DEFAULT = "invisible-default";
    private static final String POP_DURABILITY = "pop-durability";
    private static final String ACK_DURABILITY = "ack-durability";
    private static final String START = "start";
    private static final String MAX_ATTEMPTS = "max-attempts";
    private static final String RETRY_BACKOFF = "retry-backoff";
    private static final String ORDERED = "ordered";
    private static final String POISON = "poison";
    private static final String CONSUMER_IN_FLIGHT_MAX = "consumer-in-flight-max";
    private static final String RATE_LIMIT = "rate-limit";
    private static final String DELIVERY = "delivery";
    private static final String BREAKER = "breaker";

    public GroupDefaults {
        checkCount(SECTION + "." + MAX_ATTEMPTS, maxAttempts, 0, 1000);
        check(BackoffText.isValid(retryBackoff), SECTION + "." + RETRY_BACKOFF, retryBackoff, BackoffText.ALLOWED);
        checkCount(SECTION + "." + CONSUMER_IN_FLIGHT_MAX, consumerInFlightMax, 0, 16 << 20);
        checkCount(SECTION + "." + RATE_LIMIT, rateLimit, 0, 100_000_000);
        checkCount(SECTION + "." + BREAKER, breakerPercent, 0, 100);
    }

    static GroupDefaults from(Section section) {
        return new GroupDefaults(
                section.duration(INVISIBLE_DEFAULT),
                section.choice(POP_DURABILITY, DurabilitySetting.class),
                section.choice(ACK_DURABILITY, DurabilitySetting.class),
                section.choice(START, StartSetting.class),
                section.count(MAX_ATTEMPTS),
                section.text(RETRY_BACKOFF),
                section.flag(ORDERED),
                section.choice(POISON, PoisonSetting.class),
                section.count(CONSUMER_IN_FLIGHT_MAX),
                section.count(RATE_LIMIT),
                section.choice(DELIVERY, DeliverySetting.class),
                section.count(BREAKER));
    }

    /**
     * These, except for what a group sets for itself.
     *
     * @throws SettingsException if one of its texts cannot be used
     */
    public GroupDefaults with(OwnSettings own) {
        return own.bare(() -> new GroupDefaults(
                own.duration(INVISIBLE_DEFAULT, invisibleDefault),
                own.choice(POP_DURABILITY, DurabilitySetting.class, popDurability),
                own.choice(ACK_DURABILITY, DurabilitySetting.class, ackDurability),
                own.choice(START, StartSetting.class, start),
                own.count(MAX_ATTEMPTS, maxAttempts),
                own.text(RETRY_BACKOFF, retryBackoff),
                own.flag(ORDERED, isOrdered),
                own.choice(POISON, PoisonSetting.class, poison),
                own.count(CONSUMER_IN_FLIGHT_MAX, consumerInFlightMax),
                own.count(RATE_LIMIT, rateLimit),
                own.choice(DELIVERY, DeliverySetting.class, delivery),
                own.count(BREAKER, breakerPercent)));
    }
}
