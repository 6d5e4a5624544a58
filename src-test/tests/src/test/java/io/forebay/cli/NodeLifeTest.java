package io.forebay.cli;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;

import io.forebay.testkit.sim.Proof;
import java.io.BufferedOutputStream;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.io.OutputStream;
import java.io.RandomAccessFile;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;
import org.awaitility.Awaitility;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.api.parallel.Execution;
import org.junit.jupiter.api.parallel.ExecutionMode;

/**
 * Nodes and commands in JVMs of their own that are stopped, interrupted and killed. I1: nothing confirmed is missing; I2:
 * nothing is altered. Faults: kill -9 of the node under send and pop, SIGTERM to both, a closed pipe, a flipped byte.
 */
class NodeLifeTest {
    private static final int LINES = 100_000;
    private static final int[] KILL_PERCENTS = {10, 30, 50, 70, 90};
    /** Sent and not confirmed, and printed and not acked. */
    private static final int UNDER_WAY_MAX = 8192;

    @TempDir
    Path folder;

    /** Both levels at once: most of the time goes by with processes that start. */
    @Test
    @Execution(ExecutionMode.CONCURRENT)
    @Timeout(value = 8, unit = TimeUnit.MINUTES)
    void nodeIsKilledFiveTimesAndNoLineIsMissing() throws Exception {
        List<String> lines = realLines();
        CompletableFuture<Void> written =
                CompletableFuture.runAsync(() -> killUnderLoad("written", lines), Fork.THREADS);
        CompletableFuture<Void> flushed =
                CompletableFuture.runAsync(() -> killUnderLoad("flushed", lines), Fork.THREADS);
        CompletableFuture.allOf(written, flushed).join();
    }

    private void killUnderLoad(String level, List<String> lines) {
        Path home = folder.resolve(level);
        // Clients notice a kill by its silence.
        String[] soon = {"forebay.session.heartbeat-interval=300 ms", "forebay.session.timeout=2 s"};
        try (Fork.Node node = new Fork.Node(Files.createDirectory(home), soon).start()) {
            create(node, "t", "g");
            try (Fork send = Fork.start(
                            home, "send", "t", "--connect", node.address(), "--json", "--durability", level);
                    Fork pop = Fork.start(home, "pop", "t", "--group", "g", "--connect", node.address())) {
                CompletableFuture<byte[]> popped = pop.out();
                CompletableFuture<Void> fed =
                        CompletableFuture.runAsync(() -> feed(send.process().getOutputStream(), lines), Fork.THREADS);
                BufferedReader receipts =
                        new BufferedReader(new InputStreamReader(send.process().getInputStream(), UTF_8));
                int confirmed = 0;
                int kills = 0;
                while (receipts.readLine() != null) {
                    confirmed++;
                    if (kills < KILL_PERCENTS.length && confirmed == lines.size() / 100 * KILL_PERCENTS[kills]) {
                        node.kill();
                        kills++;
                        assertThat(send.process().isAlive())
                                .as("lines are under way at kill %d", kills)
                                .isTrue();
                        node.start();
                    }
                }
                assertThat(kills).isEqualTo(KILL_PERCENTS.length);
                assertThat(send.awaitExit(60)).as(send.err()).isZero();
                fed.get(60, TimeUnit.SECONDS);
                assertThat(confirmed).isEqualTo(lines.size());
                // Told to end, not by itself when nothing comes: it may well be back before whoever sends is.
                awaitAllAcked(node, "g");
                pop.process().toHandle().destroy();
                assertThat(pop.awaitExit(60)).as(pop.err()).isEqualTo(143);

                List<String> poppedLines =
                        new String(popped.get(), UTF_8).lines().toList();
                Map<String, Integer> missing = without(lines, poppedLines);
                Map<String, Integer> extra = without(poppedLines, lines);
                Proof.messagesAcknowledged.add(confirmed);
                Proof.lost.add(missing.size());
                assertThat(missing).as("I1, " + level).isEmpty();
                assertThat(Set.copyOf(lines)).as("I2, " + level).containsAll(extra.keySet());
                // What was in flight at a kill may come twice: not more than the client had under way.
                assertThat(extra.values().stream().mapToInt(Integer::intValue).sum())
                        .isLessThanOrEqualTo(kills * UNDER_WAY_MAX);
            }
            assertThat(node.stop()).isZero();
            assertThat(CliRunner.run("log", "verify", node.data().toString()).out())
                    .contains(": sound: ");
        } catch (RuntimeException e) {
            throw e;
        } catch (Exception e) {
            throw new AssertionError(level, e);
        }
    }

    /** Then all has been printed, too: it is acked behind that. */
    private static void awaitAllAcked(Fork.Node node, String group) {
        Awaitility.await()
                .atMost(Duration.ofMinutes(2))
                .untilAsserted(() -> assertThat(
                                CliRunner.run("group", "describe", group, "--json", "--connect", node.address())
                                        .out())
                        .contains("\"depth\":0", "\"inFlight\":0"));
    }

    /** How often each line is in the first list more often than in the second. */
    private static Map<String, Integer> without(List<String> lines, List<String> others) {
        Map<String, Integer> counts = new HashMap<>();
        lines.forEach(line -> counts.merge(line, 1, Integer::sum));
        others.forEach(line -> counts.computeIfPresent(line, (same, count) -> count > 1 ? count - 1 : null));
        return counts;
    }

    /** Lines of the checkout's own sources, in as many passes as it takes. */
    private static List<String> realLines() throws IOException {
        Path root = Path.of(System.getProperty("basedir", ".")).resolve("../..");
        List<Path> files = new ArrayList<>();
        for (String room : List.of("actors", "config", "protocol", "storage", "src-test")) {
            try (Stream<Path> tree = Files.walk(root.resolve(room))) {
                tree.filter(path -> path.toString().endsWith(".java")).forEach(files::add);
            }
        }
        assertThat(files).isNotEmpty();
        List<String> lines = new ArrayList<>();
        while (lines.size() < LINES) {
            for (Path file : files) {
                lines.addAll(Files.readAllLines(file));
            }
        }
        return lines.subList(0, LINES);
    }

    @Test
    void signalsEndCommandsInOrder() throws Exception {
        try (Fork.Node node = new Fork.Node(folder).start()) {
            create(node, "t", "g");
            assertThat(CliRunner.runWith("a\nb\nc\n".getBytes(UTF_8), "send", "t", "--connect", node.address())
                            .code())
                    .isZero();
            // A pop that has printed and waits for more.
            try (Fork pop = Fork.start(folder, "pop", "t", "--group", "g", "--connect", node.address())) {
                BufferedReader out =
                        new BufferedReader(new InputStreamReader(pop.process().getInputStream(), UTF_8));
                for (int index = 0; index < 3; index++) {
                    assertThat(out.readLine()).isNotNull();
                }
                signal(pop, "TERM");
                assertThat(pop.awaitExit(60)).as(pop.err()).isEqualTo(143);
                assertThat(out.readLine()).isNull();
                assertThat(pop.err()).doesNotContain("Exception");
            }
            CliRunner.Result nothing =
                    CliRunner.run("pop", "t", "--group", "g", "--connect", node.address(), "--idle-exit", "1s");
            assertThat(nothing.out()).as("printed, so acked").isEmpty();

            // Its reader goes away after the first lines: what was not printed comes back at once.
            StringBuilder many = new StringBuilder();
            for (int index = 0; index < 5000; index++) {
                many.append(line(index)).append('\n');
            }
            assertThat(CliRunner.runWith(many.toString().getBytes(UTF_8), "send", "t", "--connect", node.address())
                            .code())
                    .isZero();
            try (Fork pop = Fork.start(
                    folder,
                    "pop",
                    "t",
                    "--group",
                    "g",
                    "--connect",
                    node.address(),
                    "--max",
                    "100",
                    "--invisible",
                    "10m")) {
                pop.process().getInputStream().read();
                pop.process().getInputStream().close();
                assertThat(pop.awaitExit(60)).as(pop.err()).isEqualTo(ExitCode.PIPE_CLOSED);
                assertThat(pop.err()).isEmpty();
            }
            assertThat(CliRunner.run("group", "describe", "g", "--json", "--connect", node.address())
                            .out())
                    .contains("\"inFlight\":0");
            assertThat(node.stop()).isZero();
        }
    }

    @Test
    void logIsVerifiedWithoutTheNodeAndDamageIsNamed() throws Exception {
        Path copy = folder.resolve("copy");
        Path data;
        try (Fork.Node node = new Fork.Node(folder).start()) {
            data = node.data();
            create(node, "t", "g");
            CliRunner.Result sent = CliRunner.runWith(
                    "alpha beta gamma\n".repeat(500).getBytes(UTF_8), "send", "t", "--connect", node.address());
            assertThat(sent.code()).isZero();
            CommandLineTest.assertOneLine(CliRunner.run("log", "verify", data.toString()), 5, data.toString());
            CommandLineTest.assertOneLine(CliRunner.run("log", "dump", data.toString()), 5, data.toString());
            assertThat(node.stop()).isZero();
        }
        CommandLineTest.assertOneLine(
                CliRunner.run("node", "--data", data.toString(), "--port", "0", "--set", "forebay.node.name=other"),
                5,
                "belongs to the node 'forebay-1', this node is 'other'");
        copy(data, copy);
        List<String> before = listing(copy);
        CliRunner.Result sound = CliRunner.run("log", "verify", copy.toString());
        assertThat(sound.code()).as(sound.err()).isZero();
        assertThat(sound.out()).contains(": sound: ");
        CliRunner.Result json = CliRunner.run("log", "verify", copy.toString(), "--json");
        assertThat(json.out()).contains("\"sound\":true", "\"problems\":[]");
        CliRunner.Result dump = CliRunner.run("log", "dump", copy.toString());
        assertThat(dump.code()).isZero();
        assertThat(dump.outLines()).hasSizeGreaterThan(500);
        assertThat(listing(copy)).as("only read").isEqualTo(before);

        flipInside(copy);
        CliRunner.Result damaged = CliRunner.run("log", "verify", copy.toString());
        assertThat(damaged.code()).isEqualTo(ExitCode.CHECK_FAILED);
        assertThat(damaged.out()).contains("DAMAGED").contains("position");
        assertThat(CliRunner.run("log", "verify", copy.toString(), "--json").out())
                .contains("\"sound\":false");
        CommandLineTest.assertOneLine(
                CliRunner.run(
                        "log",
                        "verify",
                        Files.createDirectory(folder.resolve("empty")).toString()),
                5,
                "no log");
    }

    @Test
    void demoFindsNothingLostAndNothingAltered() throws Exception {
        Path text = folder.resolve("text with spaces.txt");
        StringBuilder lines = new StringBuilder();
        for (int index = 0; index < 5000; index++) {
            lines.append(line(index)).append('\n');
        }
        Files.writeString(text, lines);
        try (Fork demo = Fork.start(folder, "demo", text.toString(), "--messages", "10000", "--json")) {
            CompletableFuture<byte[]> out = demo.out();
            assertThat(demo.awaitExit(240)).as(demo.err()).isZero();
            assertThat(new String(out.get(), UTF_8))
                    .startsWith("{\"good\":true,\"sent\":10000,")
                    .contains("\"lost\":0,\"altered\":0,")
                    .contains("\"logSound\":true");
            assertThat(demo.err()).contains("killed with -9");
        }
    }

    private static void create(Fork.Node node, String topic, String group) {
        assertThat(CliRunner.run("topic", "create", topic, "--connect", node.address())
                        .code())
                .isZero();
        assertThat(CliRunner.run("group", "create", group, "--topic", topic, "--connect", node.address())
                        .code())
                .isZero();
    }

    private static String line(int index) {
        return "line " + index + " " + "x".repeat(index % 100);
    }

    private static void feed(OutputStream stream, List<String> lines) {
        try (OutputStream out = new BufferedOutputStream(stream)) {
            for (String line : lines) {
                out.write((line + "\n").getBytes(UTF_8));
            }
        } catch (IOException e) {
            throw new java.io.UncheckedIOException(e);
        }
    }

    private static void signal(Fork fork, String name) throws Exception {
        assertThat(new ProcessBuilder(
                                "kill",
                                "-" + name,
                                String.valueOf(fork.process().pid()))
                        .start()
                        .waitFor())
                .isZero();
    }

    private static void copy(Path from, Path to) throws IOException {
        try (Stream<Path> paths = Files.walk(from)) {
            for (Path path : paths.toList()) {
                Files.copy(path, to.resolve(from.relativize(path).toString()));
            }
        }
    }

    private static List<String> listing(Path root) throws IOException {
        List<String> all = new ArrayList<>();
        try (Stream<Path> paths = Files.walk(root)) {
            for (Path path : paths.sorted().toList()) {
                all.add(path + " " + Files.size(path) + " " + Files.getLastModifiedTime(path));
            }
        }
        return all;
    }

    /** Flips one bit in the middle of the text that was sent. */
    private static void flipInside(Path root) throws IOException {
        byte[] wanted = "beta".getBytes(UTF_8);
        try (Stream<Path> paths = Files.walk(root)) {
            for (Path path : paths.filter(Files::isRegularFile).sorted().toList()) {
                byte[] bytes = Files.readAllBytes(path);
                for (int at = 0; at + wanted.length < bytes.length; at++) {
                    if (bytes[at] == 'b' && bytes[at + 1] == 'e' && bytes[at + 2] == 't' && bytes[at + 3] == 'a') {
                        try (RandomAccessFile file = new RandomAccessFile(path.toFile(), "rw")) {
                            file.seek(at);
                            file.write('B');
                        }
                        return;
                    }
                }
            }
        }
        throw new AssertionError("no message was found under " + root);
    }
}
