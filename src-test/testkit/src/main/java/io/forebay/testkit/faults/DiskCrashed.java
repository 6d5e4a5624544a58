package io.forebay.testkit.faults;

/**
 * The process, or the machine, is gone: every operation of a {@link MemoryDisk} from the crash on throws this. Unchecked
 * and no {@code IOException}, so that code under test does not take it for a failing device and carry on.
 */
public final class DiskCrashed extends RuntimeException {
    private static final long serialVersionUID = 1L;

    public DiskCrashed(String message) {
        super(message);
    }
}
