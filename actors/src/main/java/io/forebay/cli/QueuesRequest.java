package io.forebay.cli;

import io.forebay.client.ForebayClient;
import io.forebay.protocol.LookCommand;
import io.forebay.protocol.Refusal;
import java.util.ArrayList;
import java.util.Collection;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import picocli.CommandLine.Option;

/** What {@code group seek}, {@code group purge} and {@code topic purge} share: they change one queue or all, and tell of each. */
abstract class QueuesRequest extends TopicCommand.Request {
    /**
     * What became of a queue.
     *
     * @param refusal null if it was done
     * @param isClamped whether nothing is stored at the place that was asked for
     * @param numbers by their names in JSON, in the order of the table's columns
     */
    record Outcome(String node, int queue, Refusal refusal, boolean isClamped, Map<String, Long> numbers) {}

    @Option(names = "--queue", paramLabel = "N", description = "Only this queue.")
    private Integer queue;

    @Option(names = "--dry-run", description = "Change nothing, only tell.")
    boolean isDryRun;

    private final List<String> columns;

    /** @param columns what the table calls the numbers */
    QueuesRequest(Shell shell, List<String> columns) {
        super(shell);
        this.columns = columns;
    }

    abstract List<Outcome> ask(NodeLink link, ForebayClient client, int queueOrEvery) throws InterruptedException;

    /** What to say was asked for when nothing is stored there. */
    abstract Object place();

    @Override
    void check() {
        if (queue != null && queue < 0) {
            throw CliException.usage("--queue is " + queue + "; allowed is 0 or more");
        }
    }

    /** @param offsetOrNull of a message; null if none was given */
    final void checkOffset(String option, Long offsetOrNull) {
        if (offsetOrNull != null && queue == null) {
            throw CliException.usage(option + " needs --queue: each queue counts its own messages");
        }
        if (offsetOrNull != null && offsetOrNull < 0) {
            throw CliException.usage(option + " is " + offsetOrNull + "; allowed is 0 or more");
        }
    }

    @Override
    final void request(NodeLink link, ForebayClient client) throws InterruptedException {
        List<Outcome> outcomes = ask(link, client, queue == null ? LookCommand.EVERY_QUEUE : queue);
        if (isJson) {
            outcomes.forEach(outcome -> shell.console().println(Json.write(json(outcome))));
        } else {
            print(table(outcomes));
            if (isDryRun) {
                shell.console().say("forebay: nothing was changed (--dry-run)");
            }
        }
        for (Outcome outcome : outcomes) {
            if (outcome.refusal() != null) {
                throw Refusals.toException(
                        "queue " + outcome.queue() + " of " + outcome.node() + ": ", outcome.refusal());
            }
        }
    }

    private TextTable table(List<Outcome> outcomes) {
        List<Object> headings = row("queue", columns, "");
        TextTable table = new TextTable(headings.toArray(String[]::new));
        for (Outcome outcome : outcomes) {
            if (outcome.refusal() == null) {
                String note = outcome.isClamped() ? "nothing is stored at " + place() : "";
                table.row(row(outcome.queue(), outcome.numbers().values(), note).toArray());
            }
        }
        return table;
    }

    private static List<Object> row(Object first, Collection<?> numbers, String note) {
        List<Object> row = new ArrayList<>();
        row.add(first);
        row.addAll(numbers);
        row.add(note);
        return row;
    }

    private Map<String, Object> json(Outcome outcome) {
        Map<String, Object> json = new LinkedHashMap<>();
        json.put("node", outcome.node());
        json.put("queue", outcome.queue());
        if (outcome.refusal() != null) {
            json.put("refusal", outcome.refusal().text());
            return json;
        }
        json.putAll(outcome.numbers());
        json.put("clamped", outcome.isClamped());
        json.put("dryRun", isDryRun);
        return json;
    }
}
