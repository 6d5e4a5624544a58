package io.forebay.persistence;

import akka.actor.ActorSystem;
import akka.persistence.Persistence;
import akka.persistence.journal.EventAdapters;
import akka.persistence.query.EventEnvelope;
import akka.persistence.query.Offset;
import io.forebay.persistence.core.EventTable;
import io.forebay.storage.log.PersistenceEventRecord;
import java.util.List;
import java.util.Optional;
import scala.Option;
import scala.collection.immutable.Set;
import scala.jdk.javaapi.CollectionConverters;
import scala.jdk.javaapi.OptionConverters;

/** Makes of stored events what streams of queries are of; behind the event adapters of a journal. Thread-safe. */
final class Envelopes {
    private final EventCodec codec;
    private final EventAdapters adapters;

    Envelopes(ActorSystem system, String journalPluginId) {
        codec = new EventCodec(system);
        adapters = Persistence.get(system).adaptersFor(journalPluginId);
    }

    /** Adds what the adapters make of an event: one envelope, more, or none. */
    void add(StoredEvent stored, List<EventEnvelope> batch) {
        PersistenceEventRecord event = stored.event();
        Option<Object> metadata = OptionConverters.toScala(codec.metadata(event));
        for (Object payload : payloads(event)) {
            batch.add(new EventEnvelope(
                    Offset.sequence(stored.sequence()),
                    stored.persistenceId(),
                    event.sequenceNr(),
                    payload,
                    event.timestampMillis(),
                    metadata));
        }
    }

    /**
     * The same as a typed envelope. One that the adapters make nothing of is told of all the same, as filtered: who counts numbers
     * needs it.
     */
    @SuppressWarnings("unchecked")
    <E> void add(StoredEvent stored, Offset offset, List<akka.persistence.query.typed.EventEnvelope<E>> batch) {
        List<Object> payloads = payloads(stored.event());
        if (payloads.isEmpty()) {
            batch.add(typed(stored, offset, Optional.empty()));
        }
        for (Object payload : payloads) {
            batch.add(typed(stored, offset, Optional.of((E) payload)));
        }
    }

    private <E> akka.persistence.query.typed.EventEnvelope<E> typed(
            StoredEvent stored, Offset offset, Optional<E> payload) {
        PersistenceEventRecord event = stored.event();
        String persistenceId = stored.persistenceId();
        Set<String> tags = CollectionConverters.asScala(event.tags()).toSet();
        return new akka.persistence.query.typed.EventEnvelope<>(
                offset,
                persistenceId,
                event.sequenceNr(),
                OptionConverters.toScala(payload),
                event.timestampMillis(),
                OptionConverters.toScala(codec.metadata(event)),
                EventTable.entityTypeOf(persistenceId),
                EventTable.sliceOf(persistenceId),
                payload.isEmpty(),
                "",
                tags);
    }

    private List<Object> payloads(PersistenceEventRecord event) {
        Object payload = codec.payload(event);
        return CollectionConverters.asJava(adapters.get(payload.getClass())
                .fromJournal(payload, event.adapterManifest())
                .events());
    }
}
