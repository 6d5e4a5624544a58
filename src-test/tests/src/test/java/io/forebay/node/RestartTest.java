package io.forebay.node;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import io.forebay.protocol.AckOutcome;
import io.forebay.protocol.Delivery;
import io.forebay.protocol.Durability;
import io.forebay.protocol.Receipt;
import io.forebay.protocol.SessionCommand;
import io.forebay.protocol.SessionEvent;
import io.forebay.testkit.faults.MemoryDisk;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.Set;
import java.util.stream.Collectors;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * A node that ends and begins again: I1, I2, I4, I5 and I6 over a killed process, a power cut, a clean stop and a failed
 * force.
 */
class RestartTest {
    private static final long LONG = 600_000;

    @Test
    void aKilledNodeKeepsWhatItAnsweredAndWhatIsInFlight() {
        MemoryDisk image;
        List<Delivery> held;
        Delivery acked;
        long wall = System.currentTimeMillis();
        try (NodeFixture node = NodeFixture.inMemory(new MemoryDisk(), "", NodeFixture.at(wall))) {
            NodeFixture.Client client = node.open(4711);
            client.send("t", 50, "m");
            List<Delivery> expired = client.popAll("t", "g", 5, 10);
            held = client.popAll("t", "g", 50, LONG);
            assertThat(held.stream().filter(delivery -> delivery.attempt() == 2))
                    .hasSize(expired.size());
            acked = held.remove(0);
            client.ack("g", List.of(acked.handle()));
            image = node.kill();
        }
        try (NodeFixture node = NodeFixture.inMemory(image, "", NodeFixture.at(wall + 1000))) {
            NodeFixture.Client other = node.open();
            assertThat(other.pop("t", "g", 100, LONG, 0)).isEmpty();
            assertThat(other.ack("g", List.of(acked.handle()))).containsExactly(AckOutcome.ALREADY_SETTLED);
            Delivery first = held.remove(0);
            assertThat(other.ack("g", List.of(first.handle()))).containsExactly(AckOutcome.ACKED);
            // The consumer attaches again and closes: what it still holds comes back, whoever popped it in which life.
            NodeFixture.Client again = node.open(4711);
            again.tell(new SessionCommand.Close());
            again.expect(SessionEvent.SessionClosed.class);
            List<Delivery> returned = other.popAll("t", "g", held.size(), LONG);
            assertThat(texts(returned)).isEqualTo(texts(held));
            assertThat(returned.stream()
                            .filter(delivery -> delivery.attempt() == 2)
                            .count())
                    .isEqualTo(held.stream()
                            .filter(delivery -> delivery.attempt() == 2)
                            .count());
            assertThat(other.pop("t", "g", 100, LONG, 0)).isEmpty();
        }
    }

    @Test
    void aDeadlineIsKeptOverARestart() {
        MemoryDisk image;
        long wall = System.currentTimeMillis();
        try (NodeFixture node = NodeFixture.inMemory(new MemoryDisk(), "", NodeFixture.at(wall))) {
            NodeFixture.Client client = node.open();
            client.send("t", 1, "m");
            client.popAll("t", "g", 1, LONG);
            image = node.kill();
        }
        try (NodeFixture node = NodeFixture.inMemory(image.killImage(), "", NodeFixture.at(wall + LONG / 2))) {
            assertThat(node.open().pop("t", "g", 1, LONG, 100)).isEmpty();
        }
        try (NodeFixture node = NodeFixture.inMemory(image, "", NodeFixture.at(wall + LONG + 1000))) {
            List<Delivery> late = node.open().popAll("t", "g", 1, LONG);
            assertThat(late.get(0).attempt()).isEqualTo(2);
        }
    }

    @Test
    void aPowerCutKeepsWhatWasFlushed() {
        Random random = new Random(42);
        for (int round = 0; round < 5; round++) {
            MemoryDisk disk = new MemoryDisk();
            MemoryDisk image;
            try (NodeFixture node = NodeFixture.inMemory(disk, "")) {
                NodeFixture.Client client = node.open();
                client.trySend("t", NodeFixture.messages("t", 100, "flushed"), Durability.FLUSHED);
                List<Delivery> some = client.popAll("t", "g", 30, LONG);
                assertThat(client.ack("g", NodeFixture.handles(some), Durability.FLUSHED))
                        .containsOnly(AckOutcome.ACKED);
                client.send("t", 100, "written");
                image = disk.powerCutImage(random);
                node.kill();
                try (NodeFixture next = NodeFixture.inMemory(image, "")) {
                    NodeFixture.Client again = next.open();
                    Set<String> got = new HashSet<>();
                    // One of the queues may be read whole before the group has heard from the other.
                    while (got.stream()
                                    .filter(text -> text.startsWith("flushed"))
                                    .count()
                            < 70) {
                        got.addAll(texts(again.popAll("t", "g", 1, LONG)));
                    }
                    for (List<Delivery> more = again.pop("t", "g", 1000, LONG, 0);
                            !more.isEmpty();
                            more = again.pop("t", "g", 1000, LONG, 0)) {
                        got.addAll(texts(more));
                    }
                    assertThat(got).doesNotContainAnyElementsOf(texts(some));
                    assertThat(got.stream().filter(text -> text.startsWith("flushed")))
                            .hasSize(70);
                }
            }
        }
    }

    @Test
    void aFailedForceIsMadeGoodBeforeFlushedIsAnswered() {
        MemoryDisk disk = new MemoryDisk();
        MemoryDisk image;
        try (NodeFixture node = NodeFixture.inMemory(disk, "forebay.store.retry-backoff = 20 ms")) {
            NodeFixture.Client client = node.open();
            client.send("t", 10, "before");
            List<Delivery> held = client.popAll("t", "g", 10, LONG);
            disk.failNextForces(1);
            List<Receipt> receipts =
                    client.trySend("t", NodeFixture.messages("t", 50, "after"), Durability.FLUSHED).stream()
                            .map(Receipt.class::cast)
                            .toList();
            assertThat(receipts)
                    .allSatisfy(receipt -> assertThat(receipt.level()).isEqualTo(Durability.FLUSHED));
            assertThat(client.ack("g", NodeFixture.handles(held), Durability.FLUSHED))
                    .containsOnly(AckOutcome.ACKED);
            image = disk.powerCutImage(new Random(7));
            node.kill();
        }
        try (NodeFixture node = NodeFixture.inMemory(image, "")) {
            List<Delivery> rest = node.open().popAll("t", "g", 50, LONG);
            assertThat(texts(rest)).allMatch(text -> text.startsWith("after")).hasSize(50);
        }
    }

    @Test
    void aCleanStopOnRealFilesIsFollowedByAStartThatKnowsEverything(@TempDir Path directory) {
        List<Delivery> held;
        List<Receipt> receipts = new ArrayList<>();
        try (NodeFixture node = NodeFixture.onFiles(directory, "")) {
            NodeFixture.Client client = node.open();
            for (int i = 0; i < 20; i++) {
                receipts.addAll(client.send("t", 500, "m" + i + "-"));
            }
            held = client.popAll("t", "g", 1000, LONG);
            client.ack("g", NodeFixture.handles(held.subList(0, 500)));
            client.tell(new SessionCommand.CreateTopic(client.nextId(), "second", 5, Map.of()));
            client.expect(SessionEvent.TopicCreated.class);
        }
        for (int start = 0; start < 2; start++) {
            try (NodeFixture node = NodeFixture.onFiles(directory, "")) {
                NodeFixture.Client client = node.open();
                client.tell(new SessionCommand.DescribeTopic(client.nextId(), "second"));
                assertThat(client.expect(SessionEvent.TopicDescribed.class)
                                .topic()
                                .queues())
                        .hasSize(5);
                // A group hears from its queues how far they can be read; right after the start that may be missing.
                await().untilAsserted(() -> {
                    client.tell(new SessionCommand.DescribeGroup(client.nextId(), "g", "t"));
                    SessionEvent.GroupDescribed described = client.expect(SessionEvent.GroupDescribed.class);
                    assertThat(described.topics().get(0).depth()).isEqualTo(9500);
                    assertThat(described.topics().get(0).inFlight()).isEqualTo(500);
                });
            }
        }
        try (NodeFixture node = NodeFixture.onFiles(directory, "")) {
            NodeFixture.Client client = node.open();
            List<Delivery> rest = client.popAll("t", "g", 9000, LONG);
            Set<String> known = texts(rest);
            assertThat(known).hasSize(9000).doesNotContainAnyElementsOf(texts(held));
            assertThat(client.ack("g", NodeFixture.handles(held.subList(500, 1000))))
                    .containsOnly(AckOutcome.ACKED);
            assertThat(client.pop("t", "g", 1, LONG, 0)).isEmpty();
        }
    }

    private static Set<String> texts(List<Delivery> deliveries) {
        return deliveries.stream().map(NodeFixture::text).collect(Collectors.toSet());
    }
}
