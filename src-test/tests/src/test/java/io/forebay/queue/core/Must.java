package io.forebay.queue.core;

/** What must hold, cheap while it does: there are hundreds of these in a step, and millions of steps. */
final class Must {
    private Must() {}

    /** @param what with a place for the offset, or whatever number tells more */
    static void hold(boolean holds, String what, long offset) {
        if (!holds) {
            throw new AssertionError(String.format(what, offset));
        }
    }

    static void equal(String what, long expected, long found) {
        if (expected != found) {
            throw new AssertionError(what + ": expected " + expected + ", found " + found);
        }
    }

    static void equal(String what, boolean expected, boolean found) {
        if (expected != found) {
            throw new AssertionError(what + ": expected " + expected + ", found " + found);
        }
    }

    static void equal(String what, Object expected, Object found) {
        if (expected == null ? found != null : !expected.equals(found)) {
            throw new AssertionError(what + ": expected " + expected + ", found " + found);
        }
    }
}
