package io.forebay.store;

/**
 * Decides when the next segment is prepared: ahead of need, at once when appends stall for want of one, and after a pause when
 * that did not help. Pure; confined to the StoreWriter.
 */
final class SegmentSupply {
    private boolean isPreparing;
    private boolean isPaused;
    private boolean isStalled;
    /** Stalls since the last append that went through. */
    private int stallCount;

    /** Whether to begin preparing now. */
    boolean isDue(boolean isNeeded) {
        return !isPreparing && !isPaused && (isStalled || isNeeded);
    }

    void preparing() {
        isPreparing = true;
    }

    /** Preparing ended; after a good one what stalled may be tried again. */
    void prepared(boolean isGood) {
        isPreparing = false;
        if (isGood) {
            isStalled = false;
        }
    }

    /** An append went through. */
    void appended() {
        stallCount = 0;
    }

    /** An append found that the next segment, or room in the index, is not prepared yet. */
    void awaitPrepared() {
        isStalled = true;
    }

    /** An append found no room. @return whether it had been prepared for in vain, so that there should be a pause */
    boolean stalled() {
        isStalled = true;
        return stallCount++ > 0;
    }

    /** Nothing waits any more for a segment of the old range. */
    void unstall() {
        isStalled = false;
    }

    void pause() {
        isPaused = true;
    }

    void pauseOver() {
        isPaused = false;
    }

    /** Whether appends wait for a segment, or for a device that works. */
    boolean isStalled() {
        return isStalled;
    }
}
