package io.forebay.topic;

import akka.actor.typed.ActorRef;
import akka.actor.typed.Behavior;
import akka.actor.typed.DispatcherSelector;
import akka.actor.typed.javadsl.AbstractBehavior;
import akka.actor.typed.javadsl.ActorContext;
import akka.actor.typed.javadsl.Behaviors;
import akka.actor.typed.javadsl.Receive;
import io.forebay.config.ForebaySettings;
import io.forebay.config.StoreSettings;
import io.forebay.protocol.Names;
import io.forebay.protocol.QueueDescription;
import io.forebay.protocol.ReceiptHandle;
import io.forebay.protocol.Refusal;
import io.forebay.protocol.SessionCommand;
import io.forebay.protocol.SessionEvent;
import io.forebay.protocol.TopicDescription;
import io.forebay.queue.FrameSize;
import io.forebay.queue.GroupQueue;
import io.forebay.queue.Queue;
import io.forebay.queue.QueueMarks;
import io.forebay.queue.StoreRefusals;
import io.forebay.queue.StripePort;
import io.forebay.queue.core.DispatchState;
import io.forebay.queue.core.GroupPolicy;
import io.forebay.queue.core.GroupQueueState;
import io.forebay.queue.core.TopicPolicy;
import io.forebay.storage.log.Frame;
import io.forebay.storage.log.GroupDeletedRecord;
import io.forebay.storage.log.GroupRecord;
import io.forebay.storage.log.LogRecord;
import io.forebay.storage.log.Owner;
import io.forebay.storage.log.SnapshotRecord;
import io.forebay.storage.log.SubscriptionRecord;
import io.forebay.storage.log.TopicDeletedRecord;
import io.forebay.storage.log.TopicRecord;
import io.forebay.store.StoreWriter;
import io.forebay.store.StripeBudget;
import io.forebay.store.StripeHandle;
import io.forebay.topic.core.RegistryDecision;
import io.forebay.topic.core.RegistryOutcome;
import io.forebay.topic.core.RegistryState;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.atomic.AtomicLong;
import java.util.function.Supplier;
import java.util.random.RandomGenerator;

/**
 * The topics and groups of this node: decides with {@link RegistryState}, writes its records in stripe 0, and when they are
 * flushed starts the actors of queues, groups and dispatchers and publishes them in the {@link TopicDirectory}. Nothing is
 * published, and no id used by anybody, before.
 */
public final class Registry extends AbstractBehavior<Registry.Command> {

    /** What the registry understands. */
    public sealed interface Command
            permits EnsureTopic, EnsureGroup, Administer, Drain, DrainDispatchers, ChildStopped, Drained, FromStore {}

    /** A Send names a topic that the directory does not have; answered by {@link RegistryReply.Ensured}. Idempotent. */
    public record EnsureTopic(String topic, long token, ActorRef<? super RegistryReply.Ensured> replyTo)
            implements Command {}

    /** A Pop names a group that the directory does not have in that topic; answered by {@link RegistryReply.Ensured}. Idempotent. */
    public record EnsureGroup(String topic, String group, long token, ActorRef<? super RegistryReply.Ensured> replyTo)
            implements Command {}

    /**
     * One of the commands that create, delete, list or describe; answered by {@link RegistryReply.Answer}.
     *
     * @param request of another kind it is a bug
     */
    public record Administer(SessionCommand.Request request, ActorRef<? super RegistryReply.Answer> replyTo)
            implements Command {}

    /** Ends all waiting Pops, now and from now on. */
    public enum DrainDispatchers implements Command {
        INSTANCE
    }

    /** Told {@link IsDrained} when every queue and group has answered what it had taken. */
    public record Drain(ActorRef<IsDrained> replyTo) implements Command {}

    /** Everything taken so far is answered. */
    public enum IsDrained {
        INSTANCE
    }

    private record ChildStopped(String what, String topic, String group, int queueId, int groupId) implements Command {}

    private enum Drained implements Command {
        INSTANCE
    }

    private record FromStore(StoreWriter.Event event) implements Command {}

    /**
     * What the registry works with.
     *
     * @param stripes by id
     * @param random for the nonces of handles
     */
    public record Environment(
            ForebaySettings settings,
            List<StripeHandle> stripes,
            NodeRecovery recovery,
            TopicDirectory directory,
            RandomGenerator random) {}

    /** Who waits for a decision to be flushed, and what happens then. */
    private abstract static class Waiting {
        private boolean isAnswered;

        /** Called once, when it is flushed, whether or not anybody still waits. */
        void flushed() {}

        abstract void accept();

        abstract void refuse(Refusal refusal);

        final void acceptOnce() {
            if (!isAnswered) {
                isAnswered = true;
                accept();
            }
        }

        final void refuseOnce(Refusal refusal) {
            if (!isAnswered) {
                isAnswered = true;
                refuse(refusal);
            }
        }
    }

    private static final class EnsureWaiting extends Waiting {
        final long token;
        final ActorRef<? super RegistryReply.Ensured> replyTo;

        EnsureWaiting(long token, ActorRef<? super RegistryReply.Ensured> replyTo) {
            this.token = token;
            this.replyTo = replyTo;
        }

        @Override
        void accept() {
            replyTo.tell(new RegistryReply.Ensured(token, null));
        }

        @Override
        void refuse(Refusal refusal) {
            replyTo.tell(new RegistryReply.Ensured(token, refusal));
        }
    }

    private static final class AdminWaiting extends Waiting {
        final Administer command;
        final Supplier<SessionEvent.Reply> reply;

        AdminWaiting(Administer command, Supplier<SessionEvent.Reply> reply) {
            this.command = command;
            this.reply = reply;
        }

        @Override
        void accept() {
            command.replyTo.tell(new RegistryReply.Answer(reply.get()));
        }

        @Override
        void refuse(Refusal refusal) {
            command.replyTo.tell(
                    new RegistryReply.Answer(new SessionEvent.Refused(command.request.requestId(), refusal)));
        }
    }

    /** A decision whose effect is published when it is flushed. */
    private static final class Publication extends Waiting {
        final Runnable publish;

        Publication(Runnable publish) {
            this.publish = publish;
        }

        @Override
        void flushed() {
            publish.run();
        }

        @Override
        void accept() {}

        @Override
        void refuse(Refusal refusal) {}
    }

    private static final int LIST_COUNT_MAX = 1000;
    private static final long RECORD_BYTES = 1024;
    /**
     * Frames of queues and groups are filled up to this; a single message may be larger. A reader verifies whole frames and
     * keeps a buffer of this size: with larger ones a small Pop would read, and check, the same bytes over and over.
     */
    private static final int FRAME_BYTES = 64 * 1024;

    private final Environment environment;
    private final ForebaySettings settings;
    private final TopicDirectory directory;
    private final StripeHandle stripe;
    private final StripePort port;
    /** By stripe: bytes of messages written since the start. */
    private final List<AtomicLong> stripeBytes = new ArrayList<>();

    private final RegistryState state;
    private final int nodeId;
    private final DispatcherSelector dispatcherSelector = DispatcherSelector.sameAsParent();
    private List<LogRecord> gathering = new ArrayList<>();
    private List<Waiting> gatheringWaiting = new ArrayList<>();
    private List<Waiting> sentWaiting = new ArrayList<>();
    private final ArrayDeque<Waiting> unanswered = new ArrayDeque<>();
    private final ArrayDeque<StoreWriter.SnapshotRequested> snapshotsWanted = new ArrayDeque<>();
    private final ArrayDeque<Command> heldBack = new ArrayDeque<>();
    private Refusal closed;
    private long heldOwnerNumber;
    private int drainsMissing;
    private final List<Drain> drains = new ArrayList<>();

    /** @param ready told when everything that was recovered is in the directory */
    public static Behavior<Command> create(Environment environment, Runnable ready) {
        return Behaviors.setup(context -> {
            Registry registry = new Registry(context, environment);
            ready.run();
            return registry;
        });
    }

    private Registry(ActorContext<Command> context, Environment environment) {
        super(context);
        this.environment = environment;
        settings = environment.settings;
        directory = environment.directory;
        stripe = environment.stripes.get(0);
        environment.stripes.forEach(one -> stripeBytes.add(new AtomicLong()));
        nodeId = ReceiptHandle.nodeIdOf(settings.node().name());
        state = environment.recovery.registry();
        heldOwnerNumber = environment.recovery.registryOwnerNumber();
        port = new StripePort(stripe, context.messageAdapter(StoreWriter.Event.class, FromStore::new));
        port.register(Owner.STRIPE);
        for (TopicRecord topic : state.topics()) {
            publish(topic, false);
        }
        for (SubscriptionRecord subscription : state.subscriptions()) {
            publish(subscription);
        }
        for (StripeHandle one : environment.stripes) {
            for (Owner owner : environment.recovery.leftOver(one.stripeId())) {
                one.writer().tell(new StoreWriter.Forget(owner));
            }
        }
        environment.recovery.done();
    }

    @Override
    public Receive<Command> createReceive() {
        return newReceiveBuilder()
                .onMessage(FromStore.class, this::onStoreEvent)
                .onMessage(ChildStopped.class, this::onChildStopped)
                .onMessage(Drain.class, this::onDrain)
                .onMessageEquals(Drained.INSTANCE, this::onDrained)
                .onMessageEquals(DrainDispatchers.INSTANCE, this::onDrainDispatchers)
                .onMessage(Command.class, this::onDecision)
                .build();
    }

    /** Whatever decides waits while a snapshot is wanted: the snapshot holds written records only. */
    private Behavior<Command> onDecision(Command command) {
        if (closed != null) {
            refuse(command, closed);
        } else if (snapshotsWanted.isEmpty()) {
            decide(command);
            sendNext();
        } else {
            heldBack.addLast(command);
        }
        return this;
    }

    private void decide(Command command) {
        if (command instanceof EnsureTopic ensure) {
            onEnsureTopic(ensure);
        } else if (command instanceof EnsureGroup ensure) {
            onEnsureGroup(ensure);
        } else if (command instanceof Administer administer) {
            onAdminister(administer);
        } else {
            throw new AssertionError(command);
        }
    }

    private void refuse(Command command, Refusal refusal) {
        if (command instanceof EnsureTopic ensure) {
            new EnsureWaiting(ensure.token, ensure.replyTo).refuse(refusal);
        } else if (command instanceof EnsureGroup ensure) {
            new EnsureWaiting(ensure.token, ensure.replyTo).refuse(refusal);
        } else if (command instanceof Administer administer) {
            new AdminWaiting(administer, null).refuse(refusal);
        }
    }

    // ---- by use ---------------------------------------------------------------------------------------------------

    private void onEnsureTopic(EnsureTopic ensure) {
        EnsureWaiting waiting = new EnsureWaiting(ensure.token, ensure.replyTo);
        Refusal refusal = ensureTopic(ensure.topic);
        if (refusal == null) {
            await(waiting);
        } else {
            waiting.refuse(refusal);
        }
    }

    private void onEnsureGroup(EnsureGroup ensure) {
        EnsureWaiting waiting = new EnsureWaiting(ensure.token, ensure.replyTo);
        Refusal refusal = ensureTopic(ensure.topic);
        if (refusal == null
                && state.group(ensure.group) == null
                && !settings.topic().autoCreate()) {
            refusal = Names.isLegal(ensure.group)
                    ? Refusal.unknownGroup(ensure.group)
                    : Refusal.illegalName("group", ensure.group);
        }
        refusal = refusal != null ? refusal : createGroup(ensure.group, Map.of());
        refusal = refusal != null ? refusal : subscribe(ensure.topic, ensure.group);
        if (refusal == null) {
            await(waiting);
        } else {
            waiting.refuse(refusal);
        }
    }

    /** Null if the topic is there, or will be. */
    private Refusal ensureTopic(String name) {
        if (state.topic(name) != null) {
            return null;
        }
        if (!settings.topic().autoCreate() || !Names.isLegal(name)) {
            return Names.isLegal(name) ? Refusal.unknownTopic(name) : Refusal.illegalName("topic", name);
        }
        return createTopic(name, settings.topic().defaultQueues(), Map.of());
    }

    private Refusal createTopic(String name, int queueCount, Map<String, String> topicSettings) {
        Refusal noRoom = reserve(RECORD_BYTES + 8L * queueCount + bytesOf(topicSettings));
        if (noRoom != null) {
            return noRoom;
        }
        RegistryDecision<TopicRecord> decision = state.decideCreateTopic(
                name,
                queueCount,
                topicSettings,
                environment.stripes.size(),
                stripe.clock().millis());
        if (!decision.isDecided()) {
            return refusal(decision);
        }
        TopicRecord record = decision.record();
        state.apply(record);
        commit(record, () -> publish(record, true));
        return null;
    }

    private Refusal createGroup(String name, Map<String, String> groupSettings) {
        Refusal noRoom = reserve(RECORD_BYTES + bytesOf(groupSettings));
        if (noRoom != null) {
            return noRoom;
        }
        RegistryDecision<GroupRecord> decision =
                state.decideCreateGroup(name, groupSettings, stripe.clock().millis());
        if (!decision.isDecided()) {
            return refusal(decision);
        }
        state.apply(decision.record());
        commit(decision.record(), () -> {});
        return null;
    }

    private Refusal subscribe(String topicName, String groupName) {
        TopicRecord topic = state.topic(topicName);
        int queueCount = topic == null ? 0 : topic.queueIds().length;
        Refusal noRoom = reserve(RECORD_BYTES + 8L * queueCount);
        if (noRoom != null) {
            return noRoom;
        }
        GroupRecord group = state.group(groupName);
        long[] firstOffsets = new long[queueCount];
        long[] nextOffsets = new long[queueCount];
        TopicDirectory.TopicRoute route = directory.topic(topicName);
        // A topic that is not published yet has no message.
        if (route != null && topic != null && route.topicId() == topic.topicId()) {
            for (int i = 0; i < queueCount; i++) {
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
                stripe.clock().millis());
        if (!decision.isDecided()) {
            return refusal(decision);
        }
        SubscriptionRecord record = decision.record();
        state.apply(record);
        commit(record, () -> publish(record));
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
            case LIMIT -> Refusal.Code.LIMIT;
            case DECIDED, EXISTS -> throw new AssertionError(outcome);
        };
    }

    // ---- administration -------------------------------------------------------------------------------------------

    private void onAdminister(Administer command) {
        SessionCommand.Request request = command.request;
        if (request instanceof SessionCommand.CreateTopic create) {
            onCreateTopic(command, create);
        } else if (request instanceof SessionCommand.DeleteTopic delete) {
            onDeleteTopic(command, delete);
        } else if (request instanceof SessionCommand.CreateGroup create) {
            onCreateGroup(command, create);
        } else if (request instanceof SessionCommand.DeleteGroup delete) {
            onDeleteGroup(command, delete);
        } else if (request instanceof SessionCommand.ListTopics list) {
            command.replyTo.tell(new RegistryReply.Answer(page(
                    list.requestId(),
                    state.topics().stream().map(TopicRecord::name).toList(),
                    list.after(),
                    list.countMax())));
        } else if (request instanceof SessionCommand.ListGroups list) {
            onListGroups(command, list);
        } else if (request instanceof SessionCommand.DescribeTopic describe) {
            TopicDescription description = describe(describe.topic());
            command.replyTo.tell(new RegistryReply.Answer(
                    description == null
                            ? new SessionEvent.Refused(describe.requestId(), unknownTopic(describe.topic()))
                            : new SessionEvent.TopicDescribed(describe.requestId(), description)));
        } else if (request instanceof SessionCommand.DescribeGroup describe) {
            onDescribeGroup(command, describe);
        } else {
            throw new AssertionError(request);
        }
    }

    private void onCreateTopic(Administer command, SessionCommand.CreateTopic create) {
        String name = create.topic();
        AdminWaiting waiting =
                new AdminWaiting(command, () -> new SessionEvent.TopicCreated(create.requestId(), describe(name)));
        Refusal refusal = Names.check("topic", name);
        refusal = refusal != null
                ? refusal
                : TopicRules.topic(create.settings(), settings).refusal();
        if (refusal == null && create.queues() < 0) {
            refusal = Refusal.illegalArgument(
                    "the number of queues",
                    create.queues(),
                    "1 to " + settings.topic().queuesMax() + ", or 0 for the node's default");
        }
        TopicRecord existing = refusal == null ? state.topic(name) : null;
        if (existing != null) {
            boolean isSame = (create.queues() == 0 || create.queues() == existing.queueIds().length)
                    && create.settings().equals(existing.settings());
            refusal = isSame
                    ? null
                    : Refusal.of(
                            Refusal.Code.ALREADY_EXISTS,
                            "topic '" + name + "' is there already with " + existing.queueIds().length
                                    + " queues and settings " + existing.settings());
        } else if (refusal == null) {
            refusal = createTopic(
                    name, create.queues() == 0 ? settings.topic().defaultQueues() : create.queues(), create.settings());
        }
        if (refusal == null) {
            await(waiting);
        } else {
            waiting.refuse(refusal);
        }
    }

    private void onCreateGroup(Administer command, SessionCommand.CreateGroup create) {
        String name = create.group();
        AdminWaiting waiting = new AdminWaiting(command, () -> new SessionEvent.GroupCreated(create.requestId(), name));
        Refusal refusal = Names.check("group", name);
        refusal = refusal != null
                ? refusal
                : TopicRules.group(create.settings(), settings).refusal();
        if (refusal == null && !create.topic().isEmpty() && state.topic(create.topic()) == null) {
            refusal = unknownTopic(create.topic());
        }
        GroupRecord existing = refusal == null ? state.group(name) : null;
        if (existing != null
                && !create.settings().isEmpty()
                && !create.settings().equals(existing.settings())) {
            refusal = Refusal.of(
                    Refusal.Code.ALREADY_EXISTS,
                    "group '" + name + "' is there already with settings " + existing.settings());
        }
        refusal = refusal != null ? refusal : createGroup(name, create.settings());
        if (refusal == null && !create.topic().isEmpty()) {
            refusal = subscribe(create.topic(), name);
        }
        if (refusal == null) {
            await(waiting);
        } else {
            waiting.refuse(refusal);
        }
    }

    private void onDeleteTopic(Administer command, SessionCommand.DeleteTopic delete) {
        AdminWaiting waiting = new AdminWaiting(command, () -> new SessionEvent.Deleted(delete.requestId()));
        TopicRecord topic = state.topic(delete.topic());
        Refusal refusal = topic == null ? unknownTopic(delete.topic()) : reserve(RECORD_BYTES);
        if (refusal != null) {
            waiting.refuse(refusal);
            return;
        }
        List<SubscriptionRecord> subscriptions = List.copyOf(state.subscriptionsOf(topic.topicId()));
        List<String> groups = subscriptions.stream()
                .map(one -> state.group(one.groupId()).name())
                .toList();
        TopicDeletedRecord record =
                state.decideDeleteTopic(delete.topic(), stripe.clock().millis()).record();
        state.apply(record);
        commit(record, () -> {
            for (int i = 0; i < groups.size(); i++) {
                unpublish(topic, groups.get(i), subscriptions.get(i).groupId());
            }
            unpublish(topic);
        });
        await(waiting);
    }

    private void onDeleteGroup(Administer command, SessionCommand.DeleteGroup delete) {
        AdminWaiting waiting = new AdminWaiting(command, () -> new SessionEvent.Deleted(delete.requestId()));
        GroupRecord group = state.group(delete.group());
        Refusal refusal = group == null ? unknownGroup(delete.group()) : reserve(RECORD_BYTES);
        if (refusal != null) {
            waiting.refuse(refusal);
            return;
        }
        List<TopicRecord> topics = state.topics().stream()
                .filter(topic -> state.subscription(topic.topicId(), group.groupId()) != null)
                .toList();
        GroupDeletedRecord record =
                state.decideDeleteGroup(delete.group(), stripe.clock().millis()).record();
        state.apply(record);
        commit(record, () -> topics.forEach(topic -> unpublish(topic, group.name(), group.groupId())));
        await(waiting);
    }

    private void onListGroups(Administer command, SessionCommand.ListGroups list) {
        List<String> names;
        if (list.topic().isEmpty()) {
            names = state.groups().stream().map(GroupRecord::name).toList();
        } else {
            TopicRecord topic = state.topic(list.topic());
            if (topic == null) {
                new AdminWaiting(command, null).refuse(unknownTopic(list.topic()));
                return;
            }
            names = groupsOf(topic);
        }
        command.replyTo.tell(new RegistryReply.Answer(page(list.requestId(), names, list.after(), list.countMax())));
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
        for (TopicDirectory.QueueRoute queue : route.queues()) {
            long first = queue.marks().firstOffset();
            long next = Math.max(first, queue.marks().nextOffset());
            queues.add(new QueueDescription(queue.number(), queue.stripeId(), first, next, next - first));
        }
        TopicRecord topic = state.topic(name);
        return new TopicDescription(
                name,
                settings.node().name(),
                queues,
                topic == null ? List.of() : groupsOf(topic),
                route.settings(),
                route.createdMillis());
    }

    private void onDescribeGroup(Administer command, SessionCommand.DescribeGroup describe) {
        AdminWaiting waiting = new AdminWaiting(command, null);
        GroupRecord group = state.group(describe.group());
        if (group == null) {
            waiting.refuse(unknownGroup(describe.group()));
            return;
        }
        if (!describe.topic().isEmpty() && state.topic(describe.topic()) == null) {
            waiting.refuse(unknownTopic(describe.topic()));
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
            parts.add(new GroupInspection.Part(topic.name(), group.name(), route.dispatcher(), queues));
        }
        getContext()
                .spawnAnonymous(
                        GroupInspection.create(
                                parts, settings.node().name(), stripe.clock(), describe.requestId(), command.replyTo),
                        dispatcherSelector);
    }

    private static Refusal unknownTopic(String name) {
        return Names.isLegal(name) ? Refusal.unknownTopic(name) : Refusal.illegalName("topic", name);
    }

    private static Refusal unknownGroup(String name) {
        return Names.isLegal(name) ? Refusal.unknownGroup(name) : Refusal.illegalName("group", name);
    }

    // ---- records --------------------------------------------------------------------------------------------------

    private static long bytesOf(Map<String, String> map) {
        long chars = 0;
        for (Map.Entry<String, String> entry : map.entrySet()) {
            chars += entry.getKey().length() + entry.getValue().length() + 8L;
        }
        return 3 * chars;
    }

    /** Null if there is room; what is reserved is given back by whatever is sent next. */
    private Refusal reserve(long bytes) {
        return port.account().tryReserve(bytes, StripeBudget.Tier.EXTENSION)
                ? null
                : StoreRefusals.of(stripe.budget().refusal(StripeBudget.Tier.EXTENSION));
    }

    private void commit(LogRecord record, Runnable publish) {
        gathering.add(record);
        gatheringWaiting.add(new Publication(publish));
    }

    /** Answers when everything decided so far is flushed. */
    private void await(Waiting waiting) {
        if (!gathering.isEmpty()) {
            gatheringWaiting.add(waiting);
            unanswered.addLast(waiting);
        } else if (port.isBusy()) {
            sentWaiting.add(waiting);
            unanswered.addLast(waiting);
        } else if (port.hasParked()) {
            unanswered.addLast(waiting);
            port.whenDurable(port.lastSequence(), waiting::acceptOnce);
        } else {
            waiting.acceptOnce();
        }
    }

    private void sendNext() {
        if (port.isBusy() || gathering.isEmpty()) {
            // Whatever was reserved and not used up by a decision is not needed.
            if (gathering.isEmpty()) {
                port.account().giveBack(port.account().reservedBytes());
            }
            return;
        }
        Frame.Builder builder = Frame.builder(1024);
        int added = 0;
        for (LogRecord record : gathering) {
            if (added > 0
                    && builder.bytes() + FrameSize.ofRecord(record)
                            > stripe.log().frameBytesMax()) {
                break;
            }
            builder.add(Owner.STRIPE, record);
            added++;
        }
        Frame frame = builder.build();
        sentWaiting = gatheringWaiting;
        gatheringWaiting = new ArrayList<>();
        if (added < gathering.size()) {
            // What does not fit goes with the next frame; the answers wait for the last one.
            gathering = new ArrayList<>(gathering.subList(added, gathering.size()));
            gatheringWaiting = sentWaiting;
            sentWaiting = new ArrayList<>();
        } else {
            gathering = new ArrayList<>();
        }
        port.append(frame, true);
        if (gathering.isEmpty()) {
            port.account().giveBack(port.account().reservedBytes());
        }
    }

    private Behavior<Command> onStoreEvent(FromStore message) {
        StoreWriter.Event event = message.event;
        if (event instanceof StoreWriter.Written written) {
            onWritten(written);
        } else if (event instanceof StoreWriter.Durable durable) {
            port.onDurable(durable);
        } else if (event instanceof StoreWriter.FlushFailed failed) {
            port.onFlushFailed(failed);
        } else if (event instanceof StoreWriter.Rewritten rewritten) {
            port.onRewritten(rewritten);
        } else if (event instanceof StoreWriter.SnapshotRequested requested) {
            snapshotsWanted.addLast(requested);
        } else if (event instanceof StoreWriter.Unavailable unavailable) {
            port.onUnavailable();
            refuseUnanswered(StoreRefusals.outcomeUnknown(unavailable.detail()));
        } else if (event instanceof StoreWriter.Available) {
            port.onAvailable();
        } else if (event instanceof StoreWriter.Rejected rejected) {
            port.onRejected(rejected);
            closed = StoreRefusals.of(rejected);
            refuseUnanswered(closed);
            heldBack.forEach(command -> refuse(command, closed));
            heldBack.clear();
            snapshotsWanted.clear();
        } else {
            throw new AssertionError(event);
        }
        answerSnapshots();
        while (!unanswered.isEmpty() && unanswered.peekFirst().isAnswered) {
            unanswered.pollFirst();
        }
        return this;
    }

    private void onWritten(StoreWriter.Written written) {
        long lastSequence = port.onWritten(written);
        Frame frame = written.frame();
        state.written(lastSequence);
        heldOwnerNumber = frame.ownerNumber(frame.recordCount() - 1);
        List<Waiting> waiting = sentWaiting;
        sentWaiting = new ArrayList<>();
        port.whenDurable(lastSequence, () -> {
            for (Waiting one : waiting) {
                one.flushed();
                one.acceptOnce();
            }
        });
        sendNext();
    }

    private void answerSnapshots() {
        if (snapshotsWanted.isEmpty() || port.isBusy()) {
            return;
        }
        sendNext();
        if (port.isBusy()) {
            return;
        }
        while (!snapshotsWanted.isEmpty()) {
            List<Frame> frames = new ArrayList<>();
            if (state.heldSequence() >= 0) {
                byte[] payload = state.snapshot().encode();
                for (SnapshotRecord part : SnapshotRecord.split(
                        state.heldSequence(),
                        heldOwnerNumber,
                        0,
                        payload,
                        stripe.log().frameBytesMax() / 2)) {
                    frames.add(Frame.builder(part.payload().length + 128)
                            .add(Owner.STRIPE, part)
                            .build());
                }
            }
            stripe.writer()
                    .tell(new StoreWriter.Snapshot(snapshotsWanted.pollFirst().checkpointId(), Owner.STRIPE, frames));
        }
        while (!heldBack.isEmpty()) {
            decide(heldBack.pollFirst());
        }
        sendNext();
    }

    private void refuseUnanswered(Refusal refusal) {
        unanswered.forEach(waiting -> waiting.refuseOnce(refusal));
        unanswered.clear();
    }

    // ---- the actors -------------------------------------------------------------------------------------------------

    /** @param isNew whether the topic was created in this life of the node: then there is nothing to recover */
    private void publish(TopicRecord topic, boolean isNew) {
        TopicPolicy policy =
                TopicRules.topicPolicy(topic.settings(), settings, refusal -> leftOut("topic", topic.name(), refusal));
        List<TopicDirectory.QueueRoute> queues = new ArrayList<>(topic.queueIds().length);
        for (int number = 0; number < topic.queueIds().length; number++) {
            int queueId = topic.queueIds()[number];
            StripeHandle home = environment.stripes.get(topic.stripes()[number]);
            QueueMarks marks = new QueueMarks();
            ActorRef<Queue.Command> queue = null;
            if (isStopped(home, Owner.queue(queueId))) {
                getContext()
                        .getLog()
                        .error(
                                "topic {} queue {} is not served: records of it are missing in stripe {}",
                                topic.name(),
                                number,
                                home.stripeId());
            } else {
                Queue.Start start = isNew
                        ? Queue.Start.NEW
                        : environment.recovery.queue(
                                home.stripeId(), queueId, home.log().nextOffset(queueId));
                queue = getContext()
                        .spawn(
                                Queue.create(
                                        new Queue.Identity(
                                                queueId,
                                                number,
                                                topic.name(),
                                                settings.node().name(),
                                                FRAME_BYTES,
                                                policy),
                                        home,
                                        start,
                                        marks,
                                        stripeBytes.get(home.stripeId())),
                                "queue-" + queueId,
                                dispatcherSelector);
                getContext().watchWith(queue, new ChildStopped("queue", topic.name(), "", queueId, 0));
            }
            queues.add(new TopicDirectory.QueueRoute(queueId, number, home.stripeId(), queue, marks));
        }
        directory.put(new TopicDirectory.TopicRoute(
                topic.topicId(), topic.name(), List.copyOf(queues), policy, topic.settings(), topic.createdMillis()));
    }

    private void publish(SubscriptionRecord subscription) {
        TopicRecord topic = state.topic(subscription.topicId());
        GroupRecord group = state.group(subscription.groupId());
        TopicDirectory.TopicRoute route = topic == null ? null : directory.topic(topic.name());
        if (group == null || route == null || route.topicId() != topic.topicId()) {
            // Deleted again before this was flushed.
            return;
        }
        GroupPolicy policy =
                TopicRules.groupPolicy(group.settings(), settings, refusal -> leftOut("group", group.name(), refusal));
        ActorRef<Dispatcher.Command> dispatcher = getContext()
                .spawn(
                        Dispatcher.create(
                                stripe.clock(),
                                policy,
                                new DispatchState.Limits(
                                        settings.group().waitingPopsMax(),
                                        settings.session().requestsMax())),
                        "dispatcher-" + topic.topicId() + "-" + group.groupId(),
                        dispatcherSelector);
        getContext()
                .watchWith(dispatcher, new ChildStopped("dispatcher", topic.name(), group.name(), 0, group.groupId()));
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
        StripeHandle home = environment.stripes.get(queue.stripeId());
        NodeRecovery.RecoveredGroup recovered =
                environment.recovery.takeGroup(queue.stripeId(), queueId, group.groupId());
        boolean isContradicted = recovered != null && recovered.contradiction != null;
        if (queue.queue() == null || isStopped(home, Owner.group(queueId, group.groupId())) || isContradicted) {
            getContext()
                    .getLog()
                    .error(
                            "topic {} queue {} is not served for group {}: {}",
                            topic.name(),
                            queue.number(),
                            group.name(),
                            isContradicted ? recovered.contradiction : "records are missing");
            return;
        }
        GroupQueueState groupState = recovered != null
                ? recovered.state
                : new GroupQueueState(
                        environment.recovery.groupLimits(), subscription.startOffsets()[queue.number()]);
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
        ActorRef<GroupQueue.Command> groupQueue = getContext()
                .spawn(
                        GroupQueue.create(
                                new GroupQueue.Identity(
                                        queueId,
                                        group.groupId(),
                                        queue.number(),
                                        topic.name(),
                                        group.name(),
                                        nodeId,
                                        FRAME_BYTES,
                                        settings.storage().segmentBytes(),
                                        groupRoute.policy(),
                                        StoreSettings.READ_DISPATCHER),
                                home,
                                groupState,
                                recovered == null ? 0 : recovered.heldOwnerNumber,
                                queue.queue(),
                                report -> dispatcher.tell(Dispatcher.report(report)),
                                stripeBytes.get(home.stripeId()),
                                environment.random),
                        "group-" + queueId + "-" + group.groupId(),
                        dispatcherSelector);
        dispatcher.tell(new Dispatcher.AddQueue(queueId, groupQueue));
        if (!served.isEmpty()) {
            // The queue says so, too, but a client that finds the node again repeats its Pop at once, maybe before the
            // queue's
            // actor has begun: then the Pop would go to another queue, and what it had been given lie until the
            // deadline.
            dispatcher.tell(Dispatcher.report(new GroupQueue.ServedBefore(
                    queueId,
                    served.stream().mapToLong(ids -> ids[0]).toArray(),
                    served.stream().mapToLong(ids -> ids[1]).toArray())));
        }
        getContext()
                .watchWith(groupQueue, new ChildStopped("group", topic.name(), group.name(), queueId, group.groupId()));
        holders.forEach(sessionId -> directory.heldBefore(sessionId, groupQueue));
        directory.put(
                queueId,
                group.groupId(),
                new TopicDirectory.GroupQueueRoute(topic.name(), group.name(), groupQueue, groupRoute.policy()));
    }

    private void leftOut(String kind, String name, Refusal refusal) {
        getContext()
                .getLog()
                .warn("{} {}: a setting is not used, the node's default holds: {}", kind, name, refusal.text());
    }

    private static boolean isStopped(StripeHandle home, Owner owner) {
        return home.recovery().stoppedOwners().contains(owner);
    }

    private void unpublish(TopicRecord topic, String group, int groupId) {
        TopicDirectory.GroupRoute route = directory.removeGroup(topic.name(), group);
        if (route != null) {
            route.dispatcher().tell(Dispatcher.Delete.INSTANCE);
        }
        TopicDirectory.TopicRoute topicRoute = directory.topic(topic.name());
        for (int number = 0; number < topic.queueIds().length; number++) {
            TopicDirectory.GroupQueueRoute groupQueue = directory.removeGroupQueue(topic.queueIds()[number], groupId);
            if (groupQueue != null) {
                groupQueue.groupQueue().tell(GroupQueue.Delete.INSTANCE);
            }
            if (topicRoute != null && topicRoute.queues().get(number).queue() != null) {
                topicRoute.queues().get(number).queue().tell(new Queue.DetachGroup(groupId));
            }
        }
    }

    private void unpublish(TopicRecord topic) {
        TopicDirectory.TopicRoute route = directory.removeTopic(topic.name());
        if (route != null) {
            for (TopicDirectory.QueueRoute queue : route.queues()) {
                if (queue.queue() != null) {
                    queue.queue().tell(Queue.Delete.INSTANCE);
                }
            }
        }
    }

    /** A deleted one is not in the directory any more; any other has failed, and what it served is refused from now on. */
    private Behavior<Command> onChildStopped(ChildStopped child) {
        boolean isFailure = false;
        if (child.what.equals("queue")) {
            TopicDirectory.TopicRoute route = directory.topic(child.topic);
            if (route != null) {
                List<TopicDirectory.QueueRoute> queues = new ArrayList<>(route.queues());
                for (int i = 0; i < queues.size(); i++) {
                    TopicDirectory.QueueRoute queue = queues.get(i);
                    if (queue.queueId() == child.queueId && queue.queue() != null) {
                        isFailure = true;
                        queues.set(
                                i,
                                new TopicDirectory.QueueRoute(
                                        queue.queueId(), queue.number(), queue.stripeId(), null, queue.marks()));
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
        } else if (child.what.equals("group")) {
            isFailure = directory.removeGroupQueue(child.queueId, child.groupId) != null;
            TopicDirectory.GroupRoute route = directory.group(child.topic, child.group);
            if (isFailure && route != null) {
                route.dispatcher().tell(new Dispatcher.RemoveQueue(child.queueId));
            }
        } else {
            TopicDirectory.GroupRoute route = directory.group(child.topic, child.group);
            isFailure = route != null && route.groupId() == child.groupId;
            if (isFailure) {
                directory.removeGroup(child.topic, child.group);
            }
        }
        if (isFailure) {
            getContext()
                    .getLog()
                    .error(
                            "the {} of topic {} (queue id {}, group '{}') has failed and is not served until the node"
                                    + " is started again",
                            child.what,
                            child.topic,
                            child.queueId,
                            child.group);
        }
        return this;
    }

    // ---- the end ----------------------------------------------------------------------------------------------------

    private Behavior<Command> onDrainDispatchers() {
        for (TopicRecord topic : state.topics()) {
            for (String group : groupsOf(topic)) {
                TopicDirectory.GroupRoute route = directory.group(topic.name(), group);
                if (route != null) {
                    route.dispatcher().tell(Dispatcher.Drain.INSTANCE);
                }
            }
        }
        return this;
    }

    private Behavior<Command> onDrain(Drain drain) {
        drains.add(drain);
        ActorRef<Queue.Drained> queueDrained =
                getContext().messageAdapter(Queue.Drained.class, drained -> Drained.INSTANCE);
        ActorRef<GroupQueue.Drained> groupDrained =
                getContext().messageAdapter(GroupQueue.Drained.class, drained -> Drained.INSTANCE);
        for (TopicRecord topic : state.topics()) {
            TopicDirectory.TopicRoute route = directory.topic(topic.name());
            if (route == null) {
                continue;
            }
            for (TopicDirectory.QueueRoute queue : route.queues()) {
                if (queue.queue() != null) {
                    drainsMissing++;
                    queue.queue().tell(new Queue.Drain(queueDrained));
                }
            }
            for (SubscriptionRecord subscription : state.subscriptionsOf(topic.topicId())) {
                for (int queueId : topic.queueIds()) {
                    TopicDirectory.GroupQueueRoute groupQueue = directory.groupQueue(queueId, subscription.groupId());
                    if (groupQueue != null) {
                        drainsMissing++;
                        groupQueue.groupQueue().tell(new GroupQueue.Drain(groupDrained));
                    }
                }
            }
        }
        finishDrain();
        return this;
    }

    private Behavior<Command> onDrained() {
        drainsMissing--;
        finishDrain();
        return this;
    }

    private void finishDrain() {
        if (drainsMissing <= 0) {
            drainsMissing = 0;
            drains.forEach(drain -> drain.replyTo.tell(IsDrained.INSTANCE));
            drains.clear();
        }
    }
}
