package io.forebay.storage.log;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.forebay.storage.io.StorageDirectory;
import io.forebay.testkit.faults.DiskObserver.Operation;
import io.forebay.testkit.faults.MemoryDisk;
import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicLong;
import java.util.concurrent.atomic.AtomicReference;
import java.util.random.RandomGenerator;
import java.util.random.RandomGeneratorFactory;
import org.junit.jupiter.api.Test;

/**
 * What goes on at the same time as a failure, or between two steps of one. Invariants: I1 nothing promised is missing, I2
 * nothing is invented or altered, I8 the log opens again. Each test makes the moment it is about with the disk's observer.
 */
class ReviewFindingsTest {
    private static final StripeOptions OPTIONS = new StripeOptions(3, 64 * 1024, 64, 32 * 1024, 2);
    private static final Owner QUEUE = Owner.queue(1);
    private static final Owner OTHER_QUEUE = Owner.queue(2);
    private static final Owner GROUP = Owner.group(1, 1);

    private final MemoryDisk disk = new MemoryDisk();
    private final List<Long> seeks = new ArrayList<>();

    private StripeLog open(StorageDirectory directory) throws IOException {
        seeks.clear();
        return StripeLog.open(directory, OPTIONS, 1_000, new RecoverySink() {
            @Override
            public void snapshot(RecordView part) throws CorruptRecordException {
                byte[] payload = ((SnapshotRecord) part.decode()).payload();
                for (byte seek : payload) {
                    seeks.add((long) seek);
                }
            }

            @Override
            public void record(RecordView record) throws CorruptRecordException {
                if (record.decode() instanceof SeekRecord seek) {
                    seeks.add(seek.offset());
                }
            }
        });
    }

    private static Frame append(StripeLog log, Owner owner, LogRecord record) throws StripeException {
        Frame frame = Frame.builder(64).add(owner, record).build();
        log.append(frame, 2_000);
        return frame;
    }

    private static Frame message(StripeLog log, Owner queue, String id, int bodyBytes) throws StripeException {
        return append(
                log,
                queue,
                MessageRecord.builder().id(id).body(new byte[bodyBytes]).build());
    }

    private static Frame seek(StripeLog log, int offset) throws StripeException {
        return append(log, GROUP, new SeekRecord(offset, 1, 1));
    }

    private static void snapshot(StripeLog log, Owner owner, Frame held, int... state) throws StripeException {
        byte[] payload = new byte[state.length];
        for (int index = 0; index < state.length; index++) {
            payload[index] = (byte) state[index];
        }
        SnapshotRecord record =
                new SnapshotRecord(held.lastSequence(), held.ownerNumber(held.recordCount() - 1), 0, 0, 1, payload);
        append(log, owner, record);
    }

    private static void force(StripeLog log) throws IOException {
        FlushRange range = log.takeUnflushed();
        if (range != null) {
            log.force(range);
            log.forced(range);
        }
    }

    private static void rewrite(StripeLog log) throws IOException {
        for (Frame frame : log.retainedFrames()) {
            log.rewrite(frame);
        }
        log.finishRewrite();
    }

    private static void checkpoint(StripeLog log) throws IOException {
        Checkpoint checkpoint = log.beginCheckpoint();
        log.writeManifest(checkpoint);
        force(log);
        log.finishCheckpoint(checkpoint);
    }

    private static List<String> read(StripeLog log, int queueId, long from) throws CorruptRecordException {
        List<String> ids = new ArrayList<>();
        QueueReader.Result result = log.newReader(queueId)
                .read(
                        from,
                        Integer.MAX_VALUE,
                        Long.MAX_VALUE,
                        (offset, message, body) ->
                                ids.add(body == null ? "no body" : ((MessageRecord) body.decode()).id()));
        if (result.status() != QueueReader.Status.READ) {
            ids.add(result.toString());
        }
        return ids;
    }

    private static RandomGenerator random(long seed) {
        return RandomGeneratorFactory.of("L64X128MixRandom").create(seed);
    }

    @Test
    void aCheckpointThatEndsBesideAFailedForceKeepsItsSnapshots() throws IOException {
        StripeLog log = open(disk);
        Frame first = seek(log, 1);
        force(log);
        Checkpoint checkpoint = log.beginCheckpoint();
        snapshot(log, GROUP, first, 1);
        log.writeManifest(checkpoint);
        force(log);
        seek(log, 2);
        FlushRange range = log.takeUnflushed();
        AtomicBoolean hasFailed = new AtomicBoolean();
        disk.observe((operation, path, at, length) -> {
            if (operation == Operation.WRITE && path.equals("checkpoint") && hasFailed.compareAndSet(false, true)) {
                log.forceFailed(range);
            }
        });
        log.finishCheckpoint(checkpoint);
        assertThat(hasFailed).isTrue();
        rewrite(log);
        // The group keeps quiet this time: its first snapshot is still the one that holds record 1.
        checkpoint(log);
        StripeLog opened = open(disk.killImage());
        assertThat(seeks).containsExactly(1L, 2L);
        opened.close();
        log.close();
    }

    @Test
    void aRunThatIsGivenUpBehindItsLinkNeverKeepsTheLogFromOpening() throws IOException {
        StripeLog log = open(disk);
        message(log, QUEUE, "durable", 10);
        force(log);
        for (int index = 0; index < 25; index++) {
            message(log, QUEUE, "m" + index, 8_000);
        }
        log.forceFailed(log.takeUnflushed());
        for (Frame frame : log.retainedFrames()) {
            log.rewrite(frame);
        }
        AtomicReference<String> firstOfRun = new AtomicReference<>();
        disk.observe((operation, path, at, length) -> {
            if (operation == Operation.FORCE) {
                firstOfRun.compareAndSet(null, path);
                if (at == 0 && path.equals(firstOfRun.get())) {
                    // The device has the link all the same.
                    for (int seed = 1; seed <= 5; seed++) {
                        disk.writeBackSome(random(seed));
                    }
                    throw new IOException("Input/output error");
                }
            }
        });
        assertThatThrownBy(log::finishRewrite).isInstanceOf(IOException.class);
        disk.observe((operation, path, at, length) -> {});
        List<MemoryDisk> images = new ArrayList<>();
        disk.observe((operation, path, at, length) -> {
            if (operation == Operation.FORCE_DIRECTORY || operation == Operation.DELETE) {
                for (int seed = 0; seed < 20; seed++) {
                    images.add(disk.powerCutImage(random(seed)));
                }
            }
        });
        log.prepareNext();
        disk.observe((operation, path, at, length) -> {});
        log.close();
        assertThat(images).isNotEmpty();
        for (MemoryDisk image : images) {
            StripeLog opened = open(image);
            assertThat(read(opened, 1, 0)).startsWith("durable");
            opened.close();
        }
    }

    @Test
    void aRewriteThatCannotRepointTheIndexStartsOver() throws IOException {
        StripeLog log = open(disk);
        message(log, QUEUE, "a", 10);
        force(log);
        message(log, QUEUE, "b", 10);
        log.forceFailed(log.takeUnflushed());
        for (Frame frame : log.retainedFrames()) {
            log.rewrite(frame);
        }
        disk.observe((operation, path, at, length) -> {
            if (operation == Operation.WRITE && path.startsWith("index/")) {
                throw new IOException("Input/output error");
            }
        });
        assertThatThrownBy(log::finishRewrite).isInstanceOf(IOException.class);
        disk.observe((operation, path, at, length) -> {});
        rewrite(log);
        assertThat(read(log, 1, 0)).containsExactly("a", "b");
        message(log, QUEUE, "c", 10);
        force(log);
        log.close();
        StripeLog opened = open(disk.powerCutImage(random(1)));
        assertThat(read(opened, 1, 0)).containsExactly("a", "b", "c");
        opened.close();
    }

    @Test
    void whatWasReleasedSinceTheNewestManifestDoesNotCostTheIndex() throws IOException {
        StripeLog log = open(disk);
        for (int index = 0; index < 200; index++) {
            message(log, QUEUE, "m" + index, 10);
        }
        checkpoint(log);
        log.releaseBelow(1, 200);
        log.beginCheckpoint();
        StripeLog opened = open(disk.killImage());
        assertThat(opened.report().findings()).isEmpty();
        opened.close();
        log.close();
    }

    @Test
    void anIndexBuiltAnewFindsBodiesThatOnlyAnEntryNeeds() throws IOException {
        StripeLog log = open(disk);
        Frame body = message(log, QUEUE, "body", 10);
        append(log, OTHER_QUEUE, new EntryRecord(-1, 1, 0, body.firstSequence(), 0, Map.of()));
        log.releaseBelow(1, 1);
        checkpoint(log);
        log.close(true);
        for (String file : disk.files()) {
            if (file.startsWith("index/")) {
                disk.flip(file, 20, 0xFF);
            }
        }
        StripeLog opened = open(disk);
        assertThat(read(opened, 2, 0)).containsExactly("body");
        opened.close();
    }

    @Test
    void aDamagedIndexEntryDoesNotFreeItsMessage() throws IOException {
        StripeLog log = open(disk);
        message(log, QUEUE, "first", 10);
        checkpoint(log);
        for (int index = 0; index < 25; index++) {
            message(log, OTHER_QUEUE, "o" + index, 8_000);
        }
        message(log, QUEUE, "second", 10);
        log.releaseBelow(2, 25);
        force(log);
        for (String file : disk.files()) {
            if (file.startsWith("index/")) {
                // The first entry of the first extent, which is the queue's.
                disk.flip(file, 512 + 64, 0xFF);
            }
        }
        for (int round = 0; round < 3; round++) {
            Checkpoint checkpoint = log.beginCheckpoint();
            for (Owner owner : checkpoint.changedOwners()) {
                append(log, owner, new SnapshotRecord(log.writtenSequence(), 1_000, 0, 0, 1, new byte[0]));
            }
            log.writeManifest(checkpoint);
            force(log);
            log.finishCheckpoint(checkpoint);
        }
        assertThat(read(log, 1, 0)).as("found in the log").containsExactly("first", "second");
        log.close();
        assertThat(LogVerifier.verify(disk).firstSequence()).isEqualTo(1);
    }

    @Test
    void recordsOfAForgottenOwnerDoNotKeepTheLogFromOpening() throws IOException {
        StripeLog log = open(disk);
        seek(log, 1);
        seek(log, 2);
        log.forget(GROUP);
        // It was on its way when the group was deleted.
        seek(log, 3);
        force(log);
        StripeLog opened = open(disk.killImage());
        assertThat(seeks).containsExactly(1L, 2L, 3L);
        opened.close();
        checkpoint(log);
        seek(log, 4);
        open(disk.killImage()).close();
        log.close();
    }

    @Test
    void aDeadLetterOutlivesTheQueueOfItsBody() throws IOException {
        StripeLog log = open(disk);
        Frame body = message(log, QUEUE, "body", 10);
        append(log, OTHER_QUEUE, new EntryRecord(-1, 1, 0, body.firstSequence(), 0, Map.of()));
        log.forget(QUEUE);
        for (int index = 0; index < 25; index++) {
            message(log, Owner.queue(3), "o" + index, 8_000);
        }
        log.releaseBelow(3, 25);
        force(log);
        for (int round = 0; round < 3; round++) {
            Checkpoint checkpoint = log.beginCheckpoint();
            for (Owner owner : checkpoint.changedOwners()) {
                append(log, owner, new SnapshotRecord(log.writtenSequence(), 1_000, 0, 0, 1, new byte[0]));
            }
            log.writeManifest(checkpoint);
            force(log);
            log.finishCheckpoint(checkpoint);
        }
        assertThat(read(log, 2, 0)).containsExactly("body");
        log.close();
        StripeLog opened = open(disk);
        assertThat(read(opened, 2, 0)).containsExactly("body");
        for (int round = 0; round < 3; round++) {
            checkpoint(opened);
        }
        assertThat(read(opened, 2, 0)).containsExactly("body");
        opened.close();
    }

    @Test
    void aHeaderThatCannotBeStoredWhileRewritingLeavesNoSegmentInTheChain() throws IOException {
        StripeLog log = open(disk);
        for (int index = 0; index < 12; index++) {
            message(log, QUEUE, "m" + index, 8_000);
        }
        log.forceFailed(log.takeUnflushed());
        AtomicBoolean hasFailed = new AtomicBoolean();
        for (Frame frame : log.retainedFrames()) {
            while (frame.firstSequence() == log.nextRewriteSequence()) {
                disk.observe((operation, path, at, length) -> {
                    if (operation == Operation.WRITE && at == 0 && !path.startsWith("index/") && isLink(path, log)) {
                        if (hasFailed.compareAndSet(false, true)) {
                            disk.failNextWrites(1);
                        }
                    }
                });
                try {
                    log.rewrite(frame);
                } catch (StripeException e) {
                    disk.observe((operation, path, at, length) -> {});
                }
            }
        }
        disk.observe((operation, path, at, length) -> {});
        log.finishRewrite();
        log.prepareNext();
        assertThat(hasFailed).isTrue();
        log.close(true);
        LogVerifier.Report report = LogVerifier.verify(disk);
        assertThat(report.problems()).isEmpty();
        assertThat(report.notes()).isEmpty();
    }

    @Test
    void aReaderOutlivesTheLogThatItReads() throws IOException {
        for (String read : List.of("segment-", "index/")) {
            MemoryDisk disk = new MemoryDisk();
            StripeLog log = open(disk);
            message(log, QUEUE, "m", 10);
            QueueReader reader = log.newReader(1);
            disk.observe((operation, path, at, length) -> {
                if (operation == Operation.READ && path.startsWith(read)) {
                    log.close();
                }
            });
            for (int round = 0; round < 2; round++) {
                QueueReader.Result result = reader.read(0, 1, 1, (offset, message, body) -> {});
                assertThat(result.status()).as(read).isEqualTo(QueueReader.Status.NOT_READABLE);
            }
            assertThat(disk.openFiles()).isEmpty();
        }
    }

    @Test
    void theSnapshotsOfManyOwnersAreReadInOneGo() throws IOException {
        StripeLog log = open(disk);
        List<Frame> held = new ArrayList<>();
        for (int group = 1; group <= 300; group++) {
            held.add(append(log, Owner.group(1, group), new SeekRecord(group % 100, 1, 1)));
        }
        Checkpoint checkpoint = log.beginCheckpoint();
        for (int group = 1; group <= 300; group++) {
            snapshot(log, Owner.group(1, group), held.get(group - 1), group % 100);
        }
        log.writeManifest(checkpoint);
        force(log);
        log.finishCheckpoint(checkpoint);
        log.close(true);
        AtomicLong bytes = new AtomicLong();
        disk.observe((operation, path, at, length) -> {
            if (operation == Operation.READ_COLD && path.startsWith("segment-")) {
                bytes.addAndGet(length);
            }
        });
        StripeLog opened = open(disk);
        assertThat(seeks).hasSize(300);
        assertThat(bytes.get()).isLessThan(20 * OPTIONS.segmentBytes());
        opened.close();
    }

    @Test
    void nobodyWaitsForAPreparedSegmentToLearnWhichAddressesAreTaken() throws Exception {
        SegmentStore store = new SegmentStore(disk, OPTIONS, 7, 1, 0);
        AtomicReference<Long> limit = new AtomicReference<>();
        disk.observe((operation, path, at, length) -> {
            if (operation == Operation.CREATE) {
                Thread other = new Thread(() -> limit.set(store.addressLimit()));
                other.start();
                try {
                    other.join(60_000);
                } catch (InterruptedException e) {
                    throw new AssertionError(e);
                }
            }
        });
        store.prepareNext(0);
        assertThat(limit.get()).isEqualTo(OPTIONS.segmentBytes());
        store.close();
    }

    @Test
    void anIndexBuiltAnewSurvivesAPowerCut() throws IOException {
        StripeLog log = open(disk);
        Frame last = null;
        for (int index = 0; index < 150; index++) {
            last = message(log, QUEUE, "m" + index, 10);
        }
        Checkpoint checkpoint = log.beginCheckpoint();
        snapshot(log, QUEUE, last);
        log.writeManifest(checkpoint);
        force(log);
        log.finishCheckpoint(checkpoint);
        log.close(true);
        for (String file : disk.files()) {
            if (file.startsWith("index/")) {
                disk.flip(file, 20, 0xFF);
            }
        }
        List<MemoryDisk> images = new ArrayList<>();
        disk.observe((operation, path, at, length) -> {
            if (operation != Operation.READ && operation != Operation.READ_COLD && path.startsWith("index")) {
                images.add(disk.powerCutImage(random(images.size())));
            }
        });
        open(disk).close();
        images.add(disk.powerCutImage(random(1)));
        assertThat(images).hasSizeGreaterThan(150);
        for (MemoryDisk image : images) {
            StripeLog opened = open(image);
            assertThat(read(opened, 1, 0)).hasSize(150);
            opened.close();
        }
    }

    @Test
    void aBodyThatIsBeingRewrittenIsNotGone() throws IOException {
        StripeLog log = open(disk);
        Frame body = message(log, QUEUE, "body", 10);
        append(log, OTHER_QUEUE, new EntryRecord(-1, 1, 0, body.firstSequence(), 0, Map.of()));
        FlushRange range = log.takeUnflushed();
        List<String> reads = new ArrayList<>();
        disk.observe((operation, path, at, length) -> {
            if (operation == Operation.READ && path.startsWith("index/")) {
                reads.add(path);
                if (reads.size() == 2) {
                    log.forceFailed(range);
                }
            }
        });
        List<RecordView> found = new ArrayList<>();
        QueueReader.Result result =
                log.newReader(2).read(0, 1, Long.MAX_VALUE, (offset, message, named) -> found.add(named));
        assertThat(reads).hasSizeGreaterThan(1);
        assertThat(found).isEmpty();
        assertThat(result.status()).isEqualTo(QueueReader.Status.NOT_READABLE);
        rewrite(log);
        assertThat(read(log, 2, 0)).containsExactly("body");
        log.close();
    }

    @Test
    void aLostIndexFileIsBuiltAnewForBodiesThatOnlyAnEntryNeeds() throws IOException {
        StripeLog log = open(disk);
        Frame body = message(log, QUEUE, "body", 10);
        log.releaseBelow(1, 1);
        List<Frame> held = new ArrayList<>(List.of(body));
        for (int queue = 3; queue < 23; queue++) {
            // Their extents fill the first file.
            held.add(message(log, Owner.queue(queue), "m", 10));
            log.releaseBelow(queue, 1);
        }
        held.add(append(log, OTHER_QUEUE, new EntryRecord(-1, 1, 0, body.firstSequence(), 0, Map.of())));
        Checkpoint checkpoint = log.beginCheckpoint();
        for (Frame frame : held) {
            snapshot(log, frame.owner(0), frame);
        }
        log.writeManifest(checkpoint);
        force(log);
        log.finishCheckpoint(checkpoint);
        log.close(true);
        StorageDirectory index = disk.child("index");
        index.delete(index.list().get(0));
        StripeLog opened = open(disk);
        assertThat(read(opened, 2, 0)).containsExactly("body");
        opened.close();
    }

    /** A header written into a segment that was prepared before. */
    private boolean isLink(String path, StripeLog log) throws IOException {
        byte[] page = new byte[SegmentHeader.BYTES];
        System.arraycopy(disk.content(path), 0, page, 0, page.length);
        return SegmentHeader.problem(page) == null;
    }
}
