package io.forebay.cli;

import io.forebay.client.ForebayClient;
import io.forebay.protocol.LookCommand;
import io.forebay.protocol.QueuePurge;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** What {@code forebay topic purge} and {@code forebay group purge} share. */
abstract sealed class PurgeCommand extends TopicCommand.Request {
    @Option(names = "--queue", paramLabel = "N", description = "Only this queue; --below needs it.")
    private Integer queue;

    @Option(
            names = "--below",
            paramLabel = "OFFSET",
            description = "The first message to keep. Default: drop everything that is stored now.")
    private Long below;

    @Option(names = "--dry-run", description = "Change nothing, only tell.")
    private boolean isDryRun;

    PurgeCommand(Shell shell) {
        super(shell);
    }

    abstract String topic();

    /** "" for everyone. */
    abstract String group();

    @Override
    void check() {
        Refusals.checkName("topic", topic());
        if (!group().isEmpty()) {
            Refusals.checkName("group", group());
        }
        if (queue != null && queue < 0) {
            throw CliException.usage("--queue is " + queue + "; allowed is 0 or more");
        }
        if (below != null && queue == null) {
            throw CliException.usage("--below needs --queue: each queue counts its own messages");
        }
        if (below != null && below < 0) {
            throw CliException.usage("--below is " + below + "; allowed is 0 or more");
        }
    }

    @Override
    void request(NodeLink link, ForebayClient client) throws InterruptedException {
        int number = queue == null ? LookCommand.EVERY_QUEUE : queue;
        List<QueuePurge> queues =
                link.await(client.purge(topic(), group(), "", number, below == null ? -1 : below, isDryRun));
        TextTable table = new TextTable("queue", "begins at", "dropped", "");
        for (QueuePurge one : queues) {
            if (isJson) {
                shell.console().println(Json.write(json(one)));
            } else if (one.refusal() == null) {
                String note = one.isClamped() ? "nothing is stored at " + below : "";
                table.row(one.queue(), one.belowOffset(), one.droppedCount(), note);
            }
        }
        if (!isJson) {
            print(table);
            if (isDryRun) {
                shell.console().say("forebay: nothing was changed (--dry-run)");
            }
        }
        for (QueuePurge one : queues) {
            if (one.refusal() != null) {
                throw Refusals.toException("queue " + one.queue() + " of " + one.node() + ": ", one.refusal());
            }
        }
    }

    private Map<String, Object> json(QueuePurge one) {
        Map<String, Object> json = new LinkedHashMap<>();
        json.put("node", one.node());
        json.put("queue", one.queue());
        if (one.refusal() != null) {
            json.put("refusal", one.refusal().text());
            return json;
        }
        json.put("begins", one.belowOffset());
        json.put("dropped", one.droppedCount());
        json.put("clamped", one.isClamped());
        json.put("dryRun", isDryRun);
        return json;
    }

    /** {@code forebay topic purge}. */
    @Command(name = "purge", description = "Drop stored messages for everyone, settled or not. They do not come back.")
    static final class OfTopic extends PurgeCommand {
        @Parameters(paramLabel = "TOPIC", description = "Its name.")
        private String topic;

        OfTopic(Shell shell) {
            super(shell);
        }

        @Override
        String topic() {
            return topic;
        }

        @Override
        String group() {
            return "";
        }
    }

    /** {@code forebay group purge}. */
    @Command(
            name = "purge",
            description = "Settle messages of a topic for one group without delivering them. Other groups keep theirs.")
    static final class OfGroup extends PurgeCommand {
        @Parameters(paramLabel = "GROUP", description = "The consumer group.")
        private String group;

        @Option(names = "--topic", paramLabel = "TOPIC", required = true, description = "The topic.")
        private String topic;

        OfGroup(Shell shell) {
            super(shell);
        }

        @Override
        String topic() {
            return topic;
        }

        @Override
        String group() {
            return group;
        }
    }
}
