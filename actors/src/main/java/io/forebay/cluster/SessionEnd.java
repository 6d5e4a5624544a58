package io.forebay.cluster;

import akka.actor.typed.ActorRef;
import io.forebay.protocol.Refusal;
import io.forebay.queue.GroupQueue;
import io.forebay.topic.Dispatcher;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;

/**
 * How a session ends, and who has to hear of it: the dispatchers at which it popped and the groups' queues that may hold
 * deliveries of it. A client that closes is told of the end when what it holds is out again; one that is gone, or detaches, is not
 * waited for. Confined to its session.
 */
final class SessionEnd {
    private static final long RESTART_GUESS_MILLIS = 1_000;

    private final SessionParts session;
    private final Set<ActorRef<Dispatcher.Command>> dispatchers = new HashSet<>();
    private final Set<ActorRef<GroupQueue.Command>> holders = new HashSet<>();
    /** Who has not yet let go of what it holds for the client that closes. */
    private final Set<ActorRef<?>> releasing = new HashSet<>();

    private final Map<Long, ActorRef<?>> releaseTokens = new HashMap<>();
    private boolean isDraining;
    private boolean isClosing;
    private boolean isOver;
    private Refusal reason;

    /** @param heldBefore groups' queues that held deliveries of this session when the node was started */
    SessionEnd(SessionParts session, List<ActorRef<GroupQueue.Command>> heldBefore) {
        this.session = session;
        holders.addAll(heldBefore);
    }

    // ---- who has to hear of it --------------------------------------------------------------------------------------

    void popsAt(ActorRef<Dispatcher.Command> dispatcher) {
        dispatchers.add(dispatcher);
    }

    void holdsAt(ActorRef<GroupQueue.Command> groupQueue) {
        holders.add(groupQueue);
    }

    /** @return whether the last one was waited for that has to let go */
    boolean onTargetGone(ActorRef<?> target) {
        dispatchers.removeIf(target::equals);
        holders.removeIf(target::equals);
        return isClosing && released(target);
    }

    // ---- how it ends ------------------------------------------------------------------------------------------------

    /** The node stops: nothing new is taken. */
    void drain() {
        isDraining = true;
    }

    /** Null unless the node stops. */
    Refusal refuseNew() {
        return isDraining
                ? new Refusal(Refusal.Code.SHUTTING_DOWN, "node '" + nodeName() + "' is stopping", RESTART_GUESS_MILLIS)
                : null;
    }

    /** The consumer is gone: what it held comes back, counted. */
    void gone(Refusal why) {
        tellDispatchers(Dispatcher.Ending.CONSUMER_GONE);
        holders.forEach(holder -> holder.tell(new GroupQueue.ConsumerGone(session.sessionId())));
        reason = why;
    }

    /** The client leaves, and its deliveries stay what they are. */
    void detach() {
        tellDispatchers(Dispatcher.Ending.DETACHED);
        reason = Refusal.of(Refusal.Code.CLOSED, "the client has detached");
    }

    /**
     * What it holds goes back first, so that it is out again when the client hears of the end.
     *
     * @return whether nobody has to let go of anything
     */
    boolean close() {
        isClosing = true;
        reason = Refusal.of(Refusal.Code.CLOSED, "the client has closed the session");
        tellDispatchers(Dispatcher.Ending.CLOSED);
        releasing.addAll(holders);
        for (ActorRef<GroupQueue.Command> holder : holders) {
            long token = session.nextToken();
            releaseTokens.put(token, holder);
            holder.tell(new GroupQueue.SessionClosed(session.sessionId(), token, session.queueReplies()));
        }
        return releasing.isEmpty();
    }

    /** @return whether it was the last one */
    boolean onReleased(long token) {
        ActorRef<?> holder = releaseTokens.remove(token);
        return holder != null && released(holder);
    }

    private boolean released(ActorRef<?> holder) {
        releasing.remove(holder);
        return releasing.isEmpty();
    }

    /** The node ends: deadlines rule until the client attaches again. */
    void nodeEnds() {
        reason = new Refusal(Refusal.Code.SHUTTING_DOWN, "node '" + nodeName() + "' stops", RESTART_GUESS_MILLIS);
    }

    /** After a bug, or with the actor system: what is held is free, and the client opens a session again. */
    void failed() {
        reason = Refusal.of(Refusal.Code.FAILED, "the session has failed; the node's log says more");
    }

    private void tellDispatchers(Dispatcher.Ending ending) {
        dispatchers.forEach(dispatcher -> dispatcher.tell(new Dispatcher.SessionEnded(session.sessionId(), ending)));
    }

    private String nodeName() {
        return session.environment().settings().node().name();
    }

    // ---- where it is ------------------------------------------------------------------------------------------------

    /** Whether the client has closed, and what it holds is on its way back. */
    boolean isClosing() {
        return isClosing;
    }

    /** Whether the session, or the node, is about to end. */
    boolean isEnding() {
        return isClosing || isDraining;
    }

    /** Nothing is to follow. */
    void over() {
        isOver = true;
    }

    boolean isOver() {
        return isOver;
    }

    /** Why it ends; null while it does not. */
    Refusal reason() {
        return reason;
    }
}
