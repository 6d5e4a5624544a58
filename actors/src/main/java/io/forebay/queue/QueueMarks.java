package io.forebay.queue;

import io.forebay.storage.log.QuarantinedRecord;
import java.util.List;

/**
 * Where a queue begins and ends, for those who only look: written by the queue's actor, read by any thread. What is read is
 * never ahead of what is written, and may be a little behind.
 */
public final class QueueMarks {
    private volatile long firstOffset;
    private volatile long nextOffset;
    private volatile long expiredCount;
    private volatile long quarantinedCount;
    private volatile List<QuarantinedRecord> quarantines = List.of();

    /** The lowest offset that is stored. */
    public long firstOffset() {
        return firstOffset;
    }

    /** The offset that the next message gets. */
    public long nextOffset() {
        return nextOffset;
    }

    /** Messages that some group had not settled when they were dropped: too old, or too much. */
    public long expiredCount() {
        return expiredCount;
    }

    /** Stored messages that cannot be read, and are never delivered. */
    public long quarantinedCount() {
        return quarantinedCount;
    }

    /** What is wrong with those of them of which it is kept, in order. */
    public List<QuarantinedRecord> quarantines() {
        return quarantines;
    }

    void firstOffset(long offset) {
        firstOffset = offset;
    }

    void nextOffset(long offset) {
        nextOffset = offset;
    }

    void expiredCount(long count) {
        expiredCount = count;
    }

    void quarantinedCount(long count) {
        quarantinedCount = count;
    }

    void quarantines(List<QuarantinedRecord> list) {
        quarantines = list;
    }
}
