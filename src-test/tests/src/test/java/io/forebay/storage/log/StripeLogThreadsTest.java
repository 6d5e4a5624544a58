package io.forebay.storage.log;

import static org.assertj.core.api.Assertions.assertThat;

import io.forebay.storage.io.FileStorageDirectory;
import io.forebay.storage.io.StorageDirectory;
import io.forebay.testkit.faults.MemoryDisk;
import io.forebay.testkit.sim.SeededRun;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicLong;
import java.util.concurrent.atomic.AtomicLongArray;
import java.util.random.RandomGenerator;
import java.util.random.RandomGeneratorFactory;
import org.awaitility.Awaitility;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * A writer, blocking threads and readers at once, as a node runs them. Invariants: I1 and I2 for readers: a message below
 * the next offset that nobody has released is read as it was written or is not readable for the moment, never damaged,
 * gone or another one. Faults: failed forces of any file, at any time.
 */
class StripeLogThreadsTest {
    private static final StripeOptions OPTIONS = new StripeOptions(3, 64 * 1024, 64, 32 * 1024, 2);
    private static final int QUEUES = 3;
    private static final int READERS = 3;

    private final MemoryDisk disk = new MemoryDisk();
    private final AtomicLongArray released = new AtomicLongArray(QUEUES + 1);
    private final AtomicBoolean isOver = new AtomicBoolean();
    private final AtomicLong reads = new AtomicLong();
    private StripeLog log;

    @TempDir
    Path folder;

    @Test
    void readersBesideFailedForcesReadWhatWasWritten() {
        run(disk);
    }

    @Test
    void readersOfMappedFilesReadWhatWasWrittenAndOutliveTheLog() throws IOException {
        run(FileStorageDirectory.at(folder.toString()));
    }

    private void run(StorageDirectory directory) {
        SeededRun.run("StripeLogThreadsTest", (random, progress) -> {
            log = StripeLog.open(directory, OPTIONS, 1_000, new LogModel.Sink());
            ExecutorService blocking = Executors.newFixedThreadPool(3);
            List<CompletableFuture<Void>> readers = new ArrayList<>();
            ExecutorService reading = Executors.newFixedThreadPool(READERS);
            for (int reader = 0; reader < READERS; reader++) {
                long seed = random.nextLong();
                readers.add(CompletableFuture.runAsync(() -> read(seed), reading));
            }
            try {
                write(random, progress, blocking, SeededRun.steps(5_000), readers);
                // However few processors there are, they have had their turn.
                Awaitility.await("a read")
                        .until(() -> reads.get() > 0
                                || readers.stream().anyMatch(CompletableFuture::isCompletedExceptionally));
                // The readers go on.
                log.close();
            } finally {
                isOver.set(true);
                reading.shutdown();
                blocking.shutdown();
                assertThat(reading.awaitTermination(60, TimeUnit.SECONDS)).isTrue();
                assertThat(blocking.awaitTermination(60, TimeUnit.SECONDS)).isTrue();
            }
            for (CompletableFuture<Void> reader : readers) {
                reader.join();
            }
            assertThat(reads.get()).isPositive();
        });
    }

    private void read(long seed) {
        RandomGenerator random = RandomGeneratorFactory.of("L64X128MixRandom").create(seed);
        QueueReader[] readers = new QueueReader[QUEUES + 1];
        while (!isOver.get()) {
            int queue = 1 + random.nextInt(QUEUES);
            if (readers[queue] == null) {
                readers[queue] = log.newReader(queue);
            }
            long low = released.get(queue);
            long next = log.nextOffset(queue);
            if (low >= next) {
                continue;
            }
            long from = random.nextLong(low, next);
            QueueReader.Result result =
                    readers[queue].read(from, 1 + random.nextInt(10), 100_000, (offset, message, body) -> {
                        assertThat(((MessageRecord) body.decode()).id()).isEqualTo("q" + queue + "-" + offset);
                        reads.incrementAndGet();
                    });
            if (result.status() == QueueReader.Status.GONE) {
                assertThat(result.nextOffset()).isLessThan(released.get(queue));
            } else if (result.status() == QueueReader.Status.QUARANTINED) {
                assertThat(result.nextOffset()).as("%s", result).isLessThan(log.releasedBelow(queue));
            }
        }
    }

    private interface Step {
        void run() throws IOException;
    }

    /** Completes with the IOException, or with null; anything else ends the test. */
    private static CompletableFuture<IOException> run(ExecutorService blocking, Step step) {
        return CompletableFuture.supplyAsync(
                () -> {
                    try {
                        step.run();
                        return null;
                    } catch (IOException e) {
                        return e;
                    }
                },
                blocking);
    }

    private void write(
            RandomGenerator random,
            SeededRun.Progress progress,
            ExecutorService blocking,
            long steps,
            List<CompletableFuture<Void>> readers)
            throws Exception {
        FlushRange flushing = null;
        CompletableFuture<IOException> flush = null;
        CompletableFuture<IOException> preparing = null;
        CompletableFuture<IOException> finishing = null;
        Checkpoint checkpoint = null;
        long[] next = new long[QUEUES + 1];
        Frame[] last = new Frame[QUEUES + 1];
        for (long step = 0; step < steps; step++) {
            progress.at(step);
            for (CompletableFuture<Void> reader : readers) {
                if (reader.isDone()) {
                    reader.join();
                }
            }
            int queue = 1 + random.nextInt(QUEUES);
            MessageRecord message = MessageRecord.builder()
                    .id("q" + queue + "-" + next[queue])
                    .body(new byte[random.nextInt(random.nextInt(20) == 0 ? 8_000 : 200)])
                    .build();
            Frame frame = Frame.builder(256).add(Owner.queue(queue), message).build();
            try {
                log.append(frame, 2_000);
                last[queue] = frame;
                next[queue]++;
            } catch (StripeException e) {
                // No segment: a force of the preparation has failed.
                progress.note(e.toString());
            }
            if (random.nextInt(200) == 0) {
                disk.failNextForces(1);
            }
            if (preparing == null || preparing.isDone()) {
                preparing = log.isPreparationNeeded() ? run(blocking, log::prepareNext) : null;
            }
            if (random.nextInt(20) == 0) {
                long below = Math.max(released.get(queue), next[queue] - random.nextInt(200));
                released.set(queue, below);
                log.releaseBelow(queue, below);
            }
            if (flush != null && flush.isDone()) {
                if (flush.join() != null) {
                    rewrite(flushing, random, blocking, preparing, finishing);
                }
                flush = null;
            }
            if (flush == null && random.nextInt(5) == 0) {
                FlushRange range = log.takeUnflushed();
                if (range != null) {
                    flushing = range;
                    flush = run(blocking, () -> {
                        log.force(range);
                        log.forced(range);
                    });
                }
            }
            if (finishing != null && finishing.isDone()) {
                finishing.join();
                finishing = null;
                checkpoint = null;
            }
            if (checkpoint == null && random.nextInt(100) == 0) {
                checkpoint = log.beginCheckpoint();
                for (Owner owner : checkpoint.changedOwners()) {
                    Frame held = owner.isQueue() ? last[owner.queueId()] : null;
                    if (held != null) {
                        log.append(snapshot(owner, held), 2_000);
                    }
                }
                try {
                    log.writeManifest(checkpoint);
                } catch (StripeException e) {
                    checkpoint = null;
                }
            } else if (checkpoint != null && finishing == null && checkpoint.isVoid()) {
                checkpoint = null;
            } else if (checkpoint != null
                    && finishing == null
                    && log.durableSequence() >= checkpoint.manifestSequence()) {
                Checkpoint ended = checkpoint;
                finishing = run(blocking, () -> log.finishCheckpoint(ended));
            }
        }
        for (CompletableFuture<IOException> running : all(flush, preparing, finishing)) {
            running.join();
        }
    }

    @SafeVarargs
    private static List<CompletableFuture<IOException>> all(CompletableFuture<IOException>... futures) {
        List<CompletableFuture<IOException>> there = new ArrayList<>();
        for (CompletableFuture<IOException> future : futures) {
            if (future != null) {
                there.add(future);
            }
        }
        return there;
    }

    private static Frame snapshot(Owner owner, Frame held) {
        SnapshotRecord record = new SnapshotRecord(held.lastSequence(), held.ownerNumber(0), 0, 0, 1, new byte[16]);
        return Frame.builder(64).add(owner, record).build();
    }

    private void rewrite(
            FlushRange failed,
            RandomGenerator random,
            ExecutorService blocking,
            CompletableFuture<IOException> preparing,
            CompletableFuture<IOException> finishing)
            throws Exception {
        log.forceFailed(failed);
        for (CompletableFuture<IOException> running : all(preparing, finishing)) {
            running.join();
        }
        if (random.nextBoolean()) {
            disk.evictCleanPages();
        }
        while (log.phase() == Phase.REWRITING) {
            try {
                for (Frame frame : log.retainedFrames()) {
                    if (frame.firstSequence() >= log.nextRewriteSequence()) {
                        log.rewrite(frame);
                    }
                }
            } catch (StripeException e) {
                continue;
            }
            run(blocking, log::finishRewrite).join();
        }
    }
}
