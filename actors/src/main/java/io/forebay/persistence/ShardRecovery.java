package io.forebay.persistence;

import io.forebay.persistence.core.ShardTable;
import io.forebay.storage.log.CorruptRecordException;
import io.forebay.storage.log.LogRecord;
import io.forebay.storage.log.Owner;
import io.forebay.storage.log.RecordType;
import io.forebay.storage.log.RecordView;
import io.forebay.storage.log.RecoverySink;
import io.forebay.storage.log.SnapshotRecord;
import io.forebay.store.StripeRecovery;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.function.LongConsumer;

/**
 * Builds from what stripe 0 recovers where each reserved queue goes on. Confined to the thread that recovers it, and read when the
 * stripes are open.
 */
final class ShardRecovery implements StripeRecovery {
    /**
     * How far a state goes.
     *
     * @param sequence of its last record, -1 if it has none
     * @param ownerNumber its owner's own number of that
     */
    record Held(long sequence, long ownerNumber) {
        static final Held NOTHING = new Held(-1, 0);
    }

    /** Where a queue goes on; nobody else touches the table any more. */
    static final class Recovered {
        final ShardTable table;
        Held held;
        /** Why the table is not to be trusted, null if it is. */
        String contradiction;

        private Recovered(ShardTable table, Held held) {
            this.table = table;
            this.held = held;
        }
    }

    private final int activeIdsMax;
    private final Map<Integer, Recovered> queues = new HashMap<>();
    private boolean isAnythingFound;

    /** @param activeIdsMax of each queue, as {@link io.forebay.config.PersistenceSettings} has it of all */
    ShardRecovery(int activeIdsMax) {
        this.activeIdsMax = activeIdsMax;
    }

    @Override
    public RecoverySink sink(int stripeId) {
        return stripeId == 0 ? new Sink() : new Nothing();
    }

    /** Whether anything of the plugins was found. */
    boolean isAnythingFound() {
        return isAnythingFound;
    }

    /** What was found of a queue, which may be nothing. Handed over: a second call gives an empty one. */
    Recovered take(ShardKind kind, int shard) {
        Recovered found = queues.remove(kind.queueId(shard));
        return found == null ? new Recovered(kind.create(activeIdsMax), Held.NOTHING) : found;
    }

    /** Queues live in other stripes, too, but reserved ones do not. */
    private static final class Nothing implements RecoverySink {
        @Override
        public void snapshot(RecordView part) {}

        @Override
        public void record(RecordView record) {}
    }

    private final class Sink implements RecoverySink {
        private final List<SnapshotRecord> parts = new ArrayList<>();

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
            isAnythingFound = true;
            ShardKind kind = kindOf(view);
            if (!(view.decode() instanceof SnapshotRecord part)) {
                throw new CorruptRecordException("a snapshot of type " + view.type());
            }
            if (part.part() == 0) {
                parts.clear();
            }
            parts.add(part);
            if (part.part() < part.parts() - 1) {
                return;
            }
            byte[] payload = SnapshotRecord.join(parts);
            parts.clear();
            try {
                queues.put(
                        view.queueId(),
                        new Recovered(
                                kind.restore(activeIdsMax, payload),
                                new Held(part.heldSequence(), part.heldOwnerNumber())));
            } catch (IllegalStateException e) {
                throw new CorruptRecordException("snapshot of " + view.owner() + ": " + e.getMessage());
            }
        }

        @Override
        public void record(RecordView view) throws CorruptRecordException {
            if (!Owner.isReserved(view.queueId())) {
                return;
            }
            isAnythingFound = true;
            ShardKind kind = kindOf(view);
            Recovered queue = queues.get(view.queueId());
            if (queue == null) {
                queue = new Recovered(kind.create(activeIdsMax), Held.NOTHING);
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
                queue.held = new Held(view.sequence(), view.ownerNumber());
                return;
            }
            try {
                LogRecord record = view.decode();
                queue.table.apply(record);
                LongConsumer sequenceTaker = queue.table.sequenceTaker(record);
                if (sequenceTaker != null) {
                    sequenceTaker.accept(view.sequence());
                }
                queue.held = new Held(view.sequence(), view.ownerNumber());
            } catch (IllegalStateException e) {
                // This queue alone is stopped; the others have nothing to do with it.
                queue.contradiction = view.owner() + ", record " + view.sequence() + ": " + e.getMessage();
            }
        }
    }
}
