package io.forebay.storage.log;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.util.HexFormat;
import java.util.List;
import java.util.zip.CRC32C;
import org.junit.jupiter.api.Test;

/** Frames and segment headers as bytes: they come back as they went in, no flipped byte passes, version 1 stays version 1. */
class FrameTest {
    private final CRC32C crc = new CRC32C();

    private Frame sample() {
        Frame frame = Frame.builder(0)
                .add(
                        Owner.queue(7),
                        MessageRecord.builder()
                                .id("m-1")
                                .tag("red")
                                .bornMillis(1_800_000_000_000L)
                                .body("hello".getBytes(StandardCharsets.UTF_8))
                                .build())
                .add(Owner.group(7, 9), new AckRecord(OffsetSet.range(3, 4)))
                .build();
        frame.seal(5, 1234, 65_536 + 4096, 65_536, 1_800_000_000_123L, crc);
        return frame;
    }

    private static final SegmentHeader HEADER = header(LogIdentity.UNKNOWN);

    @Test
    void recordsComeBackFromAFrame() throws IOException {
        Frame frame = sample();
        byte[] image = frame.image();
        assertThat(FrameCodec.headerProblem(image, 0, 69_632, 1000)).isNull();
        assertThat(FrameCodec.problem(image, 0, crc)).isNull();
        RecordView view = new RecordView().wrap(image, 0, frame.recordAt(1), 1);
        assertThat(view.owner()).isEqualTo(Owner.group(7, 9));
        assertThat(view.sequence()).isEqualTo(1235);
        assertThat(view.epoch()).isEqualTo(5);
        assertThat(view.logTimeMillis()).isEqualTo(1_800_000_000_123L);
        assertThat(view.decode()).isEqualTo(new AckRecord(OffsetSet.range(3, 4)));
        assertThat(frame.lengthBytes() % 8).isZero();
        assertThat(frame.recordBytes(0) + frame.recordBytes(1) + FrameCodec.HEADER_BYTES)
                .isEqualTo(frame.lengthBytes());
    }

    @Test
    void noFlippedBitOfAFramePasses() {
        Frame frame = sample();
        for (int bit = 0; bit < frame.lengthBytes() * 8; bit++) {
            byte[] image = java.util.Arrays.copyOf(frame.image(), frame.lengthBytes());
            image[bit / 8] ^= (byte) (1 << bit % 8);
            String problem = FrameCodec.headerProblem(image, 0, 69_632, image.length);
            assertThat(problem == null ? FrameCodec.problem(image, 0, crc) : problem)
                    .as("bit %d", bit)
                    .isNotNull();
        }
    }

    /** What a frame holds is counted as unflushed: an array of twice the size would halve the room. */
    @Test
    void aFrameOfWhatWasExpectedHoldsNoMoreThanThat() {
        MessageRecord message =
                MessageRecord.builder().id("m-12345").body(new byte[301]).build();
        int recordBytes = FrameCodec.align(FrameCodec.RECORD_HEADER_BYTES + message.bodyBytes());
        Frame.Builder whole = Frame.builder(32 * recordBytes);
        Frame.Builder joined = Frame.builder(16 * recordBytes);
        for (int i = 0; i < 32; i++) {
            if (i == 16) {
                joined.expect(16 * recordBytes);
            }
            whole.add(Owner.queue(1), message);
            joined.add(Owner.queue(1), message);
        }
        for (Frame frame : List.of(whole.build(), joined.build())) {
            assertThat(frame.retainedBytes()).isBetween(frame.lengthBytes(), frame.lengthBytes() + 4 * 64);
        }
    }

    @Test
    void aMessageIsShownInPlaceAndNothingElseIs() throws IOException {
        Frame frame = sample();
        byte[] image = frame.image();
        MessageView message = new MessageView();
        new RecordView().wrap(image, 0, frame.recordAt(0), 0).show(message);
        assertThat(message.id()).isEqualTo("m-1");
        assertThatThrownBy(() ->
                        new RecordView().wrap(image, 0, frame.recordAt(1), 1).show(message))
                .isInstanceOf(CorruptRecordException.class)
                .hasMessageContaining("instead of a message");
        for (int version : new int[] {0, 2}) {
            image[frame.recordAt(0) + 5] = (byte) version;
            assertThatThrownBy(() -> new RecordView()
                            .wrap(image, 0, frame.recordAt(0), 0)
                            .show(message))
                    .isInstanceOf(CorruptRecordException.class)
                    .hasMessageContaining("version " + version);
        }
    }

    @Test
    void aBuilderGrowsAndRefusesWhatIsTooMuch() {
        Frame.Builder builder = Frame.builder(1);
        for (int count = 0; count < FrameCodec.RECORD_COUNT_MAX; count++) {
            builder.add(Owner.STRIPE, new AckRecord(OffsetSet.of(count)));
        }
        int bytes = builder.bytes();
        assertThatThrownBy(() -> builder.add(Owner.STRIPE, new AckRecord(OffsetSet.of(1))))
                .isInstanceOf(IllegalArgumentException.class);
        Frame frame = builder.build();
        assertThat(frame.lengthBytes()).isEqualTo(bytes);
        assertThat(frame.recordCount()).isEqualTo(FrameCodec.RECORD_COUNT_MAX);
        assertThat(frame.isAppended()).isFalse();
    }

    private static SegmentHeader header(long logId) {
        return new SegmentHeader(true, 2, 5, 65_536, 65_536, 40_000, 0, 50_000, 1234, logId);
    }

    @Test
    void noFlippedBitOfAHeaderPasses() {
        SegmentHeader header = header(0x0123_4567_89AB_CDEFL);
        byte[] page = header.encode();
        assertThat(SegmentHeader.problem(page)).isNull();
        assertThat(SegmentHeader.decode(page)).isEqualTo(header);
        assertThat(SegmentHeader.problem(new byte[SegmentHeader.BYTES])).isEqualTo(FrameCodec.UNWRITTEN);
        for (int bit = 0; bit < page.length * 8; bit++) {
            byte[] flipped = page.clone();
            flipped[bit / 8] ^= (byte) (1 << bit % 8);
            assertThat(SegmentHeader.problem(flipped)).as("bit %d", bit).isNotNull();
        }
    }

    @Test
    void framesAndHeadersAreThoseOfTheFirstDay() throws IOException {
        Frame frame = sample();
        List<String> golden;
        try (InputStream in = FrameTest.class.getResourceAsStream("/golden/v1/frames.txt")) {
            golden = new String(in.readAllBytes(), StandardCharsets.US_ASCII)
                    .lines()
                    .toList();
        }
        HexFormat hex = HexFormat.of();
        assertThat(List.of(
                        "frame " + hex.formatHex(frame.image(), 0, frame.lengthBytes()),
                        "header " + hex.formatHex(HEADER.encode())))
                .isEqualTo(golden);
    }
}
