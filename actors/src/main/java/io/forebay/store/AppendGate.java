package io.forebay.store;

import io.forebay.storage.log.StripeException;
import io.forebay.store.StoreWriter.Refused;

/**
 * Whether the log takes anything now, and what it means when it refuses: a segment is waited for; the device has no room, or
 * fails, and is tried again; or a store failed, and everything that is not durable has to be written again. Behind a failed
 * store it stays shut until rewriting begins. Confined to the StoreWriter.
 */
final class AppendGate {
    private final int stripeId;
    private final SegmentPreparation preparation;
    /** Rewriting begins when the range at the Flusher has come back. */
    private StripeException storeFailure;

    AppendGate(int stripeId, SegmentPreparation preparation) {
        this.stripeId = stripeId;
        this.preparation = preparation;
    }

    boolean isOpen() {
        return storeFailure == null && !preparation.isStalled();
    }

    boolean hasStoreFailed() {
        return storeFailure != null;
    }

    /** Null if none has failed. */
    StripeException storeFailure() {
        return storeFailure;
    }

    /** Something was appended. */
    void appended() {
        preparation.appended();
    }

    /** It needs a segment, or room in the index, that is not prepared yet. */
    void awaitPrepared() {
        preparation.awaitPrepared();
    }

    void storeFailed(StripeException e) {
        storeFailure = e;
    }

    /** @return why the frame can never be appended; null if it can later, which has been taken care of */
    Refused refusedBecause(StripeException e) {
        switch (e.reason()) {
            case FRAME_TOO_LARGE:
                return Refused.FRAME_TOO_LARGE;
            case OWNER_STOPPED:
                return Refused.OWNER_STOPPED;
            case NOT_PREPARED:
                awaitPrepared();
                return null;
            case DISK_FULL:
            case DEVICE_FAILED:
                preparation.stall(e);
                return null;
            case STORE_FAILED:
                storeFailed(e);
                return null;
            default:
                throw new AssertionError("stripe " + stripeId + ": append refused: " + e.reason(), e);
        }
    }

    /** The failure has been taken up: what comes from now on goes to fresh segments. */
    void rewriting() {
        storeFailure = null;
        preparation.unstall();
    }
}
