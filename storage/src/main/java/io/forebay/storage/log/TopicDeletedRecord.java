package io.forebay.storage.log;

/**
 * A topic and its queues are gone; their ids are never given again. Owner: stripe 0's own.
 * <pre> byte  0  i32  topicId
 * byte  4  i64  deletedMillis </pre>
 */
public record TopicDeletedRecord(int topicId, long deletedMillis) implements LogRecord {
    public TopicDeletedRecord {
        Fields.positive("topicId", topicId);
    }

    @Override
    public RecordType type() {
        return RecordType.TOPIC_DELETED;
    }

    @Override
    public int bodyBytes() {
        return 12;
    }

    @Override
    public void encodeBody(byte[] target, int at) {
        new BodyWriter(target, at).i32(topicId).i64(deletedMillis);
    }

    static TopicDeletedRecord decode(BodyReader in) throws CorruptRecordException {
        return new TopicDeletedRecord(in.i32(), in.i64());
    }
}
