package io.forebay.storage.log;

import io.forebay.storage.io.LittleEndian;
import java.util.zip.CRC32C;

/**
 * The header page of a segment, little-endian; all of it lies in one 512-byte sector, so it is never torn.
 * <pre> byte  0  u32  crc32c            over bytes [4, 128)
 * byte  4  u32  magic             "FBSG"
 * byte  8  u32  formatVersion     1
 * byte 12  u32  state             1 prepared · 2 linked
 * byte 16  i64  stripeId
 * byte 24  i64  epoch             of the start that wrote this header
 * byte 32  i64  base              address of byte 0 of the file
 * byte 40  i64  sizeBytes         of the file
 * byte 48  i64  durablePosition   known when it was written
 * byte 56  i64  predecessorBase   -1 for the first segment of a stripe, or while prepared
 * byte 64  i64  predecessorEnd    where the predecessor ends; -1 likewise
 * byte 72  i64  firstSequence     of the first frame that goes into it; -1 while prepared
 * byte 80  u64  logId             of the stripe's log; 0 in a header that an older build wrote
 * byte 88  zeros up to 4096 </pre>
 *
 * @param isLinked whether it has joined the chain
 */
record SegmentHeader(
        boolean isLinked,
        long stripeId,
        long epoch,
        long base,
        long sizeBytes,
        long durablePosition,
        long predecessorBase,
        long predecessorEnd,
        long firstSequence,
        long logId) {
    /** The first frame of a segment lies behind its header page. */
    static final int PAGE_BYTES = 4096;

    static final int BYTES = 128;
    static final int FORMAT_VERSION = 1;
    static final long NONE = -1;

    private static final int MAGIC = 0x4753_4246; // "FBSG"
    private static final int PREPARED = 1;
    private static final int LINKED = 2;

    static SegmentHeader prepared(
            long stripeId, long epoch, long base, long sizeBytes, long durablePosition, long logId) {
        return new SegmentHeader(false, stripeId, epoch, base, sizeBytes, durablePosition, NONE, NONE, NONE, logId);
    }

    long firstPosition() {
        return base + PAGE_BYTES;
    }

    byte[] encode() {
        byte[] page = new byte[BYTES];
        LittleEndian.putInt(page, 4, MAGIC);
        LittleEndian.putInt(page, 8, FORMAT_VERSION);
        LittleEndian.putInt(page, 12, isLinked ? LINKED : PREPARED);
        LittleEndian.putLong(page, 16, stripeId);
        LittleEndian.putLong(page, 24, epoch);
        LittleEndian.putLong(page, 32, base);
        LittleEndian.putLong(page, 40, sizeBytes);
        LittleEndian.putLong(page, 48, durablePosition);
        LittleEndian.putLong(page, 56, predecessorBase);
        LittleEndian.putLong(page, 64, predecessorEnd);
        LittleEndian.putLong(page, 72, firstSequence);
        LittleEndian.putLong(page, 80, logId);
        LittleEndian.putInt(page, 0, checksum(page));
        return page;
    }

    private static int checksum(byte[] page) {
        CRC32C crc = new CRC32C();
        crc.update(page, 4, BYTES - 4);
        return (int) crc.getValue();
    }

    /** What is wrong with the page, or null; a page of zeros is {@link FrameCodec#UNWRITTEN}. */
    static String problem(byte[] page) {
        boolean isZero = true;
        for (int index = 0; index < BYTES && isZero; index++) {
            isZero = page[index] == 0;
        }
        if (isZero) {
            return FrameCodec.UNWRITTEN;
        }
        if (LittleEndian.getInt(page, 4) != MAGIC) {
            return "this is no segment's header";
        }
        int found = checksum(page);
        if (LittleEndian.getInt(page, 0) != found) {
            return String.format(
                    "the segment header's checksum is %08x, its bytes have %08x", LittleEndian.getInt(page, 0), found);
        }
        int state = LittleEndian.getInt(page, 12);
        return formatVersion(page) == FORMAT_VERSION && state != PREPARED && state != LINKED
                ? "the segment header has the state " + state
                : null;
    }

    /** Of a page that has no {@link #problem}. */
    static int formatVersion(byte[] page) {
        return LittleEndian.getInt(page, 8);
    }

    /** Of a page that has no {@link #problem} and the known version. */
    static SegmentHeader decode(byte[] page) {
        return new SegmentHeader(
                LittleEndian.getInt(page, 12) == LINKED,
                LittleEndian.getLong(page, 16),
                LittleEndian.getLong(page, 24),
                LittleEndian.getLong(page, 32),
                LittleEndian.getLong(page, 40),
                LittleEndian.getLong(page, 48),
                LittleEndian.getLong(page, 56),
                LittleEndian.getLong(page, 64),
                LittleEndian.getLong(page, 72),
                LittleEndian.getLong(page, 80));
    }

    /** The log that a page with a {@link #problem} seems to belong to, 0 if it does not look like a header at all. */
    static long seemingLogId(byte[] page) {
        return LittleEndian.getInt(page, 4) == MAGIC ? LittleEndian.getLong(page, 80) : LogIdentity.UNKNOWN;
    }

    /**
     * Whether a page with a {@link #problem} is one that somebody died over while it was to join the chain: the last byte of
     * the first sequence, the last that changes then, is still that of {@link #NONE}.
     */
    static boolean isLinkTorn(byte[] page) {
        return page[79] == (byte) NONE;
    }
}
