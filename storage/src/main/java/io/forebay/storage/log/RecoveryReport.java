package io.forebay.storage.log;

import java.util.List;

/**
 * What a start found.
 *
 * @param stripeId the stripe
 * @param epoch of this start
 * @param isNew whether there was no log yet
 * @param isCleanStop whether the last stop had said where the log ends
 * @param framesReplayed frames read from the replay start on
 * @param recordsReplayed records in them
 * @param framesCopied frames above the stated durable position, copied into fresh segments
 * @param bytesCopied their length
 * @param keptToSequence the last sequence of the log that was kept
 * @param newestLogTimeMillis the newest log time seen, never less than what the start was given
 * @param endReason why the log was taken to end where it does
 * @param stoppedOwners owners with missing records: nothing of theirs behind the gap was handed out
 * @param findings what looked odd and was left alone, one line each
 */
public record RecoveryReport(
        int stripeId,
        long epoch,
        boolean isNew,
        boolean isCleanStop,
        long framesReplayed,
        long recordsReplayed,
        long framesCopied,
        long bytesCopied,
        long keptToSequence,
        long newestLogTimeMillis,
        String endReason,
        List<Owner> stoppedOwners,
        List<String> findings) {}
