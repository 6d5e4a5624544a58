package io.forebay.queue.core;

/** What has happened to a group's deliveries since the dispatcher was told the last time. Confined to its owner. */
public final class GroupActivity {
    private static final class Freed {
        final long sessionId;
        int count;

        Freed(long sessionId) {
            this.sessionId = sessionId;
        }
    }

    private final LongMap<Freed> freed = new LongMap<>();
    private int acked;
    private int failed;

    /** Messages acked. */
    public int acked() {
        return acked;
    }

    /** Attempts that failed: nacked, expired, taken from a consumer that is gone. */
    public int failed() {
        return failed;
    }

    public boolean isEmpty() {
        return acked == 0 && failed == 0 && freed.size() == 0;
    }

    /** Sessions of which deliveries are not in flight any more, in the order of {@link #freedCounts()}. */
    public long[] freedSessionIds() {
        long[] ids = new long[freed.size()];
        int[] next = {0};
        freed.forEach(one -> ids[next[0]++] = one.sessionId);
        return ids;
    }

    /** How many of each; negative if so many are in flight that nobody was told of. */
    public int[] freedCounts() {
        int[] counts = new int[freed.size()];
        int[] next = {0};
        freed.forEach(one -> counts[next[0]++] = one.count);
        return counts;
    }

    public void clear() {
        freed.clear();
        acked = 0;
        failed = 0;
    }

    void addAcked(int count) {
        acked += count;
    }

    void addFailed() {
        failed++;
    }

    /** @param count negative if so many are in flight that nobody was told of */
    void addFreed(long sessionId, int count) {
        Freed session = freed.get(sessionId);
        if (session == null) {
            session = new Freed(sessionId);
            freed.put(sessionId, session);
        }
        session.count += count;
    }
}
