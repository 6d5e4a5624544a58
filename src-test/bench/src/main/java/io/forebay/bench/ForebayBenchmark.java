package io.forebay.bench;

import akka.actor.typed.ActorSystem;
import akka.actor.typed.javadsl.Behaviors;
import com.typesafe.config.ConfigFactory;
import io.forebay.client.ForebayClient;
import io.forebay.client.Target;
import io.forebay.node.Forebay;
import io.forebay.protocol.Durability;
import io.forebay.storage.log.WrittenBytes;
import io.forebay.store.ForebayStorage;
import io.forebay.store.StripeHandle;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashSet;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;

/**
 * The benchmark: messages per second and times of send + pop + ack, in-process and from a second JVM, at WRITTEN and at
 * FLUSHED, beside a single thread that appends to a mapped file with a CRC-32C in the same run; what each {@link Features
 * feature} costs; and what is {@link Amplification written} for each message. Each run checks that nothing is lost, doubled
 * or altered, and the order of keys; the exit code is 1 if anything was.
 */
public final class ForebayBenchmark {
    private static final int BODY_BYTES = 300;
    private static final int QUEUES = 8;

    /**
     * @param messages of a run at full speed
     * @param warmUp messages before it
     * @param pacedPerSecond rate at which times are measured
     * @param pacedMessages messages of that run
     */
    private record Sizes(
            int messages,
            int warmUp,
            int pacedPerSecond,
            int pacedMessages,
            long mapped,
            Features.Sizes features,
            Amplification.Sizes amplification) {
        static final Sizes FULL = new Sizes(
                2_000_000,
                500_000,
                10_000,
                100_000,
                10_000_000,
                new Features.Sizes(5, 600_000, 200_000, 10_000, 50_000),
                new Amplification.Sizes(1_500_000, 20_000));
        static final Sizes QUICK = new Sizes(
                200_000,
                50_000,
                5_000,
                10_000,
                2_000_000,
                new Features.Sizes(1, 50_000, 20_000, 5_000, 5_000),
                new Amplification.Sizes(50_000, 500));
    }

    private static final String IN_PROCESS = "in-process";
    private static final String SECOND_JVM = "second-jvm";
    private static final String AMPLIFICATION = "amplification";

    private record Row(String where, Durability level, Load.Outcome full, Load.Outcome paced) {}

    private final Path directory;
    private final Sizes sizes;
    private final List<Row> rows = new ArrayList<>();

    private ForebayBenchmark(Path directory, Sizes sizes) {
        this.directory = directory;
        this.sizes = sizes;
    }

    public static void main(String[] arguments) throws Exception {
        Sizes sizes = Sizes.FULL;
        Path directory = null;
        List<String> parts = List.of(IN_PROCESS, SECOND_JVM);
        for (int i = 0; i < arguments.length; i++) {
            switch (arguments[i]) {
                case "--quick" -> sizes = Sizes.QUICK;
                case "--dir" -> directory = Path.of(value(arguments, ++i));
                case "--features" -> parts = featureParts();
                case "--only" -> parts = List.of(value(arguments, ++i).split(","));
                default -> usage(arguments[i]);
            }
        }
        for (String part : parts) {
            if (!allParts().contains(part)) {
                usage(part);
            }
        }
        boolean isOurs = directory == null;
        if (isOurs) {
            directory = Files.createTempDirectory("forebay-bench");
        }
        boolean isGood;
        try {
            isGood = new ForebayBenchmark(directory, sizes).run(parts);
        } finally {
            if (isOurs) {
                delete(directory);
            }
        }
        System.exit(isGood ? 0 : 1);
    }

    private static String value(String[] arguments, int index) {
        if (index == arguments.length) {
            usage("");
        }
        return arguments[index];
    }

    private static void usage(String wrong) {
        System.err.println((wrong.isEmpty() ? "" : "unknown: " + wrong + "\n")
                + "usage: [--quick] [--dir DIRECTORY] [--features | --only PART,...]\nparts: "
                + String.join(", ", allParts()));
        System.exit(2);
    }

    private static List<String> allParts() {
        List<String> all = new ArrayList<>(List.of(IN_PROCESS, SECOND_JVM));
        all.addAll(featureParts());
        return all;
    }

    private static List<String> featureParts() {
        List<String> parts = new ArrayList<>(Features.names());
        parts.add(AMPLIFICATION);
        return parts;
    }

    private boolean run(List<String> parts) throws Exception {
        System.out.printf(
                "%d cores, JDK %s, %d-byte bodies, data in %s%n",
                Runtime.getRuntime().availableProcessors(), Runtime.version(), BODY_BYTES, directory);
        boolean isGood = true;
        if (parts.contains(IN_PROCESS) || parts.contains(SECOND_JVM)) {
            isGood &= runBesideMap(parts);
        }
        Set<String> features = new HashSet<>(parts);
        features.retainAll(Features.names());
        if (!features.isEmpty()) {
            isGood &= inProcess(
                    "features",
                    Features.NODE_SETTINGS,
                    (system, client) -> new Features(system, client, sizes.features, BODY_BYTES).run(features));
        }
        if (parts.contains(AMPLIFICATION)) {
            isGood &= inProcess(
                    AMPLIFICATION,
                    Map.of(),
                    (system, client) -> new Amplification(
                                    client, () -> writtenBytes(system), sizes.amplification, BODY_BYTES)
                            .run());
        }
        System.out.println(
                isGood ? "lost 0, duplicated 0, altered 0, order breaks 0 in every run" : "NOT GOOD, see above");
        return isGood;
    }

    private static WrittenBytes writtenBytes(ActorSystem<?> system) {
        long[] sums = new long[5];
        for (StripeHandle stripe : ForebayStorage.get(system).stripes()) {
            WrittenBytes bytes = stripe.log().writtenBytes();
            sums[0] += bytes.messages();
            sums[1] += bytes.groups();
            sums[2] += bytes.checkpoints();
            sums[3] += bytes.moved();
            sums[4] += bytes.others();
        }
        return new WrittenBytes(sums[0], sums[1], sums[2], sums[3], sums[4]);
    }

    private boolean runBesideMap(List<String> parts) throws Exception {
        double mapped = MappedAppend.run(directory, BODY_BYTES, sizes.mapped);
        System.out.printf(Locale.ROOT, "mapped append with CRC-32C, one thread: %,.0f messages/s%n", mapped);
        if (parts.contains(IN_PROCESS)) {
            inProcess(IN_PROCESS, Map.of(), (system, client) -> {
                measure(IN_PROCESS, client);
                return true;
            });
        }
        if (parts.contains(SECOND_JVM)) {
            secondJvm();
        }
        System.out.println();
        System.out.printf(
                "%-12s %-8s %14s %8s %12s %12s %12s %12s%n",
                "", "level", "messages/s", "of map", "send p50", "send p99", "total p50", "total p99");
        boolean isGood = true;
        for (Row row : rows) {
            System.out.printf(
                    Locale.ROOT,
                    "%-12s %-8s %,14.0f %7.1f%% %9.3f ms %9.3f ms %9.3f ms %9.3f ms%n",
                    row.where,
                    row.level,
                    row.full.perSecond(),
                    row.full.perSecond() * 100 / mapped,
                    row.paced.sendMicros().getValueAtPercentile(50) / 1000.0,
                    row.paced.sendMicros().getValueAtPercentile(99) / 1000.0,
                    row.paced.totalMicros().getValueAtPercentile(50) / 1000.0,
                    row.paced.totalMicros().getValueAtPercentile(99) / 1000.0);
            isGood &= row.full.verdict().isGood() && row.paced.verdict().isGood();
        }
        System.out.printf(
                "A message counts when it is sent, popped and acked at the level. Times are taken at %,d messages/s:%n"
                        + "send is from the call to the receipt, total from the call to the answer to the ack.%n",
                sizes.pacedPerSecond);
        return isGood;
    }

    private interface Work {
        /** Says whether nothing went wrong. */
        boolean run(ActorSystem<?> system, ForebayClient client) throws Exception;
    }

    /** Does something with a node of its own in this process. */
    private boolean inProcess(String name, Map<String, String> settings, Work work) throws Exception {
        ActorSystem<Void> system = ActorSystem.create(
                Behaviors.empty(),
                "bench",
                ConfigFactory.parseMap(settings)
                        .withFallback(ConfigFactory.parseMap(Map.of(
                                "forebay.storage.low-space",
                                "0 B",
                                "forebay.storage.directory",
                                directory.resolve(name).toString())))
                        .withFallback(ConfigFactory.load()));
        try {
            Forebay node = Forebay.get(system).whenReady().toCompletableFuture().get(60, TimeUnit.SECONDS);
            ForebayClient client = ForebayClient.connect(system, Target.node(node.entry()));
            boolean isGood = work.run(system, client);
            client.close().toCompletableFuture().get(30, TimeUnit.SECONDS);
            return isGood;
        } finally {
            system.terminate();
            system.getWhenTerminated().toCompletableFuture().get(60, TimeUnit.SECONDS);
        }
    }

    private void secondJvm() throws Exception {
        Path log = directory.resolve("second-jvm.log");
        Process node = new ProcessBuilder(
                        Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                        "-cp",
                        System.getProperty("java.class.path"),
                        BenchNode.class.getName(),
                        directory.resolve("second-jvm").toString())
                .redirectError(log.toFile())
                .start();
        ActorSystem<Void> system = null;
        try {
            String address = addressOf(node, log);
            system = ActorSystem.create(
                    Behaviors.empty(),
                    "bench",
                    ConfigFactory.parseMap(Map.of(
                                    "akka.actor.provider", "remote",
                                    "akka.remote.warn-about-direct-use", "off",
                                    "akka.remote.artery.canonical.hostname", "127.0.0.1",
                                    "akka.remote.artery.canonical.port", 0))
                            .withFallback(ConfigFactory.load()));
            ForebayClient client = ForebayClient.connect(system, Target.contact(address));
            measure("second JVM", client);
            client.close().toCompletableFuture().get(30, TimeUnit.SECONDS);
        } finally {
            if (system != null) {
                system.terminate();
            }
            node.getOutputStream().close();
            if (!node.waitFor(60, TimeUnit.SECONDS)) {
                node.destroyForcibly();
            }
        }
    }

    private static String addressOf(Process node, Path log) throws IOException {
        var out = new BufferedReader(new InputStreamReader(node.getInputStream(), StandardCharsets.UTF_8));
        for (String line = out.readLine(); line != null; line = out.readLine()) {
            if (line.startsWith("ready ")) {
                return line.substring("ready ".length()).strip();
            }
        }
        throw new IOException("the node did not start: " + Files.readString(log));
    }

    private void measure(String where, ForebayClient client) throws Exception {
        for (Durability level : List.of(Durability.WRITTEN, Durability.FLUSHED)) {
            String name = where.replace(' ', '-') + "-" + level;
            load(client, name + "-warm-up", level, sizes.warmUp, 0);
            Load.Outcome full = load(client, name, level, sizes.messages, 0);
            Load.Outcome paced = load(client, name + "-paced", level, sizes.pacedMessages, sizes.pacedPerSecond);
            rows.add(new Row(where, level, full, paced));
            System.out.printf(
                    Locale.ROOT, "%s %s: %,.0f messages/s; %s%n", where, level, full.perSecond(), full.verdict());
        }
    }

    private static Load.Outcome load(ForebayClient client, String name, Durability level, int count, int perSecond)
            throws Exception {
        client.createTopic(name, QUEUES, Map.of()).toCompletableFuture().get(30, TimeUnit.SECONDS);
        client.createGroup(name + "-group", name, Map.of())
                .toCompletableFuture()
                .get(30, TimeUnit.SECONDS);
        Load.Outcome outcome =
                Load.run(client, plan(name, name + "-group", level, Traffic.PLAIN, BODY_BYTES, count, perSecond));
        client.deleteTopic(name).toCompletableFuture().get(30, TimeUnit.SECONDS);
        return outcome;
    }

    /** What all rows have in common: one message after the other at a rate, or batches as fast as it goes. */
    static Load.Plan plan(
            String topic, String group, Durability level, Traffic traffic, int bodyBytes, int count, int perSecond) {
        boolean isPaced = perSecond > 0;
        return new Load.Plan(
                topic,
                group,
                level,
                traffic,
                bodyBytes,
                count,
                isPaced ? count : 32_768,
                isPaced ? 1 : 128,
                perSecond,
                isPaced ? 2 : 8,
                256);
    }

    private static void delete(Path directory) throws IOException {
        try (Stream<Path> paths = Files.walk(directory)) {
            for (Path path : paths.sorted(Comparator.reverseOrder()).toList()) {
                Files.deleteIfExists(path);
            }
        }
    }
}
