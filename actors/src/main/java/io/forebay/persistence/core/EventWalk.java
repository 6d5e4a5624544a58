package io.forebay.persistence.core;

import io.forebay.storage.log.PersistenceEventRecord;

/** Finds where the events of a persistence id lie, backwards from its newest; reads none of which that is in memory. */
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
        long offset = fromSequenceNr > place.highestSequenceNr() ? -1 : addInMemory(place, fromSequenceNr, found);
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

    /** Returns the offset to go on from, whose event has to be read; -1 if there is none. */
    private static long addInMemory(EventTable.Place place, long fromSequenceNr, OffsetTrail.Found found) {
        long[] newest = place.newestOffsets();
        if (newest.length == 0) {
            return place.lastOffset();
        }
        long sequenceNr = place.highestSequenceNr();
        int at = newest.length - 1;
        while (at > 0 && sequenceNr > fromSequenceNr) {
            found.add(newest[at--], sequenceNr--);
        }
        if (sequenceNr > fromSequenceNr) {
            return newest[0];
        }
        found.add(newest[at], sequenceNr);
        return -1;
    }
}
