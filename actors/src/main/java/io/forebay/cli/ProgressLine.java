package io.forebay.cli;

import java.util.function.Supplier;

/**
 * Tells a person on stderr, every so often, how far something long has come: drawn over on a terminal, line after line elsewhere, and
 * there only if it was asked for. Used by one thread at a time.
 */
final class ProgressLine {
    private static final long REDRAW_NANOS = 200_000_000L;
    private static final long LINE_NANOS = 2_000_000_000L;

    private final Shell shell;
    private final boolean isAsked;
    private long toldNanos;

    /** @param isAsked whether it is told even when stderr is no terminal */
    ProgressLine(Shell shell, boolean isAsked) {
        this.shell = shell;
        this.isAsked = isAsked;
        toldNanos = shell.nanos();
    }

    /** Tells it if that is due. */
    void tell(Supplier<String> line) {
        Console console = shell.console();
        long now = shell.nanos();
        if (isShown() && now - toldNanos >= (console.isErrTerminal() ? REDRAW_NANOS : LINE_NANOS)) {
            toldNanos = now;
            if (console.isErrTerminal()) {
                console.progress(line.get());
            } else {
                console.say(line.get());
            }
        }
    }

    /** How it ended: a line that stays. */
    void end(Supplier<String> line) {
        if (isShown()) {
            shell.console().say(line.get());
        }
    }

    private boolean isShown() {
        return isAsked || shell.console().isErrTerminal();
    }
}
