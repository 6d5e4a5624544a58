package io.forebay.persistence;

import io.forebay.persistence.core.EventTable;
import io.forebay.persistence.core.EventWalk;
import io.forebay.persistence.core.UnreadableEventException;
import io.forebay.storage.log.CorruptRecordException;
import io.forebay.storage.log.PersistenceEventRecord;
import io.forebay.storage.log.QueueReader;
import io.forebay.store.StripeHandle;

/**
 * Reads the events of one persistence id, in order, in as many goes as it takes: what cannot be read for now is gone on with
 * later. Used by one thread at a time; waits for the device.
 */
final class StoredEvents {
    /** Takes events in order. */
    interface Taker {
        void take(StoredEvent event);
    }

    private final QueueReader reader;
    private final String persistenceId;
    private final EventTable.Place place;
    private final long toSequenceNr;
    private long fromSequenceNr;
    private long left;
    /** Where they lie, null before that is known; 8 bytes for each. */
    private long[] offsets;
    /** The first of those that was not read. */
    private int at;
    /** What this call of {@link #handOut} has read. */
    private long bytes;

    /**
     * @param place where the id's events are
     * @param max events at most
     */
    StoredEvents(
            StripeHandle stripe,
            int queueId,
            String persistenceId,
            EventTable.Place place,
            long fromSequenceNr,
            long toSequenceNr,
            long max) {
        reader = stripe.log().newReader(queueId);
        this.persistenceId = persistenceId;
        this.place = place;
        this.fromSequenceNr = Math.max(fromSequenceNr, place.deletedTo() + 1);
        this.toSequenceNr = Math.min(toSequenceNr, place.highestSequenceNr());
        left = max;
    }

    /** Hands out all that has not been handed out. As {@link #handOut(int, long, Taker)}. */
    void handOut(Taker taker) throws NotNowException, UnreadableEventException {
        while (handOut(Integer.MAX_VALUE, Long.MAX_VALUE, taker)) {}
    }

    /**
     * Hands out some of what has not been handed out.
     *
     * @param eventsMax from which no further ones are read
     * @param bytesMax of stored events, from which no further ones are read
     * @return whether there may be more
     * @throws NotNowException if there is more, for a later call
     * @throws UnreadableEventException if one of them is damaged
     */
    boolean handOut(int eventsMax, long bytesMax, Taker taker) throws NotNowException, UnreadableEventException {
        if (isDone()) {
            return false;
        }
        if (offsets == null) {
            offsets = offsets();
        }
        long leftBehind = Math.max(0, left - eventsMax);
        bytes = 0;
        while (at < offsets.length && !isDone()) {
            if (left <= leftBehind || bytes >= bytesMax) {
                return true;
            }
            int run = 1;
            while (at + run < offsets.length && offsets[at + run] == offsets[at] + run) {
                run++;
            }
            at += read(offsets[at], (int) Math.min(run, left - leftBehind), bytesMax - bytes, taker);
        }
        return false;
    }

    /** Where those lie that have not been handed out, ascending. */
    long[] offsets() throws NotNowException, UnreadableEventException {
        try {
            return EventWalk.offsets(place, fromSequenceNr, toSequenceNr, this::single);
        } catch (NotNow notNow) {
            throw new NotNowException(notNow.getMessage());
        }
    }

    private boolean isDone() {
        return left <= 0 || fromSequenceNr > toSequenceNr;
    }

    /** As an unchecked one: it passes through the walk. */
    private static final class NotNow extends RuntimeException {
        private static final long serialVersionUID = 1;

        NotNow(String message) {
            super(message, null, false, false);
        }
    }

    private PersistenceEventRecord single(long offset) throws UnreadableEventException {
        PersistenceEventRecord[] found = {null};
        QueueReader.Result result = reader.read(
                offset, 1, Long.MAX_VALUE, (at, record, body) -> found[0] = (PersistenceEventRecord) record.decode());
        switch (result.status()) {
            case READ -> {
                if (found[0] == null) {
                    throw new UnreadableEventException("the event at offset " + offset + " is not stored");
                }
                return found[0];
            }
            case GONE -> {
                return null;
            }
            case NOT_READABLE, FAILED -> throw new NotNow(NotNowException.reasonOf(result));
            default -> throw new UnreadableEventException(NotNowException.reasonOf(result));
        }
    }

    /** Returns how many offsets it has got behind it. */
    private int read(long offset, int count, long bytesMax, Taker taker)
            throws NotNowException, UnreadableEventException {
        QueueReader.Result result = reader.read(offset, count, bytesMax, (at, record, body) -> {
            if (!(record.decode() instanceof PersistenceEventRecord event)) {
                throw new CorruptRecordException("a record of type " + record.type() + ", not an event");
            }
            if (event.number() != place.number()) {
                throw new CorruptRecordException(
                        "an event of persistence id number " + event.number() + " instead of " + place.number());
            }
            take(new StoredEvent(persistenceId, event, record.sequence(), record.logTimeMillis()), taker);
        });
        bytes += result.bytes();
        if (result.count() > 0) {
            // What ended it ends the next one at once.
            return result.count();
        }
        switch (result.status()) {
            case READ -> throw new UnreadableEventException("the event at offset " + offset + " is not stored");
            case NOT_READABLE, FAILED -> throw new NotNowException(NotNowException.reasonOf(result));
            case QUARANTINED -> throw new UnreadableEventException(NotNowException.reasonOf(result));
            default -> {
                return 1; // deleted meanwhile
            }
        }
    }

    private void take(StoredEvent stored, Taker taker) {
        long sequenceNr = stored.event().sequenceNr();
        if (sequenceNr >= fromSequenceNr && sequenceNr <= toSequenceNr && left > 0) {
            taker.take(stored);
            fromSequenceNr = sequenceNr + 1;
            left--;
        }
    }
}
