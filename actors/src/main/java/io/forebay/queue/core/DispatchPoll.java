package io.forebay.queue.core;

/**
 * One Pop at a dispatcher: held, or at a queue.
 *
 * @param <P> what the shell needs to answer it
 */
final class DispatchPoll<P> extends DueHeap.Node {
    final DispatchSession<P> session;
    final long requestId;
    final int maxMessages;
    /** Until when it may be held. */
    final long waitUntilMillis;
    /** Its place among the held ones of its session. */
    final TurnList.Place<DispatchPoll<P>> place = new TurnList.Place<>(this);

    P pop;
    /** {@link DispatchSession#NO_QUEUE} while it is held. */
    int askedQueueId;
    /** What that queue was asked for. */
    int askedCount;

    /** It came again while its queue has it. */
    boolean isRepeated;

    boolean isCancelled;
    /** It waits no longer: if its queue has nothing, that is the answer. */
    boolean isEnding;

    DispatchPoll(DispatchSession<P> session, long requestId, int maxMessages, long waitUntilMillis, P pop) {
        this.session = session;
        this.requestId = requestId;
        this.maxMessages = maxMessages;
        this.waitUntilMillis = waitUntilMillis;
        this.pop = pop;
    }

    boolean isHeld() {
        return place.isTaken();
    }
}
