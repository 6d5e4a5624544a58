package io.forebay.storage.log;

import static org.assertj.core.api.Assertions.assertThat;

import io.forebay.testkit.faults.DiskCrashed;
import io.forebay.testkit.faults.MemoryDisk;
import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import java.util.SplittableRandom;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

/**
 * A process that dies in any of its writes, also in the middle of one. Invariants: I1 what was forced is there; I8 {@code forebay log
 * verify} calls no damage what a crash leaves by design, and there is nothing to repair; what it says of a slot is over with the next
 * start. Damage of a slot that was written is damage.
 */
@Tag("proof")
class TornSlotTest {
    private static final Owner GROUP = Owner.group(1, 5);
    private static final String TORN = "was not written to its end";
    /** Of each write of a slot. */
    private static final int TEARS = 10;

    private long forced;

    private static StripeLog open(MemoryDisk disk) throws IOException {
        return StripeLog.open(disk, LogDriver.OPTIONS, 1_000, new RepairDraft.Ignoring());
    }

    private static Frame append(StripeLog log, LogRecord record) throws IOException {
        Frame frame = Frame.builder(256).add(GROUP, record).build();
        log.append(frame, 2_000);
        return frame;
    }

    private void force(StripeLog log) throws IOException {
        FlushRange range = log.takeUnflushed();
        log.force(range);
        log.forced(range);
        forced = log.durableSequence();
    }

    /** Two starts, a checkpoint, a clean stop. */
    private void live(MemoryDisk disk) throws IOException {
        forced = 0;
        try (StripeLog log = open(disk)) {
            append(log, new AckRecord(OffsetSet.of(0)));
            force(log);
        }
        try (StripeLog log = open(disk)) {
            Frame last = append(log, new AckRecord(OffsetSet.of(1)));
            Checkpoint checkpoint = log.beginCheckpoint();
            append(log, new SnapshotRecord(last.firstSequence(), last.ownerNumber(0), 0, 0, 1, new byte[0]));
            log.writeManifest(checkpoint);
            force(log);
            log.finishCheckpoint(checkpoint);
            append(log, new AckRecord(OffsetSet.of(2)));
            log.close(true);
            forced = log.durableSequence();
        }
    }

    @Test
    void whatACrashLeavesIsNoDamage() throws IOException {
        MemoryDisk whole = new MemoryDisk();
        List<Long> slotWrites = new ArrayList<>();
        whole.observe((operation, path, at, length) -> {
            if (path.endsWith(StripeLog.CHECKPOINT_FILE) && operation.name().equals("WRITE")) {
                slotWrites.add(whole.operations() + 1);
            }
        });
        live(whole);
        assertThat(slotWrites).hasSizeGreaterThanOrEqualTo(6);
        SplittableRandom random = new SplittableRandom(77);
        int torn = 0;
        for (long operation = 1; operation <= whole.operations(); operation++) {
            for (int tear = slotWrites.contains(operation) ? TEARS : 1; tear > 0; tear--) {
                MemoryDisk disk = new MemoryDisk();
                disk.crashAtOperation(operation, random);
                try {
                    live(disk);
                } catch (DiskCrashed e) {
                    assertThat(disk.isCrashed()).isTrue();
                }
                for (MemoryDisk image : List.of(disk.killImage(), disk.powerCutImage(random))) {
                    torn += check(image, "crash at operation " + operation) ? 1 : 0;
                }
            }
        }
        assertThat(torn).as("torn slots").isGreaterThan(20);
    }

    /** @return whether a slot is torn */
    private boolean check(MemoryDisk image, String what) throws IOException {
        LogVerifier.Report report = LogVerifier.verify(image);
        assertThat(report.problems()).as(what).isEmpty();
        boolean isTorn = report.notes().stream().anyMatch(note -> note.contains(TORN));
        if (isTorn) {
            assertThat(LogRepair.plan(image, 3_000).isNeeded()).as(what).isFalse();
        }
        try (StripeLog log = open(image)) {
            assertThat(log.report().keptToSequence()).as("I1: %s", what).isGreaterThanOrEqualTo(forced);
        }
        assertThat(LogVerifier.verify(image).problems()).as(what).isEmpty();
        assertThat(LogVerifier.verify(image).notes()).as(what).noneMatch(note -> note.contains(TORN));
        return isTorn;
    }

    /** The newest state of a log that was stopped cleanly: a crash does not leave that. */
    @Test
    void aDamagedSlotIsDamage() throws IOException {
        MemoryDisk disk = new MemoryDisk();
        live(disk);
        for (int at : new int[] {20, 90, 4096 + 20, 4096 + 90}) {
            MemoryDisk damaged = disk.killImage();
            damaged.flip(StripeLog.CHECKPOINT_FILE, at, 1);
            assertThat(LogVerifier.verify(damaged).problems())
                    .singleElement()
                    .satisfies(problem -> assertThat(problem.reason()).startsWith("the checksum of slot"));
            assertThat(LogRepair.apply(damaged, 1, 3_000).refusalOrNull()).isNull();
            assertThat(LogVerifier.verify(damaged).problems()).isEmpty();
        }
    }
}
