package io.forebay.cli;

import io.forebay.storage.io.StorageDirectory;
import io.forebay.storage.log.LogRepair;
import io.forebay.storage.log.LogVerifier;
import io.forebay.storage.log.OffsetSet;
import io.forebay.storage.log.Owner;
import io.forebay.storage.log.RepairPlan;
import java.io.IOException;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** {@code forebay log repair}: says what is damaged and what a repair would give up; does it, or takes it back, only when told to. */
@Command(
        name = "repair",
        description = {
            "Say what is damaged in the log, what of it is lost, and what a repair would write. Changes nothing without"
                    + " --apply.",
            "Exit code 1 when there is something to repair, or it cannot be repaired."
        })
final class LogRepairCommand implements Callable<Integer> {
    /** Ranges of offsets that are told of one queue, without {@code --json}. */
    private static final int RANGES_MAX = 20;

    private final Shell shell;

    @Parameters(paramLabel = "DIR", description = "A node's data directory, or one stripe of it.")
    private String directory;

    @Option(
            names = "--apply",
            description = "Repair: copy every file that is changed to repair-N beside it, then give up what is lost.")
    private boolean isApplied;

    @Option(
            names = "--undo",
            paramLabel = "N",
            description = "Put back the files as they were before repair N, byte by byte.")
    private Integer undone;

    @Option(
            names = "--force",
            description = "With --undo: also if a node has written since. What it wrote is lost then.")
    private boolean isForced;

    @Option(names = "--json", description = "Print a JSON object for each stripe.")
    private boolean isJson;

    LogRepairCommand(Shell shell) {
        this.shell = shell;
    }

    @Override
    public Integer call() {
        if (undone != null) {
            if (isApplied) {
                throw CliException.usage("--apply and --undo exclude one another");
            }
            return undo(undone);
        }
        if (isForced) {
            throw CliException.usage("--force is for --undo");
        }
        int[] number = {1};
        LogCommand.forEachStripe(
                directory, isApplied, (name, stripe) -> number[0] = Math.max(number[0], LogRepair.nextNumber(stripe)));
        boolean[] isClean = {true};
        LogCommand.forEachStripe(directory, isApplied, (name, stripe) -> {
            List<Integer> unfinished = LogRepair.unfinished(stripe);
            RepairPlan plan = isApplied
                    ? LogRepair.apply(stripe, number[0], shell.wall().millis())
                    : LogRepair.plan(stripe, shell.wall().millis());
            boolean isDone = isApplied && plan.refusalOrNull() == null;
            isClean[0] &= isDone || (!plan.isNeeded() && unfinished.isEmpty());
            if (isJson) {
                shell.console().println(Json.write(json(name, plan, unfinished, number[0])));
            } else {
                print(name, plan, unfinished, number[0]);
            }
        });
        return isClean[0] ? ExitCode.OK : ExitCode.CHECK_FAILED;
    }

    // ---------------------------------------------------------------------------------------------------------- plan

    private void print(String name, RepairPlan plan, List<Integer> unfinished, int number) {
        Console console = shell.console();
        for (int one : unfinished) {
            console.println(name + ": repair " + one + " was begun and not finished; "
                    + (isApplied ? "it was taken back first" : "--apply takes it back first"));
        }
        if (!plan.isNeeded()) {
            console.println(name + ": nothing to repair");
            return;
        }
        console.println(name + ": "
                + (plan.refusalOrNull() != null ? "CANNOT BE REPAIRED" : isApplied ? "repaired" : "DAMAGED"));
        for (LogVerifier.Problem damage : plan.damages()) {
            console.println("  damage: " + damage);
        }
        if (plan.refusalOrNull() != null) {
            console.println(
                    "  reason: " + plan.refusalOrNull() + "; nothing was written, take the directory of a copy");
            return;
        }
        for (RepairPlan.Loss loss : plan.losses()) {
            console.println("  lost: " + text(loss));
        }
        if (plan.losses().isEmpty()) {
            console.println("  lost: nothing");
        }
        plan.notes().forEach(note -> console.println("  note: " + note));
        for (RepairPlan.Write write : plan.writes()) {
            console.println(String.format(
                    Locale.ROOT,
                    "  %s: %s, %,d bytes",
                    isApplied ? "written" : "to write",
                    write.file() + (write.isMade() ? " (new)" : ""),
                    write.bytes()));
        }
        console.println(
                isApplied
                        ? "  copies are in repair-" + number + "; back with 'forebay log repair " + directory
                                + " --undo " + number + "'"
                        : "  to do it: 'forebay log repair " + directory + " --apply'; copies go to repair-" + number);
    }

    private static String text(RepairPlan.Loss loss) {
        if (loss.ownerOrNull() != null && loss.ownerOrNull().queueId() == Owner.REGISTRY_QUEUE) {
            return "topics and groups: " + loss.records() + " records of what defines them";
        }
        String whose = loss.ownerOrNull() == null
                ? "nobody can tell whose"
                : loss.ownerOrNull().toString();
        String offsets = loss.offsets().isEmpty() ? "" : ", offsets " + text(loss.offsets()) + " go into quarantine";
        return whose + ": " + loss.records() + " records" + offsets;
    }

    private static String text(OffsetSet offsets) {
        List<String> ranges = new ArrayList<>();
        for (int index = 0; index < Math.min(offsets.rangeCount(), RANGES_MAX); index++) {
            ranges.add(offsets.rangeFirst(index) + " to " + offsets.rangeLast(index));
        }
        boolean areAllTold = offsets.rangeCount() <= RANGES_MAX;
        return String.join(", ", ranges)
                + (areAllTold ? "" : " … " + offsets.last() + ", " + offsets.count() + " in all,");
    }

    private Map<String, Object> json(String name, RepairPlan plan, List<Integer> unfinished, int number) {
        Map<String, Object> json = new LinkedHashMap<>();
        json.put("directory", name);
        json.put("needed", plan.isNeeded());
        json.put("applied", isApplied && plan.isNeeded() && plan.refusalOrNull() == null);
        json.put("number", number);
        json.put("unfinished", unfinished);
        json.put("refusal", plan.refusalOrNull());
        json.put(
                "damages",
                plan.damages().stream().map(LogVerifier.Problem::toString).toList());
        List<Map<String, Object>> losses = new ArrayList<>();
        for (RepairPlan.Loss loss : plan.losses()) {
            Map<String, Object> one = new LinkedHashMap<>();
            one.put(
                    "queueId",
                    loss.ownerOrNull() == null ? null : loss.ownerOrNull().queueId());
            one.put(
                    "groupId",
                    loss.ownerOrNull() == null ? null : loss.ownerOrNull().groupId());
            one.put("records", loss.records());
            one.put("firstOffset", loss.firstOffset());
            one.put("offsets", loss.offsetCount());
            one.put("ranges", ranges(loss.offsets()));
            losses.add(one);
        }
        json.put("losses", losses);
        json.put("notes", plan.notes());
        List<Map<String, Object>> writes = new ArrayList<>();
        for (RepairPlan.Write write : plan.writes()) {
            Map<String, Object> one = new LinkedHashMap<>();
            one.put("file", write.file());
            one.put("new", write.isMade());
            one.put("bytes", write.bytes());
            writes.add(one);
        }
        json.put("writes", writes);
        return json;
    }

    private static List<List<Long>> ranges(OffsetSet offsets) {
        List<List<Long>> ranges = new ArrayList<>();
        for (int index = 0; index < offsets.rangeCount(); index++) {
            ranges.add(List.of(offsets.rangeFirst(index), offsets.rangeLast(index)));
        }
        return ranges;
    }

    // ---------------------------------------------------------------------------------------------------------- undo

    private int undo(int number) {
        List<String> changed = new ArrayList<>();
        int[] count = {0};
        LogCommand.forEachStripe(directory, true, (name, stripe) -> {
            if (isThere(stripe, number)) {
                count[0]++;
                LogRepair.changedSince(stripe, number).forEach(file -> changed.add(name + "/" + file));
            }
        });
        if (count[0] == 0) {
            throw new CliException(
                    ExitCode.LOCAL, "there is no repair " + number + " in '" + directory + "' that could be undone");
        }
        if (!changed.isEmpty() && !isForced) {
            throw new CliException(
                    ExitCode.LOCAL,
                    "a node has written since repair " + number + ", in " + changed.get(0)
                            + (changed.size() > 1 ? " and " + (changed.size() - 1) + " more" : "")
                            + "; --force takes back the repair and loses what was written");
        }
        LogCommand.forEachStripe(directory, true, (name, stripe) -> {
            if (isThere(stripe, number)) {
                LogRepair.undo(stripe, number);
                shell.console().println(name + ": as it was before repair " + number);
            }
        });
        return ExitCode.OK;
    }

    private static boolean isThere(StorageDirectory stripe, int number) throws IOException {
        return LogRepair.isApplied(stripe, number);
    }
}
