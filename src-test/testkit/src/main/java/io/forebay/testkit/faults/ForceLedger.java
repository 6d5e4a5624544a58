package io.forebay.testkit.faults;

import java.util.ArrayList;
import java.util.List;

/**
 * Who forced again what a failed force had lost, on any {@link MemoryDisk} of this process. The kernel believes that such
 * pages are clean, reports success and writes nothing, so a force is never repeated as a cure: what it covers has to be
 * written again first, here or elsewhere. A breach is an {@code AssertionError} in the thread that forces, which may well be
 * a thread that nobody listens to; it is kept here for the test as well. Thread-safe.
 */
public final class ForceLedger {
    private static final int KEPT_MAX = 16;

    private static final List<AssertionError> BREACHES = new ArrayList<>();

    private ForceLedger() {}

    /** What was kept since the last call, oldest first, at most 16; a test that breaks the rule itself asks, too. */
    public static List<AssertionError> takeBreaches() {
        synchronized (BREACHES) {
            List<AssertionError> taken = List.copyOf(BREACHES);
            BREACHES.clear();
            return taken;
        }
    }

    static AssertionError breach(String path, long at, long length, long lostAt) {
        AssertionError breach =
                new AssertionError("a force was repeated as a cure: of " + length + " bytes at " + at + " of " + path
                        + "; what an earlier one, that failed, has lost at " + lostAt + " was not written again");
        synchronized (BREACHES) {
            if (BREACHES.size() < KEPT_MAX) {
                BREACHES.add(breach);
            }
        }
        return breach;
    }
}
