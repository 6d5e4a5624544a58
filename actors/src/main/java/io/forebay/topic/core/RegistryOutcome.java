package io.forebay.topic.core;

/** What the registry says to a command. */
public enum RegistryOutcome {
    /** There is a record to apply and to write. */
    DECIDED,
    /** It is so already; nothing is to be written. */
    EXISTS,
    ILLEGAL_NAME,
    UNKNOWN_TOPIC,
    UNKNOWN_GROUP,
    /** A value is not in its range, or cannot be changed. */
    ILLEGAL_ARGUMENT,
    /** The settings have another version than the one that was to be changed. */
    OTHER_VERSION,
    /** As many of this kind exist as may be. */
    LIMIT
}
