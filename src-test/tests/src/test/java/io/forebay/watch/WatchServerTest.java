package io.forebay.watch;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import akka.Done;
import akka.actor.CoordinatedShutdown;
import akka.actor.typed.DispatcherSelector;
import com.typesafe.config.ConfigFactory;
import io.forebay.protocol.Durability;
import io.forebay.protocol.Message;
import io.forebay.protocol.Receipt;
import io.forebay.store.LogEvent;
import io.forebay.store.StorageEnvironment;
import io.forebay.testkit.faults.DiskObserver.Operation;
import io.forebay.testkit.faults.MemoryDisk;
import java.io.IOException;
import java.net.ConnectException;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.net.URI;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.charset.StandardCharsets;
import java.nio.file.NoSuchFileException;
import java.time.InstantSource;
import java.util.ArrayList;
import java.util.List;
import java.util.SplittableRandom;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import org.awaitility.Awaitility;
import org.junit.jupiter.api.Test;

/** I8, as it is seen from outside: in each state of a node its pages say whether it serves, and why not. */
class WatchServerTest {
    private final MemoryDisk disk = new MemoryDisk();

    private static void await(CountDownLatch latch) {
        try {
            assertThat(latch.await(WatchedNode.PATIENCE.toSeconds(), TimeUnit.SECONDS))
                    .isTrue();
        } catch (InterruptedException e) {
            throw new AssertionError(e);
        }
    }

    private static void eventually(Runnable assertions) {
        Awaitility.await().atMost(WatchedNode.PATIENCE).untilAsserted(assertions::run);
    }

    private static CompletableFuture<Receipt> send(WatchedNode node, Durability level) {
        return node.client().send(Message.of("t", new byte[10_000]), level).toCompletableFuture();
    }

    // ---- the states of a node ---------------------------------------------------------------------------------------

    @Test
    void aNodeThatStartsIsAliveAndNotReady() {
        CountDownLatch mayOpen = new CountDownLatch(1);
        StorageEnvironment slow = new StorageEnvironment(
                (directory, name) -> {
                    await(mayOpen);
                    return new StorageEnvironment.Root(disk, () -> {});
                },
                InstantSource.system(),
                System::nanoTime,
                new SplittableRandom(1));
        try (WatchedNode node = WatchedNode.starting(slow, "")) {
            WatchedNode.Page ready = node.ready();
            assertThat(ready.status()).isEqualTo(503);
            assertThat(ready.json().getBoolean("ready")).isFalse();
            assertThat(ready.json().getString("state")).isEqualTo("starting");
            assertThat(ready.codes()).containsExactly("node-starting");
            assertThat(node.alive().status()).isEqualTo(200);
            assertThat(node.metrics().value("forebay_node_state", "state", "starting"))
                    .isEqualTo(1);
            mayOpen.countDown();
            node.forebay.whenReady().toCompletableFuture().join();
            assertThat(node.ready().status()).isEqualTo(200);
        } finally {
            mayOpen.countDown();
        }
    }

    @Test
    void aNodeThatServesIsReadyWithoutAReason() {
        try (EventLines events = new EventLines();
                WatchedNode node = WatchedNode.serving(disk, "forebay.node.name = watched-1")) {
            WatchedNode.now(send(node, Durability.FLUSHED));
            assertThat(events.of(LogEvent.NODE_STATE))
                    .containsExactly("INFO event=node-state node=watched-1 from=STARTING to=SERVING");
            URI metrics = node.uri("/metrics");
            assertThat(events.of(LogEvent.WATCH_LISTENING))
                    .containsExactly("INFO event=watch-listening node=watched-1 url=" + metrics);
            WatchedNode.Page ready = node.ready();
            assertThat(ready.status()).isEqualTo(200);
            assertThat(ready.codes()).isEmpty();
            assertThat(ready.json().getString("node")).isEqualTo("watched-1");
            assertThat(ready.json().getConfigList("stripes").get(0).getString("phase"))
                    .isEqualTo("running");
            WatchedNode.Page alive = node.alive();
            assertThat(alive.status()).isEqualTo(200);
            assertThat(alive.json().getBoolean("alive")).isTrue();
            assertThat(alive.codes()).isEmpty();
        }
    }

    @Test
    void aNodeThatCannotStartSaysWhy() {
        StorageEnvironment broken = new StorageEnvironment(
                (directory, name) -> {
                    throw new NoSuchFileException("the disk is gone");
                },
                InstantSource.system(),
                System::nanoTime,
                new SplittableRandom(1));
        try (EventLines events = new EventLines();
                WatchedNode node = WatchedNode.starting(broken, "forebay.node.name = watched-1")) {
            assertThatThrownBy(
                            () -> node.forebay.whenReady().toCompletableFuture().join())
                    .hasMessageContaining("the disk is gone");
            WatchedNode.Page alive = node.alive();
            assertThat(alive.status()).isEqualTo(503);
            assertThat(alive.codes()).containsExactly("node-failed");
            assertThat(alive.texts().get(0)).contains("the disk is gone");
            assertThat(node.ready().status()).isEqualTo(503);
            assertThat(events.of(LogEvent.NODE_STATE))
                    .containsExactly(
                            "ERROR event=node-state node=watched-1 from=STARTING to=FAILED cause=\"the disk is gone\"");
        }
    }

    @Test
    void aNodeWhoseDeviceFailsIsNotReadyUntilItWorksAgain() {
        try (WatchedNode node = WatchedNode.serving(disk, "")) {
            WatchedNode.now(send(node, Durability.FLUSHED));
            disk.failNextForces(1_000_000);
            disk.failNextDirectoryForces(1_000_000);
            send(node, Durability.FLUSHED);
            eventually(() -> {
                WatchedNode.Page ready = node.ready();
                assertThat(ready.codes()).containsExactly("stripe-read-only");
                assertThat(ready.status()).isEqualTo(503);
                assertThat(ready.texts().get(0)).contains("the device fails");
            });
            assertThat(node.alive().status()).as("a new start would not help").isEqualTo(200);
            Exposition metrics = node.metrics();
            assertThat(metrics.value("forebay_stripe_phase", "phase", "read-only"))
                    .isEqualTo(1);
            assertThat(metrics.value("forebay_stripe_serving")).isZero();
            assertThat(metrics.value("forebay_stripe_force_failures_total")).isPositive();
            disk.failNextForces(0);
            disk.failNextDirectoryForces(0);
            eventually(() -> assertThat(node.ready().status()).isEqualTo(200));
            assertThat(node.ready().codes()).isEmpty();
        }
    }

    /** H5: the stripe stays in its phase, RUNNING, and takes nothing. */
    @Test
    void aNodeWithoutRoomForASegmentIsNotReadyUntilThereIsSome() {
        try (WatchedNode node = WatchedNode.serving(disk, "")) {
            WatchedNode.now(send(node, Durability.FLUSHED));
            disk.fullAfter(0);
            for (int i = 0; i < 400; i++) {
                send(node, Durability.WRITTEN);
            }
            eventually(() -> {
                WatchedNode.Page ready = node.ready();
                assertThat(ready.codes()).contains("disk-full");
                assertThat(ready.status()).isEqualTo(503);
            });
            assertThat(node.alive().status()).isEqualTo(200);
            assertThat(node.metrics().value("forebay_stripe_append_wait_seconds"))
                    .isPositive();
            disk.roomAgain();
            eventually(() -> assertThat(node.ready().codes()).isEmpty());
            assertThat(node.ready().status()).isEqualTo(200);
            assertThat(node.metrics().value("forebay_stripe_stalls_total")).isPositive();
        }
    }

    @Test
    void aNodeWithLittleDiskIsReadyAndSaysWhatItRefuses() {
        try (WatchedNode node = WatchedNode.serving(disk, "forebay.storage.low-space = 1 GiB")) {
            WatchedNode.now(send(node, Durability.FLUSHED));
            disk.fullAfter(900L << 20);
            eventually(() -> assertThat(node.ready().codes()).containsExactly("disk-low"));
            WatchedNode.Page low = node.ready();
            assertThat(low.status()).isEqualTo(200);
            assertThat(low.texts().get(0)).contains("SEND").doesNotContain("ACK");
            assertThat(low.json().getConfigList("reasons").get(0).getString("effect"))
                    .isEqualTo("limited");
            Exposition metrics = node.metrics();
            assertThat(metrics.value("forebay_stripe_disk_low")).isEqualTo(1);
            assertThat(metrics.value("forebay_stripe_disk_free_limit_bytes")).isEqualTo(1 << 30);
            assertThat(metrics.value("forebay_stripe_disk_free_bytes")).isLessThan(1 << 30);
            disk.fullAfter(100L << 20);
            eventually(() -> assertThat(node.ready().texts().get(0)).contains("DELIVERY"));
            assertThat(node.ready().texts().get(0)).as("room for acks is ready").doesNotContain("ACK");
            disk.roomAgain();
            eventually(() -> assertThat(node.ready().codes()).isEmpty());
        }
    }

    @Test
    void aForceThatHangsIsToldWhileWrittenGoesOn() {
        CountDownLatch mayForce = new CountDownLatch(1);
        try (WatchedNode node = WatchedNode.serving(disk, "forebay.watch.stall-limit = 100 ms")) {
            WatchedNode.now(send(node, Durability.FLUSHED));
            disk.observe((operation, path, at, length) -> {
                if (operation == Operation.FORCE && path.contains("segment-")) {
                    await(mayForce);
                }
            });
            CompletableFuture<Receipt> flushed = send(node, Durability.FLUSHED);
            // One page: actors that are slow for a moment are another reason here.
            eventually(() -> {
                WatchedNode.Page ready = node.ready();
                assertThat(ready.codes()).containsExactly("force-slow");
                assertThat(ready.status()).isEqualTo(200);
            });
            assertThat(node.metrics().value("forebay_stripe_unflushed_age_seconds"))
                    .isGreaterThan(0.1);
            WatchedNode.now(send(node, Durability.WRITTEN));
            assertThat(flushed).isNotDone();
            mayForce.countDown();
            WatchedNode.now(flushed);
            eventually(() -> assertThat(node.ready().codes()).isEmpty());
        } finally {
            mayForce.countDown();
        }
    }

    @Test
    void aStripeThatABugHasClosedMakesTheNodeNotAlive() {
        try (WatchedNode node = WatchedNode.serving(disk, "")) {
            WatchedNode.now(send(node, Durability.FLUSHED));
            disk.observe((operation, path, at, length) -> {
                if (operation == Operation.WRITE && path.contains("segment-")) {
                    throw new AssertionError("a bug on purpose");
                }
            });
            send(node, Durability.WRITTEN);
            eventually(() -> {
                WatchedNode.Page alive = node.alive();
                assertThat(alive.codes()).containsExactly("stripe-closed");
                assertThat(alive.texts().get(0)).contains("a bug on purpose");
                assertThat(alive.status()).isEqualTo(503);
            });
            assertThat(node.ready().status()).isEqualTo(503);
        }
    }

    @Test
    void aNodeThatStopsIsAliveAndNotReadyAndThenGone() {
        CountDownLatch mayEnd = new CountDownLatch(1);
        EventLines events = new EventLines();
        WatchedNode node = WatchedNode.serving(disk, "forebay.node.name = watched-1");
        try {
            WatchedNode.now(send(node, Durability.FLUSHED));
            CoordinatedShutdown.get(node.system)
                    .addTask(
                            CoordinatedShutdown.PhaseServiceStop(),
                            "hold",
                            () -> CompletableFuture.supplyAsync(() -> {
                                await(mayEnd);
                                return Done.getInstance();
                            }));
            URI ready = node.uri("/ready");
            node.system.terminate();
            eventually(() -> assertThat(node.ready().codes()).containsExactly("node-stopping"));
            assertThat(node.ready().status()).isEqualTo(503);
            assertThat(node.alive().status()).isEqualTo(200);
            // Told behind the state.
            eventually(() -> assertThat(events.of(LogEvent.NODE_STATE))
                    .last()
                    .isEqualTo("INFO event=node-state node=watched-1 from=SERVING to=STOPPING"));
            mayEnd.countDown();
            WatchedNode.now(node.system.getWhenTerminated());
            eventually(() -> assertThatThrownBy(() -> node.http.send(
                            HttpRequest.newBuilder(ready).build(), HttpResponse.BodyHandlers.discarding()))
                    .isInstanceOf(ConnectException.class));
        } finally {
            mayEnd.countDown();
            node.close();
            events.close();
        }
    }

    // ---- the endpoint -----------------------------------------------------------------------------------------------

    @Test
    void itIsOffInsideAnApplicationAndOnInANodeThatIsStartedAlone() {
        assertThat(ConfigFactory.defaultReference().getBoolean("forebay.watch.enabled"))
                .isFalse();
        assertThat(ConfigFactory.parseResources("forebay-node.conf").getBoolean("forebay.watch.enabled"))
                .isTrue();
        try (WatchedNode node = WatchedNode.serving(disk, "forebay.watch.enabled = off")) {
            assertThat(node.forebay.watchAddress().toCompletableFuture()).isCompletedExceptionally();
            // Those of a node before it end behind its actor system.
            eventually(() -> assertThat(Thread.getAllStackTraces().keySet())
                    .noneMatch(thread -> thread.getName().startsWith("forebay-watch")));
        }
    }

    @Test
    void itIsBoundToLoopbackUnlessToldOtherwise() {
        try (WatchedNode node = WatchedNode.serving(disk, "")) {
            assertThat(node.address().getAddress().isLoopbackAddress()).isTrue();
        }
    }

    @Test
    void aPortThatIsTakenCostsTheWatchingAndNotTheNode() throws IOException {
        try (EventLines events = new EventLines();
                ServerSocket taken = new ServerSocket(0, 1, InetAddress.getLoopbackAddress());
                WatchedNode node = WatchedNode.serving(
                        disk,
                        "forebay.node.name = watched-1, forebay.watch.host = 127.0.0.1, forebay.watch.port = "
                                + taken.getLocalPort())) {
            WatchedNode.now(send(node, Durability.FLUSHED));
            assertThatThrownBy(() ->
                            node.forebay.watchAddress().toCompletableFuture().join())
                    .hasRootCauseInstanceOf(IOException.class);
            assertThat(events.of(LogEvent.WATCH_FAILED)).hasSize(1);
            assertThat(events.of(LogEvent.WATCH_FAILED).get(0))
                    .startsWith("WARN event=watch-failed node=watched-1 host=127.0.0.1 port=" + taken.getLocalPort()
                            + " cause=")
                    .contains("remedy=\"set forebay.watch.port");
            assertThat(events.of(LogEvent.WATCH_LISTENING)).isEmpty();
        }
    }

    @Test
    void pagesAreOnlyReadAndOthersAreNamed() {
        try (WatchedNode node = WatchedNode.serving(disk, "")) {
            HttpResponse<String> unknown = node.get("/metric");
            assertThat(unknown.statusCode()).isEqualTo(404);
            assertThat(unknown.body()).contains("/alive, /metrics, /ready");
            HttpResponse<String> posted = node.send(
                    HttpRequest.newBuilder(node.uri("/metrics")).POST(HttpRequest.BodyPublishers.ofString("x")));
            assertThat(posted.statusCode()).isEqualTo(405);
            assertThat(posted.headers().firstValue("Allow")).contains("GET, HEAD");
            HttpResponse<String> head = node.send(
                    HttpRequest.newBuilder(node.uri("/ready")).method("HEAD", HttpRequest.BodyPublishers.noBody()));
            assertThat(head.statusCode()).isEqualTo(200);
            assertThat(head.body()).isEmpty();
            assertThat(node.get("/ready").headers().firstValue("Content-Type")).contains("application/json");
        }
    }

    @Test
    void metricsComeInTheFormatThatIsAskedFor() {
        try (WatchedNode node = WatchedNode.serving(disk, "")) {
            HttpResponse<String> plain = node.get("/metrics");
            assertThat(plain.headers().firstValue("Content-Type")).contains("text/plain; version=0.0.4; charset=utf-8");
            assertThat(plain.body()).doesNotContain("# EOF");
            // As Prometheus asks.
            HttpResponse<String> open = node.send(HttpRequest.newBuilder(node.uri("/metrics"))
                    .header(
                            "Accept",
                            "application/openmetrics-text;version=1.0.0;q=0.6,application/openmetrics-text;version=0.0.1;q=0.5,"
                                    + "text/plain;version=1.0.0;q=0.4,text/plain;version=0.0.4;q=0.3,*/*;q=0.2"));
            assertThat(open.headers().firstValue("Content-Type"))
                    .hasValueSatisfying(type -> assertThat(type).startsWith("application/openmetrics-text"));
            assertThat(open.body()).endsWith("# EOF\n").contains("forebay_stripe_written_sequence");
        }
    }

    /** Whoever does not say what it wants must not have the node taken for dead. */
    @Test
    void clientsThatSayNothingDoNotHoldUpTheOthers() throws IOException {
        try (WatchedNode node = WatchedNode.serving(disk, "")) {
            List<Socket> silent = new ArrayList<>();
            try {
                for (int i = 0; i < 3; i++) {
                    Socket socket = new Socket(
                            node.address().getAddress(), node.address().getPort());
                    socket.getOutputStream().write("GET /metr".getBytes(StandardCharsets.US_ASCII));
                    socket.getOutputStream().flush();
                    silent.add(socket);
                }
                assertThat(node.alive().status()).isEqualTo(200);
                assertThat(node.get("/metrics").statusCode()).isEqualTo(200);
            } finally {
                for (Socket socket : silent) {
                    socket.close();
                }
            }
        }
    }

    @Test
    void actorsThatDoNotAnswerDoNotHoldUpThePages() {
        CountDownLatch blocking = new CountDownLatch(1);
        CountDownLatch goOn = new CountDownLatch(1);
        String oneThread = """
            forebay.queue.dispatcher = { type = Dispatcher, executor = "thread-pool-executor", thread-pool-executor.fixed-pool-size = 1 }
            forebay.watch.stall-limit = 100 ms
            """;
        try (WatchedNode node = WatchedNode.serving(disk, oneThread)) {
            eventually(() -> assertThat(node.alive().status()).isEqualTo(200));
            node.system
                    .dispatchers()
                    .lookup(DispatcherSelector.fromConfig("forebay.queue.dispatcher"))
                    .execute(() -> {
                        blocking.countDown();
                        await(goOn);
                    });
            await(blocking);
            eventually(() -> assertThat(node.alive().codes()).containsExactly("node-silent"));
            assertThat(node.alive().status()).isEqualTo(503);
            assertThat(node.metrics().value("forebay_stripe_serving")).isEqualTo(1);
            goOn.countDown();
            eventually(() -> assertThat(node.alive().status()).isEqualTo(200));
        } finally {
            goOn.countDown();
        }
    }
}
