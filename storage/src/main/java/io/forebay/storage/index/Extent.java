package io.forebay.storage.index;

import io.forebay.storage.io.LittleEndian;
import java.io.IOException;
import java.util.Arrays;

/**
 * A run of consecutive offsets of one queue in a shared file; the first is a multiple of the entries in an extent.
 * <pre> byte  0  u32  crc32c            over bytes [4, 64)
 * byte  4  u32  magic             "FBXT"
 * byte  8  i32  queueId
 * byte 12  i32  0
 * byte 16  i64  firstOffset
 * byte 24  i64  generation        higher each time an extent is taken; part of every entry's check
 * byte 32  zeros up to 64, then the entries </pre>
 * A header of zeros is a free extent. An entry is valid only together with the queue, the offset and the generation, so
 * that what an earlier owner left behind needs no wiping:
 * <pre> byte  0  i64  position          of the frame
 * byte  8  i32  recordBytes       0: no entry
 * byte 12  i32  tagHash
 * byte 16  u16  ordinal           of the record in its frame
 * byte 18  u16  flags             1 moved: cleaning has put the record there
 * byte 20  i32  check             {@link #check} </pre>
 * The place never changes; who holds a stale extent reads entries whose check fails. Mutable state belongs to the index's
 * lock.
 */
final class Extent {
    static final int HEADER_BYTES = 64;

    private static final int MAGIC = 0x5458_4246; // "FBXT", little-endian
    private static final int FLAG_MOVED = 1;

    final IndexFile file;
    final int slot;
    final int queueId;
    /** firstOffset divided by the entries in an extent. */
    final long number;

    final long generation;
    private final long at;

    /** Whether it is in the list of what the next force covers. */
    boolean isDirty;

    /** Whether it is of an earlier start, whose forces may have failed: that it reads well says nothing of the device. */
    boolean isFound;

    Extent(IndexFile file, int slot, int queueId, long number, long generation, IndexOptions options) {
        this.file = file;
        this.slot = slot;
        this.queueId = queueId;
        this.number = number;
        this.generation = generation;
        this.at = at(slot, options);
    }

    static long at(int slot, IndexOptions options) {
        return IndexFile.HEADER_BYTES + (long) slot * options.extentBytes();
    }

    long entryAt(int entry) {
        return at + HEADER_BYTES + (long) entry * QueueIndex.ENTRY_BYTES;
    }

    /** @param bytes how much is written: what lies behind the header becomes zeros */
    void writeHeader(int extentEntries, int bytes) throws IOException {
        byte[] header = new byte[HEADER_BYTES];
        LittleEndian.putInt(header, 4, MAGIC);
        LittleEndian.putInt(header, 8, queueId);
        LittleEndian.putLong(header, 16, number * extentEntries);
        LittleEndian.putLong(header, 24, generation);
        LittleEndian.putInt(header, 0, IndexFile.crc(header));
        file.file.write(at, Arrays.copyOf(header, bytes), 0, bytes);
    }

    static void writeFree(IndexFile file, int slot, IndexOptions options) throws IOException {
        file.file.write(at(slot, options), new byte[HEADER_BYTES], 0, HEADER_BYTES);
    }

    /** The extent whose header this is, or null with the reason appended (nothing is appended for a free one). */
    static Extent decode(IndexFile file, int slot, byte[] header, IndexOptions options, StringBuilder reason) {
        if (IndexFile.isZero(header)) {
            return null;
        }
        if (LittleEndian.getInt(header, 0) != IndexFile.crc(header) || LittleEndian.getInt(header, 4) != MAGIC) {
            reason.append("header fails its check");
            return null;
        }
        int queueId = LittleEndian.getInt(header, 8);
        long firstOffset = LittleEndian.getLong(header, 16);
        long generation = LittleEndian.getLong(header, 24);
        if (queueId < 0 || firstOffset < 0 || firstOffset % options.extentEntries() != 0 || generation < 1) {
            reason.append("queue ").append(queueId).append(", first offset ").append(firstOffset);
            reason.append(", generation ").append(generation);
            return null;
        }
        return new Extent(file, slot, queueId, firstOffset / options.extentEntries(), generation, options);
    }

    void encodeEntry(
            byte[] target, long offset, long position, int recordBytes, int tagHash, int ordinal, boolean isMoved) {
        LittleEndian.putLong(target, 0, position);
        LittleEndian.putInt(target, 8, recordBytes);
        LittleEndian.putInt(target, 12, tagHash);
        LittleEndian.putInt(target, 16, isMoved ? ordinal | FLAG_MOVED << 16 : ordinal);
        LittleEndian.putInt(target, 20, check(target, offset));
    }

    static boolean isMoved(byte[] entry) {
        return (LittleEndian.getUnsignedShort(entry, 18) & FLAG_MOVED) != 0;
    }

    static boolean isAbsent(byte[] entry) {
        return LittleEndian.getInt(entry, 8) == 0;
    }

    boolean isValid(byte[] entry, long offset) {
        return LittleEndian.getInt(entry, 20) == check(entry, offset);
    }

    /**
     * Ties the first 20 bytes of an entry to queue, offset and generation: each 64-bit word is xored in and multiplied
     * by an odd constant, the result is folded to 32 bits.
     */
    private int check(byte[] entry, long offset) {
        long hash = 0x9E37_79B9_7F4A_7C15L ^ generation;
        hash = mix(hash ^ offset);
        hash = mix(hash ^ queueId);
        hash = mix(hash ^ LittleEndian.getLong(entry, 0));
        hash = mix(hash ^ LittleEndian.getLong(entry, 8));
        hash = mix(hash ^ LittleEndian.getInt(entry, 16));
        return (int) (hash ^ (hash >>> 32));
    }

    private static long mix(long value) {
        long mixed = value * 0xBF58_476D_1CE4_E5B9L;
        return mixed ^ (mixed >>> 31);
    }
}
