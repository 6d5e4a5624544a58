package io.forebay.client;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import akka.actor.testkit.typed.javadsl.ActorTestKit;
import akka.actor.typed.Props;
import com.typesafe.config.Config;
import com.typesafe.config.ConfigFactory;
import io.forebay.protocol.Delivery;
import io.forebay.protocol.ForebayException;
import io.forebay.protocol.Message;
import io.forebay.protocol.NodeProtocol;
import io.forebay.protocol.Receipt;
import io.forebay.protocol.Refusal;
import io.forebay.protocol.SendResult;
import io.forebay.support.PatientTestKits;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import java.util.concurrent.CompletionStage;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.TimeUnit;
import org.awaitility.Awaitility;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.parallel.Execution;
import org.junit.jupiter.api.parallel.ExecutionMode;

/** The client outside the cluster, over a real transport: what is larger than a frame, and a node that goes and comes. */
class RemoteClientTest {
    private final FakeNode.Store store = new FakeNode.Store();
    private final ConcurrentLinkedQueue<ClientNotice> notices = new ConcurrentLinkedQueue<>();
    private ActorTestKit nodeKit;
    private ActorTestKit clientKit;

    private static Config config(int port) {
        return ConfigFactory.parseString("""
            akka.actor.provider = remote
            akka.remote.artery.canonical.hostname = 127.0.0.1
            akka.remote.artery.canonical.port = %d
            akka.coordinated-shutdown.run-by-actor-system-terminate = off
            akka.loglevel = ERROR
            forebay.client.lookup.no-answer-after = 500 ms
            """.formatted(port)).withFallback(ConfigFactory.load());
    }

    @BeforeEach
    void start() {
        startNode(0);
        clientKit = PatientTestKits.create("client", config(0));
    }

    private void startNode(int port) {
        nodeKit = PatientTestKits.create("forebay", config(port));
        nodeKit.system().systemActorOf(FakeNode.create("node-1", store), NodeProtocol.ENTRY_NAME, Props.empty());
    }

    @AfterEach
    void stop() {
        clientKit.shutdownTestKit();
        nodeKit.shutdownTestKit();
    }

    private int port() {
        return nodeKit.system().address().getPort().get();
    }

    private ForebayClient connect(String address) {
        return ForebayClient.connect(
                clientKit.system(), Target.contact(address), ClientSettings.of(clientKit.system()), notices::add);
    }

    private static <T> T join(CompletionStage<T> stage) {
        return stage.toCompletableFuture().orTimeout(60, TimeUnit.SECONDS).join();
    }

    @Test
    void bodiesLargerThanAFrameGoAndComeBack() {
        ForebayClient client = connect("127.0.0.1:" + port());
        Random random = new Random(7);
        List<Message> messages = new ArrayList<>();
        for (int i = 0; i < 60; i++) {
            byte[] body = new byte[i % 4 == 0 ? 1 + random.nextInt(3 << 20) : random.nextInt(2000)];
            random.nextBytes(body);
            messages.add(Message.builder("orders").id("m" + i).body(body).build());
        }
        List<SendResult> results = join(client.sendBatch(messages));
        for (int i = 0; i < messages.size(); i++) {
            assertThat(((Receipt) results.get(i)).payloadCrc())
                    .isEqualTo(Message.crcOf(messages.get(i).body()));
        }
        assertThat(store.sent.stream().map(Message::id).toList())
                .isEqualTo(messages.stream().map(Message::id).toList());
        List<Delivery> popped = new ArrayList<>();
        while (popped.size() < messages.size()) {
            List<Delivery> some = join(client.pop(PopRequest.of("orders", "billing", 100)));
            some.forEach(delivery -> join(client.ack(delivery)));
            popped.addAll(some);
        }
        for (int i = 0; i < messages.size(); i++) {
            assertThat(popped.get(i).body()).isEqualTo(messages.get(i).body());
            assertThat(popped.get(i).message().id()).isEqualTo("m" + i);
        }
        assertThat(store.acked.get()).isEqualTo(messages.size());
        join(client.close());
    }

    @Test
    @Execution(ExecutionMode.CONCURRENT)
    void whenChunksAreLostTheSessionIsOpenedAgainAndTheyAreRepeated() {
        ForebayClient client = connect("127.0.0.1:" + port());
        join(client.whenConnected());
        store.isLosingChunks = true;
        CompletionStage<Receipt> large = client.send(
                Message.builder("orders").id("large").body(new byte[3 << 20]).build());
        Awaitility.await()
                .atMost(Duration.ofSeconds(60))
                .until(() -> notices.stream().anyMatch(ClientNotice.Lost.class::isInstance));
        join(large);
        assertThat(store.sent.stream().map(Message::id)).contains("large");
        join(client.close());
    }

    @Test
    @Execution(ExecutionMode.CONCURRENT)
    void aNodeThatComesBackIsFoundAndWhatWasUnansweredIsRepeated() {
        int port = port();
        ForebayClient client = connect("akka://forebay@127.0.0.1:" + port);
        join(client.send(Message.of("orders", new byte[1])));
        nodeKit.shutdownTestKit();
        CompletionStage<Receipt> receipt =
                client.send(Message.builder("orders").id("while-away").build());
        Awaitility.await()
                .atMost(Duration.ofSeconds(60))
                .until(() -> notices.stream().anyMatch(ClientNotice.Lost.class::isInstance));
        startNode(port);
        join(receipt);
        assertThat(store.sent.stream().map(Message::id)).contains("while-away");
        assertThat(notices.stream().map(ClientNotice::text).toList())
                .anySatisfy(text -> assertThat(text).startsWith("connected again to node node-1"));
        join(client.close());
    }

    @Test
    void aWrongSystemNameIsToldWithWhatWasTried() {
        String wrong = "akka://other@127.0.0.1:" + port();
        ForebayClient client = connect(wrong);
        Awaitility.await().atMost(Duration.ofSeconds(60)).until(() -> !notices.isEmpty());
        assertThat(notices.peek()).isInstanceOf(ClientNotice.NoAnswer.class);
        assertThat(notices.peek().text())
                .contains("no answer from " + wrong + "/system/forebay")
                .contains("ready line")
                .contains("'" + wrong + "'")
                .contains(clientKit.system().address().toString());
        join(client.close());
    }

    @Test
    void anActorSystemWithoutRemotingIsRefused() {
        ActorTestKit local = PatientTestKits.create(
                "local", ConfigFactory.parseString("akka.loglevel = ERROR").withFallback(ConfigFactory.load()));
        try {
            assertThatThrownBy(() -> ForebayClient.connect(local.system(), Target.contact("127.0.0.1:1")))
                    .isInstanceOfSatisfying(
                            ForebayException.class,
                            failure -> assertThat(failure.code()).isEqualTo(Refusal.Code.ILLEGAL_ARGUMENT))
                    .hasMessageContaining("akka.actor.provider is local");
        } finally {
            local.shutdownTestKit();
        }
    }
}
