package io.forebay.persistence;

import io.forebay.persistence.core.EventTable;
import io.forebay.persistence.core.EventWalk;
import io.forebay.persistence.core.UnreadableEventException;
import io.forebay.storage.log.CorruptRecordException;
import io.forebay.storage.log.PersistenceEventRecord;
import io.forebay.storage.log.QueueReader;
import io.forebay.storage.log.RecordView;
import io.forebay.store.StripeHandle;
import java.util.ArrayDeque;

/**
 * Reads the events of one persistence id, in order, in as many goes as it takes: what cannot be read for now is gone on with
 * later. Used by one thread at a time; waits for the device.
 */
final class StoredEvents {
    /** Takes events in order. */
    interface Taker {
        void take(StoredEvent event);
    }

    /** Events that were met on the way to older ones, of as many bytes, are kept until they are handed out. */
    private static final long MET_BYTES_MAX = 1 << 20;

    private final EventReaders readers;
    private final String persistenceId;
    private final EventTable.Place place;
    private final long toSequenceNr;
    private long fromSequenceNr;
    private long left;
    /** Where they lie, null before that is known; 8 bytes for each. */
    private long[] offsets;
    /** The first of those that was not read. */
    private int at;
    /** What this call of {@link #handOut} has handed out. */
    private long bytes;

    /** Some of those to hand out, the oldest last; what is in here is not read again. */
    private final ArrayDeque<Met> met = new ArrayDeque<>();

    private long metBytes;
    private long recordsRead;
    /** Not null while something is read. */
    private QueueReader reader;

    private record Met(StoredEvent stored, long bytes) {
        long offset() {
            return stored.event().offset();
        }
    }

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
        this(new EventReaders(stripe, queueId), persistenceId, place, fromSequenceNr, toSequenceNr, max);
    }

    /**
     * The same with readers that others use, too.
     *
     * @param readers of the queue that holds the events
     */
    StoredEvents(
            EventReaders readers,
            String persistenceId,
            EventTable.Place place,
            long fromSequenceNr,
            long toSequenceNr,
            long max) {
        this.readers = readers;
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
        return reading(() -> handOutSome(eventsMax, bytesMax, taker));
    }

    private interface Reading<T> {
        T read() throws NotNowException, UnreadableEventException;
    }

    private <T> T reading(Reading<T> reading) throws NotNowException, UnreadableEventException {
        reader = readers.take();
        T result = reading.read();
        readers.giveBack(reader);
        reader = null;
        return result;
    }

    private boolean handOutSome(int eventsMax, long bytesMax, Taker taker)
            throws NotNowException, UnreadableEventException {
        if (offsets == null) {
            met.clear();
            metBytes = 0;
            offsets = offsets(true);
        }
        long leftBehind = Math.max(0, left - eventsMax);
        bytes = 0;
        while (at < offsets.length && !isDone()) {
            if (left <= leftBehind || bytes >= bytesMax) {
                return true;
            }
            Met known = metAt(offsets[at]);
            if (known != null) {
                take(known.stored, taker);
                bytes += known.bytes;
                at++;
                continue;
            }
            long end = met.isEmpty() ? Long.MAX_VALUE : met.peekLast().offset();
            int run = 1;
            while (at + run < offsets.length && offsets[at + run] == offsets[at] + run && offsets[at + run] < end) {
                run++;
            }
            at += read(offsets[at], (int) Math.min(run, left - leftBehind), bytesMax - bytes, taker);
        }
        return false;
    }

    /** Where those lie that have not been handed out, ascending. For who does not want them handed out. */
    long[] offsets() throws NotNowException, UnreadableEventException {
        return reading(() -> offsets(false));
    }

    /** How many records have been read so far, one that was read twice counted twice. */
    long recordsRead() {
        return recordsRead;
    }

    private long[] offsets(boolean areMetKept) throws NotNowException, UnreadableEventException {
        try {
            boolean isWhereKnown = place.newestOffsets().length > 0;
            if (areMetKept && !isWhereKnown && place.lastOffset() < 0) {
                checkNewest(0);
            }
            return EventWalk.offsets(place, fromSequenceNr, toSequenceNr, offset -> {
                PersistenceEventRecord event = single(offset, areMetKept);
                if (areMetKept && !isWhereKnown && event != null && offset == place.lastOffset()) {
                    checkNewest(event.sequenceNr());
                }
                return event;
            });
        } catch (NotNow notNow) {
            throw new NotNowException(notNow.getMessage());
        }
    }

    /** What names the highest number may be there though its event is not. */
    private void checkNewest(long sequenceNr) throws UnreadableEventException {
        if (sequenceNr < place.highestSequenceNr()
                && sequenceNr < toSequenceNr
                && place.deletedTo() < place.highestSequenceNr()) {
            throw new UnreadableEventException("events " + (sequenceNr + 1) + " to " + place.highestSequenceNr()
                    + ", or some of them, are lost, and a repair of the log has given them up");
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

    private PersistenceEventRecord single(long offset, boolean isKept) throws UnreadableEventException {
        StoredEvent[] found = {null};
        QueueReader.Result result =
                reader.read(offset, 1, Long.MAX_VALUE, (at, record, body) -> found[0] = decode(record));
        switch (result.status()) {
            case READ -> {
                if (found[0] == null) {
                    throw new UnreadableEventException("the event at offset " + offset + " is not stored");
                }
                if (isKept) {
                    keep(new Met(found[0], result.bytes()));
                }
                return found[0].event();
            }
            case GONE -> {
                return null;
            }
            case NOT_READABLE, FAILED -> throw new NotNow(NotNowException.reasonOf(result));
            default -> throw new UnreadableEventException(NotNowException.reasonOf(result));
        }
    }

    private StoredEvent decode(RecordView record) throws CorruptRecordException {
        recordsRead++;
        if (!(record.decode() instanceof PersistenceEventRecord event)) {
            throw new CorruptRecordException("a record of type " + record.type() + ", not an event");
        }
        return new StoredEvent(persistenceId, event, record.sequence(), record.logTimeMillis());
    }

    /** Of all that are met those are kept that are handed out first. */
    private void keep(Met one) {
        met.addLast(one);
        metBytes += one.bytes;
        while (metBytes > MET_BYTES_MAX && !met.isEmpty()) {
            metBytes -= met.pollFirst().bytes;
        }
    }

    /** The one that lies there, if it is kept, and no longer then; nothing before it is asked for any more. */
    private Met metAt(long offset) {
        while (!met.isEmpty() && met.peekLast().offset() < offset) {
            met.pollLast();
        }
        return met.isEmpty() || met.peekLast().offset() != offset ? null : met.pollLast();
    }

    /** Returns how many offsets it has got behind it. */
    private int read(long offset, int count, long bytesMax, Taker taker)
            throws NotNowException, UnreadableEventException {
        QueueReader.Result result = reader.read(offset, count, bytesMax, (at, record, body) -> {
            StoredEvent stored = decode(record);
            if (stored.event().number() != place.number()) {
                throw new CorruptRecordException("an event of persistence id number "
                        + stored.event().number() + " instead of " + place.number());
            }
            take(stored, taker);
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
