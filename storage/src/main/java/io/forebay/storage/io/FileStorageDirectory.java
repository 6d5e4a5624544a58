package io.forebay.storage.io;

import java.io.FileNotFoundException;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.FileAlreadyExistsException;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.List;
import java.util.Locale;
import java.util.Set;
import java.util.stream.Stream;

/** A directory of the file system. */
public final class FileStorageDirectory implements StorageDirectory {
    /** They write a block elsewhere instead of overwriting it, so space that was allocated is not space that is there. */
    private static final Set<String> NOT_OVERWRITTEN_IN_PLACE = Set.of("btrfs", "zfs", "bcachefs");

    /** Never written; each use has a duplicate. One for each file would be direct memory that waits for the collector. */
    private static final ByteBuffer ZEROS = ByteBuffer.allocateDirect(1 << 20).asReadOnlyBuffer();

    /** A new file is forced in steps of this: one force of all of it would hold up the forces of others for long. */
    private static final int NEW_FORCED_BYTES = 8 << 20;

    private final Path path;
    private final boolean isMapped;

    private FileStorageDirectory(Path path, boolean isMapped) {
        this.path = path;
        this.isMapped = isMapped;
    }

    /** The directory with that path, made when it is missing; mapped unless its file system does not overwrite in place. */
    public static FileStorageDirectory at(String path) throws IOException {
        Path directory = made(Path.of(path));
        return new FileStorageDirectory(directory, warning(directory) == null);
    }

    /** The same, written through positional calls only, whatever the file system. */
    public static FileStorageDirectory positional(String path) throws IOException {
        return new FileStorageDirectory(made(Path.of(path)), false);
    }

    /** One line for the log if the file system is one that does not overwrite in place, else null. */
    public String warning() throws IOException {
        return warning(path);
    }

    private static String warning(Path directory) throws IOException {
        String type = Files.getFileStore(directory).type().toLowerCase(Locale.ROOT);
        return NOT_OVERWRITTEN_IN_PLACE.contains(type)
                ? directory + " lies on " + type + ", which does not overwrite in place: it is written without memory"
                        + " maps, and a full disk can show late"
                : null;
    }

    private static Path made(Path directory) throws IOException {
        Path absolute = directory.toAbsolutePath().normalize();
        if (!Files.isDirectory(absolute)) {
            Files.createDirectories(absolute);
            if (absolute.getParent() != null) {
                forceDirectory(absolute.getParent());
            }
        }
        return absolute;
    }

    @Override
    public String path() {
        return path.toString();
    }

    @Override
    public List<String> list() throws IOException {
        try (Stream<Path> entries = Files.list(path)) {
            return entries.filter(entry -> !Files.isDirectory(entry, LinkOption.NOFOLLOW_LINKS))
                    .map(entry -> entry.getFileName().toString())
                    .sorted()
                    .toList();
        }
    }

    @Override
    public List<String> children() throws IOException {
        try (Stream<Path> entries = Files.list(path)) {
            return entries.filter(Files::isDirectory)
                    .map(entry -> entry.getFileName().toString())
                    .sorted()
                    .toList();
        }
    }

    @Override
    public StorageFile create(String name, long sizeBytes) throws IOException {
        Path file = path.resolve(name);
        FileChannel channel;
        try {
            channel = FileChannel.open(
                    file, StandardOpenOption.CREATE_NEW, StandardOpenOption.READ, StandardOpenOption.WRITE);
        } catch (FileAlreadyExistsException e) {
            throw e;
        } catch (IOException e) {
            throw named("create", file, e);
        }
        try {
            ByteBuffer zeros = ZEROS.duplicate();
            long forced = 0;
            for (long at = 0; at < sizeBytes; ) {
                zeros.clear().limit((int) Math.min(zeros.capacity(), sizeBytes - at));
                at += channel.write(zeros, at);
                if (at - forced >= NEW_FORCED_BYTES && at < sizeBytes) {
                    channel.force(false);
                    forced = at;
                }
            }
            FileStorageFile made = new FileStorageFile(file, channel, sizeBytes, isMapped);
            made.mapNowIfWanted();
            return made;
        } catch (IOException e) {
            channel.close();
            Files.deleteIfExists(file);
            throw named("allocate " + sizeBytes + " bytes for", file, e);
        }
    }

    @Override
    public StorageFile open(String name) throws IOException {
        return FileStorageFile.open(path.resolve(name), isMapped);
    }

    @Override
    public void rename(String from, String to) throws IOException {
        if (Files.exists(path.resolve(to))) {
            throw new FileAlreadyExistsException(path.resolve(to).toString());
        }
        Files.move(path.resolve(from), path.resolve(to));
    }

    @Override
    public void delete(String name) throws IOException {
        Files.delete(path.resolve(name));
    }

    @Override
    public void forceDirectory() throws IOException {
        forceDirectory(path);
    }

    private static void forceDirectory(Path directory) throws IOException {
        try (FileChannel channel = FileChannel.open(directory, StandardOpenOption.READ)) {
            channel.force(true);
        } catch (IOException e) {
            throw named("force", directory, e);
        }
    }

    @Override
    public StorageDirectory child(String name) throws IOException {
        Path child = path.resolve(name);
        if (!Files.isDirectory(child)) {
            Files.createDirectory(child);
            forceDirectory();
        }
        return new FileStorageDirectory(child, isMapped);
    }

    @Override
    public long usableBytes() throws IOException {
        return Files.getFileStore(path).getUsableSpace();
    }

    @Override
    public void close() {}

    /** The same failure, with what was tried on which file; a full disk gets a type of its own. */
    static IOException named(String operation, Path file, Exception cause) {
        String what = cause.getMessage() == null ? cause.toString() : cause.getMessage();
        String message = "cannot " + operation + " " + file + ": " + what;
        if (what.contains("No space left") || what.contains("quota exceeded")) {
            return new DiskFullException(message, cause);
        }
        if (cause instanceof FileNotFoundException) {
            return (FileNotFoundException) cause;
        }
        return new IOException(message, cause);
    }
}
