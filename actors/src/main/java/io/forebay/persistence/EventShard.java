package io.forebay.persistence;

import akka.actor.typed.Behavior;
import akka.actor.typed.DispatcherSelector;
import akka.actor.typed.javadsl.ActorContext;
import io.forebay.config.DurabilitySetting;
import io.forebay.config.PersistenceSettings;
import io.forebay.config.StoreSettings;
import io.forebay.persistence.core.EventDraft;
import io.forebay.persistence.core.EventTable;
import io.forebay.protocol.ForebayException;
import io.forebay.protocol.Refusal;
import io.forebay.storage.log.LogRecord;
import io.forebay.storage.log.OffsetSet;
import io.forebay.storage.log.Owner;
import io.forebay.storage.log.PersistenceEventsDeletedRecord;
import io.forebay.store.StripeHandle;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
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

    private static final int REFUSED_WRITERS_MAX = 10_000;

    private final boolean isFlushedWanted;
    private final EventListeners listeners;
    private final StripeHandle stripe;
    private final int queueId;
    private final EventReleases releases;
    /** Found, and in no snapshot yet. */
    private OffsetSet.Builder toRelease = OffsetSet.builder();
    /**
     * Actors of which a write was refused, by what Akka calls each of them, those last that were refused last. Such an actor ends;
     * what it had sent behind that write must not be stored without it.
     */
    private final Map<String, Refusal> refusedWriters = new LinkedHashMap<>(16, 0.75f, true) {
        private static final long serialVersionUID = 1;

        @Override
        protected boolean removeEldestEntry(Map.Entry<String, Refusal> eldest) {
            return size() > REFUSED_WRITERS_MAX;
        }
    };

    /**
     * @param ref told when this actor has ended
     * @param listeners told of what is flushed
     */
    static Behavior<Command> create(
            ShardRef ref,
            StripeHandle stripe,
            int queueId,
            PersistenceSettings settings,
            ShardRecovery.Recovered recovered,
            EventListeners listeners) {
        return setup(ref, context -> new EventShard(context, ref, stripe, queueId, settings, recovered, listeners));
    }

    private EventShard(
            ActorContext<Command> context,
            ShardRef ref,
            StripeHandle stripe,
            int queueId,
            PersistenceSettings settings,
            ShardRecovery.Recovered recovered,
            EventListeners listeners) {
        super(context, ref, stripe, queueId, settings, recovered, (EventTable) recovered.table);
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
        if (table().lossesOrNull() != null) {
            context.getLog()
                    .warn(
                            "{} ({}): {}; what is to become of those is for forebay.persistence.lost-names to say",
                            Owner.queue(queueId),
                            ShardKind.EVENTS.text(queueId - ShardKind.EVENTS.queueId(0)),
                            table().lossesOrNull());
        }
        // What was recovered is flushed, deletions included.
        release(table().released());
        table().deletions().forEach(releases::add);
    }

    @Override
    void take(Request request) {
        if (request instanceof Write write) {
            if (!refusesForLosses(write, write.persistenceId)) {
                write(write);
            }
        } else if (request instanceof Delete delete) {
            if (!refusesForLosses(delete, delete.persistenceId)) {
                delete(delete);
            }
        } else if (request instanceof Locate locate) {
            if (refusesForLosses(locate, locate.persistenceId)) {
                return;
            }
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

    private boolean refusesForLosses(Request request, String persistenceId) {
        return refusesForLostName(request, persistenceId)
                || table().mayHaveLostItsNewest(persistenceId)
                        && refusesAsLost(
                                request,
                                "a repair of the log has given up events of " + Owner.queue(queueId)
                                        + " that no later one tells of, and they may have been the newest of persistence"
                                        + " id '" + persistenceId
                                        + "', which has written nothing since; once it is sure that they were not, or may"
                                        + " be missing, forebay.persistence.lost-names = forget goes on with what is"
                                        + " there");
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
        String writer = write.events.get(0).writerUuid();
        Refusal refused = refusedWriters.get(writer);
        if (refused != null) {
            fail(write, refused);
            return;
        }
        List<LogRecord> records;
        try {
            records = table().decideWrite(write.persistenceId, write.events, nowMillis());
        } catch (IllegalArgumentException e) {
            Refusal refusal = Refusal.of(Refusal.Code.ILLEGAL_ARGUMENT, e.getMessage());
            refusedWriters.put(writer, refusal);
            fail(write, refusal);
            return;
        }
        if (!store(write, records, isFlushedWanted, () -> write.reply.complete(null))) {
            noteRefused(writer, write.reply);
        }
        lookAgain();
    }

    /** Unless it waits for room, or is only rejected, behind which its actor may go on. */
    private void noteRefused(String writer, CompletableFuture<Void> reply) {
        if (reply.isCompletedExceptionally()) {
            reply.exceptionally(failure -> {
                if (failure instanceof ForebayException refused
                        && refused.refusal().code() != Refusal.Code.TOO_LARGE) {
                    refusedWriters.put(writer, refused.refusal());
                }
                return null;
            });
        }
    }

    private void delete(Delete delete) {
        PersistenceEventsDeletedRecord record = table().decideDelete(delete.persistenceId, delete.toSequenceNr);
        if (record == null) {
            awaitFlushed(delete, () -> delete.reply.complete(null));
        } else {
            // Looked for from here: what comes later is perhaps not written when this is flushed.
            EventTable.Place place = table().place(delete.persistenceId);
            storeDeletion(delete, record, () -> {
                delete.reply.complete(null);
                EventTable.Deletion deletion =
                        table().deletion(delete.persistenceId, place.lastOffset(), record.toSequenceNr());
                if (deletion != null) {
                    releases.add(deletion);
                }
            });
        }
    }

    private void lookAgain() {
        releases.again(nowMillis(), deletion -> !table().isReleased(deletion));
    }

    private void found(EventReleases.Found found) {
        if (found.offsets() != null) {
            table().released(found.deletion(), found.offsets(), stripe.log().releasedBelow(queueId));
            toRelease.addAll(found.offsets());
        }
        releases.found(found, nowMillis());
    }

    /**
     * Only now: the offsets are known to a snapshot, so a start knows them, too, when what lies there is gone. What gives them up
     * names none, and to find them takes the events.
     */
    @Override
    void snapshotGiven() {
        release(toRelease.build());
        toRelease = OffsetSet.builder();
        lookAgain();
    }
}
