package io.forebay.storage.log;

import io.forebay.storage.io.LittleEndian;
import java.util.Arrays;
import java.util.Map;
import java.util.Objects;
import java.util.zip.CRC32C;

/**
 * A message as its queue stores it: body and entry in one. Owner: the queue.
 * <pre> byte  0  i64  queueOffset      −1 until the append gives it
 * byte  8  i32  tagHash          {@link #tagHash(String)}, 0 without a tag
 * byte 12  u16  present          bit 0 tag · 1 keys · 2 messageGroup · 3 deliverAtMillis · 4 lane · 5 priority ·
 *                                6 properties · 7 bornHost · 8 traceContext · 9 producer
 * byte 14  u16  idBytes
 * byte 16  i64  bornMillis       when the producer made it, by its clock
 * byte 24  i32  bodyBytes
 * byte 28  u32  payloadCrc       CRC-32C of the body
 * byte 32  id (UTF-8)
 *          then what is present, in the order of the bits: tag, keys, messageGroup (texts), deliverAtMillis (i64),
 *          lane (text), priority (i32), properties (text map), bornHost, traceContext (texts), producerId and
 *          producerSequence (i64 each)
 *          body, up to the end of the record </pre>
 * A text is a u16 length and UTF-8; a text map is a u16 count and per pair a text and an i32 length with UTF-8.
 *
 * <p>The body array is not copied when a record is built and must not be changed from then on. Immutable otherwise,
 * thread-safe.
 */
public final class MessageRecord implements LogRecord {
    /** Value of {@link #deliverAtMillis()} of a message that is due at once. */
    public static final long DELIVER_NOW = 0;

    static final int FIXED_BYTES = 32;
    static final int TAG = 1;
    static final int KEYS = 1 << 1;
    static final int MESSAGE_GROUP = 1 << 2;
    static final int DELIVER_AT = 1 << 3;
    static final int LANE = 1 << 4;
    static final int PRIORITY = 1 << 5;
    static final int PROPERTIES = 1 << 6;
    static final int BORN_HOST = 1 << 7;
    static final int TRACE_CONTEXT = 1 << 8;
    static final int PRODUCER = 1 << 9;
    static final int KNOWN = (1 << 10) - 1;

    private final long queueOffset;
    private final String id;
    private final String tag;
    private final int tagHash;
    private final String keys;
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
    private final byte[] body;
    private final int payloadCrc;

    private MessageRecord(Builder builder) {
        Fields.check(builder.queueOffset >= -1, "queueOffset", builder.queueOffset, "-1 or more");
        Fields.text("id", builder.id);
        Fields.optionalText("tag", builder.tag);
        Fields.optionalText("keys", builder.keys);
        Fields.optionalText("messageGroup", builder.messageGroup);
        Fields.optionalText("lane", builder.lane);
        Fields.optionalText("bornHost", builder.bornHost);
        Fields.optionalText("traceContext", builder.traceContext);
        if (!builder.properties.isEmpty()) {
            Fields.texts("properties", builder.properties);
        }
        Fields.notNegative("deliverAtMillis", builder.deliverAtMillis);
        queueOffset = builder.queueOffset;
        id = builder.id;
        tag = builder.tag;
        tagHash = tagHash(tag);
        keys = builder.keys;
        messageGroup = builder.messageGroup;
        deliverAtMillis = builder.deliverAtMillis;
        lane = builder.lane;
        priority = builder.priority;
        properties = builder.properties;
        bornMillis = builder.bornMillis;
        bornHost = builder.bornHost;
        traceContext = builder.traceContext;
        producerId = builder.producerId;
        producerSequence = builder.producerSequence;
        body = builder.body;
        payloadCrc = builder.isPayloadCrcKnown ? builder.payloadCrc : payloadCrc(body, 0, body.length);
    }

    public static Builder builder() {
        return new Builder();
    }

    /**
     * Stable 32-bit hash of a tag, kept in the index so that most messages of other tags are passed over unread:
     * FNV-1a over the UTF-8 bytes (offset basis 0x811C9DC5, prime 0x01000193), 1 where that gives 0; 0 means no tag.
     */
    public static int tagHash(String tag) {
        if (tag == null) {
            return 0;
        }
        int hash = 0x811C9DC5;
        int length = tag.length();
        for (int index = 0; index < length; index++) {
            char c = tag.charAt(index);
            if (c >= 0x80) {
                return tagHashOfBytes(tag);
            }
            hash = (hash ^ c) * 0x01000193;
        }
        return hash == 0 ? 1 : hash;
    }

    private static int tagHashOfBytes(String tag) {
        byte[] bytes = new byte[Utf8.bytes(tag)];
        Utf8.encode(tag, bytes, 0);
        int hash = 0x811C9DC5;
        for (byte b : bytes) {
            hash = (hash ^ (b & 0xFF)) * 0x01000193;
        }
        return hash == 0 ? 1 : hash;
    }

    /** CRC-32C of a body: what the receipt states and the record carries. */
    public static int payloadCrc(byte[] source, int from, int length) {
        CRC32C crc = new CRC32C();
        crc.update(source, from, length);
        return (int) crc.getValue();
    }

    /** −1 before the append. */
    public long queueOffset() {
        return queueOffset;
    }

    public String id() {
        return id;
    }

    /** {@code null} if there is none; likewise for every other text but the id. */
    public String tag() {
        return tag;
    }

    public int tagHash() {
        return tagHash;
    }

    public String keys() {
        return keys;
    }

    public String messageGroup() {
        return messageGroup;
    }

    public long deliverAtMillis() {
        return deliverAtMillis;
    }

    public String lane() {
        return lane;
    }

    public int priority() {
        return priority;
    }

    public Map<String, String> properties() {
        return properties;
    }

    public long bornMillis() {
        return bornMillis;
    }

    public String bornHost() {
        return bornHost;
    }

    public String traceContext() {
        return traceContext;
    }

    /** 0 if the producer did not name itself. */
    public long producerId() {
        return producerId;
    }

    public long producerSequence() {
        return producerSequence;
    }

    /** Not a copy. */
    public byte[] body() {
        return body;
    }

    public int payloadCrc() {
        return payloadCrc;
    }

    @Override
    public RecordType type() {
        return RecordType.MESSAGE;
    }

    private int present() {
        return (tag == null ? 0 : TAG)
                | (keys == null ? 0 : KEYS)
                | (messageGroup == null ? 0 : MESSAGE_GROUP)
                | (deliverAtMillis == DELIVER_NOW ? 0 : DELIVER_AT)
                | (lane == null ? 0 : LANE)
                | (priority == 0 ? 0 : PRIORITY)
                | (properties.isEmpty() ? 0 : PROPERTIES)
                | (bornHost == null ? 0 : BORN_HOST)
                | (traceContext == null ? 0 : TRACE_CONTEXT)
                | (producerId == 0 && producerSequence == 0 ? 0 : PRODUCER);
    }

    @Override
    public int bodyBytes() {
        int bytes = FIXED_BYTES + Utf8.bytes(id) + body.length;
        bytes += optionalBytes(tag) + optionalBytes(keys) + optionalBytes(messageGroup) + optionalBytes(lane);
        bytes += optionalBytes(bornHost) + optionalBytes(traceContext);
        bytes += deliverAtMillis == DELIVER_NOW ? 0 : 8;
        bytes += priority == 0 ? 0 : 4;
        bytes += properties.isEmpty() ? 0 : BodyWriter.textMapBytes(properties);
        bytes += producerId == 0 && producerSequence == 0 ? 0 : 16;
        return bytes;
    }

    private static int optionalBytes(String text) {
        return text == null ? 0 : BodyWriter.textBytes(text);
    }

    @Override
    public void encodeBody(byte[] target, int at) {
        int present = present();
        LittleEndian.putLong(target, at, queueOffset);
        LittleEndian.putInt(target, at + 8, tagHash);
        LittleEndian.putShort(target, at + 12, present);
        int idBytes = Utf8.encode(id, target, at + FIXED_BYTES);
        LittleEndian.putShort(target, at + 14, idBytes);
        LittleEndian.putLong(target, at + 16, bornMillis);
        LittleEndian.putInt(target, at + 24, body.length);
        LittleEndian.putInt(target, at + 28, payloadCrc);
        int bodyAt = at + FIXED_BYTES + idBytes;
        if (present != 0) {
            bodyAt = encodePresent(new BodyWriter(target, bodyAt));
        }
        System.arraycopy(body, 0, target, bodyAt, body.length);
    }

    private int encodePresent(BodyWriter out) {
        if (tag != null) {
            out.text(tag);
        }
        if (keys != null) {
            out.text(keys);
        }
        if (messageGroup != null) {
            out.text(messageGroup);
        }
        if (deliverAtMillis != DELIVER_NOW) {
            out.i64(deliverAtMillis);
        }
        if (lane != null) {
            out.text(lane);
        }
        if (priority != 0) {
            out.i32(priority);
        }
        if (!properties.isEmpty()) {
            out.textMap(properties);
        }
        if (bornHost != null) {
            out.text(bornHost);
        }
        if (traceContext != null) {
            out.text(traceContext);
        }
        if (producerId != 0 || producerSequence != 0) {
            out.i64(producerId).i64(producerSequence);
        }
        return out.at();
    }

    static MessageRecord decode(BodyReader in) throws CorruptRecordException {
        MessageView view = new MessageView();
        view.wrap(in);
        return view.toRecord();
    }

    /** The queue offset of an encoded body. */
    public static long queueOffset(byte[] source, int bodyAt) {
        return LittleEndian.getLong(source, bodyAt);
    }

    /** The tag hash of an encoded body. */
    public static int tagHash(byte[] source, int bodyAt) {
        return LittleEndian.getInt(source, bodyAt + 8);
    }

    @Override
    public boolean equals(Object other) {
        return other instanceof MessageRecord that
                && queueOffset == that.queueOffset
                && id.equals(that.id)
                && Objects.equals(tag, that.tag)
                && Objects.equals(keys, that.keys)
                && Objects.equals(messageGroup, that.messageGroup)
                && deliverAtMillis == that.deliverAtMillis
                && Objects.equals(lane, that.lane)
                && priority == that.priority
                && properties.equals(that.properties)
                && bornMillis == that.bornMillis
                && Objects.equals(bornHost, that.bornHost)
                && Objects.equals(traceContext, that.traceContext)
                && producerId == that.producerId
                && producerSequence == that.producerSequence
                && payloadCrc == that.payloadCrc
                && Arrays.equals(body, that.body);
    }

    @Override
    public int hashCode() {
        return 31 * id.hashCode() + payloadCrc;
    }

    /** One line for {@code log dump}; the body as its size and checksum. */
    @Override
    public String toString() {
        StringBuilder text = new StringBuilder("MessageRecord[queueOffset=")
                .append(queueOffset)
                .append(", id=")
                .append(id);
        append(text, "tag", tag);
        append(text, "keys", keys);
        append(text, "messageGroup", messageGroup);
        append(text, "deliverAtMillis", deliverAtMillis == DELIVER_NOW ? null : deliverAtMillis);
        append(text, "lane", lane);
        append(text, "priority", priority == 0 ? null : priority);
        append(text, "properties", properties.isEmpty() ? null : properties);
        append(text, "bornMillis", bornMillis);
        append(text, "bornHost", bornHost);
        append(text, "traceContext", traceContext);
        if (producerId != 0 || producerSequence != 0) {
            append(text, "producerId", producerId);
            append(text, "producerSequence", producerSequence);
        }
        return text.append(", bodyBytes=")
                .append(body.length)
                .append(", payloadCrc=")
                .append(String.format("%08x", payloadCrc))
                .append(']')
                .toString();
    }

    private static void append(StringBuilder text, String name, Object value) {
        if (value != null) {
            text.append(", ").append(name).append('=').append(value);
        }
    }

    /** Everything but the id and the body may be left out. Not thread-safe. */
    public static final class Builder {
        private static final byte[] NO_BODY = new byte[0];

        private long queueOffset = -1;
        private String id = "";
        private String tag;
        private String keys;
        private String messageGroup;
        private long deliverAtMillis = DELIVER_NOW;
        private String lane;
        private int priority;
        private Map<String, String> properties = Map.of();
        private long bornMillis;
        private String bornHost;
        private String traceContext;
        private long producerId;
        private long producerSequence;
        private byte[] body = NO_BODY;
        private boolean isPayloadCrcKnown;
        private int payloadCrc;

        private Builder() {}

        public Builder queueOffset(long value) {
            queueOffset = value;
            return this;
        }

        public Builder id(String value) {
            id = value;
            return this;
        }

        public Builder tag(String valueOrNull) {
            tag = valueOrNull;
            return this;
        }

        public Builder keys(String valueOrNull) {
            keys = valueOrNull;
            return this;
        }

        public Builder messageGroup(String valueOrNull) {
            messageGroup = valueOrNull;
            return this;
        }

        public Builder deliverAtMillis(long value) {
            deliverAtMillis = value;
            return this;
        }

        public Builder lane(String valueOrNull) {
            lane = valueOrNull;
            return this;
        }

        public Builder priority(int value) {
            priority = value;
            return this;
        }

        /** Not copied; its iteration order is the order on disk. */
        public Builder properties(Map<String, String> value) {
            properties = value;
            return this;
        }

        public Builder bornMillis(long value) {
            bornMillis = value;
            return this;
        }

        public Builder bornHost(String valueOrNull) {
            bornHost = valueOrNull;
            return this;
        }

        public Builder traceContext(String valueOrNull) {
            traceContext = valueOrNull;
            return this;
        }

        public Builder producer(long producer, long sequence) {
            producerId = producer;
            producerSequence = sequence;
            return this;
        }

        /** Not copied. Its checksum is computed when the record is built, unless {@link #payloadCrc} tells it after this. */
        public Builder body(byte[] value) {
            body = value;
            isPayloadCrcKnown = false;
            return this;
        }

        /** The body's CRC-32C if it is known already (from the producer); else it is computed. */
        public Builder payloadCrc(int value) {
            payloadCrc = value;
            isPayloadCrcKnown = true;
            return this;
        }

        /** @throws IllegalArgumentException if a text takes more than 65,535 bytes or a number is out of its range */
        public MessageRecord build() {
            return new MessageRecord(this);
        }
    }
}
