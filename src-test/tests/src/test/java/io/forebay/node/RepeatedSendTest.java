package io.forebay.node;

import static org.assertj.core.api.Assertions.assertThat;

import io.forebay.protocol.Delivery;
import io.forebay.protocol.Durability;
import io.forebay.protocol.Message;
import io.forebay.protocol.Receipt;
import io.forebay.protocol.SessionCommand;
import io.forebay.protocol.SessionEvent;
import io.forebay.protocol.SettingsCommand;
import io.forebay.protocol.SettingsDescribed;
import io.forebay.protocol.SettingsScope;
import io.forebay.testkit.faults.MemoryDisk;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.stream.LongStream;
import org.junit.jupiter.api.Test;

/** Sends whose answers were lost: a topic that deduplicates has each message once, and answers with its first receipt. */
class RepeatedSendTest {
    private static final long LONG = 600_000;
    private static final long PRODUCER = 0x5EED;
    private static final String CHECKPOINTS = "forebay.store.checkpoint-bytes = 64 KiB";

    private static void create(NodeFixture.Client client, Map<String, String> settings) {
        client.tell(new SessionCommand.CreateTopic(client.nextId(), "t", 4, settings));
        client.expect(SessionEvent.TopicCreated.class);
    }

    private static void change(NodeFixture.Client client, String deduplication) {
        client.tell(new SettingsCommand.ChangeSettings(
                client.nextId(), SettingsScope.TOPIC, "t", Map.of("deduplication", deduplication), 0, "test"));
        client.expect(SettingsDescribed.class);
    }

    private static List<Message> numbered(long... numbers) {
        return LongStream.of(numbers)
                .mapToObj(number -> Message.builder("t")
                        .id("id-" + number)
                        .producer(PRODUCER, number)
                        .messageGroup(number % 3 == 0 ? "key-" + number % 7 : "")
                        .body(("m" + number + " ".repeat(200)).getBytes(StandardCharsets.UTF_8))
                        .build())
                .toList();
    }

    private static List<Receipt> send(NodeFixture.Client client, Durability level, long... numbers) {
        return client.trySend("t", numbered(numbers), level).stream()
                .map(Receipt.class::cast)
                .toList();
    }

    private static long[] range(long from, long to) {
        return LongStream.range(from, to).toArray();
    }

    private static List<String> placesOf(List<Receipt> receipts) {
        return receipts.stream()
                .map(receipt -> receipt.queue() + "/" + receipt.queueOffset() + "/" + receipt.stripe() + "/"
                        + receipt.sequence() + "/" + receipt.payloadCrc())
                .toList();
    }

    private static void assertEachOnce(NodeFixture.Client client, int count) {
        List<Delivery> all = client.popAll("t", "g", count, LONG);
        assertThat(all.stream().map(NodeFixture::text).distinct()).hasSize(count);
        assertThat(client.pop("t", "g", 100, LONG, 0)).isEmpty();
    }

    @Test
    void whatIsSentAgainAfterTheNodeWasKilledGetsItsFirstReceipts() {
        List<Receipt> first = new ArrayList<>();
        MemoryDisk image = new MemoryDisk();
        for (int life = 0; life < 4; life++) {
            try (NodeFixture node = NodeFixture.inMemory(image, CHECKPOINTS)) {
                NodeFixture.Client client = node.open();
                if (life == 0) {
                    create(client, Map.of("deduplication", "producer"));
                }
                // Everything again, from the start, in other batches; and some more.
                assertThat(placesOf(send(client, Durability.WRITTEN, range(0, first.size() / 2))))
                        .isEqualTo(placesOf(first.subList(0, first.size() / 2)));
                List<Receipt> rest = send(client, Durability.FLUSHED, range(first.size() / 2, first.size()));
                assertThat(placesOf(rest)).isEqualTo(placesOf(first.subList(first.size() / 2, first.size())));
                assertThat(rest)
                        .allSatisfy(receipt -> assertThat(receipt.level()).isEqualTo(Durability.FLUSHED));
                for (int i = 0; i < 10; i++) {
                    first.addAll(send(client, Durability.WRITTEN, range(first.size(), first.size() + 50)));
                }
                if (life == 3) {
                    assertEachOnce(client, first.size());
                }
                image = node.kill();
            }
        }
    }

    @Test
    void whatAPowerCutHasTakenIsNotClaimed() {
        Random random = new Random(11);
        for (int round = 0; round < 4; round++) {
            MemoryDisk disk = new MemoryDisk();
            try (NodeFixture node = NodeFixture.inMemory(disk, CHECKPOINTS)) {
                NodeFixture.Client client = node.open();
                create(client, Map.of("deduplication", "message-id"));
                List<Receipt> flushed = send(client, Durability.FLUSHED, range(0, 100));
                send(client, Durability.WRITTEN, range(100, 300));
                MemoryDisk image = disk.powerCutImage(random);
                node.kill();
                try (NodeFixture next = NodeFixture.inMemory(image, "")) {
                    NodeFixture.Client again = next.open();
                    List<Receipt> receipts = send(again, Durability.WRITTEN, range(0, 300));
                    assertThat(placesOf(receipts.subList(0, 100))).isEqualTo(placesOf(flushed));
                    assertEachOnce(again, 300);
                }
            }
        }
    }

    @Test
    void whatIsOlderThanTheWindowIsStoredAgain() {
        long wall = System.currentTimeMillis();
        MemoryDisk image;
        List<Receipt> first;
        try (NodeFixture node = NodeFixture.inMemory(new MemoryDisk(), "", NodeFixture.at(wall))) {
            NodeFixture.Client client = node.open();
            create(client, Map.of("deduplication", "producer", "deduplication-window", "10 m"));
            first = send(client, Durability.WRITTEN, range(0, 10));
            image = node.kill();
        }
        try (NodeFixture node = NodeFixture.inMemory(image, "", NodeFixture.at(wall + 500_000))) {
            NodeFixture.Client client = node.open();
            assertThat(placesOf(send(client, Durability.WRITTEN, range(0, 10)))).isEqualTo(placesOf(first));
            image = node.kill();
        }
        try (NodeFixture node = NodeFixture.inMemory(image, "", NodeFixture.at(wall + 700_000))) {
            NodeFixture.Client client = node.open();
            assertThat(placesOf(send(client, Durability.WRITTEN, range(0, 10))))
                    .doesNotContainAnyElementsOf(placesOf(first));
        }
    }

    @Test
    void deduplicationIsSwitchedWhileTheTopicRuns() {
        MemoryDisk image;
        List<Receipt> known;
        try (NodeFixture node = NodeFixture.inMemory()) {
            NodeFixture.Client client = node.open();
            create(client, Map.of());
            List<Receipt> before = send(client, Durability.WRITTEN, range(0, 5));
            change(client, "producer");
            known = send(client, Durability.WRITTEN, range(0, 5));
            assertThat(placesOf(known)).doesNotContainAnyElementsOf(placesOf(before));
            image = node.kill();
        }
        try (NodeFixture node = NodeFixture.inMemory(image, "")) {
            NodeFixture.Client client = node.open();
            assertThat(placesOf(send(client, Durability.WRITTEN, range(0, 5)))).isEqualTo(placesOf(known));
            change(client, "off");
            assertThat(placesOf(send(client, Durability.WRITTEN, range(0, 5))))
                    .doesNotContainAnyElementsOf(placesOf(known));
        }
    }
}
