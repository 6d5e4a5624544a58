package io.forebay.protocol;

import java.util.Arrays;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.zip.CRC32C;

/**
 * One message. Immutable, except that the body's array is <em>not copied</em>, neither in nor out: whoever hands it over
 * or looks at it must not change it. Texts are "" and numbers 0 when not set. Thread-safe.
 *
 * <p>{@link Builder#build()} checks the limits of {@link MessageLimits}. {@link #unchecked} does not: what comes from
 * the wire is checked by the node with {@link MessageLimits#check}, what comes from the log was checked before.
 */
public final class Message {
    private static final byte[] EMPTY = new byte[0];

    private final String topic;
    private final String id;
    private final byte[] body;
    private final String tag;
    private final List<String> keys;
    private final String messageGroup;
    private final long deliverAtMillis;
    private final String lane;
    private final int priority;
    private final Map<String, String> properties;
    private final long bornMillis;
    private final String bornHost;
    private final String traceContext;
    private final long producerId;
    private final long producerSequence;
    private final boolean checked;

    private Message(
            String topic,
            String id,
            byte[] body,
            String tag,
            List<String> keys,
            String messageGroup,
            long deliverAtMillis,
            String lane,
            int priority,
            Map<String, String> properties,
            long bornMillis,
            String bornHost,
            String traceContext,
            long producerId,
            long producerSequence,
            boolean checked) {
        this.topic = topic;
        this.id = id;
        this.body = body;
        this.tag = tag;
        this.keys = keys;
        this.messageGroup = messageGroup;
        this.deliverAtMillis = deliverAtMillis;
        this.lane = lane;
        this.priority = priority;
        this.properties = properties;
        this.bornMillis = bornMillis;
        this.bornHost = bornHost;
        this.traceContext = traceContext;
        this.producerId = producerId;
        this.producerSequence = producerSequence;
        this.checked = checked;
    }

    public static Builder builder(String topic) {
        return new Builder(topic);
    }

    /** A plain message: topic and body. */
    public static Message of(String topic, byte[] body) {
        return new Builder(topic).body(body).build();
    }

    /**
     * For the wire codec and the node: nothing is checked or copied; list and map must be unmodifiable or never modified.
     */
    public static Message unchecked(
            String topic,
            String id,
            byte[] body,
            String tag,
            List<String> keys,
            String messageGroup,
            long deliverAtMillis,
            String lane,
            int priority,
            Map<String, String> properties,
            long bornMillis,
            String bornHost,
            String traceContext,
            long producerId,
            long producerSequence) {
        return new Message(
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
                producerSequence,
                false);
    }

    /** CRC-32C of a body, as {@link Receipt#payloadCrc} has it. */
    public static int crcOf(byte[] body) {
        CRC32C crc = new CRC32C();
        crc.update(body, 0, body.length);
        return (int) crc.getValue();
    }

    /** This message with what its client adds when it is sent: id, born time and host, each only if not set. Copies nothing. */
    public Message stamped(String idIfNone, long bornMillisIfNone, String bornHostIfNone) {
        return with(
                id.isEmpty() ? idIfNone : id,
                bornMillis == 0 ? bornMillisIfNone : bornMillis,
                bornHost.isEmpty() ? bornHostIfNone : bornHost,
                producerId,
                producerSequence);
    }

    /** This message with a producer's id and number if it has none; see {@link #producerId}. Copies nothing. */
    public Message numbered(long producerIdIfNone, long producerSequenceIfNone) {
        return producerId != 0 ? this : with(id, bornMillis, bornHost, producerIdIfNone, producerSequenceIfNone);
    }

    private Message with(
            String newId, long newBornMillis, String newBornHost, long newProducerId, long newProducerSequence) {
        return new Message(
                topic,
                newId,
                body,
                tag,
                keys,
                messageGroup,
                deliverAtMillis,
                lane,
                priority,
                properties,
                newBornMillis,
                newBornHost,
                traceContext,
                newProducerId,
                newProducerSequence,
                checked);
    }

    public String topic() {
        return topic;
    }

    /** Identifies the message to its users. The client gives one if none is set. */
    public String id() {
        return id;
    }

    /** The body itself, not a copy. */
    public byte[] body() {
        return body;
    }

    /** What groups may filter by. */
    public String tag() {
        return tag;
    }

    /** Business keys to look a message up by. Unmodifiable. */
    public List<String> keys() {
        return keys;
    }

    /** Messages of one group of messages keep their order; "" for a message without order. */
    public String messageGroup() {
        return messageGroup;
    }

    /** Whether this message has an order to keep. */
    public boolean isKeyed() {
        return !messageGroup.isEmpty();
    }

    /** Not delivered before this instant, milliseconds since 1970; 0 for at once. */
    public long deliverAtMillis() {
        return deliverAtMillis;
    }

    public String lane() {
        return lane;
    }

    public int priority() {
        return priority;
    }

    /** Unmodifiable, in the order they were added. */
    public Map<String, String> properties() {
        return properties;
    }

    /** When the client took it, milliseconds since 1970 by the client's clock. */
    public long bornMillis() {
        return bornMillis;
    }

    public String bornHost() {
        return bornHost;
    }

    /** W3C {@code traceparent}, with {@code tracestate} behind a space if there is one. */
    public String traceContext() {
        return traceContext;
    }

    /** Id of the producer for deduplication; 0 for none. */
    public long producerId() {
        return producerId;
    }

    /** The producer's own number of this message; meaningful if {@link #producerId} is not 0. */
    public long producerSequence() {
        return producerSequence;
    }

    /** Whether the limits were checked when it was built in this JVM. */
    boolean isChecked() {
        return checked;
    }

    /** The same message by all fields, body by content. */
    @Override
    public boolean equals(Object other) {
        return other instanceof Message that
                && topic.equals(that.topic)
                && id.equals(that.id)
                && Arrays.equals(body, that.body)
                && tag.equals(that.tag)
                && keys.equals(that.keys)
                && messageGroup.equals(that.messageGroup)
                && deliverAtMillis == that.deliverAtMillis
                && lane.equals(that.lane)
                && priority == that.priority
                && properties.equals(that.properties)
                && bornMillis == that.bornMillis
                && bornHost.equals(that.bornHost)
                && traceContext.equals(that.traceContext)
                && producerId == that.producerId
                && producerSequence == that.producerSequence;
    }

    @Override
    public int hashCode() {
        return 31 * (31 * topic.hashCode() + id.hashCode()) + Arrays.hashCode(body);
    }

    @Override
    public String toString() {
        return "Message(" + topic + ", id " + id + ", " + body.length + " bytes"
                + (isKeyed() ? ", message group " + messageGroup : "") + ")";
    }

    /** Collects the parts of a message. Not thread-safe. */
    public static final class Builder {
        private final String topic;
        private String id = "";
        private byte[] body = EMPTY;
        private String tag = "";
        private List<String> keys = List.of();
        private String messageGroup = "";
        private long deliverAtMillis;
        private String lane = "";
        private int priority;
        private Map<String, String> properties = Map.of();
        private long bornMillis;
        private String bornHost = "";
        private String traceContext = "";
        private long producerId;
        private long producerSequence;

        private Builder(String topic) {
            this.topic = topic;
        }

        public Builder id(String value) {
            id = value;
            return this;
        }

        /** @param value kept as it is, not copied */
        public Builder body(byte[] value) {
            body = value;
            return this;
        }

        public Builder tag(String value) {
            tag = value;
            return this;
        }

        public Builder keys(List<String> value) {
            keys = List.copyOf(value);
            return this;
        }

        public Builder messageGroup(String value) {
            messageGroup = value;
            return this;
        }

        public Builder deliverAtMillis(long value) {
            deliverAtMillis = value;
            return this;
        }

        public Builder lane(String value) {
            lane = value;
            return this;
        }

        public Builder priority(int value) {
            priority = value;
            return this;
        }

        public Builder property(String name, String value) {
            Map<String, String> more = new LinkedHashMap<>(properties);
            more.put(name, value);
            properties = more;
            return this;
        }

        public Builder properties(Map<String, String> value) {
            properties = new LinkedHashMap<>(value);
            return this;
        }

        public Builder bornMillis(long value) {
            bornMillis = value;
            return this;
        }

        public Builder bornHost(String value) {
            bornHost = value;
            return this;
        }

        public Builder traceContext(String value) {
            traceContext = value;
            return this;
        }

        public Builder producer(long id, long sequence) {
            producerId = id;
            producerSequence = sequence;
            return this;
        }

        /** @throws ForebayException with a refusal that names the field, if a limit of {@link MessageLimits} is broken */
        public Message build() {
            Message message = new Message(
                    topic,
                    id,
                    body,
                    tag,
                    keys,
                    messageGroup,
                    deliverAtMillis,
                    lane,
                    priority,
                    properties.isEmpty() ? Map.of() : Collections.unmodifiableMap(properties),
                    bornMillis,
                    bornHost,
                    traceContext,
                    producerId,
                    producerSequence,
                    true);
            Refusal refusal = MessageLimits.checkFields(message);
            if (refusal != null) {
                throw refusal.toException();
            }
            return message;
        }
    }
}
