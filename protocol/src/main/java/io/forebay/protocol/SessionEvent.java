package io.forebay.protocol;

import akka.actor.typed.ActorRef;
import java.util.Collections;
import java.util.List;

/** What a session says to its client. Lists are not copied and must not be changed. */
public sealed interface SessionEvent
        permits SessionEvent.Opened,
                SessionEvent.OpenRefused,
                SessionEvent.SessionUnknown,
                SessionEvent.Reply,
                SessionEvent.Pushed,
                SessionEvent.SubscriptionMode,
                SessionEvent.SubscriptionEnded,
                SessionEvent.Heartbeat,
                SessionEvent.SessionClosed,
                Chunk,
                ChunkAck {

    /**
     * The session is open.
     *
     * @param session where commands go from now on
     * @param sessionId the client's own, as asked
     * @param nodeName name of the node, kept in its data directory; see {@link ReceiptHandle#nodeIdOf}
     * @param limits what the node takes
     * @param isResumed whether the node still knew the session, with what it holds
     */
    record Opened(
            ActorRef<SessionCommand> session, long sessionId, String nodeName, SessionLimits limits, boolean isResumed)
            implements SessionEvent {}

    /** The session could not be opened; {@link Refusal#retryAfterMillis} says when to ask again. */
    record OpenRefused(long sessionId, Refusal refusal) implements SessionEvent {}

    /**
     * Answer to {@link NodeProtocol.FindSession}: the node does not know the session, or does not know it any more.
     *
     * @param number of the question
     */
    record SessionUnknown(long sessionId, long number) implements SessionEvent {}

    /** The answer to a {@link SessionCommand.Request}. */
    sealed interface Reply extends SessionEvent
            permits Refused,
                    SendReply,
                    Withdrawn,
                    Popped,
                    PopCancelled,
                    Subscribed,
                    Unsubscribed,
                    AckReply,
                    ChangeReply,
                    GiveBackReply,
                    TopicCreated,
                    GroupCreated,
                    Deleted,
                    NamePage,
                    TopicDescribed,
                    GroupDescribed,
                    LookReply,
                    PoisonReply,
                    SettingsDescribed {
        long requestId();
    }

    /** The request as a whole is refused: nothing of it was done. For every kind of request. */
    record Refused(long requestId, Refusal refusal) implements Reply {}

    /** @param results one for each message, in the order of the request */
    record SendReply(long requestId, List<SendResult> results) implements Reply {}

    /** The messages that were given up hold nothing up any more: what is sent from now on may pass. */
    record Withdrawn(long requestId) implements Reply {}

    /** @param deliveries empty if the wait is over, or the Pop was cancelled */
    record Popped(long requestId, List<Delivery> deliveries) implements Reply {}

    /** @param found whether the Pop was still waiting; either way it is answered by itself as well */
    record PopCancelled(long requestId, boolean found) implements Reply {}

    /** @param mode how messages of the group are to be had at present */
    record Subscribed(long requestId, int subscriptionId, DeliveryMode mode) implements Reply {}

    /** Nothing is pushed for this subscription any more. */
    record Unsubscribed(long requestId, int subscriptionId) implements Reply {}

    /**
     * Messages for a subscription.
     *
     * @param pushNumber from 1 within the subscription, not always in order. One that was received already is a second copy:
     *     deliveries in it that the first one did not have are to be given back
     * @param deliveries never empty
     */
    record Pushed(int subscriptionId, long pushNumber, List<Delivery> deliveries) implements SessionEvent {}

    /**
     * How messages are to be had from now on. With {@link DeliveryMode#POP} nothing is under way any more: the credits are
     * the client's again. Told until the client's {@link SessionCommand.Credit} says the same.
     */
    record SubscriptionMode(int subscriptionId, DeliveryMode mode) implements SessionEvent {}

    /**
     * The node has ended a subscription: its group is gone, say, or the client gave more credits than it may. What was pushed
     * stays the client's.
     *
     * @param refusal why; if it passes, the client may subscribe again with the same number
     */
    record SubscriptionEnded(int subscriptionId, Refusal refusal) implements SessionEvent {}

    /**
     * @param results one for each handle, in the order of the request
     * @param level the level that holds for every result that is an {@link AckOutcome}
     */
    record AckReply(long requestId, List<AckResult> results, Durability level) implements Reply {
        /** The usual case, without a list of its own. */
        public static AckReply allAcked(long requestId, int count, Durability level) {
            return new AckReply(requestId, Collections.nCopies(count, AckOutcome.ACKED), level);
        }
    }

    /** @param results one for each handle, in the order of the request */
    record ChangeReply(long requestId, List<ChangeResult> results) implements Reply {}

    /** @param results one for each handle, in the order of the request */
    record GiveBackReply(long requestId, List<GiveBackResult> results) implements Reply {}

    record TopicCreated(long requestId, TopicDescription topic) implements Reply {}

    record GroupCreated(long requestId, String group) implements Reply {}

    record Deleted(long requestId) implements Reply {}

    /**
     * @param names in order
     * @param hasMore whether there are names behind the last one
     */
    record NamePage(long requestId, List<String> names, boolean hasMore) implements Reply {}

    record TopicDescribed(long requestId, TopicDescription topic) implements Reply {}

    /** @param topics one for each topic of the group, in the order of their names */
    record GroupDescribed(long requestId, List<GroupDescription> topics) implements Reply {}

    /** Answer to {@link SessionCommand.Heartbeat}. */
    record Heartbeat(long number) implements SessionEvent {}

    /**
     * The session has ended: asked for, or by the node (a client that was not heard of, ignored its limits, or a node that
     * stops). Commands that reach the session afterwards are lost.
     *
     * @param reason {@link Refusal.Code#CLOSED} if the client asked for it
     */
    record SessionClosed(long sessionId, Refusal reason) implements SessionEvent {}
}
