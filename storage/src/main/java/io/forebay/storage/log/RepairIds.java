package io.forebay.storage.log;

import io.forebay.storage.io.StorageDirectory;
import java.io.IOException;
import java.util.Map;

/**
 * Where definitions of topics and groups are lost, their ids are not known; an id that was given must not be given again, for the
 * log may hold records under it. So far more than could have been lost are passed over, by a topic and a group that are made and
 * deleted at once.
 */
final class RepairIds implements LogVerifier.RecordSink {
    /** Ids that are passed over. */
    private static final int PASSED_OVER = 100_000;

    private static final String NAME = "given-up-by-repair";

    private int topicId;
    private int groupId;
    private int queueId;
    /** Of snapshots of the stripe's own. */
    private final SnapshotParts parts = new SnapshotParts();
    /** Of snapshots among the registry's events. */
    private final SnapshotParts eventParts = new SnapshotParts();
    /** Of snapshots that hold all of those events. */
    private final SnapshotParts tableParts = new SnapshotParts();
    /** Of snapshots among the events in those. */
    private final SnapshotParts listedParts = new SnapshotParts();

    private RepairIds() {}

    /** A frame that passes over ids. */
    static Frame frame(StorageDirectory stripe, long nowMillis) throws IOException {
        RepairIds ids = new RepairIds();
        LogVerifier.verify(stripe, ids);
        int topic = ids.topicId + PASSED_OVER;
        int group = ids.groupId + PASSED_OVER;
        int queue = ids.queueId + PASSED_OVER;
        return Frame.builder(512)
                .add(Owner.STRIPE, new TopicRecord(topic, NAME, new int[] {queue}, new int[] {0}, Map.of(), nowMillis))
                .add(Owner.STRIPE, new TopicDeletedRecord(topic, nowMillis))
                .add(Owner.STRIPE, new GroupRecord(group, NAME, Map.of(), nowMillis))
                .add(Owner.STRIPE, new GroupDeletedRecord(group, nowMillis))
                .build();
    }

    @Override
    public void record(String segment, long position, RecordView view) throws IOException {
        groupId = Math.max(groupId, view.groupId());
        if (!Owner.isReserved(view.queueId())) {
            queueId = Math.max(queueId, view.queueId());
        }
        if (!view.isKnown()) {
            return;
        }
        if (view.queueId() == 0) {
            see(view.decode(), parts);
        } else if (view.queueId() == Owner.REGISTRY_QUEUE) {
            try {
                seeEvents(view.decode());
            } catch (UnknownRecordException newer) {
                // Of a newer version: which ids it has given is not known here.
            }
        }
    }

    private void seeEvents(LogRecord record) throws CorruptRecordException {
        if (record instanceof PersistenceEventRecord event) {
            see(RegistryEvents.decode(event.serializerManifest(), event.payload()), eventParts);
        } else if (record instanceof SnapshotRecord part) {
            SnapshotParts.Whole whole = wholeOrNull(part, tableParts);
            if (whole != null) {
                for (NodeEventsSnapshot.Event event :
                        NodeEventsSnapshot.decode(whole.payload()).events()) {
                    see(RegistryEvents.decode(event.manifest(), event.payload()), listedParts);
                }
            }
        }
    }

    private void see(LogRecord record, SnapshotParts of) throws CorruptRecordException {
        if (record instanceof TopicRecord topic) {
            see(topic);
        } else if (record instanceof GroupRecord group) {
            groupId = Math.max(groupId, group.groupId());
        } else if (record instanceof SnapshotRecord part) {
            SnapshotParts.Whole whole = wholeOrNull(part, of);
            if (whole != null) {
                see(RegistrySnapshot.decode(whole.payload()));
            }
        }
    }

    /** Null, too, if parts before it are lost. */
    private static SnapshotParts.Whole wholeOrNull(SnapshotRecord part, SnapshotParts of) {
        try {
            return of.addOrNull(part);
        } catch (CorruptRecordException partsAreLost) {
            of.clear();
            return null;
        }
    }

    private void see(RegistrySnapshot registry) {
        topicId = Math.max(topicId, registry.nextTopicId());
        groupId = Math.max(groupId, registry.nextGroupId());
        queueId = Math.max(queueId, registry.nextQueueId());
    }

    private void see(TopicRecord topic) {
        topicId = Math.max(topicId, topic.topicId());
        for (int id : topic.queueIds()) {
            queueId = Math.max(queueId, id);
        }
    }
}
