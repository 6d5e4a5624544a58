package io.forebay.storage.log;

/**
 * Notes offsets of a queue that cannot be read: never delivered, never called acked, listed until an operator decides.
 * Owner: the queue.
 * <pre> byte  0  i64  firstOffset
 * byte  8  i64  count      1 or more
 * byte 16  i64  position      of the bad frame, -1 if not known
 * byte 24  i64  sequence      -1 if not known
 * byte 32  i64  notedMillis
 * byte 40  u8   cause      1 bad frame · 2 missing segment · 3 read error · 4 released
 * byte 41  text detail </pre>
 */
public record QuarantinedRecord(
        long firstOffset, long count, long position, long sequence, long notedMillis, Cause cause, String detail)
        implements LogRecord {
    /** The order of the constants is the code on disk, from 1: never changed, only added to. */
    public enum Cause {
        /** The frame fails its checks. */
        BAD_FRAME,

        /** The segment that held it is not there. */
        MISSING_SEGMENT,

        /** The device does not give the bytes. */
        READ_ERROR,

        /** An operator decided that it is to be passed over for good. */
        RELEASED
    }

    public QuarantinedRecord {
        Fields.notNegative("firstOffset", firstOffset);
        Fields.positive("count", count);
        Fields.text("detail", detail);
    }

    @Override
    public RecordType type() {
        return RecordType.QUARANTINED;
    }

    @Override
    public int bodyBytes() {
        return 41 + BodyWriter.textBytes(detail);
    }

    @Override
    public void encodeBody(byte[] target, int at) {
        new BodyWriter(target, at)
                .i64(firstOffset)
                .i64(count)
                .i64(position)
                .i64(sequence)
                .i64(notedMillis)
                .u8(cause.ordinal() + 1)
                .text(detail);
    }

    static QuarantinedRecord decode(BodyReader in) throws CorruptRecordException {
        return new QuarantinedRecord(
                in.i64(), in.i64(), in.i64(), in.i64(), in.i64(), in.code(Cause.values()), in.text());
    }
}
