package io.forebay.store;

import io.forebay.storage.log.WrittenBytes;
import java.util.Optional;

/**
 * How one stripe is, at one moment; made from published values, so taking it costs the stripe nothing.
 *
 * @param unflushedBytes bytes reserved or appended and not durable, retained for rewriting included
 * @param flushFailureCount forces that failed since the start
 * @param checkpointCount checkpoints completed since the start
 * @param evacuationCount segments emptied since the start, because little of them was needed
 * @param storedBytes size of the log's files
 * @param writtenBytes what was written into the log since the start, by what it is for
 * @param lastFailure the newest failure, also when it has been overcome
 */
public record StripeHealth(
        int stripeId,
        StripePhase phase,
        long epoch,
        long writtenSequence,
        long durableSequence,
        long unflushedBytes,
        long unflushedBytesMax,
        long flushFailureCount,
        long checkpointCount,
        long evacuationCount,
        long storedBytes,
        WrittenBytes writtenBytes,
        Optional<String> lastFailure) {
    /** Whether appends are answered now. */
    public boolean isServing() {
        return phase == StripePhase.RUNNING;
    }
}
