package io.forebay.node;

import akka.actor.typed.ActorRef;
import akka.actor.typed.ActorSystem;
import akka.actor.typed.Behavior;
import akka.actor.typed.Props;
import akka.actor.typed.javadsl.Behaviors;
import io.forebay.protocol.NodeProtocol;
import io.forebay.protocol.SessionCommand;
import io.forebay.protocol.SessionEvent;
import java.util.ArrayDeque;
import java.util.Arrays;
import java.util.function.Predicate;
import java.util.function.UnaryOperator;

/**
 * What lies between a client and its node: it loses what it is told to lose, is late when it is told to be, and keeps the order of the
 * rest. To the client it is the
 * node's entry. Its actors are of the system it is made in; what they ask is asked where they work.
 */
final class LossyLine {
    private enum Cut {
        INSTANCE
    }

    private enum GoOn {
        INSTANCE
    }

    private final ActorSystem<?> system;
    private final ActorRef<NodeProtocol.Request> node;
    private final Predicate<Object> isLost;
    private final UnaryOperator<SessionCommand> form;
    private final ActorRef<Object> entry;
    /** One for all the client's life, or what it is told would change its order. */
    private ActorRef<Object> toClient;
    /** One for the life of a session, for the same reason; null when there is none. */
    private ActorRef<Object> toSession;
    /** The one that was opened last; null if none was. */
    private ActorRef<SessionCommand> session;

    private boolean isLate;
    private long number;

    /**
     * @param isLost asked about everything that goes either way, once
     * @param form what becomes of a command on its way
     */
    LossyLine(
            ActorSystem<?> system,
            ActorRef<NodeProtocol.Request> node,
            Predicate<Object> isLost,
            UnaryOperator<SessionCommand> form,
            String name) {
        this.system = system;
        this.node = node;
        this.isLost = isLost;
        this.form = form;
        entry = relay(name, node, request -> ofRequest((NodeProtocol.Request) request));
    }

    ActorRef<NodeProtocol.Request> entry() {
        return entry.narrow();
    }

    boolean isLate() {
        return isLate;
    }

    /** Whether nothing arrives, either way, until that changes. */
    void beLate(boolean late) {
        isLate = late;
        for (ActorRef<Object> relay : Arrays.asList(entry, toClient, toSession)) {
            if (relay != null) {
                relay.tell(GoOn.INSTANCE);
            }
        }
    }

    /** The client finds its session gone; the node does not notice. */
    void cut() {
        if (toSession != null) {
            toSession.tell(Cut.INSTANCE);
        }
    }

    /** The node ends the session, as if its client had left. */
    void endSession() {
        if (session != null) {
            session.tell(new SessionCommand.Detach());
        }
    }

    private <T> ActorRef<Object> relay(String name, ActorRef<T> target, UnaryOperator<Object> formOf) {
        ArrayDeque<Object> waiting = new ArrayDeque<>();
        Behavior<Object> behavior = Behaviors.receive((context, message) -> {
            if (message == Cut.INSTANCE) {
                // Only now: what was told before has gone on, or is late and does not come any more.
                toSession = context.getSelf().equals(toSession) ? null : toSession;
                return Behaviors.stopped();
            }
            if (message != GoOn.INSTANCE) {
                waiting.addLast(message);
            }
            while (!isLate && !waiting.isEmpty()) {
                Object next = waiting.removeFirst();
                if (!isLost.test(next)) {
                    target.<Object>unsafeUpcast().tell(formOf.apply(next));
                }
            }
            return Behaviors.same();
        });
        return system.systemActorOf(behavior, name + "-" + ++number, Props.empty());
    }

    private NodeProtocol.Request ofRequest(NodeProtocol.Request request) {
        if (request instanceof NodeProtocol.OpenSession open) {
            return new NodeProtocol.OpenSession(
                    open.protocolVersion(),
                    open.sessionId(),
                    open.clientName(),
                    open.frameBytes(),
                    toClient(open.client()));
        }
        NodeProtocol.FindSession find = (NodeProtocol.FindSession) request;
        return new NodeProtocol.FindSession(find.sessionId(), find.number(), toClient(find.client()));
    }

    private ActorRef<SessionEvent> toClient(ActorRef<SessionEvent> client) {
        if (toClient == null) {
            toClient = relay(entry.path().name() + "-events", client, event -> ofEvent((SessionEvent) event));
        }
        return toClient.narrow();
    }

    private SessionEvent ofEvent(SessionEvent event) {
        if (!(event instanceof SessionEvent.Opened opened)) {
            return event;
        }
        if (toSession == null || !opened.session().equals(session)) {
            session = opened.session();
            toSession =
                    relay(entry.path().name() + "-commands", session, command -> form.apply((SessionCommand) command));
        }
        return new SessionEvent.Opened(
                toSession.narrow(), opened.sessionId(), opened.nodeName(), opened.limits(), opened.isResumed());
    }
}
