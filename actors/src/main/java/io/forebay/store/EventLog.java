package io.forebay.store;

import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Changes of state as lines that a program can read: logger {@code forebay.events}, {@code event=NAME key=value …}. A value with
 * anything but letters, digits and {@code . _ : / + -} in it is quoted as in JSON. What begins or ends trouble is a warning, what
 * somebody must look at an error, the rest is info. Thread-safe.
 */
public final class EventLog {
    /** Name of the logger. */
    public static final String LOGGER = "forebay.events";

    private static final Logger LOG = LoggerFactory.getLogger(LOGGER);

    /** How much an event matters. */
    public enum Weight {
        /** As it should be. */
        INFO,
        /** Trouble begins, or is over. */
        WARNING,
        /** It does not get better by itself. */
        ERROR
    }

    private EventLog() {}

    /**
     * @param event what happened
     * @param keysAndValues one after the other; a key whose value is null is left out
     */
    public static void log(Weight weight, LogEvent event, Object... keysAndValues) {
        switch (weight) {
            case INFO -> {
                if (LOG.isInfoEnabled()) {
                    LOG.info(line(event.text(), keysAndValues));
                }
            }
            case WARNING -> LOG.warn(line(event.text(), keysAndValues));
            case ERROR -> LOG.error(line(event.text(), keysAndValues));
        }
    }

    static String line(String event, Object... keysAndValues) {
        StringBuilder line = new StringBuilder(128).append("event=").append(event);
        for (int i = 0; i < keysAndValues.length; i += 2) {
            if (keysAndValues[i + 1] != null) {
                line.append(' ').append(keysAndValues[i]).append('=');
                append(line, String.valueOf(keysAndValues[i + 1]));
            }
        }
        return line.toString();
    }

    private static void append(StringBuilder line, String value) {
        if (isPlain(value)) {
            line.append(value);
            return;
        }
        line.append('"');
        for (int i = 0; i < value.length(); i++) {
            char c = value.charAt(i);
            if (c == '"' || c == '\\') {
                line.append('\\').append(c);
            } else if (Character.isISOControl(c)) {
                line.append(String.format("\\u%04x", (int) c));
            } else {
                line.append(c);
            }
        }
        line.append('"');
    }

    private static boolean isPlain(String value) {
        for (int i = 0; i < value.length(); i++) {
            char c = value.charAt(i);
            boolean isLetterOrDigit = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
            if (!isLetterOrDigit && "._:/+-".indexOf(c) < 0) {
                return false;
            }
        }
        return !value.isEmpty();
    }
}
