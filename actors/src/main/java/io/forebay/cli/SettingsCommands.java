package io.forebay.cli;

import io.forebay.cli.TopicCommand.Request;
import io.forebay.client.ForebayClient;
import io.forebay.protocol.SettingsChange;
import io.forebay.protocol.SettingsDescription;
import io.forebay.protocol.SettingsScope;
import java.net.InetAddress;
import java.net.UnknownHostException;
import java.time.Instant;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.TreeMap;
import java.util.concurrent.CompletionStage;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** The commands that show and change the settings of topics and groups while the node runs. */
final class SettingsCommands {
    private static final int HISTORY_MAX = 1000;

    private SettingsCommands() {}

    /** What they all are about: a topic or a group. */
    private abstract static class Named extends Request {
        @Parameters(index = "0", paramLabel = "NAME", description = "Its name.")
        String name;

        final SettingsScope scope;

        Named(Shell shell, SettingsScope scope) {
            super(shell);
            this.scope = scope;
        }

        @Override
        void check() {
            Refusals.checkName(word(scope), name);
        }
    }

    /** What every change says besides the settings. */
    private abstract static class Change extends Named {
        @Option(
                names = "--expect",
                paramLabel = "VERSION",
                description = "Change nothing unless the settings have this version, as shown by 'settings'.")
        private Long expectedVersion;

        @Option(
                names = "--who",
                paramLabel = "NAME",
                description = "Who is said to have changed them. Default: user@host.")
        private String who;

        Change(Shell shell, SettingsScope scope) {
            super(shell, scope);
        }

        abstract Map<String, String> changes();

        @Override
        final void check() {
            super.check();
            if (expectedVersion != null && expectedVersion < 1) {
                throw CliException.usage("--expect is " + expectedVersion + "; allowed is 1 or more");
            }
            changes();
        }

        @Override
        final void request(NodeLink link, ForebayClient client) throws InterruptedException {
            Map<String, String> changes = changes();
            long expected = expectedVersion == null ? 0 : expectedVersion;
            String by = who == null ? userAtHost() : who;
            CompletionStage<List<SettingsDescription>> changed = scope == SettingsScope.TOPIC
                    ? client.changeTopicSettings(name, changes, expected, by)
                    : client.changeGroupSettings(name, changes, expected, by);
            for (SettingsDescription one : link.await(changed)) {
                if (isJson) {
                    shell.console().println(Json.write(json(one, false)));
                    continue;
                }
                shell.console().println(heading(one));
                changes.keySet()
                        .forEach(key -> shell.console()
                                .println(key + " = " + one.effective().getOrDefault(key, "")
                                        + (one.own().containsKey(key) || key.equals("queues") ? "" : " (the node's)")));
            }
        }
    }

    /** {@code set}. */
    private abstract static class Set extends Change {
        @Parameters(
                index = "1..*",
                arity = "0..*",
                paramLabel = "KEY=VALUE",
                description = "Settings and what they become. An empty value is as --unset.")
        private List<String> assignments = new ArrayList<>();

        @Option(
                names = "--unset",
                paramLabel = "KEY",
                description = "A setting that goes back to the node's default. May be given several times.")
        private List<String> unset = new ArrayList<>();

        Set(Shell shell, SettingsScope scope) {
            super(shell, scope);
        }

        @Override
        final Map<String, String> changes() {
            Map<String, String> changes = new TreeMap<>();
            unset.forEach(key -> put(changes, key, ""));
            for (String assignment : assignments) {
                int equals = assignment.indexOf('=');
                if (equals < 1) {
                    throw CliException.usage("'" + assignment + "' is no setting; allowed is KEY=VALUE");
                }
                put(
                        changes,
                        assignment.substring(0, equals).strip(),
                        assignment.substring(equals + 1).strip());
            }
            if (changes.isEmpty()) {
                throw CliException.usage("nothing is to be changed; give KEY=VALUE or --unset KEY");
            }
            return changes;
        }

        private static void put(Map<String, String> changes, String key, String value) {
            if (changes.put(key, value) != null) {
                throw CliException.usage("the setting '" + key + "' is given twice");
            }
        }
    }

    /** {@code settings}. */
    private abstract static class Show extends Named {
        @Option(names = "--history", description = "Also show the last changes: who, when and what, newest first.")
        private boolean isHistoryAsked;

        Show(Shell shell, SettingsScope scope) {
            super(shell, scope);
        }

        @Override
        final void request(NodeLink link, ForebayClient client) throws InterruptedException {
            int historyMax = isHistoryAsked ? HISTORY_MAX : 0;
            for (SettingsDescription one : link.await(
                    scope == SettingsScope.TOPIC
                            ? client.topicSettings(name, historyMax)
                            : client.groupSettings(name, historyMax))) {
                if (isJson) {
                    shell.console().println(Json.write(json(one, isHistoryAsked)));
                    continue;
                }
                shell.console().println(heading(one));
                print(values(one));
                if (isHistoryAsked) {
                    print(history(one));
                }
            }
        }

        private static TextTable values(SettingsDescription one) {
            TextTable table = new TextTable("setting", "value", "set by");
            one.effective()
                    .forEach((key, value) -> table.row(
                            key,
                            value.isEmpty() ? "-" : value,
                            one.own().containsKey(key) || key.equals("queues") ? word(one.scope()) : "node"));
            return table;
        }

        private static TextTable history(SettingsDescription one) {
            TextTable table = new TextTable("version", "when", "who", "setting", "was", "became");
            for (SettingsChange change : one.history()) {
                change.after()
                        .forEach((key, after) -> table.row(
                                change.version(),
                                Instant.ofEpochMilli(change.changedMillis()),
                                change.who().isEmpty() ? "-" : change.who(),
                                key,
                                shown(change.before().get(key)),
                                shown(after)));
            }
            return table;
        }

        private static String shown(String value) {
            return value == null || value.isEmpty() ? "(the node's)" : value;
        }
    }

    /** {@code forebay topic set}. */
    @Command(
            name = "set",
            description = {
                "Change settings of a topic while it is used: all of them or, if one is refused, none.",
                "'forebay topic settings NAME' lists those there are. queues=N gives it more queues."
            })
    static final class TopicSet extends Set {
        TopicSet(Shell shell) {
            super(shell, SettingsScope.TOPIC);
        }
    }

    /** {@code forebay topic settings}. */
    @Command(name = "settings", description = "Show all settings of a topic: the value that holds and who has set it.")
    static final class TopicSettings extends Show {
        TopicSettings(Shell shell) {
            super(shell, SettingsScope.TOPIC);
        }
    }

    /** {@code forebay group set}. */
    @Command(
            name = "set",
            description = {
                "Change settings of a group while it is used: all of them or, if one is refused, none.",
                "'forebay group settings NAME' lists those there are."
            })
    static final class GroupSet extends Set {
        GroupSet(Shell shell) {
            super(shell, SettingsScope.GROUP);
        }
    }

    /** {@code forebay group settings}. */
    @Command(name = "settings", description = "Show all settings of a group: the value that holds and who has set it.")
    static final class GroupSettings extends Show {
        GroupSettings(Shell shell) {
            super(shell, SettingsScope.GROUP);
        }
    }

    /** {@code pause} and {@code resume}. */
    private abstract static class Switch extends Change {
        private final String paused;

        Switch(Shell shell, String paused) {
            super(shell, SettingsScope.GROUP);
            this.paused = paused;
        }

        @Override
        final Map<String, String> changes() {
            return Map.of("paused", paused);
        }
    }

    /** {@code forebay group pause}. */
    @Command(
            name = "pause",
            description =
                    "Let nothing go out to a group until it is resumed; what is out can be acked. Is set paused=on.")
    static final class GroupPause extends Switch {
        GroupPause(Shell shell) {
            super(shell, "on");
        }
    }

    /** {@code forebay group resume}. */
    @Command(name = "resume", description = "Let messages go out to a group again. Is set --unset paused.")
    static final class GroupResume extends Switch {
        GroupResume(Shell shell) {
            super(shell, "");
        }
    }

    private static String word(SettingsScope scope) {
        return scope.name().toLowerCase(Locale.ROOT);
    }

    private static String heading(SettingsDescription one) {
        return word(one.scope()) + " " + one.name() + " on node " + one.node() + ", version " + one.version()
                + " of its settings";
    }

    private static Map<String, Object> json(SettingsDescription one, boolean isWithHistory) {
        Map<String, Object> json = new LinkedHashMap<>();
        json.put(word(one.scope()), one.name());
        json.put("node", one.node());
        json.put("version", one.version());
        json.put("own", new TreeMap<>(one.own()));
        json.put("settings", new TreeMap<>(one.effective()));
        if (isWithHistory) {
            List<Map<String, Object>> history = new ArrayList<>();
            for (SettingsChange change : one.history()) {
                Map<String, Object> item = new LinkedHashMap<>();
                item.put("version", change.version());
                item.put("changedMillis", change.changedMillis());
                item.put("who", change.who());
                item.put("before", new TreeMap<>(change.before()));
                item.put("after", new TreeMap<>(change.after()));
                history.add(item);
            }
            json.put("history", history);
        }
        return json;
    }

    private static String userAtHost() {
        String user = System.getProperty("user.name", "");
        try {
            return user + "@" + InetAddress.getLocalHost().getHostName();
        } catch (UnknownHostException e) {
            // A machine that does not know its own name.
            return user;
        }
    }
}
