package io.forebay.node;

import static org.assertj.core.api.Assertions.assertThat;

import io.forebay.protocol.AckOutcome;
import io.forebay.protocol.Changed;
import io.forebay.protocol.Delivery;
import io.forebay.protocol.Durability;
import io.forebay.protocol.Message;
import io.forebay.protocol.Receipt;
import io.forebay.protocol.SessionCommand;
import io.forebay.protocol.SessionEvent;
import io.forebay.testkit.faults.MemoryDisk;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;

/**
 * Attempts that fail, through a whole node: backoff, dead letters, ordered keys, parking, filters. I3 order per key, I4 acked
 * messages stay away, I6 attempts and dead letters.
 */
class RetryTest {
    private static final long LONG = 60_000;

    private static void createGroup(
            NodeFixture.Client client, String group, String topic, Map<String, String> settings) {
        client.tell(new SessionCommand.CreateTopic(client.nextId(), topic, 1, Map.of()));
        client.expect(SessionEvent.TopicCreated.class);
        client.tell(new SessionCommand.CreateGroup(client.nextId(), group, topic, settings));
        client.expect(SessionEvent.GroupCreated.class);
    }

    private static void send(NodeFixture.Client client, String topic, String key, String... texts) {
        List<Message> messages = new ArrayList<>();
        for (String text : texts) {
            messages.add(Message.builder(topic)
                    .body(text.getBytes(StandardCharsets.UTF_8))
                    .messageGroup(key)
                    .build());
        }
        assertThat(client.trySend(topic, messages, Durability.WRITTEN)).allMatch(Receipt.class::isInstance);
    }

    private static void nack(
            NodeFixture.Client client, String group, List<Delivery> deliveries, long millis, String why) {
        client.tell(new SessionCommand.ChangeInvisible(
                client.nextId(), group, NodeFixture.handles(deliveries), millis, true, why));
        assertThat(client.expect(SessionEvent.ChangeReply.class).results()).allMatch(Changed.class::isInstance);
    }

    private static List<String> texts(List<Delivery> deliveries) {
        return deliveries.stream().map(NodeFixture::text).toList();
    }

    @Test
    void messageThatFailsForTheLastTimeIsADeadLetterThatTellsItsStory() {
        MemoryDisk disk = new MemoryDisk();
        try (NodeFixture node = NodeFixture.inMemory(disk, "")) {
            NodeFixture.Client client = node.open();
            createGroup(client, "g", "t", Map.of("max-attempts", "3", "retry-backoff", "none"));
            send(client, "t", "", "poison", "good");
            for (int attempt = 1; attempt <= 3; attempt++) {
                Delivery poison = client.popAll("t", "g", 1, LONG).get(0);
                assertThat(NodeFixture.text(poison)).isEqualTo("poison");
                assertThat(poison.attempt()).as("I6").isEqualTo(attempt);
                nack(client, "g", List.of(poison), SessionCommand.ChangeInvisible.BACKOFF, "no room " + attempt);
            }
            List<Delivery> rest = client.popAll("t", "g", 1, LONG);
            assertThat(texts(rest)).containsExactly("good");
            assertThat(client.ack("g", NodeFixture.handles(rest))).containsExactly(AckOutcome.ACKED);
            Delivery letter = client.popAll("%DLQ%g", "undertaker", 1, LONG).get(0);
            assertThat(NodeFixture.text(letter)).isEqualTo("poison");
            assertThat(letter.message().properties())
                    .containsEntry("dead-letter.group", "g")
                    .containsEntry("dead-letter.topic", "t")
                    .containsEntry("dead-letter.queue", "0")
                    .containsEntry("dead-letter.offset", "0")
                    .containsEntry("dead-letter.attempts", "3")
                    .containsEntry("dead-letter.reason", "no room 3");
            assertThat(Long.parseLong(letter.message().properties().get("dead-letter.first-pop-millis")))
                    .isBetween(1L, Long.parseLong(letter.message().properties().get("dead-letter.last-pop-millis")));
            disk = node.kill();
        }
        try (NodeFixture node = NodeFixture.inMemory(disk, "")) {
            NodeFixture.Client client = node.open();
            assertThat(client.pop("t", "g", 10, LONG, 0)).as("I4").isEmpty();
            // What was out at the kill is out still; a second group sees the letter.
            assertThat(texts(client.popAll("%DLQ%g", "other", 1, LONG))).containsExactly("poison");
        }
    }

    @Test
    void backoffHoldsAMessageBackAndTellsWhenItComes() {
        try (NodeFixture node = NodeFixture.inMemory()) {
            NodeFixture.Client client = node.open();
            createGroup(client, "g", "t", Map.of("retry-backoff", "list 1 h, 0 s"));
            send(client, "t", "", "m");
            Delivery first = client.popAll("t", "g", 1, LONG).get(0);
            client.tell(new SessionCommand.ChangeInvisible(
                    client.nextId(), "g", List.of(first.handle()), SessionCommand.ChangeInvisible.BACKOFF, true, ""));
            Changed changed = (Changed)
                    client.expect(SessionEvent.ChangeReply.class).results().get(0);
            assertThat(changed.invisibleUntilMillis() - first.poppedMillis()).isGreaterThanOrEqualTo(3_600_000);
            assertThat(client.pop("t", "g", 1, LONG, 0)).as("I7").isEmpty();
            // A late ack is taken: it has not gone out again.
            assertThat(client.ack("g", List.of(first.handle()))).containsExactly(AckOutcome.ACKED);
        }
    }

    @Test
    void keyHoldsBackItsOwnLaterMessagesOnly() {
        try (NodeFixture node = NodeFixture.inMemory()) {
            NodeFixture.Client client = node.open();
            createGroup(client, "g", "t", Map.of("ordered", "on", "retry-backoff", "none"));
            send(client, "t", "a", "a1", "a2", "a3");
            send(client, "t", "b", "b1", "b2");
            send(client, "t", "", "free1", "free2");
            List<Delivery> first = client.popAll("t", "g", 4, LONG);
            assertThat(texts(first)).containsExactly("a1", "b1", "free1", "free2");
            assertThat(client.pop("t", "g", 10, LONG, 0)).as("I3").isEmpty();
            client.ack("g", List.of(first.get(1).handle()));
            List<Delivery> b2 = client.popAll("t", "g", 1, LONG);
            assertThat(texts(b2)).containsExactly("b2");
            nack(client, "g", List.of(first.get(0)), 0, "");
            List<Delivery> again = client.popAll("t", "g", 1, LONG);
            assertThat(texts(again)).as("I3: retry before what is behind").containsExactly("a1");
            client.ack("g", NodeFixture.handles(again));
            for (String expected : new String[] {"a2", "a3"}) {
                List<Delivery> next = client.pop("t", "g", 10, LONG, NodeFixture.PATIENCE.toMillis());
                assertThat(texts(next)).containsExactly(expected);
                client.ack("g", NodeFixture.handles(next));
            }
        }
    }

    @Test
    void orderSurvivesKillsWithMessagesInFlightAndWaiting() {
        MemoryDisk disk = new MemoryDisk();
        try (NodeFixture node = NodeFixture.inMemory(disk, "")) {
            NodeFixture.Client client = node.open(77);
            createGroup(client, "g", "t", Map.of("ordered", "on", "retry-backoff", "none"));
            send(client, "t", "a", "a1", "a2");
            send(client, "t", "b", "b1", "b2");
            assertThat(texts(client.popAll("t", "g", 2, LONG))).containsExactly("a1", "b1");
            disk = node.kill();
        }
        try (NodeFixture node = NodeFixture.inMemory(disk, "")) {
            NodeFixture.Client client = node.open(78);
            assertThat(client.pop("t", "g", 10, LONG, 0)).as("I3").isEmpty();
            // The old client comes back and gives up.
            NodeFixture.Client old = node.open(77);
            old.tell(new SessionCommand.Close());
            old.expect(SessionEvent.SessionClosed.class);
            List<Delivery> firsts = client.popAll("t", "g", 2, LONG);
            assertThat(texts(firsts)).containsExactly("a1", "b1");
            client.ack("g", NodeFixture.handles(firsts));
            assertThat(texts(client.popAll("t", "g", 2, LONG))).containsExactly("a2", "b2");
        }
    }

    @Test
    void poisonedKeyIsParkedAndTheOthersGoOn() {
        MemoryDisk disk = new MemoryDisk();
        Map<String, String> settings =
                Map.of("ordered", "on", "poison", "park", "max-attempts", "1", "retry-backoff", "none");
        try (NodeFixture node = NodeFixture.inMemory(disk, "")) {
            NodeFixture.Client client = node.open();
            createGroup(client, "g", "t", settings);
            send(client, "t", "a", "a1", "a2");
            send(client, "t", "b", "b1", "b2");
            List<Delivery> firsts = client.popAll("t", "g", 2, LONG);
            nack(client, "g", firsts.subList(0, 1), 0, "broken");
            client.ack("g", List.of(firsts.get(1).handle()));
            List<Delivery> b2 = client.popAll("t", "g", 1, LONG);
            assertThat(texts(b2)).containsExactly("b2");
            client.ack("g", NodeFixture.handles(b2));
            send(client, "t", "a", "a3");
            assertThat(client.pop("t", "g", 10, LONG, 200)).as("parked").isEmpty();
            disk = node.kill();
        }
        try (NodeFixture node = NodeFixture.inMemory(disk, "")) {
            NodeFixture.Client client = node.open();
            send(client, "t", "c", "c1");
            assertThat(texts(client.popAll("t", "g", 1, LONG)))
                    .as("parked still")
                    .containsExactly("c1");
            assertThat(client.pop("t", "g", 10, LONG, 0)).isEmpty();
        }
    }

    @Test
    void filterPassesOverWhatTheGroupDoesNotWant() {
        MemoryDisk disk = new MemoryDisk();
        try (NodeFixture node = NodeFixture.inMemory(disk, "")) {
            NodeFixture.Client client = node.open();
            createGroup(client, "g", "t", Map.of("filter", "sql: size > 10"));
            List<Message> messages = new ArrayList<>();
            for (int i = 0; i < 200; i++) {
                messages.add(Message.builder("t")
                        .body(("m" + i).getBytes(StandardCharsets.UTF_8))
                        .property("size", Integer.toString(i % 20))
                        .build());
            }
            client.trySend("t", messages, Durability.WRITTEN);
            List<Delivery> wanted = client.popAll("t", "g", 90, LONG);
            assertThat(wanted).allMatch(delivery -> delivery.queueOffset() % 20 > 10);
            assertThat(client.pop("t", "g", 10, LONG, 0)).isEmpty();
            client.ack("g", NodeFixture.handles(wanted));
            client.tell(new SessionCommand.DescribeGroup(client.nextId(), "g", "t"));
            assertThat(client.expect(SessionEvent.GroupDescribed.class)
                            .topics()
                            .get(0)
                            .depth())
                    .isZero();
            disk = node.kill();
        }
        try (NodeFixture node = NodeFixture.inMemory(disk, "")) {
            NodeFixture.Client client = node.open();
            assertThat(client.pop("t", "g", 10, LONG, 0)).as("I4").isEmpty();
        }
    }
}
