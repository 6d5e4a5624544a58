package io.forebay.topic;

import io.forebay.config.DurabilitySetting;
import io.forebay.config.ForebaySettings;
import io.forebay.config.GroupSettings;
import io.forebay.config.StartSetting;
import io.forebay.protocol.Durability;
import io.forebay.protocol.Refusal;
import io.forebay.queue.core.Deduplication;
import io.forebay.queue.core.DeliveryMode;
import io.forebay.queue.core.GroupPolicy;
import io.forebay.queue.core.MessageFilter;
import io.forebay.queue.core.PoisonPolicy;
import io.forebay.queue.core.RetryBackoff;
import io.forebay.queue.core.TopicPolicy;
import io.forebay.topic.core.StartAt;
import java.util.List;
import java.util.Map;

/** What may be set for a single topic or group, and what holds where nothing is set. Thread-safe. */
final class TopicRules {
    /** What a Send is answered for that asks for nothing. */
    static final String SEND_DURABILITY = "send-durability";
    /** From when on messages may be delivered: written or durable. */
    static final String READABLE = "readable";
    /** Level of a checkpoint before its messages go out. */
    static final String POP_DURABILITY = "pop-durability";
    /** What an Ack is answered for that asks for nothing. */
    static final String ACK_DURABILITY = "ack-durability";
    /** Where the group begins in a topic that is new to it. */
    static final String START = "start";

    private static final List<String> LEVELS = List.of("written", "flushed");
    private static final Map<String, List<String>> TOPIC =
            Map.of(SEND_DURABILITY, LEVELS, READABLE, List.of("written", "durable"));
    private static final Map<String, List<String>> GROUP =
            Map.of(POP_DURABILITY, LEVELS, ACK_DURABILITY, LEVELS, START, List.of("earliest", "latest"));

    private TopicRules() {}

    /** Null if all is well. */
    static Refusal checkTopic(Map<String, String> settings) {
        return check("topic", TOPIC, settings);
    }

    /** Null if all is well. */
    static Refusal checkGroup(Map<String, String> settings) {
        return check("group", GROUP, settings);
    }

    private static Refusal check(String kind, Map<String, List<String>> known, Map<String, String> settings) {
        for (Map.Entry<String, String> setting : settings.entrySet()) {
            List<String> allowed = known.get(setting.getKey());
            if (allowed == null) {
                return Refusal.illegalArgument(
                        "the name of a setting of a " + kind,
                        setting.getKey(),
                        String.join(", ", known.keySet().stream().sorted().toList()));
            }
            if (!allowed.contains(setting.getValue())) {
                return Refusal.illegalArgument(setting.getKey(), setting.getValue(), String.join(" or ", allowed));
            }
        }
        return null;
    }

    /** What a topic's own settings and the node's make together. */
    static TopicPolicy topicPolicy(Map<String, String> topic, ForebaySettings defaults) {
        return new TopicPolicy(
                level(topic.get(SEND_DURABILITY), defaults.queue().sendDurability()),
                "durable".equals(topic.get(READABLE)),
                0,
                0,
                0,
                0,
                false,
                Deduplication.OFF,
                600_000,
                100_000);
    }

    /** What a group's own settings and the node's make together. */
    static GroupPolicy groupPolicy(Map<String, String> group, ForebaySettings defaults) {
        GroupSettings node = defaults.group();
        return new GroupPolicy(
                level(group.get(POP_DURABILITY), node.popDurability()),
                level(group.get(ACK_DURABILITY), node.ackDurability()),
                node.invisibleDefault().toMillis(),
                0,
                RetryBackoff.NONE,
                false,
                PoisonPolicy.DEAD_LETTER,
                "",
                MessageFilter.ALL,
                node.inFlightMax(),
                0,
                0,
                false,
                DeliveryMode.POP,
                0);
    }

    static StartAt start(Map<String, String> group, GroupSettings defaults) {
        String start = group.get(START);
        if (start == null) {
            return defaults.start() == StartSetting.LATEST ? StartAt.LATEST : StartAt.EARLIEST;
        }
        return start.equals("latest") ? StartAt.LATEST : StartAt.EARLIEST;
    }

    private static Durability level(String setting, DurabilitySetting otherwise) {
        if (setting == null) {
            return otherwise == DurabilitySetting.FLUSHED ? Durability.FLUSHED : Durability.WRITTEN;
        }
        return setting.equals("flushed") ? Durability.FLUSHED : Durability.WRITTEN;
    }
}
