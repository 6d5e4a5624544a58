package io.forebay.storage.log;

import io.forebay.storage.io.LittleEndian;
import io.forebay.storage.io.StorageDirectory;
import io.forebay.storage.io.StorageFile;
import java.io.IOException;
import java.util.Set;
import java.util.TreeSet;
import java.util.zip.CRC32C;

/**
 * Files that say which entries lie in a segment that is full, so that a start which has to know what pins a body need not read the
 * segment. Derived, as the index they lie beside: where one is missing or damaged the segment is read. One is written once, and durable
 * before a checkpoint counts that has the replay begin behind its segment. Little-endian:
 *
 * <pre> byte  0  u32  crc32c         over everything behind
 * byte  4  u32  formatVersion
 * byte  8  u64  magic
 * byte 16  i64  basePosition   of the segment
 * byte 24  i64  endPosition    of the segment: behind its last frame
 * byte 32  i32  stripeId
 * byte 36  i32  count of entries, each 24 bytes:
 *               i32 queueId · i32 bodyQueueId · i64 queueOffset · i64 bodyOffset </pre>
 *
 * Confined to one thread at a time: recovery's, then whoever finishes checkpoints.
 */
final class EntryLists {
    private static final String PREFIX = "entries-";
    private static final int FORMAT_VERSION = 1;
    private static final long MAGIC = 0x53454952544E4546L; // "FENTRIES"
    private static final int HEADER_BYTES = 40;
    private static final int ENTRY_BYTES = 24;

    private final StorageDirectory directory;
    private final int stripeId;
    /** Bases of the segments that have one, sound or not. */
    private final Set<Long> bases = new TreeSet<>();

    EntryLists(StorageDirectory directory, int stripeId) throws IOException {
        this.directory = directory;
        this.stripeId = stripeId;
        for (String name : directory.list()) {
            if (name.matches(PREFIX + "[0-9a-f]{16}")) {
                bases.add(Long.parseUnsignedLong(name.substring(PREFIX.length()), 16));
            }
        }
    }

    private static String name(long base) {
        return PREFIX + String.format("%016x", base);
    }

    /**
     * The entries of a segment.
     *
     * @param end behind the last frame of it
     * @return null if there is no list of it, or none that is sound
     */
    EntryList readOrNull(long base, long end) {
        if (!bases.contains(base)) {
            return null;
        }
        try (StorageFile file = directory.open(name(base))) {
            return decodeOrNull(file, base, end);
        } catch (IOException e) {
            return null; // the segment itself says more
        }
    }

    private EntryList decodeOrNull(StorageFile file, long base, long end) throws IOException {
        long size = file.sizeBytes();
        if (size < HEADER_BYTES || size > Integer.MAX_VALUE - 8) {
            return null;
        }
        byte[] bytes = new byte[(int) size];
        file.readCold(0, bytes, 0, bytes.length);
        long count = LittleEndian.getInt(bytes, 36);
        if (LittleEndian.getInt(bytes, 0) != crc(bytes)
                || LittleEndian.getInt(bytes, 4) != FORMAT_VERSION
                || LittleEndian.getLong(bytes, 8) != MAGIC
                || LittleEndian.getLong(bytes, 16) != base
                || LittleEndian.getLong(bytes, 24) != end
                || LittleEndian.getInt(bytes, 32) != stripeId
                || HEADER_BYTES + count * ENTRY_BYTES != size) {
            return null;
        }
        EntryList list = new EntryList();
        for (int at = HEADER_BYTES; at < bytes.length; at += ENTRY_BYTES) {
            list.add(
                    LittleEndian.getInt(bytes, at),
                    LittleEndian.getLong(bytes, at + 8),
                    LittleEndian.getInt(bytes, at + 4),
                    LittleEndian.getLong(bytes, at + 16));
        }
        return list;
    }

    /** Writes and forces one that is not there, but for its name. Leaves nothing behind if it fails. Blocks. */
    void write(long base, long end, EntryList list) throws IOException {
        byte[] bytes = new byte[Math.addExact(HEADER_BYTES, Math.multiplyExact(list.count(), ENTRY_BYTES))];
        LittleEndian.putInt(bytes, 4, FORMAT_VERSION);
        LittleEndian.putLong(bytes, 8, MAGIC);
        LittleEndian.putLong(bytes, 16, base);
        LittleEndian.putLong(bytes, 24, end);
        LittleEndian.putInt(bytes, 32, stripeId);
        LittleEndian.putInt(bytes, 36, list.count());
        int[] at = {HEADER_BYTES};
        list.each((queueId, queueOffset, bodyQueueId, bodyOffset) -> {
            LittleEndian.putInt(bytes, at[0], queueId);
            LittleEndian.putInt(bytes, at[0] + 4, bodyQueueId);
            LittleEndian.putLong(bytes, at[0] + 8, queueOffset);
            LittleEndian.putLong(bytes, at[0] + 16, bodyOffset);
            at[0] += ENTRY_BYTES;
        });
        LittleEndian.putInt(bytes, 0, crc(bytes));
        bases.add(base);
        boolean isForced = false;
        try (StorageFile file = directory.create(name(base), bytes.length)) {
            file.write(0, bytes, 0, bytes.length);
            file.force(0, bytes.length);
            isForced = true;
        } finally {
            if (!isForced) {
                delete(base);
            }
        }
    }

    /** Those that were written are there from now on. Blocks. */
    void forceNames() throws IOException {
        directory.forceDirectory();
    }

    /** One that stays is removed by the next start. Blocks. */
    void delete(long base) {
        if (bases.remove(base)) {
            try {
                directory.delete(name(base));
            } catch (IOException e) {
                bases.add(base);
            }
        }
    }

    /** Deletes all others. Blocks. */
    void keepOnly(Set<Long> kept) {
        for (long base : Set.copyOf(bases)) {
            if (!kept.contains(base)) {
                delete(base);
            }
        }
    }

    private static int crc(byte[] bytes) {
        CRC32C crc = new CRC32C();
        crc.update(bytes, 4, bytes.length - 4);
        return (int) crc.getValue();
    }
}
