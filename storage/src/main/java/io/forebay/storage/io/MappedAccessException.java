package io.forebay.storage.io;

import java.io.IOException;

/**
 * A memory-mapped access failed: the operating system had no page to give, or the medium no bytes. Which of the stores
 * since the last good force arrived is unknown, so all of them count as a failed force.
 */
public final class MappedAccessException extends IOException {
    private static final long serialVersionUID = 1L;

    public MappedAccessException(String message, Throwable cause) {
        super(message, cause);
    }
}
