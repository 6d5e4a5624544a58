package io.forebay.bench;

import com.typesafe.config.ConfigRenderOptions;
import com.typesafe.config.ConfigValueFactory;
import io.forebay.journals.JournalPlan;
import io.forebay.yardstick.Outcome;
import java.io.IOException;
import java.io.PrintStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.stream.Collectors;

/** Gathers what was measured of journals, and says it as tables and as JSON. */
final class PersistenceReport {
    /** How many of them each run has. */
    static final List<Integer> ACTORS = List.of(1, 100, 10_000);

    private static final int AIM_ACTORS = 100;
    private static final double AIM = 5;

    private record Row(Entrant entrant, JournalPlan plan, Outcome outcome) {}

    private final Map<String, String> machine;
    private final String arguments;
    private final String times;
    private final List<Row> rows = new ArrayList<>();
    private final Map<Entrant, Map<String, String>> settings = new LinkedHashMap<>();
    private final Map<Entrant, String> left = new LinkedHashMap<>();

    /** @param times how long is warmed up and measured */
    PersistenceReport(Map<String, String> machine, String arguments, String times) {
        this.machine = machine;
        this.arguments = arguments;
        this.times = times;
    }

    void row(Entrant entrant, JournalPlan plan, Outcome outcome, Map<String, String> values) {
        rows.add(new Row(entrant, plan, outcome));
        settings.put(entrant, values);
    }

    /** It could not be run, or not to its end. */
    void left(Entrant entrant, String why) {
        left.put(entrant, why);
    }

    void print(PrintStream out) {
        out.println();
        out.println(join(machine) + "; " + times + "; arguments: " + arguments);
        for (boolean isRecovery : new boolean[] {false, true}) {
            out.println();
            out.printf("%-24s %-8s", isRecovery ? "recovered events/s" : "persists/s", "level");
            ACTORS.forEach(actors -> out.printf(Locale.ROOT, " %,30d", actors));
            out.println(" actors");
            for (Entrant entrant : settings.keySet()) {
                out.printf("%-24s %-8s", entrant.name(), entrant.level());
                ACTORS.forEach(actors -> out.printf(" %30s", cell(outcomeOrNull(entrant, actors, isRecovery))));
                out.println();
            }
        }
        out.println();
        out.println(
                "In brackets: p50/p99 from the command to the handler behind persist, processor time of the process for each"
                        + " event.");
        settings.forEach(
                (entrant, values) -> out.println(entrant.name() + ", " + entrant.level() + ": " + join(values)));
        left.forEach((entrant, why) -> out.println("left out: " + entrant + ": " + why));
        out.println();
        ratios().forEach(out::println);
    }

    private static String join(Map<String, String> values) {
        return values.entrySet().stream()
                .map(value -> value.getKey() + " " + value.getValue())
                .collect(Collectors.joining(", "));
    }

    private Outcome outcomeOrNull(Entrant entrant, int actors, boolean isRecovery) {
        return rows.stream()
                .filter(row -> row.entrant.equals(entrant)
                        && row.plan.actors() == actors
                        && row.plan.isRecovery() == isRecovery)
                .map(Row::outcome)
                .findFirst()
                .orElse(null);
    }

    private static String cell(Outcome outcome) {
        if (outcome == null) {
            return "";
        }
        String rate = String.format(Locale.ROOT, "%,.0f", outcome.number("perSecond"));
        double p50 = outcome.number("persistP50Micros");
        return rate
                + (Double.isNaN(p50)
                        ? String.format(Locale.ROOT, " (%.1f us)", outcome.number("cpuMicros"))
                        : String.format(
                                Locale.ROOT,
                                " (%.2f/%.1f ms, %.0f us)",
                                p50 / 1000,
                                outcome.number("persistP99Micros") / 1000,
                                outcome.number("cpuMicros")))
                + (outcome.isGood() ? "" : " WRONG");
    }

    /** Forebay's to the others' at the same level. */
    private List<String> ratios() {
        List<String> lines = new ArrayList<>();
        for (Entrant ours : settings.keySet()) {
            for (Entrant other : settings.keySet()) {
                if (ours.isForebay() && !other.isForebay() && ours.isFlushed() == other.isFlushed()) {
                    for (boolean isRecovery : new boolean[] {false, true}) {
                        for (int actors : ACTORS) {
                            ratio(ours, other, actors, isRecovery, lines);
                        }
                    }
                }
            }
        }
        return lines;
    }

    private void ratio(Entrant ours, Entrant other, int actors, boolean isRecovery, List<String> lines) {
        Outcome our = outcomeOrNull(ours, actors, isRecovery);
        Outcome their = outcomeOrNull(other, actors, isRecovery);
        if (our != null && their != null) {
            double ratio = our.number("perSecond") / their.number("perSecond");
            double aim = ours.isFlushed() && actors == AIM_ACTORS && !isRecovery ? AIM : 1;
            lines.add(String.format(
                    Locale.ROOT,
                    "%s, %,d actors, %s / %s: %.2f, aim at least %.0f: %s",
                    isRecovery ? "recovery" : "persist",
                    actors,
                    ours.level(),
                    other.name(),
                    ratio,
                    aim,
                    ratio >= aim ? "met" : "MISSED"));
        }
    }

    /** Writes {@code persistence.json}. */
    void write(Path directory) throws IOException {
        Map<String, Object> root = new LinkedHashMap<>();
        root.put("machine", machine);
        root.put("arguments", arguments);
        root.put("times", times);
        List<Object> all = new ArrayList<>();
        for (Row row : rows) {
            Map<String, Object> one = new LinkedHashMap<>();
            one.put("entrant", row.entrant.name());
            one.put("level", row.entrant.level());
            one.put("plan", row.plan.toString());
            one.put("settings", settings.get(row.entrant));
            one.put("outcome", row.outcome.values());
            all.add(one);
        }
        root.put("rows", all);
        root.put(
                "left",
                left.entrySet().stream()
                        .map(one -> one.getKey() + ": " + one.getValue())
                        .toList());
        root.put("ratios", ratios());
        Files.writeString(
                directory.resolve("persistence.json"),
                ConfigValueFactory.fromMap(root)
                        .render(ConfigRenderOptions.concise().setFormatted(true).setJson(true)));
    }
}
