package io.forebay.client;

import io.forebay.protocol.Delivery;
import io.forebay.protocol.ForebayException;
import io.forebay.protocol.Refusal;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.atomic.AtomicInteger;

/**
 * One pop over several nodes: asks one after the other without waiting, then all of them with the whole wait. The first
 * one with messages ends it; what another one gave at the same moment is given back. Thread-safe.
 */
final class PopOverNodes {
    private final ForebayClient client;
    private final PopRequest request;
    private final long waitMillis;
    private final Object owner;
    private final NodeLink[] links;
    private final int first;
    private final CompletableFuture<List<Delivery>> result = new CompletableFuture<>();
    private final List<Waiting> waiting = new ArrayList<>();
    private volatile boolean isCancelled;
    private final AtomicInteger unanswered = new AtomicInteger();
    private final AtomicInteger refused = new AtomicInteger();

    private record Waiting(NodeLink link, Ops.Pop op) {}

    PopOverNodes(ForebayClient client, PopRequest request, long waitMillis, Object owner, NodeLink[] links, int first) {
        this.client = client;
        this.request = request;
        this.waitMillis = waitMillis;
        this.owner = owner;
        this.links = links;
        this.first = first;
    }

    ForebayClient.PendingPop start() {
        ask(0);
        return new ForebayClient.PendingPop(result, this::cancel);
    }

    /** Without waiting, one node after the other; those that are away are left out. */
    private void ask(int turn) {
        for (int i = turn; i < links.length; i++) {
            NodeLink link = links[Math.floorMod(first + i, links.length)];
            if (link.peer().isConnected()) {
                int next = i + 1;
                Ops.Pop op = client.popOp(request, 0, owner);
                link.add(op);
                op.whenComplete((deliveries, failure) -> {
                    if (failure == null && !deliveries.isEmpty()) {
                        result.complete(deliveries);
                    } else {
                        ask(next);
                    }
                });
                return;
            }
        }
        if (isCancelled) {
            result.complete(List.of());
        } else {
            askAll();
        }
    }

    private void askAll() {
        unanswered.set(links.length);
        synchronized (waiting) {
            for (NodeLink link : links) {
                Ops.Pop op = client.popOp(request, waitMillis, owner);
                waiting.add(new Waiting(link, op));
                link.add(op);
            }
        }
        for (Waiting each : List.copyOf(waiting)) {
            each.op().whenComplete((deliveries, failure) -> onAnswer(each.link(), deliveries, failure));
        }
        if (isCancelled) {
            cancelAll();
        }
    }

    private void onAnswer(NodeLink link, List<Delivery> deliveries, Throwable failure) {
        boolean isLast = unanswered.decrementAndGet() == 0;
        if (failure == null && !deliveries.isEmpty()) {
            if (result.complete(deliveries)) {
                cancelAll();
            } else {
                deliveries.forEach(delivery -> giveBack(link, delivery));
            }
            return;
        }
        if (failure != null) {
            ForebayException refusal = ForebayClient.exceptionOf(failure);
            boolean isAbsent = refusal.code() == Refusal.Code.UNKNOWN_TOPIC
                    || refusal.code() == Refusal.Code.UNKNOWN_GROUP
                    || refusal.code() == Refusal.Code.NO_NODE;
            if (refused.incrementAndGet() == links.length || !isAbsent) {
                result.completeExceptionally(refusal);
                cancelAll();
                return;
            }
        }
        if (isLast) {
            result.complete(List.of());
        }
    }

    private static void giveBack(NodeLink link, Delivery delivery) {
        Ops.SettleKey key = new Ops.SettleKey(Ops.SettleKind.GIVE_BACK, delivery.group(), null, 0, "");
        link.add(new Ops.Settle<>(key, delivery.handle(), null, 0));
    }

    private void cancel() {
        isCancelled = true;
        cancelAll();
    }

    private void cancelAll() {
        synchronized (waiting) {
            for (Waiting each : waiting) {
                each.link().add(new Ops.Cancel(each.op()));
            }
        }
    }
}
