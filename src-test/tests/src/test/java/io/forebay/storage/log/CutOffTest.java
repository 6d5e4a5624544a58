package io.forebay.storage.log;

import static org.assertj.core.api.Assertions.assertThat;

import io.forebay.testkit.faults.MemoryDisk;
import java.io.IOException;
import java.util.List;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

/**
 * The end of a log whose process was killed, damaged where nothing states that it was durable. Invariants: I2 nothing altered is handed
 * out; I8 the log opens, and the start and {@code forebay log verify} say what they cut off, where, and what that may mean. Nothing is
 * said where nothing is cut off.
 */
@Tag("proof")
class CutOffTest {
    private static final Owner GROUP = Owner.group(1, 5);
    private static final int FRAMES = 5;

    private final MemoryDisk disk = new MemoryDisk();
    private MemoryDisk killed;
    private List<LogCensus.Piece> pieces;

    /** Something that a slot states to be durable, then frames that are forced, and of which nothing says so. */
    @BeforeEach
    void writeAndKill() throws IOException {
        open(disk).close(true);
        try (StripeLog log = open(disk)) {
            for (int i = 0; i < FRAMES; i++) {
                log.append(
                        Frame.builder(256)
                                .add(GROUP, new AckRecord(OffsetSet.of(i)))
                                .build(),
                        2_000);
            }
            FlushRange range = log.takeUnflushed();
            log.force(range);
            log.forced(range);
            assertThat(log.durableSequence()).isEqualTo(log.writtenSequence());
            killed = disk.killImage();
        }
        pieces = LogCensus.of(killed).pieces;
        assertThat(pieces).hasSize(FRAMES);
    }

    private static StripeLog open(MemoryDisk disk) throws IOException {
        return StripeLog.open(disk, LogDriver.OPTIONS, 1_000, new RepairDraft.Ignoring());
    }

    private void flip(int frame) throws IOException {
        LogCensus.Piece piece = pieces.get(frame);
        killed.flip(piece.file(), piece.at() + piece.lengthBytes() - 1, 1);
    }

    private void assertCutOff(int frame, String reason, long framesBehind) throws IOException {
        LogCensus.Piece first = pieces.get(frame);
        long bytes = reason.isEmpty() ? 0 : first.lengthBytes();
        for (LogCensus.Piece piece : pieces.subList(FRAMES - (int) framesBehind, FRAMES)) {
            bytes += piece.lengthBytes();
        }
        LogVerifier.Report report = LogVerifier.verify(killed);
        assertThat(report.problems()).isEmpty();
        assertThat(report.notes()).hasSize(1);
        assertThat(report.notes().get(0))
                .startsWith(first.file() + ", position " + first.position() + ": the log ends here, ")
                .contains(
                        "nothing says that more was durable",
                        framesBehind + " sound ones behind it, " + bytes + " bytes",
                        "FLUSHED cannot be told");
        try (StripeLog log = open(killed)) {
            RecoveryReport.CutOff cutOff = log.report().cutOff().orElseThrow();
            assertThat(cutOff.file()).isEqualTo(first.file());
            assertThat(cutOff.position()).isEqualTo(first.position());
            assertThat(cutOff.reason()).contains(reason);
            assertThat(cutOff.framesBehind()).isEqualTo(framesBehind);
            assertThat(cutOff.bytes()).isEqualTo(bytes);
            assertThat(log.report().stoppedOwners()).isEmpty();
            assertThat(log.report().keptToSequence())
                    .isEqualTo(first.entries().get(0).sequence() - 1);
        }
        assertNothingIsCutOff(killed); // by the next one
    }

    private static void assertNothingIsCutOff(MemoryDisk image) throws IOException {
        assertThat(LogVerifier.verify(image).notes())
                .filteredOn(note -> note.contains("cut off"))
                .isEmpty();
        try (StripeLog log = open(image)) {
            assertThat(log.report().cutOff()).isEmpty();
        }
    }

    @Test
    void theLastFrame() throws IOException {
        flip(FRAMES - 1);
        assertCutOff(FRAMES - 1, "checksum", 0);
    }

    @Test
    void aFrameWithOthersBehindIt() throws IOException {
        flip(1);
        assertCutOff(1, "checksum", FRAMES - 2);
    }

    /** As a power cut leaves it that comes between the pages. */
    @Test
    void nothingWithFramesBehindIt() throws IOException {
        LogCensus.Piece piece = pieces.get(2);
        killed.overwrite(piece.file(), piece.at(), new byte[piece.lengthBytes()]);
        assertCutOff(2, "", FRAMES - 3);
    }

    @Test
    void aKillOrAStopLeavesNothingToCutOff() throws IOException {
        assertNothingIsCutOff(killed.killImage());
        try (StripeLog log = open(killed)) {
            log.close(true);
        }
        assertNothingIsCutOff(killed);
    }

    /** A frame behind says that it was durable: that is damage, and nothing is cut off. */
    @Test
    void whatSomethingStatesToBeDurableIsNotCutOff() throws IOException {
        try (StripeLog log = open(killed)) {
            log.append(
                    Frame.builder(256)
                            .add(GROUP, new AckRecord(OffsetSet.of(7)))
                            .build(),
                    2_000);
            killed = killed.killImage();
        }
        pieces = LogCensus.of(killed).pieces;
        flip(1);
        try (StripeLog log = open(killed)) {
            assertThat(log.report().cutOff()).isEmpty();
            assertThat(log.report().stoppedOwners()).containsExactly(GROUP);
        }
    }
}
