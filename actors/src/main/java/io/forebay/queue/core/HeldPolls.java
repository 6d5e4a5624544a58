package io.forebay.queue.core;

import java.util.function.Predicate;

/**
 * The Pops that wait, until when, and whose turn it is. Sessions take turns, however many Pops each has waiting; within a
 * session the oldest is served first. A session that may not have more for now loses no turn: it waits aside until it is
 * {@link #retry tried again}. Confined to its owner.
 *
 * @param <P> what the shell needs to answer a Pop
 */
final class HeldPolls<P> {
    private final TurnList<DispatchSession<P>> turns = new TurnList<>();
    private final DueHeap<DispatchPoll<P>> byTime = new DueHeap<>();

    int count() {
        return byTime.size();
    }

    /** Sessions whose Pops could be served. */
    int waitingSessions() {
        return turns.size();
    }

    /** @return when the first one's wait is over, {@link Long#MAX_VALUE} if there is none */
    long nextTimeoutMillis() {
        return byTime.nextDueMillis();
    }

    /** @return the one whose wait is over first, or null */
    DispatchPoll<P> firstByTime() {
        return byTime.first();
    }

    /** @param isFirst it was at a queue for nothing: it and its session have the next turn */
    void hold(DispatchPoll<P> poll, boolean isFirst) {
        byTime.put(poll, poll.waitUntilMillis);
        DispatchSession<P> session = poll.session;
        if (isFirst) {
            session.held.addFirst(poll.place);
            turns.remove(session.turn);
            turns.addFirst(session.turn);
        } else {
            session.held.addLast(poll.place);
            retry(session);
        }
    }

    void release(DispatchPoll<P> poll) {
        byTime.remove(poll);
        DispatchSession<P> session = poll.session;
        session.held.remove(poll.place);
        if (session.held.isEmpty()) {
            turns.remove(session.turn);
        }
    }

    /**
     * Takes out the Pop whose turn it is. Its session's next turn comes behind the others'.
     *
     * @param mayHaveMore those for which it is false wait aside
     * @return null if there is none
     */
    DispatchPoll<P> take(Predicate<DispatchSession<P>> mayHaveMore) {
        for (DispatchSession<P> session = turns.first(); session != null; session = turns.first()) {
            turns.remove(session.turn);
            if (mayHaveMore.test(session)) {
                DispatchPoll<P> poll = session.held.first();
                release(poll);
                retry(session);
                return poll;
            }
        }
        return null;
    }

    /** The session may have more, or may have to be tried. */
    void retry(DispatchSession<P> session) {
        if (!session.turn.isTaken() && !session.held.isEmpty()) {
            turns.addLast(session.turn);
        }
    }
}
