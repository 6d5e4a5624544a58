package io.forebay.storage.log;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;

import java.util.Map;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** Every byte of a record that stands for something else: what nobody has given a meaning is refused, and never taken for another. */
class RecordCodesTest {
    /**
     * A byte of a record's body.
     *
     * @param first the lowest code that means something; all up to {@code last} do
     */
    private record Place(LogRecord record, int at, int first, int last, String said) {
        static Place code(LogRecord record, int at, Enum<?>[] values) {
            return new Place(record, at, 1, values.length, "code ");
        }

        static Place flag(LogRecord record, int at) {
            return new Place(record, at, 0, 1, "flag ");
        }

        @Override
        public String toString() {
            return record.type() + ", byte " + at;
        }
    }

    static Stream<Place> places() {
        OffsetSet offsets = OffsetSet.of(17);
        GivenBackRecord givenBack = new GivenBackRecord(offsets, false, GivenBackRecord.Cause.RETURNED, 9);
        return Stream.of(
                Place.code(
                        new DeadlineRecord(offsets, 9, DeadlineRecord.Kind.EXTENDED, ""),
                        8,
                        DeadlineRecord.Kind.values()),
                Place.flag(givenBack, 8),
                Place.code(givenBack, 9, GivenBackRecord.Cause.values()),
                Place.code(
                        new SettingsChangedRecord(SettingsChangedRecord.Scope.NODE, 4, 5, 9, Map.of(), ""),
                        0,
                        SettingsChangedRecord.Scope.values()),
                Place.code(
                        new QuarantinedRecord(600, 3, 8, -1, 9, QuarantinedRecord.Cause.BAD_FRAME, "", ""),
                        40,
                        QuarantinedRecord.Cause.values()),
                Place.code(
                        new TransactionRolledBackRecord(
                                22, 9, TransactionRolledBackRecord.Cause.values()[0], "15 checks"),
                        16,
                        TransactionRolledBackRecord.Cause.values()),
                Place.flag(new DurableStateRecord(0, 32, 6, 9, 0, 0, 1, false, "", "", new byte[0]), 48),
                Place.code(
                        new KeyUnparkedRecord(700, 701, 9, KeyUnparkedRecord.How.SKIPPED, "k"),
                        24,
                        KeyUnparkedRecord.How.values()),
                Place.code(new DeduplicationRecord(SendWindow.Kind.OFF, 9), 0, SendWindow.Kind.values()),
                Place.code(
                        new ExpiredRecord(1000, 9, 17, ExpiredRecord.Cause.MAX_AGE), 24, ExpiredRecord.Cause.values()));
    }

    @ParameterizedTest
    @MethodSource("places")
    void whatNobodyHasGivenAMeaningIsRefused(Place place) throws Exception {
        for (int code = 0; code < 256; code++) {
            byte[] body = RecordSamples.encode(place.record);
            body[place.at] = (byte) code;
            RecordType type = place.record.type();
            if (code >= place.first && code <= place.last) {
                LogRecord read = LogRecord.decode(type, type.version(), body, 0, body.length);
                assertThat(RecordSamples.encode(read)[place.at]).isEqualTo((byte) code);
            } else {
                assertThatExceptionOfType(CorruptRecordException.class)
                        .isThrownBy(() -> LogRecord.decode(type, type.version(), body, 0, body.length))
                        .withMessageContaining(place.said + code + " ");
            }
        }
    }

    @Test
    void formsOfSetsOfOffsets() {
        for (OffsetSet offsets : new OffsetSet[] {OffsetSet.of(17), RecordSamples.everyOther(1000, 200)}) {
            byte[] body = RecordSamples.encode(new AckRecord(offsets));
            for (int form = 3; form < 256; form++) {
                body[0] = (byte) form;
                assertThatExceptionOfType(CorruptRecordException.class)
                        .isThrownBy(() -> LogRecord.decode(RecordType.ACK, 1, body, 0, body.length))
                        .withMessageContaining("form " + form + " ");
            }
        }
    }

    private interface Reading {
        Object read(byte[] payload) throws CorruptRecordException;
    }

    @Test
    void kindsAndVersionsOfSnapshots() throws Exception {
        assertKindAndVersion(RecordSamples.queue(RecordSamples.producerWindow()).encode(), QueueSnapshot::decode);
        assertKindAndVersion(RecordSamples.group().encode(), GroupSnapshot::decode);
        assertKindAndVersion(RecordSamples.registry().encode(), RegistrySnapshot::decode);
    }

    private static void assertKindAndVersion(byte[] payload, Reading reading) throws CorruptRecordException {
        assertThat(reading.read(payload)).isNotNull();
        for (int code = 0; code < 256; code++) {
            byte[] otherKind = payload.clone();
            otherKind[0] = (byte) code;
            if (code != payload[0]) {
                assertThatExceptionOfType(CorruptRecordException.class)
                        .isThrownBy(() -> reading.read(otherKind))
                        .withMessageContaining("kind " + code + ",");
            }
            byte[] otherVersion = payload.clone();
            otherVersion[1] = (byte) code;
            if (code < 1 || code > payload[1]) {
                assertThatExceptionOfType(UnknownRecordException.class)
                        .isThrownBy(() -> reading.read(otherVersion))
                        .withMessageContaining("version " + code + " ");
            }
        }
    }

    @Test
    void kindsOfSendWindows() {
        byte[] payload = QueueSnapshot.of(9, 4).encode();
        // The window's kind is the last byte of a queue that remembers nothing.
        for (int code = 0; code < 256; code++) {
            if (code < 1 || code > SendWindow.Kind.values().length) {
                byte[] other = payload.clone();
                other[payload.length - 1] = (byte) code;
                assertThatExceptionOfType(CorruptRecordException.class)
                        .isThrownBy(() -> QueueSnapshot.decode(other))
                        .withMessageContaining("code " + code + " ");
            }
        }
    }
}
