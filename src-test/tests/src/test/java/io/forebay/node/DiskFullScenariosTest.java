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
import io.forebay.testkit.faults.MemoryDisk;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.awaitility.Awaitility;
import org.junit.jupiter.api.Test;

/**
 * A whole node whose disk gets full. I1 Sends are refused first, with the reason; I2 acks are taken, and what frees space goes on; I3
 * service comes back by itself; I4 nothing that was confirmed is lost, nothing that was acked comes again.
 */
class DiskFullScenariosTest {
    private static final long LONG = 60_000;
    private static final int BODY_BYTES = 1000;
    private static final int SEGMENT_BYTES = 256 * 1024;
    private static final String SETTINGS = """
        forebay.storage { segment-size = 256 KiB, low-space = 2 MiB, index-extent-entries = 64, index-file-size = 64 KiB }
        forebay.queue { body-max = 16 KiB, batch-bytes-max = 32 KiB }
        forebay.group.pop-bytes-max = 64 KiB
        forebay.store { retry-backoff = 20 ms, retry-backoff-max = 100 ms, checkpoint-idle-interval = 50 ms, flush-bytes = 64 KiB }
        """;

    private final MemoryDisk disk = new MemoryDisk();
    private final Set<String> confirmed = new HashSet<>();
    private int number;

    private NodeFixture.Client begun(NodeFixture node) {
        NodeFixture.Client client = node.open();
        client.createTopic("t", 2, Map.of());
        client.createGroup("g", "t", Map.of());
        return client;
    }

    private SendResult send(NodeFixture.Client client) {
        Message message = Message.builder("t")
                .id("m" + number++)
                .body(new byte[BODY_BYTES])
                .build();
        SendResult result =
                client.trySend("t", List.of(message), Durability.FLUSHED).get(0);
        if (result instanceof Receipt) {
            confirmed.add(message.id());
        }
        return result;
    }

    private Refusal sendUntilRefused(NodeFixture.Client client) {
        while (number < 100_000) {
            if (send(client) instanceof Refusal refusal && refusal.code() != Refusal.Code.BUSY) {
                return refusal;
            }
        }
        throw new AssertionError("nothing was refused");
    }

    private void awaitTaken(NodeFixture.Client client) {
        Awaitility.await().atMost(NodeFixture.PATIENCE).until(() -> send(client) instanceof Receipt);
    }

    private static void ack(NodeFixture.Client client, List<Delivery> deliveries) {
        assertThat(client.ack("g", NodeFixture.handles(deliveries)))
                .as("I2")
                .allMatch(result -> result == AckOutcome.ACKED);
    }

    /** Pops and acks all that is there, which is something. */
    private static Set<String> drain(NodeFixture.Client client) {
        Set<String> ids = new HashSet<>();
        for (List<Delivery> some = client.pop("t", "g", 32, LONG, NodeFixture.PATIENCE.toMillis());
                !some.isEmpty();
                some = client.pop("t", "g", 32, LONG, 0)) {
            some.forEach(delivery -> ids.add(delivery.message().id()));
            ack(client, some);
        }
        return ids;
    }

    private static void awaitReserve(NodeFixture node) {
        Awaitility.await()
                .atMost(NodeFixture.PATIENCE)
                .until(() -> node.disk.child("stripe-0").list().stream().anyMatch(name -> name.startsWith("spare-")));
    }

    @Test
    void aNodeThatFillsItsDiskServesConsumersAndGetsItsSpaceBack() {
        try (NodeFixture node = NodeFixture.inMemory(disk, SETTINGS)) {
            NodeFixture.Client client = begun(node);
            awaitReserve(node);
            disk.fullAfter(4 << 20);
            Refusal refusal = sendUntilRefused(client);
            assertThat(refusal.code()).as("I1").isEqualTo(Refusal.Code.DISK_FULL);
            assertThat(refusal.text()).contains("stripe 0").contains("bytes of disk are free");
            assertThat(confirmed).hasSizeGreaterThan(1000);
            assertThat(drain(client)).as("I4").isEqualTo(confirmed);
            awaitTaken(client); // I3: what was acked is cleaned, though nobody else gave the disk any room
        }
        try (NodeFixture node = NodeFixture.inMemory(disk.killImage(), SETTINGS)) {
            Set<String> left = drain(node.open());
            assertThat(left).as("I4").hasSize(1).isSubsetOf(confirmed);
        }
    }

    @Test
    void acksAreTakenWhenSomebodyElseHasFilledTheDisk() {
        try (NodeFixture node = NodeFixture.inMemory(disk, SETTINGS)) {
            NodeFixture.Client client = begun(node);
            awaitReserve(node);
            for (int i = 0; i < 2 * SEGMENT_BYTES / BODY_BYTES; i++) {
                assertThat(send(client)).isInstanceOf(Receipt.class);
            }
            List<Delivery> out = client.popAll("t", "g", confirmed.size(), LONG);
            disk.fullAfter(0);
            Awaitility.await()
                    .atMost(NodeFixture.PATIENCE)
                    .until(() ->
                            send(client) instanceof Refusal refusal && refusal.code() == Refusal.Code.DISK_FULL); // I1
            // What was stored before that was noticed may be there, and is not handed out any more.
            client.tell(new SessionCommand.Pop(client.nextId(), "t", "g", 1, 1 << 20, LONG, 0));
            SessionEvent.Reply popped = client.expect(SessionEvent.Reply.class);
            if (popped instanceof SessionEvent.Refused refused) {
                assertThat(refused.refusal().code()).isEqualTo(Refusal.Code.DISK_FULL);
                assertThat(confirmed).hasSizeGreaterThan(out.size());
            } else {
                assertThat(((SessionEvent.Popped) popped).deliveries()).isEmpty();
            }
            ack(client, out);
            MemoryDisk killed = disk.killImage();
            try (NodeFixture again = NodeFixture.inMemory(killed, SETTINGS)) {
                Set<String> left = new HashSet<>();
                NodeFixture.Client other = again.open();
                killed.roomAgain();
                awaitTaken(other);
                left.addAll(drain(other));
                out.forEach(delivery -> assertThat(left)
                        .as("I4: acked")
                        .doesNotContain(delivery.message().id()));
            }
            disk.roomAgain();
            awaitTaken(client); // I3
        }
    }
}
