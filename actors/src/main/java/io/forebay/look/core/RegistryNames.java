package io.forebay.look.core;

import io.forebay.storage.log.CorruptRecordException;
import io.forebay.storage.log.GroupRecord;
import io.forebay.storage.log.LogRecord;
import io.forebay.storage.log.NodeEventsSnapshot;
import io.forebay.storage.log.Owner;
import io.forebay.storage.log.PersistenceEventRecord;
import io.forebay.storage.log.RecordType;
import io.forebay.storage.log.RecordView;
import io.forebay.storage.log.RegistryEvents;
import io.forebay.storage.log.RegistrySnapshot;
import io.forebay.storage.log.SnapshotParts;
import io.forebay.storage.log.SnapshotRecord;
import io.forebay.storage.log.TopicRecord;
import java.util.HashMap;
import java.util.Map;

/**
 * What topics, queues and groups are called, by the records of a log that nobody serves. What was deleted keeps its name, for its
 * records may still be there. Confined to one thread.
 */
public final class RegistryNames implements LifeNames {
    private final Map<Integer, TopicRecord> topics = new HashMap<>();
    private final Map<Integer, String> groups = new HashMap<>();
    /** Of snapshots that versions without a queue for the registry have written. */
    private final SnapshotParts parts = new SnapshotParts();
    /** Of snapshots among the registry's events. */
    private final SnapshotParts eventParts = new SnapshotParts();
    /** Of snapshots that hold all of those events. */
    private final SnapshotParts tableParts = new SnapshotParts();
    /** Of snapshots among the events in those. */
    private final SnapshotParts listedParts = new SnapshotParts();

    /** Takes records of all stripes, in the order of their logs; looks at those of the registry. */
    public void record(RecordView view) throws CorruptRecordException {
        RecordType type = view.type();
        if (type == null || view.isMoved()) {
            // A copy is older than what was said since.
            return;
        }
        if (view.queueId() == 0
                && (type == RecordType.TOPIC || type == RecordType.GROUP || type == RecordType.SNAPSHOT)) {
            take(view.decode(), parts);
        } else if (view.queueId() == Owner.REGISTRY_QUEUE && type == RecordType.PERSISTENCE_EVENT) {
            PersistenceEventRecord event = (PersistenceEventRecord) view.decode();
            take(RegistryEvents.decode(event.serializerManifest(), event.payload()), eventParts);
        } else if (view.queueId() == Owner.REGISTRY_QUEUE && type == RecordType.SNAPSHOT) {
            SnapshotParts.Whole whole = wholeOrNull((SnapshotRecord) view.decode(), tableParts);
            if (whole != null) {
                for (NodeEventsSnapshot.Event event :
                        NodeEventsSnapshot.decode(whole.payload()).events()) {
                    take(RegistryEvents.decode(event.manifest(), event.payload()), listedParts);
                }
            }
        }
    }

    private void take(LogRecord record, SnapshotParts of) throws CorruptRecordException {
        if (record instanceof SnapshotRecord part) {
            SnapshotParts.Whole whole = wholeOrNull(part, of);
            if (whole != null) {
                RegistrySnapshot snapshot = RegistrySnapshot.decode(whole.payload());
                snapshot.topics().forEach(this::take);
                snapshot.groups().forEach(this::take);
            }
        } else {
            take(record);
        }
    }

    /** Null, too, if parts before it are not there any more. */
    private static SnapshotParts.Whole wholeOrNull(SnapshotRecord part, SnapshotParts of) {
        try {
            return of.addOrNull(part);
        } catch (CorruptRecordException partsAreGone) {
            of.clear();
            return null;
        }
    }

    private void take(LogRecord record) {
        if (record instanceof TopicRecord topic) {
            topics.put(topic.topicId(), topic);
        } else if (record instanceof GroupRecord group) {
            groups.put(group.groupId(), group.name());
        }
    }

    /** The newest topic of that name, null if there is none. */
    public TopicRecord topic(String name) {
        TopicRecord found = null;
        for (TopicRecord topic : topics.values()) {
            if (topic.name().equals(name) && (found == null || topic.topicId() > found.topicId())) {
                found = topic;
            }
        }
        return found;
    }

    /** Null if there is none. */
    public TopicRecord topicOfQueue(int queueId) {
        for (TopicRecord topic : topics.values()) {
            if (numberOf(topic, queueId) >= 0) {
                return topic;
            }
        }
        return null;
    }

    /** -1 if the topic does not have that queue. */
    public static int numberOf(TopicRecord topic, int queueId) {
        for (int number = 0; number < topic.queueIds().length; number++) {
            if (topic.queueIds()[number] == queueId) {
                return number;
            }
        }
        return -1;
    }

    @Override
    public String group(int groupId) {
        String name = groups.get(groupId);
        return name == null ? UNKNOWN.group(groupId) : name;
    }

    @Override
    public String queue(int queueId) {
        TopicRecord topic = topicOfQueue(queueId);
        return topic == null ? UNKNOWN.queue(queueId) : topic.name() + "/" + numberOf(topic, queueId);
    }
}
