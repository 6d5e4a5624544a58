package io.forebay.node;

import static org.assertj.core.api.Assertions.assertThat;

import akka.Done;
import akka.actor.typed.ActorSystem;
import akka.actor.typed.javadsl.Behaviors;
import com.typesafe.config.ConfigFactory;
import io.forebay.client.ClientNotice;
import io.forebay.client.ClientSettings;
import io.forebay.client.ForebayClient;
import io.forebay.client.PopRequest;
import io.forebay.client.Target;
import io.forebay.protocol.Delivery;
import io.forebay.protocol.Message;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Queue;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionStage;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import org.awaitility.Awaitility;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.EnabledOnOs;
import org.junit.jupiter.api.condition.OS;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.api.parallel.Execution;
import org.junit.jupiter.api.parallel.ExecutionMode;

/**
 * A node in another process says nothing for longer than two heartbeats, and for less than its session's timeout: because it
 * stands still, or because it has been started again. Its client is in the middle of everything: it sends, it handles what it is
 * pushed, and holds what it was pushed before. I1 nothing acknowledged is missing, I4 what was acked does not come back, I5 a
 * handle stays valid: all that was held is acked by it, and was delivered once.
 */
class SilentNodeTest {
    private static final int HALF = 300;
    private static final Map<String, String> SETTINGS = Map.of(
            "forebay.group.delivery",
            "push",
            "forebay.session.heartbeat-interval",
            "300 ms",
            // Nobody in this test lives to see it.
            "forebay.session.timeout",
            "10 minutes");

    @TempDir
    Path directory;

    private final Queue<ClientNotice> notices = new ConcurrentLinkedQueue<>();
    /** By message id: how often it came. */
    private final Map<String, AtomicInteger> handled = new ConcurrentHashMap<>();

    private final Queue<Delivery> deliveries = new ConcurrentLinkedQueue<>();
    private final CompletableFuture<Done> held = new CompletableFuture<>();
    private ActorSystem<Void> system;
    private ForebayClient client;

    private void connect(String address) {
        system = ActorSystem.create(
                Behaviors.empty(), "client", ConfigFactory.parseString("""
                    akka.actor.provider = remote
                    akka.remote.warn-about-direct-use = off
                    akka.remote.artery.canonical { hostname = 127.0.0.1, port = 0 }
                    akka.loglevel = OFF
                    akka.coordinated-shutdown { run-by-jvm-shutdown-hook = off, run-by-actor-system-terminate = off }
                    forebay.client.lookup { retry-min = 100 ms, retry-max = 300 ms }
                    # Nothing that is lost is repeated for this.
                    forebay.client.request-timeout = 10 minutes
                    """).withFallback(ConfigFactory.load()));
        client = ForebayClient.connect(system, Target.contact(address), ClientSettings.of(system), notices::add);
        client.subscribe(PopRequest.of("t", "g", 64), this::handle);
    }

    @AfterEach
    void stop() {
        if (system != null) {
            system.terminate();
            join(system.getWhenTerminated());
        }
    }

    private static <T> T join(CompletionStage<T> stage) {
        return stage.toCompletableFuture().orTimeout(60, TimeUnit.SECONDS).join();
    }

    /** Every third one is held until the node is back. */
    private CompletionStage<Done> handle(Delivery delivery) {
        deliveries.add(delivery);
        String id = delivery.message().id();
        handled.computeIfAbsent(id, absent -> new AtomicInteger()).incrementAndGet();
        boolean isHeld = id.startsWith("before") && delivery.queueOffset() % 3 == 0;
        return isHeld ? held : CompletableFuture.completedStage(Done.done());
    }

    private static List<Message> messages(String prefix) {
        List<Message> messages = new ArrayList<>();
        for (int i = 0; i < HALF; i++) {
            // Now and then one that is larger than a frame of the transport.
            byte[] body = new byte[i % 100 == 7 ? 400_000 : 300];
            messages.add(Message.builder("t").id(prefix + i).body(body).build());
        }
        return messages;
    }

    private void awaitHandled(int count) {
        Awaitility.await("handled")
                .atMost(Duration.ofSeconds(60))
                .untilAsserted(() -> assertThat(handled).hasSize(count));
    }

    private void awaitAllAcked() {
        Awaitility.await("acked")
                .atMost(Duration.ofSeconds(60))
                .untilAsserted(() -> assertThat(join(client.describeGroup("g", "t")))
                        .allMatch(group -> group.depth() == 0 && group.inFlight() == 0));
    }

    private List<String> lost() {
        return notices.stream()
                .filter(ClientNotice.Lost.class::isInstance)
                .map(ClientNotice::text)
                .toList();
    }

    @Test
    @Execution(ExecutionMode.CONCURRENT)
    @EnabledOnOs({OS.LINUX, OS.MAC})
    void aNodeThatHasStoodStillGoesOnAsIfNothingHadBeen() throws Exception {
        try (ForkedNode node = ForkedNode.start(directory, 0, SETTINGS)) {
            connect(node.address());
            join(client.sendBatch(messages("before")));
            awaitHandled(HALF);
            node.suspend();
            List<CompletionStage<?>> receipts = new ArrayList<>();
            messages("after").forEach(message -> receipts.add(client.send(message)));
            // Ten heartbeats long.
            Awaitility.await("it stands still").pollDelay(Duration.ofSeconds(3)).until(() -> true);
            node.resume();
            receipts.forEach(SilentNodeTest::join);
            awaitHandled(2 * HALF);
            held.complete(Done.done());
            awaitAllAcked();
            assertThat(lost()).as("it has never been lost").isEmpty();
            assertThat(deliveries).as("stored once, delivered once").hasSize(2 * HALF);
            assertThat(deliveries).as("I5").allMatch(delivery -> delivery.attempt() == 1);
            join(client.close());
        }
    }

    @Test
    void aNodeThatIsStartedAgainIsFoundLongBeforeItsSilenceTells() throws Exception {
        ForkedNode node = ForkedNode.start(directory, 0, SETTINGS);
        try {
            connect(node.address());
            join(client.sendBatch(messages("before")));
            awaitHandled(HALF);
            node.kill();
            List<CompletionStage<?>> receipts = new ArrayList<>();
            messages("after").forEach(message -> receipts.add(client.send(message)));
            node = ForkedNode.start(directory, node.port(), SETTINGS);
            receipts.forEach(SilentNodeTest::join);
            awaitHandled(2 * HALF);
            held.complete(Done.done());
            awaitAllAcked();
            assertThat(lost())
                    .singleElement()
                    .satisfies(text -> assertThat(text).contains("does not know the session"));
            // A Send that had to be repeated may be stored twice, and then it is another message with the same id.
            assertThat(deliveries).as("I5").allMatch(delivery -> delivery.attempt() == 1);
            assertThat(deliveries.stream()
                            .filter(delivery -> delivery.message().id().startsWith("before")))
                    .as("I4")
                    .hasSize(HALF);
            join(client.close());
        } finally {
            node.close();
        }
    }
}
