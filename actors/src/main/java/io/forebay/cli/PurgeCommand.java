package io.forebay.cli;

import io.forebay.client.ForebayClient;
import io.forebay.protocol.QueuePurge;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** What {@code forebay topic purge} and {@code forebay group purge} share. */
abstract sealed class PurgeCommand extends QueuesRequest {
    @Option(
            names = "--below",
            paramLabel = "OFFSET",
            description = "The first message to keep; needs --queue. Default: drop everything that is stored now.")
    private Long below;

    PurgeCommand(Shell shell) {
        super(shell, List.of("begins at", "dropped"));
    }

    abstract String topic();

    /** "" for everyone. */
    abstract String group();

    @Override
    final void check() {
        super.check();
        Refusals.checkName("topic", topic());
        if (!group().isEmpty()) {
            Refusals.checkName("group", group());
        }
        checkOffset("--below", below);
    }

    @Override
    final Object place() {
        return below;
    }

    @Override
    final List<Outcome> ask(NodeLink link, ForebayClient client, int queueOrEvery) throws InterruptedException {
        long belowOffset = below == null ? -1 : below;
        return link.await(client.purge(topic(), group(), "", queueOrEvery, belowOffset, isDryRun)).stream()
                .map(PurgeCommand::outcome)
                .toList();
    }

    private static Outcome outcome(QueuePurge one) {
        Map<String, Long> numbers = new LinkedHashMap<>();
        numbers.put("begins", one.belowOffset());
        numbers.put("dropped", one.droppedCount());
        return new Outcome(one.node(), one.queue(), one.refusal(), one.isClamped(), numbers);
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
