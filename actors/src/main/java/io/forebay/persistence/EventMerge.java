package io.forebay.persistence;

import io.forebay.persistence.core.UnreadableEventException;
import java.util.List;

/**
 * Brings the events of several queues into the one order that they were written in: that of their sequences. Used by one thread
 * at a time.
 */
final class EventMerge {
    /** One queue. */
    interface Source {
        /** The next event of those that were read, null if there is none. */
        StoredEvent head();

        /** The head is dealt with. */
        void removeHead();

        /** Whether nothing up to that sequence is left to read. */
        boolean isReadTo(long sequence);

        /**
         * Reads on, nothing beyond a sequence.
         *
         * @return how many stored events it has looked at
         * @throws NotNowException if the same call may go well later
         */
        int readOn(long toSequence) throws NotNowException, UnreadableEventException;
    }

    /** Takes events in order. */
    interface Taker {
        void take(StoredEvent event);
    }

    /** Events that are looked at in one go; then others get the thread. */
    private static final int LOOKED_AT_MAX = 4 * 1024;

    private final List<? extends Source> sources;

    EventMerge(List<? extends Source> sources) {
        this.sources = sources;
    }

    /**
     * Hands out the next events, and is done with what it has handed out even if it throws.
     *
     * @param toSequence up to which all is in place, in every queue
     * @param eventsMax at most
     * @param bytesMax of their payloads, from which no further ones are handed out
     * @return whether there may be more
     */
    boolean handOut(long toSequence, int eventsMax, long bytesMax, Taker taker)
            throws NotNowException, UnreadableEventException {
        int lookedAt = 0;
        int handedOut = 0;
        long bytes = 0;
        while (handedOut < eventsMax && bytes < bytesMax) {
            Source first = null;
            long firstSequence = Long.MAX_VALUE;
            for (Source source : sources) {
                StoredEvent head = source.head();
                while (head == null && !source.isReadTo(toSequence)) {
                    if (lookedAt >= LOOKED_AT_MAX) {
                        return true;
                    }
                    lookedAt += source.readOn(toSequence);
                    head = source.head();
                }
                if (head != null && head.sequence() < firstSequence) {
                    first = source;
                    firstSequence = head.sequence();
                }
            }
            if (first == null) {
                return false;
            }
            StoredEvent event = first.head();
            first.removeHead();
            taker.take(event);
            handedOut++;
            bytes += event.event().payload().length;
        }
        return true;
    }
}
