package io.forebay.persistence;

import akka.actor.typed.Behavior;
import akka.actor.typed.javadsl.ActorContext;
import io.forebay.config.PersistenceSettings;
import io.forebay.persistence.core.NodeEventTable;
import io.forebay.protocol.Refusal;
import io.forebay.storage.log.LogRecord;
import io.forebay.storage.log.NodeEventsSnapshot.Event;
import io.forebay.store.StripeHandle;
import java.util.List;
import java.util.concurrent.CompletableFuture;

/** The one who writes the events of an actor of the node: flushed, whatever the settings say of those of an application. */
final class NodeEventShard extends Shard<NodeEventTable> {
    /**
     * Stores events, all or none; kept when they are flushed.
     *
     * @param events of ascending numbers, at least one
     * @param reply fails with {@link Refusal.Code#ILLEGAL_ARGUMENT} if a number is stored already, with {@link
     *     Refusal.Code#TOO_LARGE} if they do not fit a frame, with {@link Refusal.Code#OUTCOME_UNKNOWN} if they may be stored
     */
    record Write(String persistenceId, List<Event> events, CompletableFuture<Void> reply) implements Request {}

    /** Deletes the events up to a number; kept when that is flushed. Idempotent. */
    record Delete(String persistenceId, long toSequenceNr, CompletableFuture<Void> reply) implements Request {}

    /** All events; kept when everything that was written before is flushed. */
    record Read(String persistenceId, CompletableFuture<Stored> reply) implements Request {}

    /**
     * Events that are flushed.
     *
     * @param highestSequenceNr 0 if nothing was ever stored
     * @param deletedTo those up to this number are gone
     */
    record Stored(long highestSequenceNr, long deletedTo, List<Event> events) {}

    private final StripeHandle stripe;
    private final int queueId;

    /** @param ref told when this actor has ended */
    static Behavior<Command> create(
            ShardRef ref,
            StripeHandle stripe,
            int queueId,
            PersistenceSettings settings,
            ShardRecovery.Recovered recovered) {
        return setup(ref, context -> new NodeEventShard(context, ref, stripe, queueId, settings, recovered));
    }

    private NodeEventShard(
            ActorContext<Command> context,
            ShardRef ref,
            StripeHandle stripe,
            int queueId,
            PersistenceSettings settings,
            ShardRecovery.Recovered recovered) {
        super(context, ref, stripe, queueId, settings, recovered, (NodeEventTable) recovered.table);
        this.stripe = stripe;
        this.queueId = queueId;
        releaseAll();
    }

    @Override
    void take(Request request) {
        if (request instanceof Write write) {
            write(write);
        } else if (request instanceof Delete delete) {
            LogRecord record =
                    isRefused(delete, delete.persistenceId) ? null : table().decideDelete(delete.toSequenceNr);
            if (record != null) {
                storeDeletion(delete, record, () -> delete.reply.complete(null));
            } else if (!delete.reply.isDone()) {
                awaitFlushed(delete, () -> delete.reply.complete(null));
            }
        } else if (request instanceof Read read) {
            if (!isRefused(read, read.persistenceId)) {
                Stored stored = new Stored(table().highestSequenceNr(), table().deletedTo(), table().events());
                awaitFlushed(read, () -> read.reply.complete(stored));
            }
        } else {
            throw new AssertionError(request);
        }
    }

    private void write(Write write) {
        List<LogRecord> records;
        try {
            records = table().decideWrite(write.persistenceId, write.events, nowMillis());
        } catch (IllegalArgumentException e) {
            fail(write, Refusal.of(Refusal.Code.ILLEGAL_ARGUMENT, e.getMessage()));
            return;
        }
        storeAdministration(write, records, () -> write.reply.complete(null));
    }

    private boolean isRefused(Request request, String persistenceId) {
        boolean isOfOther = !table().isOf(persistenceId);
        if (isOfOther) {
            fail(
                    request,
                    Refusal.of(
                            Refusal.Code.ILLEGAL_ARGUMENT,
                            "nothing is stored of '" + persistenceId + "', but events of another node"));
        }
        return isOfOther;
    }

    /** Nobody reads them from where they lie: a start takes a snapshot of the queue, and the records behind it. */
    @Override
    void snapshotGiven() {
        releaseAll();
    }

    private void releaseAll() {
        stripe.log().releaseBelow(queueId, stripe.log().nextOffset(queueId));
    }
}
