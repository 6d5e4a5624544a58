package io.forebay.store;

/** Where a stripe is in its life. */
public enum StripePhase {
    /** Opening: recovery reads the log. */
    RECOVERING,
    /** Appends are answered. */
    RUNNING,
    /** A force failed: what was not durable is written again, appends wait behind it, nothing of it is read. */
    REWRITING,
    /** The device kept failing: appends wait, reservations are refused, rewriting is tried again after a pause. */
    READ_ONLY,
    /** Drains for a clean stop. */
    CLOSING,
    /** Stopped clean, or closed by a bug or a failure that needs someone to look. */
    CLOSED
}
