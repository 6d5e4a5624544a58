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
    /** A count is not in its range. */
    ILLEGAL_ARGUMENT,
    /** As many of this kind exist as may be. */
    LIMIT
}
