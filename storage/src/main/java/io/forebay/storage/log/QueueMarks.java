package io.forebay.storage.log;

import java.util.Collection;
import java.util.concurrent.atomic.AtomicLong;

/** What the log knows of a queue beside its owner's numbers. */
final class QueueMarks {
    private final int queueId;
    private final AtomicLong nextOffset = new AtomicLong();
    private final AtomicLong releasedBelow = new AtomicLong();

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
        }
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
            sum += queue.releasedBelow();
        }
        return sum;
    }
}
