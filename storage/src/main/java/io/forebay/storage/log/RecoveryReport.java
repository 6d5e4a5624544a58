package io.forebay.storage.log;

import java.util.List;
import java.util.Optional;

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
 * @param cutOff what was left behind there; empty if nothing was begun or written behind it
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
        Optional<CutOff> cutOff,
        List<Owner> stoppedOwners,
        List<String> findings) {
    /**
     * The end of a log that was not stopped, where a frame is not whole and nothing states that it was durable.
     *
     * @param file the segment
     * @param position address of that frame
     * @param reason what is wrong with it
     * @param framesBehind sound ones of the same log that lie behind it, and are given up with it
     * @param bytes of all of them, as far as they can be made out
     */
    public record CutOff(String file, long position, String reason, long framesBehind, long bytes) {
        /** What that means, for people. */
        public static final String MEANING =
                "it was written just before the crash and had not reached the device as a whole, or was"
                        + " damaged since; whether any of it was answered FLUSHED cannot be told";

        /** In one line. */
        @Override
        public String toString() {
            return file + ", position " + position + ": the log ends here, " + reason
                    + "; nothing says that more was durable. A frame, " + framesBehind + " sound ones behind it, "
                    + bytes
                    + " bytes as far as they can be made out, are cut off: " + MEANING;
        }
    }
}
