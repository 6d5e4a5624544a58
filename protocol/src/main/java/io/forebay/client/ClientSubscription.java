package io.forebay.client;

import akka.Done;
import io.forebay.protocol.Delivery;
import io.forebay.protocol.Refusal;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionStage;

/**
 * A subscription of a client: at each of its nodes, those that come later included. What it is willing to hold is split among
 * them, and what was consumed is asked for again of the node it came from. A node that does not have the topic or group is
 * asked again now and then, as long as another one has it.
 *
 * <p>Thread-safe. Its consumer is called where stages are completed, one call at a time.
 */
final class ClientSubscription implements NodeSubscription.Sink {
    /** Before a node that has no such topic or group is asked again. */
    private static final long ABSENT_RETRY_MILLIS = 2_000;

    /** Who wants the deliveries. */
    interface Consumer {
        /** To be told {@link #consumed}, one by one or together. */
        void deliveries(NodeSubscription from, List<Delivery> deliveries);

        /** There will be no more, and that was not asked for. */
        void ended(Refusal refusal);
    }

    private final ForebayClient client;
    private final PopRequest request;
    private final int heldMax;
    private final Object owner;
    private final Consumer consumer;
    /** All below is guarded by this. */
    private final Map<NodeLink, Part> parts = new HashMap<>();

    private CompletableFuture<Done> closed;
    private boolean isOver;

    /** At one node. */
    private static final class Part {
        NodeSubscription subscription;
        long wanted;
        long consumed;
        boolean isAbsent;
    }

    /**
     * @param heldMax most deliveries that are not consumed, those under way included; at least one for each node
     * @param owner whom {@link ForebayClient#release} gives back for
     */
    ClientSubscription(ForebayClient client, PopRequest request, int heldMax, Object owner, Consumer consumer) {
        this.client = client;
        this.request = request;
        this.heldMax = heldMax;
        this.owner = owner;
        this.consumer = consumer;
    }

    synchronized void addLink(NodeLink link) {
        if (closed == null && !isOver && !parts.containsKey(link)) {
            parts.put(link, new Part());
            begin(link);
        }
    }

    private void begin(NodeLink link) {
        Part part = parts.get(link);
        part.isAbsent = false;
        part.consumed = 0;
        part.wanted = share();
        part.subscription = client.nodeSubscription(request, owner, link, part.wanted, this);
        part.subscription.start();
    }

    private int share() {
        return Math.max(1, heldMax / parts.size());
    }

    /** There is room for so many more. */
    synchronized void consumed(NodeSubscription from, int count) {
        Part part = parts.get(from.link);
        if (part == null || part.subscription != from) {
            return;
        }
        part.consumed += count;
        int share = share();
        if (closed == null && part.consumed + share - part.wanted >= Math.max(1, share / 2)) {
            part.wanted = part.consumed + share;
            from.want(part.wanted);
        }
    }

    /** Wants no more; done when nothing comes any more. Idempotent. */
    synchronized CompletionStage<Done> close() {
        if (closed == null) {
            closed = new CompletableFuture<>();
            client.forget(this);
            List<CompletableFuture<Done>> ends = new ArrayList<>();
            parts.values().forEach(part -> ends.add(part.subscription.end()));
            CompletableFuture.allOf(ends.toArray(new CompletableFuture<?>[0]))
                    .thenRun(() -> closed.complete(Done.done()));
        }
        return closed;
    }

    /** The client is closed, and no node was ever found. */
    void closedWithoutNode(Refusal refusal) {
        synchronized (this) {
            if (isOver || !parts.isEmpty()) {
                return;
            }
            isOver = true;
        }
        consumer.ended(refusal);
    }

    @Override
    public void deliveries(NodeSubscription from, List<Delivery> deliveries) {
        consumer.deliveries(from, deliveries);
    }

    @Override
    public void ended(NodeSubscription from, Refusal refusal) {
        boolean isAbsent = refusal.code() == Refusal.Code.UNKNOWN_TOPIC || refusal.code() == Refusal.Code.UNKNOWN_GROUP;
        synchronized (this) {
            Part part = parts.get(from.link);
            if (isOver || closed != null || part == null || part.subscription != from) {
                return;
            }
            part.isAbsent = isAbsent;
            if (isAbsent && parts.values().stream().anyMatch(other -> !other.isAbsent)) {
                client.later(ABSENT_RETRY_MILLIS, () -> beginAgain(from));
                return;
            }
            isOver = true;
            client.forget(this);
            parts.values().stream().filter(other -> other != part).forEach(other -> other.subscription.end());
        }
        consumer.ended(refusal);
    }

    private synchronized void beginAgain(NodeSubscription absent) {
        Part part = parts.get(absent.link);
        if (closed == null && !isOver && part.subscription == absent) {
            begin(absent.link);
        }
    }
}
