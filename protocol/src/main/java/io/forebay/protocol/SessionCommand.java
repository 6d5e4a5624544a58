package io.forebay.protocol;

import java.util.List;
import java.util.Map;

/**
 * What a client says to its session. Lists are not copied: they must not be changed after they were sent.
 *
 * <p>A {@link Request} carries an id below 2<sup>62</sup>, unique within the client's session id for life, and gets exactly one answer with that
 * id: its own kind of {@link SessionEvent.Reply}, or {@link SessionEvent.Refused} if the whole of it is refused. A request
 * may be repeated with the same id when its answer is missing: while the first copy is being worked on a second one is
 * ignored; afterwards a Pop gets the same deliveries, an Ack, change or give-back answers the same way, a Send is stored
 * again (at least once). Requests are taken in the order they were sent.
 */
public sealed interface SessionCommand
        permits SessionCommand.Request,
                SessionCommand.Credit,
                SessionCommand.Heartbeat,
                SessionCommand.BeginAnew,
                SessionCommand.Detach,
                SessionCommand.Close,
                Chunk,
                ChunkAck {

    /** A command that is answered. */
    sealed interface Request extends SessionCommand
            permits Send,
                    Withdraw,
                    Pop,
                    Ack,
                    ChangeInvisible,
                    GiveBack,
                    CancelPop,
                    Subscribe,
                    Unsubscribe,
                    CreateTopic,
                    DeleteTopic,
                    ListTopics,
                    DescribeTopic,
                    CreateGroup,
                    DeleteGroup,
                    ListGroups,
                    DescribeGroup,
                    LookCommand,
                    PoisonCommand,
                    SettingsCommand {
        long requestId();
    }

    /**
     * Stores messages. Answered by {@link SessionEvent.SendReply} with one result for each message, in order, when all are
     * decided. Messages with a {@link Message#messageGroup} go to their key's queue whatever {@code queue} says. When one
     * of them is refused with {@link Refusal.Code#BUSY}, later ones of that key are refused, too, until the first (known by
     * its message id) is repeated or withdrawn.
     *
     * <p><b>A line that loses Sends.</b> A client that keeps the order of keys says of each Send with keyed messages which other one
     * has to have come {@code after} which it may be taken: the newest one with keyed messages to this topic that it has sent before
     * and that is not answered. If the session does not know that one to have come it refuses the whole of this with {@link
     * Refusal.Code#OUT_OF_ORDER}. Then the one before is lost, and what was sent behind will be refused, too: the client repeats them,
     * beginning with what was lost. Whoever counts on this uses request ids that grow with every Send that is new; does not send
     * anything new to the topic while one that was refused is repeated; and says anew with each repetition what it comes after.
     *
     * @param topic of all the messages
     * @param queue number of the queue, -1 for any
     * @param durability the level to reach before the answer; null for the topic's default
     * @param after request id of the Send that has to have come before; {@link #FIRST} if there is none; {@link #UNORDERED} if that
     *     does not matter, as without keyed messages
     */
    record Send(long requestId, String topic, int queue, List<Message> messages, Durability durability, long after)
            implements Request {
        /** Every Send that has to have come before is answered. */
        public static final long FIRST = 0;
        /** Comes in no order. */
        public static final long UNORDERED = -1;

        public Send {
            if (after < UNORDERED || (after > FIRST && after >= requestId)) {
                throw new IllegalArgumentException("Send " + requestId + " after " + after);
            }
        }

        /** In no order. */
        public Send(long requestId, String topic, int queue, List<Message> messages, Durability durability) {
            this(requestId, topic, queue, messages, durability, UNORDERED);
        }
    }

    /**
     * The client gives these messages up: what was refused behind them may be sent. Answered at once by {@link
     * SessionEvent.Withdrawn}; idempotent. Whoever keeps the order of keys sends nothing of that topic until then: were it
     * lost, and what follows sent before it is repeated, a part of that could be refused before and another taken after it.
     */
    record Withdraw(long requestId, String topic, List<String> messageIds) implements Request {}

    /**
     * Takes up to {@code countMax} messages. Answered by {@link SessionEvent.Popped}; with nothing to give, only when
     * {@code waitMillis} have passed. At least one message is given however large it is.
     *
     * @param countMax most messages
     * @param bytesMax most bytes of bodies together
     * @param invisibleMillis how long they stay invisible to others in the group
     * @param waitMillis how long to wait for a first message, 0 for not at all
     */
    record Pop(
            long requestId,
            String topic,
            String group,
            int countMax,
            int bytesMax,
            long invisibleMillis,
            long waitMillis)
            implements Request {}

    /** Ends the wait of a Pop, which is then answered as if its time were over. Answered by {@link SessionEvent.PopCancelled}. */
    record CancelPop(long requestId, long popRequestId) implements Request {}

    /**
     * Has deliveries sent as they come, as {@link SessionEvent.Pushed}, while there are credits. Answered by {@link
     * SessionEvent.Subscribed}, which says how the group's messages are to be had at present: where the group is not set to
     * push, the client pops for itself until it is told otherwise by {@link SessionEvent.SubscriptionMode}.
     *
     * <p>A subscription is the session's and ends with it. When the client attaches again, or opens the session anew after a
     * restart of the node, it subscribes again with the same number and its progress: what was pushed and not received is
     * then pushed again, with the same handles, unless its deadline has passed. What was pushed counts as popped: to be
     * acked, extended, given back, and back by itself when the consumer is gone.
     *
     * @param subscriptionId chosen by the client, 0 to {@link #SUBSCRIPTION_ID_MAX}; within a session id it is never used for
     *     another subscription
     * @param countMax most messages of one push
     * @param bytesMax most bytes of bodies of one push; at least one message is pushed however large it is
     * @param invisibleMillis how long the messages stay invisible to others in the group, 0 for the group's default
     * @param progress what has been received so far, and the credits
     */
    record Subscribe(
            long requestId,
            int subscriptionId,
            String topic,
            String group,
            int countMax,
            int bytesMax,
            long invisibleMillis,
            SubscriptionProgress progress)
            implements Request {}

    /** Highest number of a subscription. */
    int SUBSCRIPTION_ID_MAX = (1 << 22) - 1;

    /**
     * Tells what was received, and gives credits. Not answered, idempotent. One of a subscription that the session does not
     * know, as after a restart of the node, is answered by {@link SessionEvent.SubscriptionEnded} with a refusal that passes;
     * a subscription that asks for more than {@link SessionLimits#creditsMax} ends with one that does not. Ignored from a {@link
     * BeginAnew} on until the client has subscribed again.
     *
     * @param mode how the client gets its messages at present; if that is not how the group is set, it is told again
     */
    record Credit(int subscriptionId, SubscriptionProgress progress, DeliveryMode mode) implements SessionCommand {}

    /**
     * Ends a subscription. Answered by {@link SessionEvent.Unsubscribed} when nothing of it is under way any more; what was
     * pushed before that is the client's to settle or to give back. Idempotent.
     */
    record Unsubscribe(long requestId, int subscriptionId, SubscriptionProgress progress) implements Request {}

    /**
     * Settles deliveries. Answered by {@link SessionEvent.AckReply} when the level holds for all of them.
     *
     * @param handles of any queues and topics of that group on this node
     * @param durability the level to reach before the answer; null for the group's default
     */
    record Ack(long requestId, String group, List<ReceiptHandle> handles, Durability durability) implements Request {}

    /**
     * Moves deadlines. The handles stay valid until the message goes out again. Answered by {@link
     * SessionEvent.ChangeReply}.
     *
     * @param millis the new deadline, from now; {@link #BACKOFF} for a nack after which the group's own schedule of retries
     *     says when the message goes out again
     * @param nack true: the consumer failed and wants the message delivered again after that time; false: it extends
     * @param reason of a nack, for people; "" for none
     */
    record ChangeInvisible(
            long requestId, String group, List<ReceiptHandle> handles, long millis, boolean nack, String reason)
            implements Request {
        /** A nack's delay that the group's schedule of retries is to give. */
        public static final long BACKOFF = -1;
    }

    /**
     * Returns deliveries that were not processed: they may go out again at once and the attempt is not counted. Answered by
     * {@link SessionEvent.GiveBackReply}.
     */
    record GiveBack(long requestId, String group, List<ReceiptHandle> handles) implements Request {}

    /**
     * Sign of life; answered by {@link SessionEvent.Heartbeat} with the same number.
     *
     * @param number counted up by the client
     */
    record Heartbeat(long number) implements SessionCommand {}

    /**
     * What was on its way may be lost, so both directions begin anew: streams of chunks that have not ended are given up, and nothing
     * is pushed for a subscription until it is subscribed to again. To be said first of all when a session that was lost is open again
     * ({@link SessionEvent.Opened#isResumed}), before what was unanswered is repeated. Not answered.
     */
    record BeginAnew() implements SessionCommand {}

    /** Ends the session and leaves the deadlines of what it holds. Answered by {@link SessionEvent.SessionClosed}. */
    record Detach() implements SessionCommand {}

    /**
     * Ends the session and gives back, uncounted, what it holds. Answered by {@link SessionEvent.SessionClosed} when that is
     * written.
     */
    record Close() implements SessionCommand {}

    /**
     * Creates a topic. Answered by {@link SessionEvent.TopicCreated}; creating it again with values that it has is a success,
     * also when others were set, or queues added, since.
     *
     * @param queues number of queues, 0 for the node's default
     * @param settings HOCON keys below the topic's section and their values
     */
    record CreateTopic(long requestId, String topic, int queues, Map<String, String> settings) implements Request {}

    /** Deletes a topic with all its messages. Answered by {@link SessionEvent.Deleted}. */
    record DeleteTopic(long requestId, String topic) implements Request {}

    /**
     * Names of topics in order. Answered by {@link SessionEvent.NamePage}.
     *
     * @param after the page begins behind this name, "" for the first one
     * @param countMax most names of a page
     */
    record ListTopics(long requestId, String after, int countMax) implements Request {}

    /** Answered by {@link SessionEvent.TopicDescribed}. */
    record DescribeTopic(long requestId, String topic) implements Request {}

    /**
     * Creates a group, and subscribes it to a topic from its first message on. Answered by {@link SessionEvent.GroupCreated};
     * repeating it is a success.
     *
     * @param topic "" for a group without a topic yet
     * @param settings HOCON keys below the group's section and their values
     */
    record CreateGroup(long requestId, String group, String topic, Map<String, String> settings) implements Request {}

    /** Deletes a group and where it stands in all its topics. Answered by {@link SessionEvent.Deleted}. */
    record DeleteGroup(long requestId, String group) implements Request {}

    /**
     * Names of groups in order. Answered by {@link SessionEvent.NamePage}.
     *
     * @param topic groups of that topic only; "" for all
     * @param after the page begins behind this name, "" for the first one
     * @param countMax most names of a page
     */
    record ListGroups(long requestId, String topic, String after, int countMax) implements Request {}

    /**
     * Answered by {@link SessionEvent.GroupDescribed}.
     *
     * @param topic in that topic only; "" for all of the group's topics
     */
    record DescribeGroup(long requestId, String group, String topic) implements Request {}
}
