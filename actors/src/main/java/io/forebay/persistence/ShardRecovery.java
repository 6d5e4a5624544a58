package io.forebay.persistence;

import io.forebay.persistence.core.EventTable;
import io.forebay.storage.log.CorruptRecordException;
import io.forebay.storage.log.EventsSnapshot;
import io.forebay.storage.log.Owner;
import io.forebay.storage.log.RecordView;
import io.forebay.storage.log.RecoverySink;
import io.forebay.storage.log.SnapshotRecord;
import io.forebay.store.StripeRecovery;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

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

    /** A state that is being recovered. */
    private static final class Recovered<T> {
        final T table;
        Held held;
        /** Why the table is not to be trusted, null if it is. */
        String contradiction;

        Recovered(T table, Held held) {
            this.table = table;
            this.held = held;
        }
    }

    private final int trailsMax;
    private final Map<Integer, Recovered<EventTable>> events = new HashMap<>();

    /** @param trailsMax as {@link EventTable#EventTable} has it, of each queue */
    ShardRecovery(int trailsMax) {
        this.trailsMax = trailsMax;
    }

    @Override
    public RecoverySink sink(int stripeId) {
        return stripeId == 0 ? new Sink() : new Nothing();
    }

    /** The events' state of a queue; empty if nothing of it was found. */
    EventTable events(int queueId) {
        Recovered<EventTable> found = events.get(queueId);
        return found == null ? new EventTable(trailsMax) : found.table;
    }

    Held held(int queueId) {
        Recovered<EventTable> found = events.get(queueId);
        return found == null ? Held.NOTHING : found.held;
    }

    /** Why a queue's state is not to be trusted, null if it is. */
    String contradiction(int queueId) {
        Recovered<EventTable> found = events.get(queueId);
        return found == null ? null : found.contradiction;
    }

    /** Lets go of what was handed over. */
    void done() {
        events.clear();
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

        @Override
        public void snapshot(RecordView view) throws CorruptRecordException {
            if (!Owner.isReserved(view.queueId())) {
                return;
            }
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
            Held held = new Held(part.heldSequence(), part.heldOwnerNumber());
            if (Shards.isEvents(view.queueId())) {
                try {
                    events.put(
                            view.queueId(),
                            new Recovered<>(EventTable.restore(trailsMax, EventsSnapshot.decode(payload)), held));
                } catch (IllegalStateException e) {
                    throw new CorruptRecordException("snapshot of " + view.owner() + ": " + e.getMessage());
                }
            }
        }

        @Override
        public void record(RecordView view) throws CorruptRecordException {
            if (!Owner.isReserved(view.queueId())) {
                return;
            }
            if (Shards.isEvents(view.queueId())) {
                Recovered<EventTable> queue = events.computeIfAbsent(
                        view.queueId(), id -> new Recovered<>(new EventTable(trailsMax), Held.NOTHING));
                if (queue.contradiction != null || view.sequence() <= queue.held.sequence()) {
                    return;
                }
                try {
                    queue.table.apply(view.decode());
                } catch (IllegalStateException e) {
                    // This queue alone is stopped; the others have nothing to do with it.
                    queue.contradiction = view.owner() + ", record " + view.sequence() + ": " + e.getMessage();
                }
                queue.held = new Held(view.sequence(), view.ownerNumber());
            }
        }
    }
}
