package io.forebay.config;

/** Where a new consumer group begins to read a topic. */
public enum StartSetting {
    /** At the oldest message that is still stored. */
    EARLIEST,
    /** Behind the newest message at the time the group is created. */
    LATEST
}
