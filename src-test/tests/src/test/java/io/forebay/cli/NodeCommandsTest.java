package io.forebay.cli;

import static java.nio.charset.StandardCharsets.ISO_8859_1;
import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;

import io.forebay.protocol.ReceiptHandle;
import java.io.IOException;
import java.io.RandomAccessFile;
import java.net.ServerSocket;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Base64;
import java.util.List;
import java.util.Random;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.awaitility.Awaitility;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.api.parallel.Execution;
import org.junit.jupiter.api.parallel.ExecutionMode;

/** Commands against a real node in a process of its own. Each test has its own topic. */
class NodeCommandsTest {
    @TempDir
    static Path folder;

    private static Fork.Node node;

    @BeforeAll
    static void startNode() throws Exception {
        node = new Fork.Node(folder, "forebay.node.name=cli-test", "forebay.queue.body-max=64 KiB").start();
    }

    @AfterAll
    static void stopNode() {
        node.close();
    }

    @Test
    void linesComeOutAsTheyWentIn() {
        topicAndGroup("lines", "g");
        Random random = new Random(1);
        List<String> lines = new ArrayList<>();
        StringBuilder all = new StringBuilder();
        for (int index = 0; index < 2000; index++) {
            byte[] body = new byte[random.nextInt(80)];
            random.nextBytes(body);
            String line = index % 50 == 0 ? "" : new String(body, ISO_8859_1).replace('\n', ' ');
            lines.add(line);
            all.append(line).append('\n');
        }
        all.append("the last one has no newline");
        lines.add("the last one has no newline");

        CliRunner.Result sent = CliRunner.runWith(all.toString().getBytes(ISO_8859_1), with("send", "lines"));
        assertThat(sent.err()).isEmpty();
        assertThat(sent.out()).isEmpty();
        assertThat(sent.code()).isZero();

        String count = String.valueOf(lines.size());
        CliRunner.Result popped =
                CliRunner.run(with("pop", "lines", "--group", "g", "--max", "100", "--count", count, "--wait", "1s"));
        assertThat(popped.err()).isEmpty();
        assertThat(popped.code()).isZero();
        assertThat(split(popped.bytes())).containsExactlyInAnyOrderElementsOf(lines);
        assertThat(CliRunner.run(with("pop", "lines", "--group", "g", "--idle-exit", "300ms"))
                        .out())
                .as("all were acked")
                .isEmpty();
        assertThat(CliRunner.run(with("group", "describe", "g", "--json")).out())
                .contains("\"depth\":0", "\"inFlight\":0", "\"group\":\"g\"", "\"topic\":\"lines\"");
    }

    @Test
    void messageGroupKeepsTheOrderAndReceiptsSayWhere() {
        topicAndGroup("ordered", "og");
        StringBuilder all = new StringBuilder();
        for (int index = 0; index < 500; index++) {
            all.append(index).append('\n');
        }
        CliRunner.Result sent = CliRunner.runWith(
                all.toString().getBytes(UTF_8),
                with("send", "ordered", "--message-group", "k", "--json", "--batch", "7", "--durability", "flushed"));
        assertThat(sent.code()).as(sent.err()).isZero();
        assertThat(sent.outLines())
                .hasSize(500)
                .allMatch(line -> line.contains("\"level\":\"flushed\"") && line.contains("\"node\":\"cli-test\""));
        CliRunner.Result popped = CliRunner.run(with("pop", "ordered", "--group", "og", "--count", "500"));
        assertThat(popped.out()).isEqualTo(all.toString());
    }

    @Test
    void bodyWithNewlineNeedsJson() {
        topicAndGroup("newline", "ng");
        send("newline", "k", "plain\n");
        sendBody("newline", "two\nlines");
        CliRunner.Result refused = CliRunner.run(with("pop", "newline", "--group", "ng", "--idle-exit", "20s"));
        assertThat(refused.code()).isEqualTo(ExitCode.REFUSED);
        assertThat(refused.errLines()).hasSize(1);
        assertThat(refused.err()).contains("has a newline in its body").contains("--json");
        String left = String.valueOf(2 - refused.outLines().size());
        CliRunner.Result json = CliRunner.run(with("pop", "newline", "--group", "ng", "--json", "--count", left));
        assertThat(json.code()).isZero();
        assertThat(json.out())
                .contains("\"body\":\"" + Base64.getEncoder().encodeToString("two\nlines".getBytes(UTF_8)));
        assertThat(refused.outLines().size() + json.outLines().size()).isEqualTo(2);
    }

    @Test
    void handlesSettleWhatWasDetached() {
        topicAndGroup("handles", "hg");
        CliRunner.run(with("group", "create", "other", "--topic", "handles"));
        send("handles", "k", "first\n");
        CliRunner.Result popped =
                CliRunner.run(with("pop", "handles", "--group", "hg", "--no-ack", "--invisible", "1m"));
        assertThat(popped.code()).as(popped.err()).isZero();
        assertThat(popped.out()).matches("hg:[A-Za-z0-9_-]{75}\tfirst\n");
        String handle = popped.out().substring(0, popped.out().indexOf('\t'));

        assertThat(CliRunner.run(with("pop", "handles", "--group", "hg", "--idle-exit", "500ms"))
                        .out())
                .as("detached, not given back")
                .isEmpty();
        refused(4, "group", with("ack", handle.substring(3), "--group", "other"));
        ReceiptHandle real = (ReceiptHandle) ReceiptHandle.parse(handle.substring(3));
        refused(
                4,
                "",
                with(
                        "ack",
                        "hg:" + changed(real, real.nodeId(), real.nonce() + 1).text()));
        refused(
                4,
                "",
                with(
                        "ack",
                        "hg:" + changed(real, real.nodeId() + 1, real.nonce()).text()));
        assertThat(CliRunner.run(with("extend", handle, "--invisible", "2m")).out())
                .isEqualTo("changed\n");
        refused(2, "allowed", with("extend", handle, "--invisible", "300d"));

        assertThat(CliRunner.run(with("nack", handle, "--reason", "not today")).out())
                .isEqualTo("changed\n");
        CliRunner.Result again = CliRunner.run(with("pop", "handles", "--group", "hg", "--no-ack", "--json"));
        assertThat(again.out()).contains("\"attempt\":2");
        refused(4, "", with("ack", handle));
        Matcher second = Pattern.compile("\"handle\":\"([^\"]+)\"").matcher(again.out());
        assertThat(second.find()).isTrue();
        CliRunner.Result acked = CliRunner.runWith((second.group(1) + "\tfirst\n").getBytes(UTF_8), with("ack", "-"));
        assertThat(acked.out()).isEqualTo("acked\n");
        assertThat(CliRunner.run(with("ack", second.group(1), "--json")).out())
                .contains("\"outcome\":\"ALREADY_SETTLED\"");
        assertThat(CliRunner.run(with("ack", handle)).out())
                .as("settled is settled")
                .isEqualTo("already settled\n");
    }

    @Test
    void topicsAreListedDescribedAndDeleted() {
        CliRunner.Result created = CliRunner.run(with("topic", "create", "admin", "--queues", "3"));
        assertThat(created.out()).isEqualTo("topic admin with 3 queues on node cli-test\n");
        assertThat(CliRunner.run(with("topic", "create", "admin", "--queues", "3"))
                        .code())
                .isZero();
        refused(4, "admin", with("topic", "create", "admin", "--queues", "4"));
        assertThat(CliRunner.run(with("topic", "list")).outLines()).contains("admin");
        assertThat(CliRunner.run(with("topic", "list", "--json")).out()).contains("\"admin\"");
        assertThat(CliRunner.run(with("topic", "describe", "admin")).outLines())
                .anyMatch(line -> line.startsWith("topic admin on node cli-test, created 20"))
                .anyMatch(line -> line.startsWith("queue  stripe"));
        assertThat(CliRunner.run(with("topic", "describe", "admin", "--json")).out())
                .contains("\"nextOffset\":0");
        assertThat(CliRunner.run(with("group", "create", "ag", "--topic", "admin"))
                        .code())
                .isZero();
        assertThat(CliRunner.run(with("group", "list", "--topic", "admin")).out())
                .isEqualTo("ag\n");
        assertThat(CliRunner.run(with("group", "describe", "ag")).outLines())
                .hasSize(2)
                .anyMatch(line -> line.startsWith("topic  node"));
        assertThat(CliRunner.run(with("group", "delete", "ag")).code()).isZero();
        assertThat(CliRunner.run(with("topic", "delete", "admin")).code()).isZero();
        refused(4, "no topic 'admin'", with("topic", "describe", "admin"));
    }

    @Test
    void settingsAreShownChangedAndRemembered() {
        topicAndGroup("settled", "sg");
        CliRunner.Result changed = CliRunner.run(
                with("topic", "set", "settled", "max-age=1 d", "send-durability=written", "queues=9", "--who", "ann"));
        assertThat(changed.err()).isEmpty();
        assertThat(changed.outLines())
                .containsExactly(
                        "topic settled on node cli-test, version 2 of its settings",
                        "max-age = 1 d",
                        "queues = 9",
                        "send-durability = written");
        assertThat(CliRunner.run(with("topic", "set", "settled", "--unset", "max-age", "--expect", "2"))
                        .outLines())
                .containsExactly(
                        "topic settled on node cli-test, version 3 of its settings", "max-age = 3 d (the node's)");
        refused(4, "have version 3, expected was 2", with("topic", "set", "settled", "max-age=2 d", "--expect", "2"));
        refused(2, "max-age is 2, allowed is a duration with its unit", with("topic", "set", "settled", "max-age=2"));
        refused(2, "queues of topic settled is 4, allowed is 9", with("topic", "set", "settled", "queues=4"));
        refused(4, "no topic 'missing'", with("topic", "set", "missing", "max-age=2 d"));
        List<String> shown =
                CliRunner.run(with("topic", "settings", "settled", "--history")).outLines();
        assertThat(shown)
                .anyMatch(line -> line.matches("max-age +3 d +node"))
                .anyMatch(line -> line.matches("queues +9 +topic"))
                .anyMatch(line -> line.matches(" *3  20[0-9TZ:.-]+ +[^ ]+@[^ ]+ +max-age +1 d +\\(the node's\\)"))
                .anyMatch(line -> line.matches(" *2  20[0-9TZ:.-]+ +ann +queues +[0-9]+ +9"));
        assertThat(CliRunner.run(with("topic", "settings", "settled", "--history", "--json"))
                        .out())
                .startsWith(
                        "{\"topic\":\"settled\",\"node\":\"cli-test\",\"version\":3,\"own\":{\"send-durability\":\"written\"}")
                .contains("\"before\":{\"max-age\":\"1 d\"},\"after\":{\"max-age\":\"\"}");

        send("settled", "k", "first\n");
        assertThat(CliRunner.run(with("group", "pause", "sg")).outLines())
                .containsExactly("group sg on node cli-test, version 2 of its settings", "paused = on");
        assertThat(CliRunner.run(with("pop", "settled", "--group", "sg", "--idle-exit", "300ms"))
                        .out())
                .isEmpty();
        assertThat(CliRunner.run(with("group", "set", "sg", "filter=sql: a = 'b' OR TRUE", "--json"))
                        .out())
                .contains("\"filter\":\"sql: a = 'b' OR TRUE\"");
        refused(2, "column", with("group", "set", "sg", "filter=sql: a ="));
        refused(2, "paused is maybe, allowed is on or off", with("group", "set", "sg", "paused=maybe"));
        assertThat(CliRunner.run(with("group", "describe", "sg")).outLines())
                .contains("filter = sql: a = 'b' OR TRUE", "paused = on");
        assertThat(CliRunner.run(with("topic", "describe", "settled")).outLines())
                .contains("settings: version 3", "send-durability = written");
        assertThat(CliRunner.run(with("group", "resume", "sg")).outLines()).contains("paused = off (the node's)");
        assertThat(CliRunner.run(with("group", "settings", "sg")).outLines())
                .anyMatch(line -> line.matches("max-attempts +16 +node"));
        assertThat(CliRunner.run(with("pop", "settled", "--group", "sg", "--count", "1"))
                        .out())
                .isEqualTo("first\n");
        assertThat(CliRunner.run(with("topic", "set", "settled")).err()).contains("nothing is to be changed");
        assertThat(CliRunner.run(with("topic", "set", "settled", "max-age")).err())
                .contains("'max-age' is no setting; allowed is KEY=VALUE");
        assertThat(CliRunner.run(with("topic", "set", "settled", "max-age=1 d", "--unset", "max-age"))
                        .err())
                .contains("given twice");
    }

    @Test
    void whatTheNodeRefusesIsOneLine() {
        refused(4, "no topic 'missing'", with("topic", "describe", "missing"));
        refused(4, "no topic 'missing'", with("topic", "delete", "missing"));
        refused(4, "no group 'missing'", with("group", "describe", "missing"));
        refused(4, "no topic 'missing'", with("pop", "missing", "--group", "g", "--idle-exit", "1s"));
        topicAndGroup("refusals", "rg");
        refused(4, "no group 'missing'", with("pop", "refusals", "--group", "missing", "--idle-exit", "1s"));
        CliRunner.Result unknown = CliRunner.runWith("a\nb\n".getBytes(UTF_8), with("send", "missing"));
        CommandLineTest.assertOneLine(unknown, 4, "of stdin: no topic 'missing'");
        CliRunner.Result large =
                CliRunner.runWith(("a\n" + "x".repeat(70_000) + "\n").getBytes(UTF_8), with("send", "refusals"));
        CommandLineTest.assertOneLine(large, 2, "line 2 of stdin");
        assertThat(large.err()).contains("70000 bytes").contains("65536");
        refused(2, "allowed", with("pop", "refusals", "--group", "rg", "--invisible", "300d", "--idle-exit", "1s"));
        refused(2, "queues", with("topic", "create", "wide", "--queues", "100000"));
    }

    @Test
    @Execution(ExecutionMode.CONCURRENT)
    void wrongAddressIsAnsweredInTime() throws Exception {
        String port = node.port();
        String free = String.valueOf(CommandLineTest.freePort());
        refused(
                3,
                "akka://forebay@127.0.0.1:" + free,
                "topic",
                "list",
                "--connect",
                "127.0.0.1:" + free,
                "--connect-timeout",
                "1s");
        refused(
                3,
                "akka://wrong@127.0.0.1:" + port,
                "topic",
                "list",
                "--connect",
                "akka://wrong@127.0.0.1:" + port,
                "--connect-timeout",
                "1s");
    }

    @Test
    @Execution(ExecutionMode.CONCURRENT)
    void nodeThatCannotStartSaysWhyAndTouchesNothing() throws Exception {
        refused(
                5,
                node.data().toString(),
                "node",
                "--data",
                node.data().toString(),
                "--port",
                "0",
                "--set",
                "forebay.node.name=cli-test");
        try (ServerSocket taken = new ServerSocket(0)) {
            Path data = folder.resolve("port-taken");
            refused(
                    5,
                    String.valueOf(taken.getLocalPort()),
                    "node",
                    "--data",
                    data.toString(),
                    "--port",
                    String.valueOf(taken.getLocalPort()));
        }
        Path file = Files.writeString(folder.resolve("a-file"), "x");
        refused(5, file.toString(), "node", "--data", file.toString(), "--port", "0");
        assertThat(file).hasContent("x");
        String data = folder.resolve("bad-config").toString();
        refused(
                2,
                "forebay.storage.segment-size",
                "node",
                "--data",
                data,
                "--port",
                "0",
                "--set",
                "forebay.storage.segment-size=1 KiB");
        refused(
                2,
                "forebay.storage.segment-sise",
                "node",
                "--data",
                data,
                "--port",
                "0",
                "--set",
                "forebay.storage.segment-sise=1 MiB");
        Path config = Files.writeString(folder.resolve("node.conf"), "forebay.group.invisible-max = sometimes");
        refused(2, "forebay.group.invisible-max", "node", "--data", data, "--port", "0", "--config", config.toString());
        refused(2, "missing.conf", "node", "--data", data, "--port", "0", "--config", "missing.conf");
        assertThat(Path.of(data))
                .as("nothing is made before the settings are known to be good")
                .doesNotExist();
    }

    @Test
    void parkedKeysAreListedAndLetGoOn() {
        assertThat(CliRunner.run(with("topic", "create", "parking", "--queues", "1"))
                        .code())
                .isZero();
        CliRunner.Result created = CliRunner.run(with(
                "group",
                "create",
                "pg",
                "--topic",
                "parking",
                "--set",
                "ordered=on",
                "--set",
                "poison=park",
                "--set",
                "max-attempts=1",
                "--set",
                "retry-backoff=none"));
        assertThat(created.code()).as(created.err()).isZero();
        send("parking", "customer\t7", "first\nsecond\n");
        String line = CliRunner.run(with("pop", "parking", "--group", "pg", "--no-ack", "--count", "1"))
                .out();
        CliRunner.run(with("nack", line.substring(0, line.indexOf('\t')), "--reason", "does not parse"));
        CliRunner.Result listed = CliRunner.run(with("group", "parked", "pg"));
        for (int i = 0; i < 50 && listed.outLines().size() < 2; i++) {
            listed = CliRunner.run(with("group", "parked", "pg"));
        }
        assertThat(listed.outLines()).hasSize(2);
        assertThat(listed.outLines().get(0)).matches("key +topic +queue +offset +attempts +since +behind it +reason");
        assertThat(listed.outLines().get(1)).matches("customer\\?7 +parking +0 +0 +1 +\\S+Z +1 +does not parse");
        assertThat(CliRunner.run(with("group", "parked", "pg", "--topic", "parking", "--json"))
                        .out())
                .contains("\"key\":\"customer\\t7\"", "\"offset\":0", "\"waiting\":1", "\"node\":\"cli-test\"");
        refused(
                2,
                "no-such-key",
                with("group", "unpark", "pg", "--topic", "parking", "--key", "no-such-key", "--drop"));
        refused(2, "--key", with("group", "unpark", "pg", "--topic", "parking", "--drop"));
        refused(2, "--retry", with("group", "unpark", "pg", "--topic", "parking", "--all"));
        refused(4, "no group 'nobody'", with("group", "parked", "nobody"));
        assertThat(CliRunner.run(with("group", "unpark", "pg", "--topic", "parking", "--key", "customer\t7", "--retry"))
                        .out())
                .isEqualTo("1 key goes on\n");
        assertThat(CliRunner.run(with("pop", "parking", "--group", "pg", "--count", "2"))
                        .out())
                .isEqualTo("first\nsecond\n");
    }

    private static ReceiptHandle changed(ReceiptHandle real, int nodeId, long nonce) {
        return new ReceiptHandle(
                nodeId,
                real.stripe(),
                real.queueId(),
                real.groupId(),
                real.queueOffset(),
                real.epoch(),
                real.checkpointSequence(),
                nonce);
    }

    /** I2, on files: a byte that the disk has changed under the running node. */
    @Test
    void whatIsDamagedIsListedNotPrintedAndReleasedOnceItIsMended() throws Exception {
        topicAndGroup("damaged", "dg");
        assertThat(CliRunner.run(with("topic", "set", "damaged", "retention-grace=1 d"))
                        .code())
                .isZero();
        String body = "a body that will not be what it was";
        sendBody("damaged", body);
        flip(body, 0);
        CliRunner.Result popped = CliRunner.run(with("pop", "damaged", "--group", "dg", "--idle-exit", "500ms"));
        assertThat(popped.out()).isEmpty();
        // That it was asked for in vain does not mean that it has been read by then.
        Awaitility.await()
                .untilAsserted(() -> assertThat(CliRunner.run(with("topic", "describe", "damaged"))
                                .outLines())
                        .anyMatch(line -> line.matches("unreadable: queue [0-3], offset 0, segment-[0-9a-f]{16}\\.log,"
                                + " position [0-9]+, since 20.*: bad frame, .*checksum.*")));
        assertThat(CliRunner.run(with("topic", "describe", "damaged", "--json")).out())
                .contains("\"quarantines\":[{\"offset\":0,\"count\":1,\"cause\":\"bad frame\",\"segment\":\"segment-");
        assertThat(CliRunner.run(with("topic", "release", "damaged", "--offset", "0"))
                        .err())
                .contains("--offset needs --queue");
        assertThat(CliRunner.run(with("topic", "release", "damaged", "--dry-run", "--json"))
                        .outLines())
                .filteredOn(line -> line.contains("\"released\":1"))
                .hasSize(1);
        flip("b body that will not be what it was", 0);
        assertThat(CliRunner.run(with("topic", "release", "damaged", "--json")).outLines())
                .hasSize(4)
                .filteredOn(line -> line.contains("\"released\":1"))
                .hasSize(1);
        assertThat(CliRunner.run(with("group", "seek", "dg", "--topic", "damaged", "--earliest"))
                        .code())
                .isZero();
        assertThat(CliRunner.run(with("pop", "damaged", "--group", "dg", "--count", "1"))
                        .out())
                .isEqualTo(body + "\n");
        assertThat(CliRunner.run(with("topic", "describe", "damaged")).out()).doesNotContain("unreadable:");
    }

    /** Turns an 'a' into a 'b', and back. */
    private static void flip(String text, int at) throws IOException {
        int found = 0;
        try (Stream<Path> files = Files.walk(node.data())) {
            for (Path path : files.filter(file -> file.getFileName().toString().matches("segment-.*\\.log"))
                    .toList()) {
                try (RandomAccessFile file = new RandomAccessFile(path.toFile(), "rw")) {
                    byte[] head = new byte[(int) Math.min(file.length(), 8 << 20)];
                    file.readFully(head);
                    int place = new String(head, ISO_8859_1).indexOf(text);
                    if (place >= 0) {
                        file.seek(place + at);
                        file.write(head[place + at] ^ 3);
                        found++;
                    }
                }
            }
        }
        assertThat(found).as(text).isOne();
    }

    private static void topicAndGroup(String topic, String group) {
        assertThat(CliRunner.run(with("topic", "create", topic, "--queues", "4"))
                        .code())
                .isZero();
        assertThat(CliRunner.run(with("group", "create", group, "--topic", topic))
                        .code())
                .isZero();
    }

    private static void send(String topic, String key, String lines) {
        assertThat(CliRunner.runWith(lines.getBytes(UTF_8), with("send", topic, "--message-group", key))
                        .code())
                .isZero();
    }

    /** One message through the client: the command line cannot send a newline. */
    private static void sendBody(String topic, String body) {
        var system = NodeLink.outside(node.address(), "test");
        try {
            var client = NodeLink.patientClient(system, node.address());
            client.send(io.forebay.protocol.Message.of(topic, body.getBytes(UTF_8)))
                    .toCompletableFuture()
                    .join();
        } finally {
            NodeLink.end(system);
        }
    }

    private static String[] with(String... arguments) {
        List<String> all = new ArrayList<>(List.of(arguments));
        all.addAll(List.of("--connect", node.address()));
        return all.toArray(String[]::new);
    }

    private static void refused(int code, String part, String... arguments) {
        CommandLineTest.assertOneLine(CliRunner.run(arguments), code, part);
    }

    private static List<String> split(byte[] out) {
        List<String> lines = new ArrayList<>(List.of(new String(out, ISO_8859_1).split("\n", -1)));
        assertThat(lines.remove(lines.size() - 1)).isEmpty();
        return lines;
    }
}
