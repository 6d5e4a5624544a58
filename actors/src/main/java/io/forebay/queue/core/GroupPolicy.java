package io.forebay.queue.core;

import io.forebay.protocol.DeliveryMode;
import io.forebay.protocol.Durability;
import java.util.Objects;

/**
 * What is set for a consumer group: its own settings where it has some, else the node's. Replaced as a whole when a setting
 * changes while running. Immutable, thread-safe.
 *
 * @param popLevel level of a checkpoint before its messages go out
 * @param ackLevel what an Ack is answered for that asks for nothing
 * @param invisibleMillis the invisible duration of a Pop that asks for none
 * @param maxAttempts deliveries of a message before it is poison; 0 for no limit
 * @param backoff wait after a failed attempt
 * @param isOrdered one message of a key out at a time, in order
 * @param poison what becomes of a message after its last attempt
 * @param filterText as it was written; "" for no filter
 * @param filter what {@code filterText} means
 * @param inFlightMax messages that may be out at once, over all queues of a topic
 * @param consumerInFlightMax messages that one session may have out at once in a topic; 0 for no limit
 * @param ratePerSecond deliveries a second in a topic; 0 for no limit
 * @param isPaused nothing goes out
 * @param delivery how subscribed consumers get their messages
 * @param breakerPercent share of failed attempts, in percent, from which deliveries slow down; 0 for never
 */
public record GroupPolicy(
        Durability popLevel,
        Durability ackLevel,
        long invisibleMillis,
        int maxAttempts,
        RetryBackoff backoff,
        boolean isOrdered,
        PoisonPolicy poison,
        String filterText,
        MessageFilter filter,
        int inFlightMax,
        int consumerInFlightMax,
        int ratePerSecond,
        boolean isPaused,
        DeliveryMode delivery,
        int breakerPercent) {
    public GroupPolicy {
        Objects.requireNonNull(popLevel);
        Objects.requireNonNull(ackLevel);
        Objects.requireNonNull(backoff);
        Objects.requireNonNull(poison);
        Objects.requireNonNull(filterText);
        Objects.requireNonNull(filter);
        Objects.requireNonNull(delivery);
        check(invisibleMillis > 0, "invisibleMillis", invisibleMillis);
        check(maxAttempts >= 0, "maxAttempts", maxAttempts);
        check(inFlightMax >= 1, "inFlightMax", inFlightMax);
        check(consumerInFlightMax >= 0, "consumerInFlightMax", consumerInFlightMax);
        check(ratePerSecond >= 0, "ratePerSecond", ratePerSecond);
        check(breakerPercent >= 0 && breakerPercent <= 100, "breakerPercent", breakerPercent);
        if (poison == PoisonPolicy.PARK && !isOrdered) {
            throw new IllegalArgumentException("a group that parks keys has to be ordered");
        }
        if (filterText.isEmpty() && filter != MessageFilter.ALL) {
            throw new IllegalArgumentException("filter \"" + filterText + "\" stands for another one");
        }
    }

    /** Whether messages have to be looked at before they can be popped. */
    public boolean isScanning() {
        return isOrdered || filter != MessageFilter.ALL;
    }

    /**
     * Whether the dispatcher has to hear of every change of what is in flight.
     *
     * @param queueInFlightMax what each queue sees to by itself: an {@code inFlightMax} of the same limits nothing more
     */
    public boolean wantsActivity(int queueInFlightMax) {
        return consumerInFlightMax > 0 || breakerPercent > 0 || inFlightMax != queueInFlightMax;
    }

    private static void check(boolean isRight, String name, long value) {
        if (!isRight) {
            throw new IllegalArgumentException(name + " is " + value);
        }
    }
}
