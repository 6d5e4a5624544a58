package io.forebay.persistence;

import io.forebay.persistence.core.EventTable;
import io.forebay.persistence.core.UnreadableEventException;
import java.util.List;
import java.util.concurrent.CompletionStage;

/** Hands out the events of one persistence id. */
final class EventsByIdCursor<E> extends Cursor<E> {
    /** Makes of an event what the stream is of, in order. */
    interface Mapping<E> {
        void add(StoredEvent event, List<E> batch);
    }

    private final QuerySide side;
    private final String persistenceId;
    private final long toSequenceNr;
    private final Mapping<E> mapping;
    private long fromSequenceNr;
    /** Null when all it had is handed out. */
    private StoredEvents events;
    /** The highest number there was when it was prepared. */
    private volatile long knownSequenceNr;

    EventsByIdCursor(
            QuerySide side,
            boolean isLive,
            String persistenceId,
            long fromSequenceNr,
            long toSequenceNr,
            Mapping<E> mapping) {
        super(
                isLive,
                side.listeners(ShardKind.shardOf(persistenceId), ShardKind.shardOf(persistenceId)),
                side.executor(),
                side.later());
        this.side = side;
        this.persistenceId = persistenceId;
        this.fromSequenceNr = Math.max(1, fromSequenceNr);
        this.toSequenceNr = toSequenceNr;
        this.mapping = mapping;
    }

    @Override
    CompletionStage<?> prepare() {
        return side.locate(persistenceId).thenAccept(place -> {
            events = side.events(persistenceId, place, fromSequenceNr, toSequenceNr, Long.MAX_VALUE);
            fromSequenceNr = Math.max(fromSequenceNr, place.highestSequenceNr() + 1);
            knownSequenceNr = place.highestSequenceNr();
        });
    }

    @Override
    Progress read(List<E> batch) throws NotNowException, UnreadableEventException {
        if (events != null
                && events.handOut(side.batchEvents(), side.batchBytes(), stored -> mapping.add(stored, batch))) {
            return Progress.MORE;
        }
        events = null;
        return fromSequenceNr > toSequenceNr ? Progress.END : Progress.CAUGHT_UP;
    }

    @Override
    boolean hasMore(int shard, EventTable table) {
        return table.highestSequenceNr(persistenceId) > knownSequenceNr;
    }
}
