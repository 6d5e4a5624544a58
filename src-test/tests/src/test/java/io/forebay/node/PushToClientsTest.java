package io.forebay.node;

import static org.assertj.core.api.Assertions.assertThat;

import akka.Done;
import akka.actor.typed.ActorSystem;
import akka.actor.typed.javadsl.Behaviors;
import com.typesafe.config.ConfigFactory;
import io.forebay.client.ForebayClient;
import io.forebay.client.PopRequest;
import io.forebay.client.Target;
import io.forebay.protocol.Delivery;
import io.forebay.protocol.Message;
import io.forebay.testkit.faults.MemoryDisk;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Queue;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionStage;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import org.awaitility.Awaitility;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

/** Clients outside the node's process space, over a real transport, and a node that pushes to them. */
class PushToClientsTest {
    private static final String REMOTE = """
        akka.actor.provider = remote
        akka.remote.warn-about-direct-use = off
        akka.remote.artery.canonical { hostname = 127.0.0.1, port = %d }
        akka.loglevel = OFF
        akka.coordinated-shutdown { run-by-jvm-shutdown-hook = off, run-by-actor-system-terminate = off }
        """;
    private static final String NODE = REMOTE + """
        forebay { group.delivery = push, topic.default-queues = 5 }
        """;
    private static final String IMPATIENT = NODE + "forebay.session { heartbeat-interval = 300 ms, timeout = 2 s }";
    /** Clients ask soon whether they are known, and nobody on a busy machine is taken for gone. */
    private static final String PATIENT =
            NODE + "forebay.session { heartbeat-interval = 300 ms, timeout = 10 minutes }";

    private final List<ActorSystem<Void>> systems = new ArrayList<>();
    /** By message id: how often it was handled. */
    private final Map<String, AtomicInteger> handled = new ConcurrentHashMap<>();

    private final Queue<Delivery> again = new ConcurrentLinkedQueue<>();

    private ForebayClient client(int port) {
        ActorSystem<Void> system = ActorSystem.create(
                Behaviors.empty(),
                "client",
                ConfigFactory.parseString(REMOTE.formatted(0)
                                + "forebay.client.lookup { retry-min = 100 ms, retry-max = 300 ms }")
                        .withFallback(ConfigFactory.load()));
        systems.add(system);
        return ForebayClient.connect(system, Target.contact("akka://node-test@127.0.0.1:" + port));
    }

    private static int port(NodeFixture node) {
        return node.system.address().getPort().get();
    }

    @AfterEach
    void stop() {
        systems.forEach(ActorSystem::terminate);
        systems.forEach(system -> join(system.getWhenTerminated()));
    }

    private static <T> T join(CompletionStage<T> stage) {
        return stage.toCompletableFuture().orTimeout(30, TimeUnit.SECONDS).join();
    }

    private CompletionStage<Done> handle(Delivery delivery) {
        if (handled.computeIfAbsent(delivery.message().id(), id -> new AtomicInteger())
                        .incrementAndGet()
                > 1) {
            again.add(delivery);
        }
        return CompletableFuture.completedStage(Done.done());
    }

    private static List<Message> messages(int from, int to) {
        List<Message> messages = new ArrayList<>();
        for (int i = from; i < to; i++) {
            // Now and then one that is larger than a frame of the transport.
            messages.add(Message.builder("t")
                    .id("m" + i)
                    .body(new byte[i % 500 == 7 ? 400_000 : 300])
                    .build());
        }
        return messages;
    }

    private void awaitHandled(int count) {
        Awaitility.await("handled")
                .atMost(Duration.ofSeconds(30))
                .untilAsserted(() -> assertThat(handled).hasSize(count));
    }

    private static void awaitAllAcked(ForebayClient client) {
        Awaitility.await("acked")
                .atMost(Duration.ofSeconds(20))
                .untilAsserted(() -> assertThat(join(client.describeGroup("g", "t")))
                        .allMatch(group -> group.depth() == 0 && group.inFlight() == 0));
    }

    @Test
    void switchingBetweenPopAndPushUnderLoadLosesAndDoublesNothing() {
        try (NodeFixture node = NodeFixture.inMemory(new MemoryDisk(), NODE.formatted(0))) {
            List<ForebayClient> clients = new ArrayList<>();
            for (int i = 0; i < 3; i++) {
                clients.add(client(port(node)));
                clients.get(i).subscribe(PopRequest.of("t", "g", 64), this::handle);
            }
            ForebayClient producer = clients.get(0);
            int count = 8_000;
            for (int sent = 0; sent < count; sent += 1000) {
                CompletionStage<?> receipts = producer.sendBatch(messages(sent, sent + 500));
                join(producer.changeGroupSettings("g", Map.of("delivery", sent % 2000 == 0 ? "pop" : "push")));
                join(receipts);
                join(producer.sendBatch(messages(sent + 500, sent + 1000)));
            }
            awaitHandled(count);
            awaitAllAcked(producer);
            assertThat(again).isEmpty();
            clients.forEach(client -> join(client.close()));
            assertThat(node.forebay.bytesHeldForClients()).isZero();
        }
    }

    @Test
    void subscriptionsLiveOnWhenTheNodeIsKilledAndStartedAgain() {
        MemoryDisk disk = new MemoryDisk();
        NodeFixture node = NodeFixture.inMemory(disk, PATIENT.formatted(0));
        int port = port(node);
        ForebayClient consumer = client(port);
        ForebayClient producer = client(port);
        consumer.subscribe(PopRequest.of("t", "g", 64), this::handle);
        int count = 3_000;
        List<CompletionStage<?>> receipts = new ArrayList<>();
        for (int sent = 0; sent < count; sent += 100) {
            receipts.add(producer.sendBatch(messages(sent, sent + 100)));
            if (sent == 1_000) {
                Awaitility.await().until(() -> handled.size() > 500);
                node = NodeFixture.inMemory(node.kill(), PATIENT.formatted(port));
            }
        }
        try {
            receipts.forEach(PushToClientsTest::join);
            awaitHandled(count);
            awaitAllAcked(producer);
            // A Send that had to be repeated may be stored twice, and then it is another message with the same id.
            assertThat(again).allMatch(delivery -> delivery.attempt() == 1);
            join(consumer.close());
            join(producer.close());
        } finally {
            node.close();
        }
    }

    @Test
    void whatAClientHoldsThatFallsSilentIsPushedToOthers() {
        try (NodeFixture node = NodeFixture.inMemory(new MemoryDisk(), IMPATIENT.formatted(0))) {
            ForebayClient silent = client(port(node));
            Set<String> held = ConcurrentHashMap.newKeySet();
            silent.subscribe(PopRequest.of("t", "g", 64), delivery -> {
                held.add(delivery.message().id());
                return new CompletableFuture<>();
            });
            ForebayClient other = client(port(node));
            join(other.sendBatch(messages(0, 300)));
            // A slow machine may take it for gone already, and push again what it has.
            Awaitility.await("held").until(() -> held.size() == 300);
            other.subscribe(PopRequest.of("t", "g", 64), this::handle);
            // Its process is gone without a word: as good as that, its actors are.
            systems.get(0).terminate();
            awaitHandled(300);
            awaitAllAcked(other);
            join(other.close());
        }
    }
}
