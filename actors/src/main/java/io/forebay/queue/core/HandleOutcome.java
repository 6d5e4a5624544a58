package io.forebay.queue.core;

/** What became of one receipt handle in a settling or changing command. */
public enum HandleOutcome {
    /** The command's record carries it: acked, moved, given back. */
    ACCEPTED,
    /** The message is settled and will not come back. A success for an Ack, whichever handle asks. */
    ALREADY_SETTLED,
    /** This very delivery was nacked or given back before and has not gone out again; nothing was written. */
    ALREADY_RETURNED,
    /** The handle is of an earlier delivery, or of one that a crash has undone. The message is not settled. */
    STALE_HANDLE,
    /** Epoch and sequence name the last delivery, but the nonce is not the one that was given out. */
    FORGED_HANDLE,
    /** This group never handed out a message with this queue offset. */
    UNKNOWN_OFFSET,
    /** The message cannot be read any more; it is listed as quarantined and counts as neither settled nor waiting. */
    QUARANTINED
}
