package io.forebay.storage.log;

import java.util.ArrayList;
import java.util.List;

/**
 * Consecutive offsets that went out in one Pop with the same attempt number.
 * <pre> byte 0  i64 firstOffset · byte 8  i32 count, 1 or more · byte 12  i32 attempt, 1 or more </pre>
 */
public record DeliveryRange(long firstOffset, int count, int attempt) {
    static final int BYTES = 16;

    public DeliveryRange {
        Fields.positive("count", count);
        Fields.positive("attempt", attempt);
        Fields.check(
                firstOffset >= 0 && firstOffset <= OffsetSet.OFFSET_MAX - (count - 1),
                "firstOffset",
                firstOffset,
                "0 to " + OffsetSet.OFFSET_MAX);
    }

    /** Inclusive. */
    public long lastOffset() {
        return firstOffset + count - 1;
    }

    /** i32 count, then the ranges. */
    static void encode(BodyWriter out, List<DeliveryRange> ranges) {
        out.i32(ranges.size());
        for (DeliveryRange range : ranges) {
            out.i64(range.firstOffset).i32(range.count).i32(range.attempt);
        }
    }

    static int encodedBytes(List<DeliveryRange> ranges) {
        return 4 + BYTES * ranges.size();
    }

    static List<DeliveryRange> decode(BodyReader in) throws CorruptRecordException {
        int count = in.count(BYTES);
        List<DeliveryRange> ranges = new ArrayList<>(count);
        for (int index = 0; index < count; index++) {
            ranges.add(new DeliveryRange(in.i64(), in.i32(), in.i32()));
        }
        return ranges;
    }
}
