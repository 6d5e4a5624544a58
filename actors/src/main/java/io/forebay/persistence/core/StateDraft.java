package io.forebay.persistence.core;

import java.util.Objects;

/** A durable state as a store is asked to keep it. The array is not copied and must not be changed. */
public record StateDraft(int serializerId, String serializerManifest, byte[] payload) {
    public StateDraft {
        Objects.requireNonNull(serializerManifest);
        Objects.requireNonNull(payload);
    }
}
