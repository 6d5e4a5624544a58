package io.forebay.node;

/**
 * A node could not start. The message is one line for the user: it names the thing that is wrong, its value and what is
 * allowed. The cause, if any, is for a log file and never for the terminal.
 */
public final class NodeStartException extends Exception {

    private static final long serialVersionUID = 1L;

    /** What kind of obstacle it was; the command line maps it to an exit code. */
    public enum Reason {
        /** A configuration file cannot be read, or a value in it is out of range. */
        CONFIGURATION,
        /** The port or the host to bind is taken or not ours. */
        ADDRESS,
        /** The data directory is locked, foreign, of a newer format, read-only or full. */
        DIRECTORY,
        /** What is stored is damaged where recovery may not go on by itself. */
        CORRUPTION,
        /** Anything else. */
        OTHER
    }

    private final transient Reason reason;

    NodeStartException(Reason reason, String line, Throwable cause) {
        super(line, cause);
        this.reason = reason;
    }

    public Reason reason() {
        return reason;
    }
}
