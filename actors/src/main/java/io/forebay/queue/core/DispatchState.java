package io.forebay.queue.core;

import java.util.ArrayList;
import java.util.List;

/**
 * Which queue serves which Pop, for one topic and group on one node: hints of what each queue has, the long polls that
 * are held, what may go out at all, and a fair hand-out of that. A hint may be wrong in either direction; a Pop that comes
 * back from its queue with nothing is handed on or held again, so a hint costs a detour and never a message.
 *
 * <p>Sessions take turns, however many Pops each has and however large they are: while one waits, no other is served twice,
 * and where several wait each gets its share of what is there.
 *
 * <p>What goes out is held to the group's {@link GroupPolicy}: its pause, rate, breaker, and the maxima of what is in flight,
 * for the group and for each session. A Pop that may not have anything for now is held like one for which there is nothing.
 * The maxima are exact as far as queues tell ({@link #onInFlight}), with one exception: what a session held before the
 * dispatcher began counts from when its queue tells of it. A repeated Pop gets from its queue what it got before, whatever may go
 * out; if that is gone it is like one for which the queue had nothing.
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
    private static final int NO_QUEUE = DispatchSession.NO_QUEUE;

    /** Takes what was decided. Called from within the methods of this class; must not call back. */
    public interface Handout<P> {
        /**
         * The queue is to decide this Pop, with at most so many messages, 0 for nothing but what it got before, and to report {@link
         * #onPopResult}. Until it has, nothing more of this Pop is assigned.
         */
        void assign(int queueId, long sessionId, long requestId, int maxMessages, P pop);

        /** The Pop's wait is over. */
        void answerEmpty(long sessionId, long requestId, P pop);

        /** The group's breaker has opened or closed. */
        void breakerChanged(boolean isOpen);
    }

    /**
     * Bounds of what is held.
     *
     * @param heldMax long polls held in all
     * @param heldPerSessionMax long polls held for one session
     * @param queueInFlightMax what each queue sees to by itself: a policy that names the same limits nothing more
     */
    public record Limits(int heldMax, int heldPerSessionMax, int queueInFlightMax) {
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

    private final Limits limits;
    private final DeliveryGate gate;
    private final QueueRotation queues = new QueueRotation();
    private final HeldPolls<P> held = new HeldPolls<>();
    private final LongMap<DispatchSession<P>> sessions = new LongMap<>();
    private boolean isBreakerOpen;

    /** @param policy until it is {@link #configure configured} anew */
    public DispatchState(Limits limits, GroupPolicy policy) {
        this.limits = limits;
        gate = new DeliveryGate(policy, limits.queueInFlightMax());
    }

    public int heldCount() {
        return held.count();
    }

    /** @return sessions that something is known of */
    public int sessionCount() {
        return sessions.size();
    }

    public boolean isBreakerOpen() {
        return gate.isBreakerOpen();
    }

    /**
     * @return when {@link #onDue} has something to do, {@link Long#MAX_VALUE} for never as things are
     */
    public long nextDueMillis(long nowMillis) {
        long due = held.nextTimeoutMillis();
        if (held.waitingSessions() > 0 && queues.hasNext()) {
            due = Math.min(due, gate.readyMillis(nowMillis, queues.outTotal()));
        }
        return due;
    }

    /** The group's settings have changed. */
    public void configure(long nowMillis, GroupPolicy policy, Handout<P> out) {
        gate.configure(nowMillis, policy);
        sessions.forEach(held::retry);
        tellBreaker(out);
        serveHeld(nowMillis, out);
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
        DispatchSession<P> session = session(sessionId);
        DispatchPoll<P> known = session.polls.get(requestId);
        if (known != null) {
            known.pop = pop;
            known.isCancelled = false;
            known.isEnding = false;
            if (known.isHeld()) {
                return PopOutcome.HELD;
            }
            known.isRepeated = true;
            return PopOutcome.ASSIGNED;
        }
        serveHeld(nowMillis, out);
        DispatchPoll<P> poll = new DispatchPoll<>(session, requestId, maxMessages, waitUntilMillis, pop);
        QueueRotation.Hint served = queues.get(session.servedBy(requestId));
        if (served != null) {
            session.polls.put(requestId, poll);
            ask(poll, served, 0, out);
            return PopOutcome.ASSIGNED;
        }
        if (held.waitingSessions() == 0 && askNext(nowMillis, poll, out)) {
            session.polls.put(requestId, poll);
            return PopOutcome.ASSIGNED;
        }
        if (waitUntilMillis <= nowMillis) {
            out.answerEmpty(sessionId, requestId, pop);
            return PopOutcome.EMPTY;
        }
        if (held.count() >= limits.heldMax()) {
            return PopOutcome.TOO_MANY_HELD;
        }
        if (session.held.size() >= limits.heldPerSessionMax()) {
            return PopOutcome.TOO_MANY_HELD_FOR_SESSION;
        }
        session.polls.put(requestId, poll);
        held.hold(poll, false);
        return PopOutcome.HELD;
    }

    /** A queue is there; what it has is not known, or was told before. Idempotent. */
    public void onQueueAdded(int queueId) {
        queues.add(queueId);
    }

    /**
     * A queue says how many messages it could hand out now. Adds the queue if it is new.
     *
     * @param availableCount not negative; an estimate is enough, zero must be meant
     */
    public void onAvailable(long nowMillis, int queueId, long availableCount, Handout<P> out) {
        if (queueId == NO_QUEUE) {
            throw new IllegalArgumentException("queue ids begin at 1");
        }
        queues.available(queues.add(queueId), availableCount);
        serveHeld(nowMillis, out);
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
        gate.giveBack(maxMessages - Math.max(0, gotCount));
        QueueRotation.Hint queue = queues.get(queueId);
        if (queue != null) {
            queues.decided(queue, maxMessages, gotCount, availableCount);
        }
        DispatchSession<P> session = sessions.get(sessionId);
        if (session != null) {
            session.inFlight(Math.max(0, gotCount));
            if (gotCount == 0) {
                // When it comes again it is no repetition, and no limit is to let it pass as one.
                session.forget(requestId, queueId);
            }
            DispatchPoll<P> poll = session.polls.get(requestId);
            if (poll != null && poll.askedQueueId == queueId) {
                leaveQueue(poll);
                boolean isRepeated = poll.isRepeated;
                poll.isRepeated = false;
                if (gotCount == 0) {
                    handOn(nowMillis, poll, out);
                } else if (isRepeated && queue != null) {
                    // The first copy is answered. The second one gets the same.
                    ask(poll, queue, 0, out);
                } else {
                    session.polls.remove(requestId);
                }
            }
            held.retry(session);
        }
        serveHeld(nowMillis, out);
    }

    /**
     * A queue says what is in flight, and what became of what was.
     *
     * @param inFlight deliveries in flight
     * @param acked attempts that ended well
     * @param failed attempts that failed
     * @param freedSessionIds sessions of deliveries that are not in flight any more
     * @param freedCounts how many of each; negative: so many more are in flight
     */
    public void onInFlight(
            long nowMillis,
            int queueId,
            long inFlight,
            int acked,
            int failed,
            long[] freedSessionIds,
            int[] freedCounts,
            Handout<P> out) {
        queues.inFlight(queues.add(queueId), inFlight);
        gate.onOutcomes(nowMillis, acked, failed);
        tellBreaker(out);
        for (int i = 0; i < freedSessionIds.length; i++) {
            // What is in flight from before counts for a session that comes back; what a session leaves behind does
            // not.
            DispatchSession<P> session =
                    freedCounts[i] < 0 ? session(freedSessionIds[i]) : sessions.get(freedSessionIds[i]);
            if (session != null) {
                session.inFlight(-(long) freedCounts[i]);
                held.retry(session);
            }
        }
        serveHeld(nowMillis, out);
    }

    /** A queue is deleted, or its actor stopped. The Pops it had are handed on or held again. */
    public void onQueueGone(long nowMillis, int queueId, Handout<P> out) {
        if (!queues.remove(queueId)) {
            return;
        }
        List<DispatchPoll<P>> orphans = new ArrayList<>();
        sessions.forEach(session -> session.polls.forEach(poll -> {
            if (poll.askedQueueId == queueId) {
                orphans.add(poll);
            }
        }));
        for (DispatchPoll<P> poll : orphans) {
            poll.isRepeated = false;
            leaveQueue(poll);
            handOn(nowMillis, poll, out);
        }
        serveHeld(nowMillis, out);
    }

    /**
     * Tells which queue served a request before this state existed, so that its repetition goes there: after a restart
     * queues know from their checkpoints.
     */
    public void onServedBefore(int queueId, long sessionId, long requestId) {
        // It may have nothing to hand out and so never say that it is there.
        queues.add(queueId);
        session(sessionId).servedBefore(requestId, queueId);
    }

    public CancelOutcome onCancel(long sessionId, long requestId) {
        DispatchSession<P> session = sessions.get(sessionId);
        DispatchPoll<P> poll = session == null ? null : session.polls.get(requestId);
        if (poll == null) {
            return CancelOutcome.UNKNOWN;
        }
        if (!poll.isHeld()) {
            poll.isCancelled = true;
            return CancelOutcome.TOO_LATE;
        }
        held.release(poll);
        session.polls.remove(requestId);
        return CancelOutcome.CANCELLED;
    }

    /** The Pop is to wait no longer: it is answered now, or with what its queue says. Does nothing if there is none. */
    public void onEndWait(long sessionId, long requestId, Handout<P> out) {
        DispatchSession<P> session = sessions.get(sessionId);
        DispatchPoll<P> poll = session == null ? null : session.polls.get(requestId);
        if (poll == null) {
            return;
        }
        if (poll.isHeld()) {
            answerEmpty(poll, out);
        } else {
            poll.isEnding = true;
        }
    }

    /** Forgets everything of a session. What queues hand out to it in this moment is theirs to take back. */
    public void onSessionGone(long sessionId) {
        DispatchSession<P> session = sessions.remove(sessionId);
        if (session == null) {
            return;
        }
        session.polls.forEach(poll -> {
            if (poll.isHeld()) {
                held.release(poll);
            }
        });
    }

    /** Time has passed: serves what may be served now, and ends every held Pop whose wait is over. */
    public void onDue(long nowMillis, Handout<P> out) {
        serveHeld(nowMillis, out);
        while (held.nextTimeoutMillis() <= nowMillis) {
            answerEmpty(held.firstByTime(), out);
        }
    }

    /** Ends every held Pop: the group or the node stops. */
    public void answerAllEmpty(Handout<P> out) {
        for (DispatchPoll<P> poll = held.firstByTime(); poll != null; poll = held.firstByTime()) {
            answerEmpty(poll, out);
        }
    }

    private void answerEmpty(DispatchPoll<P> poll, Handout<P> out) {
        held.release(poll);
        poll.session.polls.remove(poll.requestId);
        out.answerEmpty(poll.session.sessionId, poll.requestId, poll.pop);
    }

    private DispatchSession<P> session(long sessionId) {
        DispatchSession<P> session = sessions.get(sessionId);
        if (session == null) {
            session = new DispatchSession<>(sessionId);
            sessions.put(sessionId, session);
        }
        return session;
    }

    private void tellBreaker(Handout<P> out) {
        if (isBreakerOpen != gate.isBreakerOpen()) {
            isBreakerOpen = !isBreakerOpen;
            out.breakerChanged(isBreakerOpen);
        }
    }

    private int roomFor(long nowMillis, DispatchSession<P> session) {
        return Math.min(gate.room(nowMillis, queues.outTotal()), gate.consumerRoom(session.outCount()));
    }

    /** In rounds: in each of them every session that waits gets the same share of what is there, or what it asks for. */
    private void serveHeld(long nowMillis, Handout<P> out) {
        int leftInRound = 0;
        long share = 0;
        while (held.waitingSessions() > 0 && queues.hasNext()) {
            int room = gate.room(nowMillis, queues.outTotal());
            if (room == 0) {
                return;
            }
            if (leftInRound == 0) {
                leftInRound = held.waitingSessions();
                share = leftInRound == 1
                        ? Integer.MAX_VALUE
                        : (Math.min(room, queues.spareTotal()) + leftInRound - 1) / leftInRound;
            }
            DispatchPoll<P> poll = held.take(session -> gate.consumerRoom(session.outCount()) > 0);
            if (poll == null) {
                return;
            }
            leftInRound--;
            int count = Math.min(poll.maxMessages, gate.consumerRoom(poll.session.outCount()));
            ask(poll, queues.take(), (int) Math.min(Math.min(count, room), share), out);
        }
    }

    /** Its queue had nothing for it. */
    private void handOn(long nowMillis, DispatchPoll<P> poll, Handout<P> out) {
        DispatchSession<P> session = poll.session;
        if (poll.isCancelled) {
            session.polls.remove(poll.requestId);
        } else if (!poll.isEnding && askNext(nowMillis, poll, out)) {
            return;
        } else if (poll.isEnding || poll.waitUntilMillis <= nowMillis) {
            session.polls.remove(poll.requestId);
            out.answerEmpty(session.sessionId, poll.requestId, poll.pop);
        } else {
            // It has waited longer than those that were never given to a queue. The limits are for newcomers.
            held.hold(poll, true);
        }
    }

    /** Gives it to the queue whose turn it is, if there is one and the Pop may have anything. */
    private boolean askNext(long nowMillis, DispatchPoll<P> poll, Handout<P> out) {
        int room = roomFor(nowMillis, poll.session);
        if (room == 0 || !queues.hasNext()) {
            return false;
        }
        ask(poll, queues.take(), Math.min(poll.maxMessages, room), out);
        return true;
    }

    private void ask(DispatchPoll<P> poll, QueueRotation.Hint queue, int count, Handout<P> out) {
        poll.askedQueueId = queue.queueId;
        poll.askedCount = count;
        poll.session.asked(count);
        poll.session.remember(poll.requestId, queue.queueId);
        queues.asked(queue, count);
        gate.take(count);
        out.assign(queue.queueId, poll.session.sessionId, poll.requestId, count, poll.pop);
    }

    private void leaveQueue(DispatchPoll<P> poll) {
        poll.session.asked(-poll.askedCount);
        poll.askedQueueId = NO_QUEUE;
        poll.askedCount = 0;
    }

    @Override
    public String toString() {
        return "DispatchState[" + queues + ", held=" + heldCount() + ", sessions=" + sessionCount() + "]";
    }
}
