package io.forebay.persistence;

import akka.persistence.query.TimestampOffset;
import java.time.Instant;
import java.util.function.LongSupplier;
import scala.collection.immutable.Map;

/**
 * The offsets of a query of slices: the log time of an event, and which events of that time were told of. Events of one time are
 * told of in the order of their sequences, so the highest number of each persistence id says which. Used by one thread at a time.
 */
final class SliceOffsets {
    private final LongSupplier nowMillis;
    private final long fromMillis;
    private final Map<String, Object> seenAtStart;
    private long seenMillis;
    private Map<String, Object> seen;

    /**
     * @param start behind which to begin
     * @param nowMillis log time
     */
    SliceOffsets(TimestampOffset start, LongSupplier nowMillis) {
        this.nowMillis = nowMillis;
        long millis = start.timestamp().toEpochMilli();
        boolean isWhole = Instant.ofEpochMilli(millis).equals(start.timestamp());
        fromMillis = isWhole ? millis : millis + 1;
        seenAtStart = isWhole ? start.seen() : TimestampOffset.Zero().seen();
        seenMillis = fromMillis;
        seen = seenAtStart;
    }

    /** Whether all events of that time come before it. */
    boolean isBehind(long logTimeMillis) {
        return logTimeMillis < fromMillis;
    }

    /** Whether the event comes behind it. */
    boolean isWanted(StoredEvent stored) {
        if (stored.logTimeMillis() != fromMillis) {
            return stored.logTimeMillis() > fromMillis;
        }
        scala.Option<Object> told = seenAtStart.get(stored.persistenceId());
        return told.isEmpty() || (Long) told.get() < stored.event().sequenceNr();
    }

    /** The offset of the event that is told of next. */
    TimestampOffset next(StoredEvent stored) {
        if (stored.logTimeMillis() != seenMillis) {
            seenMillis = stored.logTimeMillis();
            seen = TimestampOffset.Zero().seen();
        }
        seen = with(seen, stored);
        return new TimestampOffset(Instant.ofEpochMilli(seenMillis), Instant.ofEpochMilli(nowMillis.getAsLong()), seen);
    }

    /** Of one event alone. */
    static TimestampOffset of(StoredEvent stored, long nowMillis) {
        return new TimestampOffset(
                Instant.ofEpochMilli(stored.logTimeMillis()),
                Instant.ofEpochMilli(nowMillis),
                with(TimestampOffset.Zero().seen(), stored));
    }

    /** The compiler sees no type in what Scala returns. */
    @SuppressWarnings("unchecked")
    private static Map<String, Object> with(Map<String, Object> seen, StoredEvent stored) {
        return (Map<String, Object>)
                seen.updated(stored.persistenceId(), stored.event().sequenceNr());
    }
}
