package io.forebay.cluster;

import akka.actor.typed.ActorRef;
import akka.actor.typed.Behavior;
import akka.actor.typed.DispatcherSelector;
import akka.actor.typed.MailboxSelector;
import akka.actor.typed.Props;
import akka.actor.typed.SupervisorStrategy;
import akka.actor.typed.javadsl.AbstractBehavior;
import akka.actor.typed.javadsl.ActorContext;
import akka.actor.typed.javadsl.Behaviors;
import akka.actor.typed.javadsl.Receive;
import io.forebay.config.QueueSettings;
import io.forebay.protocol.NodeProtocol;
import io.forebay.protocol.Refusal;
import io.forebay.protocol.SessionEvent;
import java.util.HashMap;
import java.util.Map;

/**
 * The entry of a node: opens sessions and finds those that are open again. Understands {@link NodeProtocol.Request} and
 * messages of its own; their common type is Object.
 */
public final class NodeEntry extends AbstractBehavior<Object> {

    /** Everything the node needs is there: sessions may be opened. */
    public record Serve(Session.Environment environment) {}

    /** The node could not be started; told to whoever asks. */
    public record Failed(Refusal refusal) {}

    /** No new sessions, no new requests in those that are open; what is under way goes on. */
    public enum Drain {
        INSTANCE
    }

    /** Ends all sessions; deadlines rule what they hold. Answered by {@link AllEnded}. */
    public record EndSessions(ActorRef<? super AllEnded> replyTo) {}

    /** No session is left. */
    public enum AllEnded {
        INSTANCE
    }

    /** How many sessions are open; for tests and health. */
    public record CountSessions(ActorRef<Integer> replyTo) {}

    private record SessionStopped(long sessionId, ActorRef<Object> session) {}

    /** Path of the mailbox's section. */
    private static final String SESSION_MAILBOX = "forebay.session.mailbox";

    private static final long START_GUESS_MILLIS = 500;

    private final Props sessionProps;
    private final RefusalCounts refusals;
    private final Map<Long, ActorRef<Object>> sessions = new HashMap<>();
    private Session.Environment environment;
    private Refusal notServing;
    private EndSessions ending;
    private long sessionNumber;

    /** @param refusals counts who is not let in; that of the sessions */
    public static Behavior<Object> create(String nodeName, RefusalCounts refusals) {
        // Nothing of its state is touched before a session is spawned, so an exception costs one request, which is
        // repeated.
        return Behaviors.supervise(Behaviors.<Object>setup(context -> new NodeEntry(context, nodeName, refusals)))
                .onFailure(Exception.class, SupervisorStrategy.resume());
    }

    private NodeEntry(ActorContext<Object> context, String nodeName, RefusalCounts refusals) {
        super(context);
        this.refusals = refusals;
        sessionProps = DispatcherSelector.fromConfig(QueueSettings.DISPATCHER)
                .withNext(MailboxSelector.fromConfig(SESSION_MAILBOX));
        notServing = new Refusal(
                Refusal.Code.SHUTTING_DOWN,
                "node '" + nodeName + "' is starting: it reads its log",
                START_GUESS_MILLIS);
    }

    @Override
    public Receive<Object> createReceive() {
        return newReceiveBuilder()
                .onMessage(NodeProtocol.OpenSession.class, this::onOpenSession)
                .onMessage(NodeProtocol.FindSession.class, this::onFindSession)
                .onMessage(SessionStopped.class, this::onSessionStopped)
                .onMessage(Serve.class, this::onServe)
                .onMessage(Failed.class, this::onFailed)
                .onMessageEquals(Drain.INSTANCE, this::onDrain)
                .onMessage(EndSessions.class, this::onEndSessions)
                .onMessage(CountSessions.class, this::onCountSessions)
                .build();
    }

    private Behavior<Object> onServe(Serve serve) {
        environment = serve.environment;
        notServing = null;
        return this;
    }

    private Behavior<Object> onFailed(Failed failed) {
        notServing = failed.refusal;
        return this;
    }

    private Behavior<Object> onOpenSession(NodeProtocol.OpenSession open) {
        Refusal refusal = refusal(open);
        if (refusal != null) {
            SessionEvent refused = new SessionEvent.OpenRefused(open.sessionId(), refusal);
            refusals.count(refused);
            open.client().tell(refused);
            return this;
        }
        ActorRef<Object> session = sessions.get(open.sessionId());
        if (session != null) {
            session.tell(new Session.Attach(open.client(), open.frameBytes(), open.clientName()));
            return this;
        }
        session = getContext()
                .spawn(
                        Session.create(
                                environment,
                                open.sessionId(),
                                open.clientName(),
                                open.frameBytes(),
                                open.client(),
                                environment.directory().takeHeldBefore(open.sessionId())),
                        "session-" + ++sessionNumber,
                        sessionProps);
        sessions.put(open.sessionId(), session);
        getContext().watchWith(session, new SessionStopped(open.sessionId(), session));
        return this;
    }

    private Behavior<Object> onFindSession(NodeProtocol.FindSession find) {
        if (!sessions.containsKey(find.sessionId())) {
            find.client().tell(new SessionEvent.SessionUnknown(find.sessionId(), find.number()));
        }
        return this;
    }

    private Refusal refusal(NodeProtocol.OpenSession open) {
        if (notServing != null) {
            return notServing;
        }
        if (open.protocolVersion() != NodeProtocol.VERSION) {
            return Refusal.of(
                    Refusal.Code.UNSUPPORTED,
                    "the client speaks version " + open.protocolVersion() + " of the protocol, the node version "
                            + NodeProtocol.VERSION);
        }
        if (open.sessionId() == 0) {
            return Refusal.illegalArgument("session id", 0, "a random number that is not 0");
        }
        int max = environment.settings().session().sessionsMax();
        if (sessions.size() >= max && !sessions.containsKey(open.sessionId())) {
            return new Refusal(
                    Refusal.Code.LIMIT,
                    sessions.size() + " sessions are open, forebay.session.sessions-max allows " + max,
                    environment.limits().sessionTimeoutMillis());
        }
        return null;
    }

    private Behavior<Object> onSessionStopped(SessionStopped stopped) {
        sessions.remove(stopped.sessionId, stopped.session);
        answerEnding();
        return this;
    }

    private Behavior<Object> onDrain() {
        if (environment != null) {
            String name = environment.settings().node().name();
            notServing = new Refusal(Refusal.Code.SHUTTING_DOWN, "node '" + name + "' is stopping", START_GUESS_MILLIS);
        }
        sessions.values().forEach(session -> session.tell(Session.Drain.INSTANCE));
        return this;
    }

    private Behavior<Object> onEndSessions(EndSessions end) {
        ending = end;
        sessions.values().forEach(session -> session.tell(Session.End.INSTANCE));
        answerEnding();
        return this;
    }

    private void answerEnding() {
        if (ending != null && sessions.isEmpty()) {
            ending.replyTo.tell(AllEnded.INSTANCE);
            ending = null;
        }
    }

    private Behavior<Object> onCountSessions(CountSessions count) {
        count.replyTo.tell(sessions.size());
        return this;
    }
}
