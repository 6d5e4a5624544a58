package io.forebay.node;

import static org.assertj.core.api.Assertions.assertThat;

import io.forebay.protocol.AckOutcome;
import io.forebay.protocol.AckResult;
import io.forebay.protocol.ChangeResult;
import io.forebay.protocol.Changed;
import io.forebay.protocol.Delivery;
import io.forebay.protocol.Durability;
import io.forebay.protocol.GiveBackOutcome;
import io.forebay.protocol.GroupDescription;
import io.forebay.protocol.LookCommand;
import io.forebay.protocol.LookReply;
import io.forebay.protocol.Message;
import io.forebay.protocol.QueuePurge;
import io.forebay.protocol.QueueSeek;
import io.forebay.protocol.Receipt;
import io.forebay.protocol.ReceiptHandle;
import io.forebay.protocol.Refusal;
import io.forebay.protocol.SeekPlace;
import io.forebay.protocol.SessionCommand;
import io.forebay.protocol.SessionEvent;
import io.forebay.testkit.faults.MemoryDisk;
import io.forebay.testkit.sim.SeededRun;
import io.forebay.testkit.sim.Tally;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.TreeSet;
import java.util.random.RandomGenerator;
import java.util.stream.LongStream;
import org.junit.jupiter.api.Test;

/**
 * Two things that happen in the same moment, in every order in which the node's actors could come to do them: I4 what is acked
 * stays away, I5 nothing is out twice, I6 attempts, I7 nothing before its time. Each race has to have had every winner that it can
 * have; and when all deadlines are over, nothing of it comes back (I4) and the node serves (I8).
 */
class RaceScenariosTest {
    private static final long SHORT = 100;
    /** Longer than a round. */
    private static final long LONG = 60_000;

    private static final int ROUNDS = 300;
    private static final String ACKED = "acked";
    private static final String GONE_OUT_AGAIN = "gone out again";

    /** A node with a topic of one queue, and what came out of its races. */
    private static final class Arena {
        final RandomGenerator random;
        final SteppedNode node;
        final Tally outcomes = new Tally();
        private final SteppedNode.Client keeper;
        /** Out for the whole of a round; null if there is none. */
        private Delivery older;

        private long lastSession;

        Arena(RandomGenerator random) {
            this.random = random;
            node = SteppedNode.start(
                    new MemoryDisk(),
                    "forebay.topic { max-age = 0 s, retention-grace = 1 d }",
                    new NodeFixture.VirtualTime(),
                    random);
            keeper = open();
            keeper.createTopic("t", 1, Map.of());
            keeper.createGroup("g", "t", Map.of("retry-backoff", "none", "max-attempts", "0"));
        }

        SteppedNode.Client open() {
            return node.open(++lastSession);
        }

        // ---- a round
        // --------------------------------------------------------------------------------------------------

        /**
         * In every other round an older message is out: of what is settled behind it the group's queue still knows, and could take
         * it for something else.
         */
        void mayHoldAnOlderOne() {
            older = random.nextBoolean() ? sendAndPop(keeper, "older", 3 * LONG) : null;
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

        /** What the group has left, with its attempts; nothing of the round any more afterwards. */
        List<String> rest(SteppedNode.Client client) {
            List<Delivery> left = client.popAll("t", "g", 10, LONG);
            if (!left.isEmpty()) {
                ack(client, left);
            }
            if (older != null) {
                ack(keeper, List.of(older));
                older = null;
            }
            assertNothingLeft();
            return left.stream()
                    .map(delivery -> NodeFixture.text(delivery) + "/" + delivery.attempt())
                    .toList();
        }

        void assertNothingLeft() {
            GroupDescription group = keeper.describe("g", "t");
            assertThat(group.depth()).isZero();
            assertThat(group.inFlight()).isZero();
        }

        /** Every deadline that there was is over. */
        void end() {
            node.pass(4 * LONG);
            assertThat(keeper.popAll("t", "g", 10, LONG)).as("I4").isEmpty();
            assertNothingLeft();
            ack(keeper, List.of(sendAndPop(keeper, "last", LONG)));
            assertNothingLeft();
            node.gone();
        }

        // ---- what clients do
        // ------------------------------------------------------------------------------------------

        /** Returns the offset. */
        long send(SteppedNode.Client client, String text) {
            return ((Receipt) client.send("t", List.of(message(text)), Durability.WRITTEN)
                            .get(0))
                    .queueOffset();
        }

        /** Returns the offset of the first. */
        long sendSix(SteppedNode.Client client, int number) {
            long first = send(client, "m" + number + ".0");
            for (int i = 1; i < 6; i++) {
                assertThat(send(client, "m" + number + "." + i)).isEqualTo(first + i);
            }
            return first;
        }

        Delivery sendAndPop(SteppedNode.Client client, String text, long invisibleMillis) {
            send(client, text);
            List<Delivery> deliveries = client.pop("t", "g", 1, invisibleMillis);
            assertThat(deliveries).hasSize(1);
            assertThat(NodeFixture.text(deliveries.get(0))).isEqualTo(text);
            return deliveries.get(0);
        }

        static Message message(String text) {
            return Message.of("t", text.getBytes(StandardCharsets.UTF_8));
        }

        static void ack(SteppedNode.Client client, List<Delivery> deliveries) {
            assertThat(client.ack("g", deliveries, Durability.WRITTEN).results())
                    .hasSameSizeAs(deliveries)
                    .allMatch(result -> result == AckOutcome.ACKED);
        }

        static void tellPop(SteppedNode.Client client, int countMax, long waitMillis) {
            client.tell(new SessionCommand.Pop(client.nextId(), "t", "g", countMax, 1000, LONG, waitMillis));
        }

        static void tellAck(SteppedNode.Client client, List<Delivery> deliveries) {
            client.tell(
                    new SessionCommand.Ack(client.nextId(), "g", NodeFixture.handles(deliveries), Durability.WRITTEN));
        }

        static AckResult acked(SteppedNode.Client client) {
            return client.expect(SessionEvent.AckReply.class).results().get(0);
        }

        static List<Delivery> popped(SteppedNode.Client client) {
            return client.expect(SessionEvent.Popped.class).deliveries();
        }

        /**
         * One of two: the ack is taken, or the message has gone out again to another, whom it belongs to now.
         *
         * @param got what the other has
         */
        static String ackedOrOut(
                SteppedNode.Client acker,
                Delivery delivery,
                AckResult result,
                SteppedNode.Client other,
                List<Delivery> got) {
            if (result == AckOutcome.ACKED) {
                assertThat(got).as("I4").isEmpty();
                return ACKED;
            }
            assertThat(code(result)).isEqualTo(Refusal.Code.STALE_HANDLE);
            assertThat(got).as("I5").hasSize(1);
            assertThat(got.get(0).attempt()).as("I6").isEqualTo(2);
            ack(other, got);
            assertThat(acker.ack("g", List.of(delivery), Durability.WRITTEN).results())
                    .containsExactly(AckOutcome.ALREADY_SETTLED);
            return GONE_OUT_AGAIN;
        }
    }

    private interface Round {
        /** Returns who has won. */
        String run(Arena arena, int number);
    }

    private static void race(String name, Round round, String... outcomes) {
        SteppedNode.alone(() -> SeededRun.run(name, (random, progress) -> {
            Arena arena = new Arena(random);
            for (int i = 0; i < ROUNDS; i++) {
                progress.at(i);
                arena.outcomes.saw(round.run(arena, i));
            }
            System.out.println(name + ": " + arena.outcomes);
            assertThat(arena.outcomes.kinds()).as("who can win").containsExactlyInAnyOrder(outcomes);
            arena.end();
        }));
    }

    private static Refusal.Code code(Object result) {
        return ((Refusal) result).code();
    }

    @Test
    void ackAndDeadline() {
        race(
                "ack against deadline",
                (arena, number) -> {
                    SteppedNode.Client client = arena.open();
                    SteppedNode.Client other = arena.open();
                    arena.mayHoldAnOlderOne();
                    Delivery delivery = arena.sendAndPop(client, "m" + number, SHORT);
                    Arena.tellPop(other, 5, SHORT + 50);
                    // It waits already when the time begins to pass.
                    arena.node.runAll();
                    arena.race(() -> Arena.tellAck(client, List.of(delivery)), () -> arena.node.passOnly(SHORT));
                    AckResult result = Arena.acked(client);
                    arena.node.pass(SHORT);
                    List<Delivery> got = Arena.popped(other);
                    assertThat(got)
                            .as("I7, and not later")
                            .allMatch(again -> again.poppedMillis() == delivery.invisibleUntilMillis());
                    String outcome = Arena.ackedOrOut(client, delivery, result, other, got);
                    assertThat(arena.rest(client)).isEmpty();
                    return outcome;
                },
                ACKED,
                GONE_OUT_AGAIN);
    }

    @Test
    void ackOfOneConsumerAndPopOfAnother() {
        race(
                "ack against the next Pop",
                (arena, number) -> {
                    SteppedNode.Client client = arena.open();
                    SteppedNode.Client other = arena.open();
                    arena.mayHoldAnOlderOne();
                    Delivery delivery = arena.sendAndPop(client, "m" + number, SHORT);
                    arena.node.pass(SHORT);
                    arena.race(() -> Arena.tellAck(client, List.of(delivery)), () -> Arena.tellPop(other, 5, 0));
                    String outcome =
                            Arena.ackedOrOut(client, delivery, Arena.acked(client), other, Arena.popped(other));
                    assertThat(arena.rest(client)).isEmpty();
                    return outcome;
                },
                ACKED,
                GONE_OUT_AGAIN);
    }

    @Test
    void changeOfInvisibilityAndAck() {
        race(
                "change against ack",
                (arena, number) -> {
                    SteppedNode.Client acker = arena.open();
                    SteppedNode.Client changer = arena.open();
                    SteppedNode.Client third = arena.open();
                    arena.mayHoldAnOlderOne();
                    Delivery delivery = arena.sendAndPop(acker, "m" + number, LONG);
                    boolean isNack = number % 2 == 0;
                    List<ReceiptHandle> handles = List.of(delivery.handle());
                    arena.race(
                            () -> Arena.tellAck(acker, List.of(delivery)),
                            () -> changer.tell(new SessionCommand.ChangeInvisible(
                                    changer.nextId(), "g", handles, isNack ? 0 : SHORT, isNack, "")),
                            () -> Arena.tellPop(third, 5, SHORT));
                    AckResult acked = Arena.acked(acker);
                    ChangeResult changed = changer.expect(SessionEvent.ChangeReply.class)
                            .results()
                            .get(0);
                    arena.node.pass(SHORT);
                    String outcome = Arena.ackedOrOut(acker, delivery, acked, third, Arena.popped(third));
                    if (!(changed instanceof Changed)) {
                        assertThat(code(changed)).isEqualTo(Refusal.Code.STALE_HANDLE);
                    }
                    if (outcome.equals(GONE_OUT_AGAIN)) {
                        assertThat(isNack && changed instanceof Changed)
                                .as("only a nack takes it away")
                                .isTrue();
                    }
                    assertThat(arena.rest(acker)).isEmpty();
                    return (isNack ? "nack, " : "extend, ")
                            + outcome
                            + (changed instanceof Changed ? "" : ", too late to change");
                },
                "nack, acked",
                "nack, acked, too late to change",
                "nack, gone out again",
                "extend, acked",
                "extend, acked, too late to change");
    }

    @Test
    void extensionAndDeadline() {
        race(
                "extension against deadline",
                (arena, number) -> {
                    SteppedNode.Client client = arena.open();
                    SteppedNode.Client other = arena.open();
                    arena.mayHoldAnOlderOne();
                    Delivery delivery = arena.sendAndPop(client, "m" + number, SHORT);
                    List<ReceiptHandle> handles = List.of(delivery.handle());
                    Arena.tellPop(other, 5, 5 * SHORT);
                    arena.node.runAll();
                    arena.race(
                            () -> client.tell(new SessionCommand.ChangeInvisible(
                                    client.nextId(), "g", handles, 2 * SHORT, false, "")),
                            () -> arena.node.passOnly(SHORT));
                    ChangeResult result = client.expect(SessionEvent.ChangeReply.class)
                            .results()
                            .get(0);
                    arena.node.pass(5 * SHORT);
                    List<Delivery> got = Arena.popped(other);
                    assertThat(got).as("I5").hasSize(1);
                    assertThat(got.get(0).attempt()).as("I6").isEqualTo(2);
                    long due = delivery.invisibleUntilMillis();
                    String outcome = GONE_OUT_AGAIN;
                    if (result instanceof Changed changed) {
                        due = changed.invisibleUntilMillis();
                        outcome = "extended";
                    } else {
                        assertThat(code(result)).isEqualTo(Refusal.Code.STALE_HANDLE);
                    }
                    assertThat(got.get(0).poppedMillis())
                            .as("I7, and not later")
                            .isEqualTo(due);
                    Arena.ack(other, got);
                    assertThat(arena.rest(client)).isEmpty();
                    return outcome;
                },
                "extended",
                GONE_OUT_AGAIN);
    }

    @Test
    void messageAndTheEndOfTheLongPollsClient() {
        race(
                "message against the end of a long poll's client",
                (arena, number) -> {
                    SteppedNode.Client gone = arena.open();
                    SteppedNode.Client other = arena.open();
                    Arena.tellPop(gone, 5, LONG / 20);
                    arena.node.runAll();
                    arena.race(
                            gone::vanish,
                            () -> other.tell(new SessionCommand.Send(
                                    other.nextId(), "t", 0, List.of(Arena.message("m" + number)), null)));
                    other.expect(SessionEvent.SendReply.class);
                    // No time passes for it: no deadline and no timeout can bring it back.
                    List<String> left = arena.rest(other);
                    assertThat(left).hasSize(1);
                    return "attempt " + left.get(0).substring(left.get(0).indexOf('/') + 1);
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
                    arena.mayHoldAnOlderOne();
                    arena.send(client, "m" + number);
                    arena.send(client, "beside");
                    // Both of one Pop: what is left of it must not bring back what is settled.
                    List<Delivery> both = client.pop("t", "g", 2, LONG);
                    assertThat(both).hasSize(2);
                    Delivery delivery = both.get(0);
                    Arena.tellPop(other, 5, SHORT);
                    // Said by somebody who has the handle, and is not taken for gone.
                    SteppedNode.Client heir = arena.open();
                    arena.race(client::vanish, () -> Arena.tellAck(heir, List.of(delivery)));
                    AckResult result = Arena.acked(heir);
                    arena.node.pass(SHORT);
                    List<Delivery> got = Arena.popped(other);
                    assertThat(NodeFixture.text(got.get(got.size() - 1))).isEqualTo("beside");
                    Arena.ack(other, got.subList(got.size() - 1, got.size()));
                    String outcome = Arena.ackedOrOut(heir, delivery, result, other, got.subList(0, got.size() - 1));
                    assertThat(arena.rest(other)).isEmpty();
                    return outcome;
                },
                ACKED,
                GONE_OUT_AGAIN);
    }

    @Test
    void giveBackAndTheEndOfItsConsumer() {
        race(
                "give-back against the end of its consumer",
                (arena, number) -> {
                    SteppedNode.Client client = arena.open();
                    SteppedNode.Client heir = arena.open();
                    arena.mayHoldAnOlderOne();
                    Delivery delivery = arena.sendAndPop(client, "m" + number, LONG);
                    List<ReceiptHandle> handles = List.of(delivery.handle());
                    arena.race(
                            client::vanish, () -> heir.tell(new SessionCommand.GiveBack(heir.nextId(), "g", handles)));
                    assertThat(heir.expect(SessionEvent.GiveBackReply.class).results())
                            .containsExactly(GiveBackOutcome.GIVEN_BACK);
                    // I6: what is given back does not count, what a consumer leaves behind does.
                    List<String> left = arena.rest(heir);
                    assertThat(left).hasSize(1);
                    return left.get(0).endsWith("/1")
                            ? "given back"
                            : left.get(0).endsWith("/2") ? "left behind" : left.get(0);
                },
                "given back",
                "left behind");
    }

    @Test
    void seekBackPopAndAck() {
        race(
                "seek against Pop and ack",
                (arena, number) -> {
                    SteppedNode.Client client = arena.open();
                    SteppedNode.Client acker = arena.open();
                    SteppedNode.Client operator = arena.open();
                    long first = arena.sendSix(client, number);
                    List<Delivery> held = client.pop("t", "g", 3, LONG);
                    assertThat(held).hasSize(3);
                    long to = first + arena.random.nextInt(3);
                    arena.race(
                            () -> Arena.tellPop(client, 2, 0),
                            () -> Arena.tellAck(acker, held),
                            () -> operator.tell(
                                    new LookCommand.Seek(operator.nextId(), "g", "t", 0, SeekPlace.offset(to), false)));
                    QueueSeek seeked =
                            operator.expect(LookReply.Seeked.class).queues().get(0);
                    assertThat(seeked.refusal()).isNull();
                    assertThat(seeked.toOffset()).isEqualTo(to);
                    List<AckResult> acks =
                            acker.expect(SessionEvent.AckReply.class).results();
                    boolean isAckedBefore = acks.get(0) == AckOutcome.ACKED;
                    for (int i = 0; i < 3; i++) {
                        if (isAckedBefore || first + i < to) {
                            assertThat(acks.get(i))
                                    .isEqualTo(isAckedBefore ? AckOutcome.ACKED : AckOutcome.ALREADY_SETTLED);
                        } else {
                            assertThat(code(acks.get(i))).isEqualTo(Refusal.Code.STALE_HANDLE);
                        }
                    }
                    List<Delivery> popped = Arena.popped(client);
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
                    for (Delivery delivery : client.popAll("t", "g", 10, LONG)) {
                        assertThat(came.add(delivery.queueOffset()))
                                .as("I5: %d", delivery.queueOffset())
                                .isTrue();
                        assertThat(delivery.attempt()).as("I6: counted anew").isEqualTo(1);
                        Arena.ack(client, List.of(delivery));
                    }
                    assertThat(came.tailSet(to))
                            .as("I1: from the seek on")
                            .containsExactlyElementsOf(range(to, first + 6));
                    arena.assertNothingLeft();
                    return (isAckedBefore ? "acked before" : "ack is stale")
                            + (isPoppedBehind ? ", popped behind" : ", popped before");
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
                    long end = arena.sendSix(client, number) + 6;
                    long below = end - 1 - arena.random.nextInt(5);
                    arena.race(
                            () -> Arena.tellPop(client, 2, 0),
                            () -> operator.tell(new LookCommand.Purge(operator.nextId(), "t", "g", 0, below, false)));
                    QueuePurge purged =
                            operator.expect(LookReply.Purged.class).queues().get(0);
                    assertThat(purged.refusal()).isNull();
                    assertThat(purged.belowOffset()).isEqualTo(below);
                    List<Delivery> popped = Arena.popped(client);
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
                    for (Delivery delivery : client.popAll("t", "g", 10, LONG)) {
                        assertThat(delivery.queueOffset()).as("purged").isGreaterThanOrEqualTo(below);
                        assertThat(came.add(delivery.queueOffset())).as("I5").isTrue();
                        Arena.ack(client, List.of(delivery));
                    }
                    assertThat(came.tailSet(below)).as("I1").containsExactlyElementsOf(range(below, end));
                    arena.assertNothingLeft();
                    return isPoppedFirst ? "popped first" : "purged first";
                },
                "popped first",
                "purged first");
    }

    private static List<Long> range(long from, long to) {
        return LongStream.range(from, to).boxed().toList();
    }
}
