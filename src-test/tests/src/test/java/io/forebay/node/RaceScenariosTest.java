package io.forebay.node;

import static org.assertj.core.api.Assertions.assertThat;

import io.forebay.protocol.AckOutcome;
import io.forebay.protocol.AckResult;
import io.forebay.protocol.ChangeResult;
import io.forebay.protocol.Changed;
import io.forebay.protocol.Delivery;
import io.forebay.protocol.Durability;
import io.forebay.protocol.LookCommand;
import io.forebay.protocol.LookReply;
import io.forebay.protocol.Message;
import io.forebay.protocol.QueuePurge;
import io.forebay.protocol.QueueSeek;
import io.forebay.protocol.ReceiptHandle;
import io.forebay.protocol.Refusal;
import io.forebay.protocol.SeekPlace;
import io.forebay.protocol.SessionCommand;
import io.forebay.protocol.SessionEvent;
import io.forebay.testkit.faults.MemoryDisk;
import io.forebay.testkit.sim.SeededRun;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.random.RandomGenerator;
import java.util.stream.LongStream;
import org.junit.jupiter.api.Test;

/**
 * Two things that happen in the same moment, in every order in which the node's actors could come to do them: I4 what is acked
 * stays away, I5 nothing is out twice, I6 attempts. Each race has to have had every winner that it can have.
 */
class RaceScenariosTest {
    private static final long SHORT = 100;
    private static final long HOUR = 3_600_000;
    private static final int ROUNDS = 300;

    /** A node with a topic of one queue, and what came out of its races. */
    private static final class Arena {
        final RandomGenerator random;
        final SteppedNode node;
        final Map<String, Integer> outcomes = new TreeMap<>();
        private long lastSession;

        Arena(RandomGenerator random) {
            this.random = random;
            node = SteppedNode.start(
                    new MemoryDisk(),
                    "forebay.topic { max-age = 0 s, retention-grace = 1 d }",
                    new NodeFixture.VirtualTime(),
                    random);
            SteppedNode.Client client = open();
            client.createTopic("t", 1, Map.of());
            client.createGroup("g", "t", Map.of("retry-backoff", "none", "max-attempts", "0"));
        }

        SteppedNode.Client open() {
            return node.open(++lastSession);
        }

        /** Begins all of it in any order, and somewhere in the middle of each other. */
        void race(Runnable... contestants) {
            List<Runnable> order = new ArrayList<>(List.of(contestants));
            Collections.shuffle(order, new Random(random.nextLong()));
            for (Runnable contestant : order) {
                contestant.run();
                node.run(random.nextInt(12));
            }
            node.runAll();
        }

        void saw(String outcome) {
            outcomes.merge(outcome, 1, Integer::sum);
        }

        Delivery sendAndPop(SteppedNode.Client client, String text, long invisibleMillis) {
            send(client, text);
            List<Delivery> deliveries = client.pop("t", "g", 1, invisibleMillis);
            assertThat(deliveries).hasSize(1);
            assertThat(NodeFixture.text(deliveries.get(0))).isEqualTo(text);
            return deliveries.get(0);
        }

        void send(SteppedNode.Client client, String text) {
            client.send("t", List.of(message(text)), Durability.WRITTEN);
        }

        static Message message(String text) {
            return Message.of("t", text.getBytes(StandardCharsets.UTF_8));
        }
    }

    private interface Round {
        void run(Arena arena, int number);
    }

    private static void race(String name, Round round, String... outcomes) {
        SteppedNode.alone(() -> SeededRun.run(name, (random, progress) -> {
            Arena arena = new Arena(random);
            for (int i = 0; i < ROUNDS; i++) {
                progress.at(i);
                round.run(arena, i);
            }
            System.out.println(name + ": " + arena.outcomes);
            assertThat(arena.outcomes.keySet()).as("who can win").containsExactlyInAnyOrder(outcomes);
            arena.node.gone();
        }));
    }

    private static SessionCommand.Ack ackOf(SteppedNode.Client client, Delivery delivery) {
        return new SessionCommand.Ack(client.nextId(), "g", List.of(delivery.handle()), Durability.WRITTEN);
    }

    private static AckResult acked(SteppedNode.Client client) {
        return client.expect(SessionEvent.AckReply.class).results().get(0);
    }

    private static Refusal.Code code(Object result) {
        return ((Refusal) result).code();
    }

    /** What the group has left, with its attempts; nothing of it any more afterwards. */
    private static List<String> rest(Arena arena, SteppedNode.Client client) {
        List<Delivery> left = client.popAll("t", "g", 10, HOUR);
        if (!left.isEmpty()) {
            assertThat(client.ack("g", left, Durability.WRITTEN).results()).containsOnly(AckOutcome.ACKED);
        }
        assertThat(client.describe("g", "t").depth()).isZero();
        return left.stream()
                .map(delivery -> NodeFixture.text(delivery) + "/" + delivery.attempt())
                .toList();
    }

    @Test
    void ackAndDeadline() {
        race(
                "ack against deadline",
                (arena, number) -> {
                    SteppedNode.Client client = arena.open();
                    SteppedNode.Client other = arena.open();
                    Delivery delivery = arena.sendAndPop(client, "m" + number, SHORT);
                    other.tell(new SessionCommand.Pop(other.nextId(), "t", "g", 5, 1000, HOUR, SHORT + 50));
                    // It waits already when the time begins to pass.
                    arena.node.runAll();
                    arena.race(() -> client.tell(ackOf(client, delivery)), () -> arena.node.passOnly(SHORT));
                    AckResult result = acked(client);
                    arena.node.pass(SHORT);
                    List<Delivery> got = other.expect(SessionEvent.Popped.class).deliveries();
                    if (result == AckOutcome.ACKED) {
                        assertThat(got).as("I4").isEmpty();
                        arena.saw("acked");
                    } else {
                        assertThat(code(result)).isEqualTo(Refusal.Code.STALE_HANDLE);
                        assertThat(got).as("I5").hasSize(1);
                        assertThat(got.get(0).attempt()).as("I6").isEqualTo(2);
                        assertThat(other.ack("g", got, Durability.WRITTEN).results())
                                .containsOnly(AckOutcome.ACKED);
                        arena.saw("gone out again");
                    }
                    assertThat(rest(arena, client)).isEmpty();
                },
                "acked",
                "gone out again");
    }

    @Test
    void ackOfOneConsumerAndPopOfAnother() {
        race(
                "ack against the next Pop",
                (arena, number) -> {
                    SteppedNode.Client client = arena.open();
                    SteppedNode.Client other = arena.open();
                    Delivery delivery = arena.sendAndPop(client, "m" + number, SHORT);
                    arena.node.pass(SHORT);
                    arena.race(
                            () -> client.tell(ackOf(client, delivery)),
                            () -> other.tell(new SessionCommand.Pop(other.nextId(), "t", "g", 5, 1000, HOUR, 0)));
                    AckResult result = acked(client);
                    List<Delivery> got = other.expect(SessionEvent.Popped.class).deliveries();
                    assertThat(got).as("I4, I5").hasSize(result == AckOutcome.ACKED ? 0 : 1);
                    if (result != AckOutcome.ACKED) {
                        assertThat(code(result)).isEqualTo(Refusal.Code.STALE_HANDLE);
                        assertThat(other.ack("g", got, Durability.WRITTEN).results())
                                .containsOnly(AckOutcome.ACKED);
                        assertThat(client.ack("g", List.of(delivery), Durability.WRITTEN)
                                        .results())
                                .containsOnly(AckOutcome.ALREADY_SETTLED);
                    }
                    arena.saw(result == AckOutcome.ACKED ? "acked" : "popped again");
                    assertThat(rest(arena, client)).isEmpty();
                },
                "acked",
                "popped again");
    }

    @Test
    void changeOfInvisibilityAndAck() {
        race(
                "change against ack",
                (arena, number) -> {
                    SteppedNode.Client acker = arena.open();
                    SteppedNode.Client changer = arena.open();
                    SteppedNode.Client third = arena.open();
                    Delivery delivery = arena.sendAndPop(acker, "m" + number, HOUR);
                    boolean isNack = number % 2 == 0;
                    List<ReceiptHandle> handles = List.of(delivery.handle());
                    arena.race(
                            () -> acker.tell(ackOf(acker, delivery)),
                            () -> changer.tell(new SessionCommand.ChangeInvisible(
                                    changer.nextId(), "g", handles, isNack ? 0 : SHORT, isNack, "")),
                            () -> third.tell(new SessionCommand.Pop(third.nextId(), "t", "g", 5, 1000, HOUR, SHORT)));
                    AckResult acked = acked(acker);
                    ChangeResult changed = changer.expect(SessionEvent.ChangeReply.class)
                            .results()
                            .get(0);
                    arena.node.pass(SHORT);
                    List<Delivery> got = third.expect(SessionEvent.Popped.class).deliveries();
                    boolean isAcked = acked == AckOutcome.ACKED;
                    assertThat(got).as("I4, I5").hasSize(isAcked ? 0 : 1);
                    if (!isAcked) {
                        assertThat(code(acked)).isEqualTo(Refusal.Code.STALE_HANDLE);
                        assertThat(isNack && changed instanceof Changed)
                                .as("only a nack takes it away")
                                .isTrue();
                        assertThat(got.get(0).attempt()).as("I6").isEqualTo(2);
                        third.ack("g", got, Durability.WRITTEN);
                    } else if (!(changed instanceof Changed)) {
                        assertThat(code(changed)).isEqualTo(Refusal.Code.STALE_HANDLE);
                    }
                    arena.saw((isNack ? "nack" : "extend")
                            + (isAcked ? ", acked" : ", gone out again")
                            + (changed instanceof Changed ? "" : ", too late to change"));
                    assertThat(rest(arena, acker)).isEmpty();
                },
                "nack, acked",
                "nack, acked, too late to change",
                "nack, gone out again",
                "extend, acked",
                "extend, acked, too late to change");
    }

    @Test
    void messageAndTheEndOfTheLongPollsClient() {
        race(
                "message against the end of a long poll's client",
                (arena, number) -> {
                    SteppedNode.Client gone = arena.open();
                    SteppedNode.Client other = arena.open();
                    gone.tell(new SessionCommand.Pop(gone.nextId(), "t", "g", 5, 1000, HOUR, HOUR / 20));
                    arena.node.runAll();
                    arena.race(
                            gone::vanish,
                            () -> other.tell(new SessionCommand.Send(
                                    other.nextId(), "t", 0, List.of(Arena.message("m" + number)), null)));
                    other.expect(SessionEvent.SendReply.class);
                    // No time passes for it: no deadline and no timeout can bring it back.
                    List<String> left = rest(arena, other);
                    assertThat(left).hasSize(1);
                    arena.saw("attempt " + left.get(0).substring(left.get(0).indexOf('/') + 1));
                },
                "attempt 1",
                "attempt 2");
    }

    @Test
    void ackAndTheEndOfItsConsumer() {
        race(
                "ack against the end of its consumer",
                (arena, number) -> {
                    SteppedNode.Client client = arena.open();
                    SteppedNode.Client other = arena.open();
                    Delivery delivery = arena.sendAndPop(client, "m" + number, HOUR);
                    other.tell(new SessionCommand.Pop(other.nextId(), "t", "g", 5, 1000, HOUR, SHORT));
                    // Said by somebody who has the handle, and is not taken for gone.
                    SteppedNode.Client heir = arena.open();
                    arena.race(client::vanish, () -> heir.tell(ackOf(heir, delivery)));
                    AckResult result = acked(heir);
                    arena.node.pass(SHORT);
                    List<Delivery> got = other.expect(SessionEvent.Popped.class).deliveries();
                    assertThat(got).as("I4, I5").hasSize(result == AckOutcome.ACKED ? 0 : 1);
                    if (result != AckOutcome.ACKED) {
                        assertThat(code(result)).isEqualTo(Refusal.Code.STALE_HANDLE);
                        assertThat(got.get(0).attempt()).as("I6").isEqualTo(2);
                        other.ack("g", got, Durability.WRITTEN);
                    }
                    arena.saw(result == AckOutcome.ACKED ? "acked" : "gone out again");
                    assertThat(rest(arena, other)).isEmpty();
                },
                "acked",
                "gone out again");
    }

    @Test
    void seekBackPopAndAck() {
        race(
                "seek against Pop and ack",
                (arena, number) -> {
                    SteppedNode.Client client = arena.open();
                    SteppedNode.Client acker = arena.open();
                    SteppedNode.Client operator = arena.open();
                    for (int i = 0; i < 6; i++) {
                        arena.send(client, "m" + number + "." + i);
                    }
                    List<Delivery> held = client.pop("t", "g", 3, HOUR);
                    assertThat(held).hasSize(3);
                    long end = held.get(0).queueOffset() + 6;
                    long to = held.get(0).queueOffset() + arena.random.nextInt(3);
                    arena.race(
                            () -> client.tell(new SessionCommand.Pop(client.nextId(), "t", "g", 2, 1000, HOUR, 0)),
                            () -> acker.tell(new SessionCommand.Ack(
                                    acker.nextId(), "g", NodeFixture.handles(held), Durability.WRITTEN)),
                            () -> operator.tell(
                                    new LookCommand.Seek(operator.nextId(), "g", "t", 0, SeekPlace.offset(to), false)));
                    QueueSeek seeked =
                            operator.expect(LookReply.Seeked.class).queues().get(0);
                    assertThat(seeked.refusal()).isNull();
                    assertThat(seeked.toOffset()).isEqualTo(to);
                    AckResult first = acked(acker);
                    List<Delivery> popped =
                            client.expect(SessionEvent.Popped.class).deliveries();
                    // What was popped behind the seek is the consumer's; what was popped before is worth nothing.
                    List<AckResult> results =
                            client.ack("g", popped, Durability.WRITTEN).results();
                    TreeSet<Long> came = new TreeSet<>();
                    for (int i = 0; i < popped.size(); i++) {
                        if (results.get(i) == AckOutcome.ACKED) {
                            came.add(popped.get(i).queueOffset());
                        } else {
                            assertThat(code(results.get(i))).isEqualTo(Refusal.Code.STALE_HANDLE);
                        }
                    }
                    boolean isPoppedBehind = !popped.isEmpty() && results.contains(AckOutcome.ACKED);
                    for (Delivery delivery : client.popAll("t", "g", 10, HOUR)) {
                        assertThat(came.add(delivery.queueOffset()))
                                .as("I5: %d", delivery.queueOffset())
                                .isTrue();
                        assertThat(delivery.attempt()).as("I6: counted anew").isEqualTo(1);
                        client.ack("g", List.of(delivery), Durability.WRITTEN);
                    }
                    assertThat(came.tailSet(to)).as("I1: from the seek on").containsExactlyElementsOf(range(to, end));
                    assertThat(client.describe("g", "t").depth()).isZero();
                    arena.saw((first == AckOutcome.ACKED ? "acked before" : "ack is stale")
                            + (isPoppedBehind ? ", popped behind" : ", popped before"));
                },
                "acked before, popped behind",
                "acked before, popped before",
                "ack is stale, popped behind",
                "ack is stale, popped before");
    }

    @Test
    void purgeAndPop() {
        race(
                "purge against Pop",
                (arena, number) -> {
                    SteppedNode.Client client = arena.open();
                    SteppedNode.Client operator = arena.open();
                    for (int i = 0; i < 6; i++) {
                        arena.send(client, "m" + number + "." + i);
                    }
                    long end = 6L * (number + 1);
                    long below = end - 1 - arena.random.nextInt(5);
                    arena.race(
                            () -> client.tell(new SessionCommand.Pop(client.nextId(), "t", "g", 2, 1000, HOUR, 0)),
                            () -> operator.tell(new LookCommand.Purge(operator.nextId(), "t", "g", 0, below, false)));
                    QueuePurge purged =
                            operator.expect(LookReply.Purged.class).queues().get(0);
                    assertThat(purged.refusal()).isNull();
                    assertThat(purged.belowOffset()).isEqualTo(below);
                    List<Delivery> popped =
                            client.expect(SessionEvent.Popped.class).deliveries();
                    List<AckResult> results =
                            client.ack("g", popped, Durability.WRITTEN).results();
                    TreeSet<Long> came = new TreeSet<>();
                    for (int i = 0; i < popped.size(); i++) {
                        long offset = popped.get(i).queueOffset();
                        assertThat(results.get(i))
                                .isEqualTo(offset < below ? AckOutcome.ALREADY_SETTLED : AckOutcome.ACKED);
                        came.add(offset);
                    }
                    boolean isPoppedFirst = !came.isEmpty() && came.first() < below;
                    for (Delivery delivery : client.popAll("t", "g", 10, HOUR)) {
                        assertThat(delivery.queueOffset()).as("purged").isGreaterThanOrEqualTo(below);
                        assertThat(came.add(delivery.queueOffset())).as("I5").isTrue();
                        client.ack("g", List.of(delivery), Durability.WRITTEN);
                    }
                    assertThat(came.tailSet(below)).as("I1").containsExactlyElementsOf(range(below, end));
                    assertThat(client.describe("g", "t").depth()).isZero();
                    arena.saw(isPoppedFirst ? "popped first" : "purged first");
                },
                "popped first",
                "purged first");
    }

    private static List<Long> range(long from, long to) {
        return LongStream.range(from, to).boxed().toList();
    }
}
