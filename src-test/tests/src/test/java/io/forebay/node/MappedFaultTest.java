package io.forebay.node;

import static org.assertj.core.api.Assertions.assertThat;

import akka.actor.typed.ActorSystem;
import akka.actor.typed.javadsl.Behaviors;
import com.typesafe.config.ConfigFactory;
import io.forebay.client.ForebayClient;
import io.forebay.client.PopRequest;
import io.forebay.client.Target;
import io.forebay.protocol.Delivery;
import io.forebay.protocol.Durability;
import io.forebay.protocol.ForebayException;
import io.forebay.protocol.Message;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletionStage;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;
import org.awaitility.Awaitility;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * The pages of one stripe's mapped files are gone under a real node in another process (somebody cuts the files short, which raises
 * the same signal as a device that does not give a page): I1 the process lives, I2 who asks for what was there is answered, I3 the other
 * stripe is served as before.
 */
@Tag("proof")
class MappedFaultTest {
    private static final int COUNT = 2000;
    private static final long SECONDS = 30;

    @TempDir
    Path directory;

    private static <T> T get(CompletionStage<T> stage) throws Exception {
        return stage.toCompletableFuture().get(SECONDS, TimeUnit.SECONDS);
    }

    private static void send(ForebayClient client, String topic, int count) throws Exception {
        CompletionStage<?> last = null;
        for (int i = 0; i < count; i++) {
            last = client.send(
                    Message.builder(topic).id(topic + i).body(new byte[1000]).build(), Durability.WRITTEN);
        }
        get(last);
    }

    private static PopRequest pop(String topic) {
        return PopRequest.of(topic, topic + "-readers", 32).withWaitMax(Duration.ofMillis(200));
    }

    /** As long as it takes: a busy machine may find nothing in time. */
    private static List<Delivery> some(ForebayClient client, String topic) {
        return Awaitility.await("messages of " + topic)
                .pollInSameThread()
                .until(() -> get(client.pop(pop(topic))), deliveries -> !deliveries.isEmpty());
    }

    private static void cutShort(Path stripe) throws Exception {
        try (Stream<Path> files = Files.list(stripe)) {
            for (Path file : files.filter(path -> path.getFileName().toString().startsWith("segment-"))
                    .toList()) {
                try (FileChannel channel = FileChannel.open(file, StandardOpenOption.WRITE)) {
                    channel.truncate(4096);
                }
            }
        }
    }

    @Test
    void aPageThatIsGoneStopsNeitherTheProcessNorTheOtherStripe() throws Exception {
        Path log = directory.resolve("node.log");
        try (ForkedNode node = ForkedNode.start(
                directory.resolve("data"), 0, Map.of("forebay.storage.stripes", "2"), List.of(), log)) {
            ActorSystem<Void> system = ActorSystem.create(
                    Behaviors.empty(),
                    "mapped-fault-test",
                    ConfigFactory.parseString("""
                    akka.actor.provider = remote
                    akka.remote.warn-about-direct-use = off
                    akka.remote.artery.canonical { hostname = 127.0.0.1, port = 0 }
                    akka.loglevel = ERROR
                    akka.log-dead-letters = off
                    akka.coordinated-shutdown.run-by-jvm-shutdown-hook = off
                    forebay.client.request-timeout = 5 s
                    """).withFallback(ConfigFactory.load()));
            try {
                ForebayClient client = ForebayClient.connect(system, Target.contact(node.address()));
                for (String topic : List.of("first", "second")) {
                    get(client.createTopic(topic, 1, Map.of()));
                    get(client.createGroup(topic + "-readers", topic, Map.of()));
                    send(client, topic, COUNT);
                }
                cutShort(directory.resolve("data").resolve("stripe-0"));
                for (int i = 0; i < 5; i++) {
                    try {
                        get(client.pop(pop("first"))); // I2: whatever it is
                    } catch (ExecutionException refused) {
                        assertThat(refused).hasCauseInstanceOf(ForebayException.class);
                    }
                }
                int count = 0;
                while (count < COUNT) {
                    List<Delivery> some = some(client, "second");
                    count += some.size();
                    get(client.ackBatch(
                            "second-readers",
                            some.stream().map(Delivery::handle).toList(),
                            Durability.WRITTEN));
                }
                assertThat(count).as("I3").isEqualTo(COUNT);
                send(client, "second", 10);
                assertThat(some(client, "second")).as("I3").isNotEmpty();
                assertThat(get(client.describeTopic("second"))).as("I1").isNotEmpty();
                assertThat(node.isAlive()).as("I1").isTrue();
                assertThat(Files.readString(log))
                        .as("I1: what the node says of it")
                        .doesNotContain("Uncaught error")
                        .doesNotContain("AssertionError");
            } finally {
                system.terminate();
            }
        }
    }
}
