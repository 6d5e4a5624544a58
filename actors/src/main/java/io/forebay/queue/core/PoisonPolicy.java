package io.forebay.queue.core;

/** What becomes of a message whose last attempt failed. */
public enum PoisonPolicy {
    /** It goes to the group's dead-letter topic. */
    DEAD_LETTER,
    /** In an ordered group: it stays, and the later messages of its key wait behind it; all other keys go on. */
    PARK
}
