package io.forebay.storage.log;

import io.forebay.storage.io.StorageDirectory;
import io.forebay.storage.io.StorageFile;
import java.io.IOException;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Deque;
import java.util.Iterator;
import java.util.List;

/**
 * The segment files of a running log: those of the chain, the one prepared ahead, the spare ones, and those on their way
 * out that a reader still holds. Addresses are given once. Thread-safe; what touches the disk says so.
 */
final class SegmentStore implements AutoCloseable {
    private static final String SPARE_PREFIX = "spare-";

    private final StorageDirectory directory;
    private final StripeOptions options;
    private final long epoch;

    /** In the order of the chain, which is that of the bases; replaced as a whole. */
    private volatile Segment[] live = new Segment[0];

    private final Object preparing = new Object();
    private volatile Segment prepared;
    /** Changed by who holds {@link #preparing}. */
    private volatile long nextBase;

    private final Deque<String> spares = new ArrayDeque<>();
    private final List<Retired> retired = new ArrayList<>();

    private record Retired(Segment segment, boolean isReusable) {}

    SegmentStore(StorageDirectory directory, StripeOptions options, long epoch, long nextBase) {
        this.directory = directory;
        this.options = options;
        this.epoch = epoch;
        this.nextBase = nextBase;
    }

    static boolean isSpare(String fileName) {
        return fileName.startsWith(SPARE_PREFIX);
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

    /** Takes the oldest segments, those below a base, out of the chain. */
    synchronized void removeBelow(long base) {
        List<Segment> segments = new ArrayList<>();
        for (Segment segment : live) {
            if (segment.base() < base) {
                retired.add(new Retired(segment, true));
            } else {
                segments.add(segment);
            }
        }
        live = segments.toArray(Segment[]::new);
    }

    /** A segment that never joined the chain. */
    synchronized void giveUp(Segment segment) {
        retired.add(new Retired(segment, false));
    }

    /** Beyond every address given so far. Waits for nobody: the StoreWriter asks while a segment is being prepared. */
    long addressLimit() {
        return nextBase;
    }

    boolean isPrepared() {
        return prepared != null;
    }

    long storedBytes() {
        long bytes = 0;
        for (Segment segment : live) {
            bytes += segment.sizeBytes();
        }
        Segment next = prepared;
        return next == null ? bytes : bytes + next.sizeBytes();
    }

    /** Bytes that can be appended when the disk has no more to give: the prepared segment and the spare ones. */
    long roomBytes() {
        long room = prepared == null ? 0 : options.segmentBytes();
        synchronized (this) {
            return room + (long) spares.size() * options.segmentBytes();
        }
    }

    /** The prepared segment, or one prepared now. Touches the disk only if there is none. */
    Segment take(long durablePosition) throws IOException {
        synchronized (preparing) {
            if (prepared == null) {
                prepareNext(durablePosition);
            }
            Segment segment = prepared;
            prepared = null;
            return segment;
        }
    }

    /** Makes the next segment ready if it is not: blocks, header and name forced, in this order. Touches the disk. */
    void prepareNext(long durablePosition) throws IOException {
        synchronized (preparing) {
            if (prepared != null) {
                return;
            }
            // An address is never given twice, not even one whose segment could not be made.
            long base = nextBase;
            nextBase = base + options.segmentBytes();
            String name = Segment.fileName(base);
            StorageFile file = reuse(name);
            boolean isNew = file == null;
            if (isNew) {
                file = directory.create(name, options.segmentBytes());
            }
            try {
                Segment segment = new Segment(base, file, base + SegmentHeader.PAGE_BYTES);
                segment.writeHeader(SegmentHeader.prepared(
                        options.stripeId(), epoch, base, options.segmentBytes(), durablePosition));
                file.force(0, isNew ? options.segmentBytes() : SegmentHeader.PAGE_BYTES);
                directory.forceDirectory();
                file.touch(0, options.segmentBytes());
                prepared = segment;
            } catch (IOException | RuntimeException e) {
                file.close();
                removeQuietly(name, e);
                throw e;
            }
        }
    }

    /** The pages of a segment whose preparation failed are not to be trusted; should it stay, a start removes it. */
    private void removeQuietly(String name, Exception cause) {
        try {
            directory.delete(name);
        } catch (IOException | RuntimeException e) {
            cause.addSuppressed(e);
        }
    }

    /** A spare file under that name, or null if there is none. */
    private StorageFile reuse(String name) throws IOException {
        while (true) {
            String spare;
            synchronized (this) {
                spare = spares.poll();
            }
            if (spare == null) {
                return null;
            }
            directory.rename(spare, name);
            StorageFile file = directory.open(name);
            if (file.sizeBytes() == options.segmentBytes()) {
                return file;
            }
            file.close();
            directory.delete(name);
        }
    }

    /** Whether retired segments wait for {@link #collect()}. */
    synchronized boolean isCollectionNeeded() {
        return !retired.isEmpty();
    }

    /** Closes retired segments that nobody reads any more and keeps or deletes their files. Touches the disk. */
    void collect() throws IOException {
        List<Retired> free = new ArrayList<>();
        synchronized (this) {
            for (Iterator<Retired> all = retired.iterator(); all.hasNext(); ) {
                Retired candidate = all.next();
                if (candidate.segment.retire()) {
                    free.add(candidate);
                    all.remove();
                }
            }
        }
        for (Retired candidate : free) {
            candidate.segment.file().close();
            discard(Segment.fileName(candidate.segment.base()), candidate.isReusable, candidate.segment.sizeBytes());
        }
        if (!free.isEmpty()) {
            directory.forceDirectory();
        }
    }

    /** A closed file that is no segment any more: kept for reuse, or deleted. The caller forces the directory. */
    void discard(String name, boolean isReusable, long sizeBytes) throws IOException {
        boolean isKept;
        synchronized (this) {
            isKept = isReusable && sizeBytes == options.segmentBytes() && spares.size() < options.spareSegmentsMax();
        }
        if (!isKept) {
            directory.delete(name);
            return;
        }
        String spare = SPARE_PREFIX + name;
        if (!name.equals(spare) && !isSpare(name)) {
            directory.rename(name, spare);
        } else {
            spare = name;
        }
        synchronized (this) {
            spares.add(spare);
        }
    }

    @Override
    public void close() throws IOException {
        IOException failure = null;
        List<Segment> open = new ArrayList<>(List.of(live));
        synchronized (this) {
            for (Retired candidate : retired) {
                open.add(candidate.segment);
            }
        }
        synchronized (preparing) {
            if (prepared != null) {
                open.add(prepared);
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
