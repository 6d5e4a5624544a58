package io.forebay.persistence;

import akka.actor.typed.ActorSystem;
import akka.actor.typed.DispatcherSelector;
import akka.actor.typed.Extension;
import akka.actor.typed.ExtensionId;
import io.forebay.config.ForebaySettings;
import io.forebay.config.QueueSettings;
import io.forebay.storage.log.Owner;
import io.forebay.store.ForebayStorage;
import io.forebay.store.StripeHandle;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionStage;
import java.util.function.Consumer;

/**
 * Where the node's registry has its events: a reserved queue of its own, behind the journal {@link #JOURNAL}. Needs the stripes and nothing
 * else, so that the node can start; what is asked before they are open waits for them. Thread-safe.
 */
public final class NodeEvents implements Extension {
    /** The journal of the one actor that may use it. */
    public static final String JOURNAL = "forebay.persistence.node-journal";

    /** That actor has no snapshots but among its events. */
    public static final String SNAPSHOT_STORE = "forebay.persistence.node-snapshot-store";

    private static final Id ID = new Id();
    private static final int SHARD = 0;

    private final CompletableFuture<ShardRef> ready = new CompletableFuture<>();
    /** In order; null when they have been asked. Guarded by this. */
    private List<Runnable> waiting = new ArrayList<>();

    private NodeEvents(ActorSystem<?> system) {
        ForebayStorage storage = ForebayStorage.get(system);
        storage.open().whenComplete((stripes, failure) -> {
            if (failure == null) {
                try {
                    ready.complete(begin(system, stripes.get(0), storage.recovered(ShardRecovery.class)));
                } catch (RuntimeException e) { // the system ends meanwhile
                    ready.completeExceptionally(e);
                }
            } else {
                ready.completeExceptionally(failure);
            }
            synchronized (this) {
                // Under the lock: nobody gets past those who came before.
                waiting.forEach(Runnable::run);
                waiting = null;
            }
        });
    }

    private static ShardRef begin(ActorSystem<?> system, StripeHandle stripe, ShardRecovery recovery) {
        ShardKind kind = ShardKind.REGISTRY;
        ShardRef shard = new ShardRef(stripe.stripeId(), Owner.queue(kind.queueId(SHARD)), kind.text(SHARD));
        shard.begin(system.systemActorOf(
                NodeEventShard.create(
                        shard,
                        stripe,
                        kind.queueId(SHARD),
                        ForebaySettings.from(system.settings().config()).persistence(),
                        recovery.take(kind, SHARD)),
                "forebay-registry-events",
                DispatcherSelector.fromConfig(QueueSettings.DISPATCHER)));
        return shard;
    }

    /** Hands over why the queue is not served though its stripe is, if that is so. Starts nothing; any thread. */
    public static void visitFault(ActorSystem<?> system, Consumer<ShardFault> visitor) {
        if (system.hasExtension(ID)) {
            CompletableFuture<ShardRef> ready = ID.apply(system).ready;
            if (ready.isDone() && !ready.isCompletedExceptionally()) {
                ready.join().fault().ifPresent(visitor);
            }
        }
    }

    /** The one of this system; the first call starts it and waits for nothing. */
    public static NodeEvents get(ActorSystem<?> system) {
        return ID.apply(system);
    }

    /**
     * Deletes the events up to a number, which its actor needs no longer. Idempotent.
     *
     * @return completes when that is flushed; fails with a {@link io.forebay.protocol.ForebayException}
     */
    public CompletionStage<Void> deleteTo(String persistenceId, long toSequenceNr) {
        CompletableFuture<Void> deleted = new CompletableFuture<>();
        request(new NodeEventShard.Delete(persistenceId, toSequenceNr, deleted));
        return deleted.minimalCompletionStage();
    }

    /** In the order of the calls; the promise fails if it does not come to pass. */
    void request(Shard.Request request) {
        synchronized (this) {
            if (waiting != null) {
                waiting.add(() -> tell(request));
                return;
            }
        }
        tell(request);
    }

    private void tell(Shard.Request request) {
        ready.whenComplete((ref, failure) -> {
            if (failure == null) {
                ref.ask(request);
            } else {
                request.reply().completeExceptionally(failure);
            }
        });
    }

    /** For {@code akka.actor.typed.extensions}. */
    public static final class Id extends ExtensionId<NodeEvents> {
        @Override
        public NodeEvents createExtension(ActorSystem<?> system) {
            return new NodeEvents(system);
        }
    }
}
