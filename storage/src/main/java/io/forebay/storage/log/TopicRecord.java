package io.forebay.storage.log;

import java.util.Arrays;
import java.util.Map;

/**
 * Defines a topic: its id, its queues and in which stripe each lives. Ids are never given twice. Owner: stripe 0's own.
 * A later record of the same topic replaces the earlier one (more queues, other settings).
 * <pre> byte  0  i32  topicId
 * byte  4  i64  createdMillis
 * byte 12  text name
 *          i32 count of queues, each: i32 queueId · i32 stripe
 *          text map settings </pre>
 * The arrays are not copied and must not be changed.
 */
public record TopicRecord(
        int topicId, String name, int[] queueIds, int[] stripes, Map<String, String> settings, long createdMillis)
        implements LogRecord {
    static final int BYTES_MIN = 4 + 8 + 2 + 4 + 2;

    public TopicRecord {
        Fields.positive("topicId", topicId);
        Fields.text("name", name);
        Fields.check(stripes.length == queueIds.length, "stripes", stripes.length, "one for each queue");
        settings = Fields.copy("settings", settings);
    }

    @Override
    public RecordType type() {
        return RecordType.TOPIC;
    }

    @Override
    public int bodyBytes() {
        return 12 + BodyWriter.textBytes(name) + 4 + 8 * queueIds.length + BodyWriter.textMapBytes(settings);
    }

    @Override
    public void encodeBody(byte[] target, int at) {
        encode(new BodyWriter(target, at));
    }

    void encode(BodyWriter out) {
        out.i32(topicId).i64(createdMillis).text(name).i32(queueIds.length);
        for (int index = 0; index < queueIds.length; index++) {
            out.i32(queueIds[index]).i32(stripes[index]);
        }
        out.textMap(settings);
    }

    static TopicRecord decode(BodyReader in) throws CorruptRecordException {
        int topicId = in.i32();
        long createdMillis = in.i64();
        String name = in.text();
        int count = in.count(8);
        int[] queueIds = new int[count];
        int[] stripes = new int[count];
        for (int index = 0; index < count; index++) {
            queueIds[index] = in.i32();
            stripes[index] = in.i32();
        }
        return new TopicRecord(topicId, name, queueIds, stripes, in.textMap(), createdMillis);
    }

    @Override
    public boolean equals(Object other) {
        return other instanceof TopicRecord that
                && topicId == that.topicId
                && name.equals(that.name)
                && Arrays.equals(queueIds, that.queueIds)
                && Arrays.equals(stripes, that.stripes)
                && settings.equals(that.settings)
                && createdMillis == that.createdMillis;
    }

    @Override
    public int hashCode() {
        return topicId;
    }

    @Override
    public String toString() {
        return "TopicRecord[topicId=" + topicId + ", name=" + name + ", queueIds=" + Arrays.toString(queueIds)
                + ", stripes=" + Arrays.toString(stripes) + ", settings=" + settings + ", createdMillis="
                + createdMillis + "]";
    }
}
