package io.forebay.storage.log;

/**
 * The producer group was asked for the outcome of a transaction. Owner: as of the half message.
 * <pre> byte  0  i64  transactionId
 * byte  8  i32  checks      how many so far
 * byte 12  i64  nextCheckMillis </pre>
 */
public record TransactionCheckedRecord(long transactionId, int checks, long nextCheckMillis) implements LogRecord {
    public TransactionCheckedRecord {
        Fields.notNegative("checks", checks);
    }

    @Override
    public RecordType type() {
        return RecordType.TRANSACTION_CHECKED;
    }

    @Override
    public int bodyBytes() {
        return 20;
    }

    @Override
    public void encodeBody(byte[] target, int at) {
        new BodyWriter(target, at).i64(transactionId).i32(checks).i64(nextCheckMillis);
    }

    static TransactionCheckedRecord decode(BodyReader in) throws CorruptRecordException {
        return new TransactionCheckedRecord(in.i64(), in.i32(), in.i64());
    }
}
