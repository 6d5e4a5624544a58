package io.forebay.storage.log;

import io.forebay.storage.index.IndexEntry;
import io.forebay.storage.index.QueueIndex;
import java.io.IOException;

/**
 * Finds in the log what the index does not know any more, because an entry of it is damaged or leads nowhere, and tells the
 * index. Reads cold, and as much as lies between the messages before and behind; what cleaning has moved may be anywhere in
 * the segments that hold such. Confined to one reader.
 */
final class EntrySearch {
    /** So many entries in a row may be damaged; beyond that the search goes on to the log's beginning or end. */
    private static final int NEIGHBOURS = 4096;

    /** Where a record lies: its frame's position, its number and size in it. */
    private record Place(long position, int ordinal, int recordBytes, int tagHash, boolean isMoved) {}

    private final StripeLog log;
    private final QueueMarks queue;
    private final QueueIndex index;
    private final SegmentStore segments;
    private final IndexEntry neighbour = new IndexEntry();
    private final RecordView view = new RecordView();

    EntrySearch(StripeLog log, QueueMarks queue, QueueIndex index, SegmentStore segments) {
        this.log = log;
        this.queue = queue;
        this.index = index;
        this.segments = segments;
    }

    /**
     * For an entry that is sound, and leads to a place of which no segment is left.
     *
     * @param position that place
     * @return whether the message is stored elsewhere, and the index leads there now
     */
    boolean replace(long offset, long position) throws IOException {
        Place place = find(offset);
        return place != null
                && index.repoint(
                        queue.queueId(),
                        offset,
                        position,
                        place.position,
                        place.ordinal,
                        place.recordBytes,
                        place.isMoved);
    }

    /**
     * For an entry that is damaged.
     *
     * @return whether the message is stored, and the index has an entry for it again
     */
    boolean restore(long offset) throws IOException {
        Place place = find(offset);
        return place != null
                && index.restore(
                        queue.queueId(),
                        offset,
                        place.position,
                        place.ordinal,
                        place.recordBytes,
                        place.tagHash,
                        place.isMoved);
    }

    /** @return null if no segment holds it */
    private Place find(long offset) throws IOException {
        long from = positionBelow(offset);
        long to = positionAbove(offset);
        FrameWindow window = new FrameWindow();
        for (Segment segment : segments.live()) {
            boolean isBetween = segment.end() > from && segment.base() <= to;
            Place place = isBetween ? find(offset, segment, from, to, window) : null;
            if (place != null) {
                return place;
            }
        }
        for (Segment segment : segments.live()) {
            Place place = segment.holdsMoved() ? find(offset, segment, 0, Long.MAX_VALUE, window) : null;
            if (place != null) {
                return place;
            }
        }
        return null;
    }

    /** Of the nearest earlier message that lies where it was written: messages of a queue do so in order. */
    private long positionBelow(long offset) throws IOException {
        for (long below = offset - 1; below >= 0 && below >= offset - NEIGHBOURS; below--) {
            if (index.lookup(queue.queueId(), below, neighbour) && !neighbour.isMoved()) {
                return neighbour.position();
            }
        }
        return 0;
    }

    private long positionAbove(long offset) throws IOException {
        for (long above = offset + 1; above < queue.nextOffset() && above <= offset + NEIGHBOURS; above++) {
            if (index.lookup(queue.queueId(), above, neighbour) && !neighbour.isMoved()) {
                return neighbour.position();
            }
        }
        return Long.MAX_VALUE;
    }

    private Place find(long offset, Segment segment, long from, long to, FrameWindow window) throws IOException {
        if (!segment.lease()) {
            return null; // nothing in it is needed
        }
        try {
            long end = Math.min(segment.end(), log.readableEnd());
            long at = Math.max(segment.firstPosition(), from);
            for (at = window.nextFrame(segment.file(), segment.base(), at, end);
                    at < end && at <= to;
                    at = window.nextFrame(segment.file(), segment.base(), at, end)) {
                Place place = findInFrame(offset, at, window);
                if (place != null) {
                    return place;
                }
                at += FrameCodec.length(window.bytes(), window.at());
            }
            return null;
        } finally {
            segment.release();
        }
    }

    private Place findInFrame(long offset, long position, FrameWindow window) {
        byte[] bytes = window.bytes();
        int recordAt = window.at() + FrameCodec.HEADER_BYTES;
        for (int ordinal = 0; ordinal < FrameCodec.recordCount(bytes, window.at()); ordinal++) {
            view.wrap(bytes, window.at(), recordAt, ordinal);
            if (view.queueId() == queue.queueId() && view.queueOffset() == offset) {
                return new Place(position, ordinal, view.lengthBytes(), view.tagHash(), view.isMoved());
            }
            recordAt += view.lengthBytes();
        }
        return null;
    }
}
