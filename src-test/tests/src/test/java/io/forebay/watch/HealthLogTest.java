package io.forebay.watch;

import static org.assertj.core.api.Assertions.assertThat;

import akka.actor.typed.DispatcherSelector;
import io.forebay.protocol.Durability;
import io.forebay.protocol.Message;
import io.forebay.protocol.Receipt;
import io.forebay.store.LogEvent;
import io.forebay.testkit.ForebayTestKit;
import io.forebay.testkit.faults.DiskObserver.Operation;
import io.forebay.testkit.faults.MemoryDisk;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.awaitility.Awaitility;
import org.junit.jupiter.api.Test;

/**
 * I8: what waits for longer than it may is an event when it begins, while whatever hangs still does, and an event when it is
 * over; nobody has asked for the node's health, and nothing listens for that. What is in time is none.
 */
class HealthLogTest {
    private static final String UNWATCHED = "forebay.watch.enabled = off, forebay.node.name = watched-1\n";

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

    private static long millis(String line) {
        Matcher matcher = Pattern.compile(" (?:waited|lasted)-millis=(\\d+)").matcher(line);
        assertThat(matcher.find()).as(line).isTrue();
        return Long.parseLong(matcher.group(1));
    }

    /** Until one has begun and has not ended; its line. A busy machine may have had others begin and end before. */
    private static String awaitBegun(EventLines events, Overdue what) {
        List<String> begun = new ArrayList<>();
        eventually(() -> {
            begun.clear();
            begun.addAll(events.of(what.begin()));
            assertThat(begun).hasSize(events.of(what.end()).size() + 1);
        });
        return begun.get(begun.size() - 1);
    }

    /** The line that ends what had begun by that one. */
    private static String ended(EventLines events, Overdue what, String begun) {
        int number = events.of(what.begin()).indexOf(begun);
        assertThat(events.of(what.end())).hasSizeGreaterThan(number);
        return events.of(what.end()).get(number);
    }

    /** The forces, and making the next segment ready, hang; the appends that then wait fill what was ready before. */
    @Test
    void aDiskThatHangsIsToldWhileItDoesAndWhenItDoesNotAnyMore() {
        CountDownLatch mayForce = new CountDownLatch(1);
        Duration limit = Duration.ofMillis(250);
        try (EventLines events = new EventLines();
                WatchedNode node = WatchedNode.serving(disk, UNWATCHED + "forebay.watch.stall-limit = 250 ms")) {
            WatchedNode.now(send(node, Durability.FLUSHED));
            disk.observe((operation, path, at, length) -> {
                if (operation == Operation.FORCE && path.contains("segment-")) {
                    await(mayForce);
                }
            });
            List<CompletableFuture<Receipt>> sent = new ArrayList<>();
            sent.add(send(node, Durability.FLUSHED));
            for (int i = 0; i < 400; i++) {
                sent.add(send(node, Durability.WRITTEN));
            }
            // Long enough for many looks.
            eventually(() -> {
                assertThat(node.health().unflushedAge()).isGreaterThan(limit.multipliedBy(3));
                assertThat(node.health().appendWait()).isGreaterThan(limit.multipliedBy(3));
            });
            String slow = awaitBegun(events, Overdue.FORCE_SLOW);
            assertThat(slow)
                    .startsWith("WARN event=force-slow stripe=0 waited-millis=")
                    .contains(" detail=\"what is written has not been forced for ")
                    .contains(" remedy=\"look at the device");
            String stalled = awaitBegun(events, Overdue.APPENDS_STALLED);
            assertThat(stalled)
                    .startsWith("WARN event=appends-stalled stripe=0 waited-millis=")
                    .contains(" detail=\"appends have waited for ")
                    .contains(" remedy=\"look at the device");
            assertThat(millis(slow)).isGreaterThanOrEqualTo(limit.toMillis());
            assertThat(millis(stalled)).isGreaterThanOrEqualTo(limit.toMillis());
            mayForce.countDown();
            sent.forEach(WatchedNode::now);
            eventually(() -> {
                String forced = ended(events, Overdue.FORCE_SLOW, slow);
                assertThat(forced).startsWith("WARN event=force-resumed stripe=0 lasted-millis=");
                assertThat(millis(forced)).isGreaterThanOrEqualTo(3 * limit.toMillis());
                String goesOn = ended(events, Overdue.APPENDS_STALLED, stalled);
                assertThat(goesOn).startsWith("WARN event=appends-resumed stripe=0 lasted-millis=");
                assertThat(millis(goesOn)).isGreaterThanOrEqualTo(3 * limit.toMillis());
            });
        } finally {
            mayForce.countDown();
        }
    }

    /** Nothing else is under way: only who looks again and again can tell. */
    @Test
    void aWriteThatHangsIsToldWhileItDoesAndWhenItDoesNotAnyMore() {
        CountDownLatch mayWrite = new CountDownLatch(1);
        try (EventLines events = new EventLines();
                WatchedNode node = WatchedNode.serving(disk, UNWATCHED + "forebay.watch.stall-limit = 250 ms")) {
            WatchedNode.now(send(node, Durability.FLUSHED));
            disk.observe((operation, path, at, length) -> {
                if (operation == Operation.WRITE && path.contains("segment-")) {
                    await(mayWrite);
                }
            });
            CompletableFuture<Receipt> sent = send(node, Durability.WRITTEN);
            String stalled = awaitBegun(events, Overdue.APPENDS_STALLED);
            assertThat(millis(stalled)).isGreaterThanOrEqualTo(250);
            assertThat(sent).isNotDone();
            mayWrite.countDown();
            WatchedNode.now(sent);
            eventually(() -> assertThat(ended(events, Overdue.APPENDS_STALLED, stalled))
                    .startsWith("WARN event=appends-resumed stripe=0 lasted-millis="));
        } finally {
            mayWrite.countDown();
        }
    }

    @Test
    void actorsThatHangAreToldWhileTheyDoAndWhenTheyDoNotAnyMore() {
        CountDownLatch blocking = new CountDownLatch(1);
        CountDownLatch goOn = new CountDownLatch(1);
        String oneThread = """
            forebay.queue.dispatcher = { type = Dispatcher, executor = "thread-pool-executor", thread-pool-executor.fixed-pool-size = 1 }
            forebay.watch.stall-limit = 100 ms
            """;
        try (EventLines events = new EventLines();
                WatchedNode node = WatchedNode.serving(disk, UNWATCHED + oneThread)) {
            node.system
                    .dispatchers()
                    .lookup(DispatcherSelector.fromConfig("forebay.queue.dispatcher"))
                    .execute(() -> {
                        blocking.countDown();
                        await(goOn);
                    });
            await(blocking);
            String silent = awaitBegun(events, Overdue.NODE_SILENT);
            assertThat(silent)
                    .startsWith("ERROR event=node-silent node=watched-1 waited-millis=")
                    .contains(" detail=\"the node's actors have not answered for ")
                    .contains(" remedy=\"have the threads printed");
            assertThat(millis(silent)).isGreaterThanOrEqualTo(300);
            goOn.countDown();
            eventually(() -> {
                String answers = ended(events, Overdue.NODE_SILENT, silent);
                assertThat(answers).startsWith("WARN event=node-answers node=watched-1 lasted-millis=");
                assertThat(millis(answers)).isGreaterThanOrEqualTo(millis(silent));
            });
        } finally {
            goOn.countDown();
        }
    }

    /** In virtual time: what a busy machine does to a test is no fault of the node's. */
    @Test
    void aBusyNodeThatIsInTimeTellsOfNothing() {
        try (EventLines events = new EventLines();
                ForebayTestKit kit = ForebayTestKit.builder()
                        .settings("forebay.watch.stall-limit = 2 s")
                        .start()) {
            kit.createTopic("t", 4);
            kit.delayForces(Duration.ofMillis(800));
            for (int i = 0; i < 60; i++) {
                kit.await(kit.client().send(Message.of("t", new byte[20_000]), Durability.FLUSHED));
            }
            kit.passTime(Duration.ofMinutes(1));
            assertThat(told(events)).isEmpty();
            kit.delayForces(Duration.ofSeconds(5));
            kit.await(kit.client().send(Message.of("t", new byte[20_000]), Durability.FLUSHED));
            kit.delayForces(Duration.ZERO);
            kit.passTime(Duration.ofMinutes(1));
            assertThat(told(events)).hasSize(2);
            String slow = events.of(LogEvent.FORCE_SLOW).get(0);
            String forced = events.of(LogEvent.FORCE_RESUMED).get(0);
            assertThat(told(events)).containsExactly(slow, forced);
            assertThat(millis(slow)).isBetween(2_000L, 2_200L);
            assertThat(millis(forced)).isBetween(5_000L, 12_000L);
        }
    }

    private static List<String> told(EventLines events) {
        List<String> told = new ArrayList<>();
        for (Overdue what : Overdue.values()) {
            told.addAll(events.of(what.begin()));
            told.addAll(events.of(what.end()));
        }
        return told;
    }
}
