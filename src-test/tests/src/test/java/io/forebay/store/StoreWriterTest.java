package io.forebay.store;

import static io.forebay.store.StripeFixture.LONG;
import static io.forebay.store.StripeFixture.assertWritten;
import static io.forebay.store.StripeFixture.expect;
import static io.forebay.store.StripeFixture.frame;
import static io.forebay.store.StripeFixture.patient;
import static io.forebay.store.StripeFixture.snapshotFrame;
import static io.forebay.store.StripeFixture.with;
import static org.assertj.core.api.Assertions.assertThat;

import akka.Done;
import akka.actor.testkit.typed.javadsl.TestProbe;
import akka.actor.typed.ActorRef;
import akka.actor.typed.javadsl.Behaviors;
import io.forebay.storage.io.MappedAccessException;
import io.forebay.storage.log.Frame;
import io.forebay.storage.log.Owner;
import io.forebay.store.StoreWriter.Available;
import io.forebay.store.StoreWriter.Durable;
import io.forebay.store.StoreWriter.Event;
import io.forebay.store.StoreWriter.FlushFailed;
import io.forebay.store.StoreWriter.Rejected;
import io.forebay.store.StoreWriter.Rewrite;
import io.forebay.store.StoreWriter.Rewritten;
import io.forebay.store.StoreWriter.SnapshotRequested;
import io.forebay.store.StoreWriter.Unavailable;
import io.forebay.store.StoreWriter.Written;
import io.forebay.store.StripeBudget.Reason;
import io.forebay.store.StripeBudget.Tier;
import io.forebay.testkit.faults.DiskObserver.Operation;
import io.forebay.testkit.faults.MemoryDisk;
import java.io.IOException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.Semaphore;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.Test;

/**
 * A stripe's StoreWriter and Flusher over a disk in memory.
 *
 * <p>Invariants: WRITTEN is answered at once and survives a kill; FLUSHED is answered only when it survives a power cut; a
 * failed force changes no sequence and no offset. Faults: forces that fail once and for long, stores that fail, a full disk,
 * origins that are gone or silent, a bug in the Flusher.
 */
class StoreWriterTest {
    private static final Duration SHORT = Duration.ofMillis(30);

    private static final long CHECKPOINT_BYTES = 64 * 1024;

    private final MemoryDisk disk = new MemoryDisk();

    @Test
    void writtenIsAnsweredWhileTheForceStillRuns() throws IOException {
        CountDownLatch mayForce = new CountDownLatch(1);
        try (StripeFixture fixture = StripeFixture.open(disk, patient())) {
            disk.observe((operation, path, at, length) -> {
                if (operation == Operation.FORCE) {
                    await(mayForce);
                }
            });
            TestProbe<Event> origin = fixture.origin();
            Frame first = frame(1, "a", "b");
            Frame second = frame(1, "c");
            fixture.send(origin, first, true, 10);
            fixture.send(origin, second, true, 11);
            assertWritten(origin, first, 10);
            assertWritten(origin, second, 11);
            assertThat(first.queueOffset(0)).isZero();
            assertThat(first.queueOffset(1)).isEqualTo(1);
            assertThat(second.queueOffset(0)).isEqualTo(2);
            assertThat(second.firstSequence()).isEqualTo(first.firstSequence() + 2);
            assertThat(fixture.stripe.log().durableSequence()).isLessThan(first.firstSequence());
            assertThat(bodiesAfter(disk.killImage())).containsExactly("a", "b", "c");

            mayForce.countDown();
            awaitDurable(origin, second.lastSequence());
            assertThat(fixture.stripe.log().durableSequence()).isEqualTo(second.lastSequence());
            assertThat(bodiesAfter(disk.powerCutImage(new Random(1)))).containsExactly("a", "b", "c");
            origin.awaitAssert(LONG, () -> {
                assertThat(fixture.stripe.budget().unflushedBytes()).isZero();
                return null;
            });
        }
    }

    @Test
    void whatGathersDuringAForceIsForcedAtOnce() throws IOException {
        Semaphore forces = new Semaphore(0);
        AtomicInteger ranges = new AtomicInteger();
        try (StripeFixture fixture = StripeFixture.open(disk, patient())) {
            TestProbe<Event> origin = fixture.origin();
            fixture.send(origin, frame(1, "warm"), true, 0);
            awaitDurable(origin, 0);
            disk.observe((operation, path, at, length) -> {
                if (operation == Operation.FORCE) {
                    ranges.incrementAndGet();
                    forces.acquireUninterruptibly();
                }
            });
            Frame last = null;
            for (int i = 0; i < 100; i++) {
                last = frame(1, "m" + i);
                fixture.send(origin, last, true, i);
            }
            for (int i = 0; i < 100; i++) {
                expect(origin, Written.class);
            }
            forces.release(1000);
            awaitDurable(origin, last.lastSequence());
            // One for the first, one for the rest; and a header or so should a segment begin.
            assertThat(ranges.get()).isLessThanOrEqualTo(6);
        }
    }

    @Test
    void withoutAnybodyWaitingTheForceComesByTime() throws IOException {
        try (StripeFixture fixture = StripeFixture.open(disk, with(SHORT, LONG, 1 << 30, Duration.ofHours(1), LONG))) {
            TestProbe<Event> origin = fixture.origin();
            Frame frame = fixture.append(origin, frame(1, "a"));
            origin.awaitAssert(LONG, () -> {
                assertThat(fixture.stripe.log().durableSequence()).isEqualTo(frame.lastSequence());
                return null;
            });
            origin.expectNoMessage(Duration.ZERO);
        }
    }

    @Test
    void whoWasContentWithWrittenCanStillWaitForFlushed() throws IOException {
        try (StripeFixture fixture = StripeFixture.open(disk, patient())) {
            TestProbe<Event> origin = fixture.origin();
            Frame frame = fixture.append(origin, frame(1, "a"));
            fixture.writer.tell(new StoreWriter.AwaitDurable(frame.lastSequence(), origin.ref()));
            awaitDurable(origin, frame.lastSequence());
            fixture.writer.tell(new StoreWriter.AwaitDurable(frame.lastSequence(), origin.ref()));
            awaitDurable(origin, frame.lastSequence());
        }
    }

    @Test
    void afterAFailedForceTheOriginsWriteAgainUnderTheSameSequences() throws IOException {
        try (StripeFixture fixture = StripeFixture.open(disk, patient())) {
            TestProbe<Event> one = fixture.origin();
            TestProbe<Event> two = fixture.origin();
            fixture.send(one, frame(1, "safe"), true, 0);
            expect(one, Written.class);
            awaitDurable(one, 0);
            long durable = fixture.stripe.log().durableSequence();

            disk.failNextForces(1);
            Frame first = fixture.append(one, frame(1, "a", "b"));
            Frame second = fixture.append(two, frame(2, "x"));
            long[] sequences = {first.firstSequence(), second.firstSequence()};
            Frame third = frame(1, "c");
            fixture.send(one, third, true, 3);
            assertWritten(one, third, 3);
            assertThat(expect(one, FlushFailed.class).aboveSequence()).isEqualTo(durable);
            assertThat(expect(two, FlushFailed.class).aboveSequence()).isEqualTo(durable);

            Frame behind = frame(1, "d");
            fixture.send(one, behind, true, 4);
            fixture.writer.tell(new Rewrite(List.of(first, third), one.ref()));
            one.expectNoMessage(SHORT);
            assertThat(fixture.stripe.health().phase()).isEqualTo(StripePhase.REWRITING);
            fixture.writer.tell(new Rewrite(List.of(second), two.ref()));

            assertThat(expect(two, Rewritten.class).durableSequence()).isEqualTo(third.lastSequence());
            assertThat(expect(one, Rewritten.class).durableSequence()).isEqualTo(third.lastSequence());
            assertThat(expect(one, Durable.class).upToSequence()).isEqualTo(third.lastSequence());
            assertWritten(one, behind, 4);
            awaitDurable(one, behind.lastSequence());
            two.expectNoMessage(Duration.ZERO);

            assertThat(first.firstSequence()).isEqualTo(sequences[0]);
            assertThat(second.firstSequence()).isEqualTo(sequences[1]);
            assertThat(behind.firstSequence()).isEqualTo(third.lastSequence() + 1);
            assertThat(behind.queueOffset(0)).isEqualTo(4);
            assertThat(fixture.stripe.health().phase()).isEqualTo(StripePhase.RUNNING);
            assertThat(fixture.stripe.health().flushFailureCount()).isEqualTo(1);
            assertThat(bodiesAfter(disk.powerCutImage(new Random(2)))).containsExactly("safe", "a", "b", "x", "c", "d");
            awaitNothingUnflushed(fixture, one);
        }
    }

    @Test
    void whatAnOriginThatIsGoneCannotSendTheStripeWritesItself() throws IOException {
        try (StripeFixture fixture = StripeFixture.open(disk, patient())) {
            TestProbe<Event> gone = fixture.origin();
            TestProbe<Event> there = fixture.origin();
            Frame first = fixture.append(gone, frame(1, "a"));
            gone.stop();
            disk.failNextForces(1);
            Frame second = frame(2, "x");
            fixture.send(there, second, true, 1);
            assertWritten(there, second, 1);
            expect(there, FlushFailed.class);
            fixture.writer.tell(new Rewrite(List.of(second), there.ref()));
            expect(there, Rewritten.class);
            awaitDurable(there, second.lastSequence());
            assertThat(first.lastSequence()).isLessThan(second.firstSequence());
            assertThat(bodiesAfter(disk.powerCutImage(new Random(3)))).containsExactly("a", "x");
        }
    }

    @Test
    void anOriginThatGoesDuringTheRewriteIsNotWaitedFor() throws IOException {
        try (StripeFixture fixture = StripeFixture.open(disk, patient())) {
            TestProbe<Event> origin = fixture.origin();
            TestProbe<Event> other = fixture.origin();
            disk.failNextForces(1);
            fixture.append(other, frame(2, "x"));
            Frame frame = frame(1, "a");
            fixture.send(origin, frame, true, 1);
            assertWritten(origin, frame, 1);
            expect(origin, FlushFailed.class);
            expect(other, FlushFailed.class);
            fixture.writer.tell(new Rewrite(List.of(frame), origin.ref()));
            other.stop();
            expect(origin, Rewritten.class);
            assertThat(bodiesAfter(disk.powerCutImage(new Random(4)))).containsExactly("x", "a");
        }
    }

    @Test
    void aSilentOriginIsNotWaitedForLonger() throws IOException {
        try (StripeFixture fixture = StripeFixture.open(disk, with(LONG, SHORT, 1 << 30, Duration.ofHours(1), LONG))) {
            TestProbe<Event> origin = fixture.origin();
            disk.failNextForces(1);
            Frame frame = frame(1, "a");
            fixture.send(origin, frame, true, 1);
            assertWritten(origin, frame, 1);
            expect(origin, FlushFailed.class);
            expect(origin, Rewritten.class);
            awaitDurable(origin, frame.lastSequence());
            fixture.writer.tell(new Rewrite(List.of(frame), origin.ref()));
            fixture.append(origin, frame(1, "b"));
            assertThat(bodiesAfter(disk.killImage())).containsExactly("a", "b");
        }
    }

    @Test
    void aRewriteThatFailsStartsOver() throws IOException {
        try (StripeFixture fixture = StripeFixture.open(disk, patient())) {
            TestProbe<Event> origin = fixture.origin();
            disk.failNextForces(2);
            Frame frame = frame(1, "a");
            fixture.send(origin, frame, true, 1);
            assertWritten(origin, frame, 1);
            expect(origin, FlushFailed.class);
            fixture.writer.tell(new Rewrite(List.of(frame), origin.ref()));
            expect(origin, Rewritten.class);
            awaitDurable(origin, frame.lastSequence());
            assertThat(fixture.stripe.health().flushFailureCount()).isEqualTo(2);
            assertThat(bodiesAfter(disk.powerCutImage(new Random(5)))).containsExactly("a");
        }
    }

    @Test
    void aDeviceThatKeepsFailingMakesTheStripeReadOnlyUntilItWorks() throws IOException {
        try (StripeFixture fixture = StripeFixture.open(disk, patient())) {
            TestProbe<Event> origin = fixture.origin();
            TestProbe<Event> bystander = fixture.origin();
            fixture.writer.tell(new StoreWriter.Register(Owner.queue(9), bystander.ref(), null));
            disk.failNextForces(1_000_000);
            Frame frame = frame(1, "a");
            fixture.send(origin, frame, true, 1);
            assertWritten(origin, frame, 1);
            expect(origin, FlushFailed.class);
            fixture.writer.tell(new Rewrite(List.of(frame), origin.ref()));
            assertThat(expect(origin, Unavailable.class).reason()).isEqualTo(Reason.READ_ONLY);
            assertThat(expect(bystander, Unavailable.class).reason()).isEqualTo(Reason.READ_ONLY);
            assertThat(fixture.stripe.health().phase()).isEqualTo(StripePhase.READ_ONLY);
            assertThat(fixture.stripe.health().lastFailure()).isPresent();
            StripeBudget.Account account = fixture.stripe.budget().open();
            assertThat(account.tryReserve(1, Tier.ACK)).isFalse();
            assertThat(fixture.stripe.budget().refusal(Tier.SEND).reason()).isEqualTo(Reason.READ_ONLY);
            Frame behind = frame(1, "b");
            fixture.send(origin, behind, false, 2);
            origin.expectNoMessage(SHORT);
            TestProbe<Event> late = fixture.origin();
            fixture.writer.tell(new StoreWriter.Register(Owner.queue(10), late.ref(), null));
            assertThat(expect(late, Unavailable.class).reason())
                    .as("who comes while nothing is taken")
                    .isEqualTo(Reason.READ_ONLY);

            disk.failNextForces(0);
            expect(origin, Rewritten.class);
            awaitDurable(origin, frame.lastSequence());
            assertWritten(origin, behind, 2);
            expect(origin, Available.class);
            expect(bystander, Available.class);
            expect(late, Available.class);
            assertThat(account.tryReserve(1, Tier.SEND)).isTrue();
            assertThat(fixture.stripe.health().phase()).isEqualTo(StripePhase.RUNNING);
            assertThat(bodiesAfter(disk.killImage())).containsExactly("a", "b");
        }
    }

    @Test
    void aFailedStoreIsAFailedForceOfEverythingNotDurable() throws IOException {
        try (StripeFixture fixture = StripeFixture.open(disk, patient())) {
            TestProbe<Event> origin = fixture.origin();
            Frame first = fixture.append(origin, frame(1, "a"));
            AtomicInteger faults = new AtomicInteger(1);
            disk.observe((operation, path, at, length) -> {
                if (operation == Operation.WRITE && path.startsWith("segment-") && faults.getAndDecrement() == 1) {
                    throw new MappedAccessException("no page for " + path, null);
                }
            });
            Frame second = frame(1, "b");
            fixture.send(origin, second, false, 2);
            expect(origin, FlushFailed.class);
            fixture.writer.tell(new Rewrite(List.of(first), origin.ref()));
            expect(origin, Rewritten.class);
            assertWritten(origin, second, 2);
            assertThat(second.firstSequence()).isEqualTo(first.lastSequence() + 1);
            assertThat(bodiesAfter(disk.killImage())).containsExactly("a", "b");
        }
    }

    @Test
    void aStopWhoseTimeIsOverWaitsForNoRewrite() throws IOException {
        CountDownLatch forcing = new CountDownLatch(1);
        CountDownLatch mayForce = new CountDownLatch(1);
        try (StripeFixture fixture = StripeFixture.open(disk, patient())) {
            TestProbe<Event> origin = fixture.origin();
            AtomicInteger storesToFail = new AtomicInteger();
            disk.observe((operation, path, at, length) -> {
                if (operation == Operation.FORCE) {
                    forcing.countDown();
                    await(mayForce);
                } else if (operation == Operation.WRITE
                        && path.startsWith("segment-")
                        && storesToFail.getAndSet(0) == 1) {
                    throw new MappedAccessException("no page for " + path, null);
                }
            });
            Frame first = frame(1, "a");
            fixture.send(origin, first, true, 1);
            assertWritten(origin, first, 1);
            await(forcing);
            storesToFail.set(1);
            fixture.send(origin, frame(1, "b"), true, 2); // its store fails, and waits for the range at the Flusher
            TestProbe<Done> stopped = fixture.testKit.createTestProbe(Done.class);
            fixture.writer.tell(new StoreWriter.Stop(Duration.ofMillis(1), stopped.ref()));
            TestProbe<String> later = fixture.testKit.createTestProbe(String.class);
            fixture.testKit
                    .system()
                    .scheduler()
                    .scheduleOnce(
                            Duration.ofMillis(200),
                            () -> later.ref().tell("behind the end of the time"),
                            fixture.testKit.system().executionContext());
            later.receiveMessage(LONG);
            fixture.writer.tell(new StoreWriter.AwaitDurable(0, origin.ref())); // behind what the timer has told
            expect(origin, Durable.class);
            disk.failNextForces(1_000_000);
            mayForce.countDown();
            stopped.receiveMessage(LONG);
            assertThat(fixture.stripe.health().phase()).isEqualTo(StripePhase.CLOSED);
            assertThat(bodiesAfter(disk.killImage())).containsExactly("a");
        }
    }

    @Test
    void onAFullDiskAppendsWaitUntilThereIsRoom() throws IOException {
        try (StripeFixture fixture = StripeFixture.open(disk, patient())) {
            TestProbe<Event> origin = fixture.origin();
            fixture.append(origin, frame(1, "first"));
            disk.fullAfter(0);
            String large = "x".repeat(8000);
            int sent = 0;
            Unavailable unavailable = null;
            List<Frame> frames = new ArrayList<>();
            int written = 0;
            while (unavailable == null) {
                frames.add(frame(1, large));
                fixture.send(origin, frames.get(sent), false, sent);
                sent++;
                Event event = origin.receiveMessage(LONG);
                if (event instanceof Unavailable full) {
                    unavailable = full;
                } else {
                    assertThat(((Written) event).tag()).isEqualTo(written++);
                    assertThat(sent).isLessThan(1000);
                }
            }
            assertThat(unavailable.reason()).isEqualTo(Reason.DISK_FULL);
            assertThat(fixture.stripe.budget().refusal(Tier.ACK).reason()).isEqualTo(Reason.DISK_FULL);
            disk.roomAgain();
            while (written < sent) {
                assertWritten(origin, frames.get(written), written);
                written++;
            }
            expect(origin, Available.class);
            assertThat(fixture.stripe.budget().hasRoom(Tier.SEND, 1)).isTrue();
            assertThat(bodiesAfter(disk.killImage())).hasSize(sent + 1);
        }
    }

    @Test
    void sendsAreRefusedWhileTheDiskIsLowAndTakenWhenThereIsSpaceAgain() throws IOException {
        try (StripeFixture fixture =
                StripeFixture.open(disk, with(LONG, LONG, 1 << 30, SHORT, LONG), 64 * 1024, 10 << 20)) {
            TestProbe<Event> origin = fixture.origin();
            StripeBudget budget = fixture.stripe.budget();
            assertThat(budget.hasRoom(Tier.SEND, 1)).isTrue();
            disk.fullAfter(8 << 20);
            origin.awaitAssert(LONG, () -> {
                assertThat(budget.hasRoom(Tier.SEND, 1)).isFalse();
                return null;
            });
            assertThat(budget.refusal(Tier.SEND).reason()).isEqualTo(Reason.DISK_FULL);
            assertThat(budget.hasRoom(Tier.ACK, 1)).isTrue();
            disk.roomAgain();
            origin.awaitAssert(LONG, () -> {
                assertThat(budget.hasRoom(Tier.SEND, 1)).isTrue();
                return null;
            });
        }
    }

    /**
     * Somebody else takes all of the disk at once. I1 acks are taken for a segment's worth at least, I2 nobody is told that the stripe
     * takes nothing, I3 a checkpoint can still be made, I4 all goes on when there is space.
     */
    @Test
    void acksGoOnInTheReserveWhenSomebodyElseHasFilledTheDisk() throws IOException {
        int segmentBytes = 64 * 1024;
        try (StripeFixture fixture =
                StripeFixture.open(disk, with(LONG, LONG, 1 << 30, SHORT, LONG), segmentBytes, 10 << 20)) {
            TestProbe<Event> origin = fixture.origin();
            StripeBudget budget = fixture.stripe.budget();
            origin.awaitAssert(LONG, () -> {
                assertThat(fixture.stripe.log().roomBytes()).isEqualTo(2L * segmentBytes);
                return null;
            });
            disk.fullAfter(0);
            origin.awaitAssert(LONG, () -> {
                assertThat(budget.hasRoom(Tier.SEND, 1)).isFalse();
                return null;
            });
            assertThat(budget.hasRoom(Tier.DELIVERY, 1)).isFalse();
            long bytes = 0;
            List<Frame> acks = new ArrayList<>();
            String large = "x".repeat(8000);
            while (budget.hasRoom(Tier.ACK, 9000)) {
                Frame ack = frame(1, large);
                acks.add(ack);
                fixture.send(origin, ack, true, acks.size());
                assertWritten(origin, ack, acks.size()); // I2: nothing else is told
                expect(origin, Durable.class);
                bytes += ack.lengthBytes();
                assertThat(bytes).isLessThan(10L * segmentBytes);
            }
            assertThat(bytes).as("I1").isGreaterThan(segmentBytes);
            assertThat(budget.refusal(Tier.ACK).reason()).isEqualTo(Reason.DISK_FULL);
            origin.awaitAssert(LONG, () -> {
                assertThat(fixture.stripe.log().bytesSinceCheckpoint()).as("I3").isLessThan(9000);
                return null;
            });
            disk.roomAgain();
            origin.awaitAssert(LONG, () -> {
                assertThat(budget.hasRoom(Tier.SEND, 1)).as("I4").isTrue();
                assertThat(fixture.stripe.log().roomBytes()).as("I4").isEqualTo(2L * segmentBytes);
                return null;
            });
            assertThat(bodiesAfter(disk.killImage())).hasSize(acks.size());
        }
    }

    /** Such an error may come late, from anywhere: the stripe is closed, the actor system and other stripes live. */
    @Test
    void aPageThatCannotBeHadEndsTheStripeAndNothingElse() throws IOException {
        try (StripeFixture fixture = StripeFixture.open(disk, patient())) {
            TestProbe<Event> origin = fixture.origin();
            Frame first = fixture.append(origin, frame(1, "first"));
            fixture.writer.tell(new StoreWriter.Register(Owner.queue(1), origin.ref(), null));
            disk.observe((operation, path, at, length) -> {
                if (operation == Operation.WRITE && path.startsWith("segment-")) {
                    throw new InternalError("a fault occurred in a recent unsafe memory access operation");
                }
            });
            fixture.send(origin, frame(1, "second"), false, 2);
            assertThat(expect(origin, Unavailable.class).reason()).isEqualTo(Reason.CLOSED);
            assertThat(fixture.stripe.health().phase()).isEqualTo(StripePhase.CLOSED);
            assertThat(fixture.testKit.system().whenTerminated().isCompleted()).isFalse();
            fixture.stop();
            disk.observe((operation, path, at, length) -> {});
            assertThat(first.firstSequence()).isPositive();
            assertThat(bodiesAfter(disk.killImage())).containsExactly("first");
        }
    }

    @Test
    void aPageThatCannotBeForcedIsWrittenAgain() throws IOException {
        try (StripeFixture fixture = StripeFixture.open(disk, patient())) {
            TestProbe<Event> origin = fixture.origin();
            AtomicInteger failures = new AtomicInteger(1);
            disk.observe((operation, path, at, length) -> {
                if (operation == Operation.FORCE && failures.getAndDecrement() > 0) {
                    throw new InternalError("a fault occurred in a recent unsafe memory access operation");
                }
            });
            Frame frame = frame(1, "a");
            fixture.send(origin, frame, true, 1);
            assertWritten(origin, frame, 1);
            expect(origin, FlushFailed.class);
            fixture.writer.tell(new StoreWriter.Rewrite(List.of(frame), origin.ref()));
            expect(origin, Rewritten.class);
            expect(origin, Durable.class);
            assertThat(bodiesAfter(disk.killImage())).containsExactly("a");
        }
    }

    @Test
    void whatIsForgottenIsNotAskedForASnapshot() throws IOException {
        try (StripeFixture fixture =
                StripeFixture.open(disk, with(LONG, LONG, CHECKPOINT_BYTES, Duration.ofHours(1), LONG))) {
            TestProbe<Event> origin = fixture.origin();
            fixture.writer.tell(new StoreWriter.Register(Owner.queue(1), origin.ref(), null));
            fixture.writer.tell(new StoreWriter.Register(Owner.queue(2), origin.ref(), null));
            fixture.append(origin, frame(2, "deleted"));
            fixture.writer.tell(new StoreWriter.Forget(Owner.queue(2)));
            makeCheckpointDue(fixture, origin);
            assertThat(expect(origin, SnapshotRequested.class).owner()).isEqualTo(Owner.queue(1));
            origin.expectNoMessage(Duration.ZERO);
        }
    }

    @Test
    void aBugInTheFlusherClosesTheStripeAndNothingElse() throws IOException {
        try (StripeFixture fixture = StripeFixture.open(disk, patient())) {
            TestProbe<Event> origin = fixture.origin();
            fixture.writer.tell(new StoreWriter.Register(Owner.queue(1), origin.ref(), null));
            disk.observe((operation, path, at, length) -> {
                if (operation == Operation.FORCE) {
                    throw new AssertionError("a bug");
                }
            });
            Frame frame = frame(1, "a");
            fixture.send(origin, frame, true, 1);
            assertWritten(origin, frame, 1);
            assertThat(expect(origin, Unavailable.class).reason()).isEqualTo(Reason.CLOSED);
            Frame late = frame(1, "b");
            fixture.send(origin, late, true, 2);
            Rejected rejected = expect(origin, Rejected.class);
            assertThat(rejected.tag()).isEqualTo(2);
            assertThat(rejected.refused()).isEqualTo(StoreWriter.Refused.CLOSED);
            assertThat(rejected.detail()).contains("bug");
            assertThat(fixture.stripe.health().phase()).isEqualTo(StripePhase.CLOSED);
            assertThat(fixture.stripe.budget().refusal(Tier.ACK).reason()).isEqualTo(Reason.CLOSED);
            assertThat(fixture.testKit.system().whenTerminated().isCompleted()).isFalse();
            fixture.stop();
            disk.observe((operation, path, at, length) -> {});
            assertThat(bodiesAfter(disk.killImage())).containsExactly("a");
        }
    }

    @Test
    void theRoomOfAnOriginThatStopsIsGivenBack() throws IOException {
        try (StripeFixture fixture = StripeFixture.open(disk, patient())) {
            TestProbe<Event> origin = fixture.origin();
            StripeBudget.Account account = fixture.stripe.budget().open();
            fixture.writer.tell(new StoreWriter.Register(Owner.queue(1), origin.ref(), account));
            assertThat(account.tryReserve(1000, Tier.SEND)).isTrue();
            origin.stop();
            awaitNothingUnflushed(fixture, fixture.origin());
        }
    }

    @Test
    void sendsAreRefusedWhileTheDiskIsSlowAndTakenWhenItHasCaughtUp() throws IOException {
        CountDownLatch mayForce = new CountDownLatch(1);
        try (StripeFixture fixture = StripeFixture.open(disk, patient(), 8 << 20, 0)) {
            disk.observe((operation, path, at, length) -> {
                if (operation == Operation.FORCE) {
                    await(mayForce);
                }
            });
            TestProbe<Event> origin = fixture.origin();
            TestProbe<String> room = fixture.testKit.createTestProbe(String.class);
            StripeBudget budget = fixture.stripe.budget();
            StripeBudget.Account account = budget.open();
            fixture.writer.tell(new StoreWriter.Register(Owner.queue(1), origin.ref(), account));
            int sent = 0;
            String body = "x".repeat(20_000);
            while (true) {
                Frame frame = frame(1, body);
                if (!account.tryReserve(frame.retainedBytes(), Tier.SEND)) {
                    break;
                }
                account.spend(frame);
                fixture.writer.tell(new StoreWriter.Append(frame, origin.ref(), true, sent));
                assertWritten(origin, frame, sent++);
            }
            assertThat(budget.refusal(Tier.SEND).reason()).isEqualTo(Reason.BUSY);
            assertThat(budget.unflushedBytes()).isLessThanOrEqualTo(budget.unflushedBytesMax());
            assertThat(account.tryReserve(100, Tier.ACK)).isTrue();
            account.giveBack(100);
            account.awaitTurn(20_000, Tier.SEND, () -> room.ref().tell("room"));
            room.expectNoMessage(Duration.ZERO);
            mayForce.countDown();
            room.expectMessage(LONG, "room");
            assertThat(account.tryReserve(20_000, Tier.SEND)).isTrue();
        }
    }

    @Test
    void aCheckpointAsksTheOwnersAndShortensTheReplay() throws IOException {
        Owner owner = Owner.queue(1);
        Frame before;
        Frame after;
        try (StripeFixture fixture =
                StripeFixture.open(disk, with(LONG, LONG, CHECKPOINT_BYTES, Duration.ofHours(1), LONG))) {
            TestProbe<Event> origin = fixture.origin();
            fixture.writer.tell(new StoreWriter.Register(owner, origin.ref(), null));
            before = fixture.append(origin, frame(1, "before"));
            Frame large = makeCheckpointDue(fixture, origin);
            SnapshotRequested requested = expect(origin, SnapshotRequested.class);
            assertThat(requested.owner()).isEqualTo(owner);
            Frame snapshot = snapshotFrame(owner, large.lastSequence(), large.ownerNumber(0), 5, "five messages");
            fixture.writer.tell(new StoreWriter.Snapshot(requested.checkpointId(), owner, List.of(snapshot)));
            awaitCheckpoints(fixture, origin, 1);
            after = fixture.append(origin, frame(1, "after"));
            assertThat(after.firstSequence()).isGreaterThan(snapshot.lastSequence());
        }
        assertThat(before.queueOffset(0)).isZero();
        try (StripeFixture reopened = StripeFixture.open(disk.killImage(), patient())) {
            assertThat(reopened.recovered.snapshots).containsExactly("queue 1 five messages");
            assertThat(reopened.recovered.bodies).containsExactly("after");
            assertThat(reopened.recovered.sequences).containsExactly(after.firstSequence());
            TestProbe<Event> origin = reopened.origin();
            Frame next = reopened.append(origin, frame(1, "next"));
            assertThat(next.queueOffset(0)).isEqualTo(6);
            assertThat(next.epoch()).isGreaterThan(after.epoch());
        }
    }

    @Test
    void anIdleStripeTakesOneCheckpointAndThenRests() throws IOException {
        try (StripeFixture fixture = StripeFixture.open(disk, with(LONG, LONG, 1 << 30, SHORT, LONG))) {
            TestProbe<Event> origin = fixture.origin();
            fixture.append(origin, frame(1, "a"));
            awaitCheckpoints(fixture, origin, 1);
            long sequence = fixture.stripe.log().writtenSequence();
            origin.expectNoMessage(SHORT.multipliedBy(4));
            assertThat(fixture.stripe.health().checkpointCount()).isEqualTo(1);
            assertThat(fixture.stripe.log().writtenSequence()).isEqualTo(sequence);
        }
    }

    @Test
    void anOwnerThatSendsNoSnapshotDoesNotHoldUpTheCheckpoint() throws IOException {
        try (StripeFixture fixture =
                StripeFixture.open(disk, with(LONG, LONG, CHECKPOINT_BYTES, Duration.ofHours(1), SHORT))) {
            TestProbe<Event> silent = fixture.origin();
            fixture.writer.tell(new StoreWriter.Register(Owner.queue(1), silent.ref(), null));
            makeCheckpointDue(fixture, silent);
            expect(silent, SnapshotRequested.class);
            awaitCheckpoints(fixture, silent, 1);
        }
        assertThat(bodiesAfter(disk.killImage())).hasSize(4);
    }

    @Test
    void aForceThatFailsDuringACheckpointLosesNothing() throws IOException {
        Owner owner = Owner.queue(1);
        try (StripeFixture fixture =
                StripeFixture.open(disk, with(LONG, LONG, CHECKPOINT_BYTES, Duration.ofHours(1), LONG))) {
            TestProbe<Event> origin = fixture.origin();
            fixture.writer.tell(new StoreWriter.Register(owner, origin.ref(), null));
            Frame frame = makeCheckpointDue(fixture, origin);
            SnapshotRequested requested = expect(origin, SnapshotRequested.class);
            disk.failNextForces(1);
            Frame snapshot = snapshotFrame(owner, frame.lastSequence(), frame.ownerNumber(0), 4, "four messages");
            fixture.writer.tell(new StoreWriter.Snapshot(requested.checkpointId(), owner, List.of(snapshot)));
            expect(origin, FlushFailed.class);
            // The frames before it may have been forced by then or not: the stripe has them all.
            fixture.writer.tell(new Rewrite(List.of(frame), origin.ref()));
            expect(origin, Rewritten.class);
            // The checkpoint is taken anew.
            SnapshotRequested again = expect(origin, SnapshotRequested.class);
            assertThat(again.checkpointId()).isGreaterThan(requested.checkpointId());
            Frame second = snapshotFrame(owner, frame.lastSequence(), frame.ownerNumber(0), 4, "four messages, again");
            fixture.writer.tell(new StoreWriter.Snapshot(again.checkpointId(), owner, List.of(second)));
            awaitCheckpoints(fixture, origin, 1);
        }
        try (StripeFixture reopened = StripeFixture.open(disk.powerCutImage(new Random(6)), patient())) {
            assertThat(reopened.recovered.snapshots).containsExactly("queue 1 four messages, again");
            assertThat(reopened.recovered.bodies).isEmpty();
        }
    }

    @Test
    void aCleanStopTakesACheckpointAndLeavesNothingToReplay() throws IOException {
        Owner owner = Owner.queue(1);
        try (StripeFixture fixture = StripeFixture.open(disk, patient())) {
            TestProbe<Event> origin = fixture.origin();
            fixture.writer.tell(new StoreWriter.Register(owner, origin.ref(), null));
            Frame frame = fixture.append(origin, frame(1, "a"));
            TestProbe<akka.Done> stopped = fixture.testKit.createTestProbe(akka.Done.class);
            fixture.writer.tell(new StoreWriter.Stop(LONG, stopped.ref()));
            SnapshotRequested requested = expect(origin, SnapshotRequested.class);
            assertThat(fixture.stripe.budget().refusal(Tier.ACK).reason()).isEqualTo(Reason.SHUTTING_DOWN);
            Frame last = fixture.append(origin, frame(1, "b"));
            Frame snapshot = snapshotFrame(owner, last.lastSequence(), last.ownerNumber(0), 2, "two messages");
            fixture.writer.tell(new StoreWriter.Snapshot(requested.checkpointId(), owner, List.of(snapshot)));
            assertThat(expect(origin, Unavailable.class).reason()).isEqualTo(Reason.SHUTTING_DOWN);
            stopped.receiveMessage(LONG);
            assertThat(fixture.stripe.health().phase()).isEqualTo(StripePhase.CLOSED);
            assertThat(disk.openFiles()).isEmpty();
            assertThat(last.firstSequence()).isEqualTo(frame.lastSequence() + 1);
        }
        try (StripeFixture reopened = StripeFixture.open(disk, patient())) {
            assertThat(reopened.stripe.recovery().isCleanStop()).isTrue();
            assertThat(reopened.stripe.recovery().framesCopied()).isZero();
            assertThat(reopened.recovered.snapshots).containsExactly("queue 1 two messages");
            assertThat(reopened.recovered.bodies).isEmpty();
        }
    }

    @Test
    void anActorSystemThatEndsAbruptlyLeavesNoFileOpen() throws IOException {
        try (StripeFixture fixture = StripeFixture.open(disk, patient())) {
            fixture.append(fixture.origin(), frame(1, "a"));
        }
        assertThat(disk.openFiles()).isEmpty();
        assertThat(bodiesAfter(disk.killImage())).containsExactly("a");
    }

    /** An origin as the actors are: sends what is not durable again, now and then like one that was restarted. */
    private static final class Sender {
        private final StripeFixture fixture;
        private final BlockingQueue<Event> events = new LinkedBlockingQueue<>();
        private final ActorRef<Event> ref;
        private final List<Frame> frames = new ArrayList<>();
        private final Random random;
        private int writtenCount;
        private long toldDurable = -1;
        private boolean isRewriting;

        Sender(StripeFixture fixture, Random random) {
            this.fixture = fixture;
            this.random = random;
            this.ref = fixture.testKit.spawn(Behaviors.receiveMessage(event -> {
                events.add(event);
                return Behaviors.same();
            }));
        }

        void send(Frame frame, boolean wantsDurable) {
            try (StripeBudget.Account account = fixture.stripe.budget().open()) {
                account.spend(frame);
            }
            fixture.writer.tell(new StoreWriter.Append(frame, ref, wantsDurable, 0));
        }

        /** Takes one event if there is one, in the order that is promised although two actors tell. */
        void handle() {
            Event event = events.poll();
            if (event instanceof Written written) {
                assertThat(isRewriting).isFalse();
                assertThat(written.frame().firstSequence()).isGreaterThan(toldDurable);
                frames.add(written.frame());
                writtenCount++;
            } else if (event instanceof Durable durable) {
                toldDurable(durable.upToSequence());
            } else if (event instanceof Rewritten rewritten) {
                assertThat(isRewriting).isTrue();
                isRewriting = false;
                toldDurable(rewritten.durableSequence());
            } else if (event instanceof FlushFailed failed) {
                assertThat(isRewriting).isFalse();
                isRewriting = true;
                assertThat(failed.aboveSequence()).isGreaterThanOrEqualTo(toldDurable);
                List<Frame> again = frames.stream()
                        .filter(frame -> frame.lastSequence() > failed.aboveSequence())
                        .toList();
                fixture.writer.tell(new Rewrite(random.nextInt(5) == 0 ? List.of() : again, ref));
            }
        }

        private void toldDurable(long sequence) {
            assertThat(sequence).isGreaterThanOrEqualTo(toldDurable);
            toldDurable = sequence;
        }
    }

    /**
     * Many segments, random forces that fail, two origins: nothing is lost, doubled or out of order, at either kind of crash. Each
     * origin hears Written before what covers it, and nothing between FlushFailed and Rewritten.
     */
    @Test
    void randomFailuresNeitherLoseNorReorder() throws IOException {
        long seed = 20261122L;
        Random random = new Random(seed);
        List<String> bodies = new ArrayList<>();
        try (StripeFixture fixture =
                StripeFixture.open(disk, with(SHORT, LONG, CHECKPOINT_BYTES, Duration.ofHours(1), SHORT))) {
            List<Sender> senders = List.of(new Sender(fixture, random), new Sender(fixture, random));
            for (int i = 0; i < 1500; i++) {
                if (random.nextInt(25) == 0) {
                    disk.failNextForces(1 + random.nextInt(3));
                }
                int who = random.nextInt(2);
                Sender sender = senders.get(who);
                String body = i + ":" + "z".repeat(random.nextInt(3000));
                bodies.add(body);
                sender.send(frame(who + 1, body), random.nextInt(4) == 0);
                // One at a time, so that the order of both origins' frames in the log is known.
                int before = sender.writtenCount;
                while (sender.writtenCount == before) {
                    senders.forEach(Sender::handle);
                    Thread.onSpinWait();
                }
            }
            disk.failNextForces(0);
            long last = fixture.stripe.log().writtenSequence();
            fixture.writer.tell(new StoreWriter.AwaitDurable(last, senders.get(0).ref));
            while (fixture.stripe.log().durableSequence() < last) {
                senders.forEach(Sender::handle);
                Thread.onSpinWait();
            }
            assertThat(fixture.stripe.health().flushFailureCount()).isGreaterThan(5);
        }
        assertThat(shortened(bodiesAfter(disk.powerCutImage(random))))
                .as("seed %d", seed)
                .isEqualTo(shortened(bodies));
        assertThat(shortened(bodiesAfter(disk.killImage()))).as("seed %d", seed).isEqualTo(shortened(bodies));
    }

    /** Appends four messages, and returns the last, which makes the log grow by {@link #CHECKPOINT_BYTES}. */
    private static Frame makeCheckpointDue(StripeFixture fixture, TestProbe<Event> origin) {
        for (int i = 0; i < 3; i++) {
            fixture.append(origin, frame(1, "y".repeat(20_000)));
        }
        return fixture.append(origin, frame(1, "y".repeat(20_000)));
    }

    private static List<String> shortened(List<String> bodies) {
        return bodies.stream()
                .map(body -> body.substring(0, body.indexOf(':') + 1) + body.length())
                .toList();
    }

    private static List<String> bodiesAfter(MemoryDisk image) throws IOException {
        try (StripeFixture reopened = StripeFixture.open(image, patient())) {
            return reopened.recovered.bodies;
        }
    }

    private static void awaitDurable(TestProbe<Event> origin, long sequence) {
        while (true) {
            Event event = origin.receiveMessage(LONG);
            if (event instanceof Durable durable && durable.upToSequence() >= sequence) {
                return;
            }
            assertThat(event).isInstanceOfAny(Durable.class, Written.class);
        }
    }

    private static void awaitNothingUnflushed(StripeFixture fixture, TestProbe<Event> probe) {
        probe.awaitAssert(LONG, () -> {
            assertThat(fixture.stripe.budget().unflushedBytes()).isZero();
            return null;
        });
    }

    private static void awaitCheckpoints(StripeFixture fixture, TestProbe<Event> probe, long count) {
        probe.awaitAssert(LONG, () -> {
            assertThat(fixture.stripe.health().checkpointCount()).isEqualTo(count);
            return null;
        });
    }

    private static void await(CountDownLatch latch) {
        try {
            latch.await();
        } catch (InterruptedException e) {
            throw new AssertionError(e);
        }
    }
}
