package io.forebay.persistence;

import akka.actor.typed.ActorRef;
import io.forebay.protocol.Refusal;
import io.forebay.queue.StoreRefusals;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentHashMap;

/**
 * One who writes to a reserved queue, as others see it: what is asked is answered, also what it has never taken because it ended
 * before. Thread-safe.
 */
final class ShardRef {
    /** Who waits; what an actor that ends leaves in its mailbox is nobody's. */
    private final Set<CompletableFuture<?>> unanswered = ConcurrentHashMap.newKeySet();

    private volatile ActorRef<Shard.Command> actor;
    private volatile Refusal ended;

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
        actor.tell(request);
        if (ended != null) {
            // It may have come too late to be found by whoever has ended it, or may have been taken.
            refuse(reply, ended);
        }
    }

    /** The actor takes nothing any more, for this reason; who waits is told that. The first reason counts. */
    void ended(Refusal reason) {
        if (ended == null) {
            ended = reason;
        }
        unanswered.forEach(reply -> refuse(reply, reason));
    }

    private static void refuse(CompletableFuture<?> reply, Refusal reason) {
        reply.completeExceptionally(StoreRefusals.outcomeUnknown(reason.text()).toException());
    }

    /** How many wait; for tests. */
    int unanswered() {
        return unanswered.size();
    }
}
