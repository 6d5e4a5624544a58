package io.forebay.storage.checkpoint;

import io.forebay.storage.io.LittleEndian;
import io.forebay.storage.io.StorageDirectory;
import io.forebay.storage.io.StorageFile;
import java.io.IOException;
import java.util.ArrayList;
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
 * byte 120  i64  logIdEpoch        likewise
 * byte 128  u32  crc32c            once more, as the last thing of a write; 0 in a file that only older builds wrote </pre>
 * The fields are those of {@link CheckpointSlot}. Crc, version, slotSequence and the letters of the magic stay what and where
 * they are in every version. A start does not look at what lies behind byte 128: it tells damage from a write that was cut off.
 * Not thread-safe: one caller at a time.
 */
public final class CheckpointFile implements AutoCloseable {
    /** Highest version this code reads; it writes this one. */
    public static final int FORMAT_VERSION = 1;

    public static final long FILE_BYTES = 8192;

    private static final int SLOT_DISTANCE = 4096;
    private static final int SLOT_BYTES = 128;
    private static final int WRITTEN_BYTES = SLOT_BYTES + 4;
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
            file.write(SLOT_DISTANCE, encode(NOTHING, 0), 0, WRITTEN_BYTES);
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
        int length = (int) Math.min(WRITTEN_BYTES, file.sizeBytes() - at); // of a file that was cut short
        file.write(at, bytes, 0, length);
        file.force(at, length);
        slotSequence++;
        newestSlot = slot;
    }

    private static byte[] encode(CheckpointSlot state, long slotSequence) {
        byte[] slot = new byte[WRITTEN_BYTES];
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
        LittleEndian.putInt(slot, SLOT_BYTES, crc(slot));
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

    // ------------------------------------------------------------------------------------------------------- checking

    /**
     * What is wrong with the two slots.
     *
     * @param damages what no crash leaves
     * @param notes what a crash in the middle of a write leaves, or a write that failed: nobody went by that slot yet, and the next
     *     write goes there
     */
    public record Check(List<String> damages, List<String> notes) {}

    /** Looks at both slots, and at the size; of a file that may be damaged. */
    public static Check check(StorageFile file) throws IOException {
        List<String> damages = new ArrayList<>();
        List<String> notes = new ArrayList<>();
        byte[][] slots = new byte[2][WRITTEN_BYTES];
        long newest = -1;
        for (int number = 0; number < 2; number++) {
            long at = (long) number * SLOT_DISTANCE;
            if (file.sizeBytes() < at + SLOT_BYTES) {
                break;
            }
            file.readCold(at, slots[number], 0, (int) Math.min(WRITTEN_BYTES, file.sizeBytes() - at));
            if (hasItsChecksum(slots[number])) {
                newest = Math.max(newest, LittleEndian.getLong(slots[number], 8));
            }
        }
        for (int number = 0; number < 2; number++) {
            byte[] slot = slots[number];
            if (file.sizeBytes() < (long) number * SLOT_DISTANCE + SLOT_BYTES) {
                damages.add("it has only " + file.sizeBytes() + " bytes");
                return new Check(damages, notes);
            }
            if (isEmpty(slot)) {
                // The first write goes to slot 0, the second to slot 1.
                if (newest > 0) {
                    damages.add("slot " + number + " is empty, though it was written");
                }
            } else if (!hasItsChecksum(slot)) {
                if (newest >= 0 && isCutOff(slot, newest)) {
                    notes.add("slot " + number + " was not written to its end, as a crash leaves it; slot "
                            + (1 - number) + " counts, and nothing is lost: the next start writes slot " + number
                            + " again");
                } else {
                    damages.add(String.format(
                            "the checksum of slot %d is %08x, its bytes have %08x",
                            number, LittleEndian.getInt(slot, 0), crc(slot)));
                }
            }
        }
        if (file.sizeBytes() < FILE_BYTES && damages.isEmpty()) {
            damages.add("it has only " + file.sizeBytes() + " bytes");
        }
        return new Check(damages, notes);
    }

    private static boolean hasItsChecksum(byte[] slot) {
        return LittleEndian.getInt(slot, 0) == crc(slot);
    }

    private static boolean isEmpty(byte[] slot) {
        for (int at = 0; at < SLOT_BYTES; at++) {
            if (slot[at] != 0) {
                return false;
            }
        }
        return true;
    }

    /**
     * Whether a write that was cut off may have left these bytes: up to some place those of the state that was to follow the newest one,
     * from there on those of the state before it. Then its last bytes are not those that it begins with. Damage of the older slot's
     * first checksum alone looks the same; nobody goes by that slot any more.
     */
    private static boolean isCutOff(byte[] slot, long newestSequence) {
        int last = LittleEndian.getInt(slot, SLOT_BYTES);
        boolean isFirstWrite = newestSequence == 0; // over zeros
        boolean isWritten = last == LittleEndian.getInt(slot, 0)
                || (last == crc(slot) && LittleEndian.getLong(slot, 8) == newestSequence + 1);
        if (isWritten || (last == 0 && !isFirstWrite)) {
            return false;
        }
        byte[] after = constants(newestSequence + 1);
        byte[] before = isFirstWrite ? new byte[SLOT_BYTES] : constants(newestSequence - 1);
        boolean isMixed = false;
        for (int cut = 0; cut <= SLOT_BYTES; cut++) {
            isMixed |= isMixed(slot, after, before, cut);
        }
        return isMixed;
    }

    /** What is known of a slot by its sequence alone. */
    private static byte[] constants(long slotSequence) {
        byte[] slot = new byte[SLOT_BYTES];
        LittleEndian.putInt(slot, 4, FORMAT_VERSION);
        LittleEndian.putLong(slot, 8, slotSequence);
        LittleEndian.putLong(slot, 104, MAGIC);
        return slot;
    }

    private static boolean isMixed(byte[] slot, byte[] after, byte[] before, int cut) {
        boolean isMixed = true;
        for (int at = 4; at < 112; at = at == 15 ? 104 : at + 1) { // version, sequence, magic
            isMixed &= slot[at] == (at < cut ? after : before)[at];
        }
        return isMixed;
    }

    @Override
    public void close() throws IOException {
        file.close();
    }
}
