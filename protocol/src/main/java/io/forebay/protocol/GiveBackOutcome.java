package io.forebay.protocol;

/** The two ways a give-back succeeds. */
public enum GiveBackOutcome implements GiveBackResult {
    /** The message may go out again at once, and this attempt is not counted. The handle is stale from now on. */
    GIVEN_BACK(1),
    /** The message has been settled: there is nothing to give back. */
    ALREADY_SETTLED(2);

    private final int code;

    GiveBackOutcome(int code) {
        this.code = code;
    }

    /** The stable number on the wire. */
    public int code() {
        return code;
    }
}
