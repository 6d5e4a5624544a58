package io.forebay.bench;

import io.forebay.yardstick.Outcome;
import io.forebay.yardstick.Plan;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;

/**
 * The benchmark: Forebay and what its users would take instead, one after the other, each in processes of its own under the
 * same load, beside what the machine gives at most. Checks in each run that nothing was lost, doubled, altered or out of
 * order. Prints a table, and leaves {@code yardstick.json} and {@code yardstick.svg}.
 */
public final class Yardstick {
    private static final int BODY_BYTES = 300;
    private static final int FORCED_COUNT = 256;
    private static final int BACKLOG = 5_000_000;

    /**
     * @param isQuick W1 and W2 at one rate, beside few others
     * @param warmUpSeconds of a process
     * @param slowWarmUpSeconds of one that takes long to get as fast as it can
     */
    private record Times(boolean isQuick, int warmUpSeconds, int slowWarmUpSeconds, int seconds, int rounds) {
        static final Times FULL = new Times(false, 60, 60, 20, 1);
        static final Times QUICK = new Times(true, 25, 25, 8, 1);

        Times rounds(int count) {
            return new Times(isQuick, warmUpSeconds, slowWarmUpSeconds, seconds, count);
        }

        Times seconds(int warmUp, int measured) {
            return new Times(isQuick, warmUp, warmUp, measured, rounds);
        }
    }

    private final Times times;
    private final List<String> only;
    private final WorkerProcess workers;
    private final Path directory;
    private final Report report;

    private Yardstick(Times times, List<String> only, Path peers, Path directory, Report report) {
        this.times = times;
        this.only = only;
        this.workers = new WorkerProcess(peers, directory);
        this.directory = directory;
        this.report = report;
    }

    public static void main(String[] arguments) throws Exception {
        Times times = Times.FULL;
        Path directory = null;
        Path out = Path.of("").toAbsolutePath();
        List<String> only = List.of();
        for (int i = 0; i < arguments.length; i++) {
            switch (arguments[i]) {
                case "--quick" -> times = Times.QUICK.rounds(times.rounds);
                case "--seconds" -> {
                    String[] both = value(arguments, ++i).split("\\+");
                    times = times.seconds(Integer.parseInt(both[0]), Integer.parseInt(both[1]));
                }
                case "--rounds" -> times = times.rounds(Integer.parseInt(value(arguments, ++i)));
                case "--dir" -> directory = Path.of(value(arguments, ++i));
                case "--out" -> out = Path.of(value(arguments, ++i));
                case "--entrants" -> only = List.of(value(arguments, ++i).split(","));
                default -> throw usage(arguments[i]);
            }
        }
        Path peers = Path.of(System.getProperty("forebay.bench.peers", "src-test/peers"));
        boolean isOurs = directory == null;
        if (isOurs) {
            directory = Files.createTempDirectory("forebay-bench");
        }
        boolean isGood;
        try {
            Report report = new Report(Machine.describe(directory), String.join(" ", arguments));
            isGood = new Yardstick(times, only, peers, directory, report).run();
            report.print(System.out);
            report.write(Files.createDirectories(out));
        } finally {
            if (isOurs) {
                Directories.delete(directory);
            }
        }
        System.exit(isGood ? 0 : 1);
    }

    private static String value(String[] arguments, int index) {
        if (index == arguments.length) {
            throw usage(arguments[index - 1] + " without a value");
        }
        return arguments[index];
    }

    private static IllegalArgumentException usage(String wrong) {
        System.err.println("not understood: " + wrong
                + "\nusage: [--quick] [--rounds N] [--seconds WARM-UP+MEASURED] [--dir DIRECTORY] [--out DIRECTORY]"
                + " [--entrants NAME,...]\nAn entrant is run if its name begins with one of those given; among them:");
        Entrant.all().stream().map(Entrant::name).distinct().forEach(name -> System.err.println("  " + name));
        System.exit(2);
        return new IllegalArgumentException(wrong);
    }

    private boolean run() throws Exception {
        boolean isGood = true;
        for (int round = 1; round <= times.rounds; round++) {
            raw();
            for (Entrant entrant : Entrant.all()) {
                if (isWanted(entrant)) {
                    isGood &= load(entrant, plans(entrant));
                }
            }
            if (!times.isQuick && isWanted(Entrant.all().get(0))) {
                isGood &= forebayAlone();
            }
        }
        return isGood;
    }

    private boolean isWanted(Entrant entrant) {
        if (only.stream().noneMatch(name -> entrant.name().startsWith(name)) && !only.isEmpty()) {
            return false;
        }
        if (times.isQuick && !entrant.isQuick() && only.isEmpty()) {
            return false;
        }
        if (!workers.isThere(entrant)) {
            report.left(entrant, "was not built");
            return false;
        }
        return true;
    }

    private void raw() throws IOException {
        try (RawAppend append = new RawAppend(directory, BODY_BYTES, FORCED_COUNT)) {
            for (RawAppend.Way way : RawAppend.Way.values()) {
                report.raw(
                        way.text + (way == RawAppend.Way.MAPPED ? "" : " per " + FORCED_COUNT),
                        append.run(way, 2, 5).values());
            }
        }
        if (times.isQuick) {
            return;
        }
        for (Plan plan : List.of(large(100_000), large(1_000_000))) {
            try (RawAppend append = new RawAppend(directory, plan.bodyBytes(), plan.unconfirmedMax())) {
                RawAppend.Way way = RawAppend.Way.CALLED_FORCED;
                report.raw(
                        "write and force per " + plan.unconfirmedMax() + " bodies of " + plan.bodyBytes() + " bytes",
                        append.run(way, 2, 5).values());
            }
        }
    }

    private boolean load(Entrant entrant, List<Plan> plans) throws Exception {
        System.out.println("running " + entrant + " ...");
        int limit = 0;
        for (Plan plan : plans) {
            limit += plan.warmUpSeconds() + plan.seconds() + plan.fillCount() / 1000;
        }
        WorkerProcess.Result result = workers.run(entrant, plans, limit);
        boolean isGood = result.failureOrNull() == null || !entrant.isForebay();
        if (result.failureOrNull() != null) {
            report.left(entrant, result.failureOrNull());
        }
        for (int i = 0; i < result.outcomes().size(); i++) {
            Outcome outcome = result.outcomes().get(i);
            report.row(entrant, plans.get(i), outcome, result.settings());
            isGood &= outcome.isGood() || !entrant.isForebay();
            System.out.printf(
                    Locale.ROOT,
                    "  %s: %,.0f messages/s; lost %.0f, duplicated %.0f, altered %.0f, out of order %.0f%n",
                    plans.get(i).name(),
                    outcome.number("perSecond"),
                    outcome.number("lost"),
                    outcome.number("duplicated"),
                    outcome.number("altered"),
                    outcome.number("orderBreaks"));
        }
        return isGood;
    }

    // ---- the workloads --------------------------------------------------------------------------------------------

    private Plan w1(boolean isFlushed, int warmUpSeconds) {
        return Plan.W1.with("unconfirmedMax=" + (isFlushed ? 2048 : 256) + ",warmUpSeconds=" + warmUpSeconds
                + ",seconds=" + times.seconds);
    }

    private Plan w2(int perSecond) {
        return Plan.W1.with("name=W2-" + perSecond / 1000 + "k,perSecond=" + perSecond
                + ",unconfirmedMax=1000000,backlogMax=1000000,warmUpSeconds=5,seconds=" + times.seconds);
    }

    /** At most 6.4 and 16 MB of them are on their way. */
    private Plan large(int bodyBytes) {
        boolean isHuge = bodyBytes > 500_000;
        return Plan.W1.with("name=W5-" + (isHuge ? "1MB" : "100kB") + ",bodyBytes=" + bodyBytes + ",batchCount="
                + (isHuge ? 1 : 8) + ",unconfirmedMax=" + (isHuge ? 16 : 64) + ",backlogMax=" + (isHuge ? 100 : 1000)
                + ",warmUpSeconds=5,seconds=" + times.seconds);
    }

    private List<Plan> plans(Entrant entrant) {
        int warmUp = entrant.isSlowToWarm() ? times.slowWarmUpSeconds : times.warmUpSeconds;
        List<Plan> plans = new ArrayList<>();
        plans.add(w1(entrant.isFlushed(), warmUp));
        if (times.isQuick) {
            plans.add(w2(20_000));
            return plans;
        }
        boolean isFast = entrant.isForebay() || entrant.name().equals(Entrant.CHRONICLE);
        for (int perSecond : isFast ? new int[] {5_000, 20_000, 50_000, 100_000} : new int[] {5_000, 20_000}) {
            plans.add(w2(perSecond));
        }
        // Work pulling stores a message only when a worker asks for it: it has no backlog.
        if (!entrant.isFlushed() && !entrant.name().equals(Entrant.WORK_PULLING)) {
            plans.add(Plan.W1.with(
                    "name=W3,unconfirmedMax=2048,backlogMax=100000000,fillCount=" + (isFast ? BACKLOG : BACKLOG / 10)));
        }
        return plans;
    }

    private boolean forebayAlone() throws Exception {
        boolean isGood = true;
        for (Entrant entrant : Entrant.all()) {
            if (entrant.isForebay()) {
                String flow = "unconfirmedMax=" + (entrant.isFlushed() ? 2048 : 256) + ",seconds=" + times.seconds;
                isGood &= load(
                        entrant,
                        List.of(
                                w1(entrant.isFlushed(), times.warmUpSeconds),
                                Plan.W1.with("name=W4-600,queues=600,warmUpSeconds=10," + flow),
                                Plan.W1.with("name=W4-one,queues=1,warmUpSeconds=10," + flow),
                                large(100_000),
                                large(1_000_000),
                                Plan.W1.with("name=W6,nackedOfThousand=200,warmUpSeconds=5," + flow),
                                Plan.W1.with("name=W7-1,senders=1,keyCount=1,warmUpSeconds=5," + flow),
                                Plan.W1.with("name=W7-100,keyCount=100,warmUpSeconds=5," + flow),
                                Plan.W1.with("name=W7-100k,keyCount=100000,warmUpSeconds=5," + flow)));
                isGood &= load(
                        entrant.with("topics=64"),
                        List.of(
                                w1(entrant.isFlushed(), times.warmUpSeconds).with("name=W1-64,queues=64"),
                                Plan.W1.with("name=W4-64,queues=600,warmUpSeconds=10," + flow)));
                isGood &= load(
                        entrant.with("idle-queues=599"),
                        List.of(
                                w1(entrant.isFlushed(), times.warmUpSeconds).with("name=W1-idle"),
                                Plan.W1.with("name=W4-hot,queues=1,warmUpSeconds=10," + flow)));
            }
        }
        return isGood;
    }
}
