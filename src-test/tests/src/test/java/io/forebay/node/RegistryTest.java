package io.forebay.node;

import static org.assertj.core.api.Assertions.assertThat;

import io.forebay.protocol.Durability;
import io.forebay.protocol.Message;
import io.forebay.protocol.Receipt;
import io.forebay.protocol.Refusal;
import io.forebay.protocol.SendResult;
import io.forebay.protocol.SessionCommand;
import io.forebay.protocol.SessionEvent;
import io.forebay.protocol.SettingsScope;
import io.forebay.store.ForebayStorage;
import io.forebay.testkit.faults.MemoryDisk;
import io.forebay.testkit.sim.SeededRun;
import java.util.List;
import java.util.Map;
import java.util.function.Consumer;
import java.util.random.RandomGenerator;
import org.junit.jupiter.api.Test;

/**
 * What the registry has decided, whatever the disk does. <b>I1</b>: a topic that was decided is served, though whoever asked for it
 * was told that it is not known, and served in the next life, too. <b>I8</b>: decisions that come to nothing cost the stripe no room.
 */
class RegistryTest {
    private static final String SETTINGS = """
            forebay.topic.auto-create = off
            forebay.store { retry-backoff = 20 ms, rewrite-attempts-max = 1, rewrite-timeout = 200 ms }
            """;

    private static void alone(String name, Consumer<RandomGenerator> body) {
        SteppedNode.alone(() -> SeededRun.run(name, (random, progress) -> body.accept(random)));
    }

    @Test
    void roomOfDecisionsThatCameToNothingIsGivenBack() {
        alone("room of decisions", random -> {
            SteppedNode node = SteppedNode.start(new MemoryDisk(), SETTINGS, new NodeFixture.VirtualTime(), random);
            SteppedNode.Client client = node.open(1);
            client.createTopic("t", 2, Map.of("max-age", "1 d"));
            client.createGroup("g", "t", Map.of());
            for (int i = 0; i < 50; i++) {
                // There already, too many queues, changed to what it is.
                client.createTopic("t", 2, Map.of());
                client.createGroup("g", "t", Map.of());
                assertThat(client.ask(
                                        id -> new SessionCommand.CreateTopic(id, "u", 1_000_000, Map.of()),
                                        SessionEvent.Refused.class)
                                .refusal()
                                .code())
                        .isEqualTo(Refusal.Code.ILLEGAL_ARGUMENT);
                client.change(SettingsScope.TOPIC, "t", Map.of("max-age", "1 d"));
            }
            node.pass(2_000);
            assertThat(ForebayStorage.get(node.system())
                            .stripes()
                            .get(0)
                            .budget()
                            .unflushedBytes())
                    .isZero();
            node.gone();
        });
    }

    @Test
    void whatWasDecidedIsServedThoughItsOutcomeWasNotKnown() {
        alone("outcomes of decisions", random -> {
            MemoryDisk disk = new MemoryDisk();
            NodeFixture.VirtualTime time = new NodeFixture.VirtualTime();
            SteppedNode node = SteppedNode.start(disk, SETTINGS, time, random);
            SteppedNode.Client client = node.open(1);
            client.createTopic("first", 1, Map.of());
            disk.failNextForces(1_000_000);
            disk.failNextDirectoryForces(1_000_000);
            SessionEvent.Refused refused =
                    client.ask(id -> new SessionCommand.CreateTopic(id, "t", 3, Map.of()), SessionEvent.Refused.class);
            assertThat(refused.refusal().code()).isEqualTo(Refusal.Code.OUTCOME_UNKNOWN);
            disk.failNextForces(0);
            disk.failNextDirectoryForces(0);
            node.awaitServing();
            node.pass(10_000);
            assertThat(sent(client)).isTrue();
            MemoryDisk image = random.nextBoolean() ? node.kill() : node.cutPower();

            node = SteppedNode.start(image, SETTINGS, time, random);
            assertThat(sent(node.open(2))).isTrue();
            node.gone();
        });
    }

    /** Nothing else is asked of the registry before: that would have told it to serve the topic. */
    private static boolean sent(SteppedNode.Client client) {
        Message message = Message.builder("t").body(new byte[10]).build();
        List<SendResult> results = client.send("t", List.of(message), Durability.FLUSHED);
        return results.get(0) instanceof Receipt;
    }
}
