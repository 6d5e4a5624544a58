package io.forebay.storage.log;

import java.util.Collection;
import java.util.concurrent.atomic.AtomicLong;

/** What the log knows of a queue beside its owner's numbers. */
final class QueueMarks {
    private final int queueId;
    private final AtomicLong nextOffset = new AtomicLong();
    private final AtomicLong releasedBelow = new AtomicLong();

    /** What the releases of single offsets come to: it grows with each. */
    private final AtomicLong releasedAlone = new AtomicLong();

    /** Null while no offset was released but with all below it. */
    private volatile DeadOffsets dead;

    /** What the newest finished checkpoint states as released, and what the running one does. The writer's. */
    private long releasedForGood;

    private long releasedInManifest;

    /**
     * Address of the first needed message that lies where it was written first, when that was last known: none that is
     * needed and was not moved lies below. The writer's.
     */
    private long neededFrom;

    /** No message below it that is needed lies where it was written first. The writer's. */
    private long unmovedFrom;

    private boolean isGone;

    /** The writer's own count, ahead of what is published while an append runs. */
    private long givenOffset;

    QueueMarks(int queueId) {
        this.queueId = queueId;
    }

    int queueId() {
        return queueId;
    }

    /** The next message gets it; every message below it is written. Any thread. */
    long nextOffset() {
        return nextOffset.get();
    }

    /** The writer's. */
    long giveOffset() {
        return givenOffset++;
    }

    /** The writer's: the append failed. */
    void takeBackOffset() {
        givenOffset--;
    }

    /** The writer's: what was given is written. */
    void publish() {
        // Ordered behind the frame and its index entry; the one writer needs no fence for more.
        nextOffset.lazySet(givenOffset);
    }

    /** Of recovery. */
    void raise(long offset) {
        if (offset > givenOffset) {
            givenOffset = offset;
            nextOffset.set(offset);
        }
    }

    /** Nobody needs what lies below. Any thread. */
    long releasedBelow() {
        return releasedBelow.get();
    }

    /** Any thread. */
    void releaseBelow(long offset) {
        if (offset > releasedBelow.get()) {
            releasedBelow.accumulateAndGet(offset, Math::max);
            if (dead != null) {
                releaseDeadPrefix();
            }
        }
    }

    /** Nobody needs these any more either; all of them are written. Any thread. */
    void release(OffsetSet offsets) {
        if (offsets.isEmpty()) {
            return;
        }
        if (offsets.last() >= nextOffset.get()) {
            throw new IllegalArgumentException("offset " + offsets.last() + " of queue " + queueId
                    + " is released, but the next one to be given is " + nextOffset);
        }
        synchronized (releasedAlone) {
            if (dead == null) {
                dead = new DeadOffsets();
            }
        }
        dead.add(offsets, releasedBelow.get());
        releasedAlone.incrementAndGet();
        releaseDeadPrefix();
    }

    /**
     * Whoever comes last, of those that add an offset and those that release what is below it, sees both. What is dropped here is
     * released before, so that who asks meanwhile finds it in one of the two.
     */
    private void releaseDeadPrefix() {
        long below = releasedBelow.get();
        long live = dead.nextAbsent(below);
        long now = releasedBelow.accumulateAndGet(live, Math::max);
        dead.dropBelow(now);
    }

    /** Whether nobody needs it, as far as its owner has said since the start. Any thread. */
    boolean isReleased(long offset) {
        // In this order: it is in the first before it is taken out of the second.
        DeadOffsets alone = dead;
        return offset < releasedBelow.get()
                || (alone != null && (alone.contains(offset) || offset < releasedBelow.get()));
    }

    /** The lowest offset from there on that is not released. Any thread. */
    long nextNeeded(long from) {
        long at = Math.max(from, releasedBelow.get());
        return dead == null ? at : Math.max(dead.nextAbsent(at), releasedBelow.get());
    }

    /** Memory that releases of single offsets take. Any thread. */
    long releasedAloneBytes() {
        return dead == null ? 0 : dead.retainedBytes();
    }

    /** The writer's: what the manifest says of {@link #releasedBelow()}. */
    long stateReleased() {
        releasedInManifest = releasedBelow.get();
        return releasedInManifest;
    }

    /** The writer's: the manifest counts. */
    void settleReleased() {
        releasedForGood = Math.max(releasedForGood, releasedInManifest);
    }

    /** The writer's: a start needs nothing below this any more either. */
    long releasedForGood() {
        return releasedForGood;
    }

    /** The writer's. */
    long neededFrom() {
        return neededFrom;
    }

    /** The writer's. */
    void needFrom(long position) {
        neededFrom = position;
    }

    /** The writer's. */
    long unmovedFrom() {
        return unmovedFrom;
    }

    /** The writer's. */
    void unmovedFrom(long offset) {
        unmovedFrom = offset;
    }

    /** The writer's. */
    boolean isGone() {
        return isGone;
    }

    /** The writer's: the queue is gone. */
    void releaseAll() {
        isGone = true;
        releaseBelow(Long.MAX_VALUE);
        releasedForGood = Long.MAX_VALUE;
    }

    /** A number that changes whenever one of them releases something. Any thread. */
    static long releasedInAll(Collection<QueueMarks> queues) {
        long sum = 0;
        for (QueueMarks queue : queues) {
            sum += queue.releasedBelow() + queue.releasedAlone.get();
        }
        return sum;
    }
}
