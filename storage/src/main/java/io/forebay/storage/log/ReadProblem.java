package io.forebay.storage.log;

/**
 * Why a message cannot be read.
 *
 * @param cause {@link QuarantinedRecord.Cause#READ_ERROR} may pass, the others do not
 * @param segment name of the file that holds it, or is to hold it; "" if not known
 * @param position of its frame, {@link #NO_POSITION} if not known
 * @param reason for people, without the place
 */
public record ReadProblem(QuarantinedRecord.Cause cause, String segment, long position, String reason) {
    /** Of a message that is not known to be anywhere. */
    public static final long NO_POSITION = -1;

    /** One whose place is not known. */
    public static ReadProblem nowhere(QuarantinedRecord.Cause cause, String reason) {
        return new ReadProblem(cause, "", NO_POSITION, reason);
    }

    /** The place and the reason, in one line for people. */
    public String text() {
        if (position == NO_POSITION) {
            return reason;
        }
        return (segment.isEmpty() ? "" : segment + ", ") + "position " + position + ": " + reason;
    }
}
