package io.forebay.persistence.core;

import java.util.List;
import java.util.Objects;

/**
 * An event as a journal is asked to store it. The arrays are not copied and must not be changed.
 *
 * @param sequenceNr of the event within its persistence id, from 1
 * @param metadataSerializerId 0 without metadata
 */
public record EventDraft(
        long sequenceNr,
        long timestampMillis,
        int serializerId,
        String serializerManifest,
        byte[] payload,
        String writerUuid,
        String adapterManifest,
        List<String> tags,
        int metadataSerializerId,
        String metadataManifest,
        byte[] metadata) {
    private static final byte[] NOTHING = {};

    public EventDraft {
        Objects.requireNonNull(payload);
        Objects.requireNonNull(metadata);
        tags = List.copyOf(tags);
    }

    /** One without metadata. */
    public static EventDraft of(
            long sequenceNr,
            long timestampMillis,
            int serializerId,
            String serializerManifest,
            byte[] payload,
            String writerUuid,
            String adapterManifest,
            List<String> tags) {
        return new EventDraft(
                sequenceNr,
                timestampMillis,
                serializerId,
                serializerManifest,
                payload,
                writerUuid,
                adapterManifest,
                tags,
                0,
                "",
                NOTHING);
    }
}
