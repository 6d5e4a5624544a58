package io.forebay.persistence;

import io.forebay.persistence.core.EventIds;
import io.forebay.persistence.core.LostNames;
import io.forebay.persistence.core.UnreadableEventException;
import io.forebay.storage.log.CorruptRecordException;
import io.forebay.storage.log.PersistenceEventRecord;
import io.forebay.storage.log.QueueReader;
import io.forebay.storage.log.RecordView;
import io.forebay.storage.log.StripeLog;
import java.io.IOException;
import java.util.ArrayDeque;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Reads one queue of events forward, in the order of its sequences, some ahead. What is asked for is never beyond a sequence
 * that the caller names: the newest that was flushed, taken before. Used by one thread at a time; waits for the device.
 */
final class QueueEvents implements EventMerge.Source {
    /** Chooses events. */
    interface Filter {
        boolean accepts(StoredEvent event);
    }

    /** Says of a record whether the first one that is wanted comes behind it; of no later one if not of this one. */
    interface Start {
        boolean isBehind(long sequence, long logTimeMillis);
    }

    private static final Logger LOG = LoggerFactory.getLogger(QueueEvents.class);

    private final StripeLog log;
    private final QueueReader reader;
    private final EventIds ids;
    private final Start start;
    private final Filter filter;
    private final int eventsMax;
    private final long bytesMax;
    private final ArrayDeque<StoredEvent> ahead = new ArrayDeque<>();
    /** The offset to read next, -1 before it is found. */
    private long nextOffset = -1;
    /** Nothing of the queue up to this sequence is left to read. */
    private long readTo = -1;

    /**
     * @param ids of the queue
     * @param eventsMax that are read at once
     * @param bytesMax that are read at once, unless one event is larger
     */
    QueueEvents(StripeLog log, int queueId, EventIds ids, Start start, Filter filter, int eventsMax, long bytesMax) {
        this.log = log;
        reader = log.newReader(queueId);
        this.ids = ids;
        this.start = start;
        this.filter = filter;
        this.eventsMax = eventsMax;
        this.bytesMax = bytesMax;
    }

    @Override
    public StoredEvent head() {
        while (!ahead.isEmpty() && isDeleted(ahead.peekFirst())) {
            ahead.pollFirst(); // since it was read
        }
        return ahead.peekFirst();
    }

    @Override
    public void removeHead() {
        ahead.removeFirst();
    }

    @Override
    public boolean isReadTo(long sequence) {
        return readTo >= sequence;
    }

    @Override
    public int readOn(long toSequence) throws NotNowException, UnreadableEventException {
        if (nextOffset < 0) {
            nextOffset = find();
        }
        nextOffset = Math.max(nextOffset, log.releasedBelow(reader.queueId()));
        long from = nextOffset;
        QueueReader.Result result = reader.read(from, eventsMax, bytesMax, (offset, record, body) -> {
            if (record.sequence() > toSequence) {
                readTo = Math.max(readTo, toSequence);
            } else {
                take(record);
                nextOffset = offset + 1;
            }
        });
        if (nextOffset > from || isReadTo(toSequence)) {
            // What ended it ends the next one at once, if that comes so far.
            return (int) (nextOffset - from);
        }
        switch (result.status()) {
            case READ -> readTo = toSequence; // the queue has no more
            case GONE -> nextOffset = from + 1; // deleted
            case NOT_READABLE, FAILED -> throw new NotNowException(NotNowException.reasonOf(result));
            case QUARANTINED -> nextOffset = behindLost(from, result);
        }
        return 1;
    }

    /**
     * Where it goes on behind an event that will never be read: what a repair of the log has given up is no reason to tell nothing of
     * all that is there.
     *
     * @throws UnreadableEventException if it is damaged, and nobody has decided what is to become of it
     */
    private long behindLost(long offset, QueueReader.Result result) throws NotNowException, UnreadableEventException {
        long count = ids.lostFrom(offset);
        try {
            if (count == 0 && !log.isGivenUp(result.problem().position())) {
                throw new UnreadableEventException(NotNowException.reasonOf(result)
                        + "; 'forebay log verify' tells what is damaged, and behind 'forebay log repair' queries go on"
                        + " without it");
            }
        } catch (IOException e) {
            throw new NotNowException(NotNowException.reasonOf(result) + ": " + e.getMessage());
        }
        long last = Math.min(offset + Math.max(1, count), log.nextOffset(reader.queueId())) - 1;
        LOG.warn(
                "a query passes over what is lost, and a repair of the log has given up, of queue {}: offsets {} to {};"
                        + " it has told of all before that",
                reader.queueId(),
                offset,
                last);
        return last + 1;
    }

    private void take(RecordView record) throws CorruptRecordException {
        if (!(record.decode() instanceof PersistenceEventRecord event)) {
            throw new CorruptRecordException("a record of type " + record.type() + ", not an event");
        }
        if (event.number() > ids.count()) {
            throw new CorruptRecordException(
                    "an event of persistence id number " + event.number() + ", of which there are " + ids.count());
        }
        StoredEvent stored =
                new StoredEvent(ids.persistenceId(event.number()), event, record.sequence(), record.logTimeMillis());
        if (!isDeleted(stored) && !LostNames.isOne(stored.persistenceId()) && filter.accepts(stored)) {
            ahead.addLast(stored);
        }
    }

    private boolean isDeleted(StoredEvent stored) {
        PersistenceEventRecord event = stored.event();
        return event.sequenceNr() <= ids.deletedTo(event.number());
    }

    /** The offset of the first event that is wanted, or the end of the queue; a search in halves. */
    private long find() throws NotNowException {
        long low = log.releasedBelow(reader.queueId());
        long high = log.nextOffset(reader.queueId());
        while (low < high) {
            long middle = (low + high) >>> 1;
            long at = middle;
            boolean[] isBehind = {false};
            QueueReader.Result result;
            do {
                result = reader.read(
                        at,
                        1,
                        Long.MAX_VALUE,
                        (offset, record, body) ->
                                isBehind[0] = start.isBehind(record.sequence(), record.logTimeMillis()));
                if (result.status() == QueueReader.Status.NOT_READABLE
                        || result.status() == QueueReader.Status.FAILED) {
                    throw new NotNowException(NotNowException.reasonOf(result));
                }
            } while (result.count() == 0 && ++at < high); // deleted, or damaged
            if (isBehind[0]) {
                low = at + 1;
            } else {
                high = middle;
            }
        }
        return low;
    }
}
