package io.forebay.storage.log;

/**
 * What tells the files of one log from those of every other one, should somebody mix them up. Immutable.
 *
 * @param stripeId the stripe
 * @param logId random and never 0, drawn when the log is made; 0 where it is not known: nothing is told apart by it then
 * @param firstEpoch from this epoch on every header carries the id; those of lower ones may be of a build that gave none
 */
record LogIdentity(long stripeId, long logId, long firstEpoch) {
    static final long UNKNOWN = 0;

    boolean isKnown() {
        return logId != UNKNOWN;
    }

    /** Whether a segment with that header can be one of this log. */
    boolean isOf(SegmentHeader header) {
        if (header.stripeId() != stripeId) {
            return false;
        }
        return !isKnown() || header.logId() == logId || (header.logId() == UNKNOWN && header.epoch() < firstEpoch);
    }

    static String name(long stripeId, long logId) {
        return "stripe " + stripeId + (logId == UNKNOWN ? "" : String.format(", log %016x", logId));
    }

    @Override
    public String toString() {
        return name(stripeId, logId);
    }
}
