package io.forebay.client;

import io.forebay.protocol.Delivery;
import io.forebay.protocol.Refusal;
import io.forebay.protocol.SessionCommand;
import io.forebay.protocol.SessionEvent;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Iterator;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Set;

/** The pops of one session: those that wait to be asked, that are under way, and that rest after a refusal. Confined to it. */
final class PopLane {
    private final Requests requests;
    private final ArrayDeque<Ops.Pop> pending = new ArrayDeque<>();
    private final List<Resting> resting = new ArrayList<>();
    private final Set<Request> underWay = new LinkedHashSet<>();

    private record Resting(Ops.Pop pop, long atMillis) {}

    PopLane(Requests requests) {
        this.requests = requests;
    }

    /** Its times are set. */
    void add(Ops.Pop pop) {
        pending.add(pop);
    }

    boolean isIdle() {
        return pending.isEmpty() && resting.isEmpty() && underWay.isEmpty();
    }

    void pump(long nowMillis) {
        int underWayMax = Math.max(1, requests.limits().requestsInFlightMax() / 2);
        while (!pending.isEmpty() && requests.mayStart(0) && underWay.size() < underWayMax) {
            Ops.Pop pop = pending.removeFirst();
            if (!pop.isDecided) {
                Request request = new Request(requests.nextRequestId(), pop, nowMillis);
                underWay.add(request);
                requests.start(request, nowMillis);
            }
        }
    }

    void wake(long nowMillis) {
        for (Iterator<Resting> each = resting.iterator(); each.hasNext(); ) {
            Resting one = each.next();
            if (one.atMillis <= nowMillis) {
                each.remove();
                if (!one.pop.isDecided) {
                    pending.add(one.pop);
                }
            } else {
                requests.wakeAt(one.atMillis);
            }
        }
    }

    /**
     * While the node is away.
     *
     * @param isImpatient there are others that could be asked: as soon as the wait itself is over
     */
    void expire(long nowMillis, Refusal reason, boolean isImpatient) {
        for (Iterator<Ops.Pop> each = pending.iterator(); each.hasNext(); ) {
            Ops.Pop pop = each.next();
            if ((isImpatient ? pop.waitUntilMillis : pop.deadlineMillis) <= nowMillis) {
                each.remove();
                fail(pop, reason);
            }
        }
        for (Request request : underWay) {
            Ops.Pop pop = request.pop;
            if ((isImpatient ? pop.waitUntilMillis : pop.deadlineMillis) <= nowMillis) {
                fail(pop, reason);
            }
        }
    }

    void cancelAll() {
        List<Ops.Pop> all = new ArrayList<>(pending);
        resting.forEach(one -> all.add(one.pop));
        underWay.forEach(request -> all.add(request.pop));
        all.forEach(this::cancel);
    }

    /** Completes it now if nothing of it is under way; else the node is asked to answer at once. */
    void cancel(Ops.Pop pop) {
        if (pop.isDecided || pop.isCancelled) {
            return;
        }
        pop.isCancelled = true;
        if (pop.requestId == 0 || !requests.isOpen()) {
            // If an answer was lost with the session, its deliveries come to a pop that is decided and are given back.
            pending.remove(pop);
            decide(pop, List.of());
        } else {
            requests.start(new CancelRequest(requests.nextRequestId(), pop.requestId), requests.nowMillis());
        }
    }

    /** Those under way hear of it by themselves. */
    void fail(Refusal reason) {
        pending.forEach(pop -> fail(pop, reason));
        pending.clear();
        resting.forEach(one -> fail(one.pop, reason));
        resting.clear();
    }

    private void decide(Ops.Pop pop, List<Delivery> deliveries) {
        pop.isDecided = true;
        if (pop.subscription != null) {
            pop.subscription.popped(pop, deliveries, null);
        } else {
            requests.complete(() -> pop.complete(deliveries));
        }
    }

    private void fail(Ops.Pop pop, Refusal refusal) {
        if (pop.isDecided) {
            return;
        }
        pop.isDecided = true;
        if (pop.subscription != null) {
            pop.subscription.popped(pop, List.of(), refusal);
        } else {
            requests.complete(() -> pop.completeExceptionally(refusal.toException()));
        }
    }

    private void onPopped(Ops.Pop pop, List<Delivery> deliveries, long nowMillis) {
        if (pop.isDecided) {
            requests.giveBack(deliveries, nowMillis);
        } else if (deliveries.isEmpty() && !pop.isCancelled && nowMillis < pop.waitUntilMillis) {
            pending.add(pop);
        } else {
            requests.hold(deliveries, pop.owner, pop.request.extend(), nowMillis);
            decide(pop, deliveries);
        }
    }

    /**
     * One pop under way. The wait asked of the node may be shorter than the caller's; then it is asked again. It is never
     * pointless: what a lost answer gave to a cancelled pop comes back to be given back, so it is asked for again.
     */
    private final class Request extends InFlight {
        private final Ops.Pop pop;
        private final long askedAtMillis;
        private final SessionCommand.Pop command;

        Request(long requestId, Ops.Pop pop, long nowMillis) {
            super(requestId, Math.max(0, Math.min(requests.limits().waitMillisMax(), pop.waitUntilMillis - nowMillis)));
            this.pop = pop;
            this.askedAtMillis = nowMillis;
            pop.requestId = requestId;
            PopRequest request = pop.request;
            command = new SessionCommand.Pop(
                    requestId,
                    request.topic(),
                    request.group(),
                    Math.min(request.countMax(), requests.limits().popCountMax()),
                    Math.min(request.bytesMax(), requests.limits().popBytesMax()),
                    pop.invisibleMillis,
                    waitMillis);
        }

        @Override
        SessionCommand.Request command() {
            long waited =
                    pop.isDecided || pop.isCancelled ? command.waitMillis() : requests.nowMillis() - askedAtMillis;
            if (waited <= 0) {
                return command;
            }
            return new SessionCommand.Pop(
                    command.requestId(),
                    command.topic(),
                    command.group(),
                    command.countMax(),
                    command.bytesMax(),
                    command.invisibleMillis(),
                    Math.max(0, command.waitMillis() - waited));
        }

        @Override
        void answered(SessionEvent.Reply reply, long nowMillis) {
            underWay.remove(this);
            pop.requestId = 0;
            if (reply instanceof SessionEvent.Popped popped) {
                onPopped(pop, popped.deliveries(), nowMillis);
                return;
            }
            Refusal refusal = reply instanceof SessionEvent.Refused refused
                    ? refused.refusal()
                    : Refusal.of(Refusal.Code.UNSUPPORTED, "the node answers a pop with " + reply);
            if (refusal.isTransient() && nowMillis < pop.waitUntilMillis && !pop.isDecided) {
                long atMillis = nowMillis + requests.retryDelayMillis(refusal);
                resting.add(new Resting(pop, atMillis));
                requests.wakeAt(atMillis);
            } else {
                fail(pop, refusal);
            }
        }

        @Override
        void failed(Refusal refusal) {
            underWay.remove(this);
            pop.requestId = 0;
            fail(pop, refusal);
        }
    }

    private static final class CancelRequest extends InFlight {
        private final SessionCommand.CancelPop command;

        CancelRequest(long requestId, long popRequestId) {
            super(requestId, 0);
            command = new SessionCommand.CancelPop(requestId, popRequestId);
        }

        @Override
        SessionCommand.Request command() {
            return command;
        }

        @Override
        void answered(SessionEvent.Reply reply, long nowMillis) {}

        @Override
        void failed(Refusal refusal) {}
    }
}
