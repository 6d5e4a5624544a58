package io.forebay.topic.core;

import io.forebay.protocol.Names;
import io.forebay.storage.log.GroupDeletedRecord;
import io.forebay.storage.log.GroupRecord;
import io.forebay.storage.log.LogRecord;
import io.forebay.storage.log.Owner;
import io.forebay.storage.log.RegistrySnapshot;
import io.forebay.storage.log.SettingsChangedRecord;
import io.forebay.storage.log.SettingsChangedRecord.Scope;
import io.forebay.storage.log.SettingsHistory;
import io.forebay.storage.log.SubscriptionEndedRecord;
import io.forebay.storage.log.SubscriptionRecord;
import io.forebay.storage.log.TopicDeletedRecord;
import io.forebay.storage.log.TopicRecord;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collection;
import java.util.Collections;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.function.UnaryOperator;
import java.util.stream.IntStream;
import java.util.stream.Stream;

/**
 * The topics, groups and subscriptions of a node and their ids. An id is never given twice, not even when what had it is
 * deleted: records on disk name their owner by it.
 *
 * <p>A {@code decide} method returns the record that says what happens; the shell calls {@code apply} with it at once and
 * writes it as an event. An id may be used in a record only when its definition is flushed. Recovery is
 * {@link RegistryHistory}, and of what an older version has written {@link #restore} and {@link #replay}.
 *
 * <p>Queue, topic and group ids begin at 1: 0 stands for "none" in records. Confined to its actor. Times are log times.
 */
public final class RegistryState {
    /** Ids beyond it are kept for what is no queue of a topic, {@link Owner#RESERVED_FROM} among them. */
    private static final int QUEUE_ID_MAX = 0x6FFF_FFFF;

    private record Pair(int topicId, int groupId) implements Comparable<Pair> {
        @Override
        public int compareTo(Pair other) {
            int byTopic = Integer.compare(topicId, other.topicId);
            return byTopic != 0 ? byTopic : Integer.compare(groupId, other.groupId);
        }
    }

    /** The number of queues of a topic, where settings are changed: it is none of them, but told with them. */
    public static final String QUEUES = "queues";
    /** The setting that is fixed when its topic is created: messages may be out already that the other value holds back. */
    public static final String READABLE = "readable";
    /** Longest name of who changes settings; the rest is cut. */
    public static final int WHO_CHARS_MAX = 128;

    private final RegistryLimits limits;
    private final Map<String, TopicRecord> topicsByName = new TreeMap<>();
    private final Map<Integer, TopicRecord> topicsById = new TreeMap<>();
    private int deadLetterTopicCount;
    /** Names of the topics of dead letters whose group is not there; each holds the place of one. */
    private final Set<String> lettersOfNoGroup = new HashSet<>();

    private final Map<String, GroupRecord> groupsByName = new TreeMap<>();
    private final Map<Integer, GroupRecord> groupsById = new TreeMap<>();
    private final TreeMap<Pair, SubscriptionRecord> subscriptions = new TreeMap<>();
    private final Map<Integer, SettingsHistory> topicHistories = new TreeMap<>();
    private final Map<Integer, SettingsHistory> groupHistories = new TreeMap<>();
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

    /** @return the group whose dead letters a topic of that name has; null if there is none, or it is a name of another kind */
    public GroupRecord groupOfDeadLetters(String topicName) {
        if (!Names.isDeadLetterTopic(topicName)) {
            return null;
        }
        GroupRecord group = groupsByName.get(topicName.substring(Names.DEAD_LETTERS.length()));
        if (group != null || topicName.length() < Names.NAME_CHARS_MAX) {
            return group;
        }
        group = groupsById.get(idAtTheEnd(topicName));
        return group != null
                        && Names.deadLetterTopic(group.name(), group.groupId()).equals(topicName)
                ? group
                : null;
    }

    /** Zero if there is none. */
    private static int idAtTheEnd(String name) {
        try {
            return Integer.parseInt(name.substring(name.lastIndexOf('-') + 1));
        } catch (NumberFormatException e) {
            return 0;
        }
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

    /** @return how a topic's settings came to be what they are; of version 1 if they were never changed */
    public SettingsHistory topicHistory(int topicId) {
        return history(Scope.TOPIC, topicId);
    }

    /** @return how a group's settings came to be what they are; of version 1 if they were never changed */
    public SettingsHistory groupHistory(int groupId) {
        return history(Scope.GROUP, groupId);
    }

    private SettingsHistory history(Scope scope, int id) {
        SettingsHistory history = (scope == Scope.TOPIC ? topicHistories : groupHistories).get(id);
        return history != null ? history : new SettingsHistory(scope, id, 1, List.of());
    }

    /** @return the highest sequence of what was recovered, -1 if nothing was */
    public long heldSequence() {
        return heldSequence;
    }

    // ---- decisions ----------------------------------------------------------------------------------------------

    /**
     * Decides a new topic, its queues spread over the stripes in turn. One that exists is answered with what it is; its
     * queues and settings are not compared. One of dead letters counts with its group, not among the topics.
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
                    "topic " + name + " with " + queueCount + " queues: allowed are 1 to " + limits.queuesPerTopicMax()
                            + " (forebay.topic.queues-max)");
        }
        if (Names.isDeadLetterTopic(name)) {
            if (groupOfDeadLetters(name) == null && groupPlacesTaken() >= limits.groupsMax()) {
                return groupLimit();
            }
        } else if (topicsByName.size() - deadLetterTopicCount >= limits.topicsMax()) {
            return limit("topics", limits.topicsMax());
        }
        if (queueCount > queueIdsLeft()) {
            return queueIdsUsedUp();
        }
        int[] queueIds = new int[queueCount];
        int[] stripes = new int[queueCount];
        for (int i = 0; i < queueCount; i++) {
            queueIds[i] = nextQueueId + i;
            stripes[i] = (queueIds[i] - 1) % stripeCount;
        }
        return RegistryDecision.decided(new TopicRecord(nextTopicId, name, queueIds, stripes, settings, nowMillis));
    }

    /**
     * Decides that the topic of a group's dead letters has a queue in every stripe: makes it, or gives it those that are
     * missing. A topic of that name that is there already is taken as it is. No limit of topics refuses it: a group has one
     * at most, and there are only so many groups.
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
            topic = new TopicRecord(nextTopicId, name, new int[0], new int[0], settings, nowMillis);
        }
        int[] homes = topic.stripes();
        int[] missing = IntStream.range(0, stripeCount)
                .filter(stripe -> IntStream.of(homes).noneMatch(home -> home == stripe))
                .toArray();
        if (missing.length == 0) {
            return RegistryDecision.exists(topic);
        }
        return missing.length > queueIdsLeft()
                ? queueIdsUsedUp()
                : RegistryDecision.decided(withQueues(topic, missing));
    }

    public RegistryDecision<TopicDeletedRecord> decideDeleteTopic(String name, long nowMillis) {
        TopicRecord topic = topicsByName.get(name);
        return topic == null
                ? unknownTopic(name)
                : RegistryDecision.decided(new TopicDeletedRecord(topic.topicId(), nowMillis));
    }

    /**
     * Decides a new group; one that exists is answered with what it is. Its dead letters are there already if a group of that
     * name was: then it takes the place that they have held.
     */
    public RegistryDecision<GroupRecord> decideCreateGroup(String name, Map<String, String> settings, long nowMillis) {
        if (!Names.isLegal(name)) {
            return illegalName("group", name);
        }
        GroupRecord existing = groupsByName.get(name);
        if (existing != null) {
            return RegistryDecision.exists(existing);
        }
        boolean isPlaceHeld = lettersOfNoGroup.contains(Names.deadLetterTopic(name, nextGroupId));
        if (groupPlacesTaken() - (isPlaceHeld ? 1 : 0) >= limits.groupsMax()) {
            return groupLimit();
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

    /**
     * Decides that settings of a topic change, {@link #QUEUES} among them; to be applied and written with it, behind it and
     * in the same frame: {@link #decideQueues}. What is so already is left out, and if nothing is left that is answered.
     * Whether the values can be used is not judged here.
     *
     * @param changes by name, an empty value takes a setting back to its default
     * @param expectedVersion the version that was to be changed, 0 for any
     * @param who for people; cut if it is long
     * @param isOrdered whether the number of queues is fixed
     */
    public RegistryDecision<SettingsChangedRecord> decideChangeTopic(
            String name,
            Map<String, String> changes,
            long expectedVersion,
            String who,
            boolean isOrdered,
            long nowMillis) {
        TopicRecord topic = topicsByName.get(name);
        if (topic == null) {
            return unknownTopic(name);
        }
        SettingsChangedRecord record = new SettingsChangedRecord(
                Scope.TOPIC,
                topic.topicId(),
                0,
                nowMillis,
                differing(changes, key -> value(topic, key)),
                shortened(who));
        if (record.settings().isEmpty()) {
            return RegistryDecision.exists(record);
        }
        String readable = record.settings().get(READABLE);
        if (readable != null) {
            return RegistryDecision.refused(
                    RegistryOutcome.ILLEGAL_ARGUMENT,
                    "readable of topic " + name + " cannot be changed, it is fixed when the topic is created");
        }
        String queues = record.settings().get(QUEUES);
        if (queues != null) {
            String problem = problemOfQueues(topic, queues, isOrdered);
            if (problem != null) {
                return RegistryDecision.refused(RegistryOutcome.ILLEGAL_ARGUMENT, problem);
            }
            if (Integer.parseInt(queues) - topic.queueIds().length > queueIdsLeft()) {
                return queueIdsUsedUp();
            }
        }
        return ifVersion(expectedVersion, topicHistory(topic.topicId()).version(), "topic " + name, record);
    }

    private String problemOfQueues(TopicRecord topic, String queues, boolean isOrdered) {
        int count = topic.queueIds().length;
        String told = "queues of topic " + topic.name() + " is " + queues + ", allowed is ";
        if (isOrdered) {
            return told + count + ", because the topic is ordered: the number of queues decides where a key goes";
        }
        int asked;
        try {
            asked = Integer.parseInt(queues);
        } catch (NumberFormatException e) {
            asked = -1;
        }
        // A queue has messages, and groups that stand somewhere in it: it is not taken away.
        return asked > count && asked <= limits.queuesPerTopicMax()
                ? null
                : told + count + " to " + Math.max(count, limits.queuesPerTopicMax())
                        + ", because queues are not taken away";
    }

    /**
     * The topic with as many queues, the new ones spread over the stripes in turn. The topic has fewer, and settings as they
     * are to be.
     */
    public TopicRecord decideQueues(TopicRecord topic, int queueCount, int stripeCount) {
        int[] homes = IntStream.range(0, queueCount - topic.queueIds().length)
                .map(i -> (nextQueueId + i - 1) % stripeCount)
                .toArray();
        return withQueues(topic, homes);
    }

    /** Decides that settings of a group change; as {@link #decideChangeTopic}. */
    public RegistryDecision<SettingsChangedRecord> decideChangeGroup(
            String name, Map<String, String> changes, long expectedVersion, String who, long nowMillis) {
        GroupRecord group = groupsByName.get(name);
        if (group == null) {
            return RegistryDecision.refused(RegistryOutcome.UNKNOWN_GROUP, "group " + name + " does not exist");
        }
        SettingsChangedRecord record = new SettingsChangedRecord(
                Scope.GROUP,
                group.groupId(),
                0,
                nowMillis,
                differing(changes, key -> group.settings().getOrDefault(key, "")),
                shortened(who));
        return record.settings().isEmpty()
                ? RegistryDecision.exists(record)
                : ifVersion(expectedVersion, groupHistory(group.groupId()).version(), "group " + name, record);
    }

    /** The check comes last: a change that is made already is a success, whatever the version has become by it. */
    private static RegistryDecision<SettingsChangedRecord> ifVersion(
            long expected, long version, String what, SettingsChangedRecord record) {
        return expected == 0 || expected == version
                ? RegistryDecision.decided(record)
                : RegistryDecision.refused(
                        RegistryOutcome.OTHER_VERSION,
                        "the settings of " + what + " have version " + version + ", expected was " + expected
                                + "; look at them and decide anew");
    }

    private static String value(TopicRecord topic, String key) {
        return key.equals(QUEUES)
                ? Integer.toString(topic.queueIds().length)
                : topic.settings().getOrDefault(key, "");
    }

    private static Map<String, String> differing(Map<String, String> changes, UnaryOperator<String> now) {
        Map<String, String> differing = new TreeMap<>(changes);
        differing.entrySet().removeIf(change -> change.getValue().equals(now.apply(change.getKey())));
        return differing;
    }

    private static String shortened(String who) {
        String oneLine = who.replaceAll("\\p{Cntrl}", "?");
        return oneLine.length() <= WHO_CHARS_MAX ? oneLine : oneLine.substring(0, WHO_CHARS_MAX);
    }

    // ---- events -------------------------------------------------------------------------------------------------

    /** Defines a topic, or replaces what it was. */
    public void apply(TopicRecord record) {
        TopicRecord before = topicsById.put(record.topicId(), record);
        if (before != null) {
            removeName(before);
        }
        putName(record);
        nextTopicId = Math.max(nextTopicId, Math.addExact(record.topicId(), 1));
        for (int queueId : record.queueIds()) {
            nextQueueId = Math.max(nextQueueId, Math.addExact(queueId, 1));
        }
    }

    public void apply(TopicDeletedRecord record) {
        TopicRecord topic = topicsById.remove(record.topicId());
        if (topic != null) {
            removeName(topic);
        }
        topicHistories.remove(record.topicId());
        subscriptions.keySet().removeIf(pair -> pair.topicId() == record.topicId());
    }

    /** Defines a group, or replaces what it was. */
    public void apply(GroupRecord record) {
        GroupRecord before = groupsById.put(record.groupId(), record);
        if (before != null) {
            removeName(before);
        }
        groupsByName.put(record.name(), record);
        lettersOfNoGroup.remove(Names.deadLetterTopic(record.name(), record.groupId()));
        nextGroupId = Math.max(nextGroupId, Math.addExact(record.groupId(), 1));
    }

    public void apply(GroupDeletedRecord record) {
        GroupRecord group = groupsById.remove(record.groupId());
        if (group != null) {
            removeName(group);
        }
        groupHistories.remove(record.groupId());
        subscriptions.keySet().removeIf(pair -> pair.groupId() == record.groupId());
    }

    private void putName(TopicRecord topic) {
        boolean isNew = topicsByName.put(topic.name(), topic) == null;
        if (isNew && Names.isDeadLetterTopic(topic.name())) {
            deadLetterTopicCount++;
            noteIfOfNoGroup(topic.name());
        }
    }

    private void removeName(TopicRecord topic) {
        boolean wasThere = topicsByName.remove(topic.name()) != null;
        if (wasThere && Names.isDeadLetterTopic(topic.name())) {
            deadLetterTopicCount--;
            lettersOfNoGroup.remove(topic.name());
        }
    }

    private void removeName(GroupRecord group) {
        groupsByName.remove(group.name());
        String letters = Names.deadLetterTopic(group.name(), group.groupId());
        if (topicsByName.containsKey(letters)) {
            noteIfOfNoGroup(letters);
        }
    }

    private void noteIfOfNoGroup(String deadLetterTopic) {
        if (groupOfDeadLetters(deadLetterTopic) == null) {
            lettersOfNoGroup.add(deadLetterTopic);
        }
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
            case TOPIC -> {
                TopicRecord topic = topicsById.get(record.firstId());
                if (topic != null) {
                    remember(topicHistories, record, key -> value(topic, key));
                    apply(new TopicRecord(
                            topic.topicId(),
                            topic.name(),
                            topic.queueIds(),
                            topic.stripes(),
                            changed(topic.settings(), record.settings()),
                            topic.createdMillis()));
                }
            }
            case GROUP -> {
                GroupRecord group = groupsById.get(record.firstId());
                if (group != null) {
                    remember(groupHistories, record, key -> group.settings().getOrDefault(key, ""));
                    apply(new GroupRecord(
                            group.groupId(),
                            group.name(),
                            changed(group.settings(), record.settings()),
                            group.createdMillis()));
                }
            }
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

    private void remember(
            Map<Integer, SettingsHistory> histories, SettingsChangedRecord record, UnaryOperator<String> valueBefore) {
        SettingsHistory history = history(record.scope(), record.firstId());
        Map<String, String> before = new TreeMap<>();
        record.settings().keySet().forEach(key -> before.put(key, valueBefore.apply(key)));
        List<SettingsHistory.Change> changes = new ArrayList<>(history.changes());
        changes.add(new SettingsHistory.Change(record.changedMillis(), record.who(), before, record.settings()));
        int surplus = Math.max(0, changes.size() - limits.historyMax());
        histories.put(
                record.firstId(),
                new SettingsHistory(
                        record.scope(),
                        record.firstId(),
                        history.version() + 1,
                        changes.subList(surplus, changes.size())));
    }

    // ---- recovery -----------------------------------------------------------------------------------------------

    /**
     * Applies a record read from the log; what {@link #heldSequence()} covers is skipped, what is not the registry's too.
     *
     * @return whether it was new and the registry's
     */
    public boolean replay(LogRecord record, long sequence) {
        if (sequence <= heldSequence || !apply(record)) {
            return false;
        }
        heldSequence = sequence;
        return true;
    }

    /** @return whether it is one of the registry's; else nothing has happened */
    boolean apply(LogRecord record) {
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
        return true;
    }

    /**
     * As of a snapshot. Of a subscription of which the topic, or the group, is not there nothing is left: a repair of the log has given up
     * what defined it.
     *
     * @param heldSequence as the snapshot's record states it
     */
    public static RegistryState restore(RegistryLimits limits, RegistrySnapshot snapshot, long heldSequence) {
        RegistryState state = new RegistryState(limits);
        snapshot.topics().forEach(state::apply);
        snapshot.groups().forEach(state::apply);
        for (SubscriptionRecord subscription : snapshot.subscriptions()) {
            if (state.topicsById.containsKey(subscription.topicId())
                    && state.groupsById.containsKey(subscription.groupId())) {
                state.apply(subscription);
            }
        }
        snapshot.histories()
                .forEach(history -> (history.scope() == Scope.TOPIC ? state.topicHistories : state.groupHistories)
                        .put(history.id(), history));
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
                List.copyOf(subscriptions.values()),
                Stream.concat(topicHistories.values().stream(), groupHistories.values().stream())
                        .toList());
    }

    // ---- helpers ------------------------------------------------------------------------------------------------

    /** The topic with further queues behind those it has. */
    private TopicRecord withQueues(TopicRecord topic, int[] stripesToAdd) {
        int before = topic.queueIds().length;
        int[] queueIds = Arrays.copyOf(topic.queueIds(), before + stripesToAdd.length);
        int[] stripes = Arrays.copyOf(topic.stripes(), before + stripesToAdd.length);
        for (int i = 0; i < stripesToAdd.length; i++) {
            queueIds[before + i] = nextQueueId + i;
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

    /** Settings after a change; {@link #QUEUES} is none. */
    public static Map<String, String> changed(Map<String, String> settings, Map<String, String> changes) {
        Map<String, String> result = new TreeMap<>(settings);
        changes.forEach((key, value) -> {
            if (value.isEmpty() || key.equals(QUEUES)) {
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

    /** By groups, and by the dead letters of such as are not there. */
    private int groupPlacesTaken() {
        return groupsByName.size() + lettersOfNoGroup.size();
    }

    private <R extends LogRecord> RegistryDecision<R> groupLimit() {
        String letters = lettersOfNoGroup.isEmpty()
                ? ""
                : " and the dead letters of " + lettersOfNoGroup.size() + " that are not there (" + Names.DEAD_LETTERS
                        + "…)";
        return RegistryDecision.refused(
                RegistryOutcome.LIMIT,
                "there are " + groupsByName.size() + " groups" + letters + ", forebay.topic.groups-max allows no more");
    }

    private int queueIdsLeft() {
        return Math.max(0, QUEUE_ID_MAX - nextQueueId + 1);
    }

    private static <R extends LogRecord> RegistryDecision<R> queueIdsUsedUp() {
        return RegistryDecision.refused(
                RegistryOutcome.LIMIT,
                "too few ids of queues are left up to " + QUEUE_ID_MAX
                        + "; those of deleted topics are not given again");
    }

    private static <R extends LogRecord> RegistryDecision<R> limit(String kind, int max) {
        return RegistryDecision.refused(
                RegistryOutcome.LIMIT,
                "there are " + max + " " + kind + ", forebay.topic." + kind + "-max allows no more");
    }
}
