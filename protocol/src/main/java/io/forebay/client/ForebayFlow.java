package io.forebay.client;

import akka.NotUsed;
import akka.stream.javadsl.Flow;
import io.forebay.protocol.Delivery;
import io.forebay.protocol.Durability;
import io.forebay.protocol.ForebayException;
import io.forebay.protocol.Message;
import io.forebay.protocol.Receipt;
import io.forebay.protocol.Refusal;
import java.util.concurrent.CompletionStage;

/**
 * Streams that send or settle and go on:
 * <pre>{@code
 * Source.from(lines)
 *         .map(line -> Message.of("orders", line.getBytes(UTF_8)))
 *         .via(ForebayFlow.send(client, Durability.FLUSHED))
 *         .runForeach(receipt -> log.info("{} is at offset {}", receipt.topic(), receipt.queueOffset()), system);
 * }</pre>
 */
public final class ForebayFlow {
    private ForebayFlow() {}

    /** As {@link #send(ForebayClient, Durability)} at the topics' default durability. */
    public static Flow<Message, Receipt, NotUsed> send(ForebayClient client) {
        return send(client, null);
    }

    /**
     * Stores messages and emits their receipts, in order. At most {@code forebay.client.stream.parallelism} messages are
     * under way, and fewer when the client has no room for more. Fails with the first refusal.
     *
     * @param durability level of each receipt, null for the topics' default
     */
    public static Flow<Message, Receipt, NotUsed> send(ForebayClient client, Durability durability) {
        return Flow.fromGraph(new AsyncInOrder<Message, Receipt>(
                client.settings().streamParallelism(), message -> client.send(message, durability)));
    }

    /**
     * Acks deliveries and emits them, in order, once they are settled. One whose message has gone out again since is emitted,
     * too: it was processed, and will be once more.
     */
    public static Flow<Delivery, Delivery, NotUsed> ack(ForebayClient client) {
        return Flow.fromGraph(new AsyncInOrder<Delivery, Delivery>(
                client.settings().streamParallelism(), delivery -> ack(client, delivery)));
    }

    private static CompletionStage<Delivery> ack(ForebayClient client, Delivery delivery) {
        return client.ack(delivery).handle((outcome, failure) -> {
            if (failure != null) {
                ForebayException refusal = ForebayClient.exceptionOf(failure);
                if (refusal.code() != Refusal.Code.STALE_HANDLE) {
                    throw refusal;
                }
            }
            return delivery;
        });
    }
}
