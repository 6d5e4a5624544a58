package io.forebay.persistence;

import io.forebay.persistence.core.EventTable;
import io.forebay.persistence.core.NodeEventTable;
import io.forebay.persistence.core.ShardTable;
import io.forebay.persistence.core.SnapshotTable;
import io.forebay.persistence.core.StateTable;
import io.forebay.storage.log.CorruptRecordException;
import io.forebay.storage.log.EventsSnapshot;
import io.forebay.storage.log.NodeEventsSnapshot;
import io.forebay.storage.log.Owner;
import io.forebay.storage.log.SnapshotsSnapshot;
import io.forebay.storage.log.StatesSnapshot;
import java.util.Collections;
import java.util.EnumSet;
import java.util.Locale;
import java.util.Set;

/**
 * What the reserved queues hold. A persistence id's slice says which of the {@value #COUNT} queues of a kind of the plugins' is its: 64
 * slices lie together, so a query of a range of slices reads the queues of that range. Given once: what is stored stays where it is.
 */
enum ShardKind {
    EVENTS(0) {
        @Override
        ShardTable create(int activeIdsMax) {
            return new EventTable(activeIdsMax);
        }

        @Override
        ShardTable restore(int activeIdsMax, byte[] snapshot) throws CorruptRecordException {
            return EventTable.restore(activeIdsMax, EventsSnapshot.decode(snapshot));
        }
    },
    SNAPSHOTS(1) {
        @Override
        ShardTable create(int activeIdsMax) {
            return new SnapshotTable();
        }

        @Override
        ShardTable restore(int activeIdsMax, byte[] snapshot) throws CorruptRecordException {
            return SnapshotTable.restore(SnapshotsSnapshot.decode(snapshot));
        }
    },
    STATES(2) {
        @Override
        ShardTable create(int activeIdsMax) {
            return new StateTable();
        }

        @Override
        ShardTable restore(int activeIdsMax, byte[] snapshot) throws CorruptRecordException {
            return StateTable.restore(StatesSnapshot.decode(snapshot));
        }
    },
    /** The events of the node's own registry, in one queue: nothing that others store, or lose, stands in its way. */
    REGISTRY(3) {
        @Override
        ShardTable create(int activeIdsMax) {
            return new NodeEventTable();
        }

        @Override
        ShardTable restore(int activeIdsMax, byte[] snapshot) throws CorruptRecordException {
            return NodeEventTable.restore(NodeEventsSnapshot.decode(snapshot));
        }
    };

    /** Queues of each kind of the plugins'. */
    static final int COUNT = 16;

    /** What the plugins of an application store. */
    static final Set<ShardKind> OF_PLUGINS = Collections.unmodifiableSet(EnumSet.complementOf(EnumSet.of(REGISTRY)));

    private static final int SLICES_EACH = EventTable.SLICES / COUNT;
    private static final int IDS_EACH = 0x100;

    private final int firstQueueId;

    ShardKind(int number) {
        firstQueueId = Owner.RESERVED_FROM + IDS_EACH * number;
    }

    /** An empty one. */
    abstract ShardTable create(int activeIdsMax);

    /** @throws IllegalStateException if the snapshot contradicts itself */
    abstract ShardTable restore(int activeIdsMax, byte[] snapshot) throws CorruptRecordException;

    /** 0 to {@link #COUNT} - 1. */
    static int shardOf(String persistenceId) {
        return shardOfSlice(EventTable.sliceOf(persistenceId));
    }

    /** The same for all ids of a slice. */
    static int shardOfSlice(int slice) {
        return slice / SLICES_EACH;
    }

    /** What one of them holds, for people. */
    String text(int shard) {
        if (this == REGISTRY) {
            return "topics and groups";
        }
        return name().toLowerCase(Locale.ROOT) + " of slices " + shard * SLICES_EACH + " to "
                + ((shard + 1) * SLICES_EACH - 1);
    }

    int queueId(int shard) {
        return firstQueueId + shard;
    }

    private int count() {
        return this == REGISTRY ? 1 : COUNT;
    }

    /** Null if no kind is known that has this queue. */
    static ShardKind ofQueueOrNull(int queueId) {
        for (ShardKind kind : values()) {
            if (queueId >= kind.firstQueueId && queueId < kind.firstQueueId + kind.count()) {
                return kind;
            }
        }
        return null;
    }
}
