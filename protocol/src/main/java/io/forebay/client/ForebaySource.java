package io.forebay.client;

import akka.stream.javadsl.Source;
import io.forebay.protocol.Delivery;

/** Streams of deliveries. */
public final class ForebaySource {
    private ForebaySource() {}

    /**
     * Deliveries of a topic to a group. Acks are up to the stream. Pops only as many messages as are asked for or fit
     * {@code forebay.client.stream.prefetch}. Never completes by itself; fails if a pop is refused for good.
     */
    public static Source<Delivery, Control> deliveries(ForebayClient client, String topic, String group) {
        return deliveries(client, PopRequest.of(topic, group, 512));
    }

    /** @param request its count is the most that one pop asks for */
    public static Source<Delivery, Control> deliveries(ForebayClient client, PopRequest request) {
        throw new AssertionError("skeleton");
    }
}
