package io.forebay.testkit.faults;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;
import static org.assertj.core.api.Assertions.assertThatIOException;
import static org.assertj.core.api.Assertions.assertThatIllegalStateException;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.forebay.storage.io.DiskFullException;
import io.forebay.storage.io.MappedAccessException;
import io.forebay.storage.io.StorageDirectory;
import io.forebay.storage.io.StorageFile;
import io.forebay.testkit.faults.DiskObserver.Operation;
import io.forebay.testkit.sim.Proof;
import java.io.IOException;
import java.nio.file.FileAlreadyExistsException;
import java.nio.file.NoSuchFileException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.SplittableRandom;
import org.assertj.core.api.ThrowableAssert.ThrowingCallable;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

/** The fault disk keeps its own word: an oracle that lies makes every other test worthless. */
@Tag("proof")
class MemoryDiskTest {
    private static byte[] filled(int length, int value) {
        byte[] bytes = new byte[length];
        Arrays.fill(bytes, (byte) value);
        return bytes;
    }

    private static StorageFile fresh(MemoryDisk disk, String name, int size) throws IOException {
        StorageFile file = disk.create(name, size);
        file.force(0, size);
        disk.forceDirectory();
        return file;
    }

    @Test
    void aKillKeepsEverythingWritten() throws Exception {
        MemoryDisk disk = new MemoryDisk();
        StorageFile file = disk.create("a", 4096);
        file.write(100, filled(1000, 7), 0, 1000);
        MemoryDisk left = disk.killImage();
        file.write(100, filled(1000, 8), 0, 1000);
        assertThat(left.files()).containsExactly("a");
        assertThat(Arrays.copyOfRange(left.content("a"), 100, 1100)).containsOnly(7);
        assertThat(left.openFiles()).isEmpty();
        assertThat(disk.openFiles()).containsExactly("a");
    }

    @Test
    void aPowerCutKeepsWhatWasForcedAndSomeOfTheRestBySector() throws Exception {
        MemoryDisk disk = new MemoryDisk();
        StorageFile file = fresh(disk, "a", 8192);
        file.write(0, filled(4096, 1), 0, 4096);
        file.force(0, 4096);
        file.write(0, filled(8192, 2), 0, 8192);
        Set<Integer> patterns = new HashSet<>();
        for (int seed = 0; seed < 50; seed++) {
            byte[] left = disk.powerCutImage(new SplittableRandom(seed)).content("a");
            int pattern = 0;
            for (int sector = 0; sector < 16; sector++) {
                byte value = left[sector * 512];
                assertThat(value).isIn(sector < 8 ? (byte) 1 : (byte) 0, (byte) 2);
                assertThat(Arrays.copyOfRange(left, sector * 512, sector * 512 + 512))
                        .containsOnly(value);
                pattern |= value == 2 ? 1 << sector : 0;
            }
            patterns.add(pattern);
        }
        assertThat(patterns).hasSizeGreaterThan(40);
        file.force(0, 8192);
        assertThat(disk.powerCutImage(new SplittableRandom(1)).content("a")).containsOnly(2);
    }

    @Test
    void aFailedForceIsForgottenByTheKernelAndLostOnEviction() throws Exception {
        MemoryDisk disk = new MemoryDisk();
        StorageFile file = fresh(disk, "a", 8192);
        file.write(0, filled(1000, 5), 0, 1000);
        file.write(3000, filled(100, 5), 0, 100);
        disk.failNextForces(1);
        assertThatIOException().isThrownBy(() -> file.force(0, 1000)).withMessageContaining("of a");
        assertBreach(() -> file.force(0, 8192));
        Set<Byte> found = new HashSet<>();
        for (int seed = 0; seed < 20; seed++) {
            byte[] left = disk.powerCutImage(new SplittableRandom(seed)).content("a");
            found.add(left[0]);
            found.add(left[3000]);
        }
        assertThat(found).as("a force that follows proves nothing").containsExactlyInAnyOrder((byte) 0, (byte) 5);
        assertThat(disk.content("a")[999]).isEqualTo((byte) 5);
        fresh(disk, "b", 1000);
        assertThat(disk.evictCleanPages()).containsExactly("a");
        assertThat(disk.content("a")).containsOnly(0);
        file.write(0, filled(1000, 6), 0, 1000);
        assertThat(disk.evictCleanPages()).as("what is dirty stays").isEmpty();
        file.force(0, 1000);
        assertThat(disk.evictCleanPages()).isEmpty();
        assertThat(disk.content("a")[999]).as("written again, forced again").isEqualTo((byte) 6);
    }

    /** The rule behind every other test with a force that fails; see {@link ForceLedger}. */
    @Test
    void aForceThatIsRepeatedAsACureIsFoundOut() throws Exception {
        MemoryDisk disk = new MemoryDisk();
        StorageFile file = fresh(disk, "a", 16384);
        file.write(0, filled(1000, 5), 0, 1000);
        // Lost with it: the page is forgotten as a whole.
        file.write(3000, filled(100, 5), 0, 100);
        file.write(5000, filled(100, 5), 0, 100);
        disk.failNextForces(1);
        assertThatIOException().isThrownBy(() -> file.force(0, 1000));
        file.force(4096, 4096);
        file.force(2000, 1000);
        assertBreach(() -> file.force(3050, 1));
        assertThat(disk.powerCutImage(new SplittableRandom(2)).content("a")[5000])
                .isEqualTo((byte) 5);
        // The next process knows nothing of it, but the kernel is the same; after a power cut what there is is there.
        StorageFile next = disk.killImage().open("a");
        assertBreach(() -> next.force(0, 16384));
        next.force(0, 16384);
        disk.powerCutImage(new SplittableRandom(1)).open("a").force(0, 16384);
        MemoryDisk evicted = disk.killImage();
        evicted.evictCleanPages();
        StorageFile seen = evicted.killImage().open("a");
        seen.force(0, 16384);
        // Written again in part, then whole.
        file.write(0, filled(400, 5), 0, 400);
        assertBreach(() -> file.force(0, 1000));
        file.write(0, filled(1000, 6), 0, 1000);
        file.write(3000, filled(100, 6), 0, 100);
        file.force(0, 16384);
        assertThat(Arrays.copyOf(disk.powerCutImage(new SplittableRandom(1)).content("a"), 1000))
                .containsOnly(6);
        // One that fails again is no better.
        file.write(0, filled(10, 7), 0, 10);
        disk.failNextForces(2);
        assertThatIOException().isThrownBy(() -> file.force(0, 10));
        assertBreach(() -> file.force(0, 10));
        assertThat(disk.forces()).isEqualTo(9);
        assertThat(disk.faults()).isEqualTo(3);
    }

    private static void assertBreach(ThrowingCallable force) {
        assertThatThrownBy(force)
                .isInstanceOf(AssertionError.class)
                .hasMessageContaining("a force was repeated as a cure");
        assertThat(ForceLedger.takeBreaches()).hasSize(1);
    }

    @Test
    void whatTheKernelWritesBackByItselfIsNoLongerLost() throws Exception {
        MemoryDisk disk = new MemoryDisk();
        StorageFile file = fresh(disk, "a", 512);
        file.write(0, filled(100, 5), 0, 100);
        disk.failNextForces(1);
        assertThatIOException().isThrownBy(() -> file.force(0, 512));
        file.write(200, filled(1, 5), 0, 1);
        SplittableRandom random = new SplittableRandom(1);
        for (int i = 0; i < 20; i++) {
            disk.writeBackSome(random);
        }
        file.force(0, 512);
        assertThat(disk.powerCutImage(random).content("a")[99]).isEqualTo((byte) 5);
    }

    @Test
    void aForceThatAnObserverFailsHasLostWhatItWasToWrite() throws Exception {
        MemoryDisk disk = new MemoryDisk();
        StorageFile file = fresh(disk, "a", 512);
        file.write(0, filled(100, 5), 0, 100);
        disk.observe((operation, path, at, length) -> {
            throw new IOException("no");
        });
        assertThatIOException().isThrownBy(() -> file.force(0, 512));
        disk.observe((operation, path, at, length) -> {});
        assertBreach(() -> file.force(0, 512));
        disk.evictCleanPages();
        assertThat(disk.content("a")).containsOnly(0);
        assertThat(disk.faults()).isOne();
    }

    @Test
    void faultsHitTheNthOperationOfTheirKindOnTheirPaths() throws Exception {
        MemoryDisk disk = new MemoryDisk();
        StorageFile a = fresh(disk, "a", 4096);
        StorageFile b = fresh(disk, "b", 4096);
        long before = Proof.forceFaults.sum();
        disk.arm(Fault.of(Operation.FORCE).on("b"::equals).from(2).times(2));
        List<String> failed = new ArrayList<>();
        for (int i = 1; i <= 5; i++) {
            for (StorageFile file : List.of(a, b)) {
                file.write(0, filled(100, i), 0, 100);
                try {
                    file.force(0, 100);
                } catch (IOException e) {
                    failed.add(file.name() + i);
                }
            }
        }
        assertThat(failed).containsExactly("b2", "b3");
        assertThat(disk.faults()).isEqualTo(2);
        assertThat(Proof.forceFaults.sum() - before).isGreaterThanOrEqualTo(2);
        // Several at once, each with a count of its own.
        disk.arm(Fault.of(Operation.WRITE).from(3).times(1));
        disk.arm(Fault.of(Operation.WRITE).from(2).times(1));
        failed.clear();
        for (int i = 1; i <= 4; i++) {
            try {
                a.write(0, filled(100, i), 0, 100);
            } catch (MappedAccessException e) {
                failed.add("a" + i);
            }
        }
        assertThat(failed).containsExactly("a2", "a3");
        assertThat(disk.killImage().faults()).isZero();
        assertThatExceptionOfType(IllegalArgumentException.class)
                .isThrownBy(() -> Fault.of(Operation.WRITE).from(0));
    }

    @Test
    void everyKindOfOperationFailsUntilTheDiskIsHealed() throws Exception {
        for (Operation operation : Operation.values()) {
            MemoryDisk disk = new MemoryDisk();
            StorageDirectory child = disk.child("child");
            child.create("old", 512).close();
            StorageFile file = child.create("a", 512);
            file.write(0, filled(512, 1), 0, 512);
            file.force(0, 512);
            child.forceDirectory();
            disk.arm(Fault.of(operation));
            for (int i = 0; i < 2; i++) {
                assertThatIOException()
                        .as("%s", operation)
                        .isThrownBy(() -> perform(operation, child, file))
                        .withMessageMatching(".*(error|no page).*child.*");
            }
            assertThat(disk.faults()).isEqualTo(2);
            assertThat(child.list()).containsExactly("a", "old");
            disk.heal();
            perform(operation, child, file);
            assertThat(disk.faults()).isEqualTo(2);
        }
    }

    private static void perform(Operation operation, StorageDirectory child, StorageFile file) throws IOException {
        switch (operation) {
            case CREATE -> child.create("new", 512);
            case WRITE -> file.write(0, filled(512, 2), 0, 512);
            case FORCE -> file.force(0, 512);
            case RENAME -> child.rename("old", "new");
            case DELETE -> child.delete("old");
            case FORCE_DIRECTORY -> child.forceDirectory();
            case OPEN -> child.open("old").close();
            case READ -> file.read(0, new byte[512], 0, 512);
            case READ_COLD -> file.readCold(0, new byte[512], 0, 512);
        }
    }

    @Test
    void pagesCanBeZeroedCopiedAndSwapped() throws Exception {
        MemoryDisk disk = new MemoryDisk();
        StorageFile a = fresh(disk, "a", 8192 + 100);
        StorageFile b = fresh(disk, "b", 4096);
        a.write(0, filled(4096, 1), 0, 4096);
        a.write(4096, filled(4096, 2), 0, 4096);
        a.write(8192, filled(100, 3), 0, 100);
        a.force(0, 8192 + 100);
        assertThat(disk.pages("a")).isEqualTo(3);
        assertThat(disk.pages("b")).isOne();
        assertThat(disk.swapPages("a", 0, "a", 1)).isEqualTo(8192);
        assertThat(disk.copyPage("a", 1, "b", 0)).isEqualTo(4096);
        assertThat(disk.copyPage("a", 1, "b", 0)).as("is there already").isZero();
        assertThat(disk.zeroPage("a", 1)).isEqualTo(4096);
        assertThat(disk.copyPage("a", 2, "a", 0))
                .as("what is behind the end of a file reads as zeros")
                .isEqualTo(4096);
        byte[] left = disk.powerCutImage(new SplittableRandom(1)).content("a");
        assertThat(Arrays.copyOf(left, 100)).containsOnly(3);
        assertThat(Arrays.copyOfRange(left, 100, 8192)).containsOnly(0);
        assertThat(Arrays.copyOfRange(left, 8192, 8292)).containsOnly(3);
        assertThat(disk.powerCutImage(new SplittableRandom(1)).content("b")).containsOnly(1);
        assertThat(disk.content("b")).containsOnly(1);
    }

    @Test
    void theKernelMayWriteBackAtAnyTime() throws Exception {
        MemoryDisk disk = new MemoryDisk();
        StorageFile file = fresh(disk, "a", 64 * 1024);
        file.write(0, filled(64 * 1024, 1), 0, 64 * 1024);
        disk.writeBackSome(new SplittableRandom(3));
        file.write(0, filled(64 * 1024, 2), 0, 64 * 1024);
        byte[] left = disk.powerCutImage(new SplittableRandom(4)).content("a");
        Set<Byte> values = new HashSet<>();
        for (byte value : left) {
            values.add(value);
        }
        assertThat(values).containsExactlyInAnyOrder((byte) 0, (byte) 1, (byte) 2);
    }

    @Test
    void unforcedNamesMayBeLostOrLinger() throws Exception {
        MemoryDisk disk = new MemoryDisk();
        fresh(disk, "kept", 512).close();
        fresh(disk, "renamed", 512).close();
        fresh(disk, "deleted", 512).close();
        disk.create("made", 512).close();
        disk.rename("renamed", "new-name");
        disk.delete("deleted");
        assertThat(disk.list()).containsExactly("kept", "made", "new-name");
        Set<List<String>> outcomes = new HashSet<>();
        for (int seed = 0; seed < 200; seed++) {
            MemoryDisk left = disk.powerCutImage(new SplittableRandom(seed));
            List<String> names = left.list();
            assertThat(names).contains("kept");
            assertThat(names.contains("renamed")).isNotEqualTo(names.contains("new-name"));
            outcomes.add(names);
        }
        assertThat(outcomes).hasSize(8);
        disk.forceDirectory();
        for (int seed = 0; seed < 20; seed++) {
            assertThat(disk.powerCutImage(new SplittableRandom(seed)).list())
                    .containsExactly("kept", "made", "new-name");
        }
        assertThat(disk.killImage().list()).containsExactly("kept", "made", "new-name");
    }

    @Test
    void aFileWhoseSizeWasNeverForcedMayBeShorter() throws Exception {
        MemoryDisk disk = new MemoryDisk();
        StorageFile file = disk.create("a", 4096);
        disk.forceDirectory();
        Set<Long> sizes = new HashSet<>();
        for (int seed = 0; seed < 100; seed++) {
            sizes.add(disk.powerCutImage(new SplittableRandom(seed)).sizeBytes("a"));
        }
        assertThat(sizes).contains(0L, 512L, 4096L);
        file.force(0, 512);
        for (int seed = 0; seed < 20; seed++) {
            assertThat(disk.powerCutImage(new SplittableRandom(seed)).sizeBytes("a"))
                    .isEqualTo(4096);
        }
    }

    @Test
    void nothingHappensFromTheCrashOn() throws Exception {
        for (int operation = 1; operation <= 7; operation++) {
            MemoryDisk disk = new MemoryDisk();
            disk.crashAtOperation(operation);
            List<String> done = new ArrayList<>();
            assertThatExceptionOfType(DiskCrashed.class).isThrownBy(() -> {
                try (StorageFile file = disk.create("a", 1024)) {
                    done.add("create");
                    file.write(0, filled(512, 1), 0, 512);
                    done.add("write");
                    file.force(0, 512);
                    done.add("force");
                }
                disk.forceDirectory();
                done.add("names");
                disk.rename("a", "b");
                done.add("rename");
                disk.delete("b");
                done.add("delete");
                disk.create("c", 512);
                done.add("second");
            });
            assertThat(done).hasSize(operation - 1);
            assertThat(disk.operations()).isEqualTo(operation);
            assertThatExceptionOfType(DiskCrashed.class).isThrownBy(() -> disk.create("x", 1));
            assertThatExceptionOfType(DiskCrashed.class).isThrownBy(() -> disk.open("a"));
            assertThat(disk.openFiles()).isEmpty();
            MemoryDisk left = disk.killImage();
            assertThat(left.isCrashed()).isFalse();
            assertThat(left.list())
                    .isEqualTo(
                            operation == 1 || operation == 7
                                    ? List.of()
                                    : operation == 6 ? List.of("b") : List.of("a"));
        }
    }

    @Test
    void theCrashingOperationMayHappenInPart() throws Exception {
        Set<Integer> written = new HashSet<>();
        Set<Integer> forced = new HashSet<>();
        for (int seed = 0; seed < 60; seed++) {
            MemoryDisk disk = new MemoryDisk();
            StorageFile file = fresh(disk, "a", 4096);
            disk.crashAtOperation(disk.operations() + 1, new SplittableRandom(seed));
            assertThatExceptionOfType(DiskCrashed.class).isThrownBy(() -> file.write(0, filled(4096, 9), 0, 4096));
            int count = 0;
            for (byte value : disk.content("a")) {
                count += value == 9 ? 1 : 0;
            }
            written.add(count);

            MemoryDisk other = new MemoryDisk();
            StorageFile second = fresh(other, "a", 4096);
            second.write(0, filled(4096, 9), 0, 4096);
            other.crashAtOperation(other.operations() + 1, new SplittableRandom(seed));
            assertThatExceptionOfType(DiskCrashed.class).isThrownBy(() -> second.force(0, 4096));
            MemoryDisk left = other.killImage();
            left.evictCleanPages();
            int sectors = 0;
            for (int sector = 0; sector < 8; sector++) {
                sectors += left.content("a")[sector * 512] == 9 ? 1 : 0;
            }
            forced.add(sectors);
        }
        assertThat(written).contains(0).hasSizeGreaterThan(10);
        assertThat(forced).hasSizeGreaterThan(0);
    }

    @Test
    void aFullDiskRefusesNewFilesOnly() throws Exception {
        MemoryDisk disk = new MemoryDisk();
        StorageFile file = disk.create("a", 1000);
        disk.fullAfter(1500);
        StorageFile second = disk.create("b", 1500);
        assertThat(disk.usableBytes()).isZero();
        assertThatExceptionOfType(DiskFullException.class).isThrownBy(() -> disk.create("c", 1));
        file.write(0, filled(1000, 1), 0, 1000);
        second.close();
        disk.delete("b");
        assertThat(disk.usableBytes()).isEqualTo(1500);
        disk.roomAgain();
        disk.create("c", 1 << 20).close();
    }

    @Test
    void writesAndReadsCanFailAndOperationsCanBeWatched() throws Exception {
        MemoryDisk disk = new MemoryDisk();
        StorageFile file = disk.create("a", 1024);
        disk.failNextWrites(1);
        assertThatExceptionOfType(MappedAccessException.class).isThrownBy(() -> file.write(0, filled(10, 1), 0, 10));
        file.write(0, filled(10, 1), 0, 10);
        disk.failReads("a", 100, 10);
        assertThatIOException().isThrownBy(() -> file.readCold(105, new byte[1], 0, 1));
        file.read(110, new byte[1], 0, 1);
        disk.failReads("a", 0, 0);
        file.readCold(105, new byte[1], 0, 1);
        disk.failNextDirectoryForces(1);
        assertThatIOException().isThrownBy(disk::forceDirectory);
        List<String> seen = new ArrayList<>();
        disk.observe((operation, path, at, length) -> seen.add(operation + " " + path + " " + at + "+" + length));
        file.force(0, 512);
        file.read(3, new byte[4], 0, 4);
        assertThat(seen).containsExactly("FORCE a 0+512", "READ a 3+4");
        disk.observe((operation, path, at, length) -> {
            throw new IOException("slow and then gone");
        });
        assertThatIOException().isThrownBy(() -> file.force(0, 512)).withMessageContaining("gone");
    }

    @Test
    void childrenAreDirectoriesOfTheirOwn() throws Exception {
        MemoryDisk disk = new MemoryDisk();
        StorageDirectory child = disk.child("stripe-0");
        StorageFile file = child.create("a", 512);
        file.write(0, filled(512, 3), 0, 512);
        file.force(0, 512);
        assertThat(disk.list()).isEmpty();
        assertThat(disk.children()).containsExactly("stripe-0");
        assertThat(disk.files()).containsExactly("stripe-0/a");
        assertThat(disk.child("stripe-0").list()).containsExactly("a");
        assertThat(disk.killImage().child("stripe-0").list()).containsExactly("a");
        disk.forceDirectory();
        Set<List<String>> lists = new HashSet<>();
        for (int seed = 0; seed < 20; seed++) {
            MemoryDisk left = disk.powerCutImage(new SplittableRandom(seed));
            lists.add(left.child("stripe-0").list());
        }
        assertThat(lists).as("a directory's names are forced in itself").hasSize(2);
        child.forceDirectory();
        assertThat(disk.powerCutImage(new SplittableRandom(0)).content("stripe-0/a"))
                .containsOnly(3);
    }

    @Test
    void refusesWhatARealDirectoryRefuses() throws Exception {
        MemoryDisk disk = new MemoryDisk();
        StorageFile file = disk.create("a", 512);
        assertThatExceptionOfType(FileAlreadyExistsException.class).isThrownBy(() -> disk.create("a", 1));
        assertThatExceptionOfType(NoSuchFileException.class).isThrownBy(() -> disk.open("b"));
        assertThatExceptionOfType(NoSuchFileException.class).isThrownBy(() -> disk.delete("b"));
        assertThatIllegalStateException().isThrownBy(() -> disk.rename("a", "b"));
        assertThatIllegalStateException().isThrownBy(() -> disk.truncate("a", 10));
        assertThatExceptionOfType(IndexOutOfBoundsException.class).isThrownBy(() -> file.write(510, new byte[3], 0, 3));
        file.close();
        file.close();
        assertThatIllegalStateException().isThrownBy(() -> file.force(0, 1));
        disk.create("b", 512).close();
        assertThatExceptionOfType(FileAlreadyExistsException.class).isThrownBy(() -> disk.rename("a", "b"));
        disk.truncate("a", 100);
        disk.flip("a", 99, 0x80);
        assertThat(disk.content("a")).hasSize(100).endsWith(0x80);
    }

    @Test
    void deletedFilesStayReadableThroughOpenHandles() throws Exception {
        MemoryDisk disk = new MemoryDisk();
        StorageFile file = disk.create("a", 512);
        file.write(0, filled(512, 4), 0, 512);
        disk.delete("a");
        byte[] read = new byte[512];
        file.read(0, read, 0, 512);
        assertThat(read).containsOnly(4);
        assertThat(disk.files()).isEmpty();
    }
}
