package io.forebay.client;

import io.forebay.protocol.Delivery;
import io.forebay.protocol.Refusal;
import java.util.List;

/**
 * A subscription at one node, as those see it who want its deliveries: how many they are willing to take, and where to put
 * them. Thread-safe; how it goes on is the matter of the {@link SubscriptionLane} in the node's session.
 */
final class NodeSubscription {
    /** Who wants the deliveries. Called where stages are completed, one call at a time. */
    interface Sink {
        void deliveries(NodeSubscription from, List<Delivery> deliveries);

        /** There will be no more, and that was not asked for. */
        void ended(NodeSubscription from, Refusal refusal);
    }

    final PopRequest request;
    final long invisibleMillis;
    final long popWaitMillis;
    /** Whom {@link ForebayClient#release} gives back for. */
    final Object owner;

    final NodeLink link;
    final Sink sink;

    private volatile long wantedTotal;
    /** Its end in the session; confined to that. */
    SubscriptionLane lane;

    /** @param wantedTotal messages to take before {@link #want} is called */
    NodeSubscription(
            PopRequest request,
            long invisibleMillis,
            long popWaitMillis,
            Object owner,
            NodeLink link,
            long wantedTotal,
            Sink sink) {
        this.request = request;
        this.invisibleMillis = invisibleMillis;
        this.popWaitMillis = popWaitMillis;
        this.owner = owner;
        this.link = link;
        this.wantedTotal = wantedTotal;
        this.sink = sink;
    }

    /** Messages to take since the beginning, in all. */
    long wantedTotal() {
        return wantedTotal;
    }

    void start() {
        link.add(new Ops.Subscribe(this));
    }

    /** @param total more than before */
    void want(long total) {
        wantedTotal = total;
        link.add(new Ops.Demand(this));
    }

    /** Done when nothing comes any more. */
    Ops.Unsubscribe end() {
        Ops.Unsubscribe op = new Ops.Unsubscribe(this);
        link.add(op);
        return op;
    }
}
