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
        void take(PersistenceEventRecord event);
    }

    /** The stripe cannot be read for now, or the device did not give something: what is left may be tried again. */
    static final class NotNowException extends Exception {
        private static final long serialVersionUID = 1;

        NotNowException(String message) {
            super(message);
        }
    }

    private final QueueReader reader;
    private final EventTable.Place place;
    private final long toSequenceNr;
    private long fromSequenceNr;
    private long left;

    /**
     * @param place where the id's events are
     * @param max events at most
     */
    StoredEvents(
            StripeHandle stripe,
            int queueId,
            EventTable.Place place,
            long fromSequenceNr,
            long toSequenceNr,
            long max) {
        reader = stripe.log().newReader(queueId);
        this.place = place;
        this.fromSequenceNr = Math.max(fromSequenceNr, place.deletedTo() + 1);
        this.toSequenceNr = Math.min(toSequenceNr, place.highestSequenceNr());
        left = max;
    }

    /**
     * Hands out what has not been handed out.
     *
     * @throws NotNowException if there is more, for a later call
     * @throws UnreadableEventException if one of them is damaged
     */
    void handOut(Taker taker) throws NotNowException, UnreadableEventException {
        if (fromSequenceNr > toSequenceNr || left <= 0) {
            return;
        }
        long[] offsets;
        try {
            offsets = EventWalk.offsets(place, fromSequenceNr, toSequenceNr, this::single);
        } catch (NotNow notNow) {
            throw new NotNowException(notNow.getMessage());
        }
        int at = 0;
        while (at < offsets.length && left > 0 && fromSequenceNr <= toSequenceNr) {
            int run = 1;
            while (at + run < offsets.length && offsets[at + run] == offsets[at] + run) {
                run++;
            }
            read(offsets[at], run, taker);
            at += run;
        }
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
            case NOT_READABLE, FAILED -> throw new NotNow(reasonOf(result));
            default -> throw new UnreadableEventException(reasonOf(result));
        }
    }

    private void read(long firstOffset, int count, Taker taker) throws NotNowException, UnreadableEventException {
        long offset = firstOffset;
        long end = firstOffset + count;
        while (offset < end && left > 0 && fromSequenceNr <= toSequenceNr) {
            QueueReader.Result result =
                    reader.read(offset, (int) (end - offset), Long.MAX_VALUE, (at, record, body) -> {
                        if (!(record.decode() instanceof PersistenceEventRecord event)) {
                            throw new CorruptRecordException("a record of type " + record.type() + ", not an event");
                        }
                        if (event.number() != place.number()) {
                            throw new CorruptRecordException("an event of persistence id number " + event.number()
                                    + " instead of " + place.number());
                        }
                        take(event, taker);
                    });
            offset = result.nextOffset();
            switch (result.status()) {
                case READ -> {
                    if (result.count() == 0) {
                        throw new UnreadableEventException("the event at offset " + offset + " is not stored");
                    }
                }
                case GONE -> offset++; // deleted meanwhile
                case NOT_READABLE, FAILED -> throw new NotNowException(reasonOf(result));
                case QUARANTINED -> throw new UnreadableEventException(reasonOf(result));
            }
        }
    }

    private void take(PersistenceEventRecord event, Taker taker) {
        if (event.sequenceNr() >= fromSequenceNr && event.sequenceNr() <= toSequenceNr && left > 0) {
            taker.take(event);
            fromSequenceNr = event.sequenceNr() + 1;
            left--;
        }
    }

    private static String reasonOf(QueueReader.Result result) {
        return "the event at offset " + result.nextOffset() + " cannot be read: "
                + (result.problem() == null
                        ? "the stripe makes a failed force good, or is closed"
                        : result.problem().text());
    }
}
