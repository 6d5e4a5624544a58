package io.forebay.client;

import io.forebay.protocol.Refusal;
import io.forebay.protocol.SessionCommand;
import io.forebay.protocol.SessionEvent;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Iterator;
import java.util.List;

/** The administrative requests of one session. Each is given up after its time, also while it is under way. Confined to it. */
final class AdminLane {
    private final Requests requests;
    private final ArrayDeque<Ops.Admin> pending = new ArrayDeque<>();
    private final List<Ops.Admin> underWay = new ArrayList<>();

    AdminLane(Requests requests) {
        this.requests = requests;
    }

    /** Its time is set. */
    void add(Ops.Admin op) {
        pending.add(op);
    }

    /** Whether none waits to be sent. */
    boolean isIdle() {
        return pending.isEmpty();
    }

    void pump(long nowMillis) {
        while (!pending.isEmpty() && requests.mayStart(0)) {
            Ops.Admin op = pending.removeFirst();
            underWay.add(op);
            op.sentCount = 1;
            requests.start(new Request(requests.nextRequestId(), op), nowMillis);
        }
    }

    void expire(long nowMillis, Refusal reason) {
        for (Iterator<Ops.Admin> each = pending.iterator(); each.hasNext(); ) {
            Ops.Admin op = each.next();
            if (op.deadlineMillis <= nowMillis) {
                each.remove();
                fail(op, reason);
            }
        }
        for (Ops.Admin op : underWay) {
            if (op.deadlineMillis <= nowMillis) {
                fail(op, reason);
            }
        }
    }

    /** Those under way hear of it by themselves. */
    void fail(Refusal reason) {
        pending.forEach(op -> fail(op, reason));
        pending.clear();
    }

    private void fail(Ops.Admin op, Refusal refusal) {
        if (!op.isDecided) {
            op.isDecided = true;
            requests.complete(() -> op.completeExceptionally(refusal.toException()));
        }
    }

    private final class Request extends InFlight {
        private final Ops.Admin op;
        private final SessionCommand.Request command;

        Request(long requestId, Ops.Admin op) {
            super(requestId, 0);
            this.op = op;
            command = op.command.apply(requestId);
        }

        @Override
        SessionCommand.Request command() {
            return command;
        }

        @Override
        void repeated() {
            op.sentCount += op.isDecided ? 0 : 1;
        }

        @Override
        boolean isPointless() {
            return op.isDecided;
        }

        @Override
        void answered(SessionEvent.Reply reply, long nowMillis) {
            if (reply instanceof SessionEvent.Refused refused) {
                failed(refused.refusal());
                return;
            }
            underWay.remove(op);
            if (!op.isDecided) {
                op.isDecided = true;
                requests.complete(() -> op.complete(reply));
            }
        }

        @Override
        void failed(Refusal refusal) {
            underWay.remove(op);
            fail(op, refusal);
        }
    }
}
