package io.forebay.queue;

import io.forebay.protocol.Refusal;
import io.forebay.queue.core.FloorReport;
import io.forebay.queue.core.GroupActivity;
import io.forebay.queue.core.GroupQueueState;
import io.forebay.queue.core.PopCommand;
import java.util.Arrays;
import java.util.function.Consumer;

/**
 * What a group's queue tells its dispatcher (that there is something, what became of a Pop and of deliveries) and its queue (which
 * messages it needs no more), and what they were told last. Confined to its actor.
 */
final class GroupReports {
    private final GroupEnvironment environment;
    private final GroupAppender appender;
    private final GroupOperator operator;
    private final GroupQueueState state;
    private final Consumer<GroupQueue.ToDispatcher> dispatcher;
    private final FloorReport floor;
    private final int queueId;
    private long toldAvailable;
    private Refusal toldReadRefusal;

    GroupReports(
            GroupEnvironment environment,
            GroupAppender appender,
            GroupOperator operator,
            Consumer<GroupQueue.ToDispatcher> dispatcher) {
        this.environment = environment;
        this.appender = appender;
        this.operator = operator;
        this.dispatcher = dispatcher;
        state = environment.state;
        queueId = environment.identity.queueId();
        floor = new FloorReport(state.floor());
    }

    /** The actor begins: the queue has a new group, and the dispatcher learns what was served before. */
    void begin() {
        environment.queue.tell(
                new Queue.Attach(environment.identity.groupId(), floor.toldFloor(), environment.context.getSelf()));
        tellServedBefore();
    }

    private void tellServedBefore() {
        long[][] ids = {new long[16], new long[16]};
        int[] count = {0};
        state.visitRequests((sessionId, requestId) -> {
            if (count[0] == ids[0].length) {
                ids[0] = Arrays.copyOf(ids[0], count[0] * 2);
                ids[1] = Arrays.copyOf(ids[1], count[0] * 2);
            }
            ids[0][count[0]] = sessionId;
            ids[1][count[0]++] = requestId;
        });
        if (count[0] > 0) {
            dispatcher.accept(new GroupQueue.ServedBefore(
                    queueId, Arrays.copyOf(ids[0], count[0]), Arrays.copyOf(ids[1], count[0])));
        }
    }

    /** Behind every decision, when its records are on their way. */
    void proceed() {
        tellReadFailing();
        long available = available();
        boolean isBack = available > 0 && toldAvailable == 0;
        boolean isHeldUp = toldAvailable > 0 && environment.deliveryTrouble.isFailing();
        if (isBack || isHeldUp) {
            toldAvailable = available;
            dispatcher.accept(new GroupQueue.Available(queueId, available));
        }
        tellActivity();
        if (floor.isDue(state.floor(), appender.isEmpty())) {
            tellFloor(floor.writtenFloor());
        }
    }

    private long available() {
        return environment.deliveryTrouble.isFailing() ? 0 : state.available(environment.readableEnd());
    }

    private void tellReadFailing() {
        Refusal refusal = environment.readRefusalOrNull();
        if ((refusal == null) != (toldReadRefusal == null)) {
            toldReadRefusal = refusal;
            dispatcher.accept(new GroupQueue.ReadFailing(queueId, refusal));
        }
    }

    private void tellActivity() {
        GroupActivity activity = state.activity();
        if (!activity.isEmpty()) {
            dispatcher.accept(new GroupQueue.Activity(
                    queueId,
                    state.inFlightCount(),
                    activity.acked(),
                    activity.failed(),
                    activity.freedSessionIds(),
                    activity.freedCounts()));
            activity.clear();
        }
    }

    /** @param gotCount as in {@link GroupQueue.Popped} */
    void popped(PopCommand asked, int gotCount) {
        tellReadFailing();
        toldAvailable = available();
        dispatcher.accept(new GroupQueue.Popped(
                queueId, asked.sessionId(), asked.requestId(), asked.maxMessages(), gotCount, toldAvailable));
    }

    /** Everything is written now: the queue may know how far that is. */
    void tellFloor() {
        tellFloor(state.floor());
    }

    /** As the queue was told last, if no seek goes back; not while the next one waits for what is kept. */
    void tellFloorAgain() {
        tellFloor(floor.toldFloor());
    }

    private void tellFloor(long newFloor) {
        if (operator.isSeeking()) {
            return; // the queue keeps what the group is about to go back to
        }
        floor.told(newFloor);
        environment.queue.tell(new Queue.Released(environment.identity.groupId(), newFloor));
    }

    /** The group begins at an offset that the queue has kept for it. */
    void wentBack(long beginsAt) {
        floor.wentBack(beginsAt);
    }

    /** What the queue was told last. */
    long toldFloor() {
        return floor.toldFloor();
    }
}
