package io.forebay.queue.core;

/** How subscribed consumers of a group get their messages; explicit Pops are answered either way. */
public enum DeliveryMode {
    /** The client pops for its subscriptions. */
    POP,
    /** The node pushes to them, as their credits allow. */
    PUSH
}
