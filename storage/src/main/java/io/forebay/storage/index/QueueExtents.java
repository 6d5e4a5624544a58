package io.forebay.storage.index;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.function.Predicate;

/** The extents of one queue, ascending. Changed under the index's lock, read by any thread without it. */
final class QueueExtents {
    /** What readers see; the array is shared with later states, which only fill places behind {@code to}. */
    private static final class State {
        static final State EMPTY = new State(new Extent[0], 0, 0);

        final Extent[] sorted;
        final int from;
        final int to;

        State(Extent[] sorted, int from, int to) {
            this.sorted = sorted;
            this.from = from;
            this.to = to;
        }
    }

    final int queueId;
    /** Entries below were given up and are not taken again. Under the lock. */
    long floor;

    private volatile State state = State.EMPTY;

    QueueExtents(int queueId) {
        this.queueId = queueId;
    }

    boolean isEmpty() {
        State now = state;
        return now.from == now.to;
    }

    /** The extent with that number, or null. */
    Extent find(long number) {
        State now = state;
        int index = indexOf(now, number);
        return index >= 0 ? now.sorted[index] : null;
    }

    /** Its place, or −(insertion place) − 1. Almost always there is no gap and no search. */
    private static int indexOf(State now, long number) {
        if (now.from < now.to) {
            long guess = now.from + (number - now.sorted[now.from].number);
            if (guess >= now.from && guess < now.to && now.sorted[(int) guess].number == number) {
                return (int) guess;
            }
        }
        int low = now.from;
        int high = now.to - 1;
        while (low <= high) {
            int middle = (low + high) >>> 1;
            long found = now.sorted[middle].number;
            if (found < number) {
                low = middle + 1;
            } else if (found > number) {
                high = middle - 1;
            } else {
                return middle;
            }
        }
        return -low - 1;
    }

    /** Adds an extent, or puts it in the place of the one with its number, which is returned. */
    Extent put(Extent extent) {
        State now = state;
        int index = indexOf(now, extent.number);
        if (index >= 0) {
            Extent[] copy = Arrays.copyOf(now.sorted, now.sorted.length);
            Extent replaced = copy[index];
            copy[index] = extent;
            state = new State(copy, now.from, now.to);
            return replaced;
        }
        int place = -index - 1;
        if (place == now.to && now.to < now.sorted.length) {
            now.sorted[place] = extent;
            state = new State(now.sorted, now.from, now.to + 1);
            return null;
        }
        int count = now.to - now.from;
        Extent[] grown = new Extent[Math.max(2, 2 * (count + 1))];
        int before = place - now.from;
        System.arraycopy(now.sorted, now.from, grown, 0, before);
        grown[before] = extent;
        System.arraycopy(now.sorted, place, grown, before + 1, now.to - place);
        state = new State(grown, 0, count + 1);
        return null;
    }

    /** Takes away and returns the extents whose number is below the given one, but for those to be kept. */
    List<Extent> removeBelow(long number, Predicate<Extent> isKept) {
        State now = state;
        int end = now.from;
        List<Extent> removed = new ArrayList<>();
        List<Extent> kept = new ArrayList<>();
        for (; end < now.to && now.sorted[end].number < number; end++) {
            Extent extent = now.sorted[end];
            (isKept.test(extent) ? kept : removed).add(extent);
        }
        if (removed.isEmpty()) {
            return removed;
        }
        if (kept.isEmpty()) {
            state = end == now.to ? State.EMPTY : new State(now.sorted, end, now.to);
            return removed;
        }
        Extent[] left = kept.toArray(new Extent[kept.size() + now.to - end]);
        System.arraycopy(now.sorted, end, left, kept.size(), now.to - end);
        state = new State(left, 0, left.length);
        return removed;
    }

    void collect(IndexFile file, int firstSlot, int lastSlot, List<Extent> found) {
        State now = state;
        for (int index = now.from; index < now.to; index++) {
            Extent extent = now.sorted[index];
            if (extent.file == file && extent.slot >= firstSlot && extent.slot <= lastSlot) {
                found.add(extent);
            }
        }
    }

    /** Whether all numbers in the range, both inclusive, are there. */
    boolean covers(long first, long last) {
        State now = state;
        int from = indexOf(now, first);
        int to = indexOf(now, last);
        return from >= 0 && to >= 0 && to - from == last - first;
    }
}
