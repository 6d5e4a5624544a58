package io.forebay.node;

import static org.assertj.core.api.Assertions.assertThat;

import io.forebay.protocol.AckOutcome;
import io.forebay.protocol.Delivery;
import io.forebay.protocol.Durability;
import io.forebay.protocol.Message;
import io.forebay.protocol.Receipt;
import io.forebay.protocol.Refusal;
import io.forebay.protocol.SendResult;
import io.forebay.protocol.SessionCommand;
import io.forebay.protocol.SessionEvent;
import io.forebay.testkit.faults.DiskObserver.Operation;
import io.forebay.testkit.faults.MemoryDisk;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.atomic.AtomicReference;
import org.awaitility.Awaitility;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

/**
 * A whole node over a disk whose forces do not end until the test lets them. While one is under way: I1 what asks for WRITTEN is
 * answered, and so are sessions and those who look, I2 nothing is answered FLUSHED, I3 what is not flushed stays below its bound, Sends
 * are told Busy and acks are taken, I4 behind it all is answered, in order. That no other member of the cluster misses a
 * heartbeat is in {@link StandstillTest}.
 */
@Tag("proof")
class SlowDiskScenariosTest {
    private static final long LONG = 60_000;
    private static final String SETTINGS = """
        forebay.store { max-unflushed = 4 MiB, send-high-water-percent = 75, flush-bytes = 64 KiB, flush-interval = 20 ms }
        forebay.queue { body-max = 64 KiB, batch-bytes-max = 256 KiB }
        """;
    private static final long UNFLUSHED_MAX = 4L << 20;

    private final MemoryDisk disk = new MemoryDisk();
    private final AtomicReference<CountDownLatch> held = new AtomicReference<>(new CountDownLatch(0));

    private void holdForces() {
        held.set(new CountDownLatch(1));
        disk.observe((operation, path, at, length) -> {
            if (operation == Operation.FORCE) {
                try {
                    held.get().await();
                } catch (InterruptedException e) {
                    throw new IllegalStateException(e);
                }
            }
        });
    }

    private void release() {
        held.get().countDown();
    }

    private static Message message(String id, int bytes) {
        return Message.builder("t").id(id).body(new byte[bytes]).build();
    }

    private static NodeFixture.Client begun(NodeFixture node) {
        NodeFixture.Client client = node.open();
        client.createTopic("t", 2, Map.of());
        client.createGroup("g", "t", Map.of());
        return client;
    }

    @Test
    void aForceThatTakesLongDelaysOnlyWhatAsksForIt() {
        try (NodeFixture node = NodeFixture.inMemory(disk, SETTINGS)) {
            NodeFixture.Client client = begun(node);
            NodeFixture.Client flushing = node.open();
            holdForces();
            flushing.tell(new SessionCommand.Send(
                    flushing.nextId(), "t", -1, List.of(message("flushed", 100)), Durability.FLUSHED));
            for (int i = 0; i < 50; i++) {
                assertThat(client.trySend("t", List.of(message("w" + i, 100)), Durability.WRITTEN))
                        .as("I1")
                        .allMatch(Receipt.class::isInstance);
            }
            List<Delivery> deliveries = client.popAll("t", "g", 51, LONG);
            assertThat(client.ack("g", NodeFixture.handles(deliveries)))
                    .as("I1")
                    .allMatch(result -> result == AckOutcome.ACKED);
            assertThat(client.describe("g", "t").depth()).as("I1").isZero();
            flushing.tell(new SessionCommand.DescribeTopic(flushing.nextId(), "t"));
            flushing.expect(SessionEvent.TopicDescribed.class); // I1, and I2: the Send before it is not answered yet
            release();
            SessionEvent.SendReply reply = flushing.expect(SessionEvent.SendReply.class);
            assertThat(((Receipt) reply.results().get(0)).level()).as("I4").isEqualTo(Durability.FLUSHED);
        }
    }

    @Test
    void whatIsNotFlushedStaysBelowItsBoundAndAcksAreTakenLongest() {
        try (NodeFixture node = NodeFixture.inMemory(disk, SETTINGS)) {
            NodeFixture.Client client = begun(node);
            List<String> stored = new ArrayList<>();
            assertThat(client.trySend("t", List.of(message("first", 10)), Durability.FLUSHED))
                    .allMatch(Receipt.class::isInstance);
            stored.add("first");
            List<Delivery> out = client.popAll("t", "g", 1, LONG);
            holdForces();
            Refusal busy = null;
            for (int i = 0; busy == null; i++) {
                SendResult result = client.trySend("t", List.of(message("m" + i, 40_000)), Durability.WRITTEN)
                        .get(0);
                if (result instanceof Refusal refusal) {
                    busy = refusal;
                } else {
                    stored.add("m" + i);
                }
                assertThat(stored).as("I3").hasSizeLessThan((int) (UNFLUSHED_MAX / 40_000) + 1);
            }
            assertThat(busy.code()).as("I3").isEqualTo(Refusal.Code.BUSY);
            assertThat(busy.retryAfterMillis()).isPositive();
            assertThat(client.ack("g", NodeFixture.handles(out))).as("I3").containsExactly(AckOutcome.ACKED);
            release();
            Awaitility.await()
                    .atMost(NodeFixture.PATIENCE)
                    .until(() -> client.trySend("t", List.of(message("last", 10)), Durability.FLUSHED)
                                    .get(0)
                            instanceof Receipt);
            stored.add("last");
            stored.remove("first");
            List<Delivery> rest = client.popAll("t", "g", stored.size(), LONG);
            assertThat(rest.stream().map(delivery -> delivery.message().id()))
                    .as("I4")
                    .containsExactlyInAnyOrderElementsOf(stored);
        }
    }
}
