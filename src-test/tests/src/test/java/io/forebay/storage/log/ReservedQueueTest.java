package io.forebay.storage.log;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.catchThrowable;

import io.forebay.testkit.faults.MemoryDisk;
import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import java.util.SplittableRandom;
import java.util.random.RandomGenerator;
import org.junit.jupiter.api.Test;

/**
 * What Akka Persistence stores lies in its queue as a message does. Invariants: I1 it is found by its offset after a start, with
 * the index or without, after a force that failed, and where cleaning has moved it; I2 it is what was appended.
 */
class ReservedQueueTest {
    private static final Owner EVENTS = Owner.queue(Owner.RESERVED_FROM);

    private final RandomGenerator random = new SplittableRandom(7);
    private final MemoryDisk disk = new MemoryDisk();
    private long sequenceNr;

    private PersistenceEventRecord event(int payloadBytes) {
        byte[] payload = new byte[payloadBytes];
        random.nextBytes(payload);
        return new PersistenceEventRecord(
                0, 33, 1, ++sequenceNr, 9, -1, 0, "w", "", "m", "", List.of("t"), new byte[0], new byte[0], payload);
    }

    private Frame append(LogDriver driver, int events) throws IOException {
        List<LogRecord> records = new ArrayList<>();
        Frame.Builder builder = Frame.builder(500);
        for (int each = 0; each < events; each++) {
            records.add(event(200));
            builder.add(EVENTS, records.get(each));
        }
        Frame frame = builder.build();
        driver.append(frame, records);
        return frame;
    }

    private LogDriver again(LogDriver driver) throws IOException {
        return new LogDriver(disk, driver.model, driver.released(), driver.model.lastSequence());
    }

    private void dropIndex() throws IOException {
        for (String name : disk.files()) {
            if (name.startsWith(StripeLog.INDEX_DIRECTORY + "/")) {
                disk.child(StripeLog.INDEX_DIRECTORY).delete(name.substring(StripeLog.INDEX_DIRECTORY.length() + 1));
            }
        }
    }

    @Test
    void eventsGetTheirOffsetsAndAreFoundByThemAfterAStart() throws IOException {
        LogDriver driver = LogDriver.fresh(disk);
        Frame first = append(driver, 2);
        assertThat(first.queueOffset(0)).isZero();
        assertThat(first.queueOffset(1)).isOne();
        assertThat(append(driver, 1).queueOffset(0)).isEqualTo(2);
        driver.checkpoint(random, false);
        append(driver, 3);
        driver.checkMessages();
        driver.log.close(true);
        assertThat(LogVerifier.verify(disk).problems()).isEmpty();
        driver = again(driver);
        assertThat(driver.log.nextOffset(EVENTS.queueId())).isEqualTo(6);
        driver.log.close(false);
        dropIndex();
        driver = again(driver);
        assertThat(driver.log.report().findings()).contains("the queue index is built anew");
        driver.checkWalk();
        List<Long> offsets = new ArrayList<>();
        QueueReader.Result result = driver.log
                .newReader(EVENTS.queueId())
                .read(0, 9, Long.MAX_VALUE, (offset, record, body) -> {
                    PersistenceEventRecord event = (PersistenceEventRecord) record.decode();
                    assertThat(event.offset()).isEqualTo(offset);
                    assertThat(event.sequenceNr()).isEqualTo(offset + 1);
                    assertThat(body).isSameAs(record);
                    offsets.add(offset);
                });
        assertThat(result.status()).isEqualTo(QueueReader.Status.READ);
        assertThat(offsets).containsExactly(0L, 1L, 2L, 3L, 4L, 5L);
        driver.log.close(true);
    }

    @Test
    void snapshotsAndStatesHaveOffsetsToo() throws IOException {
        try (StripeLog log = StripeLog.open(disk, LogDriver.OPTIONS, 1_000, new LogModel.Sink())) {
            byte[] payload = {1, 2};
            Frame frame = Frame.builder(200)
                    .add(
                            Owner.queue(Owner.RESERVED_FROM + 1),
                            new PersistenceSnapshotRecord(0, 1, 2, 3, 4, 0, 0, 1, "m", "", new byte[0], payload))
                    .add(
                            Owner.queue(Owner.RESERVED_FROM + 2),
                            new DurableStateRecord(0, 1, 1, 3, 4, 0, 1, false, "m", "", payload))
                    .add(
                            Owner.queue(Owner.RESERVED_FROM + 1),
                            new PersistenceSnapshotRecord(0, 1, 3, 3, 4, 0, 0, 1, "m", "", new byte[0], payload))
                    .build();
            log.append(frame, 2_000);
            assertThat(List.of(frame.queueOffset(0), frame.queueOffset(1), frame.queueOffset(2)))
                    .containsExactly(0L, 0L, 1L);
            List<LogRecord> found = new ArrayList<>();
            for (int queue = 1; queue <= 2; queue++) {
                log.newReader(Owner.RESERVED_FROM + queue)
                        .read(0, 9, Long.MAX_VALUE, (offset, record, body) -> found.add(record.decode()));
            }
            assertThat(found)
                    .containsExactly(
                            new PersistenceSnapshotRecord(0, 1, 2, 3, 4, 0, 0, 1, "m", "", new byte[0], payload),
                            new PersistenceSnapshotRecord(1, 1, 3, 3, 4, 0, 0, 1, "m", "", new byte[0], payload),
                            new DurableStateRecord(0, 1, 1, 3, 4, 0, 1, false, "m", "", payload));
        }
    }

    @Test
    void eventsKeepTheirOffsetsWhenAFailedForceHasThemWrittenAgain() throws IOException {
        LogDriver driver = LogDriver.fresh(disk);
        append(driver, 2);
        driver.force();
        append(driver, 3);
        disk.failNextForces(1);
        assertThat(catchThrowable(driver::force)).isInstanceOf(IOException.class);
        driver.fail();
        assertThat(driver.rewrite(Integer.MAX_VALUE)).isTrue();
        disk.evictCleanPages();
        driver.checkMessages();
        assertThat(append(driver, 1).queueOffset(0)).isEqualTo(5);
        driver.log.close(false);
        driver = again(driver);
        driver.checkWalk();
        driver.log.close(true);
    }

    @Test
    void eventsAreMovedAsMessagesAre() throws IOException {
        LogDriver driver = LogDriver.fresh(disk);
        for (int step = 0; step < 1_200; step++) {
            if (step % 8 == 0) {
                append(driver, 1);
            }
            LogRecord message =
                    MessageRecord.builder().id("m" + step).body(new byte[1_000]).build();
            driver.append(Frame.builder(1_100).add(Owner.queue(2), message).build(), List.of(message));
            if (step % 200 == 0) {
                driver.checkpoint(random, false);
            }
        }
        driver.released().put(2, driver.log.nextOffset(2));
        driver.log.releaseBelow(2, driver.log.nextOffset(2));
        driver.checkpoint(random, false);
        long segments = segments();
        for (int round = 0; round < 40; round++) {
            evacuate(driver);
            driver.checkpoint(random, false);
        }
        assertThat(driver.log.writtenBytes().moved()).isPositive();
        assertThat(segments()).isLessThan(segments / 2);
        driver.checkMessages();
        driver.log.close(true);
        dropIndex();
        driver = again(driver);
        driver.checkWalk();
        driver.log.close(true);
        assertThat(LogVerifier.verify(disk).problems()).isEmpty();
    }

    /** What its snapshot holds is known to its owner alone, who can tell by the number of its next record that there was one. */
    @Test
    void anOwnerWhoseSnapshotIsLostGetsNoneMadeUpByRepair() throws IOException {
        LogDriver driver = LogDriver.fresh(disk);
        while (segments() < 4) {
            append(driver, 50);
        }
        long released = driver.log.nextOffset(EVENTS.queueId());
        driver.released().put(EVENTS.queueId(), released);
        driver.log.releaseBelow(EVENTS.queueId(), released);
        append(driver, 3);
        driver.checkpoint(() -> 3L << 32, false);
        append(driver, 2);
        driver.log.close(true);
        assertThat(disk.files())
                .as("no start can begin at the beginning")
                .doesNotContain("segment-0000000000000000.log");
        String[] file = {""};
        long[] snapshotAt = {-1};
        LogVerifier.verify(disk, (segment, position, record) -> {
            if (record.type() == RecordType.SNAPSHOT && record.owner().equals(EVENTS)) {
                file[0] = segment;
                snapshotAt[0] = position - Segment.baseOf(segment);
            }
        });
        disk.flip(file[0], snapshotAt[0] + FrameCodec.HEADER_BYTES + 50, 1);
        RepairPlan plan = LogRepair.apply(disk, 1, 3_000);
        assertThat(plan.refusalOrNull()).isNull();
        assertThat(plan.notes()).anyMatch(note -> note.startsWith(EVENTS + ": its state cannot be read"));
        assertThat(LogVerifier.verify(disk).problems()).isEmpty();
        List<Long> numbers = new ArrayList<>();
        RecoverySink sink = new RecoverySink() {
            @Override
            public void snapshot(RecordView part) {
                throw new AssertionError(part);
            }

            @Override
            public void record(RecordView record) {
                if (record.owner().equals(EVENTS)) {
                    numbers.add(record.ownerNumber());
                }
            }
        };
        try (StripeLog log = StripeLog.open(disk, LogDriver.OPTIONS, 4_000, sink)) {
            assertThat(log.report().stoppedOwners()).isEmpty();
            assertThat(numbers.get(0)).isGreaterThan(1);
            assertThat(log.newReader(EVENTS.queueId())
                            .read(released, 9, Long.MAX_VALUE, (offset, record, body) -> {})
                            .count())
                    .isEqualTo(5);
            Frame next = Frame.builder(300).add(EVENTS, event(10)).build();
            log.append(next, 5_000);
            assertThat(next.queueOffset(0)).isGreaterThanOrEqualTo(released + 5);
        }
        assertThat(LogRepair.plan(disk, 3_000).isNeeded()).isFalse();
    }

    private long segments() {
        return disk.files().stream().filter(name -> name.startsWith("segment-")).count();
    }

    private static void evacuate(LogDriver driver) throws IOException {
        try (Evacuation evacuation = driver.log.planEvacuation(50)) {
            if (evacuation == null) {
                return;
            }
            for (MovedBatch batch = evacuation.read(3_000); batch != null; batch = evacuation.read(3_000)) {
                driver.appendMoved(batch);
            }
            while (!evacuation.isDurable()) {
                driver.force();
            }
            evacuation.finish();
        }
    }
}
