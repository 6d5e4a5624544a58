package io.forebay.store;

import io.forebay.storage.log.StripeLog;
import io.forebay.store.EventLog.Weight;
import java.time.Duration;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.atomic.AtomicLong;

/** What a stripe publishes about itself. Written by its StoreWriter, read by anybody. */
final class StripeStatus {
    private final int stripeId;
    private final StripeLog log;
    private final StripeBudget budget;
    private final StripeMeters meters;
    private final AtomicLong flushFailureCount = new AtomicLong();
    private volatile StripePhase phase = StripePhase.RUNNING;
    private volatile long checkpointCount;
    private volatile long evacuationCount;
    private volatile Optional<String> lastFailure = Optional.empty();
    /** Confined to the StoreWriter. */
    private Set<StripeBudget.Tier> diskRefuses = Set.of();

    StripeStatus(int stripeId, StripeLog log, StripeBudget budget, StripeMeters meters) {
        this.stripeId = stripeId;
        this.log = log;
        this.budget = budget;
        this.meters = meters;
    }

    StripeMeters meters() {
        return meters;
    }

    void phase(StripePhase next) {
        StripePhase before = phase;
        phase = next;
        if (next != before) {
            boolean isTrouble = isTrouble(next);
            if (isTrouble) {
                meters.blame(next.name());
            }
            boolean isBug = next == StripePhase.CLOSED && before != StripePhase.CLOSING;
            EventLog.log(
                    isBug ? Weight.ERROR : isTrouble || isTrouble(before) ? Weight.WARNING : Weight.INFO,
                    LogEvent.STRIPE_PHASE,
                    "stripe",
                    stripeId,
                    "from",
                    before,
                    "to",
                    next,
                    "written",
                    log.writtenSequence(),
                    "durable",
                    log.durableSequence(),
                    "cause",
                    isTrouble || isBug ? lastFailure.orElse(null) : null);
        }
    }

    private static boolean isTrouble(StripePhase phase) {
        return phase == StripePhase.REWRITING || phase == StripePhase.READ_ONLY;
    }

    /** Nothing is taken any more, or for another reason than before. */
    void unavailable(StripeBudget.Reason reason, String detail) {
        boolean isEnd = reason == StripeBudget.Reason.SHUTTING_DOWN;
        EventLog.log(
                isEnd ? Weight.INFO : Weight.WARNING,
                LogEvent.STRIPE_UNAVAILABLE,
                "stripe",
                stripeId,
                "reason",
                reason,
                "detail",
                detail);
    }

    void available() {
        EventLog.log(Weight.WARNING, LogEvent.STRIPE_AVAILABLE, "stripe", stripeId);
    }

    /** How much disk is free has been measured. */
    void diskMeasured() {
        Set<StripeBudget.Tier> refused = budget.diskRefuses();
        if (!refused.equals(diskRefuses)) {
            diskRefuses = refused;
            EventLog.log(
                    Weight.WARNING,
                    refused.isEmpty()
                            ? LogEvent.DISK_ENOUGH
                            : refused.contains(StripeBudget.Tier.ACK) ? LogEvent.DISK_FULL : LogEvent.DISK_LOW,
                    "stripe",
                    stripeId,
                    "free-bytes",
                    budget.freeDiskBytes(),
                    "refused",
                    refused.isEmpty() ? null : refused);
        }
    }

    StripePhase phase() {
        return phase;
    }

    void flushFailed(String failure) {
        flushFailureCount.incrementAndGet();
        failed(failure);
    }

    void failed(String failure) {
        lastFailure = Optional.of(failure);
    }

    void checkpointCount(long count) {
        checkpointCount = count;
    }

    void evacuationCount(long count) {
        evacuationCount = count;
    }

    StripeHealth health() {
        return new StripeHealth(
                stripeId,
                phase,
                budget.unavailability(),
                log.epoch(),
                log.writtenSequence(),
                log.durableSequence(),
                budget.unflushedBytes(),
                budget.unflushedBytesMax(),
                Duration.ofNanos(meters.unflushedNanos()),
                Duration.ofNanos(meters.stalledNanosNow()),
                budget.freeDiskBytes(),
                budget.lowDiskBytes(),
                budget.diskRefuses(),
                flushFailureCount.get(),
                checkpointCount,
                evacuationCount,
                log.freedSegmentCount(),
                log.storedBytes(),
                log.writtenBytes(),
                lastFailure);
    }
}
