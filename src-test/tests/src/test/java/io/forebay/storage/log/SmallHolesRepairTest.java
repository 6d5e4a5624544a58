package io.forebay.storage.log;

import static org.assertj.core.api.Assertions.assertThat;

import io.forebay.testkit.faults.MemoryDisk;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

/**
 * One frame of a log is damaged and repaired: the smallest there is, and one of the last messages of a queue, whose later records are
 * no messages. Invariants: I1 everything else is there; I2 no offset is given a second time; I8 it can be repaired. The fault: a
 * flipped byte in something that was durable.
 */
@Tag("proof")
class SmallHolesRepairTest {
    private static final Owner QUEUE = Owner.queue(1);
    private static final Owner GROUP = Owner.group(1, 5);

    private final MemoryDisk disk = new MemoryDisk();
    private final List<Frame> frames = new ArrayList<>();

    private static MessageRecord message(String id) {
        return MessageRecord.builder()
                .id(id)
                .body(id.getBytes(StandardCharsets.US_ASCII))
                .build();
    }

    private void append(StripeLog log, Owner owner, LogRecord... records) throws IOException {
        Frame.Builder builder = Frame.builder(256);
        for (LogRecord record : records) {
            builder.add(owner, record);
        }
        Frame frame = builder.build();
        log.append(frame, 2_000);
        frames.add(frame);
    }

    /** What comes first is told again by no start: each of these logs has neither a checkpoint nor a copy. */
    private interface Content {
        void append(StripeLog log) throws IOException;
    }

    private void write(Content content) throws IOException {
        try (StripeLog log = StripeLog.open(disk, LogDriver.OPTIONS, 1_000, new RepairDraft.Ignoring())) {
            content.append(log);
            log.close(true);
        }
    }

    /** Damages one frame, and has it repaired. */
    private RepairPlan repair(int frame) throws IOException {
        LogCensus.Piece piece = LogCensus.of(disk).pieces.stream()
                .filter(one ->
                        one.entries().get(0).sequence() == frames.get(frame).firstSequence())
                .findFirst()
                .orElseThrow();
        disk.flip(piece.file(), piece.at() + piece.lengthBytes() - 1, 1);
        RepairPlan plan = LogRepair.apply(disk, LogRepair.nextNumber(disk), 3_000);
        assertThat(plan.refusalOrNull()).as("I8").isNull();
        assertThat(LogVerifier.verify(disk).problems()).isEmpty();
        return plan;
    }

    @Test
    void aFrameWithOneSmallRecordIsRepaired() throws IOException {
        write(log -> {
            append(log, QUEUE, message("a"));
            append(log, GROUP, new AckRecord(OffsetSet.of(0)));
            append(log, GROUP, new AckRecord(OffsetSet.of(1)));
        });
        RepairPlan plan = repair(1);
        assertThat(plan.losses()).containsExactly(new RepairPlan.Loss(GROUP, 1, OffsetSet.empty()));
        assertNextOffset(1);
    }

    @Test
    void offsetsBeforeASnapshotAreNotGivenAgain() throws IOException {
        write(log -> {
            append(log, QUEUE, message("a"));
            append(log, QUEUE, message("b"), message("c"));
            append(log, QUEUE, new SnapshotRecord(0, 0, 3, 0, 1, new byte[0]));
            append(log, GROUP, new AckRecord(OffsetSet.of(0)));
        });
        RepairPlan plan = repair(1);
        assertThat(plan.losses()).containsExactly(new RepairPlan.Loss(QUEUE, 2, OffsetSet.range(1, 2)));
        assertNextOffset(3);
    }

    @Test
    void offsetsBehindWhichNothingTellsHowFarTheyHadComeAreNotGivenAgain() throws IOException {
        write(log -> {
            append(log, QUEUE, message("a"));
            append(log, QUEUE, message("b"), message("c"));
            append(log, QUEUE, new DeduplicationRecord(SendWindow.Kind.OFF, 1_000));
            append(log, GROUP, new AckRecord(OffsetSet.of(0)));
        });
        RepairPlan plan = repair(1);
        assertThat(plan.losses()).containsExactly(new RepairPlan.Loss(QUEUE, 2, OffsetSet.range(1, 2)));
        assertNextOffset(3);
    }

    /** A message behind it tells the same. */
    @Test
    void offsetsAreToldByAMessageBehindAnotherRecord() throws IOException {
        write(log -> {
            append(log, QUEUE, message("a"));
            append(log, QUEUE, message("b"), message("c"));
            append(log, QUEUE, new DeduplicationRecord(SendWindow.Kind.OFF, 1_000));
            append(log, QUEUE, message("d"));
        });
        RepairPlan plan = repair(1);
        assertThat(plan.losses()).containsExactly(new RepairPlan.Loss(QUEUE, 2, OffsetSet.range(1, 2)));
        assertNextOffset(4);
    }

    /** What a first repair has put in quarantine no message tells of, and its note is lost as well. */
    @Test
    void offsetsInQuarantineAreNotGivenAgainWhenTheirNoteIsLost() throws IOException {
        write(log -> {
            append(log, QUEUE, message("a"));
            append(log, QUEUE, message("b"), message("c"));
            append(log, GROUP, new AckRecord(OffsetSet.of(0)));
        });
        repair(1);
        assertNextOffset(3);
        write(log -> append(log, GROUP, new AckRecord(OffsetSet.of(1))));
        LogCensus.Piece note = LogCensus.of(disk).pieces.stream()
                .filter(one -> one.entries().get(0).type() == RecordType.QUARANTINED)
                .findFirst()
                .orElseThrow();
        disk.flip(note.file(), note.at() + note.lengthBytes() - 1, 1);
        RepairPlan plan = LogRepair.apply(disk, LogRepair.nextNumber(disk), 3_000);
        assertThat(plan.refusalOrNull()).as("I8").isNull();
        assertNextOffset(4); // what says that it is a note is damaged, too: it may have been a message
    }

    /** What a first repair has put in quarantine lies before what is lost then. */
    @Test
    void offsetsBehindThoseInQuarantineAreNotGivenAgain() throws IOException {
        write(log -> {
            append(log, QUEUE, message("a"));
            append(log, QUEUE, message("b"), message("c"));
            append(log, GROUP, new AckRecord(OffsetSet.of(0)));
        });
        repair(1);
        write(log -> {
            append(log, QUEUE, message("d"));
            append(log, GROUP, new AckRecord(OffsetSet.of(1)));
        });
        assertNextOffset(4);
        repair(3);
        assertNextOffset(4);
    }

    /** Nobody else speaks of that queue, neither before nor behind. */
    @Test
    void theOnlyMessageOfAQueueIsToldByWhatIsLeftOfIt() throws IOException {
        write(log -> {
            append(log, GROUP, new AckRecord(OffsetSet.of(0)));
            append(log, QUEUE, message("a"));
            append(log, GROUP, new AckRecord(OffsetSet.of(1)));
        });
        RepairPlan plan = repair(1);
        assertThat(plan.losses()).containsExactly(new RepairPlan.Loss(QUEUE, 1, OffsetSet.range(0, 1)));
        assertNextOffset(1);
    }

    /** What a repair has given up before has no record any more that tells its offset, and may not be counted once more. */
    @Test
    void whatIsDamagedBehindARepairIsNotTakenForWhatThatHasGivenUp() throws IOException {
        write(log -> {
            append(log, QUEUE, message("a"));
            append(log, QUEUE, message("b"), message("c"));
            append(log, QUEUE, message("d"));
            append(log, GROUP, new AckRecord(OffsetSet.of(0)));
        });
        assertThat(repair(1).losses()).containsExactly(new RepairPlan.Loss(QUEUE, 2, OffsetSet.range(1, 2)));
        assertThat(repair(2).losses()).containsExactly(new RepairPlan.Loss(QUEUE, 1, OffsetSet.range(3, 1)));
        assertNextOffset(4);
    }

    @Test
    void whatIsDamagedBeforeARepairIsNotTakenForWhatThatHasGivenUp() throws IOException {
        write(log -> {
            append(log, QUEUE, message("a"));
            append(log, QUEUE, message("b"), message("c"));
            append(log, QUEUE, message("d"));
            append(log, GROUP, new AckRecord(OffsetSet.of(0)));
        });
        assertThat(repair(1).losses()).containsExactly(new RepairPlan.Loss(QUEUE, 2, OffsetSet.range(1, 2)));
        assertThat(repair(0).losses()).containsExactly(new RepairPlan.Loss(QUEUE, 1, OffsetSet.of(0)));
        assertNextOffset(4);
        // How far the offsets had come hangs on the note of the first repair no more than before.
        List<OffsetSet> notes = new ArrayList<>();
        for (LogCensus.Piece piece : LogCensus.of(disk).pieces) {
            if (piece.entries().get(0).content() instanceof QuarantinedRecord note) {
                notes.add(OffsetSet.range(note.firstOffset(), note.count()));
            }
        }
        assertThat(notes).containsExactly(OffsetSet.range(1, 2), OffsetSet.range(0, 3));
    }

    /** Also where nothing tells how many records there were, as before segments that were cleaned: a fill may be too large for it. */
    @Test
    void thePlaceOfAnyFrameCanBeFilled() {
        int smallest = FrameCodec.HEADER_BYTES + LostRecord.BYTES_MIN;
        for (int bytes = smallest; bytes <= 3 * smallest; bytes += 8) {
            long count = LostFrames.Place.countMin(bytes);
            assertThat(new LostFrames.Place(8, 8 + bytes, 1, count, List.of(), 1, 0, 0).fits())
                    .as("I8: %d records in %d bytes", count, bytes)
                    .isTrue();
        }
    }

    /** Nothing tells how many records were lost there: the segment behind it, which could, was cleaned. */
    @Test
    void aSmallLastFrameBeforeCleanedSegmentsIsRepaired() throws IOException {
        Owner quiet = Owner.group(1, 6);
        write(log -> {
            append(log, quiet, new AckRecord(OffsetSet.of(0)));
            checkpoint(log, Set.of(quiet)); // its snapshot keeps the first segment
            append(log, QUEUE, large("a", 20_000));
            append(log, GROUP, new AckRecord(OffsetSet.of(0)));
            append(log, QUEUE, large("b", 50_000));
            append(log, QUEUE, large("c", 50_000));
            log.releaseBelow(QUEUE.queueId(), 2);
            checkpoint(log, Set.of(QUEUE, GROUP));
        });
        List<LogCensus.Piece> pieces = LogCensus.of(disk).pieces;
        List<LogCensus.Piece> ofFirst = pieces.stream()
                .filter(piece -> piece.file().equals(pieces.get(0).file()))
                .toList();
        LogCensus.Piece last = ofFirst.get(ofFirst.size() - 1);
        long sequence = last.entries().get(0).sequence();
        assertThat(last.entries()).extracting(LogCensus.Entry::type).containsExactly(RecordType.ACK);
        assertThat(pieces.get(ofFirst.size()).entries().get(0).sequence())
                .as("the segment between was cleaned")
                .isEqualTo(sequence + 2);

        disk.flip(last.file(), last.at() + last.lengthBytes() - 1, 1);
        RepairPlan plan = LogRepair.apply(disk, LogRepair.nextNumber(disk), 3_000);
        assertThat(plan.refusalOrNull()).as("I8").isNull();
        assertThat(plan.losses()).as("a start needs none of it").isEmpty();
        assertThat(LogVerifier.verify(disk).problems()).isEmpty();
        assertNextOffset(3);
        assertThat(LogCensus.of(disk).pieces)
                .filteredOn(piece -> piece.position() == last.position())
                .singleElement()
                .satisfies(filled -> {
                    assertThat(filled.end()).isEqualTo(last.end());
                    assertThat(filled.entries().get(0).type()).isEqualTo(RecordType.LOST);
                });
    }

    private static MessageRecord large(String id, int bytes) {
        return MessageRecord.builder().id(id).body(new byte[bytes]).build();
    }

    /** Everything is forced; these owners give snapshots, which hold all that was appended of them. */
    private void checkpoint(StripeLog log, Set<Owner> giving) throws IOException {
        Checkpoint checkpoint = log.beginCheckpoint();
        assertThat(checkpoint.changedOwners()).containsAll(giving);
        for (Owner owner : giving) {
            long[] last = new long[2];
            for (Frame frame : frames) {
                for (int index = 0; index < frame.recordCount(); index++) {
                    last = frame.owner(index).equals(owner)
                            ? new long[] {frame.firstSequence() + index, frame.ownerNumber(index)}
                            : last;
                }
            }
            long next = owner.isQueue() ? log.nextOffset(owner.queueId()) : 0;
            append(log, owner, new SnapshotRecord(last[0], last[1], next, 0, 1, new byte[0]));
        }
        log.writeManifest(checkpoint);
        FlushRange range = log.takeUnflushed();
        log.force(range);
        log.forced(range);
        log.finishCheckpoint(checkpoint);
    }

    /** A power cut has left a hole before the end of a segment, whose successor is on the device: that is the log's end, and no damage. */
    @Test
    void whatIsNotKnownToHaveBeenDurableIsNotGivenUp() throws IOException {
        MemoryDisk cut;
        try (StripeLog log = StripeLog.open(disk, LogDriver.OPTIONS, 1_000, new RepairDraft.Ignoring())) {
            append(log, GROUP, new AckRecord(OffsetSet.of(0)));
            append(log, GROUP, new AckRecord(OffsetSet.of(1)));
            FlushRange range = log.takeUnflushed();
            log.force(range);
            log.forced(range);
            append(log, GROUP, new AckRecord(OffsetSet.of(2)));
            for (int i = 0; i < 20; i++) {
                if (log.isPreparationNeeded()) {
                    log.prepareNext();
                }
                append(
                        log,
                        QUEUE,
                        MessageRecord.builder()
                                .id("m" + i)
                                .body(new byte[5_000])
                                .build());
            }
            cut = disk.killImage();
        }
        List<LogCensus.Piece> pieces = LogCensus.of(cut).pieces;
        LogCensus.Piece first = pieces.get(0);
        List<LogCensus.Piece> ofFirst = pieces.stream()
                .filter(piece -> piece.file().equals(first.file()))
                .toList();
        assertThat(ofFirst.size()).isLessThan(pieces.size());
        LogCensus.Piece last = ofFirst.get(ofFirst.size() - 1);
        cut.overwrite(last.file(), last.at(), new byte[last.lengthBytes()]);
        assertThat(LogVerifier.verify(cut).problems()).as("the log's end").isEmpty();
        cut.flip(first.file(), first.at() + first.lengthBytes() - 1, 1);
        RepairPlan plan = LogRepair.apply(cut, 1, 3_000);
        assertThat(plan.refusalOrNull()).as("I8").isNull();
        assertThat(plan.losses()).containsExactly(new RepairPlan.Loss(GROUP, 1, OffsetSet.empty()));
        assertThat(LogVerifier.verify(cut).lastSequence())
                .as("nothing from the hole on")
                .isEqualTo(last.entries().get(0).sequence() - 1);
    }

    private void assertNextOffset(long next) throws IOException {
        try (StripeLog log = StripeLog.open(disk, LogDriver.OPTIONS, 4_000, new RepairDraft.Ignoring())) {
            assertThat(log.report().stoppedOwners()).isEmpty();
            assertThat(log.nextOffset(QUEUE.queueId())).as("I2").isEqualTo(next);
        }
    }
}
