package io.forebay.storage.log;

import io.forebay.storage.io.StorageDirectory;
import java.io.IOException;
import java.util.ArrayList;
import java.util.List;

/**
 * The explicit way on for a damaged log of a stopped node. What is lost is given up, one {@link LostRecord} for each record, offsets
 * that are gone are noted as quarantined, and the rest is served again. Every file that is changed is copied first to
 * {@code repair-n} in the stripe's directory; {@link #undo} puts the copies back. The caller holds the directory's lock.
 */
public final class LogRepair {
    private LogRepair() {}

    /** What {@link #apply} would do now. Changes nothing. */
    public static RepairPlan plan(StorageDirectory stripe, long nowMillis) throws IOException {
        return RepairDraft.of(stripe, nowMillis).plan();
    }

    /**
     * Mends the log if it needs it and it can be done. After a crash it is called again: what an unfinished repair has changed is taken
     * back first, unless a node has started since.
     *
     * @param number of the copies; see {@link #nextNumber}
     * @return what was done
     */
    public static RepairPlan apply(StorageDirectory stripe, int number, long nowMillis) throws IOException {
        takeBackUnfinished(stripe);
        RepairDraft.Drafted drafted = RepairDraft.of(stripe, nowMillis);
        if (!drafted.changes().isEmpty()) {
            new RepairCopies(stripe, number).apply(drafted.changes(), drafted.isIndexRebuilt());
        }
        return drafted.plan();
    }

    /**
     * Takes back what a repair that was not finished has changed.
     *
     * @return numbers of those that were
     */
    public static List<Integer> takeBackUnfinished(StorageDirectory stripe) throws IOException {
        List<Integer> taken = unfinished(stripe);
        for (int number : taken) {
            RepairCopies copies = new RepairCopies(stripe, number);
            if (copies.isOvertaken()) {
                copies.giveUp();
            } else {
                copies.undo();
            }
        }
        return taken;
    }

    /** Numbers of repairs, or of their undoing, that were begun and not finished. */
    public static List<Integer> unfinished(StorageDirectory stripe) throws IOException {
        List<Integer> unfinished = new ArrayList<>();
        for (int number : RepairCopies.numbers(stripe)) {
            if (new RepairCopies(stripe, number).isUnfinished()) {
                unfinished.add(number);
            }
        }
        return unfinished;
    }

    /** A number that no repair of this stripe has. */
    public static int nextNumber(StorageDirectory stripe) throws IOException {
        List<Integer> numbers = RepairCopies.numbers(stripe);
        return numbers.isEmpty() ? 1 : numbers.get(numbers.size() - 1) + 1;
    }

    /** Whether this stripe was repaired under that number, and that was not undone. */
    public static boolean isApplied(StorageDirectory stripe, int number) throws IOException {
        if (!RepairCopies.numbers(stripe).contains(number)) {
            return false;
        }
        RepairCopies copies = new RepairCopies(stripe, number);
        return copies.isApplied() && !copies.isUndone();
    }

    /** Names of the files that were written since that repair, which {@link #undo} would overwrite. */
    public static List<String> changedSince(StorageDirectory stripe, int number) throws IOException {
        return new RepairCopies(stripe, number).changedSince();
    }

    /** Puts back the files as they were before that repair, byte for byte. After a crash it is called again. */
    public static void undo(StorageDirectory stripe, int number) throws IOException {
        new RepairCopies(stripe, number).undo();
    }
}
