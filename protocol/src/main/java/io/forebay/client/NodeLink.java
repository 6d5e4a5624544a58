package io.forebay.client;

import akka.actor.typed.ActorRef;
import io.forebay.protocol.Refusal;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.function.Consumer;

/**
 * One node as the threads of the application see it: where they put what they want, and whether the node is there. Its
 * session is the only one who takes. Thread-safe.
 */
final class NodeLink {
    private final OpQueue queue = new OpQueue();
    private final AtomicBoolean isWoken = new AtomicBoolean();
    private final Completions completions;
    private final Consumer<Op<?>> released;

    private volatile ActorRef<ClientSession.Message> session;
    private volatile Peer peer = new Peer("", 0, false);
    private volatile Refusal stopped;

    /**
     * @param nodeName "" until a first session was open
     * @param nodeId meaningful if there is a name
     */
    record Peer(String nodeName, int nodeId, boolean isConnected) {}

    /** @param released told what has been taken by nobody; any thread */
    NodeLink(Completions completions, Consumer<Op<?>> released) {
        this.completions = completions;
        this.released = released;
    }

    /** Hands an operation to the session; wakes it only if it sleeps. */
    void add(Op<?> op) {
        queue.add(op);
        flush();
    }

    /** One of several: the session takes it when {@link #flush} is called, or earlier. */
    void addMore(Op<?> op) {
        queue.add(op);
    }

    /** After {@link #addMore}. */
    void flush() {
        wake();
        if (stopped != null) {
            drainStopped();
        }
    }

    private void wake() {
        if (!isWoken.get() && isWoken.compareAndSet(false, true)) {
            ActorRef<ClientSession.Message> target = session;
            if (target != null) {
                target.tell(ClientSession.Wake.INSTANCE);
            }
        }
    }

    Peer peer() {
        return peer;
    }

    boolean isStopped() {
        return stopped != null;
    }

    // ------------------------------------------------- the session's side

    /** Before the session starts working: what was added earlier waits in the queue. */
    void attach(ActorRef<ClientSession.Message> self) {
        session = self;
        isWoken.set(true);
        self.tell(ClientSession.Wake.INSTANCE);
    }

    void setPeer(Peer value) {
        peer = value;
    }

    /**
     * Takes what was added.
     *
     * @param countMax after so many it wakes itself again, so that other messages get their turn
     */
    void drain(Consumer<Op<?>> taker, int countMax) {
        isWoken.set(false); // first: who adds from now on wakes the session again
        for (int i = 0; i < countMax; i++) {
            Op<?> op = queue.poll();
            if (op == null) {
                return;
            }
            taker.accept(op);
        }
        wake();
    }

    /** The session is no more: everything that is still added fails. */
    void stop(Refusal reason) {
        setPeer(new Peer(peer.nodeName(), peer.nodeId(), false));
        stopped = reason;
        drainStopped();
    }

    private void drainStopped() {
        synchronized (queue) {
            for (Op<?> op = queue.poll(); op != null; op = queue.poll()) {
                Op<?> orphan = op;
                released.accept(orphan);
                completions.execute(() -> orphan.refuse(stopped));
            }
        }
    }
}
