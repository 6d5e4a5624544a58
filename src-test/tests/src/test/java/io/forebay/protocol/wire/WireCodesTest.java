package io.forebay.protocol.wire;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;

import io.forebay.protocol.AckOutcome;
import io.forebay.protocol.DeliveryMode;
import io.forebay.protocol.Durability;
import io.forebay.protocol.GiveBackOutcome;
import io.forebay.protocol.LifeEvent;
import io.forebay.protocol.LookReply;
import io.forebay.protocol.Refusal;
import io.forebay.protocol.SeekPlace;
import io.forebay.protocol.SettingsScope;
import io.forebay.protocol.UnparkHow;
import java.util.Arrays;
import java.util.HashSet;
import java.util.Set;
import java.util.function.Consumer;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;

/** Every byte that stands for something else: what nobody has given a meaning is refused, and never taken for another meaning. */
class WireCodesTest {
    private static final int REFUSED = 255;

    private interface Reading {
        Object read(WireReader in) throws MalformedWireException;
    }

    /**
     * Of all 256 codes exactly the known ones are read.
     *
     * @param before what stands before the code
     * @param behind enough of it for whatever may follow the code
     */
    private static void assertKnown(
            Set<Integer> known, Consumer<WireWriter> before, Consumer<WireWriter> behind, Reading reading) {
        for (int code = 0; code < 256; code++) {
            WireWriter out = new WireWriter(64);
            before.accept(out);
            out.u8(code);
            behind.accept(out);
            WireReader in = new WireReader(out.toBytes(), 0, out.size());
            if (known.contains(code)) {
                try {
                    assertThat(reading.read(in)).as("code %d", code).isNotNull();
                } catch (MalformedWireException e) {
                    throw new AssertionError("code " + code, e);
                }
            } else {
                int unknown = code;
                assertThatExceptionOfType(MalformedWireException.class)
                        .as("code %d", code)
                        .isThrownBy(() -> reading.read(in))
                        .withMessageContaining(String.valueOf(unknown));
            }
        }
    }

    private static Set<Integer> codes(IntStream codes, int... others) {
        Set<Integer> all = new HashSet<>(codes.boxed().toList());
        IntStream.of(others).forEach(all::add);
        return all;
    }

    private static void nothing(WireWriter out) {}

    private static void one(WireWriter out) {
        out.varint(1);
    }

    /** As many bytes as anything of one element takes; all of them are numbers, texts and flags. */
    private static void zeros(WireWriter out) {
        for (int i = 0; i < 64; i++) {
            out.u8(0);
        }
    }

    @Test
    void aBooleanIsZeroOrOne() {
        assertKnown(Set.of(0, 1), WireCodesTest::nothing, WireCodesTest::nothing, WireReader::bool);
    }

    @Test
    void durabilities() {
        IntStream known = Stream.of(Durability.values()).mapToInt(Durability::code);
        assertKnown(
                codes(known), WireCodesTest::nothing, WireCodesTest::nothing, in -> WireValues.durability(in.u8(), in));
        WireReader none = new WireReader(new byte[1], 0, 1);
        assertThat(assertRead(() -> WireValues.readDurability(none)))
                .as("as the group has it")
                .isNull();
    }

    @Test
    void deliveryModes() {
        IntStream known = Stream.of(DeliveryMode.values()).mapToInt(DeliveryMode::code);
        assertKnown(codes(known), WireCodesTest::nothing, WireCodesTest::nothing, WireValues::readMode);
    }

    @Test
    void resultsOfSends() {
        IntStream known = Stream.of(Durability.values()).mapToInt(Durability::code);
        assertKnown(codes(known, REFUSED), WireCodesTest::one, WireCodesTest::zeros, ResultCodec::readSendResults);
    }

    @Test
    void resultsOfAcks() {
        IntStream known = Stream.of(AckOutcome.values()).mapToInt(AckOutcome::code);
        assertKnown(
                codes(known, REFUSED),
                out -> {
                    out.u8(0);
                    out.bool(false);
                    out.varint(1);
                },
                WireCodesTest::zeros,
                in -> ResultCodec.readAckReply(7, in));
    }

    @Test
    void resultsOfChanges() {
        assertKnown(
                Set.of(0, REFUSED), WireCodesTest::one, WireCodesTest::zeros, in -> ResultCodec.readChangeReply(7, in));
    }

    @Test
    void resultsOfGiveBacks() {
        IntStream known = Stream.of(GiveBackOutcome.values()).mapToInt(GiveBackOutcome::code);
        assertKnown(
                codes(known, REFUSED),
                WireCodesTest::one,
                WireCodesTest::zeros,
                in -> ResultCodec.readGiveBackReply(7, in));
    }

    @Test
    void flagsOfHandles() {
        // The first one has no other to be of the same checkpoint with.
        assertKnown(
                Set.of(0, HandleCodec.OTHER_OFFSET),
                WireCodesTest::one,
                WireCodesTest::zeros,
                HandleCodec::readHandles);
    }

    @Test
    void flagsOfMessages() {
        for (int flags : new int[] {0, 4095, 4096, 8192, 1 << 20}) {
            WireWriter out = new WireWriter(64);
            out.varint(flags);
            zeros(out);
            WireReader in = new WireReader(out.toBytes(), 0, out.size());
            if (flags < 4096) {
                assertThat(assertRead(() -> MessageCodec.readMessage(in, "t"))).isNotNull();
            } else {
                assertThatExceptionOfType(MalformedWireException.class)
                        .isThrownBy(() -> MessageCodec.readMessage(in, "t"))
                        .withMessageContaining("message flags " + flags);
            }
        }
    }

    @Test
    void placesToSeek() {
        IntStream known = Stream.of(SeekPlace.Kind.values()).mapToInt(SeekPlace.Kind::code);
        assertKnown(
                codes(known),
                out -> {
                    out.text("g");
                    out.text("t");
                    out.zigzag(3);
                },
                WireCodesTest::zeros,
                in -> LookCodec.read(WireType.SEEK, 7, in));
    }

    @Test
    void waysToUnpark() {
        IntStream known = Stream.of(UnparkHow.values()).mapToInt(UnparkHow::code);
        assertKnown(
                codes(known),
                out -> {
                    out.text("g");
                    out.text("t");
                    out.text("k");
                },
                WireCodesTest::nothing,
                in -> PoisonCodec.read(WireType.UNPARK, 7, in));
    }

    @Test
    void scopesOfSettings() {
        IntStream known = Stream.of(SettingsScope.values()).mapToInt(SettingsScope::code);
        assertKnown(
                codes(known), WireCodesTest::nothing, WireCodesTest::zeros, in -> SettingsCodec.readDescribe(in, 7));
        assertKnown(
                codes(Stream.of(SettingsScope.values()).mapToInt(SettingsScope::code)),
                WireCodesTest::nothing,
                WireCodesTest::zeros,
                in -> SettingsCodec.readChange(in, 7));
    }

    @Test
    void whatANewerNodeMaySayIsReadAsSomethingElseThatIsNotKnown() {
        WireWriter out = new WireWriter(64);
        out.varint(9_999);
        out.text("of a newer version");
        out.zigzag(1);
        WireReader in = new WireReader(out.toBytes(), 0, out.size());
        assertThat(assertRead(() -> WireValues.readRefusal(in)))
                .isEqualTo(new Refusal(Refusal.Code.UNRECOGNISED, "of a newer version", 1));

        WireWriter life = new WireWriter(256);
        life.text("node-1");
        life.text("t");
        life.zigzag(0);
        life.zigzag(0);
        life.bool(false);
        life.varint(0);
        life.varint(1);
        life.u8(200);
        zeros(life);
        WireReader lifeIn = new WireReader(life.toBytes(), 0, life.size());
        LookReply.LifePage page = (LookReply.LifePage) assertRead(() -> LookCodec.read(WireType.LIFE_PAGE, 7, lifeIn));
        assertThat(page.events().get(0).kind()).isEqualTo(LifeEvent.Kind.OTHER);
    }

    @Test
    void sharedTextsAreGivenBeforeTheyAreUsed() {
        for (long number : new long[] {1, 2, -1}) {
            WireWriter out = new WireWriter(32);
            if (number != 1) {
                out.shared("the only one");
            }
            out.varint(number);
            WireReader in = new WireReader(out.toBytes(), 0, out.size());
            if (number != 1) {
                assertThat(assertRead(in::shared)).isEqualTo("the only one");
            }
            assertThatExceptionOfType(MalformedWireException.class)
                    .isThrownBy(in::shared)
                    .withMessageContaining("text number " + number);
        }
    }

    @Test
    void aKeyComesOnce() {
        WireWriter out = new WireWriter(32);
        out.varint(2);
        for (int i = 0; i < 2; i++) {
            out.shared("key");
            out.text("value");
        }
        WireReader in = new WireReader(out.toBytes(), 0, out.size());
        assertThatExceptionOfType(MalformedWireException.class)
                .isThrownBy(() -> WireValues.readMap(in))
                .withMessageContaining("twice");
    }

    @Test
    void numbersHaveSixtyFourBitsAtMost() {
        byte[] bytes = new byte[11];
        Arrays.fill(bytes, (byte) 0xFF);
        assertThatExceptionOfType(MalformedWireException.class)
                .isThrownBy(() -> new WireReader(bytes, 0, bytes.length).varint());
        bytes[9] = 2;
        assertThatExceptionOfType(MalformedWireException.class).isThrownBy(() -> new WireReader(bytes, 0, 10).varint());
        bytes[9] = 1;
        assertThat(assertRead(() -> new WireReader(bytes, 0, 10).varint())).isEqualTo(-1L);
    }

    @Test
    void anIntIsAnInt() {
        for (long number : new long[] {1L << 31, Long.MAX_VALUE, -1}) {
            WireWriter out = new WireWriter(32);
            out.varint(number);
            assertThatExceptionOfType(MalformedWireException.class)
                    .isThrownBy(() -> new WireReader(out.toBytes(), 0, out.size()).varintInt());
        }
        for (long number : new long[] {1L << 31, -(1L << 31) - 1, Long.MIN_VALUE}) {
            WireWriter out = new WireWriter(32);
            out.zigzag(number);
            assertThatExceptionOfType(MalformedWireException.class)
                    .isThrownBy(() -> new WireReader(out.toBytes(), 0, out.size()).zigzagInt());
        }
    }

    @Test
    void noMoreIsAnnouncedThanThereAreBytesFor() {
        for (long count : new long[] {4, 1_000_000, Long.MAX_VALUE, -1}) {
            WireWriter out = new WireWriter(32);
            out.varint(count);
            out.u8(0);
            out.u8(0);
            out.u8(0);
            assertThatExceptionOfType(MalformedWireException.class)
                    .isThrownBy(() -> new WireReader(out.toBytes(), 0, out.size()).count(1));
        }
        WireWriter acks = new WireWriter(32);
        acks.u8(0);
        acks.bool(true);
        acks.varint(Integer.MAX_VALUE);
        assertThatExceptionOfType(MalformedWireException.class)
                .as("acks that are said to be all alike need no bytes")
                .isThrownBy(() -> ResultCodec.readAckReply(7, new WireReader(acks.toBytes(), 0, acks.size())));
    }

    private interface Attempt<T> {
        T read() throws MalformedWireException;
    }

    private static <T> T assertRead(Attempt<T> attempt) {
        try {
            return attempt.read();
        } catch (MalformedWireException e) {
            throw new AssertionError(e);
        }
    }
}
