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
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.TimeUnit;

/**
 * What each {@link Features feature} costs, and what is {@link Amplification written} for each message. Each run checks that
 * nothing is lost, doubled or altered, and the order of keys; the exit code is 1 if anything was.
 */
public final class FeatureBenchmark {
    private static final int BODY_BYTES = 300;

    private record Sizes(Features.Sizes features, Amplification.Sizes amplification) {
        static final Sizes FULL = new Sizes(
                new Features.Sizes(5, 600_000, 200_000, 10_000, 50_000), new Amplification.Sizes(1_500_000, 20_000));
        static final Sizes QUICK =
                new Sizes(new Features.Sizes(1, 50_000, 20_000, 5_000, 5_000), new Amplification.Sizes(50_000, 500));
    }

    private static final String AMPLIFICATION = "amplification";

    private final Path directory;
    private final Sizes sizes;

    private FeatureBenchmark(Path directory, Sizes sizes) {
        this.directory = directory;
        this.sizes = sizes;
    }

    public static void main(String[] arguments) throws Exception {
        Sizes sizes = Sizes.FULL;
        Path directory = null;
        List<String> parts = allParts();
        for (int i = 0; i < arguments.length; i++) {
            switch (arguments[i]) {
                case "--quick" -> sizes = Sizes.QUICK;
                case "--dir" -> directory = Path.of(value(arguments, ++i));
                case "--features" -> parts = allParts();
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
            isGood = new FeatureBenchmark(directory, sizes).run(parts);
        } finally {
            if (isOurs) {
                Directories.delete(directory);
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
                + "usage: --features | --only PART,... [--quick] [--dir DIRECTORY]\nparts: "
                + String.join(", ", allParts()));
        System.exit(2);
    }

    private static List<String> allParts() {
        List<String> parts = new ArrayList<>(Features.names());
        parts.add(AMPLIFICATION);
        return parts;
    }

    private boolean run(List<String> parts) throws Exception {
        System.out.printf(
                "%d cores, JDK %s, %d-byte bodies, data in %s%n",
                Runtime.getRuntime().availableProcessors(), Runtime.version(), BODY_BYTES, directory);
        boolean isGood = true;
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
}
