package io.forebay.testkit;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import akka.actor.typed.ActorRef;
import akka.actor.typed.Behavior;
import akka.actor.typed.javadsl.AskPattern;
import akka.actor.typed.javadsl.Behaviors;
import akka.stream.javadsl.Sink;
import akka.stream.javadsl.Source;
import io.forebay.client.ForebayClient;
import io.forebay.client.ForebayFlow;
import io.forebay.client.PopRequest;
import io.forebay.client.Target;
import io.forebay.protocol.AckOutcome;
import io.forebay.protocol.Delivery;
import io.forebay.protocol.Durability;
import io.forebay.protocol.ForebayException;
import io.forebay.protocol.Message;
import io.forebay.protocol.Receipt;
import io.forebay.protocol.Refusal;
import io.forebay.testkit.faults.DiskCrashed;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.concurrent.CompletionStage;
import java.util.stream.IntStream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/** The kit as an application's tests use it: what a node promises holds in it, and nothing happens unless it is told to. */
class ForebayTestKitTest {
    private final ForebayTestKit kit = ForebayTestKit.started();

    @BeforeEach
    void createTopic() {
        kit.createTopic("orders", 4);
        kit.createGroup("billing", "orders");
    }

    @AfterEach
    void close() {
        kit.close();
    }

    private static String text(Delivery delivery) {
        return new String(delivery.body(), StandardCharsets.UTF_8);
    }

    private static List<String> texts(List<Delivery> deliveries) {
        return deliveries.stream().map(ForebayTestKitTest::text).sorted().toList();
    }

    @Test
    void whatIsSentIsPoppedAndAcked() {
        Receipt receipt = kit.send("orders", "a coffee");
        assertThat(receipt.level()).isEqualTo(Durability.FLUSHED);
        List<Delivery> popped = kit.pop("orders", "billing", 10);
        assertThat(texts(popped)).containsExactly("a coffee");
        assertThat(kit.depth("billing", "orders")).isEqualTo(1);
        assertThat(kit.inFlight("billing", "orders")).isEqualTo(1);
        assertThatThrownBy(() -> kit.assertSettled("billing", "orders"))
                .isInstanceOf(AssertionError.class)
                .hasMessageContaining("depth 1, of which in flight 1");
        assertThat(kit.ack(popped.get(0))).isEqualTo(AckOutcome.ACKED);
        kit.assertSettled("billing", "orders");
    }

    @Test
    void startingAgainWhatRunsChangesNothing() {
        kit.send("orders", "a coffee");
        ForebayClient before = kit.client();
        kit.start();
        assertThat(kit.client()).isSameAs(before);
        assertThat(kit.depth("billing", "orders")).isEqualTo(1);
    }

    /** I7: nothing comes before its time, whatever a real clock says. */
    @Test
    void aDeadlineOfTwelveHoursPassesOnlyWhenTimePasses() {
        kit.send("orders", "a coffee");
        PopRequest slow = PopRequest.of("orders", "billing", 1)
                .withInvisible(Duration.ofHours(12))
                .withExtend(false);
        Delivery first = kit.await(kit.client().pop(slow)).get(0);
        Instant before = kit.now();
        kit.settle();
        assertThat(kit.now()).isEqualTo(before);
        kit.passTime(Duration.ofHours(12).minusSeconds(1));
        assertThat(kit.pop("orders", "billing", 1)).isEmpty();
        kit.passTime(Duration.ofSeconds(2));
        Delivery second = kit.pop("orders", "billing", 1).get(0);
        assertThat(second.attempt()).isEqualTo(2);
        assertThat(Duration.between(before, kit.now()))
                .isEqualTo(Duration.ofHours(12).plusSeconds(1));
        assertThatThrownBy(() -> kit.ack(first)).isInstanceOf(ForebayException.class);
    }

    /** The client of production extends what it holds: with it a message does not come back while its consumer lives. */
    @Test
    void aClientThatLivesKeepsWhatItHolds() {
        kit.send("orders", "a coffee");
        Delivery held = kit.await(kit.client().pop(PopRequest.of("orders", "billing", 1)))
                .get(0);
        kit.passTime(Duration.ofMinutes(5));
        assertThat(kit.pop("orders", "billing", 1)).isEmpty();
        assertThat(kit.ack(held)).isEqualTo(AckOutcome.ACKED);
    }

    @Test
    void aNackedMessageComesBackAndIsADeadLetterInTheEnd() {
        kit.createGroup("strict", "orders", Map.of("max-attempts", "2", "retry-backoff", "fixed 10 s"));
        kit.send("orders", "a coffee");
        kit.nack(kit.pop("orders", "strict", 1).get(0), "too hot");
        assertThat(kit.pop("orders", "strict", 1)).isEmpty();
        kit.passTime(Duration.ofSeconds(11));
        kit.nack(kit.pop("orders", "strict", 1).get(0), "still too hot");
        kit.passTime(Duration.ofSeconds(11));
        assertThat(kit.deadLetters("strict")).hasSize(1);
        assertThat(kit.deadLetters("strict").get(0).message().properties())
                .containsEntry("dead-letter.reason", "still too hot");
        kit.passTime(Duration.ofSeconds(11));
        assertThatThrownBy(() -> kit.assertSettled("strict", "orders"))
                .hasMessageContaining("dead letters of the group: 1");
    }

    /** A Pop that waits takes the time it waits, and no more. */
    @Test
    void awaitingAPopThatFindsNothingTakesItsTime() {
        Instant before = kit.now();
        PopRequest patient = PopRequest.of("orders", "billing", 1).withWaitMax(Duration.ofSeconds(5));
        assertThat(kit.await(kit.client().pop(patient))).isEmpty();
        assertThat(Duration.between(before, kit.now())).isBetween(Duration.ofSeconds(5), Duration.ofSeconds(6));
    }

    @Test
    void awaitingWhatNeverComesIsAFailure() {
        Instant before = kit.now();
        assertThatThrownBy(() -> kit.await(new CompletableFuture<>(), Duration.ofSeconds(10)))
                .isInstanceOf(AssertionError.class)
                .hasMessageContaining("is not done");
        assertThat(Duration.between(before, kit.now())).isEqualTo(Duration.ofSeconds(10));
    }

    @Test
    void awaitingGivesTheRefusalThatProductionGives() {
        assertThatThrownBy(() -> kit.send("nowhere", "a coffee"))
                .isInstanceOfSatisfying(
                        ForebayException.class, e -> assertThat(e.code()).isEqualTo(Refusal.Code.UNKNOWN_TOPIC));
    }

    /** I1, I4: what was answered survives kill -9; what was acked does not come back. */
    @Test
    void aKilledNodeKeepsWhatItAnswered() {
        kit.send("orders", "a coffee");
        kit.send("orders", "a tea");
        Delivery popped = kit.pop("orders", "billing", 1).get(0);
        kit.ack(popped);
        kit.kill();
        assertThat(kit.isRunning()).isFalse();
        assertThatThrownBy(kit::client).isInstanceOf(IllegalStateException.class);
        kit.passTime(Duration.ofMinutes(1));
        kit.start();
        List<String> left = texts(kit.pop("orders", "billing", 10));
        assertThat(left).hasSize(1).doesNotContain(text(popped));
    }

    /** I1: what was FLUSHED survives a power cut, whatever of the rest does; many of them in many lives. */
    @Test
    void aPowerCutTakesNothingThatWasFlushed() {
        List<String> sent = new ArrayList<>();
        for (int life = 0; life < 20; life++) {
            for (int i = 0; i < 3; i++) {
                sent.add("flushed " + life + " " + i);
                kit.send("orders", "flushed " + life + " " + i);
            }
            kit.await(kit.client()
                    .send(Message.of("orders", "written".getBytes(StandardCharsets.UTF_8)), Durability.WRITTEN));
            kit.cutPower();
            kit.start();
        }
        assertThat(texts(kit.pop("orders", "billing", 1000))).containsAll(sent);
    }

    @Test
    void aStoppedNodeGoesOn() {
        kit.send("orders", "a coffee");
        kit.stop();
        kit.start();
        assertThat(texts(kit.pop("orders", "billing", 10))).containsExactly("a coffee");
    }

    /** A forced page that failed is given up, and FLUSHED is answered when it is true: the power cut behind it loses nothing. */
    @Test
    void aForceThatFailsLosesNothing() {
        kit.failForces(1);
        assertThat(kit.send("orders", "a coffee").level()).isEqualTo(Durability.FLUSHED);
        kit.cutPower();
        kit.start();
        assertThat(texts(kit.pop("orders", "billing", 10))).containsExactly("a coffee");
    }

    @Test
    void forcesThatTakeTimeDelayWhatIsFlushedAlone() {
        kit.delayForces(Duration.ofSeconds(3));
        Instant before = kit.now();
        Message message = Message.of("orders", "a soup".getBytes(StandardCharsets.UTF_8));
        assertThat(kit.await(kit.client().send(message, Durability.WRITTEN)).level())
                .isEqualTo(Durability.WRITTEN);
        assertThat(kit.now()).isEqualTo(before);
        kit.await(kit.client().send(message, Durability.FLUSHED));
        assertThat(Duration.between(before, kit.now())).isBetween(Duration.ofSeconds(3), Duration.ofSeconds(7));
        kit.delayForces(Duration.ZERO);
    }

    @Test
    void onAFullDiskSendsAreRefusedAndAcksGoOn() {
        kit.send("orders", "a coffee");
        Delivery popped = kit.pop("orders", "billing", 1).get(0);
        kit.fillDisk();
        Message large = Message.of("orders", new byte[500_000]);
        assertThatThrownBy(() -> IntStream.range(0, 100).forEach(i -> kit.send(large)))
                .isInstanceOfSatisfying(
                        ForebayException.class, e -> assertThat(e.code()).isEqualTo(Refusal.Code.DISK_FULL));
        assertThat(kit.ack(popped)).isEqualTo(AckOutcome.ACKED);
        kit.freeDisk();
        kit.passTime(Duration.ofMinutes(1));
        assertThat(kit.send("orders", "a tea").level()).isEqualTo(Durability.FLUSHED);
    }

    @Test
    void aDiskThatIsArmedToCrashTakesTheNodeAlong() {
        kit.send("orders", "a coffee");
        kit.disk().crashAtOperation(kit.disk().operations() + 1);
        assertThatThrownBy(() -> kit.send("orders", "a tea")).isInstanceOf(DiskCrashed.class);
        assertThat(kit.isRunning()).isFalse();
        kit.start();
        assertThat(texts(kit.pop("orders", "billing", 10))).contains("a coffee");
    }

    @Test
    void aNodeThatCannotStartSaysWhy() {
        assertThatThrownBy(() -> ForebayTestKit.builder()
                        .settings("forebay.storage.segment-size = 1 KiB")
                        .start())
                .hasMessageContaining("forebay.storage.segment-size");
    }

    // ---- the application's own ----

    private record Ask(String text, ActorRef<String> replyTo) {}

    private static Behavior<Ask> sender(ForebayClient client) {
        return Behaviors.receive((context, ask) -> {
            if (ask.text.isEmpty()) {
                ask.replyTo.tell("stored");
            } else {
                context.pipeToSelf(
                        client.send(Message.of("orders", ask.text.getBytes(StandardCharsets.UTF_8))),
                        (receipt, failure) -> new Ask("", ask.replyTo));
            }
            return Behaviors.same();
        });
    }

    @Test
    void anActorOfTheApplicationLivesInTheSameTime() {
        ActorRef<Ask> actor = kit.spawn(sender(kit.client()), "sender");
        CompletionStage<String> answer = AskPattern.ask(
                actor,
                replyTo -> new Ask("a coffee", replyTo),
                Duration.ofSeconds(3),
                kit.system().scheduler());
        assertThat(kit.await(answer)).isEqualTo("stored");
        // What Akka's stages are composed with runs on other threads.
        CompletionStage<Integer> composed = AskPattern.<Ask, String>ask(
                        actor,
                        replyTo -> new Ask("again", replyTo),
                        Duration.ofSeconds(3),
                        kit.system().scheduler())
                .thenApply(String::length);
        assertThat(kit.await(composed)).isEqualTo(6);
        assertThat(texts(kit.pop("orders", "billing", 10))).containsExactly("a coffee", "again");
    }

    @Test
    void aStreamOfTheApplicationRunsInTheKit() {
        List<String> orders = List.of("a cake", "a coffee", "a tea");
        ForebayClient own =
                ForebayClient.connect(kit.system(), Target.node(kit.node().entry()));
        kit.await(Source.from(orders)
                .map(text -> Message.of("orders", text.getBytes(StandardCharsets.UTF_8)))
                .via(ForebayFlow.send(own))
                .runWith(Sink.ignore(), kit.system()));
        assertThat(texts(kit.pop("orders", "billing", 10))).isEqualTo(orders);
    }

    /** Dispatchers of the application have no threads either: what it does is done when the kit says so. */
    @Test
    void aDispatcherOfTheApplicationIsStepped() throws Exception {
        try (ForebayTestKit own = ForebayTestKit.builder()
                .settings("shop.work { type = Dispatcher, executor = fork-join-executor, throughput = 5 }")
                .start()) {
            Thread[] worker = {null};
            own.system()
                    .dispatchers()
                    .lookup(akka.actor.typed.DispatcherSelector.fromConfig("shop.work"))
                    .execute(() -> worker[0] = Thread.currentThread());
            assertThat(worker[0]).isNull();
            own.settle();
            assertThat(worker[0]).isSameAs(Thread.currentThread());
        }
    }

    @Test
    void whatFailsInTheApplicationComesOutAsItIs() {
        IllegalStateException cause = new IllegalStateException("x");
        assertThatThrownBy(() -> kit.await(CompletableFuture.failedStage(cause)))
                .isSameAs(cause);
        assertThatThrownBy(() -> kit.await(CompletableFuture.failedStage(new java.io.IOException("y"))))
                .isInstanceOf(CompletionException.class)
                .hasMessageContaining("y");
    }
}
