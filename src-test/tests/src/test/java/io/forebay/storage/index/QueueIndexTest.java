package io.forebay.storage.index;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIOException;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;

import io.forebay.testkit.faults.DiskObserver.Operation;
import io.forebay.testkit.faults.Fault;
import io.forebay.testkit.faults.MemoryDisk;
import io.forebay.testkit.sim.SeededRun;
import java.io.IOException;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.SplittableRandom;
import java.util.concurrent.atomic.AtomicLong;
import java.util.concurrent.atomic.AtomicReference;
import java.util.random.RandomGenerator;
import org.junit.jupiter.api.Test;

/**
 * Against a {@link HashMap}. What is found is what was put last; after a crash what was forced is found again, and what is
 * found at all was put at some time. Survives: kill, power cut, failed forces, eviction of the pages of failed forces,
 * every damaged header, readers beside the writer.
 */
class QueueIndexTest {
    /** Seven extents of eight entries in a file. */
    private static final IndexOptions SMALL = new IndexOptions(4096, 8);

    private record Where(long position, int ordinal, int recordBytes, int tagHash) {}

    private static final class Model {
        final Map<Integer, Map<Long, Where>> queues = new HashMap<>();
        final Map<Integer, Long> floors = new HashMap<>();

        Map<Long, Where> queue(int queueId) {
            return queues.computeIfAbsent(queueId, missing -> new HashMap<>());
        }

        long floor(int queueId) {
            return floors.getOrDefault(queueId, 0L);
        }
    }

    private static Where whereOrNull(QueueIndex index, int queueId, long offset) throws IOException {
        IndexEntry entry = new IndexEntry();
        boolean found = index.lookup(queueId, offset, entry);
        Where where = new Where(entry.position(), entry.ordinal(), entry.recordBytes(), entry.tagHash());
        assertThat(index.lookupCold(queueId, offset, entry)).isEqualTo(found);
        return found ? where : null;
    }

    private static void assertLike(Model model, QueueIndex index) throws IOException {
        for (Map.Entry<Integer, Map<Long, Where>> queue : model.queues.entrySet()) {
            long floor = model.floor(queue.getKey());
            for (Map.Entry<Long, Where> put : queue.getValue().entrySet()) {
                if (put.getKey() >= floor) {
                    assertThat(whereOrNull(index, queue.getKey(), put.getKey()))
                            .as("queue %s offset %s", queue.getKey(), put.getKey())
                            .isEqualTo(put.getValue());
                }
            }
        }
    }

    private static Where random(RandomGenerator random) {
        return new Where(
                random.nextLong(1L << 50), random.nextInt(0x10000), 8 + random.nextInt(1000), random.nextInt());
    }

    private static void put(QueueIndex index, int queueId, long offset, Where where) throws IOException {
        index.put(queueId, offset, where.position, where.ordinal, where.recordBytes, where.tagHash);
    }

    @Test
    void findsWhatWasPutLastAlsoAfterReopening() throws Exception {
        for (int seed = 0; seed < 30; seed++) {
            SplittableRandom random = new SplittableRandom(seed);
            MemoryDisk disk = new MemoryDisk();
            Model model = new Model();
            QueueIndex index = QueueIndex.open(disk, 1, SMALL);
            for (int step = 0; step < 1500; step++) {
                int queueId = random.nextInt(6) * 1001;
                Map<Long, Where> queue = model.queue(queueId);
                long offset = model.floor(queueId) + random.nextInt(60);
                Where where = random(random);
                int what = random.nextInt(100);
                if (what < 70) {
                    put(index, queueId, offset, where);
                    queue.put(offset, where);
                } else if (what < 85) {
                    Where now = queue.get(offset);
                    long expected = now != null && random.nextInt(3) != 0 ? now.position : 1L << 51;
                    boolean moved = index.repoint(
                            queueId, offset, expected, where.position, where.ordinal, where.recordBytes, true);
                    assertThat(moved).isEqualTo(now != null && now.position == expected);
                    if (moved) {
                        queue.put(offset, new Where(where.position, where.ordinal, where.recordBytes, now.tagHash));
                    }
                } else if (what < 92) {
                    long floor = model.floor(queueId) + random.nextInt(20);
                    index.releaseBelow(queueId, floor);
                    model.floors.put(queueId, floor);
                    put(index, queueId, Math.max(0, floor - 1), where);
                } else if (what < 95) {
                    assertThat(whereOrNull(index, queueId, offset)).isEqualTo(queue.get(offset));
                } else if (what < 97) {
                    index.release(queueId);
                    queue.clear();
                    model.floors.remove(queueId);
                } else if (what < 99) {
                    index.force();
                } else {
                    index.close();
                    assertThat(disk.openFiles()).isEmpty();
                    disk = random.nextBoolean() ? disk : disk.killImage();
                    index = QueueIndex.open(disk, 1, SMALL);
                    assertThat(index.droppedOnOpen()).isEmpty();
                    for (Map.Entry<Integer, Long> floor : model.floors.entrySet()) {
                        index.releaseBelow(floor.getKey(), floor.getValue());
                    }
                }
            }
            assertLike(model, index);
            index.close();
        }
    }

    @Test
    void afterAPowerCutWhatWasForcedIsFoundAndNothingIsInvented() throws Exception {
        for (int seed = 0; seed < 150; seed++) {
            SplittableRandom random = new SplittableRandom(seed);
            MemoryDisk disk = new MemoryDisk();
            Model forced = new Model();
            Map<String, List<Where>> ever = new HashMap<>();
            try (QueueIndex index = QueueIndex.open(disk, 1, SMALL)) {
                for (int step = 0; step < 200; step++) {
                    int queueId = random.nextInt(3);
                    long offset = step / 4;
                    Where where = random(random);
                    put(index, queueId, offset, where);
                    ever.computeIfAbsent(queueId + "/" + offset, missing -> new ArrayList<>())
                            .add(where);
                    if (step < 120) {
                        forced.queue(queueId).put(offset, where);
                    } else {
                        forced.queue(queueId).remove(offset);
                    }
                    if (step == 119) {
                        index.force();
                    }
                    disk.writeBackSome(random);
                }
            }
            try (QueueIndex index = QueueIndex.open(disk.powerCutImage(random), 1, SMALL)) {
                assertLike(forced, index);
                for (int queueId = 0; queueId < 3; queueId++) {
                    for (long offset = 0; offset < 60; offset++) {
                        Where found = whereOrNull(index, queueId, offset);
                        if (found != null) {
                            assertThat(ever.get(queueId + "/" + offset)).contains(found);
                        }
                    }
                }
            }
        }
    }

    @Test
    void aFailedForceMovesWhatItCoveredAndTheNextOneHolds() throws Exception {
        for (int seed = 0; seed < 100; seed++) {
            SplittableRandom random = new SplittableRandom(seed);
            MemoryDisk disk = new MemoryDisk();
            Model model = new Model();
            try (QueueIndex index = QueueIndex.open(disk, 1, SMALL)) {
                for (int round = 0; round < 6; round++) {
                    for (int step = 0; step < 40; step++) {
                        int queueId = 1 + random.nextInt(3);
                        long offset = random.nextInt(30);
                        Where where = random(random);
                        put(index, queueId, offset, where);
                        model.queue(queueId).put(offset, where);
                    }
                    boolean isForced = false;
                    for (int failures = 0; !isForced; failures++) {
                        disk.failNextForces(failures < 2 && random.nextBoolean() ? 1 : 0);
                        try {
                            index.force();
                            isForced = true;
                        } catch (IOException e) {
                            assertThat(e).hasMessageContaining("force");
                        }
                    }
                    disk.evictCleanPages();
                    assertLike(model, index);
                    try (QueueIndex reopened = QueueIndex.open(disk.powerCutImage(random), 1, SMALL)) {
                        assertLike(model, reopened);
                    }
                }
            }
        }
    }

    @Test
    void extentsAreUsedAgainAndSmallQueuesShareFiles() throws Exception {
        MemoryDisk disk = new MemoryDisk();
        IndexOptions options = new IndexOptions(64 * 1024, 16);
        try (QueueIndex index = QueueIndex.open(disk, 1, options)) {
            for (int queueId = 1; queueId <= 10_000; queueId++) {
                index.put(queueId, 0, queueId, 0, 96, 0);
            }
            assertThat(index.fileCount()).isLessThanOrEqualTo(10_000 / options.extentsPerFile() + 1);
            assertThat(index.queueIds()).hasSize(10_000).startsWith(1, 2, 3);
            int files = index.fileCount();
            for (int queueId = 2; queueId <= 10_000; queueId++) {
                index.release(queueId);
            }
            // What is given up is free with the next force: until then a power cut may bring it back.
            index.force();
            assertThat(index.queueIds()).containsExactly(1);
            for (long offset = 1; offset < 200_000; offset++) {
                index.put(1, offset, offset, 0, 96, 0);
                if (offset % 16 == 0) {
                    index.releaseBelow(1, offset - 50);
                }
                if (offset % 1_000 == 0) {
                    index.force();
                }
            }
            assertThat(index.fileCount()).isLessThan(files / 10);
            assertThat(disk.files()).hasSize(index.fileCount());
            assertThat(whereOrNull(index, 1, 199_999)).isNotNull();
            assertThat(whereOrNull(index, 1, 1000)).isNull();
            assertThat(whereOrNull(index, 5, 0)).isNull();
        }
    }

    /**
     * A force that fails moves extents; a power cut before the next one that succeeds may leave the header of the new place
     * without its entries, with or without the old place. What the last good force held has to be found all the same.
     */
    @Test
    void aPowerCutBehindAFailedForceLeavesWhatTheLastGoodOneHeld() throws Exception {
        SeededRun.run("power cut behind a failed force of the index", (random, progress) -> {
            for (int life = 0; life < 250; life++) {
                MemoryDisk disk = new MemoryDisk();
                Model forced = new Model();
                Model now = new Model();
                QueueIndex index = QueueIndex.open(disk, 1, SMALL);
                for (int step = 0; step < 120; step++) {
                    progress.at(life * 1_000L + step);
                    int queueId = 1 + random.nextInt(3);
                    int what = random.nextInt(100);
                    if (what < 70) {
                        long offset = now.floor(queueId) + random.nextInt(40);
                        Where where = random(random);
                        put(index, queueId, offset, where);
                        now.queue(queueId).put(offset, where);
                    } else if (what < 76) {
                        long floor = now.floor(queueId) + random.nextInt(12);
                        index.releaseBelow(queueId, floor);
                        now.floors.put(queueId, floor);
                    } else if (what < 88) {
                        disk.failNextForces(random.nextInt(3) == 0 ? 0 : 1 + random.nextInt(2));
                        if (random.nextInt(4) == 0) {
                            // No room to move to.
                            disk.fullAfter(0);
                        }
                        try {
                            index.force();
                            now.queues.forEach((queue, entries) -> forced.queues.put(queue, new HashMap<>(entries)));
                            forced.floors.putAll(now.floors);
                        } catch (IOException e) {
                            assertThat(e).hasMessageContaining("force");
                        }
                        disk.failNextForces(0);
                        disk.roomAgain();
                    } else if (what < 92) {
                        disk.evictCleanPages();
                        assertLike(now, index);
                    } else if (what < 96) {
                        disk.writeBackSome(random);
                    } else {
                        index.close();
                        disk = random.nextInt(4) == 0 ? disk.killImage() : disk.powerCutImage(random);
                        index = QueueIndex.open(disk, 1, SMALL);
                        boolean isWhole = index.droppedOnOpen().isEmpty();
                        for (Map.Entry<Integer, Map<Long, Where>> queue : forced.queues.entrySet()) {
                            long floor = Math.max(forced.floor(queue.getKey()), now.floor(queue.getKey()));
                            for (long offset : queue.getValue().keySet()) {
                                assertThat(offset < floor
                                                || !isWhole
                                                || whereOrNull(index, queue.getKey(), offset) != null)
                                        .as("queue %s offset %s", queue.getKey(), offset)
                                        .isTrue();
                            }
                        }
                        // What the caller does: it puts again what it replays.
                        for (Map.Entry<Integer, Map<Long, Where>> queue : now.queues.entrySet()) {
                            for (Map.Entry<Long, Where> entry : queue.getValue().entrySet()) {
                                Where held = forced.queue(queue.getKey()).get(entry.getKey());
                                if (!isWhole || !entry.getValue().equals(held)) {
                                    put(index, queue.getKey(), entry.getKey(), entry.getValue());
                                }
                            }
                            index.releaseBelow(queue.getKey(), now.floor(queue.getKey()));
                        }
                        assertLike(now, index);
                    }
                }
                index.close();
                assertThat(disk.openFiles()).isEmpty();
            }
        });
    }

    /** The kernel is the same, and believes that what it has lost is written; the caller puts again only what it replays. */
    @Test
    void whatAForceHasLostBeforeAKillIsWrittenAgainBeforeItIsForced() throws Exception {
        IndexOptions fiveSectors = new IndexOptions(16384, 100);
        MemoryDisk disk = new MemoryDisk();
        List<MemoryDisk> left = new ArrayList<>();
        try (QueueIndex index = QueueIndex.open(disk, 1, fiveSectors)) {
            for (long offset = 0; offset < 90; offset++) {
                index.put(1, offset, 10 + offset, 0, 96, 0);
            }
            index.force();
            index.put(1, 90, 100, 0, 96, 0);
            // The copy of the extent is lost as well, and with it what was forced long ago.
            disk.arm(Fault.of(Operation.FORCE).times(2));
            disk.observe((operation, path, at, length) -> {
                if (operation.isMutation() && disk.faults() == 2 && left.isEmpty()) {
                    left.add(disk.killImage());
                }
            });
            assertThatIOException().isThrownBy(index::force);
            assertThatIOException().isThrownBy(index::force);
        }
        for (boolean isDropped : new boolean[] {false, true}) {
            MemoryDisk killed = left.get(0).killImage();
            try (QueueIndex index = QueueIndex.open(killed, 1, fiveSectors)) {
                if (isDropped) {
                    killed.evictCleanPages();
                }
                index.put(1, 90, 100, 0, 96, 0);
                assertHasUpTo90(index);
                index.force();
            }
            for (int seed = 0; seed < 20; seed++) {
                MemoryDisk cut = killed.powerCutImage(new SplittableRandom(seed));
                try (QueueIndex index = QueueIndex.open(cut, 1, fiveSectors)) {
                    assertThat(index.droppedOnOpen()).isEmpty();
                    assertHasUpTo90(index);
                }
            }
        }
    }

    private static void assertHasUpTo90(QueueIndex index) throws IOException {
        for (long offset = 0; offset <= 90; offset++) {
            assertThat(whereOrNull(index, 1, offset)).as("offset %d", offset).isNotNull();
        }
    }

    /** A first force of an extent has failed; the header is dropped behind the opening, and has to be there all the same. */
    @Test
    void aHeaderThatIsDroppedBehindTheStartIsWrittenAgain() throws Exception {
        IndexOptions fiveSectors = new IndexOptions(16384, 100);
        MemoryDisk disk = new MemoryDisk();
        List<MemoryDisk> left = new ArrayList<>();
        try (QueueIndex index = QueueIndex.open(disk, 1, fiveSectors)) {
            for (long offset = 0; offset < 100; offset++) {
                index.put(1, offset, 10 + offset, 0, 96, 0);
            }
            disk.arm(Fault.of(Operation.FORCE));
            disk.observe((operation, path, at, length) -> {
                if (disk.faults() == 1 && left.isEmpty()) {
                    left.add(disk.killImage());
                }
            });
            assertThatIOException().isThrownBy(index::force);
        }
        MemoryDisk killed = left.get(0);
        try (QueueIndex index = QueueIndex.open(killed, 1, fiveSectors)) {
            killed.evictCleanPages();
            for (long offset = 0; offset < 100; offset++) {
                index.put(1, offset, 10 + offset, 0, 96, 0);
            }
            index.force();
        }
        try (QueueIndex index = QueueIndex.open(killed.powerCutImage(new SplittableRandom(1)), 1, fiveSectors)) {
            assertThat(index.covers(1, 0, 100)).isTrue();
            assertThat(whereOrNull(index, 1, 99)).isEqualTo(new Where(109, 0, 96, 0));
        }
    }

    /** An extent that the index has left behind a failed force is free for the next start, which the kernel tells nothing. */
    @Test
    void whatAForceHasLostBeforeAKillIsWrittenOverWhenItsPlaceIsTakenAgain() throws Exception {
        IndexOptions fiveSectors = new IndexOptions(16384, 100);
        MemoryDisk disk = new MemoryDisk();
        try (QueueIndex index = QueueIndex.open(disk, 1, fiveSectors)) {
            for (long offset = 0; offset < 100; offset++) {
                index.put(1, offset, 10 + offset, 0, 96, 0);
            }
            disk.arm(Fault.of(Operation.FORCE).times(1));
            assertThatIOException().isThrownBy(index::force);
            index.force();
        }
        MemoryDisk killed = disk.killImage();
        try (QueueIndex index = QueueIndex.open(killed, 1, fiveSectors)) {
            index.put(2, 0, 500, 0, 96, 0);
            index.force();
        }
        for (int seed = 0; seed < 20; seed++) {
            MemoryDisk cut = killed.powerCutImage(new SplittableRandom(seed));
            try (QueueIndex index = QueueIndex.open(cut, 1, fiveSectors)) {
                assertThat(index.droppedOnOpen()).isEmpty();
                assertThat(whereOrNull(index, 2, 0)).isEqualTo(new Where(500, 0, 96, 0));
                assertThat(whereOrNull(index, 2, 1)).isNull();
                for (long offset = 0; offset < 100; offset++) {
                    assertThat(whereOrNull(index, 1, offset))
                            .as("offset %d", offset)
                            .isEqualTo(new Where(10 + offset, 0, 96, 0));
                }
            }
        }
    }

    /** Its blocks, its header or its name: whatever the maker of a file did not come to force any more, who uses it does. */
    @Test
    void aFileWhoseMakerWasKilledIsForcedAsAWholeBeforeItsExtentsCount() throws Exception {
        List<MemoryDisk> left = new ArrayList<>();
        for (boolean isFailing : new boolean[] {false, true}) {
            MemoryDisk disk = new MemoryDisk();
            disk.failNextForces(isFailing ? 1 : 0);
            disk.observe((operation, path, at, length) -> {
                if (operation.isMutation()) {
                    left.add(disk.killImage());
                }
            });
            try (QueueIndex index = QueueIndex.open(disk, 1, SMALL)) {
                index.put(1, 0, 10, 0, 96, 0);
            } catch (IOException e) {
                assertThat(isFailing).isTrue();
            }
        }
        assertThat(left).hasSizeGreaterThan(7);
        for (MemoryDisk killed : left) {
            try (QueueIndex index = QueueIndex.open(killed, 1, SMALL)) {
                index.put(1, 0, 10, 0, 96, 0);
                index.force();
            }
            for (int seed = 0; seed < 20; seed++) {
                try (QueueIndex index = QueueIndex.open(killed.powerCutImage(new SplittableRandom(seed)), 1, SMALL)) {
                    assertThat(index.droppedOnOpen()).isEmpty();
                    assertThat(whereOrNull(index, 1, 0)).isEqualTo(new Where(10, 0, 96, 0));
                }
            }
        }
    }

    @Test
    void whatIsKeptBelowTheReleasedOffsetsIsStillFound() throws Exception {
        MemoryDisk disk = new MemoryDisk();
        try (QueueIndex index = QueueIndex.open(disk, 1, SMALL)) {
            for (long offset = 0; offset < 800; offset++) {
                index.put(1, offset, 10 + offset, 0, 96, 0);
            }
            index.releaseBelow(1, 790, 17, 18, 320);
            index.force();
            for (long offset = 0; offset < 800; offset++) {
                boolean isKept = offset / 8 == 2 || offset / 8 == 40 || offset / 8 >= 98;
                assertThat(whereOrNull(index, 1, offset) != null)
                        .as("offset %s", offset)
                        .isEqualTo(isKept);
            }
            assertThat(index.repoint(1, 320, 330, 5_000, 2, 112, true)).isTrue();
            assertThat(whereOrNull(index, 1, 320)).isEqualTo(new Where(5_000, 2, 112, 0));
            index.releaseBelow(1, 790, 320);
            assertThat(whereOrNull(index, 1, 17)).isNull();
            assertThat(whereOrNull(index, 1, 320)).isNotNull();
            index.releaseBelow(1, 790);
            assertThat(whereOrNull(index, 1, 320)).isNull();
            index.force();
            assertThat(index.fileCount()).isLessThanOrEqualTo(2);
        }
    }

    @Test
    void filesCanBePreparedAheadAndReserved() throws Exception {
        MemoryDisk disk = new MemoryDisk();
        try (QueueIndex index = QueueIndex.open(disk, 1, SMALL)) {
            assertThat(index.isPreparationNeeded()).isTrue();
            index.prepareNext();
            assertThat(index.isPreparationNeeded()).isFalse();
            long before = disk.operations();
            index.reserve(SMALL.extentsPerFile());
            assertThat(disk.operations()).isEqualTo(before);
            index.reserve(SMALL.extentsPerFile() + 1);
            assertThat(index.fileCount()).isEqualTo(2);
            disk.fullAfter(100);
            for (long offset = 0; offset < 2 * 8 * SMALL.extentsPerFile(); offset++) {
                index.put(1, offset, offset, 0, 96, 0);
            }
            assertThatIOException().isThrownBy(() -> index.reserve(1)).withMessageContaining("No space");
            assertThatIOException().isThrownBy(() -> index.put(2, 0, 1, 0, 96, 0));
            assertThat(whereOrNull(index, 2, 0)).isNull();
            disk.roomAgain();
            index.put(2, 0, 1, 0, 96, 0);
            assertThat(whereOrNull(index, 2, 0)).isNotNull();
        }
    }

    @Test
    void damagedHeadersAreDroppedAndNamedAndFoundAsGaps() throws Exception {
        MemoryDisk disk = new MemoryDisk();
        try (QueueIndex index = QueueIndex.open(disk, 1, SMALL)) {
            for (long offset = 0; offset < 24; offset++) {
                index.put(3, offset, offset, 0, 96, 0);
            }
            assertThat(index.covers(3, 0, 24)).isTrue();
            assertThat(index.covers(3, 0, 25)).isFalse();
            assertThat(index.covers(4, 0, 1)).isFalse();
            assertThat(index.covers(4, 7, 7)).isTrue();
        }
        for (int bit = 0; bit < 64 * 8; bit++) {
            MemoryDisk damaged = disk.killImage();
            damaged.flip("index-0000000001", 512 + SMALL.extentBytes() + bit / 8, 1 << (bit % 8));
            try (QueueIndex index = QueueIndex.open(damaged, 1, SMALL)) {
                assertThat(index.droppedOnOpen()).hasSize(1);
                assertThat(index.droppedOnOpen().get(0)).startsWith("index-0000000001 extent 1: ");
                assertThat(index.covers(3, 0, 24)).isFalse();
                assertThat(whereOrNull(index, 3, 7)).isNotNull();
                assertThat(whereOrNull(index, 3, 8)).isNull();
                index.put(3, 8, 1, 0, 96, 0);
                assertThat(whereOrNull(index, 3, 9))
                        .as("what was left behind is not believed")
                        .isNull();
            }
        }
        for (int bit = 0; bit < 64 * 8; bit++) {
            MemoryDisk damaged = disk.killImage();
            damaged.flip("index-0000000001", bit / 8, 1 << (bit % 8));
            try (QueueIndex index = QueueIndex.open(damaged, 1, SMALL)) {
                assertThat(index.droppedOnOpen()).hasSize(1);
                assertThat(index.queueIds()).isEmpty();
                assertThat(damaged.files()).isEmpty();
            }
        }
    }

    @Test
    void everyFlippedBitOfAnEntryHidesIt() throws Exception {
        MemoryDisk disk = new MemoryDisk();
        try (QueueIndex index = QueueIndex.open(disk, 1, SMALL)) {
            put(index, 3, 2, new Where(123_456, 7, 96, 99));
        }
        long at = 512 + 64 + 2 * 24;
        for (int bit = 0; bit < 24 * 8; bit++) {
            disk.flip("index-0000000001", at + bit / 8, 1 << (bit % 8));
            try (QueueIndex index = QueueIndex.open(disk, 1, SMALL)) {
                assertThat(whereOrNull(index, 3, 2)).as("bit %s", bit).isNull();
            }
            disk.flip("index-0000000001", at + bit / 8, 1 << (bit % 8));
        }
    }

    @Test
    void filesOfOtherSizesOrStripesAreDroppedAndUnfinishedOnesSilently() throws Exception {
        MemoryDisk disk = new MemoryDisk();
        try (QueueIndex index = QueueIndex.open(disk, 1, SMALL)) {
            index.put(1, 0, 1, 0, 96, 0);
        }
        for (IndexOptions other : List.of(new IndexOptions(8192, 8), new IndexOptions(4096, 9))) {
            try (QueueIndex index = QueueIndex.open(disk.killImage(), 1, other)) {
                assertThat(index.droppedOnOpen()).hasSize(1);
            }
        }
        try (QueueIndex index = QueueIndex.open(disk.killImage(), 2, SMALL)) {
            assertThat(index.droppedOnOpen()).hasSize(1);
        }
        disk.create("index-0000000002", 4096).close();
        disk.create("index-x", 4096).close();
        try (QueueIndex index = QueueIndex.open(disk, 1, SMALL)) {
            assertThat(index.droppedOnOpen()).isEmpty();
            assertThat(disk.files()).containsExactly("index-0000000001", "index-x");
            assertThat(whereOrNull(index, 1, 0)).isNotNull();
        }
        assertThatIllegalArgumentException().isThrownBy(() -> new IndexOptions(1000, 100));
        assertThatIllegalArgumentException().isThrownBy(() -> new IndexOptions(1 << 20, 0));
    }

    @Test
    void readersBesideTheWriterSeeWhatTheyHaveLearnedOf() throws Exception {
        MemoryDisk disk = new MemoryDisk();
        int last = 60_000;
        try (QueueIndex index = QueueIndex.open(disk, 1, new IndexOptions(16 * 1024, 32))) {
            AtomicLong published = new AtomicLong(-1);
            AtomicLong floor = new AtomicLong();
            AtomicReference<Throwable> failure = new AtomicReference<>();
            Thread reader = new Thread(() -> {
                IndexEntry entry = new IndexEntry();
                SplittableRandom random = new SplittableRandom(1);
                try {
                    while (published.get() < last && failure.get() == null) {
                        long to = published.get();
                        long from = floor.get();
                        if (to >= from) {
                            long offset = from + random.nextLong(to - from + 1);
                            boolean found = index.lookup(1, offset, entry);
                            if (found ? entry.position() % 1_000_003 != offset : offset >= floor.get()) {
                                throw new AssertionError(
                                        "offset " + offset + ", found " + found + " " + entry.position());
                            }
                        }
                    }
                } catch (IOException | RuntimeException | AssertionError e) {
                    failure.set(e);
                }
            });
            reader.start();
            for (long offset = 0; offset <= last; offset++) {
                index.put(1, offset, offset, 0, 96, 0);
                published.set(offset);
                long back = Math.max(floor.get(), offset - 20);
                index.repoint(1, back, back, back + 1_000_003, 1, 96, true);
                if (offset % 100 == 99) {
                    floor.set(offset - 90);
                    index.releaseBelow(1, offset - 90);
                }
                if (offset % 1000 == 0) {
                    index.force();
                }
            }
            reader.join();
            assertThat(failure.get()).isNull();
        }
    }
}
