package io.forebay.persistence.core;

/** Which snapshots of a persistence id are meant; all bounds are inclusive. */
public record SnapshotBounds(long fromSequenceNr, long toSequenceNr, long fromTimestampMillis, long toTimestampMillis) {
    /** The one with this number, whenever it was taken. */
    public static SnapshotBounds ofSequenceNr(long sequenceNr) {
        return new SnapshotBounds(sequenceNr, sequenceNr, Long.MIN_VALUE, Long.MAX_VALUE);
    }

    /** The one with this number, if it was taken then. */
    public static SnapshotBounds of(long sequenceNr, long timestampMillis) {
        return new SnapshotBounds(sequenceNr, sequenceNr, timestampMillis, timestampMillis);
    }

    boolean match(long sequenceNr, long timestampMillis) {
        return fromSequenceNr <= sequenceNr
                && sequenceNr <= toSequenceNr
                && fromTimestampMillis <= timestampMillis
                && timestampMillis <= toTimestampMillis;
    }
}
