package io.forebay.store;

import io.forebay.storage.log.Owner;
import java.util.Collection;
import java.util.HashSet;
import java.util.Set;
import java.util.function.BooleanSupplier;

/**
 * Decides when a checkpoint is taken and follows it through its steps: gather the snapshots of the owners that changed, force
 * them with the manifest, write the slot. An owner that gives no snapshot in time only keeps the replay start back; a step
 * that fails ends the checkpoint, never the stripe, and the next one begins anew. Pure; confined to the StoreWriter.
 */
final class CheckpointState {
    enum Step {
        IDLE,
        GATHERING,
        FORCING,
        FINISHING
    }

    private final long checkpointBytes;
    private final Set<Owner> awaited = new HashSet<>();
    private Step step = Step.IDLE;
    private boolean isPaused;
    private boolean isWanted;
    private long id;
    private long manifestSequence;
    private long completedCount;
    /** Appended by owners since the replay start of the newest completed checkpoint, or of the one under way. */
    private long bytesSince;
    /** The same at the beginning of the one under way: what it makes up for when it completes. */
    private long bytesBefore;

    private long bytesAtLastTick;

    CheckpointState(long checkpointBytes, long bytesSince) {
        this.checkpointBytes = checkpointBytes;
        this.bytesSince = bytesSince;
        this.bytesAtLastTick = bytesSince;
    }

    void appended(long bytes) {
        bytesSince += bytes;
    }

    /** One is worth while although the log has not grown much: it frees segments. */
    void want() {
        isWanted = true;
    }

    /** Whether the log has grown so much that one is due, or one is wanted. */
    boolean isDue() {
        return step == Step.IDLE && (isWanted || bytesSince >= checkpointBytes);
    }

    /**
     * Called once per idle interval.
     *
     * @param freesSpace whether a checkpoint would free a segment although nothing was appended: what a consumer has acked is
     *     released only when the ack is durable, which may be behind the last checkpoint; or would let spare files go
     * @return whether one is due because nothing was appended since the last call, and something was since the last checkpoint
     *     or space can be freed
     */
    boolean isDueWhenIdle(BooleanSupplier freesSpace) {
        boolean isIdle = bytesSince == bytesAtLastTick;
        bytesAtLastTick = bytesSince;
        return step == Step.IDLE && isIdle && (bytesSince > 0 || freesSpace.getAsBoolean());
    }

    /** Whether there is anything a further checkpoint would save a start from replaying. */
    boolean hasChanges() {
        return bytesSince > 0;
    }

    /** Whether none is under way and none has failed just now. */
    boolean mayBegin() {
        return step == Step.IDLE && !isPaused;
    }

    /** One has failed: the next one does not begin before {@link #pauseOver()}. */
    void pause() {
        isPaused = true;
    }

    void pauseOver() {
        isPaused = false;
    }

    boolean isUnderWay() {
        return step != Step.IDLE;
    }

    /** Begins one; its replay start is now. */
    long begin(Collection<Owner> changed) {
        expect(Step.IDLE);
        step = Step.GATHERING;
        isWanted = false;
        id++;
        awaited.clear();
        awaited.addAll(changed);
        bytesBefore = bytesSince;
        bytesSince = 0;
        bytesAtLastTick = 0;
        return id;
    }

    /** Whether this snapshot is one that is waited for; one that comes too late or twice is not. */
    boolean isAwaited(long checkpointId, Owner owner) {
        return step == Step.GATHERING && checkpointId == id && awaited.contains(owner);
    }

    /** The owner's snapshot is appended, or there is none to be had. */
    void gathered(Owner owner) {
        awaited.remove(owner);
    }

    /** The time is over: goes on with the snapshots that are there. */
    void timedOut(long checkpointId) {
        if (step == Step.GATHERING && checkpointId == id) {
            awaited.clear();
        }
    }

    /** Whether the manifest can be written now. */
    boolean isGathered() {
        return step == Step.GATHERING && awaited.isEmpty();
    }

    boolean awaits(Owner owner) {
        return step == Step.GATHERING && awaited.contains(owner);
    }

    /** How many snapshots are missing. */
    int awaitedCount() {
        return awaited.size();
    }

    void manifestWritten(long sequence) {
        expect(Step.GATHERING);
        step = Step.FORCING;
        manifestSequence = sequence;
    }

    /** Whether the slot may be written. */
    boolean isForced(long durableSequence) {
        return step == Step.FORCING && durableSequence >= manifestSequence;
    }

    void finishing() {
        expect(Step.FORCING);
        step = Step.FINISHING;
    }

    void finished() {
        expect(Step.FINISHING);
        step = Step.IDLE;
        completedCount++;
    }

    /** Gives this one up; the log counts as grown since the checkpoint before it. */
    void abandon() {
        if (step != Step.IDLE) {
            step = Step.IDLE;
            awaited.clear();
            bytesSince += bytesBefore;
            bytesAtLastTick = bytesSince;
        }
    }

    Step step() {
        return step;
    }

    long id() {
        return id;
    }

    long completedCount() {
        return completedCount;
    }

    private void expect(Step expected) {
        if (step != expected) {
            throw new AssertionError("checkpoint " + id + " is " + step + ", not " + expected);
        }
    }
}
