package io.forebay.cli;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;

import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.io.OutputStream;
import java.io.RandomAccessFile;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.TreeSet;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * Nodes and commands in JVMs of their own that are stopped, interrupted and killed. I1: nothing confirmed is missing; I2:
 * nothing is altered. Faults: kill -9 of the node under send and pop, SIGTERM to both, a closed pipe, a flipped byte.
 */
class NodeLifeTest {
    private static final int LINES = 10_000;

    @TempDir
    Path folder;

    @Test
    void nodeIsKilledInTheMiddleAndNoLineIsMissing() throws Exception {
        // Clients notice a kill by its silence.
        String[] soon = {"forebay.session.heartbeat-interval=300 ms", "forebay.session.timeout=2 s"};
        try (Fork.Node node = new Fork.Node(folder, soon).start()) {
            create(node, "t", "g");
            try (Fork send = Fork.start(
                            folder, "send", "t", "--connect", node.address(), "--json", "--durability", "written");
                    Fork pop = Fork.start(
                            folder, "pop", "t", "--group", "g", "--connect", node.address(), "--idle-exit", "3s")) {
                CompletableFuture<byte[]> popped = pop.out();
                CompletableFuture<Void> fed =
                        CompletableFuture.runAsync(() -> feed(send.process().getOutputStream()));
                BufferedReader receipts =
                        new BufferedReader(new InputStreamReader(send.process().getInputStream(), UTF_8));
                int confirmed = 0;
                int kills = 0;
                while (receipts.readLine() != null) {
                    confirmed++;
                    if (confirmed == LINES / 4 || confirmed == LINES / 2) {
                        node.kill();
                        kills++;
                        node.start();
                    }
                }
                assertThat(kills).isEqualTo(2);
                assertThat(send.awaitExit(60)).as(send.err()).isZero();
                fed.get(1, TimeUnit.SECONDS);
                assertThat(confirmed).isEqualTo(LINES);
                assertThat(pop.awaitExit(60)).as(pop.err()).isZero();

                List<String> lines = new String(popped.get(), UTF_8).lines().toList();
                Set<String> missing = new TreeSet<>();
                for (int index = 0; index < LINES; index++) {
                    missing.add(line(index));
                }
                Set<String> altered = new TreeSet<>(lines);
                altered.removeAll(missing);
                lines.forEach(missing::remove);
                assertThat(missing).as("I1").isEmpty();
                assertThat(altered).as("I2").isEmpty();
                // What was in flight at a kill may come twice: not more than the client had under way.
                assertThat(lines.size() - LINES).isBetween(0, 8192);
            }
            assertThat(node.stop()).isZero();
            assertThat(CliRunner.run("log", "verify", node.data().toString()).out())
                    .contains(": sound: ");
        }
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
                assertThat(pop.awaitExit(20)).as(pop.err()).isEqualTo(143);
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
                assertThat(pop.awaitExit(20)).as(pop.err()).isEqualTo(ExitCode.PIPE_CLOSED);
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
            assertThat(demo.awaitExit(100)).as(demo.err()).isZero();
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

    private static void feed(OutputStream stream) {
        try (stream) {
            for (int index = 0; index < LINES; index++) {
                stream.write((line(index) + "\n").getBytes(UTF_8));
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
