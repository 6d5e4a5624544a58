package io.forebay.store;

import java.time.Duration;

/**
 * What one stripe's StoreWriter and Flusher need of the settings.
 *
 * @param maxUnflushedBytes bytes reserved or written and not durable, at most
 * @param sendHighWaterPercent share of it above which Sends are refused
 * @param flushInterval at the latest after this what is written is forced, if nobody waits for FLUSHED
 * @param flushBytes or when this much is written
 * @param rewriteTimeout what an origin has not sent again after this the StoreWriter writes itself
 * @param rewriteAttemptsMax rewrites that may fail one after another before the stripe turns read-only
 * @param retryBackoff pause before the next try when read-only, when a segment could not be prepared
 * @param checkpointBytes log bytes between checkpoints
 * @param checkpointIdleInterval a checkpoint is taken when nothing was appended for this long
 * @param snapshotTimeout a checkpoint whose snapshots are not there after this is abandoned
 * @param diskReserveBytes free space below which Sends are refused; deliveries, extensions and acks at 3/4, 1/2 and 1/4
 * @param stopTimeout what a clean stop may take
 */
public record StoreConfig(
        long maxUnflushedBytes,
        int sendHighWaterPercent,
        Duration flushInterval,
        long flushBytes,
        Duration rewriteTimeout,
        int rewriteAttemptsMax,
        Duration retryBackoff,
        long checkpointBytes,
        Duration checkpointIdleInterval,
        Duration snapshotTimeout,
        long diskReserveBytes,
        Duration stopTimeout) {}
