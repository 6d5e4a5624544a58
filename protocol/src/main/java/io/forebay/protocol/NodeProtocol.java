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
 * when the session ends, beginning anew then, repeating what was unanswered, extending what it holds for long.
 *
 * <p><b>Being pushed to.</b> Instead of popping again and again it may subscribe, and is sent what there is for its group as
 * that comes. Any number of sessions may subscribe; they are served in turn, together with those that pop.
 * <pre>
 *  client                                                   session
 *  Subscribe(1, subscription 7, begin(500))               →
 *                                                         ←  Subscribed(1, 7, PUSH)
 *                                                         ←  Pushed(7, push 1, 32 deliveries)
 *                                                         ←  Pushed(7, push 2, 20 deliveries)
 *  Credit(7, 552 in all, 52 received, up to push 2, PUSH) →
 *  Ack(2, …), ChangeInvisible(3, …), as of what was popped →
 *                                                         ←  SubscriptionMode(7, POP)
 *  Credit(7, 52 in all, 52 received, up to push 2, POP)   →
 *  Pop(4, …)                                              →
 *  Unsubscribe(5, 7, …)                                   →
 *                                                         ←  Unsubscribed(5, 7)
 * </pre>
 * <ul>
 *   <li><em>Credits</em> are messages, told as totals since the subscription began, so that a word that is lost or comes twice
 *       does no harm: see {@link SubscriptionProgress}. What the client is willing to take in all, less what it has received,
 *       bounds what is on its way; at most {@link SessionLimits#creditsMax}. Whoever has room for more, as a rule when a
 *       message has been handled, raises the total with {@link SessionCommand.Credit}; an ack by itself gives none back.
 *   <li><em>What has come</em> is told with the same command, by the numbers of the pushes. Nothing is pushed more than {@link
 *       SubscriptionProgress#WINDOW} numbers beyond the first one that is missing, nor while more bytes than the node allows
 *       ({@code forebay.session.push-bytes-max}) are not told to have come. So it is told every few pushes, and within one
 *       heartbeat interval: what is not for three of them is taken for lost, as is what was pushed before something that has
 *       come. What is lost is pushed again, with its number and the same handles. When a number comes a second time, what the
 *       first copy did not have is given back, and all else in it is known already.
 *   <li><em>Pop or push</em> is the group's setting {@code delivery}; it may change while consumers are subscribed. {@link
 *       SessionEvent.SubscriptionMode} tells it. To pop: nothing is under way any more, the client takes back its open
 *       credits, and pops for itself. To push: it ends the waits of its Pops ({@link SessionCommand.CancelPop}), and what they
 *       do not bring becomes credits. It says by its next Credit that it has understood; else it is told again.
 *   <li><em>The end.</em> After {@link SessionEvent.Unsubscribed} nothing is pushed; what was before is the client's to settle
 *       or to give back. The node ends a subscription by {@link SessionEvent.SubscriptionEnded}; if that passes ({@link
 *       Refusal#isTransient}) the client subscribes again, with the same number and its progress. The end of the session ends
 *       its subscriptions.
 *   <li><em>Begun anew.</em> What was on its way may be lost. After {@link SessionCommand.BeginAnew} nothing is pushed, and
 *       Credits mean nothing, until the client has sent its Subscribe again with the same number and its progress; then what it
 *       has not received comes again, with the same handles unless their deadline has passed. After a restart of the node all
 *       that this knows of a subscription is what the client tells of it; and what the session held, it holds again.
 * </ul>
 */
public final class NodeProtocol {
    /**
     * Version of this protocol; a node refuses one that it does not speak with {@link Refusal.Code#UNSUPPORTED}. That it can say so,
     * and be understood, the wire forms of {@link OpenSession} and {@link SessionEvent.OpenRefused} are the same in all versions.
     */
    public static final int VERSION = 3;
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
     * SessionEvent.Opened} or {@link SessionEvent.OpenRefused}. Whoever has no answer asks again, and may be answered more than once;
     * so to ask again changes nothing, and whoever has the session open already ignores an answer that names the same one. A client
     * that opens again what it had lost says {@link SessionCommand.BeginAnew} first. Another {@code client} takes the place of the one
     * before, and what the session holds; with it both directions begin anew by themselves.
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
