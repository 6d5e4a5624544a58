package io.forebay.storage.log;

import io.forebay.storage.io.StorageDirectory;
import java.io.IOException;
import java.util.function.Consumer;

/** Prints a stripe's log, one line a record, and changes nothing. */
public final class LogDumper {
    private LogDumper() {}

    /** Prints everything from the oldest segment to the log's end; the last line says why it ends there. */
    public static void dump(StorageDirectory directory, Consumer<String> line) throws IOException {
        throw new AssertionError("skeleton");
    }
}
