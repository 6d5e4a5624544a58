package io.forebay.bench;

import akka.actor.typed.ActorSystem;
import io.forebay.client.ForebayClient;
import io.forebay.protocol.Durability;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.TimeUnit;

/**
 * What each feature costs: the plain run in-process at WRITTEN, and the same with one thing added, one after the other in
 * several rounds. A row's share is the median of what it reached of the plain run of the same round.
 */
final class Features {
    private static final int QUEUES = 8;

    /**
     * @param part of the plain run's number of messages that is enough here
     * @param note what is different from the plain run
     */
    private record Feature(
            String name,
            int queues,
            Map<String, String> topicSettings,
            Map<String, String> groupSettings,
            Traffic traffic,
            double part,
            String note) {
        static Feature of(String name, Traffic traffic, String note) {
            return new Feature(name, QUEUES, Map.of(), Map.of(), traffic, 1, note);
        }

        Feature queues(int count) {
            return new Feature(name, count, topicSettings, groupSettings, traffic, part, note);
        }

        Feature topic(String setting, String value) {
            return new Feature(name, queues, Map.of(setting, value), groupSettings, traffic, part, note);
        }

        Feature group(String setting, String value) {
            return new Feature(name, queues, topicSettings, Map.of(setting, value), traffic, part, note);
        }

        Feature part(double value) {
            return new Feature(name, queues, topicSettings, groupSettings, traffic, value, note);
        }
    }

    static final String PLAIN = "plain";
    private static final String PUSH = "push";

    private static final List<Feature> ALL = List.of(
            Feature.of(PLAIN, Traffic.PLAIN, "8 queues, one group, as in-process"),
            Feature.of("ordered-1000", Traffic.keyed(1_000), "ordered group, 1,000 keys")
                    .group("ordered", "on"),
            Feature.of(
                            "ordered-1",
                            Traffic.keyed(1),
                            "ordered group, one key: each message waits for the ack before it")
                    .group("ordered", "on")
                    .part(0.01),
            Feature.of("tag-all", Traffic.dressed((message, number) -> message.tag("a")), "tag filter that wants all")
                    .group("filter", "tag: a || b"),
            Feature.of(
                            "tag-10",
                            Traffic.oneInTen((message, number) -> message.tag(Traffic.isTenth(number) ? "a" : "c")),
                            "tag filter that wants 10 %; all sent ones count")
                    .group("filter", "tag: a || b"),
            Feature.of(
                            "sql-all",
                            Traffic.dressed((message, number) ->
                                    message.property("region", "eu").property("amount", "120")),
                            "SQL filter over two properties that wants all")
                    .group("filter", "sql: region = 'eu' AND amount > 100"),
            Feature.of(
                            "sql-10",
                            Traffic.oneInTen((message, number) -> message.property("region", "eu")
                                    .property("amount", Traffic.isTenth(number) ? "120" : "80")),
                            "SQL filter over two properties that wants 10 %; all sent ones count")
                    .group("filter", "sql: region = 'eu' AND amount > 100"),
            Feature.of("dedup-id", Traffic.PLAIN, "deduplication by message id").topic("deduplication", "message-id"),
            Feature.of(
                            "dedup-producer",
                            Traffic.dressed((message, number) -> message.producer(1, number)),
                            "deduplication by producer and sequence")
                    .topic("deduplication", "producer"),
            Feature.of(PUSH, Traffic.PLAIN, "pushed to one subscription with as many credits as the Pops would take")
                    .group("delivery", "push"),
            Feature.of("queues-600", Traffic.PLAIN, "600 queues instead of 8").queues(600));

    /** What the node must allow for all of it. */
    static final Map<String, String> NODE_SETTINGS = Map.of("forebay.topic.queues-max", "1024");

    /**
     * @param messages of a run of one round
     * @param pacedPerSecond rate at which times are taken
     */
    record Sizes(int rounds, int messages, int warmUp, int pacedPerSecond, int pacedMessages) {}

    private static final class Row {
        final Feature feature;
        final List<Double> perSecond = new ArrayList<>();
        final List<Double> ofPlain = new ArrayList<>();
        Load.Outcome paced;

        Row(Feature feature) {
            this.feature = feature;
        }
    }

    private final ActorSystem<?> system;
    private final ForebayClient client;
    private final Sizes sizes;
    private final int bodyBytes;
    private boolean isGood = true;

    /** @param system the node's and the client's */
    Features(ActorSystem<?> system, ForebayClient client, Sizes sizes, int bodyBytes) {
        this.system = system;
        this.client = client;
        this.sizes = sizes;
        this.bodyBytes = bodyBytes;
    }

    static List<String> names() {
        return ALL.stream().map(Feature::name).toList();
    }

    /** Runs the named ones beside the plain one, prints the table, and says whether nothing went wrong. */
    boolean run(Set<String> names) throws Exception {
        Map<String, Row> rows = new LinkedHashMap<>();
        for (Feature feature : ALL) {
            if (feature.name.equals(PLAIN) || names.contains(feature.name)) {
                rows.put(feature.name, new Row(feature));
            }
        }
        for (Row row : rows.values()) {
            load(row.feature, "warm-up", (int) (sizes.warmUp * row.feature.part), 0);
        }
        for (int round = 1; round <= sizes.rounds; round++) {
            for (Row row : rows.values()) {
                double perSecond = load(row.feature, "round-" + round, count(row.feature), 0)
                        .perSecond();
                row.perSecond.add(perSecond);
                row.ofPlain.add(perSecond / rows.get(PLAIN).perSecond.get(round - 1));
            }
        }
        for (Row row : rows.values()) {
            // One key at a time keeps up with no such rate.
            if (row.feature.part == 1) {
                row.paced = load(row.feature, "paced", sizes.pacedMessages, sizes.pacedPerSecond);
            }
        }
        print(rows.values().stream().toList());
        return isGood;
    }

    private int count(Feature feature) {
        return (int) (sizes.messages * feature.part);
    }

    private Load.Outcome load(Feature feature, String run, int count, int perSecond) throws Exception {
        String topic = feature.name + "-" + run;
        String group = topic + "-group";
        client.createTopic(topic, feature.queues, feature.topicSettings)
                .toCompletableFuture()
                .get(60, TimeUnit.SECONDS);
        client.createGroup(group, topic, feature.groupSettings)
                .toCompletableFuture()
                .get(60, TimeUnit.SECONDS);
        Load.Plan plan =
                FeatureBenchmark.plan(topic, group, Durability.WRITTEN, feature.traffic, bodyBytes, count, perSecond);
        Load.Outcome outcome =
                feature.name.equals(PUSH) ? Load.runPushed(system, client, plan) : Load.run(client, plan);
        client.deleteTopic(topic).toCompletableFuture().get(60, TimeUnit.SECONDS);
        client.deleteGroup(group)
                .exceptionally(gone -> null)
                .toCompletableFuture()
                .get(60, TimeUnit.SECONDS);
        isGood &= outcome.verdict().isGood();
        System.out.printf(Locale.ROOT, "%s: %,.0f messages/s; %s%n", topic, outcome.perSecond(), outcome.verdict());
        return outcome;
    }

    private void print(List<Row> rows) {
        System.out.println();
        System.out.printf(
                "%-14s %12s %9s %12s %12s %12s %12s  %s%n",
                "WRITTEN", "messages/s", "of plain", "send p50", "send p99", "total p50", "total p99", "");
        for (Row row : rows) {
            System.out.printf(
                    Locale.ROOT,
                    "%-14s %,12.0f %8.1f%% %s  %s%n",
                    row.feature.name,
                    median(row.perSecond),
                    median(row.ofPlain) * 100,
                    row.paced == null ? " ".repeat(51) : times(row.paced),
                    row.feature.note);
        }
        System.out.printf(
                Locale.ROOT,
                "Medians of %d rounds of %,d messages; times at %,d messages/s. Keys, tags and properties are bytes, too.%n%n",
                sizes.rounds,
                sizes.messages,
                sizes.pacedPerSecond);
    }

    private static String times(Load.Outcome paced) {
        return String.format(
                Locale.ROOT,
                "%9.3f ms %9.3f ms %9.3f ms %9.3f ms",
                paced.sendMicros().getValueAtPercentile(50) / 1000.0,
                paced.sendMicros().getValueAtPercentile(99) / 1000.0,
                paced.totalMicros().getValueAtPercentile(50) / 1000.0,
                paced.totalMicros().getValueAtPercentile(99) / 1000.0);
    }

    private static double median(List<Double> values) {
        double[] sorted = values.stream().mapToDouble(Double::doubleValue).toArray();
        Arrays.sort(sorted);
        int middle = sorted.length / 2;
        return sorted.length % 2 == 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
    }
}
