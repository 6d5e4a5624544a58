package io.forebay.storage.log;

import static org.assertj.core.api.Assertions.assertThat;

import io.forebay.testkit.faults.MemoryDisk;
import io.forebay.testkit.sim.SeededRun;
import java.io.IOException;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.SplittableRandom;
import java.util.random.RandomGenerator;
import org.junit.jupiter.api.Test;

/**
 * A steady workload over 1,000 turnovers of a segment: a busy queue that is consumed at once, one whose group lags behind, one
 * of which everything is kept for long (a hundredth of all messages), dead letters that name bodies in the busy one, and one
 * that nobody consumes, released by age. What is stored stays within a small factor of what it was, I1 all that is needed can
 * be read, over clean stops and kills.
 */
class DiskUseTest {
    private static final StripeOptions OPTIONS = new StripeOptions(1, 64 * 1024, 64, 32 * 1024, 2);

    private static final int BUSY = 1;
    private static final int LAGGING = 2;
    private static final int KEPT = 3;
    private static final int DEAD_LETTERS = 4;
    private static final int AGED = 5;

    private static final int LAG = 400;
    private static final int KEPT_TURNOVERS = 150;
    private static final int DEAD_LETTER_TURNOVERS = 100;
    private static final int AGED_TURNOVERS = 20;

    private final Map<Integer, List<Long>> contents = new HashMap<>();
    private final Map<Integer, Long> floors = new HashMap<>();
    private final Map<Owner, long[]> lastState = new HashMap<>();
    /** Per queue what its next offset was, one for each turnover. */
    private final Map<Integer, ArrayDeque<Long>> marks = new HashMap<>();

    private MemoryDisk disk = new MemoryDisk();
    private StripeLog log;
    private long appendedBytes;
    private long creditBytes;
    private long nextNumber;

    @Test
    void whatIsStoredStaysFlatOverAThousandTurnovers() {
        SeededRun.run("disk use", (random, progress) -> {
            open();
            Map<Integer, Long> stored = new HashMap<>();
            long turnovers = 1_000;
            for (int turnover = 1; turnover <= turnovers; turnover++) {
                progress.at(turnover);
                fill(random, (long) turnover * OPTIONS.segmentBytes());
                age();
                if (turnover % 2 == 0) {
                    checkpoint();
                }
                clean();
                if (turnover == 200 || turnover == 500 || turnover == 1_000) {
                    checkNeeded();
                    stored.put(turnover, storedBytes());
                }
                if (turnover % 170 == 0) {
                    progress.note("restart");
                    log.close(turnover % 340 == 0);
                    disk = disk.killImage();
                    open();
                    checkNeeded();
                }
            }
            WrittenBytes written = log.writtenBytes();
            log.close(true);
            assertThat(LogVerifier.verify(disk).problems()).isEmpty();
            System.out.println("disk use: " + stored + ", last start wrote " + written);
            for (int turnover : new int[] {500, 1_000}) {
                assertThat((double) stored.get(turnover) / stored.get(200))
                        .as("stored after %d turnovers as against 200: %s", turnover, stored)
                        .isBetween(0.6, 1.4);
            }
            assertThat(stored.get(1_000)).isLessThan(40L * OPTIONS.segmentBytes());
            assertThat(written.moved()).isLessThan((written.messages() + written.groups()) / 4);
        });
    }

    private void open() throws IOException {
        log = StripeLog.open(disk, OPTIONS, 1_000, new LogModel.Sink());
        floors.forEach(log::releaseBelow);
    }

    private void fill(RandomGenerator random, long untilBytes) throws IOException {
        while (appendedBytes < untilBytes) {
            Frame.Builder builder = Frame.builder(1_000);
            List<Integer> queues = new ArrayList<>();
            for (int count = 1 + random.nextInt(4); count > 0; count--) {
                int dice = random.nextInt(100);
                int queueId = dice < 84 ? BUSY : dice < 94 ? LAGGING : dice < 95 ? KEPT : AGED;
                builder.add(Owner.queue(queueId), message(nextNumber++));
                queues.add(queueId);
            }
            List<Long> busy = contents.getOrDefault(BUSY, List.of());
            boolean isDeadLetter = random.nextInt(100) == 0 && floors.getOrDefault(BUSY, 0L) < busy.size();
            if (isDeadLetter) {
                long offset = random.nextLong(floors.getOrDefault(BUSY, 0L), busy.size());
                builder.add(
                        Owner.queue(DEAD_LETTERS), new EntryRecord(-1, BUSY, offset, sequenceOf(offset), 0, Map.of()));
            }
            Frame frame = builder.build();
            log.append(frame, 2_000);
            appendedBytes += frame.lengthBytes();
            creditBytes += frame.lengthBytes() / 5;
            for (int record = 0; record < frame.recordCount(); record++) {
                lastState.put(
                        frame.owner(record), new long[] {frame.firstSequence() + record, frame.ownerNumber(record)});
            }
            for (int record = 0; record < queues.size(); record++) {
                contents.computeIfAbsent(queues.get(record), id -> new ArrayList<>())
                        .add(nextNumber - queues.size() + record);
                if (queues.get(record) == BUSY) {
                    sequences.add(frame.firstSequence() + record);
                }
            }
            if (isDeadLetter) {
                EntryRecord entry = (EntryRecord) new RecordView()
                        .wrap(frame.image(), 0, frame.recordAt(queues.size()), queues.size())
                        .decode();
                contents.computeIfAbsent(DEAD_LETTERS, id -> new ArrayList<>()).add(busy.get((int) entry.bodyOffset()));
            }
            release(BUSY, contents.getOrDefault(BUSY, List.of()).size() - 20L);
            release(LAGGING, contents.getOrDefault(LAGGING, List.of()).size() - (long) LAG);
            if (log.unflushedBytes() > 8_000) {
                force();
            }
        }
    }

    /** Of the busy queue's messages, by offset. */
    private final List<Long> sequences = new ArrayList<>();

    private long sequenceOf(long offset) {
        return sequences.get((int) offset);
    }

    private static MessageRecord message(long number) {
        SplittableRandom content = new SplittableRandom(number);
        byte[] body = new byte[200 + content.nextInt(200)];
        content.nextBytes(body);
        return MessageRecord.builder().id("m" + number).body(body).build();
    }

    private void age() {
        Map.of(KEPT, KEPT_TURNOVERS, DEAD_LETTERS, DEAD_LETTER_TURNOVERS, AGED, AGED_TURNOVERS)
                .forEach((queueId, turnovers) -> {
                    ArrayDeque<Long> ends = marks.computeIfAbsent(queueId, id -> new ArrayDeque<>());
                    ends.add((long) contents.getOrDefault(queueId, List.of()).size());
                    if (ends.size() > turnovers) {
                        release(queueId, ends.remove());
                    }
                });
    }

    private void release(int queueId, long below) {
        if (below > floors.getOrDefault(queueId, 0L)) {
            floors.put(queueId, below);
            log.releaseBelow(queueId, below);
        }
    }

    private void force() throws IOException {
        FlushRange range = log.takeUnflushed();
        if (range != null) {
            log.force(range);
            log.forced(range);
        }
        log.prepareNext();
    }

    private void checkpoint() throws IOException {
        Checkpoint checkpoint = log.beginCheckpoint();
        for (Owner owner : checkpoint.changedOwners()) {
            long[] last = lastState.getOrDefault(owner, new long[2]);
            long next = log.nextOffset(owner.queueId());
            log.append(
                    Frame.builder(100)
                            .add(owner, new SnapshotRecord(last[0], last[1], next, 0, 1, new byte[16]))
                            .build(),
                    2_000);
        }
        log.writeManifest(checkpoint);
        force();
        log.finishCheckpoint(checkpoint);
    }

    /** As the StoreWriter does: a fifth of what is appended. */
    private void clean() throws IOException {
        while (creditBytes > 0) {
            try (Evacuation evacuation = log.planEvacuation(30)) {
                if (evacuation == null) {
                    creditBytes = Math.min(creditBytes, OPTIONS.segmentBytes());
                    return;
                }
                for (MovedBatch batch = evacuation.read(8_000); batch != null; batch = evacuation.read(8_000)) {
                    log.prepareNext();
                    log.appendMoved(batch, 2_000);
                    creditBytes -= batch.lengthBytes();
                }
                force();
                evacuation.finish();
            }
        }
    }

    private void checkNeeded() throws IOException {
        for (Map.Entry<Integer, List<Long>> queue : contents.entrySet()) {
            long from = floors.getOrDefault(queue.getKey(), 0L);
            List<Long> wanted =
                    queue.getValue().subList((int) from, queue.getValue().size());
            List<Long> found = new ArrayList<>();
            QueueReader.Result result = log.newReader(queue.getKey())
                    .read(from, Integer.MAX_VALUE, Long.MAX_VALUE, (offset, message, body) -> {
                        MessageRecord record = (MessageRecord) body.decode();
                        long number = Long.parseLong(record.id().substring(1));
                        assertThat(record.body()).isEqualTo(message(number).body());
                        found.add(number);
                    });
            assertThat(result.status())
                    .as("queue %d: %s", queue.getKey(), result)
                    .isEqualTo(QueueReader.Status.READ);
            assertThat(found).as("queue %d", queue.getKey()).isEqualTo(wanted);
        }
    }

    /** Of all files, spares and the index included. */
    private long storedBytes() throws IOException {
        long bytes = 0;
        for (String name : disk.files()) {
            bytes += disk.sizeBytes(name);
        }
        return bytes;
    }
}
