package io.forebay.storage.log;

import java.util.List;

/**
 * What a repair of a stripe's log would do, or has done.
 *
 * @param stripeId whose log it is, -1 if nothing says
 * @param damages what is wrong
 * @param losses whose records are lost for good
 * @param notes what else is to be known
 * @param writes what is written
 * @param copies names of the files that are changed, and copied first
 * @param refusalOrNull why this log cannot be mended; nothing is written then
 */
public record RepairPlan(
        int stripeId,
        List<LogVerifier.Problem> damages,
        List<Loss> losses,
        List<String> notes,
        List<Write> writes,
        List<String> copies,
        String refusalOrNull) {
    /**
     * Lost records.
     *
     * @param ownerOrNull whose they were, null if nobody can tell
     * @param records how many, at most if nobody can tell whose
     * @param offsets that are put in quarantine, where no earlier repair has put them
     */
    public record Loss(Owner ownerOrNull, long records, OffsetSet offsets) {
        /** Of {@link #offsets()}, -1 if there are none. */
        public long firstOffset() {
            return offsets.isEmpty() ? -1 : offsets.first();
        }

        public long offsetCount() {
            return offsets.count();
        }
    }

    /**
     * A file that is written.
     *
     * @param isMade whether it is new
     * @param bytes that are written
     */
    public record Write(String file, boolean isMade, long bytes) {}

    public RepairPlan {
        damages = List.copyOf(damages);
        losses = List.copyOf(losses);
        notes = List.copyOf(notes);
        writes = List.copyOf(writes);
        copies = List.copyOf(copies);
    }

    /** Whether the log is damaged. */
    public boolean isNeeded() {
        return !writes.isEmpty() || refusalOrNull != null;
    }

    public long lostRecords() {
        return losses.stream().mapToLong(Loss::records).sum();
    }
}
