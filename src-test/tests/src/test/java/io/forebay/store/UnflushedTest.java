package io.forebay.store;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import akka.actor.testkit.typed.javadsl.TestInbox;
import akka.actor.typed.ActorRef;
import io.forebay.storage.log.FlushRange;
import io.forebay.storage.log.Frame;
import io.forebay.store.StoreWriter.Append;
import io.forebay.store.StoreWriter.Event;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import org.junit.jupiter.api.Test;

class UnflushedTest {
    private static final ActorRef<Event> ONE = TestInbox.<Event>create("one").getRef();
    private static final ActorRef<Event> TWO = TestInbox.<Event>create("two").getRef();
    private static final ActorRef<Event> OWN = TestInbox.<Event>create("own").getRef();

    private final Frame first = StripeFixture.frame(1, "a");
    private final Frame second = StripeFixture.frame(2, "b");
    private final Frame third = StripeFixture.frame(3, "c");
    private final Unflushed unflushed =
            new Unflushed(first.retainedBytes() + second.retainedBytes() + third.retainedBytes());

    private static FlushRange upTo(long sequence) {
        return new FlushRange(0, 0, sequence, 0, 0, 0, List.of());
    }

    private void append(Frame frame, ActorRef<Event> origin, boolean wantsDurable) {
        unflushed.appended(new Append(frame, origin, wantsDurable, 0));
    }

    private Set<ActorRef<Event>> origins() {
        Set<ActorRef<Event>> all = new HashSet<>();
        unflushed.addOriginsTo(all);
        return all;
    }

    @Test
    void aRangeIsDueByBytesOrWhenSomebodyWaitsElseLater() {
        assertThat(unflushed.isDue()).isFalse();
        assertThat(unflushed.isDueLater()).isFalse();
        append(first, ONE, false);
        append(second, ONE, false);
        assertThat(unflushed.isDue()).isFalse();
        assertThat(unflushed.isDueLater()).isTrue();
        append(third, ONE, false);
        assertThat(unflushed.isDue()).isTrue();
        unflushed.take(upTo(3));
        assertThat(unflushed.isDue()).isFalse();
        unflushed.backFromFlusher(3, false);
        assertThat(unflushed.isDue()).isFalse();
        assertThat(unflushed.isDueLater()).isFalse();
        append(first, ONE, true);
        assertThat(unflushed.isDue()).isTrue();
    }

    @Test
    void whatGathersDuringAForceIsTheNextRange() {
        append(first, ONE, true);
        Flusher.Flush flush = unflushed.take(upTo(1));
        assertThat(flush.waiters()).containsExactly(ONE);
        assertThat(flush.frameBytes()).isEqualTo(first.retainedBytes());
        append(second, TWO, true);
        unflushed.await(OWN);
        assertThat(unflushed.isAtFlusher(1)).isTrue();
        assertThat(unflushed.isAtFlusher(2)).isFalse();
        assertThat(unflushed.isDue()).isFalse();
        assertThat(unflushed.isDueLater()).isFalse();
        assertThatThrownBy(() -> unflushed.take(upTo(2))).isInstanceOf(AssertionError.class);
        assertThat(origins()).containsExactlyInAnyOrder(ONE, TWO, OWN);
        unflushed.backFromFlusher(1, false);
        assertThat(unflushed.isAtFlusher()).isFalse();
        assertThat(origins()).containsExactlyInAnyOrder(TWO, OWN);
        assertThat(unflushed.isDue()).isTrue();
        Flusher.Flush next = unflushed.take(upTo(2));
        assertThat(next.waiters()).containsExactlyInAnyOrder(TWO, OWN);
        assertThat(next.frameBytes()).isEqualTo(second.retainedBytes());
    }

    @Test
    void aRangeThatIsNotDurableIsWrittenAgainBeforeWhatGathered() {
        append(first, ONE, true);
        append(second, OWN, false);
        unflushed.take(upTo(2));
        append(third, TWO, true);
        unflushed.backFromFlusher(1, false);
        Frame manifest = StripeFixture.frame(9, "the log's");
        assertThat(unflushed.entriesOf(List.of(first, second, manifest, third), OWN).stream()
                        .map(RewriteState.Entry::origin))
                .containsExactly(ONE, null, null, TWO);
        // Those of the range are the Flusher's to tell already.
        assertThat(unflushed.takeWaiters()).containsExactly(TWO);
        assertThat(unflushed.takeWaiters()).isEmpty();
        assertThatThrownBy(() -> unflushed.entriesOf(List.of(first, second), OWN))
                .isInstanceOf(AssertionError.class);
        assertThat(unflushed.rewritten())
                .isEqualTo(first.retainedBytes() + second.retainedBytes() + third.retainedBytes());
        assertThat(unflushed.rewritten()).isZero();
        assertThat(unflushed.isDue()).isFalse();
        assertThat(origins()).isEmpty();
    }

    @Test
    void aForceOfNothingIsNotWantedForEver() {
        unflushed.wantForce();
        assertThat(unflushed.isDue()).isTrue();
        unflushed.nothingToTake();
        assertThat(unflushed.isDue()).isFalse();
        assertThatThrownBy(() -> unflushed.backFromFlusher(0, false)).isInstanceOf(AssertionError.class);
    }
}
