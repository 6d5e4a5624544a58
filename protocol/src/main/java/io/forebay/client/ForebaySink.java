package io.forebay.client;

import akka.Done;
import akka.stream.javadsl.Sink;
import io.forebay.protocol.Delivery;
import io.forebay.protocol.Message;
import java.util.concurrent.CompletionStage;

/** Where streams of messages or of processed deliveries end. */
public final class ForebaySink {
    private ForebaySink() {}

    /** Stores messages; done when the last receipt is there. */
    public static Sink<Message, CompletionStage<Done>> send(ForebayClient client) {
        throw new AssertionError("skeleton");
    }

    /** Acks deliveries; done when the last one is settled. */
    public static Sink<Delivery, CompletionStage<Done>> ack(ForebayClient client) {
        throw new AssertionError("skeleton");
    }
}
