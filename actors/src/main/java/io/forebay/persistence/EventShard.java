package io.forebay.persistence;

import akka.actor.typed.Behavior;
import akka.actor.typed.DispatcherSelector;
import akka.actor.typed.javadsl.ActorContext;
import akka.actor.typed.javadsl.Behaviors;
import io.forebay.config.DurabilitySetting;
import io.forebay.config.PersistenceSettings;
import io.forebay.config.StoreSettings;
import io.forebay.persistence.core.EventDraft;
import io.forebay.persistence.core.EventTable;
import io.forebay.protocol.Refusal;
import io.forebay.storage.log.LogRecord;
import io.forebay.storage.log.PersistenceEventsDeletedRecord;
import io.forebay.store.StripeHandle;
import java.util.List;
import java.util.concurrent.CompletableFuture;

/** The one who writes the events of a reserved queue. */
final class EventShard extends Shard<EventTable> {
    /**
     * Stores events, all or none; kept at the level that the settings name.
     *
     * @param events of ascending numbers, at least one
     * @param reply fails with {@link Refusal.Code#ILLEGAL_ARGUMENT} if a number is stored already, with {@link
     *     Refusal.Code#TOO_LARGE} if they do not fit a frame, with {@link Refusal.Code#OUTCOME_UNKNOWN} if they may be stored
     */
    record Write(String persistenceId, List<EventDraft> events, CompletableFuture<Void> reply) implements Request {}

    /** Deletes the events up to a number; kept when that is flushed. Idempotent. */
    record Delete(String persistenceId, long toSequenceNr, CompletableFuture<Void> reply) implements Request {}

    /** Where the events of an id are; kept when everything that was written before is flushed. */
    record Locate(String persistenceId, CompletableFuture<EventTable.Place> reply) implements Request {}

    /** How many persistence ids there are; kept when everything that was written before is flushed. */
    record AwaitFlushed(CompletableFuture<Integer> reply) implements Request {}

    private final boolean isFlushedWanted;
    private final EventListeners listeners;
    private final StripeHandle stripe;
    private final int queueId;
    private final EventReleases releases;

    /** @param listeners told of what is flushed */
    static Behavior<Command> create(
            StripeHandle stripe,
            int queueId,
            PersistenceSettings settings,
            ShardRecovery.Recovered recovered,
            EventListeners listeners) {
        return Behaviors.setup(context -> new EventShard(context, stripe, queueId, settings, recovered, listeners));
    }

    private EventShard(
            ActorContext<Command> context,
            StripeHandle stripe,
            int queueId,
            PersistenceSettings settings,
            ShardRecovery.Recovered recovered,
            EventListeners listeners) {
        super(context, stripe, queueId, recovered, (EventTable) recovered.table);
        this.listeners = listeners;
        this.stripe = stripe;
        this.queueId = queueId;
        isFlushedWanted = settings.durability() == DurabilitySetting.FLUSHED;
        releases = new EventReleases(
                stripe,
                queueId,
                context.getSelf(),
                context.getSystem().dispatchers().lookup(DispatcherSelector.fromConfig(StoreSettings.READ_DISPATCHER)),
                context.getLog());
        // What was recovered is flushed, deletions included.
        release(table().released());
        table().deletions().forEach(releases::add);
    }

    @Override
    void take(Request request) {
        if (request instanceof Write write) {
            write(write);
        } else if (request instanceof Delete delete) {
            delete(delete);
        } else if (request instanceof Locate locate) {
            EventTable.Place place = table().place(locate.persistenceId);
            awaitFlushed(locate, () -> locate.reply.complete(place));
        } else if (request instanceof AwaitFlushed await) {
            int count = table().count();
            awaitFlushed(await, () -> await.reply.complete(count));
        } else if (request instanceof EventReleases.Found found) {
            found(found);
        } else {
            throw new AssertionError(request);
        }
    }

    @Override
    boolean isWatched() {
        return !listeners.isEmpty();
    }

    @Override
    void flushed() {
        listeners.flushed(table());
    }

    @Override
    void closed(Refusal reason) {
        listeners.closed(reason);
    }

    private void write(Write write) {
        List<LogRecord> records;
        try {
            records = table().decideWrite(write.persistenceId, write.events, nowMillis());
        } catch (IllegalArgumentException e) {
            fail(write, Refusal.of(Refusal.Code.ILLEGAL_ARGUMENT, e.getMessage()));
            return;
        }
        store(write, records, isFlushedWanted, () -> write.reply.complete(null));
    }

    private void delete(Delete delete) {
        PersistenceEventsDeletedRecord record = table().decideDelete(delete.persistenceId, delete.toSequenceNr);
        if (record == null) {
            awaitFlushed(delete, () -> delete.reply.complete(null));
        } else {
            store(delete, List.of(record), true, () -> {
                delete.reply.complete(null);
                EventTable.Deletion deletion = table().deletion(delete.persistenceId, record.toSequenceNr());
                if (deletion != null) {
                    releases.add(deletion);
                }
            });
        }
    }

    private void found(EventReleases.Found found) {
        if (found.offsets() != null) {
            table().released(found.deletion(), found.offsets(), stripe.log().releasedBelow(queueId));
            release(found.offsets());
        }
        releases.found();
    }
}
