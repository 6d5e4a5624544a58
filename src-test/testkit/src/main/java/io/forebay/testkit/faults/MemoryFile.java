package io.forebay.testkit.faults;

import io.forebay.storage.io.StorageFile;
import io.forebay.testkit.faults.DiskObserver.Operation;
import java.io.IOException;
import java.nio.channels.ClosedChannelException;
import java.util.Objects;

/** An open file of a {@link MemoryDisk}. */
final class MemoryFile implements StorageFile {
    private final MemoryDisk disk;
    private final String path;
    private final String name;
    private final MemoryInode inode;
    private boolean isOpen = true;
    private boolean isAbandoned;

    MemoryFile(MemoryDisk disk, String path, String name, MemoryInode inode) {
        this.disk = disk;
        this.path = path;
        this.name = name;
        this.inode = inode;
        inode.handles++;
    }

    @Override
    public String name() {
        return name;
    }

    @Override
    public long sizeBytes() {
        return inode.cache.length;
    }

    @Override
    public void write(long at, byte[] source, int from, int length) throws IOException {
        disk.observe(Operation.WRITE, path, at, length);
        synchronized (disk) {
            check(at, length);
            Objects.checkFromIndexSize(from, length, source.length);
            disk.write(path, inode, at, source, from, length);
        }
    }

    @Override
    public void read(long at, byte[] target, int from, int length) throws IOException {
        read(Operation.READ, at, target, from, length);
    }

    @Override
    public void readCold(long at, byte[] target, int from, int length) throws IOException {
        read(Operation.READ_COLD, at, target, from, length);
    }

    private void read(Operation operation, long at, byte[] target, int from, int length) throws IOException {
        disk.observe(operation, path, at, length);
        synchronized (disk) {
            disk.checkRunning(operation, path);
            if (isAbandoned) {
                throw new ClosedChannelException();
            }
            check(at, length);
            disk.checkReadable(operation, path, at, length);
            System.arraycopy(inode.cache, (int) at, target, from, length);
        }
    }

    @Override
    public void force(long at, long length) throws IOException {
        try {
            disk.observe(Operation.FORCE, path, at, length);
        } catch (IOException e) {
            synchronized (disk) {
                check(at, length);
                disk.forceFailed(path, inode, at, length);
            }
            throw e;
        }
        synchronized (disk) {
            check(at, length);
            disk.force(path, inode, at, length);
        }
    }

    private void check(long at, long length) {
        if (!isOpen) {
            throw new IllegalStateException(path + " is closed");
        }
        Objects.checkFromIndexSize(at, length, (long) inode.cache.length);
    }

    @Override
    public void abandon() {
        synchronized (disk) {
            if (isOpen) {
                isAbandoned = true;
                disk.abandoned(path);
                close();
            }
        }
    }

    @Override
    public void close() {
        synchronized (disk) {
            if (isOpen) {
                isOpen = false;
                inode.handles--;
                disk.closed(path);
            }
        }
    }
}
