package io.forebay.topic;

import akka.actor.typed.ActorRef;
import akka.actor.typed.DispatcherSelector;
import akka.actor.typed.javadsl.ActorContext;
import io.forebay.config.ForebaySettings;
import io.forebay.config.StoreSettings;
import io.forebay.protocol.Names;
import io.forebay.protocol.ReceiptHandle;
import io.forebay.protocol.Refusal;
import io.forebay.queue.GroupMarks;
import io.forebay.queue.GroupQueue;
import io.forebay.queue.Queue;
import io.forebay.queue.QueueMarks;
import io.forebay.queue.core.DispatchState;
import io.forebay.queue.core.GroupPolicy;
import io.forebay.queue.core.GroupQueueState;
import io.forebay.queue.core.QueueState;
import io.forebay.queue.core.TopicPolicy;
import io.forebay.storage.log.GroupRecord;
import io.forebay.storage.log.Owner;
import io.forebay.storage.log.SubscriptionRecord;
import io.forebay.storage.log.TopicRecord;
import io.forebay.store.EventLog;
import io.forebay.store.LogEvent;
import io.forebay.store.StripeHandle;
import io.forebay.topic.core.RegistryState;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.atomic.AtomicLong;

/**
 * Makes what the registry's records say true: starts the actors of queues, groups and dispatchers as its children, names
 * them in the {@link TopicDirectory}, and takes them away again. Called when a record is flushed, in the order of the
 * records. Confined to the registry's actor.
 */
final class TopicPublisher {
    /**
     * Frames of queues and groups are filled up to this; a single message may be larger. A reader verifies whole frames and
     * keeps a buffer of this size: with larger ones a small Pop would read, and check, the same bytes over and over.
     */
    private static final int FRAME_BYTES = 64 * 1024;

    private final ActorContext<Registry.Command> context;
    private final Registry.Environment environment;
    private final ForebaySettings settings;
    private final TopicDirectory directory;
    private final RegistryState state;
    private final int nodeId;
    /** What most of thousands of topics and groups have: read once. */
    private final TopicPolicy defaultTopicPolicy;

    private final GroupPolicy defaultGroupPolicy;
    private final DispatcherSelector dispatcherSelector = DispatcherSelector.sameAsParent();
    /** By stripe: bytes of messages written since the start. */
    private final List<AtomicLong> stripeBytes = new ArrayList<>();

    TopicPublisher(ActorContext<Registry.Command> context, Registry.Environment environment, RegistryState state) {
        this.context = context;
        this.environment = environment;
        this.state = state;
        settings = environment.settings();
        directory = environment.directory();
        environment.stripes().forEach(one -> stripeBytes.add(new AtomicLong()));
        defaultTopicPolicy = TopicRules.topic(Map.of(), settings).policy();
        defaultGroupPolicy = TopicRules.group(Map.of(), settings).policy();
        nodeId = ReceiptHandle.nodeIdOf(settings.node().name());
    }

    /** @param isNew whether the topic was created in this life of the node: then there is nothing to recover */
    void publish(TopicRecord topic, boolean isNew) {
        TopicPolicy policy = topicPolicy(topic);
        List<TopicDirectory.QueueRoute> queues = new ArrayList<>(topic.queueIds().length);
        for (int number = 0; number < topic.queueIds().length; number++) {
            queues.add(startQueue(topic, number, isNew, policy));
        }
        directory.put(new TopicDirectory.TopicRoute(
                topic.topicId(), topic.name(), List.copyOf(queues), policy, topic.settings(), topic.createdMillis()));
    }

    /**
     * The topic has other settings, or further queues: those are served, and read by the topic's groups from their first
     * message on.
     */
    void publishChanged(TopicRecord topic) {
        TopicDirectory.TopicRoute route = directory.topic(topic.name());
        if (route == null || route.topicId() != topic.topicId()) {
            return;
        }
        TopicPolicy policy = topicPolicy(topic);
        List<TopicDirectory.QueueRoute> queues = new ArrayList<>(route.queues());
        for (int number = route.queues().size(); number < topic.queueIds().length; number++) {
            queues.add(startQueue(topic, number, true, policy));
        }
        directory.put(new TopicDirectory.TopicRoute(
                topic.topicId(), topic.name(), List.copyOf(queues), policy, topic.settings(), topic.createdMillis()));
        for (TopicDirectory.QueueRoute queue : route.queues()) {
            if (queue.queue() != null) {
                queue.queue().tell(new Queue.Configure(policy));
            }
        }
        for (SubscriptionRecord subscription : state.subscriptionsOf(topic.topicId())) {
            GroupRecord group = state.group(subscription.groupId());
            TopicDirectory.GroupRoute groupRoute = directory.group(topic.name(), group.name());
            // One that was decided, but is not flushed yet, finds the queues when it is published itself.
            if (groupRoute != null && groupRoute.groupId() == group.groupId()) {
                queues.subList(route.queues().size(), queues.size())
                        .forEach(queue -> publish(subscription, topic, group, groupRoute, queue));
            }
        }
    }

    /** The group has other settings. */
    void publishChanged(GroupRecord group) {
        for (TopicRecord topic : state.topics()) {
            TopicDirectory.GroupRoute route = directory.group(topic.name(), group.name());
            if (route == null || route.groupId() != group.groupId()) {
                continue;
            }
            GroupPolicy policy = groupPolicy(topic, group);
            directory.put(
                    topic.name(),
                    group.name(),
                    new TopicDirectory.GroupRoute(group.groupId(), route.dispatcher(), policy));
            route.dispatcher().tell(new Dispatcher.Configure(policy));
            for (int queueId : topic.queueIds()) {
                TopicDirectory.GroupQueueRoute queue = directory.groupQueue(queueId, group.groupId());
                if (queue != null) {
                    directory.put(
                            queueId,
                            group.groupId(),
                            new TopicDirectory.GroupQueueRoute(
                                    topic.name(), group.name(), queue.groupQueue(), policy, queue.marks()));
                    queue.groupQueue().tell(new GroupQueue.Configure(policy));
                }
            }
        }
    }

    private TopicPolicy topicPolicy(TopicRecord topic) {
        if (topic.settings().isEmpty()) {
            return defaultTopicPolicy;
        }
        return TopicRules.topicPolicy(topic.settings(), settings, refusal -> leftOut("topic", topic.name(), refusal));
    }

    private GroupPolicy groupPolicy(TopicRecord topic, GroupRecord group) {
        if (group.settings().isEmpty() && !Names.isDeadLetterTopic(topic.name())) {
            return defaultGroupPolicy;
        }
        return TopicRules.groupPolicy(
                topic.name(), group.settings(), settings, refusal -> leftOut("group", group.name(), refusal));
    }

    private TopicDirectory.QueueRoute startQueue(TopicRecord topic, int number, boolean isNew, TopicPolicy policy) {
        int queueId = topic.queueIds()[number];
        StripeHandle home = environment.stripes().get(topic.stripes()[number]);
        QueueMarks marks = new QueueMarks();
        if (isStopped(home, Owner.queue(queueId))) {
            // Whoever asks for nothing of it has it forgotten, and then the log lets go of what a repair could serve
            // again.
            environment.recovery().takeQueue(home.stripeId(), queueId);
            unserved(
                    Owner.queue(queueId),
                    home.stripeId(),
                    topic.name(),
                    number,
                    "",
                    TopicDirectory.Fault.RECORDS_MISSING,
                    "");
            return new TopicDirectory.QueueRoute(queueId, number, home.stripeId(), null, marks);
        }
        List<Integer> groupIds = state.subscriptionsOf(topic.topicId()).stream()
                .map(SubscriptionRecord::groupId)
                .toList();
        ActorRef<Queue.Command> queue = context.spawn(
                Queue.create(
                        new Queue.Identity(
                                queueId, number, topic.name(), settings.node().name(), FRAME_BYTES, policy),
                        home,
                        isNew ? new QueueState() : environment.recovery().takeQueue(home.stripeId(), queueId),
                        home.log().nextOffset(queueId),
                        groupIds,
                        marks,
                        stripeBytes.get(home.stripeId())),
                "queue-" + queueId,
                dispatcherSelector);
        context.watchWith(queue, new Registry.ChildStopped("queue", topic.name(), "", queueId, 0));
        return new TopicDirectory.QueueRoute(queueId, number, home.stripeId(), queue, marks);
    }

    void publish(SubscriptionRecord subscription) {
        TopicRecord topic = state.topic(subscription.topicId());
        GroupRecord group = state.group(subscription.groupId());
        TopicDirectory.TopicRoute route = topic == null ? null : directory.topic(topic.name());
        if (group == null || route == null || route.topicId() != topic.topicId()) {
            // Deleted again before this was flushed.
            return;
        }
        GroupPolicy policy = groupPolicy(topic, group);
        ActorRef<Dispatcher.Command> dispatcher = context.spawn(
                Dispatcher.create(
                        "topic " + topic.name() + " group " + group.name(),
                        environment.stripes().get(0).clock(),
                        policy,
                        new DispatchState.Limits(
                                settings.group().waitingPopsMax(),
                                settings.session().requestsMax(),
                                settings.group().inFlightMax())),
                "dispatcher-" + topic.topicId() + "-" + group.groupId(),
                dispatcherSelector);
        context.watchWith(
                dispatcher, new Registry.ChildStopped("dispatcher", topic.name(), group.name(), 0, group.groupId()));
        TopicDirectory.GroupRoute groupRoute = new TopicDirectory.GroupRoute(group.groupId(), dispatcher, policy);
        for (TopicDirectory.QueueRoute queue : route.queues()) {
            publish(subscription, topic, group, groupRoute, queue);
        }
        directory.put(topic.name(), group.name(), groupRoute);
    }

    private void publish(
            SubscriptionRecord subscription,
            TopicRecord topic,
            GroupRecord group,
            TopicDirectory.GroupRoute groupRoute,
            TopicDirectory.QueueRoute queue) {
        int queueId = queue.queueId();
        StripeHandle home = environment.stripes().get(queue.stripeId());
        NodeRecovery.RecoveredGroup recovered =
                environment.recovery().takeGroup(queue.stripeId(), queueId, group.groupId());
        Owner owner = Owner.group(queueId, group.groupId());
        boolean isContradicted = recovered != null && recovered.contradiction != null;
        if (queue.queue() != null && (isStopped(home, owner) || isContradicted)) {
            unserved(
                    owner,
                    queue.stripeId(),
                    topic.name(),
                    queue.number(),
                    group.name(),
                    isContradicted ? TopicDirectory.Fault.CONTRADICTION : TopicDirectory.Fault.RECORDS_MISSING,
                    isContradicted ? recovered.contradiction : "");
        }
        Refusal refusal = directory.whyUnserved(queueId, group.groupId());
        if (refusal != null) {
            groupRoute.dispatcher().tell(new Dispatcher.AddUnserved(queueId, refusal));
            return;
        }
        GroupQueueState groupState = recovered != null
                ? recovered.state
                : new GroupQueueState(environment.recovery().groupLimits(), startOffset(subscription, queue.number()));
        groupState.recovered(home.clock().millis());
        ActorRef<Dispatcher.Command> dispatcher = groupRoute.dispatcher();
        List<Long> holders = new ArrayList<>();
        List<long[]> served = new ArrayList<>();
        groupState.visitRequests((sessionId, requestId) -> {
            served.add(new long[] {sessionId, requestId});
            if (holders.isEmpty() || holders.get(holders.size() - 1) != sessionId) {
                holders.add(sessionId);
            }
        });
        GroupMarks marks = new GroupMarks(queueId, group.groupId());
        ActorRef<GroupQueue.Command> groupQueue = context.spawn(
                GroupQueue.create(
                        new GroupQueue.Identity(
                                queueId,
                                group.groupId(),
                                queue.number(),
                                topic.name(),
                                group.name(),
                                settings.node().name(),
                                nodeId,
                                FRAME_BYTES,
                                settings.storage().segmentBytes(),
                                groupRoute.policy(),
                                StoreSettings.READ_DISPATCHER,
                                settings.queue().quarantineAfter().toMillis()),
                        home,
                        groupState,
                        recovered == null ? 0 : recovered.heldOwnerNumber,
                        queue.queue(),
                        report -> dispatcher.tell(Dispatcher.report(report)),
                        deadLetters(group.name(), group.groupId(), home.stripeId()),
                        stripeBytes.get(home.stripeId()),
                        marks,
                        environment.random()),
                "group-" + queueId + "-" + group.groupId(),
                dispatcherSelector);
        dispatcher.tell(new Dispatcher.AddQueue(queueId, groupQueue));
        if (!served.isEmpty()) {
            // The queue says so, too, but a client that finds the node again repeats its Pop at once, maybe
            // before the queue's actor has begun: then the Pop would go to another queue, and what it had been
            // given lie until the deadline.
            dispatcher.tell(Dispatcher.report(new GroupQueue.ServedBefore(
                    queueId,
                    served.stream().mapToLong(ids -> ids[0]).toArray(),
                    served.stream().mapToLong(ids -> ids[1]).toArray())));
        }
        context.watchWith(
                groupQueue, new Registry.ChildStopped("group", topic.name(), group.name(), queueId, group.groupId()));
        holders.forEach(sessionId -> directory.heldBefore(sessionId, groupQueue));
        directory.put(
                queueId,
                group.groupId(),
                new TopicDirectory.GroupQueueRoute(topic.name(), group.name(), groupQueue, groupRoute.policy(), marks));
    }

    /** A queue that came later is read from its first message on. */
    private static long startOffset(SubscriptionRecord subscription, int number) {
        long[] startOffsets = subscription.startOffsets();
        return number < startOffsets.length ? startOffsets[number] : 0;
    }

    private void leftOut(String kind, String name, Refusal refusal) {
        context.getLog().warn("{} {}: a setting is not used, the node's default holds: {}", kind, name, refusal.text());
    }

    private GroupQueue.DeadLetterSource deadLetters(String group, int groupId, int stripeId) {
        ActorRef<Registry.Command> registry = context.getSelf();
        return new GroupQueue.DeadLetterSource() {
            @Override
            public void ask(ActorRef<? super GroupQueue.DeadLetterQueue> replyTo) {
                registry.tell(new Registry.EnsureDeadLetterQueue(groupId, stripeId, replyTo));
            }

            @Override
            public boolean isThere(int queueId) {
                TopicDirectory.TopicRoute topic = directory.deadLettersOf(group);
                return topic != null && topic.queues().stream().anyMatch(queue -> queue.queueId() == queueId);
            }
        };
    }

    /** @param detail what contradicts what; empty for other faults */
    private void unserved(
            Owner owner,
            int stripeId,
            String topic,
            int number,
            String group,
            TopicDirectory.Fault fault,
            String detail) {
        String what = "topic " + topic + " queue " + number
                + (group.isEmpty() ? " is not served: " : " is not served for group " + group + ": ");
        String why = switch (fault) {
            case RECORDS_MISSING ->
                "records of it are missing in stripe " + stripeId
                        + "; stop the node and see what can be mended with 'forebay log repair'";
            case CONTRADICTION ->
                detail + "; keep a copy of the directory, and report a bug: 'forebay log repair' mends only what"
                        + " is damaged";
            case ACTOR_FAILED -> "its actor has failed; it is served again when the node is started again";
        };
        directory.put(new TopicDirectory.Unserved(owner, stripeId, topic, number, group, fault, what + why));
        EventLog.log(
                EventLog.Weight.ERROR,
                LogEvent.QUEUE_STOPPED,
                "stripe",
                stripeId,
                "topic",
                topic,
                "queue",
                number,
                "group",
                group.isEmpty() ? null : group,
                "reason",
                fault,
                "detail",
                what + why);
    }

    private static boolean isStopped(StripeHandle home, Owner owner) {
        return home.recovery().stoppedOwners().contains(owner);
    }

    void unpublish(TopicRecord topic, String group, int groupId) {
        TopicDirectory.GroupRoute route = directory.removeGroup(topic.name(), group);
        if (route != null) {
            route.dispatcher().tell(Dispatcher.Delete.INSTANCE);
        }
        TopicDirectory.TopicRoute topicRoute = directory.topic(topic.name());
        for (int number = 0; number < topic.queueIds().length; number++) {
            directory.removeUnserved(topic.queueIds()[number], groupId);
            TopicDirectory.GroupQueueRoute groupQueue = directory.removeGroupQueue(topic.queueIds()[number], groupId);
            if (groupQueue != null) {
                groupQueue.groupQueue().tell(GroupQueue.Delete.INSTANCE);
            }
            if (topicRoute != null && topicRoute.queues().get(number).queue() != null) {
                topicRoute.queues().get(number).queue().tell(new Queue.DetachGroup(groupId));
            }
        }
    }

    void unpublish(TopicRecord topic) {
        TopicDirectory.TopicRoute route = directory.removeTopic(topic.name());
        if (route != null) {
            for (TopicDirectory.QueueRoute queue : route.queues()) {
                directory.removeUnserved(queue.queueId());
                if (queue.queue() != null) {
                    queue.queue().tell(Queue.Delete.INSTANCE);
                }
            }
        }
    }

    /** A deleted one is not in the directory any more; any other has failed, and what it served is refused from now on. */
    void childStopped(Registry.ChildStopped child) {
        if (child.what().equals("queue")) {
            queueFailed(child);
        } else if (child.what().equals("group")) {
            boolean isFailure = directory.removeGroupQueue(child.queueId(), child.groupId()) != null;
            TopicDirectory.GroupRoute route = directory.group(child.topic(), child.group());
            if (isFailure && route != null) {
                route.dispatcher().tell(new Dispatcher.RemoveQueue(child.queueId()));
                groupFailed(child, child.queueId());
                route.dispatcher()
                        .tell(new Dispatcher.AddUnserved(
                                child.queueId(), directory.whyUnserved(child.queueId(), child.groupId())));
            }
        } else {
            TopicDirectory.GroupRoute route = directory.group(child.topic(), child.group());
            TopicDirectory.TopicRoute topic = directory.topic(child.topic());
            if (route != null && route.groupId() == child.groupId()) {
                directory.removeGroup(child.topic(), child.group());
                if (topic != null) {
                    topic.queues().forEach(queue -> groupFailed(child, queue.queueId()));
                }
            }
        }
    }

    private void queueFailed(Registry.ChildStopped child) {
        TopicDirectory.TopicRoute route = directory.topic(child.topic());
        if (route == null) {
            return;
        }
        List<TopicDirectory.QueueRoute> queues = new ArrayList<>(route.queues());
        for (int i = 0; i < queues.size(); i++) {
            TopicDirectory.QueueRoute queue = queues.get(i);
            if (queue.queueId() == child.queueId() && queue.queue() != null) {
                queues.set(
                        i,
                        new TopicDirectory.QueueRoute(
                                queue.queueId(), queue.number(), queue.stripeId(), null, queue.marks()));
                failed(Owner.queue(queue.queueId()), queue, route.name(), "");
            }
        }
        directory.put(new TopicDirectory.TopicRoute(
                route.topicId(),
                route.name(),
                List.copyOf(queues),
                route.policy(),
                route.settings(),
                route.createdMillis()));
    }

    private void groupFailed(Registry.ChildStopped child, int queueId) {
        TopicDirectory.TopicRoute route = directory.topic(child.topic());
        if (route != null) {
            route.queues().stream()
                    .filter(queue -> queue.queueId() == queueId)
                    .forEach(queue ->
                            failed(Owner.group(queueId, child.groupId()), queue, child.topic(), child.group()));
        }
    }

    private void failed(Owner owner, TopicDirectory.QueueRoute queue, String topic, String group) {
        unserved(owner, queue.stripeId(), topic, queue.number(), group, TopicDirectory.Fault.ACTOR_FAILED, "");
    }
}
