package io.forebay.protocol;

/** What has settings of its own. */
public enum SettingsScope {
    TOPIC(1),
    GROUP(2);

    private final int code;

    SettingsScope(int code) {
        this.code = code;
    }

    /** The stable number on the wire; never reused. */
    public int code() {
        return code;
    }
}
