package io.forebay.persistence;

import akka.actor.ActorSystem;
import akka.persistence.SelectedSnapshot;
import akka.persistence.SnapshotMetadata;
import akka.serialization.Serialization;
import akka.serialization.SerializationExtension;
import akka.serialization.Serializer;
import akka.serialization.Serializers;
import io.forebay.persistence.core.SnapshotDraft;
import io.forebay.storage.log.PersistenceSnapshotRecord;
import scala.Option;

/** Between Akka's snapshots and stored ones, by the serializers that the application has bound. Thread-safe. */
final class SnapshotCodec {
    private static final byte[] NOTHING = {};

    private final Serialization serialization;

    SnapshotCodec(ActorSystem system) {
        serialization = SerializationExtension.get(system);
    }

    /** @throws RuntimeException of a serializer, or of whoever looks for one */
    SnapshotDraft toDraft(SnapshotMetadata metadata, Object snapshot) {
        Serializer serializer = serialization.findSerializerFor(snapshot);
        int metadataSerializerId = 0;
        String metadataManifest = "";
        byte[] metadataBytes = NOTHING;
        if (metadata.metadata().isDefined()) {
            Object value = metadata.metadata().get();
            Serializer metadataSerializer = serialization.findSerializerFor(value);
            metadataSerializerId = metadataSerializer.identifier();
            metadataManifest = Serializers.manifestFor(metadataSerializer, value);
            metadataBytes = serialization.serialize(value).get();
        }
        return new SnapshotDraft(
                metadata.persistenceId(),
                metadata.sequenceNr(),
                metadata.timestamp(),
                serializer.identifier(),
                Serializers.manifestFor(serializer, snapshot),
                serialization.serialize(snapshot).get(),
                metadataSerializerId,
                metadataManifest,
                metadataBytes);
    }

    /**
     * Decodes a snapshot.
     *
     * @param stored all of it, as if it were one part
     * @throws RuntimeException of a serializer, or if none has the stored number
     */
    SelectedSnapshot toSelected(String persistenceId, PersistenceSnapshotRecord stored) {
        Option<Object> metadata = Option.empty();
        if (stored.metadata().length > 0 || stored.metadataSerializerId() != 0) {
            metadata = Option.apply(serialization
                    .deserialize(stored.metadata(), stored.metadataSerializerId(), stored.metadataManifest())
                    .get());
        }
        return SelectedSnapshot.create(
                SnapshotMetadata.apply(persistenceId, stored.sequenceNr(), stored.timestampMillis(), metadata),
                serialization
                        .deserialize(stored.payload(), stored.serializerId(), stored.serializerManifest())
                        .get());
    }
}
