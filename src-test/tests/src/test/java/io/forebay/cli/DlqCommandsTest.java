package io.forebay.cli;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;

import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Base64;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.concurrent.TimeUnit;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import org.awaitility.Awaitility;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.api.parallel.Execution;
import org.junit.jupiter.api.parallel.ExecutionMode;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * {@code forebay dlq} against a real node of two stripes, in a process of its own: I1 no letter is lost, I2 none goes twice and none is
 * altered, I3 order per key and queue; what is not selected stays, and what is refused changes nothing.
 */
class DlqCommandsTest {
    private static final int KEY_COUNT = 6;

    /** Of {@code dlq list}. */
    private static final Pattern LINE = Pattern.compile(
            "%DLQ%([^/]+)/(\\d+)/(\\d+)\t([^/]+)/(\\d+)/(\\d+)\t(20[^\t]+Z)\t(\\d+)\t([^\t]*)\t([^\t]+)\t(.*)");

    @TempDir
    static Path folder;

    private static Fork.Node shared;

    private Fork.Node node = shared;

    @BeforeAll
    static void startNode() throws Exception {
        shared = new Fork.Node(folder, "forebay.node.name=dlq-test", "forebay.storage.stripes=2").start();
    }

    @AfterAll
    static void stopNode() {
        shared.close();
    }

    private String[] with(String... arguments) {
        List<String> all = new ArrayList<>(List.of(arguments));
        all.addAll(List.of("--connect", node.address()));
        return all.toArray(String[]::new);
    }

    private CliRunner.Result ok(String... arguments) {
        CliRunner.Result result = CliRunner.run(with(arguments));
        assertThat(result.code()).as(result.err()).isZero();
        return result;
    }

    private void refused(int code, String part, String... arguments) {
        CommandLineTest.assertOneLine(CliRunner.run(with(arguments)), code, part);
    }

    /** A topic whose queues lie in both stripes, and a group that gives a message up after its first failure. */
    private void fragile(String topic, String group) {
        ok("topic", "create", topic, "--queues", "4");
        ok("group", "create", group, "--topic", topic, "--set", "max-attempts=1", "--set", "retry-backoff=none");
    }

    /** Lines {@code KEY:NUMBER}, the numbers of each key in order. */
    private void send(String topic, int countOfEachKey) {
        for (int key = 0; key < KEY_COUNT; key++) {
            StringBuilder lines = new StringBuilder();
            for (int number = 0; number < countOfEachKey; number++) {
                lines.append("k").append(key).append(':').append(number).append('\n');
            }
            CliRunner.Result sent = CliRunner.runWith(
                    lines.toString().getBytes(UTF_8), with("send", topic, "--message-group", "k" + key));
            assertThat(sent.code()).as(sent.err()).isZero();
        }
    }

    /** Takes so many and gives them up. */
    private void fail(String topic, String group, int count, String reason) {
        CliRunner.Result taken =
                ok("pop", topic, "--group", group, "--no-ack", "--invisible", "5m", "--count", String.valueOf(count));
        CliRunner.Result given = CliRunner.runWith(taken.bytes(), with("nack", "-", "--reason", reason));
        assertThat(given.outLines()).hasSize(count).allMatch("changed"::equals);
    }

    private List<String> awaitLetters(String group, int count) {
        return Awaitility.await()
                .atMost(Duration.ofSeconds(30))
                .until(() -> ok("dlq", "list", group).outLines(), lines -> lines.size() == count);
    }

    private static List<String> column(List<String> lines, int group) {
        return lines.stream()
                .map(line -> {
                    Matcher matcher = LINE.matcher(line);
                    assertThat(matcher.matches()).as(line).isTrue();
                    return matcher.group(group);
                })
                .toList();
    }

    private static List<String> values(List<String> jsonLines, String name) {
        Pattern pattern = Pattern.compile("\"" + Pattern.quote(name) + "\":\"?([^\",}]*)");
        return jsonLines.stream()
                .map(line -> {
                    Matcher matcher = pattern.matcher(line);
                    return matcher.find() ? matcher.group(1) : "";
                })
                .toList();
    }

    private static List<String> bodies(List<String> jsonLines) {
        return values(jsonLines, "body").stream()
                .map(body -> new String(Base64.getDecoder().decode(body), UTF_8))
                .toList();
    }

    /** I3: the numbers of each key rise. */
    private static void assertOrdered(List<String> bodies) {
        Map<String, Integer> last = new HashMap<>();
        for (String body : bodies) {
            String key = body.substring(0, body.indexOf(':'));
            int number = Integer.parseInt(body.substring(body.indexOf(':') + 1));
            Integer before = last.put(key, number);
            assertThat(before == null || before < number)
                    .as("I3: key %s, %s behind %s", key, number, before)
                    .isTrue();
        }
    }

    @Test
    void listShowsTheLettersOfEveryStripe() {
        fragile("shown", "g-shown");
        send("shown", 3);
        fail("shown", "g-shown", 3 * KEY_COUNT, "ink\tis\nout");
        List<String> lines = awaitLetters("g-shown", 3 * KEY_COUNT);
        assertThat(column(lines, 1)).containsOnly("g-shown");
        assertThat(column(lines, 4)).containsOnly("shown");
        assertThat(column(lines, 8)).as("attempts").containsOnly("1");
        assertThat(column(lines, 9)).as("one line for each letter").containsOnly("ink?is?out");
        assertThat(column(lines, 10)).doesNotHaveDuplicates();
        assertOrdered(column(lines, 11));
        Map<String, List<Integer>> offsets = new TreeMap<>();
        for (int i = 0; i < lines.size(); i++) {
            offsets.computeIfAbsent(column(lines, 2).get(i), queue -> new ArrayList<>())
                    .add(Integer.parseInt(column(lines, 3).get(i)));
        }
        offsets.forEach((queue, ofQueue) ->
                assertThat(ofQueue).as("oldest first in queue %s", queue).isSorted());
        List<String> queues = ok("topic", "describe", "%DLQ%g-shown").outLines().stream()
                .filter(line -> line.matches(" *\\d+ +\\d+ .*"))
                .toList();
        assertThat(queues.stream()
                        .filter(line -> !line.trim().split(" +")[4].equals("0"))
                        .map(line -> line.trim().split(" +")[1])
                        .collect(Collectors.toSet()))
                .as("the letters lie in both stripes")
                .containsExactlyInAnyOrder("0", "1");

        List<String> json = ok("dlq", "list", "g-shown", "--json").outLines();
        assertThat(values(json, "id")).isEqualTo(column(lines, 10));
        assertThat(bodies(json)).isEqualTo(column(lines, 11));
        assertThat(values(json, "queue")).isEqualTo(column(lines, 2));
        assertThat(values(json, "offset")).isEqualTo(column(lines, 3));
        assertThat(values(json, "dead-letter.queue")).isEqualTo(column(lines, 5));
        assertThat(values(json, "dead-letter.offset")).isEqualTo(column(lines, 6));
        assertThat(values(json, "dead-letter.attempts")).containsOnly("1");
        assertThat(values(json, "dead-letter.topic")).containsOnly("shown");
        assertThat(values(json, "dead-letter.group")).containsOnly("g-shown");
        assertThat(values(json, "dead-letter.node")).containsOnly("dlq-test");
        assertThat(values(json, "dead-letter.reason")).containsOnly("ink\\tis\\nout");
        assertThat(values(json, "node")).containsOnly("dlq-test");

        assertThat(ok("dlq", "list", "g-shown", "--limit", "5").outLines()).isEqualTo(lines.subList(0, 5));
        assertThat(awaitLetters("g-shown", lines.size()))
                .as("nothing was popped")
                .isEqualTo(lines);
    }

    @Test
    void filterSelectsForListAndRedriveAlike() {
        fragile("apples", "g-fruit");
        ok("topic", "create", "pears", "--queues", "2");
        ok("group", "create", "g-fruit", "--topic", "pears");
        send("apples", 2);
        send("pears", 1);
        fail("apples", "g-fruit", KEY_COUNT, "Does not parse");
        fail("apples", "g-fruit", KEY_COUNT, "no room left");
        fail("pears", "g-fruit", KEY_COUNT, "no room left");
        List<String> all = awaitLetters("g-fruit", 3 * KEY_COUNT);

        Map<List<String>, List<String>> filters = new HashMap<>();
        filters.put(List.of("--topic", "pears"), linesWith(all, 4, "pears"));
        filters.put(List.of("--reason", "NO ROOM"), linesWith(all, 9, "no room left"));
        filters.put(
                List.of("--reason", "room", "--topic", "apples"),
                linesWith(linesWith(all, 9, "no room left"), 4, "apples"));
        filters.put(List.of("--since", "1h"), all);
        filters.put(List.of("--until", "1h"), List.of());
        filters.put(List.of("--since", "2020-01-01T00:00:00+02:00", "--until", "1577840400000"), List.of());
        // As text a full second would come behind its fractions.
        Instant third = times(all).stream().sorted().toList().get(KEY_COUNT + 1);
        filters.put(
                List.of("--since", third.toString()),
                all.stream()
                        .filter(line -> !times(List.of(line)).get(0).isBefore(third))
                        .toList());
        filters.put(
                List.of("--until", third.toString()),
                all.stream()
                        .filter(line -> times(List.of(line)).get(0).isBefore(third))
                        .toList());
        filters.put(List.of("--reason", "nothing says so"), List.of());
        filters.forEach((options, expected) -> {
            List<String> list = new ArrayList<>(List.of("dlq", "list", "g-fruit"));
            list.addAll(options);
            assertThat(ok(list.toArray(String[]::new)).outLines())
                    .as("%s", options)
                    .isEqualTo(expected);
            List<String> redrive = new ArrayList<>(List.of("dlq", "redrive", "g-fruit", "--dry-run", "--json"));
            redrive.addAll(options);
            assertThat(values(ok(redrive.toArray(String[]::new)).outLines(), "id"))
                    .as("%s", options)
                    .isEqualTo(column(expected, 10));
        });
        assertThat(ok("dlq", "redrive", "g-fruit", "--reason", "nothing says so")
                        .out())
                .isEqualTo("no such dead letters\n");

        assertThat(ok("dlq", "redrive", "g-fruit", "--reason", "room", "--topic", "apples")
                        .out())
                .isEqualTo(KEY_COUNT + " dead letters sent to apples\n");
        assertThat(ok("dlq", "list", "g-fruit").outLines())
                .as("what is not selected stays")
                .isEqualTo(all.stream()
                        .filter(line -> !filters.get(List.of("--reason", "room", "--topic", "apples"))
                                .contains(line))
                        .toList());
        assertThat(ok("dlq", "redrive", "g-fruit").outLines())
                .containsExactlyInAnyOrder(
                        KEY_COUNT + " dead letters sent to apples", KEY_COUNT + " dead letters sent to pears");
        assertThat(ok("dlq", "redrive", "g-fruit").out()).isEqualTo("no dead letters\n");
    }

    private static List<Instant> times(List<String> lines) {
        return column(lines, 7).stream().map(Instant::parse).toList();
    }

    private static List<String> linesWith(List<String> lines, int group, String value) {
        return lines.stream()
                .filter(line -> column(List.of(line), group).get(0).equals(value))
                .toList();
    }

    @Test
    void dryRunTellsWhatTheRealOneDoesAndChangesNothing() {
        fragile("dry", "g-dry");
        send("dry", 4);
        fail("dry", "g-dry", 4 * KEY_COUNT, "no");
        List<String> before = awaitLetters("g-dry", 4 * KEY_COUNT);
        CliRunner.Result dry = ok("dlq", "redrive", "g-dry", "--dry-run", "--rate", "1/s");
        assertThat(dry.outLines()).hasSize(4 * KEY_COUNT + 1).last().isEqualTo("24 dead letters would go to dry");
        assertThat(dry.outLines().subList(0, 24))
                .allMatch(line -> line.matches("%DLQ%g-dry/\\d+/\\d+\tdry/\\d+\t[^\t]+"));
        assertThat(dry.err()).isEqualTo("forebay: nothing was changed (--dry-run)\n");
        List<String> dryJson =
                ok("dlq", "redrive", "g-dry", "--dry-run", "--json").outLines();
        assertThat(dryJson).hasSize(24).allMatch(line -> line.endsWith(",\"dryRun\":true}"));
        assertThat(ok("dlq", "list", "g-dry").outLines()).isEqualTo(before);
        assertThat(ok("pop", "dry", "--group", "g-dry", "--idle-exit", "300ms").out())
                .isEmpty();

        List<String> real = ok("dlq", "redrive", "g-dry", "--json").outLines();
        assertThat(real)
                .isEqualTo(dryJson.stream()
                        .map(line -> line.replace("\"dryRun\":true", "\"dryRun\":false"))
                        .toList());
        assertThat(ok("dlq", "list", "g-dry").out()).isEmpty();
    }

    @Test
    void letterThatWentBackIsANewMessageWithAllItHad() {
        fragile("back", "g-back");
        ok("group", "create", "g-other", "--topic", "back");
        send("back", 5);
        assertThat(ok("pop", "back", "--group", "g-other", "--count", "30").outLines())
                .hasSize(30);
        CliRunner.Result taken =
                ok("pop", "back", "--group", "g-back", "--no-ack", "--json", "--invisible", "5m", "--count", "30");
        List<String> first = taken.outLines();
        assertThat(CliRunner.runWith(
                                (String.join("\n", values(first, "handle")) + "\n").getBytes(UTF_8),
                                with("nack", "-", "--reason", "no"))
                        .outLines())
                .hasSize(30);
        List<String> letters = awaitLetters("g-back", 30);

        assertThat(ok("dlq", "redrive", "g-back", "--rate", "1000/s").out())
                .isEqualTo("30 dead letters sent to back\n");
        List<String> again = ok("pop", "back", "--group", "g-back", "--json", "--count", "30")
                .outLines();
        assertThat(values(again, "attempt")).as("I6").containsOnly("1");
        assertThat(values(again, "id")).containsExactlyInAnyOrderElementsOf(values(first, "id"));
        assertOrdered(bodies(again));
        Map<String, String> places = new HashMap<>();
        Map<String, String> queues = new HashMap<>();
        Map<String, String> texts = new HashMap<>();
        for (int i = 0; i < 30; i++) {
            places.put(column(letters, 10).get(i), letters.get(i).split("\t")[0]);
            queues.put(values(first, "id").get(i), values(first, "queue").get(i));
            texts.put(values(first, "id").get(i), bodies(first).get(i));
        }
        for (String message : again) {
            List<String> one = List.of(message);
            String id = values(one, "id").get(0);
            assertThat(values(one, "queue")).as("its key's queue").containsExactly(queues.get(id));
            assertThat(bodies(one)).as("I2").containsExactly(texts.get(id));
            assertThat(values(one, "redriven.from")).containsExactly(places.get(id));
        }
        assertThat(values(again, "messageGroup")).isSubsetOf("k0", "k1", "k2", "k3", "k4", "k5");
        assertThat(values(again, "redriven.count")).containsOnly("1");
        assertThat(values(again, "redriven.group")).containsOnly("g-back");
        assertThat(values(again, "redriven.reason")).containsOnly("no");
        assertThat(values(again, "redriven.attempts")).containsOnly("1");
        assertThat(String.join("", again)).doesNotContain("dead-letter.");
        assertThat(ok("pop", "back", "--group", "g-other", "--count", "30").outLines())
                .as("every group of the topic gets it")
                .hasSize(30);
        assertThat(ok("pop", "back", "--group", "g-back", "--idle-exit", "300ms")
                        .out())
                .as("I2: none twice")
                .isEmpty();
    }

    @Test
    void limitedRedriveTakesTheOldestAndLeavesTheOthers() {
        fragile("some", "g-some");
        ok("topic", "create", "elsewhere", "--queues", "3");
        ok("group", "create", "g-elsewhere", "--topic", "elsewhere");
        send("some", 3);
        fail("some", "g-some", 3 * KEY_COUNT, "no");
        List<String> letters = awaitLetters("g-some", 3 * KEY_COUNT);
        List<String> went = ok("dlq", "redrive", "g-some", "--to", "elsewhere", "--limit", "7", "--json")
                .outLines();
        assertThat(values(went, "id")).isEqualTo(column(letters.subList(0, 7), 10));
        assertThat(values(went, "toTopic")).containsOnly("elsewhere");
        assertThat(ok("dlq", "list", "g-some").outLines()).isEqualTo(letters.subList(7, letters.size()));
        assertThat(ok("dlq", "redrive", "g-some", "--to", "elsewhere").out())
                .isEqualTo("11 dead letters sent to elsewhere\n");
        List<String> there = ok("pop", "elsewhere", "--group", "g-elsewhere", "--count", "18")
                .outLines();
        assertThat(there).containsExactlyInAnyOrderElementsOf(column(letters, 11));
        assertOrdered(there);
        assertThat(ok("pop", "some", "--group", "g-some", "--idle-exit", "300ms")
                        .out())
                .isEmpty();
    }

    @Test
    void whatCannotBeDoneSaysWhatToDoAndChangesNothing() {
        fragile("kept", "g-kept");
        assertThat(ok("dlq", "list", "g-kept").out()).isEmpty();
        assertThat(ok("dlq", "redrive", "g-kept").out()).isEqualTo("no dead letters\n");
        assertThat(ok("dlq", "redrive", "g-kept", "--dry-run").out()).isEqualTo("no dead letters\n");
        assertThat(ok("dlq", "redrive", "g-kept", "--json").out()).isEmpty();
        send("kept", 1);
        fail("kept", "g-kept", KEY_COUNT, "no");
        List<String> letters = awaitLetters("g-kept", KEY_COUNT);

        refused(4, "'forebay group list' names those there are", "dlq", "list", "nobody");
        refused(4, "no group 'nobody' consumes a topic of this node", "dlq", "redrive", "nobody");
        refused(4, "has no topic 'nowhere'", "dlq", "redrive", "g-kept", "--to", "nowhere");
        refused(4, "nothing was moved; create it", "dlq", "redrive", "g-kept", "--to", "nowhere");
        refused(4, "create it (forebay topic create)", "dlq", "redrive", "g-kept", "--to", "nowhere", "--dry-run");
        refused(4, "name another one with --to", "dlq", "redrive", "g-kept", "--topic", "nowhere");
        refused(2, "one that holds no dead letters", "dlq", "redrive", "g-kept", "--to", "%DLQ%g-kept");
        refused(2, "group name '.g' is not allowed", "dlq", "list", ".g");
        refused(2, "topic name 'a/b' is not allowed", "dlq", "redrive", "g-kept", "--to", "a/b");
        refused(2, "topic name 'a b' is not allowed", "dlq", "list", "g-kept", "--topic", "a b");
        assertThat(ok("dlq", "list", "g-kept").outLines()).isEqualTo(letters);

        ok("topic", "delete", "kept");
        CliRunner.Result stays = CliRunner.run(with("dlq", "redrive", "g-kept"));
        assertThat(stays.code()).isEqualTo(ExitCode.REFUSED);
        assertThat(stays.out()).as("not that there are none").isEmpty();
        assertThat(stays.err())
                .contains("there is no topic 'kept'; another one can be named")
                .contains("6 letters stay that could not be sent");
        assertThat(ok("dlq", "list", "g-kept").outLines()).isEqualTo(letters);
        ok("topic", "create", "rescue", "--queues", "1");
        assertThat(ok("dlq", "redrive", "g-kept", "--to", "rescue").out()).isEqualTo("6 dead letters sent to rescue\n");
    }

    @ParameterizedTest
    @ValueSource(
            strings = {"", "5", "0/s", "-1/s", "1.5/s", "5/m", "often", "1000001/s", "9999999999/s", "/s", "1/s/s"})
    void rateThatIsNoneIsRefused(String rate) {
        CommandLineTest.assertOneLine(
                CliRunner.run("dlq", "redrive", "g", "--rate", rate),
                2,
                "--rate is '" + rate + "'; allowed is a number of letters a second, such as 50/s, up to 1000000/s");
    }

    /** Faults: SIGTERM and kill -9 of the command, kill -9 of the node, each with pages under way. */
    @Test
    @Execution(ExecutionMode.CONCURRENT)
    @Timeout(value = 5, unit = TimeUnit.MINUTES)
    void redriveThatIsKilledGoesOnWithWhatIsLeft() throws Exception {
        // At their rate more than what goes while whoever kills stands still for some seconds.
        int countOfEachKey = 34;
        int count = countOfEachKey * KEY_COUNT;
        Path home = Files.createDirectory(folder.resolve("killed"));
        // The client notices the kill by its silence.
        String[] settings = {
            "forebay.storage.stripes=2", "forebay.session.heartbeat-interval=300 ms", "forebay.session.timeout=2 s"
        };
        try (Fork.Node own = new Fork.Node(home, settings).start()) {
            node = own;
            fragile("killed", "g-killed");
            // In other queues than in their own topic: half of the letters go to the other stripe.
            ok("topic", "create", "saved", "--queues", "3");
            ok("group", "create", "g-saved", "--topic", "saved");
            send("killed", countOfEachKey);
            fail("killed", "g-killed", count, "no");
            List<String> letters = awaitLetters("g-killed", count);
            List<String> ids = column(letters, 10);
            String[] slowly = with("dlq", "redrive", "g-killed", "--to", "saved", "--rate", "30/s", "--json");

            // SIGTERM: it tells what has gone.
            Matcher stopped;
            try (Fork redrive = Fork.start(home, slowly)) {
                awaitLines(redrive, 10);
                redrive.process().toHandle().destroy();
                assertThat(redrive.awaitExit(60)).as(redrive.err()).isEqualTo(143);
                stopped = Pattern.compile("forebay: stopped; before that (\\d+) dead letters sent to saved, and what is"
                                + " under way may follow; the same command goes on with those left\n")
                        .matcher(redrive.err());
                assertThat(stopped.matches()).as(redrive.err()).isTrue();
            }
            int said = Integer.parseInt(stopped.group(1));
            assertThat(count - ok("dlq", "list", "g-killed").outLines().size())
                    .as("a page of three may follow")
                    .isBetween(said, said + 3);

            // kill -9 of the command.
            try (Fork redrive = Fork.start(home, slowly)) {
                awaitLines(redrive, 10);
                redrive.process().destroyForcibly().waitFor();
            }
            int left = ok("dlq", "list", "g-killed").outLines().size();
            assertThat(left)
                    .as("I1, I2: those that went are no letters any more")
                    .isBetween(21, count - said - 10);

            // kill -9 of the node under a limit: what went just before and was not answered counts.
            String[] limited = Arrays.copyOf(slowly, slowly.length + 2);
            limited[slowly.length] = "--limit";
            limited[slowly.length + 1] = "20";
            try (Fork redrive = Fork.start(home, limited)) {
                BufferedReader out = awaitLines(redrive, 7);
                own.kill();
                own.start();
                List<String> told = out.lines().toList();
                assertThat(redrive.awaitExit(60)).as(redrive.err()).isZero();
                assertThat(told).as("as many as the limit says").hasSize(20 - 7);
                assertThat(ok("dlq", "list", "g-killed").outLines()).hasSize(left - 20);
            }

            // kill -9 of the node: the command goes on when it is back.
            try (Fork redrive = Fork.start(home, slowly)) {
                BufferedReader out = awaitLines(redrive, 10);
                own.kill();
                assertThat(redrive.process().isAlive()).isTrue();
                own.start();
                List<String> told = new ArrayList<>();
                for (String line = out.readLine(); line != null; line = out.readLine()) {
                    told.add(line);
                }
                assertThat(redrive.awaitExit(60)).as(redrive.err()).isZero();
                assertThat(values(told, "id")).as("I2").doesNotHaveDuplicates();
            }
            assertThat(ok("dlq", "list", "g-killed").out()).isEmpty();
            assertThat(ok("dlq", "redrive", "g-killed").out()).isEqualTo("no dead letters\n");
            List<String> saved = ok("pop", "saved", "--group", "g-saved", "--json", "--count", String.valueOf(count))
                    .outLines();
            assertThat(values(saved, "id")).as("I1, I2: each once").containsExactlyInAnyOrderElementsOf(ids);
            assertOrdered(bodies(saved));
            assertThat(ok("pop", "saved", "--group", "g-saved", "--idle-exit", "300ms")
                            .out())
                    .as("I2")
                    .isEmpty();
            assertThat(own.stop()).isZero();
            assertThat(CliRunner.run("log", "verify", own.data().toString()).code())
                    .isZero();
        }
    }

    private static BufferedReader awaitLines(Fork fork, int count) throws IOException {
        BufferedReader out =
                new BufferedReader(new InputStreamReader(fork.process().getInputStream(), UTF_8));
        for (int i = 0; i < count; i++) {
            assertThat(out.readLine()).as(fork.err()).isNotNull();
        }
        return out;
    }
}
