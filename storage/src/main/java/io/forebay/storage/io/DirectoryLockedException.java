package io.forebay.storage.io;

import java.io.IOException;

/** The directory is open in another process or by another node of this one. */
public final class DirectoryLockedException extends IOException {
    private static final long serialVersionUID = 1L;

    public DirectoryLockedException(String message) {
        super(message);
    }
}
