package io.forebay.client;

import io.forebay.protocol.Delivery;
import io.forebay.protocol.ReceiptHandle;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.Iterator;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;

/**
 * What was popped and is not settled: whose it is, and when its deadline has to be moved. Deliveries of one pop are kept
 * together, batches of one invisible duration in the order of their deadlines, so that looking for what is due costs
 * nothing while nothing is due. Confined to its session.
 *
 * <p>A node writes one record for all that one request extends in a queue, so batches that are due soon after one another are
 * extended together, when the first is due; from then on their deadlines are the same.
 */
final class HeldDeliveries {
    /** What is due within this part of the invisible duration goes with what is due now. */
    private static final int TOGETHER_PART = 8;

    private final long maxHoldMillis;
    private final Map<ReceiptHandle, Batch> byHandle = new HashMap<>();
    /** By invisible duration: within one, the order of insertion is the order of {@code extendAtMillis}. */
    private final Map<Long, LinkedHashSet<Batch>> byDuration = new HashMap<>();

    /** Some deliveries whose deadlines have to be moved. */
    record Due(String group, long millis, List<ReceiptHandle> handles) {}

    private static final class Batch {
        final String group;
        final Object owner;
        final long invisibleMillis;
        final long holdUntilMillis;
        final boolean isExtended;
        long extendAtMillis;
        ReceiptHandle[] handles;
        int left;

        Batch(String group, Object owner, long invisibleMillis, long holdUntilMillis, boolean isExtended) {
            this.group = group;
            this.owner = owner;
            this.invisibleMillis = invisibleMillis;
            this.holdUntilMillis = holdUntilMillis;
            this.isExtended = isExtended;
        }
    }

    HeldDeliveries(long maxHoldMillis) {
        this.maxHoldMillis = maxHoldMillis;
    }

    boolean contains(ReceiptHandle handle) {
        return byHandle.containsKey(handle);
    }

    /** How many are held. */
    int count() {
        return byHandle.size();
    }

    /**
     * Deliveries that have just come.
     *
     * @param extend whether to move their deadlines
     */
    void add(List<Delivery> deliveries, Object owner, boolean extend, long nowMillis) {
        boolean isExtended = extend && maxHoldMillis > 0;
        if (deliveries.isEmpty() || (!isExtended && owner == null)) {
            return;
        }
        Delivery first = deliveries.get(0);
        // The node's clock is not ours: what was granted is a difference of its times, and it began before we heard of
        // it.
        long invisibleMillis = Math.max(1, first.invisibleUntilMillis() - first.poppedMillis());
        long holdUntilMillis = nowMillis + (isExtended ? maxHoldMillis : invisibleMillis);
        Batch batch = new Batch(first.group(), owner, invisibleMillis, holdUntilMillis, isExtended);
        batch.handles = new ReceiptHandle[deliveries.size()];
        for (int i = 0; i < batch.handles.length; i++) {
            ReceiptHandle handle = deliveries.get(i).handle();
            batch.handles[i] = handle;
            Batch before = byHandle.put(handle, batch); // a repeated pop gets the same deliveries
            if (before != null) {
                leave(before);
            }
        }
        batch.left = batch.handles.length;
        schedule(batch, nowMillis);
    }

    /** It is settled, or about to be. */
    void remove(ReceiptHandle handle) {
        Batch batch = byHandle.remove(handle);
        if (batch != null) {
            leave(batch);
        }
    }

    /** The application has moved this deadline itself: from now on it is its own matter. */
    void leaveAlone(ReceiptHandle handle, long nowMillis) {
        Batch batch = byHandle.remove(handle);
        if (batch == null) {
            return;
        }
        leave(batch);
        if (batch.owner != null) {
            Batch alone = new Batch(batch.group, batch.owner, batch.invisibleMillis, nowMillis + maxHoldMillis, false);
            alone.handles = new ReceiptHandle[] {handle};
            alone.left = 1;
            byHandle.put(handle, alone);
            schedule(alone, nowMillis);
        }
    }

    /** The next time that {@link #takeDue} has something, {@link Long#MAX_VALUE} for never. */
    long nextDueMillis() {
        long next = Long.MAX_VALUE;
        for (LinkedHashSet<Batch> batches : byDuration.values()) {
            if (!batches.isEmpty()) {
                next = Math.min(next, batches.iterator().next().extendAtMillis);
            }
        }
        return next;
    }

    /**
     * What has to be extended now: less than half of its time remains; if there is anything, also what soon follows. It is
     * taken for extended, and due again later.
     */
    List<Due> takeDue(long nowMillis) {
        List<Due> due = new ArrayList<>();
        List<Batch> again = new ArrayList<>();
        for (LinkedHashSet<Batch> batches : byDuration.values()) {
            long untilMillis = nowMillis;
            for (Iterator<Batch> each = batches.iterator(); each.hasNext(); ) {
                Batch batch = each.next();
                if (batch.extendAtMillis > untilMillis) {
                    break;
                }
                untilMillis = nowMillis + batch.invisibleMillis / TOGETHER_PART;
                each.remove();
                long rest = batch.holdUntilMillis - nowMillis;
                if (rest <= 0) {
                    handlesOf(batch).forEach(byHandle::remove); // held for long enough: its deadline rules from now on
                    batch.handles = null;
                    continue;
                }
                if (batch.isExtended) {
                    due.add(new Due(batch.group, Math.min(batch.invisibleMillis, rest), handlesOf(batch)));
                }
                again.add(batch);
            }
        }
        for (Batch batch : again) {
            schedule(batch, nowMillis);
        }
        byDuration.values().removeIf(LinkedHashSet::isEmpty);
        return due;
    }

    /** Takes out what an owner never settled, by group. */
    Map<String, List<ReceiptHandle>> takeOwned(Object owner) {
        Map<String, List<ReceiptHandle>> owned = new HashMap<>();
        for (Iterator<Map.Entry<ReceiptHandle, Batch>> each =
                        byHandle.entrySet().iterator();
                each.hasNext(); ) {
            Map.Entry<ReceiptHandle, Batch> entry = each.next();
            Batch batch = entry.getValue();
            if (batch.owner == owner) {
                owned.computeIfAbsent(batch.group, group -> new ArrayList<>()).add(entry.getKey());
                each.remove();
                leave(batch);
            }
        }
        return owned;
    }

    private void schedule(Batch batch, long nowMillis) {
        batch.extendAtMillis = nowMillis + Math.max(1, batch.invisibleMillis / 2);
        byDuration
                .computeIfAbsent(batch.invisibleMillis, duration -> new LinkedHashSet<>())
                .add(batch);
    }

    private void leave(Batch batch) {
        if (--batch.left == 0) {
            batch.handles = null;
            LinkedHashSet<Batch> batches = byDuration.get(batch.invisibleMillis);
            if (batches != null) {
                batches.remove(batch);
                if (batches.isEmpty()) {
                    byDuration.remove(batch.invisibleMillis);
                }
            }
        }
    }

    private List<ReceiptHandle> handlesOf(Batch batch) {
        List<ReceiptHandle> handles = new ArrayList<>(batch.left);
        for (ReceiptHandle handle : batch.handles) {
            if (byHandle.get(handle) == batch) {
                handles.add(handle);
            }
        }
        return handles;
    }
}
