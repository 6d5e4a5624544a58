package io.forebay.cli;

import io.forebay.client.PeekRequest;
import io.forebay.protocol.LookCommand;
import io.forebay.protocol.LookReply;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** {@code forebay peek}. */
@Command(
        name = "peek",
        description = {
            "Show stored messages without popping them: TOPIC/QUEUE/OFFSET, when it was stored, its id and its body.",
            "Queue after queue from the oldest message on, or what a group would get next."
        })
final class PeekCommand implements Callable<Integer> {
    private final Shell shell;

    @Parameters(paramLabel = "TOPIC", description = "The topic.")
    private String topic;

    @Mixin
    private ConnectOptions connect;

    @Option(names = "--queue", paramLabel = "N", description = "Only this queue.")
    private Integer queue;

    @Option(names = "--offset", paramLabel = "O", description = "Begin at this offset; needs --queue.")
    private Long offset;

    @Option(names = "--group", paramLabel = "G", description = "The messages that this group would get next.")
    private String group;

    @Option(
            names = "--count",
            paramLabel = "N",
            defaultValue = "20",
            description = "Most messages to show. Default: ${DEFAULT-VALUE}.")
    private long count;

    @Option(names = "--json", description = "Print a JSON object for each message, its body in base64.")
    private boolean isJson;

    PeekCommand(Shell shell) {
        this.shell = shell;
    }

    @Override
    public Integer call() throws InterruptedException {
        if (count < 1) {
            throw CliException.usage("--count is " + count + "; allowed is 1 or more");
        }
        if (offset != null && (queue == null || group != null)) {
            throw CliException.usage("--offset needs --queue, and no --group");
        }
        if (offset != null && offset < 0) {
            throw CliException.usage("--offset is " + offset + "; allowed is 0 or more");
        }
        if (queue != null && queue < 0) {
            throw CliException.usage("--queue is " + queue + "; allowed is 0 or more");
        }
        if (group != null && count > LookCommand.PAGE_COUNT_MAX) {
            throw CliException.usage(
                    "--count is " + count + "; with --group allowed is 1 to " + LookCommand.PAGE_COUNT_MAX);
        }
        PeekRequest request = PeekRequest.of(topic, pageCount(count))
                .withQueue(queue == null ? LookCommand.EVERY_QUEUE : queue)
                .withOffset(offset == null ? -1 : offset)
                .withGroup(group == null ? "" : Refusals.checkName("group", group));
        LookPrinter printer = new LookPrinter(shell, isJson, false);
        try (NodeLink link = NodeLink.brief(shell, connect)) {
            String cursor = "";
            long left = count;
            do {
                LookReply.MessagePage page =
                        link.await(link.client().peek(request.withCountMax(pageCount(left)), cursor));
                printer.print(page.node(), page.messages(), page.notes());
                shell.console().flush();
                left -= page.messages().size();
                cursor = page.cursor();
            } while (left > 0 && !cursor.isEmpty());
        }
        return ExitCode.OK;
    }

    private static int pageCount(long left) {
        return (int) Math.min(left, LookCommand.PAGE_COUNT_MAX);
    }
}
