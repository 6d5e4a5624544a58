package io.forebay.queue.core;

/**
 * How much of a group in a topic may go out now: by its pause, its rate, its breaker, and by what is out already. Confined to
 * its owner; time comes in as a value.
 */
final class DeliveryGate {
    private final int queueInFlightMax;
    private final TokenBucket rate;
    private final Breaker breaker;
    private GroupPolicy policy;

    /** @param queueInFlightMax what each queue sees to by itself: a policy that names the same limits nothing more */
    DeliveryGate(GroupPolicy policy, int queueInFlightMax) {
        this.policy = policy;
        this.queueInFlightMax = queueInFlightMax;
        rate = new TokenBucket(policy.ratePerSecond());
        breaker = new Breaker(policy.breakerPercent());
    }

    void configure(long nowMillis, GroupPolicy newPolicy) {
        policy = newPolicy;
        rate.configure(nowMillis, newPolicy.ratePerSecond());
        breaker.configure(newPolicy.breakerPercent());
    }

    boolean isPaused() {
        return policy.isPaused();
    }

    boolean isBreakerOpen() {
        return breaker.isOpen();
    }

    void onOutcomes(long nowMillis, int acked, int failed) {
        breaker.onOutcomes(nowMillis, acked, failed);
    }

    /**
     * @param out messages in flight, and those that queues were asked for and have not told about yet
     * @return how many more may be asked for, 0 for none
     */
    int room(long nowMillis, long out) {
        long room = roomInFlight(out);
        if (room > 0) {
            room = Math.min(room, rate.available(nowMillis));
        }
        if (room > 0) {
            room = Math.min(room, breaker.available(nowMillis));
        }
        return (int) room;
    }

    private long roomInFlight(long out) {
        if (policy.isPaused()) {
            return 0;
        }
        boolean isLimited = policy.inFlightMax() != queueInFlightMax;
        return isLimited ? Math.max(0, policy.inFlightMax() - out) : Integer.MAX_VALUE;
    }

    /** @return when there may be room by time alone, {@link Long#MAX_VALUE} if something has to happen for it */
    long readyMillis(long nowMillis, long out) {
        return roomInFlight(out) == 0
                ? Long.MAX_VALUE
                : Math.max(rate.readyMillis(nowMillis), breaker.readyMillis(nowMillis));
    }

    /** A queue is asked for so many. */
    void take(int count) {
        rate.take(count);
        breaker.take(count);
    }

    /** So many of those it did not have. */
    void giveBack(int count) {
        rate.giveBack(count);
        breaker.giveBack(count);
    }

    /** @param out messages of the session in flight or asked for */
    int consumerRoom(long out) {
        return policy.consumerInFlightMax() == 0
                ? Integer.MAX_VALUE
                : (int) Math.max(0, policy.consumerInFlightMax() - out);
    }
}
