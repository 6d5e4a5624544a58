package io.forebay.storage.log;

import java.util.Arrays;
import java.util.NoSuchElementException;
import java.util.PrimitiveIterator;
import java.util.function.LongConsumer;

/**
 * An immutable sorted set of queue offsets (0 … {@link #OFFSET_MAX}), kept as maximal ranges. Encoded as ranges or as
 * a bitmap, whichever is smaller:
 * <pre> empty   u8 form = 0
 * ranges  u8 form = 1 · varint rangeCount · i64 first · per range: varint (gap to the one before − 2, not for the
 *         first) · varint (count − 1)
 * bitmap  u8 form = 2 · i64 first · varint byteCount · bytes, bit 0 of byte 0 is {@code first} and is set, the last
 *         byte is not 0 </pre>
 * A gap is the difference between a range's first offset and the last of the one before, so at least 2.
 */
public final class OffsetSet {
    public static final long OFFSET_MAX = Long.MAX_VALUE - 1;

    private static final OffsetSet EMPTY = new OffsetSet(new long[0]);

    /** first0, last0, first1, last1 …, both inclusive, ascending, never adjacent. */
    private final long[] bounds;

    private OffsetSet(long[] bounds) {
        this.bounds = bounds;
    }

    public static OffsetSet empty() {
        return EMPTY;
    }

    public static OffsetSet of(long... offsets) {
        Builder builder = builder();
        for (long offset : offsets) {
            builder.add(offset);
        }
        return builder.build();
    }

    /** {@code count} offsets from {@code first} on. */
    public static OffsetSet range(long first, long count) {
        return count == 0 ? EMPTY : builder().addRange(first, count).build();
    }

    public static Builder builder() {
        return new Builder();
    }

    public boolean isEmpty() {
        return bounds.length == 0;
    }

    /** How many offsets the set holds; {@link Long#MAX_VALUE} at most. */
    public long count() {
        long count = 0;
        for (int index = 0; index < bounds.length; index += 2) {
            count += bounds[index + 1] - bounds[index] + 1;
        }
        return count;
    }

    public int rangeCount() {
        return bounds.length / 2;
    }

    /** First offset of a range. */
    public long rangeFirst(int rangeIndex) {
        return bounds[2 * rangeIndex];
    }

    /** Last offset of a range, inclusive. */
    public long rangeLast(int rangeIndex) {
        return bounds[2 * rangeIndex + 1];
    }

    /** @throws NoSuchElementException if the set is empty */
    public long first() {
        requireSome();
        return bounds[0];
    }

    /** @throws NoSuchElementException if the set is empty */
    public long last() {
        requireSome();
        return bounds[bounds.length - 1];
    }

    private void requireSome() {
        if (bounds.length == 0) {
            throw new NoSuchElementException("empty set of offsets");
        }
    }

    public boolean contains(long offset) {
        int found = Arrays.binarySearch(bounds, offset);
        // a bound itself is in the set; between two bounds it is if the one before is a range's first
        return found >= 0 || ((-found - 1) & 1) == 1;
    }

    public OffsetSet union(OffsetSet other) {
        if (other.isEmpty()) {
            return this;
        }
        if (isEmpty()) {
            return other;
        }
        Builder builder = new Builder(rangeCount() + other.rangeCount());
        int mine = 0;
        int theirs = 0;
        while (mine < bounds.length || theirs < other.bounds.length) {
            boolean takeMine =
                    theirs >= other.bounds.length || (mine < bounds.length && bounds[mine] <= other.bounds[theirs]);
            if (takeMine) {
                builder.addBounds(bounds[mine], bounds[mine + 1]);
                mine += 2;
            } else {
                builder.addBounds(other.bounds[theirs], other.bounds[theirs + 1]);
                theirs += 2;
            }
        }
        return builder.build();
    }

    /** What is in this set and not in the other. */
    public OffsetSet minus(OffsetSet other) {
        if (isEmpty() || other.isEmpty()) {
            return this;
        }
        Builder builder = new Builder(rangeCount() + other.rangeCount());
        int theirs = 0;
        for (int mine = 0; mine < bounds.length; mine += 2) {
            long first = bounds[mine];
            long last = bounds[mine + 1];
            while (theirs < other.bounds.length && other.bounds[theirs + 1] < first) {
                theirs += 2;
            }
            int cut = theirs;
            while (first <= last && cut < other.bounds.length && other.bounds[cut] <= last) {
                if (other.bounds[cut] > first) {
                    builder.addBounds(first, other.bounds[cut] - 1);
                }
                first = other.bounds[cut + 1] + 1;
                cut += 2;
            }
            if (first <= last) {
                builder.addBounds(first, last);
            }
        }
        return builder.build();
    }

    /** What is in this set and at or above {@code offset}. */
    public OffsetSet from(long offset) {
        if (isEmpty() || offset <= bounds[0]) {
            return this;
        }
        return minus(range(0, offset));
    }

    public void forEach(LongConsumer action) {
        for (int index = 0; index < bounds.length; index += 2) {
            for (long offset = bounds[index]; offset <= bounds[index + 1]; offset++) {
                action.accept(offset);
            }
        }
    }

    /** Ascending. */
    public PrimitiveIterator.OfLong iterator() {
        return new PrimitiveIterator.OfLong() {
            private int index;
            private long next = bounds.length == 0 ? 0 : bounds[0];

            @Override
            public boolean hasNext() {
                return index < bounds.length;
            }

            @Override
            public long nextLong() {
                if (!hasNext()) {
                    throw new NoSuchElementException("no offset is left");
                }
                long value = next;
                if (value == bounds[index + 1]) {
                    index += 2;
                    next = index < bounds.length ? bounds[index] : 0;
                } else {
                    next++;
                }
                return value;
            }
        };
    }

    /** @throws IllegalArgumentException if there are more than an array can hold */
    public long[] toArray() {
        long count = count();
        Fields.check(count <= Integer.MAX_VALUE - 8, "count", count, "at most 2147483639");
        long[] offsets = new long[(int) count];
        int index = 0;
        for (PrimitiveIterator.OfLong rest = iterator(); rest.hasNext(); ) {
            offsets[index++] = rest.nextLong();
        }
        return offsets;
    }

    int encodedBytes() {
        return OffsetSetCodec.encodedBytes(this);
    }

    /** Writes the smaller form and returns the place behind it. */
    int encode(byte[] target, int at) {
        return OffsetSetCodec.encode(this, target, at);
    }

    static OffsetSet decode(BodyReader in) throws CorruptRecordException {
        return OffsetSetCodec.decode(in);
    }

    /** The ranges' bounds, ascending and never adjacent; the array is kept. */
    static OffsetSet ofBounds(long[] bounds) {
        return new OffsetSet(bounds);
    }

    @Override
    public boolean equals(Object other) {
        return other instanceof OffsetSet that && Arrays.equals(bounds, that.bounds);
    }

    @Override
    public int hashCode() {
        return Arrays.hashCode(bounds);
    }

    /** As {@code {3, 5-9}}; long sets are cut. */
    @Override
    public String toString() {
        StringBuilder text = new StringBuilder("{");
        for (int index = 0; index < bounds.length; index += 2) {
            if (index > 0) {
                text.append(", ");
            }
            if (index == 64) {
                return text.append("… ")
                        .append(rangeCount() - 32)
                        .append(" more ranges}")
                        .toString();
            }
            text.append(bounds[index]);
            if (bounds[index + 1] > bounds[index]) {
                text.append('-').append(bounds[index + 1]);
            }
        }
        return text.append('}').toString();
    }

    /** Takes offsets in any order, repeated ones too; cheap when they come ascending. Not thread-safe. */
    public static final class Builder {
        private long[] bounds;
        private int length;
        private boolean isSorted = true;

        private Builder() {
            this(4);
        }

        private Builder(int ranges) {
            bounds = new long[2 * ranges];
        }

        /** @throws IllegalArgumentException if the offset is negative or beyond {@link OffsetSet#OFFSET_MAX} */
        public Builder add(long offset) {
            return addRange(offset, 1);
        }

        /** Adds {@code count} offsets from {@code first} on; none if the count is 0. */
        public Builder addRange(long first, long count) {
            Fields.notNegative("count of offsets", count);
            if (count > 0) {
                Fields.check(
                        first >= 0 && first <= OFFSET_MAX - (count - 1),
                        "first of " + count + " offsets",
                        first,
                        "0 to " + OFFSET_MAX);
                addBounds(first, first + count - 1);
            }
            return this;
        }

        public Builder addAll(OffsetSet offsets) {
            for (int index = 0; index < offsets.bounds.length; index += 2) {
                addBounds(offsets.bounds[index], offsets.bounds[index + 1]);
            }
            return this;
        }

        void addBounds(long first, long last) {
            if (length > 0 && isSorted) {
                long lastFirst = bounds[length - 2];
                long lastLast = bounds[length - 1];
                if (first >= lastFirst && first <= lastLast + 1) {
                    bounds[length - 1] = Math.max(lastLast, last);
                    return;
                }
                if (first < lastFirst) {
                    isSorted = false;
                }
            }
            if (length == bounds.length) {
                bounds = Arrays.copyOf(bounds, Math.max(8, length * 2));
            }
            bounds[length] = first;
            bounds[length + 1] = last;
            length += 2;
        }

        public boolean isEmpty() {
            return length == 0;
        }

        /** The builder may be used on; what is built does not change. */
        public OffsetSet build() {
            if (length == 0) {
                return EMPTY;
            }
            if (!isSorted) {
                sort();
            }
            return new OffsetSet(Arrays.copyOf(bounds, length));
        }

        private void sort() {
            long[][] ranges = new long[length / 2][];
            for (int index = 0; index < ranges.length; index++) {
                ranges[index] = new long[] {bounds[2 * index], bounds[2 * index + 1]};
            }
            Arrays.sort(ranges, (left, right) -> Long.compare(left[0], right[0]));
            length = 0;
            isSorted = true;
            for (long[] range : ranges) {
                addBounds(range[0], range[1]);
            }
        }
    }
}
