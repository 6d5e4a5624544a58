package io.forebay.testkit.faults;

import io.forebay.storage.io.DiskFullException;
import io.forebay.storage.io.MappedAccessException;
import io.forebay.storage.io.StorageDirectory;
import io.forebay.storage.io.StorageFile;
import io.forebay.testkit.faults.DiskObserver.Operation;
import io.forebay.testkit.sim.Proof;
import java.io.IOException;
import java.nio.file.NoSuchFileException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.IdentityHashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.random.RandomGenerator;

/**
 * A disk in memory that behaves like a real one where it hurts. It is the root directory; {@link #child} gives others.
 *
 * <p>Each file has a page cache (what reads see), the sectors of 512 bytes that the kernel still wants to write, and the
 * device. A write goes to the page cache. A force moves the dirty sectors of its range to the device; one that fails
 * forgets that they are dirty <em>without</em> writing them, so that the next force of them succeeds and proves nothing.
 * Names are forced by {@link #forceDirectory()}, sizes by the first force of the file.
 *
 * <ul>
 *   <li>{@link #killImage()}: what a killed process leaves, which is everything written.
 *   <li>{@link #powerCutImage}: what a power cut leaves: what was forced, and a random subset of the rest, sector by sector
 *       and name by name. A file whose size was never forced may be shorter.
 *   <li>{@link #crashAtOperation}: from the n-th mutation on everything throws {@link DiskCrashed}; that mutation itself
 *       may have happened in part.
 * </ul>
 *
 * Operations fail as a {@link Fault} says. A force that covers what an earlier one, that failed, has lost, without a write in
 * between, is an {@code AssertionError} and goes into the {@link ForceLedger}.
 *
 * <p>Paths are relative to the root, such as {@code stripe-0/checkpoint}. Images are independent of the disk they were taken
 * from and have no faults armed. Thread-safe.
 */
public final class MemoryDisk implements StorageDirectory {
    /** What the kernel reads, writes and forgets as a whole. */
    public static final int PAGE_BYTES = MemoryInode.PAGE_BYTES;

    private final MemoryDirectory root = new MemoryDirectory(this, "");
    private final List<String> openPaths = new ArrayList<>();
    private final List<String> abandonedPaths = new ArrayList<>();
    private volatile DiskObserver observer = (operation, path, at, length) -> {};
    private long operations;
    private long crashAt = Long.MAX_VALUE;
    private RandomGenerator tear;
    private boolean isCrashed;
    private int forcesToFail;
    private int directoryForcesToFail;
    private int writesToFail;
    private int nameChangesToFail;
    private long usableBytes = Long.MAX_VALUE;
    private final Map<String, long[]> unreadable = new TreeMap<>();
    private final List<Armed> armed = new ArrayList<>();
    private long forces;
    private long faults;

    /** Counts what fits a fault. */
    private static final class Armed {
        private final Fault fault;
        private long seen;

        Armed(Fault fault) {
            this.fault = fault;
        }

        boolean isNext(Operation operation, String path) {
            if (operation != fault.operation() || !fault.paths().test(path)) {
                return false;
            }
            seen++;
            return seen >= fault.from() && seen - fault.from() < fault.times();
        }
    }

    // --- directory ---

    @Override
    public String path() {
        return root.path();
    }

    @Override
    public List<String> list() {
        return root.list();
    }

    @Override
    public List<String> children() {
        return root.children();
    }

    @Override
    public StorageFile create(String name, long sizeBytes) throws IOException {
        return root.create(name, sizeBytes);
    }

    @Override
    public StorageFile open(String name) throws IOException {
        return root.open(name);
    }

    @Override
    public void rename(String from, String to) throws IOException {
        root.rename(from, to);
    }

    @Override
    public void delete(String name) throws IOException {
        root.delete(name);
    }

    @Override
    public void forceDirectory() throws IOException {
        root.forceDirectory();
    }

    @Override
    public StorageDirectory child(String name) {
        return root.child(name);
    }

    @Override
    public synchronized long usableBytes() {
        return usableBytes;
    }

    @Override
    public void close() {}

    // --- images ---

    /** What is left when the process is killed now: everything written, forced or not. */
    public synchronized MemoryDisk killImage() {
        MemoryDisk image = new MemoryDisk();
        Map<MemoryInode, MemoryInode> copies = new IdentityHashMap<>();
        root.copyAfterKill(image.root, inode -> copies.computeIfAbsent(inode, MemoryInode::afterKill));
        image.usableBytes = usableBytes;
        return image;
    }

    /** What is left when the power goes now; every bit of luck comes from {@code random}. */
    public synchronized MemoryDisk powerCutImage(RandomGenerator random) {
        MemoryDisk image = new MemoryDisk();
        Map<MemoryInode, MemoryInode> copies = new IdentityHashMap<>();
        root.copyAfterPowerCut(
                image.root, inode -> copies.computeIfAbsent(inode, missing -> missing.afterPowerCut(random)), random);
        image.usableBytes = usableBytes;
        return image;
    }

    // --- faults ---

    /** Counts the mutations: create, write, force, rename, delete, force of a directory. */
    public synchronized long operations() {
        return operations;
    }

    /** Counts the forces of files that were asked for, failed ones included. */
    public synchronized long forces() {
        return forces;
    }

    /** The mutation with this number (see {@link #operations()}) does not happen, and nothing does from then on. */
    public synchronized void crashAtOperation(long number) {
        crashAtOperation(number, null);
    }

    /** The same, but that mutation may happen in part: some bytes of a write, some sectors of a force, or a name. */
    public synchronized void crashAtOperation(long number, RandomGenerator tearOrNull) {
        crashAt = number;
        tear = tearOrNull;
    }

    /** Everything throws {@link DiskCrashed} from now on; what the process still does comes to nothing. */
    public synchronized void crash() {
        isCrashed = true;
    }

    public synchronized boolean isCrashed() {
        return isCrashed;
    }

    /** These fail from now on, as well as those that were armed before. What an image leaves behind has no faults. */
    public synchronized void arm(Fault fault) {
        armed.add(new Armed(fault));
    }

    /** Whatever was to fail, or could not be read, works from now on, and there is room; what is lost stays lost. */
    public synchronized void heal() {
        armed.clear();
        unreadable.clear();
        forcesToFail = 0;
        directoryForcesToFail = 0;
        writesToFail = 0;
        nameChangesToFail = 0;
        usableBytes = Long.MAX_VALUE;
    }

    /** Counts the operations that were made to fail by what was armed, or by an observer of a force. */
    public synchronized long faults() {
        return faults;
    }

    /** The next {@code count} forces of files fail: nothing reaches the device, the kernel believes it did. 0 disarms. */
    public synchronized void failNextForces(int count) {
        forcesToFail = count;
    }

    public synchronized void failNextDirectoryForces(int count) {
        directoryForcesToFail = count;
    }

    /** The next {@code count} writes fail as a mapped store does that gets no page: with an unknown part of it done. */
    public synchronized void failNextWrites(int count) {
        writesToFail = count;
    }

    /** The next {@code count} calls that open, rename or delete a file fail, and nothing is changed. 0 disarms. */
    public synchronized void failNextNameChanges(int count) {
        nameChangesToFail = count;
    }

    /** From now on only so many bytes more can be allocated; deleting gives bytes back. */
    public synchronized void fullAfter(long bytes) {
        usableBytes = bytes;
    }

    /** There is room again. */
    public synchronized void roomAgain() {
        usableBytes = Long.MAX_VALUE;
    }

    /** Reads that touch the range fail as on a medium error; a length of 0 heals the file. */
    public synchronized void failReads(String path, long at, long length) {
        if (length == 0) {
            unreadable.remove(path);
        } else {
            unreadable.put(path, new long[] {at, length});
        }
    }

    /** The kernel writes some dirty sectors back on its own. */
    public synchronized void writeBackSome(RandomGenerator random) {
        inodes().values().forEach(inode -> inode.writeBackSome(random));
    }

    /**
     * Memory gets short: clean pages are dropped and read from the device again, those of failed forces too.
     *
     * @return the paths of the files that read differently now, sorted: what a failed force had lost is gone for readers as well
     */
    public synchronized List<String> evictCleanPages() {
        List<String> changed = new ArrayList<>();
        inodes().forEach((path, inode) -> {
            if (inode.evictClean()) {
                changed.add(path);
            }
        });
        return changed;
    }

    /** Told of every operation, reads too, before it happens and outside any lock. */
    public void observe(DiskObserver newObserver) {
        observer = newObserver;
    }

    // --- looking and damaging ---

    /** The paths of all files, sorted. */
    public synchronized List<String> files() {
        return List.copyOf(inodes().keySet());
    }

    /** The paths of the files that are open, once for each handle. */
    public synchronized List<String> openFiles() {
        return List.copyOf(openPaths);
    }

    /** The paths of the files that were abandoned instead of closed, because somebody may still have read them. */
    public synchronized List<String> abandonedFiles() {
        return List.copyOf(abandonedPaths);
    }

    public synchronized long sizeBytes(String path) throws IOException {
        return inode(path).cache.length;
    }

    /** A copy of what reads would see. */
    public synchronized byte[] content(String path) throws IOException {
        return inode(path).cache.clone();
    }

    /** Inverts the bits of the mask in one byte, in memory and on the device. */
    public synchronized void flip(String path, long at, int mask) throws IOException {
        MemoryInode inode = inode(path);
        inode.cache[(int) at] ^= (byte) mask;
        inode.device[(int) at] ^= (byte) mask;
    }

    /** Overwrites bytes in memory and on the device, as damage does. */
    public synchronized void overwrite(String path, long at, byte[] bytes) throws IOException {
        inode(path).damage((int) at, bytes);
    }

    /** How many pages of {@link #PAGE_BYTES} a file has; the last one may be shorter. */
    public synchronized int pages(String path) throws IOException {
        return (inode(path).cache.length + PAGE_BYTES - 1) / PAGE_BYTES;
    }

    /**
     * A page is zeros, in memory and on the device.
     *
     * @return how many bytes that changes
     */
    public synchronized int zeroPage(String path, int page) throws IOException {
        MemoryInode inode = inode(path);
        return overwritePage(inode, page, new byte[page(inode, page).length]);
    }

    /**
     * A write went to the wrong place: a page, as readers see it, stands in place of another one as well, of the same file or not.
     *
     * @return how many bytes that changes
     */
    public synchronized int copyPage(String from, int fromPage, String to, int toPage) throws IOException {
        return overwritePage(inode(to), toPage, page(inode(from), fromPage));
    }

    /**
     * Two pages, as readers see them, stand in each other's place.
     *
     * @return how many bytes that changes
     */
    public synchronized int swapPages(String one, int onePage, String other, int otherPage) throws IOException {
        byte[] first = page(inode(one), onePage);
        return overwritePage(inode(one), onePage, page(inode(other), otherPage))
                + overwritePage(inode(other), otherPage, first);
    }

    private static byte[] page(MemoryInode inode, int page) {
        int from = Math.multiplyExact(page, PAGE_BYTES);
        return Arrays.copyOfRange(inode.cache, from, Math.min(from + PAGE_BYTES, inode.cache.length));
    }

    private static int overwritePage(MemoryInode inode, int page, byte[] bytes) {
        byte[] old = page(inode, page);
        byte[] changed = Arrays.copyOf(bytes, old.length);
        int count = 0;
        for (int at = 0; at < old.length; at++) {
            count += old[at] == changed[at] ? 0 : 1;
        }
        inode.damage(page * PAGE_BYTES, changed);
        return count;
    }

    /** Cuts a file, or lengthens it with zeros; it must not be open. */
    public synchronized void truncate(String path, long sizeBytes) throws IOException {
        MemoryInode inode = inode(path);
        if (inode.handles > 0) {
            throw new IllegalStateException(path + " is truncated while it is open");
        }
        inode.truncate(Math.toIntExact(sizeBytes));
    }

    private Map<String, MemoryInode> inodes() {
        Map<String, MemoryInode> found = new TreeMap<>();
        collect(root, "", found);
        return found;
    }

    private static void collect(MemoryDirectory directory, String prefix, Map<String, MemoryInode> found) {
        directory.files.forEach((name, inode) -> found.put(prefix + name, inode));
        directory.children.forEach((name, child) -> collect(child, prefix + name + "/", found));
    }

    private MemoryInode inode(String path) throws NoSuchFileException {
        MemoryInode inode = inodes().get(path);
        if (inode == null) {
            throw new NoSuchFileException(path);
        }
        return inode;
    }

    // --- called by directories and files, mostly with the lock held ---

    void observe(Operation operation, String path, long at, long length) throws IOException {
        observer.before(operation, path, at, length);
    }

    void checkRunning(Operation operation, String path) {
        if (isCrashed) {
            throw new DiskCrashed(operation + " of " + path + " after the crash at operation " + operations);
        }
    }

    /** Counts a mutation; true if it is the one that does not come back. */
    boolean step(Operation operation, String path) {
        checkRunning(operation, path);
        operations++;
        if (operations < crashAt) {
            return false;
        }
        if (tear == null || !tear.nextBoolean()) {
            crashIf(true, operation, path);
        }
        return true;
    }

    void crashIf(boolean isCrash, Operation operation, String path) {
        if (isCrash) {
            isCrashed = true;
            throw new DiskCrashed("crash in " + operation + " of " + path + ", operation " + operations);
        }
    }

    void write(String path, MemoryInode inode, long at, byte[] source, int from, int length) throws IOException {
        boolean isCrash = step(Operation.WRITE, path);
        if (isCrash) {
            inode.write(at, source, from, tear.nextInt(length + 1));
            crashIf(true, Operation.WRITE, path);
        }
        if (isFailing(Operation.WRITE, path, writesToFail)) {
            writesToFail = Math.max(0, writesToFail - 1);
            inode.write(at, source, from, length / 2);
            throw new MappedAccessException("no page for " + length + " bytes at " + at + " of " + path, null);
        }
        inode.write(at, source, from, length);
    }

    void force(String path, MemoryInode inode, long at, long length) throws IOException {
        boolean isCrash = step(Operation.FORCE, path);
        forces++;
        if (isCrash) {
            inode.forceSome(at, length, tear);
            crashIf(true, Operation.FORCE, path);
        }
        long lostAt = inode.firstLost(at, length);
        inode.forgetLost(at, length);
        boolean isFailing = isFailing(Operation.FORCE, path, forcesToFail);
        if (isFailing) {
            forcesToFail = Math.max(0, forcesToFail - 1);
            Proof.forceFaults.increment();
            inode.forceFailed(at, length);
        } else {
            inode.force(at, length);
        }
        if (lostAt >= 0) {
            throw ForceLedger.breach(path, at, length, lostAt);
        }
        if (isFailing) {
            throw new IOException("Input/output error: force of " + length + " bytes at " + at + " of " + path);
        }
    }

    /** An observer has made it fail. */
    void forceFailed(String path, MemoryInode inode, long at, long length) {
        checkRunning(Operation.FORCE, path);
        forces++;
        faults++;
        Proof.forceFaults.increment();
        long lostAt = inode.firstLost(at, length);
        inode.forgetLost(at, length);
        inode.forceFailed(at, length);
        if (lostAt >= 0) {
            throw ForceLedger.breach(path, at, length, lostAt);
        }
    }

    /** Whether an operation is one that is to fail; each fault that is armed counts it. */
    private boolean isFailing(Operation operation, String path, int countToFail) {
        boolean isFailing = countToFail > 0;
        for (Armed each : armed) {
            isFailing |= each.isNext(operation, path);
        }
        faults += isFailing ? 1 : 0;
        return isFailing;
    }

    void failNameChangeIfAsked(Operation operation, String path) throws IOException {
        if (isFailing(operation, path, nameChangesToFail)) {
            nameChangesToFail = Math.max(0, nameChangesToFail - 1);
            throw failed(operation, path);
        }
    }

    void failNameChangeIfArmed(Operation operation, String path) throws IOException {
        if (isFailing(operation, path, 0)) {
            throw failed(operation, path);
        }
    }

    private static IOException failed(Operation operation, String path) {
        return new IOException("Input/output error: " + operation + " of " + path);
    }

    void failDirectoryForceIfAsked(String path) throws IOException {
        if (isFailing(Operation.FORCE_DIRECTORY, path, directoryForcesToFail)) {
            directoryForcesToFail = Math.max(0, directoryForcesToFail - 1);
            Proof.forceFaults.increment();
            throw failed(Operation.FORCE_DIRECTORY, path.isEmpty() ? "the root" : path);
        }
    }

    void checkReadable(Operation operation, String path, long at, long length) throws IOException {
        boolean isFailing = isFailing(operation, path, 0);
        long[] range = unreadable.get(path);
        if (isFailing || (range != null && at < range[0] + range[1] && range[0] < at + length)) {
            throw new IOException("Input/output error: read of " + length + " bytes at " + at + " of " + path);
        }
    }

    void allocate(String path, long sizeBytes) throws IOException {
        if (sizeBytes > usableBytes) {
            throw new DiskFullException(
                    "No space left on device: " + sizeBytes + " bytes for " + path + ", " + usableBytes + " left",
                    null);
        }
        if (usableBytes != Long.MAX_VALUE) {
            usableBytes -= sizeBytes;
        }
    }

    void free(long sizeBytes) {
        if (usableBytes != Long.MAX_VALUE) {
            usableBytes += sizeBytes;
        }
    }

    StorageFile opened(MemoryFile file, String path) {
        openPaths.add(path);
        return file;
    }

    void closed(String path) {
        openPaths.remove(path);
    }

    void abandoned(String path) {
        abandonedPaths.add(path);
    }
}
