package io.forebay.client;

import akka.Done;
import akka.stream.javadsl.Keep;
import akka.stream.javadsl.Sink;
import io.forebay.protocol.Delivery;
import io.forebay.protocol.Message;
import java.util.concurrent.CompletionStage;

/** Where streams of messages or of processed deliveries end. */
public final class ForebaySink {
    private ForebaySink() {}

    /** Stores messages; done when the last receipt is there. See {@link ForebayFlow#send(ForebayClient)}. */
    public static Sink<Message, CompletionStage<Done>> send(ForebayClient client) {
        return ForebayFlow.send(client).toMat(Sink.ignore(), Keep.right());
    }

    /** Acks deliveries; done when the last one is settled. See {@link ForebayFlow#ack}. */
    public static Sink<Delivery, CompletionStage<Done>> ack(ForebayClient client) {
        return ForebayFlow.ack(client).toMat(Sink.ignore(), Keep.right());
    }
}
