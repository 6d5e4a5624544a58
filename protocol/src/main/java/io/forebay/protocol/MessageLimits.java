package io.forebay.protocol;

import java.util.Map;

/**
 * What the fields of a {@link Message} may be, whatever a node is set to. (How large a body may be is a setting of the
 * node, told in {@link SessionEvent.Opened}.) Texts count in characters. Thread-safe.
 */
public final class MessageLimits {
    public static final int ID_CHARS_MAX = 255;
    public static final int TAG_CHARS_MAX = 127;
    public static final int KEY_CHARS_MAX = 255;
    public static final int KEYS_COUNT_MAX = 64;
    public static final int MESSAGE_GROUP_CHARS_MAX = 255;
    public static final int PROPERTIES_COUNT_MAX = 128;
    public static final int PROPERTY_NAME_CHARS_MAX = 127;
    /** All names and values of the properties together. */
    public static final int PROPERTIES_CHARS_MAX = 32 * 1024;

    public static final int BORN_HOST_CHARS_MAX = 255;
    public static final int TRACE_CONTEXT_CHARS_MAX = 768;
    public static final int PRIORITY_MAX = 255;
    /** No node can be set to take a larger body. */
    public static final int BODY_BYTES_MAX = 64 * 1024 * 1024;

    private MessageLimits() {}

    /**
     * Checks everything, the topic's name included; cheap for a message built in this JVM.
     *
     * @param bodyBytesMax the node's limit
     * @return null if all is well, else the refusal to answer
     */
    public static Refusal check(Message message, int bodyBytesMax) {
        if (message.body().length > bodyBytesMax) {
            return Refusal.tooLarge(
                    "the body of message '" + Refusal.shown(message.id()) + "'",
                    message.body().length + " bytes",
                    "at most " + bodyBytesMax + " (forebay.queue.body-max)");
        }
        return message.isChecked() ? null : checkFields(message);
    }

    static Refusal checkFields(Message m) {
        if (!Names.isLegal(m.topic())) {
            return Refusal.illegalName("topic", m.topic());
        }
        if (m.body() == null || m.body().length > BODY_BYTES_MAX) {
            return m.body() == null
                    ? Refusal.illegalArgument("body", null, "an array, which may be empty")
                    : Refusal.tooLarge("a body", m.body().length + " bytes", "at most " + BODY_BYTES_MAX);
        }
        Refusal refusal = text("id", m.id(), ID_CHARS_MAX);
        refusal = refusal != null ? refusal : text("tag", m.tag(), TAG_CHARS_MAX);
        refusal = refusal != null ? refusal : text("message group", m.messageGroup(), MESSAGE_GROUP_CHARS_MAX);
        refusal = refusal != null ? refusal : text("born host", m.bornHost(), BORN_HOST_CHARS_MAX);
        refusal = refusal != null ? refusal : text("trace context", m.traceContext(), TRACE_CONTEXT_CHARS_MAX);
        if (refusal != null) {
            return refusal;
        }
        if (m.tag().indexOf('|') >= 0) {
            return Refusal.illegalArgument("tag", m.tag(), "text without |, which separates tags in a filter");
        }
        if (m.lane() == null || (!m.lane().isEmpty() && !Names.isLegal(m.lane()))) {
            return Refusal.illegalName("lane", m.lane());
        }
        if (m.keys().size() > KEYS_COUNT_MAX) {
            return Refusal.tooLarge("the list of keys", m.keys().size() + " entries", "at most " + KEYS_COUNT_MAX);
        }
        for (String key : m.keys()) {
            refusal = text("key", key, KEY_CHARS_MAX);
            if (refusal != null) {
                return refusal;
            }
        }
        if (m.priority() < 0 || m.priority() > PRIORITY_MAX) {
            return Refusal.illegalArgument("priority", m.priority(), "0 to " + PRIORITY_MAX);
        }
        if (m.deliverAtMillis() < 0 || m.bornMillis() < 0) {
            return Refusal.illegalArgument(
                    m.bornMillis() < 0 ? "born time" : "deliver-at time",
                    m.bornMillis() < 0 ? m.bornMillis() : m.deliverAtMillis(),
                    "milliseconds since 1970, at least 0");
        }
        return m.properties().isEmpty() ? null : checkProperties(m.properties());
    }

    private static Refusal checkProperties(Map<String, String> properties) {
        if (properties.size() > PROPERTIES_COUNT_MAX) {
            return Refusal.tooLarge("properties", properties.size() + " entries", "at most " + PROPERTIES_COUNT_MAX);
        }
        long chars = 0;
        for (Map.Entry<String, String> property : properties.entrySet()) {
            Refusal refusal = text("property name", property.getKey(), PROPERTY_NAME_CHARS_MAX);
            if (refusal != null) {
                return refusal;
            }
            if (property.getKey().isEmpty() || property.getValue() == null) {
                return Refusal.illegalArgument(
                        "property '" + Refusal.shown(property.getKey()) + "'",
                        property.getValue(),
                        "a name that is not empty and a value that is not null");
            }
            chars += property.getKey().length() + property.getValue().length();
        }
        return chars > PROPERTIES_CHARS_MAX
                ? Refusal.tooLarge("properties", chars + " characters", "at most " + PROPERTIES_CHARS_MAX)
                : null;
    }

    private static Refusal text(String field, String value, int charsMax) {
        if (value == null) {
            return Refusal.illegalArgument(field, null, "a text, which may be empty");
        }
        return value.length() > charsMax
                ? Refusal.tooLarge(
                        field + " '" + Refusal.shown(value) + "'",
                        value.length() + " characters",
                        "at most " + charsMax)
                : null;
    }
}
