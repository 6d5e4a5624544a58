package io.forebay.cli;

import io.forebay.cli.TopicCommand.Request;
import io.forebay.client.ForebayClient;
import io.forebay.protocol.BlockedQueue;
import io.forebay.protocol.GroupDescription;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.concurrent.Callable;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.Spec;

/** {@code forebay group}. */
@Command(
        name = "group",
        description = "Create, list, describe, change and delete consumer groups.",
        synopsisSubcommandLabel = "COMMAND",
        subcommands = {
            GroupCommand.Create.class,
            GroupCommand.ListAll.class,
            GroupCommand.Describe.class,
            GroupCommand.Delete.class,
            ParkedCommands.ListAll.class,
            ParkedCommands.Unpark.class,
            SettingsCommands.GroupSet.class,
            SettingsCommands.GroupSettings.class,
            SettingsCommands.GroupPause.class,
            SettingsCommands.GroupResume.class,
            SeekCommand.class,
            PurgeCommand.OfGroup.class
        })
final class GroupCommand implements Callable<Integer> {
    @Spec
    private CommandSpec spec;

    @Override
    public Integer call() {
        throw new CommandLine.ParameterException(
                spec.commandLine(),
                "a command is missing: create, list, describe, settings, set, pause, resume, parked, unpark, seek, purge"
                        + " or delete");
    }

    /** Nodes may have been told different things. */
    private static String either(String one, String other) {
        return (" | " + one + " | ").contains(" | " + other + " | ") ? one : one + " | " + other;
    }

    /** {@code forebay group create}. */
    @Command(
            name = "create",
            description = "Create a consumer group that sees every message of a topic. Creating it again succeeds.")
    static final class Create extends Request {
        @Parameters(paramLabel = "GROUP", description = "Its name.")
        private String group;

        @Option(names = "--topic", paramLabel = "TOPIC", required = true, description = "The topic it consumes.")
        private String topic;

        @Option(
                names = "--set",
                paramLabel = "KEY=VALUE",
                description = "A setting of the group. May be given several times.")
        private Map<String, String> settings = new LinkedHashMap<>();

        Create(Shell shell) {
            super(shell);
        }

        @Override
        void check() {
            Refusals.checkName("group", group);
            Refusals.checkName("topic", topic);
        }

        @Override
        void request(NodeLink link, ForebayClient client) throws InterruptedException {
            link.await(client.createGroup(group, topic, settings));
            Map<String, Object> json = new LinkedHashMap<>();
            json.put("group", group);
            json.put("topic", topic);
            printDone("group " + group + " of topic " + topic, json);
        }
    }

    /** {@code forebay group list}. */
    @Command(name = "list", description = "List the names of groups.")
    static final class ListAll extends Request {
        @Option(names = "--topic", paramLabel = "TOPIC", description = "Only the groups of this topic.")
        private String topic;

        ListAll(Shell shell) {
            super(shell);
        }

        @Override
        void check() {
            if (topic != null) {
                Refusals.checkName("topic", topic);
            }
        }

        @Override
        void request(NodeLink link, ForebayClient client) throws InterruptedException {
            printNames(link.await(client.listGroups(topic == null ? "" : topic)));
        }
    }

    /** {@code forebay group describe}. */
    @Command(
            name = "describe",
            description =
                    "Show where a group stands in each topic: what is not settled (depth), in flight, waits to come"
                            + " again, came again, became a dead letter, was filtered out or dropped unseen (purged), the age of"
                            + " the oldest message that is not settled, and what holds it up.")
    static final class Describe extends Request {
        @Parameters(paramLabel = "GROUP", description = "Its name.")
        private String group;

        @Option(names = "--topic", paramLabel = "TOPIC", description = "Only in this topic.")
        private String topic;

        Describe(Shell shell) {
            super(shell);
        }

        @Override
        void check() {
            Refusals.checkName("group", group);
            if (topic != null) {
                Refusals.checkName("topic", topic);
            }
        }

        @Override
        void request(NodeLink link, ForebayClient client) throws InterruptedException {
            TextTable table = new TextTable(
                    "topic",
                    "node",
                    "depth",
                    "in flight",
                    "waiting",
                    "redelivered",
                    "dead-lettered",
                    "parked keys",
                    "filtered",
                    "purged",
                    "oldest",
                    "sessions");
            Map<String, String> settings = new TreeMap<>();
            List<String> notes = new ArrayList<>();
            for (GroupDescription one : link.await(client.describeGroup(group, topic == null ? "" : topic))) {
                if (isJson) {
                    shell.console().println(Json.write(json(one)));
                } else {
                    one.settings().forEach((key, value) -> settings.merge(key, value, GroupCommand::either));
                    table.row(
                            one.topic(),
                            one.node(),
                            one.depth(),
                            one.inFlight(),
                            one.waitingRedelivery(),
                            one.redelivered(),
                            one.deadLettered(),
                            one.parkedKeys(),
                            one.filtered(),
                            one.purged(),
                            Durations.glance(one.oldestAgeMillis() * 1_000_000),
                            one.sessions());
                    notes(one).forEach(notes::add);
                }
            }
            if (!isJson) {
                print(table);
                notes.forEach(shell.console()::println);
                settings.forEach((key, value) -> shell.console().println(key + " = " + value));
            }
        }

        /** What holds it up. */
        private static List<String> notes(GroupDescription one) {
            List<String> notes = new ArrayList<>();
            String where = "topic " + one.topic() + " on " + one.node() + ": ";
            if (one.isPaused()) {
                notes.add(where + "paused, nothing goes out (forebay group resume " + one.group() + ")");
            }
            if (one.isBreakerOpen()) {
                notes.add(where + "slowed down, too many attempts fail (breaker)");
            }
            if (one.parkedKeys() > 0) {
                notes.add(where + one.parkedKeys() + (one.parkedKeys() == 1 ? " key waits" : " keys wait")
                        + " for an operator (forebay group parked " + one.group() + ")");
            }
            for (BlockedQueue queue : one.blocked()) {
                notes.add(where + "queue " + queue.queue() + " waits for its oldest message, offset " + queue.offset()
                        + (queue.messageGroup().isEmpty()
                                ? ""
                                : " of key " + ParkedCommands.shown(queue.messageGroup())));
            }
            return notes;
        }

        private static Map<String, Object> json(GroupDescription one) {
            Map<String, Object> json = new LinkedHashMap<>();
            json.put("group", one.group());
            json.put("topic", one.topic());
            json.put("node", one.node());
            json.put("depth", one.depth());
            json.put("inFlight", one.inFlight());
            json.put("waitingRedelivery", one.waitingRedelivery());
            json.put("redelivered", one.redelivered());
            json.put("deadLettered", one.deadLettered());
            json.put("parkedKeys", one.parkedKeys());
            json.put("filtered", one.filtered());
            json.put("purged", one.purged());
            json.put("waitingPops", one.waitingPops());
            json.put("paused", one.isPaused());
            json.put("breakerOpen", one.isBreakerOpen());
            json.put(
                    "blocked",
                    one.blocked().stream()
                            .map(queue -> Map.of(
                                    "queue", queue.queue(), "offset", queue.offset(), "key", queue.messageGroup()))
                            .toList());
            json.put("oldestAgeMillis", one.oldestAgeMillis());
            json.put("sessions", one.sessions());
            json.put("settings", new TreeMap<>(one.settings()));
            json.put("settingsVersion", one.settingsVersion());
            return json;
        }
    }

    /** {@code forebay group delete}. */
    @Command(name = "delete", description = "Delete a group, and where it stands in all its topics.")
    static final class Delete extends Request {
        @Parameters(paramLabel = "GROUP", description = "Its name.")
        private String group;

        Delete(Shell shell) {
            super(shell);
        }

        @Override
        void check() {
            Refusals.checkName("group", group);
        }

        @Override
        void request(NodeLink link, ForebayClient client) throws InterruptedException {
            link.await(client.deleteGroup(group));
            printDone("group " + group + " is deleted", Map.of("deleted", group));
        }
    }
}
