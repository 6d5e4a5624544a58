package io.forebay.storage.log;

/**
 * Drops what lies below an offset: of a queue for everyone, of a group for that group. Later copies of older records do
 * not revive it. Owner: the queue or the group.
 * <pre> byte  0  i64  belowOffset      the first offset that is kept
 * byte  8  i64  purgedMillis </pre>
 */
public record PurgeRecord(long belowOffset, long purgedMillis) implements LogRecord {
    public PurgeRecord {
        Fields.notNegative("belowOffset", belowOffset);
    }

    @Override
    public RecordType type() {
        return RecordType.PURGE;
    }

    @Override
    public int bodyBytes() {
        return 16;
    }

    @Override
    public void encodeBody(byte[] target, int at) {
        new BodyWriter(target, at).i64(belowOffset).i64(purgedMillis);
    }

    static PurgeRecord decode(BodyReader in) throws CorruptRecordException {
        return new PurgeRecord(in.i64(), in.i64());
    }
}
