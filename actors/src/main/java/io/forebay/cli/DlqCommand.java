package io.forebay.cli;

import io.forebay.client.RedriveRequest;
import io.forebay.client.RedriveResult;
import io.forebay.protocol.DeadLetterFilter;
import io.forebay.protocol.ForebayException;
import io.forebay.protocol.LookCommand;
import io.forebay.protocol.LookReply;
import io.forebay.protocol.Names;
import io.forebay.protocol.PoisonCommand;
import io.forebay.protocol.PoisonReply;
import io.forebay.protocol.RedrivenLetter;
import io.forebay.protocol.Refusal;
import io.forebay.protocol.StoredMessage;
import java.time.Instant;
import java.time.InstantSource;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.Callable;
import java.util.concurrent.CompletableFuture;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.Spec;

/** {@code forebay dlq}. */
@Command(
        name = "dlq",
        description = "Look at the dead letters of a consumer group, and send them back.",
        synopsisSubcommandLabel = "COMMAND",
        subcommands = {DlqCommand.ListLetters.class, DlqCommand.Redrive.class})
final class DlqCommand implements Callable<Integer> {
    @Spec
    private CommandSpec spec;

    @Override
    public Integer call() {
        throw new CommandLine.ParameterException(spec.commandLine(), "a command is missing: list or redrive");
    }

    /** Which letters are meant. */
    static final class Which {
        @Parameters(paramLabel = "GROUP", description = "The consumer group.")
        private String group;

        @Option(names = "--topic", paramLabel = "ORIGINAL", description = "Only letters that come from this topic.")
        private String topic;

        @Option(
                names = "--reason",
                paramLabel = "TEXT",
                description = "Only letters whose reason contains this, in small letters or capitals.")
        private String reason;

        @Option(
                names = "--since",
                paramLabel = "TIME",
                description =
                        "Only what became a dead letter then or later: 2026-11-26T14:05:00Z, or a duration before now,"
                                + " such as 30m.")
        private String since;

        @Option(names = "--until", paramLabel = "TIME", description = "Only what became a dead letter before that.")
        private String until;

        /** @param clock tells what a duration is counted back from */
        DeadLetterFilter filter(InstantSource clock) {
            Refusals.checkName("group", group);
            if (topic != null) {
                Refusals.checkName("topic", topic);
            }
            Instant from = since == null ? null : Times.parse("--since", since, clock);
            Instant to = until == null ? null : Times.parse("--until", until, clock);
            Times.checkRange(from, to);
            return new DeadLetterFilter(
                    topic == null ? "" : topic, reason == null ? "" : reason, millis(from), millis(to));
        }

        private static long millis(Instant time) {
            return time == null ? LookCommand.NO_TIME : Math.max(0, time.toEpochMilli());
        }
    }

    /** {@code forebay dlq list}. */
    @Command(
            name = "list",
            description = {
                "List dead letters without popping them, oldest first in each queue: where it lies and comes from, when it became one,"
                        + " its attempts, why, its id and its body."
            })
    static final class ListLetters implements Callable<Integer> {
        private final Shell shell;

        @Mixin
        private Which which;

        @Mixin
        private ConnectOptions connect;

        @Option(names = "--limit", paramLabel = "N", description = "Most letters to show. Default: all.")
        private Long limit;

        @Option(names = "--json", description = "Print a JSON object for each letter, its body in base64.")
        private boolean isJson;

        ListLetters(Shell shell) {
            this.shell = shell;
        }

        @Override
        public Integer call() throws InterruptedException {
            DeadLetterFilter filter = which.filter(shell.wall());
            long left = limitOf(limit);
            try (NodeLink link = NodeLink.brief(shell, connect)) {
                String cursor = "";
                do {
                    LookReply.MessagePage page = link.await(link.client()
                            .deadLetters(
                                    which.group, filter, (int) Math.min(left, PoisonCommand.PAGE_COUNT_MAX), cursor));
                    for (StoredMessage letter : page.messages()) {
                        shell.console()
                                .println(isJson ? Json.write(LookPrinter.json(page.node(), letter)) : line(letter));
                    }
                    page.notes().forEach(note -> shell.console().say("forebay: " + page.node() + ": " + note));
                    shell.console().flush();
                    left -= page.messages().size();
                    cursor = page.cursor();
                } while (left > 0 && !cursor.isEmpty());
            } catch (ForebayException e) {
                throw advised(e.refusal());
            }
            return ExitCode.OK;
        }

        private static String line(StoredMessage letter) {
            Map<String, String> properties = letter.message().properties();
            String from = properties.containsKey("dead-letter.topic")
                    ? properties.get("dead-letter.topic") + "/" + properties.get("dead-letter.queue") + "/"
                            + properties.get("dead-letter.offset")
                    : "?";
            return LookPrinter.place(letter) + "\t" + from + "\t" + Instant.ofEpochMilli(letter.storedMillis()) + "\t"
                    + properties.getOrDefault("dead-letter.attempts", "?") + "\t"
                    + ParkedCommands.shown(properties.getOrDefault("dead-letter.reason", "")) + "\t"
                    + letter.message().id() + "\t"
                    + LookPrinter.body(letter.message().body());
        }
    }

    /** {@code forebay dlq redrive}. */
    @Command(
            name = "redrive",
            description = {
                "Send dead letters back to the topic they come from, or to another one, oldest first and in order of their keys. What"
                        + " is not selected stays.",
                "Each goes in one step: whatever is killed meanwhile, none is lost and none goes twice. All groups of the topic get"
                        + " it; its property redriven.group names the one that had given it up."
            })
    static final class Redrive implements Callable<Integer> {
        private static final Pattern RATE = Pattern.compile("([0-9]{1,9})\\s*/\\s*s");

        private final Shell shell;

        @Mixin
        private Which which;

        @Mixin
        private ConnectOptions connect;

        @Option(names = "--to", paramLabel = "OTHER", description = "The topic to send them to, instead of their own.")
        private String to;

        @Option(names = "--rate", paramLabel = "N/s", description = "So many a second at most. Default: no limit.")
        private String rate;

        @Option(names = "--limit", paramLabel = "N", description = "Most letters to send. Default: all.")
        private Long limit;

        @Option(names = "--dry-run", description = "Change nothing, only tell what would go where.")
        private boolean isDryRun;

        @Option(names = "--json", description = "Print a JSON object for each letter.")
        private boolean isJson;

        private final Map<String, Long> countsByTopic = new LinkedHashMap<>();
        private ProgressLine progress;

        Redrive(Shell shell) {
            this.shell = shell;
        }

        @Override
        public Integer call() throws InterruptedException {
            RedriveRequest request = new RedriveRequest(
                    which.group,
                    which.filter(shell.wall()),
                    to == null ? "" : Refusals.checkName("topic", to),
                    limitOf(limit),
                    ratePerSecond(),
                    isDryRun);
            progress = new ProgressLine(shell, false);
            RedriveResult result;
            try (NodeLink link = NodeLink.brief(shell, connect)) {
                result = await(link, link.client().redrive(request, this::told).toCompletableFuture());
            }
            shell.console().endProgress();
            if (!isJson) {
                summary().forEach(shell.console()::println);
                if (result.movedCount() + result.stayedCount() == 0) {
                    boolean isFiltered = !request.filter().equals(DeadLetterFilter.ALL);
                    shell.console().println(isFiltered ? "no such dead letters" : "no dead letters");
                }
            }
            if (isDryRun) {
                shell.console().say("forebay: nothing was changed (--dry-run)");
            }
            if (result.stayedCount() > 0) {
                throw new CliException(
                        ExitCode.REFUSED,
                        result.stayedCount() + (result.stayedCount() == 1 ? " letter stays" : " letters stay")
                                + " that could not be sent");
            }
            return ExitCode.OK;
        }

        /** When it ends early, what has gone by then is said: it does not come back. A refusal says it by itself. */
        private RedriveResult await(NodeLink link, CompletableFuture<RedriveResult> redriven)
                throws InterruptedException {
            try {
                return link.await(redriven);
            } catch (ForebayException e) {
                throw advised(e.refusal());
            } catch (InterruptedException e) {
                redriven.cancel(false);
                shell.console()
                        .say("forebay: stopped" + before()
                                + ", and what is under way may follow; the same command goes on with those left");
                throw e;
            }
        }

        private String before() {
            List<String> done = isDryRun ? List.of() : summary();
            return done.isEmpty() ? "" : "; before that " + String.join(", ", done);
        }

        private int ratePerSecond() {
            if (rate == null) {
                return 0;
            }
            Matcher form = RATE.matcher(rate.strip());
            int number = form.matches() ? Integer.parseInt(form.group(1)) : 0;
            if (number < 1 || number > RedriveRequest.RATE_MAX) {
                throw CliException.usage(
                        "--rate is '" + rate + "'; allowed is a number of letters a second, such as 50/s, up to "
                                + RedriveRequest.RATE_MAX + "/s");
            }
            return number;
        }

        /** A callback at a time, each behind the last; the command's thread looks at what they count when it is interrupted. */
        private synchronized void told(PoisonReply.Redriven page) {
            for (RedrivenLetter letter : page.letters()) {
                countsByTopic.merge(letter.toTopic(), 1L, Long::sum);
                String place = Names.DEAD_LETTERS + which.group + "/" + letter.queue() + "/" + letter.offset();
                if (isJson) {
                    shell.console().println(Json.write(json(page.node(), letter)));
                } else if (isDryRun) {
                    shell.console()
                            .println(place + "\t" + letter.toTopic() + "/" + letter.toQueue() + "\t"
                                    + letter.messageId());
                }
            }
            page.notes().forEach(note -> shell.console().say("forebay: " + page.node() + ": " + note));
            shell.console().flush();
            progress.tell(() -> String.format(
                    java.util.Locale.ROOT,
                    isDryRun ? "%,d of %,d letters looked at, %,d would go" : "%,d of %,d letters looked at, %,d sent",
                    page.doneCount(),
                    page.totalCount(),
                    countsByTopic.values().stream().mapToLong(Long::longValue).sum()));
        }

        private Map<String, Object> json(String node, RedrivenLetter letter) {
            Map<String, Object> json = new LinkedHashMap<>();
            json.put("node", node);
            json.put("group", which.group);
            json.put("queue", letter.queue());
            json.put("offset", letter.offset());
            json.put("id", letter.messageId());
            json.put("toTopic", letter.toTopic());
            json.put("toQueue", letter.toQueue());
            json.put("dryRun", isDryRun);
            return json;
        }

        private synchronized List<String> summary() {
            String verb = isDryRun ? " would go to " : " sent to ";
            return countsByTopic.entrySet().stream()
                    .map(entry -> entry.getValue()
                            + (entry.getValue() == 1 ? " dead letter" : " dead letters")
                            + verb
                            + entry.getKey())
                    .toList();
        }
    }

    /** What an operator can do about a refusal. */
    private static CliException advised(Refusal refusal) {
        String advice = switch (refusal.code()) {
            case UNKNOWN_GROUP -> "; 'forebay group list' names those there are";
            case UNKNOWN_TOPIC -> "; create it (forebay topic create), or name another one with --to";
            default -> "";
        };
        return new CliException(Refusals.exitCode(refusal), refusal.text() + advice);
    }

    private static long limitOf(Long limit) {
        if (limit != null && limit < 1) {
            throw CliException.usage("--limit is " + limit + "; allowed is 1 or more");
        }
        return limit == null ? Long.MAX_VALUE : limit;
    }
}
