package io.forebay.storage.log;

/**
 * Moves the deadline of messages in flight; their handles stay valid. Owner: the group.
 * <pre> byte  0  i64  deadlineMillis   log time
 * byte  8  u8   kind             1 extended · 2 nacked
 * byte  9  text reason           empty if none was given
 *          offsets, see {@link OffsetSet} </pre>
 */
public record DeadlineRecord(OffsetSet offsets, long deadlineMillis, Kind kind, String reason) implements LogRecord {
    /** The order of the constants is the code on disk: never changed, only added to. */
    public enum Kind {
        /** The consumer needs longer. */
        EXTENDED,
        /** The consumer failed: back at the deadline, the attempt counts. */
        NACKED
    }

    private static final Kind[] KINDS = Kind.values();

    public DeadlineRecord {
        Fields.offsets(offsets);
        Fields.text("reason", reason);
    }

    @Override
    public RecordType type() {
        return RecordType.DEADLINE;
    }

    @Override
    public int bodyBytes() {
        return 9 + BodyWriter.textBytes(reason) + offsets.encodedBytes();
    }

    @Override
    public void encodeBody(byte[] target, int at) {
        new BodyWriter(target, at)
                .i64(deadlineMillis)
                .u8(kind.ordinal() + 1)
                .text(reason)
                .offsets(offsets);
    }

    static DeadlineRecord decode(BodyReader in) throws CorruptRecordException {
        long deadlineMillis = in.i64();
        Kind kind = in.code(KINDS);
        String reason = in.text();
        return new DeadlineRecord(in.offsets(), deadlineMillis, kind, reason);
    }
}
