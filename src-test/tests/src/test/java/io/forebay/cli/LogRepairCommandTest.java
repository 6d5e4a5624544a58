package io.forebay.cli;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;

import io.forebay.storage.io.LittleEndian;
import java.io.RandomAccessFile;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * A node whose log is damaged after a {@code kill -9}, repaired by the command line. Invariants: I1 all messages but those in the
 * damaged place are delivered; I2 none twice, none altered; I8 the node serves again; undo gives the same bytes.
 */
@Tag("proof")
class LogRepairCommandTest {
    private static final int COUNT = 400;

    @TempDir
    Path folder;

    @Test
    void aDamagedLogIsRepairedServedAndPutBack() throws Exception {
        List<String> lines = new ArrayList<>();
        for (int i = 0; i < COUNT; i++) {
            lines.add("alpha beta gamma " + i);
        }
        try (Fork.Node node = new Fork.Node(folder).start()) {
            String data = node.data().toString();
            run(0, "topic", "create", "t", "--queues", "2", "--connect", node.address());
            run(0, "group", "create", "g", "--topic", "t", "--connect", node.address());
            CliRunner.Result sent = CliRunner.runWith(
                    (String.join("\n", lines) + "\n").getBytes(UTF_8),
                    "send",
                    "t",
                    "--batch",
                    "8",
                    "--json",
                    "--connect",
                    node.address());
            assertThat(sent.code()).as(sent.err()).isZero();
            CommandLineTest.assertOneLine(CliRunner.run("log", "repair", data, "--apply"), 5, data);
            node.kill();
            String kept = receipt(sent, 1);
            String gone = receipt(sent, 38);
            assertThat(run(0, "log", "verify", data, "--receipt", kept, "--receipt", gone))
                    .doesNotContain("receipt");
            verifyTornSlots(node.data());
            flip(node.data(), "beta gamma 37");
            List<String> damaged = contents(node.data());

            assertThat(run(1, "log", "verify", data, "--receipt", kept, "--receipt", gone))
                    .contains("DAMAGED", "receipt " + gone + ": no record")
                    .doesNotContain("receipt " + kept);
            String plan = run(1, "log", "repair", data);
            assertThat(plan).contains("DAMAGED", "damage: segment-", "lost: queue ", "into quarantine", "--apply");
            assertThat(contents(node.data())).as("a plan writes nothing").isEqualTo(damaged);
            describeACopy(node.data());
            String json = run(1, "log", "repair", data, "--json");
            long lost = sum(json, "\"offsets\":(\\d+)");
            assertThat(lost).isBetween(1L, 8L);
            assertThat(json).containsPattern("\"offsets\":[1-8],\"ranges\":\\[\\[\\d+,\\d+\\]");

            assertThat(run(0, "log", "repair", data, "--apply")).contains("repaired", "--undo 1");
            assertThat(run(0, "log", "verify", data)).doesNotContain("DAMAGED");
            assertThat(run(0, "log", "repair", data)).contains("nothing to repair");
            run(0, "log", "repair", data, "--undo", "1");
            assertThat(contents(node.data())).as("undone").isEqualTo(damaged);
            run(0, "log", "repair", data, "--apply");

            node.start();
            // Idle is only what is waited for in vain: a node that has just started may need a while for its first
            // answer.
            String popped = pop(node, COUNT - lost, "20s") + pop(node, 1, "500ms");
            List<String> got = popped.lines().toList();
            Set<String> distinct = new HashSet<>(got);
            assertThat(distinct).as("none twice").hasSameSizeAs(got).isSubsetOf(lines);
            assertThat(got).hasSize((int) (COUNT - lost));
            assertThat(distinct).doesNotContain("alpha beta gamma 37");
            String described = run(0, "topic", "describe", "t", "--json", "--connect", node.address());
            assertThat(sum(described, "\"unreadable\":(\\d+)")).isEqualTo(lost);
            CliRunner.Result more =
                    CliRunner.runWith("more\n".getBytes(UTF_8), "send", "t", "--connect", node.address());
            assertThat(more.code()).isZero();
            assertThat(node.stop()).isZero();

            CommandLineTest.assertOneLine(CliRunner.run("log", "repair", data, "--undo", "2"), 5, "--force");
            run(0, "log", "repair", data, "--undo", "2", "--force");
            assertThat(run(1, "log", "verify", data)).contains("DAMAGED");
            CommandLineTest.assertOneLine(CliRunner.run("log", "repair", data, "--undo", "7"), 5, "no repair 7");
        }
    }

    private static String pop(Fork.Node node, long countMax, String idle) {
        String count = String.valueOf(countMax);
        return run(0, "pop", "t", "--group", "g", "--count", count, "--idle-exit", idle, "--connect", node.address());
    }

    /** As if the node had been killed in the middle of a write of the checkpoint file; and as if what it had written were damaged. */
    private static void verifyTornSlots(Path data) throws Exception {
        List<Path> files;
        try (Stream<Path> paths = Files.walk(data)) {
            files = paths.filter(path -> path.endsWith("checkpoint")).sorted().toList();
        }
        byte[] before = Files.readAllBytes(files.get(0));
        int older = LittleEndian.getLong(before, 8) < LittleEndian.getLong(before, 4096 + 8) ? 0 : 4096;
        byte[] torn = before.clone();
        LittleEndian.putInt(torn, older, 0x1234_5678);
        LittleEndian.putLong(torn, older + 8, LittleEndian.getLong(before, older + 8) + 2);
        Files.write(files.get(0), torn);
        assertThat(run(0, "log", "verify", data.toString()))
                .contains("sound", "note: checkpoint: slot " + older / 4096 + " was not written to its end")
                .doesNotContain("DAMAGED");
        assertThat(run(0, "log", "repair", data.toString())).contains("nothing to repair");
        byte[] damaged = before.clone();
        damaged[4096 - older + 40] ^= 1;
        Files.write(files.get(0), damaged);
        assertThat(run(1, "log", "verify", data.toString()))
                .contains("DAMAGED", "checkpoint: the checksum of slot " + (4096 - older) / 4096);
        Files.write(files.get(0), before);
    }

    /** A node that is started with the damage says what it does not serve. */
    private void describeACopy(Path data) throws Exception {
        Path home = Files.createDirectory(folder.resolve("unrepaired"));
        try (Stream<Path> paths = Files.walk(data)) {
            for (Path path : paths.toList()) {
                Files.copy(
                        path, home.resolve("data").resolve(data.relativize(path).toString()));
            }
        }
        try (Fork.Node unrepaired = new Fork.Node(home).start()) {
            assertThat(run(0, "topic", "describe", "t", "--connect", unrepaired.address()))
                    .containsPattern("stopped: queue \\d, topic t queue \\d is not served: .*'forebay log repair'");
            assertThat(run(0, "topic", "describe", "t", "--json", "--connect", unrepaired.address()))
                    .containsPattern("\"stopped\":\\[\"topic t queue \\d is not served: ");
        }
    }

    /** Of a line that was sent. */
    private static String receipt(CliRunner.Result sent, int line) {
        for (String json : sent.outLines()) {
            if (json.startsWith("{\"line\":" + line + ",")) {
                return sum(json, "\"stripe\":(\\d+)") + "/" + sum(json, "\"sequence\":(\\d+)") + "/"
                        + json.replaceAll(".*\"crc32c\":\"([0-9a-f]+)\".*", "$1");
            }
        }
        throw new AssertionError("line " + line + " was not confirmed");
    }

    private static String run(int code, String... arguments) {
        CliRunner.Result result = CliRunner.run(arguments);
        assertThat(result.code())
                .as("%s: %s%s", String.join(" ", arguments), result.out(), result.err())
                .isEqualTo(code);
        return result.out();
    }

    private static long sum(String text, String pattern) {
        long sum = 0;
        Matcher numbers = Pattern.compile(pattern).matcher(text);
        while (numbers.find()) {
            sum += Long.parseLong(numbers.group(1));
        }
        return sum;
    }

    /** The files that a repair may touch, and their bytes. */
    private static List<String> contents(Path data) throws Exception {
        List<String> contents = new ArrayList<>();
        try (Stream<Path> paths = Files.walk(data)) {
            for (Path path : paths.filter(Files::isRegularFile).sorted().toList()) {
                String name = data.relativize(path).toString();
                if (!name.contains("repair-") && !name.equals("lock")) {
                    contents.add(name + " " + Arrays.hashCode(Files.readAllBytes(path)));
                }
            }
        }
        return contents;
    }

    private static void flip(Path root, String text) throws Exception {
        byte[] wanted = text.getBytes(UTF_8);
        try (Stream<Path> paths = Files.walk(root)) {
            for (Path path : paths.filter(Files::isRegularFile).sorted().toList()) {
                int at = new String(Files.readAllBytes(path), java.nio.charset.StandardCharsets.ISO_8859_1)
                        .indexOf(new String(wanted, java.nio.charset.StandardCharsets.ISO_8859_1));
                if (at >= 0) {
                    try (RandomAccessFile file = new RandomAccessFile(path.toFile(), "rw")) {
                        file.seek(at);
                        file.write('B');
                    }
                    return;
                }
            }
        }
        throw new AssertionError("'" + text + "' was not found under " + root);
    }
}
