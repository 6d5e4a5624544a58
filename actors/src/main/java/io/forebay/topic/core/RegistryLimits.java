package io.forebay.topic.core;

/**
 * @param topicsMax topics on a node, those of dead letters not counted: they count with their groups
 * @param groupsMax consumer groups on a node, those of which only the topic of dead letters is there included
 * @param queuesPerTopicMax queues of one topic
 * @param subscriptionsMax pairs of topic and group on a node
 * @param historyMax changes of settings that are remembered for each topic and group
 */
public record RegistryLimits(
        int topicsMax, int groupsMax, int queuesPerTopicMax, int subscriptionsMax, int historyMax) {
    public RegistryLimits {
        check(topicsMax >= 1, "topicsMax", topicsMax);
        check(groupsMax >= 1, "groupsMax", groupsMax);
        check(queuesPerTopicMax >= 1, "queuesPerTopicMax", queuesPerTopicMax);
        check(subscriptionsMax >= 1, "subscriptionsMax", subscriptionsMax);
        check(historyMax >= 0, "historyMax", historyMax);
    }

    private static void check(boolean isRight, String name, int value) {
        if (!isRight) {
            throw new IllegalArgumentException(name + " is " + value);
        }
    }
}
