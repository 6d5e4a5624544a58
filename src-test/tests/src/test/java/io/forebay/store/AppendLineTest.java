package io.forebay.store;

import static io.forebay.store.StripeFixture.frame;
import static io.forebay.store.StripeFixture.snapshotFrame;
import static org.assertj.core.api.Assertions.assertThat;

import akka.actor.testkit.typed.javadsl.TestInbox;
import akka.actor.typed.ActorRef;
import io.forebay.storage.log.Frame;
import io.forebay.storage.log.Owner;
import io.forebay.storage.log.StripeException;
import io.forebay.store.StoreWriter.Append;
import io.forebay.store.StoreWriter.Event;
import io.forebay.store.StoreWriter.Forget;
import io.forebay.store.StoreWriter.Refused;
import io.forebay.store.StoreWriter.Rejected;
import io.forebay.store.StoreWriter.Snapshot;
import io.forebay.store.StoreWriter.SnapshotRequested;
import io.forebay.store.StoreWriter.Written;
import java.io.IOException;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/** Invariants: nothing passes what waits; each frame is answered once, Written or Rejected; what is rejected gives its room back. */
class AppendLineTest {
    private static final Owner OWNER = Owner.queue(1);

    private final TestInbox<Event> one = TestInbox.create("one");
    private final TestInbox<Event> two = TestInbox.create("two");
    private final Registrations<Owner, ActorRef<Event>> registrations = new Registrations<>();
    private final Unflushed unflushed = new Unflushed(1 << 20);
    private WriterBench bench;
    private SegmentPreparation preparation;
    private AppendGate gate;
    private Checkpointing checkpointing;
    private AppendLine line;

    @BeforeEach
    void open() throws IOException {
        bench = new WriterBench(StripeFixture.patient());
        bench.prepare();
        preparation = new SegmentPreparation(bench.parts, bench, bench.availability);
        gate = new AppendGate(0, preparation);
        checkpointing = new Checkpointing(bench.parts, bench, gate, registrations, unflushed, bench.own.getRef());
        Cleaning cleaning = new Cleaning(bench.parts, bench, gate, unflushed, checkpointing);
        line = new AppendLine(bench.parts, gate, registrations, unflushed, checkpointing, cleaning);
        registrations.register(OWNER, one.getRef(), null);
    }

    @AfterEach
    void close() throws IOException {
        bench.close();
    }

    private Frame append(TestInbox<Event> origin, long tag, String body) {
        Frame frame = frame(1, body);
        bench.budget.take(frame.retainedBytes());
        line.append(new Append(frame, origin.getRef(), false, tag));
        return frame;
    }

    /** Leaves no room for a frame of 1,000 bytes in the segment, and none prepared. */
    private void fillSegment() throws IOException {
        try {
            while (true) {
                bench.log.appendIfPrepared(frame(3, "x".repeat(500)), 0);
            }
        } catch (StripeException e) {
            assertThat(e.reason()).isEqualTo(StripeException.Reason.NOT_PREPARED);
        }
    }

    private void prepareSegment() {
        preparation.prepareIfNeeded();
        preparation.onSegmentPrepared(bench.runOffloaded(SegmentPreparation.SegmentPrepared.class));
    }

    private static String large() {
        return "x".repeat(1_000);
    }

    @Test
    void whatCanBeAppendedIsAnsweredAtOnce() {
        Frame frame = append(one, 7, "a");
        assertThat(one.receiveMessage()).isEqualTo(new Written(7, frame));
        assertThat(frame.isAppended()).isTrue();
        assertThat(unflushed.isDueLater()).isTrue();
        assertThat(checkpointing.hasChanges()).isTrue();
        assertThat(line.isEmpty()).isTrue();
    }

    @Test
    void nothingPassesWhatWaits() throws IOException {
        append(one, 0, "a");
        one.receiveMessage();
        fillSegment();
        Frame first = append(one, 1, large());
        assertThat(line.canAppend()).isFalse();
        Frame second = append(two, 2, "fits");
        line.forget(new Forget(OWNER));
        Frame third = append(one, 3, "fits");
        assertThat(one.hasMessages()).isFalse();
        assertThat(two.hasMessages()).isFalse();
        assertThat(registrations.origin(OWNER)).isNotNull();
        Set<ActorRef<Event>> origins = new HashSet<>();
        line.addOriginsTo(origins);
        assertThat(origins).containsExactlyInAnyOrder(one.getRef(), two.getRef());

        line.appendWaiting();
        assertThat(one.hasMessages()).as("still no segment").isFalse();
        prepareSegment();
        line.appendWaiting();
        assertThat(line.isEmpty()).isTrue();
        assertThat(one.receiveMessage()).isEqualTo(new Written(1, first));
        assertThat(two.receiveMessage()).isEqualTo(new Written(2, second));
        assertThat(one.receiveMessage()).isEqualTo(new Written(3, third));
        assertThat(second.firstSequence()).isGreaterThan(first.lastSequence());
        assertThat(third.firstSequence()).isGreaterThan(second.lastSequence());
        assertThat(registrations.origin(OWNER)).isNull();
    }

    @Test
    void whatCannotBeAppendedAtAllStopsNobodyBehindIt() {
        long before = bench.budget.unflushedBytes();
        Frame tooLarge = append(one, 1, "x".repeat(bench.log.frameBytesMax()));
        assertThat(one.receiveMessage())
                .isInstanceOfSatisfying(
                        Rejected.class,
                        rejected -> assertThat(rejected)
                                .isEqualTo(new Rejected(1, tooLarge, Refused.FRAME_TOO_LARGE, rejected.detail())));
        assertThat(bench.budget.unflushedBytes()).isEqualTo(before);
        append(one, 2, "a");
        assertThat(one.receiveMessage()).isInstanceOf(Written.class);
    }

    @Test
    void whatIsAddedWhileEverythingIsWrittenAgainIsWaitedFor() {
        Frame frame = frame(1, "a");
        bench.budget.take(frame.retainedBytes());
        line.add(new Append(frame, one.getRef(), false, 1));
        append(two, 2, "b");
        assertThat(one.hasMessages()).isFalse();
        assertThat(two.hasMessages()).isFalse();
        line.appendWaiting();
        assertThat(((Written) one.receiveMessage()).frame().lastSequence())
                .isLessThan(((Written) two.receiveMessage()).frame().firstSequence());
    }

    @Test
    void aSnapshotComesBehindTheAppendsBeforeIt() throws IOException {
        append(one, 0, "a");
        one.receiveMessage();
        checkpointing.begin();
        long id = ((SnapshotRequested) one.receiveMessage()).checkpointId();
        fillSegment();
        Frame frame = append(two, 1, large());
        Frame part = snapshotFrame(OWNER, 1, 1, 1, "state");
        line.snapshot(new Snapshot(id, OWNER, List.of(part)));
        assertThat(part.isAppended()).isFalse();
        prepareSegment();
        line.appendWaiting();
        assertThat(line.isEmpty()).isTrue();
        assertThat(part.firstSequence()).isGreaterThan(frame.lastSequence());
        Frame late = snapshotFrame(OWNER, 1, 1, 1, "late");
        line.snapshot(new Snapshot(id, OWNER, List.of(late)));
        assertThat(late.isAppended()).isFalse();
        assertThat(line.isEmpty()).isTrue();
    }

    @Test
    void aSnapshotThatFindsNoSegmentStaysFirstInLine() throws IOException {
        append(one, 0, "a");
        one.receiveMessage();
        checkpointing.begin();
        long id = ((SnapshotRequested) one.receiveMessage()).checkpointId();
        fillSegment();
        Frame part = snapshotFrame(OWNER, 1, 1, 1, large());
        line.snapshot(new Snapshot(id, OWNER, List.of(part)));
        Frame behind = append(two, 1, "fits");
        assertThat(two.hasMessages()).isFalse();
        prepareSegment();
        line.appendWaiting();
        assertThat(part.lastSequence()).isLessThan(behind.firstSequence());
        assertThat(two.receiveMessage()).isEqualTo(new Written(1, behind));
    }

    @Test
    void atTheEndWhatWaitsIsRejected() throws IOException {
        fillSegment();
        long before = bench.budget.unflushedBytes();
        Frame frame = append(one, 1, large());
        line.forget(new Forget(OWNER));
        line.rejectWaiting("over");
        assertThat(one.receiveMessage()).isEqualTo(new Rejected(1, frame, Refused.CLOSED, "over"));
        assertThat(line.isEmpty()).isTrue();
        assertThat(bench.budget.unflushedBytes()).isEqualTo(before);
    }
}
