package io.forebay.cli;

import java.io.BufferedOutputStream;
import java.io.OutputStream;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;

/**
 * The three streams of a command. Stdout carries results (bodies, JSON, the {@code ready} line, what was asked to be
 * listed) and nothing else; everything said to a person along the way goes to stderr. Thread-safe.
 */
final class Console {
    private final PrintStream standardOut;
    private final OutputStream out;
    private final PrintStream err;
    private final boolean isErrTerminal;
    private boolean isProgressShown;

    /** @param isErrTerminal whether a person watches stderr, so that a line may be drawn over */
    Console(PrintStream standardOut, PrintStream err, boolean isErrTerminal) {
        this.standardOut = standardOut;
        this.out = new BufferedOutputStream(standardOut, 64 * 1024);
        this.err = err;
        this.isErrTerminal = isErrTerminal;
    }

    boolean isErrTerminal() {
        return isErrTerminal;
    }

    /** A result: buffered, seen at the next {@link #flush}. */
    synchronized void print(byte[] bytes) {
        write(bytes);
    }

    /** A line of a result, in UTF-8: buffered, seen at the next {@link #flush}. */
    synchronized void println(String line) {
        write(line.getBytes(StandardCharsets.UTF_8));
        write(new byte[] {'\n'});
    }

    /**
     * Hands what was printed to whoever reads stdout.
     *
     * @throws OutputGoneException when nobody does any more: what was printed since the last flush may be lost
     */
    synchronized void flush() {
        try {
            out.flush();
        } catch (java.io.IOException e) {
            throw new OutputGoneException();
        }
        if (standardOut.checkError()) {
            throw new OutputGoneException();
        }
    }

    /** One line for a person. */
    synchronized void say(String line) {
        if (isProgressShown) {
            err.print("\r\u001b[K");
            isProgressShown = false;
        }
        err.println(line);
        err.flush();
    }

    /** A line that the next one, of either kind, takes the place of; only on a terminal. */
    synchronized void progress(String line) {
        err.print("\r\u001b[K" + line);
        err.flush();
        isProgressShown = true;
    }

    /** Wipes a progress line. */
    synchronized void endProgress() {
        if (isProgressShown) {
            err.print("\r\u001b[K");
            err.flush();
            isProgressShown = false;
        }
    }

    private void write(byte[] bytes) {
        try {
            out.write(bytes);
        } catch (java.io.IOException e) {
            throw new OutputGoneException();
        }
    }

    /** Nobody reads stdout any more. No mistake of anyone: {@code forebay pop … | head} ends like this. */
    static final class OutputGoneException extends RuntimeException {
        private static final long serialVersionUID = 1L;

        OutputGoneException() {
            super("nobody reads stdout any more", null, false, false);
        }
    }
}
