package io.forebay.store;

import static io.forebay.store.StripeFixture.frame;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import akka.actor.testkit.typed.javadsl.TestInbox;
import io.forebay.storage.log.FlushRange;
import io.forebay.storage.log.Frame;
import io.forebay.store.Rewriting.RewriteAgain;
import io.forebay.store.Rewriting.RewriteFinished;
import io.forebay.store.Rewriting.RewriteTimedOut;
import io.forebay.store.SegmentPreparation.DiskMeasured;
import io.forebay.store.StoreWriter.Append;
import io.forebay.store.StoreWriter.Event;
import io.forebay.store.StoreWriter.Rewrite;
import io.forebay.store.StoreWriter.Unavailable;
import io.forebay.store.StripeBudget.Reason;
import java.io.IOException;
import java.util.List;
import java.util.Set;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/**
 * A force has failed behind three frames of two origins. Invariants: nothing is told durable before all of it is forced
 * elsewhere; it keeps its sequences; what an origin does not send the stripe writes itself.
 */
class RewritingTest {
    private final TestInbox<Flusher.Message> flusher = TestInbox.create("flusher");
    private final TestInbox<Event> one = TestInbox.create("one");
    private final TestInbox<Event> two = TestInbox.create("two");
    private final Unflushed unflushed = new Unflushed(1 << 20);
    private WriterBench bench;
    private Rewriting rewriting;
    private long durableBefore;
    private Frame first;
    private Frame second;
    private Frame third;

    @BeforeEach
    void failAForce() throws IOException {
        bench = new WriterBench(StripeFixture.patient());
        bench.prepare();
        rewriting =
                new Rewriting(bench.parts, bench, bench.availability, unflushed, flusher.getRef(), bench.own.getRef());
        bench.log.appendIfPrepared(frame(1, "safe"), 0);
        bench.force();
        durableBefore = bench.log.durableSequence();
        first = append(one);
        second = append(two);
        FlushRange range = bench.log.takeUnflushed();
        unflushed.take(range);
        third = append(one);
        bench.disk.failNextForces(1);
        assertThatThrownBy(() -> bench.log.force(range)).isInstanceOf(IOException.class);
        unflushed.backFromFlusher(durableBefore, true);
        assertThat(rewriting.isUnderWay()).isFalse();
        rewriting.begin(range);
        rewriting.further();
    }

    @AfterEach
    void close() throws IOException {
        bench.close();
    }

    private Frame append(TestInbox<Event> origin) throws IOException {
        Frame frame = frame(1, "a");
        bench.budget.take(frame.retainedBytes());
        bench.log.appendIfPrepared(frame, 0);
        unflushed.appended(new Append(frame, origin.getRef(), true, 0));
        return frame;
    }

    private void assertAllRewritten() {
        rewriting.onRewriteFinished(bench.runOffloaded(RewriteFinished.class));
        flusher.expectMessage(new Flusher.TellRewritten(third.lastSequence()));
        assertThat(bench.log.durableSequence()).isEqualTo(third.lastSequence());
        rewriting.told();
        assertThat(rewriting.isUnderWay()).isFalse();
        assertThat(bench.timers).doesNotContainKey(RewriteTimedOut.INSTANCE);
        assertThat(bench.budget.unflushedBytes()).isZero();
    }

    @Test
    void theOriginsAreAskedAndWhatTheySendIsForcedWhenItIsComplete() {
        Flusher.TellFailed told = (Flusher.TellFailed) flusher.receiveMessage();
        assertThat(told.aboveSequence()).isEqualTo(durableBefore);
        assertThat(told.origins()).containsExactlyInAnyOrder(one.getRef(), two.getRef());
        assertThat(told.waiters())
                .as("those of the range are the Flusher's already")
                .containsExactly(one.getRef());
        assertThat(bench.watched).isEqualTo(Set.of(one.getRef(), two.getRef()));
        assertThat(rewriting.isUnderWay()).isTrue();
        rewriting.onRewrite(new Rewrite(List.of(second), two.getRef()));
        assertThat(bench.offloadedCount()).isZero();
        rewriting.onRewrite(new Rewrite(List.of(first, third), one.getRef()));
        assertThat(flusher.hasMessages()).isFalse();
        assertAllRewritten();
        assertThat(second.firstSequence()).isEqualTo(first.lastSequence() + 1);
    }

    @Test
    void whatNobodySendsTheStripeWritesItself() {
        flusher.receiveMessage();
        rewriting.gone(one.getRef());
        assertThat(bench.offloadedCount()).isZero();
        assertThat(bench.timers.get(RewriteTimedOut.INSTANCE).delay())
                .isEqualTo(bench.parts.config().rewriteTimeout());
        rewriting.onRewriteTimedOut();
        rewriting.onRewrite(new Rewrite(List.of(second), two.getRef())); // too late
        rewriting.onRewriteTimedOut();
        assertThat(bench.offloadedCount()).isEqualTo(1);
        assertAllRewritten();
    }

    @Test
    void whatElseWorksOnTheLogEndsFirst() {
        flusher.receiveMessage();
        bench.offload(() -> {}, failure -> DiskMeasured.INSTANCE);
        rewriting.onRewriteTimedOut();
        assertThat(bench.offloadedCount()).isEqualTo(1);
        bench.runOffloaded(DiskMeasured.class);
        rewriting.finishIfComplete();
        rewriting.finishIfComplete();
        assertThat(bench.offloadedCount()).isEqualTo(1);
        assertAllRewritten();
    }

    @Test
    void anAttemptThatFailsStartsOverAndAfterSomeTheStripeIsReadOnly() {
        flusher.receiveMessage();
        bench.disk.failNextForces(1_000);
        rewriting.onRewriteTimedOut();
        while (bench.status.phase() != StripePhase.READ_ONLY) {
            assertThat(bench.everybody.hasMessages()).isFalse();
            assertThat(bench.timers).doesNotContainKey(RewriteAgain.INSTANCE);
            if (bench.isAnyCallRunning()) {
                rewriting.onRewriteFinished(bench.runOffloaded(RewriteFinished.class));
            } else {
                assertThat(bench.toldSelf.remove(0)).isEqualTo(RewriteAgain.INSTANCE);
                assertThat(bench.toldSelf).isEmpty();
                rewriting.onRewriteAgain();
            }
        }
        assertThat(bench.status.health().flushFailureCount())
                .isEqualTo(bench.parts.config().rewriteAttemptsMax());
        assertThat(bench.isAnyCallRunning()).isFalse();
        assertThat(bench.timers.get(RewriteAgain.INSTANCE).delay())
                .isEqualTo(bench.parts.config().retryBackoff());
        assertThat(((Unavailable) bench.everybody.receiveMessage()).reason()).isEqualTo(Reason.READ_ONLY);
        assertThat(flusher.hasMessages()).as("nobody is asked a second time").isFalse();

        bench.disk.failNextForces(0);
        rewriting.onRewriteAgain();
        assertAllRewritten();
    }
}
