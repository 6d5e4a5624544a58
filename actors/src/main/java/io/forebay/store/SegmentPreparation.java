package io.forebay.store;

import io.forebay.storage.log.StripeException;
import io.forebay.storage.log.StripeLog;
import io.forebay.store.StripeBudget.Reason;
import java.io.IOException;

/**
 * Has the next segment prepared by another thread, as {@link SegmentSupply} decides, and tells the budget how much disk is free:
 * behind each preparation, which takes some, and while Sends are refused for want of it, when nothing else would look. One
 * preparation is under way at most. Confined to the StoreWriter.
 */
final class SegmentPreparation {
    /** @param failure null if it is prepared */
    record SegmentPrepared(Throwable failure) implements StoreWriter.Internal {}

    /** The pause after a preparation that did not help. */
    enum PrepareAgain implements StoreWriter.Internal {
        INSTANCE
    }

    /** How much disk is free is known now. */
    enum DiskMeasured implements StoreWriter.Internal {
        INSTANCE
    }

    enum MeasureAgain implements StoreWriter.Internal {
        INSTANCE
    }

    private final StoreWriter.Parts parts;
    private final StripeLog log;
    private final StripeBudget budget;
    private final WriterTools tools;
    private final Availability availability;
    private final SegmentSupply supply = new SegmentSupply();
    private final Backoff backoff;

    SegmentPreparation(StoreWriter.Parts parts, WriterTools tools, Availability availability) {
        this.parts = parts;
        this.log = parts.log();
        this.budget = parts.budget();
        this.tools = tools;
        this.availability = availability;
        this.backoff = new Backoff(parts.config().retryBackoff(), parts.config().retryBackoffMax());
    }

    // --- what appends find ---

    /** Whether appends wait for a segment, or for a device that works. */
    boolean isStalled() {
        return supply.isStalled();
    }

    /** An append went through. */
    void appended() {
        supply.appended();
        parts.status().meters().appended();
    }

    /** An append found that the next segment, or room in the index, is not prepared yet. */
    void awaitPrepared() {
        supply.awaitPrepared();
        parts.status().meters().blame("the next segment");
    }

    /** An append met a device without room, or one that fails. */
    void stall(StripeException e) {
        parts.status().failed(e.getMessage());
        parts.status().meters().blame(e.reason().name());
        if (supply.stalled()) {
            // Preparing a segment did not help: do not try in a circle.
            pause();
            availability.failing(
                    e.reason() == StripeException.Reason.DISK_FULL ? Reason.DISK_FULL : Reason.READ_ONLY, e);
        }
    }

    /** What stalled was of a range that is written again elsewhere. */
    void unstall() {
        supply.unstall();
    }

    // --- preparing ---

    void prepareIfNeeded() {
        if (supply.isDue(log.isPreparationNeeded())) {
            supply.preparing();
            tools.offload(
                    () -> {
                        try {
                            parts.status().meters().prepare(log::prepareNext);
                        } finally {
                            measureDisk();
                        }
                    },
                    SegmentPrepared::new);
        }
    }

    void onSegmentPrepared(SegmentPrepared prepared) {
        supply.prepared(prepared.failure == null);
        if (prepared.failure == null) {
            backoff.reset();
        }
        watchDisk();
        if (prepared.failure != null) {
            prepareFailed(prepared.failure);
        }
    }

    private void prepareFailed(Throwable failure) {
        IOException cause = StripeFailures.environment(parts.stripeId(), failure);
        parts.status().failed(cause.getMessage());
        tools.logger().warn("stripe {}: no segment could be prepared: {}", parts.stripeId(), cause.getMessage());
        pause();
        if (supply.isStalled()) {
            availability.failing(StripeFailures.isDiskFull(cause) ? Reason.DISK_FULL : Reason.READ_ONLY, cause);
        }
    }

    private void pause() {
        supply.pause();
        tools.startTimer(PrepareAgain.INSTANCE, PrepareAgain.INSTANCE, backoff.next());
    }

    void onPrepareAgain() {
        supply.pauseOver();
    }

    // --- the disk ---

    /** Lets go of what readers have held, which gives room, makes the reserve if there is room, then measures. Answered with {@link DiskMeasured}. */
    void measure() {
        tools.offload(
                () -> {
                    try {
                        log.collect();
                        keepReserve();
                    } finally {
                        measureDisk();
                    }
                },
                failure -> DiskMeasured.INSTANCE);
    }

    /** What others fill the disk with must not keep acks from being written. Blocks; on another thread. */
    private void keepReserve() throws IOException {
        long low = budget.lowDiskBytes();
        if (low > 0 && parts.directory().usableBytes() - log.segmentBytes() > low) {
            log.keepReserve();
        }
    }

    /** Blocks; on another thread. */
    private void measureDisk() throws IOException {
        long usable = parts.directory().usableBytes();
        long room = log.roomBytes();
        budget.freeDisk(usable > Long.MAX_VALUE - room ? Long.MAX_VALUE : usable + room);
    }

    /** What was freed meanwhile can be prepared at once, however long the next try was to be put off. */
    void measured() {
        if (log.roomBytes() > 0) {
            supply.pauseOver();
        }
        watchDisk();
    }

    /** Without Sends nothing is prepared, which measures: as long as they are refused, look whether there is space again. */
    void watchDisk() {
        parts.status().diskMeasured();
        if (budget.isDiskLow()) {
            tools.startTimer(
                    MeasureAgain.INSTANCE, MeasureAgain.INSTANCE, parts.config().retryBackoff());
        }
    }
}
