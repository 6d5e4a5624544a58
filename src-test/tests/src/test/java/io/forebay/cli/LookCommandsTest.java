package io.forebay.cli;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;

import io.forebay.node.ForebayNode;
import io.forebay.node.NodeOptions;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.MethodOrderer;
import org.junit.jupiter.api.Order;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestMethodOrder;
import org.junit.jupiter.api.io.TempDir;

/**
 * The commands that look at stored messages, against a real node and against what it leaves. The node is one of this process, for
 * it is one node that many short commands ask; that a process of its own keeps others out of its directory is asked of one.
 */
@TestMethodOrder(MethodOrderer.OrderAnnotation.class)
class LookCommandsTest {
    @TempDir
    static Path folder;

    private static ForebayNode node;
    private static String data;

    @BeforeAll
    static void startNode() throws Exception {
        data = folder.resolve("data").toString();
        node = ForebayNode.start(NodeOptions.of(Path.of(data))
                .withOverrides(Map.of(
                        "akka.jvm-shutdown-hooks", "off",
                        "akka.loglevel", "ERROR", // commands come and go
                        "forebay.node.name", "look-test",
                        "forebay.storage.segment-size", "16 MiB",
                        "forebay.storage.low-space", "1 MiB")));
    }

    @AfterAll
    static void stopNode() throws Exception {
        node.stop().toCompletableFuture().get(60, TimeUnit.SECONDS);
        node.whenTerminated().toCompletableFuture().get(60, TimeUnit.SECONDS);
    }

    private static String[] with(String... arguments) {
        List<String> all = new ArrayList<>(List.of(arguments));
        all.addAll(List.of("--connect", node.address()));
        return all.toArray(String[]::new);
    }

    private static CliRunner.Result ok(String... arguments) {
        CliRunner.Result result = CliRunner.run(arguments);
        assertThat(result.code()).as(result.err()).isZero();
        return result;
    }

    private static void refused(int code, String part, String... arguments) {
        CommandLineTest.assertOneLine(CliRunner.run(arguments), code, part);
    }

    private static void topic(String topic, int queues, String lines) {
        ok(with("topic", "create", topic, "--queues", String.valueOf(queues)));
        ok(with("group", "create", "g-" + topic, "--topic", topic));
        assertThat(CliRunner.runWith(lines.getBytes(UTF_8), with("send", topic)).code())
                .isZero();
    }

    @Test
    @Order(1)
    void peekShowsLines() {
        topic("peeked", 1, "one\ntwo\nthree\n");
        CliRunner.Result shown = ok(with("peek", "peeked"));
        assertThat(shown.outLines()).hasSize(3);
        assertThat(shown.outLines().get(1)).matches("peeked/0/1\t20[^\t]+Z\t[^\t]+\ttwo");
        assertThat(shown.err()).isEmpty();
        assertThat(ok(with("peek", "peeked", "--queue", "0", "--offset", "2")).outLines())
                .singleElement()
                .asString()
                .endsWith("\tthree");
        assertThat(ok(with("peek", "peeked", "--group", "g-peeked", "--count", "1", "--json"))
                        .out())
                .contains("\"offset\":0", "\"node\":\"look-test\"", "\"body\":\"b25l\"");
        CliRunner.Result beyond = ok(with("peek", "peeked", "--queue", "0", "--offset", "9"));
        assertThat(beyond.out()).isEmpty();
        assertThat(beyond.err()).contains("0 to 2");
        refused(2, "--offset needs --queue", with("peek", "peeked", "--offset", "1"));
        refused(2, "--count is 0", with("peek", "peeked", "--count", "0"));
        refused(2, "queue is 5", with("peek", "peeked", "--queue", "5"));
        refused(4, "no topic 'missing'", with("peek", "missing"));
        refused(4, "nobody", with("peek", "peeked", "--group", "nobody"));
    }

    @Test
    @Order(2)
    void findLooksForIdsAndTimes() {
        topic("sought", 2, "a\nb\nc\n");
        String id = ok(with("peek", "sought")).outLines().get(0).split("\t")[2];
        assertThat(ok(with("find", "sought", "--id", id)).outLines()).hasSize(1);
        assertThat(ok(with("find", "sought", "--id", id, "--since", "10m", "--json"))
                        .out())
                .contains(id);
        assertThat(CliRunner.run(with("find", "sought", "--id", id, "--until", "2020-01-01T00:00:00Z"))
                        .code())
                .isEqualTo(ExitCode.CHECK_FAILED);
        assertThat(CliRunner.run(with("find", "sought", "--key", "none", "--progress"))
                        .code())
                .isEqualTo(ExitCode.CHECK_FAILED);
        refused(2, "--id or --key is needed", with("find", "sought"));
        refused(2, "--since is 'yesterday'", with("find", "sought", "--id", "x", "--since", "yesterday"));
        refused(2, "--limit is 0", with("find", "sought", "--id", "x", "--limit", "0"));
        refused(4, "no topic 'missing'", with("find", "missing", "--id", "x"));
    }

    @Test
    @Order(3)
    void groupsSeekAndArePurged() {
        topic("moved", 1, "a\nb\nc\nd\n");
        assertThat(ok(with("pop", "moved", "--group", "g-moved", "--count", "4"))
                        .outLines())
                .hasSize(4);
        CliRunner.Result told = ok(with("group", "seek", "g-moved", "--topic", "moved", "--earliest", "--dry-run"));
        assertThat(told.outLines()).hasSize(2);
        assertThat(told.outLines().get(1).trim().split(" +")).containsExactly("0", "4", "0", "0", "4");
        assertThat(told.err()).contains("nothing was changed");
        assertThat(ok(with("group", "seek", "g-moved", "--topic", "moved", "--earliest", "--json"))
                        .out())
                .contains("\"to\":0", "\"repeated\":4", "\"clamped\":false");
        assertThat(ok(with("group", "purge", "g-moved", "--topic", "moved", "--queue", "0", "--below", "2"))
                        .outLines()
                        .get(1)
                        .trim()
                        .split(" +"))
                .containsExactly("0", "2", "2");
        assertThat(ok(with("pop", "moved", "--group", "g-moved", "--count", "2"))
                        .out())
                .isEqualTo("c\nd\n");
        assertThat(ok(with("group", "seek", "g-moved", "--topic", "moved", "--offset", "99", "--queue", "0"))
                        .out())
                .contains("nothing is stored at 99");
        ok(with("group", "seek", "g-moved", "--topic", "moved", "--time", "1h"));
        refused(2, "--offset needs --queue", with("group", "seek", "g-moved", "--topic", "moved", "--offset", "1"));
        refused(
                2,
                "allowed is a time",
                with("group", "seek", "g-moved", "--topic", "moved", "--time", "2026-13-01T00:00:00Z"));
        refused(2, "--help", with("group", "seek", "g-moved", "--topic", "moved"));
        refused(4, "nobody", with("group", "seek", "nobody", "--topic", "moved", "--latest"));
        refused(2, "--below needs --queue", with("group", "purge", "g-moved", "--topic", "moved", "--below", "1"));
        refused(4, "no topic 'missing'", with("topic", "purge", "missing"));
    }

    @Test
    @Order(4)
    void aLifeIsToldByTheNodeAndByWhatItLeaves() throws Exception {
        topic("lived", 1, "a\nb\n");
        String handle = ok(with("pop", "lived", "--group", "g-lived", "--no-ack", "--max", "1", "--invisible", "1m"))
                .out()
                .split("\t")[0];
        ok(with("nack", handle, "--reason", "out of ink"));
        assertThat(ok(with("pop", "lived", "--group", "g-lived", "--count", "2"))
                        .outLines())
                .hasSize(2);
        CliRunner.Result told = ok(with("explain", "lived/0/0"));
        assertThat(told.outLines().get(0)).isEqualTo("lived/0/0 on node look-test");
        assertThat(told.out()).contains("popped", "nacked", "out of ink", "acked", "group g-lived: acked, 2 attempts");
        assertThat(ok(with("explain", handle)).out().replace("written", "flushed"))
                .isEqualTo(told.out().replace("written", "flushed"));
        String id = ok(with("peek", "lived", "--count", "1")).out().split("\t")[2];
        String json = ok(with("explain", id, "--topic", "lived", "--json")).out();
        assertThat(json).contains("\"event\":\"NACKED\"", "\"state\":\"ACKED\"", "\"id\":\"" + id);
        refused(2, "offset is 7", with("explain", "lived/0/7"));
        refused(2, "neither TOPIC/QUEUE/OFFSET nor a receipt handle", with("explain", "lived"));
        refused(4, "no topic 'missing'", with("explain", "missing/0/0"));
        refused(4, "stores no message with the id 'x'", with("explain", "x", "--topic", "lived"));
        refused(5, "stop the node first", "explain", "lived/0/0", "--data", data);
        try (Fork other = Fork.start(folder, "explain", "lived/0/0", "--data", data)) {
            assertThat(other.awaitExit(60)).isEqualTo(ExitCode.LOCAL);
            assertThat(other.err())
                    .contains("in use by process " + ProcessHandle.current().pid())
                    .contains("stop the node first");
        }

        stopNode();
        CliRunner.Result left = ok("explain", "lived/0/0", "--data", data);
        assertThat(left.out()).contains("nacked", "out of ink", "group g-lived: acked, 2 attempts");
        assertThat(left.err()).isEmpty();
        assertThat(ok("explain", handle, "--data", data).out()).isEqualTo(left.out());
        assertThat(ok("explain", id, "--topic", "lived", "--data", data).out()).isEqualTo(left.out());
        CliRunner.Result none = ok("explain", "lived/0/9", "--data", data);
        assertThat(none.err()).contains("not stored").contains("the log begins at sequence");
        refused(2, "queue is 3", "explain", "lived/3/0", "--data", data);
        refused(4, "no topic 'missing'", "explain", "missing/0/0", "--data", data);
        refused(5, "is not a directory", "explain", "lived/0/0", "--data", data + "/no-such");
    }
}
