package io.forebay.config;

/** How a topic recognises a Send that it has stored before. */
public enum DeduplicationSetting {
    /** Not at all. */
    OFF,
    /** By producer id and sequence. */
    PRODUCER,
    /** By message id. */
    MESSAGE_ID
}
