package io.forebay.cli;

import static org.assertj.core.api.Assertions.assertThat;

import io.forebay.protocol.ReceiptHandle;
import java.io.IOException;
import java.net.ServerSocket;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.LongStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;
import picocli.CommandLine;

/** What the command line does before, or without, a node: help, and one clear line for each bad input. */
class CommandLineTest {
    private static final String HANDLE = new ReceiptHandle(1, 0, 2, 3, 4, 5, 6, 7).text();

    /** Such a handle is no option. */
    private static final String HANDLE_WITH_HYPHEN = LongStream.range(0, 100_000)
            .mapToObj(nonce -> new ReceiptHandle(1, 0, 2, 3, 4, 5, 6, nonce).text())
            .filter(text -> text.startsWith("-h"))
            .findFirst()
            .orElseThrow();

    /** A time, but none in milliseconds. */
    private static final String NEVER = "+999999999-12-31T23:59:59Z";

    @TempDir
    Path folder;

    @Test
    void everyCommandHasHelpOnStdout() {
        List<List<String>> commands = new ArrayList<>();
        collect(
                Main.commandLine(Shell.of(System.in, new Console(System.out, System.err, false), new Interruption())),
                List.of(),
                commands);
        assertThat(commands).hasSizeGreaterThan(18);
        for (List<String> command : commands) {
            List<String> arguments = new ArrayList<>(command);
            arguments.add("--help");
            CliRunner.Result help = CliRunner.run(arguments.toArray(String[]::new));
            assertThat(help.code()).as(command.toString()).isZero();
            assertThat(help.out())
                    .startsWith("Usage: forebay")
                    .contains("--help")
                    .doesNotContain("${");
            assertThat(help.err()).isEmpty();
        }
        assertThat(CliRunner.run("--version").out()).startsWith("forebay ");
        assertThat(CliRunner.run("help", "send").out()).contains("Usage: forebay send");
    }

    private static void collect(CommandLine from, List<String> path, List<List<String>> commands) {
        commands.add(path);
        from.getSubcommands().forEach((name, command) -> {
            if (!path.contains(name)) {
                List<String> longer = new ArrayList<>(path);
                longer.add(name);
                collect(command, longer, commands);
            }
        });
    }

    static List<Arguments> badInput() {
        return List.of(
                bad(2, "a command is missing"),
                bad(2, "'nonsense'", "nonsense"),
                bad(2, "--nonsense", "send", "t", "--nonsense"),
                bad(
                        2,
                        "a command is missing: create, list, describe, settings, set, purge, release or delete",
                        "topic"),
                bad(2, "TOPIC", "send"),
                bad(2, "--group", "pop", "t"),
                bad(2, "topic name 'a/b' is not allowed: 1 to 127 characters", "send", "a/b"),
                bad(2, "topic name '' is not allowed", "pop", "", "--group", "g"),
                bad(2, "group name '.g' is not allowed", "pop", "t", "--group", ".g"),
                bad(2, "topic name '" + "x".repeat(128) + "' is not allowed", "topic", "create", "x".repeat(128)),
                bad(2, "topic name 'a b' is not allowed", "topic", "delete", "a b"),
                bad(2, "group name 'ä' is not allowed", "group", "describe", "ä"),
                bad(2, "--queues is 0; allowed is 1 or more", "topic", "create", "t", "--queues", "0"),
                bad(2, "'many' is not an int", "topic", "create", "t", "--queues", "many"),
                bad(2, "--durability is 'often'; allowed is written or flushed", "send", "t", "--durability", "often"),
                bad(2, "--batch is 0; allowed is 1 to 65536", "send", "t", "--batch", "0"),
                bad(2, "message group", "send", "t", "--message-group", "x".repeat(256)),
                bad(2, "--max is -1; allowed is 1 to 65535", "pop", "t", "--group", "g", "--max", "-1"),
                bad(2, "--count is 0; allowed is 1 or more", "pop", "t", "--group", "g", "--count", "0"),
                bad(2, "--invisible is '-5s'; a duration is", "pop", "t", "--group", "g", "--invisible", "-5s"),
                bad(2, "--invisible is '0s'; allowed is 1ms to 366d", "pop", "t", "--group", "g", "--invisible", "0s"),
                bad(2, "--wait is '9999d'; allowed is 0s to 366d", "pop", "t", "--group", "g", "--wait", "9999d"),
                bad(2, "--idle-exit is 'soon'", "pop", "t", "--group", "g", "--idle-exit", "soon"),
                bad(2, "--connect: the node's address is nowhere", "topic", "list", "--connect", "nowhere"),
                bad(2, "--connect: the node's address is host:70000", "send", "t", "--connect", "host:70000"),
                bad(2, "--connect-timeout is '1'", "topic", "list", "--connect-timeout", "1"),
                bad(3, "no host 'no-such-host.invalid'", "topic", "list", "--connect", "no-such-host.invalid:2551"),
                bad(2, "'abc' is not a receipt handle", "ack", "abc", "--group", "g"),
                bad(2, "is not a receipt handle: its checksum is wrong", "nack", "g:" + "A".repeat(75)),
                bad(2, "names no group; give --group", "extend", HANDLE),
                bad(2, "names no group; give --group", "extend", HANDLE_WITH_HYPHEN),
                bad(2, "names no group; give --group", "extend", HANDLE_WITH_HYPHEN, "--invisible", "1s"),
                bad(5, "'no-such-directory'", "explain", HANDLE_WITH_HYPHEN, "--data", "no-such-directory"),
                bad(2, "--delay is '-1s'", "nack", "g:" + HANDLE, "--delay", "-1s"),
                bad(2, "--port is 70000; allowed is 0 to 65535", "node", "--data", "d", "--port", "70000"),
                bad(2, "--data", "node"),
                bad(2, "--report is '1ms'; allowed is 10ms", "node", "--data", "d", "--report", "1ms"),
                bad(2, "--messages is 0; allowed is 1 to", "demo", "--messages", "0"),
                bad(2, "a command is missing: list or redrive", "dlq"),
                bad(2, "GROUP", "dlq", "list"),
                bad(2, "--limit is 0; allowed is 1 or more", "dlq", "list", "g", "--limit", "0"),
                bad(2, "--limit is -1; allowed is 1 or more", "dlq", "redrive", "g", "--limit", "-1"),
                bad(2, "'all' is not a long", "dlq", "redrive", "g", "--limit", "all"),
                bad(2, "--since is 'then'; allowed is a time with its offset", "dlq", "list", "g", "--since", "then"),
                bad(
                        2,
                        "--until is '2026-11-26T14:05:00'; allowed",
                        "dlq",
                        "list",
                        "g",
                        "--until",
                        "2026-11-26T14:05:00"),
                bad(2, "allowed is a --since before it", "dlq", "redrive", "g", "--since", "1h", "--until", "2h"),
                bad(2, "allowed is a --since before it", "find", "t", "--id", "x", "--since", "1h", "--until", "2h"),
                bad(2, "--since is '" + NEVER + "'; allowed is a time", "dlq", "list", "g", "--since", NEVER),
                bad(2, "--until is '" + NEVER + "'; allowed is a time", "find", "t", "--id", "x", "--until", NEVER),
                bad(
                        2,
                        "--time is '" + NEVER + "'; allowed is a",
                        "group",
                        "seek",
                        "g",
                        "--topic",
                        "t",
                        "--time",
                        NEVER),
                bad(2, "topic name '' is not allowed", "dlq", "redrive", "g", "--topic", ""),
                bad(2, "topic name '' is not allowed", "dlq", "redrive", "g", "--to", ""),
                bad(5, "'no-such-file' does not exist", "demo", "no-such-file"),
                bad(5, "'no-such-directory' is not a directory", "log", "verify", "no-such-directory"),
                bad(5, "'no-such-file' does not exist", "topic", "list", "--config", "no-such-file"));
    }

    private static Arguments bad(int code, String part, String... arguments) {
        return Arguments.of(code, part, List.of(arguments));
    }

    @ParameterizedTest
    @MethodSource("badInput")
    void badInputIsOneClearLine(int code, String part, List<String> arguments) {
        assertOneLine(CliRunner.run(arguments.toArray(String[]::new)), code, part);
    }

    @Test
    void configOfTheClientIsChecked() throws IOException {
        Path broken = Files.writeString(folder.resolve("broken.conf"), "a = {");
        assertOneLine(CliRunner.run("topic", "list", "--config", broken.toString()), 2, broken.toString());
        Path absurd = Files.writeString(folder.resolve("absurd.conf"), "forebay.client.max-hold = -1 s");
        assertOneLine(CliRunner.run("topic", "list", "--config", absurd.toString()), 2, "forebay.client.max-hold");
        Path mistyped = Files.writeString(folder.resolve("mistyped.conf"), "forebay.client.send.pipeline = often");
        assertOneLine(CliRunner.run("topic", "list", "--config", mistyped.toString()), 2, "send.pipeline");
    }

    static void assertOneLine(CliRunner.Result result, int code, String part) {
        assertThat(result.err()).contains(part);
        assertThat(result.errLines()).as(result.err()).hasSize(1);
        assertThat(result.errLines().get(0)).startsWith("forebay: ").doesNotContain("Exception");
        assertThat(result.out()).isEmpty();
        assertThat(result.code()).isEqualTo(code);
    }

    /** A port that was free a moment ago. */
    static int freePort() throws IOException {
        try (ServerSocket socket = new ServerSocket(0)) {
            return socket.getLocalPort();
        }
    }
}
