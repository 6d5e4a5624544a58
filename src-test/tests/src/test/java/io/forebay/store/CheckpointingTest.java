package io.forebay.store;

import static io.forebay.store.StripeFixture.frame;
import static io.forebay.store.StripeFixture.snapshotFrame;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import akka.actor.testkit.typed.javadsl.TestInbox;
import akka.actor.typed.ActorRef;
import io.forebay.storage.log.Frame;
import io.forebay.storage.log.Owner;
import io.forebay.storage.log.StripeException;
import io.forebay.store.Checkpointing.CheckpointFinished;
import io.forebay.store.Checkpointing.CheckpointPauseOver;
import io.forebay.store.Checkpointing.SnapshotsTimedOut;
import io.forebay.store.StoreWriter.Event;
import io.forebay.store.StoreWriter.Snapshot;
import io.forebay.store.StoreWriter.SnapshotRequested;
import java.io.IOException;
import java.util.List;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/**
 * Invariants: only who is there is asked; a checkpoint counts when its manifest is durable and its slot written; an owner that
 * says nothing, a disk without a segment and a failure delay it or end it, and the next one begins anew.
 */
class CheckpointingTest {
    private static final Owner ONE = Owner.queue(1);
    private static final Owner TWO = Owner.queue(2);

    private final TestInbox<Event> origin = TestInbox.create("origin");
    private final Registrations<Owner, ActorRef<Event>> registrations = new Registrations<>();
    private final Unflushed unflushed = new Unflushed(1 << 20);
    private WriterBench bench;
    private SegmentPreparation preparation;
    private AppendGate gate;
    private Checkpointing checkpointing;

    @BeforeEach
    void open() throws IOException {
        bench = new WriterBench(StripeFixture.patient());
        bench.prepare();
        preparation = new SegmentPreparation(bench.parts, bench, bench.availability);
        gate = new AppendGate(0, preparation);
        checkpointing = new Checkpointing(bench.parts, bench, gate, registrations, unflushed, bench.own.getRef());
        registrations.register(ONE, origin.getRef(), null);
        append(1);
        append(2);
    }

    @AfterEach
    void close() throws IOException {
        bench.close();
    }

    private void append(int queueId) throws IOException {
        Frame frame = frame(queueId, "x".repeat(100));
        bench.log.appendIfPrepared(frame, 0);
        checkpointing.appended(frame.lengthBytes());
    }

    /** @return the id of the checkpoint for which the origin was asked for a snapshot of this owner, and nobody else */
    private long askedFor(Owner owner) {
        SnapshotRequested asked = (SnapshotRequested) origin.receiveMessage();
        assertThat(asked.owner()).isEqualTo(owner);
        assertThat(origin.hasMessages()).isFalse();
        return asked.checkpointId();
    }

    private static Frame part() {
        return snapshotFrame(ONE, 1, 1, 1, "state");
    }

    /** Leaves no room for a frame with so much in the segment, and none prepared. */
    private void fillSegment(int bodyBytes) throws IOException {
        while (true) {
            try {
                bench.log.appendIfPrepared(frame(3, "x".repeat(bodyBytes)), 0);
            } catch (StripeException e) {
                assertThat(e.reason()).isEqualTo(StripeException.Reason.NOT_PREPARED);
                return;
            }
        }
    }

    private void prepareSegment() {
        preparation.prepareIfNeeded();
        preparation.onSegmentPrepared(bench.runOffloaded(SegmentPreparation.SegmentPrepared.class));
    }

    private void finish() throws IOException {
        bench.force();
        checkpointing.durable(bench.log.durableSequence());
        checkpointing.onCheckpointFinished(bench.runOffloaded(CheckpointFinished.class));
    }

    @Test
    void itIsCompleteWhenSnapshotsManifestAndSlotAreOnTheDevice() throws IOException {
        checkpointing.begin();
        long id = askedFor(ONE); // nobody answers for the other one
        assertThat(bench.timers.get("snapshots").message()).isEqualTo(new SnapshotsTimedOut(id));
        checkpointing.durable(Long.MAX_VALUE);
        assertThat(bench.offloadedCount()).isZero();
        assertThat(unflushed.isDue()).isFalse();
        long before = bench.budget.unflushedBytes();
        Frame part = part();
        assertThat(checkpointing.appendSnapshot(new Snapshot(id, ONE, List.of(part))))
                .isNull();
        assertThat(bench.budget.unflushedBytes() - before).isEqualTo(part.retainedBytes());
        assertThat(unflushed.isDue()).as("the manifest is to be forced at once").isTrue();
        assertThat(bench.timers).doesNotContainKey("snapshots");
        checkpointing.durable(bench.log.durableSequence());
        assertThat(bench.offloadedCount()).isZero();
        finish();
        assertThat(checkpointing.isUnderWay()).isFalse();
        assertThat(checkpointing.hasChanges()).isFalse();
        assertThat(bench.status.health().checkpointCount()).isEqualTo(1);
        assertThat(bench.own.hasMessages()).isFalse();
    }

    @Test
    void whoComesInBetweenIsAskedAndWhoGoesIsNotWaitedFor() throws IOException {
        checkpointing.begin();
        long id = askedFor(ONE);
        checkpointing.begin();
        assertThat(origin.hasMessages()).as("one at a time").isFalse();
        checkpointing.registered(TWO, origin.getRef());
        assertThat(origin.hasMessages()).isFalse();
        checkpointing.registered(ONE, origin.getRef());
        assertThat(askedFor(ONE)).isEqualTo(id);
        checkpointing.gone(ONE);
        checkpointing.writeManifestIfGathered();
        assertThat(unflushed.isDue()).isTrue();
        finish();
        assertThat(bench.status.health().checkpointCount()).isEqualTo(1);
    }

    @Test
    void aSnapshotOfAnotherCheckpointOrComingTwiceIsNotAppended() {
        checkpointing.begin();
        long id = askedFor(ONE);
        long written = bench.log.writtenSequence();
        assertThat(checkpointing.appendSnapshot(new Snapshot(id - 1, ONE, List.of(part()))))
                .isNull();
        assertThat(checkpointing.appendSnapshot(new Snapshot(id, TWO, List.of(part()))))
                .isNull();
        assertThat(bench.log.writtenSequence()).isEqualTo(written);
        assertThat(checkpointing.appendSnapshot(new Snapshot(id, ONE, List.of())))
                .isNull();
        long manifest = bench.log.writtenSequence();
        assertThat(manifest).isGreaterThan(written);
        assertThat(checkpointing.appendSnapshot(new Snapshot(id, ONE, List.of(part()))))
                .isNull();
        assertThat(bench.log.writtenSequence()).isEqualTo(manifest);
    }

    @Test
    void partsThatFindNoSegmentAreTriedAgainFromTheFirstOfThem() throws IOException {
        checkpointing.begin();
        long id = askedFor(ONE);
        fillSegment(500);
        List<Frame> parts =
                List.of(snapshotFrame(ONE, 1, 1, 1, "a".repeat(2_000)), snapshotFrame(ONE, 1, 1, 1, "b".repeat(2_000)));
        Snapshot rest = checkpointing.appendSnapshot(new Snapshot(id, ONE, parts));
        assertThat(rest).isEqualTo(new Snapshot(id, ONE, parts));
        assertThat(gate.isOpen()).isFalse();
        checkpointing.writeManifestIfGathered();
        assertThat(unflushed.isDue()).isFalse();
        prepareSegment();
        assertThat(gate.isOpen()).isTrue();
        assertThat(checkpointing.appendSnapshot(rest)).isNull();
        finish();
        assertThat(bench.status.health().checkpointCount()).isEqualTo(1);
    }

    @Test
    void aManifestThatFindsNoSegmentIsWrittenWhenThereIsOne() throws IOException {
        checkpointing.begin();
        long id = askedFor(ONE);
        fillSegment(1);
        assertThat(checkpointing.appendSnapshot(new Snapshot(id, ONE, List.of())))
                .isNull();
        assertThat(gate.isOpen()).isFalse();
        assertThat(unflushed.isDue()).isFalse();
        prepareSegment();
        checkpointing.writeManifestIfGathered();
        finish();
        assertThat(bench.status.health().checkpointCount()).isEqualTo(1);
    }

    @Test
    void whoSaysNothingInTimeIsNotWaitedFor() throws IOException {
        checkpointing.begin();
        long id = askedFor(ONE);
        checkpointing.onSnapshotsTimedOut(new SnapshotsTimedOut(id - 1));
        assertThat(unflushed.isDue()).isFalse();
        checkpointing.onSnapshotsTimedOut(new SnapshotsTimedOut(id));
        finish();
        assertThat(bench.status.health().checkpointCount()).isEqualTo(1);
    }

    @Test
    void oneThatIsOvertakenByAFailureCountsForNothing() {
        long bytes = bench.parts.config().checkpointBytes();
        checkpointing.appended(bytes);
        assertThat(checkpointing.isDue()).isTrue();
        checkpointing.begin();
        assertThat(checkpointing.isDue()).isFalse();
        long id = askedFor(ONE);
        checkpointing.overtaken();
        assertThat(checkpointing.isUnderWay()).isFalse();
        assertThat(checkpointing.isDue()).isTrue();
        assertThat(bench.timers).doesNotContainKey("snapshots");
        checkpointing.begin();
        assertThat(askedFor(ONE)).isGreaterThan(id);
    }

    @Test
    void oneThatFailsIsFollowedByAPause() throws IOException {
        checkpointing.begin();
        checkpointing.appendSnapshot(new Snapshot(askedFor(ONE), ONE, List.of(part())));
        bench.force();
        checkpointing.durable(bench.log.durableSequence());
        bench.disk.failNextForces(100);
        CheckpointFinished failed = bench.runOffloaded(CheckpointFinished.class);
        assertThat(failed.failure()).isInstanceOf(IOException.class);
        // A failed force that comes now does not end what ends by itself.
        checkpointing.overtaken();
        assertThat(checkpointing.isUnderWay()).isTrue();
        checkpointing.onCheckpointFinished(failed);
        assertThat(checkpointing.isUnderWay()).isFalse();
        assertThat(bench.status.health().checkpointCount()).isZero();
        assertThat(bench.status.health().lastFailure()).isPresent();
        assertThat(bench.timers).containsKey(CheckpointPauseOver.INSTANCE);
        checkpointing.begin();
        assertThat(origin.hasMessages()).isFalse();
        checkpointing.pauseOver();
        checkpointing.begin();
        askedFor(ONE);
    }

    @Test
    void whatIsNoFailureOfTheEnvironmentIsABug() throws IOException {
        checkpointing.begin();
        checkpointing.appendSnapshot(new Snapshot(askedFor(ONE), ONE, List.of(part())));
        bench.force();
        checkpointing.durable(bench.log.durableSequence());
        assertThatThrownBy(() -> checkpointing.onCheckpointFinished(new CheckpointFinished(new AssertionError("bug"))))
                .isInstanceOf(AssertionError.class);
    }
}
