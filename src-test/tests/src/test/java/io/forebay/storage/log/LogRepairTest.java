package io.forebay.storage.log;

import static org.assertj.core.api.Assertions.assertThat;

import io.forebay.storage.io.StorageFile;
import io.forebay.testkit.faults.DiskCrashed;
import io.forebay.testkit.faults.MemoryDisk;
import java.io.IOException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.parallel.Execution;
import org.junit.jupiter.api.parallel.ExecutionMode;

/**
 * A small log of several segments with a checkpoint in it is damaged everywhere, one place at a time, and repaired. Invariants: I1
 * everything that was not in the damaged place is there, in order; I2 nothing is altered, comes twice, or comes back; no sequence and
 * no offset is given again; I8 the log opens, nobody is stopped; undo gives the same bytes. With {@code -Dforebay.sweep=full} every
 * byte is flipped.
 */
@Tag("proof")
class LogRepairTest {
    private static final boolean IS_FULL = "full".equals(System.getProperty("forebay.sweep"));
    private static final String CHECKPOINT = "checkpoint";
    private static final Owner RESERVED = Owner.queue(Owner.RESERVED_FROM);

    /**
     * A log that was stopped cleanly.
     *
     * @param model what was appended
     * @param frames all that are stored
     */
    private record World(MemoryDisk disk, LogModel model, Map<Integer, Long> released, List<Frames> frames) {
        List<String> files() {
            return frames.stream().map(Frames::file).distinct().toList();
        }

        Set<Long> sequencesAt(String file, long from, long to) {
            Set<Long> sequences = new TreeSet<>();
            for (Frames frame : frames) {
                if (frame.file.equals(file) && frame.from < to && frame.to > from) {
                    sequences.addAll(frame.sequences);
                }
            }
            return sequences;
        }
    }

    /** A frame: its file, where in it, the sequences of its records, and whether it is part of a checkpoint. */
    private record Frames(String file, long from, long to, Set<Long> sequences, boolean isCheckpoint) {}

    /** One checkpoint, and all that was ever appended. */
    private static World whole;
    /** Several checkpoints, and segments that cleaning has taken. */
    private static World cleaned;

    @BeforeAll
    static void write() throws IOException {
        MemoryDisk disk = new MemoryDisk();
        Random random = new Random(4711);
        LogDriver driver = LogDriver.fresh(disk);
        fill(driver, random, 110);
        driver.checkpoint(random, false);
        fill(driver, random, 110);
        driver.log.close(true);
        driver = new LogDriver(disk, driver.model, driver.released(), 0);
        fill(driver, random, 30);
        driver.log.close(true);
        whole = world(disk, driver);
        assertThat(whole.files()).hasSizeGreaterThan(3);

        disk = new MemoryDisk();
        driver = LogDriver.fresh(disk);
        for (int round = 0; round < 4; round++) {
            fill(driver, random, 60);
            for (int i = 0; i < 20; i++) {
                driver.release(random);
            }
            long below = driver.log.nextOffset(RESERVED.queueId()) - 2;
            driver.released().put(RESERVED.queueId(), below);
            driver.log.releaseBelow(RESERVED.queueId(), below);
            driver.checkpoint(random, false);
        }
        fill(driver, random, 120);
        driver.log.close(true);
        cleaned = world(disk, driver);
        assertThat(cleaned.files()).hasSizeGreaterThan(1);
        assertThat(cleaned.frames.get(0).sequences).doesNotContain(1L);
    }

    private static World world(MemoryDisk disk, LogDriver driver) throws IOException {
        assertThat(LogVerifier.verify(disk).problems()).isEmpty();
        return new World(disk, driver.model, driver.released(), frames(disk));
    }

    private static void fill(LogDriver driver, Random random, int count) throws IOException {
        for (int step = 0; step < count; step++) {
            driver.append(random);
            if (step % 5 == 0) {
                appendEvents(driver, 1 + step % 3);
            }
            if (random.nextInt(4) == 0) {
                driver.force();
            }
        }
        driver.force();
    }

    /** What a persistence plugin stores: records with an offset in a queue that no topic has. */
    private static void appendEvents(LogDriver driver, int count) throws IOException {
        Frame.Builder builder = Frame.builder(256);
        List<LogRecord> events = new ArrayList<>();
        long next = driver.log.nextOffset(RESERVED.queueId());
        for (long offset = next; offset < next + count; offset++) {
            PersistenceEventRecord event = new PersistenceEventRecord(
                    offset,
                    1,
                    1,
                    offset + 1,
                    0,
                    offset - 1,
                    0,
                    "writer",
                    "",
                    "",
                    "",
                    List.of(),
                    new byte[0],
                    new byte[0],
                    new byte[100]);
            builder.add(RESERVED, event);
            events.add(event);
        }
        driver.append(builder.build(), events);
    }

    private static List<Frames> frames(MemoryDisk disk) throws IOException {
        List<Frames> frames = new ArrayList<>();
        try (LogFiles files = LogFiles.open(disk)) {
            for (LogFiles.Found found : files.all()) {
                FrameWindow window = new FrameWindow();
                long end = files.end(found);
                long at = found.firstPosition();
                while (found.isLinked() && at < end && window.check(found.file, found.base, at, end - at) == null) {
                    int length = FrameCodec.length(window.bytes(), window.at());
                    Set<Long> sequences = new TreeSet<>();
                    long first = FrameCodec.firstSequence(window.bytes(), window.at());
                    for (int i = 0; i < FrameCodec.recordCount(window.bytes(), window.at()); i++) {
                        sequences.add(first + i);
                    }
                    byte type = window.bytes()[window.at() + FrameCodec.HEADER_BYTES + 4];
                    boolean isCheckpoint = type == RecordType.SNAPSHOT.number() || type == RecordType.MANIFEST.number();
                    frames.add(
                            new Frames(found.name, at - found.base, at - found.base + length, sequences, isCheckpoint));
                    at += length;
                }
            }
        }
        return frames;
    }

    /** What each file comes to; what a power cut may take of the index is not looked at. */
    private static Map<String, String> contents(MemoryDisk disk, boolean isWithIndex) throws IOException {
        Map<String, String> contents = new TreeMap<>();
        for (String name : disk.files()) {
            if (!name.startsWith("repair-") && (isWithIndex || !name.startsWith("index/"))) {
                byte[] bytes = disk.content(name);
                contents.put(name, bytes.length + " bytes, " + Arrays.hashCode(bytes));
            }
        }
        return contents;
    }

    @Test
    @Execution(ExecutionMode.CONCURRENT)
    void aSoundLogIsLeftAlone() throws IOException {
        MemoryDisk disk = whole.disk.killImage();
        RepairPlan plan = LogRepair.apply(disk, 1, 3_000);
        assertThat(plan.isNeeded()).isFalse();
        assertThat(disk.files()).isEqualTo(whole.disk.files());
        assertThat(disk.operations()).isZero();
    }

    @Test
    @Execution(ExecutionMode.CONCURRENT)
    void everyFlippedByteOfASegmentIsRepaired() throws IOException {
        int repaired = 0;
        Set<String> seen = new HashSet<>();
        for (int index = 0; index < whole.frames.size(); index++) {
            Frames frame = whole.frames.get(index);
            if (seen.add(frame.file)) {
                for (long at = 0; at < SegmentHeader.BYTES; at += IS_FULL ? 1 : 31) {
                    repaired += flip(whole, frame.file, at, Set.of());
                }
            }
            if (IS_FULL) {
                for (long at = frame.from; at < frame.to; at++) {
                    repaired += flip(whole, frame.file, at, frame.sequences);
                }
            } else if (index % 4 == 0 || frame.isCheckpoint) {
                repaired += flip(whole, frame.file, frame.from + index * 7L % (frame.to - frame.from), frame.sequences);
            }
        }
        assertThat(repaired).isGreaterThan(60);
    }

    private static int flip(World world, String file, long at, Set<Long> lost) throws IOException {
        MemoryDisk damaged = world.disk.killImage();
        damaged.flip(file, at, 1 << (at % 8));
        return check(world, damaged, file + " flipped at " + at, lost);
    }

    /** The manifest, a snapshot, and what lies before the replay start, where nothing older is stored that could say the same. */
    @Test
    @Execution(ExecutionMode.CONCURRENT)
    void whatIsLeftOfACleanedLogIsRepaired() throws IOException {
        for (int index = 0; index < cleaned.frames.size(); index++) {
            Frames frame = cleaned.frames.get(index);
            if (IS_FULL || frame.isCheckpoint || index % 9 == 0) {
                flip(cleaned, frame.file, frame.from + 60, frame.sequences);
            }
        }
        MemoryDisk without = cleaned.disk.killImage();
        without.truncate(CHECKPOINT, 0);
        check(cleaned, without, "checkpoint cut", Set.of());
        for (String file : cleaned.files()) {
            MemoryDisk gone = cleaned.disk.killImage();
            gone.delete(file);
            check(cleaned, gone, file + " gone", cleaned.sequencesAt(file, 0, Long.MAX_VALUE));
        }
    }

    @Test
    @Execution(ExecutionMode.CONCURRENT)
    void everyFlippedByteOfTheCheckpointFileIsRepaired() throws IOException {
        for (long at = 0; at < 8192; at++) {
            if (at % 4096 < 128 && (IS_FULL || at % 11 == 0)) {
                MemoryDisk damaged = whole.disk.killImage();
                damaged.flip(CHECKPOINT, at, 1 << (at % 8));
                check(whole, damaged, "checkpoint flipped at " + at, Set.of());
            }
        }
        MemoryDisk both = whole.disk.killImage();
        both.flip(CHECKPOINT, 20, 1);
        both.flip(CHECKPOINT, 4096 + 20, 1);
        assertThat(check(whole, both, "both slots flipped", Set.of())).isOne();
        MemoryDisk cut = whole.disk.killImage();
        cut.truncate(CHECKPOINT, 100);
        assertThat(check(whole, cut, "checkpoint cut", Set.of())).isOne();
        MemoryDisk gone = whole.disk.killImage();
        gone.delete(CHECKPOINT);
        assertThat(check(whole, gone, "checkpoint gone", Set.of())).isOne();
    }

    @Test
    @Execution(ExecutionMode.CONCURRENT)
    void aSegmentThatIsCutShortOrZeroedOrGoneIsRepaired() throws IOException {
        for (String file : whole.files()) {
            long size = whole.disk.sizeBytes(file);
            for (long length = 0; length < size; length += IS_FULL ? 997 : 29_337) {
                MemoryDisk cut = whole.disk.killImage();
                cut.truncate(file, length);
                check(whole, cut, file + " cut to " + length, whole.sequencesAt(file, length, size));
            }
            for (long from = 0; from < size; from += IS_FULL ? 4096 : 6 * 4096) {
                MemoryDisk zeroed = whole.disk.killImage();
                zeroed.overwrite(file, from, new byte[4096]);
                check(whole, zeroed, file + " zeroed at " + from, whole.sequencesAt(file, from, from + 4096));
            }
            MemoryDisk gone = whole.disk.killImage();
            gone.delete(file);
            check(whole, gone, file + " gone", whole.sequencesAt(file, 0, size));
        }
    }

    /** After a crash in the middle of a repair it is run again; before that a start may refuse, but takes nothing for granted. */
    @Test
    @Execution(ExecutionMode.CONCURRENT)
    void aRepairThatIsCutOffAnywhereIsRunAgain() throws IOException {
        Random random = new Random(11);
        for (int quarter = 3; quarter > (IS_FULL ? 0 : 2); quarter--) {
            Frames frame = whole.frames.get(whole.frames.size() * quarter / 4);
            MemoryDisk damaged = whole.disk.killImage();
            damaged.flip(frame.file, frame.from + 70, 4);
            Map<String, String> before = contents(damaged, false);
            MemoryDisk uncut = damaged.killImage();
            LogRepair.apply(uncut, 1, 3_000);
            for (long operation = 1; operation <= uncut.operations(); operation++) {
                MemoryDisk disk = damaged.killImage();
                disk.crashAtOperation(disk.operations() + operation, random);
                try {
                    LogRepair.apply(disk, 1, 3_000);
                } catch (IOException | DiskCrashed e) {
                    assertThat(disk.isCrashed()).isTrue();
                }
                String what = frame + " crash at " + operation + " of " + uncut.operations();
                for (MemoryDisk image : List.of(disk.killImage(), disk.powerCutImage(random))) {
                    checkStarts(image.killImage(), what, frame.sequences);
                    int number = LogRepair.nextNumber(image);
                    RepairPlan plan = LogRepair.apply(image, number, 3_000);
                    assertThat(plan.refusalOrNull()).as(what).isNull();
                    checkOpens(whole, image.killImage(), what, plan, frame.sequences);
                    assertThat(LogRepair.unfinished(image)).as(what).isEmpty();
                    if (plan.isNeeded()) {
                        LogRepair.undo(image, number);
                        assertThat(contents(image, false)).as(what).containsExactlyEntriesOf(before);
                    }
                }
            }
        }
    }

    /** A start on a repair that was cut off refuses, stops owners, or is right; then a repair goes on from there. */
    private static void checkStarts(MemoryDisk image, String what, Set<Long> lost) throws IOException {
        try (StripeLog log = StripeLog.open(image, LogDriver.OPTIONS, 4_000, new Handed())) {
            assertThat(log.nextOffset(2)).as(what).isPositive();
        } catch (CorruptLogException e) {
            assertThat(e.getMessage()).contains("forebay log repair");
        }
        RepairPlan plan = LogRepair.apply(image, LogRepair.nextNumber(image), 3_000);
        assertThat(plan.refusalOrNull()).as(what).isNull();
        checkOpens(whole, image, what, plan, lost);
    }

    @Test
    @Execution(ExecutionMode.CONCURRENT)
    void whatWasWrittenSinceIsNotOverwrittenUnasked() throws IOException {
        MemoryDisk disk = whole.disk.killImage();
        Frames frame = whole.frames.get(whole.frames.size() / 3);
        disk.flip(frame.file, frame.from + 70, 4);
        LogRepair.apply(disk, 1, 3_000);
        assertThat(LogRepair.isApplied(disk, 1)).isTrue();
        assertThat(LogRepair.changedSince(disk, 1)).isEmpty();
        StripeLog.open(disk, LogDriver.OPTIONS, 4_000, new Handed()).close(true);
        assertThat(LogRepair.changedSince(disk, 1)).contains(CHECKPOINT);
        assertThat(LogRepair.nextNumber(disk)).isEqualTo(2);
        LogRepair.undo(disk, 1);
        assertThat(LogRepair.isApplied(disk, 1)).isFalse();
    }

    /** Sequences that are lost together with the last of their owner: nobody can tell by a gap whose they were. */
    @Test
    @Execution(ExecutionMode.CONCURRENT)
    void theLastRecordsOfTheLogAreGivenUpAndTheirOffsetsNotGivenAgain() throws IOException {
        Frames last = whole.frames.get(whole.frames.size() - 1);
        for (long at = last.from; at < last.to; at += IS_FULL ? 1 : 61) {
            MemoryDisk damaged = whole.disk.killImage();
            damaged.flip(last.file, at, 1 << (at % 8));
            assertThat(check(whole, damaged, "last frame flipped at " + at, last.sequences))
                    .isOne();
        }
    }

    /** Before, what was left of it was taken for a record without an offset, so that the offset was given again. */
    @Test
    @Execution(ExecutionMode.CONCURRENT)
    void aMessageWhoseTypeIsDamagedKeepsItsOffset() throws IOException {
        for (World world : List.of(whole, cleaned)) {
            for (Frames frame : world.frames.subList(world.frames.size() - 40, world.frames.size())) {
                flip(world, frame.file, frame.from + FrameCodec.HEADER_BYTES + 4, frame.sequences);
            }
        }
    }

    /** Somebody has put segments of another node there, and no start has set them aside yet. */
    @Test
    @Execution(ExecutionMode.CONCURRENT)
    void segmentsOfAnotherLogAreNoPartOfARepair() throws IOException {
        MemoryDisk other = new MemoryDisk();
        try (StripeLog log = StripeLog.open(other, LogDriver.OPTIONS, 77_000, new LogModel.Sink())) {
            for (int i = 0; i < 60; i++) {
                log.append(
                        Frame.builder(64)
                                .add(
                                        Owner.queue(1),
                                        MessageRecord.builder()
                                                .id("of another node")
                                                .body(new byte[3_000])
                                                .build())
                                .build(),
                        2_000);
            }
            log.close(true);
        }
        List<String> theirs =
                other.files().stream().filter(name -> Segment.baseOf(name) >= 0).toList();
        assertThat(theirs).hasSizeGreaterThan(1);
        for (World world : List.of(whole, cleaned)) {
            for (String at : world.files()) {
                for (String their : List.of(theirs.get(0), theirs.get(theirs.size() - 1))) {
                    String name = Segment.fileName(Segment.baseOf(at) + SegmentHeader.PAGE_BYTES);
                    byte[] content = other.content(their);
                    Frames frame = world.frames.get(world.frames.size() / 2);
                    MemoryDisk damaged = world.disk.killImage();
                    damaged.flip(frame.file, frame.from + 70, 4);
                    put(damaged, name, content);
                    String what = their + " of another log as " + name + ", " + frame;
                    assertThat(check(world, damaged, what, frame.sequences))
                            .as(what)
                            .isOne();
                    assertThat(damaged.content(name)).as(what).isEqualTo(content);
                    // Whose log it is says the checkpoint file alone.
                    damaged.delete(CHECKPOINT);
                    assertThat(LogRepair.plan(damaged, 3_000).refusalOrNull())
                            .as(what)
                            .contains("belongs to", "take away what does not belong here");
                }
            }
        }
    }

    private static void put(MemoryDisk disk, String name, byte[] content) throws IOException {
        try (StorageFile file = disk.create(name, content.length)) {
            file.write(0, content, 0, content.length);
        }
    }

    /** @return 1 if there was something to repair */
    private static int check(World world, MemoryDisk damaged, String what, Set<Long> lost) throws IOException {
        Map<String, String> before = contents(damaged, true);
        long operations = damaged.operations();
        RepairPlan plan = LogRepair.plan(damaged, 3_000);
        assertThat(damaged.operations()).as("%s: a plan writes nothing", what).isEqualTo(operations);
        assertThat(plan.refusalOrNull()).as(what).isNull();
        assertThat(damaged.openFiles()).as(what).isEmpty();
        if (!plan.isNeeded()) {
            checkOpens(world, damaged, what, plan, Set.of());
            return 0;
        }
        LogRepair.apply(damaged, 1, 3_000);
        assertThat(damaged.openFiles()).as(what).isEmpty();
        assertThat(LogVerifier.verify(damaged).problems())
                .as("%s: %s", what, plan)
                .isEmpty();
        assertThat(LogRepair.plan(damaged, 3_000).isNeeded())
                .as("%s: once is enough", what)
                .isFalse();
        checkOpens(world, damaged.killImage(), what, plan, lost);
        assertThat(LogRepair.changedSince(damaged, 1)).as(what).isEmpty();
        LogRepair.undo(damaged, 1);
        assertThat(contents(damaged, true)).as("%s: undone", what).containsExactlyEntriesOf(before);
        return 1;
    }

    /** What recovery hands out. */
    private static final class Handed implements RecoverySink {
        final Map<Owner, Long> held = new HashMap<>();
        final Map<Long, LogRecord> records = new TreeMap<>();
        final Map<Long, Owner> owners = new HashMap<>();
        private long last;

        @Override
        public void snapshot(RecordView part) throws CorruptRecordException {
            held.put(part.owner(), ((SnapshotRecord) part.decode()).heldSequence());
        }

        @Override
        public void record(RecordView record) throws CorruptRecordException {
            assertThat(record.sequence()).isGreaterThan(last);
            last = record.sequence();
            records.put(record.sequence(), record.decode());
            owners.put(record.sequence(), record.owner());
        }
    }

    private static void checkOpens(World world, MemoryDisk repaired, String what, RepairPlan plan, Set<Long> lost)
            throws IOException {
        Handed handed = new Handed();
        String as = what + ": " + plan;
        try (StripeLog log = StripeLog.open(repaired, LogDriver.OPTIONS, 4_000, handed)) {
            assertThat(log.report().stoppedOwners()).as(as).isEmpty();
            for (LogModel.Entry entry : world.model.entries()) {
                LogRecord record = handed.records.get(entry.sequence());
                if (record instanceof LostRecord) {
                    assertThat(lost).as("%s: %s", as, entry).contains(entry.sequence());
                } else if (record != null) {
                    assertThat(LogModel.content(record)).as("%s: %s", as, entry).isEqualTo(entry.content());
                    assertThat(handed.owners.get(entry.sequence())).as(as).isEqualTo(entry.owner());
                } else if (entry.isState() && !lost.contains(entry.sequence()) && !isStateLost(plan, entry.owner())) {
                    assertThat(handed.held.getOrDefault(entry.owner(), 0L))
                            .as("%s: %s is there", as, entry)
                            .isGreaterThanOrEqualTo(entry.sequence());
                }
            }
            checkMessages(world, log, as, lost);
            Frame frame = Frame.builder(64)
                    .add(
                            Owner.queue(2),
                            MessageRecord.builder().id("new").body(new byte[1]).build())
                    .build();
            log.append(frame, 5_000);
            assertThat(frame.firstSequence()).as("%s: sequence", as).isGreaterThan(world.model.lastSequence());
        }
    }

    /** Whether the plan says that what told of an owner is lost. */
    private static boolean isStateLost(RepairPlan plan, Owner owner) {
        return plan.notes().stream()
                .anyMatch(note -> note.startsWith(owner + ": its state cannot be read")
                        || (owner.equals(Owner.STRIPE) && note.startsWith("topics and groups")));
    }

    private static void checkMessages(World world, StripeLog log, String as, Set<Long> lost) throws IOException {
        Map<Integer, Integer> sizes = new HashMap<>();
        for (LogModel.Entry entry : world.model.entries()) {
            int queue = entry.owner().queueId();
            if (entry.queueOffset() < 0) {
                continue;
            }
            sizes.merge(queue, 1, Integer::sum);
            if (entry.queueOffset() < world.released.getOrDefault(queue, 0L)) {
                continue;
            }
            List<Long> found = new ArrayList<>();
            QueueReader.Result result = log.newReader(queue)
                    .read(
                            entry.queueOffset(),
                            1,
                            Long.MAX_VALUE,
                            (offset, message, body) -> found.add(body == null ? -1 : LogModel.content(body.decode())));
            if (!lost.contains(entry.sequence()) && !isBodyLost(world, entry, lost)) {
                assertThat(found).as("%s: %s %s", as, entry, result).containsExactly(entry.bodyContent());
            } else if (!found.isEmpty()) {
                assertThat(found).as(as).isSubsetOf(entry.bodyContent(), -1L);
            }
        }
        sizes.forEach((queue, size) ->
                assertThat(log.nextOffset(queue)).as("%s: queue %s", as, queue).isGreaterThanOrEqualTo(size));
    }

    /** Whether it is an entry whose body was lost. */
    private static boolean isBodyLost(World world, LogModel.Entry entry, Set<Long> lost) {
        return entry.bodyContent() != entry.content()
                && world.model.entries().stream()
                        .anyMatch(other -> lost.contains(other.sequence()) && other.content() == entry.bodyContent());
    }
}
