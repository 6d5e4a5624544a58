package io.forebay.storage.log;

import static org.assertj.core.api.Assertions.assertThat;

import io.forebay.testkit.faults.MemoryDisk;
import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;

/** Ids that the log tells of are not given again behind a repair, wherever it tells of them; ids that are reserved stay so. */
class RepairIdsTest {
    private static final StripeOptions OPTIONS = new StripeOptions(0, 64 * 1024, 64, 32 * 1024, 2);
    private static final Owner REGISTRY = Owner.queue(Owner.REGISTRY_QUEUE);

    private final MemoryDisk disk = new MemoryDisk();

    private static PersistenceEventRecord event(int sequenceNr, LogRecord record) {
        return new PersistenceEventRecord(
                0,
                0,
                1,
                sequenceNr,
                0,
                -1,
                0,
                "",
                "",
                RegistryEvents.manifestOf(record),
                "",
                List.of(),
                new byte[0],
                new byte[0],
                RegistryEvents.encode(record));
    }

    private static TopicRecord topic(int topicId, int queueId) {
        return new TopicRecord(topicId, "t", new int[] {queueId}, new int[] {0}, Map.of(), 0);
    }

    private void append(Owner owner, LogRecord... records) throws IOException {
        try (StripeLog log = StripeLog.open(disk, OPTIONS, 1_000, new RepairDraft.Ignoring())) {
            Frame.Builder frame = Frame.builder(1_000);
            for (LogRecord record : records) {
                frame.add(owner, record);
            }
            log.append(frame.build(), 2_000);
            log.close(true);
        }
    }

    /** Topic, group and queue that are passed over. */
    private List<Integer> passedOver() throws IOException {
        List<Integer> ids = new ArrayList<>();
        MemoryDisk repaired = disk.killImage();
        Frame frame = RepairIds.frame(repaired, 3_000);
        try (StripeLog log = StripeLog.open(repaired, OPTIONS, 3_000, new RepairDraft.Ignoring())) {
            log.append(frame, 3_000);
            log.close(true);
        }
        LogVerifier.verify(repaired, (segment, position, view) -> {
            if (view.sequence() < frame.firstSequence() || view.sequence() > frame.lastSequence()) {
                return;
            }
            if (view.decode() instanceof TopicRecord topic) {
                ids.add(topic.topicId());
                ids.add(topic.queueIds()[0]);
            } else if (view.decode() instanceof GroupRecord group) {
                ids.add(group.groupId());
            }
        });
        return ids;
    }

    @Test
    void idsOfEventsAndOfRecordsArePassedOver() throws IOException {
        append(Owner.STRIPE, topic(3, 5), new GroupRecord(7, "g", Map.of(), 0));
        assertThat(passedOver()).containsExactly(100_003, 100_005, 100_007);

        append(Owner.queue(Owner.RESERVED_FROM + 4), event(1, topic(1, 1)));
        assertThat(passedOver()).as("a queue of Akka Persistence").containsExactly(100_003, 100_005, 100_007);

        append(REGISTRY, event(1, topic(13, 25)));
        append(REGISTRY, event(2, new GroupRecord(37, "h", Map.of(), 0)));
        assertThat(passedOver()).containsExactly(100_013, 100_025, 100_037);

        List<SnapshotRecord> parts = SnapshotRecord.split(
                0, 0, 0, new RegistrySnapshot(100, 200, 300, List.of(), List.of(), List.of(), List.of()).encode(), 11);
        assertThat(parts).hasSizeGreaterThan(1);
        // The first of them is lost.
        for (int i = 1; i < parts.size(); i++) {
            append(REGISTRY, event(2 + i, parts.get(i)));
        }
        assertThat(passedOver()).containsExactly(100_013, 100_025, 100_037);
        for (int i = 0; i < parts.size(); i++) {
            append(REGISTRY, event(10 + i, parts.get(i)));
        }
        assertThat(passedOver()).containsExactly(100_100, 100_300, 100_200);

        NodeEventsSnapshot table = new NodeEventsSnapshot(
                "n",
                20,
                0,
                List.of(new NodeEventsSnapshot.Event(
                        20, RegistryEvents.manifestOf(topic(1, 1)), RegistryEvents.encode(topic(500, 600)))));
        for (SnapshotRecord part : SnapshotRecord.split(9, 9, 9, table.encode(), 30)) {
            append(REGISTRY, part);
        }
        assertThat(passedOver()).containsExactly(100_500, 100_600, 100_200);
    }
}
