package io.forebay.cli;

import java.time.Duration;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** Durations as a person writes them: a whole number and a unit. */
final class Durations {
    private static final Pattern FORM = Pattern.compile("(?<number>[0-9]{1,15})\\s*(?<unit>ms|s|m|min|h|d)");
    /** The longest anything here may take; what a node allows is less, and its own to say. */
    static final Duration MAX = Duration.ofDays(366);

    private Durations() {}

    /**
     * @param option the option it was given for, named when it is refused
     * @throws CliException when it is no duration, or not from {@code min} to {@code max}
     */
    static Duration parse(String option, String text, Duration min, Duration max) {
        Matcher form = FORM.matcher(text.strip());
        if (!form.matches()) {
            throw CliException.usage(option + " is '" + text
                    + "'; a duration is a whole number and a unit (ms, s, m, h, d), from " + print(min) + " to "
                    + print(max));
        }
        long number = Long.parseLong(form.group("number"));
        Duration duration = inUnit(number, form.group("unit"));
        if (duration.compareTo(min) < 0 || duration.compareTo(max) > 0) {
            throw CliException.usage(option + " is '" + text + "'; allowed is " + print(min) + " to " + print(max));
        }
        return duration;
    }

    private static Duration inUnit(long number, String unit) {
        // Far above MAX in every unit, and far below what overflows a Duration.
        long bounded = Math.min(number, 1_000_000_000_000L);
        return switch (unit) {
            case "ms" -> Duration.ofMillis(bounded);
            case "s" -> Duration.ofSeconds(bounded);
            case "m", "min" -> Duration.ofMinutes(bounded);
            case "h" -> Duration.ofHours(bounded);
            case "d" -> Duration.ofDays(bounded);
            default -> throw new AssertionError(unit);
        };
    }

    /** The form {@link #parse} takes, in the largest unit that needs no fraction. */
    static String print(Duration duration) {
        long millis = duration.toMillis();
        if (millis % 1000 != 0 || millis == 0) {
            return millis == 0 ? "0s" : millis + "ms";
        }
        long seconds = millis / 1000;
        if (seconds % 86_400 == 0) {
            return seconds / 86_400 + "d";
        }
        if (seconds % 3600 == 0) {
            return seconds / 3600 + "h";
        }
        return seconds % 60 == 0 ? seconds / 60 + "m" : seconds + "s";
    }

    /** For a person to read at a glance: {@code 830 µs}, {@code 4.2 ms}, {@code 12.5 s}. */
    static String glance(long nanos) {
        if (nanos < 1_000_000) {
            return Math.round(nanos / 1e3) + " µs";
        }
        if (nanos < 1_000_000_000) {
            return String.format(java.util.Locale.ROOT, nanos < 100_000_000 ? "%.1f ms" : "%.0f ms", nanos / 1e6);
        }
        return String.format(java.util.Locale.ROOT, "%.1f s", nanos / 1e9);
    }
}
