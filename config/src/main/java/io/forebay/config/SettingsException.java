package io.forebay.config;

import java.util.Objects;

/**
 * A setting cannot be used: out of range, of the wrong type, without its unit, unknown, or at odds with another one. The
 * message is one line for the user, {@code KEY is VALUE, but must be ALLOWED (WHERE)}; there is nothing in it that only the
 * stack trace explains.
 */
public final class SettingsException extends RuntimeException {

    private static final long serialVersionUID = 1L;

    private final String key;
    private final String value;
    private final String allowed;

    SettingsException(String key, String value, String allowed) {
        this(key, value, allowed, null);
    }

    /** @param origin file and line of the value, or null if it was not read from a configuration */
    SettingsException(String key, String value, String allowed, String origin) {
        super(oneLine(key + " is " + value + ", but must be " + allowed + (origin == null ? "" : " (" + origin + ")")));
        this.key = Objects.requireNonNull(key);
        this.value = value;
        this.allowed = allowed;
    }

    /** The full path of the setting, e.g. {@code forebay.storage.segment-size}. */
    public String key() {
        return key;
    }

    /** The value as it was found. */
    public String value() {
        return value;
    }

    /** What would be right, as a phrase: {@code from 64 KiB to 1 GiB}. */
    public String allowed() {
        return allowed;
    }

    /** The same, with the value as the user wrote it and the place where it stands. */
    SettingsException foundAt(String writtenValue, String origin) {
        SettingsException located = new SettingsException(key, writtenValue, allowed, origin);
        located.setStackTrace(getStackTrace());
        return located;
    }

    private static String oneLine(String text) {
        return text.replaceAll("\\s*[\\r\\n]+\\s*", " ");
    }
}
