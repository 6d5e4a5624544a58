package io.forebay.queue.core;

import io.forebay.storage.log.DeliveryRange;
import java.util.List;

/**
 * One Pop as its group remembers it: the deliveries of one record share one of these. Its token is (epoch, sequence,
 * nonce); the sequence is known when the record is written, and nobody outside sees a delivery before. Confined to the
 * group's actor.
 */
public final class Checkpoint extends DueHeap.Node {
    static final long NO_SEQUENCE = -1;

    private final long epoch;
    private final long nonce;
    private final long sessionId;
    private final long requestId;
    private final long poppedMillis;
    private final long deadlineMillis;
    private List<DeliveryRange> deliveries;
    private long sequence = NO_SEQUENCE;

    /** Deliveries that are in flight now. The session knows this checkpoint, and the heap once it is written, while there are any. */
    int inFlightCount;

    SessionHold session;
    Checkpoint older;
    Checkpoint newer;

    Checkpoint(
            long epoch,
            long nonce,
            long sessionId,
            long requestId,
            long poppedMillis,
            long deadlineMillis,
            List<DeliveryRange> deliveries) {
        this.epoch = epoch;
        this.nonce = nonce;
        this.sessionId = sessionId;
        this.requestId = requestId;
        this.poppedMillis = poppedMillis;
        this.deadlineMillis = deadlineMillis;
        this.deliveries = deliveries;
    }

    /** @return the epoch this record was first written in, part of the token */
    public long epoch() {
        return epoch;
    }

    /** @return the sequence of the checkpoint's record, part of the token; only when {@link #isWritten()} */
    public long sequence() {
        if (sequence == NO_SEQUENCE) {
            throw new AssertionError("the checkpoint of request " + requestId + " is not written yet");
        }
        return sequence;
    }

    public long nonce() {
        return nonce;
    }

    public boolean isWritten() {
        return sequence != NO_SEQUENCE;
    }

    public long sessionId() {
        return sessionId;
    }

    public long requestId() {
        return requestId;
    }

    /** @return log time */
    public long poppedMillis() {
        return poppedMillis;
    }

    /** @return log time; as given out, before anything was moved */
    public long deadlineMillis() {
        return deadlineMillis;
    }

    /** @return as given out, settled and returned ones included; not to be changed */
    public List<DeliveryRange> deliveries() {
        return deliveries;
    }

    boolean isToken(long tokenEpoch, long tokenSequence) {
        return sequence == tokenSequence && epoch == tokenEpoch && sequence != NO_SEQUENCE;
    }

    void written(long recordSequence) {
        if (sequence != NO_SEQUENCE) {
            throw new AssertionError("written as " + sequence + " and as " + recordSequence);
        }
        sequence = recordSequence;
    }

    void deliveries(List<DeliveryRange> ranges) {
        deliveries = ranges;
    }

    @Override
    public String toString() {
        return "Checkpoint[epoch=" + epoch + ", sequence=" + sequence + ", session=" + sessionId + ", request="
                + requestId
                + ", popped=" + poppedMillis + ", deadline=" + deadlineMillis + ", inFlight=" + inFlightCount
                + ", deliveries=" + deliveries + "]";
    }
}
