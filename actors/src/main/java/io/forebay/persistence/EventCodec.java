package io.forebay.persistence;

import akka.actor.ActorRef;
import akka.actor.ActorSystem;
import akka.persistence.PersistentRepr;
import akka.persistence.journal.Tagged;
import akka.serialization.Serialization;
import akka.serialization.SerializationExtension;
import akka.serialization.Serializer;
import akka.serialization.Serializers;
import io.forebay.persistence.core.EventDraft;
import io.forebay.storage.log.PersistenceEventRecord;
import java.util.List;
import java.util.Optional;
import scala.jdk.javaapi.CollectionConverters;

/** Between Akka's events and stored ones, by the serializers that the application has bound. Thread-safe. */
final class EventCodec {
    private static final byte[] NOTHING = {};

    private final Serialization serialization;

    EventCodec(ActorSystem system) {
        serialization = SerializationExtension.get(system);
    }

    /**
     * Encodes an event; its tags are not part of what its serializer sees.
     *
     * @throws RuntimeException of the serializer, or of whoever looks for one
     */
    EventDraft toDraft(PersistentRepr event) {
        Object payload = event.payload();
        List<String> tags = List.of();
        if (payload instanceof Tagged tagged) {
            payload = tagged.payload();
            tags = List.copyOf(CollectionConverters.asJava(tagged.tags()));
        }
        Serializer serializer = serialization.findSerializerFor(payload);
        int metadataSerializerId = 0;
        String metadataManifest = "";
        byte[] metadata = NOTHING;
        if (event.metadata().isDefined()) {
            Object value = event.metadata().get();
            Serializer metadataSerializer = serialization.findSerializerFor(value);
            metadataSerializerId = metadataSerializer.identifier();
            metadataManifest = Serializers.manifestFor(metadataSerializer, value);
            metadata = serialization.serialize(value).get();
        }
        return new EventDraft(
                event.sequenceNr(),
                event.timestamp(),
                serializer.identifier(),
                Serializers.manifestFor(serializer, payload),
                serialization.serialize(payload).get(),
                event.writerUuid(),
                event.manifest(),
                tags,
                metadataSerializerId,
                metadataManifest,
                metadata);
    }

    /** @throws RuntimeException of the serializer, or if none has the stored number */
    PersistentRepr toRepr(String persistenceId, PersistenceEventRecord event) {
        PersistentRepr repr = PersistentRepr.apply(
                        payload(event),
                        event.sequenceNr(),
                        persistenceId,
                        event.adapterManifest(),
                        false,
                        ActorRef.noSender(),
                        event.writerUuid())
                .withTimestamp(event.timestampMillis());
        return metadata(event).map(repr::withMetadata).orElse(repr);
    }

    /** What was persisted beside it. */
    Optional<Object> metadata(PersistenceEventRecord event) {
        if (event.metadata().length == 0 && event.metadataSerializerId() == 0) {
            return Optional.empty();
        }
        return Optional.of(serialization
                .deserialize(event.metadata(), event.metadataSerializerId(), event.metadataManifest())
                .get());
    }

    /** What was persisted. */
    Object payload(PersistenceEventRecord event) {
        return serialization
                .deserialize(event.payload(), event.serializerId(), event.serializerManifest())
                .get();
    }
}
