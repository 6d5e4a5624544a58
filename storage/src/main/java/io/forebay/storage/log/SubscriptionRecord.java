package io.forebay.storage.log;

import java.util.Arrays;
import java.util.Map;

/**
 * A group begins to consume a topic. Owner: stripe 0's own. A later record of the same pair replaces the settings; the
 * start offsets of the first one count.
 * <pre> byte  0  i32  topicId
 * byte  4  i32  groupId
 * byte  8  i64  createdMillis
 * byte 16  i32  count of start offsets, in the order of the topic's queues, each an i64: where the group begins
 *          text map settings </pre>
 * The array is not copied and must not be changed.
 */
public record SubscriptionRecord(
        int topicId, int groupId, long[] startOffsets, Map<String, String> settings, long createdMillis)
        implements LogRecord {
    static final int BYTES_MIN = 4 + 4 + 8 + 4 + 2;

    public SubscriptionRecord {
        Fields.positive("topicId", topicId);
        Fields.positive("groupId", groupId);
        for (long offset : startOffsets) {
            Fields.notNegative("startOffset", offset);
        }
        settings = Fields.copy("settings", settings);
    }

    @Override
    public RecordType type() {
        return RecordType.SUBSCRIPTION;
    }

    @Override
    public int bodyBytes() {
        return 20 + 8 * startOffsets.length + BodyWriter.textMapBytes(settings);
    }

    @Override
    public void encodeBody(byte[] target, int at) {
        encode(new BodyWriter(target, at));
    }

    void encode(BodyWriter out) {
        out.i32(topicId).i32(groupId).i64(createdMillis).i32(startOffsets.length);
        for (long offset : startOffsets) {
            out.i64(offset);
        }
        out.textMap(settings);
    }

    static SubscriptionRecord decode(BodyReader in) throws CorruptRecordException {
        int topicId = in.i32();
        int groupId = in.i32();
        long createdMillis = in.i64();
        long[] startOffsets = new long[in.count(8)];
        for (int index = 0; index < startOffsets.length; index++) {
            startOffsets[index] = in.i64();
        }
        return new SubscriptionRecord(topicId, groupId, startOffsets, in.textMap(), createdMillis);
    }

    @Override
    public boolean equals(Object other) {
        return other instanceof SubscriptionRecord that
                && topicId == that.topicId
                && groupId == that.groupId
                && Arrays.equals(startOffsets, that.startOffsets)
                && settings.equals(that.settings)
                && createdMillis == that.createdMillis;
    }

    @Override
    public int hashCode() {
        return 31 * topicId + groupId;
    }

    @Override
    public String toString() {
        return "SubscriptionRecord[topicId=" + topicId + ", groupId=" + groupId + ", startOffsets="
                + Arrays.toString(startOffsets) + ", settings=" + settings + ", createdMillis=" + createdMillis + "]";
    }
}
