package io.forebay.store;

import java.util.Locale;

/** What {@link EventLog} tells. Each has a row in {@code docs/watching.md}. */
public enum LogEvent {
    /** The node serves, stops, or could not start. */
    NODE_STATE,
    /** A stripe is recovered. */
    STRIPE_OPENED,
    /** The end of a stripe's log was not whole, and was cut off. */
    LOG_CUT_OFF,
    /** A stripe is in another phase. */
    STRIPE_PHASE,
    /** A stripe takes nothing. */
    STRIPE_UNAVAILABLE,
    /** A stripe takes everything again. */
    STRIPE_AVAILABLE,
    /** Sends are refused for want of disk, or others, too, or fewer than before, but not acks. */
    DISK_LOW,
    /** Nothing is taken for want of disk, acks included. */
    DISK_FULL,
    /** Nobody is refused for want of disk any more. */
    DISK_ENOUGH,
    /** A queue, or a group in one, is not served. */
    QUEUE_STOPPED,
    /** Messages that cannot be read are delivered no more. */
    MESSAGES_QUARANTINED,
    /** Messages that were quarantined may be read again. */
    QUARANTINE_RELEASED,
    /** The node's actors do not answer. */
    NODE_SILENT,
    /** The node's actors answer again. */
    NODE_ANSWERS,
    /** Appends of a stripe have waited for too long. */
    APPENDS_STALLED,
    /** Appends of a stripe wait no more. */
    APPENDS_RESUMED,
    /** What is written in a stripe has not been forced for too long. */
    FORCE_SLOW,
    /** What is written in a stripe is forced in time again. */
    FORCE_RESUMED,
    /** Where the node can be watched. */
    WATCH_LISTENING,
    /** The node cannot be watched. */
    WATCH_FAILED;

    /** As it is written. */
    public String text() {
        return name().toLowerCase(Locale.ROOT).replace('_', '-');
    }
}
