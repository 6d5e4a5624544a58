package io.forebay.persistence.core;

import java.io.Serial;

/** A snapshot is stored and cannot be read, now or for good; the message says which, where and why. */
public final class UnreadableSnapshotException extends Exception {
    @Serial
    private static final long serialVersionUID = 1;

    public UnreadableSnapshotException(String message) {
        super(message);
    }
}
