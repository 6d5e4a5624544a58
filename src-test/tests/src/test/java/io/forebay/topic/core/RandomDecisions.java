package io.forebay.topic.core;

import io.forebay.protocol.Names;
import io.forebay.storage.log.GroupRecord;
import io.forebay.storage.log.LogRecord;
import io.forebay.storage.log.TopicRecord;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.random.RandomGenerator;

/** Whatever may be decided of a registry, about a few names. */
final class RandomDecisions {
    private RandomDecisions() {}

    /** The next one; it may be refused. Not applied. */
    static RegistryDecision<? extends LogRecord> next(RegistryState live, RandomGenerator random, int step) {
        String group = group(random);
        // Clients may name any.
        String topic = random.nextInt(4) > 0
                ? "t" + random.nextInt(6)
                : Names.deadLetterTopic(group(random), 1 + random.nextInt(20));
        return switch (random.nextInt(9)) {
            case 0, 1 -> live.decideCreateTopic(topic, 1 + random.nextInt(8), Map.of("k", "v"), 3, step);
            case 2 -> live.decideCreateGroup(group, Map.of(), step);
            case 3 -> {
                TopicRecord known = live.topic(topic);
                long[] offsets = new long[known == null ? 1 : known.queueIds().length];
                yield live.decideSubscribe(topic, group, StartAt.EARLIEST, offsets, offsets, Map.of(), step);
            }
            case 4 -> random.nextBoolean() ? live.decideDeleteTopic(topic, step) : live.decideDeleteGroup(group, step);
            case 5 -> live.decideUnsubscribe(topic, group, step);
            case 6 -> live.decideChangeGroup(group, changes(random), random.nextInt(4), "w" + step, step);
            case 7 -> {
                GroupRecord known = live.group(group);
                yield live.decideDeadLetterTopic(
                        known == null ? 0 : known.groupId(), Map.of(), 1 + random.nextInt(4), step);
            }
            default ->
                live.decideChangeTopic(
                        topic, changes(random), random.nextInt(4), "w" + step, random.nextInt(4) == 0, step);
        };
    }

    /** Some are so long that the topic of their dead letters has an id in its name, one is called as the end of such a topic. */
    private static String group(RandomGenerator random) {
        String longest = "l".repeat(Names.NAME_CHARS_MAX);
        return switch (random.nextInt(8)) {
            case 6 -> longest;
            case 7 -> Names.deadLetterTopic(longest, 1 + random.nextInt(4)).substring(Names.DEAD_LETTERS.length());
            default -> "g" + random.nextInt(6);
        };
    }

    private static Map<String, String> changes(RandomGenerator random) {
        Map<String, String> changes = new HashMap<>();
        for (int i = random.nextInt(3); i >= 0; i--) {
            String name = List.of("k", "a", "b", "queues").get(random.nextInt(4));
            changes.put(name, random.nextInt(3) == 0 ? "" : Integer.toString(random.nextInt(9)));
        }
        return changes;
    }
}
