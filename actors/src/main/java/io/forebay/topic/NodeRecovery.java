package io.forebay.topic;

import io.forebay.queue.OwnerLog;
import io.forebay.queue.core.GroupQueueLimits;
import io.forebay.queue.core.GroupQueueState;
import io.forebay.queue.core.QueueState;
import io.forebay.storage.log.CorruptRecordException;
import io.forebay.storage.log.GroupSnapshot;
import io.forebay.storage.log.LogRecord;
import io.forebay.storage.log.Owner;
import io.forebay.storage.log.PopRecord;
import io.forebay.storage.log.QueueSnapshot;
import io.forebay.storage.log.RecordType;
import io.forebay.storage.log.RecordView;
import io.forebay.storage.log.RecoverySink;
import io.forebay.storage.log.RegistrySnapshot;
import io.forebay.storage.log.SeekRecord;
import io.forebay.storage.log.SnapshotParts;
import io.forebay.store.StripeRecovery;
import io.forebay.topic.core.RegistryLimits;
import io.forebay.topic.core.RegistryState;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/**
 * Builds from what the stripes recover where the registry, each queue and each group goes on. What lies in reserved queues
 * is nothing to it. Each stripe's part is
 * confined to the thread that recovers it, and is read when all are open.
 */
public final class NodeRecovery implements StripeRecovery {

    /** Where a group goes on in one queue. */
    static final class RecoveredGroup {
        final GroupQueueState state;
        long heldOwnerNumber;
        /** Why the state is not to be trusted, null if it is. */
        String contradiction;

        RecoveredGroup(GroupQueueState state) {
            this.state = state;
        }
    }

    private final RegistryLimits registryLimits;
    private final GroupQueueLimits groupLimits;
    private final Map<Integer, StripeSink> sinks = new HashMap<>();

    public NodeRecovery(RegistryLimits registryLimits, GroupQueueLimits groupLimits) {
        this.registryLimits = registryLimits;
        this.groupLimits = groupLimits;
    }

    @Override
    public RecoverySink sink(int stripeId) {
        StripeSink sink = new StripeSink();
        synchronized (sinks) {
            sinks.put(stripeId, sink);
        }
        return sink;
    }

    GroupQueueLimits groupLimits() {
        return groupLimits;
    }

    RegistryLimits registryLimits() {
        return registryLimits;
    }

    /** What older versions have written of topics and groups, and repairs of the log; what came since are events. */
    RegistryState registry() {
        RegistryState recovered = of(0).registry;
        return recovered == null ? new RegistryState(registryLimits) : recovered;
    }

    /** How far that goes. */
    OwnerLog.Held registryHeld() {
        return new OwnerLog.Held(registry().heldSequence(), of(0).registryOwnerNumber);
    }

    /** What is known of a queue; nothing if no record of it is left. Handed over: a second call gives a new one. */
    QueueState takeQueue(int stripeId, int queueId) {
        QueueState queue = of(stripeId).queues.remove(queueId);
        return queue == null ? new QueueState() : queue;
    }

    /** Null if nothing was ever written for it. Handed over: a second call gives null. */
    RecoveredGroup takeGroup(int stripeId, int queueId, int groupId) {
        return of(stripeId).groups.remove(Owner.group(queueId, groupId).key());
    }

    /** Owners that nobody has asked for: their topic or group was deleted before the log forgot them. */
    List<Owner> leftOver(int stripeId) {
        StripeSink sink = of(stripeId);
        List<Owner> owners = new ArrayList<>();
        sink.queues.keySet().forEach(queueId -> owners.add(Owner.queue(queueId)));
        sink.groups.keySet().forEach(key -> owners.add(Owner.group((int) (key >>> 32), (int) (long) key)));
        return owners;
    }

    /** Lets go of whatever is left. */
    void done() {
        synchronized (sinks) {
            sinks.clear();
        }
    }

    private StripeSink of(int stripeId) {
        synchronized (sinks) {
            return sinks.computeIfAbsent(stripeId, id -> new StripeSink());
        }
    }

    private final class StripeSink implements RecoverySink {
        RegistryState registry;
        long registryOwnerNumber;
        final Map<Integer, QueueState> queues = new HashMap<>();
        final Map<Long, RecoveredGroup> groups = new HashMap<>();
        private final SnapshotParts parts = new SnapshotParts();

        @Override
        public void snapshot(RecordView view) throws CorruptRecordException {
            if (Owner.isReserved(view.queueId())) {
                return;
            }
            SnapshotParts.Whole whole = parts.addOrNull(view);
            if (whole == null) {
                return;
            }
            if (view.queueId() == 0) {
                registry = RegistryState.restore(
                        registryLimits, RegistrySnapshot.decode(whole.payload()), whole.heldSequence());
                registryOwnerNumber = whole.heldOwnerNumber();
            } else if (view.groupId() == 0) {
                queues.put(
                        view.queueId(),
                        QueueState.restore(
                                QueueSnapshot.decode(whole.payload()),
                                whole.heldSequence(),
                                whole.heldOwnerNumber(),
                                view.logTimeMillis()));
            } else {
                restore(view, whole, GroupSnapshot.decode(whole.payload()));
            }
        }

        private void restore(RecordView view, SnapshotParts.Whole whole, GroupSnapshot snapshot)
                throws CorruptRecordException {
            try {
                RecoveredGroup group = new RecoveredGroup(
                        GroupQueueState.restore(groupLimits, snapshot, whole.heldSequence(), view.logTimeMillis()));
                group.heldOwnerNumber = whole.heldOwnerNumber();
                groups.put(Owner.group(view.queueId(), view.groupId()).key(), group);
            } catch (IllegalStateException e) {
                throw new CorruptRecordException("snapshot of " + view.owner() + ": " + e.getMessage());
            }
        }

        @Override
        public void record(RecordView view) throws CorruptRecordException {
            if (Owner.isReserved(view.queueId())) {
                return;
            }
            if (view.queueId() == 0) {
                registryRecord(view);
            } else if (view.groupId() == 0) {
                queues.computeIfAbsent(view.queueId(), id -> new QueueState()).replay(view);
            } else {
                groupRecord(view);
            }
        }

        private void registryRecord(RecordView view) throws CorruptRecordException {
            if (view.type() == RecordType.MANIFEST) {
                return;
            }
            if (registry == null) {
                registry = new RegistryState(registryLimits);
            }
            if (registry.replay(view.decode(), view.sequence())) {
                registryOwnerNumber = view.ownerNumber();
            }
        }

        private void groupRecord(RecordView view) throws CorruptRecordException {
            long key = Owner.group(view.queueId(), view.groupId()).key();
            LogRecord record = view.decode();
            RecoveredGroup group = groups.get(key);
            if (group == null) {
                // Without a snapshot this is its first record, which says where the group began; before there
                // were groups that look at messages first it was a Pop, which took the first one.
                long start = record instanceof SeekRecord seek
                        ? seek.offset()
                        : record instanceof PopRecord pop
                                ? pop.deliveries().get(0).firstOffset()
                                : 0;
                group = new RecoveredGroup(new GroupQueueState(groupLimits, start));
                groups.put(key, group);
            }
            if (group.contradiction != null) {
                return;
            }
            try {
                if (group.state.replay(record, view.sequence(), view.logTimeMillis())) {
                    group.heldOwnerNumber = view.ownerNumber();
                }
            } catch (IllegalStateException e) {
                // This group alone is stopped; the others have nothing to do with it.
                group.contradiction = "record " + view.sequence() + ": " + e.getMessage();
            }
        }
    }
}
