package io.forebay.cluster;

import akka.actor.typed.ActorRef;
import akka.actor.typed.Behavior;
import akka.actor.typed.PostStop;
import akka.actor.typed.Terminated;
import akka.actor.typed.javadsl.AbstractBehavior;
import akka.actor.typed.javadsl.ActorContext;
import akka.actor.typed.javadsl.Behaviors;
import akka.actor.typed.javadsl.Receive;
import akka.actor.typed.javadsl.TimerScheduler;
import io.forebay.config.ForebaySettings;
import io.forebay.deadletter.DeadLetterDesk;
import io.forebay.look.LookDesk;
import io.forebay.protocol.AckOutcome;
import io.forebay.protocol.AckResult;
import io.forebay.protocol.ChangeResult;
import io.forebay.protocol.Chunk;
import io.forebay.protocol.ChunkAck;
import io.forebay.protocol.Delivery;
import io.forebay.protocol.Durability;
import io.forebay.protocol.GiveBackResult;
import io.forebay.protocol.LookCommand;
import io.forebay.protocol.Message;
import io.forebay.protocol.MessageLimits;
import io.forebay.protocol.Names;
import io.forebay.protocol.PoisonCommand;
import io.forebay.protocol.ReceiptHandle;
import io.forebay.protocol.Refusal;
import io.forebay.protocol.SendResult;
import io.forebay.protocol.SessionCommand;
import io.forebay.protocol.SessionEvent;
import io.forebay.protocol.SessionLimits;
import io.forebay.protocol.wire.MalformedWireException;
import io.forebay.queue.GroupQueue;
import io.forebay.queue.Queue;
import io.forebay.queue.QueueReply;
import io.forebay.queue.core.Deduplication;
import io.forebay.queue.core.SendKey;
import io.forebay.queue.core.TopicPolicy;
import io.forebay.storage.log.DeadlineRecord;
import io.forebay.store.LogClock;
import io.forebay.topic.Dispatcher;
import io.forebay.topic.Registry;
import io.forebay.topic.RegistryReply;
import io.forebay.topic.TopicDirectory;
import java.time.Duration;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.HashMap;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.function.Predicate;

/**
 * One client on this node: takes its commands, hands each part of them to the queue, group or registry it belongs to,
 * gathers the answers, and follows the client's life. A client in the same system or the same cluster is watched; of any
 * other the heartbeats are counted. When the client is gone, what it held comes back.
 *
 * <p>Understands {@link SessionCommand}s from the client, {@link QueueReply}s, {@link RegistryReply}s and its own messages;
 * their common type is Object, because each room seals its own.
 */
public final class Session extends AbstractBehavior<Object> {

    /**
     * What all sessions of a node share.
     *
     * @param bytesHeld bounds what all sessions hold for their clients
     * @param isMember whether a client at that address is of our cluster, so that it can be watched
     */
    public record Environment(
            ForebaySettings settings,
            SessionLimits limits,
            int nodeId,
            LogClock clock,
            TopicDirectory directory,
            ActorRef<Registry.Command> registry,
            ActorRef<LookDesk.Command> lookDesk,
            ActorRef<DeadLetterDesk.Command> deadLetterDesk,
            BytesHeld bytesHeld,
            Predicate<ActorRef<?>> isMember) {}

    /** The client opened the session again, from here or from elsewhere. */
    record Attach(ActorRef<SessionEvent> client, int frameBytes, String clientName) {}

    /** The node stops: nothing new is taken. */
    enum Drain {
        INSTANCE
    }

    /** The node has drained: the end. */
    enum End {
        INSTANCE
    }

    /** The client has sent more than fits; said by the mailbox. */
    enum Overflowed {
        INSTANCE
    }

    private enum LifeCheck {
        INSTANCE
    }

    private enum ReleaseTimedOut {
        INSTANCE
    }

    /** Something that was put off is due. */
    private enum Wake {
        INSTANCE
    }

    private static final int REASON_CHARS_MAX = 1000;
    private static final long CONGESTED_RETRY_MILLIS = 50;
    private static final long MESSAGE_OVERHEAD_BYTES = 200;
    private static final long RESTART_GUESS_MILLIS = 1_000;
    private static final int HELD_UP_KEYS_MAX = 1 << 16;
    private static final int HELD_UP_TOPICS_MAX = 1 << 10;

    /** A request that is not answered yet. */
    private abstract static class Pending {
        final long requestId;
        long bytes;
        int missingParts = 1;

        Pending(long requestId) {
            this.requestId = requestId;
        }
    }

    private static final class SendPending extends Pending {
        SendResult[] results;

        SendPending(long requestId) {
            super(requestId);
        }
    }

    /** Acks, changes, give-backs. */
    private static final class HandlesPending<R> extends Pending {
        final Object[] results;
        Durability level;

        HandlesPending(long requestId, int count) {
            super(requestId);
            results = new Object[count];
        }

        @SuppressWarnings("unchecked") // a part of a request is answered with results of its kind
        List<R> results() {
            return (List<R>) Collections.unmodifiableList(Arrays.asList(results));
        }
    }

    private static final class AdminPending extends Pending {
        AdminPending(long requestId) {
            super(requestId);
        }
    }

    /**
     * A part of a request that a queue or group answers.
     *
     * @param indexes where its results belong; null for the whole request
     * @param target who answers it
     * @param told what that one was told
     */
    private record Part(Pending pending, int[] indexes, ActorRef<?> target, Object told) {}

    private final Environment environment;
    private final SessionLimits limits;
    private final TimerScheduler<Object> timers;
    private final TopicDirectory directory;
    private final long sessionId;
    private final ActorRef<Object> self;
    private final ActorRef<QueueReply> queueReplies;
    private final ClientLine line;

    private final Map<Long, Pending> pending = new HashMap<>();
    private final Map<Long, Part> parts = new HashMap<>();
    /** Sends that wait for their topic, in order, by topic. */
    private final Map<String, ArrayDeque<SendAgain>> deferredSends = new HashMap<>();

    /** Of topics that could not be made for now: by key, the id of its first message that was refused for that. */
    private final Map<String, Map<String, String>> heldUp = new LinkedHashMap<>();

    private final Map<Long, String> topicsAsked = new HashMap<>();
    private final Map<String, Integer> nextQueue = new HashMap<>();
    private final Set<ActorRef<Dispatcher.Command>> dispatchers = new HashSet<>();
    private final Set<ActorRef<GroupQueue.Command>> holders = new HashSet<>();
    private final Set<ActorRef<Queue.Command>> keyedQueues = new HashSet<>();
    /** Whoever owes this session an answer: what one of them took with it when it stopped has to be answered here. */
    private final Set<ActorRef<?>> watched = new HashSet<>();

    private final Set<ActorRef<?>> releasing = new HashSet<>();
    private final Map<Long, ActorRef<?>> releaseTokens = new HashMap<>();

    private final Returns returns;
    private final PopRequests pops;
    private final Subscriptions subscriptions;

    private long bytesInFlight;
    private long lastToken;
    private long wakeAtMillis = Long.MAX_VALUE;
    private boolean isDraining;
    private boolean isClosing;
    private boolean isRegistryGone;
    private boolean hasEnded;
    private Refusal closeReason;

    /**
     * @param send null if it was refused
     * @param refusedKeys what it holds up then
     */
    private record SendAgain(SessionCommand.Send send, SendPending pending, Map<String, String> refusedKeys) {}

    /** @param heldBefore groups that held deliveries of this session when the node was started */
    public static Behavior<Object> create(
            Environment environment,
            long sessionId,
            String clientName,
            int frameBytes,
            ActorRef<SessionEvent> client,
            List<ActorRef<GroupQueue.Command>> heldBefore) {
        return Behaviors.setup(context -> Behaviors.withTimers(timers ->
                new Session(context, timers, environment, sessionId, clientName, frameBytes, client, heldBefore)));
    }

    private Session(
            ActorContext<Object> context,
            TimerScheduler<Object> timers,
            Environment environment,
            long sessionId,
            String clientName,
            int frameBytes,
            ActorRef<SessionEvent> client,
            List<ActorRef<GroupQueue.Command>> heldBefore) {
        super(context);
        this.environment = environment;
        this.timers = timers;
        this.sessionId = sessionId;
        limits = environment.limits;
        directory = environment.directory;
        self = context.getSelf();
        queueReplies = self.narrow();
        line = new ClientLine(limits, environment.isMember);
        SessionParts parts = new Parts();
        returns = new Returns(parts);
        pops = new PopRequests(parts);
        subscriptions = new Subscriptions(parts);
        holders.addAll(heldBefore);
        heldBefore.forEach(this::watchOnce);
        watchOnce(environment.registry);
        attach(client, frameBytes, clientName, false);
        timers.startTimerWithFixedDelay(
                LifeCheck.INSTANCE, environment.settings.session().heartbeatInterval());
    }

    @Override
    public Receive<Object> createReceive() {
        return newReceiveBuilder()
                .onMessage(SessionCommand.Send.class, this::onSend)
                .onMessage(QueueReply.Enqueued.class, this::onEnqueued)
                .onMessage(SessionCommand.Pop.class, this::onPop)
                .onMessage(QueueReply.Delivered.class, this::onDelivered)
                .onMessage(SessionCommand.Ack.class, this::onAck)
                .onMessage(QueueReply.Acked.class, this::onAcked)
                .onMessage(SessionCommand.Heartbeat.class, this::onHeartbeat)
                .onMessage(Chunk.class, this::onChunk)
                .onMessage(ChunkAck.class, this::onChunkAck)
                .onMessage(SessionCommand.ChangeInvisible.class, this::onChangeInvisible)
                .onMessage(QueueReply.Changed.class, this::onChanged)
                .onMessage(SessionCommand.GiveBack.class, this::onGiveBack)
                .onMessage(QueueReply.GivenBack.class, this::onGivenBack)
                .onMessage(QueueReply.PoppedNothing.class, this::onPoppedNothing)
                .onMessage(QueueReply.PopRefused.class, this::onPopRefused)
                .onMessage(SessionCommand.CancelPop.class, this::onCancelPop)
                .onMessage(QueueReply.PopCancelled.class, this::onPopCancelled)
                .onMessage(SessionCommand.Credit.class, this::onCredit)
                .onMessage(QueueReply.DeliveredBy.class, this::onDeliveredBy)
                .onMessage(SessionCommand.Subscribe.class, this::onSubscribe)
                .onMessage(SessionCommand.Unsubscribe.class, this::onUnsubscribe)
                .onMessage(SessionCommand.Withdraw.class, this::onWithdraw)
                .onMessage(SessionCommand.Detach.class, this::onDetach)
                .onMessage(SessionCommand.Close.class, this::onClose)
                .onMessage(QueueReply.ConsumerReleased.class, this::onConsumerReleased)
                .onMessage(RegistryReply.Ensured.class, this::onEnsured)
                .onMessage(RegistryReply.Answer.class, this::onAnswer)
                .onMessage(SessionCommand.Request.class, this::onAdminister)
                .onMessage(Attach.class, this::onAttach)
                .onMessageEquals(LifeCheck.INSTANCE, this::onLifeCheck)
                .onMessageEquals(Wake.INSTANCE, this::onWake)
                .onMessageEquals(Drain.INSTANCE, this::onDrain)
                .onMessageEquals(End.INSTANCE, this::onEnd)
                .onMessageEquals(Overflowed.INSTANCE, this::onOverflowed)
                .onMessageEquals(ReleaseTimedOut.INSTANCE, this::stopped)
                .onSignal(Terminated.class, this::onTerminated)
                .onSignal(PostStop.class, this::onPostStop)
                .build();
    }

    // ---- send -----------------------------------------------------------------------------------------------------

    private Behavior<Object> onSend(SessionCommand.Send send) {
        heard();
        List<Message> messages = send.messages();
        long bytes = 0;
        for (Message message : messages) {
            bytes += message.body() == null ? 0 : message.body().length + MESSAGE_OVERHEAD_BYTES;
        }
        if (!isNew(send)) {
            return this;
        }
        Refusal refusal = refuseSend(send, bytes);
        if (refusal != null) {
            if (refusal.retryAfterMillis() > 0) {
                holdUpKeys(send);
            }
            tell(new SessionEvent.Refused(send.requestId(), refusal));
            return this;
        }
        SendPending waiting = new SendPending(send.requestId());
        waiting.bytes = bytes;
        bytesInFlight += bytes;
        pending.put(send.requestId(), waiting);
        if (messages.isEmpty()) {
            answer(waiting, new SessionEvent.SendReply(send.requestId(), List.of()));
            return this;
        }
        ArrayDeque<SendAgain> deferred = deferredSends.isEmpty() ? null : deferredSends.get(send.topic());
        TopicDirectory.TopicRoute topic = directory.topic(send.topic());
        if (topic != null && deferred == null) {
            tellHeldUp(topic);
            dispatch(send, waiting, topic);
        } else {
            defer(send.topic(), new SendAgain(send, waiting, Map.of()));
        }
        return this;
    }

    private void defer(String topic, SendAgain again) {
        ArrayDeque<SendAgain> deferred = deferredSends.get(topic);
        if (deferred == null) {
            deferredSends.put(topic, deferred = new ArrayDeque<>());
            long token = ++lastToken;
            topicsAsked.put(token, topic);
            environment.registry.tell(new Registry.EnsureTopic(topic, token, self.narrow()));
        }
        deferred.addLast(again);
        if (isRegistryGone) {
            onRegistryGone();
        }
    }

    /** What is refused here has to hold up its keys as if their queues had refused it, or what comes behind overtakes it. */
    private void holdUpKeys(SessionCommand.Send send) {
        if (isDraining || Names.check("topic", send.topic()) != null) {
            return;
        }
        Map<String, String> firstIds = firstIds(send);
        if (firstIds.isEmpty()) {
            return;
        }
        TopicDirectory.TopicRoute topic = directory.topic(send.topic());
        if (topic != null && !deferredSends.containsKey(send.topic())) {
            tellHeldUp(topic);
            tellRefused(topic, firstIds);
        } else {
            defer(send.topic(), new SendAgain(null, null, firstIds));
        }
    }

    /** By key, the id of its first message. */
    private static Map<String, String> firstIds(SessionCommand.Send send) {
        Map<String, String> firstIds = new LinkedHashMap<>();
        for (Message message : send.messages()) {
            if (message.isKeyed() && message.id() != null) {
                firstIds.putIfAbsent(message.messageGroup(), message.id());
            }
        }
        return firstIds;
    }

    /** The topic could not be made for now: until there is a queue that knows it, it is known here what has to come first. */
    private void holdUp(String topic, Map<String, String> firstIds) {
        if (firstIds.isEmpty()) {
            return;
        }
        Map<String, String> held = heldUp.computeIfAbsent(topic, name -> new LinkedHashMap<>());
        firstIds.forEach(held::putIfAbsent);
        if (held.size() > HELD_UP_KEYS_MAX || heldUp.size() > HELD_UP_TOPICS_MAX) {
            // A client that gives up so many without a word has no order left to keep.
            heldUp.remove(heldUp.keySet().iterator().next());
        }
    }

    private void tellHeldUp(TopicDirectory.TopicRoute topic) {
        Map<String, String> held = heldUp.isEmpty() ? null : heldUp.remove(topic.name());
        if (held != null && !held.isEmpty()) {
            tellRefused(topic, held);
        }
    }

    private void tellRefused(TopicDirectory.TopicRoute topic, Map<String, String> firstIds) {
        Map<Integer, Map<String, String>> byQueue = new HashMap<>();
        int queueCount = topic.queues().size();
        firstIds.forEach(
                (key, id) -> byQueue.computeIfAbsent(queueOfKey(key, queueCount), queue -> new LinkedHashMap<>())
                        .put(key, id));
        byQueue.forEach((number, part) -> {
            ActorRef<Queue.Command> queue = topic.queues().get(number).queue();
            if (queue != null) {
                keyedQueues.add(queue);
                queue.tell(new Queue.Refused(sessionId, part));
            }
        });
    }

    /** Reserves the bytes if it returns null. */
    private Refusal refuseSend(SessionCommand.Send send, long bytes) {
        Refusal refusal = refuseNew();
        if (refusal != null) {
            return refusal;
        }
        refusal = Names.check("topic", send.topic());
        if (refusal != null) {
            return refusal;
        }
        int count = send.messages().size();
        if (count > limits.batchCountMax()) {
            return Refusal.tooLarge("a Send", count + " messages", "at most " + limits.batchCountMax());
        }
        if (bytes > limits.batchBytesMax() && count > 1) {
            return Refusal.tooLarge("a Send", bytes + " bytes", "at most " + limits.batchBytesMax());
        }
        if (send.queue() < -1) {
            return Refusal.illegalArgument("queue", send.queue(), "the number of a queue, or -1 for any");
        }
        if (bytesInFlight > 0 && bytesInFlight + bytes > limits.bytesInFlightMax()) {
            return new Refusal(
                    Refusal.Code.LIMIT,
                    "Sends of " + (bytesInFlight + bytes) + " bytes are not answered, allowed are "
                            + limits.bytesInFlightMax() + " for each session",
                    CONGESTED_RETRY_MILLIS);
        }
        if (!environment.bytesHeld.tryReserve(bytes)) {
            return Refusal.busy(
                    "the node holds " + environment.bytesHeld.bytes() + " bytes for its clients, allowed are "
                            + environment.bytesHeld.bytesMax(),
                    CONGESTED_RETRY_MILLIS);
        }
        return null;
    }

    private void dispatch(SessionCommand.Send send, SendPending waiting, TopicDirectory.TopicRoute topic) {
        List<Message> messages = send.messages();
        int count = messages.size();
        int queueCount = topic.queues().size();
        if (send.queue() >= queueCount) {
            refusePending(
                    waiting,
                    Refusal.illegalArgument(
                            "queue",
                            send.queue(),
                            queueCount == 1 ? "0" : "0 to " + (queueCount - 1) + " for topic '" + topic.name() + "'"));
            return;
        }
        TopicPolicy policy = topic.policy();
        if (policy.ratePerSecond() > 0) {
            long waitMillis = directory.sendRate(topic).take(count, policy.ratePerSecond(), environment.clock.millis());
            if (waitMillis > 0) {
                tellRefused(topic, firstIds(send));
                refusePending(
                        waiting,
                        Refusal.busy(
                                "topic '" + topic.name() + "' takes " + policy.ratePerSecond()
                                        + " messages a second (its rate-limit), and has taken as many",
                                waitMillis));
                return;
            }
        }
        Durability level = send.durability() == null ? policy.sendLevel() : send.durability();
        boolean isRouted = policy.deduplication() != Deduplication.OFF && send.queue() < 0;
        boolean isSimple = !isRouted;
        for (int i = 0; i < count && isSimple; i++) {
            Message message = messages.get(i);
            isSimple = refusal(message, send.topic()) == null && !message.isKeyed();
        }
        int any = send.queue() >= 0 ? send.queue() : nextQueue(topic);
        if (isSimple) {
            enqueue(topic.queues().get(any), messages, level, waiting, null);
            return;
        }
        waiting.results = new SendResult[count];
        Map<Integer, List<Integer>> byQueue = new LinkedHashMap<>();
        for (int i = 0; i < count; i++) {
            Message message = messages.get(i);
            Refusal refusal = refusal(message, send.topic());
            if (refusal != null) {
                waiting.results[i] = refusal;
                continue;
            }
            int number = message.isKeyed()
                    ? queueOfKey(message.messageGroup(), queueCount)
                    : isRouted ? SendKey.queueOf(policy.deduplication(), message, queueCount) : any;
            byQueue.computeIfAbsent(number < 0 ? any : number, queue -> new ArrayList<>())
                    .add(i);
        }
        if (byQueue.isEmpty()) {
            answer(waiting, sendReply(waiting));
            return;
        }
        waiting.missingParts = byQueue.size();
        byQueue.forEach((number, indexes) -> {
            List<Message> part = new ArrayList<>(indexes.size());
            boolean isKeyed = false;
            for (int index : indexes) {
                part.add(messages.get(index));
                isKeyed |= messages.get(index).isKeyed();
            }
            TopicDirectory.QueueRoute queue = topic.queues().get(number);
            if (isKeyed && queue.queue() != null) {
                keyedQueues.add(queue.queue());
            }
            enqueue(
                    queue,
                    part,
                    level,
                    waiting,
                    indexes.stream().mapToInt(Integer::intValue).toArray());
        });
    }

    private void enqueue(
            TopicDirectory.QueueRoute queue, List<Message> messages, Durability level, SendPending waiting, int[] at) {
        long token = ++lastToken;
        Queue.Enqueue enqueue = new Queue.Enqueue(sessionId, messages, level, token, queueReplies);
        Part part = new Part(waiting, at, queue.queue(), enqueue);
        if (queue.queue() == null) {
            enqueued(part, Collections.nCopies(messages.size(), notServed("queue " + queue.number())));
            return;
        }
        parts.put(token, part);
        watchOnce(queue.queue());
        queue.queue().tell(enqueue);
    }

    private Refusal refusal(Message message, String topic) {
        Refusal refusal = MessageLimits.check(message, limits.bodyBytesMax());
        if (refusal == null && !message.topic().equals(topic)) {
            refusal = Refusal.illegalArgument(
                    "the topic of a message in a Send to '" + topic + "'", message.topic(), "the same");
        }
        if (refusal == null && message.deliverAtMillis() > 0) {
            refusal =
                    Refusal.of(Refusal.Code.UNSUPPORTED, "messages for a later time are not supported by this version");
        }
        return refusal;
    }

    /** The queue that all messages of a key go to: FNV-1a of its UTF-16 units, so that it is the same for ever. */
    public static int queueOfKey(String messageGroup, int queueCount) {
        int hash = 0x811C9DC5;
        for (int i = 0; i < messageGroup.length(); i++) {
            hash = (hash ^ messageGroup.charAt(i)) * 0x01000193;
        }
        // The low bits of FNV-1a of short texts are not spread well enough alone.
        hash ^= hash >>> 16;
        return Math.floorMod(hash, queueCount);
    }

    private int nextQueue(TopicDirectory.TopicRoute topic) {
        int queueCount = topic.queues().size();
        // Sessions begin at different queues, so that many small producers spread as well as one large.
        Integer last = nextQueue.get(topic.name());
        int next = last == null ? Math.floorMod(Long.hashCode(sessionId), queueCount) : (last + 1) % queueCount;
        for (int tried = 0; tried < queueCount && topic.queues().get(next).queue() == null; tried++) {
            next = (next + 1) % queueCount;
        }
        nextQueue.put(topic.name(), next);
        return next;
    }

    private Behavior<Object> onEnqueued(QueueReply.Enqueued enqueued) {
        Part part = parts.remove(enqueued.token());
        if (part != null) {
            enqueued(part, enqueued.results());
        }
        return this;
    }

    private void enqueued(Part part, List<SendResult> results) {
        SendPending waiting = (SendPending) part.pending;
        if (part.indexes == null) {
            answer(waiting, new SessionEvent.SendReply(waiting.requestId, results));
            return;
        }
        for (int i = 0; i < part.indexes.length; i++) {
            waiting.results[part.indexes[i]] = results.get(i);
        }
        if (--waiting.missingParts == 0) {
            answer(waiting, sendReply(waiting));
        }
    }

    private static SessionEvent.SendReply sendReply(SendPending waiting) {
        return new SessionEvent.SendReply(
                waiting.requestId, Collections.unmodifiableList(Arrays.asList(waiting.results)));
    }

    private Behavior<Object> onWithdraw(SessionCommand.Withdraw withdraw) {
        heard();
        Map<String, String> held = heldUp.get(withdraw.topic());
        if (held != null) {
            held.values().removeAll(withdraw.messageIds());
        }
        TopicDirectory.TopicRoute topic = directory.topic(withdraw.topic());
        if (topic != null) {
            for (TopicDirectory.QueueRoute queue : topic.queues()) {
                if (queue.queue() != null && keyedQueues.contains(queue.queue())) {
                    queue.queue().tell(new Queue.Withdraw(sessionId, withdraw.messageIds()));
                }
            }
        }
        tell(new SessionEvent.Withdrawn(withdraw.requestId()));
        return this;
    }

    // ---- pop, subscribe -------------------------------------------------------------------------------------------

    private Behavior<Object> onPop(SessionCommand.Pop pop) {
        heard();
        if (isNew(pop)) {
            pops.onPop(pop);
        }
        return this;
    }

    private Behavior<Object> onCancelPop(SessionCommand.CancelPop cancel) {
        heard();
        pops.onCancelPop(cancel);
        return this;
    }

    private Behavior<Object> onDelivered(QueueReply.Delivered delivered) {
        holders.add(delivered.from());
        watchOnce(delivered.from());
        if (isClosing) {
            returns.giveBack(delivered.from(), delivered.deliveries());
        } else if (SubscriptionRequests.isOne(delivered.requestId())) {
            subscriptions.onDelivered(delivered);
        } else {
            pops.onDelivered(delivered);
        }
        return this;
    }

    private Behavior<Object> onPoppedNothing(QueueReply.PoppedNothing nothing) {
        if (SubscriptionRequests.isOne(nothing.requestId())) {
            subscriptions.onPoppedNothing(nothing.requestId());
        } else {
            pops.onPoppedNothing(nothing.requestId());
        }
        return this;
    }

    private Behavior<Object> onPopRefused(QueueReply.PopRefused refused) {
        if (SubscriptionRequests.isOne(refused.requestId())) {
            subscriptions.onPopRefused(refused);
        } else {
            pops.onPopRefused(refused);
        }
        return this;
    }

    private Behavior<Object> onPopCancelled(QueueReply.PopCancelled cancelled) {
        pops.onPopCancelled(cancelled);
        return this;
    }

    private Behavior<Object> onSubscribe(SessionCommand.Subscribe subscribe) {
        heard();
        if (isNew(subscribe)) {
            subscriptions.onSubscribe(subscribe);
        }
        return this;
    }

    private Behavior<Object> onUnsubscribe(SessionCommand.Unsubscribe unsubscribe) {
        heard();
        if (isNew(unsubscribe)) {
            subscriptions.onUnsubscribe(unsubscribe);
        }
        return this;
    }

    private Behavior<Object> onCredit(SessionCommand.Credit credit) {
        heard();
        if (!isClosing) {
            subscriptions.onCredit(credit);
        }
        return this;
    }

    private Behavior<Object> onDeliveredBy(QueueReply.DeliveredBy delivered) {
        subscriptions.onDeliveredBy(delivered);
        return this;
    }

    private Behavior<Object> onWake() {
        wakeAtMillis = Long.MAX_VALUE;
        long now = environment.clock.millis();
        returns.onWake(now);
        subscriptions.onWake(now);
        return this;
    }

    /** What the parts may ask for. */
    private final class Parts implements SessionParts {
        @Override
        public long sessionId() {
            return sessionId;
        }

        @Override
        public Environment environment() {
            return environment;
        }

        @Override
        public ActorRef<QueueReply> queueReplies() {
            return queueReplies;
        }

        @Override
        public long nextToken() {
            return ++lastToken;
        }

        @Override
        public void tell(SessionEvent event) {
            Session.this.tell(event);
        }

        @Override
        public void watchOnce(ActorRef<?> target) {
            Session.this.watchOnce(target);
        }

        @Override
        public void useDispatcher(ActorRef<Dispatcher.Command> dispatcher) {
            dispatchers.add(dispatcher);
            Session.this.watchOnce(dispatcher);
        }

        @Override
        public void ensureGroup(String topic, String group, long token) {
            environment.registry.tell(new Registry.EnsureGroup(topic, group, token, self.narrow()));
            if (isRegistryGone) {
                onRegistryGone();
            }
        }

        @Override
        public Refusal refuseNew() {
            return Session.this.refuseNew();
        }

        @Override
        public Refusal refuseCongested() {
            return line.isCongested()
                    ? Refusal.busy(
                            "the client has not taken " + line.waitingBytes() + " bytes of earlier answers",
                            CONGESTED_RETRY_MILLIS)
                    : null;
        }

        @Override
        public boolean isEnding() {
            return isClosing || isDraining;
        }

        @Override
        public void giveBack(ActorRef<GroupQueue.Command> queue, List<Delivery> deliveries) {
            returns.giveBack(queue, deliveries);
        }

        @Override
        public void wakeAt(long atMillis) {
            if (atMillis < wakeAtMillis) {
                wakeAtMillis = atMillis;
                long delay = Math.max(1, atMillis - environment.clock.millis());
                timers.startSingleTimer(Wake.INSTANCE, Duration.ofMillis(delay));
            }
        }
    }

    // ---- ack, change, give back -------------------------------------------------------------------------------------

    private Behavior<Object> onAck(SessionCommand.Ack ack) {
        heard();
        List<ReceiptHandle> handles = ack.handles();
        if (!isNew(ack) || isRefused(ack, ack.group(), handles, null)) {
            return this;
        }
        HandlesPending<AckResult> waiting = new HandlesPending<>(ack.requestId(), handles.size());
        waiting.level = ack.durability() == null ? Durability.FLUSHED : ack.durability();
        pending.put(ack.requestId(), waiting);
        split(
                waiting,
                ack.group(),
                handles,
                (route, part, token) -> new GroupQueue.Ack(
                        part,
                        ack.durability() == null ? route.policy().ackLevel() : ack.durability(),
                        token,
                        queueReplies));
        if (waiting.missingParts == 0) {
            answer(waiting, new SessionEvent.AckReply(waiting.requestId, waiting.results(), waiting.level));
        }
        return this;
    }

    private Behavior<Object> onAcked(QueueReply.Acked acked) {
        Part part = parts.remove(acked.token());
        if (part == null) {
            return this;
        }
        @SuppressWarnings("unchecked") // only an Ack is answered with Acked
        HandlesPending<AckResult> waiting = (HandlesPending<AckResult>) part.pending;
        if (!waiting.level.covers(acked.level()) || waiting.level == acked.level() || part.indexes == null) {
            waiting.level = acked.level();
        } else {
            waiting.level = Durability.WRITTEN;
        }
        if (part.indexes == null) {
            answer(
                    waiting,
                    acked.results() == null
                            ? SessionEvent.AckReply.allAcked(waiting.requestId, waiting.results.length, acked.level())
                            : new SessionEvent.AckReply(waiting.requestId, acked.results(), acked.level()));
            return this;
        }
        for (int i = 0; i < part.indexes.length; i++) {
            waiting.results[part.indexes[i]] =
                    acked.results() == null ? AckOutcome.ACKED : acked.results().get(i);
        }
        if (--waiting.missingParts == 0) {
            answer(waiting, new SessionEvent.AckReply(waiting.requestId, waiting.results(), waiting.level));
        }
        return this;
    }

    private Behavior<Object> onChangeInvisible(SessionCommand.ChangeInvisible change) {
        heard();
        List<ReceiptHandle> handles = change.handles();
        if (!isNew(change) || isRefused(change, change.group(), handles, refuseChange(change))) {
            return this;
        }
        HandlesPending<ChangeResult> waiting = new HandlesPending<>(change.requestId(), handles.size());
        pending.put(change.requestId(), waiting);
        DeadlineRecord.Kind kind = change.nack() ? DeadlineRecord.Kind.NACKED : DeadlineRecord.Kind.EXTENDED;
        split(
                waiting,
                change.group(),
                handles,
                (route, part, token) ->
                        new GroupQueue.Change(part, kind, change.millis(), change.reason(), token, queueReplies));
        if (waiting.missingParts == 0) {
            answer(waiting, new SessionEvent.ChangeReply(waiting.requestId, waiting.results()));
        }
        return this;
    }

    private Refusal refuseChange(SessionCommand.ChangeInvisible change) {
        if (change.reason() == null || change.reason().length() > REASON_CHARS_MAX) {
            return change.reason() == null
                    ? Refusal.illegalArgument("reason", null, "a text, which may be empty")
                    : Refusal.tooLarge(
                            "the reason of a nack",
                            change.reason().length() + " characters",
                            "at most " + REASON_CHARS_MAX);
        }
        if (!change.nack()) {
            return PopRequests.refuseInvisible(limits, change.millis());
        }
        return change.millis() < SessionCommand.ChangeInvisible.BACKOFF || change.millis() > limits.invisibleMillisMax()
                ? Refusal.illegalArgument(
                        "the delay of a nack",
                        change.millis() + " ms",
                        "0 to " + limits.invisibleMillisMax() + " ms, or none for the group's own")
                : null;
    }

    private Behavior<Object> onChanged(QueueReply.Changed changed) {
        HandlesPending<?> waiting = gather(changed.token(), changed.results());
        if (waiting != null) {
            @SuppressWarnings("unchecked") // only a change is answered with Changed
            List<ChangeResult> results = (List<ChangeResult>) waiting.results();
            answer(waiting, new SessionEvent.ChangeReply(waiting.requestId, results));
        }
        return this;
    }

    private Behavior<Object> onGiveBack(SessionCommand.GiveBack giveBack) {
        heard();
        List<ReceiptHandle> handles = giveBack.handles();
        if (!isNew(giveBack) || isRefused(giveBack, giveBack.group(), handles, null)) {
            return this;
        }
        HandlesPending<GiveBackResult> waiting = new HandlesPending<>(giveBack.requestId(), handles.size());
        pending.put(giveBack.requestId(), waiting);
        split(
                waiting,
                giveBack.group(),
                handles,
                (route, part, token) -> new GroupQueue.GiveBack(part, token, queueReplies));
        if (waiting.missingParts == 0) {
            answer(waiting, new SessionEvent.GiveBackReply(waiting.requestId, waiting.results()));
        }
        return this;
    }

    private Behavior<Object> onGivenBack(QueueReply.GivenBack givenBack) {
        if (returns.onGivenBack(givenBack)) {
            return this;
        }
        HandlesPending<?> waiting = gather(givenBack.token(), givenBack.results());
        if (waiting != null) {
            @SuppressWarnings("unchecked") // only a give-back is answered with GivenBack
            List<GiveBackResult> results = (List<GiveBackResult>) waiting.results();
            answer(waiting, new SessionEvent.GiveBackReply(waiting.requestId, results));
        }
        return this;
    }

    /** Whether the request as a whole was refused, and that is told. */
    private boolean isRefused(
            SessionCommand.Request request, String group, List<ReceiptHandle> handles, Refusal special) {
        Refusal refusal = requestCount() >= limits.requestsInFlightMax() ? tooManyRequests() : special;
        refusal = refusal != null ? refusal : Names.check("group", group);
        if (refusal == null && handles.size() > limits.batchCountMax()) {
            refusal = Refusal.tooLarge("a request", handles.size() + " handles", "at most " + limits.batchCountMax());
        }
        if (refusal != null) {
            tell(new SessionEvent.Refused(request.requestId(), refusal));
        }
        return refusal != null;
    }

    private interface PartCommand {
        GroupQueue.Command of(TopicDirectory.GroupQueueRoute route, List<ReceiptHandle> part, long token);
    }

    private void tellPart(
            TopicDirectory.GroupQueueRoute route, Pending waiting, int[] at, long token, GroupQueue.Command command) {
        parts.put(token, new Part(waiting, at, route.groupQueue(), command));
        watchOnce(route.groupQueue());
        route.groupQueue().tell(command);
    }

    /** Sends each group's queue its handles; sets how many parts are missing, 0 if every handle was refused here. */
    private void split(HandlesPending<?> waiting, String group, List<ReceiptHandle> handles, PartCommand command) {
        if (handles.isEmpty()) {
            waiting.missingParts = 0;
            return;
        }
        ReceiptHandle first = handles.get(0);
        TopicDirectory.GroupQueueRoute route = route(first, group);
        if (route != null && isOneQueue(handles, first)) {
            long token = ++lastToken;
            tellPart(route, waiting, null, token, command.of(route, handles, token));
            return;
        }
        Map<TopicDirectory.GroupQueueRoute, List<Integer>> byQueue = new LinkedHashMap<>();
        for (int i = 0; i < handles.size(); i++) {
            route = route(handles.get(i), group);
            if (route == null) {
                waiting.results[i] = wrong(handles.get(i), group);
            } else {
                byQueue.computeIfAbsent(route, queue -> new ArrayList<>()).add(i);
            }
        }
        waiting.missingParts = byQueue.size();
        byQueue.forEach((queue, indexes) -> {
            List<ReceiptHandle> part = new ArrayList<>(indexes.size());
            indexes.forEach(index -> part.add(handles.get(index)));
            long token = ++lastToken;
            int[] at = indexes.stream().mapToInt(Integer::intValue).toArray();
            tellPart(queue, waiting, at, token, command.of(queue, part, token));
        });
    }

    private static boolean isOneQueue(List<ReceiptHandle> handles, ReceiptHandle first) {
        for (int i = 1; i < handles.size(); i++) {
            ReceiptHandle handle = handles.get(i);
            if (handle.queueId() != first.queueId()
                    || handle.groupId() != first.groupId()
                    || handle.nodeId() != first.nodeId()) {
                return false;
            }
        }
        return true;
    }

    /** Null if the handle is not one of that group on this node. */
    private TopicDirectory.GroupQueueRoute route(ReceiptHandle handle, String group) {
        if (handle.nodeId() != environment.nodeId) {
            return null;
        }
        TopicDirectory.GroupQueueRoute route = directory.groupQueue(handle.queueId(), handle.groupId());
        return route != null && route.group().equals(group) ? route : null;
    }

    private Refusal wrong(ReceiptHandle handle, String group) {
        if (handle.nodeId() != environment.nodeId) {
            return Refusal.of(
                    Refusal.Code.FOREIGN_HANDLE,
                    "the handle was made by another node than '"
                            + environment.settings.node().name() + "'");
        }
        TopicDirectory.GroupQueueRoute route = directory.groupQueue(handle.queueId(), handle.groupId());
        if (route != null) {
            return Refusal.of(
                    Refusal.Code.WRONG_GROUP,
                    "the handle belongs to group '" + route.group() + "', not to '" + group + "'");
        }
        return Refusal.of(
                Refusal.Code.FOREIGN_HANDLE,
                "queue " + handle.queueId() + " and group " + handle.groupId()
                        + " of the handle are not on this node: they were deleted, or are of another data directory");
    }

    /** The request that is complete with these results, or null. */
    private HandlesPending<?> gather(long token, List<?> results) {
        Part part = parts.remove(token);
        if (part == null) {
            return null;
        }
        HandlesPending<?> waiting = (HandlesPending<?>) part.pending;
        for (int i = 0; i < results.size(); i++) {
            waiting.results[part.indexes == null ? i : part.indexes[i]] = results.get(i);
        }
        return part.indexes == null || --waiting.missingParts == 0 ? waiting : null;
    }

    // ---- topics and groups ------------------------------------------------------------------------------------------

    private Behavior<Object> onEnsured(RegistryReply.Ensured ensured) {
        String topicName = topicsAsked.remove(ensured.token());
        if (topicName != null) {
            TopicDirectory.TopicRoute topic = directory.topic(topicName);
            Refusal refusal =
                    ensured.refusal() != null || topic != null ? ensured.refusal() : Refusal.unknownTopic(topicName);
            if (refusal == null) {
                tellHeldUp(topic);
            }
            boolean isRepeated = refusal != null && (refusal.isTransient() || refusal.retryAfterMillis() > 0);
            for (SendAgain again : deferredSends.remove(topicName)) {
                if (isRepeated) {
                    holdUp(topicName, again.send == null ? again.refusedKeys : firstIds(again.send));
                }
                if (again.send == null) {
                    if (refusal == null) {
                        tellRefused(topic, again.refusedKeys);
                    }
                } else if (refusal != null) {
                    refusePending(again.pending, refusal);
                } else {
                    dispatch(again.send, again.pending, topic);
                }
            }
            return this;
        }
        if (!pops.onEnsured(ensured)) {
            subscriptions.onEnsured(ensured);
        }
        return this;
    }

    private Behavior<Object> onAdminister(SessionCommand.Request request) {
        heard();
        if (isNew(request)) {
            Refusal refusal = refuseNew();
            if (refusal == null) {
                pending.put(request.requestId(), new AdminPending(request.requestId()));
                if (request instanceof LookCommand look) {
                    environment.lookDesk.tell(new LookDesk.Ask(look, self.narrow()));
                } else if (request instanceof PoisonCommand poison) {
                    environment.deadLetterDesk.tell(new DeadLetterDesk.Ask(poison, self.narrow()));
                } else {
                    environment.registry.tell(new Registry.Administer(request, self.narrow()));
                    if (isRegistryGone) {
                        onRegistryGone();
                    }
                }
            } else {
                tell(new SessionEvent.Refused(request.requestId(), refusal));
            }
        }
        return this;
    }

    private Behavior<Object> onAnswer(RegistryReply.Answer answer) {
        Pending waiting = pending.get(answer.reply().requestId());
        if (waiting instanceof AdminPending) {
            answer(waiting, answer.reply());
        }
        return this;
    }

    static Refusal notServed(String what) {
        return Refusal.of(
                Refusal.Code.FAILED, what + " is not served on this node because of a fault; the node's log says more");
    }

    // ---- the client's life ------------------------------------------------------------------------------------------

    private void attach(ActorRef<SessionEvent> newClient, int frameBytes, String name, boolean isResumed) {
        line.attach(getContext(), newClient, frameBytes, name, environment.clock.millis());
        line.tellAtOnce(new SessionEvent.Opened(
                self.narrow(), sessionId, environment.settings.node().name(), limits, isResumed));
    }

    private Behavior<Object> onAttach(Attach attach) {
        attach(attach.client, attach.frameBytes, attach.clientName, true);
        subscriptions.onAttachedAgain();
        return this;
    }

    private void heard() {
        line.heard(environment.clock.millis());
    }

    private Behavior<Object> onHeartbeat(SessionCommand.Heartbeat heartbeat) {
        heard();
        // Not through the cutter: a sign of life waits behind nothing.
        line.tellAtOnce(new SessionEvent.Heartbeat(heartbeat.number()));
        return this;
    }

    private Behavior<Object> onChunk(Chunk chunk) {
        heard();
        SessionCommand command;
        try {
            command = line.join(chunk);
        } catch (MalformedWireException e) {
            return gone(Refusal.of(Refusal.Code.ILLEGAL_ARGUMENT, e.getMessage()));
        }
        // Dispatched as if it had arrived whole, before anything that came behind it.
        return command == null ? this : receiveNow(command);
    }

    private Behavior<Object> receiveNow(SessionCommand command) {
        if (command instanceof SessionCommand.Send send) {
            return onSend(send);
        }
        if (command instanceof SessionCommand.Ack ack) {
            return onAck(ack);
        }
        if (command instanceof SessionCommand.ChangeInvisible change) {
            return onChangeInvisible(change);
        }
        if (command instanceof SessionCommand.GiveBack giveBack) {
            return onGiveBack(giveBack);
        }
        if (command instanceof SessionCommand.Withdraw withdraw) {
            return onWithdraw(withdraw);
        }
        if (command instanceof SessionCommand.Pop pop) {
            return onPop(pop);
        }
        if (command instanceof SessionCommand.CancelPop cancel) {
            return onCancelPop(cancel);
        }
        if (command instanceof SessionCommand.Subscribe subscribe) {
            return onSubscribe(subscribe);
        }
        if (command instanceof SessionCommand.Unsubscribe unsubscribe) {
            return onUnsubscribe(unsubscribe);
        }
        if (command instanceof SessionCommand.Credit credit) {
            return onCredit(credit);
        }
        if (command instanceof SessionCommand.Request request) {
            return onAdminister(request);
        }
        return gone(Refusal.illegalArgument(
                "a command in chunks", command.getClass().getSimpleName(), "a request"));
    }

    private Behavior<Object> onChunkAck(ChunkAck ack) {
        heard();
        boolean wasCongested = line.isCongested();
        line.acked(ack, environment.clock.millis());
        if (wasCongested && !line.isCongested()) {
            subscriptions.askAll();
        }
        return this;
    }

    private Behavior<Object> onLifeCheck() {
        long now = environment.clock.millis();
        if (line.isSilent(now)) {
            return gone(Refusal.of(
                    Refusal.Code.TIMED_OUT,
                    "the node has not heard of client '" + line.clientName() + "' for " + (now - line.heardMillis())
                            + " ms"));
        }
        if (!isClosing && line.isStuck(now)) {
            // Chunks or their acknowledgements were lost, and everything waits behind them. The session stays: the
            // client attaches again, which starts both directions anew.
            line.tellAtOnce(new SessionEvent.SessionClosed(
                    sessionId,
                    Refusal.of(Refusal.Code.TIMED_OUT, "the client has not acknowledged chunks of answers in time")));
        }
        if (!isClosing) {
            subscriptions.onLifeCheck(now, line.isRemote() && line.waitingBytes() == 0);
        }
        return this;
    }

    private Behavior<Object> onTerminated(Terminated terminated) {
        if (line.isClient(terminated.getRef())) {
            return gone(Refusal.of(Refusal.Code.CLOSED, "client '" + line.clientName() + "' has stopped"));
        }
        return onTargetGone(terminated.getRef());
    }

    private void watchOnce(ActorRef<?> target) {
        if (watched.add(target)) {
            getContext().watch(target);
        }
    }

    /**
     * A queue, group, dispatcher or the registry has stopped: deleted, or failed. What it was told behind its last message
     * nobody else will answer.
     */
    private Behavior<Object> onTargetGone(ActorRef<?> target) {
        if (!watched.remove(target)) {
            return this;
        }
        Refusal unknown = Refusal.of(
                Refusal.Code.OUTCOME_UNKNOWN, "whether it happened is not known: what it was for has stopped");
        List<Object> unanswered = new ArrayList<>();
        parts.values().forEach(part -> {
            if (part.target.equals(target)) {
                unanswered.add(part.told);
            }
        });
        for (Object told : unanswered) {
            if (told instanceof Queue.Enqueue enqueue) {
                onEnqueued(new QueueReply.Enqueued(
                        enqueue.token(), Collections.nCopies(enqueue.messages().size(), unknown)));
            } else if (told instanceof GroupQueue.Ack ack) {
                onAcked(new QueueReply.Acked(
                        ack.token(), Collections.nCopies(ack.handles().size(), unknown), ack.level()));
            } else if (told instanceof GroupQueue.Change change) {
                onChanged(new QueueReply.Changed(
                        change.token(), Collections.nCopies(change.handles().size(), unknown)));
            } else if (told instanceof GroupQueue.GiveBack giveBack) {
                onGivenBack(new QueueReply.GivenBack(
                        giveBack.token(), Collections.nCopies(giveBack.handles().size(), unknown)));
            } else {
                throw new AssertionError(told);
            }
        }
        returns.onTargetGone(target);
        pops.onTargetGone(target);
        subscriptions.onTargetGone(target);
        dispatchers.removeIf(target::equals);
        keyedQueues.removeIf(target::equals);
        holders.removeIf(target::equals);
        if (target.equals(environment.registry)) {
            onRegistryGone();
        }
        return isClosing ? released(target) : this;
    }

    private void onRegistryGone() {
        isRegistryGone = true;
        for (Long token : List.copyOf(topicsAsked.keySet())) {
            onEnsured(new RegistryReply.Ensured(token, noRegistry()));
        }
        pops.onRegistryGone(noRegistry());
        subscriptions.onRegistryGone(noRegistry());
        for (Pending waiting : List.copyOf(pending.values())) {
            if (waiting instanceof AdminPending) {
                refusePending(waiting, noRegistry());
            }
        }
    }

    private static Refusal noRegistry() {
        return notServed("the list of topics and groups");
    }

    private Behavior<Object> onOverflowed() {
        return gone(Refusal.of(
                Refusal.Code.LIMIT,
                "client '" + line.clientName() + "' has sent more than forebay.session.mailbox-capacity allows"));
    }

    /** The consumer is gone: what it held comes back, counted. */
    private Behavior<Object> gone(Refusal reason) {
        getContext().getLog().info("session {} ends: {}", sessionId, reason.text());
        dispatchers.forEach(
                dispatcher -> dispatcher.tell(new Dispatcher.SessionEnded(sessionId, Dispatcher.Ending.CONSUMER_GONE)));
        holders.forEach(holder -> holder.tell(new GroupQueue.ConsumerGone(sessionId)));
        closeReason = reason;
        return stopped();
    }

    private Behavior<Object> onDetach(SessionCommand.Detach detach) {
        dispatchers.forEach(
                dispatcher -> dispatcher.tell(new Dispatcher.SessionEnded(sessionId, Dispatcher.Ending.DETACHED)));
        closeReason = Refusal.of(Refusal.Code.CLOSED, "the client has detached");
        return stopped();
    }

    /** What it holds goes back first, so that it is out again when the client hears of the end. */
    private Behavior<Object> onClose(SessionCommand.Close close) {
        if (isClosing) {
            return this;
        }
        isClosing = true;
        closeReason = Refusal.of(Refusal.Code.CLOSED, "the client has closed the session");
        dispatchers.forEach(
                dispatcher -> dispatcher.tell(new Dispatcher.SessionEnded(sessionId, Dispatcher.Ending.CLOSED)));
        releasing.addAll(holders);
        for (ActorRef<GroupQueue.Command> holder : holders) {
            long token = ++lastToken;
            releaseTokens.put(token, holder);
            holder.tell(new GroupQueue.SessionClosed(sessionId, token, queueReplies));
        }
        timers.startSingleTimer(
                ReleaseTimedOut.INSTANCE, environment.settings.session().timeout());
        return releasing.isEmpty() ? stopped() : this;
    }

    private Behavior<Object> onConsumerReleased(QueueReply.ConsumerReleased released) {
        ActorRef<?> holder = releaseTokens.remove(released.token());
        return holder == null ? this : released(holder);
    }

    private Behavior<Object> released(ActorRef<?> holder) {
        releasing.remove(holder);
        return releasing.isEmpty() ? stopped() : this;
    }

    private Behavior<Object> onDrain() {
        isDraining = true;
        return this;
    }

    /** The node ends: deadlines rule until the client attaches again. */
    private Behavior<Object> onEnd() {
        closeReason = new Refusal(
                Refusal.Code.SHUTTING_DOWN,
                "node '" + environment.settings.node().name() + "' stops",
                RESTART_GUESS_MILLIS);
        return stopped();
    }

    private Behavior<Object> stopped() {
        hasEnded = true;
        keyedQueues.forEach(queue -> queue.tell(new Queue.SessionEnded(sessionId)));
        pending.values().forEach(waiting -> environment.bytesHeld.release(waiting.bytes));
        pending.clear();
        subscriptions.onEnd();
        line.tellAtOnce(new SessionEvent.SessionClosed(sessionId, closeReason));
        return Behaviors.stopped();
    }

    /** After a bug, or with the actor system: what is held is free, and the client opens a session again. */
    private Behavior<Object> onPostStop(PostStop signal) {
        if (!hasEnded) {
            closeReason = Refusal.of(Refusal.Code.FAILED, "the session has failed; the node's log says more");
            stopped();
        }
        return this;
    }

    // ---- answers ----------------------------------------------------------------------------------------------------

    /** A repetition of what is being worked on is ignored. */
    private boolean isNew(SessionCommand.Request request) {
        long id = request.requestId();
        return !isClosing && !pending.containsKey(id) && !pops.isPending(id) && !subscriptions.isPending(id);
    }

    private Refusal refuseNew() {
        if (isDraining) {
            return new Refusal(
                    Refusal.Code.SHUTTING_DOWN,
                    "node '" + environment.settings.node().name() + "' is stopping",
                    RESTART_GUESS_MILLIS);
        }
        return requestCount() >= limits.requestsInFlightMax() ? tooManyRequests() : null;
    }

    private int requestCount() {
        return pending.size() + pops.count();
    }

    private Refusal tooManyRequests() {
        return new Refusal(
                Refusal.Code.LIMIT,
                requestCount() + " requests of this session are not answered, allowed are "
                        + limits.requestsInFlightMax(),
                CONGESTED_RETRY_MILLIS);
    }

    private void refusePending(Pending waiting, Refusal refusal) {
        answer(waiting, new SessionEvent.Refused(waiting.requestId, refusal));
    }

    private void answer(Pending waiting, SessionEvent.Reply reply) {
        pending.remove(waiting.requestId);
        if (waiting.bytes > 0) {
            bytesInFlight -= waiting.bytes;
            environment.bytesHeld.release(waiting.bytes);
        }
        tell(reply);
    }

    private void tell(SessionEvent event) {
        line.tell(event, environment.clock.millis());
    }
}
