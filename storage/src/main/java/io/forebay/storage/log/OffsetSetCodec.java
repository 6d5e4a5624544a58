package io.forebay.storage.log;

import io.forebay.storage.io.LittleEndian;
import java.util.Arrays;

/** Sets of offsets as bytes; the layout stands at {@link OffsetSet}. */
final class OffsetSetCodec {
    private static final int FORM_EMPTY = 0;
    private static final int FORM_RANGES = 1;
    private static final int FORM_BITMAP = 2;

    private OffsetSetCodec() {}

    static int encodedBytes(OffsetSet set) {
        return set.isEmpty() ? 1 : (int) Math.min(rangesBytes(set), bitmapBytes(set));
    }

    private static long rangesBytes(OffsetSet set) {
        long bytes = 1L + BodyWriter.varintBytes(set.rangeCount()) + 8;
        for (int index = 0; index < set.rangeCount(); index++) {
            if (index > 0) {
                bytes += BodyWriter.varintBytes(set.rangeFirst(index) - set.rangeLast(index - 1) - 2);
            }
            bytes += BodyWriter.varintBytes(set.rangeLast(index) - set.rangeFirst(index));
        }
        return bytes;
    }

    private static long bitmapBytes(OffsetSet set) {
        long bytes = (set.last() - set.first()) / 8 + 1;
        return 1 + 8 + BodyWriter.varintBytes(bytes) + bytes;
    }

    /** Writes the smaller form and returns the place behind it. */
    static int encode(OffsetSet set, byte[] target, int at) {
        BodyWriter out = new BodyWriter(target, at);
        if (set.isEmpty()) {
            return out.u8(FORM_EMPTY).at();
        }
        if (bitmapBytes(set) < rangesBytes(set)) {
            return encodeBitmap(set, target, out);
        }
        out.u8(FORM_RANGES).varint(set.rangeCount()).i64(set.first());
        for (int index = 0; index < set.rangeCount(); index++) {
            if (index > 0) {
                out.varint(set.rangeFirst(index) - set.rangeLast(index - 1) - 2);
            }
            out.varint(set.rangeLast(index) - set.rangeFirst(index));
        }
        return out.at();
    }

    private static int encodeBitmap(OffsetSet set, byte[] target, BodyWriter out) {
        long first = set.first();
        int bytes = (int) ((set.last() - first) / 8 + 1);
        out.u8(FORM_BITMAP).i64(first).varint(bytes);
        int at = out.at();
        Arrays.fill(target, at, at + bytes, (byte) 0);
        for (int index = 0; index < set.rangeCount(); index++) {
            for (long offset = set.rangeFirst(index); offset <= set.rangeLast(index); offset++) {
                int bit = (int) (offset - first);
                target[at + (bit >>> 3)] |= (byte) (1 << (bit & 7));
            }
        }
        return at + bytes;
    }

    static OffsetSet decode(BodyReader in) throws CorruptRecordException {
        int form = in.u8();
        switch (form) {
            case FORM_EMPTY:
                return OffsetSet.empty();
            case FORM_RANGES:
                return decodeRanges(in);
            case FORM_BITMAP:
                return decodeBitmap(in);
            default:
                throw in.corrupt("form " + form + " of a set of offsets is not known");
        }
    }

    private static OffsetSet decodeRanges(BodyReader in) throws CorruptRecordException {
        long count = in.varint();
        if (count < 1 || count > in.remaining()) {
            throw in.corrupt("count " + count + " of ranges does not fit");
        }
        long first = in.i64();
        if (first < 0 || first > OffsetSet.OFFSET_MAX) {
            throw in.corrupt("offset " + first + " is not one");
        }
        if (count > in.remaining()) {
            throw in.corrupt("count " + count + " of ranges does not fit");
        }
        long[] bounds = new long[(int) count * 2];
        for (int index = 0; index < bounds.length; index += 2) {
            if (index > 0) {
                first = advanced(in, bounds[index - 1], in.varint(), 2);
            }
            bounds[index] = first;
            bounds[index + 1] = advanced(in, first, in.varint(), 0);
        }
        return OffsetSet.ofBounds(bounds);
    }

    private static long advanced(BodyReader in, long from, long by, int more) throws CorruptRecordException {
        if (by > OffsetSet.OFFSET_MAX - from - more) {
            throw in.corrupt("range reaches beyond the highest offset: " + from + " and " + by + " more");
        }
        return from + by + more;
    }

    private static OffsetSet decodeBitmap(BodyReader in) throws CorruptRecordException {
        long first = in.i64();
        long bytes = in.varint();
        if (bytes < 1 || bytes > in.remaining()) {
            throw in.corrupt("bitmap of " + bytes + " bytes does not fit");
        }
        if (first < 0 || first > OffsetSet.OFFSET_MAX - 8 * bytes) {
            throw in.corrupt("offset " + first + " is not one");
        }
        byte[] source = in.source();
        int at = in.at();
        int end = at + (int) bytes;
        if ((source[at] & 1) == 0 || source[end - 1] == 0) {
            throw in.corrupt("bitmap does not begin or end with an offset");
        }
        OffsetSet.Builder builder = OffsetSet.builder();
        long base = first;
        for (int index = at; index < end; index++, base += 8) {
            int bits = LittleEndian.getUnsignedByte(source, index);
            while (bits != 0) {
                int low = Integer.numberOfTrailingZeros(bits);
                int run = Integer.numberOfTrailingZeros(~(bits >>> low));
                builder.addBounds(base + low, base + low + run - 1);
                bits &= ~(((1 << run) - 1) << low);
            }
        }
        in.bytesSkipped((int) bytes);
        return builder.build();
    }
}
