package io.forebay.persistence;

import akka.NotUsed;
import akka.actor.ExtendedActorSystem;
import akka.japi.Pair;
import akka.persistence.Persistence;
import akka.persistence.query.EventEnvelope;
import akka.persistence.query.Offset;
import akka.persistence.query.Sequence;
import akka.persistence.query.TimestampOffset;
import akka.persistence.query.javadsl.CurrentEventsByPersistenceIdQuery;
import akka.persistence.query.javadsl.CurrentEventsByTagQuery;
import akka.persistence.query.javadsl.CurrentPersistenceIdsQuery;
import akka.persistence.query.javadsl.EventsByPersistenceIdQuery;
import akka.persistence.query.javadsl.EventsByTagQuery;
import akka.persistence.query.javadsl.PersistenceIdsQuery;
import akka.persistence.query.typed.javadsl.CurrentEventsByPersistenceIdTypedQuery;
import akka.persistence.query.typed.javadsl.CurrentEventsBySliceQuery;
import akka.persistence.query.typed.javadsl.EventTimestampQuery;
import akka.persistence.query.typed.javadsl.EventsByPersistenceIdTypedQuery;
import akka.persistence.query.typed.javadsl.EventsBySliceQuery;
import akka.persistence.query.typed.javadsl.LoadEventQuery;
import akka.stream.ActorAttributes;
import akka.stream.javadsl.Sink;
import akka.stream.javadsl.Source;
import com.typesafe.config.Config;
import io.forebay.persistence.core.EventTable;
import java.time.Instant;
import java.util.List;
import java.util.NoSuchElementException;
import java.util.Optional;
import java.util.concurrent.CompletionStage;

/**
 * Akka's read journal on the log of this node, or of this application alone:
 * {@code PersistenceQuery.get(system).getReadJournalFor(ForebayReadJournal.class, ForebayReadJournal.IDENTIFIER)}. Thread-safe.
 *
 * <p>A query tells of nothing that is not flushed, whatever {@code forebay.persistence.durability} is, and never of an event before
 * one that precedes it. Live queries sleep until more is flushed; who writes wakes them. A stream that is not asked for more holds
 * no more than {@code forebay.persistence.query-batch-events} and {@code query-batch-bytes} say. It fails if an event is damaged, if one
 * cannot be read for about a quarter of a minute, or if nothing is stored any more; started anew behind the last offset that was
 * dealt with it goes on with exactly what is left.
 */
public final class ForebayReadJournal
        implements EventsByPersistenceIdQuery,
                CurrentEventsByPersistenceIdQuery,
                EventsByPersistenceIdTypedQuery,
                CurrentEventsByPersistenceIdTypedQuery,
                PersistenceIdsQuery,
                CurrentPersistenceIdsQuery,
                EventsByTagQuery,
                CurrentEventsByTagQuery,
                EventsBySliceQuery,
                CurrentEventsBySliceQuery,
                EventTimestampQuery,
                LoadEventQuery {
    /** Of the plugin's section. */
    public static final String IDENTIFIER = "forebay.persistence.query";

    private final ExtendedActorSystem system;
    private final Persistence persistence;
    private final String dispatcher;
    private final QuerySide side;
    private final Envelopes envelopes;

    ForebayReadJournal(ExtendedActorSystem system, Config config) {
        this.system = system;
        persistence = Persistence.get(system);
        dispatcher = config.getString("dispatcher");
        side = new QuerySide(system, system.dispatchers().lookup(dispatcher));
        envelopes = new Envelopes(system, config.getString("write-plugin"));
    }

    /**
     * The events of a persistence id by ascending numbers, both inclusive, and those that are stored later; ends behind the last
     * number. Begins behind what is deleted. The offsets are those of {@link #eventsByTag}.
     */
    @Override
    public Source<EventEnvelope, NotUsed> eventsByPersistenceId(
            String persistenceId, long fromSequenceNr, long toSequenceNr) {
        return eventsById(true, persistenceId, fromSequenceNr, toSequenceNr);
    }

    /** The same, of what is stored when the stream starts. */
    @Override
    public Source<EventEnvelope, NotUsed> currentEventsByPersistenceId(
            String persistenceId, long fromSequenceNr, long toSequenceNr) {
        return eventsById(false, persistenceId, fromSequenceNr, toSequenceNr);
    }

    private Source<EventEnvelope, NotUsed> eventsById(
            boolean isLive, String persistenceId, long fromSequenceNr, long toSequenceNr) {
        return Cursor.source(() ->
                new EventsByIdCursor<>(side, isLive, persistenceId, fromSequenceNr, toSequenceNr, envelopes::add));
    }

    /** All persistence ids of which an event was ever stored, each once, in no order, and those that come later. */
    @Override
    public Source<String, NotUsed> persistenceIds() {
        return Cursor.source(() -> new PersistenceIdsCursor(side, true));
    }

    /** The same, of what is stored when the stream starts. */
    @Override
    public Source<String, NotUsed> currentPersistenceIds() {
        return Cursor.source(() -> new PersistenceIdsCursor(side, false));
    }

    /** As {@link #eventsByPersistenceId}, in the envelopes and with the offsets of {@link #eventsBySlices}. */
    @Override
    public <E> Source<akka.persistence.query.typed.EventEnvelope<E>, NotUsed> eventsByPersistenceIdTyped(
            String persistenceId, long fromSequenceNr, long toSequenceNr) {
        return eventsByIdTyped(true, persistenceId, fromSequenceNr, toSequenceNr);
    }

    /** The same, of what is stored when the stream starts. */
    @Override
    public <E> Source<akka.persistence.query.typed.EventEnvelope<E>, NotUsed> currentEventsByPersistenceIdTyped(
            String persistenceId, long fromSequenceNr, long toSequenceNr) {
        return eventsByIdTyped(false, persistenceId, fromSequenceNr, toSequenceNr);
    }

    private <E> Source<akka.persistence.query.typed.EventEnvelope<E>, NotUsed> eventsByIdTyped(
            boolean isLive, String persistenceId, long fromSequenceNr, long toSequenceNr) {
        return Cursor.source(() -> new EventsByIdCursor<>(
                side,
                isLive,
                persistenceId,
                fromSequenceNr,
                toSequenceNr,
                (stored, batch) -> envelopes.add(stored, SliceOffsets.of(stored, side.nowMillis()), batch)));
    }

    /**
     * The events with a tag in the order in which they were written, and those that are stored later; without those that are
     * deleted.
     *
     * @param offset to begin behind: {@link Offset#noOffset}, or the {@link Sequence} of an envelope, which is its event's number
     *     among all that is stored
     * @throws IllegalArgumentException if it is another
     */
    @Override
    public Source<EventEnvelope, NotUsed> eventsByTag(String tag, Offset offset) {
        return byTag(true, tag, offset);
    }

    /** The same, of what is stored when the stream starts. */
    @Override
    public Source<EventEnvelope, NotUsed> currentEventsByTag(String tag, Offset offset) {
        return byTag(false, tag, offset);
    }

    private Source<EventEnvelope, NotUsed> byTag(boolean isLive, String tag, Offset offset) {
        long behind = sequenceOf(offset);
        return Cursor.source(() -> new EventsCursor<>(
                side,
                isLive,
                0,
                ShardKind.COUNT - 1,
                (sequence, logTimeMillis) -> sequence <= behind,
                stored -> stored.sequence() > behind && stored.event().tags().contains(tag),
                envelopes::add));
    }

    private static long sequenceOf(Offset offset) {
        if (offset instanceof Sequence sequence) {
            return sequence.value();
        }
        if (offset == Offset.noOffset()) {
            return -1;
        }
        throw new IllegalArgumentException(
                "offset " + offset + " of a query by tag: allowed are none, or the Sequence of an envelope");
    }

    /**
     * The events of an entity type's persistence ids in a range of slices, in the order in which they were written, and those that
     * are stored later; without those that are deleted.
     *
     * @param minSlice from 0
     * @param maxSlice inclusive, at most 1023
     * @param offset to begin behind: {@link Offset#noOffset}, or the {@link TimestampOffset} of an envelope, whose time is when
     *     the log took the event, in milliseconds
     * @throws IllegalArgumentException if it is another, or the range is none
     */
    @Override
    public <E> Source<akka.persistence.query.typed.EventEnvelope<E>, NotUsed> eventsBySlices(
            String entityType, int minSlice, int maxSlice, Offset offset) {
        return bySlices(true, entityType, minSlice, maxSlice, offset);
    }

    /** The same, of what is stored when the stream starts. */
    @Override
    public <E> Source<akka.persistence.query.typed.EventEnvelope<E>, NotUsed> currentEventsBySlices(
            String entityType, int minSlice, int maxSlice, Offset offset) {
        return bySlices(false, entityType, minSlice, maxSlice, offset);
    }

    private <E> Source<akka.persistence.query.typed.EventEnvelope<E>, NotUsed> bySlices(
            boolean isLive, String entityType, int minSlice, int maxSlice, Offset offset) {
        if (minSlice < 0 || minSlice > maxSlice || maxSlice >= EventTable.SLICES) {
            throw new IllegalArgumentException("slices " + minSlice + " to " + maxSlice + ": allowed are 0 to "
                    + (EventTable.SLICES - 1) + ", the lower one first");
        }
        TimestampOffset behind = TimestampOffset.toTimestampOffset(offset);
        return Cursor.source(() -> {
            SliceOffsets offsets = new SliceOffsets(behind, side::nowMillis);
            return new EventsCursor<>(
                    side,
                    isLive,
                    ShardKind.shardOfSlice(minSlice),
                    ShardKind.shardOfSlice(maxSlice),
                    (sequence, logTimeMillis) -> offsets.isBehind(logTimeMillis),
                    stored -> {
                        int slice = EventTable.sliceOf(stored.persistenceId());
                        return slice >= minSlice
                                && slice <= maxSlice
                                && EventTable.entityTypeOf(stored.persistenceId())
                                        .equals(entityType)
                                && offsets.isWanted(stored);
                    },
                    (stored, batch) -> envelopes.add(stored, offsets.next(stored), batch));
        });
    }

    @Override
    public int sliceForPersistenceId(String persistenceId) {
        return persistence.sliceForPersistenceId(persistenceId);
    }

    @Override
    public List<Pair<Integer, Integer>> sliceRanges(int numberOfRanges) {
        return persistence.getSliceRanges(numberOfRanges);
    }

    /** When the log took an event: the time of its {@link TimestampOffset}; nothing if it is not stored, or deleted. */
    @Override
    public CompletionStage<Optional<Instant>> timestampOf(String persistenceId, long sequenceNr) {
        return event(persistenceId, sequenceNr)
                .thenApply(found -> found.map(envelope -> ((TimestampOffset) envelope.offset()).timestamp()));
    }

    /** One event; fails with {@link NoSuchElementException} if it is not stored, or deleted. */
    @Override
    public <E> CompletionStage<akka.persistence.query.typed.EventEnvelope<E>> loadEnvelope(
            String persistenceId, long sequenceNr) {
        return this.<E>event(persistenceId, sequenceNr)
                .thenApply(found -> found.orElseThrow(() -> new NoSuchElementException(
                        "event " + sequenceNr + " of persistence id '" + persistenceId + "' is not stored")));
    }

    private <E> CompletionStage<Optional<akka.persistence.query.typed.EventEnvelope<E>>> event(
            String persistenceId, long sequenceNr) {
        return this.<E>eventsByIdTyped(false, persistenceId, sequenceNr, sequenceNr)
                .withAttributes(ActorAttributes.dispatcher(dispatcher))
                .runWith(Sink.headOption(), system);
    }
}
