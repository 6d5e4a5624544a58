package io.forebay.storage.log;

/**
 * Messages in flight come back before their deadline. Owner: the group.
 * <pre> byte  0  i64  dueMillis        log time from which they may go out again
 * byte  8  u8   counted          1 if the attempt counts
 * byte  9  u8   cause            1 returned · 2 consumer gone · 3 failed while the breaker was open
 * byte 10  offsets, see {@link OffsetSet} </pre>
 */
public record GivenBackRecord(OffsetSet offsets, boolean counted, Cause cause, long dueMillis) implements LogRecord {
    /** The order of the constants is the code on disk: never changed, only added to. */
    public enum Cause {
        /** The consumer gave them back unprocessed. */
        RETURNED,
        /** The consumer was declared gone. */
        CONSUMER_GONE,
        /** The attempt failed while the group's breaker was open, which burns none. */
        BREAKER_OPEN
    }

    private static final Cause[] CAUSES = Cause.values();

    public GivenBackRecord {
        Fields.offsets(offsets);
    }

    @Override
    public RecordType type() {
        return RecordType.GIVEN_BACK;
    }

    @Override
    public int bodyBytes() {
        return 10 + offsets.encodedBytes();
    }

    @Override
    public void encodeBody(byte[] target, int at) {
        new BodyWriter(target, at)
                .i64(dueMillis)
                .u8(counted ? 1 : 0)
                .u8(cause.ordinal() + 1)
                .offsets(offsets);
    }

    static GivenBackRecord decode(BodyReader in) throws CorruptRecordException {
        long dueMillis = in.i64();
        boolean counted = in.flag();
        Cause cause = in.code(CAUSES);
        return new GivenBackRecord(in.offsets(), counted, cause, dueMillis);
    }
}
