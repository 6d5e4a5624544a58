package io.forebay.client;

import io.forebay.protocol.ReceiptHandle;
import io.forebay.protocol.Refusal;
import io.forebay.protocol.SessionCommand;
import io.forebay.protocol.SessionEvent;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.Iterator;
import java.util.List;

/**
 * Acks, changes or give-backs that may go in one request. As with Sends, what comes while enough of them are under way
 * gathers for the next; there is no order to keep. What was repeated because its answer was lost, or because the node did not know
 * the outcome, and is then refused, ends as {@code OUTCOME_UNKNOWN} where the first copy may have been carried out all the same (see
 * {@link Refusal.Code#isOutcomeOpen}). Confined to its session.
 */
final class SettleLane extends Lane {
    private final Ops.SettleKey key;
    private final ClientSettings settings;
    private final Requests requests;
    private final ArrayDeque<Ops.Settle<?>> pending = new ArrayDeque<>();
    private final ArrayList<Batch> underWay = new ArrayList<>();
    private long repeatAtMillis;

    SettleLane(Ops.SettleKey key, ClientSettings settings, Requests requests) {
        this.key = key;
        this.settings = settings;
        this.requests = requests;
    }

    @Override
    Ops.SettleKey key() {
        return key;
    }

    void add(Ops.Settle<?> op) {
        pending.addLast(op);
    }

    @Override
    boolean isIdle() {
        return pending.isEmpty() && underWay.isEmpty();
    }

    @Override
    void pump(long nowMillis) {
        if (!pending.isEmpty() && nowMillis < repeatAtMillis) {
            requests.wakeAt(repeatAtMillis);
            return;
        }
        while (!pending.isEmpty() && underWay.size() < settings.ackPipeline() && requests.mayStart(0)) {
            int count = Math.min(
                    pending.size(),
                    Math.min(settings.ackBatchCountMax(), requests.limits().batchCountMax()));
            Ops.Settle<?>[] ops = new Ops.Settle<?>[count];
            for (int i = 0; i < count; i++) {
                ops[i] = pending.removeFirst();
            }
            Batch batch = new Batch(requests.nextRequestId(), ops);
            underWay.add(batch);
            requests.start(batch, nowMillis);
        }
    }

    void expire(long nowMillis, Refusal reason) {
        List<Ops.Settle<?>> given = new ArrayList<>();
        for (Iterator<Ops.Settle<?>> each = pending.iterator(); each.hasNext(); ) {
            Ops.Settle<?> op = each.next();
            if (op.deadlineMillis <= nowMillis) {
                each.remove();
                given.add(op);
            }
        }
        for (Batch batch : underWay) {
            batch.takeExpired(nowMillis, given);
        }
        giveUp(given, reason);
    }

    void fail(Refusal reason) {
        List<Ops.Settle<?>> given = new ArrayList<>(pending);
        pending.clear();
        for (Batch batch : underWay) {
            batch.mayBeDone();
            batch.takeExpired(Long.MAX_VALUE, given);
        }
        underWay.clear();
        giveUp(given, reason);
    }

    private void giveUp(List<Ops.Settle<?>> given, Refusal reason) {
        if (!given.isEmpty()) {
            for (Ops.Settle<?> op : given) {
                op.isDecided = true;
            }
            requests.complete(() -> given.forEach(op -> op.finish(reason)));
        }
    }

    private final class Batch extends OpBatch<Ops.Settle<?>> {
        private final SessionCommand.Request command;

        Batch(long requestId, Ops.Settle<?>[] ops) {
            super(requestId, ops);
            ReceiptHandle[] array = new ReceiptHandle[ops.length];
            for (int i = 0; i < ops.length; i++) {
                array[i] = ops[i].handle;
            }
            List<ReceiptHandle> handles = Collections.unmodifiableList(Arrays.asList(array));
            command = switch (key.kind()) {
                case ACK -> new SessionCommand.Ack(requestId, key.group(), handles, key.durability());
                case EXTEND, NACK ->
                    new SessionCommand.ChangeInvisible(
                            requestId,
                            key.group(),
                            handles,
                            key.millis(),
                            key.kind() == Ops.SettleKind.NACK,
                            key.reason());
                case GIVE_BACK -> new SessionCommand.GiveBack(requestId, key.group(), handles);
            };
        }

        @Override
        SessionCommand.Request command() {
            return command;
        }

        @Override
        void repeated() {
            mayBeDone();
        }

        @Override
        void answered(SessionEvent.Reply reply, long nowMillis) {
            underWay.remove(this);
            list();
            List<?> results;
            Object missing =
                    Refusal.of(Refusal.Code.OUTCOME_UNKNOWN, "the node's answer has no result for this handle");
            if (reply instanceof SessionEvent.AckReply acked) {
                results = acked.results();
            } else if (reply instanceof SessionEvent.ChangeReply changed) {
                results = changed.results();
            } else if (reply instanceof SessionEvent.GiveBackReply givenBack) {
                results = givenBack.results();
            } else {
                results = List.of();
                missing = reply instanceof SessionEvent.Refused whole ? whole.refusal() : missing;
            }
            int count = results.size();
            Object[] finals = new Object[ops.length];
            for (int i = ops.length - 1;
                    i >= 0;
                    i--) { // backwards: what is to be repeated goes to the front in its order
                Ops.Settle<?> op = ops[i];
                if (op.isDecided) {
                    continue;
                }
                Object result = i < count ? results.get(i) : missing;
                op.isUncertain |=
                        result instanceof Refusal refusal && refusal.code().isOutcomeOpen();
                if (result instanceof Refusal refusal && refusal.isTransient() && op.deadlineMillis > nowMillis) {
                    pending.addFirst(op);
                    repeatAtMillis = Math.max(repeatAtMillis, nowMillis + requests.retryDelayMillis(refusal));
                } else {
                    op.isDecided = true;
                    finals[i] = result;
                    if (result instanceof Refusal && key.kind() == Ops.SettleKind.EXTEND) {
                        requests.notHeld(op.handle);
                    }
                }
            }
            requests.complete(() -> finish(finals));
        }

        @Override
        void failed(Refusal refusal) {
            underWay.remove(this);
            list();
            mayBeDone();
            List<Ops.Settle<?>> given = new ArrayList<>();
            takeExpired(Long.MAX_VALUE, given);
            giveUp(given, refusal);
        }
    }
}
