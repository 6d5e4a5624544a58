package io.forebay.storage.log;

/**
 * Plain values of one stripe.
 *
 * @param stripeId number of the stripe within its node, kept in every segment header
 * @param segmentBytes size of new segments, header page included; a multiple of 4096 from 64 KiB to 1 GiB
 * @param indexExtentEntries entries of a queue index extent
 * @param indexFileBytes size of one file of extents
 * @param spareSegments cleaned segments that are always kept for reuse instead of being deleted
 * @param spareSegmentsMax those kept, at most, while segments are used up quickly; at least {@code spareSegments}
 */
public record StripeOptions(
        int stripeId,
        int segmentBytes,
        int indexExtentEntries,
        int indexFileBytes,
        int spareSegments,
        int spareSegmentsMax) {
    public static final int SEGMENT_BYTES_MIN = 64 * 1024;
    public static final int SEGMENT_BYTES_MAX = 1 << 30;

    public StripeOptions {
        if (segmentBytes < SEGMENT_BYTES_MIN || segmentBytes > SEGMENT_BYTES_MAX || segmentBytes % 4096 != 0) {
            throw new IllegalArgumentException("segmentBytes " + segmentBytes + ": a multiple of 4096 from "
                    + SEGMENT_BYTES_MIN + " to " + SEGMENT_BYTES_MAX);
        }
        if (stripeId < 0 || indexExtentEntries < 1 || indexFileBytes < 4096 || spareSegments < 0) {
            throw new IllegalArgumentException("stripe " + stripeId + ", extents of " + indexExtentEntries
                    + " entries in files of " + indexFileBytes + " bytes, " + spareSegments + " spare segments");
        }
        if (spareSegmentsMax < spareSegments) {
            throw new IllegalArgumentException("spareSegmentsMax " + spareSegmentsMax + ": at least " + spareSegments);
        }
    }

    /** As many spare segments whatever is used up. */
    public StripeOptions(
            int stripeId, int segmentBytes, int indexExtentEntries, int indexFileBytes, int spareSegments) {
        this(stripeId, segmentBytes, indexExtentEntries, indexFileBytes, spareSegments, spareSegments);
    }

    /** Sensible sizes for the stripe of a node. */
    public static StripeOptions of(int stripeId) {
        return new StripeOptions(stripeId, 64 << 20, 1024, 8 << 20, 2, 16);
    }

    public StripeOptions withSegmentBytes(int bytes) {
        return new StripeOptions(stripeId, bytes, indexExtentEntries, indexFileBytes, spareSegments, spareSegmentsMax);
    }

    public StripeOptions withIndexExtentEntries(int entries) {
        return new StripeOptions(stripeId, segmentBytes, entries, indexFileBytes, spareSegments, spareSegmentsMax);
    }

    public StripeOptions withIndexFileBytes(int bytes) {
        return new StripeOptions(stripeId, segmentBytes, indexExtentEntries, bytes, spareSegments, spareSegmentsMax);
    }

    public StripeOptions withSpareSegments(int count, int max) {
        return new StripeOptions(stripeId, segmentBytes, indexExtentEntries, indexFileBytes, count, max);
    }
}
