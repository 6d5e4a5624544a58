package io.forebay.topic.core;

import io.forebay.protocol.Names;
import io.forebay.storage.log.GroupDeletedRecord;
import io.forebay.storage.log.GroupRecord;
import io.forebay.storage.log.LogRecord;
import io.forebay.storage.log.RegistrySnapshot;
import io.forebay.storage.log.SettingsChangedRecord;
import io.forebay.storage.log.SubscriptionEndedRecord;
import io.forebay.storage.log.SubscriptionRecord;
import io.forebay.storage.log.TopicDeletedRecord;
import io.forebay.storage.log.TopicRecord;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collection;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.stream.IntStream;

/**
 * The topics, groups and subscriptions of a node and their ids. An id is never given twice, not even when what had it is
 * deleted: records on disk name their owner by it.
 *
 * <p>A {@code decide} method returns the record that says what happens; the shell calls {@code apply} with it at once and
 * writes it as a record of stripe 0's own. An id may be used in a record only when its definition is flushed. Recovery is
 * {@link #restore} and {@link #replay}.
 *
 * <p>Queue, topic and group ids begin at 1: 0 stands for "none" in records. Confined to its actor. Times are log times.
 */
public final class RegistryState {
    private record Pair(int topicId, int groupId) implements Comparable<Pair> {
        @Override
        public int compareTo(Pair other) {
            int byTopic = Integer.compare(topicId, other.topicId);
            return byTopic != 0 ? byTopic : Integer.compare(groupId, other.groupId);
        }
    }

    private final RegistryLimits limits;
    private final Map<String, TopicRecord> topicsByName = new TreeMap<>();
    private final Map<Integer, TopicRecord> topicsById = new TreeMap<>();
    private final Map<String, GroupRecord> groupsByName = new TreeMap<>();
    private final Map<Integer, GroupRecord> groupsById = new TreeMap<>();
    private final TreeMap<Pair, SubscriptionRecord> subscriptions = new TreeMap<>();
    private int nextTopicId = 1;
    private int nextGroupId = 1;
    private int nextQueueId = 1;
    private long heldSequence = -1;

    public RegistryState(RegistryLimits limits) {
        this.limits = limits;
    }

    // ---- what is known ------------------------------------------------------------------------------------------

    /** @return null if there is none */
    public TopicRecord topic(String name) {
        return topicsByName.get(name);
    }

    /** @return null if there is none */
    public TopicRecord topic(int topicId) {
        return topicsById.get(topicId);
    }

    /** @return null if there is none */
    public GroupRecord group(String name) {
        return groupsByName.get(name);
    }

    /** @return null if there is none */
    public GroupRecord group(int groupId) {
        return groupsById.get(groupId);
    }

    /** @return null if the group does not consume the topic */
    public SubscriptionRecord subscription(int topicId, int groupId) {
        return subscriptions.get(new Pair(topicId, groupId));
    }

    /** @return in order of name */
    public Collection<TopicRecord> topics() {
        return Collections.unmodifiableCollection(topicsByName.values());
    }

    /** @return in order of name */
    public Collection<GroupRecord> groups() {
        return Collections.unmodifiableCollection(groupsByName.values());
    }

    /** @return in order of topic id and group id */
    public Collection<SubscriptionRecord> subscriptions() {
        return Collections.unmodifiableCollection(subscriptions.values());
    }

    /** @return in order of group id */
    public Collection<SubscriptionRecord> subscriptionsOf(int topicId) {
        return Collections.unmodifiableCollection(subscriptions
                .subMap(new Pair(topicId, 0), true, new Pair(topicId, Integer.MAX_VALUE), true)
                .values());
    }

    /** @return the highest sequence whose record is in this state and known to be written, -1 if none is */
    public long heldSequence() {
        return heldSequence;
    }

    // ---- decisions ----------------------------------------------------------------------------------------------

    /**
     * Decides a new topic, its queues spread over the stripes in turn. One that exists is answered with what it is; its
     * queues and settings are not compared.
     *
     * @param stripeCount stripes of this node
     */
    public RegistryDecision<TopicRecord> decideCreateTopic(
            String name, int queueCount, Map<String, String> settings, int stripeCount, long nowMillis) {
        if (!Names.isLegal(name)) {
            return illegalName("topic", name);
        }
        TopicRecord existing = topicsByName.get(name);
        if (existing != null) {
            return RegistryDecision.exists(existing);
        }
        if (queueCount < 1 || queueCount > limits.queuesPerTopicMax()) {
            return RegistryDecision.refused(
                    RegistryOutcome.ILLEGAL_ARGUMENT,
                    "topic " + name + " with " + queueCount + " queues: allowed are 1 to "
                            + limits.queuesPerTopicMax());
        }
        if (topicsByName.size() >= limits.topicsMax()) {
            return limit("topics", limits.topicsMax());
        }
        int[] queueIds = new int[queueCount];
        int[] stripes = new int[queueCount];
        for (int i = 0; i < queueCount; i++) {
            queueIds[i] = Math.addExact(nextQueueId, i);
            stripes[i] = (queueIds[i] - 1) % stripeCount;
        }
        return RegistryDecision.decided(new TopicRecord(nextTopicId, name, queueIds, stripes, settings, nowMillis));
    }

    /**
     * Decides that the topic of a group's dead letters has a queue in every stripe: makes it, or gives it those that are
     * missing. A topic of that name that is there already is taken as it is.
     *
     * @param settings of the topic if it is made
     * @param stripeCount stripes of this node
     */
    public RegistryDecision<TopicRecord> decideDeadLetterTopic(
            int groupId, Map<String, String> settings, int stripeCount, long nowMillis) {
        GroupRecord group = groupsById.get(groupId);
        if (group == null) {
            return unknownGroup("with id " + groupId);
        }
        String name = Names.deadLetterTopic(group.name(), groupId);
        TopicRecord topic = topicsByName.get(name);
        if (topic == null) {
            if (topicsByName.size() >= limits.topicsMax()) {
                return limit("topics", limits.topicsMax());
            }
            topic = new TopicRecord(nextTopicId, name, new int[0], new int[0], settings, nowMillis);
        }
        int[] homes = topic.stripes();
        int[] missing = IntStream.range(0, stripeCount)
                .filter(stripe -> IntStream.of(homes).noneMatch(home -> home == stripe))
                .toArray();
        return missing.length == 0
                ? RegistryDecision.exists(topic)
                : RegistryDecision.decided(withQueues(topic, missing));
    }

    public RegistryDecision<TopicDeletedRecord> decideDeleteTopic(String name, long nowMillis) {
        TopicRecord topic = topicsByName.get(name);
        return topic == null
                ? unknownTopic(name)
                : RegistryDecision.decided(new TopicDeletedRecord(topic.topicId(), nowMillis));
    }

    /** Decides a new group; one that exists is answered with what it is. */
    public RegistryDecision<GroupRecord> decideCreateGroup(String name, Map<String, String> settings, long nowMillis) {
        if (!Names.isLegal(name)) {
            return illegalName("group", name);
        }
        GroupRecord existing = groupsByName.get(name);
        if (existing != null) {
            return RegistryDecision.exists(existing);
        }
        if (groupsByName.size() >= limits.groupsMax()) {
            return limit("groups", limits.groupsMax());
        }
        return RegistryDecision.decided(new GroupRecord(nextGroupId, name, settings, nowMillis));
    }

    public RegistryDecision<GroupDeletedRecord> decideDeleteGroup(String name, long nowMillis) {
        GroupRecord group = groupsByName.get(name);
        return group == null
                ? unknownGroup(name)
                : RegistryDecision.decided(new GroupDeletedRecord(group.groupId(), nowMillis));
    }

    /**
     * Decides that a group begins to consume a topic; if it does already, answers with what is.
     *
     * @param firstOffsets of each queue of the topic, in its order: the oldest message that is stored
     * @param nextOffsets of each queue of the topic, in its order: what the next message gets
     */
    public RegistryDecision<SubscriptionRecord> decideSubscribe(
            String topicName,
            String groupName,
            StartAt startAt,
            long[] firstOffsets,
            long[] nextOffsets,
            Map<String, String> settings,
            long nowMillis) {
        TopicRecord topic = topicsByName.get(topicName);
        if (topic == null) {
            return unknownTopic(topicName);
        }
        GroupRecord group = groupsByName.get(groupName);
        if (group == null) {
            return unknownGroup(groupName);
        }
        SubscriptionRecord existing = subscription(topic.topicId(), group.groupId());
        if (existing != null) {
            return RegistryDecision.exists(existing);
        }
        if (subscriptions.size() >= limits.subscriptionsMax()) {
            return limit("subscriptions", limits.subscriptionsMax());
        }
        long[] startOffsets = startAt == StartAt.EARLIEST ? firstOffsets.clone() : nextOffsets.clone();
        if (startOffsets.length != topic.queueIds().length) {
            throw new IllegalArgumentException("offsets of " + startOffsets.length + " queues for topic " + topicName
                    + " with " + topic.queueIds().length);
        }
        return RegistryDecision.decided(
                new SubscriptionRecord(topic.topicId(), group.groupId(), startOffsets, settings, nowMillis));
    }

    /** Decides that a group no longer consumes a topic. */
    public RegistryDecision<SubscriptionEndedRecord> decideUnsubscribe(
            String topicName, String groupName, long nowMillis) {
        TopicRecord topic = topicsByName.get(topicName);
        if (topic == null) {
            return unknownTopic(topicName);
        }
        GroupRecord group = groupsByName.get(groupName);
        if (group == null || subscription(topic.topicId(), group.groupId()) == null) {
            return unknownGroup(groupName);
        }
        return RegistryDecision.decided(new SubscriptionEndedRecord(topic.topicId(), group.groupId(), nowMillis));
    }

    // ---- events -------------------------------------------------------------------------------------------------

    /** Defines a topic, or replaces what it was. */
    public void apply(TopicRecord record) {
        TopicRecord before = topicsById.put(record.topicId(), record);
        if (before != null) {
            topicsByName.remove(before.name());
        }
        topicsByName.put(record.name(), record);
        nextTopicId = Math.max(nextTopicId, Math.addExact(record.topicId(), 1));
        for (int queueId : record.queueIds()) {
            nextQueueId = Math.max(nextQueueId, Math.addExact(queueId, 1));
        }
    }

    public void apply(TopicDeletedRecord record) {
        TopicRecord topic = topicsById.remove(record.topicId());
        if (topic != null) {
            topicsByName.remove(topic.name());
        }
        subscriptions.keySet().removeIf(pair -> pair.topicId() == record.topicId());
    }

    /** Defines a group, or replaces what it was. */
    public void apply(GroupRecord record) {
        GroupRecord before = groupsById.put(record.groupId(), record);
        if (before != null) {
            groupsByName.remove(before.name());
        }
        groupsByName.put(record.name(), record);
        nextGroupId = Math.max(nextGroupId, Math.addExact(record.groupId(), 1));
    }

    public void apply(GroupDeletedRecord record) {
        GroupRecord group = groupsById.remove(record.groupId());
        if (group != null) {
            groupsByName.remove(group.name());
        }
        subscriptions.keySet().removeIf(pair -> pair.groupId() == record.groupId());
    }

    /** Begins a subscription, or replaces the settings of one: where it began stays. */
    public void apply(SubscriptionRecord record) {
        subscriptions.merge(
                new Pair(record.topicId(), record.groupId()),
                record,
                (before, now) -> withSettings(before, now.settings()));
    }

    public void apply(SubscriptionEndedRecord record) {
        subscriptions.remove(new Pair(record.topicId(), record.groupId()));
    }

    /** Changes settings of a topic, a group or a subscription; those of the node are not kept here. */
    public void apply(SettingsChangedRecord record) {
        switch (record.scope()) {
            case TOPIC ->
                topicsById.computeIfPresent(record.firstId(), (id, topic) -> {
                    TopicRecord changed = new TopicRecord(
                            topic.topicId(),
                            topic.name(),
                            topic.queueIds(),
                            topic.stripes(),
                            changed(topic.settings(), record.settings()),
                            topic.createdMillis());
                    topicsByName.put(topic.name(), changed);
                    return changed;
                });
            case GROUP ->
                groupsById.computeIfPresent(record.firstId(), (id, group) -> {
                    GroupRecord changed = new GroupRecord(
                            group.groupId(),
                            group.name(),
                            changed(group.settings(), record.settings()),
                            group.createdMillis());
                    groupsByName.put(group.name(), changed);
                    return changed;
                });
            case SUBSCRIPTION ->
                subscriptions.computeIfPresent(
                        new Pair(record.firstId(), record.secondId()),
                        (pair, subscription) ->
                                withSettings(subscription, changed(subscription.settings(), record.settings())));
            case NODE -> {
                // The node's own; they come from its configuration.
            }
        }
    }

    /** A record is written. */
    public void written(long sequence) {
        heldSequence = Math.max(heldSequence, sequence);
    }

    // ---- recovery -----------------------------------------------------------------------------------------------

    /**
     * Applies a record read from the log; what {@link #heldSequence()} covers is skipped, what is not the registry's too.
     *
     * @return whether it was new and the registry's
     */
    public boolean replay(LogRecord record, long sequence) {
        if (sequence <= heldSequence) {
            return false;
        }
        if (record instanceof TopicRecord topic) {
            apply(topic);
        } else if (record instanceof TopicDeletedRecord deleted) {
            apply(deleted);
        } else if (record instanceof GroupRecord group) {
            apply(group);
        } else if (record instanceof GroupDeletedRecord deleted) {
            apply(deleted);
        } else if (record instanceof SubscriptionRecord subscription) {
            apply(subscription);
        } else if (record instanceof SubscriptionEndedRecord ended) {
            apply(ended);
        } else if (record instanceof SettingsChangedRecord changed) {
            apply(changed);
        } else {
            return false;
        }
        heldSequence = sequence;
        return true;
    }

    /** @param heldSequence as the snapshot's record states it */
    public static RegistryState restore(RegistryLimits limits, RegistrySnapshot snapshot, long heldSequence) {
        RegistryState state = new RegistryState(limits);
        snapshot.topics().forEach(state::apply);
        snapshot.groups().forEach(state::apply);
        snapshot.subscriptions().forEach(state::apply);
        state.nextTopicId = Math.max(state.nextTopicId, snapshot.nextTopicId());
        state.nextGroupId = Math.max(state.nextGroupId, snapshot.nextGroupId());
        state.nextQueueId = Math.max(state.nextQueueId, snapshot.nextQueueId());
        state.heldSequence = heldSequence;
        return state;
    }

    /** What {@link #restore} takes, with {@link #heldSequence()} beside it. */
    public RegistrySnapshot snapshot() {
        return new RegistrySnapshot(
                nextTopicId,
                nextGroupId,
                nextQueueId,
                new ArrayList<>(topicsById.values()),
                new ArrayList<>(groupsById.values()),
                List.copyOf(subscriptions.values()));
    }

    // ---- helpers ------------------------------------------------------------------------------------------------

    /** The topic with further queues behind those it has. */
    private TopicRecord withQueues(TopicRecord topic, int[] stripesToAdd) {
        int before = topic.queueIds().length;
        int[] queueIds = Arrays.copyOf(topic.queueIds(), before + stripesToAdd.length);
        int[] stripes = Arrays.copyOf(topic.stripes(), before + stripesToAdd.length);
        for (int i = 0; i < stripesToAdd.length; i++) {
            queueIds[before + i] = Math.addExact(nextQueueId, i);
            stripes[before + i] = stripesToAdd[i];
        }
        return new TopicRecord(
                topic.topicId(), topic.name(), queueIds, stripes, topic.settings(), topic.createdMillis());
    }

    private static SubscriptionRecord withSettings(SubscriptionRecord subscription, Map<String, String> settings) {
        return new SubscriptionRecord(
                subscription.topicId(),
                subscription.groupId(),
                subscription.startOffsets(),
                settings,
                subscription.createdMillis());
    }

    private static Map<String, String> changed(Map<String, String> settings, Map<String, String> changes) {
        Map<String, String> result = new TreeMap<>(settings);
        changes.forEach((key, value) -> {
            if (value.isEmpty()) {
                result.remove(key);
            } else {
                result.put(key, value);
            }
        });
        return result;
    }

    private static <R extends LogRecord> RegistryDecision<R> illegalName(String kind, String name) {
        // Whoever sends a name of a megabyte gets its beginning back, not all of it.
        boolean isLong = name != null && name.length() > Names.NAME_CHARS_MAX;
        String shown = isLong ? name.substring(0, Names.NAME_CHARS_MAX) + "…" : name;
        return RegistryDecision.refused(
                RegistryOutcome.ILLEGAL_NAME, kind + " name \"" + shown + "\": allowed are " + Names.RULE);
    }

    private static <R extends LogRecord> RegistryDecision<R> unknownTopic(String name) {
        return RegistryDecision.refused(RegistryOutcome.UNKNOWN_TOPIC, "topic " + name + " does not exist");
    }

    private static <R extends LogRecord> RegistryDecision<R> unknownGroup(String name) {
        return RegistryDecision.refused(
                RegistryOutcome.UNKNOWN_GROUP, "group " + name + " does not exist or does not consume this topic");
    }

    private static <R extends LogRecord> RegistryDecision<R> limit(String kind, int max) {
        return RegistryDecision.refused(
                RegistryOutcome.LIMIT, "there are " + max + " " + kind + ", no more are allowed");
    }
}
