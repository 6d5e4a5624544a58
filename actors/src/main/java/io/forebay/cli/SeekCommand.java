package io.forebay.cli;

import io.forebay.client.ForebayClient;
import io.forebay.protocol.LookCommand;
import io.forebay.protocol.QueueSeek;
import io.forebay.protocol.SeekPlace;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import picocli.CommandLine.ArgGroup;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** {@code forebay group seek}. */
@Command(
        name = "seek",
        description = {
            "Set where a group goes on in a topic. What it has out becomes stale, and what it had settled behind the new place comes"
                    + " again.",
            "A place outside what is stored is moved to the nearest end, and that is said."
        })
final class SeekCommand extends TopicCommand.Request {
    @Parameters(paramLabel = "GROUP", description = "The consumer group.")
    private String group;

    @Option(names = "--topic", paramLabel = "TOPIC", required = true, description = "The topic.")
    private String topic;

    @Option(names = "--queue", paramLabel = "Q", description = "Only this queue; --offset needs it.")
    private Integer queue;

    @ArgGroup(multiplicity = "1")
    private Where where;

    @Option(names = "--dry-run", description = "Change nothing, only tell.")
    private boolean isDryRun;

    /** Exactly one of these. */
    private static final class Where {
        @Option(names = "--offset", paramLabel = "N", description = "To this message.")
        private Long offset;

        @Option(
                names = "--time",
                paramLabel = "TIME",
                description =
                        "To the first message stored then or later: 2026-11-26T14:05:00Z, or a duration before now,"
                                + " such as 30m.")
        private String time;

        @Option(names = "--earliest", description = "To the oldest message.")
        private boolean isEarliest;

        @Option(names = "--latest", description = "Behind the newest message.")
        private boolean isLatest;
    }

    private SeekPlace place;

    SeekCommand(Shell shell) {
        super(shell);
    }

    @Override
    void check() {
        Refusals.checkName("group", group);
        Refusals.checkName("topic", topic);
        if (queue != null && queue < 0) {
            throw CliException.usage("--queue is " + queue + "; allowed is 0 or more");
        }
        if (where.offset != null) {
            if (queue == null) {
                throw CliException.usage("--offset needs --queue: each queue counts its own messages");
            }
            if (where.offset < 0) {
                throw CliException.usage("--offset is " + where.offset + "; allowed is 0 or more");
            }
            place = SeekPlace.offset(where.offset);
        } else if (where.time != null) {
            place = SeekPlace.time(
                    Math.max(0, Times.parse("--time", where.time, shell.wall()).toEpochMilli()));
        } else {
            place = where.isEarliest ? SeekPlace.EARLIEST_STORED : SeekPlace.LATEST_STORED;
        }
    }

    @Override
    void request(NodeLink link, ForebayClient client) throws InterruptedException {
        int number = queue == null ? LookCommand.EVERY_QUEUE : queue;
        List<QueueSeek> queues = link.await(client.seek(group, topic, "", number, place, isDryRun));
        TextTable table = new TextTable("queue", "from", "to", "skipped", "again", "");
        for (QueueSeek one : queues) {
            if (isJson) {
                shell.console().println(Json.write(json(one)));
            } else if (one.refusal() == null) {
                String note = one.isClamped() ? "nothing is stored at " + place.value() : "";
                table.row(one.queue(), one.fromOffset(), one.toOffset(), one.skippedCount(), one.repeatedCount(), note);
            }
        }
        if (!isJson) {
            print(table);
            if (isDryRun) {
                shell.console().say("forebay: nothing was changed (--dry-run)");
            }
        }
        for (QueueSeek one : queues) {
            if (one.refusal() != null) {
                throw Refusals.toException("queue " + one.queue() + " of " + one.node() + ": ", one.refusal());
            }
        }
    }

    private Map<String, Object> json(QueueSeek one) {
        Map<String, Object> json = new LinkedHashMap<>();
        json.put("node", one.node());
        json.put("queue", one.queue());
        if (one.refusal() != null) {
            json.put("refusal", one.refusal().text());
            return json;
        }
        json.put("from", one.fromOffset());
        json.put("to", one.toOffset());
        json.put("skipped", one.skippedCount());
        json.put("repeated", one.repeatedCount());
        json.put("clamped", one.isClamped());
        json.put("dryRun", isDryRun);
        return json;
    }
}
