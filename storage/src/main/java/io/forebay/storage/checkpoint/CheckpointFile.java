package io.forebay.storage.checkpoint;

import io.forebay.storage.io.LittleEndian;
import io.forebay.storage.io.StorageDirectory;
import io.forebay.storage.io.StorageFile;
import java.io.IOException;
import java.util.List;
import java.util.Optional;
import java.util.zip.CRC32C;

/**
 * Two-slot file that says where replay starts. The slots lie 4 KiB apart, so that one torn sector, or one bad page,
 * cannot hit both; a write goes to the slot that does not hold the newest state and is forced. Little-endian:
 * <pre> byte   0  u32  crc32c            over bytes [4, 128)
 * byte   4  u32  formatVersion     1
 * byte   8  i64  slotSequence      the valid slot with the higher one wins; 0 says that nothing was written yet
 * byte  16  i64  replayPosition
 * byte  24  i64  manifestPosition
 * byte  32  i64  durablePosition
 * byte  40  i64  epoch
 * byte  48  i64  replaySequence
 * byte  56  i64  manifestSequence
 * byte  64  i64  nextSequence
 * byte  72  i64  addressLimit
 * byte  80  i64  logTimeMillis
 * byte  88  i64  cleanEnd          −1 unless flag 1 is set
 * byte  96  i32  stripeId
 * byte 100  u32  flags             1 closed cleanly
 * byte 104  u64  magic             "FBCKPT01"
 * byte 112  u64  logId             0 in a slot that an older build wrote
 * byte 120  i64  logIdEpoch        likewise </pre>
 * The fields are those of {@link CheckpointSlot}. Crc, version, slotSequence and the letters of the magic stay what and where
 * they are in every version.
 * Not thread-safe: one caller at a time.
 */
public final class CheckpointFile implements AutoCloseable {
    /** Highest version this code reads; it writes this one. */
    public static final int FORMAT_VERSION = 1;

    public static final long FILE_BYTES = 8192;

    private static final int SLOT_DISTANCE = 4096;
    private static final int SLOT_BYTES = 128;
    private static final int FLAG_CLEAN = 1;
    private static final String UNFINISHED_SUFFIX = ".new";
    private static final CheckpointSlot NOTHING = new CheckpointSlot(-1, 0, -1, -1, -1, -1, -1, -1, -1, 0, -1);
    private static final long MAGIC = 0x3130_5450_4B43_4246L; // "FBCKPT01", little-endian
    /** What it has in every version, so that a page of something else is not taken for a newer slot. */
    private static final long MAGIC_MASK = 0x0000_FFFF_FFFF_FFFFL; // "FBCKPT"

    private final StorageDirectory directory;
    private final StorageFile file;
    private final Optional<CheckpointSlot> found;
    private long slotSequence;
    private int newestSlot;

    private CheckpointFile(StorageDirectory directory, StorageFile file) throws IOException {
        this.directory = directory;
        this.file = file;
        this.found = readNewest();
    }

    /**
     * Opens the file, or makes one (forced, with its name, saying nothing) if it is not there.
     *
     * @throws CorruptCheckpointException if neither slot is valid
     * @throws NewerCheckpointFormatException if a newer version wrote it
     */
    public static CheckpointFile open(StorageDirectory directory, String name) throws IOException {
        List<String> names = directory.list();
        if (!names.contains(name)) {
            create(directory, name, names);
        }
        StorageFile file = directory.open(name);
        try {
            return new CheckpointFile(directory, file);
        } catch (IOException e) {
            file.close();
            throw e;
        }
    }

    /** Under another name first, so that a file of this name is whole from the beginning. */
    private static void create(StorageDirectory directory, String name, List<String> names) throws IOException {
        String unfinished = name + UNFINISHED_SUFFIX;
        if (names.contains(unfinished)) {
            directory.delete(unfinished);
        }
        try (StorageFile file = directory.create(unfinished, FILE_BYTES)) {
            file.write(SLOT_DISTANCE, encode(NOTHING, 0), 0, SLOT_BYTES);
            file.force(0, FILE_BYTES);
        }
        directory.rename(unfinished, name);
        directory.forceDirectory();
    }

    /** The newest state when the file was opened; empty if none was ever written. */
    public Optional<CheckpointSlot> found() {
        return found;
    }

    private Optional<CheckpointSlot> readNewest() throws IOException {
        if (file.sizeBytes() < SLOT_DISTANCE + SLOT_BYTES) {
            throw new CorruptCheckpointException("checkpoint file " + where() + " has " + file.sizeBytes()
                    + " bytes, wanted " + FILE_BYTES + ": neither slot is whole");
        }
        byte[][] slots = new byte[2][SLOT_BYTES];
        boolean[] isValid = new boolean[2];
        for (int slot = 0; slot < 2; slot++) {
            file.readCold((long) slot * SLOT_DISTANCE, slots[slot], 0, SLOT_BYTES);
            isValid[slot] = isValid(slots[slot]);
        }
        if (!isValid[0] && !isValid[1]) {
            throw new CorruptCheckpointException("checkpoint file " + where() + ": neither slot is valid; slot 0 "
                    + checksums(slots[0]) + ", slot 1 " + checksums(slots[1]));
        }
        newestSlot =
                !isValid[1] || (isValid[0] && LittleEndian.getLong(slots[0], 8) > LittleEndian.getLong(slots[1], 8))
                        ? 0
                        : 1;
        slotSequence = LittleEndian.getLong(slots[newestSlot], 8);
        return slotSequence == 0 ? Optional.empty() : Optional.of(decode(slots[newestSlot]));
    }

    private boolean isValid(byte[] slot) throws NewerCheckpointFormatException {
        if (LittleEndian.getInt(slot, 0) != crc(slot) || LittleEndian.getLong(slot, 8) < 0) {
            return false;
        }
        int version = LittleEndian.getInt(slot, 4);
        long magic = LittleEndian.getLong(slot, 104);
        if (version > FORMAT_VERSION && (magic & MAGIC_MASK) == (MAGIC & MAGIC_MASK)) {
            throw new NewerCheckpointFormatException("checkpoint file " + where() + " has format version " + version
                    + ", this program knows up to " + FORMAT_VERSION);
        }
        return version == FORMAT_VERSION && magic == MAGIC;
    }

    private static String checksums(byte[] slot) {
        return String.format("states crc %08x, has %08x", LittleEndian.getInt(slot, 0), crc(slot));
    }

    private static int crc(byte[] slot) {
        CRC32C crc = new CRC32C();
        crc.update(slot, 4, SLOT_BYTES - 4);
        return (int) crc.getValue();
    }

    private String where() {
        return directory.path() + "/" + file.name();
    }

    /**
     * Writes a state into the other slot and forces it. After an exception the older slot still counts; the next write
     * goes to the same place again.
     */
    public void write(CheckpointSlot state) throws IOException {
        int slot = 1 - newestSlot;
        byte[] bytes = encode(state, slotSequence + 1);
        long at = (long) slot * SLOT_DISTANCE;
        file.write(at, bytes, 0, SLOT_BYTES);
        file.force(at, SLOT_BYTES);
        slotSequence++;
        newestSlot = slot;
    }

    private static byte[] encode(CheckpointSlot state, long slotSequence) {
        byte[] slot = new byte[SLOT_BYTES];
        LittleEndian.putInt(slot, 4, FORMAT_VERSION);
        LittleEndian.putLong(slot, 8, slotSequence);
        LittleEndian.putLong(slot, 16, state.replayPosition());
        LittleEndian.putLong(slot, 24, state.manifestPosition());
        LittleEndian.putLong(slot, 32, state.durablePosition());
        LittleEndian.putLong(slot, 40, state.epoch());
        LittleEndian.putLong(slot, 48, state.replaySequence());
        LittleEndian.putLong(slot, 56, state.manifestSequence());
        LittleEndian.putLong(slot, 64, state.nextSequence());
        LittleEndian.putLong(slot, 72, state.addressLimit());
        LittleEndian.putLong(slot, 80, state.logTimeMillis());
        LittleEndian.putLong(slot, 88, state.isClean() ? state.cleanEnd() : -1);
        LittleEndian.putInt(slot, 96, state.stripeId());
        LittleEndian.putInt(slot, 100, state.isClean() ? FLAG_CLEAN : 0);
        LittleEndian.putLong(slot, 104, MAGIC);
        LittleEndian.putLong(slot, 112, state.logId());
        LittleEndian.putLong(slot, 120, state.logIdEpoch());
        LittleEndian.putInt(slot, 0, crc(slot));
        return slot;
    }

    private static CheckpointSlot decode(byte[] slot) {
        boolean isClean = (LittleEndian.getInt(slot, 100) & FLAG_CLEAN) != 0;
        return new CheckpointSlot(
                LittleEndian.getInt(slot, 96),
                LittleEndian.getLong(slot, 40),
                LittleEndian.getLong(slot, 16),
                LittleEndian.getLong(slot, 48),
                LittleEndian.getLong(slot, 24),
                LittleEndian.getLong(slot, 56),
                LittleEndian.getLong(slot, 32),
                LittleEndian.getLong(slot, 64),
                LittleEndian.getLong(slot, 72),
                LittleEndian.getLong(slot, 80),
                isClean ? LittleEndian.getLong(slot, 88) : -1,
                LittleEndian.getLong(slot, 112),
                LittleEndian.getLong(slot, 120));
    }

    @Override
    public void close() throws IOException {
        file.close();
    }
}
