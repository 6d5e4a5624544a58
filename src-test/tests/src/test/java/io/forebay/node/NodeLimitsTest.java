package io.forebay.node;

import static org.assertj.core.api.Assertions.assertThat;

import akka.actor.testkit.typed.javadsl.TestProbe;
import io.forebay.protocol.AckOutcome;
import io.forebay.protocol.Delivery;
import io.forebay.protocol.Durability;
import io.forebay.protocol.Message;
import io.forebay.protocol.Names;
import io.forebay.protocol.NodeProtocol;
import io.forebay.protocol.Receipt;
import io.forebay.protocol.ReceiptHandle;
import io.forebay.protocol.Refusal;
import io.forebay.protocol.SendResult;
import io.forebay.protocol.SessionCommand;
import io.forebay.protocol.SessionEvent;
import io.forebay.protocol.wire.WireFrames;
import io.forebay.testkit.faults.DiskObserver;
import io.forebay.testkit.faults.MemoryDisk;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CountDownLatch;
import java.util.function.LongFunction;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

/**
 * I1 what is more than may be is refused with {@link Refusal.Code#LIMIT}, or as illegal if it never may be, and the refusal names the
 * setting; I2 what was there before goes on; I3 when one is gone the next is taken.
 */
@Tag("proof")
class NodeLimitsTest {
    private static final long HOUR = 3_600_000;
    private static final long LONG = 60_000;

    private static NodeFixture node(String settings) {
        return NodeFixture.inMemory(new MemoryDisk(), settings);
    }

    private static void assertLimit(Refusal refusal, String key) {
        assertThat(refusal.code()).as("I1: %s", refusal).isEqualTo(Refusal.Code.LIMIT);
        assertThat(refusal.text()).as("I1").contains(key);
    }

    private static LongFunction<SessionCommand.Pop> poll(String topic) {
        return id -> new SessionCommand.Pop(id, topic, "g", 1, 1 << 20, HOUR, LONG);
    }

    @Test
    void sessions() {
        try (NodeFixture node = node("forebay.session.sessions-max = 2")) {
            NodeFixture.Client first = node.open(1);
            NodeFixture.Client second = node.open(2);
            TestProbe<SessionEvent> third = TestProbe.create(node.system);
            NodeProtocol.OpenSession open = new NodeProtocol.OpenSession(
                    NodeProtocol.VERSION, 3, "third", WireFrames.FRAME_BYTES_DEFAULT, third.getRef());
            node.forebay.entry().tell(open);
            Refusal refusal = third.expectMessageClass(SessionEvent.OpenRefused.class, NodeFixture.PATIENCE)
                    .refusal();
            assertLimit(refusal, "forebay.session.sessions-max allows 2");
            assertThat(refusal.retryAfterMillis()).isPositive();
            assertThat(second.send("t", 1, "a")).as("I2").hasSize(1);
            first.askAgain();
            first.tell(new SessionCommand.Close());
            first.expect(SessionEvent.SessionClosed.class);
            // The session's actor says that it has ended a moment later than its client hears of it.
            third.awaitAssert(NodeFixture.PATIENCE, () -> {
                node.forebay.entry().tell(open);
                third.expectMessageClass(SessionEvent.Opened.class);
                return null;
            });
        }
    }

    @Test
    void requestsOfASession() {
        try (NodeFixture node = node("forebay.session.requests-max = 2")) {
            NodeFixture.Client client = node.open();
            client.createTopic("t", 1, Map.of());
            client.createGroup("g", "t", Map.of());
            client.tell(poll("t").apply(client.nextId()));
            client.tell(poll("t").apply(client.nextId()));
            assertLimit(client.refused(poll("t")), "forebay.session.requests-max allows 2");
            NodeFixture.Client other = node.open();
            other.send("t", 1, "a");
            client.expect(SessionEvent.Popped.class); // I2
            client.tell(poll("t").apply(client.nextId()));
            other.send("t", 2, "b");
            client.expect(SessionEvent.Popped.class);
            client.expect(SessionEvent.Popped.class); // I3
        }
    }

    @Test
    void popsThatWaitForAGroup() {
        try (NodeFixture node = node("forebay.group.waiting-pops-max = 2")) {
            NodeFixture.Client client = node.open();
            client.createTopic("t", 1, Map.of());
            client.createGroup("g", "t", Map.of());
            // Each asks behind its own Pop: another session's question might overtake it.
            client.tell(poll("t").apply(client.nextId()));
            assertThat(client.describe("g", "t").waitingPops()).isEqualTo(1);
            NodeFixture.Client other = node.open();
            other.tell(poll("t").apply(other.nextId()));
            assertThat(other.describe("g", "t").waitingPops()).isEqualTo(2);
            assertLimit(client.refused(poll("t")), "forebay.group.waiting-pops-max");
            other.send("t", 1, "a");
            assertThat(client.expect(SessionEvent.Popped.class).deliveries())
                    .as("I2")
                    .hasSize(1);
            client.tell(poll("t").apply(client.nextId()));
            assertThat(client.describe("g", "t").waitingPops()).as("I3").isEqualTo(2);
        }
    }

    @Test
    void queuesOfATopic() {
        try (NodeFixture node = node("forebay.topic.queues-max = 3")) {
            NodeFixture.Client client = node.open();
            Refusal refusal = client.refused(id -> new SessionCommand.CreateTopic(id, "t", 4, Map.of()));
            assertThat(refusal.code()).as("I1").isEqualTo(Refusal.Code.ILLEGAL_ARGUMENT);
            assertThat(refusal.text())
                    .as("I1")
                    .contains("with 4 queues: allowed are 1 to 3 (forebay.topic.queues-max)");
            client.createTopic("t", 3, Map.of());
        }
    }

    @Test
    void topicsGroupsAndSubscriptions() {
        try (NodeFixture node = node("forebay.topic { topics-max = 2, groups-max = 1, subscriptions-max = 1 }")) {
            NodeFixture.Client client = node.open();
            client.createTopic("t", 1, Map.of());
            client.createTopic("u", 1, Map.of());
            assertLimit(
                    client.refused(id -> new SessionCommand.CreateTopic(id, "v", 1, Map.of())),
                    "forebay.topic.topics-max");
            client.createGroup("g", "t", Map.of());
            assertLimit(
                    client.refused(id -> new SessionCommand.CreateGroup(id, "h", "t", Map.of())),
                    "forebay.topic.groups-max");
            assertLimit(
                    client.refused(id -> new SessionCommand.CreateGroup(id, "g", "u", Map.of())),
                    "forebay.topic.subscriptions-max");
            // By use, too.
            assertLimit(
                    client.refused(id -> new SessionCommand.Pop(id, "u", "g", 1, 1 << 20, HOUR, 0)),
                    "forebay.topic.subscriptions-max");
            assertLimit(
                    client.refused(id -> new SessionCommand.Send(
                            id, "w", -1, NodeFixture.messages("w", 1, "m"), Durability.WRITTEN)),
                    "forebay.topic.topics-max");
            client.send("t", 1, "a");
            assertThat(client.pop("t", "g", 1, HOUR, LONG)).as("I2").hasSize(1);
        }
    }

    private static void assertTooLarge(SendResult result, String text) {
        assertThat(result).as("I1").isInstanceOf(Refusal.class);
        assertTooLarge((Refusal) result, text);
    }

    private static void assertTooLarge(Refusal refusal, String text) {
        assertThat(refusal.code()).as("I1: %s", refusal).isEqualTo(Refusal.Code.TOO_LARGE);
        assertThat(refusal.text()).as("I1").contains(text);
    }

    private static Message message(int bytes) {
        return Message.builder("t").id("m").body(new byte[bytes]).build();
    }

    @Test
    void sizesOfBodiesAndBatches() {
        try (NodeFixture node =
                node("forebay.queue { body-max = 10 KiB, batch-bytes-max = 20 KiB, batch-messages-max = 3 }")) {
            NodeFixture.Client client = node.open();
            client.createTopic("t", 1, Map.of());
            // The others of the batch are stored.
            List<SendResult> results =
                    client.trySend("t", List.of(message(10), message(10 * 1024 + 1)), Durability.WRITTEN);
            assertThat(results.get(0)).as("I2").isInstanceOf(Receipt.class);
            assertTooLarge(results.get(1), "at most 10240 (forebay.queue.body-max)");
            assertTooLarge(
                    client.refused(id -> new SessionCommand.Send(
                            id, "t", -1, Collections.nCopies(3, message(10 * 1024)), Durability.WRITTEN)),
                    "at most 20480 (forebay.queue.batch-bytes-max)");
            assertTooLarge(
                    client.refused(id -> new SessionCommand.Send(
                            id, "t", -1, Collections.nCopies(4, message(1)), Durability.WRITTEN)),
                    "at most 3 (forebay.queue.batch-messages-max)");
            client.createGroup("g", "t", Map.of("start", "earliest"));
            List<ReceiptHandle> handles = NodeFixture.handles(client.popAll("t", "g", 1, HOUR));
            assertTooLarge(
                    client.refused(id -> new SessionCommand.Ack(
                            id, "g", Collections.nCopies(4, handles.get(0)), Durability.WRITTEN)),
                    "at most 3 (forebay.queue.batch-messages-max)");
            assertThat(client.ack("g", handles)).as("I2").containsExactly(AckOutcome.ACKED);
            assertThat(client.trySend("t", Collections.nCopies(3, message(1)), Durability.WRITTEN))
                    .as("I3")
                    .allMatch(Receipt.class::isInstance);
        }
    }

    /** While a force does not end nothing is answered that asks for it. */
    @Test
    void bytesOfASessionAndOfTheNode() {
        MemoryDisk disk = new MemoryDisk();
        CountDownLatch goOn = new CountDownLatch(1);
        try (NodeFixture node = NodeFixture.inMemory(
                disk,
                "forebay { queue { body-max = 64 KiB, batch-bytes-max = 1 MiB }, group.pop-bytes-max = 64 KiB"
                        + ", session { send-bytes-max = 1 MiB, chunk-bytes-max = 64 KiB, push-bytes-max = 64 KiB"
                        + ", node-bytes-max = 1536 KiB } }")) {
            NodeFixture.Client first = node.open();
            NodeFixture.Client second = node.open();
            first.createTopic("t", 1, Map.of());
            disk.observe((operation, path, at, length) -> {
                if (operation == DiskObserver.Operation.FORCE) {
                    try {
                        goOn.await();
                    } catch (InterruptedException e) {
                        throw new IllegalStateException(e);
                    }
                }
            });
            LongFunction<SessionCommand.Send> large = id ->
                    new SessionCommand.Send(id, "t", -1, Collections.nCopies(15, message(60_000)), Durability.FLUSHED);
            first.tell(large.apply(first.nextId()));
            assertLimit(first.refused(large), "for each session (forebay.session.send-bytes-max)");
            Refusal busy = second.refused(large);
            assertThat(busy.code()).as("I1: %s", busy).isEqualTo(Refusal.Code.BUSY);
            assertThat(busy.text()).as("I1").contains("(forebay.session.node-bytes-max)");
            assertThat(busy.retryAfterMillis()).isPositive();
            goOn.countDown();
            assertThat(first.expect(SessionEvent.SendReply.class).results())
                    .as("I2")
                    .allMatch(Receipt.class::isInstance);
            second.tell(large.apply(second.nextId()));
            second.expect(SessionEvent.SendReply.class); // I3
        } finally {
            goOn.countDown();
        }
    }

    @Test
    void messagesThatAreOut() {
        try (NodeFixture node = node("forebay.group { in-flight-max = 3, pop-messages-max = 2 }")) {
            NodeFixture.Client client = node.open();
            client.createTopic("t", 1, Map.of());
            client.createGroup("g", "t", Map.of());
            client.send("t", 5, "m");
            List<Delivery> out = client.pop("t", "g", 5, HOUR, LONG);
            assertThat(out).as("I1: forebay.group.pop-messages-max").hasSize(2);
            assertThat(client.pop("t", "g", 5, HOUR, LONG)).as("I1").hasSize(1);
            assertThat(client.pop("t", "g", 5, HOUR, 0)).as("I1").isEmpty();
            assertThat(client.ack("g", NodeFixture.handles(out))).as("I2").containsOnly(AckOutcome.ACKED);
            assertThat(client.popAll("t", "g", 2, HOUR)).as("I3").hasSize(2);
        }
    }

    @Test
    void names() {
        try (NodeFixture node = node("")) {
            NodeFixture.Client client = node.open();
            for (String name : List.of("", "a b", "x".repeat(Names.NAME_CHARS_MAX + 1))) {
                Refusal refusal = client.refused(id -> new SessionCommand.CreateTopic(id, name, 1, Map.of()));
                assertThat(refusal.code()).as("I1: %s", refusal).isEqualTo(Refusal.Code.ILLEGAL_NAME);
                assertThat(refusal.text()).as("I1").contains(Names.RULE);
            }
            client.createTopic("x".repeat(Names.NAME_CHARS_MAX), 1, Map.of());
        }
    }
}
