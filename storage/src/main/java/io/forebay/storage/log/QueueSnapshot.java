package io.forebay.storage.log;

import java.util.ArrayList;
import java.util.List;

/**
 * State of a queue.
 * <pre> byte  0  u8   kind = 1
 * byte  1  u8   version = 3; version 1 ends behind firstOffset
 * byte  2  i64  nextOffset       the next message gets it
 * byte 10  i64  firstOffset      below it nothing is kept any more
 * byte 18  i64  expiredCount     messages that went unsettled, too old or too much, since the queue was made
 * byte 26  i32 count of marks, each: varints of what offset, logMillis and bytes are more than the mark's before
 *          i32 count of settled marks, each: varints of what offset and millis are more than the mark's before
 *          offsets that cannot be read, see {@link OffsetSet}
 *          i32 count of those of them of which it is kept what is wrong, bodies as in {@link QuarantinedRecord}; not in
 *              version 2
 *          the Sends that are remembered, see {@link SendWindow} </pre>
 *
 * @param marks ascending in all three; the last one, if there is any, is the end of what was written
 * @param settled ascending in both
 * @param quarantined offsets that cannot be read
 * @param quarantines what is wrong with them, as far as it is kept
 */
public record QueueSnapshot(
        long nextOffset,
        long firstOffset,
        long expiredCount,
        List<Mark> marks,
        List<Settled> settled,
        OffsetSet quarantined,
        List<QuarantinedRecord> quarantines,
        SendWindow window) {
    /**
     * How old and how large a queue is up to an offset.
     *
     * @param offset what lies below was written at {@code logMillis} or before, all else not before
     * @param logMillis log time
     * @param bytes in the log, of the messages below, as far as they were counted
     */
    public record Mark(long offset, long logMillis, long bytes) {
        private static final int BYTES_MIN = 3;
        private static final Mark ZERO = new Mark(0, 0, 0);
    }

    /** Everything below an offset was settled by all groups at a log time, or before. */
    public record Settled(long offset, long millis) {
        private static final int BYTES_MIN = 2;
        private static final Settled ZERO = new Settled(0, 0);
    }

    public QueueSnapshot {
        Fields.notNegative("nextOffset", nextOffset);
        Fields.check(firstOffset >= 0 && firstOffset <= nextOffset, "firstOffset", firstOffset, "0 to " + nextOffset);
        Fields.notNegative("expiredCount", expiredCount);
        marks = List.copyOf(marks);
        settled = List.copyOf(settled);
        quarantines = List.copyOf(quarantines);
        Mark lastMark = Mark.ZERO;
        for (Mark mark : marks) {
            boolean isAscending = mark.offset >= lastMark.offset
                    && mark.logMillis >= lastMark.logMillis
                    && mark.bytes >= lastMark.bytes;
            Fields.check(isAscending, "mark", mark.offset, "behind the one before");
            lastMark = mark;
        }
        Settled lastSettled = Settled.ZERO;
        for (Settled one : settled) {
            boolean isAscending = one.offset >= lastSettled.offset && one.millis >= lastSettled.millis;
            Fields.check(isAscending, "settled", one.offset, "behind the one before");
            lastSettled = one;
        }
    }

    /** A queue of which nothing more is known. */
    public static QueueSnapshot of(long nextOffset, long firstOffset) {
        return new QueueSnapshot(
                nextOffset, firstOffset, 0, List.of(), List.of(), OffsetSet.empty(), List.of(), SendWindow.NONE);
    }

    /** The payload of its {@link SnapshotRecord}s. */
    public byte[] encode() {
        byte[] payload = new byte[encodedBytes()];
        BodyWriter out = SnapshotKind.QUEUE
                .begin(payload)
                .i64(nextOffset)
                .i64(firstOffset)
                .i64(expiredCount);
        out.i32(marks.size());
        Mark lastMark = Mark.ZERO;
        for (Mark mark : marks) {
            out.varint(mark.offset - lastMark.offset);
            out.varint(mark.logMillis - lastMark.logMillis);
            out.varint(mark.bytes - lastMark.bytes);
            lastMark = mark;
        }
        out.i32(settled.size());
        Settled lastSettled = Settled.ZERO;
        for (Settled one : settled) {
            out.varint(one.offset - lastSettled.offset).varint(one.millis - lastSettled.millis);
            lastSettled = one;
        }
        out.offsets(quarantined);
        out.i32(quarantines.size());
        quarantines.forEach(quarantine -> quarantine.encode(out));
        window.encode(out);
        SnapshotKind.finished(payload, out);
        return payload;
    }

    private int encodedBytes() {
        int bytes = SnapshotKind.HEADER_BYTES + 3 * 8 + 3 * 4 + quarantined.encodedBytes() + window.encodedBytes();
        bytes += quarantines.stream().mapToInt(LogRecord::bodyBytes).sum();
        Mark lastMark = Mark.ZERO;
        for (Mark mark : marks) {
            bytes += BodyWriter.varintBytes(mark.offset - lastMark.offset)
                    + BodyWriter.varintBytes(mark.logMillis - lastMark.logMillis)
                    + BodyWriter.varintBytes(mark.bytes - lastMark.bytes);
            lastMark = mark;
        }
        Settled lastSettled = Settled.ZERO;
        for (Settled one : settled) {
            bytes += BodyWriter.varintBytes(one.offset - lastSettled.offset)
                    + BodyWriter.varintBytes(one.millis - lastSettled.millis);
            lastSettled = one;
        }
        return bytes;
    }

    public static QueueSnapshot decode(byte[] payload) throws CorruptRecordException {
        BodyReader in = SnapshotKind.QUEUE.open(payload);
        try {
            int version = SnapshotKind.versionOf(payload);
            QueueSnapshot snapshot = version == 1 ? of(in.i64(), in.i64()) : decode(in, version);
            in.end();
            return snapshot;
        } catch (IllegalArgumentException e) {
            throw in.corrupt(e.getMessage());
        }
    }

    private static QueueSnapshot decode(BodyReader in, int version) throws CorruptRecordException {
        long nextOffset = in.i64();
        long firstOffset = in.i64();
        long expiredCount = in.i64();
        int count = in.count(Mark.BYTES_MIN);
        List<Mark> marks = new ArrayList<>(count);
        Mark lastMark = Mark.ZERO;
        for (int index = 0; index < count; index++) {
            lastMark = new Mark(
                    lastMark.offset + in.varint(), lastMark.logMillis + in.varint(), lastMark.bytes + in.varint());
            marks.add(lastMark);
        }
        count = in.count(Settled.BYTES_MIN);
        List<Settled> settled = new ArrayList<>(count);
        Settled lastSettled = Settled.ZERO;
        for (int index = 0; index < count; index++) {
            lastSettled = new Settled(lastSettled.offset + in.varint(), lastSettled.millis + in.varint());
            settled.add(lastSettled);
        }
        OffsetSet quarantined = in.offsets();
        List<QuarantinedRecord> quarantines = new ArrayList<>();
        for (int left = version == 2 ? 0 : in.count(QuarantinedRecord.BYTES_MIN); left > 0; left--) {
            quarantines.add(QuarantinedRecord.decode(in));
        }
        return new QueueSnapshot(
                nextOffset, firstOffset, expiredCount, marks, settled, quarantined, quarantines, SendWindow.decode(in));
    }
}
