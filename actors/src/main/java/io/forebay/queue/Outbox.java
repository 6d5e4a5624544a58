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
final class Outbox<P> {

    /** A frame that is being filled, is full and waits, or is out. */
    static final class Batch<P> {
        private final Frame.Builder frame;
        private long reservedBytes;
        private boolean wantsDurable;
        /** In the order they were added. */
        final List<P> parts = new ArrayList<>();

        private Batch(int expectedBytes) {
            frame = Frame.builder(expectedBytes);
        }

        /** Records so far: the index of the next one. */
        int recordCount() {
            return frame.recordCount();
        }

        /** Whether its {@code Durable} has been asked for. */
        boolean wantsDurable() {
            return wantsDurable;
        }

        /** Somebody waits for this batch to be flushed. */
        void wantDurable() {
            wantsDurable = true;
        }
    }

    private static final int BUFFER_BYTES_MIN = 1024;

    private final StripePort port;
    private final Owner owner;
    private final int frameBytes;
    private final int frameBytesMax;
    private final ArrayDeque<Batch<P>> full = new ArrayDeque<>();
    private Batch<P> sent;
    private Batch<P> gathering;
    private int expectedBytes = BUFFER_BYTES_MIN;

    /** @param frameBytes size from which a frame is not filled further */
    Outbox(StripePort port, Owner owner, int frameBytes) {
        this.port = port;
        this.owner = owner;
        this.frameBytesMax = port.stripe().log().frameBytesMax();
        this.frameBytes = Math.min(frameBytes, frameBytesMax);
    }

    int frameBytesMax() {
        return frameBytesMax;
    }

    /** The batch that a record of this size will be in, if it is added next. */
    Batch<P> batchFor(long recordBytes) {
        if (gathering != null
                && gathering.recordCount() > 0
                && (gathering.frame.bytes() + recordBytes > frameBytes
                        || gathering.recordCount() >= FrameSize.RECORD_COUNT_MAX)) {
            full.addLast(gathering);
            gathering = null;
        }
        if (gathering == null) {
            gathering = new Batch<>((int) Math.max(expectedBytes, recordBytes + FrameSize.FRAME_BYTES));
        }
        return gathering;
    }

    /**
     * Encodes a record into the batch that {@link #batchFor} gave for it.
     *
     * @param isReserved whether room was reserved for it
     * @return how much of the reservation it takes
     */
    long add(Batch<P> batch, LogRecord record, long recordBytes, boolean isReserved) {
        long bytes = recordBytes;
        if (batch.recordCount() == 0) {
            bytes += FrameSize.FRAME_BYTES;
        }
        batch.frame.add(owner, record);
        if (isReserved) {
            batch.reservedBytes += bytes;
            return bytes;
        }
        return 0;
    }

    /** The batch that is written last, of those on their way; null if there is none. */
    Batch<P> newest() {
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
    void sendNext() {
        if (port.isBusy() || !hasWaiting()) {
            return;
        }
        sent = full.pollFirst();
        if (sent == null) {
            sent = gathering;
            gathering = null;
        }
        Frame frame = sent.frame.build();
        // The next one is likely to be about as large: at once, not grown into.
        expectedBytes = Math.max(BUFFER_BYTES_MIN, Math.min(frameBytes, (expectedBytes + frame.lengthBytes()) / 2));
        port.account().giveBack(Math.max(0, sent.reservedBytes - frame.lengthBytes()));
        port.append(frame, sent.wantsDurable);
    }

    /** The frame that was out is written. */
    Batch<P> written() {
        Batch<P> written = sent;
        sent = null;
        return written;
    }

    /** Nothing that is on its way will be written. */
    void clear() {
        sent = null;
        gathering = null;
        full.clear();
    }
}
