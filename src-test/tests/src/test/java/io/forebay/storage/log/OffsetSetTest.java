package io.forebay.storage.log;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;

import java.util.ArrayList;
import java.util.List;
import java.util.NoSuchElementException;
import java.util.PrimitiveIterator;
import java.util.Set;
import java.util.TreeSet;
import net.jqwik.api.Arbitraries;
import net.jqwik.api.Arbitrary;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.Provide;
import org.junit.jupiter.api.Test;

/** Against a {@link TreeSet}. */
class OffsetSetTest {
    /** Dense and sparse ones, around 0, in the middle and at the upper end. */
    @Provide
    Arbitrary<Set<Long>> offsets() {
        Arbitrary<Long> base = Arbitraries.of(0L, 1L, 1_000_000_007L, OffsetSet.OFFSET_MAX - 5000);
        Arbitrary<Integer> spread = Arbitraries.of(5, 60, 1000, 5000);
        return base.flatMap(from -> spread.flatMap(width -> Arbitraries.longs()
                .between(from, from + width)
                .set()
                .ofMinSize(0)
                .ofMaxSize(200)));
    }

    private static OffsetSet setOf(Set<Long> offsets) {
        OffsetSet.Builder builder = OffsetSet.builder();
        offsets.forEach(builder::add);
        return builder.build();
    }

    private static List<Long> listOf(OffsetSet set) {
        List<Long> offsets = new ArrayList<>();
        set.forEach(offsets::add);
        return offsets;
    }

    @Property(tries = 400)
    void holdsWhatWasAddedInOrder(@ForAll("offsets") Set<Long> offsets) {
        OffsetSet set = setOf(offsets);
        TreeSet<Long> model = new TreeSet<>(offsets);
        assertThat(listOf(set)).containsExactlyElementsOf(model);
        List<Long> iterated = new ArrayList<>();
        for (PrimitiveIterator.OfLong rest = set.iterator(); rest.hasNext(); ) {
            iterated.add(rest.nextLong());
        }
        assertThat(iterated).containsExactlyElementsOf(model);
        assertThat(set.count()).isEqualTo(model.size());
        assertThat(set.isEmpty()).isEqualTo(model.isEmpty());
        for (long offset : model) {
            assertThat(set.contains(offset)).isTrue();
            assertThat(set.contains(offset + 1)).isEqualTo(model.contains(offset + 1));
            assertThat(set.contains(offset - 1)).isEqualTo(model.contains(offset - 1));
        }
        if (!model.isEmpty()) {
            assertThat(set.first()).isEqualTo(model.first());
            assertThat(set.last()).isEqualTo(model.last());
        }
        for (int range = 1; range < set.rangeCount(); range++) {
            assertThat(set.rangeFirst(range)).isGreaterThan(set.rangeLast(range - 1) + 1);
        }
    }

    @Property(tries = 400)
    void joinsAndCutsLikeASet(@ForAll("offsets") Set<Long> left, @ForAll("offsets") Set<Long> right) {
        TreeSet<Long> union = new TreeSet<>(left);
        union.addAll(right);
        assertThat(setOf(left).union(setOf(right))).isEqualTo(setOf(union)).hasSameHashCodeAs(setOf(union));
        TreeSet<Long> rest = new TreeSet<>(left);
        rest.removeAll(right);
        assertThat(setOf(left).minus(setOf(right))).isEqualTo(setOf(rest));
        long middle = left.stream().skip(left.size() / 2).findFirst().orElse(7L);
        assertThat(setOf(left).from(middle)).isEqualTo(setOf(new TreeSet<>(left).tailSet(middle)));
    }

    @Property(tries = 600)
    void isReadBackFromTheSmallerForm(@ForAll("offsets") Set<Long> offsets) throws Exception {
        OffsetSet set = setOf(offsets);
        byte[] bytes = new byte[set.encodedBytes()];
        assertThat(set.encode(bytes, 0)).isEqualTo(bytes.length);
        BodyReader in = new BodyReader("offsets", bytes, 0, bytes.length);
        assertThat(OffsetSet.decode(in)).isEqualTo(set);
        in.end();
        if (!set.isEmpty()) {
            long bitmap = 1 + 8 + 3 + (set.last() - set.first()) / 8 + 1;
            assertThat((long) bytes.length).isLessThanOrEqualTo(Math.min(bitmap, 12 + 4L * set.rangeCount()));
        }
    }

    @Test
    void sparseOnesTakeBytesDenseOnesTakeBits() {
        assertThat(OffsetSet.empty().encodedBytes()).isEqualTo(1);
        assertThat(OffsetSet.range(1L << 40, 1_000_000).encodedBytes()).isLessThan(16);
        assertThat(RecordSamples.everyOther(0, 8000).encodedBytes()).isEqualTo(1 + 8 + 2 + 2000);
        assertThat(OffsetSet.of(5, 1L << 50).encodedBytes()).isLessThan(24);
    }

    @Test
    void refusesWhatIsNoOffset() {
        assertThatIllegalArgumentException().isThrownBy(() -> OffsetSet.of(-1));
        assertThatIllegalArgumentException().isThrownBy(() -> OffsetSet.of(Long.MAX_VALUE));
        assertThatIllegalArgumentException().isThrownBy(() -> OffsetSet.range(OffsetSet.OFFSET_MAX, 2));
        assertThatIllegalArgumentException().isThrownBy(() -> OffsetSet.range(3, -1));
        assertThat(OffsetSet.of(OffsetSet.OFFSET_MAX).toArray()).containsExactly(OffsetSet.OFFSET_MAX);
        assertThatExceptionOfType(NoSuchElementException.class).isThrownBy(OffsetSet.empty()::first);
        assertThatExceptionOfType(NoSuchElementException.class)
                .isThrownBy(() -> OffsetSet.empty().iterator().nextLong());
    }

    @Test
    void refusesFormsThatItWouldNotWrite() {
        byte[][] wrong = {
            {},
            {3},
            {1, 0, 0, 0, 0, 0, 0, 0, 0, 0}, // no range
            {1, 1, 0, 0, 0, 0, 0, 0, 0, (byte) 0x80, 0}, // negative first and a long zero
            {1, 1, 0, 0, 0, 0, 0, 0, 0, 0, (byte) 0x80, 0}, // a count longer than need be
            {1, 1, -1, -1, -1, -1, -1, -1, -1, 0x7F, 0}, // beyond the highest offset
            {1, 1, -2, -1, -1, -1, -1, -1, -1, 0x7F, 1}, // reaches beyond it
            {1, 2, 5, 0, 0, 0, 0, 0, 0, 0, 0, 0}, // the second range is cut
            {2, 5, 0, 0, 0, 0, 0, 0, 0, 0}, // empty bitmap
            {2, 5, 0, 0, 0, 0, 0, 0, 0, 1, 2}, // does not begin with an offset
            {2, 5, 0, 0, 0, 0, 0, 0, 0, 2, 1, 0}, // does not end with one
            {2, 5, 0, 0, 0, 0, 0, 0, 0, 9, 1}, // longer than what is there
        };
        for (byte[] bytes : wrong) {
            assertThatExceptionOfType(CorruptRecordException.class)
                    .as(java.util.Arrays.toString(bytes))
                    .isThrownBy(() -> LogRecord.decode(RecordType.ACK, 1, bytes, 0, bytes.length));
        }
    }

    @Test
    void printsRanges() {
        assertThat(OffsetSet.of(9, 3, 5, 6, 7).toString()).isEqualTo("{3, 5-7, 9}");
        assertThat(OffsetSet.empty().toString()).isEqualTo("{}");
        assertThat(RecordSamples.everyOther(0, 100).toString())
                .contains("68 more ranges")
                .hasSizeLessThan(200);
    }

    @Test
    void aBuilderMayBeUsedOn() {
        OffsetSet.Builder builder = OffsetSet.builder().addRange(10, 5);
        OffsetSet first = builder.build();
        OffsetSet second = builder.add(3).addAll(OffsetSet.of(15, 20)).build();
        assertThat(first).isEqualTo(OffsetSet.range(10, 5));
        assertThat(second).isEqualTo(OffsetSet.of(3, 10, 11, 12, 13, 14, 15, 20));
    }
}
