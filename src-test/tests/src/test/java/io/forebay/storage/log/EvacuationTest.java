package io.forebay.storage.log;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.catchThrowable;

import io.forebay.storage.index.IndexEntry;
import io.forebay.storage.index.IndexOptions;
import io.forebay.storage.index.QueueIndex;
import io.forebay.testkit.faults.DiskCrashed;
import io.forebay.testkit.faults.DiskObserver.Operation;
import io.forebay.testkit.faults.MemoryDisk;
import io.forebay.testkit.sim.SeededRun;
import java.io.IOException;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.SplittableRandom;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.random.RandomGenerator;
import org.junit.jupiter.api.Test;

/**
 * Cleaning moves what is needed of a segment forward and lets the segment go. Invariants: I1 what is needed can be read,
 * from its first place or its new one, whatever fails or crashes in between; what was released is not revived; records are
 * handed out once.
 */
class EvacuationTest {
    /** With it a checkpoint writes no further records among its own. */
    private static final RandomGenerator QUIET = () -> 3L << 32;

    private final RandomGenerator random = new SplittableRandom(5);
    private final MemoryDisk disk = new MemoryDisk();

    private static StripeLog open(MemoryDisk disk) throws IOException {
        return StripeLog.open(disk, LogDriver.OPTIONS, 1_000, new LogModel.Sink());
    }

    private static List<String> segmentFiles(MemoryDisk disk) {
        return disk.files().stream().filter(name -> name.startsWith("segment-")).toList();
    }

    /** A log of many segments: queue 1 and the entries in queue 5 are needed, little of the others is. */
    private static LogDriver pinned(MemoryDisk disk, RandomGenerator random, int frames) throws IOException {
        LogDriver driver = LogDriver.fresh(disk);
        for (int step = 0; step < frames; step++) {
            driver.append(random);
            if (step % 200 == 199) {
                releaseAllButSlow(driver);
                driver.checkpoint(random, false);
            }
        }
        releaseAllButSlow(driver);
        driver.checkpoint(random, false);
        return driver;
    }

    private static void releaseAllButSlow(LogDriver driver) {
        for (int queue = 2; queue <= 4; queue++) {
            long next = driver.log.nextOffset(queue);
            driver.released().put(queue, next);
            driver.log.releaseBelow(queue, next);
        }
    }

    /** Evacuates what can be, with a checkpoint behind each. */
    private static int evacuateAll(LogDriver driver, RandomGenerator random) throws IOException {
        int count = 0;
        for (int round = 0; round < 40; round++) {
            count += evacuate(driver, 50) ? 1 : 0;
            driver.checkpoint(random, false);
        }
        driver.log.prepareNext();
        return count;
    }

    private static boolean evacuate(LogDriver driver, int livePercentMax) throws IOException {
        try (Evacuation evacuation = driver.log.planEvacuation(livePercentMax)) {
            if (evacuation == null) {
                return false;
            }
            for (MovedBatch batch = evacuation.read(3_000); batch != null; batch = evacuation.read(3_000)) {
                driver.appendMoved(batch);
            }
            while (!evacuation.isDurable()) {
                driver.force();
            }
            evacuation.finish();
            return true;
        }
    }

    @Test
    void segmentsPinnedByLittleGoAndWhatIsNeededStays() throws IOException {
        LogDriver driver = pinned(disk, random, 2_000);
        int before = segmentFiles(disk).size();
        assertThat(before).isGreaterThan(15);
        assertThat(evacuateAll(driver, random)).isGreaterThan(10);
        assertThat(segmentFiles(disk).size()).isLessThanOrEqualTo(9);
        driver.checkMessages();
        driver.checkWalk();
        assertThat(driver.log.writtenBytes().moved()).isPositive();
        driver.log.close(true);
        LogVerifier.Report report = LogVerifier.verify(disk);
        assertThat(report.problems()).isEmpty();
        LogDriver again = new LogDriver(disk, driver.model, driver.released(), driver.model.lastSequence());
        again.checkWalk();
        again.log.close(true);
        List<Long> walked = new ArrayList<>();
        LogWalker.Result result =
                LogWalker.walk(disk, LogWalker.Span.everything(), record -> walked.add(record.sequence()));
        assertThat(result.problems()).isEmpty();
        assertThat(walked).doesNotHaveDuplicates();
    }

    @Test
    void whatWasMovedIsMovedAgainAndFreedWhenItIsReleased() throws IOException {
        LogDriver driver = pinned(disk, random, 1_000);
        evacuateAll(driver, random);
        for (int round = 0; round < 6; round++) {
            for (int step = 0; step < 300; step++) {
                driver.append(random);
            }
            releaseAllButSlow(driver);
            driver.checkpoint(random, false);
            evacuateAll(driver, random);
            driver.checkMessages();
            driver.checkWalk();
            assertThat(segmentFiles(disk).size()).as("round %d", round).isLessThanOrEqualTo(12);
        }
        for (int queue : new int[] {1, 5}) {
            driver.released().put(queue, driver.log.nextOffset(queue));
            driver.log.releaseBelow(queue, driver.log.nextOffset(queue));
        }
        evacuateAll(driver, random);
        assertThat(segmentFiles(disk).size()).isLessThanOrEqualTo(8);
        driver.log.close(true);
        new LogDriver(disk, driver.model, driver.released(), driver.model.lastSequence()).log.close(true);
    }

    /** Before, copies among the newest segments stayed until the log had grown by as many. */
    @Test
    void copiesThatNobodyNeedsKeepNoSegmentAlthoughTheLogGrowsNoMore() throws IOException {
        LogDriver driver = pinned(disk, random, 600);
        for (int round = 0; round < 4; round++) {
            evacuate(driver, 100);
            for (int step = 0; step < 100; step++) {
                driver.append(random);
            }
            releaseAllButSlow(driver);
            driver.checkpoint(random, false);
        }
        assertThat(driver.log.writtenBytes().moved()).isPositive();
        for (int queue : new int[] {1, 5}) {
            driver.released().put(queue, driver.log.nextOffset(queue));
            driver.log.releaseBelow(queue, driver.log.nextOffset(queue));
        }
        driver.checkpoint(random, false);
        assertThat(driver.log.isSegmentKeptByCopies()).isTrue();
        long movedBefore = driver.log.writtenBytes().moved();
        assertThat(evacuate(driver, 50)).isTrue();
        assertThat(driver.log.isSegmentKeptByCopies())
                .as("all is planned that is released")
                .isFalse();
        while (evacuate(driver, 50)) {
            assertThat(driver.log.writtenBytes().moved()).isEqualTo(movedBefore);
        }
        assertThat(driver.log.isSegmentFreeable()).isTrue();
        driver.checkpoint(random, false);
        assertThat(driver.log.isSegmentFreeable()).isFalse();
        // The one with the replay start, the one behind it if the manifest had no room there, the one prepared.
        assertThat(segmentFiles(disk).size()).isLessThanOrEqualTo(3);
        driver.log.close(true);
        new LogDriver(disk, driver.model, driver.released(), driver.model.lastSequence()).log.close(true);
    }

    /** Before, one plan counted as if it had looked at all of them, so on a stripe that idles the others were not looked at. */
    @Test
    void plansAreWorthWhileUntilEachSegmentThatCopiesKeepIsLookedAt() throws IOException {
        LogDriver driver = copiesKeepMany();
        assertThat(driver.log.isSegmentKeptByCopies()).isTrue();
        int plans = 0;
        for (; driver.log.isSegmentKeptByCopies(); plans++) {
            assertThat(plans).isLessThan(20);
            // There is none of which nothing at all is needed.
            assertThat(driver.log.planEvacuation(0)).isNull();
        }
        assertThat(plans).isBetween(2, 5);
        long next = driver.log.nextOffset(1);
        driver.released().put(1, next);
        driver.log.releaseBelow(1, next);
        assertThat(driver.log.isSegmentKeptByCopies()).isTrue();
        long movedBefore = driver.log.writtenBytes().moved();
        int emptied = 0;
        while (evacuate(driver, 0)) {
            emptied++;
        }
        assertThat(emptied).isGreaterThan(4);
        assertThat(driver.log.writtenBytes().moved()).isEqualTo(movedBefore);
        assertThat(driver.log.isSegmentKeptByCopies()).isFalse();
        driver.checkpoint(QUIET, false);
        assertThat(segmentFiles(disk).size()).isLessThanOrEqualTo(3);
        driver.log.close(true);
    }

    @Test
    void segmentsThatCopiesKeepDoNotKeepOthersFromBeingLookedAt() throws IOException {
        LogDriver driver = copiesKeepMany();
        while (driver.log.isSegmentKeptByCopies()) {
            assertThat(driver.log.planEvacuation(0)).isNull();
        }
        appendSegments(driver, 6, true, QUIET);
        appendSegments(driver, 6, false, QUIET);
        int plans = 0;
        do {
            assertThat(plans++).isLessThan(10);
            // All that copies keep is to be looked at again.
            driver.released().merge(1, 1L, Long::sum);
            driver.log.releaseBelow(1, driver.released().get(1));
            assertThat(driver.log.isSegmentKeptByCopies()).isTrue();
        } while (!evacuate(driver, 40));
        driver.checkMessages();
        driver.log.close(true);
    }

    /** A log in which more segments than a plan looks at are kept by copies of queue 1 alone, of which all are needed. */
    private LogDriver copiesKeepMany() throws IOException {
        LogDriver driver = LogDriver.fresh(disk);
        appendSegments(driver, 40, true, QUIET);
        appendSegments(driver, 1, false, QUIET); // no copies come to lie beside messages of queue 1
        evacuateAll(driver, QUIET);
        // Now the newest ones can be emptied, too.
        appendSegments(driver, 6, false, QUIET);
        evacuateAll(driver, QUIET);
        appendSegments(driver, 1, false, QUIET);
        return driver;
    }

    /** Messages of queue 2, which are released; if asked for, every fourth is one of queue 1, which are not. */
    private static void appendSegments(
            LogDriver driver, int segmentCount, boolean isQueue1, RandomGenerator forCheckpoint) throws IOException {
        long bytes = driver.log.writtenBytes().messages();
        for (int step = 0; driver.log.writtenBytes().messages() - bytes < segmentCount * 64L * 1024; step++) {
            Owner owner = Owner.queue(isQueue1 && step % 4 == 0 ? 1 : 2);
            LogRecord record =
                    MessageRecord.builder().id("m" + step).body(new byte[1_000]).build();
            driver.append(Frame.builder(1_200).add(owner, record).build(), List.of(record));
            if (step % 200 == 0) {
                driver.force();
            }
        }
        releaseAllButSlow(driver);
        driver.checkpoint(forCheckpoint, false);
    }

    /** Before, each idle interval something of every queue was looked up. */
    @Test
    void nothingIsLookedUpAgainUntilSomethingIsReleasedOrEvacuated() throws IOException {
        LogDriver driver = pinned(disk, random, 1_000);
        AtomicInteger lookups = new AtomicInteger();
        disk.observe((operation, path, at, length) -> {
            if (operation == Operation.READ && path.startsWith(StripeLog.INDEX_DIRECTORY + "/")) {
                lookups.incrementAndGet();
            }
        });
        assertThat(driver.log.isSegmentFreeable()).isFalse();
        lookups.set(0);
        assertThat(driver.log.isSegmentFreeable()).isFalse();
        assertThat(lookups).hasValue(0);

        assertThat(evacuate(driver, 60)).isTrue();
        assertThat(driver.log.isSegmentFreeable()).isTrue();
        assertThat(driver.log.isSegmentFreeable()).as("and stays so").isTrue();
        driver.checkpoint(random, false);
        assertThat(driver.log.isSegmentFreeable()).isFalse();

        lookups.set(0);
        driver.log.releaseBelow(1, driver.released().getOrDefault(1, 0L) + 1);
        driver.log.isSegmentFreeable();
        assertThat(lookups).hasPositiveValue();
        for (int queue : new int[] {1, 5}) {
            driver.released().put(queue, driver.log.nextOffset(queue));
            driver.log.releaseBelow(queue, driver.log.nextOffset(queue));
        }
        assertThat(driver.log.isSegmentFreeable()).isTrue();
        driver.log.close(true);
    }

    /** A look-up that fails may succeed the next time. */
    @Test
    void whatCouldNotBeLookedUpIsLookedUpAgain() throws IOException {
        LogDriver driver = pinned(disk, random, 1_000);
        for (int queue : new int[] {1, 5}) {
            driver.released().put(queue, driver.log.nextOffset(queue) - 1);
            driver.log.releaseBelow(queue, driver.log.nextOffset(queue) - 1);
        }
        List<String> index = disk.files().stream()
                .filter(name -> name.startsWith(StripeLog.INDEX_DIRECTORY + "/"))
                .toList();
        for (String name : index) {
            disk.failReads(name, 0, Long.MAX_VALUE);
        }
        assertThat(driver.log.isSegmentFreeable()).isFalse();
        for (String name : index) {
            disk.failReads(name, 0, 0);
        }
        assertThat(driver.log.isSegmentFreeable()).isTrue();
        driver.log.close(true);
    }

    /** Before, a snapshot counted only if its owner had a record behind the replay start, so the older one kept its segment. */
    @Test
    void afterAStartNewSnapshotsOfWhoHasNotChangedFreeTheOlderOnes() throws IOException {
        LogDriver driver = pinned(disk, random, 400);
        driver.log.close(true);
        List<String> before = segmentFiles(disk);
        LogDriver again = new LogDriver(disk, driver.model, driver.released(), driver.model.lastSequence());
        // One queue changes, until the log has left the segment it was in.
        while (segmentFiles(disk).stream()
                        .filter(name -> !before.contains(name))
                        .count()
                < 2) {
            LogRecord record = again.record(Owner.queue(2), random);
            again.append(Frame.builder(256).add(Owner.queue(2), record).build(), List.of(record));
        }
        for (int queue = 1; queue <= 5; queue++) {
            again.released().put(queue, again.log.nextOffset(queue));
            again.log.releaseBelow(queue, again.log.nextOffset(queue));
        }
        again.checkpoint(random, false);
        assertThat(segmentFiles(disk)).doesNotContainAnyElementsOf(before);
        again.log.close(true);
        new LogDriver(disk, again.model, again.released(), again.model.lastSequence()).log.close(true);
    }

    @Test
    void afterAStartASnapshotThatClaimsMoreThanThereIsDoesNotCount() throws IOException {
        LogDriver driver = pinned(disk, random, 400);
        driver.log.close(true);
        List<String> before = segmentFiles(disk);
        LogDriver again = new LogDriver(disk, driver.model, driver.released(), driver.model.lastSequence());
        while (segmentFiles(disk).stream()
                        .filter(name -> !before.contains(name))
                        .count()
                < 2) {
            LogRecord record = again.record(Owner.queue(2), random);
            again.append(Frame.builder(256).add(Owner.queue(2), record).build(), List.of(record));
        }
        for (int queue = 1; queue <= 5; queue++) {
            again.log.releaseBelow(queue, again.log.nextOffset(queue));
        }
        Checkpoint checkpoint = again.log.beginCheckpoint();
        assertThat(checkpoint.changedOwners()).hasSizeGreaterThan(5);
        for (Owner owner : checkpoint.changedOwners()) {
            SnapshotRecord record =
                    SnapshotRecord.split(1, 1_000_000, 0, new byte[8], 8).get(0);
            again.append(Frame.builder(200).add(owner, record).build(), List.of(record));
        }
        again.log.writeManifest(checkpoint);
        again.force();
        again.log.finishCheckpoint(checkpoint);
        assertThat(segmentFiles(disk)).as("with the snapshots that count").containsAnyElementsOf(before);
        again.log.close(false);
    }

    /** Before, it stayed held when a plan came in the instant in which its stripe stopped, and its map was never unmapped. */
    @Test
    void aLogThatIsClosedHoldsNoSegmentThatIsEvacuated() throws IOException {
        LogDriver driver = pinned(disk, random, 1_000);
        Evacuation evacuation = driver.log.planEvacuation(60);
        assertThat(evacuation).isNotNull();
        driver.log.close(true);
        assertThat(disk.abandonedFiles()).noneMatch(name -> name.startsWith("segment-"));
        evacuation.close();
        LogDriver again = new LogDriver(disk, driver.model, driver.released(), driver.model.lastSequence());
        assertThat(evacuateAll(again, random)).isPositive();
        again.log.close(false);
        assertThat(disk.abandonedFiles()).noneMatch(name -> name.startsWith("segment-"));
    }

    @Test
    void aFullSegmentStaysWhereItIs() throws IOException {
        LogDriver driver = LogDriver.fresh(disk);
        for (int step = 0; step < 1_000; step++) {
            driver.append(random);
        }
        driver.checkpoint(random, false);
        assertThat(driver.log.planEvacuation(50)).isNull();
        driver.log.close(true);
    }

    @Test
    void whatIsReleasedWhileItIsMovedIsNotRevived() throws IOException {
        LogDriver driver = pinned(disk, random, 1_000);
        long next = driver.log.nextOffset(1);
        Evacuation evacuation = driver.log.planEvacuation(60);
        for (MovedBatch batch = evacuation.read(3_000); batch != null; batch = evacuation.read(3_000)) {
            driver.appendMoved(batch);
        }
        driver.released().put(1, next);
        driver.log.releaseBelow(1, next);
        driver.checkpoint(random, false);
        driver.checkpoint(random, false);
        while (!evacuation.isDurable()) {
            driver.force();
        }
        evacuation.finish();
        evacuation.close();
        driver.checkpoint(random, false);
        driver.checkpoint(random, false);
        assertThat(driver.log
                        .newReader(1)
                        .read(0, 1, 1, (offset, message, body) -> {})
                        .status())
                .isNotEqualTo(QueueReader.Status.QUARANTINED);
        driver.log.close(true);
        try (StripeLog again = open(disk)) {
            assertThat(again.releasedBelow(1)).isEqualTo(next);
            assertThat(again.nextOffset(1)).isEqualTo(next);
        }
    }

    @Test
    void aCrashAtAnyOperationLosesNothing() throws IOException {
        SplittableRandom seeds = new SplittableRandom(9);
        LogDriver first = pinned(disk, random, 700);
        first.log.close(true);
        boolean isOver = false;
        for (int operation = 1; !isOver; operation += 1 + seeds.nextInt(3)) {
            for (boolean isPowerCut : new boolean[] {false, true}) {
                MemoryDisk each = disk.killImage();
                LogDriver driver = new LogDriver(
                        each, copy(first.model), new HashMap<>(first.released()), first.model.lastSequence());
                long written = driver.model.lastSequence();
                long durable = written;
                each.crashAtOperation(each.operations() + operation, seeds.split());
                isOver = true;
                try {
                    SplittableRandom same = new SplittableRandom(operation / 40);
                    for (int round = 0; round < 3; round++) {
                        evacuate(driver, 60);
                        durable = driver.log.durableSequence();
                        written = driver.model.lastSequence();
                        driver.checkpoint(same, false);
                        durable = driver.log.durableSequence();
                        written = driver.model.lastSequence();
                    }
                    driver.log.close(true);
                } catch (DiskCrashed e) {
                    isOver = false;
                    assertThat(catchThrowable(() -> driver.log.close(false)))
                            .satisfiesAnyOf(
                                    closed -> assertThat(closed).isNull(),
                                    closed -> assertThat(closed).isInstanceOf(DiskCrashed.class));
                }
                MemoryDisk image = isPowerCut ? each.powerCutImage(seeds) : each.killImage();
                LogDriver again = new LogDriver(image, driver.model, driver.released(), isPowerCut ? durable : written);
                again.checkWalk();
                evacuate(again, 60);
                again.checkpoint(seeds, false);
                again.checkMessages();
                again.log.close(true);
                assertThat(LogVerifier.verify(image).problems())
                        .as("operation %d, %s", operation, isPowerCut ? "power cut" : "kill")
                        .isEmpty();
            }
        }
    }

    private static LogModel copy(LogModel model) {
        LogModel copy = new LogModel();
        copy.entries().addAll(model.entries());
        return copy;
    }

    /** A force that fails takes copies along, and nobody writes them again: readers may be sent to them only behind it. */
    @Test
    void copiesAreNotDurableBeforeTheyAreForced() throws IOException {
        LogDriver driver = pinned(disk, random, 1_000);
        try (Evacuation evacuation = driver.log.planEvacuation(60)) {
            for (MovedBatch batch = evacuation.read(3_000); batch != null; batch = evacuation.read(3_000)) {
                driver.appendMoved(batch);
                assertThat(evacuation.isDurable()).as("read to its end").isFalse();
            }
            assertThat(evacuation.isDurable()).as("forced").isFalse();
            driver.force();
            assertThat(evacuation.isDurable()).isTrue();
        }
        driver.log.close(false);
    }

    @Test
    void aForceThatFailsGivesTheCopiesUp() throws IOException {
        LogDriver driver = pinned(disk, random, 1_000);
        int before = segmentFiles(disk).size();
        try (Evacuation evacuation = driver.log.planEvacuation(60)) {
            MovedBatch batch = evacuation.read(3_000);
            driver.appendMoved(batch);
            disk.failNextForces(1);
            assertThat(catchThrowable(driver::force)).isInstanceOf(IOException.class);
            driver.fail();
            assertThat(evacuation.isVoid()).isTrue();
            assertThat(driver.rewrite(Integer.MAX_VALUE)).isTrue();
            disk.evictCleanPages();
            MovedBatch next = evacuation.read(3_000);
            if (next != null) {
                assertThat(catchThrowable(() -> driver.log.appendMoved(next, 2_000)))
                        .isInstanceOfSatisfying(
                                StripeException.class,
                                e -> assertThat(e.reason()).isEqualTo(StripeException.Reason.CHECKPOINT_VOID));
            }
        }
        driver.checkMessages();
        driver.checkpoint(random, false);
        assertThat(segmentFiles(disk).size()).isGreaterThanOrEqualTo(before);
        assertThat(evacuateAll(driver, random)).isPositive();
        driver.checkMessages();
        driver.log.close(true);
        new LogDriver(disk, driver.model, driver.released(), driver.model.lastSequence()).log.close(true);
    }

    @Test
    void aSegmentWithABadFrameStays() throws IOException {
        LogDriver driver = pinned(disk, random, 1_000);
        disk.flip(segmentFiles(disk).get(0), 6_000, 1);
        assertThat(catchThrowable(() -> {
                    for (int round = 0; round < 40; round++) {
                        evacuate(driver, 60);
                    }
                }))
                .isInstanceOf(StripeException.class)
                .hasMessageContaining(segmentFiles(disk).get(0))
                .hasMessageContaining("stays");
        evacuateAll(driver, random);
        assertThat(segmentFiles(disk).size()).isGreaterThan(4);
        driver.log.close(true);
    }

    @Test
    void aLostIndexIsBuiltAnewFromWhatWasMoved() throws IOException {
        LogDriver driver = pinned(disk, random, 1_000);
        evacuateAll(driver, random);
        driver.log.close(true);
        for (String name : disk.files()) {
            if (name.startsWith(StripeLog.INDEX_DIRECTORY + "/")) {
                disk.child(StripeLog.INDEX_DIRECTORY).delete(name.substring(StripeLog.INDEX_DIRECTORY.length() + 1));
            }
        }
        LogDriver again = new LogDriver(disk, driver.model, driver.released(), driver.model.lastSequence());
        assertThat(again.log.report().findings()).contains("the queue index is built anew");
        again.checkWalk();
        evacuateAll(again, random);
        again.checkMessages();
        again.log.close(true);
    }

    // ---- an index of which a power cut has brought back an older part -----------------------------------------------

    private QueueIndex openIndex() throws IOException {
        StripeOptions options = LogDriver.OPTIONS;
        return QueueIndex.open(
                disk.child(StripeLog.INDEX_DIRECTORY),
                options.stripeId(),
                new IndexOptions(options.indexFileBytes(), options.indexExtentEntries()));
    }

    /** Where the messages of a queue are, by offset. */
    private List<Long> positions(int queue, long count) throws IOException {
        List<Long> positions = new ArrayList<>();
        IndexEntry entry = new IndexEntry();
        try (QueueIndex index = openIndex()) {
            for (long offset = 0; offset < count; offset++) {
                assertThat(index.lookup(queue, offset, entry)).isTrue();
                positions.add(entry.position());
            }
        }
        return positions;
    }

    /** @return how many entries it changed */
    private int turnBack(int queue, List<Long> positions) throws IOException {
        int turned = 0;
        IndexEntry entry = new IndexEntry();
        try (QueueIndex index = openIndex()) {
            for (int offset = 0; offset < positions.size(); offset++) {
                assertThat(index.lookup(queue, offset, entry)).isTrue();
                long before = positions.get(offset);
                if (entry.position() != before) {
                    index.put(queue, offset, before, entry.ordinal(), entry.recordBytes(), entry.tagHash());
                    turned++;
                }
            }
        }
        return turned;
    }

    @Test
    void entriesThatLeadWhereNothingIsLeftAreLookedForInTheLog() throws IOException {
        LogDriver driver = pinned(disk, random, 1_000);
        long count = driver.log.nextOffset(1);
        List<Long> before = positions(1, count);
        evacuateAll(driver, random);
        List<Long> moved = positions(1, count);
        assertThat(turnBack(1, before)).isGreaterThan(10);
        driver.checkMessages();
        assertThat(positions(1, count)).as("found once for all").isEqualTo(moved);
        driver.log.close(true);
    }

    /** That such an entry names another place is no proof that a copy is superseded. */
    @Test
    void aSegmentStaysWhileEntriesOfItsMessagesLeadWhereNothingIsLeft() throws IOException {
        LogDriver driver = pinned(disk, random, 1_000);
        List<Long> before = positions(1, driver.log.nextOffset(1));
        evacuateAll(driver, random);
        for (int step = 0; step < 600; step++) {
            driver.append(random);
        }
        releaseAllButSlow(driver);
        driver.checkpoint(random, false);
        assertThat(turnBack(1, before)).isGreaterThan(10);
        for (int round = 0; round < 40; round++) {
            evacuate(driver, 90);
            driver.checkpoint(random, false);
        }
        driver.checkMessages();
        driver.log.close(true);
    }

    /** A copy that a power cut has left behind a torn frame is no part of the log, the message is where it was. */
    @Test
    void anIndexBuiltAnewDoesNotLeadBehindTheEndOfTheLog() throws IOException {
        LogDriver driver = pinned(disk, random, 1_000);
        long durable = driver.model.lastSequence();
        List<String> writes = new ArrayList<>();
        disk.observe((operation, path, at, length) -> {
            if (operation == Operation.WRITE) {
                writes.add(path + " " + at);
            }
        });
        driver.append(random);
        String[] torn = writes.get(writes.size() - 1).split(" ");
        try (Evacuation evacuation = driver.log.planEvacuation(60)) {
            for (MovedBatch batch = evacuation.read(3_000); batch != null; batch = evacuation.read(3_000)) {
                driver.appendMoved(batch);
            }
        }
        assertThat(writes.get(writes.size() - 1)).as("a copy").startsWith(torn[0] + " ");
        MemoryDisk cut = disk.killImage();
        driver.log.close(false);
        cut.flip(torn[0], Long.parseLong(torn[1]) + FrameCodec.HEADER_BYTES, 1);
        for (String name : cut.child(StripeLog.INDEX_DIRECTORY).list()) {
            cut.child(StripeLog.INDEX_DIRECTORY).delete(name);
        }
        LogDriver again = new LogDriver(cut, driver.model, driver.released(), durable);
        assertThat(again.log.report().findings()).contains("the queue index is built anew");
        assertThat(again.model.lastSequence()).isEqualTo(durable);
        again.checkWalk();
        again.log.close(true);
    }

    @Test
    void aReaderThatIsBehindFollowsToTheNewPlace() throws IOException {
        LogDriver driver = pinned(disk, random, 600);
        QueueReader reader = driver.log.newReader(1);
        List<Long> found = new ArrayList<>();
        long next = driver.log.nextOffset(1);
        for (long offset = 0; offset < next; offset++) {
            QueueReader.Result result = reader.read(
                    offset, 1, Long.MAX_VALUE, (at, message, body) -> found.add(LogModel.content(body.decode())));
            assertThat(result.status()).isEqualTo(QueueReader.Status.READ);
            if (offset % 5 == 0) {
                evacuate(driver, 60);
                driver.checkpoint(random, false);
            }
        }
        assertThat(found).isEqualTo(driver.model.queues().get(1).subList(0, (int) next));
        driver.log.close(true);
    }

    @Test
    void aMessageAsLargeAsAFrameMayBeIsMovedToo() throws IOException {
        try (StripeLog log = open(disk)) {
            int bodyBytes = log.frameBytesMax() - FrameCodec.HEADER_BYTES - FrameCodec.RECORD_HEADER_BYTES - 100;
            byte[] body = new byte[bodyBytes];
            random.nextBytes(body);
            log.append(
                    Frame.builder(bodyBytes)
                            .add(
                                    Owner.queue(1),
                                    MessageRecord.builder()
                                            .id("large")
                                            .body(body)
                                            .build())
                            .build(),
                    2_000);
            for (int step = 0; step < 800; step++) {
                log.append(
                        Frame.builder(600)
                                .add(
                                        Owner.queue(2),
                                        MessageRecord.builder()
                                                .id("m")
                                                .body(new byte[500])
                                                .build())
                                .build(),
                        2_000);
            }
            log.releaseBelow(2, 800);
            for (int round = 0; round < 12; round++) {
                checkpoint(log);
                try (Evacuation evacuation = log.planEvacuation(100)) {
                    if (evacuation != null) {
                        for (MovedBatch batch = evacuation.read(100); batch != null; batch = evacuation.read(100)) {
                            log.prepareNext();
                            log.appendMoved(batch, 2_000);
                        }
                        force(log);
                        evacuation.finish();
                    }
                }
            }
            checkpoint(log);
            assertThat(segmentFiles(disk)).doesNotContain("segment-0000000000000000.log");
            List<byte[]> found = new ArrayList<>();
            log.newReader(1).read(0, 1, 1, (offset, message, view) -> {
                assertThat(message.isMoved()).isTrue();
                assertThat(message.sequence()).isOne();
                assertThat(message.logTimeMillis()).isEqualTo(2_000);
                found.add(((MessageRecord) view.decode()).body());
            });
            assertThat(found).containsExactly(body);
        }
    }

    private static void force(StripeLog log) throws IOException {
        FlushRange range = log.takeUnflushed();
        if (range != null) {
            log.force(range);
            log.forced(range);
        }
    }

    private static void checkpoint(StripeLog log) throws IOException {
        Checkpoint checkpoint = log.beginCheckpoint();
        for (Owner owner : checkpoint.changedOwners()) {
            long number = log.nextOffset(owner.queueId());
            log.append(
                    Frame.builder(100)
                            .add(owner, new SnapshotRecord(log.writtenSequence(), number, number, 0, 1, new byte[8]))
                            .build(),
                    2_000);
        }
        log.writeManifest(checkpoint);
        force(log);
        log.finishCheckpoint(checkpoint);
    }

    @Test
    void anEntrysBodyIsMovedAndFoundThroughIt() throws IOException {
        SeededRun.run("entries and their bodies", (random, progress) -> {
            MemoryDisk each = new MemoryDisk();
            LogDriver driver = LogDriver.fresh(each);
            Map<Integer, Long> released = driver.released();
            for (int step = 0; step < 3_000; step++) {
                progress.at(step);
                driver.append(random);
                if (step % 100 == 0) {
                    for (int queue = 1; queue <= 4; queue++) {
                        released.put(queue, driver.log.nextOffset(queue));
                        driver.log.releaseBelow(queue, released.get(queue));
                    }
                    long entries = driver.log.nextOffset(5);
                    released.put(5, Math.max(0, entries - 30));
                    driver.log.releaseBelow(5, released.get(5));
                    driver.checkpoint(random, false);
                    evacuate(driver, 70);
                    driver.checkMessages();
                }
                if (step % 700 == 0) {
                    driver.log.close(step % 1_400 == 0);
                    driver = new LogDriver(each, driver.model, released, driver.model.lastSequence());
                }
            }
            assertThat(segmentFiles(each).size()).isLessThan(25);
            driver.log.close(true);
            assertThat(LogVerifier.verify(each).problems()).isEmpty();
        });
    }
}
