package io.forebay.mutants;

import static org.assertj.core.api.Assertions.assertThat;

import akka.actor.testkit.typed.javadsl.ActorTestKit;
import akka.actor.typed.ActorRef;
import akka.stream.Materializer;
import com.typesafe.config.Config;
import com.typesafe.config.ConfigFactory;
import io.forebay.config.StoreSettings;
import io.forebay.protocol.Durability;
import io.forebay.storage.log.StripeLog;
import io.forebay.store.StripeHandle;
import io.forebay.support.Lanes;
import io.forebay.support.PatientTestKits;
import io.forebay.testkit.sim.Proof;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Method;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.TimeUnit;
import java.util.random.RandomGenerator;
import java.util.random.RandomGeneratorFactory;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.slf4j.Logger;
import scala.Function0;

/**
 * Breaks the engine in one place after the other, each time so that it does not hold what it promises, and has tests find out:
 * log, recovery and cleaning, the StoreWriter's parts, the Flusher, the fence of a group. A mutant that lives on means that no test
 * would see that mistake. What finds it is one of our tests, or the seeded run behind it, under a seed that stays, so that a mutant
 * is found in the same place each time. First all of them have to pass with the engine as it is.
 */
@Tag("proof")
class EngineMutantsTest {
    private static final Config QUIET = ConfigFactory.parseString("akka.loglevel = OFF, akka.stdout-loglevel = OFF")
            .withFallback(ConfigFactory.load());

    private static final long SEED = 5;

    /** @param steps of a seeded run; 0 of a test that has none */
    private record Check(String type, String method, long steps) {
        @Override
        public String toString() {
            return type.substring(type.lastIndexOf('.') + 1) + "." + method;
        }
    }

    /** @param where its class or package */
    private record Mutant(String name, String where, String fragment, String replacement, Check check) {}

    // What finds them.
    private static final Check STRIPES = new Check("io.forebay.simulation.StripeSimulationTest", "run", 15_000);
    private static final Check LOGS = new Check("io.forebay.storage.log.StripeLogFaultTest", "run", 4_000);
    private static final Check GROUPS = new Check("io.forebay.queue.core.GroupQueueLives", "run", 20_000);
    private static final Check FLUSHER = new Check("io.forebay.store.FlusherScript", "run", 0);

    private static Check ofLog(String type, String method) {
        return new Check("io.forebay.storage.log." + type, method, 0);
    }

    private static Check ofStore(String type, String method) {
        return new Check("io.forebay.store." + type, method, 0);
    }

    // What is broken.
    private static final String LOG = "io.forebay.storage.log.StripeLog";
    private static final String FRAMES = "io.forebay.storage.log.FrameCodec";
    private static final String SCANNER = "io.forebay.storage.log.ChainScanner";
    private static final String NUMBERS = "io.forebay.storage.log.Numbering";
    private static final String COPIES = "io.forebay.storage.log.Rewriting";
    private static final String RECOVERY = "io.forebay.storage.log.Recovery";
    private static final String MANIFESTS = "io.forebay.storage.log.Checkpointing";
    private static final String PINS = "io.forebay.storage.log.BodyPins";
    private static final String MOVES = "io.forebay.storage.log.Evacuation";
    private static final String FLUSHES = "io.forebay.store.Flusher";
    private static final String UNFLUSHED = "io.forebay.store.Unflushed";
    private static final String REWRITE_STATE = "io.forebay.store.RewriteState";
    private static final String REWRITES = "io.forebay.store.Rewriting";
    private static final String CHECKPOINT_STATE = "io.forebay.store.CheckpointState";
    private static final String CHECKPOINTS = "io.forebay.store.Checkpointing";
    private static final String LINE = "io.forebay.store.AppendLine";
    private static final String GROUP = "io.forebay.queue.core.GroupQueueState";
    private static final String FENCE = "if (!last.isToken(handles.epoch(index), handles.sequence(index))) {";

    private static final List<Mutant> MUTANTS = List.of(
            // Forces.
            new Mutant("skips a force", LOG, "segment.file().force(from - segment.base(), to - from);", "", STRIPES),
            new Mutant("skips the force of a header", LOG, "segment.forceHeader();", "", STRIPES),
            new Mutant(
                    "forces a range in its last segment only",
                    LOG,
                    "if (segment.limit() > fromPosition && segment.base() < toPosition) {",
                    "if (segment.limit() >= toPosition && segment.base() < toPosition) {",
                    STRIPES),
            new Mutant(
                    "forces the newest frame of a range only",
                    LOG,
                    "if (unflushedFrom == NONE) { unflushedFrom = position; }",
                    "unflushedFrom = position;",
                    STRIPES),
            new Mutant(
                    "answers FLUSHED early: what was appended behind the range counts, too",
                    LOG,
                    "state.durableSequence = range.toSequence();",
                    "state.durableSequence = state.nextSequence - 1;",
                    STRIPES),
            new Mutant(
                    "a late success overtakes a failure",
                    LOG,
                    "if (range.generation() == state.generation && range.toPosition() > state.durablePosition) {",
                    "if (range.toPosition() > state.durablePosition) {",
                    ofLog("StripeLogTest", "whatAFailedForceLostIsRewrittenWithTheSameSequencesAndOffsets")),
            new Mutant(
                    "a failure leaves what it makes void readable",
                    LOG,
                    "state.voidFrom = state.durablePosition;",
                    "",
                    ofLog("StripeLogTest", "whatAFailedForceLostIsRewrittenWithTheSameSequencesAndOffsets")),
            new Mutant(
                    "what was begun before a failure goes on",
                    LOG,
                    "state.generation++; } state.phase = Phase.REWRITING;",
                    "} state.phase = Phase.REWRITING;",
                    ofLog("EvacuationTest", "aForceThatFailsGivesTheCopiesUp")),
            new Mutant(
                    "answers FLUSHED before the force",
                    FLUSHES,
                    "log.force(flush.range);",
                    "log.forced(flush.range); log.force(flush.range);",
                    FLUSHER),
            new Mutant(
                    "answers FLUSHED although the force failed",
                    FLUSHES,
                    "return new ForceFailed(flush, e);",
                    "log.forced(flush.range); return new ForceDone(flush, 1);",
                    FLUSHER),
            new Mutant(
                    "answers FLUSHED of what a failed store has overtaken",
                    FLUSHES,
                    "if (durable >= range.toSequence()) {",
                    "if (durable >= 0) {",
                    FLUSHER),
            new Mutant(
                    "answers FLUSHED one record early",
                    FLUSHES,
                    "if (await.sequence <= durable) {",
                    "if (await.sequence <= durable + 1) {",
                    FLUSHER),
            new Mutant("tells twice who waited once", FLUSHES, "waiters.clear();", "", FLUSHER),
            new Mutant("forgets over a failure who waits", FLUSHES, "waiters.addAll(tell.waiters);", "", FLUSHER),
            new Mutant(
                    "does not say that it is written again",
                    FLUSHES,
                    "rewriting.forEach(origin -> origin.tell(rewritten));",
                    "",
                    FLUSHER),
            // What is not durable.
            new Mutant(
                    "forgets a retained copy",
                    LOG,
                    "retained.addLast(frame);",
                    "if (frame.recordCount() < 6) { retained.addLast(frame); }",
                    STRIPES),
            new Mutant(
                    "lets go of a copy one record early",
                    LOG,
                    "oldest.lastSequence() <= durable;",
                    "oldest.lastSequence() <= durable + 1;",
                    STRIPES),
            new Mutant("rewrites and does not force the copies", COPIES, "run.force();", "", STRIPES),
            new Mutant(
                    "rewrites and leaves readers where it was",
                    COPIES,
                    "repoint(rewritten.get(each), rewrittenTo[each]);",
                    "",
                    STRIPES),
            new Mutant(
                    "a rewrite that starts over leaves out what was given up",
                    COPIES,
                    "nextSequence = state.durableSequence + 1;",
                    "nextSequence = Math.max(nextSequence, state.durableSequence + 1);",
                    STRIPES),
            new Mutant(
                    "forgets the room of a range that is not durable",
                    UNFLUSHED,
                    "gatheredBytes += atFlusher.frameBytes();",
                    "",
                    ofStore("UnflushedTest", "aRangeThatIsNotDurableIsWrittenAgainBeforeWhatGathered")),
            new Mutant(
                    "writes a failed range again behind what came later",
                    UNFLUSHED,
                    "appendsAtFlusher.addAll(gathered); gathered = appendsAtFlusher;",
                    "gathered.addAll(appendsAtFlusher);",
                    ofStore("UnflushedTest", "aRangeThatIsNotDurableIsWrittenAgainBeforeWhatGathered")),
            new Mutant(
                    "waits for somebody to send the stripe's own frames again",
                    UNFLUSHED,
                    "own.equals(origin) ? null : origin",
                    "origin",
                    ofStore("UnflushedTest", "aRangeThatIsNotDurableIsWrittenAgainBeforeWhatGathered")),
            new Mutant(
                    "forgets who waits for FLUSHED",
                    UNFLUSHED,
                    "if (append.wantsDurable()) { await(append.origin()); }",
                    "",
                    ofStore("UnflushedTest", "whatGathersDuringAForceIsTheNextRange")),
            new Mutant(
                    "writes again what its origin has not sent",
                    REWRITE_STATE,
                    "return origin != null && awaited.contains(origin) ? WAIT : nextIndex++;",
                    "return nextIndex++;",
                    ofStore("RewriteStateTest", "framesAreWrittenInOrderOfSequenceWhoeverAnswersFirst")),
            new Mutant(
                    "goes on where an attempt failed",
                    REWRITE_STATE,
                    "nextIndex = 0; isPaused = true;",
                    "isPaused = true;",
                    ofStore("RewriteStateTest", "aFailedAttemptStartsOverAndAsksNobodyAgain")),
            new Mutant(
                    "waits for an origin that is gone",
                    REWRITE_STATE,
                    "void gone(O origin) { awaited.remove(origin); }",
                    "void gone(O origin) {}",
                    ofStore("RewriteStateTest", "framesOfTheStripeItselfWaitForNobody")),
            new Mutant(
                    "forces an attempt twice",
                    REWRITE_STATE,
                    "return !isPaused && !isFinishing && isHandedOut();",
                    "return !isPaused && isHandedOut();",
                    ofStore("RewriteStateTest", "itFinishesOncePerAttempt")),
            new Mutant(
                    "answers FLUSHED although the force of the copies failed",
                    REWRITES,
                    "if (finished.failure != null) {",
                    "if (finished.failure != null && frames.isEmpty()) {",
                    ofStore("RewritingTest", "anAttemptThatFailsStartsOverAndAfterSomeTheStripeIsReadOnly")),
            new Mutant(
                    "forces the copies while something else works on the log",
                    REWRITES,
                    "if (rewrite.isReadyToFinish() && !tools.isAnyCallRunning()) {",
                    "if (rewrite.isReadyToFinish()) {",
                    ofStore("RewritingTest", "whatElseWorksOnTheLogEndsFirst")),
            new Mutant(
                    "keeps the room of what was written again",
                    REWRITES,
                    "parts.budget().release(unflushed.rewritten());",
                    "unflushed.rewritten();",
                    ofStore("RewritingTest", "whatNobodySendsTheStripeWritesItself")),
            // Appends.
            new Mutant(
                    "answers WRITTEN before it is",
                    LINE,
                    "log.appendIfPrepared(frame, clock.millis());",
                    "append.origin().tell(new Written(append.tag(), frame)); log.appendIfPrepared(frame, clock.millis());",
                    ofStore("AppendLineTest", "nothingPassesWhatWaits")),
            new Mutant(
                    "lets an append pass those that wait",
                    LINE,
                    "if (canAppend() && tryAppend(append)) {",
                    "if (gate.isOpen() && tryAppend(append)) {",
                    ofStore("AppendLineTest", "whatIsAddedWhileEverythingIsWrittenAgainIsWaitedFor")),
            new Mutant(
                    "reuses an offset",
                    NUMBERS,
                    "long offset = queue.giveOffset();",
                    "long offset = queue.giveOffset(); if (offset % 32 == 31) { queue.takeBackOffset(); }",
                    STRIPES),
            new Mutant(
                    "reuses an offset after a start",
                    RECOVERY,
                    ".raise(record.queueOffset() + 1);",
                    ".raise(record.queueOffset());",
                    STRIPES),
            new Mutant(
                    "leaves out an offset after a failed store",
                    NUMBERS,
                    "owners.marks[slot].takeBackOffset();",
                    "",
                    ofLog("FailedStoreTest", "itsNumbersAndOffsetsAreGivenToItAgain")),
            new Mutant(
                    "leaves out a number of an owner after a failed store",
                    NUMBERS,
                    "long number = --owners.lastNumber[slot];",
                    "long number = owners.lastNumber[slot];",
                    ofLog("FailedStoreTest", "itsNumbersAndOffsetsAreGivenToItAgain")),
            new Mutant(
                    "a segment says wrongly where the one before it ends",
                    LOG,
                    "old.base(), old.end(), state.nextSequence));",
                    "old.base(), old.end() + 8, state.nextSequence));",
                    STRIPES),
            // Checksums and fences of the log.
            new Mutant(
                    "ignores a CRC",
                    FRAMES,
                    "if (LittleEndian.getInt(frame, at) != found) {",
                    "if (LittleEndian.getInt(frame, at) != found && length < 0) {",
                    ofLog("FrameTest", "noFlippedBitOfAFramePasses")),
            new Mutant(
                    "leaves the header out of the CRC",
                    FRAMES,
                    "crc.update(frame, at + 4, length - 4);",
                    "crc.update(frame, at + HEADER_BYTES, length - HEADER_BYTES);",
                    ofLog("FrameTest", "noFlippedBitOfAFramePasses")),
            new Mutant(
                    "takes a frame that lies elsewhere",
                    FRAMES,
                    "if (position(frame, at) != position) {",
                    "if (position(frame, at) > position) {",
                    ofLog("StripeLogTest", "aFrameThatLiesElsewhereIsStale")),
            new Mutant(
                    "takes a frame of an earlier start",
                    SCANNER,
                    "if (FrameCodec.epoch(bytes, at) < epoch) {",
                    "if (FrameCodec.epoch(bytes, at) < 0) {",
                    ofLog("StripeLogTest", "aFrameOfALowerEpochIsStale")),
            // Starts.
            new Mutant(
                    "starts with the epoch of the start before",
                    RECOVERY,
                    "long epoch = 1 + Math.max(",
                    "long epoch = Math.max(",
                    ofLog("StripeLogTest", "aSecondStartWithoutAnythingForcedInTheFirst")),
            new Mutant("does not force what it copies at the start", RECOVERY, "run.force();", "", STRIPES),
            new Mutant(
                    "copies with the epoch of the start before",
                    RECOVERY,
                    "FrameCodec.place(copy, 0, length, epoch, position, durable, crc);",
                    "FrameCodec.place(copy, 0, length, epoch - 1, position, durable, crc);",
                    STRIPES),
            new Mutant(
                    "does not copy the first frame that may not be durable",
                    RECOVERY,
                    "tail.peekFirst().position < scanner.durable()",
                    "tail.peekFirst().position <= scanner.durable()",
                    STRIPES),
            new Mutant(
                    "replays what a snapshot holds",
                    RECOVERY,
                    "if (number > owners.heldNumber(slot) && !stopped.contains(key)) {",
                    "if (!stopped.contains(key)) {",
                    STRIPES),
            // Checkpoints.
            new Mutant(
                    "writes the slot of a manifest that is not durable",
                    MANIFESTS,
                    "|| state.durableSequence < checkpoint.manifestSequence()) {",
                    ") {",
                    ofLog("CheckpointOrderTest", "theSlotOfAManifestThatIsNotDurableIsNotWritten")),
            new Mutant(
                    "begins the replay behind an owner that gave no snapshot",
                    MANIFESTS,
                    "isMoved &= held >= owners.beginStateNumber[slot];",
                    "",
                    ofLog("StripeLogTest", "anOwnerThatKeepsQuietKeepsTheReplayStart")),
            new Mutant(
                    "frees a segment with a snapshot that counts",
                    MANIFESTS,
                    "segment.snapshotCheckpoint() == checkpoint.number",
                    "segment.snapshotCheckpoint() < 0",
                    ofLog("StripeLogTest", "aSnapshotKeepsItsSegmentAsLongAsThereIsNoNewerOne")),
            new Mutant(
                    "frees a segment that copies were moved to",
                    MANIFESTS,
                    "(segment.end() <= neededFrom && !segment.holdsMoved())",
                    "segment.end() <= neededFrom",
                    ofLog("EvacuationTest", "aMessageAsLargeAsAFrameMayBeIsMovedToo")),
            new Mutant(
                    "leaves the older slot naming what goes",
                    MANIFESTS,
                    "if (!checkpoint.freed.isEmpty()) {",
                    "if (checkpoint.freed.size() > 1_000) {",
                    ofLog("StripeLogTest", "eitherSlotAloneIsEnoughToStart")),
            new Mutant(
                    "counts a snapshot that claims more than there is",
                    NUMBERS,
                    "if (held > owners.lastStateNumber[slot]) {",
                    "if (held < 0) {",
                    ofLog("EvacuationTest", "afterAStartASnapshotThatClaimsMoreThanThereIsDoesNotCount")),
            new Mutant(
                    "finishes a checkpoint before its manifest is durable",
                    CHECKPOINT_STATE,
                    "return step == Step.FORCING && durableSequence >= manifestSequence;",
                    "return step == Step.FORCING;",
                    ofStore("CheckpointingTest", "itIsCompleteWhenSnapshotsManifestAndSlotAreOnTheDevice")),
            new Mutant(
                    "writes the manifest without the snapshots",
                    CHECKPOINT_STATE,
                    "return step == Step.GATHERING && awaited.isEmpty();",
                    "return step == Step.GATHERING;",
                    ofStore("CheckpointStateTest", "gathersEachSnapshotOnce")),
            new Mutant(
                    "takes a snapshot of another checkpoint",
                    CHECKPOINT_STATE,
                    "return step == Step.GATHERING && checkpointId == id && awaited.contains(owner);",
                    "return step == Step.GATHERING && awaited.contains(owner);",
                    ofStore("CheckpointStateTest", "gathersEachSnapshotOnce")),
            new Mutant(
                    "takes a checkpoint that was given up for one",
                    CHECKPOINT_STATE,
                    "bytesSince += bytesBefore;",
                    "",
                    ofStore("CheckpointStateTest", "anAbandonedOneCountsAsNotTaken")),
            new Mutant(
                    "gives up a checkpoint whose slot is being written",
                    CHECKPOINTS,
                    "if (checkpoints.step() != CheckpointState.Step.FINISHING) {",
                    "if (checkpoints.step() != CheckpointState.Step.IDLE) {",
                    ofStore("CheckpointingTest", "oneThatFailsIsFollowedByAPause")),
            // Cleaning.
            new Mutant(
                    "drops the pin of the first entry that is needed",
                    PINS,
                    "entryOffsets[pin] >= entryQueues[pin].releasedBelow()",
                    "entryOffsets[pin] > entryQueues[pin].releasedBelow()",
                    ofLog("StripeLogTest", "aBodyStaysAsLongAsAnEntryNamesIt")),
            new Mutant(
                    "forgets a pin",
                    PINS,
                    "isMoved[count] = false; count++;",
                    "isMoved[count] = false; count += entryOffset % 4 == 0 ? 0 : 1;",
                    LOGS),
            new Mutant(
                    "sends readers to copies that are not durable",
                    MOVES,
                    "return isRead && evacuator.durablePosition() >= copiesEnd;",
                    "return isRead;",
                    ofLog("EvacuationTest", "copiesAreNotDurableBeforeTheyAreForced")),
            // The fence of a group.
            new Mutant(
                    "drops the fence",
                    GROUP,
                    FENCE,
                    "if (!last.isToken(handles.epoch(index), handles.sequence(index)) && index < 0) {",
                    GROUPS),
            new Mutant(
                    "a handle of the start before passes the fence",
                    GROUP,
                    FENCE,
                    "if (!last.isToken(handles.epoch(index), handles.sequence(index))"
                            + " && !last.isToken(handles.epoch(index) + 1, handles.sequence(index))) {",
                    GROUPS));

    @Test
    @Timeout(value = 3, unit = TimeUnit.MINUTES, threadMode = Timeout.ThreadMode.SEPARATE_THREAD)
    void everyMutantIsFound() throws Exception {
        ActorTestKit actors = PatientTestKits.create(QUIET);
        try (MutantClasses classes = new MutantClasses(
                "io.forebay.",
                StripeHandle.class,
                StripeLog.class,
                Durability.class,
                StoreSettings.class,
                ActorRef.class,
                Materializer.class,
                akka.actor.ActorSystem.class,
                Function0.class,
                Config.class,
                Logger.class)) {
            passAsItIs(classes.unchanged(), actors);
            List<String> notMade = new ArrayList<>();
            List<String> alive = new ArrayList<>();
            Map<String, String> found = new LinkedHashMap<>();
            List<Fate> fates = Lanes.map(MUTANTS, mutant -> fate(classes, mutant, actors));
            for (Fate fate : fates) {
                if (!fate.isMade) {
                    notMade.add(fate.mutant.name + ": " + fate.what);
                } else if (fate.what == null) {
                    alive.add(fate.mutant.name + " (" + fate.mutant.check + ")");
                } else {
                    found.put(fate.mutant.name, fate.mutant.check + ": " + fate.what);
                }
            }
            StringBuilder list = new StringBuilder();
            found.forEach((name, what) -> list.append(String.format("%n  %s: found by %s", name, what)));
            System.out.println(MUTANTS.size() + " mutants of the engine" + list);
            assertThat(notMade).as("mutants that cannot be made").isEmpty();
            assertThat(alive).as("mutants that nobody found").isEmpty();
        } finally {
            actors.shutdownTestKit();
        }
    }

    /** @param what was found, null if nothing; of one that cannot be made: why */
    private record Fate(Mutant mutant, boolean isMade, String what) {}

    private static Fate fate(MutantClasses classes, Mutant mutant, ActorTestKit actors) throws Exception {
        ClassLoader changed;
        try {
            changed = classes.change(mutant.where, mutant.fragment, mutant.replacement);
        } catch (AssertionError e) {
            return new Fate(mutant, false, e.getMessage());
        }
        Proof.mutantsMade.increment();
        String what = run(changed, mutant.check, actors);
        if (what != null) {
            Proof.mutantsCaught.increment();
        }
        return new Fate(mutant, true, what);
    }

    private static void passAsItIs(ClassLoader unchanged, ActorTestKit actors) throws Exception {
        List<Check> checks = MUTANTS.stream().map(Mutant::check).distinct().toList();
        List<Optional<String>> found = Lanes.map(checks, check -> Optional.ofNullable(run(unchanged, check, actors)));
        for (int i = 0; i < checks.size(); i++) {
            assertThat(found.get(i))
                    .as("%s finds something in the engine as it is", checks.get(i))
                    .isEmpty();
        }
    }

    /** @return what the check found; null if nothing */
    private static String run(ClassLoader classes, Check check, ActorTestKit actors) throws Exception {
        Method run = classes.loadClass(MutantCheck.class.getName())
                .getMethod("run", String.class, String.class, RandomGenerator.class, long.class, ActorTestKit.class);
        RandomGenerator random = RandomGeneratorFactory.of("L64X128MixRandom").create(SEED);
        try {
            return (String) run.invoke(null, check.type, check.method, random, check.steps, actors);
        } catch (InvocationTargetException e) {
            throw new AssertionError(check + " says nothing of the engine: " + e.getCause(), e.getCause());
        }
    }
}
