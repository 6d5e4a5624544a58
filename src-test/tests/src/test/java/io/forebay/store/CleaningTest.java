package io.forebay.store;

import static io.forebay.store.StripeFixture.frame;
import static io.forebay.store.StripeFixture.snapshotFrame;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import akka.actor.testkit.typed.javadsl.TestInbox;
import akka.actor.typed.ActorRef;
import io.forebay.config.StoreSettings;
import io.forebay.storage.log.Frame;
import io.forebay.storage.log.MessageRecord;
import io.forebay.storage.log.Owner;
import io.forebay.storage.log.QueueReader;
import io.forebay.storage.log.StripeException;
import io.forebay.store.Checkpointing.CheckpointFinished;
import io.forebay.store.Cleaning.EvacuationFinished;
import io.forebay.store.Cleaning.EvacuationPlanned;
import io.forebay.store.Cleaning.EvacuationRead;
import io.forebay.store.StoreWriter.Event;
import io.forebay.store.StoreWriter.Snapshot;
import io.forebay.store.StoreWriter.SnapshotRequested;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/**
 * Invariants: what is needed of a segment that is emptied stays readable, whatever fails in between; copies wait for what is to
 * be appended, for their share and for room; one step at a time is under way.
 */
class CleaningTest {
    private static final String FILLING = "x".repeat(1_000);

    private final TestInbox<Event> origin = TestInbox.create("origin");
    private final Registrations<Owner, ActorRef<Event>> registrations = new Registrations<>();
    private final Unflushed unflushed = new Unflushed(1 << 20);
    private final List<String> kept = new ArrayList<>();
    private final Map<Integer, Frame> lastFrames = new HashMap<>();
    private WriterBench bench;
    private AppendGate gate;
    private Checkpointing checkpointing;
    private Cleaning cleaning;

    @BeforeEach
    void open() throws IOException {
        StoreSettings patient = StripeFixture.patient();
        bench = new WriterBench(new StoreSettings(
                patient.maxUnflushedBytes(),
                patient.sendHighWaterPercent(),
                patient.flushInterval(),
                patient.flushBytes(),
                patient.rewriteTimeout(),
                patient.rewriteAttemptsMax(),
                patient.retryBackoff(),
                patient.retryBackoffMax(),
                patient.checkpointBytes(),
                patient.checkpointIdleInterval(),
                patient.snapshotTimeout(),
                100,
                50,
                patient.stopTimeout()));
        gate = new AppendGate(0, new SegmentPreparation(bench.parts, bench, bench.availability));
        checkpointing = new Checkpointing(bench.parts, bench, gate, registrations, unflushed, bench.own.getRef());
        cleaning = new Cleaning(bench.parts, bench, gate, unflushed, checkpointing);
        registrations.register(Owner.queue(1), origin.getRef(), null);
        registrations.register(Owner.queue(2), origin.getRef(), null);
        for (int step = 0; step < 300; step++) {
            if (step % 40 == 0) {
                kept.add("kept " + step);
                append(1, "kept " + step);
            }
            append(2, FILLING);
        }
        bench.log.releaseBelow(2, bench.log.nextOffset(2));
        checkpoint();
    }

    @AfterEach
    void close() throws IOException {
        bench.close();
    }

    private void append(int queueId, String body) throws IOException {
        bench.prepare();
        Frame frame = frame(queueId, body);
        bench.log.appendIfPrepared(frame, 0);
        lastFrames.put(queueId, frame);
    }

    private void checkpoint() throws IOException {
        bench.prepare();
        checkpointing.begin();
        while (origin.hasMessages()) {
            SnapshotRequested asked = (SnapshotRequested) origin.receiveMessage();
            Frame last = lastFrames.get(asked.owner().queueId());
            checkpointing.appendSnapshot(new Snapshot(
                    asked.checkpointId(),
                    asked.owner(),
                    List.of(snapshotFrame(
                            asked.owner(),
                            last.lastSequence(),
                            last.ownerNumber(0),
                            bench.log.nextOffset(asked.owner().queueId()),
                            "state"))));
        }
        bench.force();
        checkpointing.durable(bench.log.durableSequence());
        checkpointing.onCheckpointFinished(bench.runOffloaded(CheckpointFinished.class));
        bench.prepare();
    }

    /** Owners have appended a segment, and a segment is found that can be emptied; then its first records are being read. */
    private void plan() {
        cleaning.appended(bench.log.segmentBytes());
        cleaning.evacuateFurther(true);
        EvacuationPlanned planned = bench.runOffloaded(EvacuationPlanned.class);
        assertThat(planned.planned()).isNotNull();
        cleaning.onEvacuationPlanned(planned);
    }

    private EvacuationRead read() {
        EvacuationRead read = bench.runOffloaded(EvacuationRead.class);
        cleaning.onEvacuationRead(read);
        return read;
    }

    private List<String> bodies() throws IOException {
        List<String> bodies = new ArrayList<>();
        QueueReader.Result result = bench.log
                .newReader(1)
                .read(
                        0,
                        kept.size(),
                        Long.MAX_VALUE,
                        (offset, message, body) ->
                                bodies.add(new String(((MessageRecord) body.decode()).body(), StandardCharsets.UTF_8)));
        assertThat(result.status()).isEqualTo(QueueReader.Status.READ);
        return bodies;
    }

    @Test
    void whatIsNeededIsCopiedForcedAndThenReadAtItsNewPlace() throws IOException {
        plan();
        cleaning.evacuateFurther(true);
        assertThat(bench.offloadedCount()).as("one step at a time").isEqualTo(1);
        long moved = 0;
        while (read().batch() != null) {
            long before = bench.budget.unflushedBytes();
            cleaning.evacuateFurther(false);
            assertThat(bench.offloadedCount()).as("what waits goes first").isZero();
            cleaning.evacuateFurther(true);
            moved += bench.budget.unflushedBytes() - before;
        }
        assertThat(moved).isPositive();
        assertThat(unflushed.isDueLater()).as("it will be forced").isTrue();
        cleaning.evacuateFurther(true);
        assertThat(bench.offloadedCount()).as("the copies are not durable").isZero();
        bench.force();
        cleaning.evacuateFurther(true);
        cleaning.onEvacuationFinished(bench.runOffloaded(EvacuationFinished.class));
        assertThat(bench.status.health().evacuationCount()).isEqualTo(1);
        assertThat(bodies()).isEqualTo(kept);
        long stored = bench.log.storedBytes();
        checkpoint();
        assertThat(bench.log.storedBytes()).isLessThan(stored);
        assertThat(bodies()).isEqualTo(kept);
    }

    @Test
    void copiesLeaveTheRoomThatOthersNeed() {
        plan();
        read();
        long room = bench.budget.unflushedBytesMax() / 4 - bench.budget.unflushedBytes();
        bench.budget.take(room);
        cleaning.evacuateFurther(true);
        assertThat(bench.offloadedCount()).isZero();
        bench.budget.release(1);
        cleaning.evacuateFurther(true);
        assertThat(bench.offloadedCount()).isEqualTo(1);
    }

    @Test
    void aSegmentThatCannotBeReadStays() throws IOException {
        plan();
        for (String file : bench.disk.files()) {
            bench.disk.failReads(file, 0, Long.MAX_VALUE);
        }
        assertThat(read().failure()).isInstanceOf(IOException.class);
        assertThat(bench.status.health().lastFailure())
                .hasValueSatisfying(text -> assertThat(text).startsWith("cleaning: "));
        for (String file : bench.disk.files()) {
            bench.disk.failReads(file, 0, 0);
        }
        cleaning.evacuateFurther(true);
        assertThat(bench.offloadedCount()).isZero();
        assertThat(bench.status.health().evacuationCount()).isZero();
        assertThat(bodies()).isEqualTo(kept);
        plan();
    }

    @Test
    void aFailedForceEndsItBehindTheCallThatIsUnderWay() throws IOException {
        plan();
        cleaning.overtaken();
        assertThat(read().batch()).as("still read").isNotNull();
        cleaning.overtaken();
        cleaning.evacuateFurther(true);
        assertThat(bench.offloadedCount()).as("ended").isZero();

        cleaning.appended(bench.log.segmentBytes());
        cleaning.evacuateFurther(true);
        cleaning.onPlannedTooLate(bench.runOffloaded(EvacuationPlanned.class));
        cleaning.evacuateFurther(true);
        assertThat(bench.offloadedCount()).isZero();
        assertThat(bodies()).isEqualTo(kept);
        plan();
    }

    @Test
    void behindAFailedStoreNothingIsMoved() {
        plan();
        read();
        gate.storeFailed(new StripeException(StripeException.Reason.STORE_FAILED, "no page"));
        cleaning.evacuateFurther(true);
        assertThat(bench.offloadedCount()).isZero();
    }

    @Test
    void onALowDiskASegmentThatIsEmptiedIsWorthACheckpoint() throws IOException {
        bench.budget.freeDisk(0);
        plan();
        while (read().batch() != null) {
            cleaning.evacuateFurther(true);
        }
        bench.force();
        cleaning.evacuateFurther(true);
        assertThat(checkpointing.isDue()).isFalse();
        cleaning.onEvacuationFinished(bench.runOffloaded(EvacuationFinished.class));
        assertThat(checkpointing.isDue()).isTrue();
    }

    @Test
    void whatIsNoFailureOfTheEnvironmentIsABug() {
        plan();
        assertThatThrownBy(() -> cleaning.onEvacuationRead(new EvacuationRead(null, new IllegalStateException("bug"))))
                .isInstanceOf(AssertionError.class);
    }
}
