package io.forebay.cluster;

import akka.actor.typed.ActorRef;
import io.forebay.protocol.Delivery;
import io.forebay.protocol.Refusal;
import io.forebay.protocol.SessionCommand;
import io.forebay.protocol.SessionEvent;
import io.forebay.queue.GroupQueue;
import io.forebay.queue.QueueReply;
import io.forebay.topic.Dispatcher;
import io.forebay.topic.RegistryReply;
import java.util.List;

/** What the parts of a session need of it. Confined to it. */
interface SessionParts {
    long sessionId();

    Session.Environment environment();

    /** Where queues, groups and dispatchers answer. */
    ActorRef<QueueReply> queueReplies();

    /** A number that no other part of a request has. */
    long nextToken();

    void tell(SessionEvent event);

    /** Has the session hear of the end of whoever owes it an answer. */
    void watchOnce(ActorRef<?> target);

    /** A dispatcher is to be told when the session ends. */
    void useDispatcher(ActorRef<Dispatcher.Command> dispatcher);

    /** Has a group made, if it may be; answered by {@link io.forebay.topic.RegistryReply.Ensured} with the token. */
    void ensureGroup(String topic, String group, long token);

    /** Has a topic made, if it may be; answered by {@link io.forebay.topic.RegistryReply.Ensured} with the token. */
    void ensureTopic(String topic, long token);

    /** Asks the registry. */
    void administer(SessionCommand.Request request, ActorRef<RegistryReply.Answer> replyTo);

    /** Null if one more request may be taken. */
    Refusal refuseNew();

    /** Null if one more request may be taken that the node takes even when it is about to stop. */
    Refusal refuseTooMany();

    /** The client takes no more for now: null if it does. */
    Refusal refuseCongested();

    /** Whether the session, or the node, is about to end. */
    boolean isEnding();

    /**
     * Nobody wants these: they go back uncounted.
     *
     * @return for {@link #isGivingBack}
     */
    long giveBack(ActorRef<GroupQueue.Command> queue, List<Delivery> deliveries);

    /** Whether some of what was given back then is still out. */
    boolean isGivingBack(long returnId);

    /** Has the session look at what is due then. */
    void wakeAt(long atMillis);
}
