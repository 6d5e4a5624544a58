package io.forebay.node;

import static org.assertj.core.api.Assertions.assertThat;

import io.forebay.protocol.AckOutcome;
import io.forebay.protocol.AckResult;
import io.forebay.protocol.ChangeResult;
import io.forebay.protocol.Changed;
import io.forebay.protocol.Delivery;
import io.forebay.protocol.Durability;
import io.forebay.protocol.Refusal;
import io.forebay.protocol.SessionCommand;
import io.forebay.protocol.SessionEvent;
import io.forebay.testkit.faults.MemoryDisk;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.stream.Collectors;
import org.junit.jupiter.api.Test;

/**
 * Deadlines at their edge, on a node whose time passes by the test's word: I4 what is acked stays away, I5 one valid handle, I7
 * nothing before its time.
 */
class DeadlineScenariosTest {
    private static final long INVISIBLE = 30_000;
    private static final long SHORT = 100;
    private static final long HOUR = 3_600_000;

    private final NodeFixture.VirtualTime time = new NodeFixture.VirtualTime();

    private NodeFixture node() {
        return NodeFixture.inMemory(new MemoryDisk(), "forebay.topic.default-queues = 1", time);
    }

    @Test
    void ackThatArrivesExactlyAtTheDeadlineIsTakenIfTheMessageIsStillThere() {
        try (NodeFixture node = node()) {
            NodeFixture.Client client = node.open();
            client.createGroup("g", "", Map.of("retry-backoff", "none"));
            client.send("t", 1, "m");
            Delivery delivery = client.popAll("t", "g", 1, INVISIBLE).get(0);
            assertThat(delivery.invisibleUntilMillis() - delivery.poppedMillis())
                    .isEqualTo(INVISIBLE);
            node.pass(time, INVISIBLE - 1);
            assertThat(client.describe("g", "t").inFlight()).as("I7").isEqualTo(1);
            node.pass(time, 1);
            assertThat(client.describe("g", "t").waitingRedelivery()).isEqualTo(1);
            assertThat(client.ack("g", NodeFixture.handles(List.of(delivery)))).containsExactly(AckOutcome.ACKED);
            node.pass(time, HOUR);
            assertThat(client.pop("t", "g", 1, INVISIBLE, 0)).as("I4").isEmpty();
        }
    }

    @Test
    void whoWaitsGetsTheMessageAtItsDeadlineAndTheAckOfBeforeIsStale() {
        try (NodeFixture node = node()) {
            NodeFixture.Client first = node.open();
            NodeFixture.Client second = node.open();
            first.createGroup("g", "", Map.of("retry-backoff", "none"));
            first.send("t", 1, "m");
            Delivery old = first.popAll("t", "g", 1, INVISIBLE).get(0);
            second.tell(new SessionCommand.Pop(second.nextId(), "t", "g", 1, 1000, INVISIBLE, HOUR / 20));
            node.pass(time, INVISIBLE);
            Delivery again =
                    second.expect(SessionEvent.Popped.class).deliveries().get(0);
            assertThat(again.attempt()).isEqualTo(2);
            assertThat(again.poppedMillis()).as("I7").isEqualTo(old.invisibleUntilMillis());
            assertThat(code(first.ack("g", List.of(old.handle())).get(0))).isEqualTo(Refusal.Code.STALE_HANDLE);
            assertThat(second.ack("g", List.of(again.handle()))).containsExactly(AckOutcome.ACKED);
            assertThat(first.ack("g", List.of(old.handle()))).containsExactly(AckOutcome.ALREADY_SETTLED);
        }
    }

    @Test
    void ackAndDeadlineInTheSameMomentGiveTheMessageToOneOfTwo() {
        int taken = 0;
        int rounds = 100;
        try (NodeFixture node = node()) {
            NodeFixture.Client first = node.open();
            Waiter second = new Waiter(node.open());
            first.createGroup("g", "", Map.of("retry-backoff", "none"));
            first.send("t", 1, "first");
            first.ack("g", NodeFixture.handles(first.popAll("t", "g", 1, SHORT)));
            for (int round = 0; round < rounds; round++) {
                first.send("t", 1, "m" + round + "-");
                Delivery delivery = first.popAll("t", "g", 1, SHORT).get(0);
                second.waitForMore();
                SessionCommand ack = new SessionCommand.Ack(
                        first.nextId(), "g", NodeFixture.handles(List.of(delivery)), Durability.WRITTEN);
                if (round % 2 == 0) {
                    first.tell(ack);
                    node.pass(time, SHORT);
                } else {
                    node.pass(time, SHORT);
                    first.tell(ack);
                }
                AckResult result =
                        first.expect(SessionEvent.AckReply.class).results().get(0);
                if (result == AckOutcome.ACKED) {
                    taken++;
                    first.send("t", 1, "after" + round + "-");
                }
                List<Delivery> got = second.take();
                if (result == AckOutcome.ACKED) {
                    assertThat(texts(got)).as("I4, round %d", round).containsExactly("after" + round + "-0");
                } else {
                    assertThat(code(result)).isEqualTo(Refusal.Code.STALE_HANDLE);
                    assertThat(texts(got)).as("I5, round %d", round).containsExactly(NodeFixture.text(delivery));
                    assertThat(got.get(0).attempt()).as("I6").isEqualTo(2);
                }
                second.ackAll(got);
            }
        }
        System.out.println("ack against deadline: " + taken + " of " + rounds + " acks were taken");
    }

    @Test
    void changeOfInvisibilityAndAckInTheSameMomentAgreeWhoeverIsFirst() {
        Map<String, Integer> seen = new TreeMap<>();
        try (NodeFixture node = node()) {
            NodeFixture.Client acker = node.open();
            NodeFixture.Client changer = node.open();
            Waiter third = new Waiter(node.open());
            acker.createGroup("g", "", Map.of("retry-backoff", "none", "max-attempts", "0"));
            acker.send("t", 1, "first");
            acker.ack("g", NodeFixture.handles(acker.popAll("t", "g", 1, INVISIBLE)));
            for (int round = 0; round < 200; round++) {
                acker.send("t", 1, "m" + round + "-");
                Delivery delivery = acker.popAll("t", "g", 1, INVISIBLE).get(0);
                third.waitForMore();
                boolean isNack = round % 4 < 2;
                SessionCommand ack = new SessionCommand.Ack(
                        acker.nextId(), "g", NodeFixture.handles(List.of(delivery)), Durability.WRITTEN);
                SessionCommand change = new SessionCommand.ChangeInvisible(
                        changer.nextId(),
                        "g",
                        NodeFixture.handles(List.of(delivery)),
                        isNack ? 0 : INVISIBLE,
                        isNack,
                        "");
                if (round % 2 == 0) {
                    acker.tell(ack);
                    changer.tell(change);
                } else {
                    changer.tell(change);
                    acker.tell(ack);
                }
                AckResult acked =
                        acker.expect(SessionEvent.AckReply.class).results().get(0);
                ChangeResult changed =
                        changer.expect(SessionEvent.ChangeReply.class).results().get(0);
                boolean isAcked = acked == AckOutcome.ACKED;
                seen.merge(
                        (isNack ? "nack" : "extend")
                                + (isAcked ? " acked" : " stale")
                                + (changed instanceof Changed ? " changed" : " settled"),
                        1,
                        Integer::sum);
                if (!isAcked) {
                    assertThat(code(acked)).isEqualTo(Refusal.Code.STALE_HANDLE);
                    assertThat(isNack && changed instanceof Changed)
                            .as("only a nack takes the message away, round %d", round)
                            .isTrue();
                } else {
                    acker.send("t", 1, "after" + round + "-");
                }
                List<Delivery> got = third.take();
                assertThat(texts(got))
                        .as("I4, I5, round %d", round)
                        .containsExactly(isAcked ? "after" + round + "-0" : NodeFixture.text(delivery));
                third.ackAll(got);
                assertThat(acker.describe("g", "t").depth()).isZero();
            }
        }
        System.out.println("change against ack: " + seen);
        assertThat(seen).containsKeys("nack acked settled", "extend acked settled", "extend acked changed");
    }

    @Test
    void ackOfAMessagePoppedAgainByAnotherIsStaleOverARestartToo() {
        MemoryDisk image;
        List<Delivery> first;
        List<Delivery> second;
        try (NodeFixture node = node()) {
            NodeFixture.Client client = node.open();
            client.createGroup("g", "", Map.of("retry-backoff", "none"));
            client.send("t", 2, "m");
            first = client.popAll("t", "g", 2, INVISIBLE);
            node.pass(time, INVISIBLE);
            second = node.open().popAll("t", "g", 2, HOUR);
            assertThat(client.ack("g", NodeFixture.handles(first)))
                    .allSatisfy(result -> assertThat(code(result)).isEqualTo(Refusal.Code.STALE_HANDLE));
            assertThat(client.extend("g", NodeFixture.handles(first), INVISIBLE))
                    .allMatch(Refusal.class::isInstance);
            image = node.kill();
        }
        try (NodeFixture node = NodeFixture.inMemory(image, "", time)) {
            NodeFixture.Client client = node.open();
            assertThat(client.ack("g", NodeFixture.handles(first)))
                    .allSatisfy(result -> assertThat(code(result)).isEqualTo(Refusal.Code.STALE_HANDLE));
            assertThat(client.ack("g", NodeFixture.handles(second))).containsOnly(AckOutcome.ACKED);
            assertThat(client.ack("g", NodeFixture.handles(first))).containsOnly(AckOutcome.ALREADY_SETTLED);
        }
    }

    @Test
    void thousandsInFlightKeepTheirDeadlinesOverARestart() {
        restart(0, 0);
    }

    @Test
    void deadlinesGoOnFromTheNewestRecordIfTheWallClockIsDaysBehind() {
        restart(-3 * 24 * HOUR, 0);
    }

    @Test
    void whatTheNodeWasAwayForCountsAgainstTheDeadlines() {
        restart(0, 20_000);
    }

    @Test
    void everyDeadlineIsOverIfTheWallClockIsDaysAhead() {
        restart(3 * 24 * HOUR, 0);
    }

    /** 3,000 messages with deadlines after 10 s, 100 s and 1 h, a kill, a start that reads the wall clock so much later. */
    private void restart(long wallSetMillis, long awayMillis) {
        long[] invisible = {10_000, 100_000, HOUR};
        int count = 1000;
        Map<Long, Set<String>> byDeadline = new TreeMap<>();
        Map<String, Delivery> held = new HashMap<>();
        MemoryDisk image;
        long killed;
        try (NodeFixture node = node()) {
            NodeFixture.Client client = node.open(4711);
            client.createGroup("g", "", Map.of("retry-backoff", "none"));
            client.send("t", 3 * count, "m");
            for (long millis : invisible) {
                for (Delivery delivery : client.popAll("t", "g", count, millis)) {
                    held.put(NodeFixture.text(delivery), delivery);
                    byDeadline
                            .computeIfAbsent(delivery.invisibleUntilMillis(), until -> new HashSet<>())
                            .add(NodeFixture.text(delivery));
                }
            }
            node.pass(time, 3_000);
            // The newest record says how late it is.
            List<Delivery> settled = List.of(held.get("m0"), held.get("m" + count), held.get("m" + 2 * count));
            client.ack("g", NodeFixture.handles(settled));
            settled.forEach(
                    delivery -> byDeadline.get(delivery.invisibleUntilMillis()).remove(NodeFixture.text(delivery)));
            killed = time.millis();
            image = node.kill();
        }
        time.shiftWall(wallSetMillis + awayMillis);
        long started = Math.max(killed, time.millis());
        try (NodeFixture node = NodeFixture.inMemory(image, "", time)) {
            NodeFixture.Client client = node.open();
            client.describe("g", "t");
            Set<String> come = new HashSet<>();
            for (Map.Entry<Long, Set<String>> due : byDeadline.entrySet()) {
                long wait = due.getKey() - started;
                if (wait > 0) {
                    node.pass(time, wait - 1);
                    client.describe("g", "t");
                    assertThat(client.pop("t", "g", 4000, HOUR * 2, 0))
                            .as("I7: before the deadline at %d", due.getKey())
                            .isEmpty();
                    node.pass(time, 1);
                    started = due.getKey();
                }
                List<Delivery> now = client.popAll("t", "g", due.getValue().size(), HOUR * 2);
                assertThat(now).allMatch(delivery -> delivery.attempt() == 2);
                now.forEach(delivery -> come.add(NodeFixture.text(delivery)));
                if (wait > 0) {
                    assertThat(new HashSet<>(texts(now)))
                            .as("nothing forgotten")
                            .isEqualTo(due.getValue());
                }
            }
            assertThat(client.pop("t", "g", 10, HOUR, 0)).as("I4").isEmpty();
            assertThat(come).hasSize(3 * count - 3);
        }
    }

    /** Somebody who always has a long poll waiting. */
    private static final class Waiter {
        final NodeFixture.Client client;
        private boolean isWaiting;

        Waiter(NodeFixture.Client client) {
            this.client = client;
        }

        void waitForMore() {
            if (!isWaiting) {
                client.tell(new SessionCommand.Pop(client.nextId(), "t", "g", 10, 1 << 20, HOUR, 0));
                assertThat(client.expect(SessionEvent.Popped.class).deliveries())
                        .isEmpty();
                client.tell(new SessionCommand.Pop(client.nextId(), "t", "g", 10, 1 << 20, HOUR, HOUR / 20));
                isWaiting = true;
            }
        }

        List<Delivery> take() {
            isWaiting = false;
            return client.expect(SessionEvent.Popped.class).deliveries();
        }

        void ackAll(List<Delivery> deliveries) {
            assertThat(client.ack("g", NodeFixture.handles(deliveries))).containsOnly(AckOutcome.ACKED);
        }
    }

    private static List<String> texts(List<Delivery> deliveries) {
        return deliveries.stream().map(NodeFixture::text).collect(Collectors.toCollection(ArrayList::new));
    }

    private static Refusal.Code code(AckResult result) {
        return ((Refusal) result).code();
    }
}
