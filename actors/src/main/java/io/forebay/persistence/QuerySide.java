package io.forebay.persistence;

import akka.actor.ActorSystem;
import akka.actor.typed.javadsl.Adapter;
import akka.dispatch.MessageDispatcher;
import io.forebay.config.PersistenceSettings;
import io.forebay.persistence.core.EventIds;
import io.forebay.persistence.core.EventTable;
import io.forebay.store.StripeHandle;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.Executor;

/** What the queries of one read journal have in common. Thread-safe. */
final class QuerySide {
    private final ActorSystem system;
    private final ForebayPersistence persistence;
    private final MessageDispatcher executor;
    private final int batchEvents;
    private final int batchBytes;

    /** @param executor may wait for the device */
    QuerySide(ActorSystem system, MessageDispatcher executor) {
        this.system = system;
        this.executor = executor;
        persistence = ForebayPersistence.get(Adapter.toTyped(system));
        PersistenceSettings settings = persistence.settings();
        batchEvents = settings.queryBatchEvents();
        batchBytes = settings.queryBatchBytes();
    }

    Executor executor() {
        return executor;
    }

    Cursor.Later later() {
        return (delay, task) -> system.scheduler().scheduleOnce(delay, task, executor);
    }

    int batchEvents() {
        return batchEvents;
    }

    int batchBytes() {
        return batchBytes;
    }

    List<EventListeners> listeners(int firstShard, int lastShard) {
        List<EventListeners> listeners = new ArrayList<>();
        for (int shard = firstShard; shard <= lastShard; shard++) {
            listeners.add(persistence.eventListeners(shard));
        }
        return listeners;
    }

    EventIds ids(int shard) {
        return persistence.eventIds(shard);
    }

    /** Behind a promise of {@link #locate} or {@link #awaitFlushed} that was kept. */
    StripeHandle stripe() {
        return persistence.stripe().toCompletableFuture().join();
    }

    CompletableFuture<EventTable.Place> locate(String persistenceId) {
        CompletableFuture<EventTable.Place> place = new CompletableFuture<>();
        persistence.request(ShardKind.EVENTS, persistenceId, new EventShard.Locate(persistenceId, place));
        return place;
    }

    CompletableFuture<Integer> awaitFlushed(int shard) {
        CompletableFuture<Integer> count = new CompletableFuture<>();
        persistence.request(ShardKind.EVENTS, shard, new EventShard.AwaitFlushed(count));
        return count;
    }

    /** Log time. As {@link #stripe}. */
    long nowMillis() {
        return stripe().clock().millis();
    }

    /**
     * Reads a queue. As {@link #stripe}.
     *
     * @param share of how many queues it is one: together they hold a batch
     */
    QueueEvents queue(int shard, int share, QueueEvents.Start start, QueueEvents.Filter filter) {
        return new QueueEvents(
                stripe().log(),
                ShardKind.EVENTS.queueId(shard),
                ids(shard),
                start,
                filter,
                Math.max(16, batchEvents / share),
                Math.max(4096, batchBytes / share));
    }

    /** As {@link #stripe}. */
    StoredEvents events(
            String persistenceId, EventTable.Place place, long fromSequenceNr, long toSequenceNr, long max) {
        return new StoredEvents(
                persistence.eventReaders(ShardKind.shardOf(persistenceId)),
                persistenceId,
                place,
                fromSequenceNr,
                toSequenceNr,
                max);
    }
}
