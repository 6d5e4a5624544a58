package io.forebay.config;

import static io.forebay.config.Checks.GIB;
import static io.forebay.config.Checks.KIB;
import static io.forebay.config.Checks.TIB;
import static io.forebay.config.Checks.bytes;
import static io.forebay.config.Checks.check;
import static io.forebay.config.Checks.checkBytes;
import static io.forebay.config.Checks.checkCount;
import static io.forebay.config.Checks.checkDuration;
import static io.forebay.config.Checks.duration;

import java.time.Duration;

/**
 * Section {@code forebay.store}: how each stripe is written, forced and checkpointed.
 *
 * @param maxUnflushedBytes bytes per stripe that may be reserved or written and not durable
 * @param sendHighWaterPercent share of it above which Sends are refused
 * @param flushInterval what is written is forced after this, if nobody waits for FLUSHED
 * @param flushBytes or when this much is written
 * @param rewriteTimeout how long a rewrite waits for the origins of what a failed force has lost
 * @param rewriteAttemptsMax rewrites that may fail one after another before the stripe turns read-only
 * @param retryBackoff pause before a stripe that cannot write tries again; each further one is twice as long
 * @param retryBackoffMax the longest of them
 * @param checkpointBytes log bytes between two checkpoints
 * @param checkpointIdleInterval silence after which a checkpoint is taken
 * @param snapshotTimeout how long a checkpoint waits for the snapshots of its owners
 * @param evacuationSharePercent bytes that cleaning may move for a hundred bytes appended
 * @param evacuationLivePercent share of a segment that may still be needed when cleaning empties it
 * @param stopTimeout how long a clean stop may take before recovery gets the rest
 */
public record StoreSettings(
        long maxUnflushedBytes,
        int sendHighWaterPercent,
        Duration flushInterval,
        long flushBytes,
        Duration rewriteTimeout,
        int rewriteAttemptsMax,
        Duration retryBackoff,
        Duration retryBackoffMax,
        long checkpointBytes,
        Duration checkpointIdleInterval,
        Duration snapshotTimeout,
        int evacuationSharePercent,
        int evacuationLivePercent,
        Duration stopTimeout) {
    static final String SECTION = "forebay.store";

    /** A thread of its own for each StoreWriter. */
    public static final String WRITER_DISPATCHER = SECTION + ".writer-dispatcher";
    /** A thread of its own for each Flusher, which never blocks; its forces run on {@link #FLUSH_DISPATCHER}. */
    public static final String FLUSHER_DISPATCHER = SECTION + ".flusher-dispatcher";
    /** Where forces, file creation and checkpoints block. */
    public static final String FLUSH_DISPATCHER = SECTION + ".flush-dispatcher";
    /** Where cold reads block. */
    public static final String READ_DISPATCHER = SECTION + ".read-dispatcher";

    public StoreSettings {
        checkBytes(SECTION + ".max-unflushed", maxUnflushedBytes, 128 * KIB, 16 * GIB);
        checkCount(SECTION + ".send-high-water-percent", sendHighWaterPercent, 10, 95);
        checkDuration(SECTION + ".flush-interval", flushInterval, Duration.ofMillis(1), Duration.ofMinutes(1));
        checkBytes(SECTION + ".flush-bytes", flushBytes, 4 * KIB, 16 * GIB);
        check(
                flushBytes <= sendHighWaterBytes(maxUnflushedBytes, sendHighWaterPercent),
                SECTION + ".flush-bytes",
                bytes(flushBytes),
                "at most the share of forebay.store.max-unflushed that Sends may fill, which is "
                        + bytes(sendHighWaterBytes(maxUnflushedBytes, sendHighWaterPercent)));
        checkDuration(SECTION + ".rewrite-timeout", rewriteTimeout, Duration.ofMillis(10), Duration.ofMinutes(5));
        checkCount(SECTION + ".rewrite-attempts-max", rewriteAttemptsMax, 1, 1000);
        checkDuration(SECTION + ".retry-backoff", retryBackoff, Duration.ofMillis(10), Duration.ofMinutes(10));
        checkDuration(SECTION + ".retry-backoff-max", retryBackoffMax, Duration.ofMillis(10), Duration.ofHours(1));
        check(
                retryBackoffMax.compareTo(retryBackoff) >= 0,
                SECTION + ".retry-backoff-max",
                duration(retryBackoffMax),
                "at least forebay.store.retry-backoff, which is " + duration(retryBackoff));
        checkBytes(SECTION + ".checkpoint-bytes", checkpointBytes, 64 * KIB, TIB);
        checkDuration(
                SECTION + ".checkpoint-idle-interval",
                checkpointIdleInterval,
                Duration.ofMillis(10),
                Duration.ofDays(1));
        checkDuration(SECTION + ".snapshot-timeout", snapshotTimeout, Duration.ofMillis(10), Duration.ofMinutes(10));
        checkCount(SECTION + ".evacuation-share", evacuationSharePercent, 0, 100);
        checkCount(SECTION + ".evacuation-live-percent", evacuationLivePercent, 1, 90);
        checkDuration(SECTION + ".stop-timeout", stopTimeout, Duration.ofMillis(100), Duration.ofMinutes(10));
    }

    static StoreSettings from(Section section) {
        section.akkaSection("writer-dispatcher");
        section.akkaSection("flusher-dispatcher");
        section.akkaSection("flush-dispatcher");
        section.akkaSection("read-dispatcher");
        return new StoreSettings(
                section.bytes("max-unflushed"),
                section.count("send-high-water-percent"),
                section.duration("flush-interval"),
                section.bytes("flush-bytes"),
                section.duration("rewrite-timeout"),
                section.count("rewrite-attempts-max"),
                section.duration("retry-backoff"),
                section.duration("retry-backoff-max"),
                section.bytes("checkpoint-bytes"),
                section.duration("checkpoint-idle-interval"),
                section.duration("snapshot-timeout"),
                section.count("evacuation-share"),
                section.count("evacuation-live-percent"),
                section.duration("stop-timeout"));
    }

    /** Unflushed bytes above which a Send is answered Busy. */
    public long sendHighWaterBytes() {
        return sendHighWaterBytes(maxUnflushedBytes, sendHighWaterPercent);
    }

    private static long sendHighWaterBytes(long maxUnflushedBytes, int percent) {
        return maxUnflushedBytes / 100 * percent;
    }
}
