package io.forebay.queue;

import io.forebay.queue.core.Poison;
import io.forebay.storage.log.EntryRecord;
import java.util.LinkedHashMap;
import java.util.Map;

/** How a dead letter tells where it comes from: properties of its entry. */
public final class DeadLetterForm {
    public static final String GROUP = "dead-letter.group";
    public static final String TOPIC = "dead-letter.topic";
    public static final String QUEUE = "dead-letter.queue";
    public static final String OFFSET = "dead-letter.offset";
    public static final String ATTEMPTS = "dead-letter.attempts";
    public static final String FIRST_POP_MILLIS = "dead-letter.first-pop-millis";
    public static final String LAST_POP_MILLIS = "dead-letter.last-pop-millis";
    public static final String REASON = "dead-letter.reason";
    public static final String NODE = "dead-letter.node";

    /** What the names of the topics begin with that hold the dead letters of a group. */
    public static final String TOPIC_PREFIX = "%DLQ%";

    /** How often a message has gone back from the dead letters. */
    public static final String REDRIVEN_COUNT = "redriven.count";
    /** Where it lay there: topic, queue and offset. */
    public static final String REDRIVEN_FROM = "redriven.from";
    /** The group that had given it up: others have maybe settled it already. */
    public static final String REDRIVEN_GROUP = "redriven.group";

    public static final String REDRIVEN_ATTEMPTS = "redriven.attempts";
    public static final String REDRIVEN_REASON = "redriven.reason";

    private static final String PREFIX = "dead-letter.";

    private DeadLetterForm() {}

    /**
     * The properties of an entry for a letter that goes back.
     *
     * @param letter those of the letter's entry
     * @param place where the letter lies
     */
    public static Map<String, String> redriven(Map<String, String> letter, String place) {
        Map<String, String> properties = new LinkedHashMap<>(letter);
        properties.keySet().removeIf(key -> key.startsWith(PREFIX));
        copy(letter, GROUP, properties, REDRIVEN_GROUP);
        copy(letter, ATTEMPTS, properties, REDRIVEN_ATTEMPTS);
        copy(letter, REASON, properties, REDRIVEN_REASON);
        properties.put(REDRIVEN_FROM, place);
        properties.put(REDRIVEN_COUNT, Long.toString(1 + count(letter.get(REDRIVEN_COUNT))));
        return properties;
    }

    private static void copy(Map<String, String> from, String fromKey, Map<String, String> to, String toKey) {
        String value = from.get(fromKey);
        if (value != null) {
            to.put(toKey, value);
        }
    }

    private static long count(String text) {
        try {
            return text == null ? 0 : Long.parseLong(text);
        } catch (NumberFormatException e) {
            return 0;
        }
    }

    static EntryRecord entry(GroupQueue.Identity identity, MessageScanner.Origin origin, Poison poison) {
        Map<String, String> properties = new LinkedHashMap<>(origin.properties());
        properties.put(GROUP, identity.group());
        properties.put(TOPIC, identity.topic());
        properties.put(QUEUE, Integer.toString(identity.queueNumber()));
        properties.put(OFFSET, Long.toString(origin.offset()));
        properties.put(ATTEMPTS, Integer.toString(poison.attempts()));
        properties.put(FIRST_POP_MILLIS, Long.toString(poison.firstPoppedMillis()));
        properties.put(LAST_POP_MILLIS, Long.toString(poison.lastPoppedMillis()));
        properties.put(REASON, poison.reason());
        properties.put(NODE, identity.nodeName());
        return new EntryRecord(
                -1, origin.bodyQueueId(), origin.bodyOffset(), origin.bodySequence(), origin.tagHash(), properties);
    }
}
