package io.forebay.persistence;

import akka.actor.ActorSystem;
import akka.serialization.Serialization;
import akka.serialization.SerializationExtension;
import akka.serialization.Serializer;
import akka.serialization.Serializers;
import io.forebay.persistence.core.StateDraft;
import io.forebay.storage.log.DurableStateRecord;
import java.util.List;

/** Between an application's states and stored ones, by the serializers that it has bound. Thread-safe. */
final class StateCodec {
    private final Serialization serialization;

    StateCodec(ActorSystem system) {
        serialization = SerializationExtension.get(system);
    }

    /** @throws RuntimeException of the serializer, or of whoever looks for one */
    StateDraft toDraft(Object state) {
        Serializer serializer = serialization.findSerializerFor(state);
        return new StateDraft(
                serializer.identifier(),
                Serializers.manifestFor(serializer, state),
                serialization.serialize(state).get());
    }

    /**
     * What was stored.
     *
     * @param parts all of them
     * @throws RuntimeException of the serializer, or if none has the stored number
     */
    Object toState(List<DurableStateRecord> parts) {
        DurableStateRecord first = parts.get(0);
        byte[] bytes = first.payload();
        if (parts.size() > 1) {
            bytes = new byte
                    [parts.stream().mapToInt(part -> part.payload().length).reduce(0, Math::addExact)];
            int at = 0;
            for (DurableStateRecord part : parts) {
                System.arraycopy(part.payload(), 0, bytes, at, part.payload().length);
                at += part.payload().length;
            }
        }
        return serialization
                .deserialize(bytes, first.serializerId(), first.serializerManifest())
                .get();
    }
}
