package io.forebay.cli;

import io.forebay.protocol.ForebayException;
import io.forebay.protocol.Names;
import io.forebay.protocol.Refusal;
import java.util.concurrent.CompletionException;
import java.util.concurrent.ExecutionException;

/** What refusals are to the shell. */
final class Refusals {
    private Refusals() {}

    static int exitCode(Refusal refusal) {
        return switch (refusal.code()) {
            case ILLEGAL_NAME, ILLEGAL_ARGUMENT, ILLEGAL_HANDLE, TOO_LARGE -> ExitCode.USAGE;
            case NO_NODE, TIMED_OUT -> ExitCode.NO_NODE;
            default -> ExitCode.REFUSED;
        };
    }

    static CliException toException(String before, Refusal refusal) {
        return new CliException(exitCode(refusal), before + refusal.text());
    }

    /** The refusal a completion stage failed with, or null when it was something else. */
    static Refusal of(Throwable thrown) {
        Throwable failure = thrown;
        while ((failure instanceof CompletionException || failure instanceof ExecutionException)
                && failure.getCause() != null) {
            failure = failure.getCause();
        }
        return failure instanceof ForebayException refused ? refused.refusal() : null;
    }

    /** @throws CliException when it may not be a name */
    static String checkName(String kind, String name) {
        Refusal refusal = Names.check(kind, name);
        if (refusal != null) {
            throw toException("", refusal);
        }
        return name;
    }
}
