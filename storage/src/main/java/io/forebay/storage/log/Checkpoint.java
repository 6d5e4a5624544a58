package io.forebay.storage.log;

import java.util.List;

/**
 * A checkpoint under way: {@link StripeLog#beginCheckpoint()}, then the snapshots of {@link #changedOwners()} as ordinary
 * frames, {@link StripeLog#writeManifest}, and when {@link #manifestSequence()} is durable
 * {@link StripeLog#finishCheckpoint}. An owner that gives no snapshot, or one that does not hold all its records up to the
 * checkpoint's beginning, only keeps the replay start back. Made on the StoreWriter's thread; the getters are for any.
 */
public final class Checkpoint {
    /** How far it has come. */
    enum State {
        BEGUN,
        MANIFEST_WRITTEN,
        FINISHING,
        FINISHED
    }

    private final StripeLog log;
    final long number;
    final long generation;
    final long startPosition;
    final long startSequence;
    private final List<Owner> changedOwners;

    volatile State state = State.BEGUN;
    private volatile long manifestSequence;

    /** Whether the replay start moves to this checkpoint's. */
    boolean isReplayMoved;

    long replayPosition;
    long replaySequence;
    long manifestPosition;
    long manifestFirstSequence;
    /** Segments that go when it is finished: its manifest does not list them. */
    List<Segment> freed = List.of();

    Checkpoint(
            StripeLog log,
            long number,
            long generation,
            long startPosition,
            long startSequence,
            List<Owner> changedOwners) {
        this.log = log;
        this.number = number;
        this.generation = generation;
        this.startPosition = startPosition;
        this.startSequence = startSequence;
        this.changedOwners = changedOwners;
    }

    /** Whose snapshots are wanted: those with records that no snapshot holds, and those whose snapshot keeps old segments. */
    public List<Owner> changedOwners() {
        return changedOwners;
    }

    /** The manifest's last sequence, 0 before it is written; {@link StripeLog#finishCheckpoint} wants it durable. */
    public long manifestSequence() {
        return manifestSequence;
    }

    void setManifestSequence(long sequence) {
        manifestSequence = sequence;
    }

    /** Whether a failed force has made it worthless. */
    public boolean isVoid() {
        return log.generation() != generation && state != State.FINISHED;
    }

    @Override
    public String toString() {
        return "checkpoint " + number + " of stripe " + log.stripeId() + ", " + state;
    }
}
