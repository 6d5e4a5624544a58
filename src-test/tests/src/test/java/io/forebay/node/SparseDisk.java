package io.forebay.node;

import io.forebay.storage.io.FileStorageDirectory;
import io.forebay.storage.io.StorageDirectory;
import io.forebay.storage.io.StorageFile;
import io.forebay.testkit.faults.DiskCrashed;
import java.io.IOException;
import java.io.RandomAccessFile;
import java.nio.file.FileAlreadyExistsException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.atomic.AtomicLong;

/**
 * Sparse files that can be read, written and killed, and count what is read of them. A large log takes no room and little
 * time on it: while {@link #dropLarge} is asked for, a large frame leaves a hole of zeros where it would lie, and headers, small
 * frames and the index are there as ever. Nothing is forced; it knows the death of a process, not of a machine.
 */
public final class SparseDisk implements StorageDirectory {
    private static final int LARGE_BYTES = 16 * 1024;
    private static final int SEGMENT_HEADER_BYTES = 4096;

    /** One for all directories of a disk. */
    private static final class Shared {
        final AtomicLong framesRead = new AtomicLong();
        final AtomicLong headersRead = new AtomicLong();
        final AtomicLong othersRead = new AtomicLong();
        volatile boolean isDropping;
        volatile boolean isDead;
    }

    private final Shared shared;
    private final Path path;
    private final FileStorageDirectory files;

    private SparseDisk(Shared shared, Path path) throws IOException {
        this.shared = shared;
        this.path = path;
        this.files = FileStorageDirectory.at(path.toString());
    }

    /** What is there already is the disk of a process that was killed. */
    public static SparseDisk at(Path directory) throws IOException {
        return new SparseDisk(new Shared(), directory);
    }

    void dropLarge(boolean isDropping) {
        shared.isDropping = isDropping;
    }

    /** kill -9: what was written is there, nothing works from now on. */
    public void kill() {
        shared.isDead = true;
    }

    /** Of segments, behind their header pages. */
    long frameBytesRead() {
        return shared.framesRead.get();
    }

    long headerBytesRead() {
        return shared.headersRead.get();
    }

    /** Of the index, the checkpoint file and the like. */
    long otherBytesRead() {
        return shared.othersRead.get();
    }

    private void check() {
        if (shared.isDead) {
            throw new DiskCrashed(path + " belongs to a process that was killed");
        }
    }

    @Override
    public String path() {
        return files.path();
    }

    @Override
    public List<String> list() throws IOException {
        check();
        return files.list();
    }

    @Override
    public List<String> children() throws IOException {
        check();
        return files.children();
    }

    @Override
    public StorageFile create(String name, long sizeBytes) throws IOException {
        check();
        Path file = path.resolve(name);
        if (Files.exists(file)) {
            throw new FileAlreadyExistsException(file.toString());
        }
        try (RandomAccessFile sparse = new RandomAccessFile(file.toFile(), "rw")) {
            sparse.setLength(sizeBytes);
        }
        return open(name);
    }

    @Override
    public StorageFile open(String name) throws IOException {
        check();
        return new SparseFile(files.open(name), name.endsWith(".log"));
    }

    @Override
    public void rename(String from, String to) throws IOException {
        check();
        files.rename(from, to);
    }

    @Override
    public void delete(String name) throws IOException {
        check();
        files.delete(name);
    }

    @Override
    public void forceDirectory() {
        check();
    }

    @Override
    public StorageDirectory child(String name) throws IOException {
        check();
        return new SparseDisk(shared, path.resolve(name));
    }

    @Override
    public long usableBytes() {
        return 1L << 50;
    }

    @Override
    public void close() {}

    private final class SparseFile implements StorageFile {
        private final StorageFile file;
        private final boolean isSegment;

        SparseFile(StorageFile file, boolean isSegment) {
            this.file = file;
            this.isSegment = isSegment;
        }

        @Override
        public String name() {
            return file.name();
        }

        @Override
        public long sizeBytes() {
            return file.sizeBytes();
        }

        @Override
        public void write(long at, byte[] source, int from, int length) throws IOException {
            check();
            if (!isSegment || length < LARGE_BYTES || !shared.isDropping) {
                file.write(at, source, from, length);
            }
        }

        @Override
        public void read(long at, byte[] target, int from, int length) throws IOException {
            count(at, length);
            file.read(at, target, from, length);
        }

        @Override
        public void readCold(long at, byte[] target, int from, int length) throws IOException {
            count(at, length);
            file.readCold(at, target, from, length);
        }

        private void count(long at, int length) {
            check();
            AtomicLong counter =
                    !isSegment ? shared.othersRead : at < SEGMENT_HEADER_BYTES ? shared.headersRead : shared.framesRead;
            counter.addAndGet(length);
        }

        @Override
        public void force(long at, long length) {
            check();
        }

        @Override
        public void close() throws IOException {
            file.close();
        }

        @Override
        public void abandon() throws IOException {
            file.abandon();
        }
    }
}
