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
 * byte 41  text detail
 *          text segment      that held it, "" if not known; not in version 1 </pre>
 */
public record QuarantinedRecord(
        long firstOffset,
        long count,
        long position,
        long sequence,
        long notedMillis,
        Cause cause,
        String segment,
        String detail)
        implements LogRecord {
    static final int BYTES_MIN = 45;

    /** The order of the constants is the code on disk, from 1: never changed, only added to. */
    public enum Cause {
        /** The frame fails its checks. */
        BAD_FRAME,

        /** The segment that held it is not there. */
        MISSING_SEGMENT,

        /** The device does not give the bytes. */
        READ_ERROR,

        /** An operator takes it back: what was quarantined may be read again. */
        RELEASED
    }

    public QuarantinedRecord {
        Fields.notNegative("firstOffset", firstOffset);
        Fields.positive("count", count);
        Fields.text("segment", segment);
        Fields.text("detail", detail);
    }

    @Override
    public RecordType type() {
        return RecordType.QUARANTINED;
    }

    @Override
    public int bodyBytes() {
        return 41 + BodyWriter.textBytes(detail) + BodyWriter.textBytes(segment);
    }

    @Override
    public void encodeBody(byte[] target, int at) {
        encode(new BodyWriter(target, at));
    }

    void encode(BodyWriter out) {
        out.i64(firstOffset)
                .i64(count)
                .i64(position)
                .i64(sequence)
                .i64(notedMillis)
                .u8(cause.ordinal() + 1)
                .text(detail)
                .text(segment);
    }

    /** The place and the reason. */
    public ReadProblem problem() {
        return new ReadProblem(cause, segment, position, detail);
    }

    /** As {@link #encode} wrote it. */
    static QuarantinedRecord decode(BodyReader in) throws CorruptRecordException {
        return decode(in, RecordType.QUARANTINED.version());
    }

    static QuarantinedRecord decode(BodyReader in, int version) throws CorruptRecordException {
        long firstOffset = in.i64();
        long count = in.i64();
        long position = in.i64();
        long sequence = in.i64();
        long notedMillis = in.i64();
        Cause cause = in.code(Cause.values());
        String detail = in.text();
        String segment = version == 1 ? "" : in.text();
        return new QuarantinedRecord(firstOffset, count, position, sequence, notedMillis, cause, segment, detail);
    }
}
