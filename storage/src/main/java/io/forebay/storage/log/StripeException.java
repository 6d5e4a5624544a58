package io.forebay.storage.log;

import java.io.IOException;

/** A stripe cannot do what was asked because of its state or its environment; the message names file and position. */
public class StripeException extends IOException {
    private static final long serialVersionUID = 1L;

    /** What kind of trouble it is, for those who decide what to do. */
    public enum Reason {
        /** Not possible in this phase: the caller's order of calls is wrong, or the phase has just changed. */
        WRONG_PHASE,
        /** The frame does not fit into a segment. */
        FRAME_TOO_LARGE,
        /** The next segment, or room in the index, has yet to be prepared. Nothing was appended. */
        NOT_PREPARED,
        /** No room on the disk for a further segment or extent. Nothing was appended; may be tried again. */
        DISK_FULL,
        /** The device refused; nothing was appended. May be tried again. */
        DEVICE_FAILED,
        /** A store into the log failed: everything above the durable position is to be rewritten. Nothing was appended. */
        STORE_FAILED,
        /** The owner was stopped by recovery because records of it are missing. */
        OWNER_STOPPED,
        /** The checkpoint was overtaken by a rewrite, or is not durable yet. */
        CHECKPOINT_VOID,
        /** The log is damaged and says so; see {@link CorruptLogException}. */
        CORRUPT,
        /** Written by a newer version of the format. */
        NEWER_FORMAT,
        /** Of another stripe. */
        FOREIGN,
        /** The stripe is closed. */
        CLOSED
    }

    private final Reason reason;

    public StripeException(Reason reason, String message) {
        super(message);
        this.reason = reason;
    }

    public StripeException(Reason reason, String message, Throwable cause) {
        super(message, cause);
        this.reason = reason;
    }

    public Reason reason() {
        return reason;
    }
}
