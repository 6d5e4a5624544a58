package io.forebay.queue;

import io.forebay.storage.log.Frame;
import io.forebay.storage.log.LogRecord;
import io.forebay.storage.log.Owner;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.List;

/**
 * Records of one owner on their way into its stripe: one frame is out, what comes meanwhile is encoded into the next.
 * Confined to its actor.
 *
 * @param <P> what the actor wants to know of a batch when it is written
 */
public final class Outbox<P> {

    /** A frame that is being filled, is full and waits, or is out. */
    public static final class Batch<P> {
        private final Frame.Builder frame;
        private long reservedBytes;
        private boolean wantsDurable;
        /** In the order they were added. */
        public final List<P> parts = new ArrayList<>();

        private Batch(int expectedBytes) {
            frame = Frame.builder(expectedBytes);
        }

        /** Records so far: the index of the next one. */
        public int recordCount() {
            return frame.recordCount();
        }

        /** Whether its {@code Durable} has been asked for. */
        public boolean wantsDurable() {
            return wantsDurable;
        }

        /** Somebody waits for this batch to be flushed. */
        public void wantDurable() {
            wantsDurable = true;
        }
    }

    private final StripePort port;
    private final Owner owner;
    private final int frameBytes;
    private final int frameBytesMax;
    private final ArrayDeque<Batch<P>> full = new ArrayDeque<>();
    private Batch<P> sent;
    private Batch<P> gathering;
    /** What was reserved for batches that are not out yet. */
    private long reservedBytes;

    /** Of the largest of the batches that were sent last. */
    private int sentBytes;

    /** @param frameBytes size from which a frame is not filled further */
    public Outbox(StripePort port, Owner owner, int frameBytes) {
        this.port = port;
        this.owner = owner;
        this.frameBytesMax = port.stripe().log().frameBytesMax();
        this.frameBytes = Math.min(frameBytes, frameBytesMax);
    }

    public int frameBytesMax() {
        return frameBytesMax;
    }

    /**
     * The batch that a record of this size will be in, if it is added next.
     *
     * @param expectedBytes size of what will follow it at once, itself included: a buffer that is larger than its frame
     *     counts as unflushed, and one that is too small has to grow
     */
    public Batch<P> batchFor(long recordBytes, long expectedBytes) {
        if (gathering != null
                && gathering.recordCount() > 0
                && (gathering.frame.bytes() + recordBytes > frameBytes
                        || gathering.recordCount() >= FrameSize.RECORD_COUNT_MAX)) {
            full.addLast(gathering);
            gathering = null;
        }
        if (gathering == null) {
            gathering = new Batch<>((int) Math.max(recordBytes, Math.min(frameBytes, expectedBytes)));
        } else {
            gathering.frame.expect(
                    (int) Math.max(recordBytes, Math.min(frameBytes - gathering.frame.bytes(), expectedBytes)));
        }
        return gathering;
    }

    /** The same where nobody knows what follows: one that is begun gets as much room as the last ones that were sent took. */
    Batch<P> batchFor(long recordBytes) {
        boolean isBegun = gathering != null && gathering.recordCount() > 0;
        boolean isEnded = !isBegun || gathering.frame.bytes() + recordBytes > frameBytes;
        return batchFor(recordBytes, isEnded ? Math.max(recordBytes, sentBytes) : recordBytes);
    }

    /**
     * Encodes a record into the batch that {@link #batchFor} gave for it.
     *
     * @param isReserved whether room was reserved for it
     * @return how much of the reservation it takes
     */
    public long add(Batch<P> batch, LogRecord record, long recordBytes, boolean isReserved) {
        return add(batch, owner, record, recordBytes, isReserved);
    }

    /** The same for a record of another owner, which shares the frame and so happens with it or not at all. */
    long add(Batch<P> batch, Owner recordOwner, LogRecord record, long recordBytes, boolean isReserved) {
        long bytes = recordBytes;
        if (batch.recordCount() == 0) {
            bytes += FrameSize.FRAME_BYTES;
        }
        batch.frame.add(recordOwner, record);
        if (isReserved) {
            reservedBytes += bytes;
            batch.reservedBytes += bytes;
            return bytes;
        }
        return 0;
    }

    /**
     * Encodes a record of its own into the next batch; room is reserved.
     *
     * @param followingBytes size of what will follow it at once
     * @return how much of the reservation it takes
     */
    long add(LogRecord record, long followingBytes, P part) {
        long bytes = FrameSize.ofRecord(record);
        Batch<P> batch = batchFor(bytes, bytes + followingBytes);
        batch.parts.add(part);
        return add(batch, record, bytes, true);
    }

    /** The batch that is written last, of those on their way; null if there is none. */
    public Batch<P> newest() {
        return gathering != null ? gathering : !full.isEmpty() ? full.peekLast() : sent;
    }

    /** Whether nothing is on its way. */
    boolean isEmpty() {
        return sent == null && gathering == null && full.isEmpty();
    }

    /** Whether a further frame waits behind the one that is out. */
    boolean hasWaiting() {
        return gathering != null || !full.isEmpty();
    }

    /** Sends the next frame if none is out. */
    public void sendNext() {
        if (port.isBusy() || !hasWaiting()) {
            return;
        }
        sent = full.pollFirst();
        if (sent == null) {
            sent = gathering;
            gathering = null;
        }
        sentBytes = Math.max(sent.frame.bytes(), sentBytes - sentBytes / 4);
        Frame frame = sent.frame.build();
        reservedBytes -= sent.reservedBytes;
        port.append(frame, sent.wantsDurable);
        // What a frame holds may be more or less than what was reserved for it; what is left belongs to the others.
        giveBackSurplus();
    }

    /** Gives back what is reserved and not for what is in a batch. */
    void giveBackSurplus() {
        long surplus = port.account().reservedBytes() - reservedBytes;
        if (surplus > 0) {
            port.account().giveBack(surplus);
        }
    }

    /** The frame that was out is written. */
    public Batch<P> written() {
        Batch<P> written = sent;
        sent = null;
        return written;
    }

    /** Nothing that is on its way will be written. */
    public void clear() {
        sent = null;
        gathering = null;
        full.clear();
        reservedBytes = 0;
    }
}
