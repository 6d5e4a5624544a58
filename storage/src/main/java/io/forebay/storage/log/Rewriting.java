package io.forebay.storage.log;

import io.forebay.storage.index.QueueIndex;
import io.forebay.storage.io.DiskFullException;
import io.forebay.storage.io.LittleEndian;
import io.forebay.storage.log.StripeException.Reason;
import java.io.IOException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.zip.CRC32C;

/**
 * Writes again into fresh segments what a failed force or store may have lost, and joins them to the log when all of it is
 * forced. The StoreWriter's thread, but for {@link #finish()}.
 */
final class Rewriting {
    private static final byte ENTRY = (byte) RecordType.ENTRY.number();

    private final LogState state;
    private final SegmentStore segments;
    private final QueueIndex index;
    private final CRC32C crc = new CRC32C();
    private final List<Frame> rewritten = new ArrayList<>();
    private long[] rewrittenTo = new long[16];
    /** Null while nothing has failed. */
    private FreshRun run;

    private long nextSequence;

    Rewriting(LogState state, SegmentStore segments, QueueIndex index) {
        this.state = state;
        this.segments = segments;
        this.index = index;
    }

    /** Begins, or begins again with the first frame: what was copied is given up. */
    void begin() {
        if (run != null) {
            run.giveUp();
        }
        run = new FreshRun(segments, state.epoch);
        rewritten.clear();
        nextSequence = state.durableSequence + 1;
    }

    long nextSequence() {
        return nextSequence;
    }

    /**
     * Copies the next frame.
     *
     * @throws StripeException nothing of this frame is copied; with {@link Reason#STORE_FAILED} all has to begin again
     */
    void rewrite(Frame frame) throws StripeException {
        state.check(Phase.REWRITING, "rewrite");
        if (frame.firstSequence() != nextSequence) {
            throw new AssertionError(frame + " is rewritten where sequence " + nextSequence + " is next");
        }
        long position;
        try {
            position = run.placeFor(frame.lengthBytes(), nextSequence, state.durablePosition);
        } catch (DiskFullException e) {
            throw new StripeException(Reason.DISK_FULL, "no room to rewrite " + frame + ": " + e.getMessage(), e);
        } catch (IOException e) {
            throw new StripeException(
                    Reason.DEVICE_FAILED, "no segment to rewrite " + frame + ": " + e.getMessage(), e);
        }
        frame.place(position, state.durablePosition, crc);
        try {
            run.write(frame.image(), 0, frame.lengthBytes());
        } catch (IOException e) {
            throw new StripeException(Reason.STORE_FAILED, "storing a rewritten " + frame + " failed", e);
        }
        if (rewritten.size() == rewrittenTo.length) {
            rewrittenTo = Arrays.copyOf(rewrittenTo, rewrittenTo.length * 2);
        }
        rewrittenTo[rewritten.size()] = position;
        rewritten.add(frame);
        nextSequence = frame.lastSequence() + 1;
    }

    boolean isComplete() {
        return state.phase == Phase.REWRITING && nextSequence == state.nextSequence;
    }

    /** Forces the copies, joins them to the log, repoints the index. Blocks; no other call of the StoreWriter meanwhile. */
    void finish() throws IOException {
        state.check(Phase.REWRITING, "finishRewrite");
        if (!isComplete()) {
            throw new AssertionError(
                    "rewritten is up to sequence " + (nextSequence - 1) + " of " + (state.nextSequence - 1));
        }
        long durable = state.durablePosition;
        Segment predecessor = segments.floor(durable);
        try {
            run.begin(state.nextSequence, durable);
            run.force();
            run.link(
                    predecessor == null ? SegmentHeader.NONE : predecessor.base(),
                    predecessor == null ? SegmentHeader.NONE : durable,
                    durable);
            for (int each = 0; each < rewritten.size(); each++) {
                repoint(rewritten.get(each), rewrittenTo[each]);
            }
        } catch (IOException e) {
            // Whether the link reached the disk is not known. If so it is right: all it stands for was forced before.
            // Whatever comes next gets a higher base and is preferred.
            begin();
            throw e;
        }
        if (predecessor != null) {
            predecessor.setEnd(durable);
        }
        segments.replaceTail(predecessor, run.segments());
        state.active = run.last();
        state.hotBase = run.segments().get(0).base();
        run = null;
        rewritten.clear();
        synchronized (state.durability) {
            state.generation++;
            state.durablePosition = state.active.end();
            state.durableSequence = state.nextSequence - 1;
            state.voidFrom = Long.MAX_VALUE;
        }
        state.phase = Phase.RUNNING;
    }

    private void repoint(Frame frame, long position) throws IOException {
        byte[] image = frame.image();
        for (int record = 0; record < frame.recordCount(); record++) {
            int at = frame.recordAt(record);
            if (Frame.hasOffset(image[at + 4])) {
                int body = at + FrameCodec.RECORD_HEADER_BYTES;
                index.put(
                        frame.queueId(record),
                        LittleEndian.getLong(image, body),
                        position,
                        record,
                        LittleEndian.getInt(image, at),
                        LittleEndian.getInt(image, body + 8));
                if (image[at + 4] == ENTRY) {
                    segmentOf(position)
                            .addEntry(
                                    frame.queueId(record),
                                    LittleEndian.getLong(image, body),
                                    LittleEndian.getInt(image, body + 12),
                                    LittleEndian.getLong(image, body + 16));
                }
            }
        }
    }

    private Segment segmentOf(long position) {
        for (Segment segment : run.segments()) {
            if (position >= segment.base() && position < segment.limit()) {
                return segment;
            }
        }
        throw new AssertionError("position " + position + " lies in no rewritten segment");
    }
}
