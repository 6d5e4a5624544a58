package io.forebay.cluster;

import static org.assertj.core.api.Assertions.assertThat;

import akka.actor.testkit.typed.javadsl.TestInbox;
import io.forebay.protocol.AckOutcome;
import io.forebay.protocol.Durability;
import io.forebay.protocol.ReceiptHandle;
import io.forebay.protocol.Refusal;
import io.forebay.protocol.SessionCommand;
import io.forebay.protocol.SessionEvent;
import io.forebay.queue.GroupQueue;
import io.forebay.queue.QueueReply;
import io.forebay.storage.log.DeadlineRecord;
import io.forebay.topic.DirectoryForTests;
import java.util.Arrays;
import java.util.List;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/** Invariant: a request is answered once, with a result for each handle, in their order, whoever answers first. */
class HandleRequestsTest {
    private static final Refusal NO = Refusal.of(Refusal.Code.OUTCOME_UNKNOWN, "stopped");

    private final SessionBench bench = new SessionBench();
    private final UnansweredRequests unanswered = new UnansweredRequests(bench);
    private final HandleRequests handles = new HandleRequests(bench, unanswered);
    private final TestInbox<GroupQueue.Command> one = TestInbox.create("one");
    private final TestInbox<GroupQueue.Command> two = TestInbox.create("two");

    @BeforeEach
    void putGroup() {
        DirectoryForTests.putGroupQueue(bench.directory, "t", "g", 1, one.getRef());
        DirectoryForTests.putGroupQueue(bench.directory, "t", "g", 2, two.getRef());
    }

    private static ReceiptHandle handle(int node, int queueId, long offset) {
        return new ReceiptHandle(node, 0, queueId, 1, offset, 1, 1, 99);
    }

    private static ReceiptHandle handle(int queueId, long offset) {
        return handle(SessionBench.NODE, queueId, offset);
    }

    private void ack(long requestId, Durability durability, ReceiptHandle... of) {
        handles.onAck(new SessionCommand.Ack(requestId, "g", List.of(of), durability));
    }

    private static GroupQueue.Ack ackAt(TestInbox<GroupQueue.Command> groupQueue) {
        return (GroupQueue.Ack) groupQueue.receiveMessage();
    }

    private void acked(GroupQueue.Ack ack) {
        handles.onAcked(new QueueReply.Acked(ack.token(), null, ack.level()));
    }

    @Test
    void whatIsOfOneQueueGoesThereWhole() {
        ack(1, Durability.FLUSHED, handle(1, 10), handle(1, 11));
        GroupQueue.Ack ack = ackAt(one);
        assertThat(ack.handles()).containsExactly(handle(1, 10), handle(1, 11));
        assertThat(ack.level()).isEqualTo(Durability.FLUSHED);
        assertThat(bench.watched).containsExactly(one.getRef());
        acked(ack);
        SessionEvent.AckReply reply = bench.told(SessionEvent.AckReply.class);
        assertThat(reply.results()).containsExactly(AckOutcome.ACKED, AckOutcome.ACKED);
        assertThat(reply.level()).isEqualTo(Durability.FLUSHED);
        acked(ack);
        assertThat(bench.isAnythingTold()).isFalse();
        assertThat(unanswered.count()).isZero();
    }

    @Test
    void theResultsComeInTheOrderOfTheHandles() {
        ack(1, Durability.WRITTEN, handle(1, 10), handle(2, 20), handle(9, 1), handle(7, 1, 1), handle(1, 11));
        GroupQueue.Ack first = ackAt(one);
        GroupQueue.Ack second = ackAt(two);
        assertThat(first.handles()).containsExactly(handle(1, 10), handle(1, 11));
        handles.onAcked(new QueueReply.Acked(second.token(), List.of(NO), second.level()));
        assertThat(bench.isAnythingTold()).isFalse();
        acked(first);
        SessionEvent.AckReply reply = bench.told(SessionEvent.AckReply.class);
        assertThat(reply.results().get(0)).isEqualTo(AckOutcome.ACKED);
        assertThat(reply.results().get(1)).isEqualTo(NO);
        assertThat(((Refusal) reply.results().get(2)).code()).isEqualTo(Refusal.Code.FOREIGN_HANDLE);
        assertThat(((Refusal) reply.results().get(3)).code()).isEqualTo(Refusal.Code.FOREIGN_HANDLE);
        assertThat(reply.results().get(4)).isEqualTo(AckOutcome.ACKED);
        assertThat(reply.level()).isEqualTo(Durability.WRITTEN);
    }

    @Test
    void anAnswerClaimsNoHigherLevelThanItsLowestPart() {
        for (boolean isLowestFirst : new boolean[] {true, false}) {
            ack(1, null, handle(1, 10), handle(2, 20));
            GroupQueue.Ack first = ackAt(one);
            GroupQueue.Ack second = ackAt(two);
            // The same group consumes two topics, with a level of acks in each.
            handles.onAcked(
                    new QueueReply.Acked(first.token(), null, isLowestFirst ? Durability.WRITTEN : Durability.FLUSHED));
            handles.onAcked(new QueueReply.Acked(
                    second.token(), null, isLowestFirst ? Durability.FLUSHED : Durability.WRITTEN));
            assertThat(bench.told(SessionEvent.AckReply.class).level()).isEqualTo(Durability.WRITTEN);
        }
    }

    @Test
    void aHandleOfAnotherGroupIsRefused() {
        handles.onAck(new SessionCommand.Ack(1, "h", List.of(handle(1, 10)), Durability.WRITTEN));
        SessionEvent.AckReply reply = bench.told(SessionEvent.AckReply.class);
        assertThat(((Refusal) reply.results().get(0)).code()).isEqualTo(Refusal.Code.WRONG_GROUP);
        assertThat(one.hasMessages()).isFalse();
        handles.onAck(new SessionCommand.Ack(2, "g", List.of(), Durability.WRITTEN));
        assertThat(bench.told(SessionEvent.AckReply.class).results()).isEmpty();
        assertThat(unanswered.count()).isZero();
    }

    @Test
    void aRequestIsRefusedAsAWhole() {
        handles.onAck(new SessionCommand.Ack(1, "b ad", List.of(handle(1, 10)), Durability.WRITTEN));
        assertThat(bench.told(SessionEvent.Refused.class).requestId()).isEqualTo(1);
        ReceiptHandle[] many = new ReceiptHandle[SessionBench.LIMITS.batchCountMax() + 1];
        Arrays.fill(many, handle(1, 10));
        ack(2, Durability.WRITTEN, many);
        assertThat(bench.told(SessionEvent.Refused.class).refusal().code()).isEqualTo(Refusal.Code.TOO_LARGE);
        handles.onChangeInvisible(new SessionCommand.ChangeInvisible(3, "g", List.of(handle(1, 10)), 1, false, ""));
        assertThat(bench.told(SessionEvent.Refused.class).refusal().code()).isEqualTo(Refusal.Code.ILLEGAL_ARGUMENT);
        bench.refusal = NO;
        ack(4, Durability.WRITTEN, handle(1, 10));
        assertThat(bench.told(SessionEvent.Refused.class).refusal()).isEqualTo(NO);
        assertThat(one.hasMessages()).isFalse();
        assertThat(unanswered.count()).isZero();
    }

    @Test
    void changesAndGiveBacksAreSplitAndGatheredAlike() {
        handles.onChangeInvisible(
                new SessionCommand.ChangeInvisible(1, "g", List.of(handle(2, 20), handle(1, 10)), 5_000, true, "no"));
        GroupQueue.Change changeAtOne = (GroupQueue.Change) one.receiveMessage();
        GroupQueue.Change changeAtTwo = (GroupQueue.Change) two.receiveMessage();
        assertThat(changeAtOne.kind()).isEqualTo(DeadlineRecord.Kind.NACKED);
        Refusal first = Refusal.of(Refusal.Code.FAILED, "one");
        Refusal second = Refusal.of(Refusal.Code.FAILED, "two");
        handles.onChanged(new QueueReply.Changed(changeAtOne.token(), List.of(first)));
        handles.onChanged(new QueueReply.Changed(changeAtTwo.token(), List.of(second)));
        assertThat(bench.told(SessionEvent.ChangeReply.class).results()).containsExactly(second, first);

        handles.onGiveBack(new SessionCommand.GiveBack(2, "g", List.of(handle(1, 10))));
        GroupQueue.GiveBack giveBack = (GroupQueue.GiveBack) one.receiveMessage();
        handles.onGivenBack(new QueueReply.GivenBack(giveBack.token() + 100, List.of(first)));
        assertThat(bench.isAnythingTold()).isFalse();
        handles.onGivenBack(new QueueReply.GivenBack(giveBack.token(), List.of(first)));
        assertThat(bench.told(SessionEvent.GiveBackReply.class).results()).containsExactly(first);
    }

    @Test
    void whatAGroupsQueueTookAlongIsAnsweredForIt() {
        ack(1, Durability.WRITTEN, handle(1, 10), handle(2, 20));
        handles.onGiveBack(new SessionCommand.GiveBack(2, "g", List.of(handle(2, 20))));
        handles.onChangeInvisible(new SessionCommand.ChangeInvisible(3, "g", List.of(handle(2, 20)), 5_000, false, ""));
        acked(ackAt(one));
        handles.onTargetGone(one.getRef(), NO);
        assertThat(bench.isAnythingTold()).isFalse();
        handles.onTargetGone(two.getRef(), NO);
        assertThat(unanswered.count()).isZero();
        SessionEvent.AckReply ack = null;
        for (int i = 0; i < 3; i++) {
            SessionEvent event = bench.told(SessionEvent.class);
            ack = event instanceof SessionEvent.AckReply reply ? reply : ack;
        }
        assertThat(ack.results()).containsExactly(AckOutcome.ACKED, NO);
    }
}
