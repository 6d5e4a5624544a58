package io.forebay.storage.log;

import java.util.List;

/**
 * A checkpoint under way: {@link StripeLog#beginCheckpoint()}, then the snapshots of {@link #changedOwners()} as ordinary
 * frames, {@link StripeLog#writeManifest}, and when {@link #manifestSequence()} is durable
 * {@link StripeLog#finishCheckpoint}. An owner that gives no snapshot only keeps the replay start back. Confined to the
 * StoreWriter's thread except where said.
 */
public final class Checkpoint {
    Checkpoint() {}

    /** Whose snapshots are wanted: those with records that no snapshot holds, and those whose snapshot keeps old segments. */
    public List<Owner> changedOwners() {
        throw new AssertionError("skeleton");
    }

    /** The manifest's last sequence, 0 before it is written; {@link StripeLog#finishCheckpoint} wants it durable. */
    public long manifestSequence() {
        throw new AssertionError("skeleton");
    }

    /** Whether a failed force has made it worthless; any thread. */
    public boolean isVoid() {
        throw new AssertionError("skeleton");
    }
}
