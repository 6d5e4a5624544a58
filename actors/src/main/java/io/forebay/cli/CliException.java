package io.forebay.cli;

/** Ends a command with one line for the user and an exit code. The line names the thing, its value and what is allowed. */
final class CliException extends RuntimeException {
    private static final long serialVersionUID = 1L;

    private final int exitCode;

    CliException(int exitCode, String line) {
        super(line);
        this.exitCode = exitCode;
    }

    CliException(int exitCode, String line, Throwable cause) {
        super(line, cause);
        this.exitCode = exitCode;
    }

    static CliException usage(String line) {
        return new CliException(ExitCode.USAGE, line);
    }

    int exitCode() {
        return exitCode;
    }

    /** What to say about a failure of the environment: its message, or its kind when it has none; always one line. */
    static String reasonOf(Throwable failure) {
        String message = failure.getMessage();
        String text = message == null || message.isBlank() ? failure.getClass().getSimpleName() : message;
        return text.strip().replaceAll("\\s*\\R\\s*", "; ");
    }
}
