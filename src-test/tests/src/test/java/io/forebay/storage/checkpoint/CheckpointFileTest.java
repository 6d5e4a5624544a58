package io.forebay.storage.checkpoint;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;
import static org.assertj.core.api.Assertions.assertThatIOException;

import io.forebay.storage.io.LittleEndian;
import io.forebay.testkit.faults.DiskCrashed;
import io.forebay.testkit.faults.MemoryDisk;
import java.io.IOException;
import java.util.Arrays;
import java.util.Optional;
import java.util.SplittableRandom;
import java.util.zip.CRC32C;
import org.junit.jupiter.api.Test;

/**
 * The newest forced state is found again, or the one before it is if the newest was never forced; damage is named.
 * Survives: power cut and kill at every operation, failed forces, every flipped bit of one slot, every length.
 */
class CheckpointFileTest {
    private static final String NAME = "checkpoint";

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
