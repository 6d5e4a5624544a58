package io.forebay.queue.core;

/**
 * What a dispatcher knows of one session: its Pops, what it has out, which queues served it. Confined to its dispatcher.
 *
 * @param <P> what the shell needs to answer a Pop
 */
final class DispatchSession<P> {
    /** Requests that are remembered with the queue that served them; a power of two. */
    private static final int RECENT_COUNT = 64;

    static final int NO_QUEUE = 0;

    final long sessionId;
    /** Pops that are held or that a queue has, by request. */
    final LongMap<DispatchPoll<P>> polls = new LongMap<>();
    /** Held Pops in order of arrival. */
    final TurnList<DispatchPoll<P>> held = new TurnList<>();
    /** Its place among the sessions that wait for their turn. */
    final TurnList.Place<DispatchSession<P>> turn = new TurnList.Place<>(this);

    /** By the low bits of the request id: sessions number their requests, so the latest are all here. */
    private long[] recentRequestIds;

    private int[] recentQueueIds;
    /** Requests that queues served before the dispatcher began. */
    private LongMap<Integer> servedBefore;

    private long inFlightCount;
    private long askedCount;

    DispatchSession(long sessionId) {
        this.sessionId = sessionId;
    }

    /** Messages that are in flight, and those that queues were asked for. */
    long outCount() {
        return inFlightCount + askedCount;
    }

    void asked(long count) {
        askedCount += count;
    }

    /** @param count may be negative */
    void inFlight(long count) {
        inFlightCount = Math.max(0, inFlightCount + count);
    }

    void remember(long requestId, int queueId) {
        if (recentRequestIds == null) {
            recentRequestIds = new long[RECENT_COUNT];
            recentQueueIds = new int[RECENT_COUNT];
        }
        int slot = (int) requestId & (RECENT_COUNT - 1);
        recentRequestIds[slot] = requestId;
        recentQueueIds[slot] = queueId;
        if (servedBefore != null) {
            servedBefore.remove(requestId);
        }
    }

    /** That queue had nothing for the request after all. */
    void forget(long requestId, int queueId) {
        int slot = (int) requestId & (RECENT_COUNT - 1);
        if (recentRequestIds != null && recentRequestIds[slot] == requestId && recentQueueIds[slot] == queueId) {
            recentQueueIds[slot] = NO_QUEUE;
        }
    }

    void servedBefore(long requestId, int queueId) {
        if (servedBefore == null) {
            servedBefore = new LongMap<>();
        }
        servedBefore.put(requestId, queueId);
    }

    int servedBy(long requestId) {
        Integer before = servedBefore == null ? null : servedBefore.get(requestId);
        if (before != null) {
            return before;
        }
        if (recentRequestIds == null) {
            return NO_QUEUE;
        }
        int slot = (int) requestId & (RECENT_COUNT - 1);
        return recentRequestIds[slot] == requestId ? recentQueueIds[slot] : NO_QUEUE;
    }
}
