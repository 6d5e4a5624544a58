package io.forebay.client;

import akka.NotUsed;
import akka.stream.javadsl.Flow;
import io.forebay.protocol.Delivery;
import io.forebay.protocol.Durability;
import io.forebay.protocol.Message;
import io.forebay.protocol.Receipt;

/** Streams that send or settle and go on. */
public final class ForebayFlow {
    private ForebayFlow() {}

    /** Stores messages and emits their receipts, in order. Fails with the first refusal. */
    public static Flow<Message, Receipt, NotUsed> send(ForebayClient client) {
        return send(client, null);
    }

    /** @param durability level of each receipt, null for the topics' default */
    public static Flow<Message, Receipt, NotUsed> send(ForebayClient client, Durability durability) {
        throw new AssertionError("skeleton");
    }

    /** Acks deliveries and emits them, in order, once they are settled. Deliveries that are stale by now are emitted, too. */
    public static Flow<Delivery, Delivery, NotUsed> ack(ForebayClient client) {
        throw new AssertionError("skeleton");
    }
}
