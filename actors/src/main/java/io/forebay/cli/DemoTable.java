package io.forebay.cli;

import java.util.Locale;

/**
 * The live table of the demo: a heading, then a row each second; on a terminal the row of the current second is redrawn. Not
 * thread-safe.
 */
final class DemoTable {
    /** @param seconds since the first message */
    record Row(
            double seconds,
            long sent,
            long confirmed,
            long popped,
            long acked,
            long inFlight,
            long unflushedBytes,
            long durableSequence,
            String node) {}

    private static final String FORM = "%6s %10s %10s %10s %10s %10s %10s %10s %11s  %s";

    private Row base;

    String heading() {
        return String.format(
                FORM,
                "time",
                "sent",
                "acked",
                "sent/s",
                "popped/s",
                "acked/s",
                "in flight",
                "unflushed",
                "durable",
                "node");
    }

    /** A row with the rates since the last row that was {@link #keep kept}. */
    String line(Row row) {
        Row from = base == null ? new Row(0, 0, 0, 0, 0, 0, 0, 0, "") : base;
        double seconds = Math.max(1e-3, row.seconds() - from.seconds());
        return String.format(
                Locale.ROOT,
                FORM,
                String.format(Locale.ROOT, "%.1f s", row.seconds()),
                grouped(row.sent()),
                grouped(row.acked()),
                grouped(Math.round((row.sent() - from.sent()) / seconds)),
                grouped(Math.round((row.popped() - from.popped()) / seconds)),
                grouped(Math.round((row.acked() - from.acked()) / seconds)),
                grouped(row.inFlight()),
                bytes(row.unflushedBytes()),
                grouped(row.durableSequence()),
                row.node());
    }

    /** Rates of later rows count from this one. */
    void keep(Row row) {
        base = row;
    }

    private static String grouped(long number) {
        return String.format(Locale.ROOT, "%,d", number);
    }

    static String bytes(long bytes) {
        if (bytes < 10 * 1024) {
            return bytes + " B";
        }
        return bytes < 10 << 20
                ? String.format(Locale.ROOT, "%.0f KiB", bytes / 1024.0)
                : String.format(Locale.ROOT, "%.0f MiB", bytes / 1048576.0);
    }
}
