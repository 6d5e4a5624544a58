package io.forebay.queue;

import io.forebay.protocol.Message;
import io.forebay.storage.log.CorruptRecordException;
import io.forebay.storage.log.MessageRecord;
import io.forebay.storage.log.MessageView;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;

/**
 * A message in the form of the protocol and in the form of the log. The protocol has "" where the log has nothing, and a
 * list of keys where the log has one text: keys separated by U+001F, with {@code \s} for that character and {@code \\}
 * for a backslash within a key. Thread-safe.
 */
public final class MessageForm {
    private static final char SEPARATOR = '\u001F';

    private MessageForm() {}

    static MessageRecord toRecord(Message message) {
        return toRecord(message, MessageRecord.builder());
    }

    /** @param record used for this and left as it is then: each of its fields is set, so that it may be used again */
    static MessageRecord toRecord(Message message, MessageRecord.Builder record) {
        return record.id(message.id())
                .body(message.body())
                .bornMillis(message.bornMillis())
                .tag(orNull(message.tag()))
                .messageGroup(orNull(message.messageGroup()))
                .deliverAtMillis(message.deliverAtMillis())
                .lane(orNull(message.lane()))
                .priority(message.priority())
                .bornHost(orNull(message.bornHost()))
                .traceContext(orNull(message.traceContext()))
                .properties(message.properties())
                .keys(message.keys().isEmpty() ? null : joined(message.keys()))
                .producer(message.producerId(), message.producerId() == 0 ? 0 : message.producerSequence())
                .build();
    }

    /** The record of the same message for another queue, with other properties. It was sent once: no producer's number goes with it. */
    public static MessageRecord copy(MessageRecord record, Map<String, String> properties) {
        Message message = withProperties(toMessage("", record), properties);
        return toRecord(Message.unchecked(
                message.topic(),
                message.id(),
                message.body(),
                message.tag(),
                message.keys(),
                message.messageGroup(),
                message.deliverAtMillis(),
                message.lane(),
                message.priority(),
                message.properties(),
                message.bornMillis(),
                message.bornHost(),
                message.traceContext(),
                0,
                0));
    }

    public static Message toMessage(String topic, MessageRecord record) {
        return Message.unchecked(
                topic,
                record.id(),
                record.body(),
                orEmpty(record.tag()),
                record.keys() == null ? List.of() : split(record.keys()),
                orEmpty(record.messageGroup()),
                record.deliverAtMillis(),
                orEmpty(record.lane()),
                record.priority(),
                record.properties(),
                record.bornMillis(),
                orEmpty(record.bornHost()),
                orEmpty(record.traceContext()),
                record.producerId(),
                record.producerSequence());
    }

    /** The stored message, copied out. */
    static Message toMessage(String topic, MessageView stored) throws CorruptRecordException {
        String tag = stored.tag();
        String keys = stored.keys();
        stored.checkTag(tag);
        if (stored.deliverAtMillis() < 0) {
            throw new CorruptRecordException("MESSAGE: deliverAtMillis is " + stored.deliverAtMillis());
        }
        return Message.unchecked(
                topic,
                stored.id(),
                stored.copyBody(),
                orEmpty(tag),
                keys == null ? List.of() : split(keys),
                orEmpty(stored.messageGroup()),
                stored.deliverAtMillis(),
                orEmpty(stored.lane()),
                stored.priority(),
                stored.properties(),
                stored.bornMillis(),
                orEmpty(stored.bornHost()),
                orEmpty(stored.traceContext()),
                stored.producerId(),
                stored.producerSequence());
    }

    /** The message with other properties. */
    public static Message withProperties(Message message, Map<String, String> properties) {
        return Message.unchecked(
                message.topic(),
                message.id(),
                message.body(),
                message.tag(),
                message.keys(),
                message.messageGroup(),
                message.deliverAtMillis(),
                message.lane(),
                message.priority(),
                properties,
                message.bornMillis(),
                message.bornHost(),
                message.traceContext(),
                message.producerId(),
                message.producerSequence());
    }

    static String joined(List<String> keys) {
        StringBuilder text = new StringBuilder();
        for (int i = 0; i < keys.size(); i++) {
            if (i > 0) {
                text.append(SEPARATOR);
            }
            String key = keys.get(i);
            for (int at = 0; at < key.length(); at++) {
                char c = key.charAt(at);
                if (c == SEPARATOR) {
                    text.append("\\s");
                } else if (c == '\\') {
                    text.append("\\\\");
                } else {
                    text.append(c);
                }
            }
        }
        return text.toString();
    }

    /** The keys of a stored message. */
    public static List<String> split(String text) {
        List<String> keys = new ArrayList<>();
        StringBuilder key = new StringBuilder();
        for (int at = 0; at < text.length(); at++) {
            char c = text.charAt(at);
            if (c == SEPARATOR) {
                keys.add(key.toString());
                key.setLength(0);
            } else if (c == '\\' && at + 1 < text.length()) {
                char escaped = text.charAt(++at);
                key.append(escaped == 's' ? SEPARATOR : escaped);
            } else {
                key.append(c);
            }
        }
        keys.add(key.toString());
        return List.copyOf(keys);
    }

    private static String orNull(String text) {
        return text.isEmpty() ? null : text;
    }

    private static String orEmpty(String text) {
        return text == null ? "" : text;
    }
}
