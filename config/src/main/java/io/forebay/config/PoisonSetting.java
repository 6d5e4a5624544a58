package io.forebay.config;

/** What becomes of a message of an ordered group whose last attempt failed. Other groups always use the dead letters. */
public enum PoisonSetting {
    /** It goes to the group's dead-letter topic. */
    DEAD_LETTER,
    /** It stays, and the later messages of its key wait behind it. */
    PARK
}
