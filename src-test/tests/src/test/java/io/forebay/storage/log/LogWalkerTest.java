package io.forebay.storage.log;

import static org.assertj.core.api.Assertions.assertThat;

import io.forebay.storage.log.LogWalker.Span;
import io.forebay.testkit.faults.MemoryDisk;
import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.LongStream;
import org.junit.jupiter.api.Test;

/** A walk gives every record of its span once and in order, whatever the writer does meanwhile. */
class LogWalkerTest {
    private static final int RECORDS_PER_FRAME = 2;

    private final MemoryDisk disk = new MemoryDisk();

    private static StripeLog open(MemoryDisk disk) throws IOException {
        return StripeLog.open(disk, LogDriver.OPTIONS, 1_000, new LogModel.Sink());
    }

    /** Two records of 1 KiB at the log time {@code 5_000 + 10 * number}. */
    private static void append(StripeLog log, int number) throws StripeException {
        Frame.Builder builder = Frame.builder(2_100);
        for (int i = 0; i < RECORDS_PER_FRAME; i++) {
            builder.add(
                    Owner.queue(1 + i),
                    MessageRecord.builder()
                            .id("m" + number)
                            .body(new byte[1_000])
                            .build());
        }
        log.append(builder.build(), 5_000 + 10L * number);
    }

    private static void force(StripeLog log) throws IOException {
        FlushRange range = log.takeUnflushed();
        log.force(range);
        log.forced(range);
    }

    private static List<Long> sequences(StripeLog log, Span span) throws IOException {
        List<Long> found = new ArrayList<>();
        LogWalker.Result result = log.newWalker().walk(span, record -> found.add(record.sequence()));
        assertThat(result.isComplete()).isTrue();
        assertThat(result.problems()).isEmpty();
        assertThat(result.records()).isEqualTo(found.size());
        return found;
    }

    private static List<Long> range(long first, long last) {
        return LongStream.rangeClosed(first, last).boxed().toList();
    }

    @Test
    void everySpanHoldsItsRecordsAndNoOthers() throws IOException {
        StripeLog log = open(disk);
        for (int number = 0; number < 200; number++) {
            append(log, number);
            if (number == 150) {
                force(log);
            }
        }
        assertThat(sequences(log, Span.everything())).isEqualTo(range(1, 400));
        assertThat(sequences(log, Span.everything().durableOnly())).isEqualTo(range(1, 302));
        for (long from : new long[] {1, 2, 57, 58, 59, 200, 399, 400}) {
            for (long to : new long[] {from, from + 1, from + 100}) {
                assertThat(sequences(log, Span.ofSequences(from, to))).isEqualTo(range(from, Math.min(to, 400)));
            }
        }
        assertThat(sequences(log, Span.ofSequences(401, 500))).isEmpty();
        for (int number = 0; number < 200; number += 7) {
            long millis = 5_000 + 10L * number;
            assertThat(sequences(log, Span.ofTime(millis, millis))).isEqualTo(range(2L * number + 1, 2L * number + 2));
            assertThat(sequences(log, Span.ofTime(millis - 9, millis + 15)))
                    .isEqualTo(range(2L * number + 1, Math.min(400, 2L * number + 4)));
            assertThat(log.newWalker().firstSequenceAt(millis - 3)).isEqualTo(2L * number + 1);
        }
        assertThat(log.newWalker().firstSequenceAt(0)).isEqualTo(1);
        assertThat(log.newWalker().firstSequenceAt(100_000)).isEqualTo(401);
        log.close(true);
    }

    @Test
    void aWalkEndsWhenItsTakerHasEnough() throws IOException {
        StripeLog log = open(disk);
        for (int number = 0; number < 100; number++) {
            append(log, number);
        }
        List<Long> found = new ArrayList<>();
        LogWalker.Result result = log.newWalker().walk(Span.everything(), record -> {
            found.add(record.sequence());
            return found.size() < 71;
        });
        assertThat(found).isEqualTo(range(1, 71));
        assertThat(result.isStopped()).isTrue();
        log.close(true);
    }

    @Test
    void whatIsCleanedMeanwhileStaysUntilTheWalkIsOver() throws IOException {
        StripeLog log = open(disk);
        for (int number = 0; number < 200; number++) {
            append(log, number);
        }
        force(log);
        List<Long> found = new ArrayList<>();
        log.newWalker().walk(Span.everything(), record -> {
            if (found.isEmpty()) {
                log.releaseBelow(1, 200);
                log.releaseBelow(2, 200);
                clean(log);
                append(log, 200);
            }
            return found.add(record.sequence());
        });
        assertThat(found).isEqualTo(range(1, 400));
        log.prepareNext();
        assertThat(sequences(log, Span.ofSequences(1, 400))).hasSizeLessThan(100);
        log.close(true);
    }

    private static void clean(StripeLog log) throws IOException {
        Checkpoint checkpoint = log.beginCheckpoint();
        for (Owner owner : checkpoint.changedOwners()) {
            log.append(
                    Frame.builder(100)
                            .add(owner, new SnapshotRecord(log.writtenSequence(), 200, 200, 0, 1, new byte[8]))
                            .build(),
                    9_000);
        }
        log.writeManifest(checkpoint);
        force(log);
        log.finishCheckpoint(checkpoint);
    }

    @Test
    void aBadFrameIsNamedAndPassedOver() throws IOException {
        StripeLog log = open(disk);
        for (int number = 0; number < 100; number++) {
            append(log, number);
        }
        disk.flip(
                disk.files().stream()
                        .filter(name -> name.startsWith("segment"))
                        .findFirst()
                        .orElseThrow(),
                9_000,
                1);
        List<Long> found = new ArrayList<>();
        LogWalker.Result result = log.newWalker().walk(Span.everything(), record -> found.add(record.sequence()));
        assertThat(result.problems()).singleElement().asString().contains("segment-", "checksum");
        assertThat(found).hasSize(198).contains(1L, 200L);
        log.close(true);
    }

    @Test
    void aWalkThroughWhatIsBeingRewrittenSaysThatItIsNotComplete() throws IOException {
        StripeLog log = open(disk);
        for (int number = 0; number < 60; number++) {
            append(log, number);
            if (number == 20) {
                force(log);
            }
        }
        FlushRange range = log.takeUnflushed();
        disk.failNextForces(1);
        assertThat(org.assertj.core.api.Assertions.catchThrowable(() -> log.force(range)))
                .isInstanceOf(IOException.class);
        log.forceFailed(range);
        disk.evictCleanPages();
        List<Long> found = new ArrayList<>();
        log.newWalker().walk(Span.everything(), record -> found.add(record.sequence()));
        assertThat(found).as("what is void is not read").isEqualTo(range(1, 42));
        for (Frame frame : log.retainedFrames()) {
            log.rewrite(frame);
        }
        log.finishRewrite();
        assertThat(sequences(log, Span.everything())).isEqualTo(range(1, 120));
        log.close(true);
    }

    @Test
    void aStoppedLogIsWalkedAsARunningOne() throws IOException {
        StripeLog log = open(disk);
        for (int number = 0; number < 100; number++) {
            append(log, number);
        }
        log.close(true);
        List<Long> found = new ArrayList<>();
        LogWalker.Result result =
                LogWalker.walk(disk, Span.ofTime(5_100, 5_199), record -> found.add(record.sequence()));
        assertThat(found).isEqualTo(range(21, 40));
        assertThat(result.problems()).isEmpty();
        assertThat(LogWalker.walk(disk, Span.everything(), record -> false).records())
                .isEqualTo(1);
        assertThat(disk.openFiles()).isEmpty();
    }
}
