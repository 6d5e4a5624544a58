package io.forebay.store;

/**
 * Decides when cleaning looks for a segment to empty, and how fast it moves records: with each segment that the log has grown
 * by, and no more than a share of what is appended. On a low disk, which takes no Sends, there is nothing to have a share of:
 * then it works on as it is. So there is none on a stripe that idles: the one under way is finished on credit if that keeps others
 * waiting that nothing has to be moved for, and pays back from the next shares. One segment at a time. Pure; confined to the
 * StoreWriter.
 */
final class EvacuationState {
    enum Step {
        IDLE,
        /** A segment is looked for. */
        PLANNING,
        /** The next batch is read. */
        READING,
        /** A batch waits until it may be appended. */
        HOLDING,
        /** Everything is appended, and not durable yet. */
        FORCING,
        /** The index is repointed. */
        FINISHING
    }

    private final int sharePercent;
    private final long segmentBytes;
    private Step step = Step.IDLE;
    /** A hundred times the bytes that may be moved now; below 0 behind a batch that was larger. */
    private long credit;

    private long bytesSincePlan;
    private boolean isPlanWanted;
    private boolean isAppendedSinceTick;
    /** Something was moved of the one under way. */
    private boolean isBegun;
    /** The one under way does not wait for its share, until something is appended. */
    private boolean isOnCredit;

    private long completedCount;

    /**
     * @param sharePercent bytes moved for a hundred bytes appended; 0: none
     * @param segmentBytes with each of this much a plan is due
     */
    EvacuationState(int sharePercent, long segmentBytes) {
        this.sharePercent = sharePercent;
        this.segmentBytes = segmentBytes;
    }

    /** Owners have appended so much. */
    void appended(long bytes) {
        bytesSincePlan += bytes;
        isAppendedSinceTick = true;
        isOnCredit = false;
        credit = Math.min(100 * segmentBytes, credit + bytes * sharePercent);
    }

    /** The disk is low, so that it is worth to look at once. */
    void wantPlan() {
        isPlanWanted = true;
    }

    /** Whether to look for a segment now. */
    boolean isPlanDue() {
        return step == Step.IDLE && sharePercent > 0 && (isPlanWanted || bytesSincePlan >= segmentBytes);
    }

    void planning() {
        expect(Step.IDLE);
        step = Step.PLANNING;
        isPlanWanted = false;
        isBegun = false;
        isOnCredit = false;
        bytesSincePlan = 0;
    }

    /** There is something to read. */
    void reading() {
        if (step != Step.PLANNING && step != Step.HOLDING) {
            throw new AssertionError("evacuation reads in the step " + step);
        }
        step = Step.READING;
    }

    /** A batch was read. */
    void holding() {
        expect(Step.READING);
        step = Step.HOLDING;
    }

    /** Whether the batch that is held may be appended. */
    boolean mayAppend(boolean isDiskLow) {
        return step == Step.HOLDING && (credit > 0 || isDiskLow || isOnCredit);
    }

    /**
     * Called once per idle interval.
     *
     * @return whether nothing was appended since the last call, so that a batch that is held waits in vain for its share
     */
    boolean isHeldInVain() {
        boolean isIdle = !isAppendedSinceTick;
        isAppendedSinceTick = false;
        return isIdle && step == Step.HOLDING;
    }

    /**
     * The one that is held in vain keeps others waiting: it goes on without its share if it has begun, so that what was moved is
     * not moved in vain.
     *
     * @return false if it has not begun, and is to be ended
     */
    boolean goOnWithoutShare() {
        expect(Step.HOLDING);
        isOnCredit = isBegun;
        return isBegun;
    }

    /** A batch is appended. */
    void moved(long bytes) {
        isBegun = true;
        credit = Math.max(-100 * segmentBytes, credit - 100 * bytes);
    }

    /** Nothing is left to read. */
    void forcing() {
        expect(Step.READING);
        step = Step.FORCING;
    }

    void finishing() {
        expect(Step.FORCING);
        step = Step.FINISHING;
    }

    /** A segment is emptied: there may be another one. */
    void finished() {
        expect(Step.FINISHING);
        step = Step.IDLE;
        isPlanWanted = true;
        completedCount++;
    }

    /** No segment was found, or the one under way stays as it is. */
    void ended() {
        step = Step.IDLE;
    }

    Step step() {
        return step;
    }

    /** Whether a blocking call of it is under way, which has to end first. */
    boolean isCallUnderWay() {
        return step == Step.PLANNING || step == Step.READING || step == Step.FINISHING;
    }

    long completedCount() {
        return completedCount;
    }

    private void expect(Step expected) {
        if (step != expected) {
            throw new AssertionError("evacuation is " + step + ", not " + expected);
        }
    }
}
