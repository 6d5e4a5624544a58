package io.forebay.store;

import static io.forebay.store.StripeFixture.frame;
import static org.assertj.core.api.Assertions.assertThat;

import akka.Done;
import akka.actor.testkit.typed.javadsl.TestInbox;
import akka.actor.typed.ActorRef;
import io.forebay.storage.log.Frame;
import io.forebay.storage.log.Owner;
import io.forebay.storage.log.RecoveryReport;
import io.forebay.storage.log.StripeLog;
import io.forebay.storage.log.StripeOptions;
import io.forebay.store.SegmentPreparation.DiskMeasured;
import io.forebay.store.StoreWriter.Append;
import io.forebay.store.StoreWriter.Event;
import io.forebay.store.StoreWriter.Refused;
import io.forebay.store.StoreWriter.Rejected;
import io.forebay.store.StoreWriter.Stop;
import io.forebay.store.StoreWriter.Unavailable;
import io.forebay.store.StripeBudget.Reason;
import io.forebay.store.StripeBudget.Tier;
import io.forebay.store.StripeEnd.LogClosed;
import io.forebay.store.StripeEnd.StopTimedOut;
import java.io.IOException;
import java.time.Duration;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/**
 * Invariants: the log is closed once, when nothing works on it; clean only if everything is forced; whoever asked is told when
 * all is over, and not before.
 */
class StripeEndTest {
    private static final Duration WITHIN = Duration.ofSeconds(9);

    private final TestInbox<Flusher.Message> flusher = TestInbox.create("flusher");
    private final TestInbox<Event> origin = TestInbox.create("origin");
    private final TestInbox<Done> asker = TestInbox.create("asker");
    private final Unflushed unflushed = new Unflushed(1 << 20);
    private WriterBench bench;
    private AppendLine line;
    private StripeEnd end;

    @BeforeEach
    void open() throws IOException {
        bench = new WriterBench(StripeFixture.patient());
        bench.prepare();
        Registrations<Owner, ActorRef<Event>> registrations = new Registrations<>();
        AppendGate gate = new AppendGate(0, new SegmentPreparation(bench.parts, bench, bench.availability));
        Flushing flushing = new Flushing(bench.parts, bench, gate, unflushed, flusher.getRef());
        Checkpointing checkpointing =
                new Checkpointing(bench.parts, bench, gate, registrations, unflushed, bench.own.getRef());
        Cleaning cleaning = new Cleaning(bench.parts, bench, gate, unflushed, checkpointing);
        line = new AppendLine(bench.parts, gate, registrations, unflushed, checkpointing, cleaning);
        end = new StripeEnd(bench.parts, bench, bench.availability, flushing, cleaning, line, flusher.getRef());
    }

    @AfterEach
    void close() throws IOException {
        bench.close();
    }

    private Append message() {
        Frame frame = frame(1, "a");
        bench.budget.take(frame.retainedBytes());
        return new Append(frame, origin.getRef(), false, 1);
    }

    private void ask() {
        end.ask(new Stop(WITHIN, asker.getRef()), false);
    }

    private void closeLog() {
        LogClosed closed = bench.runOffloaded(LogClosed.class);
        assertThat(closed.failure()).isNull();
        end.onLogClosed(closed);
        assertThat(bench.status.phase()).isEqualTo(StripePhase.CLOSED);
    }

    private RecoveryReport reopened() throws IOException {
        try (StripeLog again = StripeLog.open(
                bench.disk.killImage(),
                StripeOptions.of(0)
                        .withSegmentBytes(64 * 1024)
                        .withIndexExtentEntries(64)
                        .withIndexFileBytes(64 * 1024),
                0,
                new StripeFixture.Recovered())) {
            return again.report();
        }
    }

    @Test
    void aCleanEndForcesClosesAndThenTells() throws IOException {
        line.append(message());
        ask();
        assertThat(bench.status.phase()).isEqualTo(StripePhase.CLOSING);
        assertThat(bench.budget.refusal(Tier.ACK).reason()).isEqualTo(Reason.SHUTTING_DOWN);
        assertThat(bench.timers.get(StopTimedOut.INSTANCE).delay()).isEqualTo(WITHIN);
        assertThat(end.isClosing()).isFalse();
        assertThat(bench.everybody.hasMessages()).isFalse();

        Append late = message();
        line.add(late);
        end.beginClosing(true);
        assertThat(((Unavailable) bench.everybody.receiveMessage()).reason()).isEqualTo(Reason.SHUTTING_DOWN);
        origin.receiveMessage(); // Written
        assertThat(origin.receiveMessage()).isEqualTo(new Rejected(1, late.frame(), Refused.CLOSED, end.because()));
        end.close();
        end.close();
        assertThat(bench.offloadedCount()).isZero();
        Flusher.Flush flush = (Flusher.Flush) flusher.receiveMessage();
        bench.log.force(flush.range());
        bench.log.forced(flush.range());
        end.backFromFlusher(true);
        end.close();
        end.close();
        assertThat(bench.offloadedCount()).isEqualTo(1);
        closeLog();
        flusher.expectMessage(Flusher.Finish.INSTANCE);
        assertThat(end.tellIfOver()).isFalse();
        assertThat(end.onFlusherEnded()).isTrue();
        assertThat(asker.hasMessages()).isFalse();
        assertThat(end.tellIfOver()).isTrue();
        asker.expectMessage(Done.getInstance());
        assertThat(reopened().isCleanStop()).isTrue();
    }

    @Test
    void whatCouldNotBeForcedIsLeftToRecovery() throws IOException {
        line.append(message());
        ask();
        end.beginClosing(true);
        end.close();
        flusher.receiveMessage();
        end.backFromFlusher(false);
        end.close();
        assertThat(flusher.hasMessages()).as("not forced a second time").isFalse();
        closeLog();
        assertThat(reopened().isCleanStop()).isFalse();
    }

    @Test
    void whenTimeIsOverNothingIsForced() throws IOException {
        line.append(message());
        ask();
        end.timeOver();
        assertThat(end.isTimeOver()).isTrue();
        end.beginClosing(true);
        end.close();
        assertThat(flusher.hasMessages()).isFalse();
        closeLog();
        assertThat(reopened().isCleanStop()).isFalse();
    }

    @Test
    void whatWorksOnTheLogEndsFirst() {
        bench.offload(() -> {}, failure -> DiskMeasured.INSTANCE);
        ask();
        end.beginClosing(true);
        end.close();
        assertThat(bench.offloadedCount()).isEqualTo(1);
        bench.runOffloaded(DiskMeasured.class);
        end.close();
        closeLog();
    }

    @Test
    void aStripeClosedByABugStaysToSaySo() throws IOException {
        line.append(message());
        end.beginClosingByBug(new AssertionError("a bug"));
        assertThat(bench.status.phase()).isEqualTo(StripePhase.CLOSED);
        assertThat(((Unavailable) bench.everybody.receiveMessage()).reason()).isEqualTo(Reason.CLOSED);
        assertThat(end.because()).contains("a bug");
        end.beginClosingByBug(new AssertionError("another"));
        assertThat(end.because()).contains("a bug");
        end.close();
        closeLog();
        assertThat(end.onFlusherEnded()).isTrue();
        assertThat(end.tellIfOver()).isFalse();
        end.askClosing(new Stop(WITHIN, asker.getRef()));
        assertThat(end.tellIfOver()).isTrue();
        asker.expectMessage(Done.getInstance());
        assertThat(reopened().isCleanStop()).isFalse();
    }

    @Test
    void aFlusherThatEndsByItselfIsABugAndItsRangeIsNotWaitedFor() {
        line.append(message());
        end.beginClosing(true);
        end.close();
        assertThat(flusher.hasMessages()).isTrue();
        flusher.receiveMessage();
        assertThat(end.onFlusherEnded()).isFalse();
        end.beginClosingByBug(new AssertionError("the Flusher has ended"));
        end.close();
        closeLog();
        assertThat(flusher.hasMessages()).isFalse();
    }

    @Test
    void anAbruptEndClosesTheLogUnlessItIsBeingClosed() {
        assertThat(end.endAbruptly()).isTrue();
        end.close();
        assertThat(bench.offloadedCount()).isZero();
        assertThat(end.endAbruptly()).isFalse();
    }
}
