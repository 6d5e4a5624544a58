package io.forebay.storage.log;

/**
 * Retention drops what lies below an offset of a queue, for everyone and settled or not. Owner: the queue.
 * <pre> byte  0  i64  belowOffset      the first offset that is kept
 * byte  8  i64  expiredMillis
 * byte 16  i64  expiredCount     messages among them that some group had not settled, or all if there is no group
 * byte 24  u8   cause      1 max age · 2 max bytes </pre>
 */
public record ExpiredRecord(long belowOffset, long expiredMillis, long expiredCount, Cause cause) implements LogRecord {
    /** The order of the constants is the code on disk, from 1: never changed, only added to. */
    public enum Cause {
        /** They were older than the topic keeps messages. */
        MAX_AGE,

        /** The queue held more bytes than the topic allows. */
        MAX_BYTES
    }

    public ExpiredRecord {
        Fields.notNegative("belowOffset", belowOffset);
        Fields.notNegative("expiredCount", expiredCount);
    }

    @Override
    public RecordType type() {
        return RecordType.EXPIRED;
    }

    @Override
    public int bodyBytes() {
        return 25;
    }

    @Override
    public void encodeBody(byte[] target, int at) {
        new BodyWriter(target, at)
                .i64(belowOffset)
                .i64(expiredMillis)
                .i64(expiredCount)
                .u8(cause.ordinal() + 1);
    }

    static ExpiredRecord decode(BodyReader in) throws CorruptRecordException {
        return new ExpiredRecord(in.i64(), in.i64(), in.i64(), in.code(Cause.values()));
    }
}
