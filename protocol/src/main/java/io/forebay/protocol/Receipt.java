package io.forebay.protocol;

/**
 * Proof of one stored message. Kept by a test or an operator it can be held against the log: the record with this
 * sequence in this stripe of this node must be there and its body must have this checksum.
 *
 * @param level the level really reached when this was answered; at least the one asked for
 * @param node name of the node that stored it
 * @param stripe number of the stripe
 * @param sequence number of the record in its stripe: its identity, kept by rewrite and cleaning
 * @param topic the topic it was stored under
 * @param queue number of the queue within the topic on that node
 * @param queueOffset the message's number within its queue
 * @param payloadCrc CRC-32C of the body as an unsigned 32-bit value in an int, see {@link Message#crcOf}
 */
public record Receipt(
        Durability level,
        String node,
        int stripe,
        long sequence,
        String topic,
        int queue,
        long queueOffset,
        int payloadCrc)
        implements SendResult {}
