package io.forebay.protocol.wire;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import akka.actor.ExtendedActorSystem;
import akka.actor.testkit.typed.javadsl.ActorTestKit;
import akka.actor.typed.ActorRef;
import akka.actor.typed.ActorRefResolver;
import akka.actor.typed.javadsl.Adapter;
import akka.serialization.Serialization;
import akka.serialization.SerializationExtension;
import io.forebay.protocol.Chunk;
import io.forebay.protocol.Message;
import io.forebay.protocol.NodeProtocol;
import io.forebay.protocol.Refusal;
import io.forebay.protocol.SessionCommand;
import io.forebay.protocol.SessionEvent;
import io.forebay.support.PatientTestKits;
import java.io.NotSerializableException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import java.util.Set;
import java.util.stream.Collectors;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;

/** Everything that crosses comes back equal, and rubbish is told apart without harm. */
class ForebaySerializerTest {
    private static ActorTestKit kit;
    private static ForebaySerializer serializer;

    @BeforeAll
    static void start() {
        kit = PatientTestKits.create();
        serializer = new ForebaySerializer((ExtendedActorSystem) Adapter.toClassic(kit.system()));
    }

    @AfterAll
    static void stop() {
        kit.shutdownTestKit();
    }

    private static Samples samples(long seed) {
        return new Samples(
                seed,
                kit.<SessionCommand>createTestProbe().getRef(),
                kit.<SessionEvent>createTestProbe().getRef());
    }

    @Test
    void everyClassThatCrossesHasASampleAndAManifestOfItsOwn() {
        Set<Class<?>> crossing = Samples.leavesOf(NodeProtocol.Request.class, SessionCommand.class, SessionEvent.class);
        List<Object> samples = new ArrayList<>(samples(1).all());
        samples.add(samples(1).chunk());
        assertThat(samples.stream().map(Object::getClass).collect(Collectors.toSet()))
                .isEqualTo(crossing);
        assertThat(samples.stream()
                        .collect(Collectors.toMap(Object::getClass, serializer::manifest, (one, other) -> one))
                        .values())
                .doesNotHaveDuplicates()
                .allSatisfy(manifest -> assertThat(manifest).hasSizeLessThan(4));
        assertThat(WireType.values()).hasSize(crossing.size());
    }

    @Test
    void everySampleComesBackEqual() throws NotSerializableException {
        for (long seed = 0; seed < 300; seed++) {
            for (Object sample : samples(seed).all()) {
                byte[] bytes = serializer.toBinary(sample);
                assertThat(serializer.fromBinary(bytes, serializer.manifest(sample)))
                        .as("seed %s", seed)
                        .isEqualTo(sample);
                assertThat(WireSizes.bytesAtMost(sample))
                        .as("bound of %s", sample)
                        .isGreaterThanOrEqualTo(bytes.length);
            }
        }
        Chunk chunk = samples(1).chunk();
        Chunk back = (Chunk) serializer.fromBinary(serializer.toBinary(chunk), serializer.manifest(chunk));
        assertThat(back.bytes()).isEqualTo(chunk.bytes());
        assertThat(List.of(back.streamId(), back.index(), back.totalBytes()))
                .isEqualTo(List.of(chunk.streamId(), chunk.index(), chunk.totalBytes()));
    }

    @Test
    void aBufferHoldsTheSameBytes() throws NotSerializableException {
        for (Object sample : samples(7).all()) {
            ByteBuffer buffer = ByteBuffer.allocateDirect(1 << 20);
            serializer.toBinary(sample, buffer);
            buffer.flip();
            assertThat(serializer.fromBinary(buffer, serializer.manifest(sample)))
                    .isEqualTo(sample);
        }
    }

    @Test
    void akkaFindsItThroughTheReferenceConf() {
        Serialization serialization = SerializationExtension.get(Adapter.toClassic(kit.system()));
        for (Object sample : samples(3).all()) {
            assertThat(serialization.findSerializerFor(sample)).isInstanceOf(ForebaySerializer.class);
        }
        assertThat(serialization
                        .serializerByIdentity()
                        .get(ForebaySerializer.IDENTIFIER)
                        .get())
                .isInstanceOf(ForebaySerializer.class);
    }

    @Test
    void aBatchCarriesLittleMoreThanItsBodies() {
        List<Message> messages = new ArrayList<>();
        for (int i = 0; i < 100; i++) {
            messages.add(Message.builder("orders")
                    .id("m" + i)
                    .body(new byte[300])
                    .bornMillis(1_790_000_000_000L)
                    .bornHost("a-host-name.example.org")
                    .build());
        }
        byte[] bytes = serializer.toBinary(new SessionCommand.Send(1, "orders", -1, messages, null));
        assertThat(bytes.length).isLessThan(100 * (300 + 20));
    }

    @Test
    void anUnknownManifestIsNotSerializable() {
        assertThatThrownBy(() -> serializer.fromBinary(new byte[1], "999"))
                .isInstanceOf(NotSerializableException.class)
                .hasMessageContaining("999");
    }

    @Test
    void anotherVersionIsNotSerializable() {
        Object sample = new SessionCommand.Heartbeat(5);
        byte[] bytes = serializer.toBinary(sample);
        bytes[0] = 2;
        assertThatThrownBy(() -> serializer.fromBinary(bytes, serializer.manifest(sample)))
                .isInstanceOf(NotSerializableException.class)
                .hasMessageContaining("version 2");
    }

    /** Or a peer of another version could not be told that it is one. These bytes are those of version 1. */
    @Test
    void theFormsThatTellTheVersionsApartAreThoseOfAllVersions() throws NotSerializableException {
        ActorRef<SessionEvent> client = kit.<SessionEvent>createTestProbe().getRef();
        String reference = ActorRefResolver.get(kit.system()).toSerializationFormat(client);
        ByteBuffer open = ByteBuffer.allocate(500).order(ByteOrder.LITTLE_ENDIAN);
        open.put((byte) 1).put((byte) 7).putLong(0x1122334455667788L).put((byte) 3);
        open.put("ann".getBytes(UTF_8)).put((byte) 0x80).put((byte) 0x80).put((byte) 0x10);
        assertThat(reference.length()).isBetween(1, 127);
        open.put((byte) reference.length()).put(reference.getBytes(UTF_8));
        NodeProtocol.OpenSession opened = new NodeProtocol.OpenSession(7, 0x1122334455667788L, "ann", 262_144, client);
        assertThat(serializer.manifest(opened)).isEqualTo("1");
        assertThat(serializer.toBinary(opened)).isEqualTo(Arrays.copyOf(open.array(), open.position()));
        assertThat(serializer.fromBinary(serializer.toBinary(opened), "1")).isEqualTo(opened);

        ByteBuffer no = ByteBuffer.allocate(500).order(ByteOrder.LITTLE_ENDIAN);
        no.put((byte) 1)
                .putLong(5)
                .put((byte) 14)
                .put((byte) 2)
                .put("no".getBytes(UTF_8))
                .put((byte) 0);
        SessionEvent.OpenRefused refused = new SessionEvent.OpenRefused(5, Refusal.of(Refusal.Code.UNSUPPORTED, "no"));
        assertThat(serializer.manifest(refused)).isEqualTo("3");
        assertThat(serializer.toBinary(refused)).isEqualTo(Arrays.copyOf(no.array(), no.position()));
        assertThat(serializer.fromBinary(serializer.toBinary(refused), "3")).isEqualTo(refused);
    }

    @Test
    void aSendComesAfterAnOlderOneOnly() throws NotSerializableException {
        for (long after : new long[] {SessionCommand.Send.UNORDERED, SessionCommand.Send.FIRST, 1, 299}) {
            SessionCommand.Send send = new SessionCommand.Send(300, "t", -1, List.of(), null, after);
            assertThat(serializer.fromBinary(serializer.toBinary(send), serializer.manifest(send)))
                    .isEqualTo(send);
        }
        assertThatThrownBy(() -> new SessionCommand.Send(300, "t", -1, List.of(), null, 300))
                .isInstanceOf(IllegalArgumentException.class);
        SessionCommand.Send second = new SessionCommand.Send(2, "t", -1, List.of(), null, 1);
        byte[] bytes = serializer.toBinary(second);
        bytes[bytes.length - 2] += 3; // in front of the number of messages
        assertThatThrownBy(() -> serializer.fromBinary(bytes, serializer.manifest(second)))
                .isInstanceOf(NotSerializableException.class)
                .hasMessageContaining("Send 2");
    }

    @Test
    void everyTruncationIsToldApart() {
        for (Object sample : samples(11).all()) {
            byte[] bytes = serializer.toBinary(sample);
            for (int length = 0; length < bytes.length; length++) {
                byte[] cut = Arrays.copyOf(bytes, length);
                assertThatThrownBy(() -> serializer.fromBinary(cut, serializer.manifest(sample)))
                        .as("%s cut to %s", sample, length)
                        .isInstanceOf(NotSerializableException.class);
            }
            assertThatThrownBy(() ->
                            serializer.fromBinary(Arrays.copyOf(bytes, bytes.length + 1), serializer.manifest(sample)))
                    .isInstanceOf(NotSerializableException.class);
        }
    }

    /** Only {@link NotSerializableException} may come out of bytes that lie, and no memory out of proportion to them. */
    @Test
    void rubbishIsToldApartOrIsAValue() {
        long seed = 20261122;
        Random random = new Random(seed);
        for (int round = 0; round < 300; round++) {
            for (Object sample : samples(random.nextInt(20)).all()) {
                byte[] bytes = serializer.toBinary(sample);
                int flips = 1 + random.nextInt(4);
                for (int i = 0; i < flips; i++) {
                    int at = random.nextInt(bytes.length);
                    bytes[at] = random.nextBoolean() ? (byte) random.nextInt() : (byte) 0xff;
                }
                read(bytes, serializer.manifest(sample), seed);
            }
            for (WireType type : WireType.values()) {
                byte[] bytes = new byte[1 + random.nextInt(60)];
                random.nextBytes(bytes);
                bytes[0] = WireCodec.VERSION;
                read(bytes, type.manifest(), seed);
            }
        }
    }

    private static void read(byte[] bytes, String manifest, long seed) {
        try {
            assertThat(serializer.fromBinary(bytes, manifest)).isNotNull();
        } catch (NotSerializableException told) {
            assertThat(told).hasMessageStartingWith("not a Forebay wire form");
        } catch (RuntimeException | Error broken) {
            throw new AssertionError(
                    "seed " + seed + ", manifest " + manifest + ", bytes " + Arrays.toString(bytes), broken);
        }
    }
}
