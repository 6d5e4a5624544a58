package io.forebay.topic;

import static org.assertj.core.api.Assertions.assertThat;

import com.typesafe.config.ConfigFactory;
import io.forebay.config.ForebaySettings;
import io.forebay.protocol.DeliveryMode;
import io.forebay.protocol.Durability;
import io.forebay.protocol.Refusal;
import io.forebay.queue.core.Deduplication;
import io.forebay.queue.core.GroupPolicy;
import io.forebay.queue.core.MessageFilter;
import io.forebay.queue.core.PoisonPolicy;
import io.forebay.queue.core.RetryBackoff;
import io.forebay.queue.core.TopicPolicy;
import io.forebay.topic.core.StartAt;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** What may be set for a topic or a group: every bad text is refused with name, value and what is right. */
class TopicRulesTest {
    private static final ForebaySettings NODE = node("");

    private static ForebaySettings node(String text) {
        return ForebaySettings.from(ConfigFactory.parseString(text)
                .withFallback(ConfigFactory.defaultReference())
                .resolve());
    }

    @Test
    void whatIsNotSetIsTheNodes() {
        GroupPolicy group = TopicRules.group(Map.of(), NODE).policy();
        assertThat(group)
                .isEqualTo(new GroupPolicy(
                        Durability.WRITTEN,
                        Durability.WRITTEN,
                        30_000,
                        16,
                        RetryBackoff.parse("exponential 100 ms to 1 m"),
                        false,
                        PoisonPolicy.DEAD_LETTER,
                        "",
                        MessageFilter.ALL,
                        65_536,
                        0,
                        0,
                        false,
                        DeliveryMode.POP,
                        0));
        TopicPolicy topic = TopicRules.topic(Map.of(), NODE).policy();
        assertThat(topic)
                .isEqualTo(new TopicPolicy(
                        Durability.FLUSHED,
                        false,
                        0,
                        72 * 3_600_000L,
                        0,
                        0,
                        false,
                        Deduplication.OFF,
                        600_000,
                        100_000));
        assertThat(TopicRules.start(Map.of(), NODE)).isEqualTo(StartAt.EARLIEST);
    }

    @Test
    void nodesValuesAreTaken() {
        ForebaySettings node = node("""
            forebay.group { max-attempts = 3, retry-backoff = none, ordered = on, poison = park, breaker = 40, start = latest
              consumer-in-flight-max = 7, rate-limit = 8, delivery = push, invisible-default = 2 s, in-flight-max = 5000 }
            forebay.topic { retention-grace = 1 h, max-age = 0 s, max-bytes = 1 GiB, rate-limit = 9, ordered = on
              deduplication = message-id, deduplication-window = 1 s, deduplication-max = 10 }
            """);
        assertThat(TopicRules.group(Map.of(), node).policy())
                .isEqualTo(new GroupPolicy(
                        Durability.WRITTEN,
                        Durability.WRITTEN,
                        2_000,
                        3,
                        RetryBackoff.NONE,
                        true,
                        PoisonPolicy.PARK,
                        "",
                        MessageFilter.ALL,
                        5_000,
                        7,
                        8,
                        false,
                        DeliveryMode.PUSH,
                        40));
        assertThat(TopicRules.start(Map.of(), node)).isEqualTo(StartAt.LATEST);
        assertThat(TopicRules.topic(Map.of(), node).policy())
                .isEqualTo(new TopicPolicy(
                        Durability.FLUSHED,
                        false,
                        3_600_000,
                        0,
                        1 << 30,
                        9,
                        true,
                        Deduplication.MESSAGE_ID,
                        1_000,
                        10));
        // A group that is not ordered has no keys to park.
        assertThat(TopicRules.group(Map.of("ordered", "off"), node).policy().poison())
                .isEqualTo(PoisonPolicy.DEAD_LETTER);
    }

    @Test
    void ownValuesComeFirst() {
        Map<String, String> group = Map.ofEntries(
                Map.entry("pop-durability", "flushed"),
                Map.entry("ack-durability", "Flushed"),
                Map.entry("start", "latest"),
                Map.entry("invisible-default", "90 s"),
                Map.entry("max-attempts", "0"),
                Map.entry("retry-backoff", "list 1 s, 5 s jitter 10 %"),
                Map.entry("ordered", "on"),
                Map.entry("poison", "park"),
                Map.entry("filter", ""),
                Map.entry("in-flight-max", "100"),
                Map.entry("consumer-in-flight-max", "10"),
                Map.entry("rate-limit", "1000"),
                Map.entry("paused", "on"),
                Map.entry("delivery", "push"),
                Map.entry("breaker", "50"));
        TopicRules.Parsed<GroupPolicy> parsed = TopicRules.group(group, NODE);
        assertThat(parsed.refusal()).isNull();
        assertThat(parsed.startAt()).isEqualTo(StartAt.LATEST);
        assertThat(parsed.policy())
                .isEqualTo(new GroupPolicy(
                        Durability.FLUSHED,
                        Durability.FLUSHED,
                        90_000,
                        0,
                        RetryBackoff.parse("list 1 s, 5 s jitter 10 %"),
                        true,
                        PoisonPolicy.PARK,
                        "",
                        MessageFilter.ALL,
                        100,
                        10,
                        1000,
                        true,
                        DeliveryMode.PUSH,
                        50));
        Map<String, String> topic = Map.of(
                "send-durability", "written",
                "readable", "durable",
                "retention-grace", "1 d",
                "max-age", "30 minutes",
                "max-bytes", "10 MB",
                "rate-limit", "5",
                "ordered", "on",
                "deduplication", "producer",
                "deduplication-window", "1 h",
                "deduplication-max", "7");
        assertThat(TopicRules.topic(topic, NODE).policy())
                .isEqualTo(new TopicPolicy(
                        Durability.WRITTEN,
                        true,
                        86_400_000,
                        1_800_000,
                        10_000_000,
                        5,
                        true,
                        Deduplication.PRODUCER,
                        3_600_000,
                        7));
    }

    @ParameterizedTest
    @CsvSource(delimiter = '|', textBlock = """
        send-durability      | durable    | written or flushed
        readable             | flushed    | written or durable
        retention-grace      | 5          | a duration with its unit
        retention-grace      | -1 s       | from 0 s to 3650 d
        retention-grace      | 3651 d     | from 0 s to 3650 d
        max-age              | 72         | a duration with its unit
        max-age              | 72 hours x | a duration with its unit
        max-age              | 4000 d     | from 0 s to 3650 d
        max-bytes            | 1000       | a size with its unit
        max-bytes            | -1 B       | a size with its unit
        max-bytes            | 1001 TiB   | from 0 B to 1000 TiB
        max-bytes            | 10 s       | a size with its unit
        rate-limit           | -1         | from 0 to 100000000
        rate-limit           | 100000001  | from 0 to 100000000
        rate-limit           | 1.5        | a whole number
        rate-limit           | fast       | a whole number
        ordered              | maybe      | on or off
        deduplication        | on         | off or producer or message-id
        deduplication-window | 0 s        | from 1 ms to 7 d
        deduplication-window | 8 d        | from 1 ms to 7 d
        deduplication-window | 10         | a duration with its unit
        deduplication-max    | 0          | from 1 to 16777216
        deduplication-max    | 16777217   | from 1 to 16777216
        max-attempts         | 3          | the name of a setting of a topic is max-attempts, allowed is deduplication,
        paused               | on         | the name of a setting of a topic is paused, allowed is deduplication,
        max.age              | 1 h        | the name of a setting of a topic is max.age, allowed is deduplication,
        """)
    void badTextOfATopicIsRefused(String name, String value, String allowed) {
        assertRefused(TopicRules.topic(Map.of(name, value), NODE), name, value, allowed);
    }

    @ParameterizedTest
    @CsvSource(delimiter = '|', textBlock = """
        pop-durability         | durable           | written or flushed
        ack-durability         | none              | written or flushed
        start                  | first             | earliest or latest
        invisible-default      | 9 ms              | from 10 ms to 12 h
        invisible-default      | 13 h              | from 10 ms to 12 h
        invisible-default      | 30                | a duration with its unit
        max-attempts           | -1                | from 0 to 1000
        max-attempts           | 1001              | from 0 to 1000
        max-attempts           | 99999999999       | from 0 to 1000
        max-attempts           | 3 times           | a whole number
        retry-backoff          | soon              | none, fixed 5 s
        retry-backoff          | fixed 5           | none, fixed 5 s
        retry-backoff          | fixed 8 d         | waits of at most 7 d
        retry-backoff          | exponential 5 s to 1 s | none, fixed 5 s
        retry-backoff          | fixed 1 s jitter 101 % | none, fixed 5 s
        ordered                | 1                 | on or off
        poison                 | drop              | dead-letter or park
        poison                 | park              | dead-letter, because the group is not ordered
        in-flight-max          | 0                 | from 1 to 65536
        in-flight-max          | 65537             | from 1 to 65536
        consumer-in-flight-max | -1                | from 0 to 16777216
        consumer-in-flight-max | 16777217          | from 0 to 16777216
        rate-limit             | 100000001         | from 0 to 100000000
        paused                 | paused            | on or off
        delivery               | pull              | pop or push
        breaker                | 101               | from 0 to 100
        breaker                | 50 %              | a whole number
        max-age                | 1 h               | the name of a setting of a group is max-age, allowed is ack-durability,
        look-ahead-max         | 100               | the name of a setting of a group is look-ahead-max, allowed is
        """)
    void badTextOfAGroupIsRefused(String name, String value, String allowed) {
        assertRefused(TopicRules.group(Map.of(name, value), NODE), name, value, allowed);
    }

    @Test
    void filterIsReadAndABadOneIsRefusedWithItsColumn() {
        GroupPolicy policy =
                TopicRules.group(Map.of("filter", " tag: a || b "), NODE).policy();
        assertThat(policy.filterText()).isEqualTo("tag: a || b");
        assertThat(policy.filter()).isNotSameAs(MessageFilter.ALL);
        assertThat(TopicRules.group(Map.of("filter", "tag: *"), NODE).policy().filter())
                .isSameAs(MessageFilter.ALL);
        Refusal refusal =
                TopicRules.group(Map.of("filter", "sql: price >"), NODE).refusal();
        assertThat(refusal.code()).isEqualTo(Refusal.Code.ILLEGAL_ARGUMENT);
        assertThat(refusal.text()).contains("filter 'sql: price >'").contains("column 13");
        assertThat(TopicRules.group(Map.of("filter", "regex: .*"), NODE)
                        .refusal()
                        .text())
                .contains("regex")
                .contains("tag: a || b");
    }

    @Test
    void longTextIsRefused() {
        Refusal refusal =
                TopicRules.group(Map.of("filter", "x".repeat(4097)), NODE).refusal();
        assertThat(refusal.code()).isEqualTo(Refusal.Code.TOO_LARGE);
        assertThat(refusal.text()).isEqualTo("filter has 4097 characters, allowed is at most 4096");
    }

    /** A node with other limits still starts with what was stored: only what cannot be used any more is left out. */
    @Test
    void storedTextThatCannotBeUsedAnyMoreIsLeftOutAndToldOf() {
        List<String> leftOut = new ArrayList<>();
        Map<String, String> texts = Map.of(
                "invisible-default",
                "1 h",
                "ordered",
                "on",
                "poison",
                "park",
                "from-the-future",
                "1",
                "max-attempts",
                "3");
        ForebaySettings narrow = node("forebay.group.invisible-max = 1 minute");
        GroupPolicy policy = TopicRules.groupPolicy("orders", texts, narrow, refusal -> leftOut.add(refusal.text()));
        assertThat(policy.invisibleMillis()).isEqualTo(30_000);
        assertThat(policy.poison()).isEqualTo(PoisonPolicy.PARK);
        assertThat(policy.maxAttempts()).isEqualTo(3);
        assertThat(leftOut).hasSize(2);
        assertThat(TopicRules.groupPolicy("%DLQ%g", texts, NODE, refusal -> {}).maxAttempts())
                .isZero();
        assertThat(leftOut.get(0)).contains("from-the-future");
        assertThat(leftOut.get(1)).isEqualTo("invisible-default is 1 h, allowed is from 10 ms to 1 minute");
        TopicPolicy topic = TopicRules.topicPolicy(Map.of("max-age", "soon"), NODE, refusal -> leftOut.add("max-age"));
        assertThat(topic.maxAgeMillis()).isEqualTo(72 * 3_600_000L);
        assertThat(leftOut).hasSize(3);
    }

    private static Stream<String> backoffs() {
        List<String> durations = List.of("0 ms", "10ms", "1 s", "7 d", "8 d", "1 w", "5", "-1 s", "", "99999999999 d");
        List<String> texts = new ArrayList<>(List.of("", "none", "NONE", "never", "none 1 s", " none "));
        for (String one : durations) {
            texts.add("fixed " + one);
            texts.add("list " + one);
            texts.add("list 1 s," + one + ", 3 s");
            texts.add("list 1 s " + one);
            texts.add("exponential " + one);
            for (String other : durations) {
                texts.add("exponential " + one + " to " + other);
            }
        }
        texts.add("list 1 s" + ", 1 s".repeat(99));
        texts.add("list 1 s" + ", 1 s".repeat(100));
        for (String factor : List.of("0.5", "1", "1.5", "100", "101", "-2", "x", "1.2345")) {
            texts.add("exponential 1 s to 1 m factor " + factor);
        }
        return texts.stream()
                .flatMap(text -> Stream.of("", " jitter 0 %", ", jitter 100%", " jitter 101 %", " jitter", " jitter 5")
                        .map(jitter -> text.strip() + jitter));
    }

    /** The room of the settings checks the form of a backoff, and the core reads it: both take the same texts. */
    @Test
    void backoffIsTakenIfTheCoreCanReadIt() {
        for (String text : backoffs().toList()) {
            boolean isReadable;
            try {
                RetryBackoff.parse(text);
                isReadable = true;
            } catch (IllegalArgumentException e) {
                isReadable = false;
            }
            boolean isTaken =
                    TopicRules.group(Map.of("retry-backoff", text), NODE).refusal() == null;
            assertThat(isTaken).as(text).isEqualTo(isReadable);
        }
    }

    private static void assertRefused(TopicRules.Parsed<?> parsed, String name, String value, String allowed) {
        assertThat(parsed.policy()).isNull();
        assertThat(parsed.refusal().code()).isEqualTo(Refusal.Code.ILLEGAL_ARGUMENT);
        assertThat(parsed.refusal().text()).contains(allowed).doesNotContain("\n", "own.", "forebay.");
        if (!allowed.startsWith("the name")) {
            assertThat(parsed.refusal().text()).startsWith(name + " is " + value + ", allowed is ");
        }
    }
}
