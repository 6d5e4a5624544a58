package io.forebay.storage.log;

import java.util.Map;

/**
 * Defines a consumer group. Owner: stripe 0's own. A later record of the same group replaces the earlier one.
 * <pre> byte  0  i32  groupId
 * byte  4  i64  createdMillis
 * byte 12  text name
 *          text map settings </pre>
 */
public record GroupRecord(int groupId, String name, Map<String, String> settings, long createdMillis)
        implements LogRecord {
    static final int BYTES_MIN = 4 + 8 + 2 + 2;

    public GroupRecord {
        Fields.positive("groupId", groupId);
        Fields.text("name", name);
        settings = Fields.copy("settings", settings);
    }

    @Override
    public RecordType type() {
        return RecordType.GROUP;
    }

    @Override
    public int bodyBytes() {
        return 12 + BodyWriter.textBytes(name) + BodyWriter.textMapBytes(settings);
    }

    @Override
    public void encodeBody(byte[] target, int at) {
        encode(new BodyWriter(target, at));
    }

    void encode(BodyWriter out) {
        out.i32(groupId).i64(createdMillis).text(name).textMap(settings);
    }

    static GroupRecord decode(BodyReader in) throws CorruptRecordException {
        int groupId = in.i32();
        long createdMillis = in.i64();
        String name = in.text();
        return new GroupRecord(groupId, name, in.textMap(), createdMillis);
    }
}
