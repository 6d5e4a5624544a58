package io.forebay.bench;

import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Locale;

/** Draws what was measured as bars, one panel for each place and level of the first workload, and one for times. SVG 1.1. */
final class Chart {
    private record Bar(String name, double value, String text, boolean isOurs) {}

    private static final int WIDTH = 1000;
    /** A line holds so many letters of the small size. */
    private static final int LINE_CHARS = 150;

    private static final int NAMES = 250;
    private static final int BAR = 18;
    private static final int STEP = 24;

    private final StringBuilder svg = new StringBuilder();
    private int y = 30;

    private Chart() {}

    static String of(Report report, String title) {
        Chart chart = new Chart();
        chart.draw(report, title);
        return "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"" + WIDTH + "\" height=\"" + (chart.y + 10)
                + "\" font-family=\"sans-serif\" font-size=\"13\">\n<rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n"
                + chart.svg + "</svg>\n";
    }

    private static int endOfLine(String text, int from) {
        if (text.length() - from <= LINE_CHARS) {
            return text.length();
        }
        int space = text.lastIndexOf(' ', from + LINE_CHARS);
        return space > from ? space : from + LINE_CHARS;
    }

    private void draw(Report report, String title) {
        text(10, y, "16", "Forebay and others under the same load");
        y += 20;
        for (int from = 0; from < title.length(); ) {
            int end = endOfLine(title, from);
            text(10, y, "11", title.substring(from, end).strip());
            y += 16;
            from = end;
        }
        for (boolean isFlushed : new boolean[] {false, true}) {
            for (String where : List.of(Entrant.IN_PROCESS, Entrant.SECOND_JVM)) {
                List<Bar> bars = new ArrayList<>();
                for (Report.Row row : report.rows("W1")) {
                    if (row.entrant().isFlushed() == isFlushed
                            && row.entrant().where().equals(where)) {
                        bars.add(new Bar(
                                row.entrant().name(),
                                row.perSecond(),
                                String.format(Locale.ROOT, "%,.0f", row.perSecond()),
                                row.entrant().isForebay()));
                    }
                }
                panel(
                        "W1, " + where + ", " + (isFlushed ? "FLUSHED" : "WRITTEN")
                                + ": messages/s sent, popped and acked",
                        bars,
                        true);
            }
        }
        for (boolean isFlushed : new boolean[] {false, true}) {
            List<Bar> bars = new ArrayList<>();
            for (Report.Row row : report.rows("W2-20k")) {
                double millis = row.number("popP99Micros") / 1000;
                // Who does not keep up with the rate has no times worth a bar.
                if (row.entrant().isFlushed() == isFlushed && row.perSecond() > 18_000 && !Double.isNaN(millis)) {
                    bars.add(new Bar(
                            row.entrant().name() + ", " + row.entrant().where(),
                            millis,
                            String.format(Locale.ROOT, "%.2f ms", millis),
                            row.entrant().isForebay()));
                }
            }
            panel(
                    "W2 at 20,000/s, " + (isFlushed ? "FLUSHED" : "WRITTEN") + ": from when to be sent to popped, p99",
                    bars,
                    false);
        }
    }

    private void panel(String title, List<Bar> bars, boolean isMostFirst) {
        if (bars.isEmpty()) {
            return;
        }
        Comparator<Bar> order = Comparator.comparingDouble(Bar::value);
        bars.sort(isMostFirst ? order.reversed() : order);
        double most = bars.stream().mapToDouble(Bar::value).max().orElse(1);
        y += 22;
        text(10, y, "13\" font-weight=\"bold", title);
        y += 10;
        for (Bar bar : bars) {
            double length = Math.max(1, bar.value / most * (WIDTH - NAMES - 110));
            text(10, y + BAR - 4, "12", bar.name);
            svg.append(String.format(
                    Locale.ROOT,
                    "<rect x=\"%d\" y=\"%d\" width=\"%.1f\" height=\"%d\" fill=\"%s\"/>%n",
                    NAMES,
                    y,
                    length,
                    BAR,
                    bar.isOurs ? "#1f6f8b" : "#b8c4cc"));
            text((int) (NAMES + length + 6), y + BAR - 4, "12", bar.text);
            y += STEP;
        }
    }

    private void text(int x, int baseline, String size, String text) {
        svg.append("<text x=\"")
                .append(x)
                .append("\" y=\"")
                .append(baseline)
                .append("\" font-size=\"")
                .append(size)
                .append("\">")
                .append(text.replace("&", "&amp;").replace("<", "&lt;"))
                .append("</text>\n");
    }
}
