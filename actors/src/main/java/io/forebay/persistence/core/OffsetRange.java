package io.forebay.persistence.core;

/** Offsets of a queue that follow each other. */
public record OffsetRange(long firstOffset, long count) {
    public OffsetRange {
        if (firstOffset < 0 || count < 1) {
            throw new IllegalArgumentException(count + " offsets from " + firstOffset + " on");
        }
    }

    /** The first one behind it. */
    public long endOffset() {
        return firstOffset + count;
    }
}
