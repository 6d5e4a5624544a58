package io.forebay.store;

import static io.forebay.store.StripeFixture.frame;
import static org.assertj.core.api.Assertions.assertThat;

import akka.actor.testkit.typed.javadsl.TestInbox;
import io.forebay.storage.log.Frame;
import io.forebay.storage.log.StripeException;
import io.forebay.store.Flushing.FlushDue;
import io.forebay.store.StoreWriter.Append;
import io.forebay.store.StoreWriter.AwaitDurable;
import io.forebay.store.StoreWriter.Event;
import java.io.IOException;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/** When what was appended goes to the Flusher, and who waits for it there. */
class FlushingTest {
    private final TestInbox<Flusher.Message> flusher = TestInbox.create("flusher");
    private final TestInbox<Event> origin = TestInbox.create("origin");
    private final Unflushed unflushed = new Unflushed(1 << 20);
    private WriterBench bench;
    private AppendGate gate;
    private Flushing flushing;

    @BeforeEach
    void open() throws IOException {
        bench = new WriterBench(StripeFixture.patient());
        bench.prepare();
        gate = new AppendGate(0, new SegmentPreparation(bench.parts, bench, bench.availability));
        flushing = new Flushing(bench.parts, bench, gate, unflushed, flusher.getRef());
    }

    @AfterEach
    void close() throws IOException {
        bench.close();
    }

    private Frame append(boolean wantsDurable) throws IOException {
        Frame frame = frame(1, "a");
        bench.log.appendIfPrepared(frame, 0);
        unflushed.appended(new Append(frame, origin.getRef(), wantsDurable, 0));
        return frame;
    }

    private Flusher.Flush handedOver() {
        return (Flusher.Flush) flusher.receiveMessage();
    }

    private void force(Flusher.Flush flush) throws IOException {
        bench.log.force(flush.range());
        bench.log.forced(flush.range());
        assertThat(flushing.backFromFlusher(false)).isEqualTo(flush.range().toSequence());
    }

    @Test
    void withoutAnybodyWaitingOneTimerRunsForAll() throws IOException {
        flushing.flushIfDue();
        assertThat(bench.timers).isEmpty();
        append(false);
        flushing.flushIfDue();
        assertThat(bench.timers.remove(FlushDue.INSTANCE).delay())
                .isEqualTo(bench.parts.config().flushInterval());
        append(false);
        flushing.flushIfDue();
        assertThat(bench.timers).as("it runs already").isEmpty();
        assertThat(flusher.hasMessages()).isFalse();
        flushing.onFlushDue();
        flushing.flushIfDue();
        force(handedOver());
        append(false);
        flushing.flushIfDue();
        assertThat(bench.timers).containsKey(FlushDue.INSTANCE);
    }

    @Test
    void aTimerThatEndsDuringARewriteForcesNothingAndCanBeSetAgain() throws IOException {
        append(false);
        flushing.flushIfDue();
        bench.timers.clear();
        flushing.onFlushDueRewriting();
        flushing.flushIfDue();
        assertThat(flusher.hasMessages()).isFalse();
        assertThat(bench.timers).containsKey(FlushDue.INSTANCE);
    }

    @Test
    void whoWaitsIsForcedForAtOnceAndOneRangeIsAtTheFlusher() throws IOException {
        Frame first = append(true);
        flushing.flushIfDue();
        Flusher.Flush flush = handedOver();
        assertThat(flush.range().toSequence()).isEqualTo(first.lastSequence());
        assertThat(flush.waiters()).containsExactly(origin.getRef());
        append(true);
        flushing.flushIfDue();
        assertThat(flusher.hasMessages()).isFalse();
        assertThat(flushing.isAtFlusher()).isTrue();
        force(flush);
        assertThat(flushing.isAtFlusher()).isFalse();
        flushing.flushIfDue();
        force(handedOver());
    }

    @Test
    void whoAsksLaterIsToldByTheFlusherAndForcedForOnlyIfNeeded() throws IOException {
        Frame first = append(false);
        AwaitDurable await = new AwaitDurable(first.lastSequence(), origin.getRef());
        assertThat(flushing.await(await)).as("gathers: a force is due").isTrue();
        assertThat(flusher.hasMessages()).isFalse();
        flushing.flushIfDue();
        Flusher.Flush flush = handedOver();
        assertThat(flushing.await(await)).as("is at the Flusher").isFalse();
        flusher.expectMessage(new Flusher.Await(first.lastSequence(), origin.getRef()));
        force(flush);
        assertThat(flushing.await(await)).as("is durable").isFalse();
        flusher.expectMessage(new Flusher.Await(first.lastSequence(), origin.getRef()));
    }

    @Test
    void behindAFailedStoreNothingIsForced() throws IOException {
        append(true);
        gate.storeFailed(new StripeException(StripeException.Reason.STORE_FAILED, "no page"));
        flushing.flushIfDue();
        assertThat(flusher.hasMessages()).isFalse();
    }

    @Test
    void aForceOfNothingIsNotWantedForEver() {
        unflushed.wantForce();
        flushing.flushIfDue();
        assertThat(flusher.hasMessages()).isFalse();
        assertThat(unflushed.isDue()).isFalse();
    }
}
