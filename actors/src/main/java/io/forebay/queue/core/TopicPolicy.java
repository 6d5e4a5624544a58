package io.forebay.queue.core;

import io.forebay.protocol.Durability;
import java.util.Objects;

/**
 * What is set for a topic: its own settings where it has some, else the node's. Replaced as a whole when a setting changes
 * while running. Immutable, thread-safe.
 *
 * @param sendLevel what a Send is answered for that asks for nothing
 * @param isReadableWhenDurable whether messages may be delivered only when they are flushed
 * @param graceMillis how long a message is kept after every group has settled it
 * @param maxAgeMillis how long a message is kept at most, settled or not; 0 for no limit
 * @param maxBytes bytes of messages that each queue keeps at most, settled or not; 0 for no limit
 * @param ratePerSecond messages taken a second; 0 for no limit
 * @param isOrdered whether order per key is relied on, so that the number of queues is fixed
 * @param deduplication how a Send that was stored before is recognised
 * @param dedupWindowMillis how long it is
 * @param dedupCountMax how many messages of a queue are remembered for that at most
 */
public record TopicPolicy(
        Durability sendLevel,
        boolean isReadableWhenDurable,
        long graceMillis,
        long maxAgeMillis,
        long maxBytes,
        int ratePerSecond,
        boolean isOrdered,
        Deduplication deduplication,
        long dedupWindowMillis,
        int dedupCountMax) {
    public TopicPolicy {
        Objects.requireNonNull(sendLevel);
        Objects.requireNonNull(deduplication);
        check(graceMillis >= 0, "graceMillis", graceMillis);
        check(maxAgeMillis >= 0, "maxAgeMillis", maxAgeMillis);
        check(maxBytes >= 0, "maxBytes", maxBytes);
        check(ratePerSecond >= 0, "ratePerSecond", ratePerSecond);
        check(dedupWindowMillis > 0, "dedupWindowMillis", dedupWindowMillis);
        check(dedupCountMax >= 1, "dedupCountMax", dedupCountMax);
    }

    private static void check(boolean isRight, String name, long value) {
        if (!isRight) {
            throw new IllegalArgumentException(name + " is " + value);
        }
    }
}
