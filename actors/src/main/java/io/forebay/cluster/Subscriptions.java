package io.forebay.cluster;

import akka.actor.typed.ActorRef;
import io.forebay.cluster.core.PushWindow;
import io.forebay.protocol.DeliveryMode;
import io.forebay.protocol.Names;
import io.forebay.protocol.Refusal;
import io.forebay.protocol.SessionCommand;
import io.forebay.protocol.SessionEvent;
import io.forebay.protocol.SessionLimits;
import io.forebay.protocol.SubscriptionProgress;
import io.forebay.queue.QueueReply;
import io.forebay.queue.core.PopCommand;
import io.forebay.topic.Dispatcher;
import io.forebay.topic.RegistryReply;
import io.forebay.topic.TopicDirectory;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/**
 * The subscriptions of one session. For each of them, while it has credits, Pops wait at the group's dispatcher like those of
 * anybody else; what they get is pushed. So a dispatcher is fair among consumers that are pushed to and those that pop, and
 * knows nothing of either. What to ask for is decided by {@link PushWindow}.
 *
 * <p>Confined to its session.
 */
final class Subscriptions {
    /** A Pop that waits for ever: for ten years. */
    private static final long WAIT_MILLIS = 315_360_000_000L;
    /** Before asking again after a Pop that ended with nothing, which none should. */
    private static final long REST_MILLIS = 100;
    /** Heartbeat intervals without a word of a push after which it is lost. */
    private static final int SILENT_INTERVALS = 3;

    private static final class Subscription {
        final int id;
        final String topic;
        final String group;
        final int bytesMax;
        final long invisibleMillis;
        final PushWindow window;
        /** Those that wait to hear how the group's messages come. */
        final List<Long> unansweredIds = new ArrayList<>(1);

        ActorRef<Dispatcher.Command> dispatcher;
        /** How the group's messages come; null until that is known. */
        DeliveryMode mode;
        /** What the client has been told; null for nothing yet. */
        DeliveryMode toldMode;
        /** What the client said last. */
        DeliveryMode clientMode;

        long suspendedMillis;
        /** Of what goes back because the node had no room; at most one for each Pop that may be out. */
        final List<Long> returnIds = new ArrayList<>(1);
        /** What is counted of its bytes in what the session and the node hold. */
        long heldBytes;

        Subscription(SessionCommand.Subscribe request, SessionLimits limits) {
            id = request.subscriptionId();
            topic = request.topic();
            group = request.group();
            bytesMax = Math.min(request.bytesMax(), limits.popBytesMax());
            invisibleMillis = request.invisibleMillis();
            window = new PushWindow(Math.min(request.countMax(), limits.popCountMax()), request.progress());
        }
    }

    private final SessionParts session;
    private final SessionLimits limits;
    private final TopicDirectory directory;
    private final Map<Integer, Subscription> subscriptions = new HashMap<>();
    private final Map<Long, Integer> groupsAsked = new HashMap<>();
    private long heldBytes;

    Subscriptions(SessionParts session) {
        this.session = session;
        limits = session.environment().limits();
        directory = session.environment().directory();
    }

    private long now() {
        return session.environment().clock().millis();
    }

    /** Whether a Subscribe with that request id is not answered yet. */
    boolean isPending(long requestId) {
        for (Subscription one : subscriptions.values()) {
            if (one.unansweredIds.contains(requestId)) {
                return true;
            }
        }
        return false;
    }

    // ---- what the client says ---------------------------------------------------------------------------------------

    void onSubscribe(SessionCommand.Subscribe subscribe) {
        Subscription known = subscriptions.get(subscribe.subscriptionId());
        Refusal refusal = refuse(subscribe, known);
        if (refusal != null) {
            session.tell(new SessionEvent.Refused(subscribe.requestId(), refusal));
            return;
        }
        if (known == null) {
            Subscription one = new Subscription(subscribe, limits);
            subscriptions.put(one.id, one);
            one.unansweredIds.add(subscribe.requestId());
            find(one);
            return;
        }
        known.unansweredIds.add(subscribe.requestId());
        if (known.window.isSuspended()) {
            known.window.onSubscribedAgain(subscribe.progress());
        } else {
            known.window.onProgress(subscribe.progress());
        }
        settle(known);
    }

    private Refusal refuse(SessionCommand.Subscribe subscribe, Subscription known) {
        Refusal refusal = session.refuseNew();
        refusal = refusal != null ? refusal : Names.check("topic", subscribe.topic());
        refusal = refusal != null ? refusal : Names.check("group", subscribe.group());
        if (refusal != null) {
            return refusal;
        }
        int id = subscribe.subscriptionId();
        if (id < 0 || id > SessionCommand.SUBSCRIPTION_ID_MAX) {
            return Refusal.illegalArgument(
                    "the number of a subscription", id, "0 to " + SessionCommand.SUBSCRIPTION_ID_MAX);
        }
        if (subscribe.countMax() < 1) {
            return Refusal.illegalArgument("the number of messages of a push", subscribe.countMax(), "1 or more");
        }
        if (subscribe.bytesMax() < 1) {
            return Refusal.illegalArgument("the bytes of a push", subscribe.bytesMax(), "1 or more");
        }
        if (subscribe.invisibleMillis() != 0) {
            refusal = PopRequests.refuseInvisible(limits, subscribe.invisibleMillis());
        }
        refusal = refusal != null ? refusal : refuse(subscribe.progress());
        if (refusal != null) {
            return refusal;
        }
        if (known == null) {
            return subscriptions.size() < limits.subscriptionsMax()
                    ? null
                    : Refusal.of(
                            Refusal.Code.LIMIT,
                            subscriptions.size() + " subscriptions of this session are open, allowed are "
                                    + limits.subscriptionsMax() + " (forebay.session.subscriptions-max)");
        }
        return known.topic.equals(subscribe.topic()) && known.group.equals(subscribe.group())
                ? null
                : Refusal.illegalArgument(
                        "the topic and group of subscription " + id,
                        subscribe.topic() + " and " + subscribe.group(),
                        known.topic + " and " + known.group);
    }

    private Refusal refuse(SubscriptionProgress progress) {
        if (progress.openCredits() > limits.creditsMax()) {
            return Refusal.of(
                    Refusal.Code.LIMIT,
                    "a subscription has credits for " + progress.openCredits() + " more messages, allowed are "
                            + limits.creditsMax() + " (forebay.session.credits-max)");
        }
        if (progress.totalCredits() < 0 || progress.receivedCount() < 0) {
            return Refusal.illegalArgument("the progress of a subscription", progress, "totals that are not negative");
        }
        long pushNumberMax = SubscriptionRequests.PUSH_NUMBER_MAX - 2 * SubscriptionProgress.WINDOW;
        return progress.receivedUpTo() < 0 || progress.receivedUpTo() > pushNumberMax
                ? Refusal.illegalArgument("the number of a push", progress.receivedUpTo(), "0 to " + pushNumberMax)
                : null;
    }

    void onCredit(SessionCommand.Credit credit) {
        Subscription one = subscriptions.get(credit.subscriptionId());
        if (one == null) {
            // It was told that this one has ended, or it is not known since a restart: it may subscribe again.
            session.tell(new SessionEvent.SubscriptionEnded(
                    credit.subscriptionId(),
                    new Refusal(
                            Refusal.Code.QUEUE_AWAY,
                            "the session has no subscription " + credit.subscriptionId(),
                            REST_MILLIS)));
            return;
        }
        Refusal refusal = refuse(credit.progress());
        if (refusal != null) {
            end(one, refusal);
        } else if (!one.window.isSuspended()) {
            one.clientMode = credit.mode();
            boolean wasFull = isFull();
            one.window.onProgress(credit.progress());
            settle(one);
            if (wasFull && !isFull()) {
                askAll();
            }
        }
    }

    void onUnsubscribe(SessionCommand.Unsubscribe unsubscribe) {
        Subscription one = subscriptions.get(unsubscribe.subscriptionId());
        if (one != null) {
            if (one.window.isSuspended() && one.dispatcher != null) {
                // What got lost on the way is fetched once more, and given back.
                one.window.onSubscribedAgain(unsubscribe.progress());
                ask(one, false);
            }
            leave(one);
            for (long requestId : one.unansweredIds) {
                session.tell(new SessionEvent.Refused(requestId, Refusal.of(Refusal.Code.CLOSED, "unsubscribed")));
            }
        }
        session.tell(new SessionEvent.Unsubscribed(unsubscribe.requestId(), unsubscribe.subscriptionId()));
    }

    /** What is on its way to the client may be lost: nothing is pushed until it subscribes again. */
    void onBegunAnew() {
        for (Subscription one : subscriptions.values()) {
            one.window.suspend();
            one.suspendedMillis = now();
            one.unansweredIds.clear();
        }
    }

    // ---- the way to the group
    // -----------------------------------------------------------------------------------------

    private void find(Subscription one) {
        TopicDirectory.GroupRoute group = directory.group(one.topic, one.group);
        if (group != null) {
            begin(one, group);
        } else {
            long token = session.nextToken();
            groupsAsked.put(token, one.id);
            session.ensureGroup(one.topic, one.group, token);
        }
    }

    void onEnsured(RegistryReply.Ensured ensured) {
        Integer id = groupsAsked.remove(ensured.token());
        Subscription one = id == null ? null : subscriptions.get(id);
        if (one == null || one.dispatcher != null) {
            return;
        }
        TopicDirectory.GroupRoute group = directory.group(one.topic, one.group);
        if (ensured.refusal() != null) {
            end(one, ensured.refusal());
        } else if (group == null) {
            end(one, Session.notServed("group " + one.group));
        } else {
            begin(one, group);
        }
    }

    /** The registry has stopped, and will answer nothing any more. */
    void onRegistryGone(Refusal refusal) {
        for (Long token : List.copyOf(groupsAsked.keySet())) {
            onEnsured(new RegistryReply.Ensured(token, refusal));
        }
    }

    private void begin(Subscription one, TopicDirectory.GroupRoute group) {
        one.dispatcher = group.dispatcher();
        session.useDispatcher(one.dispatcher);
        one.dispatcher.tell(new Dispatcher.Subscribe(session.sessionId(), one.id, session.queueReplies()));
    }

    void onDeliveredBy(QueueReply.DeliveredBy delivered) {
        Subscription one = subscriptions.get(delivered.subscriptionId());
        if (one == null || one.dispatcher == null) {
            return;
        }
        one.mode = delivered.mode();
        if (one.mode == DeliveryMode.POP) {
            endWaits(one);
        }
        settle(one);
    }

    void onTargetGone(ActorRef<?> target) {
        for (Subscription one : List.copyOf(subscriptions.values())) {
            if (target.equals(one.dispatcher)) {
                // Subscribed to again, it is told whether the group is there.
                one.dispatcher = null;
                end(one, new Refusal(Refusal.Code.QUEUE_AWAY, "group " + one.group + " has stopped", REST_MILLIS));
            }
        }
    }

    // ---- asking and pushing
    // -------------------------------------------------------------------------------------------

    void onDelivered(QueueReply.Delivered delivered) {
        Subscription one = subscriptions.get(SubscriptionRequests.subscriptionId(delivered.requestId()));
        if (one == null) {
            session.giveBack(delivered.from(), delivered.deliveries());
            return;
        }
        long number = SubscriptionRequests.pushNumber(delivered.requestId());
        if (one.window.isUnseen(number) && !tryHold(one, delivered.bodyBytes())) {
            // It was asked for when there was room, perhaps long ago, and so was what all the others wait for.
            one.returnIds.add(session.giveBack(delivered.from(), delivered.deliveries()));
            one.window.onRefused(number, now() + REST_MILLIS);
            settle(one);
            return;
        }
        boolean isPushed = one.window.onDelivered(
                now(),
                number,
                delivered.deliveries().size(),
                delivered.bodyBytes(),
                delivered.deliveries().get(0).handle().queueId());
        hold(one); // before the client can know of it
        if (isPushed) {
            session.tell(new SessionEvent.Pushed(one.id, number, delivered.deliveries()));
        }
        settle(one);
    }

    void onPoppedNothing(long requestId) {
        Subscription one = subscriptions.get(SubscriptionRequests.subscriptionId(requestId));
        if (one != null) {
            one.window.onNothing(SubscriptionRequests.pushNumber(requestId), now() + REST_MILLIS);
            settle(one);
        }
    }

    void onPopRefused(QueueReply.PopRefused refused) {
        Subscription one = subscriptions.get(SubscriptionRequests.subscriptionId(refused.requestId()));
        if (one == null) {
            return;
        }
        Refusal refusal = refused.refusal();
        long restMillis = Math.max(REST_MILLIS, refusal.retryAfterMillis());
        one.window.onRefused(SubscriptionRequests.pushNumber(refused.requestId()), now() + restMillis);
        // Whatever is stopped, the other queues go on.
        if (refusal.isTransient() || refusal.code() == Refusal.Code.QUEUE_STOPPED) {
            settle(one);
        } else {
            end(one, refusal);
        }
    }

    /** Tells the client what it has to know, and asks for what may be asked for. */
    private void settle(Subscription one) {
        hold(one);
        if (one.mode == null || one.window.isSuspended()) {
            return;
        }
        Refusal nothingIsServed =
                one.mode == DeliveryMode.PUSH ? directory.whyNothingIsServed(one.topic, one.group) : null;
        if (nothingIsServed != null) {
            // Not silence. It subscribes again after a while, and as soon as the node has been started again.
            end(one, nothingIsServed);
            return;
        }
        // With POP nothing may be under way any more: then the client takes its credits back.
        if (one.mode == DeliveryMode.PUSH || !one.window.isAsking()) {
            if (one.toldMode != null && one.toldMode != one.mode) {
                session.tell(new SessionEvent.SubscriptionMode(one.id, one.mode));
            }
            one.toldMode = one.mode;
            for (long requestId : one.unansweredIds) {
                session.tell(new SessionEvent.Subscribed(requestId, one.id, one.mode));
            }
            one.unansweredIds.clear();
        }
        // A Pop that is repeated brings again what it brought, until all of that has been given back.
        one.returnIds.removeIf(id -> !session.isGivingBack(id));
        boolean mayTakeNew = one.mode == DeliveryMode.PUSH && !session.isEnding() && !isFull();
        ask(one, mayTakeNew && one.returnIds.isEmpty());
    }

    /** Counts what is about to be pushed, if the node has room for anything. */
    private boolean tryHold(Subscription one, long bytes) {
        boolean isHeld = session.environment().bytesHeld().tryHold(bytes);
        if (isHeld) {
            one.heldBytes += bytes;
            heldBytes += bytes;
        }
        return isHeld;
    }

    /** Counts what was pushed and is not known to be received. */
    private void hold(Subscription one) {
        long change = one.window.bytes() - one.heldBytes;
        one.heldBytes += change;
        heldBytes += change;
        session.environment().bytesHeld().hold(change);
    }

    /** Whether the client has to catch up before it is pushed more. */
    private boolean isFull() {
        return heldBytes >= session.environment().settings().session().pushBytesMax()
                || session.environment().bytesHeld().isFull()
                || session.refuseCongested() != null;
    }

    private void ask(Subscription one, boolean mayTakeNew) {
        long now = now();
        for (PushWindow.Ask ask = one.window.nextAsk(now, mayTakeNew);
                ask != null;
                ask = one.window.nextAsk(now, mayTakeNew)) {
            TopicDirectory.GroupRoute group = directory.group(one.topic, one.group);
            long invisibleMillis = one.invisibleMillis != 0 || group == null
                    ? one.invisibleMillis
                    : group.policy().invisibleMillis();
            one.dispatcher.tell(new Dispatcher.Pop(
                    new PopCommand(
                            session.sessionId(),
                            SubscriptionRequests.id(one.id, ask.number()),
                            ask.count(),
                            one.bytesMax,
                            invisibleMillis),
                    ask.isWaiting() ? WAIT_MILLIS : 0,
                    ask.servedBy(),
                    session.queueReplies()));
        }
        if (one.window.restUntilMillis() > now) {
            session.wakeAt(one.window.restUntilMillis());
        }
    }

    /** There may be room where there was none. */
    void askAll() {
        List.copyOf(subscriptions.values()).forEach(this::settle);
    }

    void onWake(long nowMillis) {
        for (Subscription one : List.copyOf(subscriptions.values())) {
            if (one.window.restUntilMillis() > nowMillis) {
                session.wakeAt(one.window.restUntilMillis());
            } else {
                settle(one);
            }
        }
    }

    /**
     * Called every heartbeat interval.
     *
     * @param isLossy whether what was pushed long ago and not received must have been lost
     */
    void onLifeCheck(long nowMillis, boolean isLossy) {
        for (Subscription one : List.copyOf(subscriptions.values())) {
            if (one.window.isSuspended()) {
                if (nowMillis - one.suspendedMillis > limits.sessionTimeoutMillis()) {
                    // The client has attached again, and does not want it any more.
                    leave(one);
                }
                continue;
            }
            if (isLossy) {
                one.window.onSilence(nowMillis - SILENT_INTERVALS * limits.heartbeatMillis());
                if (one.toldMode != null && one.clientMode != null && one.clientMode != one.toldMode) {
                    session.tell(new SessionEvent.SubscriptionMode(one.id, one.toldMode));
                }
            }
            settle(one);
        }
    }

    // ---- the end
    // ------------------------------------------------------------------------------------------------------

    private void end(Subscription one, Refusal refusal) {
        leave(one);
        if (one.unansweredIds.isEmpty()) {
            session.tell(new SessionEvent.SubscriptionEnded(one.id, refusal));
        } else {
            for (long requestId : one.unansweredIds) {
                session.tell(new SessionEvent.Refused(requestId, refusal));
            }
        }
    }

    /** Whatever comes for it from now on goes back. */
    private void leave(Subscription one) {
        subscriptions.remove(one.id);
        heldBytes -= one.heldBytes;
        session.environment().bytesHeld().hold(-one.heldBytes);
        one.heldBytes = 0;
        if (one.dispatcher != null) {
            endWaits(one);
            one.dispatcher.tell(new Dispatcher.Unsubscribe(session.sessionId(), one.id));
        }
    }

    /** What waits is answered now, and nothing more comes for it. */
    private void endWaits(Subscription one) {
        for (long number : one.window.asked()) {
            one.dispatcher.tell(new Dispatcher.EndWait(session.sessionId(), SubscriptionRequests.id(one.id, number)));
        }
    }

    /** The session ends. Its dispatchers hear of that by themselves. */
    void onEnd() {
        for (Subscription one : subscriptions.values()) {
            session.environment().bytesHeld().hold(-one.heldBytes);
        }
        subscriptions.clear();
    }
}
