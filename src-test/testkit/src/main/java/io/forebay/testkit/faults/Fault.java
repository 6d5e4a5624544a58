package io.forebay.testkit.faults;

import io.forebay.testkit.faults.DiskObserver.Operation;
import java.util.function.Predicate;

/**
 * Which operations of a {@link MemoryDisk} are to fail with an input/output error: of one kind, on some paths, some of those
 * that come. {@code Fault.of(FORCE).on(path -> path.startsWith("stripe-0/index/")).from(3).times(2)} fails the third and
 * the fourth force of the index. What a failed operation leaves behind is what it leaves on a real disk:
 *
 * <ul>
 *   <li>a force: nothing of the range reaches the device and the kernel believes it did ({@link MemoryDisk#failNextForces});
 *   <li>a write: some of the bytes are written, as by a mapped store that gets no page for the rest;
 *   <li>a force of a directory, and what makes, opens, renames or deletes a file: nothing has changed;
 *   <li>a read: nothing is read.
 * </ul>
 *
 * @param paths from the root of the disk; of the directory for {@link Operation#FORCE_DIRECTORY}, "" for the root itself
 * @param from the first one to fail, counted from 1 among those that fit and come after the fault was armed
 * @param times how many fail in a row, at least 1; {@link #FOR_GOOD} for all that follow
 */
public record Fault(Operation operation, Predicate<String> paths, long from, long times) {
    /** Until {@link MemoryDisk#heal}. */
    public static final long FOR_GOOD = Long.MAX_VALUE;

    public Fault {
        if (from < 1 || times < 1) {
            throw new IllegalArgumentException("from " + from + ", times " + times + ": counted from 1");
        }
    }

    /** All of a kind, for good. */
    public static Fault of(Operation operation) {
        return new Fault(operation, path -> true, 1, FOR_GOOD);
    }

    /** The same, but only on these paths; the others are not counted either. */
    public Fault on(Predicate<String> newPaths) {
        return new Fault(operation, newPaths, from, times);
    }

    /** The same, but beginning with this one. */
    public Fault from(long number) {
        return new Fault(operation, paths, number, times);
    }

    /** The same, but not more in a row than this. */
    public Fault times(long count) {
        return new Fault(operation, paths, from, count);
    }
}
