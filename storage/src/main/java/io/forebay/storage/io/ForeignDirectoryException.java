package io.forebay.storage.io;

import java.io.IOException;

/** The directory belongs to a node of another name. */
public final class ForeignDirectoryException extends IOException {
    private static final long serialVersionUID = 1L;

    public ForeignDirectoryException(String message) {
        super(message);
    }
}
