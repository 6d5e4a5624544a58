package io.forebay.node;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

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
import io.forebay.client.ClientNotice;
import io.forebay.client.ClientSettings;
import io.forebay.client.ForebayClient;
import io.forebay.client.PopRequest;
import io.forebay.client.Target;
import io.forebay.protocol.AckOutcome;
import io.forebay.protocol.Delivery;
import io.forebay.protocol.Durability;
import io.forebay.protocol.GroupDescription;
import io.forebay.protocol.Message;
import io.forebay.protocol.Receipt;
import io.forebay.protocol.Refusal;
import io.forebay.protocol.SessionCommand;
import io.forebay.protocol.SessionEvent;
import io.forebay.testkit.faults.DiskObserver.Operation;
import io.forebay.testkit.faults.MemoryDisk;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Queue;
import java.util.Set;
import java.util.TreeSet;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionStage;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.stream.Collectors;
import java.util.stream.StreamSupport;
import org.awaitility.Awaitility;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.EnabledOnOs;
import org.junit.jupiter.api.condition.OS;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.api.parallel.Execution;
import org.junit.jupiter.api.parallel.ExecutionMode;

/**
 * What stands still for seconds by the clock on the wall: a consumer's process that is stopped or killed, the node's own, and a disk
 * whose forces do not end. Each test mostly waits, so they run beside each other. I1, I4 to I7 are held against what each side was told.
 */
@Tag("proof")
class StandstillTest {
    private static final long MINUTE = 60_000;
    private static final long HOUR = 60 * MINUTE;
    private static final String REMOTE = """
        akka.actor.provider = remote
        akka.remote.warn-about-direct-use = off
        akka.remote.artery.canonical { hostname = 127.0.0.1, port = 0 }
        akka.loglevel = ERROR
        forebay.session { heartbeat-interval = 300 ms, timeout = 5 s }
        """;
    /** Of a session; longer than a process that lives may stand still on a busy machine. */
    private static final long SESSION_TIMEOUT = 5_000;

    private static final String SLOW = """
        forebay.store { max-unflushed = 4 MiB, send-high-water-percent = 75, flush-bytes = 64 KiB, flush-interval = 20 ms }
        forebay.queue { body-max = 64 KiB, batch-bytes-max = 256 KiB }
        """;
    /** Longer than a member may be silent for. */
    private static final Duration HELD = Duration.ofSeconds(8);

    private static final String MEMBER = """
        akka.actor.provider = cluster
        akka.remote.artery.canonical { hostname = 127.0.0.1, port = 0 }
        akka.cluster.failure-detector { heartbeat-interval = 250 ms, acceptable-heartbeat-pause = 5 s }
        akka.cluster.downing-provider-class = "akka.cluster.sbr.SplitBrainResolverProvider"
        akka.cluster.jmx.multi-mbeans-in-same-jvm = on
        akka.coordinated-shutdown.run-by-jvm-shutdown-hook = off
        akka.loglevel = ERROR
        """;

    @TempDir
    Path directory;

    private static <T> T join(CompletionStage<T> stage) {
        return stage.toCompletableFuture().orTimeout(60, TimeUnit.SECONDS).join();
    }

    private static Set<String> texts(List<Delivery> deliveries) {
        return deliveries.stream().map(NodeFixture::text).collect(Collectors.toCollection(TreeSet::new));
    }

    private static Message message(String id, int bytes) {
        return Message.builder("t").id(id).body(new byte[bytes]).build();
    }

    // ---- consumers --------------------------------------------------------------------------------------------------

    @Test
    @Execution(ExecutionMode.CONCURRENT)
    @EnabledOnOs(OS.LINUX)
    void thousandPrefetchedOfAKilledConsumerComeBackAtOnceWithAttemptTwoAndTheBackoffTaken() throws Exception {
        int count = 1000;
        long backoff = 400;
        try (NodeFixture node = NodeFixture.inMemory(new MemoryDisk(), REMOTE)) {
            NodeFixture.Client client = node.open();
            client.createTopic("t", 4, Map.of());
            client.createGroup("g", "t", Map.of("retry-backoff", "fixed " + backoff + " ms"));
            for (int queue = 0; queue < 4; queue++) {
                client.sendTo(queue, "t", count / 4, "m" + queue + "-");
            }
            long lastHeard;
            try (ForkedConsumer consumer = ForkedConsumer.start(node, count)) {
                lastHeard = consumer.awaitHeld();
                assertThat(client.pop("t", "g", 10, HOUR, 0)).isEmpty();
                consumer.kill();
            }
            // Deadlines are an hour away. Several wait, so that whatever comes twice is seen.
            List<NodeFixture.Client> others = List.of(node.open(), node.open(), node.open());
            Set<String> got = new HashSet<>();
            while (got.size() < count) {
                for (NodeFixture.Client other : others) {
                    other.tell(new SessionCommand.Pop(other.nextId(), "t", "g", 97, 1 << 20, HOUR, 20_000));
                }
                int before = got.size();
                for (NodeFixture.Client other : others) {
                    List<Delivery> some =
                            other.expect(SessionEvent.Popped.class).deliveries();
                    for (Delivery delivery : some) {
                        assertThat(got.add(NodeFixture.text(delivery)))
                                .as("I5: out twice: %s", NodeFixture.text(delivery))
                                .isTrue();
                        assertThat(delivery.attempt()).as("I6").isEqualTo(2);
                        assertThat(delivery.poppedMillis())
                                .as("not before the consumer is gone and the backoff is over")
                                .isGreaterThanOrEqualTo(lastHeard + SESSION_TIMEOUT + backoff);
                    }
                    other.ack("g", NodeFixture.handles(some));
                }
                assertThat(got.size()).as("I1: nothing more comes").isGreaterThan(before);
            }
            GroupDescription now = client.describe("g", "t");
            assertThat(now.depth()).isZero();
            await("the end of the consumer's session")
                    .until(() ->
                            node.forebay.countSessions().toCompletableFuture().join() == 1 + others.size());
        }
    }

    @Test
    @Execution(ExecutionMode.CONCURRENT)
    @EnabledOnOs(OS.LINUX)
    void consumerThatStoodStillForTooLongIsToldWhatItsAcksAreWorth() throws Exception {
        int count = 20;
        try (NodeFixture node = NodeFixture.inMemory(new MemoryDisk(), REMOTE)) {
            NodeFixture.Client client = node.open();
            client.createTopic("t", 1, Map.of());
            client.createGroup("g", "t", Map.of("retry-backoff", "none"));
            client.send("t", count, "m");
            try (ForkedConsumer consumer = ForkedConsumer.start(node, count)) {
                consumer.awaitHeld();
                consumer.suspend();
                // Half of what it held goes out again while it stands still.
                List<Delivery> again = client.popAll("t", "g", count / 2, HOUR);
                assertThat(again).allMatch(delivery -> delivery.attempt() == 2);
                consumer.resume();
                List<String> told = consumer.ackAll();
                List<String> expected = new ArrayList<>();
                for (int i = 0; i < count; i++) {
                    expected.add(i < count / 2 ? "STALE_HANDLE" : "ACKED");
                }
                assertThat(told).isEqualTo(expected);
                assertThat(client.pop("t", "g", count, HOUR, 200)).as("I4").isEmpty();
                assertThat(client.ack("g", NodeFixture.handles(again))).containsOnly(AckOutcome.ACKED);
            }
        }
    }

    // ---- the node ---------------------------------------------------------------------------------------------------

    /**
     * The node is stopped for longer than it waits for a client's sign of life. Nobody has to suffer for its own sleep: sessions are
     * there when it goes on, with what they hold, but for what was to come back meanwhile.
     */
    @Test
    @Execution(ExecutionMode.CONCURRENT)
    @EnabledOnOs({OS.LINUX, OS.MAC})
    void aProcessThatWasStoppedForFiveSecondsGivesBackWhatIsOverdueAndNothingElse() throws Exception {
        Duration stop = Duration.ofSeconds(5);
        Duration heartbeat = Duration.ofMillis(300);
        Queue<ClientNotice> notices = new ConcurrentLinkedQueue<>();
        Queue<SessionEvent> unasked = new ConcurrentLinkedQueue<>();
        ActorSystem<Void> system =
                WireClient.system("clients", "forebay.client.lookup { retry-min = 100 ms, retry-max = 300 ms }");
        try (ForkedNode node = ForkedNode.start(
                directory,
                0,
                Map.of("forebay.session.heartbeat-interval", "300 ms", "forebay.session.timeout", "2 s"))) {
            ForebayClient client = ForebayClient.connect(
                    system, Target.contact(node.address()), ClientSettings.of(system), notices::add);
            // What is repeated because nobody answered is stored once.
            join(client.createTopic("t", 1, Map.of("deduplication", "message-id")));
            join(client.createGroup("g", "t", Map.of("retry-backoff", "none")));
            WireClient holder =
                    new WireClient(system, node.address(), 1, heartbeat, WireClient.Manners.READS, unasked::add);
            WireClient other =
                    new WireClient(system, node.address(), 2, heartbeat, WireClient.Manners.READS, unasked::add);
            holder.awaitOpened();
            other.awaitOpened();
            List<Message> messages = new ArrayList<>(NodeFixture.messages("t", 30, "m"));
            join(client.sendBatch(messages));
            List<Delivery> held = join(client.pop(PopRequest.of("t", "g", 10).withInvisible(Duration.ofMinutes(5))));
            List<Delivery> kept = holder.pop("t", "g", 10, 5 * MINUTE, 1000);
            List<Delivery> overslept = holder.pop("t", "g", 10, 3_000, 1000);
            assertThat(List.of(held.size(), kept.size(), overslept.size())).containsOnly(10);
            CompletableFuture<SessionEvent.Reply> waiting =
                    other.begin(id -> new SessionCommand.Pop(id, "t", "g", 30, 1 << 20, 5 * MINUTE, 2 * MINUTE));
            other.ask(id -> new SessionCommand.DescribeGroup(id, "g", "t"), SessionEvent.GroupDescribed.class);

            node.suspend();
            CompletionStage<?> sent = client.send(Message.of("t", "sent to nobody".getBytes()));
            Awaitility.await("it stands still").pollDelay(stop).until(() -> true);
            node.resume();

            List<Delivery> again = new ArrayList<>(((SessionEvent.Popped) join(waiting)).deliveries());
            while (again.size() < 11) {
                List<Delivery> more = other.pop("t", "g", 30, 5 * MINUTE, 10_000);
                assertThat(more)
                        .as("what is overdue, and what was sent meanwhile: %d of 11", again.size())
                        .isNotEmpty();
                again.addAll(more);
            }
            join(sent);
            Set<String> expected = texts(overslept);
            expected.add("sent to nobody");
            assertThat(texts(again)).as("I7, I1").isEqualTo(expected);
            assertThat(again)
                    .as("I6, I7")
                    .allMatch(delivery ->
                            delivery.attempt() == (NodeFixture.text(delivery).equals("sent to nobody") ? 1 : 2))
                    .allMatch(delivery -> delivery.attempt() == 1
                            || delivery.poppedMillis() >= overslept.get(0).invisibleUntilMillis());
            assertThat(holder.ack("g", NodeFixture.handles(overslept)))
                    .as("I5: of those that overslept")
                    .allMatch(
                            result -> result instanceof Refusal refusal && refusal.code() == Refusal.Code.STALE_HANDLE);
            assertThat(holder.ack("g", NodeFixture.handles(kept))).containsOnly(AckOutcome.ACKED);
            assertThat(other.ack("g", NodeFixture.handles(again))).containsOnly(AckOutcome.ACKED);
            assertThat(holder.ack("g", NodeFixture.handles(overslept))).containsOnly(AckOutcome.ALREADY_SETTLED);

            // The client had noticed, and is there again: with the same session, for it holds what it held.
            List<CompletableFuture<AckOutcome>> acks = held.stream()
                    .map(delivery -> client.ack(delivery).toCompletableFuture())
                    .toList();
            acks.forEach(ack -> assertThat(join(ack)).isEqualTo(AckOutcome.ACKED));
            assertThat(notices)
                    .anyMatch(ClientNotice.Lost.class::isInstance)
                    .anyMatch(notice -> notice instanceof ClientNotice.Connected connected && connected.isAgain());
            assertThat(unasked.stream().filter(event -> !(event instanceof SessionEvent.Heartbeat)))
                    .as("nobody is told that a session has ended")
                    .isEmpty();
            assertThat(other.pop("t", "g", 30, MINUTE, 200)).as("I4").isEmpty();
            assertThat(join(client.describeGroup("g", "t")).get(0).depth()).isZero();
            join(client.close());
        } finally {
            system.terminate();
            join(system.getWhenTerminated());
        }
    }

    // ---- the disk ---------------------------------------------------------------------------------------------------

    private static void holdForces(MemoryDisk disk, CountDownLatch goOn) {
        disk.observe((operation, path, at, length) -> {
            if (operation == Operation.FORCE) {
                try {
                    goOn.await();
                } catch (InterruptedException e) {
                    throw new IllegalStateException(e);
                }
            }
        });
    }

    @Test
    @Execution(ExecutionMode.CONCURRENT)
    void theClusterDoesNotNoticeADiskWhoseForcesDoNotEnd() throws Exception {
        MemoryDisk disk = new MemoryDisk();
        CountDownLatch goOn = new CountDownLatch(1);
        try (NodeFixture node = NodeFixture.inMemory(disk, SLOW + MEMBER)) {
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
                NodeFixture.Client client = node.open();
                client.createTopic("t", 2, Map.of());
                client.createGroup("g", "t", Map.of());
                NodeFixture.Client flushing = node.open();
                holdForces(disk, goOn);
                flushing.tell(new SessionCommand.Send(
                        flushing.nextId(), "t", -1, List.of(message("flushed", 100)), Durability.FLUSHED));
                // Until everything that waits for the disk does.
                while (client.trySend("t", List.of(message("w", 40_000)), Durability.WRITTEN)
                                .get(0)
                        instanceof Receipt) {}
                silent.expectNoMessage(HELD); // no other member misses a heartbeat
                assertThat(client.describe("g", "t").depth()).as("I1").isPositive();
                flushing.probe.expectNoMessage(Duration.ZERO); // I2
                goOn.countDown();
                flushing.expect(SessionEvent.SendReply.class); // I4
            } finally {
                goOn.countDown();
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
