package io.forebay.storage.log;

/**
 * A transaction is rolled back; its message is never seen. Owner: as of the half message.
 * <pre> byte  0  i64  transactionId
 * byte  8  i64  rolledBackMillis
 * byte 16  u8   cause      1 application · 2 too many checks · 3 operator
 * byte 17  text reason </pre>
 */
public record TransactionRolledBackRecord(long transactionId, long rolledBackMillis, Cause cause, String reason)
        implements LogRecord {
    /** The order of the constants is the code on disk, from 1: never changed, only added to. */
    public enum Cause {
        /** The producer said so. */
        APPLICATION,

        /** Nobody knew the outcome after the last check. */
        CHECKS_EXHAUSTED,

        /** An operator decided. */
        OPERATOR
    }

    public TransactionRolledBackRecord {
        Fields.text("reason", reason);
    }

    @Override
    public RecordType type() {
        return RecordType.TRANSACTION_ROLLED_BACK;
    }

    @Override
    public int bodyBytes() {
        return 17 + BodyWriter.textBytes(reason);
    }

    @Override
    public void encodeBody(byte[] target, int at) {
        new BodyWriter(target, at)
                .i64(transactionId)
                .i64(rolledBackMillis)
                .u8(cause.ordinal() + 1)
                .text(reason);
    }

    static TransactionRolledBackRecord decode(BodyReader in) throws CorruptRecordException {
        return new TransactionRolledBackRecord(in.i64(), in.i64(), in.code(Cause.values()), in.text());
    }
}
