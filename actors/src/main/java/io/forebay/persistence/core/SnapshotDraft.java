package io.forebay.persistence.core;

import java.util.Objects;

/**
 * A snapshot as a snapshot store is asked to store it. The arrays are not copied and must not be changed.
 *
 * @param sequenceNr of the newest event that it holds
 * @param metadataSerializerId 0 without metadata
 */
public record SnapshotDraft(
        String persistenceId,
        long sequenceNr,
        long timestampMillis,
        int serializerId,
        String serializerManifest,
        byte[] payload,
        int metadataSerializerId,
        String metadataManifest,
        byte[] metadata) {
    public SnapshotDraft {
        Objects.requireNonNull(persistenceId);
        Objects.requireNonNull(payload);
        Objects.requireNonNull(metadata);
    }

    /** How many parts it has, if no part has more of its payload than that; an empty one has one. */
    public int parts(int partBytesMax) {
        return (int) Math.max(1, ((long) payload.length + partBytesMax - 1) / partBytesMax);
    }
}
