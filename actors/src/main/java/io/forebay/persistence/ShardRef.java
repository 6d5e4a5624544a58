package io.forebay.persistence;

import akka.actor.typed.ActorRef;
import io.forebay.protocol.Refusal;
import io.forebay.queue.StoreRefusals;
import io.forebay.storage.log.Owner;
import io.forebay.store.EventLog;
import io.forebay.store.LogEvent;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.function.Consumer;

/**
 * One who writes to a reserved queue, as others see it: what is asked is answered, also what it has never taken because it ended
 * before. Thread-safe.
 */
final class ShardRef {
    private final int stripeId;
    private final Owner owner;
    private final String what;
    /** Who waits; what an actor that ends has not taken is nobody's. */
    private final Set<CompletableFuture<?>> unanswered = ConcurrentHashMap.newKeySet();

    /** What the actor has not taken. One message is enough for all of it. */
    private final ConcurrentLinkedQueue<Shard.Request> asked = new ConcurrentLinkedQueue<>();

    private final AtomicBoolean isTold = new AtomicBoolean();
    private volatile ActorRef<Shard.Command> actor;
    private volatile Refusal ended;
    private volatile ShardFault fault;

    /** @param what the queue holds, for people */
    ShardRef(int stripeId, Owner owner, String what) {
        this.stripeId = stripeId;
        this.owner = owner;
        this.what = what;
    }

    /** Once, before the first {@link #ask}; it may have {@linkplain #ended ended}. */
    void begin(ActorRef<Shard.Command> begun) {
        actor = begun;
    }

    /** In the order of the calls, as far as they come from one thread. */
    void ask(Shard.Request request) {
        CompletableFuture<?> reply = request.reply();
        if (ended != null) {
            reply.completeExceptionally(ended.toException());
            return;
        }
        unanswered.add(reply);
        reply.whenComplete((done, failure) -> unanswered.remove(reply));
        asked.add(request);
        if (isTold.compareAndSet(false, true)) {
            actor.tell(Shard.Asked.INSTANCE);
        }
        if (ended != null) {
            // It may have come too late to be found by whoever has ended it, or may have been taken.
            refuse(reply, ended);
            asked.clear();
        }
    }

    /**
     * Hands over what was asked, in order, some of it; if there is more the actor is told again. The actor's.
     *
     * @param max of them
     */
    void takeAsked(int max, Consumer<Shard.Request> taker) {
        isTold.set(false); // before it looks: of what comes from now on it is told anew
        for (int taken = 0; taken < max; taken++) {
            Shard.Request next = asked.poll();
            if (next == null) {
                return;
            }
            taker.accept(next);
        }
        if (!asked.isEmpty() && isTold.compareAndSet(false, true)) {
            actor.tell(Shard.Asked.INSTANCE);
        }
    }

    /** The actor takes nothing any more, for this reason; who waits is told that. The first reason counts. */
    void ended(Refusal reason) {
        if (ended == null) {
            ended = reason;
        }
        unanswered.forEach(reply -> refuse(reply, reason));
        asked.clear();
    }

    private static void refuse(CompletableFuture<?> reply, Refusal reason) {
        reply.completeExceptionally(StoreRefusals.outcomeUnknown(reason.text()).toException());
    }

    /** A bug has ended the actor. Told once, however often it is called. */
    void failed(Throwable bug) {
        fault(
                true,
                "who writes there has ended with a bug: " + bug + "; it is served again when the node, or the"
                        + " application, is started again, and until then the log keeps all that is written");
    }

    /** What is stored does not fit together, and nothing more is stored there. */
    void contradicted(String why) {
        fault(
                false,
                why + "; keep a copy of the directory, and report a bug: 'forebay log repair' mends only what is"
                        + " damaged. The log keeps all that is written from here on");
    }

    private synchronized void fault(boolean hasFailed, String why) {
        if (fault != null) {
            return;
        }
        String text = "a part of what Akka Persistence has stored, " + what + ", is not served, " + owner
                + " of stripe " + stripeId + ": " + why;
        fault = new ShardFault(stripeId, owner, hasFailed, text);
        EventLog.log(
                EventLog.Weight.ERROR,
                LogEvent.QUEUE_STOPPED,
                "stripe",
                stripeId,
                "persistence",
                what,
                "reason",
                hasFailed ? "ACTOR_FAILED" : "CONTRADICTION",
                "detail",
                text);
    }

    /** Why it is not served, though its stripe is. */
    Optional<ShardFault> fault() {
        return Optional.ofNullable(fault);
    }

    /** How many wait; for tests. */
    int unanswered() {
        return unanswered.size();
    }
}
