package io.forebay.cli;

/** What the process answers to the shell. Listed in {@code docs/command-line.md}; numbers are never reused. */
final class ExitCode {
    static final int OK = 0;
    /** The check that was asked for failed: the demo lost or altered something, a log holds a bad frame; or nothing was found. */
    static final int CHECK_FAILED = 1;
    /** The command line, a value in it, a line of input, or a setting is not allowed. Nothing was done with it. */
    static final int USAGE = 2;
    /** No node answered at the address, or not in time. */
    static final int NO_NODE = 3;
    /** The node answered, and refused: unknown topic, stale handle, disk full … */
    static final int REFUSED = 4;
    /** Something on this machine is in the way: a locked or foreign directory, a port in use, an unreadable file. */
    static final int LOCAL = 5;
    /** A bug of ours. */
    static final int BUG = 70;
    /** Ended by SIGINT, as a shell counts it (128 + 2); SIGTERM, 143, is what the JVM ends with. */
    static final int INTERRUPTED = 130;
    /** The reader of stdout went away, as a shell counts SIGPIPE (128 + 13). */
    static final int PIPE_CLOSED = 141;

    private ExitCode() {}
}
