package io.forebay.storage.index;

import io.forebay.storage.io.StorageDirectory;
import java.io.IOException;
import java.util.List;

/** Skeleton, see the next commit. */
public final class QueueIndex implements AutoCloseable {
    public static final int ENTRY_BYTES = 24;
    static final int FILE_HEADER_BYTES = 512;

    private QueueIndex() {}

    static int extentBytes(int extentEntries) {
        return (64 + ENTRY_BYTES * extentEntries + 511) & ~511;
    }

    /** Opens what is there; odd files and extents are dropped, see {@link #droppedOnOpen()}. */
    public static QueueIndex open(StorageDirectory directory, int stripeId, IndexOptions options) throws IOException {
        throw new AssertionError("skeleton");
    }

    /** What was dropped as odd; empty after a clean stop unless something is damaged. */
    public List<String> droppedOnOpen() {
        throw new AssertionError("skeleton");
    }

    /** Writer. */
    public void put(int queueId, long offset, long position, int ordinal, int recordBytes, int tagHash)
            throws IOException {
        throw new AssertionError("skeleton");
    }

    /** Writer. True if the entry held the expected position and was changed. */
    public boolean repoint(int queueId, long offset, long expectedPosition, long newPosition, int newOrdinal)
            throws IOException {
        throw new AssertionError("skeleton");
    }

    /** Any thread; allocation-free. */
    public boolean lookup(int queueId, long offset, IndexEntry entry) throws IOException {
        throw new AssertionError("skeleton");
    }

    /** Writer. Frees the extents that lie wholly below the offset. */
    public void releaseBelow(int queueId, long offset) throws IOException {
        throw new AssertionError("skeleton");
    }

    /** Writer. Frees all extents of a queue. */
    public void release(int queueId) throws IOException {
        throw new AssertionError("skeleton");
    }

    /** Writer or before any use: the queues that have extents, ascending. */
    public int[] queueIds() {
        throw new AssertionError("skeleton");
    }

    /** Whether every offset in the range has an extent; says nothing about single entries. */
    public boolean covers(int queueId, long fromOffset, long toOffset) {
        throw new AssertionError("skeleton");
    }

    /** Any thread. */
    public boolean isPreparationNeeded() {
        throw new AssertionError("skeleton");
    }

    /** Blocking, one caller at a time: makes the next file. */
    public void prepareNext() throws IOException {
        throw new AssertionError("skeleton");
    }

    /** Blocking, one caller at a time, beside the writer: everything put before the call is durable after it. */
    public void force() throws IOException {
        throw new AssertionError("skeleton");
    }

    @Override
    public void close() throws IOException {
        throw new AssertionError("skeleton");
    }
}
