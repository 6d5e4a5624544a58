package io.forebay.storage.log;

import io.forebay.storage.io.StorageDirectory;
import java.io.IOException;
import java.util.List;

/** Reads a stripe's log from its oldest segment to its end and changes nothing. */
public final class LogVerifier {
    private LogVerifier() {}

    /**
     * @param file with the damage
     * @param position address of the frame, -1 where it is no frame
     * @param reason what is wrong
     */
    public record Problem(String file, long position, String reason) {}

    /**
     * @param segments in the chain
     * @param frames read
     * @param records in them
     * @param bytes of the frames
     * @param firstSequence of the log as it is stored
     * @param lastSequence of the log
     * @param durablePosition the highest that anything states
     * @param endPosition where the log ends
     * @param endReason why it ends there
     * @param problems damage, the first bad place first; empty if all is well
     * @param notes what is odd but harmless
     */
    public record Report(
            int segments,
            long frames,
            long records,
            long bytes,
            long firstSequence,
            long lastSequence,
            long durablePosition,
            long endPosition,
            String endReason,
            List<Problem> problems,
            List<String> notes) {
        public boolean isSound() {
            return problems.isEmpty();
        }
    }

    /** Whether there is a stripe's log in that directory. */
    public static boolean isStripe(StorageDirectory directory) throws IOException {
        throw new AssertionError("skeleton");
    }

    /** Verifies the stripe in that directory. */
    public static Report verify(StorageDirectory directory) throws IOException {
        throw new AssertionError("skeleton");
    }
}
