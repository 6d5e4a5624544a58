package io.forebay.store;

import io.forebay.storage.log.WrittenBytes;
import java.time.Duration;
import java.util.Optional;
import java.util.Set;

/**
 * How one stripe is, at one moment; made from published values, so taking it costs the stripe nothing.
 *
 * @param unavailable why nothing is taken now, whatever the phase: reservations are refused, and appends may wait
 * @param unflushedBytes bytes reserved or appended and not durable, retained for rewriting included
 * @param unflushedAge how long the oldest of what is appended has not been durable; zero if all is
 * @param appendWait how long the first of the appends that wait has waited; zero if none does
 * @param freeDiskBytes what the log can still write, as measured last; {@link Long#MAX_VALUE} if it never was
 * @param lowDiskBytes less than that free, and Sends are refused
 * @param diskRefuses who is refused because so little of the disk is free
 * @param flushFailureCount forces that failed since the start
 * @param checkpointCount checkpoints completed since the start
 * @param evacuationCount segments emptied since the start, because little of them was needed
 * @param freedSegmentCount segments that nothing needed any more, and whose files are used again or deleted, since the start
 * @param storedBytes size of the log's files
 * @param writtenBytes what was written into the log since the start, by what it is for
 * @param lastFailure the newest failure, also when it has been overcome
 */
public record StripeHealth(
        int stripeId,
        StripePhase phase,
        Optional<StripeBudget.Unavailability> unavailable,
        long epoch,
        long writtenSequence,
        long durableSequence,
        long unflushedBytes,
        long unflushedBytesMax,
        Duration unflushedAge,
        Duration appendWait,
        long freeDiskBytes,
        long lowDiskBytes,
        Set<StripeBudget.Tier> diskRefuses,
        long flushFailureCount,
        long checkpointCount,
        long evacuationCount,
        long freedSegmentCount,
        long storedBytes,
        WrittenBytes writtenBytes,
        Optional<String> lastFailure) {
    /** Whether appends are answered now. */
    public boolean isServing() {
        return phase == StripePhase.RUNNING && unavailable.isEmpty();
    }
}
