package io.forebay.storage.log;

/**
 * A transaction is committed; in one frame with the entry in the target queue. Owner: as of the half message.
 * <pre> byte  0  i64  transactionId
 * byte  8  i64  committedMillis </pre>
 */
public record TransactionCommittedRecord(long transactionId, long committedMillis) implements LogRecord {
    @Override
    public RecordType type() {
        return RecordType.TRANSACTION_COMMITTED;
    }

    @Override
    public int bodyBytes() {
        return 16;
    }

    @Override
    public void encodeBody(byte[] target, int at) {
        new BodyWriter(target, at).i64(transactionId).i64(committedMillis);
    }

    static TransactionCommittedRecord decode(BodyReader in) throws CorruptRecordException {
        return new TransactionCommittedRecord(in.i64(), in.i64());
    }
}
