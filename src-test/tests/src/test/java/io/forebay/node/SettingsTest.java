package io.forebay.node;

import static org.assertj.core.api.Assertions.assertThat;

import io.forebay.protocol.Delivery;
import io.forebay.protocol.Durability;
import io.forebay.protocol.Receipt;
import io.forebay.protocol.Refusal;
import io.forebay.protocol.SessionCommand;
import io.forebay.protocol.SessionEvent;
import io.forebay.protocol.SettingsChange;
import io.forebay.protocol.SettingsCommand;
import io.forebay.protocol.SettingsDescribed;
import io.forebay.protocol.SettingsDescription;
import io.forebay.protocol.SettingsScope;
import io.forebay.testkit.faults.MemoryDisk;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;

/** Settings of topics and groups, changed while the node runs. */
class SettingsTest {
    private static NodeFixture node;
    private static NodeFixture.Client client;

    @BeforeAll
    static void start() {
        node = NodeFixture.inMemory();
        client = node.open();
    }

    @AfterAll
    static void stop() {
        node.close();
    }

    private static SettingsDescription change(
            NodeFixture.Client client, SettingsScope scope, String name, Map<String, String> changes) {
        client.tell(new SettingsCommand.ChangeSettings(client.nextId(), scope, name, changes, 0, "ann@shop"));
        return client.expect(SettingsDescribed.class).settings();
    }

    private static SettingsDescription topic(String name, Map<String, String> changes) {
        return change(client, SettingsScope.TOPIC, name, changes);
    }

    private static SettingsDescription group(String name, Map<String, String> changes) {
        return change(client, SettingsScope.GROUP, name, changes);
    }

    private static Refusal refused(SettingsScope scope, String name, Map<String, String> changes, long expected) {
        client.tell(new SettingsCommand.ChangeSettings(client.nextId(), scope, name, changes, expected, "bob"));
        return client.expect(SessionEvent.Refused.class).refusal();
    }

    private static SettingsDescription settings(NodeFixture.Client client, SettingsScope scope, String name) {
        client.tell(new SettingsCommand.DescribeSettings(client.nextId(), scope, name, 100));
        return client.expect(SettingsDescribed.class).settings();
    }

    private static void create(NodeFixture.Client client, String topic, int queues, String group) {
        client.tell(new SessionCommand.CreateTopic(client.nextId(), topic, queues, Map.of()));
        client.expect(SessionEvent.TopicCreated.class);
        client.tell(new SessionCommand.CreateGroup(client.nextId(), group, topic, Map.of()));
        client.expect(SessionEvent.GroupCreated.class);
    }

    @Test
    void everySettingCanBeChangedAndTakenBack() {
        create(client, "every", 2, "every-g");
        Map<String, String> topic = new TreeMap<>(Map.of(
                "send-durability", "written",
                "retention-grace", "1 h",
                "max-age", "1 d",
                "max-bytes", "1 GiB",
                "rate-limit", "1000",
                "ordered", "on",
                "deduplication", "producer",
                "deduplication-window", "1 minute",
                "deduplication-max", "1000"));
        Map<String, String> group = new TreeMap<>(Map.ofEntries(
                Map.entry("pop-durability", "flushed"),
                Map.entry("ack-durability", "flushed"),
                Map.entry("start", "latest"),
                Map.entry("invisible-default", "5 s"),
                Map.entry("max-attempts", "3"),
                Map.entry("retry-backoff", "fixed 1 s"),
                Map.entry("ordered", "on"),
                Map.entry("poison", "park"),
                Map.entry("filter", "tag: a || b"),
                Map.entry("in-flight-max", "100"),
                Map.entry("consumer-in-flight-max", "10"),
                Map.entry("rate-limit", "1000"),
                Map.entry("paused", "on"),
                Map.entry("delivery", "push"),
                Map.entry("breaker", "50")));
        SettingsDescription before = settings(client, SettingsScope.TOPIC, "every");
        assertThat(before.version()).isEqualTo(1);
        assertThat(before.own()).isEmpty();
        assertThat(before.effective().keySet()).containsAll(topic.keySet()).contains("queues", "readable");
        assertThat(settings(client, SettingsScope.GROUP, "every-g").effective().keySet())
                .isEqualTo(group.keySet());
        SettingsDescription changed = topic("every", topic);
        assertThat(changed.version()).isEqualTo(2);
        assertThat(changed.own()).isEqualTo(topic);
        assertThat(changed.effective()).containsAllEntriesOf(topic);
        assertThat(group("every-g", group).effective()).isEqualTo(group);
        topic.replaceAll((name, value) -> "");
        group.replaceAll((name, value) -> "");
        assertThat(topic("every", topic).effective()).isEqualTo(before.effective());
        assertThat(group("every-g", group).own()).isEmpty();
    }

    @Test
    void levelsAndDurationsHoldFromTheAnswerOn() {
        create(client, "levels", 1, "levels-g");
        assertThat(send("levels").level()).isEqualTo(Durability.FLUSHED);
        topic("levels", Map.of("send-durability", "written"));
        assertThat(send("levels").level()).isEqualTo(Durability.WRITTEN);
        group("levels-g", Map.of("ack-durability", "flushed", "invisible-default", "7 s", "pop-durability", "flushed"));
        Delivery delivery = client.popAll("levels", "levels-g", 1, 0).get(0);
        assertThat(delivery.invisibleUntilMillis() - delivery.poppedMillis()).isEqualTo(7000);
        client.tell(new SessionCommand.Ack(client.nextId(), "levels-g", NodeFixture.handles(List.of(delivery)), null));
        assertThat(client.expect(SessionEvent.AckReply.class).level()).isEqualTo(Durability.FLUSHED);
    }

    private static Receipt send(String topic) {
        return (Receipt)
                client.trySend(topic, NodeFixture.messages(topic, 1, "m"), null).get(0);
    }

    @Test
    void topicGrowsWhileItIsUsedAndItsGroupsReadTheNewQueues() {
        create(client, "growing", 1, "growing-g");
        client.send("growing", 3, "old");
        SettingsDescription grown = topic("growing", Map.of("queues", "4", "max-age", "1 d"));
        assertThat(grown.own()).isEqualTo(Map.of("max-age", "1 d"));
        assertThat(grown.effective()).containsEntry("queues", "4");
        assertThat(grown.history().get(0).before()).isEqualTo(Map.of("queues", "1", "max-age", ""));
        client.sendTo(3, "growing", 2, "new");
        assertThat(client.popAll("growing", "growing-g", 5, 60_000))
                .extracting(NodeFixture::text)
                .containsExactlyInAnyOrder("old0", "old1", "old2", "new0", "new1");
        assertThat(refused(SettingsScope.TOPIC, "growing", Map.of("queues", "3"), 0)
                        .text())
                .contains("queues of topic growing is 3, allowed is 4 to 256");
        // Who creates it whenever it starts need not know what was changed since.
        create(client, "growing", 1, "growing-g");
        client.tell(new SessionCommand.CreateTopic(client.nextId(), "growing", 1, Map.of("max-age", "2 d")));
        assertThat(client.expect(SessionEvent.Refused.class).refusal().code()).isEqualTo(Refusal.Code.ALREADY_EXISTS);
        topic("growing", Map.of("ordered", "on"));
        assertThat(refused(SettingsScope.TOPIC, "growing", Map.of("queues", "8"), 0)
                        .text())
                .contains("the topic is ordered");
    }

    @Test
    void refusedChangeChangesNothing() {
        create(client, "kept", 1, "kept-g");
        group("kept-g", Map.of("ordered", "on", "poison", "park"));
        SettingsDescription before = settings(client, SettingsScope.GROUP, "kept-g");
        // What comes out is judged as a whole: each value alone would be right.
        Refusal refusal = refused(SettingsScope.GROUP, "kept-g", Map.of("ordered", "off", "max-attempts", "3"), 0);
        assertThat(refusal.code()).isEqualTo(Refusal.Code.ILLEGAL_ARGUMENT);
        assertThat(refusal.text()).contains("poison is park", "the group is not ordered");
        assertThat(refused(SettingsScope.GROUP, "kept-g", Map.of("paused", "on", "max-attempts", "5000"), 0)
                        .text())
                .contains("max-attempts is 5000, allowed is from 0 to 1000");
        assertThat(refused(SettingsScope.GROUP, "kept-g", Map.of("colour", ""), 0)
                        .text())
                .contains("the name of a setting of a group is colour");
        assertThat(refused(SettingsScope.GROUP, "kept-g", Map.of("filter", "sql: a >"), 0)
                        .text())
                .contains("column 9");
        Refusal late = refused(SettingsScope.GROUP, "kept-g", Map.of("paused", "on"), 1);
        assertThat(late.code()).isEqualTo(Refusal.Code.OTHER_VERSION);
        assertThat(late.text()).contains("have version 2, expected was 1");
        assertThat(settings(client, SettingsScope.GROUP, "kept-g")).isEqualTo(before);
        assertThat(refused(SettingsScope.TOPIC, "kept", Map.of("readable", "durable"), 0)
                        .text())
                .contains("readable of topic kept cannot be changed");
        assertThat(refused(SettingsScope.TOPIC, "none", Map.of("max-age", "1 d"), 0)
                        .code())
                .isEqualTo(Refusal.Code.UNKNOWN_TOPIC);
        assertThat(refused(SettingsScope.GROUP, "n/a", Map.of(), 0).code()).isEqualTo(Refusal.Code.ILLEGAL_NAME);
        assertThat(settings(client, SettingsScope.TOPIC, "kept").version()).isEqualTo(1);
    }

    @Test
    void pausedGroupGetsNothingUntilItIsResumed() {
        create(client, "pausing", 1, "pausing-g");
        client.send("pausing", 1, "m");
        group("pausing-g", Map.of("paused", "on"));
        assertThat(client.pop("pausing", "pausing-g", 1, 60_000, 0)).isEmpty();
        NodeFixture.Client waiting = node.open();
        waiting.tell(new SessionCommand.Pop(waiting.nextId(), "pausing", "pausing-g", 1, 1000, 60_000, 10_000));
        group("pausing-g", Map.of("paused", ""));
        assertThat(waiting.expect(SessionEvent.Popped.class).deliveries()).hasSize(1);
    }

    @Test
    void settingsVersionsAndHistorySurviveAKillAndAStop() {
        MemoryDisk image;
        SettingsDescription topic;
        SettingsDescription group;
        try (NodeFixture first = NodeFixture.inMemory(new MemoryDisk(), "forebay.topic.settings-history-max = 3")) {
            NodeFixture.Client one = first.open();
            create(one, "t", 1, "g");
            for (int i = 1; i <= 5; i++) {
                change(one, SettingsScope.TOPIC, "t", Map.of("max-age", i + " d"));
            }
            change(one, SettingsScope.TOPIC, "t", Map.of("queues", "3"));
            change(one, SettingsScope.GROUP, "g", Map.of("invisible-default", "7 s", "filter", "tag: a"));
            topic = settings(one, SettingsScope.TOPIC, "t");
            group = settings(one, SettingsScope.GROUP, "g");
            assertThat(topic.version()).isEqualTo(7);
            assertThat(topic.history()).extracting(SettingsChange::version).containsExactly(7L, 6L, 5L);
            assertThat(topic.history().get(1).before()).isEqualTo(Map.of("max-age", "4 d"));
            assertThat(topic.history().get(1).after()).isEqualTo(Map.of("max-age", "5 d"));
            assertThat(topic.history().get(1).who()).isEqualTo("ann@shop");
            image = first.kill();
        }
        // Once from the records, once from the snapshot that a clean stop leaves.
        for (int start = 0; start < 2; start++) {
            try (NodeFixture again = NodeFixture.inMemory(image, "forebay.topic.settings-history-max = 3")) {
                NodeFixture.Client one = again.open();
                assertThat(settings(one, SettingsScope.TOPIC, "t")).isEqualTo(topic);
                assertThat(settings(one, SettingsScope.GROUP, "g")).isEqualTo(group);
                again.stop();
                image = again.disk.killImage();
            }
        }
        try (NodeFixture last = NodeFixture.inMemory(image, "forebay.topic.settings-history-max = 3")) {
            NodeFixture.Client one = last.open();
            one.tell(new SessionCommand.DescribeTopic(one.nextId(), "t"));
            assertThat(one.expect(SessionEvent.TopicDescribed.class).topic().queues())
                    .hasSize(3);
            assertThat(change(one, SettingsScope.TOPIC, "t", Map.of("max-age", "9 d"))
                            .version())
                    .isEqualTo(8);
        }
    }
}
