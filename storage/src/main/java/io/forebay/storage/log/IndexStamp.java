package io.forebay.storage.log;

import io.forebay.storage.io.LittleEndian;
import io.forebay.storage.io.StorageDirectory;
import io.forebay.storage.io.StorageFile;
import java.io.IOException;
import java.util.zip.CRC32C;

/**
 * A file beside the queue index that says of which log and of what time it is. The index of another node, or one from an older
 * copy of the directory, is as sound as ours, and leads astray. Written behind each force of the index and before the
 * slot of the checkpoint that it was forced for, so it names both the checkpoint before and that one. Where it names neither, the index
 * is built anew, so a stamp that cannot be written costs time at the next start and nothing else. Little-endian:
 *
 * <pre> byte  0  u32  crc32c          over bytes [4, 40)
 * byte  4  u32  formatVersion   1
 * byte  8  u64  magic           "FINDEXOF"
 * byte 16  u64  logId
 * byte 24  i64  before          number of the checkpoint whose slot was the newest
 * byte 32  i64  checkpoint      number of the one whose slot comes next
 * byte 40  zeros up to 4096 </pre>
 *
 * Confined to one thread at a time: recovery's, then whoever finishes checkpoints.
 */
final class IndexStamp {
    static final String NAME = "index-of";

    private static final int FORMAT_VERSION = 1;
    private static final long MAGIC = 0x464F_5845_444E_4946L; // "FINDEXOF"
    private static final int BYTES = 40;
    private static final int FILE_BYTES = 4096;

    private final StorageDirectory directory;

    IndexStamp(StorageDirectory directory) {
        this.directory = directory;
    }

    boolean isThere() throws IOException {
        return directory.list().contains(NAME);
    }

    /** Whether the index is the one that a checkpoint of that log was made with. False if the file is missing or damaged. */
    boolean isOf(long logId, long checkpoint) throws IOException {
        if (!isThere()) {
            return false;
        }
        byte[] bytes = new byte[BYTES];
        try (StorageFile file = directory.open(NAME)) {
            if (file.sizeBytes() < BYTES) {
                return false;
            }
            file.readCold(0, bytes, 0, BYTES);
        } catch (IOException e) {
            return false; // the index can be built anew
        }
        return LittleEndian.getInt(bytes, 0) == crc(bytes)
                && LittleEndian.getInt(bytes, 4) == FORMAT_VERSION
                && LittleEndian.getLong(bytes, 8) == MAGIC
                && LittleEndian.getLong(bytes, 16) == logId
                && (LittleEndian.getLong(bytes, 24) == checkpoint || LittleEndian.getLong(bytes, 32) == checkpoint);
    }

    /** Takes its room on the disk, saying nothing yet, if it has none: a checkpoint on a full disk must not be the first to need it. Blocks. */
    void make() throws IOException {
        if (isThere()) {
            try (StorageFile file = directory.open(NAME)) {
                if (file.sizeBytes() == FILE_BYTES) {
                    return;
                }
            }
        }
        store(new byte[BYTES]);
    }

    /** Writes and forces it. After an exception it may say either, or nothing. Blocks. */
    void write(long logId, long before, long checkpoint) throws IOException {
        byte[] bytes = new byte[BYTES];
        LittleEndian.putInt(bytes, 4, FORMAT_VERSION);
        LittleEndian.putLong(bytes, 8, MAGIC);
        LittleEndian.putLong(bytes, 16, logId);
        LittleEndian.putLong(bytes, 24, before);
        LittleEndian.putLong(bytes, 32, checkpoint);
        LittleEndian.putInt(bytes, 0, crc(bytes));
        store(bytes);
    }

    private void store(byte[] bytes) throws IOException {
        StorageFile old = isThere() ? directory.open(NAME) : null;
        boolean isNew = old == null || old.sizeBytes() != FILE_BYTES;
        if (old != null && isNew) {
            // A power cut came before its size was forced.
            old.close();
            directory.delete(NAME);
        }
        try (StorageFile file = isNew ? directory.create(NAME, FILE_BYTES) : old) {
            file.write(0, bytes, 0, BYTES);
            file.force(0, FILE_BYTES);
        }
        if (isNew) {
            directory.forceDirectory();
        }
    }

    private static int crc(byte[] bytes) {
        CRC32C crc = new CRC32C();
        crc.update(bytes, 4, BYTES - 4);
        return (int) crc.getValue();
    }
}
