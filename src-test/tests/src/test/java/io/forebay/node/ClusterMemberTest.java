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
import io.forebay.protocol.Message;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletionStage;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** A client in another member of the cluster finds the node through the Receptionist, and is watched there. */
class ClusterMemberTest {
    @TempDir
    Path directory;

    @Test
    void whatAMemberHeldComesBackWhenItLeaves() throws Exception {
        ForebayNode node = ForebayNode.start(NodeOptions.of(directory)
                .withOverrides(Map.of(
                        "forebay.storage.segment-size", "4 MiB",
                        "forebay.queue.body-max", "1 MiB",
                        "forebay.queue.batch-bytes-max", "2 MiB",
                        "forebay.storage.low-space", "0 B",
                        "forebay.topic.auto-create", "on",
                        "akka.coordinated-shutdown.run-by-jvm-shutdown-hook", "off",
                        // Silence alone would take far longer than this test.
                        "forebay.session.timeout", "10 minutes")));
        ActorSystem<Void> member = ActorSystem.create(
                Behaviors.empty(),
                "forebay",
                ConfigFactory.parseString("""
                    akka.actor.provider = cluster
                    akka.remote.artery.canonical { hostname = 127.0.0.1, port = 0 }
                    akka.cluster.seed-nodes = ["%s"]
                    # All members have to agree about this.
                    akka.cluster.downing-provider-class = "akka.cluster.sbr.SplitBrainResolverProvider"
                    akka.cluster.jmx.multi-mbeans-in-same-jvm = on
                    akka.loglevel = ERROR
                    akka.coordinated-shutdown.run-by-jvm-shutdown-hook = off
                    """.formatted(node.address())).withFallback(ConfigFactory.load()));
        try {
            ForebayClient client = ForebayClient.connect(member, Target.cluster());
            List<CompletionStage<?>> sends = new ArrayList<>();
            for (int i = 0; i < 100; i++) {
                sends.add(client.send(Message.of("t", new byte[100]), Durability.WRITTEN));
            }
            for (CompletionStage<?> send : sends) {
                join(send);
            }
            PopRequest request = PopRequest.of("t", "g", 100).withInvisible(Duration.ofMinutes(10));
            int held = join(client.pop(request)).size();
            assertThat(held).isPositive();
            // No word to the session: the system goes, and the cluster says so.
            member.terminate();
            member.getWhenTerminated().toCompletableFuture().get(60, TimeUnit.SECONDS);
            ForebayClient inside = ForebayClient.connect(
                    node.system(), Target.node(Forebay.get(node.system()).entry()));
            List<Delivery> all = new ArrayList<>();
            while (all.size() < 100) {
                List<Delivery> some = join(inside.pop(request.withWaitMax(Duration.ofSeconds(30))));
                assertThat(some).as("after %d messages", all.size()).isNotEmpty();
                all.addAll(some);
            }
            assertThat(all).hasSize(100);
            assertThat(join(inside.ackBatch(
                            "g", all.stream().map(Delivery::handle).toList(), Durability.FLUSHED)))
                    .hasSize(100);
            join(inside.close());
        } finally {
            member.terminate();
            node.stop().toCompletableFuture().get(60, TimeUnit.SECONDS);
            node.whenTerminated().toCompletableFuture().get(60, TimeUnit.SECONDS);
        }
    }

    private static <T> T join(CompletionStage<T> stage) {
        return stage.toCompletableFuture().orTimeout(60, TimeUnit.SECONDS).join();
    }
}
