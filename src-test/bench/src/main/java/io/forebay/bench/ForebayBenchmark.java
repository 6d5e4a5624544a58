package io.forebay.bench;

import akka.actor.typed.ActorSystem;
import akka.actor.typed.javadsl.Behaviors;
import com.typesafe.config.ConfigFactory;
import io.forebay.client.ForebayClient;
import io.forebay.client.Target;
import io.forebay.node.Forebay;
import io.forebay.protocol.Durability;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;

/**
 * The first benchmark: messages per second and times of send + pop + ack, in-process and from a second JVM, at WRITTEN and
 * at FLUSHED, beside a single thread that appends to a mapped file with a CRC-32C in the same run. Each run checks that
 * nothing is lost, doubled or altered; the exit code is 1 if anything was.
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
    private record Sizes(int messages, int warmUp, int pacedPerSecond, int pacedMessages, long mapped) {
        static final Sizes FULL = new Sizes(2_000_000, 500_000, 10_000, 100_000, 10_000_000);
        static final Sizes QUICK = new Sizes(200_000, 50_000, 5_000, 10_000, 2_000_000);
    }

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
        List<String> parts = List.of("in-process", "second-jvm");
        for (int i = 0; i < arguments.length; i++) {
            switch (arguments[i]) {
                case "--quick" -> sizes = Sizes.QUICK;
                case "--dir" -> directory = Path.of(value(arguments, ++i));
                case "--only" -> parts = List.of(value(arguments, ++i).split(","));
                default -> usage(arguments[i]);
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
                + "usage: [--quick] [--dir DIRECTORY] [--only in-process|second-jvm|in-process,second-jvm]");
        System.exit(2);
    }

    private boolean run(List<String> parts) throws Exception {
        System.out.printf(
                "%d cores, JDK %s, %d-byte bodies, data in %s%n",
                Runtime.getRuntime().availableProcessors(), Runtime.version(), BODY_BYTES, directory);
        double mapped = MappedAppend.run(directory, BODY_BYTES, sizes.mapped);
        System.out.printf(Locale.ROOT, "mapped append with CRC-32C, one thread: %,.0f messages/s%n", mapped);
        for (String part : parts) {
            switch (part) {
                case "in-process" -> inProcess();
                case "second-jvm" -> secondJvm();
                default -> usage(part);
            }
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
        System.out.println(isGood ? "lost 0, duplicated 0, altered 0 in every run" : "NOT GOOD, see above");
        return isGood;
    }

    private void inProcess() throws Exception {
        ActorSystem<Void> system = ActorSystem.create(
                Behaviors.empty(),
                "bench",
                ConfigFactory.parseMap(Map.of(
                                "forebay.storage.low-space",
                                "0 B",
                                "forebay.storage.directory",
                                directory.resolve("in-process").toString()))
                        .withFallback(ConfigFactory.load()));
        try {
            Forebay node = Forebay.get(system).whenReady().toCompletableFuture().get(60, TimeUnit.SECONDS);
            ForebayClient client = ForebayClient.connect(system, Target.node(node.entry()));
            measure("in-process", client);
            client.close().toCompletableFuture().get(30, TimeUnit.SECONDS);
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
        boolean isPaced = perSecond > 0;
        Load.Plan plan = new Load.Plan(
                name,
                name + "-group",
                level,
                BODY_BYTES,
                count,
                isPaced ? count : 32_768,
                isPaced ? 1 : 128,
                perSecond,
                isPaced ? 2 : 8,
                256);
        Load.Outcome outcome = Load.run(client, plan);
        client.deleteTopic(name).toCompletableFuture().get(30, TimeUnit.SECONDS);
        return outcome;
    }

    private static void delete(Path directory) throws IOException {
        try (Stream<Path> paths = Files.walk(directory)) {
            for (Path path : paths.sorted(Comparator.reverseOrder()).toList()) {
                Files.deleteIfExists(path);
            }
        }
    }
}
