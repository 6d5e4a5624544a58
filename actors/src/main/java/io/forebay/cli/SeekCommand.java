package io.forebay.cli;

import io.forebay.client.ForebayClient;
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
final class SeekCommand extends QueuesRequest {
    @Parameters(paramLabel = "GROUP", description = "The consumer group.")
    private String group;

    @Option(names = "--topic", paramLabel = "TOPIC", required = true, description = "The topic.")
    private String topic;

    @ArgGroup(multiplicity = "1")
    private Where where;

    /** Exactly one of these. */
    private static final class Where {
        @Option(names = "--offset", paramLabel = "N", description = "To this message; needs --queue.")
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
        super(shell, List.of("from", "to", "skipped", "again"));
    }

    @Override
    void check() {
        super.check();
        Refusals.checkName("group", group);
        Refusals.checkName("topic", topic);
        checkOffset("--offset", where.offset);
        if (where.offset != null) {
            place = SeekPlace.offset(where.offset);
        } else if (where.time != null) {
            place = SeekPlace.time(
                    Math.max(0, Times.parse("--time", where.time, shell.wall()).toEpochMilli()));
        } else {
            place = where.isEarliest ? SeekPlace.EARLIEST_STORED : SeekPlace.LATEST_STORED;
        }
    }

    @Override
    Object place() {
        return place.value();
    }

    @Override
    List<Outcome> ask(NodeLink link, ForebayClient client, int queueOrEvery) throws InterruptedException {
        return link.await(client.seek(group, topic, "", queueOrEvery, place, isDryRun)).stream()
                .map(SeekCommand::outcome)
                .toList();
    }

    private static Outcome outcome(QueueSeek one) {
        Map<String, Long> numbers = new LinkedHashMap<>();
        numbers.put("from", one.fromOffset());
        numbers.put("to", one.toOffset());
        numbers.put("skipped", one.skippedCount());
        numbers.put("repeated", one.repeatedCount());
        return new Outcome(one.node(), one.queue(), one.refusal(), one.isClamped(), numbers);
    }
}
