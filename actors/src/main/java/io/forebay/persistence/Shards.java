package io.forebay.persistence;

import io.forebay.persistence.core.EventTable;
import io.forebay.storage.log.Owner;

/**
 * Which reserved queue holds what. A persistence id's slice says which of the {@value #COUNT} queues of a kind is its: 64 slices lie
 * together, so a query of a range of slices reads the queues of that range. Given once: what is stored stays where it is.
 */
final class Shards {
    /** Queues of each kind. */
    static final int COUNT = 16;

    private static final int SLICES_EACH = EventTable.SLICES / COUNT;
    private static final int EVENTS = Owner.RESERVED_FROM;
    private static final int SNAPSHOTS = EVENTS + 0x100;
    private static final int STATES = SNAPSHOTS + 0x100;

    private Shards() {}

    /** 0 to {@link #COUNT} - 1. */
    static int of(String persistenceId) {
        return EventTable.sliceOf(persistenceId) / SLICES_EACH;
    }

    static int eventsQueue(int shard) {
        return EVENTS + shard;
    }

    static int snapshotsQueue(int shard) {
        return SNAPSHOTS + shard;
    }

    static int statesQueue(int shard) {
        return STATES + shard;
    }

    static boolean isEvents(int queueId) {
        return queueId >= EVENTS && queueId < EVENTS + COUNT;
    }

    static boolean isSnapshots(int queueId) {
        return queueId >= SNAPSHOTS && queueId < SNAPSHOTS + COUNT;
    }

    static boolean isStates(int queueId) {
        return queueId >= STATES && queueId < STATES + COUNT;
    }
}
