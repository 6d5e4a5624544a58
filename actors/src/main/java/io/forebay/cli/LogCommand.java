package io.forebay.cli;

import io.forebay.storage.io.DirectoryLock;
import io.forebay.storage.io.DirectoryLockedException;
import io.forebay.storage.io.FileStorageDirectory;
import io.forebay.storage.io.StorageDirectory;
import io.forebay.storage.log.LogDumper;
import io.forebay.storage.log.LogVerifier;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.Callable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.Spec;

/** {@code forebay log}: looks at what a node stored, without a node; only {@code repair} can be told to change something. */
@Command(
        name = "log",
        description = "Look into the data directory of a stopped node, or a copy of one; repair it if it is damaged.",
        synopsisSubcommandLabel = "COMMAND",
        subcommands = {LogCommand.Dump.class, LogCommand.Verify.class, LogRepairCommand.class})
final class LogCommand implements Callable<Integer> {
    private static final Logger LOGGER = LoggerFactory.getLogger(LogCommand.class);

    @Spec
    private CommandSpec spec;

    @Override
    public Integer call() {
        throw new CommandLine.ParameterException(spec.commandLine(), "a command is missing: dump, verify or repair");
    }

    /** Does something for each stripe of a directory. */
    interface StripeTask {
        /** @param name the stripe's directory, as a person would name it */
        void at(String name, StorageDirectory stripe) throws IOException;
    }

    static void forEachStripe(String directory, StripeTask task) {
        forEachStripe(directory, false, task);
    }

    /** @param isChanged whether the task writes, so that nobody else may even read */
    static void forEachStripe(String directory, boolean isChanged, StripeTask task) {
        if (!LocalFiles.isDirectory(directory)) {
            throw new CliException(
                    ExitCode.LOCAL, "'" + directory + "' is not a directory; give a node's data directory");
        }
        // A stripe lies in the directory that has the lock.
        Path parent = Path.of(directory).toAbsolutePath().normalize().getParent();
        try (DirectoryLock own = lock(directory, isChanged);
                DirectoryLock outer = parent == null ? null : lock(parent.toString(), isChanged);
                StorageDirectory root = FileStorageDirectory.at(directory)) {
            int count = 0;
            LOGGER.debug("locked: {}, {}", own, outer);
            if (LogVerifier.isStripe(root)) {
                count++;
                task.at(directory, root);
            }
            for (String name : root.children()) {
                try (StorageDirectory child = root.child(name)) {
                    if (LogVerifier.isStripe(child)) {
                        count++;
                        task.at(Path.of(directory, name).toString(), child);
                    }
                }
            }
            if (count == 0) {
                throw new CliException(
                        ExitCode.LOCAL,
                        "there is no log in '" + directory + "'; give a node's data directory, or one of its stripes");
            }
        } catch (DirectoryLockedException e) {
            throw new CliException(ExitCode.LOCAL, e.getMessage() + "; stop the node first, or copy the directory", e);
        } catch (IOException e) {
            throw new CliException(ExitCode.LOCAL, "'" + directory + "': " + LocalFiles.reasonOf(e), e);
        }
    }

    private static DirectoryLock lock(String directory, boolean isChanged) throws IOException {
        return isChanged ? DirectoryLock.forWriting(directory) : DirectoryLock.forReading(directory);
    }

    /** {@code forebay log dump}. */
    @Command(name = "dump", description = "Print every record, one a line.")
    static final class Dump implements Callable<Integer> {
        private final Shell shell;

        @Parameters(paramLabel = "DIR", description = "A node's data directory, or one stripe of it.")
        private String directory;

        Dump(Shell shell) {
            this.shell = shell;
        }

        @Override
        public Integer call() {
            forEachStripe(directory, (name, stripe) -> LogDumper.dump(stripe, shell.console()::println));
            return ExitCode.OK;
        }
    }

    /** {@code forebay log verify}. */
    @Command(
            name = "verify",
            description = {
                "Read the whole log and check every frame.",
                "Exit code 1 when something is damaged; segment, position and reason are named, the first bad frame"
                        + " first."
            })
    static final class Verify implements Callable<Integer> {
        private final Shell shell;

        @Parameters(paramLabel = "DIR", description = "A node's data directory, or one stripe of it.")
        private String directory;

        @Option(names = "--json", description = "Print a JSON object for each stripe.")
        private boolean isJson;

        @Option(
                names = "--receipt",
                paramLabel = "STRIPE/SEQUENCE/CHECKSUM",
                description = {
                    "Also check that the message of a receipt is stored, with that body: stripe, sequence and crc32c as"
                            + " 'send --json' prints them. Can be given again and again.",
                    "What every group has settled may have been cleaned."
                })
        private List<String> receipts = new ArrayList<>();

        Verify(Shell shell) {
            this.shell = shell;
        }

        @Override
        public Integer call() {
            boolean[] isSound = {true};
            Receipts wanted = new Receipts(receipts);
            forEachStripe(directory, (name, stripe) -> {
                LogVerifier.Report report = LogVerifier.verify(stripe, wanted);
                wanted.end((int) report.stripeId());
                isSound[0] &= report.isSound();
                if (isJson) {
                    shell.console().println(Json.write(json(name, report)));
                } else {
                    print(name, report);
                }
            });
            List<String> broken = wanted.broken();
            if (isJson && wanted.count() > 0) {
                Map<String, Object> json = new LinkedHashMap<>();
                json.put("receipts", wanted.count());
                json.put("broken", broken);
                shell.console().println(Json.write(json));
            } else {
                broken.forEach(shell.console()::println);
            }
            return isSound[0] && broken.isEmpty() ? ExitCode.OK : ExitCode.CHECK_FAILED;
        }

        private void print(String name, LogVerifier.Report report) {
            Console console = shell.console();
            console.println(String.format(
                    java.util.Locale.ROOT,
                    "%s: %s: %,d segments, %,d frames, %,d records, %,d bytes, sequences %d to %d",
                    name,
                    report.isSound() ? "sound" : "DAMAGED",
                    report.segments(),
                    report.frames(),
                    report.records(),
                    report.bytes(),
                    report.firstSequence(),
                    report.lastSequence()));
            console.println("  ends at position " + report.endPosition() + ": " + report.endReason()
                    + "; durable up to position " + report.durablePosition());
            for (LogVerifier.Problem problem : report.problems()) {
                console.println("  " + problem.file()
                        + (problem.position() < 0 ? "" : ", position " + problem.position()) + ": " + problem.reason());
            }
            for (String note : report.notes()) {
                console.println("  note: " + note);
            }
        }

        private static Map<String, Object> json(String name, LogVerifier.Report report) {
            Map<String, Object> json = new LinkedHashMap<>();
            json.put("directory", name);
            json.put("sound", report.isSound());
            json.put("segments", report.segments());
            json.put("frames", report.frames());
            json.put("records", report.records());
            json.put("bytes", report.bytes());
            json.put("firstSequence", report.firstSequence());
            json.put("lastSequence", report.lastSequence());
            json.put("durablePosition", report.durablePosition());
            json.put("endPosition", report.endPosition());
            json.put("endReason", report.endReason());
            List<Map<String, Object>> problems = new ArrayList<>();
            for (LogVerifier.Problem problem : report.problems()) {
                Map<String, Object> one = new LinkedHashMap<>();
                one.put("file", problem.file());
                one.put("position", problem.position());
                one.put("reason", problem.reason());
                problems.add(one);
            }
            json.put("problems", problems);
            json.put("notes", report.notes());
            return json;
        }
    }
}
