package io.forebay.topic;

import akka.actor.typed.ActorRef;
import akka.actor.typed.Behavior;
import akka.actor.typed.javadsl.AbstractBehavior;
import akka.actor.typed.javadsl.ActorContext;
import akka.actor.typed.javadsl.Behaviors;
import akka.actor.typed.javadsl.Receive;
import akka.actor.typed.javadsl.TimerScheduler;
import io.forebay.protocol.DeliveryMode;
import io.forebay.protocol.Refusal;
import io.forebay.queue.GroupQueue;
import io.forebay.queue.QueueReply;
import io.forebay.queue.core.DispatchState;
import io.forebay.queue.core.GroupPolicy;
import io.forebay.queue.core.PopCommand;
import io.forebay.store.LogClock;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;

/**
 * Hands the Pops of one topic and group to the queues that have something, in turn, and holds those that wait, or that the
 * group's policy lets have nothing for now. A queue answers the client itself; from here comes only that there was nothing.
 */
public final class Dispatcher extends AbstractBehavior<Dispatcher.Command> {

    /** What a dispatcher understands. */
    public sealed interface Command
            permits Pop,
                    CancelPop,
                    EndWait,
                    Subscribe,
                    Unsubscribe,
                    SessionEnded,
                    AddQueue,
                    RemoveQueue,
                    AddUnserved,
                    Configure,
                    Drain,
                    Describe,
                    Delete,
                    Due,
                    FromQueue {}

    /**
     * Takes messages from any queue; answered to {@code session} by {@link QueueReply.Delivered}, {@link
     * QueueReply.PoppedNothing} or {@link QueueReply.PopRefused}. A repetition goes where the first copy went.
     *
     * @param waitMillis how long it may wait for a first message
     * @param servedBy id of the queue that is known to have answered the first copy, {@link #NO_QUEUE} if none is
     */
    public record Pop(PopCommand pop, long waitMillis, int servedBy, ActorRef<QueueReply> session) implements Command {}

    /** Ends the wait of a Pop; answered by {@link QueueReply.PopCancelled}. */
    public record CancelPop(long sessionId, long requestId, ActorRef<QueueReply> session) implements Command {}

    /**
     * A Pop is to wait no longer: it is answered as any other, now or by the queue that has it. Not answered itself; does
     * nothing if there is no such Pop. Idempotent.
     */
    public record EndWait(long sessionId, long requestId) implements Command {}

    /**
     * A session wants to know how messages come to a subscription of it: told by {@link QueueReply.DeliveredBy}, now and
     * whenever it changes, until the subscription or the session ends. What is pushed the session has by Pops of its own.
     * Idempotent.
     */
    public record Subscribe(long sessionId, int subscriptionId, ActorRef<QueueReply> session) implements Command {}

    /** The end of a subscription. Idempotent. */
    public record Unsubscribe(long sessionId, int subscriptionId) implements Command {}

    /** How a session ended, and so what becomes of what it holds. */
    public enum Ending {
        /** It comes back at once, the attempt counted. */
        CONSUMER_GONE,
        /** It comes back at once, uncounted. */
        CLOSED,
        /** It comes back at its deadline. */
        DETACHED
    }

    /**
     * Forgets the waiting Pops of a session, and has the queues take back what they hand out to it in this very moment.
     * Idempotent.
     */
    public record SessionEnded(long sessionId, Ending ending) implements Command {}

    /** A queue that Pops may be given to, once it says that it has something. */
    public record AddQueue(int queueId, ActorRef<GroupQueue.Command> queue) implements Command {}

    /** The queue is gone: what it had to decide is handed on. */
    public record RemoveQueue(int queueId) implements Command {}

    /**
     * A queue of the topic is not served for this group: a Pop that finds nothing in the others is told why, and not that there is
     * nothing. Idempotent.
     */
    public record AddUnserved(int queueId, Refusal refusal) implements Command {}

    /** The group's settings have changed: from now on these hold, for Pops that wait, too. Idempotent. */
    public record Configure(GroupPolicy policy) implements Command {}

    /** Ends every Pop that waits, now and from now on: the node stops. */
    public enum Drain implements Command {
        INSTANCE
    }

    /** Answered by {@link Described}. */
    public record Describe(ActorRef<Described> replyTo) implements Command {}

    /** The group or topic is deleted. */
    public enum Delete implements Command {
        INSTANCE
    }

    private enum Due implements Command {
        INSTANCE
    }

    private record FromQueue(GroupQueue.ToDispatcher message) implements Command {}

    /**
     * @param sessionCount sessions with a Pop that waits or is being served, or was lately
     * @param subscriptionCount subscriptions of all sessions
     * @param isBreakerOpen whether deliveries are slowed down because too many attempts fail
     */
    public record Described(int waitingPops, int sessionCount, int subscriptionCount, boolean isBreakerOpen) {}

    /** The id of no queue. */
    public static final int NO_QUEUE = 0;

    private static final long RETRY_AFTER_MILLIS = 1_000;
    /** The other queues are served: whoever consumes them goes on. */
    private static final long UNSERVED_RETRY_MILLIS = 100;

    private static final long NO_TOKEN = -1;
    private static final long TIMER_MILLIS_MAX = 3_600_000;

    private record Waiting(PopCommand pop, ActorRef<QueueReply> session) {
        PopCommand ofAtMost(int maxMessages) {
            return maxMessages == pop.maxMessages()
                    ? pop
                    : new PopCommand(
                            pop.sessionId(), pop.requestId(), maxMessages, pop.maxBytes(), pop.invisibleMillis());
        }
    }

    private record SubscriptionKey(long sessionId, int subscriptionId) {}

    /** What a queue said before it was added: a queue begins at once, and its word and the registry's have no order. */
    private static final class Early {
        long availableCount;
        final List<GroupQueue.Activity> activities = new ArrayList<>(1);
    }

    private final TimerScheduler<Command> timers;
    private final LogClock clock;
    private final DispatchState<Waiting> state;
    private final Map<Integer, ActorRef<GroupQueue.Command>> queues = new HashMap<>();
    private final DispatchState.Handout<Waiting> handout = new DispatchState.Handout<>() {
        @Override
        public void assign(int queueId, long sessionId, long requestId, int maxMessages, Waiting waiting) {
            queues.get(queueId).tell(new GroupQueue.Pop(waiting.ofAtMost(maxMessages), waiting.session));
        }

        @Override
        public void answerEmpty(long sessionId, long requestId, Waiting waiting) {
            Refusal refusal = refusalOrNull();
            waiting.session.tell(
                    refusal == null
                            ? new QueueReply.PoppedNothing(requestId)
                            : new QueueReply.PopRefused(requestId, refusal));
        }

        @Override
        public void breakerChanged(boolean isOpen) {
            if (isOpen) {
                getContext().getLog().warn("{}: the breaker opens, too many attempts fail", name);
            } else {
                getContext().getLog().info("{}: the breaker closes", name);
            }
            GroupQueue.BreakerChanged changed = new GroupQueue.BreakerChanged(isOpen);
            queues.values().forEach(queue -> queue.tell(changed));
        }
    };
    /** By queue. What one says after it was removed stays in here. */
    private final Map<Integer, Early> early = new HashMap<>();

    /** By queue: what cannot be read for now, so that nobody can say that there is nothing. */
    private final Map<Integer, Refusal> readFailing = new HashMap<>();

    /** By queue: what is not served. */
    private final Map<Integer, Refusal> unserved = new TreeMap<>();

    private final Map<SubscriptionKey, ActorRef<QueueReply>> subscriptions = new HashMap<>();
    /** For people. */
    private final String name;

    private DeliveryMode delivery;

    private long timerMillis = Long.MAX_VALUE;
    private boolean isDraining;

    /**
     * @param name of the topic and group, for people
     * @param policy until it is {@link Configure configured} anew
     * @param limits bounds of what it holds
     */
    public static Behavior<Command> create(
            String name, LogClock clock, GroupPolicy policy, DispatchState.Limits limits) {
        return Behaviors.setup(context ->
                Behaviors.withTimers(timers -> new Dispatcher(context, timers, name, clock, policy, limits)));
    }

    /** The message in which a queue's report travels. */
    public static Command report(GroupQueue.ToDispatcher message) {
        return new FromQueue(message);
    }

    private Dispatcher(
            ActorContext<Command> context,
            TimerScheduler<Command> timers,
            String name,
            LogClock clock,
            GroupPolicy policy,
            DispatchState.Limits limits) {
        super(context);
        this.timers = timers;
        this.name = name;
        this.clock = clock;
        this.state = new DispatchState<>(limits, policy);
        delivery = policy.delivery();
    }

    @Override
    public Receive<Command> createReceive() {
        return newReceiveBuilder()
                .onMessage(Pop.class, this::onPop)
                .onMessage(FromQueue.class, this::onReport)
                .onMessage(CancelPop.class, this::onCancelPop)
                .onMessage(EndWait.class, this::onEndWait)
                .onMessage(Subscribe.class, this::onSubscribe)
                .onMessage(Unsubscribe.class, this::onUnsubscribe)
                .onMessage(SessionEnded.class, this::onSessionEnded)
                .onMessage(AddQueue.class, this::onAddQueue)
                .onMessage(RemoveQueue.class, this::onRemoveQueue)
                .onMessage(AddUnserved.class, this::onAddUnserved)
                .onMessage(Configure.class, this::onConfigure)
                .onMessageEquals(Due.INSTANCE, this::onDue)
                .onMessage(Describe.class, this::onDescribe)
                .onMessageEquals(Drain.INSTANCE, this::onDrain)
                .onMessageEquals(Delete.INSTANCE, this::onDelete)
                .build();
    }

    private Behavior<Command> onPop(Pop request) {
        long now = clock.millis();
        PopCommand pop = request.pop;
        if (queues.containsKey(request.servedBy)) {
            state.onServedBefore(request.servedBy, pop.sessionId(), pop.requestId());
        }
        DispatchState.PopOutcome outcome = state.onPop(
                now,
                pop.sessionId(),
                pop.requestId(),
                pop.maxMessages(),
                isDraining ? now : now + request.waitMillis,
                new Waiting(pop, request.session),
                handout);
        if (outcome == DispatchState.PopOutcome.TOO_MANY_HELD
                || outcome == DispatchState.PopOutcome.TOO_MANY_HELD_FOR_SESSION) {
            request.session.tell(new QueueReply.PopRefused(
                    pop.requestId(),
                    new Refusal(
                            Refusal.Code.LIMIT,
                            outcome == DispatchState.PopOutcome.TOO_MANY_HELD
                                    ? "as many Pops wait for this topic and group as forebay.group.waiting-pops-max"
                                            + " allows"
                                    : "as many Pops of this session wait as forebay.session.requests-max allows",
                            RETRY_AFTER_MILLIS)));
        }
        setTimer();
        return this;
    }

    private Behavior<Command> onReport(FromQueue report) {
        GroupQueue.ToDispatcher message = report.message;
        if (message instanceof GroupQueue.Popped popped) {
            state.onPopResult(
                    clock.millis(),
                    popped.queueId(),
                    popped.sessionId(),
                    popped.requestId(),
                    popped.maxMessages(),
                    popped.gotCount(),
                    popped.availableCount(),
                    handout);
        } else if (message instanceof GroupQueue.Available available) {
            onAvailable(available.queueId(), available.count());
        } else if (message instanceof GroupQueue.Activity activity) {
            onActivity(activity);
        } else if (message instanceof GroupQueue.ReadFailing failing) {
            if (failing.refusalOrNull() == null) {
                readFailing.remove(failing.queueId());
            } else {
                readFailing.put(failing.queueId(), failing.refusalOrNull());
            }
        } else if (message instanceof GroupQueue.ServedBefore served) {
            for (int i = 0; i < served.sessionIds().length; i++) {
                state.onServedBefore(served.queueId(), served.sessionIds()[i], served.requestIds()[i]);
            }
        } else {
            throw new AssertionError(message);
        }
        setTimer();
        return this;
    }

    /** Why nobody can say that there is nothing; null if that can be said. What passes by itself comes first. */
    private Refusal refusalOrNull() {
        if (isDraining) {
            return null;
        }
        for (Map.Entry<Integer, Refusal> failing : readFailing.entrySet()) {
            if (queues.containsKey(failing.getKey())) {
                return failing.getValue();
            }
        }
        if (unserved.isEmpty()) {
            return null;
        }
        Refusal first = unserved.values().iterator().next();
        int others = unserved.size() - 1;
        return new Refusal(
                first.code(),
                others == 0 ? first.text() : first.text() + " (and " + others + " more of its queues)",
                UNSERVED_RETRY_MILLIS);
    }

    private void onAvailable(int queueId, long count) {
        if (queues.containsKey(queueId)) {
            state.onAvailable(clock.millis(), queueId, count, handout);
        } else {
            early.computeIfAbsent(queueId, id -> new Early()).availableCount = count;
        }
    }

    private void onActivity(GroupQueue.Activity activity) {
        if (queues.containsKey(activity.queueId())) {
            state.onInFlight(
                    clock.millis(),
                    activity.queueId(),
                    activity.inFlight(),
                    activity.acked(),
                    activity.failed(),
                    activity.freedSessionIds(),
                    activity.freedCounts(),
                    handout);
        } else {
            early.computeIfAbsent(activity.queueId(), id -> new Early())
                    .activities
                    .add(activity);
        }
    }

    private Behavior<Command> onCancelPop(CancelPop cancel) {
        // TOO_LATE: whatever the queue gets for it is answered to the session, which gives it back. If the queue
        // gets nothing nobody would be told, so the answer to the Pop is given here in both cases.
        DispatchState.CancelOutcome outcome = state.onCancel(cancel.sessionId, cancel.requestId);
        cancel.session.tell(
                new QueueReply.PopCancelled(cancel.requestId, outcome == DispatchState.CancelOutcome.CANCELLED));
        if (outcome != DispatchState.CancelOutcome.UNKNOWN) {
            cancel.session.tell(new QueueReply.PoppedNothing(cancel.requestId));
        }
        return this;
    }

    private Behavior<Command> onEndWait(EndWait end) {
        state.onEndWait(end.sessionId, end.requestId, handout);
        return this;
    }

    private Behavior<Command> onSubscribe(Subscribe subscribe) {
        subscriptions.put(new SubscriptionKey(subscribe.sessionId, subscribe.subscriptionId), subscribe.session);
        subscribe.session.tell(new QueueReply.DeliveredBy(subscribe.subscriptionId, delivery));
        return this;
    }

    private Behavior<Command> onUnsubscribe(Unsubscribe unsubscribe) {
        subscriptions.remove(new SubscriptionKey(unsubscribe.sessionId, unsubscribe.subscriptionId));
        return this;
    }

    private Behavior<Command> onSessionEnded(SessionEnded ended) {
        state.onSessionGone(ended.sessionId);
        subscriptions.keySet().removeIf(key -> key.sessionId == ended.sessionId);
        // To all queues: whatever Pop of the session one of them was given, this comes behind it.
        for (ActorRef<GroupQueue.Command> queue : queues.values()) {
            if (ended.ending == Ending.CONSUMER_GONE) {
                queue.tell(new GroupQueue.ConsumerGone(ended.sessionId));
            } else if (ended.ending == Ending.CLOSED) {
                queue.tell(new GroupQueue.SessionClosed(
                        ended.sessionId, NO_TOKEN, getContext().getSystem().ignoreRef()));
            }
        }
        return this;
    }

    private Behavior<Command> onAddQueue(AddQueue add) {
        queues.put(add.queueId, add.queue);
        // Known from now on, though it may have nothing to hand out: a Pop it answered before a restart may come again.
        state.onQueueAdded(add.queueId);
        if (state.isBreakerOpen()) {
            add.queue.tell(new GroupQueue.BreakerChanged(true));
        }
        Early said = early.remove(add.queueId);
        if (said != null) {
            said.activities.forEach(this::onActivity);
            onAvailable(add.queueId, said.availableCount);
            setTimer();
        }
        return this;
    }

    private Behavior<Command> onRemoveQueue(RemoveQueue remove) {
        queues.remove(remove.queueId);
        readFailing.remove(remove.queueId);
        state.onQueueGone(clock.millis(), remove.queueId, handout);
        setTimer();
        return this;
    }

    private Behavior<Command> onAddUnserved(AddUnserved add) {
        unserved.put(add.queueId, add.refusal);
        return this;
    }

    private Behavior<Command> onConfigure(Configure configure) {
        state.configure(clock.millis(), configure.policy, handout);
        setTimer();
        if (delivery != configure.policy.delivery()) {
            delivery = configure.policy.delivery();
            subscriptions.forEach(
                    (key, session) -> session.tell(new QueueReply.DeliveredBy(key.subscriptionId, delivery)));
        }
        return this;
    }

    private Behavior<Command> onDue() {
        timerMillis = Long.MAX_VALUE;
        state.onDue(clock.millis(), handout);
        setTimer();
        return this;
    }

    private void setTimer() {
        long now = clock.millis();
        // No longer than a timer may run: a Pop may wait for years.
        long due = Math.min(state.nextDueMillis(now), now + TIMER_MILLIS_MAX);
        if (due < timerMillis && state.heldCount() > 0) {
            timerMillis = due;
            timers.startSingleTimer(Due.INSTANCE, Duration.ofMillis(Math.max(1, due - now)));
        }
    }

    private Behavior<Command> onDescribe(Describe describe) {
        describe.replyTo.tell(
                new Described(state.heldCount(), state.sessionCount(), subscriptions.size(), state.isBreakerOpen()));
        return this;
    }

    private Behavior<Command> onDrain() {
        isDraining = true;
        state.answerAllEmpty(handout);
        return this;
    }

    private Behavior<Command> onDelete() {
        state.answerAllEmpty(handout);
        return Behaviors.stopped();
    }
}
