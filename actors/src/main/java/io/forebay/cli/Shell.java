package io.forebay.cli;

import java.io.InputStream;
import java.time.InstantSource;
import java.util.function.LongSupplier;

/**
 * What a command has of the process it runs in. A test gives it another one.
 *
 * @param wall the time of day
 * @param nanoTime monotonic, nanoseconds; its origin means nothing
 */
record Shell(InputStream in, Console console, Interruption interruption, InstantSource wall, LongSupplier nanoTime) {
    /** On this machine's clocks. */
    static Shell of(InputStream in, Console console, Interruption interruption) {
        return new Shell(in, console, interruption, InstantSource.system(), System::nanoTime);
    }

    /** Now, by the monotonic clock. */
    long nanos() {
        return nanoTime.getAsLong();
    }
}
