package io.forebay.storage.checkpoint;

/**
 * What one slot of a {@link CheckpointFile} says. Positions and sequences of −1 mean "none".
 *
 * @param stripeId the stripe it belongs to
 * @param epoch of the start that wrote it
 * @param replayPosition first frame to replay
 * @param replaySequence first sequence to replay
 * @param manifestPosition frame with the first part of the manifest
 * @param manifestSequence sequence of the manifest's first part
 * @param durablePosition every frame below it is flushed
 * @param nextSequence the sequence behind the last durable record
 * @param addressLimit beyond every position ever used; fresh segments after an unclean stop begin there
 * @param logTimeMillis log time when it was written
 * @param cleanEnd position behind the last frame if the log was closed cleanly, else −1
 * @param logId random number of the log, which its segments carry too; 0 if an older build wrote the slot
 * @param logIdEpoch from this epoch on every segment carries it; 0 if an older build wrote the slot
 */
public record CheckpointSlot(
        int stripeId,
        long epoch,
        long replayPosition,
        long replaySequence,
        long manifestPosition,
        long manifestSequence,
        long durablePosition,
        long nextSequence,
        long addressLimit,
        long logTimeMillis,
        long cleanEnd,
        long logId,
        long logIdEpoch) {
    /** As a build wrote it that gave logs no number. */
    public CheckpointSlot(
            int stripeId,
            long epoch,
            long replayPosition,
            long replaySequence,
            long manifestPosition,
            long manifestSequence,
            long durablePosition,
            long nextSequence,
            long addressLimit,
            long logTimeMillis,
            long cleanEnd) {
        this(
                stripeId,
                epoch,
                replayPosition,
                replaySequence,
                manifestPosition,
                manifestSequence,
                durablePosition,
                nextSequence,
                addressLimit,
                logTimeMillis,
                cleanEnd,
                0,
                0);
    }

    /** Whether the log was closed in order and {@link #cleanEnd()} is its end. */
    public boolean isClean() {
        return cleanEnd >= 0;
    }
}
