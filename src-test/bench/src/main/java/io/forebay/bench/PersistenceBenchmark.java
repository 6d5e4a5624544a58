package io.forebay.bench;

import io.forebay.journals.JournalPlan;
import io.forebay.journals.JournalWorker;
import io.forebay.yardstick.Outcome;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;

/**
 * Forebay's journal beside the LevelDB journal that Akka brings and {@code akka-persistence-jdbc} on H2: the same persistent actors,
 * one journal after the other, each in a process of its own. Checks in each run that every event that was persisted is recovered
 * once, unaltered and in order. Prints tables, and leaves {@code persistence.json}.
 */
public final class PersistenceBenchmark {
    private static final int RECOVERED_EVENTS = 100_000;
    private static final List<Integer> IN_TURN = List.of(100, 10_000, 1);

    /**
     * @param firstWarmUpSeconds of a process
     * @param warmUpSeconds of each further run in it
     */
    private record Times(int firstWarmUpSeconds, int warmUpSeconds, int seconds) {
        static final Times FULL = new Times(25, 6, 8);
        static final Times QUICK = new Times(14, 2, 4);
    }

    private final Times times;
    private final List<String> only;
    /** "" for both. */
    private final String level;

    private final WorkerProcess workers;
    private final PersistenceReport report;

    private PersistenceBenchmark(
            Times times, List<String> only, String level, WorkerProcess workers, PersistenceReport report) {
        this.times = times;
        this.only = only;
        this.level = level;
        this.workers = workers;
        this.report = report;
    }

    public static void main(String[] arguments) throws Exception {
        Times times = Times.FULL;
        Path directory = null;
        Path out = Path.of("").toAbsolutePath();
        List<String> only = List.of();
        String level = "";
        for (int i = 0; i < arguments.length; i++) {
            switch (arguments[i]) {
                case "--persistence" -> {
                    // What the script chose this class by.
                }
                case "--quick" -> times = Times.QUICK;
                case "--seconds" -> {
                    String[] all = value(arguments, ++i).split("\\+");
                    times = new Times(
                            Integer.parseInt(all[0]), Integer.parseInt(all[1]), Integer.parseInt(all[all.length - 1]));
                }
                case "--dir" -> directory = Path.of(value(arguments, ++i));
                case "--out" -> out = Path.of(value(arguments, ++i));
                case "--level" -> level = value(arguments, ++i).toUpperCase(Locale.ROOT);
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
            PersistenceReport report =
                    new PersistenceReport(Machine.describe(directory), String.join(" ", arguments), times.toString());
            isGood = new PersistenceBenchmark(times, only, level, new WorkerProcess(peers, directory), report).run();
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
                + "\nusage: --persistence [--quick] [--seconds FIRST-WARM-UP+WARM-UP+MEASURED]"
                + " [--level flushed|written] [--dir DIRECTORY] [--out DIRECTORY] [--entrants NAME,...]\nAn entrant is run"
                + " if its name begins with one of those given; among them:");
        entrants().stream().map(Entrant::name).distinct().forEach(name -> System.err.println("  " + name));
        System.exit(2);
        return new IllegalArgumentException(wrong);
    }

    /** In the order in which they run. */
    private static List<Entrant> entrants() {
        List<Entrant> all = new ArrayList<>();
        for (boolean isFlushed : new boolean[] {true, false}) {
            all.add(entrant(Entrant.FOREBAY, null, BenchJournal.class.getName(), isFlushed));
            all.add(entrant(
                    "LevelDB, fsync = " + (isFlushed ? "on" : "off"),
                    "leveldb",
                    "io.forebay.peers.leveldb.LevelDbJournal",
                    isFlushed));
            all.add(entrant(
                    "JDBC, H2" + (isFlushed ? ", WRITE_DELAY=0" : ""),
                    "jdbc",
                    "io.forebay.peers.jdbc.JdbcJournal",
                    isFlushed));
        }
        return all;
    }

    private static Entrant entrant(String name, String moduleOrNull, String className, boolean isFlushed) {
        return new Entrant(name, Entrant.IN_PROCESS, moduleOrNull, className, isFlushed, List.of(), false, true);
    }

    /** The first one has as many actors as make a compiler busy, whatever the journal: one alone would warm up nothing. */
    private List<JournalPlan> plans() {
        List<JournalPlan> plans = new ArrayList<>();
        for (int actors : IN_TURN) {
            int warmUp = plans.isEmpty() ? times.firstWarmUpSeconds : times.warmUpSeconds;
            plans.add(new JournalPlan("persist-" + actors, actors, 0, warmUp, times.seconds));
        }
        for (int actors : IN_TURN) {
            plans.add(new JournalPlan(
                    "recover-" + actors, actors, RECOVERED_EVENTS / actors, times.warmUpSeconds, times.seconds));
        }
        return plans;
    }

    private boolean run() throws Exception {
        boolean isGood = true;
        for (Entrant entrant : entrants()) {
            boolean isNamed = only.isEmpty()
                    || only.stream().anyMatch(name -> entrant.name().startsWith(name));
            if (!isNamed || !level.isEmpty() && !entrant.level().equals(level)) {
                continue;
            }
            if (!workers.isThere(entrant)) {
                report.left(entrant, "was not built");
                continue;
            }
            System.out.println("running " + entrant + " ...");
            List<JournalPlan> plans = plans();
            int limit = plans.stream()
                    .mapToInt(plan -> plan.warmUpSeconds() + plan.seconds())
                    .sum();
            WorkerProcess.Result result = workers.run(
                    entrant,
                    JournalWorker.class,
                    plans.stream().map(JournalPlan::toString).toList(),
                    limit);
            if (result.failureOrNull() != null) {
                report.left(entrant, result.failureOrNull());
                isGood &= !entrant.isForebay();
            }
            for (int i = 0; i < result.outcomes().size(); i++) {
                Outcome outcome = result.outcomes().get(i);
                report.row(entrant, plans.get(i), outcome, result.settings());
                isGood &= outcome.isGood();
                System.out.println("  " + plans.get(i).name() + ": " + outcome.line());
            }
        }
        return isGood;
    }
}
