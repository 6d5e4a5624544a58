package io.forebay.persistence.core;

import io.forebay.storage.log.PersistenceEventRecord;
import java.util.Arrays;

/**
 * How the events of one persistence id are found in a queue that holds those of many: each names the one before it, and every
 * 64th the 64 before it, so that an event that lies <i>n</i> back is some <i>n</i> / 64 reads away and nothing of it has to be
 * kept in memory.
 *
 * <p>A trail is the offsets of the newest events of one id, oldest first, whose numbers have no gap; it is only a help for writing the lists, and may begin
 * anew at any event: what is not listed is still named one by one. Confined to its table.
 */
final class OffsetTrail {
    /** Events between two that list what lies before them. */
    static final int BLOCK_EVENTS = 64;

    static final long[] NO_OFFSETS = {};

    private static final byte[] NOTHING = {};

    private long[] offsets = new long[4];
    private int count;

    /** The event at this offset is the newest now. */
    void add(long offset) {
        if (count == BLOCK_EVENTS) {
            count = 0;
        }
        if (count == offsets.length) {
            offsets = Arrays.copyOf(offsets, Math.min(BLOCK_EVENTS, count * 2));
        }
        offsets[count++] = offset;
    }

    /** A copy: of the newest events, ascending; their numbers have no gap. */
    long[] offsets() {
        return Arrays.copyOf(offsets, count);
    }

    /**
     * What the next event lists beside the one before it: the others of a full trail, newest first, each as the distance from the
     * one behind it, unsigned LEB128; else nothing. Their numbers have no gap, nor has the next one's.
     */
    byte[] list() {
        if (count < BLOCK_EVENTS) {
            return NOTHING;
        }
        byte[] list = new byte[(BLOCK_EVENTS - 1) * 9];
        int at = 0;
        for (int i = count - 2; i >= 0; i--) {
            long distance = offsets[i + 1] - offsets[i];
            while (distance >= 0x80) {
                list[at++] = (byte) (distance | 0x80);
                distance >>>= 7;
            }
            list[at++] = (byte) distance;
        }
        return Arrays.copyOf(list, at);
    }

    /** Events that were found, newest first, with their numbers. */
    static final class Found {
        private long[] offsets = new long[64];
        private long[] sequenceNrs = new long[64];
        private int count;

        void add(long offset, long sequenceNr) {
            if (count == offsets.length) {
                offsets = Arrays.copyOf(offsets, count * 2);
                sequenceNrs = Arrays.copyOf(sequenceNrs, count * 2);
            }
            offsets[count] = offset;
            sequenceNrs[count++] = sequenceNr;
        }

        /** Of the one that was found last. */
        long oldestSequenceNr() {
            return sequenceNrs[count - 1];
        }

        /** The offsets of those with such numbers, in the order in which they were written. */
        long[] ascending(long fromSequenceNr, long toSequenceNr) {
            int first = 0;
            while (first < count && sequenceNrs[first] > toSequenceNr) {
                first++;
            }
            int end = first;
            while (end < count && sequenceNrs[end] >= fromSequenceNr) {
                end++;
            }
            long[] all = new long[end - first];
            for (int i = 0; i < all.length; i++) {
                all[i] = offsets[end - 1 - i];
            }
            return all;
        }
    }

    /**
     * Adds the events that an event names, but for the oldest of them, which is to be looked at next: only its offset is sure.
     *
     * @return the offset of that; -1 if there is none
     */
    static long follow(PersistenceEventRecord event, Found found) {
        long offset = event.previousOffset();
        long sequenceNr = event.sequenceNr() - 1;
        byte[] list = event.earlier();
        int at = 0;
        while (at < list.length) {
            found.add(offset, sequenceNr--);
            long distance = 0;
            int shift = 0;
            byte next;
            do {
                next = list[at++];
                distance |= (long) (next & 0x7F) << shift;
                shift += 7;
            } while (next < 0 && at < list.length);
            offset -= distance;
            if (distance <= 0 || offset < 0) {
                throw new IllegalStateException("event " + event.sequenceNr() + " of persistence id number "
                        + event.number() + " names an event at offset " + offset + " before itself");
            }
        }
        return offset;
    }
}
