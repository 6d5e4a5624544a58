package io.forebay.node;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import io.forebay.protocol.Delivery;
import io.forebay.protocol.Durability;
import io.forebay.protocol.Message;
import io.forebay.protocol.QueueDescription;
import io.forebay.protocol.SessionCommand;
import io.forebay.protocol.SessionEvent;
import io.forebay.testkit.faults.MemoryDisk;
import java.io.IOException;
import java.util.List;
import java.util.Map;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;

/** What a node keeps of its messages, and for how long: I1 as far as a topic's settings promise to keep them. */
class RetentionTest {
    private static final long HOUR = 3_600_000;
    private static final long LONG = 600_000;

    private static void create(NodeFixture.Client client, String topic, Map<String, String> settings) {
        client.tell(new SessionCommand.CreateTopic(client.nextId(), topic, 1, settings));
        client.expect(SessionEvent.TopicCreated.class);
    }

    private static QueueDescription describe(NodeFixture.Client client, String topic) {
        client.tell(new SessionCommand.DescribeTopic(client.nextId(), topic));
        return client.expect(SessionEvent.TopicDescribed.class).topic().queues().get(0);
    }

    private static void awaitFirstOffset(NodeFixture.Client client, String topic, long offset) {
        await().atMost(NodeFixture.PATIENCE)
                .untilAsserted(
                        () -> assertThat(describe(client, topic).firstOffset()).isEqualTo(offset));
    }

    private static List<String> texts(List<Delivery> deliveries) {
        return deliveries.stream().map(NodeFixture::text).toList();
    }

    @Test
    void whatIsTooOldIsDroppedForASlowGroupAndWithoutAnyGroup() {
        long wall = System.currentTimeMillis();
        MemoryDisk image;
        try (NodeFixture node = NodeFixture.inMemory(new MemoryDisk(), "", NodeFixture.at(wall))) {
            NodeFixture.Client client = node.open();
            create(client, "unread", Map.of("max-age", "1 h"));
            create(client, "read", Map.of("max-age", "1 h"));
            create(client, "kept", Map.of("max-age", "0 s"));
            client.send("unread", 10, "old");
            client.send("read", 10, "old");
            client.send("kept", 10, "old");
            assertThat(client.ack("g", NodeFixture.handles(client.popAll("read", "g", 4, LONG))))
                    .hasSize(4);
            client.popAll("read", "g", 2, LONG);
            image = node.kill();
        }
        try (NodeFixture node = NodeFixture.inMemory(image, "", NodeFixture.at(wall + HOUR / 2))) {
            NodeFixture.Client client = node.open();
            client.send("unread", 5, "new");
            client.send("read", 5, "new");
            assertThat(describe(client, "unread").depth()).isEqualTo(15);
            image = node.kill();
        }
        try (NodeFixture node = NodeFixture.inMemory(image, "", NodeFixture.at(wall + HOUR + 1_000))) {
            NodeFixture.Client client = node.open();
            awaitFirstOffset(client, "unread", 10);
            awaitFirstOffset(client, "read", 10);
            assertThat(describe(client, "unread").expired()).isEqualTo(10);
            assertThat(describe(client, "read").expired()).isEqualTo(6);
            assertThat(describe(client, "kept").firstOffset()).isZero();
            assertThat(texts(client.popAll("read", "g", 5, LONG)))
                    .containsExactlyInAnyOrder("new0", "new1", "new2", "new3", "new4");
            assertThat(client.pop("read", "g", 10, LONG, 0)).isEmpty();
            image = node.kill();
        }
        try (NodeFixture node = NodeFixture.inMemory(image, "", NodeFixture.at(wall + HOUR + 2_000))) {
            NodeFixture.Client client = node.open();
            assertThat(describe(client, "unread").firstOffset()).isEqualTo(10);
            assertThat(describe(client, "read").expired()).isEqualTo(6);
            assertThat(client.pop("read", "g", 10, LONG, 0)).isEmpty();
        }
    }

    @Test
    void aQueueKeepsItsNewestBytesAndGivesTheLogItsRoomBack() throws IOException {
        try (NodeFixture node = NodeFixture.inMemory(new MemoryDisk(), """
                forebay.storage.segment-size = 128 KiB
                forebay.store.checkpoint-bytes = 256 KiB
                forebay.queue { body-max = 20 KiB, batch-bytes-max = 60 KiB }
                """)) {
            NodeFixture.Client client = node.open();
            create(client, "t", Map.of("max-bytes", "200 KiB"));
            byte[] body = new byte[1000];
            for (int batch = 0; batch < 120; batch++) {
                List<Message> messages = IntStream.range(0, 25)
                        .mapToObj(i -> Message.of("t", body))
                        .toList();
                client.trySend("t", messages, Durability.FLUSHED);
            }
            QueueDescription queue = describe(client, "t");
            assertThat(queue.nextOffset()).isEqualTo(3_000);
            assertThat(queue.depth() * 1_000).isBetween(150L * 1024, 280L * 1024);
            assertThat(queue.expired()).isPositive();
            // A decision of before may have been under way.
            assertThat(client.popAll("t", "g", 150, LONG)).hasSizeGreaterThanOrEqualTo(150);
            // The last checkpoint may be under way, or not begun: it has to be taken before segments are given back.
            await().atMost(NodeFixture.PATIENCE).untilAsserted(() -> {
                client.trySend("t", List.of(Message.of("t", body)), Durability.FLUSHED);
                assertThat(node.disk.child("stripe-0").list().stream()
                                .filter(name -> name.startsWith("segment-"))
                                .count())
                        .isLessThan(15);
            });
        }
    }

    @Test
    void whatEveryGroupHasSettledStaysForItsGraceTime() {
        long wall = System.currentTimeMillis();
        MemoryDisk image;
        try (NodeFixture node = NodeFixture.inMemory(new MemoryDisk(), "", NodeFixture.at(wall))) {
            NodeFixture.Client client = node.open();
            create(client, "graced", Map.of("retention-grace", "1 h"));
            create(client, "plain", Map.of());
            for (String topic : List.of("graced", "plain")) {
                client.send(topic, 2_000, "m");
                client.ack("g", NodeFixture.handles(client.popAll(topic, "g", 2_000, LONG)));
            }
            awaitFirstOffset(client, "plain", 2_000);
            assertThat(describe(client, "graced").firstOffset()).isZero();
            node.stop();
            image = node.disk.killImage();
        }
        try (NodeFixture node = NodeFixture.inMemory(image.killImage(), "", NodeFixture.at(wall + HOUR / 2))) {
            NodeFixture.Client client = node.open();
            assertThat(describe(client, "graced").firstOffset()).isZero();
            assertThat(client.pop("graced", "g", 10, LONG, 0)).isEmpty();
        }
        // The parts of a grace time are 64: some of them may go by before it is seen to be over.
        try (NodeFixture node = NodeFixture.inMemory(image, "", NodeFixture.at(wall + HOUR + HOUR / 16))) {
            NodeFixture.Client client = node.open();
            awaitFirstOffset(client, "graced", 2_000);
            assertThat(describe(client, "graced").expired()).isZero();
        }
    }
}
