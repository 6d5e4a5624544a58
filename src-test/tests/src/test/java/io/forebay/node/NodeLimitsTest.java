package io.forebay.node;

import static org.assertj.core.api.Assertions.assertThat;

import akka.actor.testkit.typed.javadsl.TestProbe;
import io.forebay.protocol.Durability;
import io.forebay.protocol.NodeProtocol;
import io.forebay.protocol.Refusal;
import io.forebay.protocol.SessionCommand;
import io.forebay.protocol.SessionEvent;
import io.forebay.protocol.wire.WireFrames;
import io.forebay.testkit.faults.MemoryDisk;
import java.util.Map;
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
            assertThat(refusal.text()).as("I1").contains("4").contains("3");
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
}
