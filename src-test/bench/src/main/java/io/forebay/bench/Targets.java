package io.forebay.bench;

import java.io.PrintStream;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;

/** What was aimed at, beside what was reached in the same run. */
final class Targets {
    /**
     * @param reached a ratio, or a figure with its unit in the name
     * @param isAtLeast otherwise at most
     */
    record Target(String name, double reached, double aim, boolean isAtLeast) {
        boolean isMet() {
            return isAtLeast ? reached >= aim : reached <= aim;
        }

        String line() {
            return String.format(
                    Locale.ROOT,
                    "%s: %.2f, aim %s %.2f: %s",
                    name,
                    reached,
                    isAtLeast ? "at least" : "at most",
                    aim,
                    isMet() ? "met" : "MISSED");
        }
    }

    private final Report report;
    private final List<Target> targets = new ArrayList<>();

    private Targets(Report report) {
        this.report = report;
    }

    static List<Target> of(Report report) {
        Targets targets = new Targets(report);
        targets.addAll();
        return targets.targets;
    }

    static void print(Report report, PrintStream out) {
        for (Target target : of(report)) {
            out.println(target.line());
        }
    }

    private void addAll() {
        String in = Entrant.IN_PROCESS;
        String out = Entrant.SECOND_JVM;
        rate("W1 in-process WRITTEN / Chronicle append and tail", in, false, Entrant.CHRONICLE, 1);
        rate("W1 in-process WRITTEN / Artemis in-VM", in, false, Entrant.ARTEMIS, 10);
        Report.Row flushed = report.rowOrNull(Entrant.FOREBAY, in, true, "W1");
        if (flushed != null) {
            add(
                    "W1 in-process FLUSHED / mapped append with a force per 256",
                    flushed.perSecond() / report.raw(RawAppend.Way.MAPPED_FORCED.text + " per 256", "perSecond"),
                    0.5,
                    true);
        }
        rate("W1 in-process FLUSHED / Artemis in-VM, synced", in, true, Entrant.ARTEMIS, 12);
        rate("W1 second JVM WRITTEN / Artemis TCP", out, false, Entrant.ARTEMIS, 4);
        rate("W1 second JVM FLUSHED / Artemis TCP, synced", out, true, Entrant.ARTEMIS, 4);
        rate("W1 second JVM WRITTEN / RocketMQ Pop", out, false, Entrant.ROCKETMQ, 6);
        brokerTime(Entrant.ARTEMIS);
        brokerTime(Entrant.ROCKETMQ);
        Report.Row paced = report.rowOrNull(Entrant.FOREBAY, in, false, "W2-20k");
        if (paced != null) {
            add("W2 20k/s in-process WRITTEN, confirmed, p99 ms", paced.number("confirmP99Micros") / 1000, 1, false);
            add("W2 20k/s in-process WRITTEN, popped, p99 ms", paced.number("popP99Micros") / 1000, 1, false);
        }
        Report.Row pacedFlushed = report.rowOrNull(Entrant.FOREBAY, in, true, "W2-20k");
        if (pacedFlushed != null) {
            add(
                    "W2 20k/s in-process FLUSHED, confirmed, p99 / p99 of a raw force",
                    pacedFlushed.number("confirmP99Micros")
                            / report.raw(RawAppend.Way.MAPPED_FORCED.text + " per 256", "forceP99Micros"),
                    4,
                    false);
        }
        Report.Row first = report.rowOrNull(Entrant.FOREBAY, in, false, "W1");
        ofFirst(first, "W3", "W3 drain / W1", 1.5);
        ofFirst(first, "W4-600", "W4 600 queues / W1", 0.9);
        ofFirst(first, "W4-64", "W4 600 queues of 64 groups / W1", 0.9);
        ofFirst(
                report.rowOrNull(Entrant.FOREBAY, in, false, "W4-one"),
                "W4-hot",
                "W4 one hot among 599 idle / alone",
                0.9);
        Report.Row drain = report.rowOrNull(Entrant.FOREBAY, in, false, "W3");
        Report.Row rocketDrain = report.rowOrNull(Entrant.ROCKETMQ, out, false, "W3");
        if (drain != null) {
            add("W3 heap MB with all waiting", drain.number("waitingHeapMegabytes"), 256, false);
        }
        Report.Row outerDrain = report.rowOrNull(Entrant.FOREBAY, out, false, "W3");
        if (outerDrain != null && rocketDrain != null) {
            add("W3 second JVM / RocketMQ Pop's drain", outerDrain.perSecond() / rocketDrain.perSecond(), 4, true);
        }
        for (String size : List.of("100kB", "1MB")) {
            Report.Row large = report.rowOrNull(Entrant.FOREBAY, in, true, "W5-" + size);
            if (large != null) {
                String name = RawAppend.Way.CALLED_FORCED.text + " per "
                        + large.plan().unconfirmedMax() + " bodies of "
                        + large.plan().bodyBytes() + " bytes";
                add(
                        "W5 " + size + " in-process FLUSHED / write and force",
                        large.perSecond() / report.raw(name, "perSecond"),
                        0.5,
                        true);
            }
        }
        if (first != null) {
            add("W1 in-process WRITTEN, bytes allocated per message", first.number("allocatedBytes"), 1024, false);
        }
    }

    private void rate(String name, String where, boolean isFlushed, String other, double aim) {
        Report.Row ours = report.rowOrNull(Entrant.FOREBAY, where, isFlushed, "W1");
        Report.Row theirs = report.rowOrNull(other, where, isFlushed, "W1");
        if (ours != null && theirs != null) {
            add(name, ours.perSecond() / theirs.perSecond(), aim, true);
        }
    }

    private void brokerTime(String other) {
        Report.Row ours = report.rowOrNull(Entrant.FOREBAY, Entrant.SECOND_JVM, false, "W1");
        Report.Row theirs = report.rowOrNull(other, Entrant.SECOND_JVM, false, "W1");
        if (ours != null && theirs != null) {
            add(
                    "W1 second JVM WRITTEN, broker's processor time per message / " + other + "'s",
                    ours.number("systemCpuMicros") / theirs.number("systemCpuMicros"),
                    0.1,
                    false);
        }
    }

    private void ofFirst(Report.Row base, String plan, String name, double aim) {
        Report.Row row = report.rowOrNull(Entrant.FOREBAY, Entrant.IN_PROCESS, false, plan);
        if (base != null && row != null) {
            add(name, row.perSecond() / base.perSecond(), aim, true);
        }
    }

    private void add(String name, double reached, double aim, boolean isAtLeast) {
        if (!Double.isNaN(reached)) {
            targets.add(new Target(name, reached, aim, isAtLeast));
        }
    }
}
