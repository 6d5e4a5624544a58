package io.forebay.yardstick;

/**
 * What a run needs of its queues.
 *
 * @param name of letters, digits and hyphens; no other run of the process has it
 * @param bodyBytes of each message
 * @param senders how many there will be
 * @param receivers how many there will be
 * @param popCountMax messages that a receiver takes at once, at most
 * @param isOrdered whether messages of a key must come in order and one at a time
 */
public record Shape(
        String name, int queues, int bodyBytes, int senders, int receivers, int popCountMax, boolean isOrdered) {}
