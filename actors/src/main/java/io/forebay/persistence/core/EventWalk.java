package io.forebay.persistence.core;

import io.forebay.storage.log.PersistenceEventRecord;

/** Finds where the events of a persistence id lie, backwards from its newest. One walk, one thread. */
public final class EventWalk {
    private EventWalk() {}

    /** Reads single events. */
    public interface Events {
        /** @return null if what lay there has been given back, because it was deleted */
        PersistenceEventRecord at(long offset) throws UnreadableEventException;
    }

    /**
     * The offsets of the events from a number on, ascending. What lies before that number may be among them, up to a block of it;
     * what is deleted may, too.
     *
     * @param fromSequenceNr from 1
     * @throws UnreadableEventException as {@link Events#at}
     */
    public static long[] offsets(EventTable.Place place, long fromSequenceNr, Events events)
            throws UnreadableEventException {
        if (place.lastOffset() < 0 || fromSequenceNr > place.highestSequenceNr()) {
            return new long[0];
        }
        OffsetTrail.Found found = new OffsetTrail.Found();
        found.add(place.lastOffset());
        long offset = place.lastOffset();
        while (offset >= 0) {
            PersistenceEventRecord event = events.at(offset);
            if (event == null || event.sequenceNr() <= fromSequenceNr) {
                break;
            }
            if (event.number() != place.number()) {
                throw new UnreadableEventException("the event at offset " + offset + " is of persistence id number "
                        + event.number() + ", not " + place.number());
            }
            offset = OffsetTrail.follow(event, found);
        }
        return found.ascending();
    }
}
