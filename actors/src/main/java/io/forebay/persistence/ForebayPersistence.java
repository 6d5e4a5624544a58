package io.forebay.persistence;

import akka.actor.typed.ActorSystem;
import akka.actor.typed.Behavior;
import akka.actor.typed.DispatcherSelector;
import akka.actor.typed.Extension;
import akka.actor.typed.ExtensionId;
import io.forebay.config.ForebaySettings;
import io.forebay.config.PersistenceSettings;
import io.forebay.config.QueueSettings;
import io.forebay.persistence.core.EventIds;
import io.forebay.persistence.core.EventTable;
import io.forebay.storage.log.Owner;
import io.forebay.store.ForebayStorage;
import io.forebay.store.StripeHandle;
import java.util.ArrayList;
import java.util.EnumMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionStage;
import java.util.function.Consumer;

/**
 * What the persistence plugins of an actor system share: opens the stripes, unless a node in the same system does, and starts who
 * writes to the reserved queues. Thread-safe.
 */
public final class ForebayPersistence implements Extension {
    private static final Id ID = new Id();

    /**
     * When everything is recovered.
     *
     * @param stripe in which the reserved queues live
     * @param eventIds of the queues of events
     * @param eventReaders of the same
     */
    private record Serving(
            StripeHandle stripe,
            Map<ShardKind, List<ShardRef>> shards,
            List<EventIds> eventIds,
            List<EventReaders> eventReaders) {}

    private final ActorSystem<?> system;
    private final PersistenceSettings settings;
    private final CompletableFuture<Serving> ready = new CompletableFuture<>();
    private final List<EventListeners> eventListeners = new ArrayList<>();
    /** What is to be done when it is ready, in order; null when that has begun. Guarded by this. */
    private List<Runnable> waiting = new ArrayList<>();

    /** Not null when it is ready, and all that waited for that is on its way. */
    private volatile Serving serving;

    private ForebayPersistence(ActorSystem<?> system) {
        this.system = system;
        for (int shard = 0; shard < ShardKind.COUNT; shard++) {
            eventListeners.add(new EventListeners(shard));
        }
        settings = ForebaySettings.from(system.settings().config()).persistence();
        ForebayStorage storage = ForebayStorage.get(system);
        storage.open().whenComplete((stripes, failure) -> {
            if (failure == null) {
                try {
                    ready.complete(serve(stripes.get(0), storage.recovered(ShardRecovery.class)));
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
                serving = ready.isCompletedExceptionally() ? null : ready.join();
            }
        });
    }

    /** The one of this system; the first call starts it and waits for nothing. */
    public static ForebayPersistence get(ActorSystem<?> system) {
        return ID.apply(system);
    }

    /**
     * Starts it if anything of the plugins is stored, though no actor may ask for it: somebody has to give the checkpoints their part
     * of it, or the log would keep all from there on.
     *
     * @param storage that has been opened
     */
    public static void startIfNeeded(ActorSystem<?> system, ForebayStorage storage) {
        if (storage.recovered(ShardRecovery.class).isAnythingOfPlugins()) {
            get(system);
        }
    }

    /** The stripe that the reserved queues lie in, when what was stored is recovered. Fails if the stripes cannot be opened. */
    CompletionStage<StripeHandle> stripe() {
        return ready.thenApply(Serving::stripe);
    }

    PersistenceSettings settings() {
        return settings;
    }

    /** The persistence ids of a queue of events; of a system whose {@link #stripe} is there. */
    EventIds eventIds(int shard) {
        return ready.join().eventIds().get(shard);
    }

    /** Readers of a queue of events; of a system whose {@link #stripe} is there. */
    EventReaders eventReaders(int shard) {
        return ready.join().eventReaders().get(shard);
    }

    /** Hands over each reserved queue of this system that is not served though its stripe is. Starts nothing; any thread. */
    public static void visitFaults(ActorSystem<?> system, Consumer<ShardFault> visitor) {
        if (system.hasExtension(ID) && isReady(ID.apply(system))) {
            ID.apply(system)
                    .ready
                    .join()
                    .shards()
                    .values()
                    .forEach(refs -> refs.forEach(ref -> ref.fault().ifPresent(visitor)));
        }
    }

    private static boolean isReady(ForebayPersistence persistence) {
        return persistence.ready.isDone() && !persistence.ready.isCompletedExceptionally();
    }

    /** Who is told of what is flushed in a queue of events. */
    EventListeners eventListeners(int shard) {
        return eventListeners.get(shard);
    }

    /**
     * Asks the one who writes what there is of that kind for an id, at once or when what was stored is recovered. In the order of the
     * calls; the promise fails if that does not come to pass.
     */
    void request(ShardKind kind, String persistenceId, Shard.Request request) {
        request(kind, ShardKind.shardOf(persistenceId), request);
    }

    /** The same by the number of the queue. */
    void request(ShardKind kind, int shard, Shard.Request request) {
        Serving now = serving;
        if (now != null) {
            now.shards().get(kind).get(shard).ask(request);
            return;
        }
        synchronized (this) {
            if (waiting != null) {
                waiting.add(() -> tell(kind, shard, request));
                return;
            }
        }
        tell(kind, shard, request);
    }

    private void tell(ShardKind kind, int shard, Shard.Request request) {
        ready.whenComplete((begun, failure) -> {
            if (failure == null) {
                begun.shards().get(kind).get(shard).ask(request);
            } else {
                request.reply().completeExceptionally(failure);
            }
        });
    }

    private Serving serve(StripeHandle stripe, ShardRecovery recovery) {
        Map<ShardKind, List<ShardRef>> shards = new EnumMap<>(ShardKind.class);
        List<EventIds> eventIds = new ArrayList<>();
        List<EventReaders> eventReaders = new ArrayList<>();
        for (ShardKind kind : ShardKind.OF_PLUGINS) {
            List<ShardRef> refs = new ArrayList<>();
            for (int shard = 0; shard < ShardKind.COUNT; shard++) {
                ShardRecovery.Recovered recovered = recovery.take(kind, shard);
                if (kind == ShardKind.EVENTS) {
                    eventIds.add(((EventTable) recovered.table).ids());
                    eventReaders.add(new EventReaders(stripe, kind.queueId(shard)));
                }
                ShardRef ref = new ShardRef(stripe.stripeId(), Owner.queue(kind.queueId(shard)), kind.text(shard));
                ref.begin(system.systemActorOf(
                        writer(ref, kind, stripe, shard, recovered),
                        "forebay-" + kind.name().toLowerCase(Locale.ROOT) + "-" + shard,
                        DispatcherSelector.fromConfig(QueueSettings.DISPATCHER)));
                refs.add(ref);
            }
            shards.put(kind, List.copyOf(refs));
        }
        return new Serving(stripe, shards, List.copyOf(eventIds), List.copyOf(eventReaders));
    }

    private Behavior<Shard.Command> writer(
            ShardRef ref, ShardKind kind, StripeHandle stripe, int shard, ShardRecovery.Recovered recovered) {
        int queueId = kind.queueId(shard);
        return switch (kind) {
            case STATES -> StateShard.create(ref, stripe, queueId, settings, recovered);
            case EVENTS -> EventShard.create(ref, stripe, queueId, settings, recovered, eventListeners.get(shard));
            case SNAPSHOTS -> SnapshotShard.create(ref, stripe, queueId, settings, recovered);
            case REGISTRY -> throw new AssertionError(kind);
        };
    }

    /** For {@code akka.actor.typed.extensions}. */
    public static final class Id extends ExtensionId<ForebayPersistence> {
        @Override
        public ForebayPersistence createExtension(ActorSystem<?> system) {
            return new ForebayPersistence(system);
        }
    }
}
