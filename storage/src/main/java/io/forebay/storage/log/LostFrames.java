package io.forebay.storage.log;

import io.forebay.storage.io.LittleEndian;
import io.forebay.storage.io.StorageFile;
import java.io.IOException;
import java.util.List;
import java.util.zip.CRC32C;

/**
 * Sound frames that fill a place exactly, with a {@link LostRecord} for each record that was lost there. What room is left becomes
 * fill; where no record was lost, a moved frame, which takes no sequence.
 */
final class LostFrames {
    private static final int FRAME_BYTES_MAX = 4 << 20;
    private static final int RECORDS_MAX = 60_000;
    private static final int MOVED_BYTES_MIN = FrameCodec.HEADER_BYTES + LostRecord.BYTES_MIN + FrameCodec.MOVED_BYTES;

    private LostFrames() {}

    /**
     * A place to be filled.
     *
     * @param from address of the first byte
     * @param to address behind the last one
     * @param firstSequence of the first lost record
     * @param count of the lost records
     * @param owners key and own number of the first of them; the others are nobody's
     */
    record Place(
            long from,
            long to,
            long firstSequence,
            long count,
            List<long[]> owners,
            long epoch,
            long durablePosition,
            long logTimeMillis) {
        /** How many records could have been there at most. */
        static long countMax(long bytes) {
            long frames = bytes / (FrameCodec.HEADER_BYTES + (long) RECORDS_MAX * LostRecord.BYTES_MIN) + 1;
            return Math.max(0, (bytes - frames * FrameCodec.HEADER_BYTES) / LostRecord.BYTES_MIN);
        }

        /** How many records have to be said to have been there: what takes no sequence may be too large. */
        static long countMin(long bytes) {
            return bytes == 0 || bytes >= MOVED_BYTES_MIN ? 0 : 1;
        }

        boolean fits() {
            boolean isFill = count == 0 && (to == from || to - from >= MOVED_BYTES_MIN);
            return isFill || count > 0 && count <= countMax(to - from);
        }
    }

    /** Whether an address lies in such a frame. */
    static boolean isIn(Segment segment, long position) throws IOException {
        FrameWindow window = new FrameWindow();
        StorageFile file = segment.file();
        long base = segment.base();
        long limit = Math.min(segment.end(), segment.limit());
        long at = window.nextFrame(file, base, segment.firstPosition(), limit);
        while (at <= position && at < limit) {
            byte[] bytes = window.bytes();
            long next = at + FrameCodec.length(bytes, window.at());
            if (position < next) {
                return bytes[window.at() + FrameCodec.HEADER_BYTES + 4] == (byte) RecordType.LOST.number();
            }
            at = window.nextFrame(file, base, next, limit);
        }
        return false;
    }

    /** Fills the place in the file with that base. */
    static void write(StorageFile file, long base, Place place) throws IOException {
        if (!place.fits()) {
            throw new AssertionError(place + " is too small for its records");
        }
        long at = place.from;
        long done = 0;
        CRC32C crc = new CRC32C();
        while (at < place.to) {
            long room = place.to - at;
            long left = place.count - done;
            boolean isMoved = left == 0;
            int count = isMoved ? 1 : (int) Math.min(left, RECORDS_MAX);
            int recordMin = LostRecord.BYTES_MIN + (isMoved ? FrameCodec.MOVED_BYTES : 0);
            long length = FrameCodec.HEADER_BYTES + (long) count * recordMin;
            // What follows must have room for what is still to come, or for a frame of fill.
            boolean isLast = left == count || isMoved;
            if (isLast && room <= FRAME_BYTES_MAX) {
                length = room;
            } else if (isLast && room - length < MOVED_BYTES_MIN) {
                length = room;
            } else if (isLast) {
                length = Math.max(length, Math.min(FRAME_BYTES_MAX, (room - MOVED_BYTES_MIN) & ~7L));
            }
            byte[] frame = new byte[Math.toIntExact(length)];
            fill(frame, place, done, count, isMoved);
            FrameCodec.seal(
                    frame,
                    0,
                    frame.length,
                    count,
                    isMoved ? FrameCodec.FLAG_MOVED : 0,
                    place.epoch,
                    place.firstSequence + done,
                    at,
                    place.durablePosition,
                    place.logTimeMillis,
                    crc);
            file.write(at - base, frame, 0, frame.length);
            at += frame.length;
            done += isMoved ? 0 : count;
        }
    }

    private static void fill(byte[] frame, Place place, long done, int count, boolean isMoved) {
        int at = FrameCodec.HEADER_BYTES;
        for (int ordinal = 0; ordinal < count; ordinal++) {
            int length = ordinal < count - 1 ? LostRecord.BYTES_MIN : frame.length - at;
            LittleEndian.putInt(frame, at, length);
            frame[at + 4] = (byte) RecordType.LOST.number();
            frame[at + 5] = (byte) RecordType.LOST.version();
            long[] owner = isMoved || done + ordinal >= place.owners.size()
                    ? new long[] {Owner.STRIPE.key(), 0}
                    : place.owners.get((int) (done + ordinal));
            LittleEndian.putInt(frame, at + 8, (int) (owner[0] >>> 32));
            LittleEndian.putInt(frame, at + 12, (int) owner[0]);
            LittleEndian.putLong(frame, at + 16, owner[1]);
            int body = at + FrameCodec.RECORD_HEADER_BYTES;
            if (isMoved) {
                LittleEndian.putLong(frame, body, place.firstSequence + done - 1);
                LittleEndian.putLong(frame, body + 8, place.logTimeMillis);
                body += FrameCodec.MOVED_BYTES;
            }
            // 4 bytes of padding at the end of the shortest: the body is 4 bytes.
            int bodyBytes = at + length - body;
            frame[at + 6] = (byte) (bodyBytes == 8 ? 4 : 0);
            LittleEndian.putInt(frame, body, bodyBytes - 4 - frame[at + 6]);
            at += length;
        }
    }
}
