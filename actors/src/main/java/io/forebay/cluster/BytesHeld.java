package io.forebay.cluster;

import io.forebay.protocol.Refusal;
import java.util.concurrent.atomic.AtomicLong;

/** Bounds the bytes that all sessions of a node hold for their clients. Thread-safe. */
public final class BytesHeld {
    private final long bytesMax;
    private final AtomicLong bytes = new AtomicLong();

    public BytesHeld(long bytesMax) {
        this.bytesMax = bytesMax;
    }

    /** All or nothing. What is larger than everything together is taken when nothing else is held. */
    boolean tryReserve(long wanted) {
        long now = bytes.addAndGet(wanted);
        if (now > bytesMax && now > wanted) {
            bytes.addAndGet(-wanted);
            return false;
        }
        return true;
    }

    void release(long released) {
        bytes.addAndGet(-released);
    }

    /** @param change what is held more, or less if negative; taken even if it is too much */
    void hold(long change) {
        bytes.addAndGet(change);
    }

    /** What is answered to whoever needs more. */
    Refusal refusal(long retryMillis) {
        return Refusal.busy(
                "the node holds " + bytes + " bytes for its clients, allowed are " + bytesMax
                        + " (forebay.session.node-bytes-max)",
                retryMillis);
    }

    /** @return whether that is held now; false if as much as may be was held before, however little this is */
    boolean tryHold(long more) {
        if (bytes.addAndGet(more) - more >= bytesMax) {
            bytes.addAndGet(-more);
            return false;
        }
        return true;
    }

    boolean isFull() {
        return bytes.get() >= bytesMax;
    }

    public long bytes() {
        return bytes.get();
    }

    public long bytesMax() {
        return bytesMax;
    }
}
