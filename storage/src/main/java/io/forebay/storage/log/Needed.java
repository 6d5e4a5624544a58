package io.forebay.storage.log;

import io.forebay.storage.index.IndexEntry;
import io.forebay.storage.index.QueueIndex;
import java.io.IOException;
import java.util.Map;

/**
 * Finds from where on the log holds what is needed and was not moved. A queue's messages lie in the order of their offsets
 * but for those that cleaning has moved, so the first one that was not says it for all. The StoreWriter's thread.
 */
final class Needed {
    /** Look-ups of one call; what is left is looked up at the next. */
    private static final int LOOKUPS_MAX = 200_000;

    private final Map<Integer, QueueMarks> marks;
    private final BodyPins pins;
    private final QueueIndex index;
    private final IndexEntry entry = new IndexEntry();
    private int lookups;
    private boolean isAllFound;

    Needed(Map<Integer, QueueMarks> marks, BodyPins pins, QueueIndex index) {
        this.marks = marks;
        this.pins = pins;
        this.index = index;
    }

    /** The lowest address of a message, or of a body, that any queue needs where it was written first; 0 if that is not known. */
    long lowestPosition() {
        lookups = 0;
        // The bodies' queues may be gone, so their marks say nothing.
        long lowest = pins.lowestPosition(index::lookup);
        isAllFound = lowest != 0;
        for (QueueMarks queue : marks.values()) {
            lowest = Math.min(lowest, lowestPosition(queue));
        }
        return lowest;
    }

    /** Whether the last call has found all that it wanted to look up; if not, the next one may say more. */
    boolean isAllFound() {
        return isAllFound;
    }

    /** Or an address below; a damaged index entry does not free its message. */
    private long lowestPosition(QueueMarks queue) {
        long next = queue.nextOffset();
        long offset = queue.nextNeeded(queue.unmovedFrom());
        long position = Long.MAX_VALUE;
        for (; offset < next; offset = queue.nextNeeded(offset + 1)) {
            boolean isFound = false;
            try {
                isFound = lookups++ < LOOKUPS_MAX && index.lookup(queue.queueId(), offset, entry);
            } catch (IOException e) {
                // As one that is not found.
                isFound = false;
            }
            if (!isFound) {
                isAllFound = false;
                position = queue.neededFrom();
                break;
            }
            if (!entry.isMoved()) {
                position = entry.position();
                break;
            }
        }
        queue.unmovedFrom(offset);
        if (position != Long.MAX_VALUE) {
            queue.needFrom(position);
        }
        return position;
    }
}
