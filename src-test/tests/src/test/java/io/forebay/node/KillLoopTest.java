package io.forebay.node;

import static org.assertj.core.api.Assertions.assertThat;

import io.forebay.client.ForebayClient;
import io.forebay.client.PopRequest;
import io.forebay.protocol.Delivery;
import io.forebay.protocol.Durability;
import io.forebay.protocol.GroupDescription;
import io.forebay.testkit.check.Fact;
import io.forebay.testkit.check.Invariant;
import io.forebay.testkit.check.Journal;
import io.forebay.testkit.check.Judge;
import io.forebay.testkit.check.Verdict;
import java.io.File;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Comparator;
import java.util.List;
import java.util.Map;
import java.util.concurrent.Callable;
import java.util.concurrent.ThreadLocalRandom;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;
import org.awaitility.Awaitility;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.CleanupMode;
import org.junit.jupiter.api.io.TempDir;

/**
 * I1 to I8 over {@code kill -9}: a node in a process of its own is killed at random moments while three clients, one of them in a
 * process that is killed as well, send and consume at WRITTEN and FLUSHED. Every third kill hits the node while it starts, before it
 * says that it serves. What the clients saw is kept outside the node and judged when everything is consumed.
 *
 * <p>{@code -Dforebay.kills} says how many kills; after each {@value #KILLS_OF_ROUND} there is a judgement, and it begins anew in an
 * empty directory. What a round that failed leaves behind stays.
 */
@Tag("proof")
class KillLoopTest {
    private static final int KILLS = Integer.getInteger("forebay.kills", 10);
    private static final int KILLS_OF_ROUND = 10;
    /** Sent by each client between two kills. */
    private static final int LOAD = 400;

    private static final Duration GONE_AFTER = Duration.ofSeconds(20);
    private static final Duration SERVE_WITHIN = Duration.ofSeconds(30);
    private static final Map<String, String> SETTINGS = Map.of(
            // Clients ask soon whether they are known; the node does not give them up, so deadlines alone rule.
            "forebay.session.heartbeat-interval",
            "150 ms",
            "forebay.session.timeout",
            GONE_AFTER.toSeconds() + " s",
            "forebay.storage.stripes",
            "2",
            "forebay.storage.segment-size",
            "4 MiB",
            "forebay.queue.batch-bytes-max",
            "1 MiB",
            "forebay.queue.body-max",
            "512 KiB",
            "forebay.store.checkpoint-bytes",
            "1 MiB");

    @TempDir(cleanup = CleanupMode.ON_SUCCESS)
    Path directory;

    @Test
    void whatWasPromisedHoldsHoweverOftenTheNodeIsKilled() throws Exception {
        int recovering = 0;
        for (int round = 0; round * KILLS_OF_ROUND < KILLS; round++) {
            Path home = Files.createDirectory(directory.resolve("round-" + round));
            try (Round lived = new Round(home, Math.min(KILLS_OF_ROUND, KILLS - round * KILLS_OF_ROUND))) {
                recovering += lived.live();
            }
            delete(home);
        }
        assertThat(recovering)
                .as("of %d kills, those before the node was ready", KILLS)
                .isGreaterThanOrEqualTo(KILLS / 4);
    }

    private static final class Round implements AutoCloseable {
        private final Path home;
        private final Path path;
        private final int kills;
        private final Journal journal;
        private ForkedNode node;
        private final LoadClient first;
        private final LoadClient second;
        private ForkedLoadClient third;
        private final int port;
        private final long firstStartMillis;
        /** Of the quickest start so far: before that no node says that it serves. */
        private long startMillis;

        private int recovering;
        private long downMillis;
        private long drainMillis;
        private boolean isClientKilled;

        Round(Path home, int kills) throws Exception {
            this.home = home;
            this.kills = kills;
            path = home.resolve("journal");
            journal = Journal.toFile(path, "test", System::currentTimeMillis);
            long began = System.nanoTime();
            node = ForkedNode.start(home.resolve("data"), 0, SETTINGS);
            firstStartMillis = TimeUnit.NANOSECONDS.toMillis(System.nanoTime() - began);
            startMillis = firstStartMillis;
            port = node.port();
            first = new LoadClient("first", node.address(), journal);
            LoadClient.create(first.client());
            third = ForkedLoadClient.start("third-1", node.address(), path);
            second = new LoadClient("second", node.address(), journal);
            first.start();
            second.start();
        }

        /** @return how many of the kills hit the node before it was ready */
        int live() throws Exception {
            for (int kill = 0; kill < kills; kill++) {
                if (recovering * 3 < kill) {
                    killWhileItStarts();
                } else {
                    if (kill > 0) {
                        start();
                    }
                    killUnderLoad(kill * 2 >= kills);
                }
            }
            start();
            drain();
            judge();
            return recovering;
        }

        private void start() throws Exception {
            long began = System.nanoTime();
            node = ForkedNode.start(home.resolve("data"), port, SETTINGS);
            startMillis = Math.min(startMillis, TimeUnit.NANOSECONDS.toMillis(System.nanoTime() - began));
            first.client().describeTopic(LoadClient.PLAIN).toCompletableFuture().get(60, TimeUnit.SECONDS);
            journal.note(new Fact.Serving());
            downMillis += TimeUnit.NANOSECONDS.toMillis(System.nanoTime() - began);
        }

        /** @param isClientToo whether a client is killed as well, if it has not been before */
        private void killUnderLoad(boolean isClientToo) throws Exception {
            long before = first.answered() + second.answered();
            long sofar = ThreadLocalRandom.current().nextLong(2 * LOAD);
            first.send(LOAD);
            second.send(LOAD);
            third.send(LOAD);
            if (isClientToo && !isClientKilled) {
                killAClient();
            }
            await("answers before the kill", () -> first.answered() + second.answered() >= before + sofar);
            kill();
        }

        /** At a moment before it serves, every other time when it has begun to write to its directory. */
        private void killWhileItStarts() throws Exception {
            File data = home.resolve("data").toFile();
            long changedBefore = lastModified(data);
            node = ForkedNode.startWithoutWaiting(home.resolve("data"), port, SETTINGS);
            ThreadLocalRandom random = ThreadLocalRandom.current();
            if (recovering % 2 == 0) {
                await("the node at its log", () -> lastModified(data) > changedBefore);
                node.leaveAlone(random.nextLong(1 + startMillis / 20));
            } else {
                node.leaveAlone(random.nextLong(startMillis));
            }
            kill();
            if (!node.wasReady()) {
                recovering++;
            }
        }

        private static long lastModified(File file) {
            long last = file.lastModified();
            File[] files = file.listFiles();
            if (files != null) {
                for (File each : files) {
                    last = Math.max(last, lastModified(each));
                }
            }
            return last;
        }

        private void kill() throws InterruptedException {
            node.kill();
            journal.note(new Fact.Fault(Fact.Fault.Kind.KILL));
        }

        private void killAClient() throws Exception {
            isClientKilled = true;
            journal.note(new Fact.Gone("third-1"));
            third.kill();
            third = ForkedLoadClient.start("third-2", "akka://forebay@127.0.0.1:" + port, path);
        }

        private void drain() throws Exception {
            long began = System.nanoTime();
            third.awaitQuiet();
            await("answers to what was sent", () -> first.isQuiet() && second.isQuiet());
            await("the end of group " + LoadClient.WORKERS, () -> depth(LoadClient.WORKERS, LoadClient.PLAIN) == 0);
            await("the end of group " + LoadClient.LINES, () -> depth(LoadClient.LINES, LoadClient.KEYED) == 0);
            String undertakers = "undertakers";
            await("the end of the dead letters", () -> {
                noteLetters(undertakers);
                return depth(undertakers, LoadClient.LETTERS) == 0;
            });
            journal.note(new Fact.Drained(LoadClient.PLAIN, LoadClient.WORKERS));
            journal.note(new Fact.Drained(LoadClient.KEYED, LoadClient.LINES));
            drainMillis = TimeUnit.NANOSECONDS.toMillis(System.nanoTime() - began);
        }

        private long depth(String group, String topic) throws Exception {
            return first.client().describeGroup(group, topic).toCompletableFuture().get(60, TimeUnit.SECONDS).stream()
                    .mapToLong(GroupDescription::depth)
                    .sum();
        }

        private void noteLetters(String group) throws Exception {
            ForebayClient client = first.client();
            PopRequest request = PopRequest.of(LoadClient.LETTERS, group, 1000).withWaitMax(Duration.ZERO);
            List<Delivery> letters = client.pop(request).toCompletableFuture().get(60, TimeUnit.SECONDS);
            letters.forEach(letter -> journal.note(JournaledConsumer.letter(letter)));
            client.ackBatch(group, letters.stream().map(Delivery::handle).toList(), Durability.WRITTEN)
                    .toCompletableFuture()
                    .get(60, TimeUnit.SECONDS);
        }

        private void judge() throws Exception {
            third.end();
            Verdict verdict = Judge.judge(Journal.read(path), LoadClient.rules(SERVE_WITHIN, GONE_AFTER));
            System.out.println("kill loop: " + kills + " kills, " + recovering
                    + " before the node was ready, first start "
                    + firstStartMillis + " ms, others until an answer " + downMillis + " ms, drained in " + drainMillis
                    + " ms: " + verdict);
            verdict.prove();
            for (Invariant invariant : Invariant.values()) {
                assertThat(verdict.triedOn(invariant))
                        .as("tried: %s", invariant)
                        .isPositive();
            }
            assertThat(verdict.messagesAcknowledged())
                    .as("answered of what the two sent that were not killed")
                    .isGreaterThanOrEqualTo(2L * LOAD);
        }

        @Override
        public void close() throws IOException {
            first.close();
            second.close();
            third.close();
            node.close();
            journal.close();
        }
    }

    static void await(String what, Callable<Boolean> isSo) {
        Awaitility.await(what)
                .atMost(Duration.ofMinutes(2))
                .pollInterval(Duration.ofMillis(5))
                .pollInSameThread()
                .until(isSo);
    }

    private static void delete(Path home) throws IOException {
        try (Stream<Path> tree = Files.walk(home)) {
            tree.sorted(Comparator.reverseOrder()).forEach(path -> {
                try {
                    Files.delete(path);
                } catch (IOException e) {
                    throw new UncheckedIOException(e);
                }
            });
        }
    }
}
