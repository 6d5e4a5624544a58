package io.forebay.cluster;

import java.util.concurrent.atomic.AtomicInteger;

/** Bounds the Pops of all clients of a node that wait for their answer. Thread-safe. */
public final class WaitingPops {
    private final int countMax;
    private final AtomicInteger count = new AtomicInteger();

    public WaitingPops(int countMax) {
        this.countMax = countMax;
    }

    boolean tryBegin() {
        if (count.incrementAndGet() > countMax) {
            count.decrementAndGet();
            return false;
        }
        return true;
    }

    /** Each that has begun ends once. */
    void end() {
        if (count.decrementAndGet() < 0) {
            throw new AssertionError("more Pops have ended than have begun");
        }
    }

    public int count() {
        return count.get();
    }

    int countMax() {
        return countMax;
    }
}
