package io.forebay.topic.core;

/** Where a group begins when it first consumes a topic. */
public enum StartAt {
    /** With the oldest message that is stored. */
    EARLIEST,
    /** With the first message sent from now on. */
    LATEST
}
