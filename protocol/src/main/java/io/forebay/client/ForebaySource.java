package io.forebay.client;

import akka.stream.javadsl.Source;
import io.forebay.protocol.Delivery;

/**
 * Streams of deliveries. Acks are up to the stream:
 * <pre>{@code
 * Pair<Control, CompletionStage<Done>> running = ForebaySource.deliveries(client, "orders", "billing")
 *         .mapAsync(8, delivery -> bill(delivery.body()).thenApply(billed -> delivery))
 *         .toMat(ForebaySink.ack(client), Keep.both())
 *         .run(system);
 * ...
 * running.first().drainAndShutdown(running.second()).thenCompose(done -> client.close());
 * }</pre>
 * A delivery that was emitted and is not acked is extended like any other, until {@code forebay.client.max-hold}; when
 * the stream fails, acks are missing and the messages come back: wrap it in {@code RestartSource} and go on.
 */
public final class ForebaySource {
    private ForebaySource() {}

    /**
     * Deliveries of a topic to a group. Pops only as many messages as are asked for or fit {@code
     * forebay.client.stream.prefetch}. Never completes by itself; fails if a pop is refused for good.
     */
    public static Source<Delivery, Control> deliveries(ForebayClient client, String topic, String group) {
        return deliveries(client, PopRequest.of(topic, group, client.settings().streamPrefetch()));
    }

    /** @param request its count is the most that one pop asks for */
    public static Source<Delivery, Control> deliveries(ForebayClient client, PopRequest request) {
        return Source.fromGraph(new DeliverySource(client, request));
    }
}
