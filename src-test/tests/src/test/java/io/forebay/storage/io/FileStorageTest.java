package io.forebay.storage.io;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.nio.file.FileAlreadyExistsException;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.EnabledOnOs;
import org.junit.jupiter.api.condition.OS;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Directories, files and the lock of the file system. */
class FileStorageTest {
    @TempDir
    Path folder;

    private StorageDirectory directory(boolean isMapped) throws IOException {
        return isMapped
                ? FileStorageDirectory.at(folder.toString())
                : FileStorageDirectory.positional(folder.toString());
    }

    @ParameterizedTest
    @ValueSource(booleans = {true, false})
    void whatIsWrittenIsReadHotAndColdAndAfterReopening(boolean isMapped) throws IOException {
        StorageDirectory directory = directory(isMapped);
        byte[] written = new byte[700_000];
        new Random(3).nextBytes(written);
        try (StorageFile file = directory.create("a", 1 << 20)) {
            assertThat(file.sizeBytes()).isEqualTo(1 << 20);
            file.write(1000, written, 0, written.length);
            assertThat(read(file, 1000, written.length, true)).isEqualTo(written);
            assertThat(read(file, 1000, written.length, false)).isEqualTo(written);
            assertThat(read(file, 0, 1000, false)).containsOnly(0);
            file.force(1000, written.length);
            file.touch(0, 1 << 20);
            file.write(5, written, 7, 2);
            file.force(0, 1);
        }
        directory.forceDirectory();
        try (StorageFile file = directory.open("a")) {
            assertThat(file.sizeBytes()).isEqualTo(1 << 20);
            assertThat(read(file, 1000, written.length, false)).isEqualTo(written);
            assertThat(read(file, 5, 2, true)).isEqualTo(Arrays.copyOfRange(written, 7, 9));
        }
    }

    /** They go different ways and must meet: many bytes and few, read through the map, with calls, and after a force. */
    @ParameterizedTest
    @ValueSource(booleans = {true, false})
    void writesOfEachLengthMeetInTheSamePages(boolean isMapped) throws IOException {
        int size = 3 * 4096;
        byte[] expected = new byte[size];
        Random random = new Random(5);
        try (StorageFile file = directory(isMapped).create("a", size)) {
            assertThat(read(file, 0, size, true)).isEqualTo(expected);
            for (int i = 0; i < 400; i++) {
                byte[] bytes = new byte[1 + random.nextInt(i % 4 == 0 ? 5000 : 130)];
                random.nextBytes(bytes);
                int at = random.nextInt(size - bytes.length + 1);
                file.write(at, bytes, 0, bytes.length);
                System.arraycopy(bytes, 0, expected, at, bytes.length);
                if (i % 50 == 0) {
                    file.force(0, size);
                    file.touch(0, size);
                }
                assertThat(read(file, 0, size, i % 2 == 0)).isEqualTo(expected);
            }
        }
        try (StorageFile file = directory(isMapped).open("a")) {
            assertThat(read(file, 0, size, false)).isEqualTo(expected);
        }
    }

    private static byte[] read(StorageFile file, long at, int length, boolean isHot) throws IOException {
        byte[] bytes = new byte[length + 3];
        if (isHot) {
            file.read(at, bytes, 3, length);
        } else {
            file.readCold(at, bytes, 3, length);
        }
        return Arrays.copyOfRange(bytes, 3, bytes.length);
    }

    @Test
    @EnabledOnOs(OS.LINUX)
    void blocksAreReallyWritten() throws Exception {
        directory(true).create("a", 8 << 20).close();
        Process du = new ProcessBuilder("du", "-k", folder.resolve("a").toString()).start();
        String kib = new String(du.getInputStream().readAllBytes()).split("\\s")[0];
        assertThat(Long.parseLong(kib)).isGreaterThanOrEqualTo(8 << 10);
    }

    @ParameterizedTest
    @ValueSource(booleans = {true, false})
    void nothingIsReachedBeyondTheEnd(boolean isMapped) throws IOException {
        try (StorageFile file = directory(isMapped).create("a", 4096)) {
            byte[] bytes = new byte[10];
            assertThatThrownBy(() -> file.write(4090, bytes, 0, 10)).isInstanceOf(IndexOutOfBoundsException.class);
            assertThatThrownBy(() -> file.read(4090, bytes, 0, 10)).isInstanceOf(IndexOutOfBoundsException.class);
            assertThatThrownBy(() -> file.readCold(-1, bytes, 0, 1)).isInstanceOf(IndexOutOfBoundsException.class);
        }
    }

    @ParameterizedTest
    @ValueSource(booleans = {true, false})
    void aClosedFileIsRefusedNotTouched(boolean isMapped) throws IOException {
        StorageFile file = directory(isMapped).create("a", 4096);
        file.write(0, new byte[10], 0, 10);
        file.close();
        file.close();
        assertThatThrownBy(() -> file.write(0, new byte[1], 0, 1)).isInstanceOf(IOException.class);
        assertThatThrownBy(() -> file.read(0, new byte[1], 0, 1)).isInstanceOf(IOException.class);
        assertThatThrownBy(() -> file.readCold(0, new byte[1], 0, 1)).isInstanceOf(IOException.class);
    }

    @Test
    void anInterruptedReaderDoesNotCostTheFile() throws Exception {
        try (StorageFile file = directory(true).create("a", 4096)) {
            Thread reader = new Thread(() -> {
                Thread.currentThread().interrupt();
                try {
                    file.readCold(0, new byte[10], 0, 10);
                } catch (IOException e) {
                    // The interrupted reader's own affair.
                    return;
                }
            });
            reader.start();
            reader.join();
            assertThat(read(file, 0, 10, false)).containsOnly(0);
            file.write(0, new byte[] {1}, 0, 1);
            file.force(0, 1);
        }
    }

    /** Many bytes are written with a call, through a channel that must not be a reader's to close. */
    @ParameterizedTest
    @ValueSource(booleans = {true, false})
    void anInterruptedHotReaderDoesNotCostTheFile(boolean isReused) throws Exception {
        StorageDirectory directory = directory(true);
        StorageFile made = directory.create("a", 8192);
        if (isReused) {
            made.close();
        }
        try (StorageFile file = isReused ? directory.open("a") : made) {
            file.write(0, new byte[100], 0, 100);
            if (isReused) {
                file.touch(0, 8192);
            }
            byte[] read = new byte[10];
            Thread reader = new Thread(() -> {
                Thread.currentThread().interrupt();
                try {
                    file.read(0, read, 0, 10);
                } catch (IOException e) {
                    throw new AssertionError(e);
                }
            });
            reader.start();
            reader.join();
            byte[] more = new byte[100];
            Arrays.fill(more, (byte) 7);
            file.write(4096, more, 0, 100);
            file.force(0, 8192);
            assertThat(read(file, 4096, 100, true)).isEqualTo(more);
        }
    }

    @Test
    void namesAreListedRenamedAndDeleted() throws IOException {
        StorageDirectory directory = directory(true);
        directory.create("b", 10).close();
        directory.create("a", 10).close();
        directory.child("c").create("d", 10).close();
        assertThat(directory.list()).containsExactly("a", "b");
        assertThat(directory.children()).containsExactly("c");
        assertThatThrownBy(() -> directory.create("a", 10)).isInstanceOf(FileAlreadyExistsException.class);
        assertThatThrownBy(() -> directory.rename("a", "b")).isInstanceOf(FileAlreadyExistsException.class);
        assertThatThrownBy(() -> directory.open("x")).isInstanceOf(NoSuchFileException.class);
        directory.rename("a", "x");
        directory.delete("b");
        directory.forceDirectory();
        assertThat(directory.list()).containsExactly("x");
        assertThat(directory.usableBytes()).isPositive();
    }

    @Test
    void aDirectoryIsLockedOnceAndBelongsToOneNode() throws IOException {
        String path = folder.resolve("data").toString();
        assertThat(DirectoryLock.acquire(path, "n1")).satisfies(lock -> {
            assertThatThrownBy(() -> DirectoryLock.acquire(path, "n1"))
                    .isInstanceOf(DirectoryLockedException.class)
                    .hasMessageContaining(path);
            lock.close();
            lock.close();
        });
        assertThat(DirectoryLock.nodeName(path)).isEqualTo("n1");
        assertThatThrownBy(() -> DirectoryLock.acquire(path, "n2"))
                .isInstanceOf(ForeignDirectoryException.class)
                .hasMessageContaining("'n1'")
                .hasMessageContaining("'n2'");
        DirectoryLock.acquire(path, "n1").close();
    }

    /** Another process that tries to lock a directory; ends with 3 if it is locked. */
    static final class OtherProcess {
        private OtherProcess() {}

        public static void main(String[] args) throws IOException {
            try {
                DirectoryLock.acquire(args[0], "n1").close();
            } catch (DirectoryLockedException e) {
                System.exit(3);
            }
        }
    }

    private static int lockFromAnotherProcess(String path) throws IOException, InterruptedException {
        String java = Path.of(System.getProperty("java.home"), "bin", "java").toString();
        return new ProcessBuilder(
                        java,
                        "-XX:TieredStopAtLevel=1",
                        "-cp",
                        System.getProperty("java.class.path"),
                        OtherProcess.class.getName(),
                        path)
                .inheritIO()
                .start()
                .waitFor();
    }

    @Test
    void aRefusedSecondLockLeavesTheFirstInPlace() throws Exception {
        String path = folder.resolve("data").toString();
        DirectoryLock first = DirectoryLock.acquire(path, "n1");
        assertThatThrownBy(() -> DirectoryLock.acquire(path, "n1")).isInstanceOf(DirectoryLockedException.class);
        assertThatThrownBy(() -> DirectoryLock.forReading(path)).isInstanceOf(DirectoryLockedException.class);
        assertThat(lockFromAnotherProcess(path)).isEqualTo(3);
        first.close();
        assertThat(lockFromAnotherProcess(path)).isZero();
    }
}
