package io.forebay.queue.core;

import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/**
 * Which queue serves which Pop, for one topic and group on one node: hints of what each queue has, the long polls that
 * are held, and a fair hand-out of both. A hint may be wrong in either direction; a Pop that comes back from its queue
 * with nothing is handed on or held again, so a hint costs a detour and never a message.
 *
 * <p>The queue answers the client of a Pop that got messages; a Pop that ends empty is answered from here, through
 * {@link Handout#answerEmpty}. A queue tells {@link #onAvailable} when its count rises from zero, and what is left with
 * each {@link #onPopResult}.
 *
 * <p>Confined to its actor. Time comes in as a value.
 *
 * @param <P> what the shell needs to answer a Pop
 */
public final class DispatchState<P> {
    /** Requests of a session that are remembered with the queue that served them; a power of two. */
    private static final int RECENT_COUNT = 64;

    private static final int NO_QUEUE = 0;

    /** Takes what was decided. Called from within the methods of this class; must not call back. */
    public interface Handout<P> {
        /** The queue is to decide this Pop, with at most so many messages, and to report {@link #onPopResult}. */
        void assign(int queueId, long sessionId, long requestId, int maxMessages, P pop);

        /** The Pop's wait is over. */
        void answerEmpty(long sessionId, long requestId, P pop);
    }

    /**
     * Bounds of what is held.
     *
     * @param heldMax long polls held in all
     * @param heldPerSessionMax long polls held for one session
     */
    public record Limits(int heldMax, int heldPerSessionMax) {
        public Limits {
            if (heldMax < 1 || heldPerSessionMax < 1) {
                throw new IllegalArgumentException("heldMax " + heldMax + ", heldPerSessionMax " + heldPerSessionMax);
            }
        }
    }

    /** What became of a Pop at its arrival. */
    public enum PopOutcome {
        /** Given to a queue. */
        ASSIGNED,
        /** Nothing is there; it waits. A repetition of a held Pop takes its place and keeps its time. */
        HELD,
        /** Nothing is there and it did not want to wait; {@link Handout#answerEmpty} has been called. */
        EMPTY,
        /** As many long polls are held as may be. */
        TOO_MANY_HELD,
        /** As many long polls are held for this session as may be. */
        TOO_MANY_HELD_FOR_SESSION
    }

    /** What became of a cancellation. */
    public enum CancelOutcome {
        /** It was held and is forgotten. */
        CANCELLED,
        /** A queue has it: what it gets is to be given back; if it gets nothing, nobody is told. */
        TOO_LATE,
        /** No such Pop, or it has been answered. */
        UNKNOWN
    }

    private static final class Poll<P> extends DueHeap.Node {
        final Session<P> session;
        final long requestId;
        final int maxMessages;
        final long waitUntilMillis;
        P pop;
        /** {@link #NO_QUEUE} while it is held. */
        int askedQueueId;

        boolean isCancelled;
        Poll<P> previous;
        Poll<P> next;

        Poll(Session<P> session, long requestId, int maxMessages, long waitUntilMillis, P pop) {
            this.session = session;
            this.requestId = requestId;
            this.maxMessages = maxMessages;
            this.waitUntilMillis = waitUntilMillis;
            this.pop = pop;
        }
    }

    private static final class Session<P> {
        final long sessionId;
        final LongMap<Poll<P>> polls = new LongMap<>();
        int heldCount;
        /** By the low bits of the request id: sessions number their requests, so the latest are all here. */
        long[] recentRequestIds;

        int[] recentQueueIds;

        Session(long sessionId) {
            this.sessionId = sessionId;
        }

        void remember(long requestId, int queueId) {
            if (recentRequestIds == null) {
                recentRequestIds = new long[RECENT_COUNT];
                recentQueueIds = new int[RECENT_COUNT];
            }
            int slot = (int) requestId & (RECENT_COUNT - 1);
            recentRequestIds[slot] = requestId;
            recentQueueIds[slot] = queueId;
        }

        int recentQueueId(long requestId) {
            if (recentRequestIds == null) {
                return NO_QUEUE;
            }
            int slot = (int) requestId & (RECENT_COUNT - 1);
            return recentRequestIds[slot] == requestId ? recentQueueIds[slot] : NO_QUEUE;
        }

        void forget(int queueId) {
            if (recentQueueIds != null) {
                for (int slot = 0; slot < RECENT_COUNT; slot++) {
                    if (recentQueueIds[slot] == queueId) {
                        recentQueueIds[slot] = NO_QUEUE;
                    }
                }
            }
        }
    }

    private static final class QueueHint {
        final int queueId;
        /** What the queue said last. */
        long availableCount;
        /** What the Pops it has not answered yet may take of it. */
        long askedCount;

        boolean isInRotation;

        QueueHint(int queueId) {
            this.queueId = queueId;
        }

        boolean hasSomething() {
            return availableCount > askedCount;
        }
    }

    private final Limits limits;
    private final Map<Integer, QueueHint> queues = new HashMap<>();
    /** Queues that may have something, each once; the next Pop goes to the first, which then goes to the end. */
    private final ArrayDeque<QueueHint> rotation = new ArrayDeque<>();

    private final LongMap<Session<P>> sessions = new LongMap<>();
    private final DueHeap<Poll<P>> heldByTime = new DueHeap<>();
    /** Held polls in order of arrival. */
    private Poll<P> oldestHeld;

    private Poll<P> newestHeld;

    public DispatchState(Limits limits) {
        this.limits = limits;
    }

    public int heldCount() {
        return heldByTime.size();
    }

    /** @return sessions that something is known of */
    public int sessionCount() {
        return sessions.size();
    }

    /** @return when {@link #onTimeout} is due, {@link Long#MAX_VALUE} if nothing is held */
    public long nextTimeoutMillis() {
        return heldByTime.nextDueMillis();
    }

    /**
     * A Pop arrives, for the first time or again.
     *
     * @param maxMessages at least 1
     * @param waitUntilMillis until when it may be held; not after {@code nowMillis}: not at all
     */
    public PopOutcome onPop(
            long nowMillis,
            long sessionId,
            long requestId,
            int maxMessages,
            long waitUntilMillis,
            P pop,
            Handout<P> out) {
        if (maxMessages < 1) {
            throw new IllegalArgumentException("maxMessages is " + maxMessages);
        }
        Session<P> session = sessions.get(sessionId);
        if (session == null) {
            session = new Session<>(sessionId);
            sessions.put(sessionId, session);
        }
        Poll<P> known = session.polls.get(requestId);
        if (known != null) {
            known.pop = pop;
            known.isCancelled = false;
            if (known.askedQueueId == NO_QUEUE) {
                return PopOutcome.HELD;
            }
            // The queue has it already and tells the two apart from new ones by session and request.
            ask(known, queues.get(known.askedQueueId), out);
            return PopOutcome.ASSIGNED;
        }
        Poll<P> poll = new Poll<>(session, requestId, maxMessages, waitUntilMillis, pop);
        QueueHint served = queues.get(session.recentQueueId(requestId));
        QueueHint queue = served != null ? served : takeFromRotation();
        if (queue != null) {
            session.polls.put(requestId, poll);
            ask(poll, queue, out);
            return PopOutcome.ASSIGNED;
        }
        if (waitUntilMillis <= nowMillis) {
            out.answerEmpty(sessionId, requestId, pop);
            return PopOutcome.EMPTY;
        }
        if (heldByTime.size() >= limits.heldMax()) {
            return PopOutcome.TOO_MANY_HELD;
        }
        if (session.heldCount >= limits.heldPerSessionMax()) {
            return PopOutcome.TOO_MANY_HELD_FOR_SESSION;
        }
        session.polls.put(requestId, poll);
        hold(poll, false);
        return PopOutcome.HELD;
    }

    /** A queue is there; what it has is not known, or was told before. Idempotent. */
    public void onQueueAdded(int queueId) {
        queues.computeIfAbsent(queueId, QueueHint::new);
    }

    /**
     * A queue says how many messages it could hand out now. Adds the queue if it is new.
     *
     * @param availableCount not negative; an estimate is enough, zero must be meant
     */
    public void onAvailable(int queueId, long availableCount, Handout<P> out) {
        if (queueId == NO_QUEUE) {
            throw new IllegalArgumentException("queue ids begin at 1");
        }
        QueueHint queue = queues.get(queueId);
        if (queue == null) {
            queue = new QueueHint(queueId);
            queues.put(queueId, queue);
        }
        queue.availableCount = availableCount;
        enterRotation(queue);
        serveHeld(out);
    }

    /**
     * A queue has decided a Pop it was assigned.
     *
     * @param maxMessages as assigned
     * @param gotCount how many messages it got; if any, the queue answers the client; negative: none, and it is answered
     * @param availableCount how many more the queue could hand out now
     */
    public void onPopResult(
            long nowMillis,
            int queueId,
            long sessionId,
            long requestId,
            int maxMessages,
            int gotCount,
            long availableCount,
            Handout<P> out) {
        QueueHint queue = queues.get(queueId);
        if (queue != null) {
            queue.askedCount = Math.max(0, queue.askedCount - maxMessages);
            queue.availableCount = availableCount;
            enterRotation(queue);
        }
        Session<P> session = sessions.get(sessionId);
        Poll<P> poll = session == null ? null : session.polls.get(requestId);
        if (poll != null && poll.askedQueueId == queueId) {
            if (gotCount != 0) {
                session.polls.remove(requestId);
            } else {
                handOn(nowMillis, poll, out);
            }
        }
        serveHeld(out);
    }

    /** A queue is deleted, or its actor stopped. The Pops it had are handed on or held again. */
    public void onQueueGone(long nowMillis, int queueId, Handout<P> out) {
        QueueHint queue = queues.remove(queueId);
        if (queue == null) {
            return;
        }
        if (queue.isInRotation) {
            rotation.remove(queue);
        }
        List<Poll<P>> orphans = new ArrayList<>();
        sessions.forEach(session -> {
            session.forget(queueId);
            session.polls.forEach(poll -> {
                if (poll.askedQueueId == queueId) {
                    orphans.add(poll);
                }
            });
        });
        for (Poll<P> poll : orphans) {
            handOn(nowMillis, poll, out);
        }
    }

    /**
     * Tells which queue served a request before this state existed, so that its repetition goes there: after a restart
     * queues know from their checkpoints.
     */
    public void onServedBefore(int queueId, long sessionId, long requestId) {
        // It may have nothing to hand out and so never say that it is there.
        onQueueAdded(queueId);
        Session<P> session = sessions.get(sessionId);
        if (session == null) {
            session = new Session<>(sessionId);
            sessions.put(sessionId, session);
        }
        session.remember(requestId, queueId);
    }

    public CancelOutcome onCancel(long sessionId, long requestId) {
        Session<P> session = sessions.get(sessionId);
        Poll<P> poll = session == null ? null : session.polls.get(requestId);
        if (poll == null) {
            return CancelOutcome.UNKNOWN;
        }
        if (poll.askedQueueId != NO_QUEUE) {
            poll.isCancelled = true;
            return CancelOutcome.TOO_LATE;
        }
        release(poll);
        session.polls.remove(requestId);
        return CancelOutcome.CANCELLED;
    }

    /** Forgets everything of a session. What queues hand out to it in this moment is theirs to take back. */
    public void onSessionGone(long sessionId) {
        Session<P> session = sessions.remove(sessionId);
        if (session == null) {
            return;
        }
        session.polls.forEach(poll -> {
            if (poll.askedQueueId == NO_QUEUE) {
                release(poll);
            }
        });
    }

    /** Ends every held Pop whose wait is over. */
    public void onTimeout(long nowMillis, Handout<P> out) {
        while (heldByTime.nextDueMillis() <= nowMillis) {
            Poll<P> poll = heldByTime.first();
            release(poll);
            poll.session.polls.remove(poll.requestId);
            out.answerEmpty(poll.session.sessionId, poll.requestId, poll.pop);
        }
    }

    /** Ends every held Pop: the group or the node stops. */
    public void answerAllEmpty(Handout<P> out) {
        onTimeout(Long.MAX_VALUE - 1, out);
    }

    private void serveHeld(Handout<P> out) {
        while (oldestHeld != null) {
            QueueHint queue = takeFromRotation();
            if (queue == null) {
                return;
            }
            Poll<P> poll = oldestHeld;
            release(poll);
            ask(poll, queue, out);
        }
    }

    /** Its queue had nothing for it. */
    private void handOn(long nowMillis, Poll<P> poll, Handout<P> out) {
        poll.askedQueueId = NO_QUEUE;
        Session<P> session = poll.session;
        if (poll.isCancelled) {
            session.polls.remove(poll.requestId);
            return;
        }
        QueueHint queue = takeFromRotation();
        if (queue != null) {
            ask(poll, queue, out);
        } else if (poll.waitUntilMillis <= nowMillis) {
            session.polls.remove(poll.requestId);
            out.answerEmpty(session.sessionId, poll.requestId, poll.pop);
        } else {
            // It has waited longer than those that were never given to a queue. The limits are for newcomers.
            hold(poll, true);
        }
    }

    private void ask(Poll<P> poll, QueueHint queue, Handout<P> out) {
        poll.askedQueueId = queue.queueId;
        queue.askedCount += poll.maxMessages;
        poll.session.remember(poll.requestId, queue.queueId);
        enterRotation(queue);
        out.assign(queue.queueId, poll.session.sessionId, poll.requestId, poll.maxMessages, poll.pop);
    }

    private QueueHint takeFromRotation() {
        while (true) {
            QueueHint queue = rotation.pollFirst();
            if (queue == null) {
                return null;
            }
            queue.isInRotation = false;
            if (queue.hasSomething()) {
                return queue;
            }
        }
    }

    private void enterRotation(QueueHint queue) {
        if (!queue.isInRotation && queue.hasSomething()) {
            queue.isInRotation = true;
            rotation.addLast(queue);
        }
    }

    private void hold(Poll<P> poll, boolean isFirst) {
        heldByTime.put(poll, poll.waitUntilMillis);
        poll.session.heldCount++;
        if (oldestHeld == null) {
            oldestHeld = poll;
            newestHeld = poll;
        } else if (isFirst) {
            poll.next = oldestHeld;
            oldestHeld.previous = poll;
            oldestHeld = poll;
        } else {
            poll.previous = newestHeld;
            newestHeld.next = poll;
            newestHeld = poll;
        }
    }

    private void release(Poll<P> poll) {
        heldByTime.remove(poll);
        poll.session.heldCount--;
        if (poll.previous == null) {
            oldestHeld = poll.next;
        } else {
            poll.previous.next = poll.next;
        }
        if (poll.next == null) {
            newestHeld = poll.previous;
        } else {
            poll.next.previous = poll.previous;
        }
        poll.previous = null;
        poll.next = null;
    }

    @Override
    public String toString() {
        return "DispatchState[queues=" + queues.size() + ", rotation="
                + Arrays.toString(
                        rotation.stream().mapToInt(queue -> queue.queueId).toArray()) + ", held=" + heldCount()
                + ", sessions=" + sessionCount() + "]";
    }
}
