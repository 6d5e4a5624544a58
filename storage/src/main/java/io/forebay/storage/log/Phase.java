package io.forebay.storage.log;

/** What a stripe's log can do now. */
public enum Phase {
    /** Appends, forces, reads. */
    RUNNING,
    /** A force failed: only rewrites; nothing above the durable position is readable. */
    REWRITING,
    /** Closed for good. */
    CLOSED
}
