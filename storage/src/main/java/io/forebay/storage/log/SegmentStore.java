package io.forebay.storage.log;

import io.forebay.storage.io.DiskFullException;
import io.forebay.storage.io.StorageDirectory;
import io.forebay.storage.io.StorageFile;
import java.io.IOException;
import java.nio.file.NoSuchFileException;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Deque;
import java.util.List;
import java.util.concurrent.atomic.AtomicReference;

/**
 * The segment files of a running log: those of the chain, the one prepared ahead, the spare ones, and those on their way
 * out that a reader still holds. Addresses are given once. Thread-safe; what touches the disk says so.
 */
final class SegmentStore implements AutoCloseable {
    private static final String SPARE_PREFIX = "spare-";
    private static final String RESERVE = SPARE_PREFIX + "reserve";
    /** It has its name only when all its blocks are there. */
    private static final String UNFINISHED_RESERVE = "unfinished-reserve";

    private static final String STRANGE_PREFIX = "strange-";
    private static final String GIVEN_UP_PREFIX = "given-up-";

    /** So many checkpoints long a file is worth its space though the chain needed one less. */
    private static final int REMEMBERED_CHECKPOINTS = 16;

    private final StorageDirectory directory;
    private final StripeOptions options;
    private final long logId;
    private final long epoch;

    /** In the order of the chain, which is that of the bases; replaced as a whole. */
    private volatile Segment[] live = new Segment[0];

    private final Object preparing = new Object();
    private final Object removing = new Object();
    private final Object reserving = new Object();
    private final AtomicReference<Segment> prepared = new AtomicReference<>();
    /** Changed by who holds {@link #preparing}. */
    private volatile long nextBase;

    private final Deque<String> spares = new ArrayDeque<>();
    private long freedCount;
    /** Segments made ready since the last checkpoint. */
    private int madeReady;
    /** The most segments that the chain had since then, and what is remembered of the checkpoints before. */
    private int liveMax;

    private int liveMaxBefore;
    /** Checkpoints since that was reached, or made less. */
    private int checkpointsBelow;

    private final List<Retired> retired = new ArrayList<>();
    private final Deque<GivenUp> givenUp = new ArrayDeque<>();

    /** Closed files that are no segments any more. */
    private final Deque<Unwanted> unwanted = new ArrayDeque<>();

    private record Retired(Segment segment, boolean isReusable) {}

    /** @param reusableBytes its size if its content can be overwritten and it may be kept for that, else 0 */
    private record Unwanted(String name, long reusableBytes) {}

    /**
     * A run whose segments go in such an order that what a crash leaves of them is known for what it is: the first one, by which
     * the others could be reached, takes a name that says it; then each goes behind those that follow it. What fails is tried
     * again from there.
     */
    private static final class GivenUp {
        private final Deque<Segment> open;
        private final String first;
        private boolean isRenamed;
        private boolean isNameForced;
        /** The last one first; the name of the first one is what it is given. */
        private final Deque<String> names = new ArrayDeque<>();

        private GivenUp(List<Segment> run) {
            open = new ArrayDeque<>(run);
            first = Segment.fileName(run.get(0).base());
            for (Segment segment : run.subList(1, run.size())) {
                names.addFirst(Segment.fileName(segment.base()));
            }
            names.addLast(GIVEN_UP_PREFIX + first);
        }
    }

    SegmentStore(StorageDirectory directory, StripeOptions options, long logId, long epoch, long nextBase) {
        this.directory = directory;
        this.options = options;
        this.logId = logId;
        this.epoch = epoch;
        this.nextBase = nextBase;
    }

    static boolean isSpare(String fileName) {
        return fileName.startsWith(SPARE_PREFIX);
    }

    /** Whether the name is one that {@link #setAside} gives. */
    static boolean isSetAside(String fileName) {
        return fileName.startsWith(STRANGE_PREFIX);
    }

    /** The base of a segment that a run was given up by, as the name of its file says, or -1 if the name says no such thing. */
    static long givenUpBaseOf(String fileName) {
        return fileName.startsWith(GIVEN_UP_PREFIX) ? Segment.baseOf(fileName.substring(GIVEN_UP_PREFIX.length())) : -1;
    }

    /** Segments of the chain, oldest first. */
    Segment[] live() {
        return live;
    }

    /** The live segment that holds the address, or null. */
    Segment find(long position) {
        Segment[] segments = live;
        int low = 0;
        int high = segments.length - 1;
        while (low <= high) {
            int middle = (low + high) >>> 1;
            Segment segment = segments[middle];
            if (position < segment.base()) {
                high = middle - 1;
            } else if (position >= segment.limit()) {
                low = middle + 1;
            } else {
                return segment;
            }
        }
        return null;
    }

    /** The last live segment whose frames begin at or below the address, or null. */
    Segment floor(long position) {
        Segment[] segments = live;
        for (int index = segments.length - 1; index >= 0; index--) {
            if (segments[index].firstPosition() <= position) {
                return segments[index];
            }
        }
        return null;
    }

    synchronized void add(Segment segment) {
        Segment[] segments = Arrays.copyOf(live, live.length + 1);
        segments[segments.length - 1] = segment;
        live = segments;
        liveMax = Math.max(liveMax, segments.length);
    }

    /** Keeps the chain up to a segment (null: nothing), puts others behind it, and retires the rest. */
    synchronized void replaceTail(Segment last, List<Segment> added) {
        List<Segment> segments = new ArrayList<>();
        for (Segment segment : live) {
            if (last != null && segment.base() <= last.base()) {
                segments.add(segment);
            } else {
                retired.add(new Retired(segment, false));
            }
        }
        segments.addAll(added);
        live = segments.toArray(Segment[]::new);
    }

    /** Takes segments that nobody needs out of the chain. */
    synchronized void remove(List<Segment> free) {
        List<Segment> segments = new ArrayList<>(List.of(live));
        for (Segment segment : free) {
            if (segments.remove(segment)) {
                freedCount++;
                retired.add(new Retired(segment, true));
            }
        }
        live = segments.toArray(Segment[]::new);
    }

    /** A segment that never joined the chain. */
    synchronized void giveUp(Segment segment) {
        retired.add(new Retired(segment, false));
    }

    /** Segments that were to join the chain together, in their order. Nobody has read in them. */
    synchronized void giveUp(List<Segment> run) {
        if (run.size() > 1) {
            givenUp.add(new GivenUp(run));
        } else {
            run.forEach(this::giveUp);
        }
    }

    /** Beyond every address given so far. Waits for nobody: the StoreWriter asks while a segment is being prepared. */
    long addressLimit() {
        return nextBase;
    }

    /** Segments that were taken out of the chain because nobody needed them. Any thread. */
    synchronized long freedCount() {
        return freedCount;
    }

    boolean isPrepared() {
        return prepared.get() != null;
    }

    long storedBytes() {
        long bytes = 0;
        for (Segment segment : live) {
            bytes += segment.sizeBytes();
        }
        Segment next = prepared.get();
        return next == null ? bytes : bytes + next.sizeBytes();
    }

    /** Bytes that can be appended when the disk has no more to give: the prepared segment and the spare ones. */
    long roomBytes() {
        long room = prepared.get() == null ? 0 : options.segmentBytes();
        synchronized (this) {
            return room + (long) spares.size() * options.segmentBytes();
        }
    }

    /** What a segment's header says once it has joined the chain. */
    SegmentHeader linkedHeader(
            Segment segment, long durablePosition, long predecessorBase, long predecessorEnd, long firstSequence) {
        return new SegmentHeader(
                true,
                options.stripeId(),
                epoch,
                segment.base(),
                segment.sizeBytes(),
                durablePosition,
                predecessorBase,
                predecessorEnd,
                firstSequence,
                logId);
    }

    /** The prepared segment, or null. Waits for nobody. */
    Segment takePrepared() {
        return prepared.getAndSet(null);
    }

    /** The prepared segment, or one prepared now. Touches the disk only if there is none. */
    Segment take(long durablePosition) throws IOException {
        synchronized (preparing) {
            prepareNext(durablePosition);
            return prepared.getAndSet(null);
        }
    }

    /** Makes the next segment ready if it is not: blocks, header and name forced, in this order. Touches the disk. */
    void prepareNext(long durablePosition) throws IOException {
        synchronized (preparing) {
            if (prepared.get() != null) {
                return;
            }
            // An address is never given twice, not even one whose segment could not be made.
            long base = nextBase;
            nextBase = base + options.segmentBytes();
            String name = Segment.fileName(base);
            StorageFile file = null;
            try {
                file = reuse(name, keptBackCount());
                boolean isNew = file == null;
                if (isNew) {
                    try {
                        file = directory.create(name, options.segmentBytes());
                    } catch (DiskFullException e) {
                        file = reuse(name, 0);
                        if (file == null) {
                            throw e;
                        }
                        isNew = false;
                    }
                }
                Segment segment = new Segment(base, file, base + SegmentHeader.PAGE_BYTES);
                segment.writeHeader(SegmentHeader.prepared(
                        options.stripeId(), epoch, base, options.segmentBytes(), durablePosition, logId));
                file.force(0, isNew ? options.segmentBytes() : SegmentHeader.PAGE_BYTES);
                directory.forceDirectory();
                if (!isNew) {
                    // A page that is not in memory would have to be read before the part of a frame is written to it.
                    file.touch(0, options.segmentBytes());
                }
                prepared.set(segment);
                synchronized (this) {
                    madeReady++;
                }
            } catch (IOException | RuntimeException e) {
                giveUp(name, file, e);
                throw e;
            }
        }
    }

    /** The pages of a file whose preparation failed are not to be trusted: it goes, now or when that works again. */
    private void giveUp(String name, StorageFile fileOrNull, Exception cause) {
        try {
            if (fileOrNull != null) {
                fileOrNull.close();
            }
        } catch (IOException | RuntimeException e) {
            cause.addSuppressed(e);
        }
        synchronized (this) {
            unwanted.add(new Unwanted(name, 0));
        }
        try {
            removeUnwanted();
        } catch (IOException | RuntimeException e) {
            cause.addSuppressed(e);
        }
    }

    /** Spare files that are not taken while the disk gives new ones. */
    private int keptBackCount() {
        return Math.min(1, options.spareSegments());
    }

    /**
     * Spare files that are worth their space: checkpoints free segments in bunches, and each that is deleted while the log grows
     * is one to be filled with zeros and forced soon after. So as many stay as the chain was longer by, lately.
     */
    private int sparesMax() {
        int wanted = keptBackCount() + Math.max(liveMax, liveMaxBefore) - live.length;
        return Math.max(options.spareSegments(), Math.min(wanted, options.spareSegmentsMax()));
    }

    /**
     * A checkpoint is done. How long the chain was is forgotten slowly, and at once if no segment was used up since the last one;
     * spare files that are too many then go by {@link #collect()}.
     */
    synchronized void checkpointed() {
        if (madeReady == 0 || liveMax >= liveMaxBefore) {
            liveMaxBefore = madeReady == 0 ? live.length : liveMax;
            checkpointsBelow = 0;
        } else if (++checkpointsBelow == REMEMBERED_CHECKPOINTS) {
            liveMaxBefore--;
            checkpointsBelow = 0;
        }
        liveMax = live.length;
        madeReady = 0;
        while (spares.size() > sparesMax()) {
            unwanted.add(new Unwanted(spares.pollLast(), 0));
        }
    }

    /** Whether there are spare files that a checkpoint behind which nothing was appended lets go. */
    synchronized boolean isSpareExcessive() {
        return spares.size() > options.spareSegments();
    }

    /**
     * Deletes a spare file beyond those that are always kept. Touches the disk.
     *
     * @return false if there is none
     */
    boolean giveBackSpare() throws IOException {
        synchronized (this) {
            if (!isSpareExcessive()) {
                return false;
            }
            unwanted.add(new Unwanted(spares.pollLast(), 0));
        }
        removeUnwanted();
        return true;
    }

    /**
     * Makes a spare file with all its blocks if there is none: what can still be written when somebody else fills the disk. Touches
     * the disk.
     */
    void keepReserve() throws IOException {
        synchronized (reserving) {
            synchronized (this) {
                if (spares.size() >= keptBackCount()) {
                    return;
                }
            }
            try {
                directory.delete(UNFINISHED_RESERVE); // a crash may have left it
            } catch (NoSuchFileException e) {
                // As a rule.
            }
            try (StorageFile file = directory.create(UNFINISHED_RESERVE, options.segmentBytes())) {
                file.force(0, options.segmentBytes());
            }
            directory.rename(UNFINISHED_RESERVE, RESERVE);
            directory.forceDirectory();
            synchronized (this) {
                spares.add(RESERVE);
            }
        }
    }

    /** @param keptBack as many spare files stay; else one of them under that name, or null if there is none */
    private StorageFile reuse(String name, int keptBack) throws IOException {
        while (true) {
            String spare;
            synchronized (this) {
                spare = spares.size() > keptBack ? spares.poll() : null;
            }
            if (spare == null) {
                return null;
            }
            boolean isRenamed = false;
            try {
                directory.rename(spare, name);
                isRenamed = true;
            } finally {
                if (!isRenamed) {
                    // The next try goes without it.
                    synchronized (this) {
                        unwanted.add(new Unwanted(spare, 0));
                    }
                }
            }
            StorageFile file = directory.open(name);
            if (file.sizeBytes() == options.segmentBytes()) {
                return file;
            }
            file.close();
            directory.delete(name);
        }
    }

    /** Whether something waits for {@link #collect()}. */
    synchronized boolean isCollectionNeeded() {
        return !retired.isEmpty() || !unwanted.isEmpty() || !givenUp.isEmpty();
    }

    /**
     * Closes retired segments that nobody reads any more and keeps or deletes their files. Touches the disk. What fails is
     * tried again by the next call, and left to the next start at worst.
     */
    void collect() throws IOException {
        for (Retired next = nextUnread(); next != null; next = nextUnread()) {
            Segment segment = next.segment;
            var file = new Unwanted(Segment.fileName(segment.base()), next.isReusable ? segment.sizeBytes() : 0);
            try {
                segment.file().close();
            } finally {
                synchronized (this) {
                    unwanted.add(file); // not before: somebody else may be collecting, and must not rename what is open
                }
            }
        }
        removeUnwanted();
        removeGivenUp();
    }

    private void removeGivenUp() throws IOException {
        synchronized (removing) {
            for (GivenUp next = nextGivenUp(); next != null; next = nextGivenUp()) {
                remove(next);
                synchronized (this) {
                    givenUp.remove(next);
                }
            }
        }
    }

    private synchronized GivenUp nextGivenUp() {
        return givenUp.peek();
    }

    private void remove(GivenUp run) throws IOException {
        for (Segment segment = pollOpen(run); segment != null; segment = pollOpen(run)) {
            segment.file().close();
        }
        if (!run.isRenamed) {
            try {
                directory.rename(run.first, GIVEN_UP_PREFIX + run.first);
            } catch (NoSuchFileException e) {
                if (!directory.list().contains(GIVEN_UP_PREFIX + run.first)) {
                    throw e;
                }
                // What said that it could not be renamed was wrong.
            }
            run.isRenamed = true;
        }
        if (!run.isNameForced) {
            directory.forceDirectory();
            run.isNameForced = true;
        }
        for (; !run.names.isEmpty(); run.names.remove()) {
            deleteIfThere(run.names.peek());
            directory.forceDirectory();
        }
    }

    private synchronized Segment pollOpen(GivenUp run) {
        return run.open.poll();
    }

    private void deleteIfThere(String name) throws IOException {
        try {
            directory.delete(name);
        } catch (NoSuchFileException e) {
            // What said that it could not be removed was wrong.
            return;
        }
    }

    /** A retired segment without readers, which is the caller's to close. */
    private synchronized Retired nextUnread() {
        for (Retired candidate : retired) {
            if (candidate.segment.retire()) {
                retired.remove(candidate);
                return candidate;
            }
        }
        return null;
    }

    /** Keeps or deletes closed files that are no segments any more, and forces their names. */
    private void removeUnwanted() throws IOException {
        synchronized (removing) {
            Unwanted next = nextUnwanted();
            boolean isChanged = next != null;
            for (; next != null; next = nextUnwanted()) {
                try {
                    discard(next.name, next.reusableBytes > 0, next.reusableBytes);
                } catch (NoSuchFileException e) {
                    // It was never made, or what said that it could not be removed was wrong.
                    isChanged = true;
                }
                synchronized (this) {
                    unwanted.remove(next);
                }
            }
            if (isChanged) {
                directory.forceDirectory();
            }
        }
    }

    private synchronized Unwanted nextUnwanted() {
        return unwanted.peek();
    }

    /** A closed file that is no segment any more: kept for reuse, or deleted. The caller forces the directory. */
    void discard(String name, boolean isReusable, long sizeBytes) throws IOException {
        String spare = isSpare(name) ? name : SPARE_PREFIX + name;
        boolean isKept;
        synchronized (this) {
            isKept = isReusable
                    && sizeBytes == options.segmentBytes()
                    && spares.size() < sparesMax()
                    && !spares.contains(spare);
        }
        if (!isKept) {
            directory.delete(name);
            return;
        }
        if (!name.equals(spare)) {
            directory.rename(name, spare);
        }
        synchronized (this) {
            spares.add(spare);
        }
    }

    /**
     * A closed file that is not known to be superseded: it gets a name that no start looks at, and stays. The caller forces
     * the directory.
     *
     * @return that name
     */
    String setAside(String name) throws IOException {
        List<String> taken = directory.list();
        String aside = STRANGE_PREFIX + name;
        for (int number = 2; taken.contains(aside); number++) {
            aside = STRANGE_PREFIX + number + "-" + name;
        }
        directory.rename(name, aside);
        return aside;
    }

    @Override
    public void close() throws IOException {
        IOException failure = null;
        List<Segment> open = new ArrayList<>(List.of(live));
        synchronized (this) {
            for (Retired candidate : retired) {
                open.add(candidate.segment);
            }
            givenUp.forEach(run -> open.addAll(run.open));
        }
        synchronized (preparing) {
            if (prepared.get() != null) {
                open.add(prepared.get());
            }
        }
        for (Segment segment : open) {
            try {
                if (segment.retire()) {
                    segment.file().close();
                } else {
                    segment.file().abandon();
                }
            } catch (IOException e) {
                failure = e;
            }
        }
        if (failure != null) {
            throw failure;
        }
    }
}
