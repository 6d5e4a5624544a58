package io.forebay.persistence;

import io.forebay.persistence.core.ShardTable;
import io.forebay.queue.OwnerLog;
import io.forebay.storage.log.CorruptRecordException;
import io.forebay.storage.log.LogRecord;
import io.forebay.storage.log.Owner;
import io.forebay.storage.log.QuarantinedRecord;
import io.forebay.storage.log.RecordType;
import io.forebay.storage.log.RecordView;
import io.forebay.storage.log.RecoverySink;
import io.forebay.storage.log.SnapshotParts;
import io.forebay.store.StripeRecovery;
import java.util.HashMap;
import java.util.Map;
import java.util.function.LongConsumer;

/**
 * Builds from what stripe 0 recovers where each reserved queue goes on. Confined to the thread that recovers it, and read when the
 * stripes are open.
 */
final class ShardRecovery implements StripeRecovery {
    /** Where a queue goes on; nobody else touches the table any more. */
    static final class Recovered {
        final ShardTable table;
        OwnerLog.Held held;
        /** Why the table is not to be trusted, null if it is. */
        String contradiction;

        private Recovered(ShardTable table, OwnerLog.Held held) {
            this.table = table;
            this.held = held;
        }
    }

    private final int activeIdsMax;
    private final Map<Integer, Recovered> queues = new HashMap<>();
    private boolean isAnythingOfPlugins;

    /** @param activeIdsMax of each queue, as {@link io.forebay.config.PersistenceSettings} has it of all */
    ShardRecovery(int activeIdsMax) {
        this.activeIdsMax = activeIdsMax;
    }

    @Override
    public RecoverySink sink(int stripeId) {
        return stripeId == 0 ? new Sink() : new Nothing();
    }

    /** Whether anything of the plugins was found; the registry's events are not theirs. */
    boolean isAnythingOfPlugins() {
        return isAnythingOfPlugins;
    }

    /** What was found of a queue, which may be nothing. Handed over: a second call gives an empty one. */
    Recovered take(ShardKind kind, int shard) {
        Recovered found = queues.remove(kind.queueId(shard));
        return found == null ? new Recovered(kind.create(activeIdsMax), OwnerLog.Held.NOTHING) : found;
    }

    /** Queues live in other stripes, too, but reserved ones do not. */
    private static final class Nothing implements RecoverySink {
        @Override
        public void snapshot(RecordView part) {}

        @Override
        public void record(RecordView record) {}
    }

    private final class Sink implements RecoverySink {
        private final SnapshotParts parts = new SnapshotParts();

        private ShardKind kindOf(RecordView view) throws CorruptRecordException {
            ShardKind kind = ShardKind.ofQueueOrNull(view.queueId());
            if (kind == null || view.groupId() != 0) {
                throw new CorruptRecordException(
                        "nothing is known of " + view.owner() + ": written by a newer version");
            }
            return kind;
        }

        @Override
        public void snapshot(RecordView view) throws CorruptRecordException {
            if (!Owner.isReserved(view.queueId())) {
                return;
            }
            ShardKind kind = kindOf(view);
            isAnythingOfPlugins |= ShardKind.OF_PLUGINS.contains(kind);
            SnapshotParts.Whole whole = parts.addOrNull(view);
            if (whole == null) {
                return;
            }
            try {
                queues.put(
                        view.queueId(),
                        new Recovered(
                                kind.restore(activeIdsMax, whole.payload()),
                                new OwnerLog.Held(whole.heldSequence(), whole.heldOwnerNumber())));
            } catch (IllegalStateException e) {
                throw new CorruptRecordException("snapshot of " + view.owner() + ": " + e.getMessage());
            }
        }

        @Override
        public void record(RecordView view) throws CorruptRecordException {
            if (!Owner.isReserved(view.queueId())) {
                return;
            }
            ShardKind kind = kindOf(view);
            isAnythingOfPlugins |= ShardKind.OF_PLUGINS.contains(kind);
            Recovered queue = queues.get(view.queueId());
            if (queue == null) {
                queue = new Recovered(kind.create(activeIdsMax), OwnerLog.Held.NOTHING);
                queues.put(view.queueId(), queue);
                if (view.ownerNumber() > 1) {
                    queue.table.recordsAreMissing(); // its snapshot is lost, and a repair has given it up
                }
            }
            if (queue.contradiction != null || view.sequence() <= queue.held.sequence()) {
                return;
            }
            if (view.type() == RecordType.QUARANTINED || view.type() == RecordType.LOST) {
                // What a repair has noted. Who reads what the first of them names finds out.
                queue.table.recordsAreMissing();
                if (view.decode() instanceof QuarantinedRecord gone) {
                    queue.table.offsetsAreLost(gone.firstOffset(), gone.count());
                }
                queue.held = new OwnerLog.Held(view.sequence(), view.ownerNumber());
                return;
            }
            try {
                LogRecord record = view.decode();
                queue.table.apply(record);
                LongConsumer sequenceTaker = queue.table.sequenceTaker(record);
                if (sequenceTaker != null) {
                    sequenceTaker.accept(view.sequence());
                }
                queue.held = new OwnerLog.Held(view.sequence(), view.ownerNumber());
            } catch (IllegalStateException e) {
                // This queue alone is stopped; the others have nothing to do with it.
                queue.contradiction = view.owner() + ", record " + view.sequence() + ": " + e.getMessage();
            }
        }
    }
}
