package io.forebay.queue.core;

/** How a topic recognises a Send that it has stored before. */
public enum Deduplication {
    /** Not at all. */
    OFF,
    /** By producer id and producer sequence; messages without them are stored as they come. */
    PRODUCER,
    /** By message id. */
    MESSAGE_ID
}
