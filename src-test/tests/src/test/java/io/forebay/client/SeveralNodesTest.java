package io.forebay.client;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import akka.actor.testkit.typed.javadsl.ActorTestKit;
import akka.actor.typed.ActorRef;
import akka.actor.typed.receptionist.Receptionist;
import akka.cluster.typed.Cluster;
import akka.cluster.typed.Join;
import com.typesafe.config.ConfigFactory;
import io.forebay.protocol.Delivery;
import io.forebay.protocol.ForebayException;
import io.forebay.protocol.Message;
import io.forebay.protocol.NodeProtocol;
import io.forebay.protocol.Receipt;
import io.forebay.protocol.ReceiptHandle;
import io.forebay.protocol.Refusal;
import io.forebay.support.PatientTestKits;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionStage;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicReference;
import java.util.stream.Stream;
import org.awaitility.Awaitility;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;

/** One client and several nodes: where messages, keys, pops and acks go, and what happens when a node goes. */
class SeveralNodesTest {
    private static ActorTestKit kit;

    private final FakeNode.Store one = new FakeNode.Store();
    private final FakeNode.Store two = new FakeNode.Store();
    private final ConcurrentLinkedQueue<ClientNotice> notices = new ConcurrentLinkedQueue<>();

    @BeforeAll
    static void startKit() {
        kit = PatientTestKits.create(ConfigFactory.parseString("""
            akka.actor.provider = cluster
            akka.remote.artery.canonical.hostname = 127.0.0.1
            akka.remote.artery.canonical.port = 0
            akka.cluster.jmx.multi-mbeans-in-same-jvm = on
            akka.coordinated-shutdown.run-by-actor-system-terminate = off
            forebay.client.lookup.no-answer-after = 500 ms
            akka.loglevel = WARNING
            """).withFallback(ConfigFactory.load()));
        Cluster cluster = Cluster.get(kit.system());
        cluster.manager().tell(Join.create(cluster.selfMember().address()));
    }

    @AfterAll
    static void stopKit() {
        kit.shutdownTestKit();
    }

    private static <T> T join(CompletionStage<T> stage) {
        return stage.toCompletableFuture().orTimeout(60, TimeUnit.SECONDS).join();
    }

    private ForebayClient connect(ActorRef<NodeProtocol.Request> first, ActorRef<NodeProtocol.Request> second) {
        ForebayClient client =
                ForebayClient.connect(kit.system(), Target.node(first), ClientSettings.of(kit.system()), notices::add);
        client.addLink(ClientSession.Place.of(second, kit.system(), "Check it."));
        Awaitility.await()
                .until(() -> notices.stream()
                                .filter(ClientNotice.Connected.class::isInstance)
                                .count()
                        == 2);
        return client;
    }

    private ActorRef<NodeProtocol.Request> node(String name, FakeNode.Store store) {
        return kit.spawn(FakeNode.create(name, store));
    }

    /**
     * Until a node has all Sends that were on their way to it. Once it has answered the first ack the client has sent them all, and the
     * second one comes behind them.
     */
    private static void awaitHeard(ForebayClient client, String node) {
        ReceiptHandle settled = new ReceiptHandle(ReceiptHandle.nodeIdOf(node), 0, 1, 1, 1_000_000, 1, 1, 7);
        for (int i = 0; i < 2; i++) {
            join(client.ack("billing", settled, null));
        }
    }

    @Test
    void messagesGoInTurnAndAKeyStaysWithItsNode() {
        ForebayClient client = connect(node("node-1", one), node("node-2", two));
        for (int i = 0; i < 10; i++) {
            join(client.send(Message.of("orders", new byte[1])));
        }
        assertThat(one.sent).hasSize(5);
        assertThat(two.sent).hasSize(5);
        Map<String, String> nodes = new HashMap<>();
        for (int i = 0; i < 100; i++) {
            String key = "k" + i % 20;
            Receipt receipt =
                    join(client.send(Message.builder("orders").messageGroup(key).build()));
            assertThat(nodes.computeIfAbsent(key, first -> receipt.node())).isEqualTo(receipt.node());
        }
        assertThat(nodes.values()).contains("node-1", "node-2");
        join(client.close());
    }

    @Test
    void aPopFindsWhateverNodeHasSomethingAndTheAckFindsItBack() {
        ForebayClient client = connect(node("node-1", one), node("node-2", two));
        two.fill(3, 10);
        List<Delivery> deliveries = join(client.pop(PopRequest.of("orders", "billing", 10)));
        assertThat(deliveries).hasSize(3);
        deliveries.forEach(delivery -> join(client.ack(delivery)));
        assertThat(two.acked.get()).isEqualTo(3);
        CompletionStage<List<Delivery>> waiting = client.pop(PopRequest.of("orders", "billing", 10));
        join(client.send(Message.of("orders", new byte[1])));
        assertThat(join(waiting)).hasSize(1);
        ReceiptHandle foreign = new ReceiptHandle(12345, 0, 1, 1, 1, 1, 1, 1);
        assertThatThrownBy(() -> join(client.ack("billing", foreign, null)))
                .hasCauseInstanceOf(ForebayException.class)
                .hasStackTraceContaining(Refusal.Code.FOREIGN_HANDLE.name());
        join(client.close());
        assertThat(one.outCount() + two.outCount()).isEqualTo(1); // the one that was not acked, wherever it was
    }

    @Test
    void whatANodeNeverAnsweredGoesElsewhereIfItNeedsNoOrder() {
        ActorRef<NodeProtocol.Request> first = node("node-1", one);
        ForebayClient client = connect(first, node("node-2", two));
        kit.stop(first);
        List<CompletableFuture<Receipt>> receipts = new ArrayList<>();
        for (int i = 0; i < 20; i++) {
            receipts.add(client.send(Message.of("orders", new byte[1])).toCompletableFuture());
        }
        receipts.forEach(SeveralNodesTest::join);
        assertThat(one.sent.size() + two.sent.size()).isGreaterThanOrEqualTo(20);
        join(client.close());
    }

    @Test
    void whatMustNotBeThereTwiceWaitsForTheNodeThatMayHaveStoredIt() {
        ActorRef<NodeProtocol.Request> first = node("node-1", one);
        AtomicReference<ActorRef<NodeProtocol.Request>> entry = new AtomicReference<>(first);
        ClientSettings settings = ClientSettings.from(
                ConfigFactory.parseString("send.deduplicated = on")
                        .withFallback(kit.system().settings().config().getConfig("forebay.client")),
                "test");
        ForebayClient client =
                ForebayClient.connect(kit.system(), Target.node(node("node-2", two)), settings, notices::add);
        client.addLink(new ClientSession.Place(open -> entry.get().tell(open), "node-1", "Check it."));
        Awaitility.await()
                .until(() -> notices.stream()
                                .filter(ClientNotice.Connected.class::isInstance)
                                .count()
                        == 2);
        one.isMute = true;
        List<CompletableFuture<Receipt>> receipts = new ArrayList<>();
        for (int i = 0; i < 20; i++) {
            receipts.add(client.send(Message.of("orders", new byte[1])).toCompletableFuture());
        }
        Awaitility.await().until(() -> !one.sent.isEmpty() && two.sent.size() == 10);
        awaitHeard(client, "node-1");
        kit.stop(first);
        int uncertain = one.sent.size();
        // What the first node never saw goes to the other one; what it has is asked for when it is back.
        Awaitility.await().until(() -> two.sent.size() == 20 - uncertain);
        assertThat(receipts.stream().filter(receipt -> !receipt.isDone())).hasSizeGreaterThanOrEqualTo(uncertain);
        one.isMute = false;
        entry.set(node("node-1", one));
        receipts.forEach(SeveralNodesTest::join);
        assertThat(two.sent).hasSize(20 - uncertain);
        assertThat(one.sent.stream().map(Message::producerSequence).distinct()).hasSize(uncertain);
        assertThat(Stream.concat(one.sent.stream(), two.sent.stream())
                        .map(Message::producerSequence)
                        .distinct())
                .hasSize(20);
        assertThat(Stream.concat(one.sent.stream(), two.sent.stream())
                        .map(Message::producerId)
                        .distinct())
                .hasSize(1)
                .doesNotContain(0L);
        join(client.close());
    }

    @Test
    void aMemberFindsNodesThroughTheReceptionist() {
        ForebayClient client =
                ForebayClient.connect(kit.system(), Target.cluster(), ClientSettings.of(kit.system()), notices::add);
        List<CompletionStage<Receipt>> early = new ArrayList<>();
        for (int i = 0; i < 5; i++) {
            early.add(client.send(
                    Message.builder("orders").id("m" + i).messageGroup("k").build()));
        }
        ActorRef<NodeProtocol.Request> entry = node("node-1", one);
        kit.system().receptionist().tell(Receptionist.register(NodeProtocol.SERVICE_KEY, entry));
        early.forEach(SeveralNodesTest::join);
        assertThat(one.sent.stream().map(Message::id).toList()).containsExactly("m0", "m1", "m2", "m3", "m4");
        join(client.close());
    }
}
