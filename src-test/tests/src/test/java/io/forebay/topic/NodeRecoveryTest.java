package io.forebay.topic;

import static org.assertj.core.api.Assertions.assertThat;

import io.forebay.queue.core.GroupQueueLimits;
import io.forebay.storage.log.Checkpoint;
import io.forebay.storage.log.FlushRange;
import io.forebay.storage.log.Frame;
import io.forebay.storage.log.LogRecord;
import io.forebay.storage.log.MessageRecord;
import io.forebay.storage.log.Owner;
import io.forebay.storage.log.PersistenceEventRecord;
import io.forebay.storage.log.QueueSnapshot;
import io.forebay.storage.log.SnapshotRecord;
import io.forebay.storage.log.StripeLog;
import io.forebay.storage.log.StripeOptions;
import io.forebay.testkit.faults.MemoryDisk;
import io.forebay.topic.core.RegistryLimits;
import java.io.IOException;
import java.util.List;
import org.junit.jupiter.api.Test;

class NodeRecoveryTest {
    private static final StripeOptions OPTIONS = new StripeOptions(0, 64 * 1024, 64, 32 * 1024, 2);
    private static final Owner QUEUE = Owner.queue(1);
    private static final Owner EVENTS = Owner.queue(Owner.RESERVED_FROM);

    private final MemoryDisk disk = new MemoryDisk();

    private StripeLog open(NodeRecovery recovery) throws IOException {
        return StripeLog.open(disk, OPTIONS, 1_000, recovery.sink(0));
    }

    private static NodeRecovery recovery() {
        return new NodeRecovery(new RegistryLimits(9, 9, 9, 9, 9), new GroupQueueLimits(100, 100));
    }

    private static void append(StripeLog log, Owner owner, LogRecord record) throws IOException {
        log.append(Frame.builder(200).add(owner, record).build(), 2_000);
    }

    private static void persist(StripeLog log, long sequenceNr) throws IOException {
        append(
                log,
                EVENTS,
                new PersistenceEventRecord(
                        0,
                        1,
                        1,
                        sequenceNr,
                        9,
                        -1,
                        0,
                        "",
                        "",
                        "",
                        "",
                        List.of(),
                        new byte[0],
                        new byte[0],
                        new byte[9]));
    }

    /** Taken for a queue's, its snapshot would stop the start, and the log would be told to forget it with all that lies in it. */
    @Test
    void whatLiesInReservedQueuesIsNotTakenForLeftOver() throws IOException {
        try (StripeLog log = open(recovery())) {
            append(log, QUEUE, MessageRecord.builder().id("m").body(new byte[9]).build());
            persist(log, 1);
            Checkpoint checkpoint = log.beginCheckpoint();
            assertThat(checkpoint.changedOwners()).containsExactlyInAnyOrder(QUEUE, EVENTS);
            append(
                    log,
                    QUEUE,
                    new SnapshotRecord(1, 1, 1, 0, 1, QueueSnapshot.of(1, 0).encode()));
            append(log, EVENTS, new SnapshotRecord(2, 1, 1, 0, 1, new byte[] {99, 1, 2, 3}));
            log.writeManifest(checkpoint);
            FlushRange range = log.takeUnflushed();
            log.force(range);
            log.forced(range);
            log.finishCheckpoint(checkpoint);
            persist(log, 2);
            log.close(true);
        }
        NodeRecovery recovery = recovery();
        try (StripeLog log = open(recovery)) {
            assertThat(recovery.leftOver(0)).containsExactly(QUEUE);
            assertThat(log.nextOffset(EVENTS.queueId())).isEqualTo(2);
        }
    }
}
