package io.forebay.store;

import static io.forebay.store.StripeFixture.LONG;
import static io.forebay.store.StripeFixture.QUIET;
import static io.forebay.store.StripeFixture.frame;
import static org.assertj.core.api.Assertions.assertThat;

import akka.actor.testkit.typed.javadsl.ActorTestKit;
import akka.actor.testkit.typed.javadsl.TestProbe;
import akka.actor.typed.ActorRef;
import akka.actor.typed.DispatcherSelector;
import io.forebay.config.StoreSettings;
import io.forebay.storage.log.FlushRange;
import io.forebay.storage.log.Frame;
import io.forebay.storage.log.Phase;
import io.forebay.storage.log.StripeLog;
import io.forebay.storage.log.StripeOptions;
import io.forebay.store.StoreWriter.Durable;
import io.forebay.store.StoreWriter.Event;
import io.forebay.store.StoreWriter.FlushFailed;
import io.forebay.store.StoreWriter.Internal;
import io.forebay.store.StoreWriter.RangeFailed;
import io.forebay.store.StoreWriter.RangeForced;
import io.forebay.store.StoreWriter.Rewritten;
import io.forebay.store.StoreWriter.RewrittenTold;
import io.forebay.support.PatientTestKits;
import io.forebay.testkit.faults.DiskObserver.Operation;
import io.forebay.testkit.faults.MemoryDisk;
import java.io.IOException;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.Semaphore;
import java.util.concurrent.atomic.AtomicReference;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/**
 * The Flusher over a real log on a disk in memory; the test is its StoreWriter.
 *
 * <p>Invariants: Durable is told only of what is forced and published; a failed force gives nothing back and is told to origins
 * only on the StoreWriter's word; nobody who waits is forgotten over it. Faults: forces that fail, a store that fails meanwhile,
 * bugs.
 */
class FlusherTest {
    private static final Duration SHORT = Duration.ofMillis(30);

    private final MemoryDisk disk = new MemoryDisk();
    private final StripeBudget budget = new StripeBudget(0, 4 << 20, 75, 0, Integer.MAX_VALUE);
    private final Semaphore forces = new Semaphore(0);
    private final AtomicReference<String> forcingThread = new AtomicReference<>();
    private ActorTestKit testKit;
    private StripeLog log;
    private TestProbe<Internal> writer;
    private TestProbe<Event> origin;
    private TestProbe<Event> other;
    private ActorRef<Flusher.Message> flusher;

    @BeforeEach
    void start() throws IOException {
        testKit = PatientTestKits.create(QUIET);
        var options = StripeOptions.of(0)
                .withSegmentBytes(64 * 1024)
                .withIndexExtentEntries(64)
                .withIndexFileBytes(64 * 1024);
        log = StripeLog.open(disk, options, 0, new StripeFixture.Recovered());
        log.prepareNext();
        writer = testKit.createTestProbe(Internal.class);
        origin = testKit.createTestProbe(Event.class);
        other = testKit.createTestProbe(Event.class);
        flusher = testKit.spawn(
                Flusher.create(writer.ref(), StoreSettings.FLUSH_DISPATCHER, log, budget, new StripeMeters(0, () -> 0)),
                DispatcherSelector.fromConfig(StoreSettings.FLUSHER_DISPATCHER));
    }

    @AfterEach
    void stop() {
        forces.release(1000);
        testKit.shutdownTestKit();
    }

    private void holdForces() {
        disk.observe((operation, path, at, length) -> {
            if (operation == Operation.FORCE) {
                forcingThread.set(Thread.currentThread().getName());
                forces.acquireUninterruptibly();
            }
        });
    }

    private Frame append(String body) throws IOException {
        Frame frame = frame(1, body);
        budget.take(frame.retainedBytes());
        log.append(frame, 1);
        return frame;
    }

    private FlushRange flush(TestProbe<Event> waiter) {
        return flush(List.of(waiter.ref()));
    }

    private FlushRange flush(List<ActorRef<Event>> waiters) {
        FlushRange range = log.takeUnflushed();
        flusher.tell(new Flusher.Flush(range, range.retainedBytes(), waiters));
        return range;
    }

    private <T extends Internal> T expectAtWriter(Class<T> type) {
        return writer.expectMessageClass(type, LONG);
    }

    private static long durable(TestProbe<Event> probe) {
        return probe.expectMessageClass(Durable.class, LONG).upToSequence();
    }

    @Test
    void durableIsToldToThoseWhoWaitWhenTheRangeIsForced() throws IOException {
        holdForces();
        append("a");
        Frame last = append("b");
        FlushRange range = flush(origin);
        // The actor goes on while its stream is blocked.
        flusher.tell(new Flusher.Await(last.lastSequence(), other.ref()));
        origin.expectNoMessage(SHORT);
        other.expectNoMessage(Duration.ZERO);
        assertThat(log.durableSequence()).isLessThan(last.firstSequence());
        assertThat(budget.unflushedBytes()).isEqualTo(range.retainedBytes());

        forces.release(1000);
        assertThat(durable(origin)).isEqualTo(last.lastSequence());
        assertThat(durable(other)).isEqualTo(last.lastSequence());
        assertThat(expectAtWriter(RangeForced.class).range()).isSameAs(range);
        assertThat(log.durableSequence()).isEqualTo(last.lastSequence());
        assertThat(budget.unflushedBytes()).isZero();
        assertThat(forcingThread.get()).contains("flush-dispatcher");

        append("c");
        flush(other);
        durable(other);
        origin.expectNoMessage(Duration.ZERO);
    }

    @Test
    void whatIsDurableAlreadyIsToldAtOnce() throws IOException {
        Frame frame = append("a");
        flush(List.of());
        expectAtWriter(RangeForced.class);
        flusher.tell(new Flusher.Await(frame.firstSequence(), origin.ref()));
        assertThat(durable(origin)).isEqualTo(frame.lastSequence());
    }

    @Test
    void aFailedForceIsToldOnTheStoreWritersWordAndItsWaitersAfterTheRewrite() throws IOException {
        disk.failNextForces(1);
        Frame failed = append("a");
        FlushRange range = flush(origin);
        assertThat(expectAtWriter(RangeFailed.class).range()).isSameAs(range);
        long durable = log.durableSequence();
        origin.expectNoMessage(SHORT);
        assertThat(budget.unflushedBytes()).isEqualTo(range.retainedBytes());

        Frame behind = append("b");
        log.forceFailed(range);
        flusher.tell(new Flusher.TellFailed(durable, List.of(origin.ref()), List.of(other.ref())));
        flusher.tell(new Flusher.Await(behind.lastSequence(), other.ref()));
        assertThat(origin.expectMessageClass(FlushFailed.class, LONG).aboveSequence())
                .isEqualTo(durable);
        other.expectNoMessage(SHORT);

        log.rewrite(failed);
        log.rewrite(behind);
        log.finishRewrite();
        assertThat(log.phase()).isEqualTo(Phase.RUNNING);
        flusher.tell(new Flusher.TellRewritten(log.durableSequence()));
        assertThat(origin.expectMessageClass(Rewritten.class, LONG).durableSequence())
                .isEqualTo(behind.lastSequence());
        assertThat(durable(origin)).isEqualTo(behind.lastSequence());
        assertThat(durable(other)).isEqualTo(behind.lastSequence());
        expectAtWriter(RewrittenTold.class);

        // The next one is a range like any other, and tells those of the last one nothing.
        append("c");
        flush(List.of());
        expectAtWriter(RangeForced.class);
        flusher.tell(new Flusher.TellRewritten(log.durableSequence()));
        expectAtWriter(RewrittenTold.class);
        origin.expectNoMessage(Duration.ZERO);
        other.expectNoMessage(Duration.ZERO);
    }

    @Test
    void whatAFailedStoreHasOvertakenIsNotDurable() throws IOException {
        holdForces();
        append("a");
        FlushRange range = flush(origin);
        testKit.createTestProbe().awaitAssert(LONG, () -> {
            assertThat(forcingThread.get()).isNotNull();
            return null;
        });
        log.forceFailed(null);
        forces.release(1000);
        assertThat(expectAtWriter(RangeForced.class).range()).isSameAs(range);
        assertThat(log.durableSequence()).isLessThan(range.toSequence());
        assertThat(budget.unflushedBytes()).isEqualTo(range.retainedBytes());
        origin.expectNoMessage(SHORT);
    }

    @Test
    void aSecondRangeIsABug() throws IOException {
        holdForces();
        append("a");
        flush(List.of());
        append("b");
        flush(List.of());
        forces.release(1000);
        writer.expectTerminated(flusher, LONG);
    }

    @Test
    void aBugInTheStreamEndsTheActor() throws IOException {
        disk.observe((operation, path, at, length) -> {
            if (operation == Operation.FORCE) {
                throw new AssertionError("a bug");
            }
        });
        append("a");
        flush(origin);
        writer.expectTerminated(flusher, LONG);
        origin.expectNoMessage(Duration.ZERO);
        disk.observe((operation, path, at, length) -> {});
    }

    @Test
    void itEndsBehindTheForceUnderWay() throws IOException {
        holdForces();
        Frame frame = append("a");
        flush(origin);
        flusher.tell(Flusher.Finish.INSTANCE);
        origin.expectNoMessage(SHORT);
        forces.release(1000);
        assertThat(durable(origin)).isEqualTo(frame.lastSequence());
        expectAtWriter(RangeForced.class);
        writer.expectTerminated(flusher, LONG);
    }
}
