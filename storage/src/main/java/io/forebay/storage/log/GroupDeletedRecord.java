package io.forebay.storage.log;

/**
 * A consumer group is gone; its id is never given again. Owner: stripe 0's own.
 * <pre> byte  0  i32  groupId
 * byte  4  i64  deletedMillis </pre>
 */
public record GroupDeletedRecord(int groupId, long deletedMillis) implements LogRecord {
    public GroupDeletedRecord {
        Fields.positive("groupId", groupId);
    }

    @Override
    public RecordType type() {
        return RecordType.GROUP_DELETED;
    }

    @Override
    public int bodyBytes() {
        return 12;
    }

    @Override
    public void encodeBody(byte[] target, int at) {
        new BodyWriter(target, at).i32(groupId).i64(deletedMillis);
    }

    static GroupDeletedRecord decode(BodyReader in) throws CorruptRecordException {
        return new GroupDeletedRecord(in.i32(), in.i64());
    }
}
