package io.forebay.storage.io;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.channels.FileLock;
import java.nio.channels.OverlappingFileLockException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;

/**
 * The exclusive right to a node's data directory: a lock on its file {@code lock}, and the node's name in its file
 * {@code node-name}. Released by {@link #close()} and by the end of the process.
 */
public final class DirectoryLock implements AutoCloseable {
    private static final String LOCK_FILE = "lock";
    private static final String NAME_FILE = "node-name";

    /**
     * Directories that this process has locked. The operating system drops a process's locks of a file as soon as the
     * process closes any handle of it, so a second attempt must not even open the lock file.
     */
    private static final Set<Path> HELD = ConcurrentHashMap.newKeySet();

    private final Path held;
    private final FileChannel channel;
    private final FileLock lock;

    private DirectoryLock(Path held, FileChannel channel, FileLock lock) {
        this.held = held;
        this.channel = channel;
        this.lock = lock;
    }

    /**
     * Locks the directory, making it when it is missing; a directory without a name takes this one.
     *
     * @throws DirectoryLockedException if another process, or another node of this process, has it open
     * @throws ForeignDirectoryException if it is the directory of a node of another name
     */
    public static DirectoryLock acquire(String directory, String nodeName) throws IOException {
        FileStorageDirectory root = FileStorageDirectory.at(directory);
        Path path = Path.of(root.path());
        Path held = path.toRealPath();
        if (!HELD.add(held)) {
            throw new DirectoryLockedException(
                    "the data directory " + path + " is already open in this process, by another node");
        }
        FileChannel channel = null;
        try {
            channel = FileChannel.open(
                    path.resolve(LOCK_FILE),
                    StandardOpenOption.CREATE,
                    StandardOpenOption.READ,
                    StandardOpenOption.WRITE);
            FileLock lock = tryLock(channel, path);
            String owner = nodeName(directory);
            if (owner == null) {
                writeName(root, path, nodeName);
            } else if (!owner.equals(nodeName)) {
                throw new ForeignDirectoryException("the data directory " + path + " belongs to the node '" + owner
                        + "', this node is '" + nodeName + "'");
            }
            channel.truncate(0);
            channel.write(
                    ByteBuffer.wrap(Long.toString(ProcessHandle.current().pid()).getBytes(StandardCharsets.US_ASCII)));
            return new DirectoryLock(held, channel, lock);
        } catch (IOException | RuntimeException e) {
            letGo(held, channel);
            throw e;
        }
    }

    private static void letGo(Path held, FileChannel channelOrNull) throws IOException {
        try {
            if (channelOrNull != null) {
                channelOrNull.close();
            }
        } finally {
            HELD.remove(held);
        }
    }

    /**
     * Keeps nodes out of a directory while somebody reads it, and writes nothing. Several processes may do so at once.
     *
     * @return null if there is nothing to lock: a copy without its lock file
     * @throws DirectoryLockedException if a node has it open
     */
    public static DirectoryLock forReading(String directory) throws IOException {
        return existing(directory, true);
    }

    /**
     * Keeps nodes and readers out of a directory while somebody changes its files without being its node. Writes nothing itself.
     *
     * @return null if there is nothing to lock: a copy without its lock file
     * @throws DirectoryLockedException if a node or somebody else has it open
     */
    public static DirectoryLock forWriting(String directory) throws IOException {
        return existing(directory, false);
    }

    private static DirectoryLock existing(String directory, boolean isShared) throws IOException {
        Path path = Path.of(directory).toAbsolutePath().normalize();
        if (!Files.exists(path.resolve(LOCK_FILE))) {
            return null;
        }
        Path held = path.toRealPath();
        if (!HELD.add(held)) {
            throw inUse(path, "this process");
        }
        FileChannel channel = null;
        try {
            channel = isShared
                    ? FileChannel.open(path.resolve(LOCK_FILE), StandardOpenOption.READ)
                    : FileChannel.open(path.resolve(LOCK_FILE), StandardOpenOption.READ, StandardOpenOption.WRITE);
            FileLock lock;
            try {
                lock = channel.tryLock(0, Long.MAX_VALUE, isShared);
            } catch (OverlappingFileLockException e) {
                throw inUse(path, "this process");
            }
            if (lock == null) {
                throw inUse(path, holderOf(path));
            }
            return new DirectoryLock(held, channel, lock);
        } catch (IOException | RuntimeException e) {
            letGo(held, channel);
            throw e;
        }
    }

    private static DirectoryLockedException inUse(Path path, String holder) {
        return new DirectoryLockedException("the data directory " + path + " is in use by " + holder);
    }

    private static String holderOf(Path path) throws IOException {
        String holder = Files.readString(path.resolve(LOCK_FILE), StandardCharsets.US_ASCII)
                .strip();
        return holder.isEmpty() ? "another process" : "process " + holder;
    }

    private static FileLock tryLock(FileChannel channel, Path path) throws IOException {
        FileLock lock;
        try {
            lock = channel.tryLock();
        } catch (OverlappingFileLockException e) {
            throw new DirectoryLockedException(
                    "the data directory " + path + " is already open in this process, by another node");
        }
        if (lock == null) {
            throw inUse(path, holderOf(path));
        }
        return lock;
    }

    private static void writeName(FileStorageDirectory root, Path path, String nodeName) throws IOException {
        Path unfinished = path.resolve(NAME_FILE + ".new");
        try (FileChannel file = FileChannel.open(
                unfinished,
                StandardOpenOption.CREATE,
                StandardOpenOption.TRUNCATE_EXISTING,
                StandardOpenOption.WRITE)) {
            file.write(ByteBuffer.wrap((nodeName + "\n").getBytes(StandardCharsets.UTF_8)));
            file.force(true);
        }
        Files.move(unfinished, path.resolve(NAME_FILE), StandardCopyOption.ATOMIC_MOVE);
        root.forceDirectory();
    }

    /** The name kept in the directory, or null if it has none yet. */
    public static String nodeName(String directory) throws IOException {
        Path file = Path.of(directory).resolve(NAME_FILE);
        return Files.exists(file)
                ? Files.readString(file, StandardCharsets.UTF_8).strip()
                : null;
    }

    @Override
    public void close() throws IOException {
        if (channel.isOpen()) {
            lock.release();
            letGo(held, channel);
        }
    }
}
