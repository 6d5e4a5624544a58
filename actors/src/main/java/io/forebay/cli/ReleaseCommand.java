package io.forebay.cli;

import io.forebay.client.ForebayClient;
import io.forebay.protocol.QueueRelease;
import java.util.List;
import java.util.Map;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** {@code forebay topic release}. */
@Command(
        name = "release",
        description =
                "Let messages be read again that were quarantined because they could not be read. A group that has"
                        + " passed them over gets them after a seek.")
final class ReleaseCommand extends QueuesRequest {
    @Parameters(paramLabel = "TOPIC", description = "Its name.")
    private String topic;

    @Option(
            names = "--offset",
            paramLabel = "OFFSET",
            description = "Only this message; needs --queue. Default: all that are quarantined.")
    private Long offset;

    ReleaseCommand(Shell shell) {
        super(shell, List.of("released"));
    }

    @Override
    void check() {
        super.check();
        Refusals.checkName("topic", topic);
        checkOffset("--offset", offset);
    }

    @Override
    Object place() {
        return offset;
    }

    @Override
    List<Outcome> ask(NodeLink link, ForebayClient client, int queueOrEvery) throws InterruptedException {
        return link.await(client.release(topic, "", queueOrEvery, offset == null ? -1 : offset, isDryRun)).stream()
                .map(ReleaseCommand::outcome)
                .toList();
    }

    private static Outcome outcome(QueueRelease one) {
        return new Outcome(one.node(), one.queue(), one.refusal(), false, Map.of("released", one.releasedCount()));
    }
}
