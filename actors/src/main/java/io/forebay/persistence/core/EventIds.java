package io.forebay.persistence.core;

import io.forebay.storage.log.OffsetSet;
import java.util.Arrays;

/**
 * The persistence ids of one reserved queue of events by their numbers, which begin at 1 and have no gap: what a reader of the
 * queue has to know to make sense of its events. Grows only. The {@link EventTable} that owns it is the one who changes it; every
 * thread may look: an event that a reader finds in the log has its id in here.
 */
public final class EventIds {
    /** One persistence id. */
    static final class Id {
        final long number;
        final String persistenceId;
        long highestSequenceNr;
        /** The table's to write, everybody's to read. */
        volatile long deletedTo;

        /** The offsets of the deleted events up to this number are released, or were not found. */
        long releasedTo;

        long lastOffset = -1;
        /** Null if it was not used lately. */
        OffsetTrail trail;

        Id(long number, String persistenceId) {
            this.number = number;
            this.persistenceId = persistenceId;
        }
    }

    /** Written behind the entries it counts. */
    private volatile int count;

    private volatile Id[] ids = new Id[4];
    private volatile OffsetSet lost = OffsetSet.empty();

    EventIds() {}

    /** The table's. */
    void add(Id id) {
        Id[] room = ids;
        int at = count;
        if (id.number != at + 1L) {
            throw new AssertionError("number " + id.number + " behind " + at);
        }
        if (at == room.length) {
            room = Arrays.copyOf(room, at * 2);
        }
        room[at] = id;
        ids = room;
        count = at + 1;
    }

    /** How many there are; their numbers are 1 to this. */
    public int count() {
        return count;
    }

    /** The id with that number, which is there. */
    public String persistenceId(long number) {
        return get(number).persistenceId;
    }

    /** The events of that id, which is there, up to this number are deleted. */
    public long deletedTo(long number) {
        return get(number).deletedTo;
    }

    /** The offsets of the queue that a repair of the log has given up, as far as that is known. */
    OffsetSet lost() {
        return lost;
    }

    /** The table's. */
    void lost(OffsetSet offsets) {
        lost = offsets;
    }

    /** How many offsets, from this one on, a repair of the log has given up; 0 if not this one, as far as that is known. */
    public long lostFrom(long offset) {
        OffsetSet all = lost;
        for (int range = 0; range < all.rangeCount(); range++) {
            if (offset >= all.rangeFirst(range) && offset <= all.rangeLast(range)) {
                return all.rangeLast(range) + 1 - offset;
            }
        }
        return 0;
    }

    Id get(long number) {
        int known = count;
        if (number < 1 || number > known) {
            throw new IllegalStateException("persistence id number " + number + " has no name, there are " + known);
        }
        return ids[(int) number - 1];
    }
}
