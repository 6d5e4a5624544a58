package io.forebay.storage.checkpoint;

import java.io.IOException;

/** Neither slot of a checkpoint file is valid. The message names the file and both slots' checksums. */
public final class CorruptCheckpointException extends IOException {
    private static final long serialVersionUID = 1L;

    public CorruptCheckpointException(String message) {
        super(message);
    }
}
