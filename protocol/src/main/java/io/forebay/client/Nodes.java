package io.forebay.client;

import io.forebay.protocol.Message;
import io.forebay.protocol.ReceiptHandle;
import io.forebay.protocol.Refusal;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Iterator;
import java.util.List;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.Consumer;
import java.util.function.Function;
import java.util.function.LongSupplier;

/**
 * The nodes that a client has ever known, and the way of each operation to one of them. What is asked for before the first one is
 * found waits for it. Thread-safe.
 */
final class Nodes {
    private final Completions completions;
    private final LongSupplier monotonicMillis;
    private final Consumer<Op<?>> released;
    private final AtomicInteger turns = new AtomicInteger();
    /** What was asked for before any node was found, in order; guarded by itself. */
    private final List<Op<?>> orphans = new ArrayList<>();

    private volatile NodeLink[] links = new NodeLink[0];
    private volatile boolean isClosing;

    /** @param released told what no session will take; any thread */
    Nodes(Completions completions, LongSupplier monotonicMillis, Consumer<Op<?>> released) {
        this.completions = completions;
        this.monotonicMillis = monotonicMillis;
        this.released = released;
    }

    /** Never changed after it was given out. */
    NodeLink[] all() {
        return links;
    }

    boolean isClosing() {
        return isClosing;
    }

    void add(NodeLink link) {
        synchronized (orphans) {
            NodeLink[] more = Arrays.copyOf(links, links.length + 1);
            more[more.length - 1] = link;
            links = more;
            orphans.forEach(link::add);
            orphans.clear();
            if (isClosing) {
                link.add(new Ops.Close(false)); // those that were closed did not include it
            }
        }
    }

    /** @return the nodes to close; null if that was called before */
    NodeLink[] close() {
        synchronized (orphans) {
            if (isClosing) {
                return null;
            }
            isClosing = true;
            return links;
        }
    }

    /** Fails what has waited for a first node for too long, or all of it. */
    void expireOrphans(boolean every) {
        Refusal reason = isClosing
                ? closedRefusal()
                : Refusal.of(
                        Refusal.Code.NO_NODE,
                        "no member of the cluster has registered a Forebay node with the Receptionist");
        long now = monotonicMillis.getAsLong();
        synchronized (orphans) {
            for (Iterator<Op<?>> each = orphans.iterator(); each.hasNext(); ) {
                Op<?> op = each.next();
                if (every || op.deadlineMillis <= now) {
                    each.remove();
                    refuse(op, reason);
                }
            }
        }
    }

    private void refuse(Op<?> op, Refusal reason) {
        released.accept(op);
        completions.execute(() -> op.refuse(reason));
    }

    // ---------------------------------------------------------------- which node

    /** Counts up with each call. */
    int nextTurn() {
        return turns.getAndIncrement();
    }

    /** The next one in turn, of those that are there if any is. */
    NodeLink inTurn(NodeLink[] all) {
        int start = Math.floorMod(nextTurn(), all.length);
        for (int i = 0; i < all.length; i++) {
            NodeLink link = all[(start + i) % all.length];
            if (link.peer().isConnected()) {
                return link;
            }
        }
        return all[start];
    }

    /** The next one in turn that is there; null if there is none. */
    NodeLink otherThan(NodeLink link) {
        NodeLink[] all = links;
        int start = Math.floorMod(nextTurn(), all.length);
        for (int i = 0; i < all.length; i++) {
            NodeLink other = all[(start + i) % all.length];
            if (other != link && other.peer().isConnected()) {
                return other;
            }
        }
        return null;
    }

    /**
     * Rendezvous hashing over the nodes this client has ever known: a key stays with its node while that is away, and a new
     * node takes over only the keys that become its own.
     */
    private static NodeLink ofKey(NodeLink[] all, String topic, String key) {
        NodeLink best = all[0];
        long bestScore = Long.MIN_VALUE;
        for (NodeLink link : all) {
            NodeLink.Peer peer = link.peer();
            if (!peer.nodeName().isEmpty()) {
                long mixed = (key.hashCode() * 31L + topic.hashCode()) * 0x9E3779B97F4A7C15L + peer.nodeId();
                mixed = (mixed ^ (mixed >>> 29)) * 0xBF58476D1CE4E5B9L;
                mixed ^= mixed >>> 32;
                if (mixed > bestScore) {
                    bestScore = mixed;
                    best = link;
                }
            }
        }
        return best;
    }

    NodeLink ofMessage(NodeLink[] all, Message message) {
        if (all.length == 1) {
            return all[0];
        }
        return message.isKeyed() ? ofKey(all, message.topic(), message.messageGroup()) : inTurn(all);
    }

    /** @return null if there is a choice and none of the nodes has this id */
    static NodeLink ofHandle(NodeLink[] all, ReceiptHandle handle) {
        if (all.length == 1) {
            return all[0];
        }
        for (NodeLink link : all) {
            NodeLink.Peer peer = link.peer();
            if (peer.nodeId() == handle.nodeId() && !peer.nodeName().isEmpty()) {
                return link;
            }
        }
        return null;
    }

    /** Null if none has that name. */
    NodeLink named(String node) {
        NodeLink[] all = links;
        int index = node.isEmpty() ? -1 : LookPages.indexOf(all, node);
        return index < 0 ? null : all[index];
    }

    // ---------------------------------------------------------------- the way there

    /** @param patience how long it waits for a first node */
    void submit(Op<?> op, Function<NodeLink[], NodeLink> route, Duration patience) {
        submitMore(op, route, patience);
        flush();
    }

    /** After {@link #submitMore}. */
    void flush() {
        for (NodeLink link : links) {
            link.flush();
        }
    }

    /** One of several: {@link #flush} has to follow. So they go to the node together. */
    void submitMore(Op<?> op, Function<NodeLink[], NodeLink> route, Duration patience) {
        if (isClosing) {
            refuse(op, closedRefusal());
            return;
        }
        NodeLink[] all = links;
        if (all.length == 0) {
            synchronized (orphans) {
                all = links;
                if (all.length == 0 && !isClosing) {
                    op.deadlineMillis = monotonicMillis.getAsLong() + patience.toMillis();
                    orphans.add(op);
                    return;
                }
            }
        }
        if (all.length == 0) {
            refuse(op, closedRefusal());
            return;
        }
        NodeLink link = route.apply(all);
        if (link != null) {
            link.addMore(op);
        } else {
            completions.execute(() -> op.refuse(foreignHandle()));
        }
    }

    static Refusal foreignHandle() {
        return Refusal.of(Refusal.Code.FOREIGN_HANDLE, "the handle was not made by any node this client knows");
    }

    static Refusal closedRefusal() {
        return Refusal.of(Refusal.Code.CLOSED, "the client has been closed");
    }

    static Refusal noNode(String node) {
        return Refusal.of(Refusal.Code.NO_NODE, "this client knows no node '" + node + "'");
    }

    static Refusal nodeNeeded(String what) {
        return Refusal.of(
                Refusal.Code.ILLEGAL_ARGUMENT,
                what + " needs the name of a node: this client knows several, and each has queues of its own");
    }
}
