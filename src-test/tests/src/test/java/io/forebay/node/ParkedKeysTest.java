package io.forebay.node;

import static org.assertj.core.api.Assertions.assertThat;

import io.forebay.protocol.BlockedQueue;
import io.forebay.protocol.Changed;
import io.forebay.protocol.Delivery;
import io.forebay.protocol.Durability;
import io.forebay.protocol.GroupDescription;
import io.forebay.protocol.Message;
import io.forebay.protocol.ParkedKey;
import io.forebay.protocol.PoisonCommand;
import io.forebay.protocol.PoisonReply;
import io.forebay.protocol.Receipt;
import io.forebay.protocol.Refusal;
import io.forebay.protocol.SessionCommand;
import io.forebay.protocol.SessionEvent;
import io.forebay.protocol.UnparkHow;
import io.forebay.testkit.faults.MemoryDisk;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import org.awaitility.Awaitility;
import org.junit.jupiter.api.Test;

/** An operator looks at parked keys and lets them go on. I3 order per key, I4 what is settled stays away. */
class ParkedKeysTest {
    private static final long LONG = 60_000;
    private static final Map<String, String> PARKING =
            Map.of("ordered", "on", "poison", "park", "max-attempts", "2", "retry-backoff", "none");

    private static void create(NodeFixture.Client client, String topic, String group, Map<String, String> settings) {
        client.tell(new SessionCommand.CreateTopic(client.nextId(), topic, 1, Map.of()));
        client.expect(SessionEvent.TopicCreated.class);
        client.tell(new SessionCommand.CreateGroup(client.nextId(), group, topic, settings));
        client.expect(SessionEvent.GroupCreated.class);
    }

    private static void send(NodeFixture.Client client, String topic, String key, String... texts) {
        List<Message> messages = new ArrayList<>();
        for (String text : texts) {
            messages.add(Message.builder(topic)
                    .body(text.getBytes(StandardCharsets.UTF_8))
                    .messageGroup(key)
                    .build());
        }
        assertThat(client.trySend(topic, messages, Durability.WRITTEN)).allMatch(Receipt.class::isInstance);
    }

    /** Two attempts of the first message of each key fail. */
    private static void failFirsts(NodeFixture.Client client, int keyCount) {
        for (int attempt = 1; attempt <= 2; attempt++) {
            List<Delivery> firsts = client.popAll("t", "g", keyCount, LONG);
            client.tell(new SessionCommand.ChangeInvisible(
                    client.nextId(), "g", NodeFixture.handles(firsts), 0, true, "bad news " + attempt));
            assertThat(client.expect(SessionEvent.ChangeReply.class).results()).allMatch(Changed.class::isInstance);
        }
    }

    private static PoisonReply.ParkedPage parked(NodeFixture.Client client, String topic, int countMax, String cursor) {
        client.tell(new PoisonCommand.ListParked(client.nextId(), "g", topic, countMax, cursor));
        return client.expect(PoisonReply.ParkedPage.class);
    }

    private static PoisonReply.ParkedPage awaitParked(NodeFixture.Client client, int count) {
        return Awaitility.await(count + " parked keys")
                .until(() -> parked(client, "", 100, ""), page -> page.totalCount() == count);
    }

    private static int unpark(NodeFixture.Client client, String key, UnparkHow how) {
        client.tell(new PoisonCommand.Unpark(client.nextId(), "g", "t", key, how));
        return client.expect(PoisonReply.Unparked.class).count();
    }

    private static Refusal refused(NodeFixture.Client client, PoisonCommand command) {
        client.tell(command);
        return client.expect(SessionEvent.Refused.class).refusal();
    }

    private static List<String> texts(List<Delivery> deliveries) {
        return deliveries.stream().map(NodeFixture::text).toList();
    }

    @Test
    void operatorLetsEachKeyGoOnInItsOwnWay() {
        MemoryDisk disk = new MemoryDisk();
        try (NodeFixture node = NodeFixture.inMemory(disk, "")) {
            NodeFixture.Client client = node.open();
            create(client, "t", "g", PARKING);
            for (String key : List.of("a", "b", "c", "d")) {
                send(client, "t", key, key + "1", key + "2");
            }
            failFirsts(client, 4);
            List<ParkedKey> keys = awaitParked(client, 4).keys();
            assertThat(keys).extracting(ParkedKey::messageGroup).containsExactly("a", "b", "c", "d");
            assertThat(keys.get(1))
                    .extracting(ParkedKey::topic, ParkedKey::queue, ParkedKey::blockedOffset, ParkedKey::attempts)
                    .containsExactly("t", 0, 2L, 2);
            assertThat(keys.get(1).reason()).isEqualTo("bad news 2");
            assertThat(keys.get(1).waitingCount()).isEqualTo(1);
            assertThat(keys.get(1).parkedMillis()).isPositive();
            assertThat(client.pop("t", "g", 10, LONG, 0)).isEmpty();

            PoisonReply.ParkedPage first = parked(client, "t", 3, "");
            assertThat(first.keys()).isEqualTo(keys.subList(0, 3));
            PoisonReply.ParkedPage second = parked(client, "t", 3, first.cursor());
            assertThat(second.keys()).isEqualTo(keys.subList(3, 4));
            assertThat(second.cursor()).isEmpty();

            assertThat(unpark(client, "a", UnparkHow.RETRY)).isEqualTo(1);
            List<Delivery> a1 = client.popAll("t", "g", 1, LONG);
            assertThat(texts(a1)).containsExactly("a1");
            assertThat(a1.get(0).attempt()).as("counted anew").isEqualTo(1);
            client.ack("g", NodeFixture.handles(a1));
            assertThat(unpark(client, "b", UnparkHow.DROP)).isEqualTo(1);
            assertThat(unpark(client, "c", UnparkHow.DEAD_LETTER)).isEqualTo(1);
            assertThat(texts(client.popAll("t", "g", 3, LONG))).containsExactly("a2", "b2", "c2");
            List<Delivery> letters = client.popAll("%DLQ%g", "undertaker", 1, LONG);
            assertThat(texts(letters)).containsExactly("c1");
            assertThat(letters.get(0).message().properties())
                    .containsEntry("dead-letter.attempts", "2")
                    .containsEntry("dead-letter.reason", "bad news 2")
                    .containsEntry("dead-letter.offset", "4");
            disk = node.kill();
        }
        try (NodeFixture node = NodeFixture.inMemory(disk, "")) {
            NodeFixture.Client client = node.open();
            assertThat(parked(client, "", 10, "").keys())
                    .extracting(ParkedKey::messageGroup)
                    .containsExactly("d");
            assertThat(unpark(client, "", UnparkHow.DEAD_LETTER)).isEqualTo(1);
            assertThat(parked(client, "", 10, "").totalCount()).isZero();
            assertThat(texts(client.popAll("t", "g", 1, LONG))).containsExactly("d2");
            assertThat(texts(client.popAll("%DLQ%g", "other", 2, LONG))).containsExactly("c1", "d1");
            assertThat(unpark(client, "", UnparkHow.RETRY)).isZero();
            disk = node.kill();
        }
        try (NodeFixture node = NodeFixture.inMemory(disk, "")) {
            NodeFixture.Client client = node.open();
            assertThat(parked(client, "", 10, "").totalCount()).as("I4").isZero();
            assertThat(client.pop("t", "g", 10, LONG, 0)).as("out still").isEmpty();
        }
    }

    @Test
    void deadLettersThatCannotBeHadAreRefusedAndTheKeyStaysParked() {
        try (NodeFixture node = NodeFixture.inMemory(new MemoryDisk(), "")) {
            NodeFixture.Client client = node.open();
            create(client, "t", "g", PARKING);
            DeadLetterQueuesTest.fail(node, 1);
            send(client, "t", "a", "a1", "a2");
            failFirsts(client, 1);
            awaitParked(client, 1);
            assertThat(refused(client, new PoisonCommand.Unpark(client.nextId(), "g", "t", "a", UnparkHow.DEAD_LETTER))
                            .code())
                    .isEqualTo(Refusal.Code.FAILED);
            assertThat(awaitParked(client, 1).keys().get(0).waitingCount()).isEqualTo(1);
        }
    }

    @Test
    void descriptionNamesWhatHoldsTheGroupUp() {
        try (NodeFixture node = NodeFixture.inMemory(new MemoryDisk(), "forebay.group.look-ahead-max = 64")) {
            NodeFixture.Client client = node.open();
            create(client, "t", "g", PARKING);
            send(client, "t", "a", "a1", "a2");
            failFirsts(client, 1);
            awaitParked(client, 1);
            unpark(client, "a", UnparkHow.DROP);
            client.ack("g", NodeFixture.handles(client.popAll("t", "g", 1, LONG)));
            send(client, "t", "b", "b1", "b2");
            failFirsts(client, 1);
            awaitParked(client, 1);
            send(client, "t", "hot", "hot1");
            String[] others = new String[80];
            Arrays.setAll(others, i -> "x" + i);
            send(client, "t", "", others);
            client.ack("g", NodeFixture.handles(client.popAll("t", "g", 62, LONG)));
            GroupDescription before = describe(client);
            assertThat(before.parkedKeys()).isEqualTo(1);
            assertThat(before.purged()).isEqualTo(1);
            assertThat(before.depth()).isEqualTo(21);
            assertThat(before.blocked()).containsExactly(new BlockedQueue(0, 2, "b"));
            assertThat(before.isPaused()).isFalse();
            unpark(client, "", UnparkHow.DEAD_LETTER);
            for (int left = 20; left > 0; ) {
                List<Delivery> some = client.pop("t", "g", left, LONG, NodeFixture.PATIENCE.toMillis());
                assertThat(some).isNotEmpty();
                client.ack("g", NodeFixture.handles(some));
                left -= some.size();
            }
            GroupDescription after = describe(client);
            assertThat(after.deadLettered()).isEqualTo(1);
            assertThat(after.parkedKeys()).isZero();
            assertThat(after.depth()).isZero();
            assertThat(after.blocked()).isEmpty();
        }
    }

    private static GroupDescription describe(NodeFixture.Client client) {
        client.tell(new SessionCommand.DescribeGroup(client.nextId(), "g", "t"));
        return client.expect(SessionEvent.GroupDescribed.class).topics().get(0);
    }

    @Test
    void whatCannotBeUnparkedIsRefused() {
        try (NodeFixture node = NodeFixture.inMemory()) {
            NodeFixture.Client client = node.open();
            create(client, "t", "g", Map.of());
            assertThat(refused(client, new PoisonCommand.Unpark(client.nextId(), "g", "t", "", UnparkHow.DROP))
                            .text())
                    .contains("group 'g' keeps no order");
            client.tell(new SessionCommand.CreateGroup(client.nextId(), "ordered", "t", PARKING));
            client.expect(SessionEvent.GroupCreated.class);
            Refusal noKey = refused(
                    client, new PoisonCommand.Unpark(client.nextId(), "ordered", "t", "nobody", UnparkHow.DROP));
            assertThat(noKey.code()).isEqualTo(Refusal.Code.ILLEGAL_ARGUMENT);
            assertThat(noKey.text()).contains("nobody").contains("parked");
            assertThat(refused(client, new PoisonCommand.Unpark(client.nextId(), "g", "none", "", UnparkHow.DROP))
                            .code())
                    .isEqualTo(Refusal.Code.UNKNOWN_TOPIC);
            assertThat(refused(client, new PoisonCommand.Unpark(client.nextId(), "none", "t", "", UnparkHow.DROP))
                            .code())
                    .isEqualTo(Refusal.Code.UNKNOWN_GROUP);
            assertThat(refused(client, new PoisonCommand.ListParked(client.nextId(), "none", "", 10, ""))
                            .code())
                    .isEqualTo(Refusal.Code.UNKNOWN_GROUP);
            assertThat(refused(client, new PoisonCommand.ListParked(client.nextId(), "g", "", 0, ""))
                            .text())
                    .contains("0", "1 to 1000");
            assertThat(refused(client, new PoisonCommand.ListParked(client.nextId(), "g", "", 1, "x/1/2/y"))
                            .text())
                    .contains("x/1/2/y");
        }
    }
}
