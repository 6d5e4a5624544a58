package io.forebay.topic;

import akka.actor.typed.ActorRef;
import io.forebay.protocol.Refusal;
import io.forebay.protocol.SessionEvent;
import io.forebay.queue.Queue;

/** What the registry answers. */
public sealed interface RegistryReply {
    /**
     * A topic, or a group in a topic, that was asked for is there, and found in the {@link TopicDirectory}.
     *
     * @param token as given
     * @param refusal why it is not there; null if it is
     */
    record Ensured(long token, Refusal refusal) implements RegistryReply {}

    /**
     * Where the dead letters of a group go in one stripe.
     *
     * @param stripeId as given
     * @param queueId may be used in records: its definition is flushed. 0 if it is refused
     * @param queue takes note of what is appended for it; null if it is refused
     * @param refusal why there is no such queue, with the time after which to ask again; null if there is
     */
    record DeadLetterQueue(int stripeId, int queueId, ActorRef<Queue.Command> queue, Refusal refusal)
            implements RegistryReply {}

    /** The answer to a command of administration. */
    record Answer(SessionEvent.Reply reply) implements RegistryReply {}
}
