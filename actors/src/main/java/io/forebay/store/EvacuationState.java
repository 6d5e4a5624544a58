package io.forebay.store;

/**
 * Decides when cleaning looks for a segment to empty, and how fast it moves records: with each segment that the log has grown
 * by, and no more than a share of what is appended. On a low disk, which takes no Sends, there is nothing to have a share of:
 * then it works on as it is. One segment at a time. Pure; confined to the StoreWriter.
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
        return step == Step.HOLDING && (credit > 0 || isDiskLow);
    }

    /** A batch is appended. */
    void moved(long bytes) {
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
