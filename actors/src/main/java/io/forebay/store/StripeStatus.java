package io.forebay.store;

import io.forebay.storage.log.StripeLog;
import java.util.Optional;
import java.util.concurrent.atomic.AtomicLong;

/** What a stripe publishes about itself. Written by its StoreWriter, read by anybody. */
final class StripeStatus {
    private final int stripeId;
    private final StripeLog log;
    private final StripeBudget budget;
    private final AtomicLong flushFailureCount = new AtomicLong();
    private volatile StripePhase phase = StripePhase.RUNNING;
    private volatile long checkpointCount;
    private volatile long evacuationCount;
    private volatile Optional<String> lastFailure = Optional.empty();

    StripeStatus(int stripeId, StripeLog log, StripeBudget budget) {
        this.stripeId = stripeId;
        this.log = log;
        this.budget = budget;
    }

    void phase(StripePhase next) {
        phase = next;
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
                log.epoch(),
                log.writtenSequence(),
                log.durableSequence(),
                budget.unflushedBytes(),
                budget.unflushedBytesMax(),
                flushFailureCount.get(),
                checkpointCount,
                evacuationCount,
                log.storedBytes(),
                log.writtenBytes(),
                lastFailure);
    }
}
