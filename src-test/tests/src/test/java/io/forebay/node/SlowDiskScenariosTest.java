package io.forebay.node;

import static org.assertj.core.api.Assertions.assertThat;

import akka.actor.Address;
import akka.actor.testkit.typed.javadsl.TestProbe;
import akka.actor.typed.ActorSystem;
import akka.actor.typed.javadsl.Behaviors;
import akka.cluster.ClusterEvent;
import akka.cluster.MemberStatus;
import akka.cluster.typed.Cluster;
import akka.cluster.typed.Join;
import akka.cluster.typed.Subscribe;
import com.typesafe.config.ConfigFactory;
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
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicReference;
import java.util.stream.StreamSupport;
import org.awaitility.Awaitility;
import org.junit.jupiter.api.Test;

/**
 * A whole node over a disk whose forces do not end until the test lets them. While one is under way: I1 what asks for WRITTEN is
 * answered, and so are sessions and those who look, I2 nothing is answered FLUSHED, I3 what is not flushed stays below its bound, Sends
 * are told Busy and acks are taken, I4 behind it all is answered, in order, I5 no other member of the cluster misses a heartbeat.
 */
class SlowDiskScenariosTest {
    private static final long LONG = 60_000;
    private static final String SETTINGS = """
        forebay.store { max-unflushed = 4 MiB, send-high-water-percent = 75, flush-bytes = 64 KiB, flush-interval = 20 ms }
        forebay.queue { body-max = 64 KiB, batch-bytes-max = 256 KiB }
        """;
    private static final long UNFLUSHED_MAX = 4L << 20;

    private final MemoryDisk disk = new MemoryDisk();
    private final AtomicReference<CountDownLatch> held = new AtomicReference<>(new CountDownLatch(0));

    /** Twice what a member may be silent for. */
    private static final Duration HELD = Duration.ofSeconds(6);

    private static final String MEMBER = """
        akka.actor.provider = cluster
        akka.remote.artery.canonical { hostname = 127.0.0.1, port = 0 }
        akka.cluster.failure-detector { heartbeat-interval = 250 ms, acceptable-heartbeat-pause = 3 s }
        akka.cluster.downing-provider-class = "akka.cluster.sbr.SplitBrainResolverProvider"
        akka.cluster.jmx.multi-mbeans-in-same-jvm = on
        akka.coordinated-shutdown.run-by-jvm-shutdown-hook = off
        akka.loglevel = ERROR
        """;

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

    @Test
    void theClusterDoesNotNotice() throws Exception {
        try (NodeFixture node = NodeFixture.inMemory(disk, SETTINGS + MEMBER)) {
            ActorSystem<Void> member = ActorSystem.create(
                    Behaviors.empty(),
                    node.system.name(),
                    ConfigFactory.parseString(MEMBER).withFallback(ConfigFactory.load()));
            try {
                Address seed = Cluster.get(node.system).selfMember().address();
                Cluster.get(node.system).manager().tell(Join.create(seed));
                Cluster.get(member).manager().tell(Join.create(seed));
                TestProbe<ClusterEvent.ReachabilityEvent> silent = TestProbe.create(member);
                Awaitility.await("both members are up")
                        .atMost(NodeFixture.PATIENCE)
                        .until(() -> upMembers(node.system) == 2 && upMembers(member) == 2);
                Cluster.get(member)
                        .subscriptions()
                        .tell(Subscribe.create(silent.getRef(), ClusterEvent.ReachabilityEvent.class));
                NodeFixture.Client client = begun(node);
                NodeFixture.Client flushing = node.open();
                holdForces();
                flushing.tell(new SessionCommand.Send(
                        flushing.nextId(), "t", -1, List.of(message("flushed", 100)), Durability.FLUSHED));
                // Until everything that waits for the disk does.
                while (client.trySend("t", List.of(message("w", 40_000)), Durability.WRITTEN)
                                .get(0)
                        instanceof Receipt) {}
                silent.expectNoMessage(HELD); // I5
                assertThat(client.describe("g", "t").depth()).as("I1").isPositive();
                flushing.probe.expectNoMessage(Duration.ZERO); // I2
                release();
                flushing.expect(SessionEvent.SendReply.class); // I4
            } finally {
                release();
                member.terminate();
                member.getWhenTerminated().toCompletableFuture().get(60, TimeUnit.SECONDS);
            }
        }
    }

    private static long upMembers(ActorSystem<?> system) {
        return StreamSupport.stream(Cluster.get(system).state().getMembers().spliterator(), false)
                .filter(member -> member.status().equals(MemberStatus.up()))
                .count();
    }
}
