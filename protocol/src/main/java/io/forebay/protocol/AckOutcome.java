package io.forebay.protocol;

/** The two ways an ack succeeds. Either way the message will not come back, at the level the answer names. */
public enum AckOutcome implements AckResult {
    /** Settled by this request, or by its first copy. */
    ACKED(1),
    /** The message had been settled before, whichever handle did it. */
    ALREADY_SETTLED(2);

    private final int code;

    AckOutcome(int code) {
        this.code = code;
    }

    /** The stable number on the wire. */
    public int code() {
        return code;
    }
}
