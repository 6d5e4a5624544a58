package io.forebay.storage.log;

import io.forebay.storage.io.LittleEndian;
import java.util.zip.CRC32C;

/**
 * Layout of a frame, little-endian, 8-byte aligned.
 * <pre> byte  0  u32  crc32c            over bytes [4, length)
 * byte  4  u32  length            header, records and padding; a multiple of 8
 * byte  8  u8   version           1
 * byte  9  u8   flags             1 moved: each record carries its own sequence and log time
 * byte 10  u16  recordCount       1 or more
 * byte 12  u32  magic             "FBFR"
 * byte 16  i64  epoch             of the start that wrote it here
 * byte 24  i64  firstSequence     those of the other records follow without a gap; of a moved frame that of the next
 *                                 frame that is not moved
 * byte 32  i64  position          where it lies
 * byte 40  i64  durablePosition   known when it was written
 * byte 48  i64  logTimeMillis
 * byte 56  records, each:
 *          byte  0  u32  length   header, body and padding; a multiple of 8
 *          byte  4  u8   type     {@link RecordType#number()}
 *          byte  5  u8   version
 *          byte  6  u8   padding  0 … 7 zero bytes behind the body
 *          byte  7  u8   0
 *          byte  8  i32  queueId
 *          byte 12  i32  groupId
 *          byte 16  i64  ownerNumber
 *          byte 24  body; in a moved frame behind an i64 sequence and an i64 logTimeMillis </pre>
 */
final class FrameCodec {
    static final int HEADER_BYTES = 56;
    static final int RECORD_HEADER_BYTES = 24;
    static final int RECORD_COUNT_MAX = 0xFFFF;
    static final int FLAG_MOVED = 1;

    /** Of a moved record its sequence and the log time of the frame it was first in, in front of the body. */
    static final int MOVED_BYTES = 16;

    private static final int VERSION = 1;
    private static final int MAGIC = 0x5246_4246; // "FBFR"

    private FrameCodec() {}

    static int align(int bytes) {
        return (bytes + 7) & ~7;
    }

    /** Fills in the header and the checksum of a frame whose records are in place. */
    static void seal(
            byte[] frame,
            int at,
            int length,
            int recordCount,
            int flags,
            long epoch,
            long firstSequence,
            long position,
            long durablePosition,
            long logTimeMillis,
            CRC32C crc) {
        LittleEndian.putInt(frame, at + 4, length);
        frame[at + 8] = VERSION;
        frame[at + 9] = (byte) flags;
        LittleEndian.putShort(frame, at + 10, recordCount);
        LittleEndian.putInt(frame, at + 12, MAGIC);
        LittleEndian.putLong(frame, at + 16, epoch);
        LittleEndian.putLong(frame, at + 24, firstSequence);
        LittleEndian.putLong(frame, at + 48, logTimeMillis);
        place(frame, at, length, epoch, position, durablePosition, crc);
    }

    /** The same frame for another place: sequences, time and records stay what they were. */
    static void place(byte[] frame, int at, int length, long epoch, long position, long durablePosition, CRC32C crc) {
        LittleEndian.putLong(frame, at + 16, epoch);
        LittleEndian.putLong(frame, at + 32, position);
        LittleEndian.putLong(frame, at + 40, durablePosition);
        LittleEndian.putInt(frame, at, checksum(frame, at, length, crc));
    }

    private static int checksum(byte[] frame, int at, int length, CRC32C crc) {
        crc.reset();
        crc.update(frame, at + 4, length - 4);
        return (int) crc.getValue();
    }

    static int length(byte[] frame, int at) {
        return LittleEndian.getInt(frame, at + 4);
    }

    static boolean isMoved(byte[] frame, int at) {
        return (frame[at + 9] & FLAG_MOVED) != 0;
    }

    static int recordCount(byte[] frame, int at) {
        return LittleEndian.getUnsignedShort(frame, at + 10);
    }

    static long epoch(byte[] frame, int at) {
        return LittleEndian.getLong(frame, at + 16);
    }

    static long firstSequence(byte[] frame, int at) {
        return LittleEndian.getLong(frame, at + 24);
    }

    static long position(byte[] frame, int at) {
        return LittleEndian.getLong(frame, at + 32);
    }

    static long durablePosition(byte[] frame, int at) {
        return LittleEndian.getLong(frame, at + 40);
    }

    static long logTimeMillis(byte[] frame, int at) {
        return LittleEndian.getLong(frame, at + 48);
    }

    /**
     * What is wrong with a header on its own, or null: cheap, and enough to know how many bytes to load.
     *
     * @param position where it lies
     * @param roomBytes up to where a frame may reach from there
     */
    static String headerProblem(byte[] frame, int at, long position, long roomBytes) {
        int length = length(frame, at);
        if (LittleEndian.getInt(frame, at + 12) != MAGIC) {
            return isZero(frame, at, HEADER_BYTES) ? UNWRITTEN : "no frame begins here";
        }
        if (position(frame, at) != position) {
            return "a frame of position " + position(frame, at) + " lies here";
        }
        if (length < HEADER_BYTES + RECORD_HEADER_BYTES || (length & 7) != 0 || length > roomBytes) {
            return "the frame states " + Integer.toUnsignedString(length) + " bytes, there is room for " + roomBytes;
        }
        return null;
    }

    /** {@link #headerProblem} of bytes that nobody has written. */
    static final String UNWRITTEN = "nothing is written here";

    private static boolean isZero(byte[] bytes, int at, int length) {
        for (int index = at; index < at + length; index++) {
            if (bytes[index] != 0) {
                return false;
            }
        }
        return true;
    }

    /** What is wrong with a whole frame whose header has passed {@link #headerProblem}, or null. */
    static String problem(byte[] frame, int at, CRC32C crc) {
        int length = length(frame, at);
        int found = checksum(frame, at, length, crc);
        if (LittleEndian.getInt(frame, at) != found) {
            return String.format(
                    "the frame's checksum is %08x, its bytes have %08x", LittleEndian.getInt(frame, at), found);
        }
        if (frame[at + 8] != VERSION) {
            return "the frame has version " + (frame[at + 8] & 0xFF) + ", known is " + VERSION;
        }
        int count = recordCount(frame, at);
        int bodyMin = isMoved(frame, at) ? RECORD_HEADER_BYTES + MOVED_BYTES : RECORD_HEADER_BYTES;
        int recordAt = at + HEADER_BYTES;
        int end = at + length;
        for (int ordinal = 0; ordinal < count; ordinal++) {
            int recordLength = end - recordAt < RECORD_HEADER_BYTES ? 0 : LittleEndian.getInt(frame, recordAt);
            if (recordLength < bodyMin
                    || (recordLength & 7) != 0
                    || recordLength > end - recordAt
                    || frame[recordAt + 6] < 0
                    || frame[recordAt + 6] > 7
                    || recordLength - frame[recordAt + 6] < bodyMin) {
                return "record " + ordinal + " of " + count + " does not fit into its frame";
            }
            recordAt += recordLength;
        }
        return count > 0 && recordAt == end ? null : "the frame's " + count + " records do not fill it";
    }
}
