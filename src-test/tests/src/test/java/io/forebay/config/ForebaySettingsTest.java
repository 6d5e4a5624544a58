package io.forebay.config;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.catchThrowableOfType;

import com.typesafe.config.Config;
import com.typesafe.config.ConfigFactory;
import com.typesafe.config.ConfigParseOptions;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * The settings and their manual. Every key is documented, read and checked; a value that cannot be used is refused with one
 * line that names key, value and what is allowed, and what it says is allowed is what the manual says.
 */
class ForebaySettingsTest {

    /** A value on either side of the range of each key, as somebody might write it. */
    record OutOfRange(String key, List<String> values) {}

    private static OutOfRange out(String key, String... values) {
        return new OutOfRange("forebay." + key, List.of(values));
    }

    static final List<OutOfRange> OUT_OF_RANGE = List.of(
            out("node.name", "\"\"", "\"a b\"", "../x", "-a", "x".repeat(64)),
            out("node.system-name", "\"\"", "a.b", "\"a b\"", "x".repeat(64)),
            out("node.host", "\"\"", "\"  \""),
            out("node.port", "-1", "65536", "99999999999", "25.5", "http"),
            out("node.allow-plaintext", "maybe"),
            out("node.drain-timeout", "-1 s", "11 minutes", "5"),
            out("storage.directory", "\"\"", "\" \""),
            out("storage.stripes", "0", "65", "-1", "1.5"),
            out(
                    "storage.segment-size",
                    "60 KiB",
                    "2 GiB",
                    "65537 B",
                    "128",
                    "\"134217728\"",
                    "-1 MiB",
                    "1 GB",
                    "9e30 B"),
            out("storage.index-extent-entries", "63", "1048577"),
            out("storage.index-file-size", "4 KiB", "2 GiB", "1048577 B", "20 KiB"),
            out("storage.spare-segments", "-1", "65"),
            out("storage.spare-segments-max", "-1", "257", "1"),
            out("storage.low-space", "2 TiB", "-1 B", "0"),
            out("store.max-unflushed", "127 KiB", "17 GiB", "67108864"),
            out("store.send-high-water-percent", "9", "96", "75 %"),
            out("store.flush-interval", "0 s", "999 us", "61 s", "100"),
            out("store.flush-bytes", "4095 B", "17 GiB", "49 MiB"),
            out("store.rewrite-timeout", "9 ms", "6 minutes"),
            out("store.rewrite-attempts-max", "0", "1001"),
            out("store.retry-backoff", "9 ms", "11 minutes"),
            out("store.retry-backoff-max", "9 ms", "2 h", "500 ms"),
            out("store.checkpoint-bytes", "63 KiB", "2 TiB"),
            out("store.checkpoint-idle-interval", "9 ms", "25 h"),
            out("store.snapshot-timeout", "9 ms", "11 minutes"),
            out("store.evacuation-share", "-1", "101"),
            out("store.evacuation-live-percent", "0", "91"),
            out("store.stop-timeout", "99 ms", "11 minutes"),
            out("store.writer-dispatcher", "5", "off"),
            out("store.flusher-dispatcher", "5"),
            out("store.flush-dispatcher", "[]"),
            out("store.read-dispatcher", "akka.actor.default-dispatcher"),
            out("queue.body-max", "1023 B", "65 MiB"),
            out("queue.batch-messages-max", "0", "65536"),
            out("queue.batch-bytes-max", "8191 B", "2 GiB", "4 MiB", "4099 KiB", "128 MiB", "60 MiB"),
            out("queue.send-durability", "replicated", "\"\"", "1"),
            out("queue.quarantine-after", "9 ms", "8 d", "10"),
            out("queue.dispatcher", "1"),
            out("group.invisible-default", "9 ms", "13 h", "-1 s"),
            out("group.invisible-min", "0 s", "8 d"),
            out("group.invisible-max", "999 us", "8 d", "9 ms"),
            out("group.look-ahead-max", "63", "16777217"),
            out("group.in-flight-max", "0", "16777217"),
            out("group.pop-messages-max", "0", "65536"),
            out("group.pop-bytes-max", "1023 B", "2 GiB", "3 MiB"),
            out("group.wait-max", "-1 ms", "61 minutes"),
            out("group.waiting-pops-max", "0", "1000001"),
            out("group.pop-durability", "durable"),
            out("group.ack-durability", "none"),
            out("group.start", "first"),
            out("group.max-attempts", "-1", "1001", "many"),
            out("group.retry-backoff", "soon", "fixed 5", "fixed -1 s", "exponential 2 s to 1 s", "fixed 8 d"),
            out("group.ordered", "sometimes"),
            out("group.poison", "drop"),
            out("group.consumer-in-flight-max", "-1", "16777217"),
            out("group.rate-limit", "-1", "100000001", "10 per second"),
            out("group.delivery", "pull"),
            out("group.breaker", "-1", "101", "50 %"),
            out("topic.auto-create", "perhaps"),
            out("topic.default-queues", "0", "1025", "257"),
            out("topic.queues-max", "0", "1025"),
            out("topic.topics-max", "0", "1000001"),
            out("topic.groups-max", "0", "1000001"),
            out("topic.subscriptions-max", "0", "1000001"),
            out("topic.settings-history-max", "-1", "1001"),
            out("topic.dead-letter-max-age", "-1 s", "3651 d", "14"),
            out("topic.retention-grace", "-1 s", "3651 d", "5"),
            out("topic.max-age", "-1 s", "3651 d", "259200"),
            out("topic.max-bytes", "-1 B", "1001 TiB", "0"),
            out("topic.rate-limit", "-1", "100000001"),
            out("topic.ordered", "1"),
            out("topic.deduplication", "on"),
            out("topic.deduplication-window", "0 s", "8 d", "600"),
            out("topic.deduplication-max", "0", "16777217"),
            out("session.heartbeat-interval", "9 ms", "6 minutes"),
            out("session.timeout", "29 ms", "61 minutes", "8 s"),
            out("session.sessions-max", "0", "1000001"),
            out("session.requests-max", "0", "1000001"),
            out("session.node-pops-max", "0", "100000001"),
            out("session.send-bytes-max", "63 KiB", "2 GiB", "7 MiB"),
            out("session.chunk-bytes-max", "63 KiB", "2 GiB"),
            out("session.subscriptions-max", "0", "100001"),
            out("session.credits-max", "0", "1048577"),
            out("session.push-bytes-max", "63 KiB", "2 GiB"),
            out("session.node-bytes-max", "63 KiB", "2 TiB", "9 MiB"),
            out("session.mailbox-capacity", "15", "1048577", "1000"),
            out("watch.enabled", "perhaps"),
            out("watch.host", "\"\"", "\" \""),
            out("watch.port", "-1", "65536", "http"),
            out("watch.groups-max", "-1", "10001"),
            out("watch.stall-limit", "99 ms", "11 minutes", "10"),
            out("watch.dispatcher", "5"),
            out("persistence.durability", "perhaps", "replicated"),
            out("persistence.active-ids-max", "15", "100000001"),
            out("persistence.lost-names", "perhaps", "keep"),
            out("persistence.query-batch-events", "15", "100001"),
            out("persistence.query-batch-bytes", "63 KiB", "257 MiB"),
            out("persistence.journal", "5"),
            out("persistence.query", "5"),
            out("persistence.snapshot-store", "5"),
            out("persistence.node-journal", "5"),
            out("persistence.node-snapshot-store", "5"),
            out("persistence.state-store", "5"));

    @Test
    void defaultsAreValid() {
        ForebaySettings settings = ForebaySettings.from(ConfigFactory.defaultReference());
        assertThat(settings.storage().segmentBytes()).isEqualTo(128 << 20);
        assertThat(settings.queue().sendDurability()).isEqualTo(DurabilitySetting.FLUSHED);
        assertThat(settings.group().defaults().popDurability()).isEqualTo(DurabilitySetting.WRITTEN);
        assertThat(settings.group().defaults().ackDurability()).isEqualTo(DurabilitySetting.WRITTEN);
        assertThat(settings.group().defaults().invisibleDefault()).isEqualTo(Duration.ofSeconds(30));
        assertThat(settings.group().invisibleMax()).isEqualTo(Duration.ofHours(12));
        assertThat(settings.topic().autoCreate()).isFalse();
        assertThat(settings.node().allowPlaintext()).isFalse();
    }

    @Test
    void valuesAreReadInTheirUnits() {
        ForebaySettings settings = ForebaySettings.from(with("""
            forebay {
              storage { segment-size = 64 MiB, directory = /var/lib/forebay }
              store { flush-interval = 2500 us, max-unflushed = 100 MB }
              queue.send-durability = Written
              topic.auto-create = yes
              node.port = "0"
            }
            """));
        assertThat(settings.storage().segmentBytes()).isEqualTo(64 << 20);
        assertThat(settings.storage().directory()).isEqualTo("/var/lib/forebay");
        assertThat(settings.store().flushInterval()).isEqualTo(Duration.ofNanos(2_500_000));
        assertThat(settings.store().maxUnflushedBytes()).isEqualTo(100_000_000);
        assertThat(settings.store().sendHighWaterBytes()).isEqualTo(75_000_000);
        assertThat(settings.queue().sendDurability()).isEqualTo(DurabilitySetting.WRITTEN);
        assertThat(settings.topic().autoCreate()).isTrue();
        assertThat(settings.node().port()).isZero();
    }

    @ParameterizedTest
    @MethodSource("outOfRange")
    void valueOutOfRangeIsRefused(OutOfRange bad) {
        for (String value : bad.values()) {
            SettingsException refusal = refusal(bad.key() + " = " + value);
            String shown = value.replace("\"", "");
            assertThat(refusal.key()).as(value).isEqualTo(bad.key());
            assertThat(refusal.getMessage())
                    .startsWith(bad.key() + " is ")
                    .contains(shown)
                    .contains(", but must be ")
                    .contains("test.conf: 1")
                    .doesNotContain("\n");
            assertThat(refusal.allowed()).isNotBlank();
        }
    }

    @ParameterizedTest
    @MethodSource("outOfRange")
    void rangeIsTheOneInTheManual(OutOfRange bad) {
        String manual = ReferenceConf.comment(bad.key());
        Pattern range = Pattern.compile("from (.+) to (.+)");
        List<String> refused = new ArrayList<>();
        for (String value : bad.values())
            refused.add(refusal(bad.key() + " = " + value).allowed());
        for (String allowed : refused) {
            Matcher bounds = range.matcher(allowed);
            if (!bounds.matches()) continue;
            // The other end may be another key; the refusal then gives the value of that.
            assertThat(manual)
                    .as("%s is allowed %s", bad.key(), allowed)
                    .containsPattern(Pattern.quote(bounds.group(1)) + "|-min\\b")
                    .containsPattern(Pattern.quote(bounds.group(2)) + "|-max\\b");
        }
    }

    @Test
    void everyKeyIsRefusedOutOfItsRange() {
        assertThat(OUT_OF_RANGE.stream().map(OutOfRange::key))
                .containsExactlyInAnyOrderElementsOf(ReferenceConf.keys());
    }

    @Test
    void everyKeyInTheManualIsReadAndEveryKeyReadIsInTheManual() {
        Set<String> read = new TreeSet<>();
        SettingsReader.read(ConfigFactory.defaultReference(), read);
        assertThat(read).containsExactlyElementsOf(ReferenceConf.keys());
    }

    @Test
    void everyKeyIsExplained() {
        for (String key : ReferenceConf.keys()) {
            assertThat(ReferenceConf.comment(key))
                    .as(key)
                    .hasSizeGreaterThan(20)
                    .endsWith(".");
        }
    }

    @Test
    void everyKeyRefusesAnotherType() {
        for (String key : ReferenceConf.keys()) {
            for (String value : List.of("[1, 2]", "null")) {
                SettingsException refusal = refusal(key + " = " + value);
                assertThat(refusal.key()).as(value).isEqualTo(key);
            }
        }
    }

    @Test
    void misspeltKeyIsNamedWithTheOneThatIsMeant() {
        assertThatThrownBy(() -> ForebaySettings.from(with("forebay.storage.segmnt-size = 64 MiB")))
                .isInstanceOf(SettingsException.class)
                .hasMessageStartingWith("forebay.storage.segmnt-size is an unknown setting (64 MiB), but must be one")
                .hasMessageContaining("is forebay.storage.segment-size meant?")
                .hasMessageContaining("test.conf: 1");
    }

    @Test
    void unknownSectionIsRefusedWithThoseThereAre() {
        assertThat(refusal("forebay.replication.factor = 3").getMessage())
                .startsWith("forebay.replication is an unknown setting")
                .contains("group, node, persistence, queue, session, storage, store, topic, watch");
    }

    @Test
    void quotedNameIsShownQuoted() {
        assertThat(refusal("forebay.queue.\"body.max\" = 1 MiB").key()).isEqualTo("forebay.queue.\"body.max\"");
    }

    @Test
    void sectionThatIsNoneIsRefused() {
        assertThat(refusal("forebay.store = fast").getMessage())
                .startsWith("forebay.store is fast, but must be a section");
        assertThat(refusal("forebay = 1").getMessage()).startsWith("forebay is 1, but must be a section");
        assertThat(refusal("forebay = null").key()).isEqualTo("forebay");
    }

    @Test
    void configurationWithoutTheManualIsRefused() {
        assertThatThrownBy(() -> ForebaySettings.from(ConfigFactory.empty()))
                .isInstanceOf(SettingsException.class)
                .hasMessageContaining("forebay is missing")
                .hasMessageContaining("reference.conf");
        assertThatThrownBy(() -> ForebaySettings.from(ConfigFactory.parseString("forebay.node {}")))
                .isInstanceOf(SettingsException.class)
                .hasMessageStartingWith("forebay.node.name is missing");
    }

    @Test
    void dispatcherTakesWhateverAkkaKnows() {
        ForebaySettings.from(with("forebay.queue.dispatcher.fork-join-executor.task-peeking-mode = LIFO"));
        ForebaySettings.from(with("forebay.store.flush-dispatcher.shutdown-timeout = 3 s"));
    }

    @Test
    void systemPropertyOfTheLauncherIsNoSetting() {
        Config properties = ConfigFactory.parseMap(
                Map.of("forebay.home", "/opt/forebay", "forebay.topic.auto-create", "on"), "system properties");
        assertThat(ForebaySettings.from(properties.withFallback(ConfigFactory.defaultReference()))
                        .topic()
                        .autoCreate())
                .isTrue();
        Config misspelt = ConfigFactory.parseMap(Map.of("forebay.topic.autocreate", "on"), "system properties");
        assertThatThrownBy(() -> ForebaySettings.from(misspelt.withFallback(ConfigFactory.defaultReference())))
                .hasMessageStartingWith("forebay.topic.autocreate is an unknown setting")
                .hasMessageContaining("(system properties)");
        assertThat(refusal("forebay.home = /opt/forebay").key()).isEqualTo("forebay.home");
    }

    @Test
    void longValueIsCutInTheMessage() {
        assertThat(refusal("forebay.queue.body-max = " + "x".repeat(5000)).getMessage())
                .hasSizeLessThan(400);
    }

    @Test
    void keysOfOtherRootsAreNotOurs() {
        ForebaySettings.from(with("forebayish.x = 1, other.forebay.y = 2"));
    }

    /** The relations between limits, each violated from both sides. */
    @ParameterizedTest
    @ValueSource(
            strings = {
                "forebay.queue.batch-bytes-max = 3 MiB | forebay.queue.body-max",
                "forebay.storage.segment-size = 4 MiB | forebay.queue.batch-bytes-max",
                "forebay.queue.batch-bytes-max = 128 MiB, forebay.store.max-unflushed = 1 GiB |"
                        + " forebay.storage.segment-size",
                "forebay.store { max-unflushed = 8 MiB, flush-bytes = 1 MiB } | forebay.queue.batch-bytes-max",
                "forebay.store.max-unflushed = 8 MiB | forebay.store.flush-bytes",
                "forebay.store.retry-backoff = 1 minute | forebay.store.retry-backoff-max",
                "forebay.storage.stripes = 9 | forebay.store.flush-dispatcher.thread-pool-executor.fixed-pool-size",
                "forebay.group.pop-bytes-max = 1 MiB | forebay.queue.body-max",
                "forebay.group.in-flight-max = 100 | forebay.group.pop-messages-max",
                "forebay.group { invisible-min = 1 h, invisible-max = 1 minute } | forebay.group.invisible-max",
                "forebay.group.invisible-min = 1 minute | forebay.group.invisible-default",
                "forebay.topic.queues-max = 4 | forebay.topic.default-queues",
                "forebay.session.heartbeat-interval = 10 s | forebay.session.timeout",
                "forebay.session.requests-max = 20000 | forebay.session.mailbox-capacity",
                "forebay.session.send-bytes-max = 4 MiB | forebay.queue.batch-bytes-max",
                "forebay.session.node-bytes-max = 10 MiB | forebay.session.send-bytes-max",
                "forebay.storage.index-extent-entries = 1048576 | forebay.storage.index-file-size",
            })
    void limitsThatContradictEachOtherAreRefused(String contradiction) {
        String[] parts = contradiction.split(" \\| ");
        assertThat(refusal(parts[0]).getMessage()).contains(parts[1]);
    }

    @Test
    void smallSizesForTestsArePossible() {
        ForebaySettings settings = ForebaySettings.from(with("""
            forebay.storage { segment-size = 64 KiB, index-extent-entries = 64, index-file-size = 16 KiB, low-space = 0 B }
            forebay.store { max-unflushed = 128 KiB, flush-bytes = 32 KiB, checkpoint-bytes = 64 KiB }
            forebay.queue { body-max = 16 KiB, batch-bytes-max = 32 KiB }
            """));
        assertThat(settings.storage().segmentBytes()).isEqualTo(64 << 10);
    }

    @Test
    void aPoolForForcesThatGrowsByItselfIsItsAuthorsMatter() {
        for (String pool : List.of(
                "thread-pool-executor { fixed-pool-size = off, core-pool-size-min = 4 }",
                "thread-pool-executor.fixed-pool-size = 10",
                "executor = fork-join-executor")) {
            assertThat(ForebaySettings.from(
                                    with("forebay { storage.stripes = 9, store.flush-dispatcher { " + pool + " } }"))
                            .storage()
                            .stripes())
                    .isEqualTo(9);
        }
    }

    static Stream<OutOfRange> outOfRange() {
        return OUT_OF_RANGE.stream();
    }

    private static SettingsException refusal(String text) {
        SettingsException refusal =
                catchThrowableOfType(SettingsException.class, () -> ForebaySettings.from(with(text)));
        assertThat(refusal).as(text).isNotNull();
        return refusal;
    }

    private static Config with(String text) {
        return ConfigFactory.parseString(text, ConfigParseOptions.defaults().setOriginDescription("test.conf"))
                .withFallback(ConfigFactory.defaultReference())
                .resolve();
    }
}
