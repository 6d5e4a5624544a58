package io.forebay.storage.log;

/**
 * A dead letter of another stripe has come into a queue of this one; in one frame with its message there, and known until the
 * other stripe has settled the letter, so that it does not come twice. Owner: the node's group for this, in the dead-letter queue of
 * the queue's stripe.
 * <pre> byte  0  i32  fromQueueId      the dead-letter queue of the other stripe
 * byte  4  i64  fromOffset
 * byte 12  i64  fromFloor        everything below is settled there and need not be known any more
 * byte 20  i32  toQueueId </pre>
 */
public record RedriveReceivedRecord(int fromQueueId, long fromOffset, long fromFloor, int toQueueId)
        implements LogRecord {
    public RedriveReceivedRecord {
        Fields.notNegative("fromOffset", fromOffset);
        Fields.notNegative("fromFloor", fromFloor);
    }

    @Override
    public RecordType type() {
        return RecordType.REDRIVE_RECEIVED;
    }

    @Override
    public int bodyBytes() {
        return 24;
    }

    @Override
    public void encodeBody(byte[] target, int at) {
        new BodyWriter(target, at)
                .i32(fromQueueId)
                .i64(fromOffset)
                .i64(fromFloor)
                .i32(toQueueId);
    }

    static RedriveReceivedRecord decode(BodyReader in) throws CorruptRecordException {
        return new RedriveReceivedRecord(in.i32(), in.i64(), in.i64(), in.i32());
    }
}
