package io.forebay.cli;

import io.forebay.client.FindRequest;
import io.forebay.protocol.LookCommand;
import io.forebay.protocol.LookReply;
import java.time.Instant;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** {@code forebay find}. */
@Command(
        name = "find",
        description = {
            "Look through a topic for messages with an id or a key. There is no index: everything is read, or what lies between"
                    + " --since and --until.",
            "Exit code 1 when nothing was found."
        })
final class FindCommand implements Callable<Integer> {
    private final Shell shell;

    @Parameters(paramLabel = "TOPIC", description = "The topic.")
    private String topic;

    @Mixin
    private ConnectOptions connect;

    @Option(names = "--id", paramLabel = "X", description = "The message's id.")
    private String id;

    @Option(names = "--key", paramLabel = "K", description = "One of the message's keys.")
    private String key;

    @Option(
            names = "--since",
            paramLabel = "TIME",
            description = "Stored then or later: 2026-11-26T14:05:00Z, or a duration before now, such as 30m.")
    private String sinceText;

    @Option(names = "--until", paramLabel = "TIME", description = "Stored before that time.")
    private String untilText;

    @Option(
            names = "--limit",
            paramLabel = "N",
            defaultValue = "100",
            description = "End when so many were found. Default: ${DEFAULT-VALUE}.")
    private long limit;

    @Option(names = "--json", description = "Print a JSON object for each message, its body in base64.")
    private boolean isJson;

    @Option(names = "--progress", description = "Tell the progress on stderr even when that is not a terminal.")
    private boolean isProgressAsked;

    FindCommand(Shell shell) {
        this.shell = shell;
    }

    @Override
    public Integer call() throws InterruptedException {
        if (limit < 1) {
            throw CliException.usage("--limit is " + limit + "; allowed is 1 or more");
        }
        if (id == null && key == null) {
            throw CliException.usage("--id or --key is needed");
        }
        Instant since = sinceText == null ? null : Times.parse("--since", sinceText, shell.wall());
        Instant until = untilText == null ? null : Times.parse("--until", untilText, shell.wall());
        Times.checkRange(since, until);
        FindRequest request = new FindRequest(
                topic, id == null ? "" : id, key == null ? "" : key, since, until, LookCommand.PAGE_COUNT_MAX);
        LookPrinter printer = new LookPrinter(shell, isJson, isProgressAsked);
        long left = limit;
        try (NodeLink link = NodeLink.brief(shell, connect)) {
            String cursor = "";
            do {
                int countMax = (int) Math.min(left, LookCommand.PAGE_COUNT_MAX);
                LookReply.MessagePage page = link.await(link.client().find(request.withCountMax(countMax), cursor));
                printer.print(page.node(), page.messages(), page.notes());
                shell.console().flush();
                printer.progress("messages", page.doneCount(), page.totalCount());
                left -= page.messages().size();
                cursor = page.cursor();
            } while (left > 0 && !cursor.isEmpty());
        }
        shell.console().endProgress();
        return left < limit ? ExitCode.OK : ExitCode.CHECK_FAILED;
    }
}
