package io.forebay.storage.log;

/**
 * Whose record it is: a queue, a group of a queue, or the stripe itself. Each owner numbers its own records densely from
 * 1, so that a gap in the log can be told to be its.
 */
public record Owner(int queueId, int groupId) {
    /** The stripe's own records: names, manifests. */
    public static final Owner STRIPE = new Owner(0, 0);

    /** Queue ids from here on belong to Akka Persistence: topics never get them. */
    public static final int RESERVED_FROM = 0x7FFF_0000;

    /** The reserved queue with the events of the registry of topics and groups, in stripe 0. */
    public static final int REGISTRY_QUEUE = RESERVED_FROM + 0x300;

    public Owner {
        if (queueId < 0 || groupId < 0 || (queueId == 0 && groupId != 0)) {
            throw new IllegalArgumentException("no owner: queue " + queueId + ", group " + groupId);
        }
    }

    /** The queue with that id; ids start at 1. */
    public static Owner queue(int queueId) {
        return new Owner(queueId, 0);
    }

    /** Whether it is the id of a queue that is no topic's. */
    public static boolean isReserved(int queueId) {
        return queueId >= RESERVED_FROM;
    }

    /** What a group keeps about one queue. */
    public static Owner group(int queueId, int groupId) {
        return new Owner(queueId, groupId);
    }

    /** The same as one number, never negative. */
    public long key() {
        return key(queueId, groupId);
    }

    /** The same without an owner. */
    public static long key(int queueId, int groupId) {
        return ((long) queueId << 32) | groupId;
    }

    static Owner ofKey(long key) {
        return new Owner((int) (key >>> 32), (int) key);
    }

    public boolean isQueue() {
        return queueId != 0 && groupId == 0;
    }

    public boolean isGroup() {
        return groupId != 0;
    }

    @Override
    public String toString() {
        return queueId == 0
                ? "stripe"
                : groupId == 0 ? "queue " + queueId : "group " + groupId + " of queue " + queueId;
    }
}
