package io.forebay.queue;

import akka.actor.typed.ActorRef;
import io.forebay.protocol.AckResult;
import io.forebay.protocol.ChangeResult;
import io.forebay.protocol.Delivery;
import io.forebay.protocol.DeliveryMode;
import io.forebay.protocol.Durability;
import io.forebay.protocol.GiveBackResult;
import io.forebay.protocol.Refusal;
import io.forebay.protocol.SendResult;
import java.util.List;

/**
 * What queues, groups and dispatchers answer a session. A token is the session's own number of one part of a request; it
 * comes back as it was given.
 */
public sealed interface QueueReply {

    /** @param results one for each message of the part, in order; the level asked for holds for each receipt */
    record Enqueued(long token, List<SendResult> results) implements QueueReply {}

    /**
     * Messages for a Pop; never empty. The checkpoint is written before this is told.
     *
     * @param from who holds them, to be told when the consumer is gone
     * @param bodyBytes bytes of the bodies together
     */
    record Delivered(long requestId, List<Delivery> deliveries, long bodyBytes, ActorRef<GroupQueue.Command> from)
            implements QueueReply {}

    /** The wait of a Pop is over and there was nothing. */
    record PoppedNothing(long requestId) implements QueueReply {}

    /** The Pop is refused; nothing was popped. */
    record PopRefused(long requestId, Refusal refusal) implements QueueReply {}

    /** @param found whether the Pop was still waiting */
    record PopCancelled(long requestId, boolean found) implements QueueReply {}

    /** How messages of a group come to a subscription: told when it begins and when that changes. */
    record DeliveredBy(int subscriptionId, DeliveryMode mode) implements QueueReply {}

    /**
     * @param results one for each handle of the part; null if every one was acked
     * @param level holds for every result that is a success
     */
    record Acked(long token, List<AckResult> results, Durability level) implements QueueReply {}

    /** @param results one for each handle of the part */
    record Changed(long token, List<ChangeResult> results) implements QueueReply {}

    /** @param results one for each handle of the part */
    record GivenBack(long token, List<GiveBackResult> results) implements QueueReply {}

    /** What a session that is gone held has been taken back, and that is written. */
    record ConsumerReleased(long token) implements QueueReply {}
}
