package io.forebay.storage.log;

import io.forebay.storage.index.IndexEntry;
import io.forebay.storage.index.QueueIndex;
import io.forebay.storage.log.StripeException.Reason;
import java.io.IOException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.HashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;

/**
 * Finds segments that little is needed of, and what that is: records with an offset that the index sends readers to and that
 * are not released, or are named as a body. Blocking threads, one at a time, beside the StoreWriter.
 */
final class Evacuator {
    /** From so many of the newest segments nothing is moved: what is in them may go soon by itself. */
    static final int NEWEST_KEPT = 4;

    /** How many segments one plan looks at, and how many that only copies keep it may look at besides. */
    private static final int LOOKS_MAX = 4;

    /** How many places of a segment are looked at, and how much at each; a smaller segment is read as a whole. */
    private static final int SAMPLES = 32;

    private static final int SAMPLE_BYTES = 64 * 1024;

    private final LogState state;
    private final SegmentStore segments;
    private final QueueIndex index;
    private final BodyPins pins;
    private final Map<Integer, QueueMarks> marks;
    private final Checkpointing checkpointing;
    /** The newest one. */
    private volatile Evacuation current;

    /**
     * What tells that less is needed than before: both only grow.
     *
     * @param neededFrom {@link Checkpointing#neededFrom()}
     * @param releasedInAll {@link QueueMarks#releasedInAll}
     */
    record Known(long neededFrom, long releasedInAll) {}

    Evacuator(
            LogState state,
            SegmentStore segments,
            QueueIndex index,
            BodyPins pins,
            Map<Integer, QueueMarks> marks,
            Checkpointing checkpointing) {
        this.state = state;
        this.segments = segments;
        this.index = index;
        this.pins = pins;
        this.marks = marks;
        this.checkpointing = checkpointing;
    }

    long generation() {
        return state.generation;
    }

    long durablePosition() {
        return state.durablePosition;
    }

    /** Whether the index may be about to name copies in the segment. The StoreWriter's thread. */
    boolean isUnsettledIn(Segment segment) {
        Evacuation last = current;
        return last != null && last.isUnsettledIn(segment);
    }

    /** The log is closed: lets go of the segment that is being evacuated. No call of the evacuation meanwhile. */
    void close() {
        Evacuation last = current;
        if (last != null) {
            last.close();
        }
    }

    /** What is needed, as of one moment: never less than what is needed later of records that were there. */
    final class Use {
        private final Map<Integer, Long> releasedBelow = new HashMap<>();
        private Map<Integer, long[]> pinned;
        private final IndexEntry entry = new IndexEntry();
        private final FrameWindow window = new FrameWindow(SAMPLE_BYTES);
        private final RecordView view = new RecordView();

        private Use() {
            refresh();
        }

        private void refresh() {
            // In this order: a body is pinned before its own queue releases it.
            releasedBelow.clear();
            marks.forEach((queueId, queue) -> releasedBelow.put(queueId, queue.releasedBelow()));
            pinned = pins.bodies();
        }

        /**
         * Whether the message in the view, which lies in the frame at that position, is needed there.
         *
         * @throws StripeException if it is needed and the index does not know where it is
         */
        private boolean isNeeded(RecordView record, long position) throws IOException {
            if (!record.hasOffset()) {
                return false;
            }
            int queueId = record.queueId();
            long offset = record.queueOffset();
            if (!isNeeded(queueId, offset)) {
                return false;
            }
            if (!index.lookup(queueId, offset, entry)) {
                // Perhaps it was released since, and a checkpoint has let go of its entry.
                refresh();
                if (!isNeeded(queueId, offset)) {
                    return false;
                }
                throw new StripeException(
                        Reason.CORRUPT, "the queue index has no entry for offset " + offset + " of queue " + queueId);
            }
            if (entry.position() != position && segments.find(entry.position()) == null) {
                // An old entry, and this may be the place that it should name. Whoever reads it puts that right.
                throw new StripeException(
                        Reason.CORRUPT,
                        "the queue index has offset " + offset + " of queue " + queueId + " at " + entry.position()
                                + ", where no segment is");
            }
            return entry.position() == position;
        }

        private boolean isNeeded(int queueId, long offset) {
            Long released = releasedBelow.get(queueId);
            if (released != null && offset >= released) {
                // In a reserved queue no entry names a body, so that there what was released meanwhile is gone, too.
                return !Owner.isReserved(queueId) || isNeededAlone(queueId, offset);
            }
            long[] offsets = pinned.get(queueId);
            return offsets != null && Arrays.binarySearch(offsets, offset) >= 0;
        }
    }

    private boolean isNeededAlone(int queueId, long offset) {
        QueueMarks queue = marks.get(queueId);
        return queue != null && !queue.isReleased(offset);
    }

    /**
     * Chooses the emptiest of the segments it has looked at, the oldest of several.
     *
     * @param livePercentMax how much of the file may still be needed
     * @param appendedBytes what the log has taken so far
     * @return null if there is none; else to be closed
     */
    Evacuation plan(int livePercentMax, long appendedBytes) throws IOException {
        Known known = known(); // before what is needed, so that what is released in between is looked at again
        List<Segment> candidates = candidates();
        if (candidates.isEmpty()) {
            return null;
        }
        Use use = new Use();
        for (Segment segment : toLookAt(candidates, known)) {
            look(segment, use, appendedBytes);
            segment.use.known = known;
        }
        Segment best = null;
        for (Segment segment : candidates) {
            int live = segment.use.livePermille;
            int liveMax = isOld(segment, segments.live()) ? livePercentMax * 10 : 0;
            if (!segment.use.isOdd
                    && live != SegmentUse.UNKNOWN
                    && live <= liveMax
                    && (best == null || live < best.use.livePermille)) {
                best = segment;
            }
        }
        if (best == null || !best.lease()) {
            return null;
        }
        current = new Evacuation(this, best, state.generation, use);
        return current;
    }

    /**
     * Those looked at longest ago, and some of those that copies keep, perhaps for nobody: nothing but a look frees these. On a
     * stripe that works all of these are due all the time, so they must not take the place of others.
     */
    private Set<Segment> toLookAt(List<Segment> candidates, Known known) {
        List<Segment> byAge = new ArrayList<>(candidates);
        byAge.sort(Comparator.comparingLong(segment -> segment.use.lookedAtBytes));
        Set<Segment> chosen = new LinkedHashSet<>(byAge.subList(0, Math.min(LOOKS_MAX, byAge.size())));
        byAge.stream()
                .filter(segment -> isLookDue(segment, known))
                .limit(LOOKS_MAX)
                .forEach(chosen::add);
        return chosen;
    }

    /** Not those that the next checkpoint frees anyway; of the newest only those that copies alone keep. */
    private List<Segment> candidates() {
        List<Segment> found = new ArrayList<>();
        Segment[] live = segments.live();
        for (Segment segment : unreplayed(live)) {
            boolean isFree = segment.end() <= checkpointing.neededFrom() && !segment.holdsMoved();
            if (!isFree && !segment.use.isOdd && (isOld(segment, live) || isKeptByCopies(segment))) {
                found.add(segment);
            }
        }
        return found;
    }

    /** Older than the replay start, and not evacuated yet. */
    private List<Segment> unreplayed(Segment[] live) {
        long replayPosition = checkpointing.replayPosition();
        List<Segment> found = new ArrayList<>();
        if (replayPosition < 0) {
            return found;
        }
        Segment replayed = segments.floor(replayPosition);
        for (int at = 0; at < live.length - 1 && live[at] != replayed; at++) {
            if (!live[at].isEvacuated()) {
                found.add(live[at]);
            }
        }
        return found;
    }

    private static boolean isOld(Segment segment, Segment[] live) {
        return live.length > NEWEST_KEPT && segment.base() < live[live.length - NEWEST_KEPT].base();
    }

    /** Nothing is needed of it where it was written first, and no checkpoint knows what is needed of the copies in it. */
    private boolean isKeptByCopies(Segment segment) {
        return segment.holdsMoved() && segment.end() <= checkpointing.neededFrom();
    }

    /** Whether copies alone keep a segment, perhaps for nobody since it was looked at. Any thread. */
    boolean isSegmentKeptByCopies() {
        Known known = known();
        return unreplayed(segments.live()).stream().anyMatch(segment -> isLookDue(segment, known));
    }

    private boolean isLookDue(Segment segment, Known known) {
        return isKeptByCopies(segment) && !segment.use.isOdd && !known.equals(segment.use.known);
    }

    private Known known() {
        return new Known(checkpointing.neededFrom(), QueueMarks.releasedInAll(marks.values()));
    }

    private void look(Segment segment, Use use, long appendedBytes) {
        if (!segment.lease()) {
            return;
        }
        try {
            segment.use.livePermille = livePermille(segment, use);
        } catch (IOException e) {
            segment.use.isOdd = true;
        } finally {
            segment.release();
        }
        segment.use.lookedAtBytes = appendedBytes;
    }

    /** Of the whole file, room that was never used included; estimated from some places if it is large. */
    private int livePermille(Segment segment, Use use) throws IOException {
        long first = segment.firstPosition();
        long used = segment.end() - first;
        long[] sums = new long[2];
        if (used <= 2L * SAMPLES * SAMPLE_BYTES) {
            look(segment, use, first, segment.end(), sums);
        } else {
            for (int sample = 0; sample < SAMPLES; sample++) {
                long from = first + (used - SAMPLE_BYTES) / SAMPLES * sample / 8 * 8;
                look(segment, use, from, from + SAMPLE_BYTES, sums);
            }
        }
        if (sums[1] == 0) {
            return 0;
        }
        double share = (double) sums[0] / sums[1];
        return (int) Math.ceil(1000 * share * used / segment.sizeBytes());
    }

    /** Adds what is needed, and what there is, of the frames that begin in a stretch; of the first one at least. */
    private void look(Segment segment, Use use, long from, long to, long[] sums) throws IOException {
        FrameWindow window = use.window;
        long end = segment.end();
        long at = window.nextFrame(segment.file(), segment.base(), from, end);
        boolean isFirst = true;
        while (at < end && (at < to || isFirst)) {
            isFirst = false;
            byte[] bytes = window.bytes();
            int frameAt = window.at();
            int recordAt = frameAt + FrameCodec.HEADER_BYTES;
            for (int ordinal = 0; ordinal < FrameCodec.recordCount(bytes, frameAt); ordinal++) {
                use.view.wrap(bytes, frameAt, recordAt, ordinal);
                recordAt += use.view.lengthBytes();
                sums[0] += use.isNeeded(use.view, at) ? use.view.lengthBytes() : 0;
            }
            int length = FrameCodec.length(bytes, frameAt);
            sums[1] += length;
            at = window.nextFrame(segment.file(), segment.base(), at + length, end);
        }
    }

    /** The next batch of an evacuation, or null. */
    MovedBatch read(Evacuation evacuation, int bytesMax) throws IOException {
        Segment source = evacuation.source;
        try {
            return readBatch(evacuation, bytesMax);
        } catch (IOException e) {
            source.use.isOdd = true;
            throw new StripeException(
                    Reason.CORRUPT, source + " stays as it is: position " + evacuation.at + ": " + e.getMessage(), e);
        }
    }

    private MovedBatch readBatch(Evacuation evacuation, int bytesMax) throws IOException {
        Segment source = evacuation.source;
        Use use = evacuation.use;
        FrameWindow window = use.window;
        MovedBatch batch = new MovedBatch(evacuation, bytesMax);
        while (evacuation.at < source.end()) {
            String problem = window.check(source.file(), source.base(), evacuation.at, source.end() - evacuation.at);
            if (problem != null) {
                throw new StripeException(Reason.CORRUPT, problem);
            }
            byte[] bytes = window.bytes();
            int frameAt = window.at();
            int recordAt = frameAt + FrameCodec.HEADER_BYTES;
            int count = FrameCodec.recordCount(bytes, frameAt);
            for (int ordinal = 0; ordinal < count; ordinal++) {
                use.view.wrap(bytes, frameAt, recordAt, ordinal);
                recordAt += use.view.lengthBytes();
                if (ordinal >= evacuation.ordinal && use.isNeeded(use.view, evacuation.at)) {
                    if (!hasRoom(batch, use.view, bytesMax)) {
                        evacuation.ordinal = ordinal;
                        return batch;
                    }
                    batch.add(use.view, evacuation.at);
                }
            }
            evacuation.ordinal = 0;
            evacuation.at += FrameCodec.length(bytes, frameAt);
        }
        return batch.count() == 0 ? null : batch;
    }

    private boolean hasRoom(MovedBatch batch, RecordView record, int bytesMax) throws StripeException {
        int bytes = MovedBatch.bytesOf(record);
        boolean isFitting = batch.lengthBytes() + bytes <= state.options.segmentBytes() - SegmentHeader.PAGE_BYTES;
        if (batch.count() == 0 && !isFitting) {
            throw new StripeException(
                    Reason.FRAME_TOO_LARGE, "a record of " + record.lengthBytes() + " bytes is too large to be moved");
        }
        return batch.count() == 0 || (isFitting && !batch.isFull(bytesMax));
    }

    void repoint(Evacuation evacuation, List<MovedBatch> batches, List<Long> positions) throws IOException {
        for (int each = 0; each < batches.size(); each++) {
            MovedBatch batch = batches.get(each);
            for (int record = 0; record < batch.count(); record++) {
                index.repoint(
                        batch.queueId(record),
                        batch.offset(record),
                        batch.oldPosition(record),
                        positions.get(each),
                        record,
                        batch.recordBytes(record),
                        true);
            }
        }
        evacuation.source.setEvacuated();
    }
}
