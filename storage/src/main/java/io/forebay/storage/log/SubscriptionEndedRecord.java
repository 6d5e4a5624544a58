package io.forebay.storage.log;

/**
 * A group consumes a topic no longer; what it had not settled is nobody's. Owner: stripe 0's own.
 * <pre> byte  0  i32  topicId
 * byte  4  i32  groupId
 * byte  8  i64  endedMillis </pre>
 */
public record SubscriptionEndedRecord(int topicId, int groupId, long endedMillis) implements LogRecord {
    public SubscriptionEndedRecord {
        Fields.positive("topicId", topicId);
        Fields.positive("groupId", groupId);
    }

    @Override
    public RecordType type() {
        return RecordType.SUBSCRIPTION_ENDED;
    }

    @Override
    public int bodyBytes() {
        return 16;
    }

    @Override
    public void encodeBody(byte[] target, int at) {
        new BodyWriter(target, at).i32(topicId).i32(groupId).i64(endedMillis);
    }

    static SubscriptionEndedRecord decode(BodyReader in) throws CorruptRecordException {
        return new SubscriptionEndedRecord(in.i32(), in.i32(), in.i64());
    }
}
