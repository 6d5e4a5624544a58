package io.forebay.yardstick;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;

/**
 * The process that loads one contestant.
 *
 * <pre>
 * Worker CLASS DIRECTORY written|flushed [OPTION=VALUE ...] -- PLAN [PLAN ...]
 * </pre>
 *
 * A plan is what {@link Plan#with} takes, on top of {@link Plan#W1}. Prints a line {@code setting NAME=VALUE} for each of the
 * contestant's, and {@code outcome NAME=VALUE ...} for each plan in turn; what else is printed is none of it. Ends with 0, if
 * nothing was lost, doubled, altered or out of order; 1 if something was; 2 if it could not be run.
 */
public final class Worker {
    private Worker() {}

    public static void main(String[] arguments) {
        int exit = 2;
        try {
            exit = run(List.of(arguments)) ? 0 : 1;
        } catch (Throwable e) {
            System.out.println("failed " + e);
            e.printStackTrace();
        }
        System.out.flush();
        Runtime.getRuntime().halt(exit); // whatever threads a contestant has left
    }

    private static boolean run(List<String> arguments) throws Exception {
        int dashes = arguments.indexOf("--");
        if (dashes < 3) {
            throw new IllegalArgumentException(
                    "usage: Worker CLASS DIRECTORY written|flushed [OPTION=VALUE ...] -- PLAN [PLAN ...]");
        }
        Map<String, String> options = new LinkedHashMap<>();
        for (String option : arguments.subList(3, dashes)) {
            int equals = option.indexOf('=');
            options.put(option.substring(0, equals), option.substring(equals + 1));
        }
        List<Plan> plans = new ArrayList<>();
        for (String plan : arguments.subList(dashes + 1, arguments.size())) {
            plans.add(Plan.W1.with(plan));
        }
        Path directory = Files.createDirectories(Path.of(arguments.get(1)));
        Contestant contestant = (Contestant)
                Class.forName(arguments.get(0)).getDeclaredConstructor().newInstance();
        boolean isFlushed = arguments.get(2).equals("flushed");
        List<Outcome> outcomes = run(contestant, new Setup(directory, isFlushed, options), plans);
        return outcomes.stream().allMatch(Outcome::isGood);
    }

    /** Starts a contestant, runs the plans one after the other, prints settings and outcomes, and closes it. */
    public static List<Outcome> run(Contestant contestant, Setup setup, List<Plan> plans) throws Exception {
        List<Outcome> outcomes = new ArrayList<>();
        try {
            contestant.start(setup);
            contestant.settings().forEach((name, value) -> System.out.println("setting " + name + "=" + value));
            for (Plan plan : plans) {
                outcomes.add(run(contestant, plan, outcomes.size()));
            }
        } finally {
            contestant.close();
        }
        return outcomes;
    }

    private static Outcome run(Contestant contestant, Plan plan, int number) throws Exception {
        String name = plan.name().toLowerCase(Locale.ROOT) + "-" + number;
        Contestant.Channel channel = contestant.open(plan.shape(name));
        try {
            Outcome outcome = new Run(plan, contestant.processes()).run(channel);
            System.out.println(outcome.line());
            System.out.flush();
            return outcome;
        } finally {
            channel.close();
        }
    }
}
