package io.forebay.storage.log;

import java.util.EnumSet;
import java.util.Set;

/**
 * The form in which the registry's events are stored: a record's body as {@code docs/record-types.md} lays it out, under a manifest
 * that says its type and version by their numbers ({@code 10.1} is a topic). What defines, changes and ends topics, groups and
 * subscriptions is an event, and so is a part of a snapshot of all of them, which takes the place of whatever was before.
 */
public final class RegistryEvents {
    private static final Set<RecordType> TYPES = EnumSet.of(
            RecordType.SNAPSHOT,
            RecordType.TOPIC,
            RecordType.TOPIC_DELETED,
            RecordType.GROUP,
            RecordType.GROUP_DELETED,
            RecordType.SUBSCRIPTION,
            RecordType.SUBSCRIPTION_ENDED,
            RecordType.SETTINGS_CHANGED);

    private RegistryEvents() {}

    /** @throws IllegalArgumentException if it is none of the registry's events */
    public static String manifestOf(LogRecord event) {
        RecordType type = event.type();
        if (!TYPES.contains(type)) {
            throw new IllegalArgumentException("a record of type " + type + " is no event of the registry");
        }
        return type.number() + "." + type.version();
    }

    /** The event's bytes; {@link #manifestOf} belongs to them. */
    public static byte[] encode(LogRecord event) {
        byte[] payload = new byte[event.bodyBytes()];
        event.encodeBody(payload, 0);
        return payload;
    }

    /**
     * @throws UnknownRecordException if this version knows no such event
     * @throws CorruptRecordException if the bytes are not what the manifest says; nothing else is thrown for any input
     */
    public static LogRecord decode(String manifest, byte[] payload) throws CorruptRecordException {
        for (RecordType type : TYPES) {
            for (int version = 1; version <= type.version(); version++) {
                if (manifest.equals(type.number() + "." + version)) {
                    return LogRecord.decode(type, version, payload, 0, payload.length);
                }
            }
        }
        throw new UnknownRecordException("an event of the registry with the manifest '" + manifest
                + "' is not known: written by a newer version, or damaged");
    }
}
