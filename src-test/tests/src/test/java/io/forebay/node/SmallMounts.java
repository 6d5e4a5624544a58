package io.forebay.node;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.io.OutputStream;
import java.io.UncheckedIOException;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Assumptions;

/**
 * Small file systems of a test's own, mounted below one directory and unmounted by {@link #close()}, or when the process ends.
 * Where the machine does not allow a mount the test is left out, and says why. Thread-safe but for the making of mounts.
 */
final class SmallMounts implements AutoCloseable {
    private static final long COMMAND_SECONDS = 30;
    private static final int CHUNK_BYTES = 64 * 1024;
    private static final int PAGE_BYTES = 4096;
    /** More blocks than the journal has are written by so many forced changes of a directory. */
    private static final int JOURNAL_TURNS = 400;

    private final Path root;
    /** The newest first: it may lie on an older one. */
    private final Deque<Path> mounted = new ArrayDeque<>();

    /** Limits of devices that were changed, with what they were. */
    private final Map<Path, String> limits = new LinkedHashMap<>();

    private final Thread atExit = new Thread(this::unmountAll, "unmount");

    /** @param root an empty directory below which all lies */
    SmallMounts(Path root) {
        this.root = root;
        Runtime.getRuntime().addShutdownHook(atExit);
    }

    /** A file system in memory, with so many bytes. */
    Path memory(String name, long bytes) throws IOException, InterruptedException {
        Path at = Files.createDirectory(root.resolve(name));
        mount(at, "-t", "tmpfs", "-o", "size=" + bytes, "forebay-test");
        return at;
    }

    /** An image with ext4 in it, of which hardly any block is there before it is written. */
    static Path ext4Image(Path image, int mebibytes) throws IOException, InterruptedException {
        orLeftOut(run("truncate", "-s", mebibytes + "M", image.toString()));
        orLeftOut(run("mkfs.ext4", "-q", "-F", "-b", "4096", "-m", "0", "-J", "size=4", image.toString()));
        return image;
    }

    /** The same without a journal, which a device that fails would end for good. */
    static Path ext4ImageWithoutJournal(Path image, int mebibytes) throws IOException, InterruptedException {
        orLeftOut(run("truncate", "-s", mebibytes + "M", image.toString()));
        orLeftOut(run("mkfs.ext4", "-q", "-F", "-b", "4096", "-m", "0", "-O", "^has_journal", image.toString()));
        return image;
    }

    /**
     * Whatever is written to the device of that image fails with EIO from now on, and what is read is there: the image, which has to lie in
     * an ext4, must not be changed any more.
     */
    static void breakDevice(Path image) throws IOException, InterruptedException {
        orLeftOut(run("chattr", "+i", image.toString()));
    }

    /** The device takes what is written. */
    static void mendDevice(Path image) throws IOException, InterruptedException {
        assertThat(run("chattr", "-i", image.toString())).isNull();
    }

    /** What is in that image; the journal is replayed as after a power cut if there is something in it. */
    Path ext4(String name, Path image) throws IOException, InterruptedException {
        Path at = Files.createDirectory(root.resolve(name));
        mount(at, "-t", "ext4", "-o", "loop,errors=continue,nodiscard", image.toString());
        writePageByPage(at);
        return at;
    }

    /**
     * Of a request for several pages of which only the first had room below, the loop device of some kernels says that it was done:
     * then the device lies and no force can fail. Until it is unmounted it gets requests for one page.
     */
    private void writePageByPage(Path at) throws IOException {
        String device = Files.getFileStore(at).name();
        Path limit = Path.of("/sys/block", Path.of(device).getFileName().toString(), "queue", "max_sectors_kb");
        try {
            String before = Files.readString(limit);
            Files.writeString(limit, String.valueOf(PAGE_BYTES / 1024));
            synchronized (mounted) {
                limits.put(limit, before);
            }
        } catch (IOException e) {
            orLeftOut("requests of one page to " + device + ": " + e);
        }
    }

    /** Has each block of the journal written: a device without room does not fail in it, but in files. */
    static void turnJournal(Path ext4) throws IOException, InterruptedException {
        for (int turn = 0; turn < JOURNAL_TURNS; turn++) {
            Path file = Files.createFile(ext4.resolve("turn-" + turn));
            force(ext4);
            Files.delete(file);
        }
        force(ext4);
    }

    private static void force(Path directory) throws IOException {
        try (FileChannel channel = FileChannel.open(directory)) {
            channel.force(true);
        }
    }

    /** All that is only in the memory of this file system goes to its device. */
    static void sync(Path fileSystem) throws IOException, InterruptedException {
        orLeftOut(run("sync", "-f", fileSystem.toString()));
    }

    /**
     * Takes from the image the blocks that hold nothing but zeros, as of files made ahead of use: who writes there needs the room of
     * the file system below.
     */
    static void takeZeros(Path image) throws IOException, InterruptedException {
        orLeftOut(run("fallocate", "--dig-holes", image.toString()));
    }

    /** What the device of that image holds now, and nothing that is only in the memory of the file system on it. */
    static Path copy(Path image, Path to) throws IOException, InterruptedException {
        String failure = run("cp", "--sparse=always", image.toString(), to.toString());
        assertThat(failure).as("copy of the image").isNull();
        return to;
    }

    /** Somebody else's file, which takes what is left. */
    static Path fill(Path fileSystem) throws IOException {
        Path file = fileSystem.resolve("somebody-elses-file");
        try (OutputStream out = Files.newOutputStream(file)) {
            for (int bytes = CHUNK_BYTES; bytes >= PAGE_BYTES; bytes /= 4) {
                writeUntilFull(out, bytes);
            }
        } catch (IOException e) {
            assertThat(e).hasMessageContaining("No space left");
        }
        assertThat(Files.getFileStore(fileSystem).getUsableSpace())
                .as("room that is left")
                .isLessThan(PAGE_BYTES);
        return file;
    }

    private static void writeUntilFull(OutputStream out, int bytes) throws IOException {
        byte[] zeros = new byte[bytes];
        try {
            while (true) {
                out.write(zeros);
            }
        } catch (IOException e) {
            if (!String.valueOf(e.getMessage()).contains("No space left")) {
                throw e;
            }
        }
    }

    private void mount(Path at, String... options) throws IOException, InterruptedException {
        List<String> command = new ArrayList<>(List.of("mount"));
        command.addAll(List.of(options));
        command.add(at.toString());
        orLeftOut(run(command.toArray(String[]::new)));
        synchronized (mounted) {
            mounted.push(at);
        }
    }

    private static void orLeftOut(String failure) {
        if (failure != null) {
            System.out.println("mounted disks: left out, this machine does not allow it: " + failure);
            Assumptions.abort(failure);
        }
    }

    /** @return null if it went well, else one line that says why not */
    private static String run(String... command) throws IOException, InterruptedException {
        Process process;
        try {
            process = new ProcessBuilder(command).redirectErrorStream(true).start();
        } catch (IOException e) {
            return e.getMessage();
        }
        String said = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
        if (!process.waitFor(COMMAND_SECONDS, TimeUnit.SECONDS)) {
            process.destroyForcibly();
            return String.join(" ", command) + " does not end";
        }
        return process.exitValue() == 0
                ? null
                : String.join(" ", command) + " ends with " + process.exitValue() + ": "
                        + said.strip().replace('\n', ' ');
    }

    private void unmountAll() {
        synchronized (mounted) {
            limits.forEach((limit, before) -> {
                try {
                    Files.writeString(limit, before);
                } catch (IOException e) {
                    System.out.println("mounted disks: " + e);
                }
            });
            limits.clear();
            while (!mounted.isEmpty()) {
                try {
                    String failure = run("umount", "-l", mounted.pop().toString());
                    if (failure != null) {
                        System.out.println("mounted disks: " + failure);
                    }
                } catch (IOException e) {
                    throw new UncheckedIOException(e);
                } catch (InterruptedException e) {
                    Thread.currentThread().interrupt();
                }
            }
        }
    }

    @Override
    public void close() {
        unmountAll();
        Runtime.getRuntime().removeShutdownHook(atExit);
    }
}
