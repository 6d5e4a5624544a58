package io.forebay.storage.log;

/**
 * Sets a group's cursor; handles given out before are stale. Owner: the group.
 * <pre> byte  0  i64  offset      the next one to go out
 * byte  8  i64  seekedMillis
 * byte 16  i64  askedMillis      the born time asked for, -1 if an offset was asked for </pre>
 */
public record SeekRecord(long offset, long seekedMillis, long askedMillis) implements LogRecord {
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
