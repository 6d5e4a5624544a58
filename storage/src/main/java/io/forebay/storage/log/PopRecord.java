package io.forebay.storage.log;

import java.util.List;

/**
 * The checkpoint of one Pop: what went out, to which session, until when it stays invisible. Owner: the group. Its
 * sequence together with the epoch is the fencing token of the handles; a rewrite or a move keeps the epoch in here.
 * <pre> byte  0  i64  epoch            of the start that first wrote it
 * byte  8  i64  nonce            random, also in every handle
 * byte 16  i64  sessionId
 * byte 24  i64  requestId        a repeated request gets these deliveries again
 * byte 32  i64  poppedMillis     log time
 * byte 40  i64  deadlineMillis   log time
 * byte 48  i32  count, then the ranges: i64 firstOffset · i32 count · i32 attempt </pre>
 */
public record PopRecord(
        long epoch,
        long nonce,
        long sessionId,
        long requestId,
        long poppedMillis,
        long deadlineMillis,
        List<DeliveryRange> deliveries)
        implements LogRecord {
    public PopRecord {
        Fields.notNegative("epoch", epoch);
        Fields.check(!deliveries.isEmpty(), "deliveries", deliveries, "one or more");
        deliveries = List.copyOf(deliveries);
    }

    @Override
    public RecordType type() {
        return RecordType.POP;
    }

    @Override
    public int bodyBytes() {
        return 48 + DeliveryRange.encodedBytes(deliveries);
    }

    @Override
    public void encodeBody(byte[] target, int at) {
        BodyWriter out = new BodyWriter(target, at);
        out.i64(epoch)
                .i64(nonce)
                .i64(sessionId)
                .i64(requestId)
                .i64(poppedMillis)
                .i64(deadlineMillis);
        DeliveryRange.encode(out, deliveries);
    }

    static PopRecord decode(BodyReader in) throws CorruptRecordException {
        return new PopRecord(in.i64(), in.i64(), in.i64(), in.i64(), in.i64(), in.i64(), DeliveryRange.decode(in));
    }
}
