package io.forebay.store;

import static io.forebay.store.StripeFixture.LONG;
import static io.forebay.store.StripeFixture.expect;
import static io.forebay.store.StripeFixture.frame;
import static io.forebay.store.StripeFixture.patient;
import static io.forebay.store.StripeFixture.snapshotFrame;
import static org.assertj.core.api.Assertions.assertThat;

import akka.Done;
import akka.actor.testkit.typed.javadsl.TestProbe;
import io.forebay.config.StoreSettings;
import io.forebay.storage.log.Frame;
import io.forebay.storage.log.LogWalker;
import io.forebay.storage.log.MessageRecord;
import io.forebay.storage.log.Owner;
import io.forebay.storage.log.QueueReader;
import io.forebay.storage.log.StripeLog;
import io.forebay.store.StoreWriter.Event;
import io.forebay.store.StoreWriter.Written;
import io.forebay.testkit.faults.DiskObserver.Operation;
import io.forebay.testkit.faults.MemoryDisk;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.atomic.AtomicLong;
import org.awaitility.Awaitility;
import org.junit.jupiter.api.Test;

/** A StoreWriter that lets go of segments, and one that waits for them; forces fail meanwhile. */
class StoreWriterCleaningTest {
    private static final String FILLING = "x".repeat(1_000);

    private final MemoryDisk disk = new MemoryDisk();

    private static StoreSettings cleaning() {
        return cleaning(patient().checkpointIdleInterval(), patient().snapshotTimeout());
    }

    private static StoreSettings cleaning(Duration checkpointIdleInterval, Duration snapshotTimeout) {
        return cleaning(checkpointIdleInterval, snapshotTimeout, 100);
    }

    private static StoreSettings cleaning(
            Duration checkpointIdleInterval, Duration snapshotTimeout, int evacuationSharePercent) {
        StoreSettings patient = patient();
        return new StoreSettings(
                patient.maxUnflushedBytes(),
                patient.sendHighWaterPercent(),
                Duration.ofMillis(5),
                patient.flushBytes(),
                patient.rewriteTimeout(),
                patient.rewriteAttemptsMax(),
                patient.retryBackoff(),
                patient.retryBackoffMax(),
                64 * 1024,
                checkpointIdleInterval,
                snapshotTimeout,
                evacuationSharePercent,
                50,
                patient.stopTimeout());
    }

    /** An origin of messages that does what it is asked to. */
    private static final class Sender {
        private final StripeFixture fixture;
        private final TestProbe<Event> probe;
        private final List<Frame> written = new ArrayList<>();
        private final Map<Integer, Long> lastNumbers = new HashMap<>();
        private final Map<Integer, Long> lastSequences = new HashMap<>();
        private int answered;
        private int silentQueueId;
        private Runnable beforeNextSnapshot = () -> {};

        Sender(StripeFixture fixture, int... queueIds) {
            this.fixture = fixture;
            this.probe = fixture.origin();
            for (int queueId : queueIds) {
                fixture.writer.tell(new StoreWriter.Register(Owner.queue(queueId), probe.ref(), null));
            }
        }

        void append(int queueId, String body) {
            fixture.send(probe, frame(queueId, body), false, queueId);
            for (int before = answered; answered == before; ) {
                handle(probe.receiveMessage(LONG));
            }
        }

        /** Until an answer comes that always comes. */
        void handleWhatIsAsked() {
            fixture.writer.tell(new StoreWriter.AwaitDurable(1, probe.ref()));
            for (Event event = null; !(event instanceof StoreWriter.Durable); ) {
                event = probe.receiveMessage(LONG);
                handle(event);
            }
        }

        void handle(Event event) {
            if (event instanceof Written told) {
                answered++;
                written.add(told.frame());
                lastNumbers.put((int) told.tag(), told.frame().ownerNumber(0));
                lastSequences.put((int) told.tag(), told.frame().firstSequence());
            } else if (event instanceof StoreWriter.SnapshotRequested asked) {
                int queueId = asked.owner().queueId();
                if (queueId == silentQueueId) {
                    return;
                }
                beforeNextSnapshot.run();
                beforeNextSnapshot = () -> {};
                Frame snapshot = snapshotFrame(
                        asked.owner(),
                        lastSequences.getOrDefault(queueId, 0L),
                        lastNumbers.getOrDefault(queueId, 0L),
                        fixture.stripe.log().nextOffset(queueId),
                        "state");
                fixture.writer.tell(new StoreWriter.Snapshot(asked.checkpointId(), asked.owner(), List.of(snapshot)));
            } else if (event instanceof StoreWriter.FlushFailed failed) {
                List<Frame> lost = written.stream()
                        .filter(frame -> frame.firstSequence() > failed.aboveSequence())
                        .toList();
                fixture.writer.tell(new StoreWriter.Rewrite(lost, probe.ref()));
            } else if (event instanceof StoreWriter.Rejected rejected) {
                throw new AssertionError(rejected.toString());
            }
        }
    }

    private static List<String> segmentFiles(MemoryDisk disk) {
        return disk.files().stream().filter(name -> name.startsWith("segment-")).toList();
    }

    private static List<String> bodies(StripeFixture fixture, int queueId, int count) throws IOException {
        List<String> bodies = new ArrayList<>();
        QueueReader.Result result = fixture.stripe
                .log()
                .newReader(queueId)
                .read(
                        0,
                        count,
                        Long.MAX_VALUE,
                        (offset, message, body) ->
                                bodies.add(new String(((MessageRecord) body.decode()).body(), StandardCharsets.UTF_8)));
        assertThat(result.status()).as("%s", result).isEqualTo(QueueReader.Status.READ);
        return bodies;
    }

    @Test
    void segmentsThatFewMessagesPinAreEmptiedAlsoWhenForcesFail() throws IOException {
        List<String> kept = new ArrayList<>();
        try (StripeFixture fixture = StripeFixture.open(disk, cleaning(Duration.ofMillis(20), LONG))) {
            Sender sender = new Sender(fixture, 1, 2);
            for (int step = 0; step < 3_000; step++) {
                if (step % 40 == 0) {
                    kept.add("kept " + step);
                    sender.append(1, "kept " + step);
                }
                if (step % 500 == 250) {
                    disk.failNextForces(1);
                }
                sender.append(2, FILLING);
                fixture.stripe.log().releaseBelow(2, step);
            }
            // Cleaning follows what is appended, a segment at a time: while it moves the messages of one, a sender that
            // does not wait fills others, and then each of them goes to a segment of its own again.
            StripeHealth health = fixture.stripe.health();
            for (int round = 0; round < 200 && health.storedBytes() > 14 * 64 * 1024; round++) {
                for (int step = 0; step < 60; step++) {
                    appendAndRelease(sender, 2);
                }
                awaitCheckpoint(sender);
                health = fixture.stripe.health();
            }
            assertThat(health.storedBytes()).isLessThanOrEqualTo(14 * 64 * 1024);
            assertThat(health.evacuationCount()).isGreaterThan(10);
            assertThat(health.writtenBytes().moved())
                    .isBetween(1L, health.writtenBytes().messages());
            assertThat(segmentFiles(disk)).hasSizeLessThan(20).doesNotContain("segment-0000000000000000.log");
            assertThat(bodies(fixture, 1, kept.size())).isEqualTo(kept);
        }
        try (StripeFixture again = StripeFixture.open(disk.killImage(), patient())) {
            assertThat(bodies(again, 1, kept.size())).isEqualTo(kept);
        }
    }

    /** Before, it was kept until somebody sent or acked again. */
    @Test
    void whatIsReleasedBehindTheLastCheckpointIsGivenBackAllTheSame() throws IOException {
        try (StripeFixture fixture = StripeFixture.open(disk, cleaning(Duration.ofMillis(20), LONG))) {
            Sender sender = new Sender(fixture, 2);
            while (segmentFiles(disk).size() < 8) {
                sender.append(2, FILLING);
            }
            awaitCheckpoint(sender);
            assertThat(segmentFiles(disk)).hasSizeGreaterThanOrEqualTo(8);
            fixture.stripe.log().releaseBelow(2, fixture.stripe.log().nextOffset(2));
            // The one with the replay start, the one behind it if the manifest had no room there, the one prepared.
            Awaitility.await("segments go").pollInterval(Duration.ofMillis(5)).until(() -> {
                sender.handleWhatIsAsked();
                return segmentFiles(disk).size() <= 3;
            });
        }
    }

    /** Then nobody was asked for the snapshots that keep what is free now; before, they kept it until somebody sent or acked. */
    @Test
    void whatIsReleasedDuringACheckpointGoesWithTheNext() throws IOException {
        try (StripeFixture fixture = StripeFixture.open(disk, cleaning(Duration.ofMillis(20), LONG))) {
            Sender sender = new Sender(fixture, 2, 3);
            sender.append(3, "once");
            awaitCheckpoint(sender);
            while (segmentFiles(disk).size() < 8) {
                sender.append(2, FILLING);
            }
            awaitCheckpoint(sender);
            sender.beforeNextSnapshot = () -> {
                fixture.stripe.log().releaseBelow(2, fixture.stripe.log().nextOffset(2));
                fixture.stripe.log().releaseBelow(3, 1);
            };
            sender.append(2, "makes one more checkpoint due");
            Awaitility.await("the first segment goes")
                    .pollInterval(Duration.ofMillis(5))
                    .until(() -> {
                        sender.handleWhatIsAsked();
                        return !segmentFiles(disk).contains("segment-0000000000000000.log");
                    });
        }
    }

    @Test
    void aSnapshotThatKeepsItsSegmentIsNoReasonForOneCheckpointAfterTheOther() throws IOException {
        try (StripeFixture fixture = StripeFixture.open(disk, cleaning(Duration.ofMillis(20), Duration.ofMillis(50)))) {
            Sender sender = new Sender(fixture, 2, 3);
            sender.append(3, "once");
            awaitCheckpoint(sender);
            while (segmentFiles(disk).size() < 8) {
                sender.append(2, FILLING);
            }
            awaitCheckpoint(sender);
            sender.silentQueueId = 3;
            fixture.stripe.log().releaseBelow(2, fixture.stripe.log().nextOffset(2));
            fixture.stripe.log().releaseBelow(3, 1);
            Awaitility.await("segments go").pollInterval(Duration.ofMillis(5)).until(() -> {
                sender.handleWhatIsAsked();
                return segmentFiles(disk).size() <= 4;
            });
            assertThat(segmentFiles(disk)).as("with the snapshot").contains("segment-0000000000000000.log");
            // The one that let the others go is counted behind that.
            AtomicLong checkpoints = new AtomicLong();
            Awaitility.await("many idle intervals without one")
                    .during(Duration.ofMillis(500))
                    .until(() -> {
                        long now = fixture.stripe.health().checkpointCount();
                        return checkpoints.getAndSet(now) == now;
                    });
            // Before, it was kept until somebody sent or acked again.
            fixture.writer.tell(new StoreWriter.Forget(Owner.queue(3)));
            Awaitility.await("nobody is left to ask")
                    .pollInterval(Duration.ofMillis(5))
                    .until(() -> {
                        sender.handleWhatIsAsked();
                        return !segmentFiles(disk).contains("segment-0000000000000000.log");
                    });
        }
    }

    private static void await(CountDownLatch latch) {
        try {
            latch.await();
        } catch (InterruptedException e) {
            throw new AssertionError(e);
        }
    }

    private static void awaitCheckpoint(Sender sender) {
        Awaitility.await("a checkpoint").pollInterval(Duration.ofMillis(5)).until(() -> {
            sender.handleWhatIsAsked();
            return sender.fixture.stripe.log().bytesSinceCheckpoint() == 0;
        });
    }

    /** Before, segments with copies that nobody needed any more were kept until the log had grown by four. */
    @Test
    void aStripeThatIdlesGivesBackWhatWasMoved() throws IOException {
        try (StripeFixture fixture = StripeFixture.open(disk, cleaning(Duration.ofMillis(20), LONG))) {
            Sender sender = new Sender(fixture, 1, 2);
            int step = 0;
            for (; fixture.stripe.health().evacuationCount() < 3; step++) {
                if (step % 40 == 0) {
                    sender.append(1, "kept " + step);
                }
                sender.append(2, FILLING);
                fixture.stripe.log().releaseBelow(2, fixture.stripe.log().nextOffset(2));
            }
            fixture.stripe.log().releaseBelow(1, fixture.stripe.log().nextOffset(1));
            sender.append(2, "the last one: a checkpoint is due when idle");
            fixture.stripe.log().releaseBelow(2, fixture.stripe.log().nextOffset(2));
            // The one with the replay start, the one behind it if the manifest had no room there, the one prepared.
            Awaitility.await().pollInterval(Duration.ofMillis(5)).until(() -> {
                sender.handleWhatIsAsked();
                return segmentFiles(disk).size() <= 3;
            });
        }
    }

    /** Before, its files stayed until the log prepared a segment or made a checkpoint: without Sends, on a full disk, for ever. */
    @Test
    void whatAReaderHeldWhenItWasFreedGoesWhenTheReaderHasDone() throws IOException {
        CountDownLatch isReading = new CountDownLatch(1);
        CountDownLatch mayGoOn = new CountDownLatch(1);
        try (StripeFixture fixture = StripeFixture.open(disk, cleaning(Duration.ofMillis(20), LONG))) {
            Sender sender = new Sender(fixture, 2);
            while (segmentFiles(disk).size() < 8) {
                sender.append(2, FILLING);
            }
            awaitCheckpoint(sender);
            CompletableFuture<Void> walk = CompletableFuture.runAsync(() -> {
                try {
                    fixture.stripe.log().newWalker().walk(LogWalker.Span.everything(), record -> {
                        isReading.countDown();
                        await(mayGoOn);
                        return false;
                    });
                } catch (IOException e) {
                    throw new AssertionError(e);
                }
            });
            await(isReading);
            List<String> held = segmentFiles(disk);
            fixture.stripe.log().releaseBelow(2, fixture.stripe.log().nextOffset(2));
            Awaitility.await("segments are freed")
                    .pollInterval(Duration.ofMillis(5))
                    .until(() -> {
                        sender.handleWhatIsAsked();
                        return fixture.stripe.log().storedBytes() <= 3 * 64 * 1024;
                    });
            assertThat(segmentFiles(disk)).containsAll(held);
            mayGoOn.countDown();
            walk.join();
            Awaitility.await("files go").until(() -> segmentFiles(disk).size() <= 3);
        } finally {
            mayGoOn.countDown();
        }
    }

    /** Before, the segment that was chosen stayed held, so that its file was abandoned instead of closed. */
    @Test
    void aPlanThatComesWhenTheStripeStopsHoldsNoSegment() throws IOException {
        CountDownLatch isPlanning = new CountDownLatch(1);
        CountDownLatch mayPlan = new CountDownLatch(1);
        try (StripeFixture fixture = StripeFixture.open(disk, cleaning())) {
            Sender sender = new Sender(fixture, 1, 2);
            disk.observe((operation, path, at, length) -> {
                // Nothing but a plan reads there.
                if (operation == Operation.READ_COLD && path.equals("segment-0000000000000000.log")) {
                    isPlanning.countDown();
                    await(mayPlan);
                }
            });
            for (int step = 0; isPlanning.getCount() > 0; step++) {
                sender.append(step % 40 == 0 ? 1 : 2, FILLING);
                fixture.stripe.log().releaseBelow(2, fixture.stripe.log().nextOffset(2));
            }
            TestProbe<Done> stopped = fixture.stopping();
            for (Event event = null; !(event instanceof StoreWriter.Unavailable); ) {
                event = sender.probe.receiveMessage(LONG);
                sender.handle(event);
            }
            mayPlan.countDown();
            stopped.receiveMessage(LONG);
            assertThat(disk.abandonedFiles()).noneMatch(name -> name.startsWith("segment-"));
            assertThat(disk.openFiles()).isEmpty();
        } finally {
            mayPlan.countDown();
        }
    }

    /** Before, an evacuation that waited for its share of what is appended kept every further segment from being looked at. */
    @Test
    void aStripeThatIdlesBeforeAnEvacuationGivesBackWhatWasMovedByOthers() throws IOException {
        try (StripeFixture fixture = StripeFixture.open(disk, cleaning(Duration.ofMillis(20), LONG, 1))) {
            Sender sender = new Sender(fixture, 1, 2);
            // The second one uses up the share for the third; what the first has moved is in a segment that is left.
            for (int evacuated = 1; evacuated <= 2; evacuated++) {
                for (int step = 0; fixture.stripe.health().evacuationCount() < evacuated || step < 6 * 60; step++) {
                    appendAndRelease(sender, step % 8 == 0 ? 1 : 2);
                }
            }
            awaitAllIsGivenBack(sender);
        }
    }

    /** Before, it waited for its share, and every further segment to be looked at for it. */
    @Test
    void aStripeThatIdlesInTheMiddleOfAnEvacuationFinishesIt() throws IOException {
        StoreSettings settings = cleaning(Duration.ofMillis(20), LONG, 1);
        try (StripeFixture fixture = StripeFixture.open(disk, settings, 512 * 1024, 0)) {
            Sender sender = new Sender(fixture, 1, 2);
            for (int step = 0; fixture.stripe.health().writtenBytes().moved() == 0; step++) {
                appendAndRelease(sender, step % 4 == 0 ? 1 : 2);
            }
            // What is moved comes to lie in a segment that is left.
            for (int step = 0; step < 3 * 512; step++) {
                appendAndRelease(sender, 2);
            }
            assertThat(fixture.stripe.health().evacuationCount())
                    .as("a segment has copies for several batches")
                    .isZero();
            awaitAllIsGivenBack(sender);
        }
    }

    private static void appendAndRelease(Sender sender, int queueId) {
        sender.append(queueId, FILLING);
        StripeLog log = sender.fixture.stripe.log();
        log.releaseBelow(2, log.nextOffset(2));
    }

    /** The one with the replay start is left, the one behind it if the manifest had no room there, the one prepared. */
    private void awaitAllIsGivenBack(Sender sender) {
        StripeLog log = sender.fixture.stripe.log();
        log.releaseBelow(1, log.nextOffset(1));
        Awaitility.await("segments go").pollInterval(Duration.ofMillis(5)).until(() -> {
            sender.handleWhatIsAsked();
            return segmentFiles(disk).size() <= 3;
        });
    }

    @Test
    void anAppendWaitsForItsSegmentAndTheWriterForNobody() throws IOException {
        CountDownLatch mayCreate = new CountDownLatch(1);
        try (StripeFixture fixture = StripeFixture.open(disk, patient())) {
            TestProbe<Event> origin = fixture.origin();
            Frame first = fixture.append(origin, frame(1, "first"));
            disk.observe((operation, path, at, length) -> {
                if (operation == Operation.CREATE && path.startsWith("segment-")) {
                    await(mayCreate);
                }
            });
            int sent = 0;
            for (; sent < 150; sent++) {
                fixture.send(origin, frame(1, FILLING), false, sent);
            }
            long writtenCount = 0;
            while (fixture.stripe.log().roomBytes() > 0 || writtenCount < 100) {
                assertThat(expect(origin, Written.class).tag()).isEqualTo(writtenCount++);
            }
            // What needs no segment is answered.
            TestProbe<Event> other = fixture.origin();
            fixture.writer.tell(new StoreWriter.AwaitDurable(first.lastSequence(), other.ref()));
            expect(other, StoreWriter.Durable.class);
            mayCreate.countDown();
            while (writtenCount < sent) {
                Event event = origin.receiveMessage(LONG);
                if (event instanceof Written written) {
                    assertThat(written.tag()).isEqualTo(writtenCount++);
                }
            }
        }
    }
}
