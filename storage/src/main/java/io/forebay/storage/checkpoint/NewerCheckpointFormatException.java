package io.forebay.storage.checkpoint;

import java.io.IOException;

/** The checkpoint file was written by a newer version of the format; nothing was touched. */
public final class NewerCheckpointFormatException extends IOException {
    private static final long serialVersionUID = 1L;

    public NewerCheckpointFormatException(String message) {
        super(message);
    }
}
