package io.forebay.storage.io;

import java.io.IOException;

/** The disk has no room left for what was asked; nothing of it was kept. */
public final class DiskFullException extends IOException {
    private static final long serialVersionUID = 1L;

    public DiskFullException(String message, Throwable cause) {
        super(message, cause);
    }
}
