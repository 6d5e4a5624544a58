package io.forebay.deadletter;

import io.forebay.cluster.Session;
import io.forebay.queue.DeadLetterForm;
import io.forebay.topic.TopicDirectory;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;

/**
 * Which queue a dead letter goes to. To the topic it comes from: the queue it comes from, which is its key's. To another topic: its
 * key's queue; without a key one of the letter's own stripe if there is one, the same for all letters that come from the same queue, so
 * that their order is kept. Thread-safe.
 */
final class LetterTargets {
    /**
     * A queue, or why there is none.
     *
     * @param queue null if there is none
     * @param problem null if there is one
     */
    record Target(String topic, TopicDirectory.QueueRoute queue, String problem) {}

    private final TopicDirectory directory;
    private final String toTopic;
    private final int stripeId;

    /**
     * @param toTopic "" for the topic each letter comes from
     * @param stripeId of the letters
     */
    LetterTargets(TopicDirectory directory, String toTopic, int stripeId) {
        this.directory = directory;
        this.toTopic = toTopic;
        this.stripeId = stripeId;
    }

    /** @param properties of the letter's entry */
    Target of(Map<String, String> properties, String messageGroup) {
        String from = properties.getOrDefault(DeadLetterForm.TOPIC, "");
        String name = toTopic.isEmpty() ? from : toTopic;
        if (name.isEmpty()) {
            return new Target("", null, "nothing says which topic it comes from; another one can be named");
        }
        TopicDirectory.TopicRoute topic = directory.topic(name);
        if (topic == null || topic.queues().isEmpty()) {
            return new Target(name, null, "there is no topic '" + name + "'; another one can be named");
        }
        TopicDirectory.QueueRoute queue = queueOf(topic, name.equals(from), number(properties), messageGroup);
        return queue.queue() == null
                ? new Target(name, null, "queue " + queue.number() + " of topic '" + name + "' is not served")
                : new Target(name, queue, null);
    }

    private TopicDirectory.QueueRoute queueOf(
            TopicDirectory.TopicRoute topic, boolean isItsOwn, int fromQueue, String messageGroup) {
        List<TopicDirectory.QueueRoute> queues = topic.queues();
        if (isItsOwn && fromQueue >= 0 && fromQueue < queues.size()) {
            return queues.get(fromQueue);
        }
        if (!messageGroup.isEmpty()) {
            return queues.get(Session.queueOfKey(messageGroup, queues.size()));
        }
        List<TopicDirectory.QueueRoute> near = new ArrayList<>(queues);
        near.removeIf(queue -> queue.stripeId() != stripeId);
        List<TopicDirectory.QueueRoute> from = near.isEmpty() ? queues : near;
        return from.get(Math.floorMod(fromQueue, from.size()));
    }

    private static int number(Map<String, String> properties) {
        try {
            return Integer.parseInt(properties.getOrDefault(DeadLetterForm.QUEUE, "-1"));
        } catch (NumberFormatException e) {
            return -1;
        }
    }
}
