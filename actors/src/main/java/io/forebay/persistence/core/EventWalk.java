package io.forebay.persistence.core;

import io.forebay.storage.log.PersistenceEventRecord;

/** Finds where the events of a persistence id lie, backwards from its newest. */
public final class EventWalk {
    private EventWalk() {}

    /** Reads single events. */
    public interface Events {
        /** @return null if what lay there has been given back, because it was deleted */
        PersistenceEventRecord at(long offset) throws UnreadableEventException;
    }

    /**
     * The offsets of the events with such numbers, ascending; of those that have been given back none.
     *
     * @param fromSequenceNr from 1
     * @throws UnreadableEventException as {@link Events#at}, and if an event names one of another id
     */
    public static long[] offsets(EventTable.Place place, long fromSequenceNr, long toSequenceNr, Events events)
            throws UnreadableEventException {
        OffsetTrail.Found found = new OffsetTrail.Found();
        long offset = fromSequenceNr > place.highestSequenceNr() ? -1 : place.lastOffset();
        while (offset >= 0) {
            PersistenceEventRecord event = events.at(offset);
            if (event == null) {
                break;
            }
            if (event.number() != place.number()) {
                throw new UnreadableEventException("the event at offset " + offset + " is of persistence id number "
                        + event.number() + ", not " + place.number());
            }
            found.add(offset, event.sequenceNr());
            if (event.sequenceNr() <= fromSequenceNr) {
                break;
            }
            offset = OffsetTrail.follow(event, found);
            if (found.oldestSequenceNr() <= fromSequenceNr) {
                break; // what lies before it may be gone
            }
        }
        return found.ascending(fromSequenceNr, toSequenceNr);
    }
}
