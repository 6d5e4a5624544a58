package io.forebay.persistence.core;

import io.forebay.storage.log.LogRecord;
import java.util.function.LongConsumer;

/** What one reserved queue holds, as far as it is kept in memory. Confined to whoever holds it. */
public interface ShardTable {
    /** What is stored next in the queue gets this offset: the log says so at a start. From then on nothing is missing any more. */
    void begin(long nextOffset);

    /**
     * Records that were to be taken now are lost, and a repair of the log has given them up: until {@link #begin} what follows need
     * not continue what was taken before. There was at least one persistence id: the first record of a queue names one.
     */
    void recordsAreMissing();

    /**
     * What lay at these offsets is lost, or may be, as far as they were given: a repair of the log has given it up, and none of them is
     * given again.
     */
    default void offsetsAreLost(long firstOffset, long count) {}

    /** Whether this id, of which nothing is known, may be one of those whose names are lost. */
    boolean mayHaveLostItsName(String persistenceId);

    /** Whether an empty one may go on where a repair has given up all that there was. */
    default boolean mayBeginAnew() {
        return false;
    }

    /**
     * Takes what was decided, or what the log holds; in the order of the log. What has an offset comes with the one that it has
     * there.
     *
     * @throws IllegalStateException if the record contradicts what was taken before, says the message
     */
    void apply(LogRecord record);

    /**
     * Who wants to know which sequence a record has; asked when it has been {@linkplain #apply applied}, and told once it is written,
     * in the order of the log; null if nobody does.
     */
    default LongConsumer sequenceTaker(LogRecord record) {
        return null;
    }

    /** All of it, as a snapshot's payload; when all that was applied is written. */
    byte[] snapshot();
}
