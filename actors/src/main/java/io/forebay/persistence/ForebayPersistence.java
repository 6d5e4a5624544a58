package io.forebay.persistence;

import akka.actor.typed.ActorRef;
import akka.actor.typed.ActorSystem;
import akka.actor.typed.DispatcherSelector;
import akka.actor.typed.Extension;
import akka.actor.typed.ExtensionId;
import io.forebay.config.ForebaySettings;
import io.forebay.config.PersistenceSettings;
import io.forebay.config.QueueSettings;
import io.forebay.storage.log.Owner;
import io.forebay.store.ForebayStorage;
import io.forebay.store.StripeHandle;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionStage;

/**
 * What the persistence plugins of an actor system share: opens the stripes, unless a node in the same system does, and starts who
 * writes to the reserved queues. Thread-safe.
 */
public final class ForebayPersistence implements Extension {
    private static final Id ID = new Id();

    /** Who is asked for what. */
    record Serving(StripeHandle stripe, List<ActorRef<EventShard.Command>> events) {}

    private final ActorSystem<?> system;
    private final PersistenceSettings settings;
    private final CompletableFuture<Serving> ready = new CompletableFuture<>();
    /** What is to be done when it is ready, in order; null when that has begun. Guarded by this. */
    private List<Runnable> waiting = new ArrayList<>();


    private ForebayPersistence(ActorSystem<?> system) {
        this.system = system;
        settings = ForebaySettings.from(system.settings().config()).persistence();
        ForebayStorage storage = ForebayStorage.get(system);
        storage.open().whenComplete((stripes, failure) -> {
            if (failure == null) {
                ready.complete(serve(stripes.get(0), storage.recovered(ShardRecovery.class)));
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

    /**
     * Asks the one who writes the events of an id, at once or when what was stored is recovered. In the order of the calls; the
     * promise fails if that does not come to pass.
     */
    void request(String persistenceId, EventShard.Request request) {
        synchronized (this) {
            if (waiting != null) {
                waiting.add(() -> tell(persistenceId, request));
                return;
            }
        }
        tell(persistenceId, request);
    }

    private void tell(String persistenceId, EventShard.Request request) {
        ready.whenComplete((serving, failure) -> {
            if (failure == null) {
                serving.events().get(Shards.of(persistenceId)).tell(request);
            } else {
                request.reply().completeExceptionally(failure);
            }
        });
    }

    /** The one of this system; the first call starts it and waits for nothing. */
    public static ForebayPersistence get(ActorSystem<?> system) {
        return ID.apply(system);
    }

    /** Done when what was stored is recovered, and requests are taken. Fails if the stripes cannot be opened. */
    CompletionStage<Serving> whenReady() {
        return ready;
    }

    private Serving serve(StripeHandle stripe, ShardRecovery recovery) {
        List<ActorRef<EventShard.Command>> events = new ArrayList<>();
        for (int shard = 0; shard < Shards.COUNT; shard++) {
            int queueId = Shards.eventsQueue(shard);
            events.add(system.systemActorOf(
                    EventShard.create(
                            stripe,
                            queueId,
                            settings,
                            recovery.events(queueId),
                            recovery.held(queueId),
                            contradiction(stripe, queueId, recovery)),
                    "forebay-events-" + shard,
                    DispatcherSelector.fromConfig(QueueSettings.DISPATCHER)));
        }
        recovery.done();
        return new Serving(stripe, List.copyOf(events));
    }

    private static String contradiction(StripeHandle stripe, int queueId, ShardRecovery recovery) {
        Owner owner = Owner.queue(queueId);
        if (stripe.recovery().stoppedOwners().contains(owner)) {
            return "records of " + owner + " in stripe " + stripe.stripeId()
                    + " are missing from the log; `forebay log verify` says which, `forebay log repair` goes on without them";
        }
        return recovery.contradiction(queueId);
    }

    /** For {@code akka.actor.typed.extensions}. */
    public static final class Id extends ExtensionId<ForebayPersistence> {
        @Override
        public ForebayPersistence createExtension(ActorSystem<?> system) {
            return new ForebayPersistence(system);
        }
    }
}
