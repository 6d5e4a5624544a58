package io.forebay.store;

import static io.forebay.store.StripeFixture.LONG;
import static io.forebay.store.StripeFixture.frame;
import static org.assertj.core.api.Assertions.assertThat;

import akka.actor.testkit.typed.javadsl.ActorTestKit;
import akka.actor.testkit.typed.javadsl.TestInbox;
import akka.actor.testkit.typed.javadsl.TestProbe;
import akka.actor.typed.ActorRef;
import akka.actor.typed.DispatcherSelector;
import io.forebay.config.StoreSettings;
import io.forebay.storage.log.FlushRange;
import io.forebay.storage.log.Frame;
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
import io.forebay.testkit.faults.DiskObserver.Operation;
import io.forebay.testkit.faults.MemoryDisk;
import java.io.IOException;
import java.util.List;
import java.util.concurrent.atomic.AtomicBoolean;

/**
 * The whole of what a Flusher says, in one go: of a range that is forced, of one whose force fails, of a rewrite, of a range that
 * a failed store overtakes. Nothing in it waits to see that nothing comes: what the Flusher says to an origin lies in its inbox
 * before the StoreWriter has what was said after it. So one actor system does for many runs, and a Flusher that says something
 * wrong is found out at once.
 */
final class FlusherScript implements AutoCloseable {
    private final MemoryDisk disk = new MemoryDisk();
    private final StripeBudget budget = new StripeBudget(0, 4 << 20, 75, 0, Integer.MAX_VALUE);
    private final TestInbox<Event> origin = TestInbox.create("origin");
    private final TestInbox<Event> other = TestInbox.create("other");
    private final ActorTestKit actors;
    private final StripeLog log;
    private final TestProbe<Internal> writer;
    private final TestProbe<Event> clock;
    private final ActorRef<Flusher.Message> flusher;

    private FlusherScript(ActorTestKit actors) throws IOException {
        this.actors = actors;
        log = StripeLog.open(
                disk,
                StripeOptions.of(0)
                        .withSegmentBytes(64 * 1024)
                        .withIndexExtentEntries(64)
                        .withIndexFileBytes(64 * 1024),
                0,
                new StripeFixture.Recovered());
        log.prepareNext();
        writer = actors.createTestProbe(Internal.class);
        clock = actors.createTestProbe(Event.class);
        flusher = actors.spawn(
                Flusher.create(writer.ref(), StoreSettings.FLUSH_DISPATCHER, log, budget, new StripeMeters(0, () -> 0)),
                DispatcherSelector.fromConfig(StoreSettings.FLUSHER_DISPATCHER));
    }

    /** @param actors of a system that outlives the run */
    static void run(ActorTestKit actors) throws IOException {
        try (FlusherScript script = new FlusherScript(actors)) {
            script.whatIsForcedIsToldOnce();
            script.whatIsNotForcedIsToldByNobody();
            script.aFailedForceIsToldAndWhatIsWrittenAgainAfterIt();
            script.whatAFailedStoreHasOvertakenIsNotDurable();
        }
    }

    private void whatIsForcedIsToldOnce() throws IOException {
        append("a");
        Frame last = append("b");
        flush(List.of(origin));
        writer.expectMessageClass(RangeForced.class, LONG);
        assertThat(log.durableSequence()).isEqualTo(last.lastSequence());
        assertThat(origin.getAllReceived()).containsExactly(new Durable(last.lastSequence()));
        assertThat(other.hasMessages()).isFalse();
        assertThat(budget.unflushedBytes()).isZero();
    }

    private void whatIsNotForcedIsToldByNobody() throws IOException {
        long durable = log.durableSequence();
        flusher.tell(new Flusher.Await(durable, other.getRef()));
        passAll();
        assertThat(other.getAllReceived()).containsExactly(new Durable(durable));
        Frame next = append("c");
        flusher.tell(new Flusher.Await(next.firstSequence(), other.getRef()));
        passAll();
        assertThat(other.hasMessages()).isFalse();
        flush(List.of());
        writer.expectMessageClass(RangeForced.class, LONG);
        assertThat(other.getAllReceived()).containsExactly(new Durable(next.lastSequence()));
        assertThat(origin.hasMessages()).as("told again").isFalse();
    }

    private void aFailedForceIsToldAndWhatIsWrittenAgainAfterIt() throws IOException {
        long durable = log.durableSequence();
        disk.failNextForces(1);
        Frame failed = append("d");
        FlushRange range = flush(List.of(origin));
        writer.expectMessageClass(RangeFailed.class, LONG);
        assertThat(log.durableSequence()).isEqualTo(durable);
        assertThat(origin.hasMessages()).isFalse();
        assertThat(budget.unflushedBytes()).isEqualTo(failed.retainedBytes());

        Frame behind = append("e");
        log.forceFailed(range);
        flusher.tell(new Flusher.TellFailed(durable, List.of(origin.getRef()), List.of(other.getRef())));
        passAll();
        assertThat(origin.getAllReceived()).containsExactly(new FlushFailed(durable));
        assertThat(other.hasMessages()).isFalse();

        log.rewrite(failed);
        log.rewrite(behind);
        log.finishRewrite();
        flusher.tell(new Flusher.TellRewritten(behind.lastSequence()));
        writer.expectMessageClass(RewrittenTold.class, LONG);
        assertThat(origin.getAllReceived())
                .containsExactly(new Rewritten(behind.lastSequence()), new Durable(behind.lastSequence()));
        assertThat(other.getAllReceived()).containsExactly(new Durable(behind.lastSequence()));
        assertThat(budget.unflushedBytes())
                .as("the StoreWriter gives it back")
                .isEqualTo((long) failed.retainedBytes() + behind.retainedBytes());
        budget.release(budget.unflushedBytes());
    }

    private void whatAFailedStoreHasOvertakenIsNotDurable() throws IOException {
        Frame frame = append("f");
        AtomicBoolean isOvertaken = new AtomicBoolean();
        disk.observe((operation, path, at, length) -> {
            // In the StoreWriter's place, which waits here.
            if (operation == Operation.FORCE && isOvertaken.compareAndSet(false, true)) {
                log.forceFailed(null);
            }
        });
        flush(List.of(origin));
        writer.expectMessageClass(RangeForced.class, LONG);
        assertThat(isOvertaken).isTrue();
        assertThat(log.durableSequence()).isLessThan(frame.firstSequence());
        assertThat(origin.hasMessages()).isFalse();
        assertThat(budget.unflushedBytes()).isEqualTo(frame.retainedBytes());
    }

    private Frame append(String body) throws IOException {
        Frame frame = frame(1, body);
        budget.take(frame.retainedBytes());
        log.append(frame, 1);
        return frame;
    }

    private FlushRange flush(List<TestInbox<Event>> waiters) {
        FlushRange range = log.takeUnflushed();
        flusher.tell(new Flusher.Flush(
                range,
                range.retainedBytes(),
                waiters.stream().map(TestInbox::getRef).toList()));
        return range;
    }

    /** Returns when the Flusher has done all that it was told. */
    private void passAll() {
        flusher.tell(new Flusher.Await(0, clock.ref()));
        clock.expectMessageClass(Durable.class, LONG);
    }

    @Override
    public void close() throws IOException {
        actors.stop(flusher);
        log.close(false);
    }
}
