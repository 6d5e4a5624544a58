package io.forebay.node;

import static org.assertj.core.api.Assertions.assertThat;

import akka.actor.testkit.typed.javadsl.TestProbe;
import akka.actor.typed.ActorRef;
import akka.actor.typed.ActorRefResolver;
import io.forebay.protocol.QueueDescription;
import io.forebay.protocol.Refusal;
import io.forebay.protocol.SessionCommand;
import io.forebay.protocol.SessionEvent;
import io.forebay.queue.GroupQueue;
import io.forebay.testkit.faults.MemoryDisk;
import io.forebay.topic.Registry;
import java.util.Map;
import org.junit.jupiter.api.Test;

/** The registry makes the queues of dead letters when somebody needs them, one in each stripe. */
class DeadLetterQueuesTest {
    private static final int FIRST_GROUP = 1;

    private static GroupQueue.DeadLetterQueue ensure(NodeFixture node, int groupId, int stripeId) {
        ActorRef<Registry.Command> registry =
                ActorRefResolver.get(node.system).resolveActorRef("akka://node-test/system/forebay-registry");
        TestProbe<GroupQueue.DeadLetterQueue> probe = TestProbe.create(node.system);
        registry.tell(new Registry.EnsureDeadLetterQueue(groupId, stripeId, probe.getRef()));
        return probe.receiveMessage(NodeFixture.PATIENCE);
    }

    @Test
    void queuesAreMadeOnDemandAndGetMoreWithMoreStripes() {
        MemoryDisk image;
        GroupQueue.DeadLetterQueue first;
        try (NodeFixture node = NodeFixture.inMemory(new MemoryDisk(), "forebay.storage.stripes = 2")) {
            NodeFixture.Client client = node.open();
            client.tell(new SessionCommand.CreateGroup(client.nextId(), "g", "", Map.of()));
            client.expect(SessionEvent.GroupCreated.class);
            first = ensure(node, FIRST_GROUP, 1);
            assertThat(first.refusal()).isNull();
            assertThat(first.queue()).isNotNull();
            assertThat(ensure(node, FIRST_GROUP, 1)).isEqualTo(first);
            assertThat(ensure(node, FIRST_GROUP, 0).queueId()).isNotEqualTo(first.queueId());
            client.tell(new SessionCommand.CreateGroup(client.nextId(), "reader", "%DLQ%g", Map.of()));
            client.expect(SessionEvent.GroupCreated.class);
            client.sendTo(1, "%DLQ%g", 1, "old");
            image = node.kill();
        }
        try (NodeFixture node = NodeFixture.inMemory(image, "forebay.storage.stripes = 3")) {
            NodeFixture.Client client = node.open();
            GroupQueue.DeadLetterQueue third = ensure(node, FIRST_GROUP, 2);
            assertThat(third.refusal()).isNull();
            assertThat(ensure(node, FIRST_GROUP, 1).queueId()).isEqualTo(first.queueId());
            client.tell(new SessionCommand.DescribeTopic(client.nextId(), "%DLQ%g"));
            SessionEvent.TopicDescribed described = client.expect(SessionEvent.TopicDescribed.class);
            assertThat(described.topic().queues())
                    .extracting(QueueDescription::stripe)
                    .containsExactly(0, 1, 2);
            assertThat(described.topic().settings()).isEqualTo(Map.of("max-age", "14 d"));
            // Who reads the dead letters reads the new queue, too, from its first message on.
            client.sendTo(2, "%DLQ%g", 2, "new");
            assertThat(client.popAll("%DLQ%g", "reader", 3, 60_000))
                    .extracting(NodeFixture::text)
                    .containsExactlyInAnyOrder("old0", "new0", "new1");
        }
    }

    @Test
    void refusalSaysWhenToAskAgain() {
        try (NodeFixture node = NodeFixture.inMemory(new MemoryDisk(), "forebay.topic.topics-max = 1")) {
            NodeFixture.Client client = node.open();
            assertThat(ensure(node, FIRST_GROUP, 0).refusal().code()).isEqualTo(Refusal.Code.UNKNOWN_GROUP);
            client.send("t", 1, "m");
            client.pop("t", "g", 1, 60_000, 0);
            GroupQueue.DeadLetterQueue refused = ensure(node, FIRST_GROUP, 0);
            assertThat(refused.queue()).isNull();
            assertThat(refused.refusal().code()).isEqualTo(Refusal.Code.LIMIT);
            assertThat(refused.refusal().text()).contains("topics");
            assertThat(refused.refusal().retryAfterMillis()).isPositive();
        }
    }
}
