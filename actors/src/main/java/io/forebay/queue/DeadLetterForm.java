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

    private DeadLetterForm() {}

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
