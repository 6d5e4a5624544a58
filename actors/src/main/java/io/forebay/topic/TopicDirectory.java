package io.forebay.topic;

import akka.actor.typed.ActorRef;
import io.forebay.protocol.Names;
import io.forebay.protocol.Refusal;
import io.forebay.queue.GroupMarks;
import io.forebay.queue.GroupQueue;
import io.forebay.queue.Queue;
import io.forebay.queue.QueueMarks;
import io.forebay.queue.core.GroupPolicy;
import io.forebay.queue.core.SendRate;
import io.forebay.queue.core.TopicPolicy;
import io.forebay.storage.log.Owner;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.concurrent.ConcurrentHashMap;
import java.util.function.Consumer;

/**
 * Where the queues, groups and dispatchers of this node are, so that a session need not ask for each request. Written by the
 * registry's actor alone, when what it names is flushed; read by every session. Thread-safe.
 */
public final class TopicDirectory {

    /**
     * One queue of a topic.
     *
     * @param queue null if the queue cannot be served: recovery stopped it, or its actor failed
     */
    public record QueueRoute(int queueId, int number, int stripeId, ActorRef<Queue.Command> queue, QueueMarks marks) {}

    /**
     * A topic.
     *
     * @param queues in order of their numbers
     * @param settings its own ones, as they were given
     */
    public record TopicRoute(
            int topicId,
            String name,
            List<QueueRoute> queues,
            TopicPolicy policy,
            Map<String, String> settings,
            long createdMillis) {}

    /** A group in one topic. */
    public record GroupRoute(int groupId, ActorRef<Dispatcher.Command> dispatcher, GroupPolicy policy) {}

    /** A group in one queue. */
    public record GroupQueueRoute(
            String topic,
            String group,
            ActorRef<GroupQueue.Command> groupQueue,
            GroupPolicy policy,
            GroupMarks marks) {}

    /** Why something is not served. */
    public enum Fault {
        /** Records of it are missing from the log. */
        RECORDS_MISSING,
        /** Its records do not fit together. */
        CONTRADICTION,
        /** Its actor has failed: a new start serves it again. */
        ACTOR_FAILED
    }

    /**
     * A queue, or a group in a queue, that is there and is not served.
     *
     * @param owner whose records they are; a queue that is not served stands for each group in it, too
     * @param queue its number
     * @param group its name, empty for the queue itself
     * @param text for people: one line that names it, says why, and what to do
     */
    public record Unserved(
            Owner owner, int stripeId, String topic, int queue, String group, Fault fault, String text) {}

    /** Nothing but a new start serves them again, and whoever is connected hears of that. */
    private static final long UNSERVED_RETRY_MILLIS = 5_000;

    private record TopicAndGroup(String topic, String group) {}

    private final Map<String, TopicRoute> topics = new ConcurrentHashMap<>();
    /** By topic id; of topics that have, or had, a limit. */
    private final Map<Integer, SendRate> sendRates = new ConcurrentHashMap<>();

    private final Map<TopicAndGroup, GroupRoute> groups = new ConcurrentHashMap<>();
    private final Map<Long, GroupQueueRoute> groupQueues = new ConcurrentHashMap<>();

    /** By {@link Owner#key}. */
    private final Map<Long, Unserved> unserved = new ConcurrentHashMap<>();

    private final Map<Long, List<ActorRef<GroupQueue.Command>>> heldBefore = new ConcurrentHashMap<>();

    /** @return null if there is none */
    public TopicRoute topic(String name) {
        return topics.get(name);
    }

    /** How fast the topic takes messages; the same one for every session, whatever is changed of the topic. */
    public SendRate sendRate(TopicRoute topic) {
        return sendRates.computeIfAbsent(topic.topicId(), id -> new SendRate());
    }

    /** @return null if the group does not consume the topic */
    public GroupRoute group(String topic, String group) {
        return groups.get(new TopicAndGroup(topic, group));
    }

    /** @return null if there is none */
    public GroupQueueRoute groupQueue(int queueId, int groupId) {
        return queueId < 1 || groupId < 1 ? null : groupQueues.get(Owner.key(queueId, groupId));
    }

    /** Every group in every queue of the node that is served, in no order; whatever changes meanwhile is told or not. */
    public void visitGroupQueues(Consumer<GroupQueueRoute> visitor) {
        groupQueues.values().forEach(visitor);
    }

    /** Every queue of the node, in no order; whatever changes meanwhile is told or not. */
    public void visitQueues(Consumer<QueueRoute> visitor) {
        topics.values().forEach(topic -> topic.queues().forEach(visitor));
    }

    /** Every queue, and group in a queue, that is not served, in no order; whatever changes meanwhile is told or not. */
    public void visitUnserved(Consumer<Unserved> visitor) {
        unserved.values().forEach(visitor);
    }

    /**
     * Why a queue, or a group in it, is not served, as it is told to whoever wants something of it.
     *
     * @param groupId 0 for the queue itself
     * @return null if no fault of it is known
     */
    public Refusal whyUnserved(int queueId, int groupId) {
        if (unserved.isEmpty() || queueId < 1 || groupId < 0) {
            return null;
        }
        Unserved found = unserved.get(Owner.key(queueId, 0));
        found = found != null ? found : unserved.get(Owner.key(queueId, groupId));
        return found == null ? null : Refusal.of(Refusal.Code.QUEUE_STOPPED, found.text);
    }

    /** Why a queue is not served, and the groups in it: a line for each, the queue's own first. */
    public List<String> whyUnserved(int queueId) {
        if (unserved.isEmpty()) {
            return List.of();
        }
        return unserved.values().stream()
                .filter(one -> one.owner.queueId() == queueId)
                .sorted(Comparator.comparing(Unserved::group))
                .map(Unserved::text)
                .toList();
    }

    /**
     * Why nothing of a topic is served to a group, as it is told to whoever waits for something.
     *
     * @return null if any queue of it is served, or there is none
     */
    public Refusal whyNothingIsServed(String topic, String group) {
        if (unserved.isEmpty()) {
            return null;
        }
        TopicRoute route = topic(topic);
        GroupRoute consumer = group(topic, group);
        Refusal first = null;
        for (QueueRoute queue : route == null || consumer == null ? List.<QueueRoute>of() : route.queues()) {
            Refusal why = whyUnserved(queue.queueId(), consumer.groupId());
            if (why == null) {
                return null;
            }
            first = first == null ? why : first;
        }
        return first == null
                ? null
                : new Refusal(
                        first.code(),
                        first.text()
                                + (route.queues().size() == 1
                                        ? ""
                                        : " (and so are all " + route.queues().size() + " of its queues)"),
                        UNSERVED_RETRY_MILLIS);
    }

    /** Names of the groups that consume a topic, in order. Looks at every group of the node. */
    public List<String> groupsOf(String topic) {
        return groups.keySet().stream()
                .filter(key -> key.topic.equals(topic))
                .map(TopicAndGroup::group)
                .sorted()
                .toList();
    }

    /** The topics that a group consumes, in the order of their names. Looks at every group of the node. */
    public List<TopicRoute> topicsOf(String group) {
        return groups.keySet().stream()
                .filter(key -> key.group.equals(group))
                .map(key -> topics.get(key.topic))
                .filter(Objects::nonNull)
                .sorted(Comparator.comparing(TopicRoute::name))
                .toList();
    }

    /** The topic with the dead letters of a group, null if there is none. May look at every group of the node. */
    public TopicRoute deadLettersOf(String group) {
        TopicRoute topic = topics.get(Names.DEAD_LETTERS + group);
        if (topic != null || group.length() + Names.DEAD_LETTERS.length() <= Names.NAME_CHARS_MAX) {
            return topic;
        }
        for (Map.Entry<TopicAndGroup, GroupRoute> one : groups.entrySet()) {
            if (one.getKey().group.equals(group)) {
                return topics.get(Names.deadLetterTopic(group, one.getValue().groupId()));
            }
        }
        return null;
    }

    /** The topic that has a queue, null if none has it. Looks at every queue of the node. */
    public TopicRoute topicOfQueue(int queueId) {
        for (TopicRoute topic : topics.values()) {
            for (QueueRoute queue : topic.queues()) {
                if (queue.queueId() == queueId) {
                    return topic;
                }
            }
        }
        return null;
    }

    /** The groups' queues that held deliveries of this session before the start; empty at the second call. */
    public List<ActorRef<GroupQueue.Command>> takeHeldBefore(long sessionId) {
        List<ActorRef<GroupQueue.Command>> held = heldBefore.remove(sessionId);
        return held == null ? List.of() : held;
    }

    void heldBefore(long sessionId, ActorRef<GroupQueue.Command> groupQueue) {
        heldBefore.computeIfAbsent(sessionId, id -> new ArrayList<>()).add(groupQueue);
    }

    void put(TopicRoute topic) {
        topics.put(topic.name(), topic);
    }

    TopicRoute removeTopic(String name) {
        TopicRoute removed = topics.remove(name);
        if (removed != null) {
            sendRates.remove(removed.topicId());
        }
        return removed;
    }

    void put(String topic, String group, GroupRoute route) {
        groups.put(new TopicAndGroup(topic, group), route);
    }

    GroupRoute removeGroup(String topic, String group) {
        return groups.remove(new TopicAndGroup(topic, group));
    }

    void put(int queueId, int groupId, GroupQueueRoute route) {
        groupQueues.put(Owner.key(queueId, groupId), route);
    }

    GroupQueueRoute removeGroupQueue(int queueId, int groupId) {
        return groupQueues.remove(Owner.key(queueId, groupId));
    }

    void put(Unserved one) {
        unserved.put(one.owner.key(), one);
    }

    /** The queue is gone, and each group in it. */
    void removeUnserved(int queueId) {
        unserved.values().removeIf(one -> one.owner.queueId() == queueId);
    }

    void removeUnserved(int queueId, int groupId) {
        unserved.remove(Owner.key(queueId, groupId));
    }
}
