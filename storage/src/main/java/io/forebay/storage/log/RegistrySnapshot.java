package io.forebay.storage.log;

import java.util.ArrayList;
import java.util.List;

/**
 * State of the registry of topics and groups. The next ids are kept apart from the lists, because the id of what was
 * deleted is never given again.
 * <pre> byte  0  u8   kind = 3
 * byte  1  u8   version = 2
 * byte  2  i32  nextTopicId · i32 nextGroupId · i32 nextQueueId
 * byte 14  i32 count of topics, bodies as in {@link TopicRecord}
 *          i32 count of groups, bodies as in {@link GroupRecord}
 *          i32 count of subscriptions, bodies as in {@link SubscriptionRecord}
 *          from here on not in version 1:
 *          i32 count of histories of topics and groups whose settings were changed, each: u8 scope · i32 id ·
 *              i64 version · i32 count of the last changes, oldest first, each: i64 changedMillis · text who ·
 *              text map before · text map after </pre>
 */
public record RegistrySnapshot(
        int nextTopicId,
        int nextGroupId,
        int nextQueueId,
        List<TopicRecord> topics,
        List<GroupRecord> groups,
        List<SubscriptionRecord> subscriptions,
        List<SettingsHistory> histories) {
    public RegistrySnapshot {
        Fields.positive("nextTopicId", nextTopicId);
        Fields.positive("nextGroupId", nextGroupId);
        Fields.positive("nextQueueId", nextQueueId);
        topics = List.copyOf(topics);
        groups = List.copyOf(groups);
        subscriptions = List.copyOf(subscriptions);
        histories = List.copyOf(histories);
    }

    /** The payload of its {@link SnapshotRecord}s. */
    public byte[] encode() {
        int bytes = SnapshotKind.HEADER_BYTES + 12 + 16;
        bytes += topics.stream().mapToInt(LogRecord::bodyBytes).sum();
        bytes += groups.stream().mapToInt(LogRecord::bodyBytes).sum();
        bytes += subscriptions.stream().mapToInt(LogRecord::bodyBytes).sum();
        bytes += histories.stream().mapToInt(SettingsHistory::encodedBytes).sum();
        byte[] payload = new byte[bytes];
        BodyWriter out = SnapshotKind.REGISTRY.begin(payload);
        out.i32(nextTopicId).i32(nextGroupId).i32(nextQueueId);
        out.i32(topics.size());
        topics.forEach(topic -> topic.encode(out));
        out.i32(groups.size());
        groups.forEach(group -> group.encode(out));
        out.i32(subscriptions.size());
        subscriptions.forEach(subscription -> subscription.encode(out));
        out.i32(histories.size());
        histories.forEach(history -> history.encode(out));
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
            List<SettingsHistory> histories = new ArrayList<>();
            if (SnapshotKind.versionOf(payload) > 1) {
                count = in.count(SettingsHistory.BYTES_MIN);
                for (int index = 0; index < count; index++) {
                    histories.add(SettingsHistory.decode(in));
                }
            }
            in.end();
            return new RegistrySnapshot(
                    nextTopicId, nextGroupId, nextQueueId, topics, groups, subscriptions, histories);
        } catch (IllegalArgumentException e) {
            throw in.corrupt(e.getMessage());
        }
    }
}
