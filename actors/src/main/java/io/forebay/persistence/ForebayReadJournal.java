package io.forebay.persistence;

import akka.NotUsed;
import akka.actor.ExtendedActorSystem;
import akka.persistence.query.EventEnvelope;
import akka.persistence.query.javadsl.CurrentEventsByPersistenceIdQuery;
import akka.persistence.query.javadsl.CurrentPersistenceIdsQuery;
import akka.persistence.query.javadsl.EventsByPersistenceIdQuery;
import akka.persistence.query.javadsl.PersistenceIdsQuery;
import akka.stream.javadsl.Source;
import com.typesafe.config.Config;

/**
 * Akka's read journal on the log of this node, or of this application alone:
 * {@code PersistenceQuery.get(system).getReadJournalFor(ForebayReadJournal.class, ForebayReadJournal.IDENTIFIER)}. Thread-safe.
 *
 * <p>A query tells of nothing that is not flushed, whatever {@code forebay.persistence.durability} is, and never of an event before
 * one that precedes it. Live queries sleep until more is flushed; who writes wakes them. A stream that is not asked for more holds
 * no more than {@code forebay.persistence.query.batch-events} and {@code batch-bytes} say. It fails if an event is damaged, if one
 * cannot be read for about a quarter of a minute, or if nothing is stored any more; started anew behind the last offset that was
 * dealt with it goes on with exactly what is left.
 */
public final class ForebayReadJournal
        implements EventsByPersistenceIdQuery,
                CurrentEventsByPersistenceIdQuery,
                PersistenceIdsQuery,
                CurrentPersistenceIdsQuery {
    /** Of the plugin's section. */
    public static final String IDENTIFIER = "forebay.persistence.query";

    private final QuerySide side;
    private final Envelopes envelopes;

    ForebayReadJournal(ExtendedActorSystem system, Config config) {
        side = new QuerySide(system, system.dispatchers().lookup(config.getString("dispatcher")));
        envelopes = new Envelopes(system, config.getString("write-plugin"));
    }

    /**
     * The events of a persistence id by ascending numbers, both inclusive, and those that are stored later; ends behind the last
     * number. Begins behind what is deleted. Its offsets are the sequences of the events in the log.
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
        return Cursor.source(() -> new EventsByIdCursor<>(
                side, isLive, persistenceId, fromSequenceNr, toSequenceNr, envelopes::add));
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
}
