package io.forebay.storage.index;

import io.forebay.storage.io.LittleEndian;
import io.forebay.storage.io.StorageDirectory;
import java.io.IOException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeSet;
import java.util.stream.IntStream;

/**
 * From a queue's offset to the frame and record that hold it, for all queues of a stripe, in extents of shared files: ten
 * thousand queues take a few dozen files and, in memory, some fifty bytes for each extent. Layouts: {@link IndexFile},
 * {@link Extent}, {@code docs/record-types.md}.
 *
 * <p>Derived from the log: what is found is a hint that the reader checks against the frame, what is not found may still
 * be in the log, and what looks odd is dropped. After a start the caller puts again whatever it replays; if
 * {@link #droppedOnOpen()} or {@link #covers} says that more is missing, it puts everything again.
 *
 * <p>Threads: {@link #put}, {@link #releaseBelow}, {@link #release} and {@link #reserve} belong to one writer; {@link #repoint}
 * and {@link #restore} may be called beside it; {@link #force} and {@link #prepareNext} may run beside it on one other
 * thread each; {@link #lookup} is for any thread, waits for nobody (but for an entry that is being changed at that instant)
 * and allocates nothing. Who has learned of an offset from the writer, by a volatile read or a message, finds its entry.
 *
 * <p>A force that fails is final for its pages, so the extents it covered are copied to other places of the files, entry
 * by entry and checked, and belong to the next force.
 */
public final class QueueIndex implements AutoCloseable {
    /** Size of one entry. */
    public static final int ENTRY_BYTES = 24;

    /** An empty file that is there while the index is built anew: its extents are no proof of their entries then. */
    private static final String UNFINISHED = "rebuilding";

    private static final int TRIES_MAX = 8;
    private static final int PAGE_BYTES = 4096;

    /** @param isFound whether it was free at the start: what lies there is of an earlier one, whose forces may have failed */
    private record FreeSlot(IndexFile file, int slot, boolean isFound) implements Comparable<FreeSlot> {
        @Override
        public int compareTo(FreeSlot other) {
            int byFile = Long.compare(file.number, other.file.number);
            return byFile == 0 ? Integer.compare(slot, other.slot) : byFile;
        }
    }

    private final StorageDirectory directory;
    private final int stripeId;
    private final IndexOptions options;
    private final int extentEntries;
    private final List<IndexFile> files = new ArrayList<>();
    private final List<String> dropped = new ArrayList<>();
    /** Files without an extent that wait to be removed; of who forces. */
    private final List<IndexFile> unused = new ArrayList<>();

    /** Taken from the front, so that the files at the end run empty and can go. */
    private final TreeSet<FreeSlot> free = new TreeSet<>();

    private final byte[] scratch = new byte[ENTRY_BYTES];
    private final QueueTable queues = new QueueTable();
    private List<Extent> dirty = new ArrayList<>();
    /**
     * Given up, but not to be taken again before a force: until then a power cut may bring back the header, and then the
     * entries have to be there as well, because what gave them up may be undone, too.
     */
    private List<Extent> released = new ArrayList<>();
    /** Extents of which there is a copy that no force has covered yet. */
    private List<Extent> replaced = new ArrayList<>();

    /** Of who forces: whether the names that were found at the start are. */
    private boolean areFoundNamesForced;

    private long nextFileNumber = 1;
    private long nextGeneration = 1;
    private volatile int freeCount;
    private boolean isClosed;

    private QueueIndex(StorageDirectory directory, int stripeId, IndexOptions options) {
        this.directory = directory;
        this.stripeId = stripeId;
        this.options = options;
        this.extentEntries = options.extentEntries();
    }

    /**
     * Opens what is in the directory, which holds nothing else by names of this form; no file is a valid state. Files and
     * extents that are damaged, or of other sizes, are dropped and named in {@link #droppedOnOpen()}. After a power cut
     * extents may be back that had been released: the caller releases again what it knows to be gone.
     */
    public static QueueIndex open(StorageDirectory directory, int stripeId, IndexOptions options) throws IOException {
        QueueIndex index = new QueueIndex(directory, stripeId, options);
        try {
            for (String name : directory.list()) {
                long number = IndexFile.numberOf(name);
                if (number >= 0) {
                    index.openFile(name, number);
                } else if (name.equals(UNFINISHED)) {
                    index.dropped.add(name + ": it was being built anew");
                }
            }
            index.freeCount = index.free.size();
            return index;
        } catch (IOException | RuntimeException e) {
            index.closeFiles(e);
            throw e;
        }
    }

    private void openFile(String name, long number) throws IOException {
        nextFileNumber = Math.max(nextFileNumber, number + 1);
        StringBuilder reason = new StringBuilder();
        IndexFile file = IndexFile.open(directory, number, stripeId, options, reason);
        if (file == null) {
            if (reason.length() > 0) {
                dropped.add(name + ": " + reason);
            }
            directory.delete(name);
            return;
        }
        files.add(file);
        byte[] header = new byte[Extent.HEADER_BYTES];
        for (int slot = 0; slot < options.extentsPerFile(); slot++) {
            file.file.readCold(Extent.at(slot, options), header, 0, Extent.HEADER_BYTES);
            Extent extent = Extent.decode(file, slot, header, options, reason);
            if (extent == null) {
                if (reason.length() > 0) {
                    dropped.add(name + " extent " + slot + ": " + reason);
                    reason.setLength(0);
                    Extent.writeFree(file, slot, options);
                }
                free.add(new FreeSlot(file, slot, true));
                continue;
            }
            nextGeneration = Math.max(nextGeneration, extent.generation + 1);
            extent.isFound = true;
            adopt(extent);
        }
    }

    /** Of two extents for the same offsets the younger counts: the other was left by a copy or a lost release. */
    private void adopt(Extent extent) throws IOException {
        QueueExtents queue = queues.findOrMake(extent.queueId);
        Extent other = queue.find(extent.number);
        Extent loser = extent;
        if (other == null || other.generation < extent.generation) {
            loser = queue.put(extent);
        }
        if (loser != null) {
            Extent winner = loser == extent ? other : extent;
            fillGaps(winner, loser);
            replaced.add(loser);
        }
    }

    /**
     * A crash may have ended the copying of an extent half-way: what the copy has not got is still in the other. The rest of the
     * copy may be known to the page cache alone, if its force failed, too; so all of it is stored again, before the kernel drops it.
     * Or the copy was whole, and entries of it have been damaged since: then what the other one says may be old, and lead to where
     * cleaning has left nothing, which is for the readers to find out.
     */
    private void fillGaps(Extent winner, Extent loser) throws IOException {
        storeFound(winner);
        byte[] entry = new byte[ENTRY_BYTES];
        for (int index = 0; index < extentEntries; index++) {
            long offset = winner.number * extentEntries + index;
            winner.file.file.read(winner.entryAt(index), entry, 0, ENTRY_BYTES);
            if (Extent.isAbsent(entry) || !winner.isValid(entry, offset)) {
                copyEntry(loser, winner, index, entry);
            }
        }
        markDirty(winner);
    }

    private void copyEntry(Extent from, Extent to, int index, byte[] entry) throws IOException {
        long offset = from.number * extentEntries + index;
        from.file.file.read(from.entryAt(index), entry, 0, ENTRY_BYTES);
        if (!Extent.isAbsent(entry) && from.isValid(entry, offset)) {
            to.encodeEntry(
                    entry,
                    offset,
                    LittleEndian.getLong(entry, 0),
                    LittleEndian.getInt(entry, 8),
                    LittleEndian.getInt(entry, 12),
                    LittleEndian.getUnsignedShort(entry, 16),
                    Extent.isMoved(entry));
            to.file.file.write(to.entryAt(index), entry, 0, ENTRY_BYTES);
        }
    }

    /**
     * What was dropped as odd, a line each. After an unclean stop that may be extents taken since the last checkpoint,
     * which replay fills again; after a clean one it is damage, and the index has to be rebuilt from the log.
     */
    public List<String> droppedOnOpen() {
        return List.copyOf(dropped);
    }

    /**
     * Before everything is put again: should it end half-way, with some of it on the device, the next start is told. Blocks.
     */
    public void beginRebuild() throws IOException {
        markForRebuild(directory);
    }

    /** The next start builds the index in that directory anew, whatever is in it. */
    public static void markForRebuild(StorageDirectory directory) throws IOException {
        if (!directory.list().contains(UNFINISHED)) {
            directory.create(UNFINISHED, 0).close();
        }
        directory.forceDirectory();
    }

    /** Whether the next start builds the index in that directory anew because it was told to. */
    public static boolean isMarkedForRebuild(StorageDirectory directory) throws IOException {
        return directory.list().contains(UNFINISHED);
    }

    /** Takes back {@link #markForRebuild}. */
    public static void unmarkForRebuild(StorageDirectory directory) throws IOException {
        if (isMarkedForRebuild(directory)) {
            directory.delete(UNFINISHED);
            directory.forceDirectory();
        }
    }

    /** Everything is put again: forces it. Blocks. */
    public void endRebuild() throws IOException {
        force();
        directory.delete(UNFINISHED);
        directory.forceDirectory();
    }

    /**
     * Says where the record of an offset lies, in the place of what was said before. Offsets below what was released are
     * passed over.
     *
     * @param position of the frame
     * @param ordinal of the record in its frame, 0 to 65535
     * @param recordBytes of the record with header and padding, more than 0
     * @throws IOException if a new extent is needed and no file can be made; {@link #reserve} prevents that
     */
    public void put(int queueId, long offset, long position, int ordinal, int recordBytes, int tagHash)
            throws IOException {
        put(queueId, offset, position, ordinal, recordBytes, tagHash, false, true);
    }

    /** The same for a record that lies in a moved frame. */
    public void putMoved(int queueId, long offset, long position, int ordinal, int recordBytes, int tagHash)
            throws IOException {
        put(queueId, offset, position, ordinal, recordBytes, tagHash, true, true);
    }

    /**
     * As {@link #put}, but makes no file.
     *
     * @return false if a new extent is needed and none is free: {@link #prepareNext()} is needed first
     */
    public boolean putIfPrepared(int queueId, long offset, long position, int ordinal, int recordBytes, int tagHash)
            throws IOException {
        return put(queueId, offset, position, ordinal, recordBytes, tagHash, false, false);
    }

    private synchronized boolean put(
            int queueId,
            long offset,
            long position,
            int ordinal,
            int recordBytes,
            int tagHash,
            boolean isMoved,
            boolean isFileMade)
            throws IOException {
        if (offset < 0 || recordBytes <= 0 || ordinal < 0 || ordinal > 0xFFFF) {
            throw new AssertionError(
                    "queue " + queueId + " offset " + offset + ": " + recordBytes + " bytes, ordinal " + ordinal);
        }
        QueueExtents queue = queues.findOrMake(queueId);
        if (offset < queue.floor) {
            return true;
        }
        long number = offset / extentEntries;
        Extent extent = queue.find(number);
        if (extent == null) {
            if (!isFileMade && free.isEmpty()) {
                return false;
            }
            extent = take(queueId, number);
            queue.put(extent);
        }
        write(extent, offset, position, recordBytes, tagHash, ordinal, isMoved);
        return true;
    }

    private void write(
            Extent extent, long offset, long position, int recordBytes, int tagHash, int ordinal, boolean isMoved)
            throws IOException {
        try {
            writeHere(extent, offset, position, recordBytes, tagHash, ordinal, isMoved);
        } catch (IOException e) {
            // The entry may be half of the old one and half of the new one, and its page be in doubt: go on elsewhere.
            Extent place = extent;
            try {
                place = move(extent);
            } catch (IOException noPlace) {
                e.addSuppressed(noPlace);
            }
            writeHere(place, offset, position, recordBytes, tagHash, ordinal, isMoved);
        }
    }

    private void writeHere(
            Extent extent, long offset, long position, int recordBytes, int tagHash, int ordinal, boolean isMoved)
            throws IOException {
        extent.encodeEntry(scratch, offset, position, recordBytes, tagHash, ordinal, isMoved);
        extent.file.file.write(extent.entryAt((int) (offset % extentEntries)), scratch, 0, ENTRY_BYTES);
        markDirty(extent);
    }

    private void markDirty(Extent extent) {
        if (!extent.isDirty) {
            extent.isDirty = true;
            dirty.add(extent);
        }
    }

    /**
     * Takes a free extent and writes its header; nobody sees it yet. Of what an earlier start has left there the kernel may
     * believe that it is written when it is not, so all of it is written over before it is forced.
     */
    private Extent take(int queueId, long number) throws IOException {
        if (free.isEmpty()) {
            adopt(IndexFile.create(directory, nextFileNumber++, stripeId, options));
        }
        FreeSlot slot = free.first();
        Extent extent = new Extent(slot.file, slot.slot, queueId, number, nextGeneration++, options);
        extent.writeHeader(extentEntries, slot.isFound ? options.extentBytes() : Extent.HEADER_BYTES);
        free.remove(slot);
        freeCount = free.size();
        markDirty(extent);
        return extent;
    }

    private void adopt(IndexFile file) {
        files.add(file);
        for (int slot = 0; slot < options.extentsPerFile(); slot++) {
            free.add(new FreeSlot(file, slot, false));
        }
        freeCount = free.size();
    }

    /**
     * Makes sure that the next {@code extentCount} extents can be taken without making a file, so that the puts of a
     * frame cannot fail half-way. A put needs at most one. Makes files at once if it has to.
     */
    public synchronized void reserve(int extentCount) throws IOException {
        while (free.size() < extentCount) {
            adopt(IndexFile.create(directory, nextFileNumber++, stripeId, options));
        }
    }

    /**
     * Sends an offset to another place of its record, if its entry still names the one that is known to the caller: to the
     * copy that cleaning has made, or away from where nothing is. May be called beside the writer.
     *
     * @param isMoved whether the new place is in a moved frame
     * @return whether the entry held {@code expectedPosition} and was changed
     */
    public synchronized boolean repoint(
            int queueId,
            long offset,
            long expectedPosition,
            long newPosition,
            int newOrdinal,
            int newRecordBytes,
            boolean isMoved)
            throws IOException {
        Extent extent = readEntry(queueId, offset);
        boolean isExpected =
                extent != null && isSound(extent, offset) && LittleEndian.getLong(scratch, 0) == expectedPosition;
        if (isExpected) {
            int tagHash = LittleEndian.getInt(scratch, 12);
            write(extent, offset, newPosition, newRecordBytes, tagHash, newOrdinal, isMoved);
        }
        return isExpected;
    }

    /**
     * Puts an entry again that is damaged, unless it has become sound meanwhile. May be called beside the writer.
     *
     * @return false if there is no place for it
     */
    public synchronized boolean restore(
            int queueId, long offset, long position, int ordinal, int recordBytes, int tagHash, boolean isMoved)
            throws IOException {
        Extent extent = readEntry(queueId, offset);
        if (extent != null && !isSound(extent, offset)) {
            write(extent, offset, position, recordBytes, tagHash, ordinal, isMoved);
        }
        return extent != null;
    }

    /** Reads an entry into {@link #scratch}; null if there is no extent for it. */
    private Extent readEntry(int queueId, long offset) throws IOException {
        QueueExtents queue = queues.find(queueId);
        Extent extent = queue == null || offset < 0 ? null : queue.find(offset / extentEntries);
        if (extent != null) {
            extent.file.file.read(extent.entryAt((int) (offset % extentEntries)), scratch, 0, ENTRY_BYTES);
        }
        return extent;
    }

    /** Of the entry in {@link #scratch}. */
    private boolean isSound(Extent extent, long offset) {
        return !Extent.isAbsent(scratch) && extent.isValid(scratch, offset);
    }

    /**
     * Fills {@code entry} with what is known of an offset, through the memory map; what it held before is gone.
     *
     * @return false if there is no entry, or none that passes its check
     */
    public boolean lookup(int queueId, long offset, IndexEntry entry) throws IOException {
        return lookup(queueId, offset, entry, false);
    }

    /** As {@link #lookup}, but by a positional read: for offsets far behind, whose pages are hardly in memory. */
    public boolean lookupCold(int queueId, long offset, IndexEntry entry) throws IOException {
        return lookup(queueId, offset, entry, true);
    }

    private boolean lookup(int queueId, long offset, IndexEntry entry, boolean isCold) throws IOException {
        QueueExtents queue = queues.find(queueId);
        if (queue == null || offset < 0) {
            return false;
        }
        for (int tries = 0; tries < TRIES_MAX; tries++) {
            Extent extent = queue.find(offset / extentEntries);
            if (extent == null) {
                return false;
            }
            try {
                if (read(extent, offset, entry, isCold)) {
                    return true;
                }
                if (Extent.isAbsent(entry.bytes)) {
                    return false;
                }
            } catch (IOException e) {
                if (queue.find(offset / extentEntries) == extent) {
                    throw e;
                }
                // It was given up meanwhile, and its file with it.
                continue;
            }
            Thread.onSpinWait();
        }
        // either left there by an earlier owner, or the writer has been stopped in the middle of changing it
        synchronized (this) {
            Extent extent = queue.find(offset / extentEntries);
            return extent != null && read(extent, offset, entry, isCold);
        }
    }

    private boolean read(Extent extent, long offset, IndexEntry entry, boolean isCold) throws IOException {
        byte[] bytes = entry.bytes;
        long at = extent.entryAt((int) (offset % extentEntries));
        if (isCold) {
            extent.file.file.readCold(at, bytes, 0, ENTRY_BYTES);
        } else {
            extent.file.file.read(at, bytes, 0, ENTRY_BYTES);
        }
        if (Extent.isAbsent(bytes) || !extent.isValid(bytes, offset)) {
            return false;
        }
        entry.position = LittleEndian.getLong(bytes, 0);
        entry.recordBytes = LittleEndian.getInt(bytes, 8);
        entry.tagHash = LittleEndian.getInt(bytes, 12);
        entry.ordinal = LittleEndian.getUnsignedShort(bytes, 16);
        entry.isMoved = Extent.isMoved(bytes);
        return true;
    }

    /**
     * Gives up what lies below an offset: extents wholly below it can be taken again, later puts below it are ignored.
     *
     * @param kept ascending; offsets below that are still looked up: their extents stay until a later call leaves them out
     */
    public synchronized void releaseBelow(int queueId, long offset, long... kept) throws IOException {
        QueueExtents queue = queues.findOrMake(queueId);
        queue.floor = Math.max(queue.floor, offset);
        releaseExtents(queue, queue.floor / extentEntries, kept);
    }

    /** Gives up all extents of a queue, because it is deleted or about to be put again from the log. */
    public synchronized void release(int queueId) throws IOException {
        QueueExtents queue = queues.find(queueId);
        if (queue != null) {
            queue.floor = 0;
            releaseExtents(queue, Long.MAX_VALUE);
        }
    }

    private void releaseExtents(QueueExtents queue, long belowNumber, long... kept) throws IOException {
        List<Extent> given = queue.removeBelow(belowNumber, extent -> isKept(extent, kept));
        released.addAll(given);
        for (Extent extent : given) {
            markDirty(extent);
            Extent.writeFree(extent.file, extent.slot, options);
        }
    }

    private boolean isKept(Extent extent, long[] kept) {
        int at = Arrays.binarySearch(kept, extent.number * extentEntries);
        int next = at >= 0 ? at : -at - 1;
        return next < kept.length && kept[next] / extentEntries == extent.number;
    }

    /** The queues that have extents, ascending. */
    public synchronized int[] queueIds() {
        IntStream.Builder ids = IntStream.builder();
        queues.forEach(queue -> {
            if (!queue.isEmpty()) {
                ids.add(queue.queueId);
            }
        });
        return ids.build().sorted().toArray();
    }

    /** Whether every offset from {@code fromOffset} up to, not including, {@code toOffset} lies in an extent. */
    public boolean covers(int queueId, long fromOffset, long toOffset) {
        if (fromOffset >= toOffset) {
            return true;
        }
        QueueExtents queue = queues.find(queueId);
        return queue != null && queue.covers(fromOffset / extentEntries, (toOffset - 1) / extentEntries);
    }

    /** Whether less than a quarter of a file is free, so that {@link #prepareNext()} should be called. Any thread. */
    public boolean isPreparationNeeded() {
        return freeCount < Math.max(1, options.extentsPerFile() / 4);
    }

    /** Makes the next file, so that the writer need not. Blocks; not with itself at the same time. */
    public void prepareNext() throws IOException {
        long number;
        synchronized (this) {
            number = nextFileNumber++;
        }
        IndexFile file = IndexFile.create(directory, number, stripeId, options);
        synchronized (this) {
            if (isClosed) {
                file.file.close();
            } else {
                adopt(file);
            }
        }
    }

    /**
     * Forces what was put before the call. Blocks; beside the writer, not with itself at the same time.
     *
     * @throws IOException if a force failed; everything in doubt has moved and is part of the next call
     */
    public void force() throws IOException {
        List<Extent> taken;
        List<Extent> releasedBefore;
        List<Extent> replacedBefore;
        synchronized (this) {
            taken = dirty;
            releasedBefore = released;
            replacedBefore = replaced;
            dirty = new ArrayList<>();
            released = new ArrayList<>();
            replaced = new ArrayList<>();
            for (Extent extent : taken) {
                extent.isDirty = false;
            }
        }
        try {
            storeFound(taken);
        } catch (IOException e) {
            synchronized (this) {
                taken.forEach(this::markDirty);
                released.addAll(releasedBefore);
                replaced.addAll(replacedBefore);
            }
            throw e;
        }
        taken.sort(Comparator.<Extent>comparingLong(extent -> extent.file.number)
                .thenComparingInt(extent -> extent.slot)
                .thenComparingLong(extent -> extent.generation));
        int from = 0;
        while (from < taken.size()) {
            int to = from + 1;
            while (to < taken.size() && isNextTo(taken.get(to - 1), taken.get(to))) {
                to++;
            }
            Extent first = taken.get(from);
            Extent last = taken.get(to - 1);
            try {
                if (first.file.isFound) {
                    forceFound(first.file);
                }
                first.file.file.force(
                        Extent.at(first.slot, options), (last.slot - first.slot + 1L) * options.extentBytes());
            } catch (IOException e) {
                synchronized (this) {
                    released.addAll(releasedBefore);
                    replaced.addAll(replacedBefore);
                }
                forceFailed(taken, from, to, e);
                throw e;
            }
            from = to;
        }
        synchronized (this) {
            for (Extent extent : releasedBefore) {
                free.add(new FreeSlot(extent.file, extent.slot, false));
            }
            freeCount = free.size();
            for (Extent extent : replacedBefore) {
                // Not taken again before the next start: its pages may have failed a force. So its end is not
                // forced either, and a crash may bring it back: see fillGaps.
                Extent.writeFree(extent.file, extent.slot, options);
            }
        }
        giveBackFiles();
    }

    /**
     * The earlier start may have died of, or right behind, a force that failed, and the kernel then believes that it has written
     * what it has lost. Whoever replays puts only some of the entries again, so all of the extent is stored again.
     */
    private void storeFound(List<Extent> taken) throws IOException {
        for (Extent extent : taken) {
            synchronized (this) {
                if (extent.isFound) {
                    storeFound(extent);
                }
            }
        }
    }

    private void storeFound(Extent extent) throws IOException {
        storeAgain(extent);
        QueueExtents queue = queues.find(extent.queueId);
        if (queue != null && queue.find(extent.number) == extent) {
            // Not released: if the kernel has dropped the header since it was read, it is missing in what was stored.
            extent.writeHeader(extentEntries, Extent.HEADER_BYTES);
        }
        extent.isFound = false;
    }

    /** Who made the file may have died before its header and its name were forced. */
    private void forceFound(IndexFile file) throws IOException {
        if (!areFoundNamesForced) {
            directory.forceDirectory();
            areFoundNamesForced = true;
        }
        file.writeHeader(stripeId, options);
        file.file.force(0, IndexFile.HEADER_BYTES);
        file.isFound = false;
    }

    private void storeAgain(Extent extent) throws IOException {
        byte[] bytes = new byte[options.extentBytes()];
        extent.file.file.read(Extent.at(extent.slot, options), bytes, 0, bytes.length);
        extent.file.file.write(Extent.at(extent.slot, options), bytes, 0, bytes.length);
    }

    /** Removes files without any extent, but for one spare. */
    private void giveBackFiles() {
        int perFile = options.extentsPerFile();
        synchronized (this) {
            Map<IndexFile, Integer> freeSlots = new HashMap<>();
            if (free.size() >= 2 * perFile) {
                free.forEach(slot -> freeSlots.merge(slot.file, 1, Integer::sum));
            }
            for (Map.Entry<IndexFile, Integer> each : freeSlots.entrySet()) {
                IndexFile file = each.getKey();
                if (each.getValue() == perFile && free.size() >= 2 * perFile) {
                    free.removeIf(slot -> slot.file == file);
                    files.remove(file);
                    unused.add(file);
                }
            }
            freeCount = free.size();
        }
        try {
            boolean isChanged = !unused.isEmpty();
            while (!unused.isEmpty()) {
                IndexFile file = unused.get(0);
                // Who has found an extent in it before may still be reading.
                file.file.abandon();
                directory.delete(file.file.name());
                unused.remove(0);
            }
            if (isChanged) {
                directory.forceDirectory();
            }
        } catch (IOException e) {
            // What was forced is forced. The next force tries again; should a name come back, its extents are free.
            return;
        }
    }

    private static boolean isNextTo(Extent left, Extent right) {
        return left.file == right.file && right.slot - left.slot <= 1;
    }

    /** A failed force is final for its pages: go on elsewhere. What was not tried yet stays dirty. */
    private void forceFailed(List<Extent> taken, int from, int to, IOException because) {
        synchronized (this) {
            IndexFile file = taken.get(from).file;
            // pages are lost whole, so extents that share one with these are in doubt as well
            long firstPage = file.isFound ? 0 : Extent.at(taken.get(from).slot, options) / PAGE_BYTES;
            long lastPage = (Extent.at(taken.get(to - 1).slot + 1, options) - 1) / PAGE_BYTES;
            int firstSlot = slotAt(firstPage * PAGE_BYTES);
            int lastSlot = slotAt((lastPage + 1) * PAGE_BYTES - 1);
            for (int index = to; index < taken.size(); index++) {
                markDirty(taken.get(index));
            }
            // To force them again would prove nothing; what is still wanted of them moves.
            dirty.removeIf(extent -> {
                boolean isLost = extent.file == file && extent.slot >= firstSlot && extent.slot <= lastSlot;
                extent.isDirty &= !isLost;
                return isLost;
            });
            free.removeIf(slot -> slot.file == file && slot.slot >= firstSlot && slot.slot <= lastSlot);
            released.removeIf(extent -> extent.file == file && extent.slot >= firstSlot && extent.slot <= lastSlot);
            freeCount = free.size();
            for (Extent extent : extentsIn(file, firstSlot, lastSlot)) {
                try {
                    move(extent);
                } catch (IOException e) {
                    because.addSuppressed(e);
                    storeAgain(extent, because);
                }
            }
        }
    }

    /**
     * No other place is to be had. The pages still read well but count as clean, so they could be evicted, and a force
     * would pass over them: stored again they are dirty, and the next force that succeeds has really written them.
     */
    private void storeAgain(Extent extent, IOException because) {
        markDirty(extent);
        try {
            storeAgain(extent);
        } catch (IOException e) {
            because.addSuppressed(e);
        }
    }

    private int slotAt(long at) {
        return (int) Math.max(0, (at - IndexFile.HEADER_BYTES) / options.extentBytes());
    }

    private List<Extent> extentsIn(IndexFile file, int firstSlot, int lastSlot) {
        List<Extent> found = new ArrayList<>();
        queues.forEach(queue -> queue.collect(file, firstSlot, lastSlot, found));
        return found;
    }

    private Extent move(Extent old) throws IOException {
        Extent moved = take(old.queueId, old.number);
        byte[] entry = new byte[ENTRY_BYTES];
        for (int index = 0; index < extentEntries; index++) {
            copyEntry(old, moved, index, entry);
        }
        queues.findOrMake(old.queueId).put(moved);
        replaced.add(old);
        return moved;
    }

    /** How many files there are. */
    public synchronized int fileCount() {
        return files.size();
    }

    /** Closes the files; forces nothing. A look-up from now on, or one under way, may fail with an IOException. */
    @Override
    public synchronized void close() throws IOException {
        if (!isClosed) {
            isClosed = true;
            IOException failure = new IOException("queue index of stripe " + stripeId + " in " + directory.path());
            closeFiles(failure);
            if (failure.getSuppressed().length > 0) {
                throw failure;
            }
        }
    }

    private void closeFiles(Exception failure) {
        files.addAll(unused);
        for (IndexFile file : files) {
            try {
                file.file.abandon();
            } catch (IOException e) {
                failure.addSuppressed(e);
            }
        }
        files.clear();
    }
}
