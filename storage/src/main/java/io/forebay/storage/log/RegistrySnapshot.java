package io.forebay.storage.log;

import java.util.ArrayList;
import java.util.List;

/**
 * State of the registry of topics and groups. The next ids are kept apart from the lists, because the id of what was
 * deleted is never given again.
 * <pre> byte  0  u8   kind = 3
 * byte  1  u8   version = 1
 * byte  2  i32  nextTopicId · i32 nextGroupId · i32 nextQueueId
 * byte 14  i32 count of topics, bodies as in {@link TopicRecord}
 *          i32 count of groups, bodies as in {@link GroupRecord}
 *          i32 count of subscriptions, bodies as in {@link SubscriptionRecord} </pre>
 */
public record RegistrySnapshot(
        int nextTopicId,
        int nextGroupId,
        int nextQueueId,
        List<TopicRecord> topics,
        List<GroupRecord> groups,
        List<SubscriptionRecord> subscriptions) {
    public RegistrySnapshot {
        Fields.positive("nextTopicId", nextTopicId);
        Fields.positive("nextGroupId", nextGroupId);
        Fields.positive("nextQueueId", nextQueueId);
        topics = List.copyOf(topics);
        groups = List.copyOf(groups);
        subscriptions = List.copyOf(subscriptions);
    }

    /** The payload of its {@link SnapshotRecord}s. */
    public byte[] encode() {
        int bytes = SnapshotKind.HEADER_BYTES + 12 + 12;
        bytes += topics.stream().mapToInt(LogRecord::bodyBytes).sum();
        bytes += groups.stream().mapToInt(LogRecord::bodyBytes).sum();
        bytes += subscriptions.stream().mapToInt(LogRecord::bodyBytes).sum();
        byte[] payload = new byte[bytes];
        BodyWriter out = SnapshotKind.REGISTRY.begin(payload);
        out.i32(nextTopicId).i32(nextGroupId).i32(nextQueueId);
        out.i32(topics.size());
        topics.forEach(topic -> topic.encode(out));
        out.i32(groups.size());
        groups.forEach(group -> group.encode(out));
        out.i32(subscriptions.size());
        subscriptions.forEach(subscription -> subscription.encode(out));
        SnapshotKind.finished(payload, out);
        return payload;
    }

    public static RegistrySnapshot decode(byte[] payload) throws CorruptRecordException {
        BodyReader in = SnapshotKind.REGISTRY.open(payload);
        try {
            int nextTopicId = in.i32();
            int nextGroupId = in.i32();
            int nextQueueId = in.i32();
            int count = in.count(TopicRecord.BYTES_MIN);
            List<TopicRecord> topics = new ArrayList<>(count);
            for (int index = 0; index < count; index++) {
                topics.add(TopicRecord.decode(in));
            }
            count = in.count(GroupRecord.BYTES_MIN);
            List<GroupRecord> groups = new ArrayList<>(count);
            for (int index = 0; index < count; index++) {
                groups.add(GroupRecord.decode(in));
            }
            count = in.count(SubscriptionRecord.BYTES_MIN);
            List<SubscriptionRecord> subscriptions = new ArrayList<>(count);
            for (int index = 0; index < count; index++) {
                subscriptions.add(SubscriptionRecord.decode(in));
            }
            in.end();
            return new RegistrySnapshot(nextTopicId, nextGroupId, nextQueueId, topics, groups, subscriptions);
        } catch (IllegalArgumentException e) {
            throw in.corrupt(e.getMessage());
        }
    }
}
