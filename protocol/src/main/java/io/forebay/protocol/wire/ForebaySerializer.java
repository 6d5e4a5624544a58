package io.forebay.protocol.wire;

import akka.actor.ExtendedActorSystem;
import akka.actor.typed.ActorRefResolver;
import akka.actor.typed.javadsl.Adapter;
import akka.serialization.ByteBufferSerializer;
import akka.serialization.SerializerWithStringManifest;
import java.io.NotSerializableException;
import java.nio.ByteBuffer;

/**
 * Akka's door to {@link WireCodec}: manifests are the numbers of {@link WireType}. What it cannot read is a {@link
 * NotSerializableException}, so that a peer of another version is survived. Thread-safe.
 */
public final class ForebaySerializer extends SerializerWithStringManifest implements ByteBufferSerializer {
    /** Chosen at random once; in {@code reference.conf}, too. */
    public static final int IDENTIFIER = 1_402_597_363;

    private final ExtendedActorSystem system;
    private volatile ActorRefResolver refs;

    public ForebaySerializer(ExtendedActorSystem system) {
        this.system = system;
    }

    @Override
    public int identifier() {
        return IDENTIFIER;
    }

    @Override
    public String manifest(Object value) {
        WireType type = WireType.of(value);
        if (type == null) {
            throw new IllegalArgumentException(
                    "no wire form for " + value.getClass().getName());
        }
        return type.manifest();
    }

    @Override
    public byte[] toBinary(Object value) {
        return encode(value).toBytes();
    }

    @Override
    public void toBinary(Object value, ByteBuffer target) {
        WireWriter out = encode(value);
        target.put(out.array(), 0, out.size());
    }

    @Override
    public Object fromBinary(byte[] bytes, String manifest) throws NotSerializableException {
        WireType type = WireType.ofManifest(manifest);
        if (type == null) {
            throw new NotSerializableException("no Forebay wire form has the manifest '" + manifest + "'");
        }
        return WireCodec.read(type, new WireReader(bytes, 0, bytes.length), refs());
    }

    @Override
    public Object fromBinary(ByteBuffer source, String manifest) throws NotSerializableException {
        byte[] bytes = new byte[source.remaining()];
        source.get(bytes);
        return fromBinary(bytes, manifest);
    }

    private WireWriter encode(Object value) {
        int expected = WireSizes.bytesAtMost(value);
        WireWriter out = new WireWriter(expected > 16 * 1024 * 1024 ? 1024 : expected);
        WireCodec.write(out, value, refs());
        return out;
    }

    /** Late: the typed side of an actor system is not there yet while its serializers are made. */
    private ActorRefResolver refs() {
        ActorRefResolver known = refs;
        if (known == null) {
            known = ActorRefResolver.get(Adapter.toTyped(system));
            refs = known;
        }
        return known;
    }
}
