package io.forebay.queue.core;

/** Why a Pop returned what it returned. */
public enum PopReason {
    /** There is a new checkpoint to write. */
    DELIVERED,
    /** The same request asked before and what it got is still in flight. */
    REPEATED,
    /** Nothing readable is left that is not settled, in flight or waiting for its time. */
    EMPTY,
    /** The cursor is as far ahead of the first unsettled message as it may be; that message is the one to blame. */
    LOOK_AHEAD_FULL,
    /** As many messages are in flight as may be. */
    IN_FLIGHT_LIMIT
}
