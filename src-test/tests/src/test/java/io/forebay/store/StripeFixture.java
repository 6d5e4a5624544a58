package io.forebay.store;

import akka.Done;
import akka.actor.testkit.typed.javadsl.ActorTestKit;
import akka.actor.testkit.typed.javadsl.TestProbe;
import akka.actor.typed.ActorRef;
import com.typesafe.config.Config;
import com.typesafe.config.ConfigFactory;
import io.forebay.config.StoreSettings;
import io.forebay.storage.log.CorruptRecordException;
import io.forebay.storage.log.Frame;
import io.forebay.storage.log.LogRecord;
import io.forebay.storage.log.MessageRecord;
import io.forebay.storage.log.Owner;
import io.forebay.storage.log.RecordView;
import io.forebay.storage.log.RecoverySink;
import io.forebay.storage.log.SnapshotRecord;
import io.forebay.storage.log.StripeOptions;
import io.forebay.support.PatientTestKits;
import io.forebay.testkit.faults.MemoryDisk;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.time.InstantSource;
import java.util.ArrayList;
import java.util.List;
import java.util.SplittableRandom;

/** A stripe with its actors over a disk in memory, and what its tests say to it. */
final class StripeFixture implements AutoCloseable {
    /** Longer than anything here takes; a test that waits for it has failed. */
    static final Duration LONG = Duration.ofSeconds(20);

    static final Config QUIET = ConfigFactory.parseString("akka.loglevel = OFF, akka.stdout-loglevel = OFF")
            .withFallback(ConfigFactory.load());

    /** What was recovered, in order, as text. */
    static final class Recovered implements RecoverySink {
        final List<String> bodies = new ArrayList<>();
        final List<Long> sequences = new ArrayList<>();
        final List<String> snapshots = new ArrayList<>();

        @Override
        public void snapshot(RecordView part) throws CorruptRecordException {
            SnapshotRecord snapshot = (SnapshotRecord) part.decode();
            snapshots.add(part.owner() + " " + new String(snapshot.payload(), StandardCharsets.UTF_8));
        }

        @Override
        public void record(RecordView record) throws CorruptRecordException {
            LogRecord decoded = record.decode();
            if (decoded instanceof MessageRecord message) {
                bodies.add(new String(message.body(), StandardCharsets.UTF_8));
                sequences.add(record.sequence());
            }
        }
    }

    final ActorTestKit testKit;
    final MemoryDisk disk;
    final StripeHandle stripe;
    final Recovered recovered = new Recovered();
    final ActorRef<StoreWriter.Command> writer;

    /** Settings under which nothing happens by itself during a test. */
    static StoreSettings patient() {
        return new StoreSettings(
                4 << 20,
                75,
                Duration.ofMinutes(1),
                1 << 20,
                Duration.ofMinutes(1),
                3,
                Duration.ofMillis(20),
                Duration.ofMillis(20),
                1 << 30,
                Duration.ofHours(1),
                Duration.ofMinutes(1),
                0,
                30,
                Duration.ofSeconds(20));
    }

    static StoreSettings with(
            Duration flushInterval,
            Duration rewriteTimeout,
            long checkpointBytes,
            Duration checkpointIdleInterval,
            Duration snapshotTimeout) {
        StoreSettings patient = patient();
        return new StoreSettings(
                patient.maxUnflushedBytes(),
                patient.sendHighWaterPercent(),
                flushInterval,
                patient.flushBytes(),
                rewriteTimeout,
                patient.rewriteAttemptsMax(),
                patient.retryBackoff(),
                patient.retryBackoffMax(),
                checkpointBytes,
                checkpointIdleInterval,
                snapshotTimeout,
                patient.evacuationSharePercent(),
                patient.evacuationLivePercent(),
                patient.stopTimeout());
    }

    private StripeFixture(
            ActorTestKit testKit, MemoryDisk disk, StoreSettings settings, int segmentBytes, long lowSpaceBytes)
            throws IOException {
        this.testKit = testKit;
        this.disk = disk;
        var clock = new LogClock(InstantSource.system(), System::nanoTime);
        var parts = new StripeSystem(
                testKit.system(), settings, lowSpaceBytes, clock, System::nanoTime, new SplittableRandom(1));
        var options = StripeOptions.of(0)
                .withSegmentBytes(segmentBytes)
                .withIndexExtentEntries(64)
                .withIndexFileBytes(64 * 1024);
        this.stripe = parts.open(disk, options, recovered);
        this.writer = stripe.writer();
        awaitPrepared();
    }

    /** Waits until nothing is prepared in the background, so that the next fault meets what the test means. */
    void awaitPrepared() {
        long limit = System.nanoTime() + LONG.toNanos();
        while (stripe.log().isPreparationNeeded()) {
            if (System.nanoTime() > limit) {
                throw new AssertionError("no segment was prepared");
            }
            Thread.onSpinWait();
        }
    }

    static StripeFixture open(MemoryDisk disk, StoreSettings settings) throws IOException {
        return open(disk, settings, 64 * 1024, 0);
    }

    static StripeFixture open(MemoryDisk disk, StoreSettings settings, int segmentBytes, long lowSpaceBytes)
            throws IOException {
        ActorTestKit testKit = PatientTestKits.create(QUIET);
        try {
            return new StripeFixture(testKit, disk, settings, segmentBytes, lowSpaceBytes);
        } catch (IOException | RuntimeException | AssertionError e) {
            testKit.shutdownTestKit();
            throw e;
        }
    }

    TestProbe<StoreWriter.Event> origin() {
        return testKit.createTestProbe(StoreWriter.Event.class);
    }

    static Frame frame(int queueId, String... bodies) {
        Frame.Builder builder = Frame.builder(256);
        for (String body : bodies) {
            builder.add(
                    Owner.queue(queueId),
                    MessageRecord.builder()
                            .id("id")
                            .body(body.getBytes(StandardCharsets.UTF_8))
                            .build());
        }
        return builder.build();
    }

    static Frame snapshotFrame(Owner owner, long heldSequence, long heldOwnerNumber, long nextOffset, String state) {
        return Frame.builder(256)
                .add(
                        owner,
                        new SnapshotRecord(
                                heldSequence,
                                heldOwnerNumber,
                                nextOffset,
                                0,
                                1,
                                state.getBytes(StandardCharsets.UTF_8)))
                .build();
    }

    /** Appends and waits until it is written. */
    Frame append(TestProbe<StoreWriter.Event> origin, Frame frame) {
        send(origin, frame, false, 0);
        assertWritten(origin, frame, 0);
        awaitPrepared();
        return frame;
    }

    void send(TestProbe<StoreWriter.Event> origin, Frame frame, boolean wantsDurable, long tag) {
        try (StripeBudget.Account account = stripe.budget().open()) {
            account.spend(frame);
        }
        writer.tell(new StoreWriter.Append(frame, origin.ref(), wantsDurable, tag));
    }

    static void assertWritten(TestProbe<StoreWriter.Event> origin, Frame frame, long tag) {
        StoreWriter.Event event = origin.receiveMessage(LONG);
        if (!(event instanceof StoreWriter.Written written) || written.frame() != frame || written.tag() != tag) {
            throw new AssertionError("not written " + tag + ", but " + event);
        }
    }

    /** The next event, which must be of this class. */
    static <T extends StoreWriter.Event> T expect(TestProbe<StoreWriter.Event> origin, Class<T> type) {
        return origin.expectMessageClass(type, LONG);
    }

    void stop() {
        stopping().receiveMessage(LONG);
    }

    /** @return who is told when it has stopped */
    TestProbe<Done> stopping() {
        TestProbe<Done> stopped = testKit.createTestProbe(Done.class);
        writer.tell(new StoreWriter.Stop(LONG, stopped.ref()));
        return stopped;
    }

    @Override
    public void close() {
        testKit.shutdownTestKit();
    }
}
