package io.forebay.storage.log;

/**
 * A message that nobody sees until its transaction is committed. Owner: the queue that keeps the body.
 * <pre> byte  0  i64  transactionId      unique in its stripe
 * byte  8  i32  bodyQueueId      the half queue
 * byte 12  i32  targetQueueId
 * byte 16  i64  bodyOffset
 * byte 24  i64  bodySequence
 * byte 32  i64  checkDueMillis      when the producer is asked for the outcome
 * byte 40  text producerGroup      who may be asked </pre>
 */
public record TransactionHalfRecord(
        long transactionId,
        int bodyQueueId,
        int targetQueueId,
        long bodyOffset,
        long bodySequence,
        long checkDueMillis,
        String producerGroup)
        implements LogRecord {
    public TransactionHalfRecord {
        Fields.notNegative("bodyOffset", bodyOffset);
        Fields.text("producerGroup", producerGroup);
    }

    @Override
    public RecordType type() {
        return RecordType.TRANSACTION_HALF;
    }

    @Override
    public int bodyBytes() {
        return 40 + BodyWriter.textBytes(producerGroup);
    }

    @Override
    public void encodeBody(byte[] target, int at) {
        new BodyWriter(target, at)
                .i64(transactionId)
                .i32(bodyQueueId)
                .i32(targetQueueId)
                .i64(bodyOffset)
                .i64(bodySequence)
                .i64(checkDueMillis)
                .text(producerGroup);
    }

    static TransactionHalfRecord decode(BodyReader in) throws CorruptRecordException {
        return new TransactionHalfRecord(in.i64(), in.i32(), in.i32(), in.i64(), in.i64(), in.i64(), in.text());
    }
}
