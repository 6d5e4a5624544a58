package io.forebay.storage.log;

/**
 * Sets a group's cursor; handles given out before are stale. Owner: the group.
 * <pre> byte  0  i64  offset      the next one to go out
 * byte  8  i64  seekedMillis
 * byte 16  i64  askedMillis      the log time asked for, -1 if an offset was asked for, -2 where the group begins </pre>
 */
public record SeekRecord(long offset, long seekedMillis, long askedMillis) implements LogRecord {
    /** Nobody asked: it says where the group begins in this queue, and is its first record. */
    public static final long BEGINNING = -2;

    /** An offset was asked for. */
    public static final long BY_OFFSET = -1;

    public SeekRecord {
        Fields.notNegative("offset", offset);
    }

    @Override
    public RecordType type() {
        return RecordType.SEEK;
    }

    @Override
    public int bodyBytes() {
        return 24;
    }

    @Override
    public void encodeBody(byte[] target, int at) {
        new BodyWriter(target, at).i64(offset).i64(seekedMillis).i64(askedMillis);
    }

    static SeekRecord decode(BodyReader in) throws CorruptRecordException {
        return new SeekRecord(in.i64(), in.i64(), in.i64());
    }
}
