package io.forebay.storage.log;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;
import static org.assertj.core.api.Assertions.fail;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.EnumSet;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.SplittableRandom;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** Every type: what is written is read back, and damaged bytes end in {@link CorruptRecordException} only. */
class RecordCodecTest {
    static Stream<LogRecord> samples() {
        return RecordSamples.all().stream();
    }

    @Test
    void everyTypeHasASampleAndItsOwnClass() {
        Set<RecordType> sampled = EnumSet.noneOf(RecordType.class);
        Set<Class<?>> classes = new HashSet<>();
        samples().forEach(record -> {
            sampled.add(record.type());
            classes.add(record.getClass());
        });
        assertThat(sampled).isEqualTo(EnumSet.allOf(RecordType.class));
        assertThat(classes).containsExactlyInAnyOrder(LogRecord.class.getPermittedSubclasses());
    }

    @ParameterizedTest
    @MethodSource("samples")
    void isReadBackFromTheMiddleOfAnArrayAndTouchesNothingElse(LogRecord record) throws Exception {
        int bytes = record.bodyBytes();
        byte[] target = new byte[bytes + 32];
        Arrays.fill(target, (byte) 0x5A);
        record.encodeBody(target, 16);
        for (int index = 0; index < 16; index++) {
            assertThat(target[index]).isEqualTo((byte) 0x5A);
            assertThat(target[16 + bytes + index]).isEqualTo((byte) 0x5A);
        }
        LogRecord read = LogRecord.decode(record.type(), record.type().version(), target, 16, bytes);
        assertThat(read).isEqualTo(record).hasSameHashCodeAs(record);
        assertThat(read.toString())
                .isEqualTo(record.toString())
                .startsWith(record.getClass().getSimpleName());
        assertThat(RecordSamples.encode(read)).isEqualTo(RecordSamples.encode(record));
    }

    @ParameterizedTest
    @MethodSource("samples")
    void everyShorterAndLongerLengthIsRefused(LogRecord record) {
        byte[] body = Arrays.copyOf(RecordSamples.encode(record), record.bodyBytes() + 40);
        for (int length = 0; length <= body.length; length++) {
            if (length != record.bodyBytes()) {
                int wrong = length;
                assertThatExceptionOfType(CorruptRecordException.class)
                        .as("length %s of %s", length, record.bodyBytes())
                        .isThrownBy(() ->
                                LogRecord.decode(record.type(), record.type().version(), body, 0, wrong));
            }
        }
    }

    @ParameterizedTest
    @MethodSource("samples")
    void everyFlippedBitIsRefusedOrReadAsSomethingElse(LogRecord record) throws Exception {
        byte[] body = RecordSamples.encode(record);
        for (int bit = 0; bit < 8 * body.length; bit++) {
            body[bit / 8] ^= (byte) (1 << (bit % 8));
            try {
                LogRecord read = LogRecord.decode(record.type(), record.type().version(), body, 0, body.length);
                assertThat(read).as("bit %s", bit).isNotEqualTo(record);
            } catch (CorruptRecordException e) {
                assertThat(e).hasMessageContaining(record.type().name());
            }
            body[bit / 8] ^= (byte) (1 << (bit % 8));
        }
    }

    @Test
    void rubbishIsRefusedWithoutMemoryOrOtherExceptions() {
        SplittableRandom random = new SplittableRandom(20261122);
        int refused = 0;
        for (int round = 0; round < 60_000; round++) {
            List<LogRecord> samples = round % 1000 == 0 ? RecordSamples.all() : null;
            RecordType type = RecordType.values()[random.nextInt(RecordType.values().length)];
            byte[] body = new byte[random.nextInt(120)];
            random.nextBytes(body);
            if (samples != null) {
                body = RecordSamples.encode(samples.get(random.nextInt(samples.size())));
            }
            // large counts and lengths where one is looked for
            for (int place = 0; place < 3 && body.length > 4; place++) {
                Arrays.fill(body, 0, body.length / 2, (byte) random.nextInt(3));
                body[random.nextInt(body.length)] = (byte) 0x7F;
            }
            try {
                LogRecord.decode(type, 1, body, 0, body.length);
            } catch (CorruptRecordException e) {
                refused++;
            } catch (RuntimeException | Error e) {
                fail("round " + round + ", " + type + ", " + Arrays.toString(body), e);
            }
        }
        assertThat(refused).isGreaterThan(40_000);
    }

    @Test
    void aPlaceOutsideTheArrayIsRefused() {
        for (int[] place : new int[][] {{-1, 4}, {0, 9}, {8, 1}, {9, 0}, {0, -1}, {4, Integer.MAX_VALUE}}) {
            assertThatExceptionOfType(CorruptRecordException.class)
                    .isThrownBy(() -> LogRecord.decode(RecordType.ACK, 1, new byte[8], place[0], place[1]));
        }
    }

    @Test
    void unknownTypesAndVersionsAreNamedAsSuch() {
        assertThatExceptionOfType(UnknownRecordException.class)
                .isThrownBy(() -> RecordType.ofNumber(200))
                .withMessageContaining("200");
        assertThat(RecordType.ofNumberOrNull(-1)).isNull();
        assertThat(RecordType.ofNumberOrNull(256)).isNull();
        byte[] body = RecordSamples.encode(new PurgeRecord(1, 2));
        for (int version : new int[] {0, 2, 255}) {
            assertThatExceptionOfType(UnknownRecordException.class)
                    .isThrownBy(() -> LogRecord.decode(RecordType.PURGE, version, body, 0, body.length))
                    .withMessageContaining("version " + version);
        }
    }

    @Test
    void snapshotPayloadsAreReadBackAndDamageIsRefused() throws Exception {
        assertThat(QueueSnapshot.decode(QueueSnapshot.of(9, 4).encode())).isEqualTo(QueueSnapshot.of(9, 4));
        assertThat(GroupSnapshot.decode(RecordSamples.group().encode())).isEqualTo(RecordSamples.group());
        assertThat(RegistrySnapshot.decode(RecordSamples.registry().encode())).isEqualTo(RecordSamples.registry());
        for (SendWindow window :
                List.of(SendWindow.NONE, RecordSamples.producerWindow(), RecordSamples.messageIdWindow())) {
            QueueSnapshot queue = RecordSamples.queue(window);
            assertThat(QueueSnapshot.decode(queue.encode())).isEqualTo(queue);
        }
        List<byte[]> payloads = List.of(
                RecordSamples.queue(RecordSamples.producerWindow()).encode(),
                RecordSamples.group().encode(),
                RecordSamples.registry().encode());
        for (int kind = 0; kind < 3; kind++) {
            byte[] payload = payloads.get(kind);
            assertThatExceptionOfType(CorruptRecordException.class)
                    .isThrownBy(() -> QueueSnapshot.decode(Arrays.copyOf(payload, payload.length - 1)));
            for (int bit = 0; bit < 8 * payload.length; bit++) {
                byte[] flipped = payload.clone();
                flipped[bit / 8] ^= (byte) (1 << (bit % 8));
                try {
                    Object read = kind == 0
                            ? QueueSnapshot.decode(flipped)
                            : kind == 1 ? GroupSnapshot.decode(flipped) : RegistrySnapshot.decode(flipped);
                    assertThat(read).isNotNull();
                } catch (CorruptRecordException e) {
                    assertThat(e).hasMessageContaining("snapshot");
                }
            }
        }
    }

    @Test
    void snapshotsAreCutAndJoinedAtAnySize() throws Exception {
        byte[] payload = RecordSamples.group().encode();
        for (int size = 1; size <= payload.length + 1; size++) {
            List<SnapshotRecord> parts = SnapshotRecord.split(500, 70, 0, payload, size);
            assertThat(parts).hasSize((payload.length + size - 1) / size);
            assertThat(SnapshotRecord.join(parts)).isEqualTo(payload);
            if (parts.size() > 1) {
                assertThatExceptionOfType(CorruptRecordException.class)
                        .isThrownBy(() -> SnapshotRecord.join(parts.subList(0, parts.size() - 1)));
                List<SnapshotRecord> turned = new ArrayList<>(parts);
                Collections.swap(turned, 0, 1);
                assertThatExceptionOfType(CorruptRecordException.class).isThrownBy(() -> SnapshotRecord.join(turned));
            }
        }
        assertThat(SnapshotRecord.split(1, 1, 0, new byte[0], 10)).hasSize(1);
    }

    @Test
    void manifestsAreCutAndJoinedAtAnySize() throws Exception {
        List<ManifestRecord.SegmentEntry> segments = new ArrayList<>();
        List<ManifestRecord.OwnerEntry> owners = new ArrayList<>();
        for (int index = 0; index < 37; index++) {
            segments.add(new ManifestRecord.SegmentEntry(index, index * 100L, index * 100L + 90, 100, 1, index, 0));
            owners.add(new ManifestRecord.OwnerEntry(index, index, index, 0, index, index, -1, -1, 0));
        }
        ManifestRecord whole = new ManifestRecord(1, 2, 3, 4, 5, 6, 0, 1, segments, owners);
        for (int size = 128; size < whole.bodyBytes() + 100; size += 13) {
            List<ManifestRecord> parts = whole.split(size);
            for (ManifestRecord part : parts) {
                assertThat(part.bodyBytes()).isLessThanOrEqualTo(size);
            }
            assertThat(ManifestRecord.join(parts)).isEqualTo(whole);
        }
        assertThatIllegalArgumentException().isThrownBy(() -> whole.split(100));
        assertThatExceptionOfType(CorruptRecordException.class).isThrownBy(() -> ManifestRecord.join(List.of()));
    }

    @Test
    void aMessageIsReadInPlace() throws Exception {
        MessageRecord message = RecordSamples.message();
        byte[] bytes = new byte[message.bodyBytes() + 24];
        message.encodeBody(bytes, 24);
        assertThat(MessageRecord.queueOffset(bytes, 24)).isEqualTo(41);
        assertThat(MessageRecord.tagHash(bytes, 24)).isEqualTo(MessageRecord.tagHash("red"));
        MessageView view = new MessageView();
        view.wrap(bytes, 24, message.bodyBytes());
        assertThat(view.toRecord()).isEqualTo(message);
        assertThat(view.hasTag()).isTrue();
        assertThat(view.messageGroup()).isEqualTo("customer-7");
        assertThat(view.lane()).isEqualTo("gold.eu");
        assertThat(view.deliverAtMillis()).isEqualTo(1_800_000_100_000L);
        assertThat(view.copyBody()).isEqualTo(message.body());
        assertThat(view.isPayloadIntact()).isTrue();
        bytes[view.bodyAt()] ^= 1;
        assertThat(view.isPayloadIntact()).isFalse();

        MessageRecord plain = MessageRecord.builder().id("x").build();
        view.wrap(RecordSamples.encode(plain), 0, plain.bodyBytes());
        assertThat(view.toRecord()).isEqualTo(plain);
        assertThat(view.hasTag()).isFalse();
        assertThat(view.tag()).isNull();
        assertThat(view.properties()).isEmpty();
        assertThat(plain.bodyBytes()).isEqualTo(MessageRecord.FIXED_BYTES + 1);
    }

    @Test
    void tagHashesAreStable() {
        assertThat(MessageRecord.tagHash(null)).isZero();
        assertThat(MessageRecord.tagHash("")).isEqualTo(0x811C9DC5);
        assertThat(MessageRecord.tagHash("a")).isEqualTo(0xE40C292C);
        assertThat(MessageRecord.tagHash("foobar")).isEqualTo(0xBF9CF968);
        assertThat(MessageRecord.tagHash("ä")).isEqualTo(((0x811C9DC5 ^ 0xC3) * 0x01000193 ^ 0xA4) * 0x01000193);
    }

    @Test
    void whatDoesNotFitIsRefusedBeforeItIsWritten() {
        String long64k = "x".repeat(0x10000);
        String umlauts = "ä".repeat(0x8000);
        assertThatIllegalArgumentException()
                .isThrownBy(() -> MessageRecord.builder().id(long64k).build());
        assertThatIllegalArgumentException()
                .isThrownBy(() -> MessageRecord.builder().tag(umlauts).build())
                .withMessageContaining("65536");
        assertThatIllegalArgumentException()
                .isThrownBy(() ->
                        MessageRecord.builder().properties(Map.of(long64k, "")).build());
        assertThatIllegalArgumentException().isThrownBy(() -> new AckRecord(OffsetSet.empty()));
        assertThatIllegalArgumentException().isThrownBy(() -> new DeliveryRange(0, 0, 1));
        assertThatIllegalArgumentException().isThrownBy(() -> new DeliveryRange(Long.MAX_VALUE - 1, 2, 1));
        assertThatIllegalArgumentException().isThrownBy(() -> new PopRecord(1, 1, 1, 1, 1, 1, List.of()));
        assertThatIllegalArgumentException()
                .isThrownBy(() -> new TopicRecord(1, "t", new int[1], new int[2], Map.of(), 0));
    }
}
