package io.forebay.node;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.tuple;
import static org.awaitility.Awaitility.await;

import io.forebay.protocol.AckOutcome;
import io.forebay.protocol.AckResult;
import io.forebay.protocol.DeadLetterFilter;
import io.forebay.protocol.Delivery;
import io.forebay.protocol.Durability;
import io.forebay.protocol.LookCommand;
import io.forebay.protocol.LookReply;
import io.forebay.protocol.Message;
import io.forebay.protocol.ParkedKey;
import io.forebay.protocol.PoisonCommand;
import io.forebay.protocol.PoisonReply;
import io.forebay.protocol.QueuePurge;
import io.forebay.protocol.QueueSeek;
import io.forebay.protocol.Receipt;
import io.forebay.protocol.Refusal;
import io.forebay.protocol.SeekPlace;
import io.forebay.protocol.SessionCommand;
import io.forebay.protocol.SessionEvent;
import io.forebay.protocol.SettingsScope;
import io.forebay.protocol.UnparkHow;
import io.forebay.testkit.faults.MemoryDisk;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Collections;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.Set;
import java.util.function.Consumer;
import java.util.stream.LongStream;
import org.awaitility.Awaitility;
import org.junit.jupiter.api.Test;

/**
 * Operators who seek, purge and unpark while consumers are at work, before kills and after: what they were answered holds. I3
 * order per key, I4, I5.
 */
class OperatorScenariosTest {
    private static final long INVISIBLE = 30_000;
    private static final long HOUR = 3_600_000;
    private static final String ONE_QUEUE = "forebay.topic.default-queues = 1";

    private final NodeFixture.VirtualTime time = new NodeFixture.VirtualTime();

    private static void seeded(Consumer<Random> test) {
        long seed = Long.getLong("forebay.seed", System.nanoTime());
        try {
            test.accept(new Random(seed));
        } catch (AssertionError e) {
            throw new AssertionError("seed " + seed + ": " + e.getMessage(), e);
        }
    }

    // ---- seek -----------------------------------------------------------------------------------------------------

    @Test
    void seekBackWhileMessagesAreInFlightMakesTheirHandlesStaleAndTheirDeadlinesVoid() {
        MemoryDisk image;
        List<Delivery> before;
        try (NodeFixture node = NodeFixture.inMemory(new MemoryDisk(), ONE_QUEUE, time)) {
            NodeFixture.Client client = node.open();
            client.createGroup("g", "", Map.of("retry-backoff", "none"));
            client.send("t", 30, "m");
            List<Delivery> acked = client.popAll("t", "g", 10, INVISIBLE);
            client.ack("g", NodeFixture.handles(acked));
            before = client.popAll("t", "g", 10, INVISIBLE);
            assertThat(seek(client, SeekPlace.EARLIEST_STORED).toOffset()).isZero();
            assertThat(codes(client.ack("g", NodeFixture.handles(before)))).containsOnly(Refusal.Code.STALE_HANDLE);
            assertThat(client.extend("g", NodeFixture.handles(before), HOUR)).allMatch(Refusal.class::isInstance);
            assertThat(client.nack("g", NodeFixture.handles(before), 0, "")).allMatch(Refusal.class::isInstance);
            image = node.kill();
        }
        try (NodeFixture node = NodeFixture.inMemory(image, ONE_QUEUE, time)) {
            NodeFixture.Client client = node.open();
            assertThat(codes(client.ack("g", NodeFixture.handles(before))))
                    .as("a late ack of before the seek")
                    .containsOnly(Refusal.Code.STALE_HANDLE);
            List<Delivery> again = client.popAll("t", "g", 30, HOUR);
            assertThat(offsets(again)).isEqualTo(range(0, 30));
            assertThat(again).as("I6").allMatch(delivery -> delivery.attempt() == 1);
            node.pass(time, INVISIBLE);
            assertThat(client.pop("t", "g", 30, HOUR, 0))
                    .as("deadlines of before the seek")
                    .isEmpty();
            assertThat(codes(client.ack("g", NodeFixture.handles(before)))).containsOnly(Refusal.Code.STALE_HANDLE);
            assertThat(client.ack("g", NodeFixture.handles(again))).containsOnly(AckOutcome.ACKED);
            assertThat(client.ack("g", NodeFixture.handles(before))).containsOnly(AckOutcome.ALREADY_SETTLED);
        }
    }

    @Test
    void seekToTheEndWhileMessagesAreInFlightEndsThem() {
        try (NodeFixture node = NodeFixture.inMemory(new MemoryDisk(), ONE_QUEUE, time)) {
            NodeFixture.Client client = node.open();
            client.createGroup("g", "", Map.of("retry-backoff", "none"));
            client.send("t", 30, "m");
            List<Delivery> before = client.popAll("t", "g", 10, INVISIBLE);
            client.nack("g", NodeFixture.handles(before.subList(0, 5)), INVISIBLE, "");
            assertThat(seek(client, SeekPlace.LATEST_STORED).toOffset()).isEqualTo(30);
            assertThat(client.ack("g", NodeFixture.handles(before))).containsOnly(AckOutcome.ALREADY_SETTLED);
            node.pass(time, HOUR);
            assertThat(client.pop("t", "g", 30, HOUR, 0)).isEmpty();
            assertThat(client.describe("g", "t").depth()).isZero();
            client.send("t", 1, "new");
            assertThat(offsets(client.popAll("t", "g", 1, HOUR))).containsExactly(30L);
        }
    }

    @Test
    void seeksAndConsumersInTheSameMomentAgreeOnWhatComes() {
        seeded(random -> {
            MemoryDisk disk = new MemoryDisk();
            int sent = 0;
            for (int life = 0; life < 3; life++) {
                try (NodeFixture node = NodeFixture.inMemory(disk, ONE_QUEUE, time)) {
                    NodeFixture.Client consumer = node.open();
                    NodeFixture.Client acker = node.open();
                    NodeFixture.Client operator = node.open();
                    consumer.createTopic("t", 1, Map.of());
                    consumer.createGroup("g", "t", Map.of());
                    consumer.change(
                            SettingsScope.GROUP,
                            "g",
                            Map.of("retry-backoff", "none", "ordered", life == 1 ? "on" : "off"));
                    for (int round = 0; round < 20; round++) {
                        consumer.send("t", 20, "m");
                        sent += 20;
                        seekRound(random, consumer, acker, operator, sent);
                    }
                    disk = node.kill();
                }
            }
        });
    }

    /** What was popped before the seek is worth nothing behind it; what it goes back to comes exactly once. */
    private static void seekRound(
            Random random,
            NodeFixture.Client consumer,
            NodeFixture.Client acker,
            NodeFixture.Client operator,
            int sent) {
        List<Delivery> held = consumer.popAll("t", "g", 5 + random.nextInt(10), HOUR);
        List<Runnable> steps = new ArrayList<>(List.of(
                () -> consumer.tell(new SessionCommand.Pop(consumer.nextId(), "t", "g", 10, 1 << 20, HOUR, 0)),
                () -> acker.tell(
                        new SessionCommand.Ack(acker.nextId(), "g", NodeFixture.handles(held), Durability.WRITTEN)),
                () -> operator.tell(new LookCommand.Seek(
                        operator.nextId(),
                        "g",
                        "t",
                        0,
                        SeekPlace.offset(Math.max(0, sent - random.nextInt(60))),
                        false))));
        Collections.shuffle(steps, random);
        steps.forEach(Runnable::run);
        List<Delivery> popped = consumer.expect(SessionEvent.Popped.class).deliveries();
        acker.expect(SessionEvent.AckReply.class)
                .results()
                .forEach(result -> assertThat(result)
                        .matches(one ->
                                one instanceof AckOutcome || ((Refusal) one).code() == Refusal.Code.STALE_HANDLE));
        QueueSeek seeked = operator.expect(LookReply.Seeked.class).queues().get(0);
        assertThat(seeked.refusal()).isNull();
        List<Long> came = new ArrayList<>();
        List<Delivery> some = popped;
        do {
            List<AckResult> results = consumer.ack("g", NodeFixture.handles(some));
            for (int i = 0; i < some.size(); i++) {
                if (results.get(i) == AckOutcome.ACKED) {
                    came.add(some.get(i).queueOffset());
                } else {
                    assertThat(some)
                            .as("only what was popped beside the seek is stale")
                            .isSameAs(popped);
                }
            }
            some = consumer.pop("t", "g", 50, HOUR, 0);
        } while (!some.isEmpty());
        assertThat(came).as("from the seek on").isEqualTo(range(seeked.toOffset(), sent));
        assertThat(consumer.describe("g", "t").depth()).isZero();
    }

    // ---- purge ----------------------------------------------------------------------------------------------------

    @Test
    void purgeWhilePoppingTakesWhatLiesBelowAndNothingElse() {
        seeded(random -> {
            Set<Long> settled = new HashSet<>();
            long sent = 0;
            long purgedBelow = 0;
            MemoryDisk disk = new MemoryDisk();
            for (int life = 0; life < 2; life++) {
                try (NodeFixture node = NodeFixture.inMemory(disk, ONE_QUEUE, time)) {
                    NodeFixture.Client operator = node.open();
                    List<NodeFixture.Client> consumers = List.of(node.open(), node.open());
                    operator.createTopic("t", 1, Map.of());
                    operator.createGroup("g", "t", Map.of("retry-backoff", "none"));
                    for (int round = 0; round < 40; round++) {
                        operator.send("t", 20, "m");
                        sent += 20;
                        long below = Math.max(0, sent - random.nextInt(60));
                        List<Runnable> steps = new ArrayList<>();
                        consumers.forEach(consumer -> steps.add(() -> consumer.tell(
                                new SessionCommand.Pop(consumer.nextId(), "t", "g", 12, 1 << 20, HOUR, 0))));
                        steps.add(() ->
                                operator.tell(new LookCommand.Purge(operator.nextId(), "t", "g", 0, below, false)));
                        Collections.shuffle(steps, random);
                        steps.forEach(Runnable::run);
                        QueuePurge purged =
                                operator.expect(LookReply.Purged.class).queues().get(0);
                        assertThat(purged.refusal()).isNull();
                        long before = purgedBelow;
                        purgedBelow = Math.max(purgedBelow, purged.belowOffset());
                        for (NodeFixture.Client consumer : consumers) {
                            List<Delivery> some =
                                    consumer.expect(SessionEvent.Popped.class).deliveries();
                            List<AckResult> results = consumer.ack("g", NodeFixture.handles(some));
                            for (int i = 0; i < some.size(); i++) {
                                long offset = some.get(i).queueOffset();
                                assertThat(offset).as("purged before").isGreaterThanOrEqualTo(before);
                                assertThat(results.get(i))
                                        .as("offset %d, purged below %d", offset, purgedBelow)
                                        .isEqualTo(
                                                offset < purgedBelow ? AckOutcome.ALREADY_SETTLED : AckOutcome.ACKED);
                                assertThat(settled.add(offset)).as("I5").isTrue();
                            }
                        }
                    }
                    disk = node.kill();
                }
            }
            try (NodeFixture node = NodeFixture.inMemory(disk, ONE_QUEUE, time)) {
                NodeFixture.Client client = node.open();
                for (List<Delivery> some = client.pop("t", "g", 50, HOUR, 0);
                        !some.isEmpty();
                        some = client.pop("t", "g", 50, HOUR, 0)) {
                    some.forEach(delivery -> assertThat(settled.add(delivery.queueOffset()))
                            .as("I4: offset %d", delivery.queueOffset())
                            .isTrue());
                }
                long first = purgedBelow;
                assertThat(settled).as("I1").containsAll(range(first, sent));
            }
        });
    }

    // ---- parked keys ----------------------------------------------------------------------------------------------

    @Test
    void parkedKeysStayParkedOverAKillAndGoOnInOrderHoweverTheyAreLetGo() {
        Map<String, String> settings =
                Map.of("ordered", "on", "poison", "park", "max-attempts", "2", "retry-backoff", "none");
        List<String> keys = List.of("retry", "drop", "letter");
        MemoryDisk image;
        try (NodeFixture node = NodeFixture.inMemory(new MemoryDisk(), ONE_QUEUE, time)) {
            NodeFixture.Client client = node.open();
            client.createGroup("g", "", settings);
            keys.forEach(key -> sendKeyed(client, key, 0, 3));
            for (int attempt = 1; attempt <= 2; attempt++) {
                List<Delivery> firsts = client.popAll("t", "g", 3, HOUR);
                assertThat(firsts)
                        .allMatch(delivery -> NodeFixture.text(delivery).endsWith("0"));
                client.nack("g", NodeFixture.handles(firsts), 0, "broken");
            }
            assertThat(client.pop("t", "g", 10, HOUR, 0)).isEmpty();
            // Parking is a step of its own behind the last attempt.
            Awaitility.await()
                    .atMost(NodeFixture.PATIENCE)
                    .untilAsserted(() ->
                            assertThat(client.describe("g", "t").parkedKeys()).isEqualTo(3));
            image = node.kill();
        }
        for (int life = 0; life < 2; life++) {
            try (NodeFixture node = NodeFixture.inMemory(image, ONE_QUEUE, time)) {
                NodeFixture.Client client = node.open();
                keys.forEach(key -> sendKeyed(client, key, 3, 4));
                client.describe("g", "t");
                node.pass(time, 10 * HOUR);
                assertThat(client.pop("t", "g", 10, HOUR, 0)).as("parked still").isEmpty();
                List<ParkedKey> parked = client.ask(
                                id -> new PoisonCommand.ListParked(id, "g", "t", 10, ""), PoisonReply.ParkedPage.class)
                        .keys();
                assertThat(parked)
                        .extracting(ParkedKey::messageGroup, ParkedKey::attempts, ParkedKey::reason)
                        .containsExactly(
                                tuple("retry", 2, "broken"), tuple("drop", 2, "broken"), tuple("letter", 2, "broken"));
                if (life == 0) {
                    image = node.kill();
                    continue;
                }
                unpark(client, "retry", UnparkHow.RETRY);
                unpark(client, "drop", UnparkHow.DROP);
                unpark(client, "letter", UnparkHow.DEAD_LETTER);
                image = node.kill();
            }
        }
        try (NodeFixture node = NodeFixture.inMemory(image, ONE_QUEUE, time)) {
            NodeFixture.Client client = node.open();
            Map<String, List<String>> order = new HashMap<>();
            int wanted = 5 + 4 + 4;
            while (wanted > 0) {
                // Ended by a message alone: no time passes.
                List<Delivery> some = client.pop("t", "g", 10, HOUR, 500);
                wanted -= some.size();
                for (Delivery delivery : some) {
                    assertThat(delivery.attempt()).as("I6: counted anew").isEqualTo(1);
                    order.computeIfAbsent(delivery.message().messageGroup(), key -> new ArrayList<>())
                            .add(NodeFixture.text(delivery));
                }
                client.ack("g", NodeFixture.handles(some));
            }
            assertThat(client.pop("t", "g", 10, HOUR, 0)).isEmpty();
            assertThat(order)
                    .as("I3")
                    .containsEntry("retry", List.of("retry0", "retry1", "retry2", "retry3", "retry3"))
                    .containsEntry("drop", List.of("drop1", "drop2", "drop3", "drop3"))
                    .containsEntry("letter", List.of("letter1", "letter2", "letter3", "letter3"));
            assertThat(NodeFixture.text(
                            client.popAll("%DLQ%g", "undertaker", 1, HOUR).get(0)))
                    .isEqualTo("letter0");
            assertThat(client.pop("%DLQ%g", "undertaker", 1, HOUR, 0)).isEmpty();
            assertThat(client.describe("g", "t").depth()).isZero();
        }
    }

    private static void unpark(NodeFixture.Client client, String key, UnparkHow how) {
        assertThat(client.ask(id -> new PoisonCommand.Unpark(id, "g", "t", key, how), PoisonReply.Unparked.class)
                        .count())
                .isEqualTo(1);
    }

    private static void sendKeyed(NodeFixture.Client client, String key, int from, int to) {
        List<Message> messages = new ArrayList<>();
        for (int i = from; i < to; i++) {
            messages.add(Message.builder("t")
                    .body((key + i).getBytes(StandardCharsets.UTF_8))
                    .messageGroup(key)
                    .build());
        }
        assertThat(client.trySend("t", messages, Durability.WRITTEN)).allMatch(Receipt.class::isInstance);
    }

    // ---- dead letters ---------------------------------------------------------------------------------------------

    /**
     * I1, I2: what fails behind the deletion is a letter, once, and still one after a kill; what failed before, or meanwhile, is one at
     * most, or went with the topic.
     */
    @Test
    void deadLetterTopicThatIsDeletedUnderwayLosesNoneOfThoseThatComeBehind() {
        MemoryDisk image;
        int perRound = 40;
        int rounds = 6;
        List<String> letters = List.of();
        try (NodeFixture node = NodeFixture.inMemory(new MemoryDisk(), ONE_QUEUE, time)) {
            NodeFixture.Client client = node.open();
            NodeFixture.Client operator = node.open();
            client.createGroup("g", "", Map.of("max-attempts", "1", "retry-backoff", "none"));
            for (int round = 0; round < rounds; round++) {
                client.send("t", perRound, "m" + round + "-");
                client.send("t", perRound, "behind" + round + "-");
                List<Delivery> all = client.popAll("t", "g", 2 * perRound, HOUR);
                // While they die; what lies in the topic then goes with it.
                client.tell(dead(client, all.subList(0, perRound)));
                operator.tell(new SessionCommand.DeleteTopic(operator.nextId(), "%DLQ%g"));
                assertThat(operator.expect(SessionEvent.Reply.class))
                        .isInstanceOf(round == 0 ? SessionEvent.Reply.class : SessionEvent.Deleted.class);
                client.tell(dead(client, all.subList(perRound, 2 * perRound)));
                client.expect(SessionEvent.ChangeReply.class);
                client.expect(SessionEvent.ChangeReply.class);
                await().until(() -> {
                    node.pass(time, 200);
                    return client.describe("g", "t").depth() == 0;
                });
                // The queue of the letters learns of them a message later than the group that has settled them.
                List<String> behind = texts(all.subList(perRound, 2 * perRound));
                await("the letters of round " + round).until(() -> letters(client), found -> found.containsAll(behind));
                letters = letters(client);
                assertThat(letters)
                        .as("round %s", round)
                        .doesNotHaveDuplicates()
                        .isSubsetOf(texts(all))
                        .containsAll(behind);
            }
            image = node.kill();
        }
        try (NodeFixture node = NodeFixture.inMemory(image, ONE_QUEUE, time)) {
            NodeFixture.Client client = node.open();
            node.pass(time, HOUR);
            assertThat(letters(client)).isEqualTo(letters);
            assertThat(texts(client.popAll("%DLQ%g", "undertaker", letters.size(), HOUR)))
                    .containsExactlyInAnyOrderElementsOf(letters);
            assertThat(client.pop("%DLQ%g", "undertaker", 10, HOUR, 0)).isEmpty();
            assertThat(client.pop("t", "g", 10, HOUR, 0)).isEmpty();
        }
    }

    private static SessionCommand.ChangeInvisible dead(NodeFixture.Client client, List<Delivery> deliveries) {
        return new SessionCommand.ChangeInvisible(client.nextId(), "g", NodeFixture.handles(deliveries), 0, true, "no");
    }

    private static List<String> texts(List<Delivery> deliveries) {
        return deliveries.stream().map(NodeFixture::text).toList();
    }

    /** Bodies of all there are, in order of queue and offset. */
    private static List<String> letters(NodeFixture.Client client) {
        List<String> texts = new ArrayList<>();
        String cursor = "";
        do {
            String from = cursor;
            LookReply.MessagePage page = client.ask(
                    id -> new PoisonCommand.ListLetters(id, "g", DeadLetterFilter.ALL, 100, 1 << 20, from),
                    LookReply.MessagePage.class);
            assertThat(page.notes()).isEmpty();
            page.messages()
                    .forEach(letter -> texts.add(new String(letter.message().body(), StandardCharsets.UTF_8)));
            cursor = page.cursor();
        } while (!cursor.isEmpty());
        return texts;
    }

    // ---- helpers --------------------------------------------------------------------------------------------------

    private static QueueSeek seek(NodeFixture.Client client, SeekPlace place) {
        QueueSeek seeked = client.ask(id -> new LookCommand.Seek(id, "g", "t", 0, place, false), LookReply.Seeked.class)
                .queues()
                .get(0);
        assertThat(seeked.refusal()).isNull();
        return seeked;
    }

    private static List<Long> offsets(List<Delivery> deliveries) {
        return deliveries.stream().map(Delivery::queueOffset).sorted().toList();
    }

    private static List<Long> range(long from, long to) {
        return LongStream.range(from, to).boxed().toList();
    }

    private static List<Refusal.Code> codes(List<AckResult> results) {
        return results.stream().map(result -> ((Refusal) result).code()).toList();
    }
}
