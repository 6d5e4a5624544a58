package io.forebay.topic;

import io.forebay.config.DeduplicationSetting;
import io.forebay.config.DeliverySetting;
import io.forebay.config.DurabilitySetting;
import io.forebay.config.ForebaySettings;
import io.forebay.config.GroupSettings;
import io.forebay.config.OwnSettings;
import io.forebay.config.PoisonSetting;
import io.forebay.config.SettingsException;
import io.forebay.config.StartSetting;
import io.forebay.config.TopicDefaults;
import io.forebay.protocol.DeliveryMode;
import io.forebay.protocol.Durability;
import io.forebay.protocol.Names;
import io.forebay.protocol.Refusal;
import io.forebay.queue.core.Deduplication;
import io.forebay.queue.core.GroupPolicy;
import io.forebay.queue.core.MessageFilter;
import io.forebay.queue.core.PoisonPolicy;
import io.forebay.queue.core.RetryBackoff;
import io.forebay.queue.core.TopicPolicy;
import io.forebay.queue.filter.FilterSyntaxException;
import io.forebay.queue.filter.Filters;
import io.forebay.topic.core.RegistryState;
import io.forebay.topic.core.StartAt;
import java.util.Map;
import java.util.Set;
import java.util.SortedMap;
import java.util.TreeMap;
import java.util.function.BiFunction;
import java.util.function.Consumer;

/**
 * What may be set for a single topic or group, and what holds together with the node's settings. Names and values are those
 * of the sections {@code forebay.topic} and {@code forebay.group}; {@link #SEND_DURABILITY} is found in {@code forebay.queue},
 * and {@link #READABLE}, {@link #FILTER} and {@link #PAUSED} have no default for all. Thread-safe.
 */
final class TopicRules {
    /** What a Send is answered for that asks for nothing. */
    static final String SEND_DURABILITY = "send-durability";
    /** From when on messages may be delivered: written or durable. Fixed when the topic is created. */
    static final String READABLE = RegistryState.READABLE;
    /** Which messages a group wants; empty for all. */
    static final String FILTER = "filter";
    /** Whether a group gets nothing for the time being. */
    static final String PAUSED = "paused";

    /** Longest text of one setting. */
    static final int TEXT_CHARS_MAX = 4096;
    /** All texts of one topic or group together: a change and what it makes fit one frame. */
    static final int ALL_CHARS_MAX = 8192;

    private enum Readable {
        WRITTEN,
        DURABLE
    }

    /**
     * What a map of texts means.
     *
     * @param policy null if it is refused
     * @param startAt of a group, else null
     * @param effective all settings there are, in order of name, with the text that holds
     * @param refusal names setting, value and what is allowed; null if all is well
     */
    record Parsed<P>(P policy, StartAt startAt, SortedMap<String, String> effective, Refusal refusal) {
        private static <P> Parsed<P> refused(Refusal refusal) {
            return new Parsed<>(null, null, null, refusal);
        }
    }

    private TopicRules() {}

    /** What a topic's own settings and the node's make together. */
    static Parsed<TopicPolicy> topic(Map<String, String> texts, ForebaySettings node) {
        return parse("topic", texts, own -> {
            TopicDefaults topic = node.topic().defaults().with(own);
            TopicPolicy policy = new TopicPolicy(
                    level(own.choice(
                            SEND_DURABILITY,
                            DurabilitySetting.class,
                            node.queue().sendDurability())),
                    own.choice(READABLE, Readable.class, Readable.WRITTEN) == Readable.DURABLE,
                    topic.retentionGrace().toMillis(),
                    topic.maxAge().toMillis(),
                    topic.maxBytes(),
                    topic.rateLimit(),
                    topic.isOrdered(),
                    deduplication(topic.deduplication()),
                    topic.deduplicationWindow().toMillis(),
                    topic.deduplicationMax());
            return new Parsed<>(policy, null, own.effective(), null);
        });
    }

    /** What a group's own settings and the node's make together. */
    static Parsed<GroupPolicy> group(Map<String, String> texts, ForebaySettings node) {
        return parse("group", texts, own -> {
            GroupSettings group = node.group().with(own);
            boolean isOrdered = group.defaults().isOrdered();
            boolean isParking = group.defaults().poison() == PoisonSetting.PARK;
            if (isParking && !isOrdered && texts.containsKey("poison")) {
                return Parsed.refused(Refusal.illegalArgument(
                        "poison", "park", "dead-letter, because the group is not ordered; park needs ordered = on"));
            }
            String filterText = own.text(FILTER, "").strip();
            MessageFilter filter;
            try {
                filter = Filters.parse(filterText);
            } catch (FilterSyntaxException e) {
                return Parsed.refused(Refusal.of(Refusal.Code.ILLEGAL_ARGUMENT, e.getMessage()));
            }
            GroupPolicy policy = new GroupPolicy(
                    level(group.defaults().popDurability()),
                    level(group.defaults().ackDurability()),
                    Math.max(1, group.defaults().invisibleDefault().toMillis()),
                    group.defaults().maxAttempts(),
                    RetryBackoff.parse(group.defaults().retryBackoff()),
                    isOrdered,
                    isParking && isOrdered ? PoisonPolicy.PARK : PoisonPolicy.DEAD_LETTER,
                    filter == MessageFilter.ALL ? "" : filterText,
                    filter,
                    group.inFlightMax(),
                    group.defaults().consumerInFlightMax(),
                    group.defaults().rateLimit(),
                    own.flag(PAUSED, false),
                    group.defaults().delivery() == DeliverySetting.PUSH ? DeliveryMode.PUSH : DeliveryMode.POP,
                    group.defaults().breakerPercent());
            StartAt startAt = group.defaults().start() == StartSetting.LATEST ? StartAt.LATEST : StartAt.EARLIEST;
            return new Parsed<>(policy, startAt, own.effective(), null);
        });
    }

    /**
     * As {@link #topic}, of a topic that is there already: a text that cannot be used any more, because the node's settings
     * or its version have changed, is left out and told of.
     */
    static TopicPolicy topicPolicy(Map<String, String> texts, ForebaySettings node, Consumer<Refusal> leftOut) {
        return usable(texts, node, TopicRules::topic, leftOut).policy();
    }

    /**
     * As {@link #group}, of a group that is there already, as {@link #topicPolicy}. Dead letters are never given up a second
     * time: in a topic of such there is no limit of attempts.
     */
    static GroupPolicy groupPolicy(
            String topic, Map<String, String> texts, ForebaySettings node, Consumer<Refusal> leftOut) {
        Map<String, String> effective = texts;
        if (Names.isDeadLetterTopic(topic)) {
            effective = new TreeMap<>(texts);
            effective.put("max-attempts", "0");
        }
        return usable(effective, node, TopicRules::group, leftOut).policy();
    }

    /** Where a group begins in a topic that is new to it. */
    static StartAt start(Map<String, String> texts, ForebaySettings node) {
        return usable(texts, node, TopicRules::group, refusal -> {}).startAt();
    }

    /** All settings of a topic, in order of name, with the text that holds. */
    static SortedMap<String, String> effectiveOfTopic(Map<String, String> texts, ForebaySettings node) {
        return usable(texts, node, TopicRules::topic, refusal -> {}).effective();
    }

    /** All settings of a group, in order of name, with the text that holds. */
    static SortedMap<String, String> effectiveOfGroup(Map<String, String> texts, ForebaySettings node) {
        return usable(texts, node, TopicRules::group, refusal -> {}).effective();
    }

    /**
     * Judges the whole of what a topic will have. What could not be used before is no reason to refuse a change of something
     * else.
     *
     * @return null if all is well
     */
    static Refusal checkTopicChange(Map<String, String> before, Map<String, String> changes, ForebaySettings node) {
        return checkChange(before, changes, node, TopicRules::topic);
    }

    /** As {@link #checkTopicChange}, of a group. */
    static Refusal checkGroupChange(Map<String, String> before, Map<String, String> changes, ForebaySettings node) {
        return checkChange(before, changes, node, TopicRules::group);
    }

    private static <P> Refusal checkChange(
            Map<String, String> before,
            Map<String, String> changes,
            ForebaySettings node,
            BiFunction<Map<String, String>, ForebaySettings, Parsed<P>> parser) {
        Map<String, String> named = new TreeMap<>(usableTexts(before, node, parser, refusal -> {}));
        Set<String> known = parser.apply(Map.of(), node).effective().keySet();
        changes.forEach((name, value) -> {
            // An unknown name is refused even if it is to be unset, unless it has been there.
            boolean isUnset = value.isEmpty() && (known.contains(name) || before.containsKey(name));
            if (isUnset) {
                named.remove(name);
            } else {
                named.put(name, value);
            }
        });
        return parser.apply(named, node).refusal();
    }

    private interface Reader<P> {
        Parsed<P> read(OwnSettings own);
    }

    private static <P> Parsed<P> parse(String kind, Map<String, String> texts, Reader<P> reader) {
        int allChars = 0;
        for (Map.Entry<String, String> text : texts.entrySet()) {
            allChars += text.getKey().length() + text.getValue().length();
            if (text.getValue().length() > TEXT_CHARS_MAX) {
                return Parsed.refused(Refusal.tooLarge(
                        text.getKey(), text.getValue().length() + " characters", "at most " + TEXT_CHARS_MAX));
            }
        }
        if (allChars > ALL_CHARS_MAX) {
            return Parsed.refused(
                    Refusal.tooLarge("what a " + kind + " sets", allChars + " characters", "at most " + ALL_CHARS_MAX));
        }
        OwnSettings own = new OwnSettings(texts);
        try {
            Parsed<P> parsed = reader.read(own);
            if (parsed.refusal() == null && !own.unknown().isEmpty()) {
                return Parsed.refused(Refusal.illegalArgument(
                        "the name of a setting of a " + kind,
                        own.unknown().first(),
                        String.join(", ", own.effective().keySet())));
            }
            return parsed;
        } catch (SettingsException e) {
            return Parsed.refused(Refusal.illegalArgument(e.key(), e.value(), e.allowed()));
        }
    }

    private static <P> Parsed<P> usable(
            Map<String, String> texts,
            ForebaySettings node,
            BiFunction<Map<String, String>, ForebaySettings, Parsed<P>> parser,
            Consumer<Refusal> leftOut) {
        return parser.apply(usableTexts(texts, node, parser, leftOut), node);
    }

    private static <P> Map<String, String> usableTexts(
            Map<String, String> texts,
            ForebaySettings node,
            BiFunction<Map<String, String>, ForebaySettings, Parsed<P>> parser,
            Consumer<Refusal> leftOut) {
        if (parser.apply(texts, node).refusal() == null) {
            return texts;
        }
        // In order of the names, so that "poison" is judged when "ordered" is there.
        Map<String, String> taken = new TreeMap<>();
        for (Map.Entry<String, String> text : new TreeMap<>(texts).entrySet()) {
            taken.put(text.getKey(), text.getValue());
            Refusal refusal = parser.apply(taken, node).refusal();
            if (refusal != null) {
                taken.remove(text.getKey());
                leftOut.accept(refusal);
            }
        }
        return taken;
    }

    private static Deduplication deduplication(DeduplicationSetting setting) {
        return switch (setting) {
            case OFF -> Deduplication.OFF;
            case PRODUCER -> Deduplication.PRODUCER;
            case MESSAGE_ID -> Deduplication.MESSAGE_ID;
        };
    }

    private static Durability level(DurabilitySetting setting) {
        return setting == DurabilitySetting.FLUSHED ? Durability.FLUSHED : Durability.WRITTEN;
    }
}
