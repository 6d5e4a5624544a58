package io.forebay.cli;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.lang.reflect.Field;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.junit.jupiter.api.Test;
import picocli.CommandLine;

/** {@code docs/command-line.md} tells of every command with every option it takes, of no other, and of every exit code. */
class CommandLinePageTest {
    /** Told for all commands at once. */
    private static final Set<String> ASKING = Set.of("--connect", "--connect-timeout", "--config");

    private static final Set<String> PRINTING = Set.of("--json", "--progress");

    private static String page() throws IOException {
        return Files.readString(
                Path.of(System.getProperty("basedir", "")).toAbsolutePath().resolve("../../docs/command-line.md"));
    }

    private static CommandLine commandLine() {
        return Main.commandLine(Shell.of(System.in, new Console(System.out, System.err, false), new Interruption()));
    }

    /** Options by command, as they are. */
    private static void collect(CommandLine from, String path, Map<String, CommandLine> commands) {
        from.getSubcommands().forEach((name, command) -> {
            String longer = (path + " " + name).strip();
            if (command.getSubcommands().isEmpty()) {
                commands.put(longer, command);
            }
            collect(command, longer, commands);
        });
    }

    private static Map<String, CommandLine> commands() {
        Map<String, CommandLine> commands = new TreeMap<>();
        collect(commandLine(), "", commands);
        commands.remove("help");
        return commands;
    }

    private static Set<String> optionsOf(CommandLine command) {
        Set<String> options = new TreeSet<>();
        command.getCommandSpec().options().forEach(option -> options.addAll(Arrays.asList(option.names())));
        options.removeAll(Set.of("-h", "--help"));
        return options;
    }

    /** Options by command, as the page tells in its table. */
    private static Map<String, Set<String>> told() throws IOException {
        Map<String, Set<String>> told = new TreeMap<>();
        String table = page().split("## Commands")[1];
        for (String row : table.lines().filter(line -> line.startsWith("| `")).toList()) {
            String cell = row.split("(?<!\\\\)\\|")[1];
            Matcher forms = Pattern.compile("`([^`]+)`").matcher(cell);
            while (forms.find()) {
                Matcher words = Pattern.compile("[a-z]+(?: [a-z]+)*").matcher(forms.group(1));
                assertThat(words.lookingAt()).as(cell).isTrue();
                Set<String> options = new TreeSet<>();
                Matcher names = Pattern.compile("--[a-z-]+").matcher(forms.group(1));
                while (names.find()) {
                    options.add(names.group());
                }
                assertThat(told.put(words.group(), options))
                        .as("%s is told once", words.group())
                        .isNull();
            }
        }
        return told;
    }

    @Test
    void everyCommandIsToldWithItsOptions() throws Exception {
        Map<String, Set<String>> options = new TreeMap<>();
        commands().forEach((name, command) -> {
            Set<String> own = optionsOf(command);
            own.removeAll(PRINTING);
            if (own.contains("--connect")) {
                own.removeAll(ASKING);
            }
            options.put(name, own);
        });
        assertThat(told()).isEqualTo(options);
    }

    @Test
    void whatIsToldOfAllCommandsIsTrue() throws Exception {
        String page = page().replaceAll("\\s+", " ");
        Set<String> withJson = new TreeSet<>();
        Set<String> withProgress = new TreeSet<>();
        Map<String, CommandLine> commands = commands();
        commands.forEach((name, command) -> {
            Set<String> options = optionsOf(command);
            if (options.contains("--json")) {
                withJson.add(name);
            }
            if (options.contains("--progress")) {
                withProgress.add(name);
            }
            if (options.contains("--connect")) {
                assertThat(options).as(name).containsAll(ASKING);
            }
        });
        assertThat(page).contains("All but `node` and `log dump` take `--json`");
        Set<String> others = new TreeSet<>(commands.keySet());
        others.removeAll(Set.of("node", "log dump"));
        assertThat(withJson).isEqualTo(others);
        assertThat(page).contains("`send`, `pop`, `find` and `explain` take `--progress`");
        assertThat(withProgress).containsExactlyInAnyOrder("send", "pop", "find", "explain");
    }

    @Test
    void everyExitCodeIsTold() throws Exception {
        List<String> rows = page().lines().filter(line -> line.startsWith("| ")).toList();
        String help = CliRunner.run("--help").out();
        for (Field field : ExitCode.class.getDeclaredFields()) {
            if (field.isSynthetic()) {
                continue;
            }
            field.setAccessible(true);
            int code = field.getInt(null);
            assertThat(rows)
                    .as("exit code %s", code)
                    .anyMatch(row -> row.matches("\\| (\\d+, )?" + code + "(, \\d+)? \\|.*"));
            assertThat(help).containsPattern("\\b" + code + " [a-z]");
        }
    }
}
