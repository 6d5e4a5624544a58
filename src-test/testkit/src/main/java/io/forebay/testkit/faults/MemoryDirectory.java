package io.forebay.testkit.faults;

import io.forebay.storage.io.StorageDirectory;
import io.forebay.storage.io.StorageFile;
import io.forebay.testkit.faults.DiskObserver.Operation;
import java.io.IOException;
import java.nio.file.FileAlreadyExistsException;
import java.nio.file.NoSuchFileException;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.function.UnaryOperator;
import java.util.random.RandomGenerator;

/** A directory of a {@link MemoryDisk}: names as they are, names on the device, and what lies between. */
final class MemoryDirectory implements StorageDirectory {
    /** A change of a name that was not forced yet: {@code inode} is null for a delete, {@code from} for a create. */
    private record NameChange(String from, String to, MemoryInode inode) {}

    private final MemoryDisk disk;
    private final String path;
    final TreeMap<String, MemoryInode> files = new TreeMap<>();
    private final TreeMap<String, MemoryInode> filesOnDevice = new TreeMap<>();
    private final List<NameChange> unforced = new ArrayList<>();
    final TreeMap<String, MemoryDirectory> children = new TreeMap<>();

    MemoryDirectory(MemoryDisk disk, String path) {
        this.disk = disk;
        this.path = path;
    }

    @Override
    public String path() {
        return path.isEmpty() ? "memory:" : "memory:" + path;
    }

    private String pathOf(String name) {
        return path.isEmpty() ? name : path + "/" + name;
    }

    @Override
    public List<String> list() {
        synchronized (disk) {
            disk.checkRunning(Operation.READ, path);
            return List.copyOf(files.keySet());
        }
    }

    @Override
    public List<String> children() {
        synchronized (disk) {
            disk.checkRunning(Operation.READ, path);
            return List.copyOf(children.keySet());
        }
    }

    @Override
    public StorageFile create(String name, long sizeBytes) throws IOException {
        disk.observe(Operation.CREATE, pathOf(name), 0, sizeBytes);
        synchronized (disk) {
            boolean isCrash = disk.step(Operation.CREATE, pathOf(name));
            disk.failNameChangeIfArmed(Operation.CREATE, pathOf(name));
            if (files.containsKey(name)) {
                throw new FileAlreadyExistsException(pathOf(name));
            }
            disk.allocate(pathOf(name), sizeBytes);
            MemoryInode inode = new MemoryInode(Math.toIntExact(sizeBytes));
            files.put(name, inode);
            unforced.add(new NameChange(null, name, inode));
            disk.crashIf(isCrash, Operation.CREATE, pathOf(name));
            return disk.opened(new MemoryFile(disk, pathOf(name), name, inode), pathOf(name));
        }
    }

    @Override
    public StorageFile open(String name) throws IOException {
        synchronized (disk) {
            disk.checkRunning(Operation.OPEN, pathOf(name));
            disk.failNameChangeIfAsked(Operation.OPEN, pathOf(name));
            return disk.opened(new MemoryFile(disk, pathOf(name), name, existing(name)), pathOf(name));
        }
    }

    MemoryInode existing(String name) throws NoSuchFileException {
        MemoryInode inode = files.get(name);
        if (inode == null) {
            throw new NoSuchFileException(pathOf(name));
        }
        return inode;
    }

    @Override
    public void rename(String from, String to) throws IOException {
        disk.observe(Operation.RENAME, pathOf(from), 0, 0);
        synchronized (disk) {
            boolean isCrash = disk.step(Operation.RENAME, pathOf(from));
            disk.failNameChangeIfAsked(Operation.RENAME, pathOf(from));
            MemoryInode inode = existing(from);
            if (inode.handles > 0) {
                throw new IllegalStateException(pathOf(from) + " is renamed while it is open");
            }
            if (files.containsKey(to)) {
                throw new FileAlreadyExistsException(pathOf(to));
            }
            files.remove(from);
            files.put(to, inode);
            unforced.add(new NameChange(from, to, inode));
            disk.crashIf(isCrash, Operation.RENAME, pathOf(from));
        }
    }

    @Override
    public void delete(String name) throws IOException {
        disk.observe(Operation.DELETE, pathOf(name), 0, 0);
        synchronized (disk) {
            boolean isCrash = disk.step(Operation.DELETE, pathOf(name));
            disk.failNameChangeIfAsked(Operation.DELETE, pathOf(name));
            MemoryInode inode = existing(name);
            files.remove(name);
            disk.free(inode.cache.length);
            unforced.add(new NameChange(name, null, null));
            disk.crashIf(isCrash, Operation.DELETE, pathOf(name));
        }
    }

    @Override
    public void forceDirectory() throws IOException {
        disk.observe(Operation.FORCE_DIRECTORY, path, 0, 0);
        synchronized (disk) {
            boolean isCrash = disk.step(Operation.FORCE_DIRECTORY, path);
            disk.crashIf(isCrash, Operation.FORCE_DIRECTORY, path);
            disk.failDirectoryForceIfAsked(path);
            filesOnDevice.clear();
            filesOnDevice.putAll(files);
            unforced.clear();
        }
    }

    @Override
    public StorageDirectory child(String name) {
        synchronized (disk) {
            disk.checkRunning(Operation.READ, pathOf(name));
            return children.computeIfAbsent(name, missing -> new MemoryDirectory(disk, pathOf(missing)));
        }
    }

    @Override
    public long usableBytes() {
        return disk.usableBytes();
    }

    /** Any subset of the unforced changes of names, each only if it still has something to act on. */
    private TreeMap<String, MemoryInode> filesAfterPowerCut(RandomGenerator random) {
        TreeMap<String, MemoryInode> left = new TreeMap<>(filesOnDevice);
        for (NameChange change : unforced) {
            if (random.nextBoolean()) {
                if (change.to == null) {
                    left.remove(change.from);
                } else if (change.from == null) {
                    left.put(change.to, change.inode);
                } else if (left.get(change.from) == change.inode) {
                    left.remove(change.from);
                    left.put(change.to, change.inode);
                }
            }
        }
        return left;
    }

    void copyAfterKill(MemoryDirectory target, UnaryOperator<MemoryInode> copy) {
        files.forEach((name, inode) -> target.files.put(name, copy.apply(inode)));
        filesOnDevice.forEach((name, inode) -> target.filesOnDevice.put(name, copy.apply(inode)));
        for (NameChange change : unforced) {
            MemoryInode inode = change.inode == null ? null : copy.apply(change.inode);
            target.unforced.add(new NameChange(change.from, change.to, inode));
        }
        copyChildren(target, (from, to) -> from.copyAfterKill(to, copy));
    }

    void copyAfterPowerCut(MemoryDirectory target, UnaryOperator<MemoryInode> copy, RandomGenerator random) {
        for (Map.Entry<String, MemoryInode> entry : filesAfterPowerCut(random).entrySet()) {
            MemoryInode inode = copy.apply(entry.getValue());
            target.files.put(entry.getKey(), inode);
            target.filesOnDevice.put(entry.getKey(), inode);
        }
        copyChildren(target, (from, to) -> from.copyAfterPowerCut(to, copy, random));
    }

    private interface Copy {
        void copy(MemoryDirectory from, MemoryDirectory to);
    }

    private void copyChildren(MemoryDirectory target, Copy copy) {
        for (Map.Entry<String, MemoryDirectory> child : children.entrySet()) {
            MemoryDirectory made = new MemoryDirectory(target.disk, child.getValue().path);
            target.children.put(child.getKey(), made);
            copy.copy(child.getValue(), made);
        }
    }

    @Override
    public void close() {}
}
