package io.forebay.store;

import io.forebay.storage.log.Evacuation;
import io.forebay.storage.log.MovedBatch;
import io.forebay.storage.log.StripeException;
import io.forebay.storage.log.StripeLog;
import java.io.IOException;

/**
 * Empties segments that little pins, one at a time and at the pace that {@link EvacuationState} decides: has one looked for,
 * what is needed of it read, appends that, and when it is durable has readers sent there. What fails ends the evacuation and not
 * the stripe: the segment stays. Planning, reading and finishing block, on another thread, one of them at a time; while one is
 * under way the evacuation is not closed. Confined to the StoreWriter.
 */
final class Cleaning {
    /** @param planned null if nothing was found, or it failed */
    record EvacuationPlanned(Evacuation planned, Throwable failure) implements StoreWriter.Internal {}

    /** @param batch null if there is no more, or it failed */
    record EvacuationRead(MovedBatch batch, Throwable failure) implements StoreWriter.Internal {}

    /** @param failure null if readers go to the copies */
    record EvacuationFinished(Throwable failure) implements StoreWriter.Internal {}

    /** What is moved in one turn, about. */
    private static final int MOVED_BATCH_BYTES = 64 * 1024;

    private final StoreWriter.Parts parts;
    private final StripeLog log;
    private final StripeBudget budget;
    private final StripeStatus status;
    private final WriterTools tools;
    private final AppendGate gate;
    private final Unflushed unflushed;
    private final Checkpointing checkpoints;
    private final EvacuationState evacuations;
    /** Null while none is under way, and while one is looked for. */
    private Evacuation evacuation;
    /** Read and not appended yet. */
    private MovedBatch movedBatch;

    Cleaning(
            StoreWriter.Parts parts,
            WriterTools tools,
            AppendGate gate,
            Unflushed unflushed,
            Checkpointing checkpoints) {
        this.parts = parts;
        this.log = parts.log();
        this.budget = parts.budget();
        this.status = parts.status();
        this.tools = tools;
        this.gate = gate;
        this.unflushed = unflushed;
        this.checkpoints = checkpoints;
        this.evacuations = new EvacuationState(parts.config().evacuationSharePercent(), log.segmentBytes());
    }

    /** Owners have appended so much. */
    void appended(long bytes) {
        evacuations.appended(bytes);
    }

    /** Called once per idle interval: segments that copies alone keep, perhaps for nobody, go although nothing is appended. */
    void onIdleTick() {
        boolean isHeldInVain = evacuations.isHeldInVain();
        if (!log.isSegmentKeptByCopies()) {
            return;
        }
        if (isHeldInVain && !evacuations.goOnWithoutShare()) {
            endEvacuation();
        }
        evacuations.wantPlan();
    }

    /** The disk is low, so that it is worth to look for a segment at once. */
    void wantPlan() {
        evacuations.wantPlan();
    }

    /**
     * The next step of emptying a segment, if there is one to take now.
     *
     * @param canAppend whether nothing waits to be appended
     */
    void evacuateFurther(boolean canAppend) {
        if (gate.hasStoreFailed()) {
            return;
        }
        if (evacuations.isPlanDue()) {
            evacuations.planning();
            Evacuation[] planned = {null};
            tools.offload(
                    () -> planned[0] = log.planEvacuation(parts.config().evacuationLivePercent()),
                    failure -> new EvacuationPlanned(planned[0], failure));
        } else if (evacuations.mayAppend(budget.isDiskLow()) && canAppend && hasRoomToMove()) {
            appendMoved();
        } else if (evacuations.step() == EvacuationState.Step.FORCING && evacuation.isDurable()) {
            evacuations.finishing();
            tools.offload(evacuation::finish, EvacuationFinished::new);
        }
    }

    /** Copies leave most of what may be unflushed to those who send. */
    private boolean hasRoomToMove() {
        return budget.unflushedBytes() < budget.unflushedBytesMax() / 4;
    }

    private void appendMoved() {
        MovedBatch batch = movedBatch;
        try {
            log.appendMoved(batch, parts.clock().millis());
        } catch (StripeException e) {
            if (e.reason() == StripeException.Reason.NOT_PREPARED) {
                gate.awaitPrepared();
            } else if (e.reason() == StripeException.Reason.STORE_FAILED) {
                gate.storeFailed(e);
            } else {
                throw new AssertionError("stripe " + parts.stripeId() + ": copies refused: " + e.reason(), e);
            }
            return;
        }
        gate.appended();
        movedBatch = null;
        budget.take(batch.lengthBytes());
        unflushed.appendedMoved(batch.lengthBytes());
        evacuations.moved(batch.lengthBytes());
        readEvacuation();
    }

    private void readEvacuation() {
        evacuations.reading();
        Evacuation reading = evacuation;
        MovedBatch[] read = {null};
        tools.offload(() -> read[0] = reading.read(MOVED_BATCH_BYTES), failure -> new EvacuationRead(read[0], failure));
    }

    void onEvacuationPlanned(EvacuationPlanned planned) {
        evacuation = planned.planned;
        if (isEvacuationFailed(planned.failure)) {
            return;
        }
        if (evacuation == null) {
            evacuations.ended();
        } else {
            readEvacuation();
        }
    }

    void onEvacuationRead(EvacuationRead read) {
        if (isEvacuationFailed(read.failure)) {
            return;
        }
        if (read.batch == null) {
            evacuations.forcing();
        } else {
            movedBatch = read.batch;
            evacuations.holding();
        }
    }

    void onEvacuationFinished(EvacuationFinished finished) {
        if (isEvacuationFailed(finished.failure)) {
            return;
        }
        tools.logger().debug("stripe {}: {} moved {} bytes", parts.stripeId(), evacuation, evacuation.bytes());
        evacuations.finished();
        evacuation.close();
        evacuation = null;
        status.evacuationCount(evacuations.completedCount());
        if (budget.isDiskLow()) {
            checkpoints.want(); // it frees the segment
        }
    }

    /** Ends an evacuation that cannot go on, for which the log tells why: the segment stays. */
    private boolean isEvacuationFailed(Throwable failure) {
        if (failure == null && (evacuation == null || !evacuation.isVoid())) {
            return false;
        }
        if (failure != null) {
            IOException cause = StripeFailures.environment(parts.stripeId(), failure);
            status.failed("cleaning: " + cause.getMessage());
            status.meters().evacuationFailed();
            tools.logger().warn("stripe {}: cleaning: {}", parts.stripeId(), cause.getMessage());
        }
        endEvacuation();
        return true;
    }

    /** Ends the one under way; no call of it may be under way. */
    void endEvacuation() {
        evacuations.ended();
        movedBatch = null;
        if (evacuation != null) {
            evacuation.close();
            evacuation = null;
        }
    }

    /** A failed force overtakes the evacuation. A call of it that is under way ends first. */
    void overtaken() {
        if (!evacuations.isCallUnderWay()) {
            endEvacuation();
        }
    }

    /** One was looked for when a failed force came in between. */
    void onPlannedTooLate(EvacuationPlanned planned) {
        evacuation = planned.planned;
        endEvacuation();
    }
}
