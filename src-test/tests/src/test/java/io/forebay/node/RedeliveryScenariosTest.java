package io.forebay.node;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import io.forebay.protocol.AckOutcome;
import io.forebay.protocol.Changed;
import io.forebay.protocol.Delivery;
import io.forebay.protocol.Durability;
import io.forebay.protocol.Message;
import io.forebay.protocol.SessionCommand;
import io.forebay.protocol.SessionEvent;
import io.forebay.storage.log.StripeLog;
import io.forebay.store.ForebayStorage;
import io.forebay.testkit.faults.MemoryDisk;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.stream.Collectors;
import org.junit.jupiter.api.Test;

/**
 * Many messages that come again, and one; groups that come late or are slow. I1 nothing is lost, I4 what is acked stays away, I5
 * nothing is out twice, I6 attempts and dead letters.
 */
class RedeliveryScenariosTest {
    private static final long HOUR = 3_600_000;
    private static final int ATTEMPTS_MAX = 4;

    private final NodeFixture.VirtualTime time = new NodeFixture.VirtualTime();

    /** What consumers saw of a storm, over all lives of the node. */
    private static final class Seen {
        final Map<String, Set<Integer>> attempts = new HashMap<>();
        int deliveries;

        void delivered(Delivery delivery) {
            deliveries++;
            assertThat(delivery.attempt())
                    .as("I6: %s", NodeFixture.text(delivery))
                    .isBetween(1, ATTEMPTS_MAX);
            assertThat(attempts.computeIfAbsent(NodeFixture.text(delivery), text -> new HashSet<>())
                            .add(delivery.attempt()))
                    .as("I5: attempt %d of %s comes twice", delivery.attempt(), NodeFixture.text(delivery))
                    .isTrue();
        }
    }

    @Test
    void nackStormGivesEachMessageItsAttemptsAndOneDeadLetter() {
        int count = 600;
        Seen seen = new Seen();
        try (NodeFixture node = NodeFixture.inMemory(new MemoryDisk(), "", time)) {
            NodeFixture.Client client = node.open();
            beginStorm(client, count);
            storm(node, seen, Integer.MAX_VALUE);
            assertThat(seen.deliveries).as("I6").isEqualTo(count * ATTEMPTS_MAX);
            assertThat(seen.attempts).hasSize(count);
            judgeDeadLetters(client, count);
        }
    }

    @Test
    void nackStormGoesOnBehindAKillAsIfNothingHadBeen() {
        int count = 600;
        Seen seen = new Seen();
        MemoryDisk image;
        try (NodeFixture node = NodeFixture.inMemory(new MemoryDisk(), "", time)) {
            beginStorm(node.open(), count);
            storm(node, seen, count * ATTEMPTS_MAX / 2);
            image = node.kill();
        }
        for (int life = 0; life < 2; life++) {
            try (NodeFixture node = NodeFixture.inMemory(image, "", time)) {
                // What the killed node had handed out, and no nack was heard of, is out until its deadline.
                NodeFixture.Client client = node.open();
                client.describe("g", "t");
                node.pass(time, HOUR);
                storm(node, seen, life == 0 ? count : Integer.MAX_VALUE);
                if (life == 1) {
                    judgeDeadLetters(client, count);
                }
                image = node.kill();
            }
        }
    }

    private static void beginStorm(NodeFixture.Client client, int count) {
        client.createTopic("t", 2, Map.of());
        client.createGroup("g", "t", Map.of("max-attempts", String.valueOf(ATTEMPTS_MAX), "retry-backoff", "none"));
        client.sendTo(0, "t", count / 2, "a");
        client.sendTo(1, "t", count / 2, "b");
    }

    /** Many consumers nack whatever they get, at once, until nothing comes any more or that much has come. */
    private static void storm(NodeFixture node, Seen seen, int deliveriesMax) {
        List<NodeFixture.Client> consumers = new ArrayList<>();
        for (int i = 0; i < 8; i++) {
            consumers.add(node.open());
        }
        NodeFixture.Client looker = node.open();
        for (int round = 0;
                seen.deliveries < deliveriesMax && looker.describe("g", "t").depth() > 0;
                round++) {
            assertThat(round).as("rounds of a storm").isLessThan(2000);
            for (NodeFixture.Client consumer : consumers) {
                consumer.tell(new SessionCommand.Pop(consumer.nextId(), "t", "g", 17, 1 << 20, HOUR, 0));
            }
            List<NodeFixture.Client> nacking = new ArrayList<>();
            for (NodeFixture.Client consumer : consumers) {
                List<Delivery> deliveries =
                        consumer.expect(SessionEvent.Popped.class).deliveries();
                deliveries.forEach(seen::delivered);
                if (!deliveries.isEmpty()) {
                    nacking.add(consumer);
                    consumer.tell(new SessionCommand.ChangeInvisible(
                            consumer.nextId(),
                            "g",
                            NodeFixture.handles(deliveries),
                            SessionCommand.ChangeInvisible.BACKOFF,
                            true,
                            "no"));
                }
            }
            if (seen.deliveries < deliveriesMax) {
                nacking.forEach(consumer -> assertThat(
                                consumer.expect(SessionEvent.ChangeReply.class).results())
                        .allMatch(Changed.class::isInstance));
            }
        }
    }

    private static void judgeDeadLetters(NodeFixture.Client client, int count) {
        assertThat(client.describe("g", "t").depth()).isZero();
        List<Delivery> letters = client.popAll("%DLQ%g", "undertaker", count, HOUR);
        Set<String> texts = new HashSet<>();
        for (Delivery letter : letters) {
            assertThat(texts.add(NodeFixture.text(letter))).as("dead once").isTrue();
            assertThat(letter.message().properties())
                    .containsEntry("dead-letter.attempts", String.valueOf(ATTEMPTS_MAX));
        }
        assertThat(client.pop("%DLQ%g", "undertaker", 10, HOUR, 0)).isEmpty();
        assertThat(client.pop("t", "g", 10, HOUR, 0)).isEmpty();
    }

    @Test
    void largeBatchWithOneMessageUnackedBringsBackThatOneAndWritesLittle() {
        int count = 3000;
        try (NodeFixture node = NodeFixture.inMemory(
                new MemoryDisk(),
                "forebay { topic.default-queues = 1, store.checkpoint-idle-interval = 1 d, storage.segment-size = 8 MiB }",
                time)) {
            NodeFixture.Client client = node.open();
            client.createGroup("g", "", Map.of("retry-backoff", "none"));
            for (int i = 0; i < 3; i++) {
                client.trySend("t", padded("m" + i + "-", count / 3, 995), Durability.WRITTEN);
            }
            StripeLog log = ForebayStorage.get(node.system).stripes().get(0).log();
            long sent = log.bytesSinceCheckpoint();
            assertThat(sent).isGreaterThan(count * 1000L);
            List<Delivery> batch = client.popAll("t", "g", count, HOUR);
            Delivery forgotten = batch.remove(count / 2);
            assertThat(client.ack("g", NodeFixture.handles(batch))).containsOnly(AckOutcome.ACKED);
            for (int attempt = 2; attempt <= 5; attempt++) {
                node.pass(time, HOUR);
                List<Delivery> again = client.popAll("t", "g", 1, HOUR);
                assertThat(again.get(0).queueOffset()).isEqualTo(forgotten.queueOffset());
                assertThat(again.get(0).attempt()).as("I6").isEqualTo(attempt);
                assertThat(client.pop("t", "g", count, HOUR, 0)).as("I4").isEmpty();
            }
            assertThat(log.bytesSinceCheckpoint() - sent)
                    .as("bytes written for %d pops and acks, and 4 redeliveries", count)
                    .isLessThan(8 * 1024);
        }
    }

    @Test
    void groupsMadeAfterTheBacklogBeginWhereTheyAreSetTo() {
        int count = 2000;
        MemoryDisk image;
        try (NodeFixture node = NodeFixture.inMemory(new MemoryDisk(), "", time)) {
            NodeFixture.Client client = node.open();
            client.createTopic("t", 2, Map.of());
            client.sendTo(0, "t", count / 2, "old0-");
            client.sendTo(1, "t", count / 2, "old1-");
            client.createGroup("late", "t", Map.of("start", "earliest"));
            client.createGroup("news", "t", Map.of("start", "latest"));
            assertThat(client.pop("t", "news", 10, HOUR, 0)).isEmpty();
            assertThat(client.describe("news", "t").depth()).isZero();
            assertThat(client.describe("late", "t").depth()).isEqualTo(count);
            image = node.kill();
        }
        // Neither has written anything yet: where they begin is in the registry.
        try (NodeFixture node = NodeFixture.inMemory(image, "", time)) {
            NodeFixture.Client client = node.open();
            client.sendTo(0, "t", 5, "new0-");
            client.sendTo(1, "t", 5, "new1-");
            Set<String> news = texts(client.popAll("t", "news", 10, HOUR));
            assertThat(news).hasSize(10).allMatch(text -> text.startsWith("new"));
            assertThat(client.pop("t", "news", 10, HOUR, 0)).isEmpty();
            Set<String> all = texts(client.popAll("t", "late", count + 10, HOUR));
            assertThat(all).hasSize(count + 10).containsAll(news);
            assertThat(client.pop("t", "late", 10, HOUR, 0)).isEmpty();
        }
    }

    @Test
    void slowGroupHoldsUpNobodyAndItsMessagesAreKeptForItAlone() {
        int rounds = 18;
        int perRound = 200;
        String settings = """
            forebay {
              storage { segment-size = 128 KiB, index-file-size = 64 KiB, spare-segments = 0 }
              store { checkpoint-bytes = 64 KiB, checkpoint-idle-interval = 500 ms }
              queue { body-max = 16 KiB, batch-bytes-max = 96 KiB }
              group { pop-bytes-max = 96 KiB, look-ahead-max = 64 }
              topic.default-queues = 1
            }
            """;
        List<Delivery> slowHeld;
        long full;
        MemoryDisk image;
        try (NodeFixture node = NodeFixture.inMemory(new MemoryDisk(), settings, time)) {
            NodeFixture.Client client = node.open();
            client.createGroup("fast", "", Map.of());
            client.createGroup("slow", "", Map.of());
            client.send("t", 1, "first");
            slowHeld = client.popAll("t", "slow", 1, 10 * HOUR);
            client.ack("fast", NodeFixture.handles(client.popAll("t", "fast", 1, HOUR)));
            for (int round = 0; round < rounds; round++) {
                client.trySend("t", padded("m" + round + "-", perRound, 200), Durability.WRITTEN);
                popAndAck(client, "fast", perRound);
                node.pass(time, 600);
            }
            // The slow one looks as far ahead as it may, and that says why it gets no more.
            List<Delivery> ahead = client.popAll("t", "slow", 63, HOUR);
            client.ack("slow", NodeFixture.handles(ahead));
            assertThat(client.pop("t", "slow", 10, HOUR, 0)).isEmpty();
            assertThat(client.describe("slow", "t").blocked())
                    .singleElement()
                    .satisfies(blocked -> assertThat(blocked.offset()).isZero());
            assertThat(client.describe("fast", "t").blocked()).isEmpty();
            assertThat(client.describe("fast", "t").depth()).isZero();
            assertThat(firstOffset(client)).isZero();
            full = log(node).storedBytes();
            assertThat(full).isGreaterThan(rounds * perRound * 200L);
            image = node.kill();
        }
        try (NodeFixture node = NodeFixture.inMemory(image, settings, time)) {
            NodeFixture.Client client = node.open();
            assertThat(client.describe("slow", "t").depth()).isEqualTo(rounds * perRound + 1 - 63);
            assertThat(client.ack("slow", NodeFixture.handles(slowHeld))).containsExactly(AckOutcome.ACKED);
            popAndAck(client, "slow", rounds * perRound - 63);
            assertThat(client.describe("slow", "t").depth()).isZero();
            assertThat(client.pop("t", "fast", 10, HOUR, 0)).as("I4").isEmpty();
            await().untilAsserted(() -> {
                node.pass(time, 600);
                assertThat(firstOffset(client)).isEqualTo(rounds * perRound + 1);
                assertThat(log(node).storedBytes()).isLessThan(full / 3);
            });
        }
    }

    /** In steps that look-ahead-max allows; each message comes once. */
    private static void popAndAck(NodeFixture.Client client, String group, int count) {
        Set<String> got = new HashSet<>();
        while (got.size() < count) {
            List<Delivery> some = client.popAll("t", group, Math.min(50, count - got.size()), HOUR);
            some.forEach(delivery -> {
                assertThat(got.add(NodeFixture.text(delivery))).as("I5").isTrue();
                assertThat(delivery.attempt()).as("I6").isEqualTo(1);
            });
            assertThat(client.ack(group, NodeFixture.handles(some))).containsOnly(AckOutcome.ACKED);
        }
    }

    private static long firstOffset(NodeFixture.Client client) {
        return client.ask(id -> new SessionCommand.DescribeTopic(id, "t"), SessionEvent.TopicDescribed.class)
                .topic()
                .queues()
                .get(0)
                .firstOffset();
    }

    private static StripeLog log(NodeFixture node) {
        return ForebayStorage.get(node.system).stripes().get(0).log();
    }

    @Test
    void twoStripesWithGroupsOverBothKeepEverythingOverAKill() {
        int count = 400;
        String settings = "forebay { storage.stripes = 2, topic.default-queues = 4 }";
        Map<String, String> dying = Map.of("max-attempts", "1", "retry-backoff", "none");
        List<Delivery> held;
        MemoryDisk image;
        try (NodeFixture node = NodeFixture.inMemory(new MemoryDisk(), settings, time)) {
            NodeFixture.Client client = node.open();
            client.createTopic("t", 4, Map.of());
            client.createGroup("g", "t", dying);
            client.createGroup("other", "t", Map.of());
            for (int queue = 0; queue < 4; queue++) {
                client.sendTo(queue, "t", count / 4, "m" + queue + "-");
            }
            // Acks and nacks of one request go to queues of both stripes.
            List<Delivery> all = client.popAll("t", "g", count, HOUR);
            assertThat(all.stream().map(delivery -> delivery.handle().stripe())).contains(0, 1);
            all.sort((one, two) -> Long.compare(one.queueOffset(), two.queueOffset()));
            assertThat(client.nack("g", NodeFixture.handles(all.subList(0, 100)), 0, "no"))
                    .allMatch(Changed.class::isInstance);
            assertThat(client.ack("g", NodeFixture.handles(all.subList(100, 300))))
                    .containsOnly(AckOutcome.ACKED);
            held = all.subList(300, 400);
            assertThat(texts(client.popAll("%DLQ%g", "undertaker", 100, HOUR))).isEqualTo(texts(all.subList(0, 100)));
            image = node.kill();
        }
        try (NodeFixture node = NodeFixture.inMemory(image, settings, time)) {
            NodeFixture.Client client = node.open();
            assertThat(client.pop("t", "g", 10, HOUR, 0)).isEmpty();
            assertThat(texts(client.popAll("t", "other", count, HOUR))).hasSize(count);
            assertThat(client.ack("g", NodeFixture.handles(held))).containsOnly(AckOutcome.ACKED);
            assertThat(client.describe("g", "t").depth()).isZero();
            assertThat(client.describe("undertaker", "%DLQ%g").inFlight()).isEqualTo(100);
        }
    }

    private static Set<String> texts(List<Delivery> deliveries) {
        return deliveries.stream().map(NodeFixture::text).collect(Collectors.toSet());
    }

    private static List<Message> padded(String prefix, int count, int bytes) {
        List<Message> messages = new ArrayList<>();
        for (int i = 0; i < count; i++) {
            messages.add(Message.of("t", (prefix + i + " ".repeat(bytes)).getBytes(StandardCharsets.UTF_8)));
        }
        return messages;
    }
}
