package io.forebay.cli;

import java.time.Duration;
import java.time.Instant;
import java.time.InstantSource;
import java.time.OffsetDateTime;
import java.time.format.DateTimeParseException;

/** Points in time as a person writes them. */
final class Times {
    private Times() {}

    /**
     * @param option the option it was given for, named when it is refused
     * @param clock tells what a duration is counted back from
     * @throws CliException when it is no point in time
     */
    static Instant parse(String option, String text, InstantSource clock) {
        String stripped = text.strip();
        try {
            if (stripped.matches("[0-9]{12,16}")) {
                return Instant.ofEpochMilli(Long.parseLong(stripped));
            }
            if (stripped.indexOf('T') > 0 || stripped.indexOf('t') > 0) {
                Instant time = OffsetDateTime.parse(stripped).toInstant();
                // Whatever is asked of a node is asked in milliseconds, and not every time has them.
                return Instant.ofEpochMilli(time.toEpochMilli());
            }
            return clock.instant().minus(Durations.parse(option, stripped, Duration.ZERO, Durations.MAX));
        } catch (DateTimeParseException | ArithmeticException | CliException e) {
            throw CliException.usage(option + " is '" + text + "'; allowed is a time with its offset, such as"
                    + " 2026-11-26T14:05:00Z, milliseconds since 1970, or a duration before now, such as 30m");
        }
    }

    /**
     * Checks what {@code --since} and {@code --until} say together.
     *
     * @param since null for all
     * @param until exclusive, null for all
     * @throws CliException when no time lies between them
     */
    static void checkRange(Instant since, Instant until) {
        if (since != null && until != null && !since.isBefore(until)) {
            throw CliException.usage(
                    "--since is " + since + " and --until " + until + "; allowed is a --since before it");
        }
    }
}
