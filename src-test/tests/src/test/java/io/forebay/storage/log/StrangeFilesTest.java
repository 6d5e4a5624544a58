package io.forebay.storage.log;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.catchThrowableOfType;

import io.forebay.storage.io.LittleEndian;
import io.forebay.storage.io.StorageFile;
import io.forebay.testkit.faults.DiskCrashed;
import io.forebay.testkit.faults.DiskObserver.Operation;
import io.forebay.testkit.faults.MemoryDisk;
import java.io.IOException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.SplittableRandom;
import java.util.TreeMap;
import java.util.random.RandomGenerator;
import java.util.zip.CRC32C;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.parallel.Execution;
import org.junit.jupiter.api.parallel.ExecutionMode;

/**
 * Files that somebody has added to a stripe's directory, renamed, taken from another node, or lost. Invariants: I1 what was
 * promised is there, or the start is refused and has changed nothing; I2 nothing of another log is handed out; no file goes that
 * is not proved to be the log's own and superseded, whatever the log does afterwards, and each is named (I8).
 */
@Tag("proof")
class StrangeFilesTest {
    /** Beside a segment of ours no name is free but in between. */
    private static final long BETWEEN = SegmentHeader.PAGE_BYTES;

    private final RandomGenerator random = new SplittableRandom(5);

    /** Killed: some segments that only the manifest names, a chain behind, the last two written only, one prepared. */
    private final MemoryDisk killed = new MemoryDisk();

    private LogDriver written;
    private String listed;
    private String replayStart;
    private String durable;
    private String writtenOnly;
    private String last;
    private String prepared;

    /** Another log of the same stripe number, killed as well, and longer. */
    private static final class Other {
        private final MemoryDisk disk = new MemoryDisk();
        private final StripeLog log;

        private Other(long nowMillis) throws IOException {
            log = open(disk, nowMillis);
        }

        private String linked() {
            return segments(disk).get(2);
        }

        private String prepared() {
            return segments(disk).get(segments(disk).size() - 1);
        }
    }

    private static StripeLog open(MemoryDisk disk, long nowMillis) throws IOException {
        return StripeLog.open(disk, LogDriver.OPTIONS, nowMillis, new LogModel.Sink());
    }

    private static List<String> segments(MemoryDisk disk) {
        return disk.files().stream().filter(name -> Segment.baseOf(name) >= 0).toList();
    }

    @BeforeEach
    void write() throws IOException {
        written = LogDriver.fresh(killed);
        fill(4);
        written.force();
        written.checkpoint(random, false);
        fill(6);
        written.force();
        fill(8);
        written.log.prepareNext();
        List<String> names = segments(killed);
        listed = names.get(1);
        replayStart = names.get(3);
        durable = names.get(4);
        writtenOnly = names.get(6);
        last = names.get(7);
        prepared = names.get(8);
    }

    private void fill(int segmentCount) throws IOException {
        while (segments(killed).size() < segmentCount) {
            written.append(random);
        }
        // Some frames in each.
        written.append(random);
    }

    private static Other other() throws IOException {
        var other = new Other(77_000);
        while (segments(other.disk).size() < 12) {
            other.log.append(message("of another node", 3_000), 2_000);
        }
        other.log.prepareNext();
        return other;
    }

    private static Frame message(String id, int bodyBytes) {
        return Frame.builder(64)
                .add(
                        Owner.queue(1),
                        MessageRecord.builder().id(id).body(new byte[bodyBytes]).build())
                .build();
    }

    private static void put(MemoryDisk disk, String name, byte[] content) throws IOException {
        try (StorageFile file = disk.create(name, content.length)) {
            file.write(0, content, 0, content.length);
        }
    }

    private static String between(String segment) {
        return Segment.fileName(Segment.baseOf(segment) + BETWEEN);
    }

    /** Names that are free, before, in and behind the chain. */
    private List<String> freeNames() {
        return List.of(
                between(listed),
                between(replayStart),
                between(durable),
                between(last),
                Segment.fileName(Segment.baseOf(prepared) + 20L * LogDriver.OPTIONS.segmentBytes()));
    }

    /** Opens it; everything that was written is there. */
    private LogDriver openWhole(MemoryDisk disk) throws IOException {
        LogModel model = new LogModel();
        model.entries().addAll(written.model.entries());
        return new LogDriver(disk, model, new HashMap<>(written.released()), model.lastSequence());
    }

    /** The log goes on, its segments turn over, it is stopped and started. */
    private void live(LogDriver driver, MemoryDisk disk) throws IOException {
        for (int round = 0; round < 2; round++) {
            for (int step = 0; step < 150; step++) {
                driver.append(random);
            }
            for (int queue = 1; queue <= 5; queue++) {
                driver.released().put(queue, driver.log.nextOffset(queue));
                driver.log.releaseBelow(queue, driver.log.nextOffset(queue));
            }
            driver.checkpoint(random, false);
            driver.log.prepareNext();
        }
        driver.log.close(true);
        assertThat(LogVerifier.verify(disk).problems()).isEmpty();
        new LogDriver(disk, driver.model, driver.released(), driver.model.lastSequence()).log.close(true);
    }

    /** The name of the set-aside file with that content, or null. */
    private static String keptAs(MemoryDisk disk, byte[] content) throws IOException {
        for (String name : disk.files()) {
            if (name.startsWith("strange-") && Arrays.equals(disk.content(name), content)) {
                return name;
            }
        }
        return null;
    }

    /** The log is whole, says that the file is there, and keeps it, whatever happens later. */
    private void checkIsKept(MemoryDisk disk, String name, byte[] content) throws IOException {
        assertThat(LogVerifier.verify(disk).notes()).as(name).anyMatch(note -> note.contains(name));
        LogDriver driver = openWhole(disk);
        assertThat(driver.log.report().findings()).as(name).anyMatch(finding -> finding.contains(name));
        assertThat(keptAs(disk, content)).as(name).contains(name);
        live(driver, disk);
        assertThat(keptAs(disk, content)).as("%s later on", name).contains(name);
        assertThat(disk.openFiles()).isEmpty();
    }

    private static Map<String, Integer> contents(MemoryDisk disk) throws IOException {
        Map<String, Integer> contents = new TreeMap<>();
        for (String name : disk.files()) {
            if (!name.startsWith("index/")) {
                contents.put(name, Arrays.hashCode(disk.content(name)));
            }
        }
        return contents;
    }

    private static StripeException checkIsRefused(MemoryDisk disk, String what) throws IOException {
        Map<String, Integer> before = contents(disk);
        StripeException refused = catchThrowableOfType(
                StripeException.class, () -> open(disk, 1_000).close(false));
        assertThat(refused).as(what).isNotNull();
        assertThat(contents(disk)).as("%s: %s", what, refused.getMessage()).isEqualTo(before);
        assertThat(disk.openFiles()).as(what).isEmpty();
        assertThat(LogVerifier.verify(disk).problems()).as(what).isNotEmpty();
        return refused;
    }

    // --- extra ---

    @Test
    @Execution(ExecutionMode.CONCURRENT)
    void whatIsNoSegmentIsKept() throws IOException {
        byte[] something = new byte[LogDriver.OPTIONS.segmentBytes()];
        random.nextBytes(something);
        for (String name : freeNames()) {
            MemoryDisk disk = killed.killImage();
            put(disk, name, something);
            checkIsKept(disk, name, something);
        }
    }

    @Test
    @Execution(ExecutionMode.CONCURRENT)
    void aCopyOfASegmentIsKept() throws IOException {
        for (String source : List.of(listed, replayStart, durable, last)) {
            for (String name : freeNames()) {
                MemoryDisk disk = killed.killImage();
                byte[] copy = disk.content(source);
                put(disk, name, copy);
                checkIsKept(disk, name, copy);
            }
        }
    }

    /** A crash leaves such ones wherever it likes, and must not fill the disk. */
    @Test
    @Execution(ExecutionMode.CONCURRENT)
    void whatHoldsNothingIsCollected() throws IOException {
        byte[] neverJoined = killed.content(prepared);
        for (byte[] content : List.of(
                neverJoined,
                new byte[LogDriver.OPTIONS.segmentBytes()],
                new byte[100],
                Arrays.copyOf(neverJoined, 60))) {
            for (String name : freeNames()) {
                MemoryDisk disk = killed.killImage();
                put(disk, name, content);
                LogDriver driver = openWhole(disk);
                assertThat(disk.files()).as(name).noneMatch(SegmentStore::isSetAside);
                live(driver, disk);
                assertThat(disk.files()).noneMatch(SegmentStore::isSetAside);
            }
        }
    }

    @Test
    @Execution(ExecutionMode.CONCURRENT)
    void whatWasFreedAndComesBackIsCollected() throws IOException {
        MemoryDisk disk = killed.killImage();
        byte[] freed = disk.content(listed);
        LogDriver driver = openWhole(disk);
        live(driver, disk);
        assertThat(segments(disk)).doesNotContain(listed);
        for (String name : List.of(listed, Segment.fileName(100L * LogDriver.OPTIONS.segmentBytes()))) {
            put(disk, name, freed);
            var again = new LogDriver(disk, driver.model, driver.released(), driver.model.lastSequence());
            assertThat(again.log.report().findings()).as(name).isEmpty();
            assertThat(segments(disk)).doesNotContain(name);
            assertThat(disk.files()).noneMatch(SegmentStore::isSetAside);
            again.log.close(true);
        }
    }

    // --- of another node ---

    @Test
    @Execution(ExecutionMode.CONCURRENT)
    void aSegmentOfAnotherNodeIsKeptAndNoPartOfTheLog() throws IOException {
        Other other = other();
        for (String source : List.of(other.linked(), other.prepared())) {
            byte[] foreign = other.disk.content(source);
            List<String> names = new ArrayList<>(freeNames());
            names.add(Segment.fileName(Segment.baseOf(prepared) + LogDriver.OPTIONS.segmentBytes()));
            for (String name : names) {
                MemoryDisk disk = killed.killImage();
                put(disk, name, foreign);
                checkIsKept(disk, name, foreign);
            }
        }
        // Those with the right name, too, behind everything that is ours.
        for (String source : segments(other.disk)) {
            MemoryDisk disk = killed.killImage();
            if (!segments(disk).contains(source)) {
                put(disk, source, other.disk.content(source));
                checkIsKept(disk, source, other.disk.content(source));
            }
        }
    }

    @Test
    @Execution(ExecutionMode.CONCURRENT)
    void aSegmentOfAnotherNodeInsteadOfOursIsNeverTakenForIt() throws IOException {
        Other other = other();
        for (String source : List.of(other.linked(), other.prepared())) {
            byte[] foreign = other.disk.content(source);
            for (String name : List.of(replayStart, durable, writtenOnly)) {
                MemoryDisk disk = killed.killImage();
                disk.delete(name);
                put(disk, name, foreign);
                checkIsRefused(disk, name);
            }
            MemoryDisk disk = killed.killImage();
            disk.delete(prepared);
            put(disk, prepared, foreign);
            checkIsKept(disk, prepared, foreign);
            for (String name : List.of(listed, last)) {
                // As if it were lost: nothing says more of it, or only the messages in it are gone.
                disk = killed.killImage();
                disk.delete(name);
                put(disk, name, foreign);
                try (StripeLog log = open(disk, 1_000)) {
                    assertThat(log.report().findings()).anyMatch(finding -> finding.contains(name));
                }
                assertThat(keptAs(disk, foreign)).as(name).isNotNull();
            }
        }
    }

    /**
     * After {@code kill -9} nothing but the header of ours says how the log goes on. The other node has had the same load: its
     * segment fits behind what was forced here, and has a higher base.
     */
    @Test
    @Execution(ExecutionMode.CONCURRENT)
    void aSuccessorOfAnotherNodeDoesNotDisplaceOurs() throws IOException {
        MemoryDisk ours = new MemoryDisk();
        StripeLog log = open(ours, 1_000);
        List<String> sent = sameLoad(log, "ours-", 15);
        assertThat(segments(ours)).hasSize(2);
        MemoryDisk theirs = new MemoryDisk();
        StripeLog other = open(theirs, 77_000);
        sameLoad(other, "node-", 8);
        other.prepareNext();
        MemoryDisk restarted = theirs.killImage();
        open(restarted, 77_000).close(false);
        String successor = segments(restarted).get(1);
        assertThat(Segment.baseOf(successor))
                .isGreaterThan(Segment.baseOf(segments(ours).get(1)));
        MemoryDisk image = ours.killImage();
        byte[] foreign = restarted.content(successor);
        put(image, successor, foreign);
        List<String> read = new ArrayList<>();
        try (StripeLog opened = open(image, 1_000)) {
            opened.newReader(1)
                    .read(
                            0,
                            99,
                            Long.MAX_VALUE,
                            (offset, message, body) -> read.add(((MessageRecord) body.decode()).id()));
            assertThat(read).isEqualTo(sent);
            assertThat(opened.report().findings()).anyMatch(finding -> finding.contains(successor));
        }
        assertThat(keptAs(image, foreign)).isNotNull();
    }

    /** Messages of the same size, of which the first two are forced. */
    private static List<String> sameLoad(StripeLog log, String prefix, int count) throws IOException {
        List<String> ids = new ArrayList<>();
        for (int number = 0; number < count; number++) {
            ids.add(prefix + (char) ('a' + number));
            log.append(message(ids.get(number), 5_000), 2_000);
            if (number == 1) {
                FlushRange range = log.takeUnflushed();
                log.force(range);
                log.forced(range);
            }
        }
        return ids;
    }

    @Test
    @Execution(ExecutionMode.CONCURRENT)
    void aCheckpointFileOfAnotherNodeIsRefused() throws IOException {
        MemoryDisk fresh = new MemoryDisk();
        open(fresh, 77_000).close(true);
        for (MemoryDisk from : List.of(other().disk, fresh)) {
            MemoryDisk disk = killed.killImage();
            disk.delete(StripeLog.CHECKPOINT_FILE);
            put(disk, StripeLog.CHECKPOINT_FILE, from.content(StripeLog.CHECKPOINT_FILE));
            StripeException refused = checkIsRefused(disk, "checkpoint");
            assertThat(refused.reason()).isEqualTo(StripeException.Reason.FOREIGN);
        }
    }

    // --- renamed ---

    @Test
    @Execution(ExecutionMode.CONCURRENT)
    void aSegmentUnderAnotherNameIsAskedBack() throws IOException {
        List<String> names = new ArrayList<>(freeNames());
        names.add("spare-" + last);
        for (String source : List.of(listed, replayStart, durable, writtenOnly, last)) {
            for (String name : names) {
                MemoryDisk disk = killed.killImage();
                disk.rename(source, name);
                StripeException refused = checkIsRefused(disk, source + " as " + name);
                if (!source.equals(replayStart)) {
                    assertThat(refused).hasMessageContaining(name).hasMessageContaining(source);
                }
                disk.rename(name, source);
                openWhole(disk).log.close(true);
            }
        }
        for (String name : names) {
            MemoryDisk disk = killed.killImage();
            disk.rename(prepared, name);
            LogDriver driver = openWhole(disk);
            live(driver, disk);
            assertThat(disk.files()).noneMatch(SegmentStore::isSetAside);
        }
    }

    // --- lost ---

    /** No frame says that anything was durable there, but it was promised to survive the kill. */
    @Test
    @Execution(ExecutionMode.CONCURRENT)
    void aLostSegmentIsMissedByTheOneBehindIt() throws IOException {
        MemoryDisk disk = killed.killImage();
        disk.delete(writtenOnly);
        assertThat(checkIsRefused(disk, writtenOnly))
                .hasMessageContaining(writtenOnly + ", position -1: it is missing");
        MemoryDisk damaged = killed.killImage();
        damaged.flip(writtenOnly, 30, 1);
        assertThat(checkIsRefused(damaged, writtenOnly)).hasMessageContaining(writtenOnly);
    }

    @Test
    @Execution(ExecutionMode.CONCURRENT)
    void whatLiesBehindNothingOfOursIsKept() throws IOException {
        MemoryDisk disk = killed.killImage();
        byte[] content = disk.content(last);
        disk.delete(writtenOnly);
        disk.delete(last);
        // It never followed what is there, and carries no number that says whose it was.
        content = withoutNumber(content);
        MemoryDisk older = disk.killImage();
        olderSegments(older);
        olderSlots(older);
        put(older, last, content);
        try (StripeLog log = open(older, 1_000)) {
            assertThat(log.report().findings()).anyMatch(finding -> finding.contains(last));
        }
        assertThat(keptAs(older, content)).isNotNull();
    }

    @Test
    @Execution(ExecutionMode.CONCURRENT)
    void aLostSegmentIsNamedOrRefused() throws IOException {
        for (String name : List.of(replayStart, durable)) {
            MemoryDisk disk = killed.killImage();
            disk.delete(name);
            checkIsRefused(disk, name);
        }
        MemoryDisk disk = killed.killImage();
        disk.delete(listed);
        try (StripeLog log = open(disk, 1_000)) {
            assertThat(log.report().findings()).anyMatch(finding -> finding.contains(listed));
        }
        disk = killed.killImage();
        disk.delete(prepared);
        openWhole(disk).log.close(true);
    }

    // --- a start that sets aside dies ---

    @Test
    @Execution(ExecutionMode.CONCURRENT)
    void aCrashAtAnyOperationOfAStartThatSetsAsideLosesNothing() throws IOException {
        byte[] foreign = other().disk.content(other().linked());
        byte[] copy = killed.content(durable);
        boolean isCrashed = true;
        int crashes = 0;
        for (int operation = 1; isCrashed; operation++) {
            MemoryDisk disk = killed.killImage();
            put(disk, between(durable), foreign);
            put(disk, between(last), copy);
            MemoryDisk each = disk.killImage();
            each.crashAtOperation(operation, random);
            isCrashed = false;
            try {
                open(each, 1_000).close(false);
            } catch (DiskCrashed e) {
                isCrashed = true;
                crashes++;
            }
            MemoryDisk after = each.killImage();
            LogDriver driver = openWhole(after);
            assertThat(driver.log.report().findings())
                    .anyMatch(finding -> finding.contains(between(durable)))
                    .anyMatch(finding -> finding.contains(between(last)));
            assertThat(keptAs(after, foreign)).isNotNull();
            assertThat(keptAs(after, copy)).isNotNull();
            driver.log.close(true);
            assertThat(after.files().stream().filter(SegmentStore::isSetAside)).hasSize(2);
        }
        assertThat(crashes).isGreaterThan(10);
    }

    /** The second names the first as the one before it, and must not come to miss it. */
    @Test
    @Execution(ExecutionMode.CONCURRENT)
    void aCrashWhileTwoThatHangTogetherAreSetAsideRefusesNoStart() throws IOException {
        MemoryDisk strange = killed.killImage();
        SegmentHeader header = headerOf(strange, writtenOnly);
        // It does not fit behind the log any more.
        strange.overwrite(
                writtenOnly,
                0,
                new SegmentHeader(
                                true,
                                header.stripeId(),
                                header.epoch(),
                                header.base(),
                                header.sizeBytes(),
                                header.durablePosition(),
                                header.predecessorBase(),
                                header.predecessorEnd(),
                                header.firstSequence() + 1,
                                header.logId())
                        .encode());
        for (String name : segments(strange)) {
            try (StorageFile file = strange.open(name)) {
                file.force(0, file.sizeBytes());
            }
        }
        byte[] first = strange.content(writtenOnly);
        byte[] second = strange.content(last);
        int crashes = 0;
        boolean isCrashed = true;
        for (int operation = 1; isCrashed; operation++) {
            MemoryDisk each = strange.killImage();
            each.crashAtOperation(operation, random);
            isCrashed = false;
            try {
                open(each, 1_000).close(false);
            } catch (DiskCrashed e) {
                isCrashed = true;
                crashes++;
            }
            List<MemoryDisk> images = new ArrayList<>();
            images.add(each.killImage());
            for (int cut = 0; cut < 4; cut++) {
                images.add(each.powerCutImage(random));
            }
            for (MemoryDisk image : images) {
                try (StripeLog log = open(image, 1_000)) {
                    assertThat(log.report().findings())
                            .as("operation %d", operation)
                            .anyMatch(finding -> finding.contains(writtenOnly))
                            .anyMatch(finding -> finding.contains(last));
                }
                assertThat(keptAs(image, first)).as("operation %d", operation).isNotNull();
                assertThat(keptAs(image, second)).as("operation %d", operation).isNotNull();
            }
        }
        assertThat(crashes).isGreaterThan(10);
    }

    @Test
    @Execution(ExecutionMode.CONCURRENT)
    void twoOfTheSameNameAreBothKept() throws IOException {
        Other other = other();
        MemoryDisk disk = killed.killImage();
        put(disk, between(durable), other.disk.content(other.linked()));
        openWhole(disk).log.close(true);
        byte[] second = other.disk.content(segments(other.disk).get(5));
        put(disk, between(durable), second);
        openWhole(disk).log.close(true);
        assertThat(keptAs(disk, other.disk.content(other.linked()))).isNotNull();
        assertThat(keptAs(disk, second)).isNotNull();
        assertThat(disk.files().stream().filter(SegmentStore::isSetAside)).hasSize(2);
    }

    // --- logs of builds that gave no numbers ---

    private static byte[] withoutNumber(byte[] segment) {
        byte[] page = Arrays.copyOf(segment, SegmentHeader.BYTES);
        SegmentHeader header = SegmentHeader.decode(page);
        byte[] changed = segment.clone();
        byte[] older = new SegmentHeader(
                        header.isLinked(),
                        header.stripeId(),
                        header.epoch(),
                        header.base(),
                        header.sizeBytes(),
                        header.durablePosition(),
                        header.predecessorBase(),
                        header.predecessorEnd(),
                        header.firstSequence(),
                        LogIdentity.UNKNOWN)
                .encode();
        System.arraycopy(older, 0, changed, 0, older.length);
        return changed;
    }

    private static void olderSegments(MemoryDisk disk) throws IOException {
        for (String name : segments(disk)) {
            disk.overwrite(name, 0, withoutNumber(disk.content(name)));
        }
    }

    private static void olderSlots(MemoryDisk disk) throws IOException {
        byte[] slots = disk.content(StripeLog.CHECKPOINT_FILE);
        for (int at : new int[] {0, 4096}) {
            Arrays.fill(slots, at + 112, at + 128, (byte) 0);
            CRC32C crc = new CRC32C();
            crc.update(slots, at + 4, 124);
            LittleEndian.putInt(slots, at, (int) crc.getValue());
        }
        disk.overwrite(StripeLog.CHECKPOINT_FILE, 0, slots);
    }

    private static SegmentHeader headerOf(MemoryDisk disk, String segment) throws IOException {
        return SegmentHeader.decode(Arrays.copyOf(disk.content(segment), SegmentHeader.BYTES));
    }

    private static long numberOf(MemoryDisk disk, String segment) throws IOException {
        return headerOf(disk, segment).logId();
    }

    private static String newest(MemoryDisk disk) {
        return segments(disk).get(segments(disk).size() - 1);
    }

    @Test
    @Execution(ExecutionMode.CONCURRENT)
    void aLogOfAnOlderBuildIsTakenOverAndTellsOthersFromThenOn() throws IOException {
        Other other = other();
        MemoryDisk older = killed.killImage();
        olderSegments(older);
        olderSlots(older);
        MemoryDisk disk = older.killImage();
        LogDriver driver = openWhole(disk);
        assertThat(driver.log.report().findings()).isEmpty();
        assertThat(numberOf(disk, newest(disk))).isNotZero();
        // Whichever slot is lost, the other one knows the number as well.
        for (long slot : new long[] {0, 4096}) {
            MemoryDisk damaged = disk.killImage();
            damaged.flip(StripeLog.CHECKPOINT_FILE, slot + 20, 4);
            driver = openWhole(damaged);
            assertThat(driver.log.report().findings()).isEmpty();
            assertThat(numberOf(damaged, newest(damaged))).isEqualTo(numberOf(disk, newest(disk)));
            live(driver, damaged);
        }
        // At once, and later on.
        byte[] foreign = other.disk.content(other.linked());
        for (MemoryDisk found : List.of(older, disk)) {
            for (String name : freeNames()) {
                MemoryDisk image = found.killImage();
                put(image, name, foreign);
                checkIsKept(image, name, foreign);
            }
        }
    }

    /** What a node of an older build writes carries no number either; but it has not written here since the number was given. */
    @Test
    @Execution(ExecutionMode.CONCURRENT)
    void aSegmentOfAnotherOlderNodeIsToldByItsEpoch() throws IOException {
        MemoryDisk theirs = other().disk.killImage();
        open(theirs, 1_000).close(true);
        byte[] foreign = withoutNumber(theirs.content(newest(theirs)));
        String name = freeNames().get(4);
        MemoryDisk disk = killed.killImage();
        put(disk, name, foreign);
        checkIsKept(disk, name, foreign);
    }

    @Test
    @Execution(ExecutionMode.CONCURRENT)
    void anOlderBuildInBetweenDoesNotMakeALogStrangeToItself() throws IOException {
        long number = numberOf(killed, listed);
        MemoryDisk disk = killed.killImage();
        olderSlots(disk);
        // What it would have written itself.
        disk.overwrite(last, 0, withoutNumber(disk.content(last)));
        disk.overwrite(prepared, 0, withoutNumber(disk.content(prepared)));
        LogDriver driver = openWhole(disk);
        assertThat(driver.log.report().findings()).isEmpty();
        assertThat(numberOf(disk, newest(disk))).isEqualTo(number);
        live(driver, disk);
        assertThat(disk.files()).noneMatch(SegmentStore::isSetAside);
    }

    // --- of another time ---

    /** Files of the log as it was before, or as it is later. */
    private static MemoryDisk mixed(MemoryDisk disk, MemoryDisk from, String prefix) throws IOException {
        MemoryDisk mixed = disk.killImage();
        for (String name : mixed.files()) {
            if (name.startsWith(prefix)) {
                delete(mixed, name);
            }
        }
        for (String name : from.files()) {
            if (name.startsWith(prefix)) {
                byte[] content = from.content(name);
                int slash = name.indexOf('/');
                try (StorageFile file = slash < 0
                        ? mixed.create(name, content.length)
                        : mixed.child(name.substring(0, slash)).create(name.substring(slash + 1), content.length)) {
                    file.write(0, content, 0, content.length);
                }
            }
        }
        return mixed;
    }

    private static void delete(MemoryDisk disk, String name) throws IOException {
        int slash = name.indexOf('/');
        if (slash < 0) {
            disk.delete(name);
        } else {
            disk.child(name.substring(0, slash)).delete(name.substring(slash + 1));
        }
    }

    /** Its extents are sound and reach over everything, but say nothing of what was sent since. */
    @Test
    @Execution(ExecutionMode.CONCURRENT)
    void anOlderIndexHidesNothing() throws IOException {
        MemoryDisk disk = new MemoryDisk();
        LogDriver driver = LogDriver.fresh(disk);
        List<MemoryDisk> images = new ArrayList<>();
        for (int round = 0; round < 2; round++) {
            for (int number = 0; number < 10; number++) {
                LogRecord record = MessageRecord.builder()
                        .id("m" + round + number)
                        .body(new byte[10])
                        .build();
                driver.append(Frame.builder(64).add(Owner.queue(2), record).build(), List.of(record));
            }
            driver.checkpoint(new SplittableRandom(0), false);
            images.add(disk.killImage());
        }
        MemoryDisk mixed = mixed(images.get(1), images.get(0), StripeLog.INDEX_DIRECTORY + "/");
        new LogDriver(mixed, driver.model, driver.released(), driver.model.lastSequence()).log.close(true);
    }

    /** Every extent is there and sound, but for what was sent, and moved, since. */
    @Test
    @Execution(ExecutionMode.CONCURRENT)
    void anIndexOfAnotherTimeOrNodeIsBuiltAnew() throws IOException {
        written.checkpoint(random, false);
        MemoryDisk earlier = killed.killImage();
        List<MemoryDisk> times = new ArrayList<>();
        for (int round = 0; round < 3; round++) {
            for (int step = 0; step < 20; step++) {
                written.append(random);
            }
            written.checkpoint(random, false);
            times.add(killed.killImage());
        }
        MemoryDisk other = new MemoryDisk();
        StripeLog log = open(other, 77_000);
        for (int step = 0; step < 400; step++) {
            log.append(message("of another node", 10), 2_000);
        }
        MemoryDisk theirs = other.killImage();
        for (MemoryDisk index : List.of(earlier, times.get(0), theirs)) {
            MemoryDisk disk = mixed(times.get(2), index, StripeLog.INDEX_DIRECTORY + "/");
            LogDriver driver = openWhole(disk);
            assertThat(driver.log.report().findings()).contains("the queue index is built anew");
            driver.log.close(true);
            driver = openWhole(disk);
            assertThat(driver.log.report().findings()).as("once").isEmpty();
            live(driver, disk);
        }
        // One that is newer than the log, which a copy of the directory under way may hold.
        LogModel model = new LogModel();
        model.entries().addAll(written.model.entries());
        MemoryDisk disk = mixed(earlier, times.get(2), StripeLog.INDEX_DIRECTORY + "/");
        LogDriver driver = new LogDriver(disk, model, new HashMap<>(written.released()), 0);
        assertThat(driver.log.report().findings()).contains("the queue index is built anew");
        live(driver, disk);
    }

    @Test
    @Execution(ExecutionMode.CONCURRENT)
    void aCheckpointFromTheFutureIsRefused() throws IOException {
        MemoryDisk earlier = killed.killImage();
        for (int round = 0; round < 3; round++) {
            fill(segments(killed).size() + 2);
            written.checkpoint(random, false);
            MemoryDisk disk = mixed(earlier, killed, StripeLog.CHECKPOINT_FILE);
            checkIsRefused(disk, "checkpoint");
        }
        written.log.close(true);
        checkIsRefused(mixed(earlier, killed, StripeLog.CHECKPOINT_FILE), "checkpoint of a clean stop");
    }

    @Test
    @Execution(ExecutionMode.CONCURRENT)
    void aCheckpointFileOlderThanTheLogLosesNothingOrIsRefused() throws IOException {
        MemoryDisk earlier = killed.killImage();
        fill(12);
        written.checkpoint(random, false);
        fill(14);
        openWhole(mixed(killed, earlier, StripeLog.CHECKPOINT_FILE)).log.close(true);
        // When segments that it needs are gone.
        for (int queue = 1; queue <= 5; queue++) {
            written.released().put(queue, written.log.nextOffset(queue));
            written.log.releaseBelow(queue, written.log.nextOffset(queue));
        }
        written.checkpoint(random, false);
        written.checkpoint(random, false);
        assertThat(segments(killed)).doesNotContain(replayStart);
        checkIsRefused(mixed(killed, earlier, StripeLog.CHECKPOINT_FILE), "checkpoint");
    }

    // --- the stamp of the index ---

    private static final String STAMP = StripeLog.INDEX_DIRECTORY + "/" + IndexStamp.NAME;
    private static final String BUILT_ANEW = "the queue index is built anew";

    private static LogDriver again(MemoryDisk disk, LogDriver driver) throws IOException {
        LogModel model = new LogModel();
        model.entries().addAll(driver.model.entries());
        return new LogDriver(disk, model, new HashMap<>(driver.released()), model.lastSequence());
    }

    /** A checkpoint is what gives room again. */
    @Test
    @Execution(ExecutionMode.CONCURRENT)
    void theFirstCheckpointOnAFullDiskNeedsNoRoomForTheStamp() throws IOException {
        MemoryDisk disk = new MemoryDisk();
        LogDriver driver = LogDriver.fresh(disk);
        for (int step = 0; step < 20; step++) {
            driver.append(random);
        }
        disk.fullAfter(0);
        driver.checkpoint(random, false);
        for (MemoryDisk image : List.of(disk.killImage(), disk.powerCutImage(random))) {
            image.roomAgain();
            LogDriver after = again(image, driver);
            assertThat(after.log.report().findings()).isEmpty();
            after.log.close(true);
        }
    }

    @Test
    @Execution(ExecutionMode.CONCURRENT)
    void aStampThatCannotBeWrittenCostsTheNextStartAnIndexAndNothingElse() throws IOException {
        for (Operation failing : List.of(Operation.WRITE, Operation.FORCE)) {
            MemoryDisk disk = new MemoryDisk();
            LogDriver driver = LogDriver.fresh(disk);
            for (int round = 0; round < 3; round++) {
                for (int step = 0; step < 60; step++) {
                    driver.append(random);
                }
                boolean isFailing = round == 1;
                disk.observe((operation, path, at, length) -> {
                    if (isFailing && operation == failing && path.equals(STAMP)) {
                        throw new IOException("Input/output error");
                    }
                });
                driver.checkpoint(random, false);
                List<String> found =
                        again(disk.killImage(), driver).log.report().findings();
                // What was written is read after a kill, forced or not.
                assertThat(found.contains(BUILT_ANEW))
                        .as("%s fails, round %d", failing, round)
                        .isEqualTo(isFailing && failing == Operation.WRITE);
                MemoryDisk cut = disk.powerCutImage(random);
                LogDriver after = again(cut, driver);
                live(after, cut);
            }
        }
    }

    /** Nobody could have written one; there is no room for one; and what is there serves. */
    @Test
    @Execution(ExecutionMode.CONCURRENT)
    void aLogOfAnOlderBuildOpensOnAFullDisk() throws IOException {
        MemoryDisk disk = killed.killImage();
        LogDriver driver = openWhole(disk);
        driver.log.prepareNext();
        driver.log.close(true);
        olderSegments(disk);
        olderSlots(disk);
        delete(disk, STAMP);
        disk.fullAfter(0);
        LogDriver opened = again(disk, driver);
        assertThat(opened.log.report().findings())
                .hasSize(1)
                .allMatch(finding -> finding.startsWith(STAMP + " cannot be written"));
        opened.log.close(true);
        disk.roomAgain();
        assertThat(again(disk, driver).log.report().findings()).containsExactly(BUILT_ANEW);
    }

    // --- spares ---

    /** It has blocks and no header, and must be there when the disk is full. */
    @Test
    @Execution(ExecutionMode.CONCURRENT)
    void theSpareThatWasMadeAheadStaysOne() throws IOException {
        for (boolean isPowerCut : new boolean[] {false, true}) {
            MemoryDisk disk = new MemoryDisk();
            LogDriver driver = LogDriver.fresh(disk);
            for (int step = 0; step < 60; step++) {
                driver.append(random);
            }
            driver.force();
            driver.log.keepReserve();
            MemoryDisk image = isPowerCut ? disk.powerCutImage(random) : disk.killImage();
            assertThat(LogVerifier.verify(image).notes()).isEmpty();
            LogDriver after = again(image, driver);
            assertThat(after.log.report().findings()).isEmpty();
            assertThat(image.files()).contains("spare-reserve").noneMatch(SegmentStore::isSetAside);
            image.fullAfter(0);
            for (int step = 0; after.log.roomBytes() > 0; step++) {
                after.append(random);
                assertThat(step).isLessThan(1_000);
            }
            after.log.close(true);
        }
    }
}
