package io.forebay.cluster;

import static org.assertj.core.api.Assertions.assertThat;

import akka.actor.testkit.typed.javadsl.TestInbox;
import io.forebay.protocol.Refusal;
import io.forebay.queue.GroupQueue;
import io.forebay.topic.Dispatcher;
import java.util.List;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/** Invariants: whoever may hold something for the session hears of its end, once; a client that closes is told when all let go. */
class SessionEndTest {
    private final SessionBench bench = new SessionBench();
    private final TestInbox<Dispatcher.Command> dispatcher = TestInbox.create("dispatcher");
    private final TestInbox<GroupQueue.Command> before = TestInbox.create("before");
    private final TestInbox<GroupQueue.Command> now = TestInbox.create("now");
    private final SessionEnd end = new SessionEnd(bench, List.of(before.getRef()));

    @BeforeEach
    void pop() {
        end.popsAt(dispatcher.getRef());
        end.popsAt(dispatcher.getRef());
        end.holdsAt(now.getRef());
        end.holdsAt(now.getRef());
    }

    private void assertDispatcherTold(Dispatcher.Ending ending) {
        assertThat(dispatcher.getAllReceived())
                .containsExactly(new Dispatcher.SessionEnded(SessionBench.SESSION, ending));
    }

    private static long token(TestInbox<GroupQueue.Command> holder) {
        return ((GroupQueue.SessionClosed) holder.receiveMessage()).token();
    }

    @Test
    void aConsumerThatIsGoneIsNotWaitedFor() {
        Refusal why = Refusal.of(Refusal.Code.TIMED_OUT, "silent");
        end.gone(why);
        assertDispatcherTold(Dispatcher.Ending.CONSUMER_GONE);
        assertThat(before.getAllReceived()).containsExactly(new GroupQueue.ConsumerGone(SessionBench.SESSION));
        assertThat(now.getAllReceived()).containsExactly(new GroupQueue.ConsumerGone(SessionBench.SESSION));
        assertThat(end.reason()).isEqualTo(why);
    }

    @Test
    void aClientThatDetachesKeepsItsDeliveries() {
        end.detach();
        assertDispatcherTold(Dispatcher.Ending.DETACHED);
        assertThat(before.hasMessages() || now.hasMessages()).isFalse();
        assertThat(end.reason().code()).isEqualTo(Refusal.Code.CLOSED);
    }

    @Test
    void aClientThatClosesIsToldWhenAllThatItHeldIsOutAgain() {
        assertThat(end.isClosing()).isFalse();
        assertThat(end.close()).isFalse();
        assertThat(end.isClosing()).isTrue();
        assertThat(end.isEnding()).isTrue();
        assertDispatcherTold(Dispatcher.Ending.CLOSED);
        long first = token(before);
        long second = token(now);
        assertThat(end.onReleased(first + second + 1)).isFalse();
        assertThat(end.onReleased(second)).isFalse();
        assertThat(end.onReleased(second)).isFalse();
        assertThat(end.onReleased(first)).isTrue();
    }

    @Test
    void whoHasStoppedIsNotWaitedFor() {
        assertThat(end.onTargetGone(before.getRef())).as("the session goes on").isFalse();
        assertThat(end.close()).isFalse();
        assertThat(before.hasMessages()).isFalse();
        assertThat(end.onTargetGone(dispatcher.getRef())).isFalse();
        assertThat(end.onTargetGone(now.getRef())).isTrue();
    }

    @Test
    void whoHoldsNothingClosesAtOnce() {
        assertThat(new SessionEnd(bench, List.of()).close()).isTrue();
    }

    @Test
    void aNodeThatDrainsTakesNothingNewAndSaysWhenToRepeat() {
        assertThat(end.refuseNew()).isNull();
        assertThat(end.isEnding()).isFalse();
        end.drain();
        assertThat(end.refuseNew().code()).isEqualTo(Refusal.Code.SHUTTING_DOWN);
        assertThat(end.refuseNew().retryAfterMillis()).isPositive();
        assertThat(end.isEnding()).isTrue();
        assertThat(end.isClosing()).isFalse();
        end.nodeEnds();
        assertThat(end.reason().code()).isEqualTo(Refusal.Code.SHUTTING_DOWN);
        assertThat(dispatcher.hasMessages() || now.hasMessages())
                .as("deadlines rule")
                .isFalse();
    }

    @Test
    void itIsOverOnce() {
        assertThat(end.isOver()).isFalse();
        end.failed();
        assertThat(end.reason().code()).isEqualTo(Refusal.Code.FAILED);
        end.over();
        assertThat(end.isOver()).isTrue();
    }
}
