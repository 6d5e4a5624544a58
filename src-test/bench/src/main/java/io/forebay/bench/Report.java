package io.forebay.bench;

import com.typesafe.config.ConfigRenderOptions;
import com.typesafe.config.ConfigValueFactory;
import io.forebay.yardstick.Outcome;
import io.forebay.yardstick.Plan;
import java.io.IOException;
import java.io.PrintStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;

/** Gathers what was measured, and says it as a table, as JSON and as a plot. Of several rounds it tells medians. */
final class Report {
    /** One entrant under one workload; an outcome for each round. */
    record Row(Entrant entrant, Plan plan, Map<String, String> settings, List<Outcome> outcomes) {
        /** The median of the rounds that tell it; NaN if none does. */
        double number(String name) {
            double[] all = outcomes.stream()
                    .mapToDouble(outcome -> outcome.number(name))
                    .filter(value -> !Double.isNaN(value))
                    .sorted()
                    .toArray();
            if (all.length == 0) {
                return Double.NaN;
            }
            int middle = all.length / 2;
            return all.length % 2 == 1 ? all[middle] : (all[middle - 1] + all[middle]) / 2;
        }

        double perSecond() {
            return number("perSecond");
        }
    }

    private record Left(Entrant entrant, String why) {}

    private final Map<String, String> machine;
    private final String arguments;
    private final Map<String, List<Map<String, String>>> raw = new LinkedHashMap<>();
    private final Map<String, Row> rows = new LinkedHashMap<>();
    private final List<Left> left = new ArrayList<>();

    Report(Map<String, String> machine, String arguments) {
        this.machine = machine;
        this.arguments = arguments;
    }

    void raw(String name, Map<String, String> values) {
        raw.computeIfAbsent(name, any -> new ArrayList<>()).add(values);
    }

    void row(Entrant entrant, Plan plan, Outcome outcome, Map<String, String> settings) {
        rows.computeIfAbsent(entrant + "/" + plan.name(), any -> new Row(entrant, plan, settings, new ArrayList<>()))
                .outcomes
                .add(outcome);
    }

    /** It could not be run, or not to its end. */
    void left(Entrant entrant, String why) {
        Left one = new Left(entrant, why);
        if (!left.contains(one)) {
            left.add(one);
        }
    }

    /** Null if it was not run. */
    Row rowOrNull(String entrant, String where, boolean isFlushed, String plan) {
        return rows.values().stream()
                .filter(row -> row.entrant.name().startsWith(entrant)
                        && row.entrant.where().equals(where)
                        && row.entrant.isFlushed() == isFlushed
                        && row.plan.name().equals(plan))
                // Of several settings of a system the best one counts.
                .max(Comparator.comparingDouble(Row::perSecond))
                .orElse(null);
    }

    /** The median over rounds of one of the raw figures; NaN if it was not taken. */
    double raw(String name, String value) {
        double[] all = raw.getOrDefault(name, List.of()).stream()
                .map(values -> values.get(value))
                .filter(text -> text != null)
                .mapToDouble(Double::parseDouble)
                .sorted()
                .toArray();
        return all.length == 0 ? Double.NaN : all[all.length / 2];
    }

    List<Row> rows(String plan) {
        return rows.values().stream()
                .filter(row -> row.plan.name().equals(plan))
                .toList();
    }

    private List<String> plans() {
        return rows.values().stream().map(row -> row.plan.name()).distinct().toList();
    }

    // ---- as a table -----------------------------------------------------------------------------------------------

    void print(PrintStream out) {
        out.println();
        out.println(title());
        out.println();
        for (String name : raw.keySet()) {
            out.printf(Locale.ROOT, "%-46s %,12.0f/s", name, raw(name, "perSecond"));
            out.println(
                    Double.isNaN(raw(name, "forceP99Micros"))
                            ? ""
                            : String.format(
                                    Locale.ROOT,
                                    "   force p50 %.2f ms, p99 %.2f ms",
                                    raw(name, "forceP50Micros") / 1000,
                                    raw(name, "forceP99Micros") / 1000));
        }
        for (String plan : plans()) {
            out.println();
            out.printf(
                    "%-46s %-8s %12s %17s %17s %8s %8s %8s%n",
                    plan, "level", "messages/s", "confirm p50/p99", "pop p50/p99", "CPU", "broker", "bytes");
            for (Row row : rows(plan)) {
                out.printf(
                        Locale.ROOT,
                        "%-46s %-8s %,12.0f %17s %17s %8s %8s %8s%n",
                        row.entrant.name() + ", " + row.entrant.where(),
                        row.entrant.level(),
                        row.perSecond(),
                        times(row, "confirm"),
                        times(row, "pop"),
                        number(row.number("loaderCpuMicros"), "%.1f us"),
                        row.number("systemCpuMicros") == 0 ? "" : number(row.number("systemCpuMicros"), "%.1f us"),
                        number(row.number("allocatedBytes"), "%,.0f"));
                if (!Double.isNaN(row.number("waitingHeapMegabytes"))) {
                    out.printf(
                            Locale.ROOT,
                            "  heap of the loading process with %,.0f messages waiting: %.0f MB%n",
                            row.number("sent"),
                            row.number("waitingHeapMegabytes"));
                }
            }
        }
        out.println();
        out.println(
                "A message counts when it was sent, popped and acked. Times are from when it was to be sent. CPU: processor"
                        + " time per message of the\nloading process, and the system if it is in it; broker: of its own process;"
                        + " bytes: allocated in the loading process.");
        for (Left one : left) {
            out.println("left out: " + one.entrant + ": " + one.why);
        }
        out.println();
        Targets.print(this, out);
    }

    private String title() {
        StringBuilder title = new StringBuilder();
        machine.forEach((name, value) -> title.append(title.isEmpty() ? "" : ", ")
                .append(name)
                .append(' ')
                .append(value));
        return title + "; arguments: " + (arguments.isEmpty() ? "none" : arguments);
    }

    private static String times(Row row, String name) {
        double p50 = row.number(name + "P50Micros");
        return Double.isNaN(p50)
                ? ""
                : String.format(Locale.ROOT, "%.2f/%.2f ms", p50 / 1000, row.number(name + "P99Micros") / 1000);
    }

    private static String number(double value, String format) {
        return Double.isNaN(value) ? "" : String.format(Locale.ROOT, format, value);
    }

    // ---- as files -------------------------------------------------------------------------------------------------

    /** Writes {@code yardstick.json} and {@code yardstick.svg}. */
    void write(Path directory) throws IOException {
        Files.writeString(directory.resolve("yardstick.json"), json());
        Files.writeString(directory.resolve("yardstick.svg"), Chart.of(this, title()));
    }

    private String json() {
        Map<String, Object> root = new LinkedHashMap<>();
        root.put("machine", machine);
        root.put("arguments", arguments);
        root.put("raw", raw);
        List<Object> all = new ArrayList<>();
        for (Row row : rows.values()) {
            Map<String, Object> one = new LinkedHashMap<>();
            one.put("entrant", row.entrant.name());
            one.put("where", row.entrant.where());
            one.put("level", row.entrant.level());
            one.put("plan", row.plan.toString());
            one.put("settings", row.settings);
            one.put("rounds", row.outcomes.stream().map(Outcome::values).toList());
            all.add(one);
        }
        root.put("rows", all);
        root.put("left", left.stream().map(one -> one.entrant + ": " + one.why).toList());
        root.put("targets", Targets.of(this).stream().map(Targets.Target::line).toList());
        return ConfigValueFactory.fromMap(root)
                .render(ConfigRenderOptions.concise().setFormatted(true).setJson(true));
    }
}
