package io.forebay.storage.log;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.forebay.storage.log.QueueReader.Status;
import io.forebay.testkit.faults.DiskCrashed;
import io.forebay.testkit.faults.MemoryDisk;
import io.forebay.testkit.sim.SeededRun;
import java.io.IOException;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Deque;
import java.util.List;
import java.util.random.RandomGenerator;
import org.junit.jupiter.api.Test;

/**
 * An owner that gives up its records in any order, as Akka Persistence does with events, snapshots and states, and keeps few of
 * them for long. Invariants: I1 what it has not given up can be read, whatever was cleaned, failed or crashed; what is given up is
 * never needed again by a start; I2 what is read is what was appended; and the disk does not grow though the log turns over
 * many times. Faults: kill, power cut, crash at any operation of the disk, failed forces, an index that is lost.
 */
class ReleasedOffsetsTest {
    private static final int QUEUE = Owner.RESERVED_FROM;
    private static final Owner OWNER = Owner.queue(QUEUE);

    /** What was appended, as long as a crash has not taken it. */
    private static final class Stored {
        final List<PersistenceEventRecord> events = new ArrayList<>();
        final List<Long> eventSequences = new ArrayList<>();
        final List<Deletion> deletions = new ArrayList<>();
        long lastSequence;

        void cutBehind(long sequence) {
            while (!events.isEmpty() && eventSequences.get(events.size() - 1) > sequence) {
                events.remove(events.size() - 1);
                eventSequences.remove(eventSequences.size() - 1);
            }
            deletions.removeIf(deletion -> deletion.sequence > sequence);
            lastSequence = Math.min(lastSequence, sequence);
        }

        OffsetSet deleted() {
            OffsetSet.Builder builder = OffsetSet.builder();
            deletions.forEach(deletion -> builder.addAll(deletion.offsets));
            return builder.build();
        }
    }

    /** The record that gives offsets up. */
    private record Deletion(long sequence, OffsetSet offsets) {}

    /** What the owner recovers: out of its snapshot, which holds what it has given up, and the records behind it. */
    private static final class Recovered implements RecoverySink {
        private final OffsetSet.Builder deleted = OffsetSet.builder();
        /** Of the owner's last record that says something. */
        private long ownNumber;

        private final List<SnapshotRecord> parts = new ArrayList<>();

        @Override
        public void snapshot(RecordView view) throws CorruptRecordException {
            if (view.owner().equals(OWNER)) {
                parts.add((SnapshotRecord) view.decode());
                if (parts.size() == parts.get(0).parts()) {
                    byte[] payload = SnapshotRecord.join(parts);
                    ownNumber = parts.get(0).heldOwnerNumber();
                    deleted.addAll(OffsetSet.decode(new BodyReader("snapshot", payload, 0, payload.length)));
                }
            }
        }

        @Override
        public void record(RecordView view) throws CorruptRecordException {
            if (view.owner().equals(OWNER)) {
                ownNumber = view.ownerNumber();
                if (view.decode() instanceof AckRecord deletion) {
                    deleted.addAll(deletion.offsets());
                }
            }
        }
    }

    /** The owner, and the StoreWriter beside it, from a start to a crash. */
    private static final class Life {
        final MemoryDisk disk;
        final Stored stored;
        final RandomGenerator random;
        final StripeLog log;
        /** Given up by records that this start has found. */
        final OffsetSet found;
        /** Given up since, and to be told to the log when the record is durable. */
        final Deque<Deletion> untold = new ArrayDeque<>();
        /** What the log may have taken. */
        OffsetSet gone;

        boolean isTold;
        private FlushRange outstanding;
        private long ownNumber;

        Life(MemoryDisk disk, Stored stored, long promised, RandomGenerator random) throws IOException {
            this.disk = disk;
            this.stored = stored;
            this.random = random;
            Recovered recovered = new Recovered();
            log = StripeLog.open(disk, LogDriver.OPTIONS, 1_000, recovered);
            try {
                assertThat(log.report().keptToSequence()).isGreaterThanOrEqualTo(promised);
                stored.cutBehind(log.report().keptToSequence());
                stored.lastSequence = log.report().keptToSequence();
                found = recovered.deleted.build();
                assertThat(log.report().stoppedOwners()).isEmpty();
                assertThat(found)
                        .as("a start finds all that was given up: %s", log.report())
                        .isEqualTo(stored.deleted());
                assertThat(log.nextOffset(QUEUE)).isEqualTo(stored.events.size());
                gone = found;
                ownNumber = recovered.ownNumber;
                checkReadable();
            } catch (Throwable e) {
                log.close(false);
                throw e;
            }
        }

        /** The owner says again what it has given up; it may be late. */
        void tell() {
            isTold = true;
            if (!found.isEmpty()) {
                log.releaseOffsets(QUEUE, found);
            }
            tellDurable();
        }

        private void tellDurable() {
            while (isTold && !untold.isEmpty() && untold.peekFirst().sequence <= log.durableSequence()) {
                OffsetSet offsets = untold.pollFirst().offsets;
                log.releaseOffsets(QUEUE, offsets);
                gone = gone.union(offsets);
            }
        }

        void append(LogRecord... records) throws StripeException {
            Frame.Builder builder = Frame.builder(300);
            for (LogRecord record : records) {
                builder.add(OWNER, record);
            }
            Frame frame = builder.build();
            try {
                log.append(frame, 2_000);
            } catch (DiskCrashed e) {
                // Nobody was told, but all of it may be there.
                if (frame.isAppended()) {
                    appended(frame, records);
                }
                throw e;
            }
            appended(frame, records);
        }

        private void appended(Frame frame, LogRecord... records) {
            for (int each = 0; each < records.length; each++) {
                long sequence = frame.firstSequence() + each;
                if (records[each] instanceof PersistenceEventRecord event) {
                    assertThat(frame.queueOffset(each)).isEqualTo(stored.events.size());
                    stored.events.add(event);
                    stored.eventSequences.add(sequence);
                } else if (records[each] instanceof AckRecord deletion) {
                    stored.deletions.add(new Deletion(sequence, deletion.offsets()));
                    untold.add(new Deletion(sequence, deletion.offsets()));
                }
                ownNumber = frame.ownerNumber(each);
            }
            stored.lastSequence = frame.lastSequence();
        }

        void persist(int count, int payloadBytesMax) throws StripeException {
            LogRecord[] events = new LogRecord[count];
            for (int each = 0; each < count; each++) {
                byte[] payload = new byte[random.nextInt(payloadBytesMax)];
                random.nextBytes(payload);
                events[each] = new PersistenceEventRecord(
                        0, 1, 1, 1, 9, -1, 0, "", "", "", "", List.of(), new byte[0], new byte[0], payload);
            }
            append(events);
        }

        /** Gives up most of them soon, and of every eighth, which may stay for long, those above a count, however old. */
        void delete(int keptMax) throws StripeException {
            long[] lives =
                    OffsetSet.range(0, stored.events.size()).minus(stored.deleted()).toArray();
            long longCount = Arrays.stream(lives).filter(Life::isForLong).count();
            OffsetSet.Builder builder = OffsetSet.builder();
            for (long offset : lives) {
                boolean isDue = isForLong(offset)
                        ? longCount > keptMax && random.nextLong(longCount) < longCount - keptMax
                        : random.nextInt(8) > 0;
                if (isDue) {
                    builder.add(offset);
                }
            }
            if (!builder.isEmpty()) {
                append(new AckRecord(builder.build()));
            }
        }

        private static boolean isForLong(long offset) {
            return offset % 8 == 0;
        }

        void force() throws IOException {
            if (outstanding == null) {
                outstanding = log.takeUnflushed();
            }
            if (outstanding != null) {
                log.force(outstanding);
                log.forced(outstanding);
                outstanding = null;
            }
            tellDurable();
        }

        void failForce() throws IOException {
            disk.failNextForces(1);
            try {
                force();
            } catch (IOException e) {
                log.forceFailed(outstanding);
                outstanding = null;
                for (Frame frame : log.retainedFrames()) {
                    log.rewrite(frame);
                }
                log.finishRewrite();
                disk.evictCleanPages();
            } finally {
                disk.failNextForces(0);
            }
            tellDurable();
        }

        void checkpoint() throws IOException {
            Checkpoint checkpoint = log.beginCheckpoint();
            if (checkpoint.changedOwners().contains(OWNER)) {
                OffsetSet deleted = stored.deleted();
                byte[] payload = new byte[deleted.encodedBytes()];
                deleted.encode(payload, 0);
                for (SnapshotRecord part :
                        SnapshotRecord.split(stored.lastSequence, ownNumber, stored.events.size(), payload, 20_000)) {
                    Frame frame = Frame.builder(200).add(OWNER, part).build();
                    log.append(frame, 2_000);
                    stored.lastSequence = frame.lastSequence();
                }
            }
            try {
                log.writeManifest(checkpoint);
            } finally {
                stored.lastSequence = log.writtenSequence();
            }
            force();
            log.finishCheckpoint(checkpoint);
        }

        void evacuate(boolean isAmongOthers) throws IOException {
            try (Evacuation evacuation = log.planEvacuation(isAmongOthers ? 10 + random.nextInt(90) : 50)) {
                if (evacuation == null) {
                    return;
                }
                int bytesMax = 1 + random.nextInt(6_000);
                for (MovedBatch batch = evacuation.read(bytesMax); batch != null; batch = evacuation.read(bytesMax)) {
                    appendMoved(batch);
                    if (isAmongOthers) {
                        switch (random.nextInt(8)) {
                            case 0 -> persist(1, 900);
                            case 1 -> delete(40);
                            case 2 -> force();
                            default -> {}
                        }
                    }
                }
                while (!evacuation.isDurable()) {
                    force();
                }
                evacuation.finish();
            }
        }

        private void appendMoved(MovedBatch batch) throws IOException {
            try {
                log.appendMoved(batch, 2_000);
            } catch (StripeException e) {
                if (e.reason() != StripeException.Reason.NOT_PREPARED) {
                    throw e;
                }
                log.prepareNext();
                log.appendMoved(batch, 2_000);
            }
        }

        /** All that the log was not told to be given up is there; the rest is, or is said to be gone. */
        void checkReadable() {
            QueueReader reader = log.newReader(QUEUE);
            for (long offset = log.releasedBelow(QUEUE); offset < stored.events.size(); offset++) {
                PersistenceEventRecord wanted = stored.events.get((int) offset);
                boolean[] isRead = {false};
                QueueReader.Result result = reader.read(offset, 1, Long.MAX_VALUE, (at, view, body) -> {
                    isRead[0] = true;
                    PersistenceEventRecord event = (PersistenceEventRecord) view.decode();
                    assertThat(Arrays.equals(event.payload(), wanted.payload())).as("offset %d", at).isTrue();
                    assertThat(event.offset()).isEqualTo(at);
                });
                if (!gone.contains(offset)) {
                    assertThat(result.status()).as("offset %d: %s", offset, result).isEqualTo(Status.READ);
                    assertThat(isRead[0]).as("offset %d of %s", offset, log).isTrue();
                } else if (isTold) {
                    assertThat(result.status()).as("offset %d: %s", offset, result).isIn(Status.READ, Status.GONE);
                }
            }
        }
    }

    private static long segments(MemoryDisk disk) {
        return disk.files().stream().filter(name -> name.startsWith("segment-")).count();
    }

    private static void dropIndex(MemoryDisk disk) throws IOException {
        for (String name : disk.files()) {
            if (name.startsWith(StripeLog.INDEX_DIRECTORY + "/")) {
                disk.child(StripeLog.INDEX_DIRECTORY).delete(name.substring(StripeLog.INDEX_DIRECTORY.length() + 1));
            }
        }
    }

    @Test
    void theDiskDoesNotGrowThoughAFewAreKeptForLong() {
        SeededRun.run("released offsets, disk use", (random, progress) -> {
            MemoryDisk disk = new MemoryDisk();
            Life life = new Life(disk, new Stored(), 0, random);
            life.tell();
            long rounds = SeededRun.steps(120);
            long moved = 0;
            for (int round = 1; round <= rounds; round++) {
                progress.at(round);
                for (int each = 0; each < 12; each++) {
                    life.persist(5, 2_000);
                    life.delete(50);
                }
                for (int each = 0; each < 2; each++) {
                    life.checkpoint();
                    life.evacuate(false);
                }
                life.checkpoint();
                assertThat(segments(disk)).as("round %d", round).isLessThanOrEqualTo(6);
                if (round % 40 == 0) {
                    life.checkReadable();
                    moved += life.log.writtenBytes().moved();
                    life.log.close(round % 80 == 0);
                    if (round % 80 == 40) {
                        dropIndex(disk);
                    }
                    life = new Life(disk, life.stored, life.stored.lastSequence, random);
                    assertThat(life.log.report().findings().contains("the queue index is built anew"))
                            .as("once, not with each start")
                            .isEqualTo(round % 80 == 40);
                    life.tell();
                }
            }
            assertThat(moved).as("some had to be moved").isPositive();
            assertThat(life.log.nextOffset(QUEUE)).isEqualTo(rounds * 60);
            life.delete(0);
            life.checkpoint();
            life.log.close(true);
            assertThat(LogVerifier.verify(disk).problems()).isEmpty();
        });
    }

    @Test
    void whatIsNotGivenUpSurvivesEveryCrash() {
        SeededRun.run("released offsets, crashes", (random, progress) -> {
            long steps = SeededRun.steps(4_000);
            long step = 0;
            while (step < steps) {
                step = lives(random, progress, step);
            }
        });
    }

    /** One directory through some crashes. */
    private static long lives(RandomGenerator random, SeededRun.Progress progress, long firstStep) throws IOException {
        MemoryDisk disk = new MemoryDisk();
        Stored stored = new Stored();
        long step = firstStep;
        long durable = 0;
        long promised = 0;
        for (int crash = 3 + random.nextInt(8); crash >= 0; crash--) {
            if (random.nextInt(4) == 0) {
                disk.crashAtOperation(disk.operations() + 1 + random.nextInt(60), random);
            }
            Life life = null;
            boolean isClean = false;
            try {
                life = new Life(disk, stored, promised, random);
                durable = stored.lastSequence;
                if (random.nextInt(3) == 0) {
                    disk.crashAtOperation(disk.operations() + 1 + random.nextInt(400), random);
                }
                for (int count = random.nextInt(250); count >= 0; count--) {
                    progress.at(++step);
                    work(life, progress);
                    durable = life.log.durableSequence();
                }
                if (random.nextInt(5) == 0) {
                    life.log.close(true);
                    isClean = true;
                }
            } catch (DiskCrashed e) {
                assertThat(disk.isCrashed()).isTrue();
            }
            boolean isPowerCut = random.nextBoolean();
            progress.note(isPowerCut ? "power cut" : "kill");
            if (life != null && !isClean) {
                durable = life.log.durableSequence();
                promised = isPowerCut || disk.isCrashed() ? durable : stored.lastSequence;
                try {
                    life.log.close(false);
                } catch (IOException | DiskCrashed e) {
                    assertThat(disk.isCrashed()).isTrue();
                }
            } else {
                promised = isClean ? stored.lastSequence : isPowerCut ? durable : promised;
            }
            disk = isPowerCut ? disk.powerCutImage(random) : disk.killImage();
            if (random.nextInt(8) == 0) {
                dropIndex(disk);
            }
        }
        Life last = new Life(disk, stored, promised, random);
        last.tell();
        last.checkReadable();
        // With nothing else to do it comes to rest.
        for (int round = 0; round < 60; round++) {
            last.delete(40);
            last.evacuate(false);
            last.checkpoint();
        }
        last.checkReadable();
        assertThat(segments(disk)).isLessThanOrEqualTo(9);
        last.log.close(true);
        assertThat(LogVerifier.verify(disk).problems()).isEmpty();
        return step;
    }

    private static void work(Life life, SeededRun.Progress progress) throws IOException {
        RandomGenerator random = life.random;
        int choice = random.nextInt(100);
        if (!life.isTold && random.nextInt(20) == 0) {
            progress.note("tell");
            life.tell();
        }
        if (choice < 50) {
            progress.note("persist");
            life.persist(1 + random.nextInt(6), 1_500);
        } else if (choice < 68) {
            progress.note("delete");
            life.delete(40);
        } else if (choice < 82) {
            progress.note("force");
            life.force();
        } else if (choice < 84) {
            progress.note("failed force");
            life.failForce();
        } else if (choice < 87) {
            life.log.prepareNext();
        } else if (choice < 92) {
            progress.note("checkpoint");
            life.checkpoint();
        } else if (choice < 98) {
            progress.note("evacuate");
            life.evacuate(true);
            life.checkpoint();
        } else {
            progress.note("read");
            life.checkReadable();
        }
    }

    @Test
    void whatIsGivenUpReadsAsGoneWhenItIsGone() throws IOException {
        MemoryDisk disk = new MemoryDisk();
        RandomGenerator random = SeededRun.randomOf(3);
        Life life = new Life(disk, new Stored(), 0, random);
        while (segments(disk) < 8) {
            life.persist(1, 2_000);
            life.force();
        }
        long count = life.stored.events.size();
        life.append(new AckRecord(OffsetSet.range(1, count - 2)));
        life.checkpoint();
        life.tell();
        assertThat(life.log.isSegmentFreeable()).as("not what the first offset pins").isFalse();
        for (int round = 0; round < 12; round++) {
            life.checkpoint();
            life.evacuate(false);
        }
        life.checkpoint();
        assertThat(segments(disk)).isLessThanOrEqualTo(4);
        assertThat(life.log.releasedBelow(QUEUE)).isZero();
        assertThat(life.log.newReader(QUEUE).read(1, 1, 1, (at, view, body) -> {}).status())
                .isEqualTo(Status.GONE);
        life.checkReadable();
        life.append(new AckRecord(OffsetSet.of(0)));
        life.force();
        assertThat(life.log.releasedBelow(QUEUE)).as("it follows").isEqualTo(count - 1);
        assertThat(life.log.releasedOffsetsBytes(QUEUE)).isZero();
        life.log.close(true);
    }

    @Test
    void ofOtherQueuesSingleOffsetsAreNotReleased() throws IOException {
        try (StripeLog log = StripeLog.open(new MemoryDisk(), LogDriver.OPTIONS, 1_000, new LogModel.Sink())) {
            assertThatThrownBy(() -> log.releaseOffsets(7, OffsetSet.of(0)))
                    .isInstanceOf(IllegalArgumentException.class)
                    .hasMessageContaining("queue 7");
        }
    }
}
