package io.forebay.persistence.core;

import java.io.Serial;

/** An event is stored and cannot be read, now or for good; the message says which, where and why. */
public final class UnreadableEventException extends Exception {
    @Serial
    private static final long serialVersionUID = 1;

    public UnreadableEventException(String message) {
        super(message);
    }
}
