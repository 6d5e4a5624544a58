package io.forebay.node;

import static org.assertj.core.api.Assertions.assertThat;

import akka.actor.testkit.typed.javadsl.TestProbe;
import akka.actor.typed.ActorRefResolver;
import io.forebay.protocol.Changed;
import io.forebay.protocol.DeadLetterFilter;
import io.forebay.protocol.Delivery;
import io.forebay.protocol.Durability;
import io.forebay.protocol.LookReply;
import io.forebay.protocol.Message;
import io.forebay.protocol.PoisonCommand;
import io.forebay.protocol.PoisonReply;
import io.forebay.protocol.QueueDescription;
import io.forebay.protocol.Receipt;
import io.forebay.protocol.RedrivenLetter;
import io.forebay.protocol.Refusal;
import io.forebay.protocol.SessionCommand;
import io.forebay.protocol.SessionEvent;
import io.forebay.protocol.StoredMessage;
import io.forebay.queue.GroupQueue;
import io.forebay.queue.Queue;
import io.forebay.storage.log.MessageRecord;
import io.forebay.testkit.faults.MemoryDisk;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.awaitility.Awaitility;
import org.junit.jupiter.api.Test;

/**
 * Dead letters go back: I1 none is lost and I2 none is there twice, whenever the node dies; I3 order per key and per queue.
 */
class RedriveTest {
    private static final long LONG = 60_000;
    private static final Map<String, String> FRAGILE = Map.of("max-attempts", "1", "retry-backoff", "none");

    private static void create(NodeFixture.Client client, String topic, int queues) {
        client.tell(new SessionCommand.CreateTopic(client.nextId(), topic, queues, Map.of()));
        client.expect(SessionEvent.TopicCreated.class);
    }

    private static void create(NodeFixture.Client client, String topic, String group, Map<String, String> settings) {
        client.tell(new SessionCommand.CreateGroup(client.nextId(), group, topic, settings));
        client.expect(SessionEvent.GroupCreated.class);
    }

    /** Messages with keys {@code k0} to {@code k4} in turn, or without. */
    private static void send(NodeFixture.Client client, String topic, String prefix, int count, boolean isKeyed) {
        List<Message> messages = new ArrayList<>();
        for (int i = 0; i < count; i++) {
            messages.add(Message.builder(topic)
                    .id(prefix + i)
                    .body((prefix + i).getBytes(StandardCharsets.UTF_8))
                    .messageGroup(isKeyed ? "k" + i % 5 : "")
                    .tag("tag" + i % 3)
                    .keys(List.of("key" + i, "other key"))
                    .property("number", Integer.toString(i))
                    .bornMillis(1_000_000 + i)
                    .build());
        }
        assertThat(client.trySend(topic, messages, Durability.WRITTEN)).allMatch(Receipt.class::isInstance);
    }

    private static void fail(NodeFixture.Client client, String topic, String group, int count, String reason) {
        List<Delivery> all = client.popAll(topic, group, count, LONG);
        client.tell(
                new SessionCommand.ChangeInvisible(client.nextId(), group, NodeFixture.handles(all), 0, true, reason));
        assertThat(client.expect(SessionEvent.ChangeReply.class).results()).allMatch(Changed.class::isInstance);
    }

    private static List<StoredMessage> letters(NodeFixture.Client client, String group, DeadLetterFilter filter) {
        List<StoredMessage> all = new ArrayList<>();
        String cursor = "";
        do {
            client.tell(new PoisonCommand.ListLetters(client.nextId(), group, filter, 7, 1 << 20, cursor));
            LookReply.MessagePage page = client.expect(LookReply.MessagePage.class);
            assertThat(page.notes()).isEmpty();
            all.addAll(page.messages());
            cursor = page.cursor();
        } while (!cursor.isEmpty());
        return all;
    }

    private static List<StoredMessage> awaitLetters(NodeFixture.Client client, String group, int count) {
        return Awaitility.await(count + " dead letters")
                .until(() -> letters(client, group, DeadLetterFilter.ALL), found -> found.size() == count);
    }

    /** Page after page, up to so many letters. */
    private static List<RedrivenLetter> redrive(
            NodeFixture.Client client, String group, DeadLetterFilter filter, String to, int limit, boolean isDryRun) {
        List<RedrivenLetter> all = new ArrayList<>();
        String cursor = "";
        do {
            client.tell(new PoisonCommand.Redrive(
                    client.nextId(), group, filter, to, Math.min(10, limit - all.size()), isDryRun, cursor));
            PoisonReply.Redriven page = client.expect(PoisonReply.Redriven.class);
            assertThat(page.notes()).isEmpty();
            all.addAll(page.letters());
            cursor = page.cursor();
        } while (!cursor.isEmpty() && all.size() < limit);
        return all;
    }

    private static List<RedrivenLetter> redrive(NodeFixture.Client client, String group) {
        return redrive(client, group, DeadLetterFilter.ALL, "", Integer.MAX_VALUE, false);
    }

    private static Refusal refused(NodeFixture.Client client, PoisonCommand command) {
        client.tell(command);
        return client.expect(SessionEvent.Refused.class).refusal();
    }

    private static List<String> ids(List<StoredMessage> letters) {
        return letters.stream().map(letter -> letter.message().id()).toList();
    }

    private static List<String> redrivenIds(List<RedrivenLetter> letters) {
        return letters.stream().map(RedrivenLetter::messageId).toList();
    }

    /** I3: of each key, and of each queue that they came from, in the order of their numbers. */
    private static void assertOrdered(List<Delivery> deliveries, boolean isSameQueues) {
        Map<String, Integer> last = new HashMap<>();
        for (Delivery delivery : deliveries) {
            int number = Integer.parseInt(delivery.message().properties().get("number"));
            for (String line : List.of(
                    "key " + delivery.message().messageGroup(),
                    isSameQueues
                            ? "queue " + delivery.queue()
                            : "id " + delivery.message().id())) {
                Integer before = last.put(line, number);
                assertThat(before == null || before < number)
                        .as("I3: %s, %s before %s", line, before, number)
                        .isTrue();
            }
        }
    }

    @Test
    void lettersGoBackWhereTheyCameFromWithEverythingTheyHad() {
        MemoryDisk disk = new MemoryDisk();
        try (NodeFixture node = NodeFixture.inMemory(disk, "")) {
            NodeFixture.Client client = node.open();
            create(client, "t", 4);
            create(client, "t", "g", FRAGILE);
            send(client, "t", "m", 30, true);
            Map<String, Integer> queues = new HashMap<>();
            Map<String, Delivery> before = new HashMap<>();
            List<Delivery> all = client.popAll("t", "g", 30, LONG);
            all.forEach(delivery -> {
                queues.put(delivery.message().id(), delivery.queue());
                before.put(delivery.message().id(), delivery);
            });
            client.tell(new SessionCommand.ChangeInvisible(
                    client.nextId(), "g", NodeFixture.handles(all), 0, true, "no room"));
            client.expect(SessionEvent.ChangeReply.class);
            List<StoredMessage> letters = awaitLetters(client, "g", 30);
            assertThat(letters.get(3).message().properties())
                    .containsEntry("dead-letter.reason", "no room")
                    .containsEntry("dead-letter.topic", "t");

            List<RedrivenLetter> dry = redrive(client, "g", DeadLetterFilter.ALL, "", 1000, true);
            assertThat(redrivenIds(dry)).isEqualTo(ids(letters));
            assertThat(dry).allSatisfy(letter -> {
                assertThat(letter.toTopic()).isEqualTo("t");
                assertThat(letter.toQueue()).isEqualTo(queues.get(letter.messageId()));
            });
            assertThat(letters(client, "g", DeadLetterFilter.ALL)).isEqualTo(letters);
            assertThat(client.pop("t", "g", 10, LONG, 0))
                    .as("a dry run moves nothing")
                    .isEmpty();

            assertThat(redrive(client, "g")).isEqualTo(dry);
            assertThat(letters(client, "g", DeadLetterFilter.ALL)).isEmpty();
            List<Delivery> again = client.popAll("t", "g", 30, LONG);
            assertOrdered(again, true);
            for (Delivery delivery : again) {
                Message message = delivery.message();
                Message first = before.get(message.id()).message();
                assertThat(delivery.queue()).as("its key's queue").isEqualTo(queues.get(message.id()));
                assertThat(delivery.attempt()).isEqualTo(1);
                assertThat(message.body()).isEqualTo(first.body());
                assertThat(message.tag()).isEqualTo(first.tag());
                assertThat(message.keys()).isEqualTo(first.keys());
                assertThat(message.messageGroup()).isEqualTo(first.messageGroup());
                assertThat(message.bornMillis()).isEqualTo(first.bornMillis());
                assertThat(message.properties())
                        .containsAllEntriesOf(first.properties())
                        .containsEntry("redriven.count", "1")
                        .containsEntry("redriven.group", "g")
                        .containsEntry("redriven.reason", "no room")
                        .containsKey("redriven.from")
                        .doesNotContainKey("dead-letter.topic");
            }
            client.ack("g", NodeFixture.handles(again.subList(1, 30)));
            client.tell(new SessionCommand.ChangeInvisible(
                    client.nextId(), "g", NodeFixture.handles(again.subList(0, 1)), 0, true, "again"));
            client.expect(SessionEvent.ChangeReply.class);
            StoredMessage second = awaitLetters(client, "g", 1).get(0);
            assertThat(second.message().properties())
                    .containsEntry("dead-letter.reason", "again")
                    .containsEntry("redriven.count", "1");
            assertThat(redrive(client, "g")).hasSize(1);
            assertThat(client.popAll("t", "g", 1, LONG).get(0).message().properties())
                    .containsEntry("redriven.count", "2");
            disk = node.kill();
        }
        try (NodeFixture node = NodeFixture.inMemory(disk, "")) {
            NodeFixture.Client client = node.open();
            assertThat(letters(client, "g", DeadLetterFilter.ALL)).isEmpty();
            assertThat(redrive(client, "g")).isEmpty();
            assertThat(client.pop("t", "g", 10, LONG, 0)).as("I4").isEmpty();
        }
    }

    @Test
    void whatIsNotSelectedStays() {
        try (NodeFixture node = NodeFixture.inMemory()) {
            NodeFixture.Client client = node.open();
            create(client, "a", 1);
            create(client, "b", 1);
            create(client, "c", 2);
            create(client, "a", "g", FRAGILE);
            create(client, "b", "g", Map.of());
            create(client, "c", "reader", Map.of());
            send(client, "a", "a", 10, false);
            send(client, "b", "b", 10, false);
            fail(client, "a", "g", 10, "Does not parse");
            fail(client, "b", "g", 10, "no room");
            List<StoredMessage> all = awaitLetters(client, "g", 20);
            DeadLetterFilter ofA = DeadLetterFilter.ALL.withTopic("a");
            assertThat(ids(letters(client, "g", ofA)))
                    .allMatch(id -> id.startsWith("a"))
                    .hasSize(10);
            assertThat(letters(client, "g", DeadLetterFilter.ALL.withReason("ROOM")))
                    .hasSize(10);
            long firstMillis = all.get(0).storedMillis();
            long lastMillis = all.get(19).storedMillis();
            assertThat(letters(client, "g", DeadLetterFilter.ALL.withTime(firstMillis, lastMillis + 1)))
                    .hasSize(20);
            assertThat(letters(client, "g", DeadLetterFilter.ALL.withTime(lastMillis + 1, -1)))
                    .isEmpty();
            assertThat(letters(client, "g", DeadLetterFilter.ALL.withTime(-1, firstMillis)))
                    .isEmpty();

            List<RedrivenLetter> some = redrive(client, "g", DeadLetterFilter.ALL.withReason("room"), "c", 3, false);
            assertThat(redrivenIds(some)).containsExactly("b0", "b1", "b2");
            List<Delivery> inC = client.popAll("c", "reader", 3, LONG);
            assertThat(inC.stream().map(NodeFixture::text)).containsExactly("b0", "b1", "b2");
            assertOrdered(inC, true);
            assertThat(redrive(client, "g", ofA, "", 4, false)).hasSize(4);
            assertThat(ids(letters(client, "g", DeadLetterFilter.ALL)))
                    .hasSize(13)
                    .doesNotContain("b0", "b1", "b2", "a0", "a3")
                    .contains("b3", "a4");
            assertThat(redrive(client, "g")).hasSize(13);
            assertThat(letters(client, "g", DeadLetterFilter.ALL)).isEmpty();
            assertThat(client.popAll("a", "g", 10, LONG)).hasSize(10);
            assertThat(client.popAll("b", "g", 7, LONG)).hasSize(7);
            assertThat(client.pop("b", "g", 7, LONG, 0)).isEmpty();
        }
    }

    @Test
    void whatCannotBeDoneIsRefusedAndMovesNothing() {
        try (NodeFixture node = NodeFixture.inMemory()) {
            NodeFixture.Client client = node.open();
            create(client, "t", 1);
            create(client, "t", "g", FRAGILE);
            assertThat(letters(client, "g", DeadLetterFilter.ALL)).isEmpty();
            assertThat(redrive(client, "g")).isEmpty();
            send(client, "t", "m", 5, false);
            fail(client, "t", "g", 5, "no");
            awaitLetters(client, "g", 5);
            DeadLetterFilter all = DeadLetterFilter.ALL;
            Refusal missing =
                    refused(client, new PoisonCommand.Redrive(client.nextId(), "g", all, "nowhere", 10, false, ""));
            assertThat(missing.code()).isEqualTo(Refusal.Code.UNKNOWN_TOPIC);
            assertThat(missing.text()).contains("node 'forebay-1' has no topic 'nowhere'");
            assertThat(refused(client, new PoisonCommand.Redrive(client.nextId(), "g", all, "%DLQ%g", 10, false, ""))
                            .text())
                    .contains("%DLQ%g");
            assertThat(refused(
                                    client,
                                    new PoisonCommand.Redrive(
                                            client.nextId(), "g", all.withTopic("gone"), "", 10, false, ""))
                            .code())
                    .isEqualTo(Refusal.Code.UNKNOWN_TOPIC);
            assertThat(refused(client, new PoisonCommand.Redrive(client.nextId(), "g", all, "", 0, false, ""))
                            .text())
                    .contains("0", "1 to 1000");
            assertThat(refused(client, new PoisonCommand.Redrive(client.nextId(), "g", all, "", 1, false, "7:1:-2"))
                            .text())
                    .contains("7:1:-2");
            assertThat(refused(client, new PoisonCommand.ListLetters(client.nextId(), "nobody", all, 1, 1, ""))
                            .code())
                    .isEqualTo(Refusal.Code.UNKNOWN_GROUP);
            client.tell(new SessionCommand.CreateGroup(client.nextId(), "%REDRIVE%", "t", Map.of()));
            assertThat(client.expect(SessionEvent.Refused.class).refusal().code())
                    .isEqualTo(Refusal.Code.ILLEGAL_NAME);
            assertThat(letters(client, "g", all)).hasSize(5);

            client.tell(new SessionCommand.DeleteTopic(client.nextId(), "t"));
            client.expect(SessionEvent.Deleted.class);
            client.tell(new PoisonCommand.Redrive(client.nextId(), "g", all, "", 10, false, ""));
            PoisonReply.Redriven stayed = client.expect(PoisonReply.Redriven.class);
            assertThat(stayed.letters()).isEmpty();
            assertThat(stayed.stayedCount()).isEqualTo(5);
            assertThat(stayed.notes()).singleElement().asString().contains("no topic 't'");
        }
    }

    @Test
    void killedRedriveLosesNoLetterAndSendsNoneTwice() {
        redriveUnderKills("", "t", 3);
    }

    /** Half of the keys have their queue in the other stripe than their letters. */
    @Test
    void killedRedriveToOtherStripesLosesNoLetterAndSendsNoneTwice() {
        redriveUnderKills("forebay.storage.stripes = 2", "other", 4);
    }

    /** The node dies when the other stripe has the message and the letter's own does not know it yet. */
    @Test
    void letterThatHadGoneToAnotherStripeBeforeACrashDoesNotGoAgain() {
        MemoryDisk disk = new MemoryDisk();
        String settings = "forebay.storage.stripes = 2";
        // By order of creation: t has queue 1 in stripe 0, the dead letters 2 and 3; groups are g, reader and the
        // node's own.
        int lettersOfStripe1 = 3;
        int own = 3;
        try (NodeFixture node = NodeFixture.inMemory(disk, settings)) {
            NodeFixture.Client client = node.open();
            create(client, "t", 1);
            create(client, "t", "g", FRAGILE);
            send(client, "t", "m", 3, false);
            fail(client, "t", "g", 3, "no");
            awaitLetters(client, "g", 3);
            create(client, "other", 2);
            create(client, "other", "reader", Map.of());
            assertThat(redrivenIds(redrive(client, "g", DeadLetterFilter.ALL, "", 1, false)))
                    .containsExactly("m0");
            client.tell(new SessionCommand.DescribeTopic(client.nextId(), "other"));
            assertThat(client.expect(SessionEvent.TopicDescribed.class).topic().queues())
                    .extracting(QueueDescription::stripe)
                    .containsExactlyInAnyOrder(0, 1);
            TestProbe<Object> answers = TestProbe.create(node.system);
            MessageRecord message = MessageRecord.builder()
                    .id("m1")
                    .body("m1".getBytes(StandardCharsets.UTF_8))
                    .build();
            TestProbe<Queue.Command> queue = TestProbe.create(node.system);
            ActorRefResolver.get(node.system)
                    .<GroupQueue.Command>resolveActorRef(
                            "akka://node-test/system/forebay-registry/group-" + lettersOfStripe1 + "-" + own)
                    .tell(new GroupQueue.ReceiveLetters(
                            2,
                            0,
                            List.of(new GroupQueue.Received(1, message, 4, queue.getRef())),
                            answers.getRef(),
                            answers.getRef()));
            answers.expectMessage(NodeFixture.PATIENCE, new GroupQueue.LettersReceived(lettersOfStripe1));
            disk = node.kill();
        }
        for (int life = 0; life < 2; life++) {
            try (NodeFixture node = NodeFixture.inMemory(disk, settings)) {
                NodeFixture.Client client = node.open();
                assertThat(ids(letters(client, "g", DeadLetterFilter.ALL)))
                        .containsExactlyElementsOf(life == 0 ? List.of("m2") : List.of());
                assertThat(redrivenIds(redrive(client, "g")))
                        .as("m1 has gone elsewhere, and does not go to its own topic as well")
                        .containsExactlyElementsOf(life == 0 ? List.of("m2") : List.of());
                if (life == 0) {
                    assertThat(client.popAll("t", "g", 2, LONG).stream().map(NodeFixture::text))
                            .containsExactly("m0", "m2");
                } else {
                    assertThat(client.pop("t", "g", 10, LONG, 0)).isEmpty();
                }
                disk = node.kill();
            }
        }
    }

    private static void redriveUnderKills(String settings, String target, int queues) {
        int count = 60;
        String to = target.equals("t") ? "" : target;
        MemoryDisk disk = new MemoryDisk();
        try (NodeFixture node = NodeFixture.inMemory(disk, settings)) {
            NodeFixture.Client client = node.open();
            create(client, "t", 3);
            create(client, "t", "g", FRAGILE);
            if (!target.equals("t")) {
                create(client, target, queues);
            }
            create(client, target, "witness", Map.of());
            send(client, "t", "m", count, true);
            if (target.equals("t")) {
                client.ack("witness", NodeFixture.handles(client.popAll("t", "witness", count, LONG)));
            }
            fail(client, "t", "g", count, "no");
            awaitLetters(client, "g", count);
            disk = node.kill();
        }
        // Killed with pages on their way, none of them answered or some; letters are left even if all of these are
        // moved.
        for (int life = 0; life < 4; life++) {
            try (NodeFixture node = NodeFixture.inMemory(disk, settings)) {
                NodeFixture.Client client = node.open();
                for (int page = 0; page < 4; page++) {
                    client.tell(
                            new PoisonCommand.Redrive(client.nextId(), "g", DeadLetterFilter.ALL, to, 3, false, ""));
                }
                for (int page = 0; page < life; page++) {
                    client.expect(PoisonReply.Redriven.class);
                }
                disk = node.kill();
            }
        }
        try (NodeFixture node = NodeFixture.inMemory(disk, settings)) {
            NodeFixture.Client client = node.open();
            assertThat(letters(client, "g", DeadLetterFilter.ALL))
                    .as("killed in the middle")
                    .isNotEmpty();
            redrive(client, "g", DeadLetterFilter.ALL, to, Integer.MAX_VALUE, false);
            List<Delivery> again = client.popAll(target, "witness", count, LONG);
            assertOrdered(again, to.isEmpty());
            Set<String> ids = new HashSet<>();
            again.forEach(delivery -> ids.add(delivery.message().id()));
            assertThat(ids).as("I1").hasSize(count);
            assertThat(client.pop(target, "witness", 10, LONG, 0))
                    .as("I2: none twice")
                    .isEmpty();
            assertThat(letters(client, "g", DeadLetterFilter.ALL)).isEmpty();
        }
    }
}
