package io.forebay.node;

import static org.assertj.core.api.Assertions.assertThat;

import io.forebay.protocol.Delivery;
import io.forebay.protocol.Durability;
import io.forebay.protocol.Message;
import io.forebay.protocol.Receipt;
import io.forebay.protocol.Refusal;
import io.forebay.protocol.SendResult;
import io.forebay.protocol.SessionCommand;
import io.forebay.protocol.SessionEvent;
import io.forebay.testkit.faults.MemoryDisk;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import org.awaitility.Awaitility;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

/** A device that keeps failing: refusals say so, nothing is promised that is not true, and the node comes back (I1, I3, I8). */
@Tag("proof")
class FailingDiskTest {
    private static final String SETTINGS =
            "forebay.store { retry-backoff = 20 ms, rewrite-attempts-max = 1, rewrite-timeout = 200 ms }";

    @Test
    void refusedSendsOfAKeyKeepTheirOrder() {
        MemoryDisk disk = new MemoryDisk();
        try (NodeFixture node = NodeFixture.inMemory(disk, SETTINGS)) {
            NodeFixture.Client client = node.open();
            client.send("t", 1, "first");
            disk.failNextForces(1_000_000);
            disk.failNextDirectoryForces(1_000_000);
            int number = 0;
            List<String> stored = new ArrayList<>();
            List<Message> unsure = new ArrayList<>();
            // One after the other, until the node refuses.
            Refusal refusal = null;
            while (refusal == null) {
                Message message = keyed(number++);
                SendResult result = send(client, message, Durability.FLUSHED);
                if (result instanceof Refusal refused) {
                    refusal = refused;
                    unsure.add(message);
                } else {
                    stored.add(message.id());
                }
            }
            assertThat(refusal.code()).isIn(Refusal.Code.OUTCOME_UNKNOWN, Refusal.Code.READ_ONLY, Refusal.Code.BUSY);
            // Refused with a reason while it lasts, never answered falsely.
            Message second = keyed(number++);
            SendResult result = send(client, second, Durability.WRITTEN);
            assertThat(result).isInstanceOf(Refusal.class);
            // Later ones of the key stay behind it, even when there is room again.
            disk.failNextForces(0);
            disk.failNextDirectoryForces(0);
            Message third = keyed(number++);
            Awaitility.await().atMost(NodeFixture.PATIENCE).until(() -> {
                SendResult again = send(client, second, Durability.FLUSHED);
                if (again instanceof Refusal) {
                    assertThat(send(client, third, Durability.FLUSHED)).isInstanceOf(Refusal.class);
                }
                return again instanceof Receipt;
            });
            assertThat(send(client, third, Durability.FLUSHED)).isInstanceOf(Receipt.class);
            Set<String> got = new HashSet<>();
            List<String> order = new ArrayList<>();
            Set<String> wanted = new HashSet<>(stored);
            wanted.addAll(List.of(second.id(), third.id()));
            while (!got.containsAll(wanted)) {
                for (Delivery delivery : client.popAll("t", "g", 1, 60_000)) {
                    if (delivery.message().isKeyed()
                            && got.add(delivery.message().id())) {
                        order.add(delivery.message().id());
                    }
                }
            }
            assertThat(order).containsAll(stored).contains(second.id(), third.id());
            assertThat(order).isSorted();
        }
    }

    private static Message keyed(int number) {
        return Message.builder("t")
                .id(String.format("id%04d", number))
                .messageGroup("key")
                .body(new byte[100])
                .build();
    }

    private static SendResult send(NodeFixture.Client client, Message message, Durability level) {
        client.tell(new SessionCommand.Send(client.nextId(), "t", -1, List.of(message), level));
        SessionEvent.Reply reply = client.expect(SessionEvent.Reply.class);
        return reply instanceof SessionEvent.Refused refused
                ? refused.refusal()
                : ((SessionEvent.SendReply) reply).results().get(0);
    }
}
