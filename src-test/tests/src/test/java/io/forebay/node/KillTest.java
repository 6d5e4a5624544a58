package io.forebay.node;

import static org.assertj.core.api.Assertions.assertThat;

import akka.actor.typed.ActorSystem;
import akka.actor.typed.javadsl.Behaviors;
import com.typesafe.config.ConfigFactory;
import io.forebay.client.ClientNotice;
import io.forebay.client.ClientSettings;
import io.forebay.client.ForebayClient;
import io.forebay.client.PopRequest;
import io.forebay.client.Target;
import io.forebay.protocol.AckResult;
import io.forebay.protocol.Delivery;
import io.forebay.protocol.Durability;
import io.forebay.protocol.Message;
import io.forebay.protocol.QueueDescription;
import io.forebay.protocol.Refusal;
import io.forebay.testkit.sim.Proof;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.Semaphore;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicReference;
import java.util.stream.Stream;
import org.awaitility.Awaitility;
import org.awaitility.core.ConditionTimeoutException;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/**
 * Lines of real files go through a node in another process that is killed with -9 twice, and the client's calls are watched one by
 * one (the command line's own test kills five times): I1 nothing confirmed is
 * missing, I2 nothing is altered or invented, I4 what was acked does not come back. More than once comes only what was on
 * its way at a kill; in one of the runs the topic deduplicates what the client repeats, and nothing is stored twice.
 */
@Tag("proof")
class KillTest {
    private static final int[] KILL_PERCENT = {30, 70};
    private static final int HELD_BACK_FROM_PERCENT = 90;
    private static final int UNCONFIRMED_MAX = 4000;
    private static final String TOPIC = "lines";
    private static final String GROUP = "readers";

    @TempDir
    Path directory;

    /** Both levels at once: most of the time goes by with processes that start. */
    @Test
    @Timeout(value = 5, unit = TimeUnit.MINUTES)
    void nothingConfirmedIsLost() {
        CompletableFuture<Void> written = start("written", 40_000, Durability.WRITTEN);
        CompletableFuture<Void> flushed = start("flushed", 10_000, Durability.FLUSHED);
        CompletableFuture.allOf(written, flushed).join();
    }

    private CompletableFuture<Void> start(String name, int count, Durability level) {
        return CompletableFuture.runAsync(
                () -> {
                    try {
                        run(directory.resolve(name), count, level);
                    } catch (Exception e) {
                        throw new CompletionException(name, e);
                    }
                },
                runnable -> new Thread(runnable, name).start());
    }

    private record Line(String id, byte[] body) {}

    private static final class Run {
        final List<Line> lines;
        final Set<String> unconfirmed = ConcurrentHashMap.newKeySet();
        final Set<String> onTheirWayAtAKill = ConcurrentHashMap.newKeySet();
        final Set<String> acked = ConcurrentHashMap.newKeySet();
        final ConcurrentHashMap<String, AtomicInteger> received = new ConcurrentHashMap<>();
        final Set<String> receivedIds = ConcurrentHashMap.newKeySet();
        final AtomicInteger confirmed = new AtomicInteger();
        /** Behind the last kill the last lines may be sent: until then there are some to come, however late it is. */
        final CountDownLatch isKilled = new CountDownLatch(1);

        final AtomicReference<Throwable> failure = new AtomicReference<>();

        final Map<String, byte[]> bodies = new HashMap<>();

        Run(List<Line> lines) {
            this.lines = lines;
            lines.forEach(line -> bodies.put(line.id, line.body));
        }

        void fail(Throwable cause) {
            failure.compareAndSet(null, cause);
        }

        void check() {
            if (failure.get() != null) {
                throw new AssertionError("the run failed", failure.get());
            }
        }
    }

    private static void run(Path directory, int count, Durability level) throws Exception {
        Run run = new Run(lines(count));
        boolean isDeduplicated = level == Durability.FLUSHED;
        ForkedNode node = ForkedNode.start(directory, 0);
        int port = node.port();
        ActorSystem<Void> system = ActorSystem.create(
                Behaviors.empty(),
                "kill-test",
                ConfigFactory.parseString("""
                    akka.actor.provider = remote
                    akka.remote.warn-about-direct-use = off
                    akka.remote.artery.canonical { hostname = 127.0.0.1, port = 0 }
                    akka.loglevel = ERROR
                    akka.log-dead-letters = off
                    akka.coordinated-shutdown.run-by-jvm-shutdown-hook = off
                    forebay.client.lookup { retry-min = 100 ms, retry-max = 500 ms }
                    forebay.client.send.timeout = 120 s
                    """ + (isDeduplicated ? "forebay.client.send.deduplicated = on" : ""))
                        .withFallback(ConfigFactory.load()));
        ForebayClient client =
                ForebayClient.connect(system, Target.contact(node.address()), ClientSettings.of(system), notice -> {
                    if (notice instanceof ClientNotice.Lost) {
                        // What it repeats now was on its way when the node, or only its answers, went.
                        run.onTheirWayAtAKill.addAll(run.unconfirmed);
                    }
                });
        try {
            if (isDeduplicated) {
                client.createTopic(TOPIC, 4, Map.of("deduplication", "producer"))
                        .toCompletableFuture()
                        .get(60, TimeUnit.SECONDS);
            }
            Thread producer = new Thread(() -> produce(client, run, level), "producer");
            producer.setDaemon(true);
            producer.start();
            for (int percent : KILL_PERCENT) {
                await(run, count * percent / 100);
                Set<String> onTheirWay = new HashSet<>(run.unconfirmed);
                run.onTheirWayAtAKill.addAll(onTheirWay);
                node.kill();
                // Sent after the look and before the kill is on its way as well.
                run.onTheirWayAtAKill.addAll(run.unconfirmed);
                assertThat(run.confirmed.get())
                        .as("lines confirmed at the kill at %d %%", percent)
                        .isLessThan(count);
                node = ForkedNode.start(directory, port);
                if (percent == KILL_PERCENT[0]) {
                    startConsumer(client, run);
                }
            }
            run.isKilled.countDown();
            await(run, count);
            awaitConsumer(run);
            judge(run);
            if (isDeduplicated) {
                long stored =
                        client
                                .describeTopic(TOPIC)
                                .toCompletableFuture()
                                .get(60, TimeUnit.SECONDS)
                                .get(0)
                                .queues()
                                .stream()
                                .mapToLong(QueueDescription::nextOffset)
                                .sum();
                assertThat(stored).as("messages stored").isEqualTo(count);
            }
        } finally {
            client.close();
            node.close();
            system.terminate();
            system.getWhenTerminated().toCompletableFuture().get(60, TimeUnit.SECONDS);
        }
    }

    private static void produce(ForebayClient client, Run run, Durability level) {
        Semaphore room = new Semaphore(UNCONFIRMED_MAX);
        int sent = 0;
        for (Line line : run.lines) {
            if (sent++ == run.lines.size() * HELD_BACK_FROM_PERCENT / 100) {
                join(run.isKilled);
            }
            room.acquireUninterruptibly();
            run.unconfirmed.add(line.id);
            client.send(Message.builder(TOPIC).id(line.id).body(line.body).build(), level)
                    .whenComplete((receipt, failure) -> {
                        room.release();
                        if (failure != null) {
                            run.fail(failure);
                        } else if (!receipt.level().covers(level) || receipt.payloadCrc() != Message.crcOf(line.body)) {
                            run.fail(new AssertionError(receipt));
                        }
                        run.unconfirmed.remove(line.id);
                        run.confirmed.incrementAndGet();
                    });
        }
    }

    private static void join(CountDownLatch latch) {
        try {
            latch.await();
        } catch (InterruptedException e) {
            throw new AssertionError(e);
        }
    }

    private static void startConsumer(ForebayClient client, Run run) {
        for (int i = 0; i < 4; i++) {
            consume(client, run);
        }
    }

    private static void consume(ForebayClient client, Run run) {
        PopRequest request = PopRequest.of(TOPIC, GROUP, 500)
                .withInvisible(Duration.ofSeconds(5))
                .withWaitMax(Duration.ofSeconds(2));
        client.pop(request).whenComplete((deliveries, failure) -> {
            if (failure != null) {
                run.fail(failure);
                return;
            }
            for (Delivery delivery : deliveries) {
                take(client, run, delivery);
            }
            consume(client, run);
        });
    }

    private static void take(ForebayClient client, Run run, Delivery delivery) {
        String id = delivery.message().id();
        String place = id + "@" + delivery.queue() + ":" + delivery.queueOffset();
        if (run.acked.contains(place)) {
            run.fail(new AssertionError("acked and delivered again: " + place + ", attempt " + delivery.attempt()));
        }
        run.received.computeIfAbsent(place, key -> new AtomicInteger()).incrementAndGet();
        run.receivedIds.add(id);
        byte[] sent = run.bodies.get(id);
        if (sent == null || !Arrays.equals(sent, delivery.body())) {
            run.fail(new AssertionError("I2: altered or invented: " + place));
        }
        client.ackBatch(GROUP, List.of(delivery.handle()), Durability.WRITTEN).whenComplete((results, failure) -> {
            if (failure != null) {
                run.fail(failure);
                return;
            }
            AckResult result = results.get(0);
            // Stale: it went out again while its node was away.
            if (result instanceof Refusal refusal) {
                if (refusal.code() != Refusal.Code.STALE_HANDLE) {
                    run.fail(refusal.toException());
                }
            } else {
                run.acked.add(place);
            }
        });
    }

    private static void await(Run run, int confirmed) {
        Awaitility.await("confirmed lines")
                .atMost(Duration.ofMinutes(2))
                .pollInterval(Duration.ofMillis(2))
                .until(() -> {
                    run.check();
                    return run.confirmed.get() >= confirmed;
                });
    }

    private static void awaitConsumer(Run run) {
        try {
            Awaitility.await("received lines")
                    .atMost(Duration.ofMinutes(2))
                    .pollInterval(Duration.ofMillis(50))
                    .until(() -> {
                        run.check();
                        // By id: a line that was stored twice is two places, and must not stand in for one that is
                        // late.
                        return run.receivedIds.size() >= run.lines.size() && run.acked.size() == run.received.size();
                    });
        } catch (ConditionTimeoutException e) {
            assertThat(run.acked).as("acked, of what was received").hasSameSizeAs(run.received.keySet());
            // The judge names the lines that are missing.
        }
    }

    private static void judge(Run run) {
        Proof.messagesAcknowledged.add(run.confirmed.get());
        Set<String> ids = new HashSet<>();
        Set<String> twice = new HashSet<>();
        for (String place : run.received.keySet()) {
            String id = place.substring(0, place.indexOf('@'));
            if (!ids.add(id)) {
                twice.add(id);
            }
        }
        List<String> missing = new ArrayList<>();
        Set<String> known = new HashSet<>();
        for (Line line : run.lines) {
            known.add(line.id);
            if (!ids.contains(line.id)) {
                missing.add(line.id);
            }
        }
        Proof.lost.add(missing.size());
        assertThat(missing).as("I1: lines that are missing").isEmpty();
        ids.removeAll(known);
        assertThat(ids).as("I2: lines that nobody sent").isEmpty();
        twice.removeAll(run.onTheirWayAtAKill);
        assertThat(twice)
                .as("stored twice without having been on their way at a kill")
                .isEmpty();
    }

    /** Lines of the checkout's own files, in as many passes as it takes. */
    private static List<Line> lines(int count) throws IOException {
        Path root = Path.of(System.getProperty("basedir", "."))
                .toAbsolutePath()
                .normalize()
                .resolve("../..");
        List<Path> files;
        try (Stream<Path> tree = Stream.of("actors", "config", "protocol", "storage", "src-test")
                .map(room -> root.resolve(room).normalize())
                .filter(Files::isDirectory)
                .flatMap(KillTest::tree)) {
            files = tree.filter(path -> path.toString().endsWith(".java"))
                    .sorted()
                    .toList();
        }
        assertThat(files).isNotEmpty();
        List<Line> lines = new ArrayList<>(count);
        for (int pass = 0; ; pass++) {
            for (int file = 0; file < files.size(); file++) {
                int number = 0;
                for (String text : Files.readAllLines(files.get(file))) {
                    lines.add(new Line(pass + "/" + file + "/" + number++, text.getBytes()));
                    if (lines.size() == count) {
                        return lines;
                    }
                }
            }
        }
    }

    private static Stream<Path> tree(Path folder) {
        try {
            return Files.walk(folder);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }
}
