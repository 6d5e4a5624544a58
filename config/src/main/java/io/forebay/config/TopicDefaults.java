package io.forebay.config;

import static io.forebay.config.Checks.TIB;
import static io.forebay.config.Checks.checkBytes;
import static io.forebay.config.Checks.checkCount;
import static io.forebay.config.Checks.checkDuration;

import java.time.Duration;

/**
 * What holds for a topic that sets nothing itself: the part of section {@code forebay.topic} that each topic may set for
 * itself, under the same names.
 *
 * @param retentionGrace how long a message is kept after every group has settled it
 * @param maxAge how long a message is kept at most, zero for no limit
 * @param maxBytes bytes of messages that each queue keeps at most, 0 for no limit
 * @param rateLimit messages taken a second, 0 for no limit
 * @param isOrdered whether order per key is relied on, so that the number of queues is fixed
 * @param deduplication how a Send that was stored before is recognised
 * @param deduplicationWindow how long it is
 * @param deduplicationMax how many messages of a queue are remembered for that at most
 */
public record TopicDefaults(
        Duration retentionGrace,
        Duration maxAge,
        long maxBytes,
        int rateLimit,
        boolean isOrdered,
        DeduplicationSetting deduplication,
        Duration deduplicationWindow,
        int deduplicationMax) {
    static final String SECTION = TopicSettings.SECTION;

    static final Duration MAX_AGE_LONGEST = Duration.ofDays(3650);

    private static final String RETENTION_GRACE = "retention-grace";
    private static final String MAX_AGE = "max-age";
    private static final String MAX_BYTES = "max-bytes";
    private static final String RATE_LIMIT = "rate-limit";
    private static final String ORDERED = "ordered";
    private static final String DEDUPLICATION = "deduplication";
    private static final String DEDUPLICATION_WINDOW = "deduplication-window";
    private static final String DEDUPLICATION_MAX = "deduplication-max";

    public TopicDefaults {
        checkDuration(SECTION + "." + RETENTION_GRACE, retentionGrace, Duration.ZERO, MAX_AGE_LONGEST);
        checkDuration(SECTION + "." + MAX_AGE, maxAge, Duration.ZERO, MAX_AGE_LONGEST);
        checkBytes(SECTION + "." + MAX_BYTES, maxBytes, 0, 1000 * TIB);
        checkCount(SECTION + "." + RATE_LIMIT, rateLimit, 0, 100_000_000);
        checkDuration(
                SECTION + "." + DEDUPLICATION_WINDOW, deduplicationWindow, Duration.ofMillis(1), Duration.ofDays(7));
        checkCount(SECTION + "." + DEDUPLICATION_MAX, deduplicationMax, 1, 16 << 20);
    }

    static TopicDefaults from(Section section) {
        return new TopicDefaults(
                section.duration(RETENTION_GRACE),
                section.duration(MAX_AGE),
                section.bytes(MAX_BYTES),
                section.count(RATE_LIMIT),
                section.flag(ORDERED),
                section.choice(DEDUPLICATION, DeduplicationSetting.class),
                section.duration(DEDUPLICATION_WINDOW),
                section.count(DEDUPLICATION_MAX));
    }

    /**
     * These, except for what a topic sets for itself.
     *
     * @throws SettingsException if one of its texts cannot be used
     */
    public TopicDefaults with(OwnSettings own) {
        return own.bare(() -> new TopicDefaults(
                own.duration(RETENTION_GRACE, retentionGrace),
                own.duration(MAX_AGE, maxAge),
                own.bytes(MAX_BYTES, maxBytes),
                own.count(RATE_LIMIT, rateLimit),
                own.flag(ORDERED, isOrdered),
                own.choice(DEDUPLICATION, DeduplicationSetting.class, deduplication),
                own.duration(DEDUPLICATION_WINDOW, deduplicationWindow),
                own.count(DEDUPLICATION_MAX, deduplicationMax)));
    }
}
