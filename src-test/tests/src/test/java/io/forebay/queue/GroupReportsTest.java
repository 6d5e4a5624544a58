package io.forebay.queue;

import static org.assertj.core.api.Assertions.assertThat;

import io.forebay.protocol.Durability;
import io.forebay.protocol.ReceiptHandle;
import io.forebay.queue.core.Policies;
import io.forebay.queue.core.PopCommand;
import io.forebay.storage.log.DeadlineRecord;
import io.forebay.storage.log.SeekRecord;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

/**
 * What a group's queue tells others, and how often: the dispatcher when there is something where there was nothing, and what became of
 * deliveries; its queue how far it needs no message any more, never beyond what is written, nor while a seek is to go back.
 */
class GroupReportsTest {
    private GroupParts parts;
    private GroupOperator operator;
    private GroupReports reports;
    private GroupSettlement settlement;

    private void begin(int messages) throws Exception {
        parts = new GroupParts(Policies.group(policy -> policy.consumerInFlightMax = 5_000), messages);
        operator = new GroupOperator(parts.environment, parts.appender, null);
        settlement = new GroupSettlement(parts.environment, parts.appender);
        reports();
    }

    private void reports() {
        reports = new GroupReports(parts.environment, parts.appender, operator, parts.told::add);
    }

    @AfterEach
    void end() throws Exception {
        parts.close();
    }

    private List<GroupQueue.ToDispatcher> told() {
        List<GroupQueue.ToDispatcher> told = List.copyOf(parts.told);
        parts.told.clear();
        return told;
    }

    private <T> List<T> told(Class<T> type) {
        return told().stream().filter(type::isInstance).map(type::cast).toList();
    }

    private void ack(List<ReceiptHandle> handles) {
        settlement.onAck(new GroupQueue.Ack(handles, Durability.WRITTEN, 1, parts.session.getRef()));
    }

    @Test
    void aGroupWithNothingOutAttachesToItsQueueAndSaysNothingElse() throws Exception {
        begin(3);
        reports.begin();
        Queue.Attach attach = (Queue.Attach) parts.queue.receiveMessage();
        assertThat(attach.groupId()).isEqualTo(GroupParts.GROUP_ID);
        assertThat(attach.floor()).isZero();
        assertThat(attach.group()).isEqualTo(parts.environment.context.getSelf());
        assertThat(parts.queue.hasMessages()).isFalse();
        assertThat(told()).isEmpty();
    }

    @Test
    void requestsOfBeforeTheStartThatHaveSomethingOutAreTold() throws Exception {
        begin(100);
        List<Long> expected = new ArrayList<>();
        for (long session = 1; session <= 40; session++) {
            List<ReceiptHandle> handles = parts.pop(session, 2);
            if (session % 4 == 0) {
                ack(handles); // nothing of it is out
            } else {
                expected.add(session);
            }
        }
        parts.writeAll();
        reports();
        reports.begin();
        List<GroupQueue.ServedBefore> served = told(GroupQueue.ServedBefore.class);
        assertThat(served).hasSize(1);
        assertThat(served.get(0).queueId()).isEqualTo(GroupParts.QUEUE_ID);
        // The n-th session has made the n-th request.
        assertThat(served.get(0).sessionIds()).containsExactlyInAnyOrder(expected.toArray(Long[]::new));
        assertThat(served.get(0).requestIds()).containsExactly(served.get(0).sessionIds());
    }

    @Test
    void thatThereIsSomethingIsToldOnceAndAgainOnlyWhenThereWasNothing() throws Exception {
        begin(3);
        reports.proceed();
        assertThat(told(GroupQueue.Available.class)).containsExactly(new GroupQueue.Available(GroupParts.QUEUE_ID, 3));
        parts.send(2);
        reports.proceed();
        assertThat(told()).as("it knows that there is something").isEmpty();

        PopCommand pop = new PopCommand(7, 1, 4, 1 << 20, GroupParts.INVISIBLE);
        parts.pop(7, 4);
        reports.popped(pop, 4);
        assertThat(told()).containsExactly(new GroupQueue.Popped(GroupParts.QUEUE_ID, 7, 1, 4, 4, 1));
        parts.send(1);
        reports.proceed();
        assertThat(told(GroupQueue.Available.class)).as("one was left").isEmpty();

        parts.pop(7, 2);
        reports.popped(new PopCommand(7, 2, 10, 1 << 20, GroupParts.INVISIBLE), 2);
        assertThat(told()).containsExactly(new GroupQueue.Popped(GroupParts.QUEUE_ID, 7, 2, 10, 2, 0));
        reports.proceed();
        assertThat(told(GroupQueue.Available.class)).as("there is nothing").isEmpty();
        parts.send(1);
        reports.proceed();
        assertThat(told(GroupQueue.Available.class)).containsExactly(new GroupQueue.Available(GroupParts.QUEUE_ID, 1));
    }

    @Test
    void whatBecameOfDeliveriesIsToldOnce() throws Exception {
        begin(5);
        reports.proceed();
        List<ReceiptHandle> handles = parts.pop(7, 3);
        List<ReceiptHandle> others = parts.pop(8, 2);
        told();
        reports.proceed();
        assertThat(told()).as("nothing has become of them").isEmpty();

        ack(handles.subList(0, 2));
        settlement.onChange(new GroupQueue.Change(
                others.subList(0, 1), DeadlineRecord.Kind.NACKED, 60_000, "", 2, parts.session.getRef()));
        settlement.onGiveBack(new GroupQueue.GiveBack(others.subList(1, 2), 3, parts.session.getRef()));
        reports.proceed();
        List<GroupQueue.Activity> activities = told(GroupQueue.Activity.class);
        assertThat(activities).hasSize(1);
        GroupQueue.Activity activity = activities.get(0);
        assertThat(activity.queueId()).isEqualTo(GroupParts.QUEUE_ID);
        assertThat(activity.inFlight()).isEqualTo(1);
        assertThat(activity.acked()).isEqualTo(2);
        assertThat(activity.failed()).as("a give-back is no failure").isEqualTo(1);
        assertThat(activity.freedSessionIds()).containsExactlyInAnyOrder(7, 8);
        assertThat(activity.freedCounts()).containsExactly(2, 2);
        reports.proceed();
        assertThat(told(GroupQueue.Activity.class)).isEmpty();
    }

    @Test
    void theQueueHearsHowFarAGroupIsNowAndThenAndNeverBeyondWhatIsWritten() throws Exception {
        begin(3_000);
        List<ReceiptHandle> handles = parts.pop(7, 3_000);
        ack(handles.subList(0, 1_023));
        reports.proceed();
        parts.writeAll();
        reports.proceed();
        assertThat(parts.queue.hasMessages()).as("too little to be told").isFalse();

        ack(handles.subList(1_023, 1_500));
        reports.proceed();
        parts.sendNext();
        reports.proceed();
        assertThat(parts.queue.hasMessages()).as("it is not written").isFalse();
        ack(handles.subList(1_500, 1_600));
        parts.written();
        reports.proceed();
        assertThat(parts.queue.hasMessages())
                .as("something is on its way, and the floor is beyond what is written")
                .isFalse();
        parts.writeAll();
        reports.proceed();
        assertThat(parts.queue.receiveMessage()).isEqualTo(new Queue.Released(GroupParts.GROUP_ID, 1_600));
        assertThat(reports.toldFloor()).isEqualTo(1_600);
        reports.proceed();
        assertThat(parts.queue.hasMessages()).as("told once").isFalse();
    }

    @Test
    void behindACheckpointTheQueueHearsEveryStep() throws Exception {
        begin(3);
        ack(parts.pop(7, 2));
        parts.writeAll();
        reports.tellFloor();
        assertThat(parts.queue.receiveMessage()).isEqualTo(new Queue.Released(GroupParts.GROUP_ID, 2));
        reports.tellFloorAgain();
        assertThat(parts.queue.receiveMessage()).isEqualTo(new Queue.Released(GroupParts.GROUP_ID, 2));
    }

    @Test
    void aSeekThatHasNotBegunKeepsTheQueueFromLettingGo() throws Exception {
        begin(3);
        ack(parts.pop(7, 2));
        parts.writeAll();
        reports.tellFloor();
        assertThat(parts.queue.receiveMessage()).isEqualTo(new Queue.Released(GroupParts.GROUP_ID, 2));
        operator.seek(
                new GroupQueue.Seek(0, SeekRecord.BY_OFFSET, false, parts.none(), parts.none()), reports.toldFloor());
        assertThat(((Queue.Hold) parts.queue.receiveMessage()).floor()).isZero();
        reports.tellFloor();
        reports.tellFloorAgain();
        assertThat(parts.queue.hasMessages()).isFalse();
        long beginsAt = operator.held(new GroupQueue.Held(0));
        assertThat(beginsAt).isZero();
        reports.wentBack(beginsAt);
        reports.tellFloorAgain();
        assertThat(parts.queue.receiveMessage()).isEqualTo(new Queue.Released(GroupParts.GROUP_ID, 0));
        assertThat(reports.toldFloor()).isZero();
    }
}
