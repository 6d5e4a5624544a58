package io.forebay.storage.log;

import static org.assertj.core.api.Assertions.assertThat;

import io.forebay.storage.io.LittleEndian;
import io.forebay.support.Lanes;
import io.forebay.testkit.faults.MemoryDisk;
import io.forebay.testkit.sim.Proof;
import java.io.IOException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.parallel.Execution;
import org.junit.jupiter.api.parallel.ExecutionMode;

/**
 * A small log with every record type, stopped cleanly: each byte that means something is flipped, each length is cut, each page
 * is zeroed, duplicated, swapped.
 * Invariants: I2 nothing altered is ever handed out or delivered, every damage is found by verify and named, and recovery
 * either refuses or says whose records are missing (I8). With {@code -Dforebay.sweep=full} no byte is passed over, those
 * that mean nothing included.
 */
@Tag("proof")
class LogSweepTest {
    private static final boolean IS_FULL = "full".equals(System.getProperty("forebay.sweep"));
    private static final String CHECKPOINT = "checkpoint";

    /** How the log was stopped, and what it holds. */
    private static MemoryDisk stopped;

    private static final Map<Long, String> RECORDS = new TreeMap<>();
    private static final Map<Long, String> MESSAGES = new HashMap<>();
    private static final int QUEUE = 1;
    private static List<long[]> usedOfSegments;
    private static List<String> segments;

    @BeforeAll
    static void write() throws IOException {
        stopped = new MemoryDisk();
        try (StripeLog log = StripeLog.open(stopped, LogDriver.OPTIONS, 1_000, new LogModel.Sink())) {
            for (LogRecord record : RecordSamples.all()) {
                append(log, owner(record), record);
            }
            checkpoint(log);
            append(
                    log,
                    Owner.queue(QUEUE),
                    RecordSamples.all().get(0),
                    RecordSamples.all().get(1));
            log.close(true);
        }
        // A second start, so that there is a link to damage.
        try (StripeLog log = StripeLog.open(stopped, LogDriver.OPTIONS, 1_000, new LogModel.Sink())) {
            log.prepareNext();
            append(log, Owner.queue(QUEUE), RecordSamples.all().get(1));
            append(log, Owner.group(QUEUE, 5), new AckRecord(OffsetSet.of(0)));
            log.close(true);
        }
        LogVerifier.Report report = LogVerifier.verify(
                stopped, (segment, position, record) -> RECORDS.put(record.sequence(), text(record)));
        assertThat(report.problems()).isEmpty();
        findUsed();
    }

    private static Owner owner(LogRecord record) {
        return switch (record.type()) {
            case MESSAGE, ENTRY -> Owner.queue(QUEUE);
            case PERSISTENCE_EVENT, PERSISTENCE_SNAPSHOT, DURABLE_STATE -> Owner.queue(Owner.RESERVED_FROM);
            case TOPIC, TOPIC_DELETED, GROUP, GROUP_DELETED, SUBSCRIPTION, MANIFEST -> Owner.STRIPE;
            default -> Owner.group(QUEUE, 5);
        };
    }

    private static void append(StripeLog log, Owner owner, LogRecord... records) throws StripeException {
        Frame.Builder builder = Frame.builder(256);
        for (LogRecord record : records) {
            builder.add(owner, record);
        }
        Frame frame = builder.build();
        log.append(frame, 2_000);
        for (int index = 0; index < records.length; index++) {
            if (frame.queueOffset(index) >= 0 && owner.queueId() == QUEUE) {
                MESSAGES.put(
                        frame.queueOffset(index),
                        records[index].type() == RecordType.MESSAGE ? content(records[index]) : null);
            }
        }
    }

    private static String content(LogRecord record) {
        MessageRecord message = (MessageRecord) record;
        return message.id() + java.util.Arrays.hashCode(message.body());
    }

    private static String text(RecordView view) throws CorruptRecordException {
        return view.owner() + " " + view.ownerNumber() + " " + view.queueOffset() + " " + view.decode();
    }

    private static void checkpoint(StripeLog log) throws IOException {
        Checkpoint checkpoint = log.beginCheckpoint();
        for (Owner owner : checkpoint.changedOwners()) {
            // Held is nothing yet: everything is replayed, and is there to be compared.
            append(log, owner, new SnapshotRecord(0, 0, 0, 0, 1, LogModel.encode(LogModel.State.EMPTY, 0)));
        }
        log.writeManifest(checkpoint);
        FlushRange range = log.takeUnflushed();
        log.force(range);
        log.forced(range);
        log.finishCheckpoint(checkpoint);
    }

    /** The stretches of each segment that mean something. */
    private static void findUsed() throws IOException {
        segments = stopped.files().stream()
                .filter(name -> Segment.baseOf(name) >= 0)
                .toList();
        usedOfSegments = new ArrayList<>();
        try (LogFiles files = LogFiles.open(stopped)) {
            for (String name : segments) {
                LogFiles.Found found = files.at(Segment.baseOf(name));
                long end = SegmentHeader.PAGE_BYTES;
                FrameWindow window = new FrameWindow();
                long position = found.firstPosition();
                while (window.check(found.file, found.base, position, found.limit() - position) == null) {
                    position += FrameCodec.length(window.bytes(), window.at());
                    end = position - found.base;
                }
                usedOfSegments.add(found.isLinked() ? new long[] {SegmentHeader.BYTES, end} : new long[] {0, 0});
            }
        }
        assertThat(segments).hasSize(3);
        assertThat(usedOfSegments.stream().filter(used -> used[1] > 0)).hasSize(2);
    }

    private boolean isUsed(int segment, long at) {
        long[] used = usedOfSegments.get(segment);
        return at < used[0] || (at >= SegmentHeader.PAGE_BYTES && at < used[1]);
    }

    @Test
    @Execution(ExecutionMode.CONCURRENT)
    void everyFlippedByteOfASegmentIsFoundAndNeverDelivered() throws Exception {
        List<Flip> flips = new ArrayList<>();
        for (int segment = 0; segment < segments.size(); segment++) {
            long size = stopped.sizeBytes(segments.get(segment));
            for (long at = 0; at < size; at++) {
                boolean isUsed = isUsed(segment, at);
                if (isUsed || IS_FULL || at % 4093 == 7) {
                    flips.add(new Flip(segments.get(segment), at, isUsed));
                }
            }
        }
        Lanes.map(flips, flip -> {
            MemoryDisk damaged = stopped.killImage();
            damaged.flip(flip.file, flip.at, 1 << (flip.at % 8));
            return assertThat(checkDamaged(damaged, flip.toString(), true))
                    .as("%s", flip)
                    .isEqualTo(flip.isUsed);
        });
        assertThat(flips.stream().filter(Flip::isUsed)).hasSizeGreaterThan(4000);
    }

    private record Flip(String file, long at, boolean isUsed) {
        @Override
        public String toString() {
            return file + " flipped at " + at;
        }
    }

    @Test
    @Execution(ExecutionMode.CONCURRENT)
    void everyFlippedByteOfTheCheckpointFileIsFound() throws IOException {
        byte[] content = stopped.content(CHECKPOINT);
        int older = LittleEndian.getLong(content, 8) < LittleEndian.getLong(content, 4096 + 8) ? 0 : 4096;
        for (long at = 0; at < stopped.sizeBytes(CHECKPOINT); at++) {
            boolean isUsed = at % 4096 < 128;
            if (isUsed || IS_FULL || at % 509 == 3) {
                MemoryDisk damaged = stopped.killImage();
                damaged.flip(CHECKPOINT, at, 1 << (at % 8));
                if (at >= older && at < older + 4) {
                    // The checksum of a slot that counts no more: so looks the beginning of the next write, too.
                    assertThat(LogVerifier.verify(damaged).notes())
                            .as("byte %d", at)
                            .singleElement()
                            .satisfies(note -> assertThat(note).contains("was not written to its end"));
                    isUsed = false;
                }
                assertThat(checkDamaged(damaged, "checkpoint flipped at " + at, true))
                        .as("byte %d", at)
                        .isEqualTo(isUsed);
            }
        }
    }

    @Test
    @Execution(ExecutionMode.CONCURRENT)
    void everyCutIsFoundAndNothingAlteredIsDelivered() throws IOException {
        for (int segment = 0; segment < segments.size(); segment++) {
            long size = stopped.sizeBytes(segments.get(segment));
            long end = usedOfSegments.get(segment)[1];
            for (long length = 0; end > 0 && length < size; length++) {
                if (IS_FULL || length % 149 == 0 || length == end || length == SegmentHeader.PAGE_BYTES) {
                    MemoryDisk damaged = stopped.killImage();
                    damaged.truncate(segments.get(segment), length);
                    assertThat(checkDamaged(damaged, segments.get(segment) + " cut to " + length, true))
                            .as("%s cut to %d", segments.get(segment), length)
                            .isTrue();
                }
            }
        }
        for (long length = 0; length < stopped.sizeBytes(CHECKPOINT); length += IS_FULL ? 1 : 97) {
            MemoryDisk damaged = stopped.killImage();
            damaged.truncate(CHECKPOINT, length);
            assertThat(checkDamaged(damaged, "checkpoint cut to " + length, true))
                    .as("checkpoint cut to %d", length)
                    .isTrue();
        }
    }

    /** What is derived, or holds nothing yet: nothing is lost with it. */
    @Test
    @Execution(ExecutionMode.CONCURRENT)
    void everyCutOfAnIndexFileOrOfAPreparedSegmentAltersNothing() throws IOException {
        int cuts = 0;
        for (String name : stopped.files()) {
            boolean isIndex = name.startsWith("index/");
            if (isIndex || name.equals(segments.get(2))) {
                for (long length = 0; length < stopped.sizeBytes(name); length++) {
                    if (IS_FULL || length % 4096 == 0 || (isIndex && length < 100) || length % 1021 == 0) {
                        MemoryDisk damaged = stopped.killImage();
                        damaged.truncate(name, length);
                        assertThat(checkDamaged(damaged, name + " cut to " + length, true))
                                .as("%s cut to %d", name, length)
                                .isFalse();
                        cuts++;
                    }
                }
            }
        }
        assertThat(cuts).isGreaterThan(150);
    }

    /** A page of a file. */
    private record Page(String file, long at) {
        private static final int BYTES = 4096;

        @Override
        public String toString() {
            return file + " page " + at / BYTES;
        }

        byte[] content(MemoryDisk disk) throws IOException {
            return Arrays.copyOfRange(disk.content(file), (int) at, (int) at + BYTES);
        }
    }

    private static List<Page> pages(String file, long end) {
        List<Page> pages = new ArrayList<>();
        for (long at = 0; at < end; at += Page.BYTES) {
            pages.add(new Page(file, at));
        }
        return pages;
    }

    /** Those with something in them that means something. */
    private static List<Page> pagesOfSegments() {
        List<Page> pages = new ArrayList<>();
        for (int segment = 0; segment < segments.size(); segment++) {
            pages.addAll(pages(segments.get(segment), usedOfSegments.get(segment)[1]));
        }
        return pages;
    }

    /** As a write does that went to the wrong place, or to none. */
    @Test
    @Execution(ExecutionMode.CONCURRENT)
    void everyPageThatIsZeroedDuplicatedOrSwappedIsFound() throws IOException {
        List<Page> pages = pagesOfSegments();
        assertThat(pages).hasSizeGreaterThan(4);
        List<Page> all = new ArrayList<>(pages);
        all.addAll(pages(CHECKPOINT, stopped.sizeBytes(CHECKPOINT)));
        all.addAll(pages(segments.get(2), 2 * Page.BYTES));
        for (Page page : all) {
            boolean isMeant = !page.file.equals(segments.get(2));
            MemoryDisk damaged = stopped.killImage();
            damaged.overwrite(page.file, page.at, new byte[Page.BYTES]);
            assertThat(checkDamaged(damaged, page + " zeroed", true))
                    .as("%s", page)
                    .isEqualTo(isMeant);
            for (Page other : all) {
                if (!other.equals(page)) {
                    byte[] content = other.content(stopped);
                    damaged = stopped.killImage();
                    damaged.overwrite(page.file, page.at, content);
                    String what = page + " instead of " + other;
                    boolean isFound = checkDamaged(damaged, what, true);
                    assertThat(isFound || !pages.contains(page)).as(what).isTrue();
                    // Not with the other file: the newest slot alone says that the last frames were durable.
                    if (page.file.equals(CHECKPOINT) == other.file.equals(CHECKPOINT)) {
                        damaged = stopped.killImage();
                        damaged.overwrite(page.file, page.at, content);
                        damaged.overwrite(other.file, other.at, page.content(stopped));
                        what = page + " swapped with " + other;
                        isFound = checkDamaged(damaged, what, true);
                        assertThat(isFound || !(pages.contains(page) || pages.contains(other)))
                                .as(what)
                                .isTrue();
                    }
                }
            }
        }
    }

    @Test
    @Execution(ExecutionMode.CONCURRENT)
    void anIndexWithPagesZeroedDuplicatedOrSwappedDeliversNothingWrong() throws IOException {
        List<Page> pages = new ArrayList<>();
        for (String name : stopped.files()) {
            if (name.startsWith("index/") && stopped.sizeBytes(name) >= Page.BYTES) {
                pages.addAll(pages(name, stopped.sizeBytes(name)));
            }
        }
        for (Page page : pages) {
            MemoryDisk damaged = stopped.killImage();
            damaged.overwrite(page.file, page.at, new byte[Page.BYTES]);
            checkDamaged(damaged, page + " zeroed", true);
            for (Page other : pages) {
                damaged = stopped.killImage();
                damaged.overwrite(page.file, page.at, other.content(stopped));
                checkDamaged(damaged, page + " instead of " + other, true);
                damaged = stopped.killImage();
                damaged.overwrite(page.file, page.at, other.content(stopped));
                damaged.overwrite(other.file, other.at, page.content(stopped));
                checkDamaged(damaged, page + " swapped with " + other, true);
            }
        }
    }

    @Test
    @Execution(ExecutionMode.CONCURRENT)
    void aMissingFileIsFound() throws IOException {
        for (String name : stopped.files()) {
            if (name.startsWith("index/") || name.equals(segments.get(2))) {
                continue;
            }
            MemoryDisk damaged = stopped.killImage();
            damaged.delete(name);
            assertThat(checkDamaged(damaged, name + " deleted", true)).as(name).isTrue();
        }
    }

    @Test
    @Execution(ExecutionMode.CONCURRENT)
    void aDamagedIndexDeliversNothingWrong() throws IOException {
        for (String name : stopped.files()) {
            for (long at = 0; name.startsWith("index/") && at < stopped.sizeBytes(name); at++) {
                if (IS_FULL || at < 600 || at % 211 == 0) {
                    MemoryDisk damaged = stopped.killImage();
                    damaged.flip(name, at, 1 << (at % 8));
                    assertThat(checkDamaged(damaged, name + " flipped at " + at, true))
                            .isFalse();
                }
            }
        }
    }

    /** @return whether verify finds something */
    private boolean checkDamaged(MemoryDisk damaged, String what, boolean isOpened) throws IOException {
        Proof.corruptBytes.increment();
        LogVerifier.Report report = LogVerifier.verify(
                damaged,
                (segment, position, record) ->
                        assertThat(text(record)).as(what).isEqualTo(RECORDS.get(record.sequence())));
        assertThat(damaged.openFiles()).as(what).isEmpty();
        if (isOpened) {
            open(damaged, what);
        }
        return !report.isSound();
    }

    private void open(MemoryDisk damaged, String what) throws IOException {
        List<String> handed = new ArrayList<>();
        RecoverySink sink = new RecoverySink() {
            @Override
            public void snapshot(RecordView part) throws CorruptRecordException {
                record(part);
            }

            @Override
            public void record(RecordView record) throws CorruptRecordException {
                assertThat(text(record)).as(what).isEqualTo(RECORDS.get(record.sequence()));
                handed.add(text(record));
            }
        };
        try (StripeLog log = StripeLog.open(damaged, LogDriver.OPTIONS, 1_000, sink)) {
            boolean isWhole = log.report().stoppedOwners().isEmpty();
            assertThat(log.report().keptToSequence())
                    .as("%s: %s", what, log.report())
                    .isEqualTo(RECORDS.size());
            QueueReader reader = log.newReader(QUEUE);
            for (long offset = 0; offset < log.nextOffset(QUEUE); offset++) {
                QueueReader.Result result = reader.read(offset, 1, Long.MAX_VALUE, (at, message, body) -> {
                    if (MESSAGES.get(at) != null) {
                        assertThat(content(body.decode())).as(what).isEqualTo(MESSAGES.get(at));
                    }
                });
                if (result.status() != QueueReader.Status.READ || result.count() == 0) {
                    assertThat(result.problem()).as("%s: %s", what, result).isNotNull();
                    assertThat(isWhole && !what.startsWith("segment"))
                            .as("%s: %s", what, result)
                            .isFalse();
                }
            }
        } catch (CorruptLogException e) {
            assertThat(e.file()).as(what).isNotEmpty();
            assertThat(e.problem()).as(what).isNotEmpty();
        }
        assertThat(damaged.openFiles()).as(what).isEmpty();
    }
}
