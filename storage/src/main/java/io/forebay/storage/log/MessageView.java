package io.forebay.storage.log;

import io.forebay.storage.io.LittleEndian;
import java.util.Arrays;
import java.util.Map;

/**
 * Reads an encoded message in place: {@link #wrap} checks all lengths once, then each field is read where it lies
 * and only if asked for. May be wrapped again and again; valid as long as the array is unchanged. Not thread-safe.
 */
public final class MessageView {
    private byte[] source;
    private int at;
    private int present;
    private int tagAt;
    private int keysAt;
    private int messageGroupAt;
    private int deliverAtAt;
    private int laneAt;
    private int priorityAt;
    private int propertiesAt;
    private int bornHostAt;
    private int traceContextAt;
    private int producerAt;
    private int bodyAt;
    private int bodyBytes;

    public MessageView() {}

    /**
     * @param bodyAtBytes where the record's body begins
     * @param length its bytes without padding
     * @throws CorruptRecordException if the fields do not exactly fill the bytes
     */
    public void wrap(byte[] bytes, int bodyAtBytes, int length) throws CorruptRecordException {
        BodyReader in = new BodyReader("MESSAGE", bytes, bodyAtBytes, length);
        wrap(in);
        in.end();
    }

    void wrap(BodyReader in) throws CorruptRecordException {
        source = in.source();
        at = in.at();
        in.bytesSkipped(MessageRecord.FIXED_BYTES);
        present = LittleEndian.getUnsignedShort(source, at + 12);
        if ((present & ~MessageRecord.KNOWN) != 0) {
            throw in.corrupt("unknown fields present: " + Integer.toHexString(present));
        }
        if (LittleEndian.getLong(source, at) < -1) {
            throw in.corrupt("queue offset " + LittleEndian.getLong(source, at) + " is not one");
        }
        in.bytesSkipped(LittleEndian.getUnsignedShort(source, at + 14));
        if (present != 0) {
            wrapPresent(in);
        }
        bodyBytes = LittleEndian.getInt(source, at + 24);
        if (bodyBytes < 0) {
            throw in.corrupt("body of " + bodyBytes + " bytes");
        }
        bodyAt = in.at();
        in.bytesSkipped(bodyBytes);
    }

    private void wrapPresent(BodyReader in) throws CorruptRecordException {
        tagAt = skipText(in, MessageRecord.TAG);
        keysAt = skipText(in, MessageRecord.KEYS);
        messageGroupAt = skipText(in, MessageRecord.MESSAGE_GROUP);
        deliverAtAt = skip(in, MessageRecord.DELIVER_AT, 8);
        laneAt = skipText(in, MessageRecord.LANE);
        priorityAt = skip(in, MessageRecord.PRIORITY, 4);
        propertiesAt = in.at();
        if (has(MessageRecord.PROPERTIES)) {
            int count = in.u16();
            for (int index = 0; index < count; index++) {
                in.bytesSkipped(in.u16());
                in.bytesSkipped(in.count(1));
            }
        }
        bornHostAt = skipText(in, MessageRecord.BORN_HOST);
        traceContextAt = skipText(in, MessageRecord.TRACE_CONTEXT);
        producerAt = skip(in, MessageRecord.PRODUCER, 16);
    }

    private int skipText(BodyReader in, int bit) throws CorruptRecordException {
        int from = in.at();
        if (has(bit)) {
            in.bytesSkipped(in.u16());
        }
        return from;
    }

    private int skip(BodyReader in, int bit, int bytes) throws CorruptRecordException {
        int from = in.at();
        if (has(bit)) {
            in.bytesSkipped(bytes);
        }
        return from;
    }

    private boolean has(int bit) {
        return (present & bit) != 0;
    }

    public long queueOffset() {
        return LittleEndian.getLong(source, at);
    }

    public int tagHash() {
        return LittleEndian.getInt(source, at + 8);
    }

    public long bornMillis() {
        return LittleEndian.getLong(source, at + 16);
    }

    public int payloadCrc() {
        return LittleEndian.getInt(source, at + 28);
    }

    public String id() throws CorruptRecordException {
        return decode(at + MessageRecord.FIXED_BYTES, LittleEndian.getUnsignedShort(source, at + 14));
    }

    /** Where the id's UTF-8 begins in {@link #source()}. */
    public int idAt() {
        return at + MessageRecord.FIXED_BYTES;
    }

    /** Length of the id's UTF-8. */
    public int idBytes() {
        return LittleEndian.getUnsignedShort(source, at + 14);
    }

    private String decode(int textAt, int length) throws CorruptRecordException {
        try {
            return Utf8.decode(source, textAt, length);
        } catch (CorruptRecordException e) {
            throw new CorruptRecordException("MESSAGE: " + e.getMessage(), e);
        }
    }

    public boolean hasTag() {
        return has(MessageRecord.TAG);
    }

    /** {@code null} if there is none; likewise for the other texts. */
    public String tag() throws CorruptRecordException {
        return text(MessageRecord.TAG, tagAt);
    }

    public String keys() throws CorruptRecordException {
        return text(MessageRecord.KEYS, keysAt);
    }

    public boolean hasMessageGroup() {
        return has(MessageRecord.MESSAGE_GROUP);
    }

    public String messageGroup() throws CorruptRecordException {
        return text(MessageRecord.MESSAGE_GROUP, messageGroupAt);
    }

    public long deliverAtMillis() {
        return has(MessageRecord.DELIVER_AT) ? LittleEndian.getLong(source, deliverAtAt) : MessageRecord.DELIVER_NOW;
    }

    public String lane() throws CorruptRecordException {
        return text(MessageRecord.LANE, laneAt);
    }

    public int priority() {
        return has(MessageRecord.PRIORITY) ? LittleEndian.getInt(source, priorityAt) : 0;
    }

    public Map<String, String> properties() throws CorruptRecordException {
        return has(MessageRecord.PROPERTIES)
                ? new BodyReader("MESSAGE properties", source, propertiesAt, bodyAt - propertiesAt).textMap()
                : Map.of();
    }

    public String bornHost() throws CorruptRecordException {
        return text(MessageRecord.BORN_HOST, bornHostAt);
    }

    public String traceContext() throws CorruptRecordException {
        return text(MessageRecord.TRACE_CONTEXT, traceContextAt);
    }

    public long producerId() {
        return has(MessageRecord.PRODUCER) ? LittleEndian.getLong(source, producerAt) : 0;
    }

    public long producerSequence() {
        return has(MessageRecord.PRODUCER) ? LittleEndian.getLong(source, producerAt + 8) : 0;
    }

    private String text(int bit, int textAt) throws CorruptRecordException {
        return has(bit) ? decode(textAt + 2, LittleEndian.getUnsignedShort(source, textAt)) : null;
    }

    /** The array that was wrapped. */
    public byte[] source() {
        return source;
    }

    /** Where the payload begins in {@link #source()}. */
    public int bodyAt() {
        return bodyAt;
    }

    public int bodyBytes() {
        return bodyBytes;
    }

    public byte[] copyBody() {
        return Arrays.copyOfRange(source, bodyAt, bodyAt + bodyBytes);
    }

    /** Whether the payload matches the checksum made when it came in. */
    public boolean isPayloadIntact() {
        return MessageRecord.payloadCrc(source, bodyAt, bodyBytes) == payloadCrc();
    }

    /** Copies everything out. */
    public MessageRecord toRecord() throws CorruptRecordException {
        MessageRecord record = MessageRecord.builder()
                .queueOffset(queueOffset())
                .id(id())
                .tag(tag())
                .keys(keys())
                .messageGroup(messageGroup())
                .deliverAtMillis(deliverAtMillis())
                .lane(lane())
                .priority(priority())
                .properties(properties())
                .bornMillis(bornMillis())
                .bornHost(bornHost())
                .traceContext(traceContext())
                .producer(producerId(), producerSequence())
                .body(copyBody())
                .payloadCrc(payloadCrc())
                .build();
        checkTag(record.tag());
        return record;
    }

    /** @throws CorruptRecordException if the record's tag, which is given, is not the one that its hash was made of */
    public void checkTag(String tag) throws CorruptRecordException {
        if (MessageRecord.tagHash(tag) != tagHash()) {
            throw new CorruptRecordException(
                    "MESSAGE: tag " + tag + " does not have the hash " + Integer.toHexString(tagHash()));
        }
    }
}
