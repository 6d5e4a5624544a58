package io.forebay.journals;

import akka.actor.typed.ActorSystem;
import akka.actor.typed.javadsl.Adapter;
import com.typesafe.config.Config;
import com.typesafe.config.ConfigFactory;
import io.forebay.yardstick.Outcome;
import io.forebay.yardstick.Setup;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;

/**
 * The process that loads one journal.
 *
 * <pre>
 * JournalWorker CLASS DIRECTORY written|flushed [OPTION=VALUE ...] -- PLAN [PLAN ...]
 * </pre>
 *
 * Prints and ends as {@link io.forebay.yardstick.Worker} does; a plan is what {@link JournalPlan#parse} reads.
 */
public final class JournalWorker {
    /** The same for all: what an application of persistent actors would say without a journal. */
    private static final String COMMON = """
            akka.actor.provider = local
            akka.loglevel = WARNING
            akka.log-dead-letters = off
            akka.log-dead-letters-during-shutdown = off
            akka.jvm-shutdown-hooks = off
            akka.coordinated-shutdown.run-by-jvm-shutdown-hook = off
            """;

    private JournalWorker() {}

    public static void main(String[] arguments) {
        int exit = 2;
        try {
            exit = run(List.of(arguments)) ? 0 : 1;
        } catch (Throwable e) {
            System.out.println("failed " + e);
            e.printStackTrace();
        }
        System.out.flush();
        Runtime.getRuntime().halt(exit);
    }

    private static boolean run(List<String> arguments) throws Exception {
        int dashes = arguments.indexOf("--");
        if (dashes < 3) {
            throw new IllegalArgumentException(
                    "usage: JournalWorker CLASS DIRECTORY written|flushed [OPTION=VALUE ...] -- PLAN [PLAN ...]");
        }
        Map<String, String> options = new LinkedHashMap<>();
        for (String option : arguments.subList(3, dashes)) {
            int equals = option.indexOf('=');
            options.put(option.substring(0, equals), option.substring(equals + 1));
        }
        List<JournalPlan> plans = new ArrayList<>();
        for (String plan : arguments.subList(dashes + 1, arguments.size())) {
            plans.add(JournalPlan.parse(plan));
        }
        Path directory = Files.createDirectories(Path.of(arguments.get(1))).toAbsolutePath();
        Journal journal = (Journal)
                Class.forName(arguments.get(0)).getDeclaredConstructor().newInstance();
        Setup setup = new Setup(directory, arguments.get(2).equals("flushed"), options);
        return run(journal, setup, plans).stream().allMatch(Outcome::isGood);
    }

    /** Starts an actor system with a journal, runs the plans one after the other, prints settings and outcomes, and ends it. */
    public static List<Outcome> run(Journal journal, Setup setup, List<JournalPlan> plans) throws Exception {
        Config config = journal.config(setup)
                .withFallback(ConfigFactory.parseString(COMMON))
                .withFallback(ConfigFactory.load());
        ActorSystem<JournalRun.Spawn> system = ActorSystem.create(JournalRun.guardian(), "journals", config);
        List<Outcome> outcomes = new ArrayList<>();
        try {
            journal.prepare(Adapter.toClassic(system));
            System.out.println("setting Akka=" + akka.Version.current());
            journal.settings().forEach((name, value) -> System.out.println("setting " + name + "=" + value));
            for (JournalPlan plan : plans) {
                Outcome outcome = new JournalRun(system, plan).run();
                System.out.println(outcome.line());
                System.out.flush();
                outcomes.add(outcome);
            }
        } finally {
            system.terminate();
            system.getWhenTerminated().toCompletableFuture().get(60, TimeUnit.SECONDS);
        }
        return outcomes;
    }
}
