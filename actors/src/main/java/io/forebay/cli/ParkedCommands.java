package io.forebay.cli;

import io.forebay.cli.TopicCommand.Request;
import io.forebay.client.ForebayClient;
import io.forebay.protocol.ParkedKey;
import io.forebay.protocol.UnparkHow;
import java.time.Instant;
import java.util.LinkedHashMap;
import java.util.Map;
import picocli.CommandLine.ArgGroup;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** The commands about keys that wait behind a message that has failed too often. */
final class ParkedCommands {
    private static final int TEXT_CHARS_MAX = 200;

    private ParkedCommands() {}

    /** {@code forebay group parked}. */
    @Command(
            name = "parked",
            description = {
                "List the parked keys of an ordered group: the message that failed too often, its attempts, since when and why, and how"
                        + " many messages wait behind it.",
                "All other keys go on. 'group unpark' lets a parked one go on."
            })
    static final class ListAll extends Request {
        @Parameters(paramLabel = "GROUP", description = "The consumer group.")
        private String group;

        @Option(names = "--topic", paramLabel = "TOPIC", description = "Only in this topic.")
        private String topic;

        ListAll(Shell shell) {
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
            TextTable table =
                    new TextTable("key", "topic", "queue", "offset", "attempts", "since", "behind it", "reason");
            for (ParkedKey key : link.await(client.parkedKeys(group, topic == null ? "" : topic))) {
                if (isJson) {
                    shell.console().println(Json.write(json(key)));
                } else {
                    table.row(
                            shown(key.messageGroup()),
                            key.topic(),
                            key.queue(),
                            key.blockedOffset(),
                            key.attempts(),
                            Instant.ofEpochMilli(key.parkedMillis()),
                            key.waitingCount(),
                            shown(key.reason()));
                }
            }
            if (!isJson) {
                print(table);
            }
        }

        private Map<String, Object> json(ParkedKey key) {
            Map<String, Object> json = new LinkedHashMap<>();
            json.put("group", group);
            json.put("topic", key.topic());
            json.put("node", key.node());
            json.put("queue", key.queue());
            json.put("key", key.messageGroup());
            json.put("offset", key.blockedOffset());
            json.put("attempts", key.attempts());
            json.put("parkedMillis", key.parkedMillis());
            json.put("reason", key.reason());
            json.put("waiting", key.waitingCount());
            return json;
        }
    }

    /** {@code forebay group unpark}. */
    @Command(
            name = "unpark",
            description =
                    "Let parked keys go on: their blocked message is tried again, dropped, or becomes a dead letter.")
    static final class Unpark extends Request {
        @Parameters(paramLabel = "GROUP", description = "The consumer group.")
        private String group;

        @Option(names = "--topic", paramLabel = "TOPIC", required = true, description = "The topic.")
        private String topic;

        @ArgGroup(multiplicity = "1")
        private Which which;

        @ArgGroup(multiplicity = "1")
        private How how;

        /** Exactly one of these. */
        private static final class Which {
            @Option(names = "--key", paramLabel = "K", description = "This key.")
            private String key;

            @Option(names = "--all", description = "Every parked key of the group in that topic.")
            private boolean isAll;
        }

        /** Exactly one of these. */
        private static final class How {
            @Option(names = "--retry", description = "The blocked message goes out again, its attempts counted anew.")
            private boolean isRetry;

            @Option(names = "--drop", description = "Nobody gets the blocked message any more.")
            private boolean isDrop;

            @Option(names = "--dead-letter", description = "The blocked message becomes a dead letter.")
            private boolean isDeadLetter;

            UnparkHow get() {
                return isRetry ? UnparkHow.RETRY : isDrop ? UnparkHow.DROP : UnparkHow.DEAD_LETTER;
            }
        }

        Unpark(Shell shell) {
            super(shell);
        }

        @Override
        void check() {
            Refusals.checkName("group", group);
            Refusals.checkName("topic", topic);
            if (which.key != null && which.key.isEmpty()) {
                throw CliException.usage("--key is empty; a message without a key is never parked");
            }
        }

        @Override
        void request(NodeLink link, ForebayClient client) throws InterruptedException {
            int count = link.await(client.unpark(group, topic, which.key == null ? "" : which.key, how.get()));
            printDone(count + (count == 1 ? " key goes on" : " keys go on"), Map.of("unparked", count));
        }
    }

    /** A foreign text as part of a line. */
    static String shown(String text) {
        StringBuilder shown = new StringBuilder();
        text.chars().limit(TEXT_CHARS_MAX).forEach(c -> shown.append(Character.isISOControl(c) ? '?' : (char) c));
        return text.length() > TEXT_CHARS_MAX ? shown.append('…').toString() : shown.toString();
    }
}
