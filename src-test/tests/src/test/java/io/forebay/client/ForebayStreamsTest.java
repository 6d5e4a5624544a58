package io.forebay.client;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import akka.Done;
import akka.actor.testkit.typed.javadsl.ActorTestKit;
import akka.japi.Pair;
import akka.stream.javadsl.Keep;
import akka.stream.javadsl.Sink;
import akka.stream.javadsl.Source;
import io.forebay.protocol.Delivery;
import io.forebay.protocol.DeliveryMode;
import io.forebay.protocol.Durability;
import io.forebay.protocol.Message;
import io.forebay.protocol.Receipt;
import io.forebay.protocol.Refusal;
import io.forebay.support.PatientTestKits;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.concurrent.CompletionStage;
import java.util.concurrent.TimeUnit;
import java.util.stream.IntStream;
import org.awaitility.Awaitility;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** Streams against a node in memory: order, bounds, and that nothing popped is forgotten however a stream ends. */
class ForebayStreamsTest {
    private static ActorTestKit kit;

    private FakeNode.Store store;
    private ForebayClient client;

    @BeforeAll
    static void startKit() {
        kit = PatientTestKits.create();
    }

    @AfterAll
    static void stopKit() {
        kit.shutdownTestKit();
    }

    @BeforeEach
    void connect() {
        store = new FakeNode.Store();
        client = ForebayClient.connect(kit.system(), Target.node(kit.spawn(FakeNode.create("node-1", store))));
    }

    @AfterEach
    void close() {
        join(client.close());
    }

    private static <T> T join(CompletionStage<T> stage) {
        return stage.toCompletableFuture().orTimeout(60, TimeUnit.SECONDS).join();
    }

    /** In the end: what is on its way when a stream has ended may be out once more. */
    private void everythingIsReadyOrAcked(int count) {
        Awaitility.await().untilAsserted(() -> {
            assertThat(store.outCount()).isZero();
            assertThat(store.ready.size() + store.acked.get()).isEqualTo(count);
        });
    }

    @Test
    void receiptsComeInTheOrderOfTheMessages() {
        List<Receipt> receipts = join(Source.range(0, 9999)
                .map(i -> Message.builder("orders").id("m" + i).build())
                .via(ForebayFlow.send(client, Durability.WRITTEN))
                .runWith(Sink.seq(), kit.system()));
        assertThat(receipts.stream().map(Receipt::queueOffset).toList())
                .isEqualTo(IntStream.range(0, 10_000).mapToObj(Long::valueOf).toList());
        assertThat(store.sent.stream().map(Message::id).toList())
                .isEqualTo(IntStream.range(0, 10_000).mapToObj(i -> "m" + i).toList());
        assertThat(client.pendingBytes()).isZero();
    }

    /** 100 MiB through a client that takes 64 MiB: the stream waits for room. */
    @Test
    void aSendStreamWaitsForRoomInTheClient() {
        byte[] body = new byte[1 << 20];
        join(Source.range(1, 100).map(i -> Message.of("orders", body)).runWith(ForebaySink.send(client), kit.system()));
        assertThat(store.sent).hasSize(100);
    }

    @Test
    void aRefusalFailsTheStream() {
        join(client.close());
        CompletionStage<Done> sent =
                Source.single(Message.of("orders", new byte[1])).runWith(ForebaySink.send(client), kit.system());
        assertThatThrownBy(() -> join(sent))
                .isInstanceOf(CompletionException.class)
                .hasStackTraceContaining(Refusal.Code.CLOSED.name());
    }

    @ParameterizedTest
    @EnumSource
    void drainAndShutdownFinishesAcksAndGivesBack(DeliveryMode mode) {
        store.mode = mode;
        store.fill(5000, 10);
        CompletableFuture<Void> some = new CompletableFuture<>();
        Pair<Control, CompletionStage<Done>> running = ForebaySource.deliveries(client, "orders", "billing")
                .filter(delivery -> delivery.queueOffset() % 10 != 3) // these are never settled
                .map(delivery -> {
                    if (delivery.queueOffset() > 500) {
                        some.complete(null);
                    }
                    return delivery;
                })
                .throttle(200, Duration.ofMillis(20))
                .toMat(ForebaySink.ack(client), Keep.both())
                .run(kit.system());
        join(some);
        assertThat(join(running.first().drainAndShutdown(running.second()))).isEqualTo(Done.done());
        // A tenth of what came before the 501st is never settled.
        assertThat(store.acked.get()).isBetween(450L, 4999L);
        everythingIsReadyOrAcked(5000);
        Awaitility.await().until(() -> store.ready.containsKey(3L) && store.ready.containsKey(13L));
    }

    @ParameterizedTest
    @EnumSource
    void shutdownGivesBackWhatWasNotEmitted(DeliveryMode mode) {
        store.mode = mode;
        store.fill(1000, 10);
        CompletableFuture<Delivery> first = new CompletableFuture<>();
        Pair<Control, CompletionStage<Done>> running = ForebaySource.deliveries(client, "orders", "billing")
                .mapAsync(1, delivery -> {
                    first.complete(delivery);
                    return client.ack(delivery);
                })
                .throttle(1, Duration.ofMillis(50))
                .toMat(Sink.ignore(), Keep.both())
                .run(kit.system());
        join(first);
        join(running.first().shutdown());
        join(running.second());
        join(client.release(running.first()));
        everythingIsReadyOrAcked(1000);
    }

    @ParameterizedTest
    @EnumSource
    void aStreamThatIsCancelledGivesBack(DeliveryMode mode) {
        store.mode = mode;
        store.fill(1000, 10);
        List<Delivery> taken = join(
                ForebaySource.deliveries(client, "orders", "billing").take(5).runWith(Sink.seq(), kit.system()));
        assertThat(taken).hasSize(5);
        Awaitility.await().untilAsserted(() -> assertThat(store.outCount()).isEqualTo(5));
        assertThat(store.outMax.get()).isLessThanOrEqualTo(client.settings().streamPrefetch() + 5);
    }

    @ParameterizedTest
    @EnumSource
    void aStreamThatFailsGivesBackWhatItHeld(DeliveryMode mode) {
        store.mode = mode;
        store.fill(1000, 10);
        CompletionStage<Done> failed = ForebaySource.deliveries(client, "orders", "billing")
                .map(delivery -> {
                    if (delivery.queueOffset() == 20) {
                        throw new IllegalStateException("broken");
                    }
                    return delivery;
                })
                .runWith(ForebaySink.ack(client), kit.system());
        assertThatThrownBy(() -> join(failed)).hasStackTraceContaining("broken");
        Awaitility.await().untilAsserted(() -> assertThat(store.outCount()).isLessThanOrEqualTo(21));
    }

    @ParameterizedTest
    @EnumSource
    void aSourceHoldsNoMoreThanItsPrefetch(DeliveryMode mode) {
        store.mode = mode;
        store.fill(5000, 10);
        Pair<Control, CompletionStage<Delivery>> running = ForebaySource.deliveries(client, "orders", "billing")
                .toMat(Sink.head(), Keep.both())
                .run(kit.system());
        join(running.second());
        join(running.first().isShutdown());
        assertThat(store.outMax.get()).isLessThanOrEqualTo(client.settings().streamPrefetch() + 1);
    }

    @ParameterizedTest
    @EnumSource
    void whatIsSentIsPoppedAndAckedByStreams(DeliveryMode mode) {
        store.mode = mode;
        int count = 20_000;
        CompletableFuture<Void> all = new CompletableFuture<>();
        int[] seen = new int[1];
        Pair<Control, CompletionStage<Done>> running = ForebaySource.deliveries(client, "orders", "billing")
                .via(ForebayFlow.ack(client))
                .map(delivery -> {
                    if (++seen[0] == count) {
                        all.complete(null);
                    }
                    return delivery;
                })
                .toMat(Sink.ignore(), Keep.both())
                .run(kit.system());
        join(Source.range(1, count)
                .map(i -> Message.of("orders", new byte[300]))
                .runWith(ForebaySink.send(client), kit.system()));
        join(all);
        join(running.first().drainAndShutdown(running.second()));
        assertThat(store.acked.get()).isEqualTo(count);
        everythingIsReadyOrAcked(count);
    }
}
