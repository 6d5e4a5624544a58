package io.forebay.node;

import static org.assertj.core.api.Assertions.assertThat;

import akka.actor.PoisonPill;
import akka.actor.testkit.typed.javadsl.TestProbe;
import akka.actor.typed.ActorRef;
import akka.actor.typed.ActorRefResolver;
import akka.actor.typed.javadsl.Adapter;
import io.forebay.protocol.Delivery;
import io.forebay.protocol.Durability;
import io.forebay.protocol.Names;
import io.forebay.protocol.QueueDescription;
import io.forebay.protocol.Refusal;
import io.forebay.protocol.SessionCommand;
import io.forebay.protocol.SessionEvent;
import io.forebay.protocol.TopicDescription;
import io.forebay.queue.GroupQueue;
import io.forebay.testkit.faults.MemoryDisk;
import io.forebay.topic.Registry;
import java.util.List;
import java.util.Map;
import java.util.function.LongFunction;
import org.awaitility.Awaitility;
import org.junit.jupiter.api.Test;

/**
 * The registry makes the queues of dead letters when somebody needs them, one in each stripe. <b>I6</b>: what has failed for the last
 * time is a dead letter, whatever names clients have made up until no topic more may be. <b>I8</b>: they cannot make up more topics than
 * there may be by calling them dead letters.
 */
class DeadLetterQueuesTest {
    private static final int FIRST_GROUP = 1;
    private static final long HOUR = 3_600_000;
    private static final Map<String, String> MORTAL = Map.of("max-attempts", "1", "retry-backoff", "none");

    /** What a group is told that asks for its queue in a stripe. */
    static GroupQueue.DeadLetterQueue ensure(NodeFixture node, int groupId, int stripeId) {
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
            TopicDescription described = describe(client, "%DLQ%g");
            assertThat(described.queues()).extracting(QueueDescription::stripe).containsExactly(0, 1, 2);
            assertThat(described.settings()).isEqualTo(Map.of("max-age", "14 d"));
            // Who reads the dead letters reads the new queue, too, from its first message on.
            client.sendTo(2, "%DLQ%g", 2, "new");
            assertThat(client.popAll("%DLQ%g", "reader", 3, 60_000))
                    .extracting(NodeFixture::text)
                    .containsExactlyInAnyOrder("old0", "new0", "new1");
        }
    }

    /** Ends the actor of a group's queue of dead letters in stripe 0, as an exception in it would. */
    static void fail(NodeFixture node, int groupId) {
        Adapter.toClassic(ensure(node, groupId, 0).queue())
                .tell(PoisonPill.getInstance(), akka.actor.ActorRef.noSender());
        Awaitility.await("its end").until(() -> ensure(node, groupId, 0).queue() == null);
    }

    /** Somebody waits for dead letters before there are any: they are kept as long, and have a queue in each stripe. */
    @Test
    void topicOfDeadLettersThatIsMadeByUseIsTheOneThatTheNodeWouldMake() {
        try (NodeFixture node = NodeFixture.inMemory(
                new MemoryDisk(), "forebay.storage.stripes = 3, forebay.topic.dead-letter-max-age = 9 d")) {
            NodeFixture.Client client = node.open();
            client.createGroup("g", "", Map.of());
            assertThat(client.pop("%DLQ%g", "undertaker", 1, HOUR, 0)).isEmpty();
            client.send("%DLQ%nobody", 1, "m");
            TopicDescription letters = describe(client, "%DLQ%g");
            assertThat(letters.settings()).isEqualTo(Map.of("max-age", "9 d"));
            assertThat(letters.queues()).extracting(QueueDescription::stripe).containsExactly(0, 1, 2);
            TopicDescription others = describe(client, "%DLQ%nobody");
            assertThat(others.settings()).isEmpty();
            assertThat(others.queues()).as("default-queues").hasSize(2);
        }
    }

    private static TopicDescription describe(NodeFixture.Client client, String topic) {
        return client.ask(id -> new SessionCommand.DescribeTopic(id, topic), SessionEvent.TopicDescribed.class)
                .topic();
    }

    @Test
    void refusalSaysWhenToAskAgain() {
        try (NodeFixture node = NodeFixture.inMemory(new MemoryDisk(), "")) {
            assertRefused(ensure(node, FIRST_GROUP, 0), Refusal.Code.UNKNOWN_GROUP, "group");
            node.open().createGroup("g", "", Map.of());
            fail(node, FIRST_GROUP);
            assertRefused(ensure(node, FIRST_GROUP, 0), Refusal.Code.FAILED, "served");
        }
    }

    private static void assertRefused(GroupQueue.DeadLetterQueue refused, Refusal.Code code, String text) {
        assertThat(refused.queue()).isNull();
        assertThat(refused.refusal().code()).isEqualTo(code);
        assertThat(refused.refusal().text()).contains(text);
        assertThat(refused.refusal().retryAfterMillis()).isPositive();
    }

    /** The second life has more of everything than may be. */
    @Test
    void madeUpNamesKeepNoDeadLetterAway() {
        MemoryDisk image;
        try (NodeFixture node = NodeFixture.inMemory(
                new MemoryDisk(), "forebay.topic { topics-max = 5, groups-max = 4, default-queues = 1 }")) {
            NodeFixture.Client client = node.open();
            client.createTopic("t", 1, Map.of());
            client.createGroup("g", "t", MORTAL);
            client.createGroup("h", "t", MORTAL);
            client.createGroup("undertaker", "", Map.of());
            makeUp(client, "made-up-", 4, "forebay.topic.topics-max");
            client.send("t", 1, "first");
            giveUp(client, "g", 1, 1);
            assertThat(letters(client, "g", 1)).as("I6").containsExactly("first0");
            makeUp(client, Names.DEAD_LETTERS + "made-up-", 1, "forebay.topic.groups-max");
            image = node.kill();
        }
        try (NodeFixture node = NodeFixture.inMemory(image, "forebay.topic { topics-max = 1, groups-max = 1 }")) {
            NodeFixture.Client client = node.open();
            makeUp(client, "again-", 0, "forebay.topic.topics-max");
            makeUp(client, Names.DEAD_LETTERS + "again-", 0, "forebay.topic.groups-max");
            client.send("t", 1, "second");
            giveUp(client, "g", 1, 2);
            giveUp(client, "h", 2, 2);
            assertThat(letters(client, "g", 1)).as("I6").containsExactly("second0");
            assertThat(letters(client, "h", 2)).as("I6").containsExactly("first0", "second0");
            client.tell(new SessionCommand.ListTopics(client.nextId(), "", 0));
            assertThat(client.expect(SessionEvent.NamePage.class).names())
                    .containsExactly(
                            "%DLQ%g",
                            "%DLQ%h", "%DLQ%made-up-0", "made-up-0", "made-up-1", "made-up-2", "made-up-3", "t");
        }
    }

    /** Sends to one name after the other until the node refuses it. */
    private static void makeUp(NodeFixture.Client client, String prefix, int taken, String setting) {
        for (int i = 0; i < taken; i++) {
            client.send(prefix + i, 1, "m");
        }
        LongFunction<SessionCommand.Request> oneMore = id -> new SessionCommand.Send(
                id, prefix + taken, -1, NodeFixture.messages(prefix + taken, 1, "m"), Durability.WRITTEN);
        Refusal refusal = client.refused(oneMore);
        assertThat(refusal.code()).as("I8: %s", refusal).isEqualTo(Refusal.Code.LIMIT);
        assertThat(refusal.text()).as("I8").contains(setting);
    }

    /** The next messages of the topic fail for the last time. */
    private static void giveUp(NodeFixture.Client client, String group, int count, long deadLettered) {
        List<Delivery> poison = client.popAll("t", group, count, HOUR);
        client.nack(group, NodeFixture.handles(poison), 0, "no");
        Awaitility.await("the dead letters of " + group)
                .until(() -> client.describe(group, "t").deadLettered() == deadLettered);
    }

    private static List<String> letters(NodeFixture.Client client, String group, int count) {
        return client.popAll(Names.DEAD_LETTERS + group, "undertaker", count, HOUR).stream()
                .map(NodeFixture::text)
                .toList();
    }
}
