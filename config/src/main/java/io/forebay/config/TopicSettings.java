package io.forebay.config;

import static io.forebay.config.Checks.check;
import static io.forebay.config.Checks.checkCount;
import static io.forebay.config.Checks.checkDuration;

import java.time.Duration;

/**
 * Section {@code forebay.topic}: which topics and groups there may be, and what holds for a topic.
 *
 * @param autoCreate whether a Send or Pop to an unknown topic, or a Pop by an unknown group, creates it
 * @param defaultQueues queues of a topic that is created without a number
 * @param queuesMax queues of one topic
 * @param topicsMax topics of the node but for those of dead letters
 * @param groupsMax groups of the node, those of which only the topic of dead letters is there included
 * @param subscriptionsMax pairs of a topic and a group that reads it
 * @param settingsHistoryMax changes of settings that are remembered for each topic and group
 * @param deadLetterMaxAge the {@code max-age} that a topic of dead letters gets when the node makes it
 * @param defaults what holds for a topic that sets nothing itself
 */
public record TopicSettings(
        boolean autoCreate,
        int defaultQueues,
        int queuesMax,
        int topicsMax,
        int groupsMax,
        int subscriptionsMax,
        int settingsHistoryMax,
        Duration deadLetterMaxAge,
        TopicDefaults defaults) {
    static final String SECTION = "forebay.topic";

    public TopicSettings {
        checkCount(SECTION + ".queues-max", queuesMax, 1, 1024);
        checkCount(SECTION + ".default-queues", defaultQueues, 1, 1024);
        check(
                defaultQueues <= queuesMax,
                SECTION + ".default-queues",
                defaultQueues,
                "at most forebay.topic.queues-max, which is " + queuesMax);
        checkCount(SECTION + ".topics-max", topicsMax, 1, 1_000_000);
        checkCount(SECTION + ".groups-max", groupsMax, 1, 1_000_000);
        checkCount(SECTION + ".subscriptions-max", subscriptionsMax, 1, 1_000_000);
        checkCount(SECTION + ".settings-history-max", settingsHistoryMax, 0, 1000);
        checkDuration(SECTION + ".dead-letter-max-age", deadLetterMaxAge, Duration.ZERO, TopicDefaults.MAX_AGE_LONGEST);
    }

    static TopicSettings from(Section section) {
        return new TopicSettings(
                section.flag("auto-create"),
                section.count("default-queues"),
                section.count("queues-max"),
                section.count("topics-max"),
                section.count("groups-max"),
                section.count("subscriptions-max"),
                section.count("settings-history-max"),
                section.duration("dead-letter-max-age"),
                TopicDefaults.from(section));
    }
}
