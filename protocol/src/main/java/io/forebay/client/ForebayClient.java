package io.forebay.client;

import akka.Done;
import akka.actor.typed.ActorSystem;
import io.forebay.protocol.AckOutcome;
import io.forebay.protocol.AckResult;
import io.forebay.protocol.ChangeResult;
import io.forebay.protocol.Delivery;
import io.forebay.protocol.Durability;
import io.forebay.protocol.ForebayException;
import io.forebay.protocol.GiveBackResult;
import io.forebay.protocol.GroupDescription;
import io.forebay.protocol.Message;
import io.forebay.protocol.Receipt;
import io.forebay.protocol.ReceiptHandle;
import io.forebay.protocol.SendResult;
import io.forebay.protocol.TopicDescription;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletionStage;
import java.util.function.Consumer;

/**
 * A client of one or several nodes: sends, pops, acks. Thread-safe; make one and share it.
 *
 * <pre>{@code
 * ForebayClient client = ForebayClient.connect(system, Target.contact("127.0.0.1:7400"));
 * client.send(Message.of("orders", body)).thenAccept(receipt -> log.info("stored at {}", receipt.level()));
 * client.pop(PopRequest.of("orders", "billing", 32)).thenAccept(deliveries -> deliveries.forEach(delivery -> {
 *     bill(delivery.body());
 *     client.ack(delivery);
 * }));
 * }</pre>
 *
 * <p>It batches by itself without adding delay, keeps a session with each node alive, looks for a node that was lost and
 * repeats what was unanswered, repeats Sends that were answered {@code Busy} in their first order, and extends what it
 * popped until that is settled, given back, or {@code forebay.client.max-hold} is over. Completion stages fail with a
 * {@link ForebayException}, whose refusal says why. They are completed on {@code forebay.client.callback-dispatcher}, in
 * order; callbacks that block should go elsewhere, though they hold up nothing but other callbacks of this client.
 */
public final class ForebayClient {
    private ForebayClient() {}

    /** With the settings of {@code forebay.client}; notices are logged. */
    public static ForebayClient connect(ActorSystem<?> system, Target target) {
        throw new AssertionError("skeleton");
    }

    /**
     * Starts a client. Returns at once and never waits: requests made before a node was found wait for it.
     *
     * @param notices told about connections made, lost and not answered, one call at a time; must not block
     * @throws ForebayException if the target cannot be reached from this actor system at all: a contact point needs {@code
     *     akka.actor.provider = remote} or {@code cluster}, and the cluster needs {@code cluster}
     */
    public static ForebayClient connect(
            ActorSystem<?> system, Target target, ClientSettings settings, Consumer<ClientNotice> notices) {
        throw new AssertionError("skeleton");
    }

    /** Done when a first session is open; fails when a node answered that it never will be, or the client is closed. */
    public CompletionStage<Done> whenConnected() {
        throw new AssertionError("skeleton");
    }

    /** Stores a message at its topic's default durability. */
    public CompletionStage<Receipt> send(Message message) {
        return send(message, null);
    }

    /**
     * Stores a message. Calls of one thread for one message group are stored in the order of the calls.
     *
     * @param durability the level to reach before the stage completes; null for the topic's default
     */
    public CompletionStage<Receipt> send(Message message, Durability durability) {
        throw new AssertionError("skeleton");
    }

    /** As {@link #sendBatch(List, Durability)} at the topics' default durability. */
    public CompletionStage<List<SendResult>> sendBatch(List<Message> messages) {
        return sendBatch(messages, null);
    }

    /** Stores messages, of any topics; one result for each, in order. The batch is no unit: some may be stored and others not. */
    public CompletionStage<List<SendResult>> sendBatch(List<Message> messages, Durability durability) {
        throw new AssertionError("skeleton");
    }

    /** Takes messages; an empty list when the wait is over. */
    public CompletionStage<List<Delivery>> pop(PopRequest request) {
        throw new AssertionError("skeleton");
    }

    /** Settles a delivery at its group's default durability. */
    public CompletionStage<AckOutcome> ack(Delivery delivery) {
        return ack(delivery.group(), delivery.handle(), null);
    }

    /** Settles a delivery. Fails with {@code STALE_HANDLE} if the message has gone out again since. */
    public CompletionStage<AckOutcome> ack(String group, ReceiptHandle handle, Durability durability) {
        throw new AssertionError("skeleton");
    }

    /** Settles deliveries; one result for each, in order. */
    public CompletionStage<List<AckResult>> ackBatch(String group, List<ReceiptHandle> handles, Durability durability) {
        throw new AssertionError("skeleton");
    }

    /** Gives up on an attempt: the message is delivered again after {@code delay}. */
    public CompletionStage<ChangeResult> nack(Delivery delivery, Duration delay, String reason) {
        return nack(delivery.group(), delivery.handle(), delay, reason);
    }

    /** Gives up on an attempt: the message is delivered again after {@code delay}. */
    public CompletionStage<ChangeResult> nack(String group, ReceiptHandle handle, Duration delay, String reason) {
        throw new AssertionError("skeleton");
    }

    /** Moves a deadline to {@code invisible} from now. */
    public CompletionStage<ChangeResult> extend(String group, ReceiptHandle handle, Duration invisible) {
        throw new AssertionError("skeleton");
    }

    /** Returns deliveries unprocessed: they go out again at once, and the attempt is not counted. */
    public CompletionStage<List<GiveBackResult>> giveBack(String group, List<ReceiptHandle> handles) {
        throw new AssertionError("skeleton");
    }

    /** Creates a topic on every node; see {@link io.forebay.protocol.SessionCommand.CreateTopic}. */
    public CompletionStage<List<TopicDescription>> createTopic(String topic, int queues, Map<String, String> settings) {
        throw new AssertionError("skeleton");
    }

    /** Deletes a topic with all its messages on every node. */
    public CompletionStage<Done> deleteTopic(String topic) {
        throw new AssertionError("skeleton");
    }

    /** Names of all topics of all nodes, in order. */
    public CompletionStage<List<String>> listTopics() {
        throw new AssertionError("skeleton");
    }

    /** The topic as each node has it; fails if no node has it. */
    public CompletionStage<List<TopicDescription>> describeTopic(String topic) {
        throw new AssertionError("skeleton");
    }

    /** Creates a group on every node; see {@link io.forebay.protocol.SessionCommand.CreateGroup}. */
    public CompletionStage<Done> createGroup(String group, String topic, Map<String, String> settings) {
        throw new AssertionError("skeleton");
    }

    /** Deletes a group on every node. */
    public CompletionStage<Done> deleteGroup(String group) {
        throw new AssertionError("skeleton");
    }

    /**
     * Names of groups of all nodes, in order.
     *
     * @param topic groups of that topic only; "" for all
     */
    public CompletionStage<List<String>> listGroups(String topic) {
        throw new AssertionError("skeleton");
    }

    /**
     * Where the group stands in each topic on each node; fails if no node has it.
     *
     * @param topic in that topic only; "" for all
     */
    public CompletionStage<List<GroupDescription>> describeGroup(String group, String topic) {
        throw new AssertionError("skeleton");
    }

    /**
     * Ends the client: what was sent and acked is waited for, at most for {@code forebay.client.close-timeout}; waiting pops
     * end empty; what was popped and not settled is given back, uncounted. Idempotent. Never fails.
     */
    public CompletionStage<Done> close() {
        throw new AssertionError("skeleton");
    }

    /** As {@link #close()}, but what was popped keeps its deadline, so that its handles can be used elsewhere. */
    public CompletionStage<Done> detach() {
        throw new AssertionError("skeleton");
    }
}
