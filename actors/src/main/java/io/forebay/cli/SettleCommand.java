package io.forebay.cli;

import io.forebay.protocol.AckOutcome;
import io.forebay.protocol.AckResult;
import io.forebay.protocol.ChangeResult;
import io.forebay.protocol.Changed;
import io.forebay.protocol.Durability;
import io.forebay.protocol.Refusal;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.Callable;
import java.util.concurrent.CompletableFuture;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** What {@code forebay ack}, {@code nack} and {@code extend} share: handles in, an outcome for each out. */
abstract sealed class SettleCommand implements Callable<Integer> {
    private static final int HANDLES_AT_ONCE = 256;

    final Shell shell;

    @Parameters(
            paramLabel = "HANDLE",
            arity = "1..*",
            description =
                    "GROUP:HANDLE as 'pop --no-ack' and 'pop --json' print it; - reads one from each line of stdin.")
    private List<String> texts;

    @Mixin
    private ConnectOptions connect;

    @Option(names = "--group", paramLabel = "G", description = "The group, for a handle that does not name it.")
    private String group;

    @Option(names = "--json", description = "Print a JSON object for each handle.")
    private boolean isJson;

    SettleCommand(Shell shell) {
        this.shell = shell;
    }

    /** What became of a handle: the outcome, or a refusal. */
    private record Outcome(String text, String outcome, Refusal refusal, Long invisibleUntilMillis) {}

    /** Checks options before anything is connected. */
    abstract void check();

    abstract CompletableFuture<Object> settle(NodeLink link, HandleText handle);

    @Override
    public final Integer call() throws InterruptedException, IOException {
        check();
        if (group != null) {
            Refusals.checkName("group", group);
        }
        List<String> given = new ArrayList<>();
        for (String text : texts) {
            if (text.equals("-")) {
                LineReader lines = new LineReader(shell.in(), 1 << 16);
                for (byte[] line = lines.next(); line != null; line = lines.next()) {
                    // As pop prints it: what follows the handle is the body.
                    String whole = new String(line, StandardCharsets.UTF_8);
                    given.add(whole.strip().split("\\s", 2)[0]);
                }
            } else {
                given.add(text);
            }
        }
        List<HandleText> handles = new ArrayList<>();
        for (String text : given) {
            handles.add(HandleText.parse(text, group));
        }
        int code = ExitCode.OK;
        try (NodeLink link = NodeLink.brief(shell, connect)) {
            for (int from = 0; from < handles.size(); from += HANDLES_AT_ONCE) {
                int to = Math.min(handles.size(), from + HANDLES_AT_ONCE);
                List<CompletableFuture<Object>> answers = new ArrayList<>();
                for (int index = from; index < to; index++) {
                    answers.add(settle(link, handles.get(index)));
                }
                for (int index = from; index < to; index++) {
                    Outcome outcome = outcome(given.get(index), answers.get(index - from));
                    print(outcome);
                    code = outcome.refusal() == null || code != ExitCode.OK
                            ? code
                            : Refusals.exitCode(outcome.refusal());
                }
            }
        }
        return code;
    }

    private static Outcome outcome(String text, CompletableFuture<Object> answer) throws InterruptedException {
        Object result;
        try {
            result = NodeLink.awaitStage(answer);
        } catch (io.forebay.protocol.ForebayException e) {
            result = e.refusal();
        }
        if (result instanceof Refusal refusal) {
            return new Outcome(text, refusal.code().name(), refusal, null);
        }
        if (result instanceof Changed changed) {
            return new Outcome(text, "CHANGED", null, changed.invisibleUntilMillis());
        }
        return new Outcome(text, ((AckOutcome) result).name(), null, null);
    }

    private void print(Outcome outcome) {
        if (isJson) {
            Map<String, Object> json = new LinkedHashMap<>();
            json.put("handle", outcome.text());
            json.put("outcome", outcome.outcome());
            if (outcome.invisibleUntilMillis() != null) {
                json.put("invisibleUntilMillis", outcome.invisibleUntilMillis());
            }
            if (outcome.refusal() != null) {
                json.put("reason", outcome.refusal().text());
            }
            shell.console().println(Json.write(json));
        } else if (outcome.refusal() == null) {
            shell.console()
                    .println(
                            outcome.outcome().toLowerCase(java.util.Locale.ROOT).replace('_', ' '));
        }
        if (outcome.refusal() != null) {
            shell.console()
                    .say("forebay: " + outcome.text() + ": " + outcome.refusal().text());
        }
    }

    /** {@code forebay ack}. */
    @Command(
            name = "ack",
            description =
                    "Settle deliveries by their handles. Acking again, or what another consumer settled, succeeds.")
    static final class Ack extends SettleCommand {
        @Option(
                names = "--durability",
                paramLabel = "LEVEL",
                description = "What the answer must prove: written or flushed. Default: the group's own.")
        private String durabilityText;

        private Durability durability;

        Ack(Shell shell) {
            super(shell);
        }

        @Override
        void check() {
            durability = SendCommand.durability("--durability", durabilityText);
        }

        @Override
        CompletableFuture<Object> settle(NodeLink link, HandleText handle) {
            return link.client()
                    .ackBatch(handle.group(), List.of(handle.handle()), durability)
                    .<Object>thenApply((List<AckResult> results) -> results.get(0))
                    .toCompletableFuture();
        }
    }

    /** {@code forebay nack}. */
    @Command(name = "nack", description = "Give up on deliveries: the messages come again, as a further attempt.")
    static final class Nack extends SettleCommand {
        @Option(
                names = "--delay",
                paramLabel = "TIME",
                description = "When they come again. Default: as the group's retry-backoff says.")
        private String delayText;

        @Option(names = "--reason", paramLabel = "TEXT", defaultValue = "", description = "Why, for people.")
        private String reason;

        private Duration delay;

        Nack(Shell shell) {
            super(shell);
        }

        @Override
        void check() {
            delay = delayText == null ? null : Durations.parse("--delay", delayText, Duration.ZERO, Durations.MAX);
        }

        @Override
        CompletableFuture<Object> settle(NodeLink link, HandleText handle) {
            return (delay == null
                            ? link.client().nack(handle.group(), handle.handle(), reason)
                            : link.client().nack(handle.group(), handle.handle(), delay, reason))
                    .<Object>thenApply((ChangeResult result) -> result)
                    .toCompletableFuture();
        }
    }

    /** {@code forebay extend}. */
    @Command(name = "extend", description = "Move deadlines: nobody else gets the messages for so long from now.")
    static final class Extend extends SettleCommand {
        @Option(
                names = "--invisible",
                paramLabel = "TIME",
                defaultValue = "30s",
                description = "How long from now. Default: ${DEFAULT-VALUE}.")
        private String invisibleText;

        private Duration invisible;

        Extend(Shell shell) {
            super(shell);
        }

        @Override
        void check() {
            invisible = Durations.parse("--invisible", invisibleText, Duration.ofMillis(1), Durations.MAX);
        }

        @Override
        CompletableFuture<Object> settle(NodeLink link, HandleText handle) {
            return link.client()
                    .extend(handle.group(), handle.handle(), invisible)
                    .<Object>thenApply((ChangeResult result) -> result)
                    .toCompletableFuture();
        }
    }
}
