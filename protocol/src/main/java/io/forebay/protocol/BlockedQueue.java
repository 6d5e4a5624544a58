package io.forebay.protocol;

/**
 * A queue in which a group cannot look any further ahead: everything behind waits until its oldest message is settled.
 *
 * @param queue its number
 * @param offset of that message
 * @param messageGroup its key, which is to blame; "" if it has none
 */
public record BlockedQueue(int queue, long offset, String messageGroup) {}
