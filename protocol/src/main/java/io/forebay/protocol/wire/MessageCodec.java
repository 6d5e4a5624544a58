package io.forebay.protocol.wire;

import io.forebay.protocol.Delivery;
import io.forebay.protocol.Message;
import io.forebay.protocol.ReceiptHandle;
import java.util.List;
import java.util.Map;

/**
 * The wire form of messages and deliveries.
 *
 * <p>A message is a varint of flags for the fields that are set, the id, the body, and those fields:
 * <pre> 1 tag   2 keys   4 messageGroup   8 deliverAt   16 lane   32 priority   64 properties
 * 128 born   256 bornHost   512 traceContext   1024 producer   2048 topic (if not the one of the form) </pre>
 * Thread-safe, without state.
 */
final class MessageCodec {
    private static final int TAG = 1;
    private static final int KEYS = 2;
    private static final int MESSAGE_GROUP = 4;
    private static final int DELIVER_AT = 8;
    private static final int LANE = 16;
    private static final int PRIORITY = 32;
    private static final int PROPERTIES = 64;
    private static final int BORN = 128;
    private static final int BORN_HOST = 256;
    private static final int TRACE_CONTEXT = 512;
    private static final int PRODUCER = 1024;
    private static final int OTHER_TOPIC = 2048;
    private static final int FLAGS_ALL = 4095;

    private MessageCodec() {}

    static void writeMessage(WireWriter out, Message m, String topic) {
        int flags = (m.tag().isEmpty() ? 0 : TAG)
                | (m.keys().isEmpty() ? 0 : KEYS)
                | (m.messageGroup().isEmpty() ? 0 : MESSAGE_GROUP)
                | (m.deliverAtMillis() == 0 ? 0 : DELIVER_AT)
                | (m.lane().isEmpty() ? 0 : LANE)
                | (m.priority() == 0 ? 0 : PRIORITY)
                | (m.properties().isEmpty() ? 0 : PROPERTIES)
                | (m.bornMillis() == 0 ? 0 : BORN)
                | (m.bornHost().isEmpty() ? 0 : BORN_HOST)
                | (m.traceContext().isEmpty() ? 0 : TRACE_CONTEXT)
                | (m.producerId() == 0 && m.producerSequence() == 0 ? 0 : PRODUCER)
                | (m.topic().equals(topic) ? 0 : OTHER_TOPIC);
        out.varint(flags);
        out.text(m.id());
        out.block(m.body());
        if ((flags & TAG) != 0) {
            out.shared(m.tag());
        }
        if ((flags & KEYS) != 0) {
            WireValues.writeTexts(out, m.keys());
        }
        if ((flags & MESSAGE_GROUP) != 0) {
            out.shared(m.messageGroup());
        }
        if ((flags & DELIVER_AT) != 0) {
            out.zigzag(m.deliverAtMillis());
        }
        if ((flags & LANE) != 0) {
            out.shared(m.lane());
        }
        if ((flags & PRIORITY) != 0) {
            out.zigzag(m.priority());
        }
        if ((flags & PROPERTIES) != 0) {
            WireValues.writeMap(out, m.properties());
        }
        if ((flags & BORN) != 0) {
            out.zigzag(m.bornMillis());
        }
        if ((flags & BORN_HOST) != 0) {
            out.shared(m.bornHost());
        }
        if ((flags & TRACE_CONTEXT) != 0) {
            out.text(m.traceContext());
        }
        if ((flags & PRODUCER) != 0) {
            out.int64(m.producerId());
            out.int64(m.producerSequence());
        }
        if ((flags & OTHER_TOPIC) != 0) {
            out.shared(m.topic());
        }
    }

    static Message readMessage(WireReader in, String formTopic) throws MalformedWireException {
        long flags = in.varint();
        if ((flags & ~FLAGS_ALL) != 0) {
            throw in.malformed("message flags " + flags);
        }
        String id = in.text();
        byte[] body = in.block();
        String tag = (flags & TAG) != 0 ? in.shared() : "";
        List<String> keys = (flags & KEYS) != 0 ? WireValues.readTexts(in) : List.of();
        String messageGroup = (flags & MESSAGE_GROUP) != 0 ? in.shared() : "";
        long deliverAtMillis = (flags & DELIVER_AT) != 0 ? in.zigzag() : 0;
        String lane = (flags & LANE) != 0 ? in.shared() : "";
        int priority = (flags & PRIORITY) != 0 ? in.zigzagInt() : 0;
        Map<String, String> properties = (flags & PROPERTIES) != 0 ? WireValues.readMap(in) : Map.of();
        long bornMillis = (flags & BORN) != 0 ? in.zigzag() : 0;
        String bornHost = (flags & BORN_HOST) != 0 ? in.shared() : "";
        String traceContext = (flags & TRACE_CONTEXT) != 0 ? in.text() : "";
        long producerId = (flags & PRODUCER) != 0 ? in.int64() : 0;
        long producerSequence = (flags & PRODUCER) != 0 ? in.int64() : 0;
        String topic = (flags & OTHER_TOPIC) != 0 ? in.shared() : formTopic;
        return Message.unchecked(
                topic,
                id,
                body,
                tag,
                keys,
                messageGroup,
                deliverAtMillis,
                lane,
                priority,
                properties,
                bornMillis,
                bornHost,
                traceContext,
                producerId,
                producerSequence);
    }

    static void writeDeliveries(WireWriter out, List<Delivery> deliveries) {
        out.varint(deliveries.size());
        ReceiptHandle last = null;
        String topic = null;
        long poppedMillis = 0;
        long invisibleUntilMillis = 0;
        for (Delivery delivery : deliveries) {
            if (topic == null) {
                topic = delivery.topic();
                out.shared(topic);
            }
            out.shared(delivery.group());
            out.zigzag(delivery.queue());
            last = HandleCodec.writeHandle(
                    out,
                    delivery.handle(),
                    last,
                    delivery.queueOffset(),
                    delivery.attempt() == 1 ? HandleCodec.FIRST_ATTEMPT : 0);
            out.zigzag(delivery.queueOffset());
            if (delivery.attempt() != 1) {
                out.zigzag(delivery.attempt());
            }
            out.zigzag(delivery.poppedMillis() - poppedMillis);
            out.zigzag(delivery.invisibleUntilMillis() - invisibleUntilMillis);
            poppedMillis = delivery.poppedMillis();
            invisibleUntilMillis = delivery.invisibleUntilMillis();
            writeMessage(out, delivery.message(), topic);
        }
    }

    static List<Delivery> readDeliveries(WireReader in) throws MalformedWireException {
        int count = in.count(9);
        if (count == 0) {
            return List.of();
        }
        Delivery[] deliveries = new Delivery[count];
        String topic = in.shared();
        ReceiptHandle last = null;
        long poppedMillis = 0;
        long invisibleUntilMillis = 0;
        for (int i = 0; i < count; i++) {
            String group = in.shared();
            int queue = in.zigzagInt();
            int flags = HandleCodec.handleFlags(
                    in, HandleCodec.SAME_CHECKPOINT | HandleCodec.OTHER_OFFSET | HandleCodec.FIRST_ATTEMPT, last);
            long difference = (flags & HandleCodec.OTHER_OFFSET) != 0 ? in.zigzag() : 0;
            ReceiptHandle checkpoint =
                    (flags & HandleCodec.SAME_CHECKPOINT) != 0 ? last : HandleCodec.readCheckpoint(in);
            long queueOffset = in.zigzag();
            last = HandleCodec.withOffset(checkpoint, queueOffset + difference);
            int attempt = (flags & HandleCodec.FIRST_ATTEMPT) != 0 ? 1 : in.zigzagInt();
            poppedMillis += in.zigzag();
            invisibleUntilMillis += in.zigzag();
            Message message = readMessage(in, topic);
            deliveries[i] =
                    new Delivery(message, group, queue, queueOffset, attempt, last, invisibleUntilMillis, poppedMillis);
        }
        return WireValues.listOf(deliveries);
    }
}
