package io.forebay.storage.log;

import java.util.Map;
import java.util.TreeMap;
import org.roaringbitmap.RoaringBitmap;

/**
 * Offsets of a queue that nobody needs any more though some below them are needed. Two bytes for each that lies alone, less the
 * closer they lie, next to nothing for those that follow one another. It only grows, but for what is dropped because all
 * below is released. Thread-safe.
 */
final class DeadOffsets {
    private static final long PART_OFFSETS = 1L << 32;

    /** After so many more calls runs are packed: offsets that came one by one may have come to follow one another. */
    private static final int CALLS_UNTIL_PACKED = 4096;

    /** By the upper half of the offset. */
    private final TreeMap<Long, RoaringBitmap> parts = new TreeMap<>();

    private int callsUntilPacked = CALLS_UNTIL_PACKED;

    /** Those of the set from an offset on. */
    synchronized void add(OffsetSet offsets, long from) {
        for (int range = 0; range < offsets.rangeCount(); range++) {
            if (offsets.rangeLast(range) >= from) {
                add(Math.max(from, offsets.rangeFirst(range)), offsets.rangeLast(range));
            }
        }
        if (--callsUntilPacked == 0) {
            callsUntilPacked = CALLS_UNTIL_PACKED;
            parts.values().forEach(RoaringBitmap::runOptimize);
        }
    }

    private void add(long first, long last) {
        for (long at = first; at <= last; ) {
            long part = at >>> 32;
            long end = Math.min(last + 1, (part + 1) * PART_OFFSETS);
            RoaringBitmap bits = parts.computeIfAbsent(part, key -> new RoaringBitmap());
            if (end == at + 1) {
                bits.add((int) at);
            } else {
                bits.add(at - part * PART_OFFSETS, end - part * PART_OFFSETS);
            }
            at = end;
        }
    }

    synchronized boolean contains(long offset) {
        RoaringBitmap bits = parts.get(offset >>> 32);
        return bits != null && bits.contains((int) offset);
    }

    /** The lowest offset from there on that is not among them. */
    synchronized long nextAbsent(long from) {
        long at = from;
        while (true) {
            long part = at >>> 32;
            RoaringBitmap bits = parts.get(part);
            if (bits == null) {
                return at;
            }
            long absent = bits.nextAbsentValue((int) at);
            if (absent >= 0 && absent < PART_OFFSETS) {
                return part * PART_OFFSETS + absent;
            }
            at = (part + 1) * PART_OFFSETS;
        }
    }

    /** Forgets what lies below, because all of it is released. */
    synchronized void dropBelow(long offset) {
        parts.headMap(offset >>> 32).clear();
        Map.Entry<Long, RoaringBitmap> first = parts.firstEntry();
        if (first != null && first.getKey() == offset >>> 32) {
            first.getValue().remove(0L, offset & (PART_OFFSETS - 1));
            if (first.getValue().isEmpty()) {
                parts.remove(first.getKey());
            }
        }
    }

    /** Memory it takes, about. */
    synchronized long retainedBytes() {
        return parts.values().stream().mapToLong(RoaringBitmap::getLongSizeInBytes).sum();
    }
}
