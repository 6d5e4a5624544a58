package io.forebay.storage.index;

/** What {@link QueueIndex#lookup} found; a cursor that is filled again and again. Not thread-safe: one per reader. */
public final class IndexEntry {
    final byte[] bytes = new byte[QueueIndex.ENTRY_BYTES];
    long position;
    int ordinal;
    int recordBytes;
    int tagHash;
    boolean isMoved;

    /** Position of the frame that holds the record. */
    public long position() {
        return position;
    }

    /** Number of the record in its frame, from 0. */
    public int ordinal() {
        return ordinal;
    }

    /** Size of the record, header and padding included. */
    public int recordBytes() {
        return recordBytes;
    }

    public int tagHash() {
        return tagHash;
    }

    /** Whether the record lies where cleaning has moved it: behind records of its queue with higher offsets. */
    public boolean isMoved() {
        return isMoved;
    }
}
