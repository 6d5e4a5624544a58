package io.forebay.config;

/** How subscribed consumers of a group get their messages. */
public enum DeliverySetting {
    /** The client pops for them. */
    POP,
    /** The node pushes to them. */
    PUSH
}
