package io.forebay.node;

import static org.assertj.core.api.Assertions.assertThat;

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
                client.trySend("t", large(count / 3), Durability.WRITTEN);
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

    private static List<Message> large(int count) {
        List<Message> messages = new ArrayList<>();
        for (int i = 0; i < count; i++) {
            messages.add(Message.of("t", ("m" + i + " ".repeat(995)).getBytes(StandardCharsets.UTF_8)));
        }
        return messages;
    }
}
