package io.forebay.topic;

import io.forebay.config.ForebaySettings;
import io.forebay.config.OwnSettings;
import io.forebay.protocol.Names;
import io.forebay.protocol.Refusal;
import io.forebay.storage.log.GroupRecord;
import io.forebay.storage.log.SettingsChangedRecord;
import io.forebay.storage.log.SubscriptionRecord;
import io.forebay.storage.log.TopicRecord;
import io.forebay.store.LogClock;
import io.forebay.topic.core.RegistryDecision;
import io.forebay.topic.core.RegistryOutcome;
import io.forebay.topic.core.RegistryState;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;

/**
 * Decides with {@link RegistryState} what topics, groups and subscriptions become, and gives that to the journal together
 * with what it does when it is flushed. Each method says why not, or null: then what was asked for is so, or will be when
 * everything committed is flushed. Confined to the registry's actor.
 */
final class TopicDefinitions {
    static final long RECORD_BYTES = 1024;

    private final ForebaySettings settings;
    private final int stripeCount;
    private final LogClock clock;
    private final RegistryState state;
    private final RegistryJournal journal;
    private final TopicDirectory directory;
    private final TopicPublisher publisher;

    TopicDefinitions(
            Registry.Environment environment, RegistryState state, RegistryJournal journal, TopicPublisher publisher) {
        this.settings = environment.settings();
        this.stripeCount = environment.stripes().size();
        this.clock = environment.stripes().get(0).clock();
        this.directory = environment.directory();
        this.state = state;
        this.journal = journal;
        this.publisher = publisher;
    }

    /** A group that consumes a topic, both made if they are made by use. */
    Refusal ensureGroup(String topic, String group) {
        Refusal refusal = checkNotOwn(group);
        refusal = refusal != null ? refusal : ensureTopic(topic);
        if (refusal == null && state.group(group) == null && !settings.topic().autoCreate()) {
            refusal = Names.isLegal(group) ? Refusal.unknownGroup(group) : Refusal.illegalName("group", group);
        }
        refusal = refusal != null ? refusal : createGroup(group, Map.of());
        refusal = refusal != null ? refusal : subscribe(topic, group);
        return refusal;
    }

    /** A topic, made if topics are made by use; that of a group's dead letters as the group itself would have it made. */
    Refusal ensureTopic(String name) {
        if (state.topic(name) != null) {
            return null;
        }
        if (!settings.topic().autoCreate() || !Names.isLegal(name)) {
            return Names.isLegal(name) ? Refusal.unknownTopic(name) : Refusal.illegalName("topic", name);
        }
        GroupRecord group = state.groupOfDeadLetters(name);
        return group != null
                ? deadLetterTopic(group.groupId())
                : createTopic(name, settings.topic().defaultQueues(), Map.of());
    }

    Refusal createTopic(String name, int queueCount, Map<String, String> topicSettings) {
        Refusal noRoom = journal.reserve(RECORD_BYTES + 8L * queueCount + bytesOf(topicSettings));
        if (noRoom != null) {
            return noRoom;
        }
        RegistryDecision<TopicRecord> decision =
                state.decideCreateTopic(name, queueCount, topicSettings, stripeCount, clock.millis());
        if (!decision.isDecided()) {
            return refusal(decision);
        }
        TopicRecord record = decision.record();
        state.apply(record);
        journal.commit(record, () -> publisher.publish(record, true));
        return null;
    }

    /** The topic of a group's dead letters, with a queue in each stripe. */
    Refusal deadLetterTopic(int groupId) {
        Refusal noRoom = journal.reserve(RECORD_BYTES + 8L * settings.topic().queuesMax() + 8L * stripeCount);
        if (noRoom != null) {
            return noRoom;
        }
        RegistryDecision<TopicRecord> decision = state.decideDeadLetterTopic(
                groupId,
                Map.of("max-age", OwnSettings.text(settings.topic().deadLetterMaxAge())),
                stripeCount,
                clock.millis());
        if (!decision.isDecided()) {
            return refusal(decision);
        }
        TopicRecord record = decision.record();
        boolean isNew = state.topic(record.topicId()) == null;
        state.apply(record);
        journal.commit(record, () -> {
            if (isNew) {
                publisher.publish(record, true);
            } else {
                publisher.publishChanged(record);
            }
        });
        return null;
    }

    /** Null unless a client is to leave that group alone. */
    static Refusal checkNotOwn(String group) {
        return Names.REDRIVE_GROUP.equals(group)
                ? Refusal.of(
                        Refusal.Code.ILLEGAL_NAME,
                        "group '" + group + "' is the node's own: it notes which dead letters went back")
                : null;
    }

    /** The node's own group in a topic of dead letters, and a queue for them in each stripe. */
    Refusal ensureRedrive(String topic) {
        GroupRecord of = state.groupOfDeadLetters(topic);
        Refusal refusal = state.topic(topic) == null ? Refusal.unknownTopic(topic) : null;
        refusal = refusal != null || of == null ? refusal : deadLetterTopic(of.groupId());
        refusal = refusal != null ? refusal : createGroup(Names.REDRIVE_GROUP, Map.of("start", "earliest"));
        return refusal != null ? refusal : subscribe(topic, Names.REDRIVE_GROUP);
    }

    Refusal createGroup(String name, Map<String, String> groupSettings) {
        Refusal noRoom = journal.reserve(RECORD_BYTES + bytesOf(groupSettings));
        if (noRoom != null) {
            return noRoom;
        }
        RegistryDecision<GroupRecord> decision = state.decideCreateGroup(name, groupSettings, clock.millis());
        if (!decision.isDecided()) {
            return refusal(decision);
        }
        state.apply(decision.record());
        journal.commit(decision.record(), () -> {});
        return null;
    }

    Refusal subscribe(String topicName, String groupName) {
        TopicRecord topic = state.topic(topicName);
        int queueCount = topic == null ? 0 : topic.queueIds().length;
        Refusal noRoom = journal.reserve(RECORD_BYTES + 8L * queueCount);
        if (noRoom != null) {
            return noRoom;
        }
        GroupRecord group = state.group(groupName);
        long[] firstOffsets = new long[queueCount];
        long[] nextOffsets = new long[queueCount];
        TopicDirectory.TopicRoute route = directory.topic(topicName);
        // A topic that is not published yet has no message.
        if (route != null && topic != null && route.topicId() == topic.topicId()) {
            // Nor has a queue that is not.
            for (int i = 0; i < route.queues().size(); i++) {
                firstOffsets[i] = route.queues().get(i).marks().firstOffset();
                nextOffsets[i] = route.queues().get(i).marks().nextOffset();
            }
        }
        RegistryDecision<SubscriptionRecord> decision = state.decideSubscribe(
                topicName,
                groupName,
                group == null ? null : TopicRules.start(group.settings(), settings),
                firstOffsets,
                nextOffsets,
                Map.of(),
                clock.millis());
        if (!decision.isDecided()) {
            return refusal(decision);
        }
        SubscriptionRecord record = decision.record();
        state.apply(record);
        journal.commit(record, () -> publisher.publish(record));
        return null;
    }

    /** Settings of a topic, the number of its queues among them. */
    Refusal changeTopic(String name, Map<String, String> changes, long expectedVersion, String who) {
        TopicRecord before = state.topic(name);
        if (before == null) {
            return Names.isLegal(name) ? Refusal.unknownTopic(name) : Refusal.illegalName("topic", name);
        }
        Map<String, String> texts = new TreeMap<>(changes);
        texts.remove(RegistryState.QUEUES);
        Refusal refusal = TopicRules.checkTopicChange(before.settings(), texts, settings);
        refusal = refusal != null
                ? refusal
                : journal.reserve(2 * RECORD_BYTES
                        + 8L * settings.topic().queuesMax()
                        + bytesOf(changes)
                        + bytesOf(before.settings()));
        if (refusal != null) {
            return refusal;
        }
        Map<String, String> after = RegistryState.changed(before.settings(), changes);
        RegistryDecision<SettingsChangedRecord> decision = state.decideChangeTopic(
                name, changes, expectedVersion, who, isOrdered(before.settings()) && isOrdered(after), clock.millis());
        if (!decision.isDecided()) {
            return refusal(decision);
        }
        SettingsChangedRecord record = decision.record();
        state.apply(record);
        TopicRecord changed = state.topic(name);
        String queues = record.settings().get(RegistryState.QUEUES);
        if (queues == null) {
            journal.commit(record, () -> publisher.publishChanged(changed));
        } else {
            TopicRecord grown = state.decideQueues(changed, Integer.parseInt(queues), stripeCount);
            state.apply(grown);
            journal.commit(List.of(record, grown), () -> publisher.publishChanged(grown));
        }
        return null;
    }

    private boolean isOrdered(Map<String, String> texts) {
        return TopicRules.topicPolicy(texts, settings, leftOut -> {}).isOrdered();
    }

    /** Settings of a group. */
    Refusal changeGroup(String name, Map<String, String> changes, long expectedVersion, String who) {
        GroupRecord before = state.group(name);
        if (before == null) {
            return Names.isLegal(name) ? Refusal.unknownGroup(name) : Refusal.illegalName("group", name);
        }
        Refusal refusal = checkNotOwn(name);
        refusal = refusal != null ? refusal : TopicRules.checkGroupChange(before.settings(), changes, settings);
        refusal = refusal != null ? refusal : journal.reserve(RECORD_BYTES + bytesOf(changes));
        if (refusal != null) {
            return refusal;
        }
        RegistryDecision<SettingsChangedRecord> decision =
                state.decideChangeGroup(name, changes, expectedVersion, who, clock.millis());
        if (!decision.isDecided()) {
            return refusal(decision);
        }
        state.apply(decision.record());
        GroupRecord changed = state.group(name);
        journal.commit(decision.record(), () -> publisher.publishChanged(changed));
        return null;
    }

    /** Null if what was asked for is so already. */
    private static Refusal refusal(RegistryDecision<?> decision) {
        if (decision.isAccepted()) {
            return null;
        }
        return Refusal.of(code(decision.outcome()), decision.detail());
    }

    private static Refusal.Code code(RegistryOutcome outcome) {
        return switch (outcome) {
            case ILLEGAL_NAME -> Refusal.Code.ILLEGAL_NAME;
            case UNKNOWN_TOPIC -> Refusal.Code.UNKNOWN_TOPIC;
            case UNKNOWN_GROUP -> Refusal.Code.UNKNOWN_GROUP;
            case ILLEGAL_ARGUMENT -> Refusal.Code.ILLEGAL_ARGUMENT;
            case OTHER_VERSION -> Refusal.Code.OTHER_VERSION;
            case LIMIT -> Refusal.Code.LIMIT;
            case DECIDED, EXISTS -> throw new AssertionError(outcome);
        };
    }

    private static long bytesOf(Map<String, String> map) {
        long chars = 0;
        for (Map.Entry<String, String> entry : map.entrySet()) {
            chars += entry.getKey().length() + entry.getValue().length() + 8L;
        }
        return 3 * chars;
    }
}
