package io.forebay.storage.log;

import io.forebay.storage.io.StorageFile;
import java.io.IOException;
import java.util.concurrent.atomic.AtomicInteger;

/** A segment of a running log. The file is closed only when nobody holds a lease. */
final class Segment {
    private static final int RETIRED = Integer.MIN_VALUE / 2;

    private final long base;
    private final StorageFile file;
    private final AtomicInteger leases = new AtomicInteger();
    /** Address behind its last frame; moves with every append while it is the active one. */
    private volatile long end;

    private volatile boolean isHeaderForced;

    /** Whether frames of it were moved there by cleaning. */
    private volatile boolean holdsMoved;

    /** Whether it holds entries, which pin bodies elsewhere. */
    private volatile boolean holdsEntries;

    /** Those that no file lists yet; null if there are none. The writer's while it is the active one, then of who finishes checkpoints. */
    private EntryList unlistedEntries;

    /** Whether what was needed of it has been moved, durably, and nobody is sent here any more. */
    private volatile boolean isEvacuated;

    /** Number of the last checkpoint that found a snapshot in it to be kept. The writer's. */
    private long snapshotCheckpoint;

    /** What cleaning thinks of it; of who plans evacuations. */
    final SegmentUse use = new SegmentUse();

    private long firstSequence = SegmentHeader.NONE;
    private long epoch;

    Segment(long base, StorageFile file, long end) {
        this.base = base;
        this.file = file;
        this.end = end;
    }

    static String fileName(long base) {
        return String.format("segment-%016x.log", base);
    }

    /** The base position that a file name states, or -1 if it is no segment's. */
    static long baseOf(String fileName) {
        if (!fileName.matches("segment-[0-9a-f]{16}\\.log")) {
            return -1;
        }
        return Long.parseUnsignedLong(fileName.substring(8, 24), 16);
    }

    long base() {
        return base;
    }

    StorageFile file() {
        return file;
    }

    long sizeBytes() {
        return file.sizeBytes();
    }

    /** Where the room for frames ends. */
    long limit() {
        return base + file.sizeBytes();
    }

    long firstPosition() {
        return base + SegmentHeader.PAGE_BYTES;
    }

    long end() {
        return end;
    }

    void setEnd(long position) {
        end = position;
    }

    long firstSequence() {
        return firstSequence;
    }

    long epoch() {
        return epoch;
    }

    void setOrigin(long firstSequenceInIt, long epochOfIt) {
        firstSequence = firstSequenceInIt;
        epoch = epochOfIt;
    }

    boolean holdsMoved() {
        return holdsMoved;
    }

    void setHoldsMoved() {
        holdsMoved = true;
    }

    boolean holdsEntries() {
        return holdsEntries;
    }

    void addEntry(int queueId, long queueOffset, int bodyQueueId, long bodyOffset) {
        if (unlistedEntries == null) {
            unlistedEntries = new EntryList();
        }
        unlistedEntries.add(queueId, queueOffset, bodyQueueId, bodyOffset);
        holdsEntries = true;
    }

    /** Of recovery. @param unlisted all of them; null if a file lists them */
    void setHoldsEntries(EntryList unlisted) {
        unlistedEntries = unlisted;
        holdsEntries = true;
    }

    /** Null if there are none, or a file lists them. */
    EntryList unlistedEntries() {
        return unlistedEntries;
    }

    /** A file lists them. */
    void setListed() {
        unlistedEntries = null;
    }

    boolean isEvacuated() {
        return isEvacuated;
    }

    void setEvacuated() {
        isEvacuated = true;
    }

    long snapshotCheckpoint() {
        return snapshotCheckpoint;
    }

    void setSnapshotCheckpoint(long number) {
        snapshotCheckpoint = number;
    }

    boolean isHeaderForced() {
        return isHeaderForced;
    }

    void setHeaderForced(boolean isForced) {
        isHeaderForced = isForced;
    }

    void writeHeader(SegmentHeader header) throws IOException {
        byte[] bytes = header.encode();
        file.write(0, bytes, 0, bytes.length);
    }

    void forceHeader() throws IOException {
        file.force(0, SegmentHeader.PAGE_BYTES);
        isHeaderForced = true;
    }

    /** @return false if it is on its way out and must not be touched */
    boolean lease() {
        if (leases.incrementAndGet() > 0) {
            return true;
        }
        leases.decrementAndGet();
        return false;
    }

    void release() {
        leases.decrementAndGet();
    }

    /** @return whether nobody holds a lease and nobody gets one from now on; to be tried again otherwise */
    boolean retire() {
        return leases.get() == RETIRED || leases.compareAndSet(0, RETIRED);
    }

    @Override
    public String toString() {
        return fileName(base);
    }
}
