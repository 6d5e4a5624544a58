package io.forebay.protocol;

import akka.actor.typed.ActorRef;
import akka.actor.typed.receptionist.ServiceKey;

/**
 * The entry of a node. One actor per node answers it: registered with the Receptionist under {@link #SERVICE_KEY} for
 * members of the cluster, and at {@link #CONTACT_PATH} for everyone else.
 *
 * <p>An application that speaks actors rather than completion stages can use this protocol directly: open a session, keep
 * its reference, send it {@link SessionCommand}s and receive {@link SessionEvent}s:
 * <pre>{@code
 * Behavior<SessionEvent> worker = Behaviors.setup(context -> {
 *     node.tell(new NodeProtocol.OpenSession(NodeProtocol.VERSION, random.nextLong(), "worker", frameBytes, context.getSelf()));
 *     return Behaviors.receive(SessionEvent.class)
 *             .onMessage(SessionEvent.Opened.class, opened -> {
 *                 session = opened.session();
 *                 session.tell(new SessionCommand.Pop(1, "orders", "billing", 32, 1 << 20, 30_000, 20_000));
 *                 return Behaviors.same();
 *             })
 *             .onMessage(SessionEvent.Popped.class, popped -> {
 *                 popped.deliveries().forEach(delivery -> bill(delivery.body()));
 *                 session.tell(new SessionCommand.Ack(2, "billing", handlesOf(popped), null));
 *                 ...
 *             })
 *             ...
 *             .build();
 * });
 * }</pre>
 * Such an application must do itself what {@code io.forebay.client} does: heartbeats (also inside one JVM), opening again
 * when the session ends, repeating what was unanswered, extending what it holds for long.
 */
public final class NodeProtocol {
    /** Version of this protocol; a node refuses one that it does not speak with {@link Refusal.Code#UNSUPPORTED}. */
    public static final int VERSION = 1;
    /** Name of the entry actor. */
    public static final String ENTRY_NAME = "forebay";
    /** Path of the entry actor within its actor system. */
    public static final String CONTACT_PATH = "/system/" + ENTRY_NAME;
    /** What nodes register as with the Receptionist. */
    public static final ServiceKey<Request> SERVICE_KEY = ServiceKey.create(Request.class, "forebay");

    private NodeProtocol() {}

    /** What the entry of a node takes. */
    public sealed interface Request permits OpenSession, FindSession {}

    /**
     * Opens a session, or attaches to the one with this id again. Idempotent. Answered to {@code client} by {@link
     * SessionEvent.Opened} or {@link SessionEvent.OpenRefused}. Attaching again resets both directions' chunk streams,
     * replaces the client's reference and keeps what the session holds.
     *
     * @param protocolVersion {@link #VERSION}
     * @param sessionId random, not 0; the client keeps it for life, over losses of the connection and restarts of the node
     * @param clientName for people: shown in logs and descriptions
     * @param frameBytes largest wire form the client's transport takes; see {@code WireFrames} of {@code
     *     io.forebay.protocol.wire}
     * @param client long-lived; all events of the session go there, so never a temporary reference of an ask
     */
    public record OpenSession(
            int protocolVersion, long sessionId, String clientName, int frameBytes, ActorRef<SessionEvent> client)
            implements Request {}

    /**
     * Asks whether the node still knows a session that is silent. Answered to {@code client} by {@link
     * SessionEvent.SessionUnknown} if it does not, as after a restart; else not at all, and nothing is changed.
     *
     * @param number of the question, chosen by the client
     */
    public record FindSession(long sessionId, long number, ActorRef<SessionEvent> client) implements Request {}
}
