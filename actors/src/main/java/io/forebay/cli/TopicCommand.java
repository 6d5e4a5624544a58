package io.forebay.cli;

import io.forebay.client.ForebayClient;
import io.forebay.protocol.Quarantine;
import io.forebay.protocol.QueueDescription;
import io.forebay.protocol.TopicDescription;
import java.time.Instant;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.concurrent.Callable;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.Spec;

/** {@code forebay topic}. */
@Command(
        name = "topic",
        description = "Create, list, describe, change and delete topics.",
        synopsisSubcommandLabel = "COMMAND",
        subcommands = {
            TopicCommand.Create.class,
            TopicCommand.ListAll.class,
            TopicCommand.Describe.class,
            TopicCommand.Delete.class,
            SettingsCommands.TopicSet.class,
            SettingsCommands.TopicSettings.class,
            PurgeCommand.OfTopic.class,
            ReleaseCommand.class
        })
final class TopicCommand implements Callable<Integer> {
    @Spec
    private CommandSpec spec;

    @Override
    public Integer call() {
        throw new CommandLine.ParameterException(
                spec.commandLine(),
                "a command is missing: create, list, describe, settings, set, purge, release or delete");
    }

    /** One request to the node, and its answer printed. Also what the commands of groups are made of. */
    abstract static class Request implements Callable<Integer> {
        final Shell shell;

        @Mixin
        ConnectOptions connect;

        @Option(names = "--json", description = "Print JSON.")
        boolean isJson;

        Request(Shell shell) {
            this.shell = shell;
        }

        /** Checks what was given before anything is connected. */
        void check() {}

        abstract void request(NodeLink link, ForebayClient client) throws InterruptedException;

        @Override
        public final Integer call() throws InterruptedException {
            check();
            try (NodeLink link = NodeLink.brief(shell, connect)) {
                request(link, link.client());
            }
            return ExitCode.OK;
        }

        void printNames(List<String> names) {
            if (isJson) {
                shell.console().println(Json.write(names));
            } else {
                names.forEach(shell.console()::println);
            }
        }

        void print(TextTable table) {
            table.lines().forEach(shell.console()::println);
        }

        void printDone(String what, Map<String, Object> json) {
            shell.console().println(isJson ? Json.write(json) : what);
        }
    }

    /** {@code forebay topic create}. */
    @Command(name = "create", description = "Create a topic. Creating the same one again succeeds.")
    static final class Create extends Request {
        @Parameters(paramLabel = "TOPIC", description = "Its name.")
        private String topic;

        @Option(
                names = "--queues",
                paramLabel = "N",
                description = "Number of queues. Default: what the node is set to.")
        private Integer queueCount;

        @Option(
                names = "--set",
                paramLabel = "KEY=VALUE",
                description = "A setting of the topic. May be given several times.")
        private Map<String, String> settings = new LinkedHashMap<>();

        Create(Shell shell) {
            super(shell);
        }

        @Override
        void check() {
            Refusals.checkName("topic", topic);
            if (queueCount != null && queueCount < 1) {
                throw CliException.usage("--queues is " + queueCount + "; allowed is 1 or more");
            }
        }

        @Override
        void request(NodeLink link, ForebayClient client) throws InterruptedException {
            List<TopicDescription> created =
                    link.await(client.createTopic(topic, queueCount == null ? 0 : queueCount, settings));
            for (TopicDescription description : created) {
                printDone(
                        "topic " + topic + " with " + description.queues().size() + " queues on node "
                                + description.node(),
                        json(description));
            }
        }
    }

    /** {@code forebay topic list}. */
    @Command(name = "list", description = "List the names of all topics.")
    static final class ListAll extends Request {
        ListAll(Shell shell) {
            super(shell);
        }

        @Override
        void request(NodeLink link, ForebayClient client) throws InterruptedException {
            printNames(link.await(client.listTopics()));
        }
    }

    /** {@code forebay topic describe}. */
    @Command(name = "describe", description = "Show a topic's queues, groups and settings.")
    static final class Describe extends Request {
        @Parameters(paramLabel = "TOPIC", description = "Its name.")
        private String topic;

        Describe(Shell shell) {
            super(shell);
        }

        @Override
        void check() {
            Refusals.checkName("topic", topic);
        }

        @Override
        void request(NodeLink link, ForebayClient client) throws InterruptedException {
            for (TopicDescription description : link.await(client.describeTopic(topic))) {
                if (isJson) {
                    shell.console().println(Json.write(json(description)));
                    continue;
                }
                shell.console()
                        .println("topic " + description.topic() + " on node " + description.node() + ", created "
                                + Instant.ofEpochMilli(description.createdMillis()));
                shell.console()
                        .println("groups: "
                                + (description.groups().isEmpty() ? "none" : String.join(" ", description.groups())));
                shell.console()
                        .println("settings: version " + description.settingsVersion()
                                + (description.settings().isEmpty() ? ", all the node's" : ""));
                new TreeMap<>(description.settings())
                        .forEach((key, value) -> shell.console().println(key + " = " + value));
                TextTable table = new TextTable(
                        "queue", "stripe", "first offset", "next offset", "stored", "expired", "unreadable");
                for (QueueDescription queue : description.queues()) {
                    table.row(
                            queue.number(),
                            queue.stripe(),
                            queue.firstOffset(),
                            queue.nextOffset(),
                            queue.depth(),
                            queue.expired(),
                            queue.quarantined());
                }
                print(table);
                for (QueueDescription queue : description.queues()) {
                    queue.unserved()
                            .forEach(why -> shell.console().println("stopped: queue " + queue.number() + ", " + why));
                    queue.quarantines()
                            .forEach(bad -> shell.console()
                                    .println("unreadable: queue " + queue.number() + ", " + shown(bad, queue)));
                }
            }
        }

        private static String shown(Quarantine bad, QueueDescription queue) {
            String offsets = bad.count() == 1
                    ? "offset " + bad.firstOffset()
                    : "offsets " + bad.firstOffset() + " to " + (bad.firstOffset() + bad.count() - 1);
            String place = (bad.segment().isEmpty() ? "" : ", " + bad.segment())
                    + (bad.position() < 0 ? "" : ", position " + bad.position());
            boolean isStored = bad.firstOffset() + bad.count() > queue.firstOffset();
            return offsets + place + (isStored ? "" : ", not stored any more") + ", since "
                    + Instant.ofEpochMilli(bad.notedMillis()) + ": "
                    + bad.cause().text() + ", " + bad.reason();
        }
    }

    /** {@code forebay topic delete}. */
    @Command(name = "delete", description = "Delete a topic with all its messages.")
    static final class Delete extends Request {
        @Parameters(paramLabel = "TOPIC", description = "Its name.")
        private String topic;

        Delete(Shell shell) {
            super(shell);
        }

        @Override
        void check() {
            Refusals.checkName("topic", topic);
        }

        @Override
        void request(NodeLink link, ForebayClient client) throws InterruptedException {
            link.await(client.deleteTopic(topic));
            printDone("topic " + topic + " is deleted", Map.of("deleted", topic));
        }
    }

    private static Map<String, Object> json(TopicDescription description) {
        Map<String, Object> json = new LinkedHashMap<>();
        json.put("topic", description.topic());
        json.put("node", description.node());
        json.put("createdMillis", description.createdMillis());
        json.put("groups", description.groups());
        json.put("settings", new TreeMap<>(description.settings()));
        json.put("settingsVersion", description.settingsVersion());
        List<Map<String, Object>> queues = new ArrayList<>();
        for (QueueDescription queue : description.queues()) {
            Map<String, Object> one = new LinkedHashMap<>();
            one.put("queue", queue.number());
            one.put("stripe", queue.stripe());
            one.put("firstOffset", queue.firstOffset());
            one.put("nextOffset", queue.nextOffset());
            one.put("stored", queue.depth());
            one.put("expired", queue.expired());
            one.put("unreadable", queue.quarantined());
            one.put("stopped", queue.unserved());
            one.put(
                    "quarantines",
                    queue.quarantines().stream().map(TopicCommand::json).toList());
            queues.add(one);
        }
        json.put("queues", queues);
        return json;
    }

    private static Map<String, Object> json(Quarantine bad) {
        Map<String, Object> json = new LinkedHashMap<>();
        json.put("offset", bad.firstOffset());
        json.put("count", bad.count());
        json.put("cause", bad.cause().text());
        json.put("segment", bad.segment());
        json.put("position", bad.position());
        json.put("notedMillis", bad.notedMillis());
        json.put("reason", bad.reason());
        return json;
    }
}
