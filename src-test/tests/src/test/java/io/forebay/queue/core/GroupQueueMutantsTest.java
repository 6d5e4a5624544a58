package io.forebay.queue.core;

import static org.assertj.core.api.Assertions.assertThat;

import io.forebay.mutants.MutantCheck;
import io.forebay.mutants.MutantClasses;
import io.forebay.protocol.Durability;
import io.forebay.storage.log.LogRecord;
import io.forebay.support.Lanes;
import io.forebay.testkit.sim.Proof;
import io.forebay.testkit.sim.SeededRun;
import io.forebay.testkit.sim.Tally;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Method;
import java.util.ArrayList;
import java.util.List;
import java.util.SplittableRandom;
import java.util.random.RandomGenerator;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

/**
 * Changes the state of a group's queue in one place after the other, each time to what it must not do, and lets
 * {@link GroupQueueStateModelTest}'s lives find out: they have to fail within a bounded number of steps. A mutant that lives on
 * means that the model test would not see that mistake.
 */
@Tag("proof")
class GroupQueueMutantsTest {
    /** Most are found within some thousand. */
    private static final long STEPS_MAX = 300_000;

    private record Mutant(String name, String fragment, String replacement) {}

    // What is changed in more than one way.
    private static final String SETTLES_EACH = "for (long offset = from; offset <= last; offset++) {";
    private static final String COMPARES_TOKENS =
            "return sequence == tokenSequence && epoch == tokenEpoch && sequence != NO_SEQUENCE;";
    private static final String COUNTS_THE_ATTEMPT = "window.attempts[slot] = attempt;";
    private static final String IS_THE_LAST = "window.attempts[slot] >= maxAttempts";

    private static final List<Mutant> MUTANTS = List.of(
            // Holes.
            new Mutant(
                    "settles one too many",
                    SETTLES_EACH,
                    "for (long offset = from; offset <= Math.min(last + 1, window.cursor - 1); offset++) {"),
            new Mutant(
                    "settles one too few",
                    SETTLES_EACH,
                    "for (long offset = from; offset < Math.max(last, from + 1); offset++) {"),
            new Mutant(
                    "the floor passes what came back",
                    "if (status != SETTLED && status != SKIPPED) { break; }",
                    "if (status != SETTLED && status != SKIPPED && status != RETURNED) { break; }"),
            new Mutant(
                    "purges one too many",
                    "long inWindow = Math.min(below, window.cursor);",
                    "long inWindow = Math.min(below + 1, window.cursor);"),
            new Mutant(
                    "looks one too far ahead",
                    "Math.min(readableEnd, window.floor + limits.lookAheadMax())",
                    "Math.min(readableEnd, window.floor + limits.lookAheadMax() + 1)"),
            new Mutant("forgets that what came back late may be the first", "Math.min(readyFrom, offset)", "readyFrom"),
            // Fences.
            new Mutant(
                    "takes an ack with a stale handle",
                    "if (!last.isToken(handles.epoch(index), handles.sequence(index))) {",
                    "if (!last.isToken(handles.epoch(index), handles.sequence(index)) && offset % 3 > 0) {"),
            new Mutant(
                    "does not compare the epoch",
                    COMPARES_TOKENS,
                    "return sequence == tokenSequence && sequence != NO_SEQUENCE;"),
            new Mutant(
                    "does not compare the sequence",
                    COMPARES_TOKENS,
                    "return epoch == tokenEpoch && sequence != NO_SEQUENCE;"),
            new Mutant(
                    "does not compare the nonce",
                    "return last.nonce() == handles.nonce(index) ?",
                    "return last.nonce() != 0 ?"),
            new Mutant(
                    "knows a handle before its record is written",
                    COMPARES_TOKENS,
                    "return sequence == tokenSequence && epoch == tokenEpoch;"),
            new Mutant(
                    "a seek keeps what is in flight",
                    "beginAt(record.offset());",
                    "if (!window.contains(record.offset())) { beginAt(record.offset()); }"),
            new Mutant(
                    "a seek forgets that handles are stale", "staleBelow = Math.max(staleBelow, window.cursor);", ""),
            new Mutant(
                    "refuses a late ack",
                    "if (status == SETTLED) { return HandleOutcome.ALREADY_SETTLED; }",
                    "if (status == SETTLED || status == EXPIRED) { return HandleOutcome.ALREADY_SETTLED; }"),
            new Mutant(
                    "extends what was given back",
                    "return status == WAITING || status == RETURNED",
                    "return status == RETURNED"),
            // Time.
            new Mutant(
                    "misses what expires at this very instant",
                    "while (deadlines.nextDueMillis() <= nowMillis) {",
                    "while (deadlines.nextDueMillis() < nowMillis) {"),
            new Mutant(
                    "misses a deadline that was shortened",
                    "if (!checkpoint.isInHeap() || deadlineMillis < checkpoint.heapDueMillis()) {",
                    "if (!checkpoint.isInHeap()) {"),
            new Mutant(
                    "expires too early",
                    "while (deadlines.nextDueMillis() <= nowMillis) { expire(deadlines.first(), nowMillis); }",
                    "while (deadlines.nextDueMillis() <= nowMillis + 1) { expire(deadlines.first(), nowMillis + 1); }"),
            new Mutant(
                    "ignores the backoff of what expired",
                    "return window.dueMillis[slot] + backoff.delayMillis(window.attempts[slot], offset);",
                    "return window.dueMillis[slot];"),
            new Mutant(
                    "ignores the backoff of what was nacked",
                    "return backoff.delayMillis(window.attempts[window.slot(offset)], offset);",
                    "return 0;"),
            new Mutant(
                    "forgets who waits when the settings change",
                    "waiting.add(retryMillis(offset, slot), offset);",
                    ""),
            new Mutant(
                    "ignores that the clock stands behind the log",
                    "window.dueMillis[window.slot(offset)] -= backMillis;",
                    ""),
            new Mutant(
                    "ends the wait of what is poison no more",
                    "window.status(offset, window.dueMillis[slot] > nowMillis ? WAITING : RETURNED);",
                    "window.status(offset, RETURNED);"),
            // Attempts.
            new Mutant("counts an attempt twice", COUNTS_THE_ATTEMPT, "window.attempts[slot] = attempt + 1;"),
            new Mutant(
                    "counts an attempt less", COUNTS_THE_ATTEMPT, "window.attempts[slot] = Math.max(1, attempt - 1);"),
            new Mutant("counts anew each time", COUNTS_THE_ATTEMPT, "window.attempts[slot] = 1;"),
            new Mutant("counts what does not count", "window.attempts[slot]--;", ""),
            new Mutant(
                    "counts while the breaker is open",
                    "if (isBreakerOpen) { window.status(offset, EXPIRED_UNCOUNTED);",
                    "if (isBreakerOpen && offset < 0) { window.status(offset, EXPIRED_UNCOUNTED);"),
            new Mutant("poison one attempt late", IS_THE_LAST, "window.attempts[slot] > maxAttempts"),
            new Mutant(
                    "poison one attempt early", IS_THE_LAST, "window.attempts[slot] >= Math.max(1, maxAttempts - 1)"),
            new Mutant("a lowered limit is for what comes", "reclassify(nowMillis);", ""),
            new Mutant("poison that was tried again is poison still", "window.attempts[slot] = 0;", ""),
            new Mutant(
                    "gives back above the limit",
                    "if (isLast(slot)) { // Even if",
                    "if (isLast(slot) && isCounted) { // Even if"),
            // Keys and filters.
            new Mutant("lets the second of a key out", "return line == null || line.head == offset;", "return true;"),
            new Mutant("lets nobody follow", "if (next >= 0) { refresh(next); }", ""),
            new Mutant(
                    "a parked key leaks", "parked.put(offset, record);", "parked.put(offset, record); forget(offset);"),
            new Mutant(
                    "does not ask the filter after a restart",
                    "if (status == PENDING && !isWanted) {",
                    "if (status == PENDING && !isWanted && queueOffset + 1 == window.cursor) {"),
            new Mutant(
                    "does not wait for the filter",
                    "(status != PENDING || isScanning && offset >= scannedEnd)",
                    "status != PENDING"),
            new Mutant("asks the old filter", "!policy.filterText().equals(filterText)", "false"),
            new Mutant(
                    "counts twice what cannot be read",
                    "skip(Math.max(queueOffset, window.floor), queueOffset + 1);",
                    "skip(queueOffset, queueOffset + 1);"),
            // Sessions and limits.
            new Mutant(
                    "an extended delivery is of no session",
                    "checkpoint.inFlightCount++; hold(checkpoint);",
                    "checkpoint.inFlightCount++;"),
            new Mutant(
                    "one more in flight",
                    "Math.min(command.maxMessages(), limits.inFlightMax() - inFlightCount())",
                    "Math.min(command.maxMessages(), limits.inFlightMax() + 1 - inFlightCount())"),
            new Mutant(
                    "does not tell who is free",
                    "if (isTracking) { activity.addFreed(checkpoint.sessionId(), 1); } if (--checkpoint",
                    "if (--checkpoint"),
            // Recovery.
            new Mutant("replays twice", "if (sequence <= heldSequence) {", "if (sequence < heldSequence) {"),
            new Mutant(
                    "a snapshot drops a hole",
                    "case SETTLED -> settled.add(offset);",
                    "case SETTLED -> { if (offset % 16 > 0) { settled.add(offset); } }"),
            new Mutant(
                    "a snapshot drops a redelivery",
                    "redeliveries.add(redelivery(window, offset));",
                    "{ if (offset % 16 > 0) { redeliveries.add(redelivery(window, offset)); } }"),
            new Mutant(
                    "a snapshot drops a deadline that was moved",
                    "if (deadlineMillis != checkpoint.deadlineMillis()) {",
                    "if (deadlineMillis > checkpoint.deadlineMillis()) {"),
            new Mutant(
                    "a snapshot lays ranges over what is not settled",
                    "unsettledBefore == rangeFirst + count - 1",
                    "unsettledBefore <= rangeFirst + count"),
            new Mutant("a snapshot drops a reason", "if (reason != null) { reasons", "if (reason == \"\") { reasons"),
            new Mutant(
                    "a snapshot drops a parked key",
                    "parked.add(new GroupSnapshot.Parked(",
                    "if (offset % 2 > 0) parked.add(new GroupSnapshot.Parked("),
            new Mutant(
                    "a snapshot drops when it was first out",
                    "if (window.attempts[slot] > 1) { firstPops",
                    "if (window.attempts[slot] > 2) { firstPops"),
            new Mutant("a snapshot forgets that handles are stale", "state.staleBelow(snapshot.staleBelow());", ""));

    @Test
    void everyMutantIsFound() {
        SeededRun.run("mutants of a group's queue", (random, progress) -> {
            List<String> alive = new ArrayList<>();
            StringBuilder found = new StringBuilder();
            // Of each its own, whichever thread comes to it when.
            List<Trial> trials = MUTANTS.stream()
                    .map(mutant -> new Trial(mutant, new SplittableRandom(random.nextLong())))
                    .toList();
            String place = GroupQueueState.class.getPackageName();
            try (MutantClasses classes =
                    new MutantClasses(place + ".", GroupQueueState.class, LogRecord.class, Durability.class)) {
                for (Fate fate : Lanes.map(trials, trial -> trial.fate(classes, place))) {
                    if (fate.failure == null) {
                        alive.add(fate.name);
                    } else {
                        found.append(String.format(
                                "%n  %s: found by GroupQueueLives at step %d: %s", fate.name, fate.step, fate.failure));
                    }
                }
            }
            System.out.println(MUTANTS.size() + " mutants of a group's queue" + found);
            assertThat(alive).as("mutants that nobody found").isEmpty();
        });
    }

    /** @param failure what the lives found, null if nothing */
    private record Fate(String name, long step, String failure) {}

    private record Trial(Mutant mutant, RandomGenerator random) {
        Fate fate(MutantClasses classes, String place) throws Exception {
            ClassLoader loader = classes.change(place, mutant.fragment, mutant.replacement);
            Proof.mutantsMade.increment();
            SeededRun.Progress progress = new SeededRun.Progress();
            String failure = failure(loader, random, progress);
            if (failure != null) {
                Proof.mutantsCaught.increment();
            }
            return new Fate(mutant.name, progress.step(), failure);
        }
    }

    /** @return what the lives found, null if nothing */
    private static String failure(ClassLoader loader, RandomGenerator random, SeededRun.Progress progress)
            throws ReflectiveOperationException {
        Method run = loader.loadClass(GroupQueueLives.class.getName())
                .getDeclaredMethod("run", RandomGenerator.class, SeededRun.Progress.class, long.class, Tally.class);
        run.setAccessible(true);
        try {
            run.invoke(null, random, progress, STEPS_MAX, new Tally());
            return null;
        } catch (InvocationTargetException e) {
            return MutantCheck.found(e.getCause());
        }
    }
}
