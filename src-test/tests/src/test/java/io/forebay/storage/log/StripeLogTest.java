package io.forebay.storage.log;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.catchThrowableOfType;

import io.forebay.storage.io.LittleEndian;
import io.forebay.testkit.faults.DiskCrashed;
import io.forebay.testkit.faults.DiskObserver.Operation;
import io.forebay.testkit.faults.Fault;
import io.forebay.testkit.faults.MemoryDisk;
import java.io.IOException;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.SplittableRandom;
import java.util.random.RandomGenerator;
import java.util.zip.CRC32C;
import org.junit.jupiter.api.Test;

/** The rules of a stripe's log, one by one, on the disk in memory. */
class StripeLogTest {
    private final RandomGenerator random = new SplittableRandom(11);
    private final MemoryDisk disk = new MemoryDisk();

    private static MessageRecord message(String id) {
        return MessageRecord.builder().id(id).body(new byte[100]).build();
    }

    private static Frame append(StripeLog log, Owner owner, LogRecord... records) throws StripeException {
        Frame.Builder builder = Frame.builder(64);
        for (LogRecord record : records) {
            builder.add(owner, record);
        }
        Frame frame = builder.build();
        log.append(frame, 5_000);
        return frame;
    }

    private static StripeLog open(MemoryDisk disk) throws IOException {
        return StripeLog.open(disk, LogDriver.OPTIONS, 1_000, new LogModel.Sink());
    }

    private static void force(StripeLog log) throws IOException {
        FlushRange range = log.takeUnflushed();
        log.force(range);
        log.forced(range);
    }

    private static List<String> ids(StripeLog log, int queueId) throws IOException {
        List<String> ids = new ArrayList<>();
        QueueReader.Result result = log.newReader(queueId)
                .read(
                        0,
                        Integer.MAX_VALUE,
                        Long.MAX_VALUE,
                        (offset, message, body) -> ids.add(((MessageRecord) body.decode()).id()));
        assertThat(result.status()).as("%s", result).isEqualTo(QueueReader.Status.READ);
        return ids;
    }

    private static String segmentAt(int index, MemoryDisk disk) {
        return disk.files().stream()
                .filter(name -> Segment.baseOf(name) >= 0)
                .toList()
                .get(index);
    }

    // --- appending and reading ---

    @Test
    void appendGivesSequencesOwnerNumbersAndOffsets() throws IOException {
        try (StripeLog log = open(disk)) {
            Frame first = append(log, Owner.queue(1), message("a"), message("b"));
            Frame second = Frame.builder(64)
                    .add(Owner.queue(1), message("c"))
                    .add(Owner.group(1, 4), new AckRecord(OffsetSet.of(0)))
                    .add(Owner.queue(2), message("d"))
                    .build();
            log.append(second, 4_000);
            assertThat(first.firstSequence()).isEqualTo(1);
            assertThat(second.firstSequence()).isEqualTo(3);
            assertThat(second.lastSequence()).isEqualTo(5);
            assertThat(first.queueOffset(1)).isEqualTo(1);
            assertThat(second.queueOffset(0)).isEqualTo(2);
            assertThat(second.queueOffset(1)).isEqualTo(-1);
            assertThat(second.queueOffset(2)).isZero();
            assertThat(second.ownerNumber(0)).isEqualTo(3);
            assertThat(second.ownerNumber(1)).isEqualTo(1);
            assertThat(second.logTimeMillis()).as("never below the newest").isEqualTo(5_000);
            assertThat(log.writtenSequence()).isEqualTo(5);
            assertThat(log.durableSequence()).isZero();
            force(log);
            assertThat(log.durableSequence()).isEqualTo(5);
            assertThat(log.takeUnflushed()).isNull();
            assertThat(ids(log, 1)).containsExactly("a", "b", "c");
            assertThat(ids(log, 2)).containsExactly("d");
            assertThat(ids(log, 3)).isEmpty();
        }
    }

    @Test
    void readsAreCutByCountAndBytesButGiveAtLeastOne() throws IOException {
        try (StripeLog log = open(disk)) {
            append(log, Owner.queue(1), message("a"), message("b"), message("c"));
            append(log, Owner.queue(1), message("d"));
            QueueReader reader = log.newReader(1);
            assertThat(reader.read(1, 2, Long.MAX_VALUE, (offset, message, body) -> {}))
                    .extracting(QueueReader.Result::count, QueueReader.Result::nextOffset)
                    .containsExactly(2, 3L);
            assertThat(reader.read(1, 9, 1, (offset, message, body) -> {}).count())
                    .isOne();
            assertThat(reader.read(3, 9, 1, (offset, message, body) -> {}).count())
                    .isOne();
            assertThat(reader.read(4, 9, 1, (offset, message, body) -> {}).count())
                    .isZero();
            assertThat(reader.read(0, 2, Long.MAX_VALUE, (offset, message, body) -> {})
                            .count())
                    .isEqualTo(2);
        }
    }

    @Test
    void anEntryIsReadWithTheBodyItNames() throws IOException {
        try (StripeLog log = open(disk)) {
            Frame frame = append(log, Owner.queue(1), message("a"), message("b"));
            append(log, Owner.queue(2), new EntryRecord(-1, 1, 1, frame.firstSequence() + 1, 0, Map.of("why", "dead")));
            append(log, Owner.queue(2), new EntryRecord(-1, 1, 0, frame.firstSequence() + 1, 0, Map.of()));
            List<String> found = new ArrayList<>();
            log.newReader(2)
                    .read(
                            0,
                            9,
                            Long.MAX_VALUE,
                            (offset, entry, body) -> found.add(((EntryRecord) entry.decode()).properties()
                                    + (body == null ? "?" : ((MessageRecord) body.decode()).id())));
            assertThat(found).containsExactly("{why=dead}b", "{}?");
        }
    }

    @Test
    void aFrameThatFitsNoSegmentIsRefused() throws IOException {
        try (StripeLog log = open(disk)) {
            LogRecord large =
                    MessageRecord.builder().id("x").body(new byte[62_000]).build();
            StripeException refused =
                    catchThrowableOfType(StripeException.class, () -> append(log, Owner.queue(1), large));
            assertThat(refused.reason()).isEqualTo(StripeException.Reason.FRAME_TOO_LARGE);
            assertThat(refused).hasMessageContaining("61424");
            assertThat(append(log, Owner.queue(1), message("a")).firstSequence())
                    .isOne();
        }
    }

    @Test
    void aFullDiskRefusesAndComesBack() throws IOException {
        try (StripeLog log = open(disk)) {
            disk.fullAfter(0);
            long appended = 0;
            StripeException refused = null;
            while (refused == null) {
                Frame frame = Frame.builder(64)
                        .add(Owner.queue(1), message("m" + appended))
                        .build();
                try {
                    log.append(frame, 1_000);
                    appended++;
                } catch (StripeException e) {
                    refused = e;
                    assertThat(frame.isAppended()).isFalse();
                    assertThat(log.phase()).isEqualTo(Phase.RUNNING);
                    disk.roomAgain();
                    log.append(frame, 1_000);
                    assertThat(frame.firstSequence()).isEqualTo(appended + 1);
                    assertThat(frame.queueOffset(0)).isEqualTo(appended);
                    assertThat(frame.ownerNumber(0)).isEqualTo(appended + 1);
                }
            }
            assertThat(refused.reason()).isEqualTo(StripeException.Reason.DISK_FULL);
            assertThat(ids(log, 1)).hasSize((int) appended + 1);
        }
    }

    // --- recovery ---

    @Test
    void aCleanStopCopiesNothing() throws IOException {
        StripeLog log = open(disk);
        append(log, Owner.queue(1), message("a"));
        log.close(true);
        try (StripeLog again = open(disk)) {
            assertThat(again.report().isCleanStop()).isTrue();
            assertThat(again.report().framesCopied()).isZero();
            assertThat(again.epoch()).isEqualTo(2);
            assertThat(ids(again, 1)).containsExactly("a");
        }
    }

    @Test
    void afterAKillTheTailIsCopiedAndSurvivesAPowerCut() throws IOException {
        StripeLog log = open(disk);
        append(log, Owner.queue(1), message("a"));
        force(log);
        append(log, Owner.queue(1), message("b"));
        append(log, Owner.queue(1), message("c"));
        MemoryDisk killed = disk.killImage();
        log.close(false);
        try (StripeLog again = open(killed)) {
            // The frame behind the force says what was durable before it, so the forced one is copied along.
            assertThat(again.report().framesCopied()).isEqualTo(2);
            assertThat(again.report().isCleanStop()).isFalse();
            assertThat(again.durableSequence()).isEqualTo(3);
        }
        try (StripeLog third = open(killed.powerCutImage(random))) {
            assertThat(ids(third, 1)).containsExactly("a", "b", "c");
            assertThat(third.epoch()).isEqualTo(3);
        }
    }

    @Test
    void aTornTailEndsTheLog() throws IOException {
        StripeLog log = open(disk);
        append(log, Owner.queue(1), message("a"));
        force(log);
        append(log, Owner.queue(1), message("b"));
        append(log, Owner.queue(1), message("c"));
        MemoryDisk killed = disk.killImage();
        log.close(false);
        // Of three frames the middle one is bad: what lies behind was never promised either.
        killed.flip(segmentAt(0, killed), SegmentHeader.PAGE_BYTES + 300, 1);
        try (StripeLog again = open(killed)) {
            assertThat(ids(again, 1)).containsExactly("a");
            assertThat(again.nextOffset(1)).isOne();
            assertThat(append(again, Owner.queue(1), message("B")).firstSequence())
                    .isEqualTo(2);
            again.close(true);
        }
        try (StripeLog third = open(killed)) {
            assertThat(ids(third, 1))
                    .as("the end named by a successor is an end")
                    .containsExactly("a", "B");
        }
        assertThat(LogVerifier.verify(killed).problems()).isEmpty();
    }

    @Test
    void aBadFrameBelowWhatIsStatedDurableIsRefused() throws IOException {
        StripeLog log = open(disk);
        append(log, Owner.queue(1), message("a"));
        append(log, Owner.queue(1), message("b"));
        force(log);
        append(log, Owner.queue(1), message("c"));
        log.close(false);
        String segment = segmentAt(0, disk);
        disk.flip(segment, SegmentHeader.PAGE_BYTES + 300, 1);
        disk.flip(segment, SegmentHeader.PAGE_BYTES + 600, 1);
        long operations = disk.operations();
        // The third frame is bad as well, so only the slot could say it: it was written at the start. Nothing is known.
        open(disk).close(true);
        assertThat(disk.operations()).isGreaterThan(operations);
    }

    @Test
    void missingRecordsStopTheirOwnersOnly() throws IOException {
        StripeLog log = open(disk);
        append(log, Owner.queue(1), message("a"));
        append(log, Owner.queue(2), message("x"));
        append(log, Owner.queue(1), message("b"));
        append(log, Owner.queue(2), message("y"));
        log.close(true);
        disk.flip(segmentAt(0, disk), frameAt(disk, 1) + 60, 1);
        LogModel.Sink sink = new LogModel.Sink();
        try (StripeLog again = StripeLog.open(disk, LogDriver.OPTIONS, 1_000, sink)) {
            assertThat(again.report().stoppedOwners()).containsExactly(Owner.queue(2));
            assertThat(again.report().findings()).anyMatch(finding -> finding.contains("sequences 2 to 2 are missing"));
            assertThat(sink.states).containsOnlyKeys(Owner.queue(1));
            assertThat(ids(again, 1)).containsExactly("a", "b");
            QueueReader.Result lost = again.newReader(2).read(0, 1, 1, (offset, message, body) -> {});
            assertThat(lost.status()).isEqualTo(QueueReader.Status.QUARANTINED);
            StripeException refused =
                    catchThrowableOfType(StripeException.class, () -> append(again, Owner.queue(2), message("z")));
            assertThat(refused.reason()).isEqualTo(StripeException.Reason.OWNER_STOPPED);
            append(again, Owner.queue(1), message("c"));
            // A checkpoint must not forget that something is missing.
            Checkpoint checkpoint = again.beginCheckpoint();
            assertThat(checkpoint.changedOwners()).containsExactly(Owner.queue(1));
            append(again, Owner.queue(1), new SnapshotRecord(5, 3, 3, 0, 1, LogModel.encode(LogModel.State.EMPTY, 0)));
            again.writeManifest(checkpoint);
            force(again);
            again.finishCheckpoint(checkpoint);
            again.close(true);
        }
        try (StripeLog third = open(disk)) {
            assertThat(third.report().stoppedOwners()).containsExactly(Owner.queue(2));
            assertThat(ids(third, 1)).containsExactly("a", "b", "c");
        }
    }

    @Test
    void missingRecordsThatNobodyCanTellRefuseTheStart() throws IOException {
        StripeLog log = open(disk);
        append(log, Owner.queue(1), message("a"));
        append(log, Owner.queue(2), message("x"));
        append(log, Owner.queue(1), message("b"));
        log.close(true);
        int at = frameAt(disk, 1);
        disk.flip(segmentAt(0, disk), at + 60, 1);
        CorruptLogException refused = catchThrowableOfType(CorruptLogException.class, () -> open(disk));
        assertThat(refused.position()).isEqualTo(at);
        assertThat(refused).hasMessageContaining("segment-0000000000000000.log").hasMessageContaining("log repair");
        LogVerifier.Report report = LogVerifier.verify(disk);
        assertThat(report.problems().get(0).position()).isEqualTo(at);
        assertThat(report.problems().get(0).reason()).contains("sequences 2 to 2 are missing");
        assertThat(disk.openFiles()).isEmpty();
    }

    /** Byte of the file where the frame with that number in the first segment begins. */
    private static int frameAt(MemoryDisk disk, int number) throws IOException {
        byte[] bytes = disk.content(segmentAt(0, disk));
        int at = SegmentHeader.PAGE_BYTES;
        for (int frame = 0; frame < number; frame++) {
            at += FrameCodec.length(bytes, at);
        }
        return at;
    }

    @Test
    void aFrameOfALowerEpochIsStale() throws IOException {
        open(disk).close(true);
        StripeLog log = open(disk);
        append(log, Owner.queue(1), message("a"));
        append(log, Owner.queue(1), message("b"));
        log.close(false);
        String segment = segmentAt(1, disk);
        byte[] bytes = disk.content(segment);
        int at = SegmentHeader.PAGE_BYTES + FrameCodec.length(bytes, SegmentHeader.PAGE_BYTES);
        byte[] frame = java.util.Arrays.copyOfRange(bytes, at, at + FrameCodec.length(bytes, at));
        FrameCodec.place(frame, 0, frame.length, 1, FrameCodec.position(frame, 0), 0, new CRC32C());
        disk.overwrite(segment, at, frame);
        try (StripeLog again = open(disk)) {
            assertThat(again.report().endReason()).contains("epoch 1 lies behind epoch 2");
            assertThat(ids(again, 1)).containsExactly("a");
        }
    }

    @Test
    void aFrameThatLiesElsewhereIsStale() throws IOException {
        StripeLog log = open(disk);
        append(log, Owner.queue(1), message("a"));
        append(log, Owner.queue(1), message("b"));
        log.close(false);
        String segment = segmentAt(0, disk);
        byte[] bytes = disk.content(segment);
        int length = FrameCodec.length(bytes, SegmentHeader.PAGE_BYTES);
        disk.overwrite(
                segment,
                SegmentHeader.PAGE_BYTES + length,
                java.util.Arrays.copyOfRange(bytes, SegmentHeader.PAGE_BYTES, SegmentHeader.PAGE_BYTES + length));
        try (StripeLog again = open(disk)) {
            assertThat(again.report().endReason()).contains("a frame of position 4096 lies here");
            assertThat(ids(again, 1)).containsExactly("a");
        }
    }

    @Test
    void ofTwoSuccessorsTheOneWithTheHigherBaseCounts() throws IOException {
        StripeLog log = open(disk);
        append(log, Owner.queue(1), message("a"));
        log.close(true);
        // A start that linked its segment and died, seen again beside the next start's: as if it had not been removed.
        MemoryDisk older = disk.killImage();
        StripeLog second = open(older);
        append(second, Owner.queue(1), message("of the older"));
        second.close(false);
        String name = segmentAt(1, older);
        byte[] lost = older.content(name);
        StripeLog third = open(disk);
        third.prepareNext();
        append(third, Owner.queue(1), message("b"));
        third.close(true);
        long base = Segment.baseOf(segmentAt(2, disk));
        // The copy of the successor says the same predecessor, with a higher base.
        byte[] higher = lost.clone();
        SegmentHeader header = SegmentHeader.decode(lost);
        byte[] page = new SegmentHeader(
                        true, 3, 9, base, header.sizeBytes(), 0, 0, header.predecessorEnd(), 2, header.logId())
                .encode();
        System.arraycopy(page, 0, higher, 0, page.length);
        int at = SegmentHeader.PAGE_BYTES;
        byte[] frame = java.util.Arrays.copyOfRange(higher, at, at + FrameCodec.length(higher, at));
        FrameCodec.place(frame, 0, frame.length, 9, base + at, 0, new CRC32C());
        System.arraycopy(frame, 0, higher, at, frame.length);
        disk.overwrite(segmentAt(2, disk), 0, higher);
        try (StripeLog last = open(disk)) {
            assertThat(ids(last, 1)).containsExactly("a", "of the older");
            assertThat(last.epoch()).isEqualTo(10);
        }
    }

    @Test
    void aSecondStartWithoutAnythingForcedInTheFirst() throws IOException {
        StripeLog log = open(disk);
        append(log, Owner.queue(1), message("a"));
        MemoryDisk killed = disk.killImage();
        log.close(false);
        StripeLog second = open(killed);
        append(second, Owner.queue(1), message("b"));
        MemoryDisk again = killed.killImage();
        second.close(false);
        try (StripeLog third = open(again)) {
            assertThat(third.epoch()).isEqualTo(3);
            assertThat(ids(third, 1)).containsExactly("a", "b");
        }
    }

    @Test
    void aCrashAtAnyOperationOfAStartLosesNothing() throws IOException {
        LogDriver driver = LogDriver.fresh(disk);
        for (int step = 0; step < 120; step++) {
            driver.append(random);
            if (step == 40) {
                driver.checkpoint(random, false);
            } else if (step == 80) {
                driver.force();
            }
        }
        long durable = driver.log.durableSequence();
        MemoryDisk killed = disk.killImage();
        driver.log.close(false);
        boolean isCrashed = true;
        for (int operation = 1; isCrashed; operation++) {
            for (boolean isTorn : new boolean[] {false, true}) {
                MemoryDisk image = killed.killImage();
                image.crashAtOperation(operation, isTorn ? random : null);
                isCrashed = false;
                try {
                    open(image).close(false);
                } catch (DiskCrashed e) {
                    isCrashed = true;
                }
                long written = driver.model.lastSequence();
                check(image.killImage(), driver, written);
                check(image.powerCutImage(random), driver, isCrashed ? durable : written);
                assertThat(image.openFiles()).isEmpty();
            }
        }
    }

    private void check(MemoryDisk image, LogDriver written, long promised) throws IOException {
        LogModel model = new LogModel();
        model.entries().addAll(written.model.entries());
        new LogDriver(image, model, new HashMap<>(written.released()), promised).log.close(false);
        // What that start served was forced by it, whatever the one before had left in memory only.
        for (int cut = 0; cut < 3; cut++) {
            new LogDriver(image.powerCutImage(random), model, new HashMap<>(written.released()), model.lastSequence())
                    .log.close(false);
        }
    }

    // --- a failed force ---

    @Test
    void whatAFailedForceLostIsRewrittenWithTheSameSequencesAndOffsets() throws IOException {
        StripeLog log = open(disk);
        append(log, Owner.queue(1), message("a"));
        force(log);
        Frame frame = append(log, Owner.queue(1), message("b"), message("c"));
        FlushRange range = log.takeUnflushed();
        append(log, Owner.queue(1), message("d"));
        disk.failNextForces(1);
        assertThatThrownBy(() -> log.force(range)).isInstanceOf(IOException.class);
        log.forceFailed(range);
        log.forced(range);
        assertThat(log.durableSequence()).as("a late success proves nothing").isOne();
        assertThat(log.phase()).isEqualTo(Phase.REWRITING);
        assertThatThrownBy(() -> append(log, Owner.queue(1), message("e"))).isInstanceOf(StripeException.class);
        QueueReader reader = log.newReader(1);
        QueueReader.Result result = reader.read(0, 9, Long.MAX_VALUE, (offset, message, body) -> {});
        assertThat(result.status()).isEqualTo(QueueReader.Status.NOT_READABLE);
        assertThat(result.count()).isOne();
        assertThat(log.retainedFrames()).hasSize(2).startsWith(frame);
        for (Frame lost : log.retainedFrames()) {
            log.rewrite(lost);
        }
        assertThat(log.isRewriteComplete()).isTrue();
        log.finishRewrite();
        assertThat(log.durableSequence()).isEqualTo(4);
        assertThat(frame.firstSequence()).isEqualTo(2);
        assertThat(frame.queueOffset(1)).isEqualTo(2);
        disk.evictCleanPages();
        assertThat(ids(log, 1)).containsExactly("a", "b", "c", "d");
        assertThat(reader.read(0, 9, Long.MAX_VALUE, (offset, message, body) -> {})
                        .count())
                .isEqualTo(4);
        log.close(false);
        try (StripeLog again = open(disk.powerCutImage(random))) {
            assertThat(ids(again, 1)).containsExactly("a", "b", "c", "d");
        }
    }

    @Test
    void aCrashAtAnyOperationOfARewriteKeepsWhatWasDurable() throws IOException {
        boolean isCrashed = true;
        for (int operation = 1; isCrashed; operation++) {
            MemoryDisk each = new MemoryDisk();
            LogDriver driver = failed(each);
            long durable = driver.log.durableSequence();
            each.crashAtOperation(each.operations() + operation, random);
            isCrashed = false;
            try {
                assertThat(driver.rewrite(Integer.MAX_VALUE)).isTrue();
            } catch (DiskCrashed e) {
                isCrashed = true;
            }
            long promised = isCrashed ? durable : driver.model.lastSequence();
            // What the kernel has survives a kill, whether it is forced or not.
            check(each.killImage(), driver, driver.model.lastSequence());
            check(each.powerCutImage(random), driver, promised);
        }
    }

    /** Once, or once more while it starts over; what the kernel has forgotten is gone, whoever forces it again is found out. */
    @Test
    void aForceThatFailsAnywhereInARewriteStartsItOver() throws IOException {
        for (int times = 1; times <= 2; times++) {
            long failures = times;
            for (int failing = 1; failures > 0; failing++) {
                MemoryDisk each = new MemoryDisk();
                LogDriver driver = failed(each);
                long before = each.faults();
                each.arm(Fault.of(Operation.FORCE).from(failing).times(times));
                int tries = 0;
                while (driver.log.phase() == Phase.REWRITING) {
                    tries++;
                    try {
                        driver.rewrite(Integer.MAX_VALUE);
                    } catch (IOException e) {
                        assertThat(driver.log.phase()).isEqualTo(Phase.REWRITING);
                    }
                }
                failures = each.faults() - before;
                each.heal();
                assertThat(tries).isLessThanOrEqualTo(times + 1);
                each.evictCleanPages();
                driver.checkMessages();
                driver.append(random);
                driver.force();
                check(each.powerCutImage(random), driver, driver.model.lastSequence());
                assertThat(failing).as("a rewrite has an end").isLessThan(20);
            }
        }
    }

    /** Before the kill the force had failed: the pages read well until the kernel drops them, in the middle of a start as well. */
    @Test
    void aStartDoesNotServeWhatWasDroppedBetweenItsReadingAndItsCopying() throws IOException {
        StripeLog log = open(disk);
        append(log, Owner.queue(1), message("a"));
        force(log);
        append(log, Owner.queue(1), message("b"));
        disk.failNextForces(1);
        assertThatThrownBy(() -> log.force(log.takeUnflushed())).isInstanceOf(IOException.class);
        MemoryDisk killed = disk.killImage();
        log.close(false);
        try (StripeLog kept = open(killed.killImage())) {
            assertThat(ids(kept, 1)).containsExactly("a", "b");
        }
        killed.observe((operation, path, at, length) -> {
            if (operation == Operation.FORCE && path.equals(StripeLog.CHECKPOINT_FILE)) {
                killed.evictCleanPages();
            }
        });
        StripeException refused = catchThrowableOfType(StripeException.class, () -> open(killed));
        assertThat(refused).as("what is replayed is not in the log").isNotNull();
        assertThat(refused.reason()).isEqualTo(StripeException.Reason.DEVICE_FAILED);
        assertThat(refused).hasMessageContaining("start again");
        try (StripeLog again = open(killed.killImage())) {
            assertThat(ids(again, 1)).containsExactly("a");
        }
    }

    /** A log with some durable frames and, over more than one segment, some that a failed force has lost. */
    private LogDriver failed(MemoryDisk each) throws IOException {
        LogDriver driver = LogDriver.fresh(each);
        for (int step = 0; step < 20; step++) {
            driver.append(random);
        }
        driver.force();
        for (int step = 0; step < 130; step++) {
            driver.append(random);
        }
        each.failNextForces(1);
        assertThatThrownBy(driver::force).isInstanceOf(IOException.class);
        driver.fail();
        return driver;
    }

    // --- checkpoints and cleaning ---

    @Test
    void aCheckpointFreesSegmentsThatNobodyNeeds() throws IOException {
        LogDriver driver = LogDriver.fresh(disk);
        for (int round = 0; round < 12; round++) {
            for (int step = 0; step < 100; step++) {
                driver.append(random);
            }
            for (int queue = 1; queue <= 5; queue++) {
                long next = driver.log.nextOffset(queue);
                driver.released().put(queue, next);
                driver.log.releaseBelow(queue, next);
            }
            driver.checkpoint(random, false);
        }
        assertThat(driver.log.storedBytes()).isLessThanOrEqualTo(8L * LogDriver.OPTIONS.segmentBytes());
        assertThat(disk.files().stream().filter(SegmentStore::isSpare).count())
                .isBetween(1L, (long) LogDriver.OPTIONS.spareSegmentsMax());
        QueueReader.Result gone = driver.log.newReader(1).read(0, 1, 1, (offset, message, body) -> {});
        assertThat(gone.status()).isEqualTo(QueueReader.Status.GONE);
        driver.log.close(true);
        LogDriver again = new LogDriver(disk, driver.model, driver.released(), driver.model.lastSequence());
        assertThat(again.recovered.snapshots).isGreaterThan(5);
        assertThat(again.recovered.records).isLessThan(400);
        again.log.close(true);
        assertThat(LogVerifier.verify(disk).problems()).isEmpty();
    }

    @Test
    void eitherSlotAloneIsEnoughToStart() throws IOException {
        LogDriver driver = LogDriver.fresh(disk);
        for (int round = 0; round < 3; round++) {
            for (int step = 0; step < 200; step++) {
                driver.append(random);
            }
            for (int queue = 1; queue <= 5; queue++) {
                driver.released().put(queue, driver.log.nextOffset(queue));
                driver.log.releaseBelow(queue, driver.log.nextOffset(queue));
            }
            driver.checkpoint(random, false);
        }
        MemoryDisk killed = disk.killImage();
        driver.log.close(false);
        for (long slot : new long[] {0, 4096}) {
            MemoryDisk damaged = killed.killImage();
            damaged.flip(StripeLog.CHECKPOINT_FILE, slot + 20, 4);
            check(damaged, driver, driver.model.lastSequence());
        }
    }

    @Test
    void aSnapshotKeepsItsSegmentAsLongAsThereIsNoNewerOne() throws IOException {
        StripeLog log = open(disk);
        Owner quiet = Owner.group(1, 1);
        append(log, quiet, new AckRecord(OffsetSet.of(1)));
        byte[] state = LogModel.encode(new LogModel.State(1, 42), 0);
        for (int round = 0; round < 3; round++) {
            Checkpoint checkpoint = log.beginCheckpoint();
            for (Owner owner : checkpoint.changedOwners()) {
                if (owner.equals(quiet) && round == 0) {
                    append(log, quiet, new SnapshotRecord(1, 1, 0, 0, 1, state));
                } else if (owner.isQueue()) {
                    long next = log.nextOffset(1);
                    append(log, owner, new SnapshotRecord(0, next + round - 1, next, 0, 1, state));
                }
            }
            log.writeManifest(checkpoint);
            force(log);
            log.finishCheckpoint(checkpoint);
            for (int step = 0; step < 400; step++) {
                append(log, Owner.queue(1), message("m"));
            }
            log.releaseBelow(1, log.nextOffset(1));
        }
        assertThat(log.beginCheckpoint().changedOwners())
                .as("it is asked for a newer one")
                .contains(quiet);
        log.close(true);
        LogModel.Sink sink = new LogModel.Sink();
        StripeLog.open(disk, LogDriver.OPTIONS, 1_000, sink).close(false);
        assertThat(sink.states).containsEntry(quiet, new LogModel.State(1, 42));
    }

    @Test
    void anOwnerThatKeepsQuietKeepsTheReplayStart() throws IOException {
        LogDriver driver = LogDriver.fresh(disk);
        append(driver.log, Owner.group(9, 9), new AckRecord(OffsetSet.of(1)));
        Checkpoint checkpoint = driver.log.beginCheckpoint();
        assertThat(checkpoint.changedOwners()).containsExactly(Owner.group(9, 9));
        driver.log.writeManifest(checkpoint);
        force(driver.log);
        driver.log.finishCheckpoint(checkpoint);
        driver.log.close(true);
        LogModel.Sink sink = new LogModel.Sink();
        try (StripeLog again = StripeLog.open(disk, LogDriver.OPTIONS, 1_000, sink)) {
            assertThat(sink.states).containsOnlyKeys(Owner.group(9, 9));
            assertThat(again.beginCheckpoint().changedOwners()).containsExactly(Owner.group(9, 9));
        }
    }

    @Test
    void aBodyStaysAsLongAsAnEntryNamesIt() throws IOException {
        LogDriver driver = LogDriver.fresh(disk);
        StripeLog log = driver.log;
        Frame body = append(log, Owner.queue(1), message("poison"));
        append(log, Owner.queue(2), new EntryRecord(-1, 1, 0, body.firstSequence(), 0, Map.of()));
        for (int round = 0; round < 4; round++) {
            for (int step = 0; step < 700; step++) {
                append(log, Owner.queue(1), message("m"));
            }
            log.releaseBelow(1, log.nextOffset(1));
            Checkpoint checkpoint = log.beginCheckpoint();
            for (Owner owner : checkpoint.changedOwners()) {
                long number = owner.equals(Owner.queue(2)) ? 1 : 1 + 700L * (round + 1) + round;
                append(log, owner, new SnapshotRecord(1, number, log.nextOffset(owner.queueId()), 0, 1, new byte[16]));
            }
            log.writeManifest(checkpoint);
            force(log);
            log.finishCheckpoint(checkpoint);
        }
        assertThat(ids(log, 2)).containsExactly("poison");
        log.close(true);
        try (StripeLog again = open(disk)) {
            assertThat(ids(again, 2)).containsExactly("poison");
            again.releaseBelow(2, 1);
            for (int round = 0; round < 2; round++) {
                Checkpoint checkpoint = again.beginCheckpoint();
                again.writeManifest(checkpoint);
                force(again);
                again.finishCheckpoint(checkpoint);
            }
            assertThat(again.newReader(1)
                            .read(0, 1, 1, (offset, message, found) -> {})
                            .status())
                    .isEqualTo(QueueReader.Status.GONE);
        }
    }

    @Test
    void aLostIndexIsBuiltAnew() throws IOException {
        LogDriver driver = LogDriver.fresh(disk);
        for (int step = 0; step < 300; step++) {
            driver.append(random);
            if (step == 250) {
                driver.checkpoint(random, false);
            }
        }
        driver.log.close(true);
        for (String name : disk.files()) {
            if (name.startsWith(StripeLog.INDEX_DIRECTORY + "/")) {
                disk.child(StripeLog.INDEX_DIRECTORY).delete(name.substring(StripeLog.INDEX_DIRECTORY.length() + 1));
            }
        }
        LogDriver again = new LogDriver(disk, driver.model, driver.released(), driver.model.lastSequence());
        assertThat(again.log.report().findings()).contains("the queue index is built anew");
        again.log.close(true);
    }

    // --- what does not belong here ---

    @Test
    void anotherStripesLogIsRefused() throws IOException {
        open(disk).close(true);
        StripeOptions other = new StripeOptions(4, 64 * 1024, 64, 32 * 1024, 2);
        StripeException refused =
                catchThrowableOfType(StripeException.class, () -> StripeLog.open(disk, other, 1, new LogModel.Sink()));
        assertThat(refused.reason()).isEqualTo(StripeException.Reason.FOREIGN);
        assertThat(refused).hasMessageContaining("belongs to stripe 3, this is stripe 4");
        assertThat(disk.openFiles()).isEmpty();
    }

    @Test
    void aNewerFormatIsRefused() throws IOException {
        open(disk).close(true);
        String segment = segmentAt(0, disk);
        byte[] page = java.util.Arrays.copyOf(disk.content(segment), SegmentHeader.BYTES);
        LittleEndian.putInt(page, 8, 2);
        CRC32C crc = new CRC32C();
        crc.update(page, 4, page.length - 4);
        LittleEndian.putInt(page, 0, (int) crc.getValue());
        disk.overwrite(segment, 0, page);
        StripeException refused = catchThrowableOfType(StripeException.class, () -> open(disk));
        assertThat(refused.reason()).isEqualTo(StripeException.Reason.NEWER_FORMAT);
        assertThat(refused).hasMessageContaining("format version 2");
        assertThat(disk.openFiles()).isEmpty();
    }

    @Test
    void otherSizesTakeOverAnOlderLog() throws IOException {
        LogDriver driver = LogDriver.fresh(disk);
        for (int step = 0; step < 100; step++) {
            driver.append(random);
        }
        driver.checkpoint(random, false);
        driver.log.close(true);
        StripeOptions larger = LogDriver.OPTIONS.withSegmentBytes(128 * 1024);
        try (StripeLog log = StripeLog.open(disk, larger, 1_000, new LogModel.Sink())) {
            for (int step = 0; step < 1500; step++) {
                append(log, Owner.queue(1), message("m"));
            }
            log.close(true);
        }
        assertThat(LogVerifier.verify(disk).problems()).isEmpty();
        open(disk).close(true);
    }

    @Test
    void theDumpNamesEveryRecordAndTheEnd() throws IOException {
        StripeLog log = open(disk);
        append(log, Owner.queue(1), message("a"), message("b"));
        log.close(true);
        List<String> lines = new ArrayList<>();
        LogVerifier.Report report = LogDumper.dump(disk, lines::add);
        assertThat(report.records()).isEqualTo(2);
        assertThat(lines).hasSize(4);
        assertThat(lines.get(2)).startsWith("4096 2 1 1970-01-01T00:00:05Z queue 1 #2 MESSAGE ");
        assertThat(lines.get(3)).startsWith("# end at position ").contains("last sequence 2");
    }
}
