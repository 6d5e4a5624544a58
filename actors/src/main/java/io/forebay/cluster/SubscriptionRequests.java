package io.forebay.cluster;

import io.forebay.protocol.SessionCommand;

/**
 * The request ids of the Pops that a session makes for its subscriptions: made of the subscription and the number of the push,
 * so that they are the same after a restart, and above {@link #FIRST_ID}, so that none is one of the client's own.
 */
final class SubscriptionRequests {
    /** Ids from here on are not for clients. */
    static final long FIRST_ID = 1L << 62;
    /** Highest number of a push. */
    static final long PUSH_NUMBER_MAX = (1L << 40) - 1;

    private static final int NUMBER_BITS = 40;

    private SubscriptionRequests() {}

    static boolean isOne(long requestId) {
        return requestId >= FIRST_ID;
    }

    static long id(int subscriptionId, long pushNumber) {
        if (subscriptionId < 0
                || subscriptionId > SessionCommand.SUBSCRIPTION_ID_MAX
                || pushNumber < 1
                || pushNumber > PUSH_NUMBER_MAX) {
            throw new IllegalArgumentException("subscription " + subscriptionId + ", push " + pushNumber);
        }
        return FIRST_ID | (long) subscriptionId << NUMBER_BITS | pushNumber;
    }

    static int subscriptionId(long requestId) {
        return (int) (requestId >>> NUMBER_BITS) & SessionCommand.SUBSCRIPTION_ID_MAX;
    }

    static long pushNumber(long requestId) {
        return requestId & PUSH_NUMBER_MAX;
    }
}
