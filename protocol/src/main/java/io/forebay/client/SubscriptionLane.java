package io.forebay.client;

import akka.Done;
import io.forebay.protocol.Delivery;
import io.forebay.protocol.DeliveryMode;
import io.forebay.protocol.Refusal;
import io.forebay.protocol.SessionCommand;
import io.forebay.protocol.SessionEvent;
import io.forebay.protocol.SubscriptionProgress;
import java.util.ArrayList;
import java.util.List;

/**
 * One subscription in the session with its node. Where the group is set to push, the node gets credits for what is wanted;
 * where it is set to pop, this pops for it. Either way no more is under way than is wanted, but for a moment when the setting
 * changes. Over losses of the session it subscribes again and says what it has, so that the rest comes again. Confined to its
 * session.
 */
final class SubscriptionLane extends Lane {
    /** Pops under way at once: while the answer of one travels the other one waits at the node. */
    private static final int POPS_MAX = 2;

    private enum Phase {
        SUBSCRIBING,
        OPEN,
        RESTING,
        ENDING,
        ENDED
    }

    private final int id;
    private final NodeSubscription subscription;
    private final Requests requests;
    private final List<Ops.Pop> pops = new ArrayList<>(POPS_MAX);
    private final List<Ops.Unsubscribe> endings = new ArrayList<>(1);

    private final SubscriptionBook book = new SubscriptionBook();

    private Phase phase = Phase.RESTING;
    /** The request to subscribe that is under way. */
    private SubscribeRequest subscribing;

    private boolean isUnsubscribing;
    private long restUntilMillis;
    /** Why it was last told that not all is served, in this session. */
    private String toldUnserved;

    SubscriptionLane(int id, NodeSubscription subscription, Requests requests) {
        this.id = id;
        this.subscription = subscription;
        this.requests = requests;
        subscription.lane = this;
    }

    int id() {
        return id;
    }

    @Override
    Object key() {
        return id;
    }

    boolean isEnded() {
        return phase == Phase.ENDED;
    }

    @Override
    boolean isIdle() {
        return isEnded();
    }

    // ------------------------------------------------------------------------------------------- the node's answers

    /** The session is open, perhaps again: what was under way may be lost. */
    void onOpened(long nowMillis) {
        toldUnserved = null;
        if (phase == Phase.OPEN || (phase == Phase.RESTING && subscribing == null)) {
            subscribe(nowMillis);
        }
        // If it is asked for already, that is repeated, with what has come by now.
    }

    /** The session is lost: who waits for the end need not wait for the node. */
    void onLost() {
        if (phase == Phase.ENDING) {
            finish();
        }
    }

    private void subscribe(long nowMillis) {
        phase = Phase.SUBSCRIBING;
        subscribing = new SubscribeRequest(requests.nextRequestId());
        requests.start(subscribing, nowMillis);
    }

    private void onSubscribed(DeliveryMode newMode, long nowMillis) {
        if (phase != Phase.SUBSCRIBING) {
            return;
        }
        phase = Phase.OPEN;
        // More may have come, or be wanted, since it was asked.
        book.reportIsDue();
        onMode(newMode, nowMillis);
    }

    void onMode(DeliveryMode newMode, long nowMillis) {
        if (book.changeMode(newMode) && newMode == DeliveryMode.PUSH) {
            // What they ask for may be had as credits as soon as they are back.
            List.copyOf(pops).forEach(requests::cancelPop);
        }
        list();
    }

    void onPushed(SessionEvent.Pushed pushed, long nowMillis) {
        long number = pushed.pushNumber();
        List<Delivery> deliveries = pushed.deliveries();
        if (!book.isNew(number)) {
            // A second copy. What the first one did not have is not ours.
            List<Delivery> others = new ArrayList<>();
            for (Delivery delivery : deliveries) {
                if (!requests.isHeld(delivery.handle())) {
                    others.add(delivery);
                }
            }
            requests.giveBack(others, nowMillis);
            return;
        }
        book.received(number, deliveries, nowMillis, requests.limits().heartbeatMillis() / 2);
        requests.hold(deliveries, subscription.owner, subscription.request.extend(), nowMillis);
        pass(deliveries);
        list();
    }

    /** The node has ended it. */
    void onEnded(Refusal refusal, long nowMillis) {
        if (phase == Phase.OPEN) {
            onRefused(refusal, nowMillis);
        }
    }

    private void onRefused(Refusal refusal, long nowMillis) {
        // What is stopped is served again when the node has been mended and started.
        if (refusal.isTransient() || refusal.code() == Refusal.Code.QUEUE_STOPPED) {
            noticeUnserved(refusal);
            phase = Phase.RESTING;
            restUntilMillis = nowMillis + requests.retryDelayMillis(refusal);
            list();
        } else {
            end(refusal);
        }
    }

    // ------------------------------------------------------------------------------------------- what is wanted

    /** Sends what there is to send, when the session is open. */
    @Override
    void pump(long nowMillis) {
        if (phase == Phase.RESTING && requests.isOpen()) {
            if (nowMillis >= restUntilMillis) {
                subscribe(nowMillis);
            } else {
                requests.wakeAt(restUntilMillis);
            }
        }
        if (phase != Phase.OPEN || !requests.isOpen()) {
            return;
        }
        if (book.mode() == DeliveryMode.POP) {
            popMore(nowMillis);
        }
        SubscriptionProgress report = book.takeReport(
                nowMillis, subscription.wantedTotal(), requests.limits().creditsMax());
        if (report != null) {
            requests.tell(new SessionCommand.Credit(id, report, book.mode()));
        } else if (book.reportAtMillis() != Long.MAX_VALUE) {
            requests.wakeAt(book.reportAtMillis());
        }
    }

    private void popMore(long nowMillis) {
        while (pops.size() < POPS_MAX) {
            long free = book.freeCount(subscription.wantedTotal());
            // A second one only if it is worth its while.
            if (free < 1 || (!pops.isEmpty() && free < pops.get(0).request.countMax() / 2)) {
                return;
            }
            int count = (int) Math.min(free, subscription.request.countMax());
            Ops.Pop pop = new Ops.Pop(
                    subscription.request.withCountMax(count),
                    subscription.invisibleMillis,
                    subscription.popWaitMillis,
                    subscription.owner,
                    this);
            pops.add(pop);
            book.asked(count);
            requests.startPop(pop, nowMillis);
        }
    }

    /** A pop of this subscription has ended. */
    void popped(Ops.Pop pop, List<Delivery> deliveries, Refusal refusal) {
        pops.remove(pop);
        book.popped(pop.request.countMax(), deliveries.size());
        if (phase == Phase.ENDED) {
            requests.giveBack(deliveries, requests.nowMillis());
            return;
        }
        if (!deliveries.isEmpty()) {
            pass(deliveries);
        }
        if (phase == Phase.ENDING) {
            finishIfDone();
        } else if (refusal != null && phase == Phase.OPEN) {
            onPopRefused(refusal);
        }
        list();
    }

    private void onPopRefused(Refusal refusal) {
        // Whatever is stopped, the other queues go on.
        boolean passes = refusal.isTransient()
                || refusal.code() == Refusal.Code.QUEUE_STOPPED
                || refusal.code() == Refusal.Code.NO_NODE
                || refusal.code() == Refusal.Code.TIMED_OUT
                || refusal.code() == Refusal.Code.LIMIT;
        if (passes) {
            noticeUnserved(refusal);
            // It subscribes again, and so hears how the group's messages come at present.
            phase = Phase.RESTING;
            restUntilMillis = requests.nowMillis() + requests.retryDelayMillis(refusal);
        } else {
            end(refusal);
        }
    }

    private void noticeUnserved(Refusal refusal) {
        if (refusal.code() == Refusal.Code.QUEUE_STOPPED && !refusal.text().equals(toldUnserved)) {
            toldUnserved = refusal.text();
            requests.unserved(subscription.request, refusal);
        }
    }

    private void pass(List<Delivery> deliveries) {
        requests.complete(() -> subscription.sink.deliveries(subscription, deliveries));
    }

    // ------------------------------------------------------------------------------------------- the end

    /** The subscriber wants no more. What is under way still comes, as long as the session holds. */
    void unsubscribe(Ops.Unsubscribe op, long nowMillis) {
        endings.add(op);
        if (phase == Phase.ENDED) {
            finish();
            return;
        }
        if (phase == Phase.ENDING) {
            return;
        }
        boolean isKnown = phase == Phase.OPEN || subscribing != null;
        phase = Phase.ENDING;
        List.copyOf(pops).forEach(requests::cancelPop);
        if (isKnown) {
            isUnsubscribing = true;
            requests.start(new UnsubscribeRequest(requests.nextRequestId()), nowMillis);
        }
        if (!requests.isOpen()) {
            finish();
        } else {
            finishIfDone();
        }
    }

    private void finishIfDone() {
        if (!isUnsubscribing && pops.isEmpty()) {
            finish();
        }
    }

    private void finish() {
        phase = Phase.ENDED;
        List<Ops.Unsubscribe> done = List.copyOf(endings);
        endings.clear();
        requests.complete(() -> done.forEach(op -> op.complete(Done.done())));
        list();
    }

    /** It ends without having been asked to. */
    void end(Refusal refusal) {
        boolean isTold = phase != Phase.ENDING && phase != Phase.ENDED;
        phase = Phase.ENDED;
        List.copyOf(pops).forEach(requests::cancelPop);
        if (subscribing != null) {
            requests.drop(subscribing);
            subscribing = null;
        }
        if (isTold) {
            requests.complete(() -> subscription.sink.ended(subscription, refusal));
        }
        finish();
    }

    private final class SubscribeRequest extends InFlight {
        SubscribeRequest(long requestId) {
            super(requestId, 0);
        }

        /** Made anew each time: by then more may have come. */
        @Override
        SessionCommand.Request command() {
            PopRequest request = subscription.request;
            return new SessionCommand.Subscribe(
                    requestId,
                    id,
                    request.topic(),
                    request.group(),
                    Math.min(request.countMax(), requests.limits().popCountMax()),
                    Math.min(request.bytesMax(), requests.limits().popBytesMax()),
                    subscription.invisibleMillis,
                    book.progressToSubscribe(
                            subscription.wantedTotal(), requests.limits().creditsMax()));
        }

        @Override
        boolean isPointless() {
            return phase == Phase.ENDING || phase == Phase.ENDED;
        }

        @Override
        void answered(SessionEvent.Reply reply, long nowMillis) {
            subscribing = null;
            if (reply instanceof SessionEvent.Subscribed subscribed) {
                onSubscribed(subscribed.mode(), nowMillis);
            } else if (phase == Phase.SUBSCRIBING) {
                onRefused(
                        reply instanceof SessionEvent.Refused refused
                                ? refused.refusal()
                                : Refusal.of(Refusal.Code.UNSUPPORTED, "the node answers a subscription with " + reply),
                        nowMillis);
            }
        }

        @Override
        void failed(Refusal refusal) {
            subscribing = null;
            if (phase == Phase.SUBSCRIBING) {
                end(refusal);
            }
        }
    }

    private final class UnsubscribeRequest extends InFlight {
        UnsubscribeRequest(long requestId) {
            super(requestId, 0);
        }

        @Override
        SessionCommand.Request command() {
            return new SessionCommand.Unsubscribe(requestId, id, book.progress());
        }

        @Override
        void answered(SessionEvent.Reply reply, long nowMillis) {
            isUnsubscribing = false;
            if (phase == Phase.ENDING) {
                finishIfDone();
            }
        }

        @Override
        void failed(Refusal refusal) {
            isUnsubscribing = false;
            if (phase == Phase.ENDING) {
                finishIfDone();
            }
        }
    }
}
