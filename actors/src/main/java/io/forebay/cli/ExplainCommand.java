package io.forebay.cli;

import io.forebay.client.FindRequest;
import io.forebay.client.ForebayClient;
import io.forebay.client.LookProgress;
import io.forebay.look.StoppedLog;
import io.forebay.look.core.RegistryNames;
import io.forebay.protocol.LifeEvent;
import io.forebay.protocol.LookReply;
import io.forebay.protocol.MessageLife;
import io.forebay.protocol.MessagePlace;
import io.forebay.protocol.ReceiptHandle;
import io.forebay.storage.log.TopicRecord;
import java.io.IOException;
import java.time.Instant;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.Callable;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** {@code forebay explain}: the life of one message. */
@Command(
        name = "explain",
        description = {
            "Tell the life of one message from the log: sent, popped by whom, extended, nacked why, acked, dead-lettered ...",
            "Asks the node, or reads the data directory of a stopped one with --data."
        })
final class ExplainCommand implements Callable<Integer> {
    private static final Pattern PLACE = Pattern.compile("([^/]+)/([0-9]{1,9})/([0-9]{1,18})");

    private final Shell shell;

    @Parameters(
            paramLabel = "MESSAGE",
            description =
                    "TOPIC/QUEUE/OFFSET as peek and find print it, a receipt handle as pop prints it, or a message id with"
                            + " --topic.")
    private String text;

    @Mixin
    private ConnectOptions connect;

    @Option(names = "--topic", paramLabel = "TOPIC", description = "MESSAGE is the id of a message in this topic.")
    private String topic;

    @Option(names = "--data", paramLabel = "DIR", description = "Read this data directory; its node must not run.")
    private String data;

    @Option(names = "--json", description = "Print a JSON object for each message.")
    private boolean isJson;

    @Option(names = "--progress", description = "Tell the progress on stderr even when that is not a terminal.")
    private boolean isProgressAsked;

    ExplainCommand(Shell shell) {
        this.shell = shell;
    }

    @Override
    public Integer call() throws InterruptedException, IOException {
        Matcher place = PLACE.matcher(text);
        ReceiptHandle handle = null;
        if (topic != null) {
            Refusals.checkName("topic", topic);
        } else if (!place.matches()) {
            String bare = text.substring(text.indexOf(':') + 1);
            if (!(ReceiptHandle.parse(bare) instanceof ReceiptHandle parsed)) {
                throw CliException.usage("'" + text
                        + "' is neither TOPIC/QUEUE/OFFSET nor a receipt handle; for the id of a message give --topic");
            }
            handle = parsed;
        } else {
            Refusals.checkName("topic", place.group(1));
        }
        return data == null ? ask(place, handle) : read(place, handle);
    }

    // ---- a node -----------------------------------------------------------------------------------------------------

    private int ask(Matcher place, ReceiptHandle handle) throws InterruptedException {
        LookPrinter printer = new LookPrinter(shell, isJson, isProgressAsked);
        LookProgress progress = (done, total) -> printer.progress("records", done, total);
        try (NodeLink link = NodeLink.brief(shell, connect)) {
            ForebayClient client = link.client();
            if (handle != null) {
                print(link.await(client.explain(handle, progress)));
                return ExitCode.OK;
            }
            if (topic == null) {
                int queue = Integer.parseInt(place.group(2));
                long offset = Long.parseLong(place.group(3));
                print(link.await(client.explain("", place.group(1), queue, offset, progress)));
                return ExitCode.OK;
            }
            List<MessagePlace> found = new ArrayList<>();
            String cursor = "";
            do {
                LookReply.MessagePage page = link.await(client.find(FindRequest.ofId(topic, text), cursor));
                page.messages()
                        .forEach(stored ->
                                found.add(new MessagePlace(page.node(), topic, stored.queue(), stored.offset())));
                printer.progress("messages", page.doneCount(), page.totalCount());
                cursor = page.cursor();
            } while (!cursor.isEmpty());
            for (MessagePlace one : found) {
                print(link.await(client.explain(one.node(), topic, one.queue(), one.offset(), progress)));
            }
            return foundOrNot(found);
        }
    }

    private int foundOrNot(List<MessagePlace> found) {
        shell.console().endProgress();
        if (found.isEmpty()) {
            throw new CliException(
                    ExitCode.REFUSED, "topic '" + topic + "' stores no message with the id '" + text + "'");
        }
        return ExitCode.OK;
    }

    // ---- a directory ------------------------------------------------------------------------------------------------

    private int read(Matcher place, ReceiptHandle handle) throws IOException {
        StoppedLog log = StoppedLog.open(task -> LogCommand.forEachStripe(data, (name, stripe) -> task.in(stripe)));
        if (handle != null) {
            TopicRecord record = log.topicOfQueue(handle.queueId());
            if (record == null) {
                throw new CliException(ExitCode.REFUSED, "the handle is of a queue that '" + data + "' does not have");
            }
            print(log.explain(record, RegistryNames.numberOf(record, handle.queueId()), handle.queueOffset()));
            return ExitCode.OK;
        }
        String name = topic != null ? topic : place.group(1);
        TopicRecord record = log.topic(name);
        if (record == null) {
            throw new CliException(ExitCode.REFUSED, "no topic '" + name + "' in '" + data + "'");
        }
        if (topic == null) {
            int queue = Integer.parseInt(place.group(2));
            if (queue >= record.queueIds().length) {
                throw CliException.usage("queue is " + queue + ", allowed is 0 to " + (record.queueIds().length - 1)
                        + " for topic '" + name + "'");
            }
            print(log.explain(record, queue, Long.parseLong(place.group(3))));
            return ExitCode.OK;
        }
        List<MessagePlace> found = log.find(record, text);
        for (MessagePlace one : found) {
            print(log.explain(record, one.queue(), one.offset()));
        }
        return foundOrNot(found);
    }

    // ---- the life ---------------------------------------------------------------------------------------------------

    private void print(MessageLife life) {
        shell.console().endProgress();
        if (isJson) {
            shell.console().println(Json.write(json(life)));
            return;
        }
        String node =
                life.place().node().isEmpty() ? "" : " on node " + life.place().node();
        shell.console().println(life.place() + node);
        TextTable table = new TextTable("time", "sequence", "event", "group", "attempt", "until", "level", "detail");
        for (LifeEvent event : life.events()) {
            boolean isDerived = event.kind() == LifeEvent.Kind.EXPIRED;
            table.row(
                    Instant.ofEpochMilli(event.atMillis()),
                    isDerived ? "" : String.valueOf(event.sequence()),
                    event.kind().text(),
                    event.group(),
                    event.attempt() == 0 ? "" : String.valueOf(event.attempt()),
                    event.untilMillis() == 0 ? "" : Instant.ofEpochMilli(event.untilMillis()),
                    isDerived ? "" : event.isDurable() ? "flushed" : "written",
                    detail(event));
        }
        table.lines().forEach(shell.console()::println);
        for (MessageLife.GroupLife group : life.groups()) {
            shell.console()
                    .println("group " + group.group() + ": " + group.state().text()
                            + (group.attempts() == 0
                                    ? ""
                                    : ", " + group.attempts() + (group.attempts() == 1 ? " attempt" : " attempts"))
                            + (group.untilMillis() == 0 ? "" : ", until " + Instant.ofEpochMilli(group.untilMillis())));
        }
        life.notes().forEach(note -> shell.console().say("forebay: " + note));
    }

    private static String detail(LifeEvent event) {
        return event.kind() == LifeEvent.Kind.POPPED
                ? "session " + Long.toUnsignedString(event.sessionId()) + ", " + event.detail()
                : event.detail();
    }

    private static Map<String, Object> json(MessageLife life) {
        Map<String, Object> json = new LinkedHashMap<>();
        json.put("node", life.place().node());
        json.put("topic", life.place().topic());
        json.put("queue", life.place().queue());
        json.put("offset", life.place().offset());
        json.put(
                "message",
                life.message() == null ? null : LookPrinter.json(life.place().node(), life.message()));
        List<Map<String, Object>> events = new ArrayList<>();
        for (LifeEvent event : life.events()) {
            Map<String, Object> one = new LinkedHashMap<>();
            one.put("event", event.kind());
            one.put("atMillis", event.atMillis());
            one.put("sequence", event.sequence());
            one.put("flushed", event.isDurable());
            one.put("group", event.group());
            one.put("attempt", event.attempt());
            one.put("session", Long.toUnsignedString(event.sessionId()));
            one.put("untilMillis", event.untilMillis());
            one.put("detail", event.detail());
            events.add(one);
        }
        json.put("events", events);
        List<Map<String, Object>> groups = new ArrayList<>();
        for (MessageLife.GroupLife group : life.groups()) {
            Map<String, Object> one = new LinkedHashMap<>();
            one.put("group", group.group());
            one.put("state", group.state());
            one.put("attempts", group.attempts());
            one.put("untilMillis", group.untilMillis());
            groups.add(one);
        }
        json.put("groups", groups);
        json.put("notes", life.notes());
        return json;
    }
}
