package io.forebay.node;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import io.forebay.protocol.AckOutcome;
import io.forebay.protocol.AckResult;
import io.forebay.protocol.Delivery;
import io.forebay.protocol.Refusal;
import io.forebay.protocol.SessionCommand;
import io.forebay.protocol.SessionEvent;
import io.forebay.testkit.faults.MemoryDisk;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

/**
 * Consumers that are gone, or taken for gone: I4, I5, I6, and what they held goes to somebody else at once; those in
 * processes of their own are in {@link StandstillTest}.
 */
@Tag("proof")
class ConsumerScenariosTest {
    private static final long HOUR = 3_600_000;
    private final NodeFixture.VirtualTime time = new NodeFixture.VirtualTime();

    @Test
    void messageThatComesWhenTheLongPollsClientHasGoneGoesToSomebodyElseAtOnce() {
        int returned = 0;
        try (NodeFixture node = NodeFixture.inMemory(new MemoryDisk(), "forebay.topic.default-queues = 1", time)) {
            NodeFixture.Client other = node.open();
            other.createGroup("g", "", Map.of("retry-backoff", "none"));
            other.send("t", 1, "first");
            other.ack("g", NodeFixture.handles(other.popAll("t", "g", 1, HOUR)));
            for (int round = 0; round < 100; round++) {
                NodeFixture.Client gone = node.open();
                gone.tell(new SessionCommand.Pop(gone.nextId(), "t", "g", 10, 1000, HOUR, 60_000));
                gone.tell(new SessionCommand.Heartbeat(round));
                gone.expect(SessionEvent.Heartbeat.class);
                SessionCommand send = new SessionCommand.Send(
                        other.nextId(), "t", 0, NodeFixture.messages("t", 1, "m" + round + "-"), null);
                if (round % 2 == 0) {
                    gone.vanish();
                    other.tell(send);
                } else {
                    other.tell(send);
                    gone.vanish();
                }
                other.expect(SessionEvent.SendReply.class);
                // No time passes: no deadline, no timeout can bring it back.
                Delivery delivery = other.popAll("t", "g", 1, HOUR).get(0);
                assertThat(NodeFixture.text(delivery)).isEqualTo("m" + round + "-0");
                assertThat(delivery.attempt()).as("I6").isBetween(1, 2);
                returned += delivery.attempt() - 1;
                assertThat(other.ack("g", List.of(delivery.handle()))).containsExactly(AckOutcome.ACKED);
            }
        }
        System.out.println(
                "long polls of clients that are gone: " + returned + " of 100 messages had gone to them first");
    }

    @Test
    void consumerDeclaredGoneThatIsAliveHasItsAckTakenUntilTheMessageGoesOutAgain() {
        try (NodeFixture node = NodeFixture.inMemory(new MemoryDisk(), "forebay.topic.default-queues = 1", time)) {
            NodeFixture.Client client = node.open(4711);
            client.createGroup("g", "", Map.of("retry-backoff", "fixed 10 s"));
            client.send("t", 10, "m");
            List<Delivery> held = client.popAll("t", "g", 10, HOUR);
            NodeFixture.Client other = node.open();
            other.describe("g", "t");
            client.vanish();
            await().until(() -> other.describe("g", "t").inFlight() == 0);
            assertThat(other.describe("g", "t").waitingRedelivery()).isEqualTo(10);
            NodeFixture.Client back = node.open(4711);
            assertThat(back.opened.isResumed()).isFalse();
            assertThat(back.ack("g", NodeFixture.handles(held.subList(0, 5)))).containsOnly(AckOutcome.ACKED);
            assertThat(back.extend("g", NodeFixture.handles(held.subList(5, 10)), HOUR))
                    .as("what was taken back cannot be extended: others may have it")
                    .allMatch(
                            result -> result instanceof Refusal refusal && refusal.code() == Refusal.Code.STALE_HANDLE);
            assertThat(other.pop("t", "g", 10, HOUR, 0)).as("I7: the backoff").isEmpty();
            node.pass(time, 10_000);
            List<Delivery> again = other.popAll("t", "g", 5, HOUR);
            assertThat(again).allMatch(delivery -> delivery.attempt() == 2);
            assertThat(back.ack("g", NodeFixture.handles(held.subList(5, 10))))
                    .allMatch(result -> code(result) == Refusal.Code.STALE_HANDLE);
            assertThat(other.ack("g", NodeFixture.handles(again))).containsOnly(AckOutcome.ACKED);
            assertThat(back.ack("g", NodeFixture.handles(held))).containsOnly(AckOutcome.ALREADY_SETTLED);
        }
    }

    private static Refusal.Code code(AckResult result) {
        return ((Refusal) result).code();
    }
}
