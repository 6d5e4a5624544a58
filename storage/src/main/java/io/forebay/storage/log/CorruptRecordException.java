package io.forebay.storage.log;

import java.io.IOException;

/** A record's bytes do not follow the layout of its type. The message names the type, the field and the value. */
public class CorruptRecordException extends IOException {
    private static final long serialVersionUID = 1L;

    public CorruptRecordException(String message) {
        super(message);
    }

    public CorruptRecordException(String message, Throwable cause) {
        super(message, cause);
    }
}
