package io.forebay.storage.log;

import java.io.IOException;
import java.util.ArrayList;
import java.util.List;

/**
 * Fresh segments that take copies or rewrites and join the chain last: the first one keeps the state prepared until
 * everything in the run is forced; the others are linked to it at once, which means nothing as long as it is not.
 * Confined to one thread at a time.
 */
final class FreshRun {
    private final SegmentStore store;
    private final long epoch;
    private final List<Segment> segments = new ArrayList<>();
    /** Their header may say that they follow one of the run. */
    private final List<Segment> spoilt = new ArrayList<>();

    private Segment last;

    FreshRun(SegmentStore store, long epoch) {
        this.store = store;
        this.epoch = epoch;
    }

    List<Segment> segments() {
        return segments;
    }

    Segment last() {
        return last;
    }

    /** Takes the first segment if there is none yet. */
    void begin(long firstSequence, long durablePosition) throws IOException {
        if (last == null) {
            last = store.take(durablePosition);
            last.setOrigin(firstSequence, epoch);
            segments.add(last);
        }
    }

    /** Where a frame of that length goes. */
    long placeFor(int length, long firstSequence, long durablePosition) throws IOException {
        begin(firstSequence, durablePosition);
        if (length > last.limit() - last.end()) {
            Segment next = store.take(durablePosition);
            next.setOrigin(firstSequence, epoch);
            try {
                next.writeHeader(store.linkedHeader(next, durablePosition, last.base(), last.end(), firstSequence));
            } catch (IOException e) {
                spoilt.add(next);
                throw e;
            }
            segments.add(next);
            last = next;
        }
        return last.end();
    }

    /** Writes a frame at the place just asked for. */
    void write(byte[] image, int at, int length) throws IOException {
        long position = last.end();
        last.file().write(position - last.base(), image, at, length);
        last.setEnd(position + length);
    }

    /** Forces everything; only then {@link #link} may follow. */
    void force() throws IOException {
        for (Segment segment : segments) {
            if (segment != segments.get(0)) {
                segment.forceHeader();
            }
            long bytes = segment.end() - segment.base();
            if (bytes > SegmentHeader.PAGE_BYTES) {
                segment.file().force(SegmentHeader.PAGE_BYTES, bytes - SegmentHeader.PAGE_BYTES);
            }
        }
    }

    /**
     * Joins the run to the chain. Its header still states what was durable before: it cannot vouch for itself. Whoever
     * writes next says that the run is.
     *
     * @param predecessorBase {@link SegmentHeader#NONE} if it is to be the chain's beginning
     */
    void link(long predecessorBase, long predecessorEnd, long durablePosition) throws IOException {
        Segment first = segments.get(0);
        first.writeHeader(
                store.linkedHeader(first, durablePosition, predecessorBase, predecessorEnd, first.firstSequence()));
        first.forceHeader();
        spoilt.forEach(store::giveUp);
        spoilt.clear();
    }

    /** Nothing in it counts, whether its link has reached the device or not. */
    void giveUp() {
        List<Segment> all = new ArrayList<>(segments);
        all.addAll(spoilt);
        store.giveUp(all);
    }
}
