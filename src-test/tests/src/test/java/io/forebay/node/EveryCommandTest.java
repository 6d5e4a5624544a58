package io.forebay.node;

import static org.assertj.core.api.Assertions.assertThat;

import akka.actor.UnhandledMessage;
import akka.actor.testkit.typed.javadsl.TestProbe;
import akka.actor.typed.javadsl.Adapter;
import io.forebay.protocol.Chunk;
import io.forebay.protocol.ChunkAck;
import io.forebay.protocol.DeadLetterFilter;
import io.forebay.protocol.DeliveryMode;
import io.forebay.protocol.Durability;
import io.forebay.protocol.LookCommand;
import io.forebay.protocol.NodeProtocol;
import io.forebay.protocol.PoisonCommand;
import io.forebay.protocol.SeekPlace;
import io.forebay.protocol.SessionCommand;
import io.forebay.protocol.SessionEvent;
import io.forebay.protocol.SettingsCommand;
import io.forebay.protocol.SettingsScope;
import io.forebay.protocol.SubscriptionProgress;
import io.forebay.protocol.UnparkHow;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/** Every command a client can say has a sample here, and none comes back unhandled. */
class EveryCommandTest {
    private NodeFixture node;
    private TestProbe<UnhandledMessage> unhandled;

    @BeforeEach
    void start() {
        node = NodeFixture.inMemory();
        unhandled = TestProbe.create(UnhandledMessage.class, node.system);
        // Not the typed one: it takes a subscription when it gets to it, maybe after what is to be seen.
        Adapter.toClassic(node.system)
                .eventStream()
                .subscribe(Adapter.toClassic(unhandled.getRef()), UnhandledMessage.class);
    }

    @AfterEach
    void stop() {
        node.close();
    }

    private static Map<Class<?>, SessionCommand> samples() {
        Map<Class<?>, SessionCommand> samples = new HashMap<>();
        for (SessionCommand sample : List.of(
                new SessionCommand.Send(1, "t", -1, NodeFixture.messages("t", 1, "m"), Durability.WRITTEN),
                new SessionCommand.Pop(2, "t", "g", 1, 1000, 1000, 0),
                new SessionCommand.Ack(3, "g", List.of(), null),
                new SessionCommand.ChangeInvisible(4, "g", List.of(), 1000, false, ""),
                new SessionCommand.GiveBack(5, "g", List.of()),
                new SessionCommand.CancelPop(6, 99),
                new SessionCommand.CreateTopic(7, "t2", 1, Map.of()),
                new SessionCommand.DeleteTopic(8, "t2"),
                new SessionCommand.ListTopics(9, "", 10),
                new SessionCommand.DescribeTopic(10, "t"),
                new SessionCommand.CreateGroup(11, "g2", "", Map.of()),
                new SessionCommand.DeleteGroup(12, "g2"),
                new SessionCommand.ListGroups(13, "", "", 10),
                new SessionCommand.DescribeGroup(14, "g", ""),
                new LookCommand.Seek(15, "g", "t", -1, SeekPlace.EARLIEST_STORED, true),
                new LookCommand.Peek(16, "t", -1, -1, "", 10, 1000, ""),
                new LookCommand.Purge(17, "t", "", -1, -1, true),
                new LookCommand.Release(26, "t", -1, -1, true),
                new LookCommand.Find(18, "t", "x", "", -1, -1, 10, ""),
                new LookCommand.Explain(19, "t", 0, 0, null, ""),
                new SettingsCommand.ChangeSettings(20, SettingsScope.GROUP, "g", Map.of("paused", "on"), 0, "test"),
                new SessionCommand.Subscribe(30, 1, "t", "g", 10, 1000, 0, SubscriptionProgress.begin(5)),
                new SessionCommand.Unsubscribe(31, 1, SubscriptionProgress.begin(5)),
                new SessionCommand.Credit(2, SubscriptionProgress.begin(5), DeliveryMode.POP),
                new SettingsCommand.DescribeSettings(21, SettingsScope.TOPIC, "t", 10),
                new PoisonCommand.ListParked(22, "g", "", 10, ""),
                new PoisonCommand.Unpark(23, "g", "t", "", UnparkHow.RETRY),
                new PoisonCommand.ListLetters(24, "g", DeadLetterFilter.ALL, 10, 1000, ""),
                new PoisonCommand.Redrive(25, "g", DeadLetterFilter.ALL, "", 10, false, ""),
                new SessionCommand.Withdraw(32, "t", List.of("x")),
                new SessionCommand.Heartbeat(1),
                new SessionCommand.BeginAnew(),
                new SessionCommand.Detach(),
                new SessionCommand.Close(),
                new Chunk(1, 3, 100, new byte[10]),
                new ChunkAck(1, 0))) {
            samples.put(sample.getClass(), sample);
        }
        return samples;
    }

    @Test
    void everyRequestIsAnsweredWithItsId() {
        NodeFixture.Client client = node.open();
        Map<Class<?>, SessionCommand> samples = samples();
        for (Class<?> type : leaves(SessionCommand.Request.class)) {
            SessionCommand.Request request = (SessionCommand.Request) samples.get(type);
            assertThat(request).as("a sample of %s", type).isNotNull();
            client.tell(request);
            assertThat(client.expect(SessionEvent.Reply.class).requestId()).isEqualTo(request.requestId());
        }
        unhandled.expectNoMessage();
    }

    @Test
    void noCommandIsUnhandled() {
        Map<Class<?>, SessionCommand> samples = samples();
        for (Class<?> type : leaves(SessionCommand.class)) {
            SessionCommand command = samples.get(type);
            assertThat(command).as("a sample of %s", type).isNotNull();
            NodeFixture.Client client = node.open();
            client.tell(command);
            if (!(command instanceof SessionCommand.Detach || command instanceof SessionCommand.Close)) {
                client.tell(new SessionCommand.Close());
            }
            client.probe.fishForMessage(
                    NodeFixture.PATIENCE,
                    event -> event instanceof SessionEvent.SessionClosed
                            ? akka.actor.testkit.typed.javadsl.FishingOutcomes.complete()
                            : akka.actor.testkit.typed.javadsl.FishingOutcomes.continueAndIgnore());
        }
        assertThat(NodeProtocol.Request.class.getPermittedSubclasses())
                .as("those that are told in this class")
                .containsExactlyInAnyOrder(NodeProtocol.OpenSession.class, NodeProtocol.FindSession.class);
        unhandled.expectNoMessage();
    }

    @Test
    void theEntrySaysOnlyOfASessionThatItDoesNotKnowThatItDoesNot() {
        NodeFixture.Client client = node.open();
        node.forebay.entry().tell(new NodeProtocol.FindSession(client.sessionId, 1, client.probe.getRef()));
        node.forebay.entry().tell(new NodeProtocol.FindSession(client.sessionId + 1, 2, client.probe.getRef()));
        assertThat(client.probe.receiveMessage(NodeFixture.PATIENCE))
                .isEqualTo(new SessionEvent.SessionUnknown(client.sessionId + 1, 2));
        client.tell(new SessionCommand.Close());
        client.expect(SessionEvent.SessionClosed.class);
        client.probe.awaitAssert(NodeFixture.PATIENCE, () -> {
            node.forebay.entry().tell(new NodeProtocol.FindSession(client.sessionId, 3, client.probe.getRef()));
            return client.probe.expectMessage(
                    Duration.ofMillis(200), new SessionEvent.SessionUnknown(client.sessionId, 3));
        });
        unhandled.expectNoMessage();
    }

    private static List<Class<?>> leaves(Class<?> type) {
        if (!type.isSealed()) {
            return List.of(type);
        }
        List<Class<?>> leaves = new ArrayList<>();
        for (Class<?> permitted : type.getPermittedSubclasses()) {
            leaves.addAll(leaves(permitted));
        }
        return leaves;
    }
}
