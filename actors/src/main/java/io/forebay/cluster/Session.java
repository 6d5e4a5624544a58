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
import akka.japi.function.Function;
import io.forebay.config.ForebaySettings;
import io.forebay.deadletter.DeadLetterDesk;
import io.forebay.look.LookDesk;
import io.forebay.protocol.Chunk;
import io.forebay.protocol.ChunkAck;
import io.forebay.protocol.Delivery;
import io.forebay.protocol.Refusal;
import io.forebay.protocol.SessionCommand;
import io.forebay.protocol.SessionEvent;
import io.forebay.protocol.SessionLimits;
import io.forebay.protocol.wire.MalformedWireException;
import io.forebay.queue.GroupQueue;
import io.forebay.queue.QueueReply;
import io.forebay.store.LogClock;
import io.forebay.topic.Dispatcher;
import io.forebay.topic.Registry;
import io.forebay.topic.RegistryReply;
import io.forebay.topic.TopicDirectory;
import java.time.Duration;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.function.Consumer;
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
     * @param waitingPops bounds the Pops of all sessions that are not answered
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
            WaitingPops waitingPops,
            RefusalCounts refusals,
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

    /** The client goes on asking, and takes none of the answers. */
    private enum AnswersPileUp {
        INSTANCE
    }

    private enum ReleaseTimedOut {
        INSTANCE
    }

    /** Something that was put off is due. */
    private enum Wake {
        INSTANCE
    }

    /** When a client is asked to repeat what there was no room for. */
    static final long CONGESTED_RETRY_MILLIS = 50;

    private final Environment environment;
    private final SessionLimits limits;
    private final TimerScheduler<Object> timers;
    private final long sessionId;
    private final ActorRef<Object> self;
    private final ActorRef<QueueReply> queueReplies;
    private final ClientLine line;

    /** Whoever owes this session an answer: what one of them took with it when it stopped has to be answered here. */
    private final Set<ActorRef<?>> watched = new HashSet<>();

    private final SessionEnd end;
    private final UnansweredRequests unanswered;
    private final SendRequests sends;
    private final HandleRequests handles;
    private final AdminRequests administration;
    private final Returns returns;
    private final PopRequests pops;
    private final Subscriptions subscriptions;

    private long lastToken;
    private long wakeAtMillis = Long.MAX_VALUE;
    private long lifeCheckedMillis;
    /** Of the line, as they are counted with all that the node holds. */
    private long lineBytes;

    /** Requests since the client has last taken anything, while too much is held for it. */
    private int askedWhileCongested;

    private boolean isRegistryGone;

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
        self = context.getSelf();
        queueReplies = self.narrow();
        line = new ClientLine(limits, environment.isMember);
        SessionParts parts = new Parts();
        end = new SessionEnd(parts, heldBefore);
        unanswered = new UnansweredRequests(parts);
        sends = new SendRequests(parts, unanswered);
        handles = new HandleRequests(parts, unanswered);
        administration = new AdminRequests(parts, unanswered, self.narrow());
        returns = new Returns(parts);
        pops = new PopRequests(parts);
        subscriptions = new Subscriptions(parts);
        heldBefore.forEach(this::watchOnce);
        watchOnce(environment.registry);
        lifeCheckedMillis = environment.clock.millis();
        attach(client, frameBytes, clientName);
        tellOpened(false);
        timers.startTimerWithFixedDelay(
                LifeCheck.INSTANCE, environment.settings.session().heartbeatInterval());
    }

    @Override
    public Receive<Object> createReceive() {
        return newReceiveBuilder()
                .onMessage(SessionCommand.Send.class, ifNew(sends::onSend))
                .onMessage(QueueReply.Enqueued.class, answered(sends::onEnqueued))
                .onMessage(SessionCommand.Pop.class, ifNew(pops::onPop))
                .onMessage(QueueReply.Delivered.class, this::onDelivered)
                .onMessage(SessionCommand.Ack.class, ifNew(handles::onAck))
                .onMessage(QueueReply.Acked.class, answered(handles::onAcked))
                .onMessage(SessionCommand.Heartbeat.class, this::onHeartbeat)
                .onMessage(Chunk.class, this::onChunk)
                .onMessage(ChunkAck.class, this::onChunkAck)
                .onMessage(SessionCommand.ChangeInvisible.class, ifNew(handles::onChangeInvisible))
                .onMessage(QueueReply.Changed.class, answered(handles::onChanged))
                .onMessage(SessionCommand.GiveBack.class, ifNew(handles::onGiveBack))
                .onMessage(QueueReply.GivenBack.class, this::onGivenBack)
                .onMessage(QueueReply.PoppedNothing.class, this::onPoppedNothing)
                .onMessage(QueueReply.PopRefused.class, this::onPopRefused)
                .onMessage(SessionCommand.CancelPop.class, said(pops::onCancelPop))
                .onMessage(QueueReply.PopCancelled.class, answered(pops::onPopCancelled))
                .onMessage(SessionCommand.Credit.class, said(this::onCredit))
                .onMessage(QueueReply.DeliveredBy.class, answered(subscriptions::onDeliveredBy))
                .onMessage(SessionCommand.Subscribe.class, ifNew(subscriptions::onSubscribe))
                .onMessage(SessionCommand.Unsubscribe.class, ifNew(subscriptions::onUnsubscribe))
                .onMessage(SessionCommand.Withdraw.class, said(sends::onWithdraw))
                .onMessage(SessionCommand.BeginAnew.class, this::onBeginAnew)
                .onMessage(SessionCommand.Detach.class, this::onDetach)
                .onMessage(SessionCommand.Close.class, this::onClose)
                .onMessage(QueueReply.ConsumerReleased.class, this::onConsumerReleased)
                .onMessage(RegistryReply.Ensured.class, this::onEnsured)
                .onMessage(RegistryReply.Answer.class, answered(administration::onAnswer))
                .onMessage(SessionCommand.Request.class, ifNew(administration::onRequest))
                .onMessage(Attach.class, this::onAttach)
                .onMessageEquals(LifeCheck.INSTANCE, this::onLifeCheck)
                .onMessageEquals(Wake.INSTANCE, this::onWake)
                .onMessageEquals(Drain.INSTANCE, this::onDrain)
                .onMessageEquals(End.INSTANCE, this::onEnd)
                .onMessageEquals(Overflowed.INSTANCE, this::onOverflowed)
                .onMessageEquals(AnswersPileUp.INSTANCE, this::onAnswersPileUp)
                .onMessageEquals(ReleaseTimedOut.INSTANCE, this::stopped)
                .onSignal(Terminated.class, this::onTerminated)
                .onSignal(PostStop.class, this::onPostStop)
                .build();
    }

    /** Has a part take what the client asks, if that is not a repetition of what is being worked on. */
    private <T extends SessionCommand.Request> Function<T, Behavior<Object>> ifNew(Consumer<T> part) {
        return request -> take(request, part);
    }

    private <T extends SessionCommand.Request> Behavior<Object> take(T request, Consumer<T> part) {
        asked();
        if (isNew(request)) {
            part.accept(request);
        }
        return this;
    }

    private void asked() {
        heard();
        askedWhileCongested = isTooMuchHeld() ? askedWhileCongested + 1 : 0;
        // Whoever keeps to the limit has no more answers to come, refusals included; the rest is room for repetitions.
        if (askedWhileCongested == 2 * limits.requestsInFlightMax()) {
            self.tell(AnswersPileUp.INSTANCE);
        }
    }

    /** Whether the client has to take something: what it is refused takes up room, too. */
    private boolean isTooMuchHeld() {
        return line.isCongested() || (line.untakenBytes() > 0 && environment.bytesHeld.isFull());
    }

    /** Has a part take what the client says, and may say again while it is being worked on. */
    private <T extends SessionCommand> Function<T, Behavior<Object>> said(Consumer<T> part) {
        return command -> {
            asked();
            part.accept(command);
            return this;
        };
    }

    /** Has a part take what somebody of the node answers. */
    private <T> Function<T, Behavior<Object>> answered(Consumer<T> part) {
        return answer -> {
            part.accept(answer);
            return this;
        };
    }

    /** The queue that all messages of a key go to; the same for ever. */
    public static int queueOfKey(String messageGroup, int queueCount) {
        return QueueTurns.queueOfKey(messageGroup, queueCount);
    }

    // ---- answers that concern several parts -----------------------------------------------------------------------

    private Behavior<Object> onDelivered(QueueReply.Delivered delivered) {
        end.holdsAt(delivered.from());
        watchOnce(delivered.from());
        if (end.isClosing()) {
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

    private Behavior<Object> onGivenBack(QueueReply.GivenBack givenBack) {
        if (!returns.onGivenBack(givenBack)) {
            handles.onGivenBack(givenBack);
        }
        return this;
    }

    private Behavior<Object> onEnsured(RegistryReply.Ensured ensured) {
        if (!sends.onEnsured(ensured) && !pops.onEnsured(ensured)) {
            subscriptions.onEnsured(ensured);
        }
        return this;
    }

    private Behavior<Object> onWake() {
        wakeAtMillis = Long.MAX_VALUE;
        long now = environment.clock.millis();
        returns.onWake(now);
        subscriptions.onWake(now);
        return this;
    }

    private void onCredit(SessionCommand.Credit credit) {
        if (!end.isClosing()) {
            subscriptions.onCredit(credit);
        }
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
            end.popsAt(dispatcher);
            Session.this.watchOnce(dispatcher);
        }

        @Override
        public void ensureGroup(String topic, String group, long token) {
            tellRegistry(new Registry.EnsureGroup(topic, group, token, self.narrow()));
        }

        @Override
        public void ensureTopic(String topic, long token) {
            tellRegistry(new Registry.EnsureTopic(topic, token, self.narrow()));
        }

        @Override
        public void administer(SessionCommand.Request request, ActorRef<RegistryReply.Answer> replyTo) {
            tellRegistry(new Registry.Administer(request, replyTo));
        }

        private void tellRegistry(Registry.Command command) {
            environment.registry.tell(command);
            if (isRegistryGone) {
                onRegistryGone();
            }
        }

        @Override
        public Refusal refuseNew() {
            Refusal refusal = end.refuseNew();
            return refusal != null ? refusal : refuseTooMany();
        }

        @Override
        public Refusal refuseTooMany() {
            return Session.this.refuseTooMany();
        }

        @Override
        public Refusal refuseCongested() {
            if (line.isCongested()) {
                return Refusal.busy(
                        "the client has not taken " + line.waitingBytes() + " bytes of earlier answers",
                        CONGESTED_RETRY_MILLIS);
            }
            return line.isRemote() && environment.bytesHeld.isFull() ? refuseFull() : null;
        }

        @Override
        public boolean isEnding() {
            return end.isEnding();
        }

        @Override
        public long giveBack(ActorRef<GroupQueue.Command> queue, List<Delivery> deliveries) {
            return returns.giveBack(queue, deliveries);
        }

        @Override
        public boolean isGivingBack(long returnId) {
            return returns.isUnderWay(returnId);
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

    private Refusal refuseFull() {
        return environment.bytesHeld.refusal(CONGESTED_RETRY_MILLIS);
    }

    static Refusal notServed(String what) {
        return Refusal.of(
                Refusal.Code.FAILED, what + " is not served on this node because of a fault; the node's log says more");
    }

    // ---- the client's life ------------------------------------------------------------------------------------------

    private void attach(ActorRef<SessionEvent> newClient, int frameBytes, String name) {
        line.attach(getContext(), newClient, frameBytes, name, environment.clock.millis());
        countLine();
    }

    private void tellOpened(boolean isResumed) {
        line.tellAtOnce(new SessionEvent.Opened(
                self.narrow(), sessionId, environment.settings.node().name(), limits, isResumed));
    }

    private Behavior<Object> onAttach(Attach attach) {
        if (line.isClient(attach.client)) {
            // It may have asked again only because the answer was late, and be at work with that one by now.
            heard();
        } else {
            attach(attach.client, attach.frameBytes, attach.clientName);
            subscriptions.onBegunAnew();
        }
        tellOpened(true);
        return this;
    }

    private Behavior<Object> onBeginAnew(SessionCommand.BeginAnew begin) {
        heard();
        line.beginAnew();
        countLine();
        subscriptions.onBegunAnew();
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
            command = line.join(chunk, environment.clock.millis());
        } catch (MalformedWireException e) {
            return gone(Refusal.of(Refusal.Code.ILLEGAL_ARGUMENT, e.getMessage()));
        }
        countLine();
        if (line.isUnfinished() && environment.bytesHeld.isFull() && environment.bytesHeld.bytes() > lineBytes) {
            refuseUnfinished(refuseFull());
        }
        // Dispatched as if it had arrived whole, before anything that came behind it.
        return command == null ? this : receiveNow(command);
    }

    /** As if nothing of it had come. */
    private void refuseUnfinished(Refusal refusal) {
        long requestId = line.dropUnfinished();
        countLine();
        if (requestId >= 0) {
            tell(new SessionEvent.Refused(requestId, refusal));
        }
    }

    private Behavior<Object> receiveNow(SessionCommand command) {
        if (command instanceof SessionCommand.Withdraw withdraw) {
            heard();
            sends.onWithdraw(withdraw);
        } else if (command instanceof SessionCommand.CancelPop cancel) {
            heard();
            pops.onCancelPop(cancel);
        } else if (command instanceof SessionCommand.Credit credit) {
            heard();
            onCredit(credit);
        } else if (command instanceof SessionCommand.Send send) {
            take(send, sends::onSend);
        } else if (command instanceof SessionCommand.Ack ack) {
            take(ack, handles::onAck);
        } else if (command instanceof SessionCommand.ChangeInvisible change) {
            take(change, handles::onChangeInvisible);
        } else if (command instanceof SessionCommand.GiveBack giveBack) {
            take(giveBack, handles::onGiveBack);
        } else if (command instanceof SessionCommand.Pop pop) {
            take(pop, pops::onPop);
        } else if (command instanceof SessionCommand.Subscribe subscribe) {
            take(subscribe, subscriptions::onSubscribe);
        } else if (command instanceof SessionCommand.Unsubscribe unsubscribe) {
            take(unsubscribe, subscriptions::onUnsubscribe);
        } else if (command instanceof SessionCommand.Request request) {
            take(request, administration::onRequest);
        } else {
            return gone(Refusal.illegalArgument(
                    "a command in chunks", command.getClass().getSimpleName(), "a request"));
        }
        return this;
    }

    private Behavior<Object> onChunkAck(ChunkAck ack) {
        heard();
        boolean wasCongested = line.isCongested();
        long bytesBefore = line.heldBytes();
        line.acked(ack, environment.clock.millis());
        countLine();
        askedWhileCongested = lineBytes < bytesBefore ? 0 : askedWhileCongested;
        if (wasCongested && !line.isCongested()) {
            subscriptions.askAll();
        }
        return this;
    }

    private Behavior<Object> onLifeCheck() {
        long now = environment.clock.millis();
        long intervalMillis = environment.settings.session().heartbeatInterval().toMillis();
        if (now - lifeCheckedMillis > 2 * intervalMillis) {
            line.stoodStill(now);
        }
        lifeCheckedMillis = now;
        if (line.isSilent(now)) {
            return gone(Refusal.of(
                    Refusal.Code.TIMED_OUT,
                    "the node has not heard of client '" + line.clientName() + "' for " + (now - line.heardMillis())
                            + " ms"));
        }
        if (!end.isClosing() && line.isStuck(now)) {
            Refusal refusal =
                    Refusal.of(Refusal.Code.TIMED_OUT, "the client has not acknowledged chunks of answers in time");
            if (line.isHopeless() || environment.bytesHeld.isFull()) {
                // Others need the room.
                return gone(refusal);
            }
            // Chunks or their acknowledgements were lost, and everything waits behind them. The session stays: the
            // client attaches again, and has both directions begin anew.
            line.tellAtOnce(new SessionEvent.SessionClosed(sessionId, refusal));
        }
        if (line.isAbandoned(now)) {
            refuseUnfinished(
                    Refusal.busy("the rest of a command in pieces has not come in time", CONGESTED_RETRY_MILLIS));
        }
        if (!end.isClosing()) {
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
        sends.onTargetGone(target, unknown);
        handles.onTargetGone(target, unknown);
        if (target.equals(environment.lookDesk) || target.equals(environment.deadLetterDesk)) {
            administration.onTargetGone(target, notServed("what was asked for"));
        }
        returns.onTargetGone(target);
        pops.onTargetGone(target);
        subscriptions.onTargetGone(target);
        if (target.equals(environment.registry)) {
            onRegistryGone();
        }
        return end.onTargetGone(target) ? stopped() : this;
    }

    private void onRegistryGone() {
        isRegistryGone = true;
        sends.onRegistryGone(noRegistry());
        pops.onRegistryGone(noRegistry());
        subscriptions.onRegistryGone(noRegistry());
        administration.onTargetGone(environment.registry, noRegistry());
    }

    private static Refusal noRegistry() {
        return notServed("the list of topics and groups");
    }

    private Behavior<Object> onOverflowed() {
        return gone(Refusal.of(
                Refusal.Code.LIMIT,
                "client '" + line.clientName() + "' has sent more than forebay.session.mailbox-capacity allows"));
    }

    private Behavior<Object> onAnswersPileUp() {
        return gone(Refusal.of(
                Refusal.Code.LIMIT,
                "client '" + line.clientName() + "' has asked " + askedWhileCongested
                        + " times and takes no answers, allowed are " + limits.requestsInFlightMax()));
    }

    /** The consumer is gone: what it held comes back, counted. */
    private Behavior<Object> gone(Refusal reason) {
        getContext().getLog().info("session {} ends: {}", sessionId, reason.text());
        end.gone(reason);
        return stopped();
    }

    private Behavior<Object> onDetach(SessionCommand.Detach detach) {
        end.detach();
        return stopped();
    }

    private Behavior<Object> onClose(SessionCommand.Close close) {
        if (end.isClosing()) {
            return this;
        }
        boolean isOver = end.close();
        timers.startSingleTimer(
                ReleaseTimedOut.INSTANCE, environment.settings.session().timeout());
        return isOver ? stopped() : this;
    }

    private Behavior<Object> onConsumerReleased(QueueReply.ConsumerReleased released) {
        return end.onReleased(released.token()) ? stopped() : this;
    }

    private Behavior<Object> onDrain() {
        end.drain();
        return this;
    }

    private Behavior<Object> onEnd() {
        end.nodeEnds();
        return stopped();
    }

    private Behavior<Object> stopped() {
        end.over();
        sends.onEnd();
        unanswered.onEnd();
        pops.onEnd();
        subscriptions.onEnd();
        environment.bytesHeld.release(lineBytes);
        lineBytes = 0;
        line.tellAtOnce(new SessionEvent.SessionClosed(sessionId, end.reason()));
        return Behaviors.stopped();
    }

    private Behavior<Object> onPostStop(PostStop signal) {
        if (!end.isOver()) {
            end.failed();
            stopped();
        }
        return this;
    }

    // ---- answers ----------------------------------------------------------------------------------------------------

    /** A repetition of what is being worked on is ignored. */
    private boolean isNew(SessionCommand.Request request) {
        long id = request.requestId();
        return !end.isClosing() && !unanswered.isPending(id) && !pops.isPending(id) && !subscriptions.isPending(id);
    }

    private Refusal refuseTooMany() {
        int count = unanswered.count() + pops.count();
        return count >= limits.requestsInFlightMax()
                ? new Refusal(
                        Refusal.Code.LIMIT,
                        count + " requests of this session are not answered, forebay.session.requests-max allows "
                                + limits.requestsInFlightMax(),
                        CONGESTED_RETRY_MILLIS)
                : null;
    }

    private void tell(SessionEvent event) {
        environment.refusals.count(event);
        line.tell(event, environment.clock.millis());
        countLine();
    }

    private void countLine() {
        long bytes = line.heldBytes();
        environment.bytesHeld.hold(bytes - lineBytes);
        lineBytes = bytes;
    }
}
