package io.forebay.topic;

import akka.actor.typed.ActorRef;
import akka.actor.typed.DispatcherSelector;
import akka.actor.typed.javadsl.ActorContext;
import io.forebay.config.ForebaySettings;
import io.forebay.protocol.Names;
import io.forebay.protocol.Quarantine;
import io.forebay.protocol.QueueDescription;
import io.forebay.protocol.Refusal;
import io.forebay.protocol.SessionCommand;
import io.forebay.protocol.SessionEvent;
import io.forebay.protocol.SettingsChange;
import io.forebay.protocol.SettingsCommand;
import io.forebay.protocol.SettingsDescribed;
import io.forebay.protocol.SettingsDescription;
import io.forebay.protocol.SettingsScope;
import io.forebay.protocol.TopicDescription;
import io.forebay.queue.GroupQueue;
import io.forebay.queue.QueueMarks;
import io.forebay.storage.log.GroupDeletedRecord;
import io.forebay.storage.log.GroupRecord;
import io.forebay.storage.log.QuarantinedRecord;
import io.forebay.storage.log.SettingsHistory;
import io.forebay.storage.log.SubscriptionRecord;
import io.forebay.storage.log.TopicDeletedRecord;
import io.forebay.storage.log.TopicRecord;
import io.forebay.store.LogClock;
import io.forebay.topic.core.RegistryState;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.SortedMap;
import java.util.TreeMap;
import java.util.function.Supplier;

/** The commands that create, change, delete, list and describe. Confined to the registry's actor. */
final class Administration {
    private static final int LIST_COUNT_MAX = 1000;

    private final ActorContext<Registry.Command> context;
    private final ForebaySettings settings;
    private final TopicDirectory directory;
    private final LogClock clock;
    private final RegistryState state;
    private final RegistryJournal journal;
    private final TopicPublisher publisher;
    private final TopicDefinitions definitions;

    Administration(
            ActorContext<Registry.Command> context,
            Registry.Environment environment,
            RegistryState state,
            RegistryJournal journal,
            TopicPublisher publisher,
            TopicDefinitions definitions) {
        this.context = context;
        this.settings = environment.settings();
        this.directory = environment.directory();
        this.clock = environment.stripes().get(0).clock();
        this.state = state;
        this.journal = journal;
        this.publisher = publisher;
        this.definitions = definitions;
    }

    void onAdminister(Registry.Administer command) {
        SessionCommand.Request request = command.request();
        if (request instanceof SessionCommand.CreateTopic create) {
            onCreateTopic(command, create);
        } else if (request instanceof SessionCommand.DeleteTopic delete) {
            onDeleteTopic(command, delete);
        } else if (request instanceof SessionCommand.CreateGroup create) {
            onCreateGroup(command, create);
        } else if (request instanceof SessionCommand.DeleteGroup delete) {
            onDeleteGroup(command, delete);
        } else if (request instanceof SessionCommand.ListTopics list) {
            command.replyTo()
                    .tell(new RegistryReply.Answer(page(
                            list.requestId(),
                            state.topics().stream().map(TopicRecord::name).toList(),
                            list.after(),
                            list.countMax())));
        } else if (request instanceof SessionCommand.ListGroups list) {
            onListGroups(command, list);
        } else if (request instanceof SessionCommand.DescribeTopic describe) {
            TopicDescription description = describe(describe.topic());
            command.replyTo()
                    .tell(new RegistryReply.Answer(
                            description == null
                                    ? new SessionEvent.Refused(describe.requestId(), unknownTopic(describe.topic()))
                                    : new SessionEvent.TopicDescribed(describe.requestId(), description)));
        } else if (request instanceof SessionCommand.DescribeGroup describe) {
            onDescribeGroup(command, describe);
        } else if (request instanceof SettingsCommand.ChangeSettings change) {
            onChangeSettings(command, change);
        } else if (request instanceof SettingsCommand.DescribeSettings describe) {
            onDescribeSettings(command, describe);
        } else {
            throw new AssertionError(request);
        }
    }

    /** Answers when everything committed so far is flushed. */
    private void answer(Registry.Administer command, Refusal refusal, Supplier<SessionEvent.Reply> reply) {
        if (refusal == null) {
            journal.await(
                    () -> command.replyTo().tell(new RegistryReply.Answer(reply.get())), late -> refuse(command, late));
        } else {
            refuse(command, refusal);
        }
    }

    static void refuse(Registry.Administer command, Refusal refusal) {
        command.replyTo()
                .tell(new RegistryReply.Answer(
                        new SessionEvent.Refused(command.request().requestId(), refusal)));
    }

    private void onCreateTopic(Registry.Administer command, SessionCommand.CreateTopic create) {
        String name = create.topic();
        Refusal refusal = Names.check("topic", name);
        refusal = refusal != null
                ? refusal
                : TopicRules.topic(create.settings(), settings).refusal();
        if (refusal == null && create.queues() < 0) {
            refusal = Refusal.illegalArgument(
                    "the number of queues",
                    create.queues(),
                    "1 to " + settings.topic().queuesMax()
                            + " (forebay.topic.queues-max), or 0 for the node's default");
        }
        TopicRecord existing = refusal == null ? state.topic(name) : null;
        if (existing != null) {
            refusal = isAsAsked(existing, create)
                    ? null
                    : Refusal.of(
                            Refusal.Code.ALREADY_EXISTS,
                            "topic '" + name + "' is there already with " + existing.queueIds().length
                                    + " queues and settings " + existing.settings());
        } else if (refusal == null) {
            refusal = definitions.createTopic(
                    name, create.queues() == 0 ? settings.topic().defaultQueues() : create.queues(), create.settings());
        }
        answer(command, refusal, () -> new SessionEvent.TopicCreated(create.requestId(), describe(name)));
    }

    /** What was set or added since then does not make it another one: who creates it whenever it starts need not know. */
    private boolean isAsAsked(TopicRecord existing, SessionCommand.CreateTopic create) {
        int queueCount = existing.queueIds().length;
        boolean isGrown = state.topicHistory(existing.topicId()).version() > 1;
        return existing.settings().entrySet().containsAll(create.settings().entrySet())
                && (create.queues() == 0 || create.queues() == queueCount || (isGrown && create.queues() < queueCount));
    }

    private void onCreateGroup(Registry.Administer command, SessionCommand.CreateGroup create) {
        String name = create.group();
        Refusal refusal = Names.check("group", name);
        refusal = refusal != null ? refusal : TopicDefinitions.checkNotOwn(name);
        refusal = refusal != null
                ? refusal
                : TopicRules.group(create.settings(), settings).refusal();
        if (refusal == null && !create.topic().isEmpty() && state.topic(create.topic()) == null) {
            refusal = unknownTopic(create.topic());
        }
        GroupRecord existing = refusal == null ? state.group(name) : null;
        if (existing != null
                && !existing.settings().entrySet().containsAll(create.settings().entrySet())) {
            refusal = Refusal.of(
                    Refusal.Code.ALREADY_EXISTS,
                    "group '" + name + "' is there already with settings " + existing.settings());
        }
        refusal = refusal != null ? refusal : definitions.createGroup(name, create.settings());
        if (refusal == null && !create.topic().isEmpty()) {
            refusal = definitions.subscribe(create.topic(), name);
        }
        answer(command, refusal, () -> new SessionEvent.GroupCreated(create.requestId(), name));
    }

    private void onDeleteTopic(Registry.Administer command, SessionCommand.DeleteTopic delete) {
        TopicRecord topic = state.topic(delete.topic());
        Refusal refusal = topic == null ? unknownTopic(delete.topic()) : journal.reserve(TopicDefinitions.RECORD_BYTES);
        if (refusal != null) {
            refuse(command, refusal);
            return;
        }
        List<SubscriptionRecord> subscriptions = List.copyOf(state.subscriptionsOf(topic.topicId()));
        List<String> groups = subscriptions.stream()
                .map(one -> state.group(one.groupId()).name())
                .toList();
        TopicDeletedRecord record =
                state.decideDeleteTopic(delete.topic(), clock.millis()).record();
        state.apply(record);
        journal.commit(record, () -> {
            for (int i = 0; i < groups.size(); i++) {
                publisher.unpublish(topic, groups.get(i), subscriptions.get(i).groupId());
            }
            publisher.unpublish(topic);
        });
        answer(command, null, () -> new SessionEvent.Deleted(delete.requestId()));
    }

    private void onDeleteGroup(Registry.Administer command, SessionCommand.DeleteGroup delete) {
        GroupRecord group = state.group(delete.group());
        Refusal refusal = group == null ? unknownGroup(delete.group()) : TopicDefinitions.checkNotOwn(delete.group());
        refusal = refusal != null ? refusal : journal.reserve(TopicDefinitions.RECORD_BYTES);
        if (refusal != null) {
            refuse(command, refusal);
            return;
        }
        List<TopicRecord> topics = state.topics().stream()
                .filter(topic -> state.subscription(topic.topicId(), group.groupId()) != null)
                .toList();
        GroupDeletedRecord record =
                state.decideDeleteGroup(delete.group(), clock.millis()).record();
        state.apply(record);
        journal.commit(
                record, () -> topics.forEach(topic -> publisher.unpublish(topic, group.name(), group.groupId())));
        answer(command, null, () -> new SessionEvent.Deleted(delete.requestId()));
    }

    private void onChangeSettings(Registry.Administer command, SettingsCommand.ChangeSettings change) {
        Map<String, String> changes = new TreeMap<>();
        change.changes().forEach((name, value) -> changes.put(name, value.strip()));
        Refusal refusal = change.scope() == SettingsScope.TOPIC
                ? definitions.changeTopic(change.name(), changes, change.expectedVersion(), change.who())
                : definitions.changeGroup(change.name(), changes, change.expectedVersion(), change.who());
        // As it is now: what others change before this is flushed is not this one's answer.
        SettingsDescription after = refusal == null ? settingsOf(change.scope(), change.name(), 1) : null;
        answer(command, refusal, () -> new SettingsDescribed(change.requestId(), after));
    }

    private void onDescribeSettings(Registry.Administer command, SettingsCommand.DescribeSettings describe) {
        SettingsDescription found = settingsOf(describe.scope(), describe.name(), describe.historyMax());
        Refusal refusal = null;
        if (found == null) {
            refusal = describe.scope() == SettingsScope.TOPIC
                    ? unknownTopic(describe.name())
                    : unknownGroup(describe.name());
        }
        answer(command, refusal, () -> new SettingsDescribed(describe.requestId(), found));
    }

    /** Null if there is no such topic or group. */
    private SettingsDescription settingsOf(SettingsScope scope, String name, int historyMax) {
        Map<String, String> own;
        SortedMap<String, String> effective;
        SettingsHistory history;
        if (scope == SettingsScope.TOPIC) {
            TopicRecord topic = state.topic(name);
            if (topic == null) {
                return null;
            }
            own = topic.settings();
            effective = new TreeMap<>(TopicRules.effectiveOfTopic(own, settings));
            effective.put(RegistryState.QUEUES, Integer.toString(topic.queueIds().length));
            history = state.topicHistory(topic.topicId());
        } else {
            GroupRecord group = state.group(name);
            if (group == null) {
                return null;
            }
            own = group.settings();
            effective = TopicRules.effectiveOfGroup(own, settings);
            history = state.groupHistory(group.groupId());
        }
        List<SettingsChange> changes = new ArrayList<>();
        int count = history.changes().size();
        for (int i = 0; i < Math.min(historyMax, count); i++) {
            SettingsHistory.Change change = history.changes().get(count - 1 - i);
            changes.add(new SettingsChange(
                    history.version() - i, change.changedMillis(), change.who(), change.before(), change.after()));
        }
        return new SettingsDescription(scope, name, settings.node().name(), history.version(), own, effective, changes);
    }

    private void onListGroups(Registry.Administer command, SessionCommand.ListGroups list) {
        List<String> names;
        if (list.topic().isEmpty()) {
            names = state.groups().stream().map(GroupRecord::name).toList();
        } else {
            TopicRecord topic = state.topic(list.topic());
            if (topic == null) {
                refuse(command, unknownTopic(list.topic()));
                return;
            }
            names = groupsOf(topic);
        }
        command.replyTo().tell(new RegistryReply.Answer(page(list.requestId(), names, list.after(), list.countMax())));
    }

    private List<String> groupsOf(TopicRecord topic) {
        return state.subscriptionsOf(topic.topicId()).stream()
                .map(one -> state.group(one.groupId()).name())
                .sorted()
                .toList();
    }

    private static SessionEvent.NamePage page(long requestId, List<String> names, String after, int countMax) {
        int count = countMax <= 0 ? LIST_COUNT_MAX : Math.min(countMax, LIST_COUNT_MAX);
        List<String> page = new ArrayList<>();
        for (String name : names) {
            if (name.compareTo(after) > 0) {
                if (page.size() == count) {
                    return new SessionEvent.NamePage(requestId, page, true);
                }
                page.add(name);
            }
        }
        return new SessionEvent.NamePage(requestId, page, false);
    }

    /** Null if the topic is not published. */
    private TopicDescription describe(String name) {
        TopicDirectory.TopicRoute route = name == null ? null : directory.topic(name);
        if (route == null) {
            return null;
        }
        List<QueueDescription> queues = new ArrayList<>();
        int left = TopicDescription.QUARANTINES_MAX;
        int unservedLeft = TopicDescription.UNSERVED_MAX;
        for (TopicDirectory.QueueRoute queue : route.queues()) {
            long first = queue.marks().firstOffset();
            long next = Math.max(first, queue.marks().nextOffset());
            queues.add(new QueueDescription(
                    queue.number(),
                    queue.stripeId(),
                    first,
                    next,
                    next - first,
                    queue.marks().expiredCount(),
                    queue.marks().quarantinedCount(),
                    quarantines(queue.marks(), left),
                    directory.whyUnserved(queue.queueId()).stream()
                            .limit(unservedLeft)
                            .toList()));
            left -= queues.get(queues.size() - 1).quarantines().size();
            unservedLeft -= queues.get(queues.size() - 1).unserved().size();
        }
        TopicRecord topic = state.topic(name);
        return new TopicDescription(
                name,
                settings.node().name(),
                queues,
                topic == null ? List.of() : groupsOf(topic),
                route.settings(),
                topic == null ? 1 : state.topicHistory(topic.topicId()).version(),
                route.createdMillis());
    }

    private static List<Quarantine> quarantines(QueueMarks marks, int countMax) {
        return marks.quarantines().stream()
                .limit(countMax)
                .map(bad -> new Quarantine(
                        bad.firstOffset(),
                        bad.count(),
                        causeOf(bad.cause()),
                        bad.segment(),
                        bad.position(),
                        bad.notedMillis(),
                        bad.detail()))
                .toList();
    }

    private static Quarantine.Cause causeOf(QuarantinedRecord.Cause cause) {
        return switch (cause) {
            case BAD_FRAME -> Quarantine.Cause.BAD_FRAME;
            case MISSING_SEGMENT -> Quarantine.Cause.MISSING_SEGMENT;
            case READ_ERROR -> Quarantine.Cause.READ_ERROR;
            case RELEASED -> throw new AssertionError("what was released is not in quarantine");
        };
    }

    private void onDescribeGroup(Registry.Administer command, SessionCommand.DescribeGroup describe) {
        GroupRecord group = state.group(describe.group());
        if (group == null) {
            refuse(command, unknownGroup(describe.group()));
            return;
        }
        if (!describe.topic().isEmpty() && state.topic(describe.topic()) == null) {
            refuse(command, unknownTopic(describe.topic()));
            return;
        }
        List<GroupInspection.Part> parts = new ArrayList<>();
        for (TopicRecord topic : state.topics()) {
            TopicDirectory.GroupRoute route = directory.group(topic.name(), group.name());
            if (route == null
                    || (!describe.topic().isEmpty() && !describe.topic().equals(topic.name()))) {
                continue;
            }
            List<ActorRef<GroupQueue.Command>> queues = new ArrayList<>();
            for (int queueId : topic.queueIds()) {
                TopicDirectory.GroupQueueRoute queue = directory.groupQueue(queueId, group.groupId());
                if (queue != null) {
                    queues.add(queue.groupQueue());
                }
            }
            Map<Integer, Integer> numbersById = new HashMap<>();
            for (int number = 0; number < topic.queueIds().length; number++) {
                numbersById.put(topic.queueIds()[number], number);
            }
            parts.add(new GroupInspection.Part(
                    topic.name(), route.policy().isPaused(), route.dispatcher(), queues, numbersById));
        }
        context.spawnAnonymous(
                GroupInspection.create(
                        parts,
                        new GroupInspection.About(
                                group.name(),
                                settings.node().name(),
                                group.settings(),
                                state.groupHistory(group.groupId()).version()),
                        clock,
                        describe.requestId(),
                        command.replyTo()),
                DispatcherSelector.sameAsParent());
    }

    private static Refusal unknownTopic(String name) {
        return Names.isLegal(name) ? Refusal.unknownTopic(name) : Refusal.illegalName("topic", name);
    }

    private static Refusal unknownGroup(String name) {
        return Names.isLegal(name) ? Refusal.unknownGroup(name) : Refusal.illegalName("group", name);
    }
}
