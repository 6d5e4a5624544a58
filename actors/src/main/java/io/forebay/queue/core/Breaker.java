package io.forebay.queue.core;

import java.util.Arrays;

/**
 * Slows a group down whose consumers fail. It counts how attempts end, over the last ten seconds. When at least {@value
 * #OUTCOMES_MIN} have ended and the set share of them failed, it opens: from then on at most {@value #PROBES_PER_SECOND}
 * messages go out each second, as probes (in the second it opens twice as many may). Over the last three seconds it judges them, with whatever else ends of what was out
 * before: when at least {@value #PROBES_MIN} attempts have ended and less than the set share of them failed, it closes and
 * counts anew.
 *
 * <p>Confined to its owner; time comes in as a value and need not grow.
 */
final class Breaker {
    static final int OUTCOMES_MIN = 50;
    static final int PROBES_PER_SECOND = 8;
    static final int PROBES_MIN = 8;

    private static final int SLOT_MILLIS = 1_000;
    private static final int SLOT_COUNT = 10;
    private static final int PROBE_SLOT_COUNT = 3;

    private final long[] acked = new long[SLOT_COUNT];
    private final long[] failed = new long[SLOT_COUNT];
    private int percent;
    private boolean isOpen;
    /** Number of the newest slot since the epoch of the clock. */
    private long newestSlot = Long.MIN_VALUE;
    /** What went out in the newest slot while it is open. */
    private int probed;

    /** @param percent share of failed attempts from which it opens; 0 for never */
    Breaker(int percent) {
        this.percent = percent;
    }

    boolean isOpen() {
        return isOpen;
    }

    void configure(int newPercent) {
        percent = newPercent;
        if (percent == 0) {
            close();
        }
    }

    /** Attempts have ended. */
    void onOutcomes(long nowMillis, long ackedCount, long failedCount) {
        if (percent == 0 || ackedCount + failedCount == 0) {
            return;
        }
        turnTo(nowMillis);
        int slot = Math.floorMod(newestSlot, SLOT_COUNT);
        acked[slot] += ackedCount;
        failed[slot] += failedCount;
        if (isOpen) {
            if (isCounted(PROBE_SLOT_COUNT, PROBES_MIN) && !isFailing(PROBE_SLOT_COUNT)) {
                close();
            }
        } else if (isCounted(SLOT_COUNT, OUTCOMES_MIN) && isFailing(SLOT_COUNT)) {
            isOpen = true;
            probed = 0;
            Arrays.fill(acked, 0);
            Arrays.fill(failed, 0);
        }
    }

    /** @return how many messages may go out now, {@link Integer#MAX_VALUE} while it is closed */
    int available(long nowMillis) {
        if (!isOpen) {
            return Integer.MAX_VALUE;
        }
        turnTo(nowMillis);
        return Math.max(0, PROBES_PER_SECOND - probed);
    }

    void take(int count) {
        if (isOpen) {
            probed += count;
        }
    }

    /** What was taken and not needed. */
    void giveBack(int count) {
        probed = Math.max(0, probed - count);
    }

    /** @return when {@link #available} will not be 0 any more */
    long readyMillis(long nowMillis) {
        return available(nowMillis) > 0 ? nowMillis : (newestSlot + 1) * SLOT_MILLIS;
    }

    private void close() {
        isOpen = false;
        Arrays.fill(acked, 0);
        Arrays.fill(failed, 0);
    }

    private void turnTo(long nowMillis) {
        long slot = Math.floorDiv(nowMillis, (long) SLOT_MILLIS);
        if (slot <= newestSlot) {
            return;
        }
        long steps = newestSlot == Long.MIN_VALUE ? SLOT_COUNT : Math.min(SLOT_COUNT, slot - newestSlot);
        for (long i = 0; i < steps; i++) {
            int old = Math.floorMod(slot - i, SLOT_COUNT);
            acked[old] = 0;
            failed[old] = 0;
        }
        newestSlot = slot;
        probed = 0;
    }

    private boolean isCounted(int slots, int least) {
        return sum(acked, slots) + sum(failed, slots) >= least;
    }

    private boolean isFailing(int slots) {
        long failures = sum(failed, slots);
        return failures * 100 >= percent * (failures + sum(acked, slots));
    }

    private long sum(long[] counts, int slots) {
        long sum = 0;
        for (int i = 0; i < slots; i++) {
            sum += counts[Math.floorMod(newestSlot - i, SLOT_COUNT)];
        }
        return sum;
    }
}
