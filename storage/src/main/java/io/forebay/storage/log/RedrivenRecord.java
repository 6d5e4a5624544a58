package io.forebay.storage.log;

/**
 * A dead letter went back to a queue and is settled for this group, which is the node's own. In one frame with the entry in that
 * queue if it is of the same stripe; else behind the {@link RedriveReceivedRecord} of the other stripe. Owner: the group.
 * <pre> byte  0  i64  offset
 * byte  8  i32  toQueueId    0 if it is not known: it had gone to another stripe before a crash </pre>
 */
public record RedrivenRecord(long offset, int toQueueId) implements LogRecord {
    public static final int QUEUE_NOT_KNOWN = 0;

    public RedrivenRecord {
        Fields.notNegative("offset", offset);
    }

    @Override
    public RecordType type() {
        return RecordType.REDRIVEN;
    }

    @Override
    public int bodyBytes() {
        return 12;
    }

    @Override
    public void encodeBody(byte[] target, int at) {
        new BodyWriter(target, at).i64(offset).i32(toQueueId);
    }

    static RedrivenRecord decode(BodyReader in) throws CorruptRecordException {
        return new RedrivenRecord(in.i64(), in.i32());
    }
}
