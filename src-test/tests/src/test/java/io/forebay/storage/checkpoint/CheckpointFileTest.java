package io.forebay.storage.checkpoint;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;
import static org.assertj.core.api.Assertions.assertThatIOException;

import io.forebay.storage.io.LittleEndian;
import io.forebay.storage.io.StorageFile;
import io.forebay.testkit.faults.DiskCrashed;
import io.forebay.testkit.faults.MemoryDisk;
import java.io.IOException;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import java.util.SplittableRandom;
import java.util.zip.CRC32C;
import org.junit.jupiter.api.Test;

/**
 * The newest forced state is found again, or the one before it is if the newest was never forced; damage is named, and told from what a
 * process leaves that dies in the middle of a write. Survives: power cut and kill at every operation, failed forces, every flipped bit of one slot, every length.
 */
class CheckpointFileTest {
    private static final String NAME = "checkpoint";
    private static final int WRITTEN_BYTES = 132;
    private static final CheckpointFile.Check NOTHING_WRONG = new CheckpointFile.Check(List.of(), List.of());

    private static CheckpointSlot slot(long number) {
        return new CheckpointSlot(
                1, number, 10 * number, number, 20 * number, number + 1, 30 * number, number + 2, 1L << 40, number, -1);
    }

    private static Optional<CheckpointSlot> reopened(MemoryDisk disk) throws IOException {
        try (CheckpointFile file = CheckpointFile.open(disk, NAME)) {
            return file.found();
        }
    }

    private static MemoryDisk diskWith(int states) throws IOException {
        MemoryDisk disk = new MemoryDisk();
        try (CheckpointFile file = CheckpointFile.open(disk, NAME)) {
            for (int number = 1; number <= states; number++) {
                file.write(slot(number));
            }
        }
        return disk;
    }

    @Test
    void aFreshFileSaysNothingAndTheNewestStateIsFound() throws Exception {
        assertThat(reopened(diskWith(0))).isEmpty();
        for (int states = 1; states < 6; states++) {
            assertThat(reopened(diskWith(states))).contains(slot(states));
        }
        CheckpointSlot clean = new CheckpointSlot(1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11);
        MemoryDisk disk = diskWith(1);
        try (CheckpointFile file = CheckpointFile.open(disk, NAME)) {
            file.write(clean);
        }
        assertThat(reopened(disk)).contains(clean);
        assertThat(clean.isClean()).isTrue();
        assertThat(slot(1).isClean()).isFalse();
    }

    @Test
    void whatIsWrittenIsForcedAndOutlivesAPowerCut() throws Exception {
        for (int seed = 0; seed < 50; seed++) {
            assertThat(reopened(diskWith(3).powerCutImage(new SplittableRandom(seed))))
                    .contains(slot(3));
        }
    }

    @Test
    void aPowerCutAtEveryOperationLeavesTheStateBeforeOrAfter() throws Exception {
        for (int seed = 0; seed < 40; seed++) {
            for (int operation = 1; operation < 20; operation++) {
                MemoryDisk disk = new MemoryDisk();
                disk.crashAtOperation(operation, new SplittableRandom(1000L * seed + operation));
                int done = -1;
                try (CheckpointFile file = CheckpointFile.open(disk, NAME)) {
                    done = 0;
                    for (int number = 1; number <= 5; number++) {
                        file.write(slot(number));
                        done = number;
                    }
                } catch (DiskCrashed e) {
                    assertThat(disk.isCrashed()).isTrue();
                }
                for (MemoryDisk left :
                        new MemoryDisk[] {disk.killImage(), disk.powerCutImage(new SplittableRandom(seed))}) {
                    long found = reopened(left).map(CheckpointSlot::epoch).orElse(0L);
                    assertThat(found)
                            .as("seed %s operation %s", seed, operation)
                            .isBetween((long) done, done + 1L);
                }
            }
        }
    }

    @Test
    void anyDamageToTheNewestSlotLeavesTheOlderOne() throws Exception {
        for (int states = 2; states <= 3; states++) {
            int newest = (states - 1) % 2 * 4096;
            for (int bit = 0; bit < 128 * 8; bit++) {
                MemoryDisk disk = diskWith(states);
                disk.flip(NAME, newest + bit / 8, 1 << (bit % 8));
                assertThat(reopened(disk)).as("bit %s", bit).contains(slot(states - 1));
            }
        }
    }

    @Test
    void damageToBothSlotsIsNamedWithBothChecksums() throws Exception {
        MemoryDisk disk = diskWith(4);
        disk.flip(NAME, 20, 1);
        disk.flip(NAME, 4096 + 20, 1);
        assertThatExceptionOfType(CorruptCheckpointException.class)
                .isThrownBy(() -> CheckpointFile.open(disk, NAME))
                .withMessageContaining("memory:/" + NAME)
                .withMessageContaining("slot 0 states crc")
                .withMessageContaining("slot 1 states crc");
        assertThat(disk.openFiles()).isEmpty();
    }

    @Test
    void everyShorterLengthIsReadIfTheNewestSlotIsWholeElseRefused() throws Exception {
        for (int states = 0; states < 3; states++) {
            for (int length = 0; length < 8192; length += length == 0 || length > 4090 && length < 4230 ? 1 : 10) {
                MemoryDisk disk = diskWith(states);
                disk.truncate(NAME, length);
                if (length < 4096 + 128) {
                    assertThatExceptionOfType(CorruptCheckpointException.class)
                            .as("length %s", length)
                            .isThrownBy(() -> CheckpointFile.open(disk, NAME))
                            .withMessageContaining(" bytes");
                } else {
                    assertThat(reopened(disk).map(CheckpointSlot::epoch).orElse(0L))
                            .isEqualTo(states);
                }
            }
        }
    }

    /** As long as all that a start reads is there, what is read can be written. */
    @Test
    void aFileThatIsCutBehindTheSecondSlotTakesTheNextStates() throws Exception {
        for (int length = 4096 + 128; length < 4096 + 140; length++) {
            MemoryDisk disk = diskWith(2);
            disk.truncate(NAME, length);
            for (int number = 3; number < 6; number++) {
                try (CheckpointFile file = CheckpointFile.open(disk, NAME)) {
                    file.write(slot(number));
                }
                assertThat(reopened(disk)).as("length %s", length).contains(slot(number));
            }
            assertThat(check(disk).damages()).containsExactly("it has only " + length + " bytes");
        }
    }

    @Test
    void damageToTheOnlySlotIsNeverTakenForAFreshFile() throws Exception {
        for (int bit = 0; bit < 128 * 8; bit++) {
            MemoryDisk disk = diskWith(0);
            disk.flip(NAME, 4096 + bit / 8, 1 << (bit % 8));
            assertThatExceptionOfType(CorruptCheckpointException.class)
                    .isThrownBy(() -> CheckpointFile.open(disk, NAME));
        }
    }

    @Test
    void aNewerFormatIsRefusedAndUntouched() throws Exception {
        MemoryDisk disk = diskWith(2);
        byte[] newer = Arrays.copyOf(disk.content(NAME), 128);
        LittleEndian.putInt(newer, 4, 2);
        CRC32C crc = new CRC32C();
        crc.update(newer, 4, 124);
        LittleEndian.putInt(newer, 0, (int) crc.getValue());
        disk.overwrite(NAME, 0, newer);
        byte[] before = disk.content(NAME);
        assertThatExceptionOfType(NewerCheckpointFormatException.class)
                .isThrownBy(() -> CheckpointFile.open(disk, NAME))
                .withMessageContaining("format version 2");
        assertThat(disk.content(NAME)).isEqualTo(before);
    }

    private static CheckpointFile.Check check(MemoryDisk disk) throws IOException {
        try (StorageFile file = disk.open(NAME)) {
            return CheckpointFile.check(file);
        }
    }

    /** The bytes of the slot that a write makes out of what lies there. */
    private static byte[] slotBytes(MemoryDisk disk, int slot) throws IOException {
        return Arrays.copyOfRange(disk.content(NAME), 4096 * slot, 4096 * slot + WRITTEN_BYTES);
    }

    @Test
    void aWriteThatIsCutOffAnywhereIsNoDamage() throws Exception {
        for (int states = 0; states < 5; states++) {
            byte[] after = slotBytes(diskWith(states + 1), states % 2);
            byte[] before = slotBytes(diskWith(states), states % 2);
            assertThat(after).isNotEqualTo(before);
            for (int cut = 0; cut <= WRITTEN_BYTES; cut++) {
                MemoryDisk disk = diskWith(states);
                disk.overwrite(NAME, 4096L * (states % 2), Arrays.copyOf(after, cut));
                byte[] left = slotBytes(disk, states % 2);
                boolean isBefore = Arrays.equals(left, 0, 128, before, 0, 128);
                boolean isAfter = Arrays.equals(left, 0, 128, after, 0, 128);
                CheckpointFile.Check check = check(disk);
                assertThat(check.damages())
                        .as("cut at %s of %s", cut, states + 1)
                        .isEmpty();
                assertThat(check.notes()).as("cut at %s of %s", cut, states + 1).hasSize(isBefore || isAfter ? 0 : 1);
                assertThat(reopened(disk).map(CheckpointSlot::epoch).orElse(0L))
                        .isEqualTo(isAfter ? states + 1 : states);
                try (CheckpointFile file = CheckpointFile.open(disk, NAME)) {
                    file.write(slot(9));
                }
                assertThat(check(disk)).as("the next write").isEqualTo(NOTHING_WRONG);
            }
        }
    }

    /** A write that failed in the middle, and one behind it that was cut off. */
    @Test
    void whatAFailedWriteHasLeftIsNoDamageEither() throws Exception {
        for (int cut = 0; cut <= 81; cut++) { // the time's second byte is the last one that differs
            MemoryDisk disk = diskWith(3);
            disk.overwrite(NAME, 4096, Arrays.copyOf(slotBytes(diskWith(4), 1), 66));
            byte[] again = atAnotherTime(slotBytes(diskWith(4), 1));
            disk.overwrite(NAME, 4096, Arrays.copyOf(again, cut));
            assertThat(check(disk).damages()).as("cut at %s", cut).isEmpty();
            assertThat(reopened(disk)).contains(slot(3));
        }
    }

    private static byte[] atAnotherTime(byte[] slot) {
        LittleEndian.putLong(slot, 32, LittleEndian.getLong(slot, 32) + 4096);
        LittleEndian.putLong(slot, 80, LittleEndian.getLong(slot, 80) + 12_345);
        CRC32C crc = new CRC32C();
        crc.update(slot, 4, 124);
        LittleEndian.putInt(slot, 0, (int) crc.getValue());
        LittleEndian.putInt(slot, 128, (int) crc.getValue());
        return slot;
    }

    /** But for the first checksum of the slot that counts no more: a write there begins with another one. */
    @Test
    void anyDamageToASlotThatWasWrittenIsTold() throws Exception {
        for (int states = 1; states < 5; states++) {
            for (int bit = 0; bit < 2 * 128 * 8; bit++) {
                int slot = bit / (128 * 8);
                int at = bit / 8 % 128;
                boolean isOlder = slot == states % 2;
                MemoryDisk disk = diskWith(states);
                disk.flip(NAME, 4096L * slot + at, 1 << bit % 8);
                boolean isNote = isOlder && at < 4;
                CheckpointFile.Check check = check(disk);
                assertThat(check.damages()).as("bit %s of %s", bit, states).hasSize(isNote ? 0 : 1);
                assertThat(check.notes()).as("bit %s of %s", bit, states).hasSize(isNote ? 1 : 0);
            }
        }
    }

    @Test
    void whatNoWriteLeavesIsDamage() throws Exception {
        SplittableRandom random = new SplittableRandom(5);
        for (int slot = 0; slot < 2; slot++) {
            byte[] garbage = new byte[4096];
            random.nextBytes(garbage);
            byte[] text = new byte[4096];
            Arrays.fill(text, (byte) 'x');
            for (byte[] page : new byte[][] {garbage, text, new byte[4096]}) {
                MemoryDisk disk = diskWith(4);
                disk.overwrite(NAME, 4096L * slot, page);
                assertThat(check(disk).damages()).hasSize(1);
                assertThat(check(disk).notes()).isEmpty();
                assertThat(reopened(disk)).contains(slot(slot == 1 ? 3 : 4));
            }
        }
        // Neither slot counts, so no crash has left that.
        MemoryDisk disk = diskWith(4);
        disk.overwrite(NAME, 0, Arrays.copyOf(slotBytes(diskWith(5), 0), 50));
        disk.flip(NAME, 4096 + 60, 1);
        assertThat(check(disk).damages()).hasSize(2);
    }

    /** What an older build has written does not say whether it was written to its end. */
    @Test
    void aSlotOfAnOlderBuildIsJudgedAsBefore() throws Exception {
        MemoryDisk disk = diskWith(4);
        disk.overwrite(NAME, 128, new byte[4]);
        disk.overwrite(NAME, 4096 + 128, new byte[4]);
        assertThat(check(disk)).isEqualTo(NOTHING_WRONG);
        assertThat(reopened(disk)).contains(slot(4));
        disk.flip(NAME, 4096 + 60, 1);
        assertThat(check(disk).damages()).hasSize(1);
        assertThat(reopened(disk)).contains(slot(3));
    }

    @Test
    void aFailedForceKeepsTheOlderStateAndTheNextWriteTriesAgain() throws Exception {
        MemoryDisk disk = diskWith(2);
        try (CheckpointFile file = CheckpointFile.open(disk, NAME)) {
            disk.failNextForces(2);
            assertThatIOException().isThrownBy(() -> file.write(slot(3)));
            assertThatIOException().isThrownBy(() -> file.write(slot(4)));
            for (int seed = 0; seed < 20; seed++) {
                long found = reopened(disk.powerCutImage(new SplittableRandom(seed)))
                        .orElseThrow()
                        .epoch();
                assertThat(found).isBetween(2L, 4L);
            }
            file.write(slot(5));
            for (int seed = 0; seed < 20; seed++) {
                assertThat(reopened(disk.powerCutImage(new SplittableRandom(seed))))
                        .contains(slot(5));
            }
        }
    }
}
