package io.forebay.storage.log;

import static org.assertj.core.api.Assertions.assertThat;

import io.forebay.storage.io.FileStorageDirectory;
import io.forebay.storage.io.StorageDirectory;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.List;
import java.util.SplittableRandom;
import java.util.concurrent.atomic.AtomicReference;
import java.util.random.RandomGenerator;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.EnabledOnOs;
import org.junit.jupiter.api.condition.OS;
import org.junit.jupiter.api.io.TempDir;

/** The same log on real files, mapped and positional. */
class StripeLogOnFilesTest {
    private final RandomGenerator random = new SplittableRandom(5);

    @TempDir
    Path folder;

    @Test
    void mappedFilesKeepWhatWasWritten() throws IOException {
        livesThroughStarts(FileStorageDirectory.at(folder.resolve("mapped").toString()));
    }

    @Test
    void positionalFilesKeepWhatWasWritten() throws IOException {
        livesThroughStarts(
                FileStorageDirectory.positional(folder.resolve("positional").toString()));
    }

    private void livesThroughStarts(StorageDirectory directory) throws IOException {
        LogModel model = new LogModel();
        HashMap<Integer, Long> released = new HashMap<>();
        for (int start = 0; start < 6; start++) {
            LogDriver driver = new LogDriver(directory, model, released, model.lastSequence());
            for (int step = 0; step < 150; step++) {
                driver.append(random);
                if (step % 40 == 0) {
                    driver.force();
                } else if (step % 70 == 0) {
                    driver.release(random);
                    driver.checkpoint(random, true);
                } else if (step == 100 && start == 3) {
                    driver.fail();
                    assertThat(driver.rewrite(Integer.MAX_VALUE)).isTrue();
                    driver.checkMessages();
                }
            }
            driver.checkMessages();
            driver.log.close(start % 2 == 0);
        }
        LogVerifier.Report report = LogVerifier.verify(directory);
        assertThat(report.problems()).isEmpty();
        assertThat(report.lastSequence()).isEqualTo(model.lastSequence());
    }

    /** A steady state holds no more files, maps or direct memory after 200 segments than after 20. */
    @Test
    @EnabledOnOs(OS.LINUX)
    void twoHundredSegmentsLeakNoHandleAndNoMap() throws Exception {
        StorageDirectory directory = FileStorageDirectory.at(folder.toString());
        byte[] body = new byte[4000];
        try (StripeLog log = StripeLog.open(directory, LogDriver.OPTIONS, 1_000, new LogModel.Sink())) {
            QueueReader reader = log.newReader(1);
            AtomicReference<String> early = new AtomicReference<>();
            long offset = 0;
            for (int turn = 0; turn < 220; turn++) {
                for (int step = 0; step < 15; step++) {
                    Frame frame = Frame.builder(4200)
                            .add(
                                    Owner.queue(1),
                                    MessageRecord.builder().id("m").body(body).build())
                            .build();
                    log.append(frame, 1_000);
                }
                QueueReader.Result read = reader.read(offset, 100, Long.MAX_VALUE, (at, message, text) -> {});
                assertThat(read.count()).isEqualTo(15);
                offset = read.nextOffset();
                log.releaseBelow(1, offset);
                log.prepareNext();
                checkpoint(log, offset);
                if (turn == 20) {
                    early.set(held());
                }
            }
            assertThat(held()).isEqualTo(early.get());
            assertThat(log.storedBytes()).isLessThan(10L * LogDriver.OPTIONS.segmentBytes());
        }
        try (Stream<Path> files = Files.list(folder)) {
            assertThat(files.count()).isLessThan(12);
        }
        // The index is read without leases, so the collector takes back its maps.
        for (int collection = 0; collection < 100 && !held().equals("files 0, maps 0"); collection++) {
            System.gc();
        }
        assertThat(held()).isEqualTo("files 0, maps 0");
    }

    private static void checkpoint(StripeLog log, long offset) throws IOException {
        Checkpoint checkpoint = log.beginCheckpoint();
        for (Owner owner : checkpoint.changedOwners()) {
            // Behind each turn's messages lies one earlier snapshot.
            long number = offset + offset / 15 - 1;
            SnapshotRecord snapshot = new SnapshotRecord(0, number, offset, 0, 1, new byte[16]);
            log.append(Frame.builder(100).add(owner, snapshot).build(), 1_000);
        }
        log.writeManifest(checkpoint);
        FlushRange range = log.takeUnflushed();
        log.force(range);
        log.forced(range);
        log.finishCheckpoint(checkpoint);
    }

    /** The open files and the maps below the test's folder. */
    private String held() throws IOException {
        long files;
        try (Stream<Path> handles = Files.list(Path.of("/proc/self/fd"))) {
            files = handles.filter(this::isOfTheLog).count();
        }
        List<String> maps;
        try (Stream<String> lines = Files.lines(Path.of("/proc/self/maps"))) {
            maps = lines.filter(line -> line.contains(folder.toString())).toList();
        }
        return "files " + files + ", maps " + maps.size();
    }

    private boolean isOfTheLog(Path handle) {
        try {
            return Files.readSymbolicLink(handle).startsWith(folder);
        } catch (IOException e) {
            // Closed in between: it was the listing's own.
            return false;
        }
    }
}
