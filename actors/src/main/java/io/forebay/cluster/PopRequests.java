package io.forebay.cluster;

import akka.actor.typed.ActorRef;
import io.forebay.protocol.Names;
import io.forebay.protocol.Refusal;
import io.forebay.protocol.SessionCommand;
import io.forebay.protocol.SessionEvent;
import io.forebay.protocol.SessionLimits;
import io.forebay.queue.QueueReply;
import io.forebay.queue.core.PopCommand;
import io.forebay.topic.Dispatcher;
import io.forebay.topic.RegistryReply;
import io.forebay.topic.TopicDirectory;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/** The explicit Pops of a session. Confined to it. */
final class PopRequests {
    private static final long CONGESTED_RETRY_MILLIS = 50;
    /** Clients that keep Pops open have them open for long. */
    private static final long TOO_MANY_RETRY_MILLIS = 1_000;

    /**
     * The latest Pops that were answered with deliveries, and the queues these are of: a second copy of those is no reason to
     * give them back, and a repetition has to find them.
     */
    private static final class AnsweredPops {
        private static final int COUNT = 256;

        private final long[] requestIds = new long[COUNT];
        private final int[] queueIds = new int[COUNT];
        private int next;

        void add(long requestId, int queueId) {
            int slot = next++ & (COUNT - 1);
            requestIds[slot] = requestId;
            queueIds[slot] = queueId;
        }

        boolean contains(long requestId) {
            return queueId(requestId) != Dispatcher.NO_QUEUE;
        }

        int queueId(long requestId) {
            for (int i = 0; i < COUNT; i++) {
                if (requestIds[i] == requestId) {
                    return queueIds[i];
                }
            }
            return Dispatcher.NO_QUEUE;
        }
    }

    private static final class Waiting {
        final SessionCommand.Pop request;
        ActorRef<Dispatcher.Command> dispatcher;

        Waiting(SessionCommand.Pop request) {
            this.request = request;
        }
    }

    private final SessionParts session;
    private final SessionLimits limits;
    private final TopicDirectory directory;
    private final WaitingPops waitingPops;
    private final Map<Long, Waiting> waiting = new HashMap<>();
    private final Map<Long, Waiting> groupsAsked = new HashMap<>();
    /** Cancellations that are not answered, by the Pops they are for. */
    private final Map<Long, List<Long>> cancels = new HashMap<>();

    private final AnsweredPops answered = new AnsweredPops();

    PopRequests(SessionParts session) {
        this.session = session;
        limits = session.environment().limits();
        directory = session.environment().directory();
        waitingPops = session.environment().waitingPops();
    }

    /** Pops that are not answered. */
    int count() {
        return waiting.size();
    }

    boolean isPending(long requestId) {
        return waiting.containsKey(requestId);
    }

    /** Null if it had ended before. */
    private Waiting ended(long requestId) {
        Waiting one = waiting.remove(requestId);
        if (one != null) {
            waitingPops.end();
        }
        return one;
    }

    /** The session ends: nothing is answered any more. */
    void onEnd() {
        List.copyOf(waiting.keySet()).forEach(this::ended);
    }

    void onPop(SessionCommand.Pop pop) {
        Refusal refusal = refuse(pop);
        if (refusal != null) {
            session.tell(new SessionEvent.Refused(pop.requestId(), refusal));
            return;
        }
        if (!waitingPops.tryBegin()) {
            session.tell(new SessionEvent.Refused(
                    pop.requestId(),
                    new Refusal(
                            Refusal.Code.LIMIT,
                            "as many Pops wait as forebay.session.node-pops-max allows, " + waitingPops.countMax()
                                    + ", over all clients of the node",
                            TOO_MANY_RETRY_MILLIS)));
            return;
        }
        Waiting one = new Waiting(pop);
        waiting.put(pop.requestId(), one);
        TopicDirectory.GroupRoute group = directory.group(pop.topic(), pop.group());
        if (group != null) {
            dispatch(one, group);
        } else {
            long token = session.nextToken();
            groupsAsked.put(token, one);
            session.ensureGroup(pop.topic(), pop.group(), token);
        }
    }

    private Refusal refuse(SessionCommand.Pop pop) {
        Refusal refusal = session.refuseNew();
        refusal = refusal != null ? refusal : Names.check("topic", pop.topic());
        refusal = refusal != null ? refusal : Names.check("group", pop.group());
        if (refusal != null) {
            return refusal;
        }
        if (SubscriptionRequests.isOne(pop.requestId())) {
            return Refusal.illegalArgument(
                    "the id of a Pop", pop.requestId(), "less than " + SubscriptionRequests.FIRST_ID);
        }
        if (pop.countMax() < 1) {
            return Refusal.illegalArgument("the number of messages of a Pop", pop.countMax(), "1 or more");
        }
        if (pop.bytesMax() < 1) {
            return Refusal.illegalArgument("the bytes of a Pop", pop.bytesMax(), "1 or more");
        }
        if (pop.invisibleMillis() != 0) {
            refusal = refuseInvisible(limits, pop.invisibleMillis());
        }
        if (refusal == null && (pop.waitMillis() < 0 || pop.waitMillis() > limits.waitMillisMax())) {
            refusal =
                    Refusal.illegalArgument("wait", pop.waitMillis() + " ms", "0 to " + limits.waitMillisMax() + " ms");
        }
        return refusal != null ? refusal : session.refuseCongested();
    }

    static Refusal refuseInvisible(SessionLimits limits, long millis) {
        return millis < limits.invisibleMillisMin() || millis > limits.invisibleMillisMax()
                ? Refusal.illegalArgument(
                        "invisible duration",
                        millis + " ms",
                        limits.invisibleMillisMin() + " to " + limits.invisibleMillisMax() + " ms")
                : null;
    }

    private void dispatch(Waiting one, TopicDirectory.GroupRoute group) {
        SessionCommand.Pop pop = one.request;
        one.dispatcher = group.dispatcher();
        session.useDispatcher(group.dispatcher());
        long invisibleMillis = pop.invisibleMillis() == 0 ? group.policy().invisibleMillis() : pop.invisibleMillis();
        group.dispatcher()
                .tell(new Dispatcher.Pop(
                        new PopCommand(
                                session.sessionId(),
                                pop.requestId(),
                                Math.min(pop.countMax(), limits.popCountMax()),
                                Math.min(pop.bytesMax(), limits.popBytesMax()),
                                invisibleMillis),
                        pop.waitMillis(),
                        answered.queueId(pop.requestId()),
                        session.queueReplies()));
    }

    /** @return whether it was an answer to this */
    boolean onEnsured(RegistryReply.Ensured ensured) {
        Waiting one = groupsAsked.remove(ensured.token());
        if (one == null) {
            return false;
        }
        SessionCommand.Pop pop = one.request;
        if (waiting.get(pop.requestId()) == one) {
            TopicDirectory.GroupRoute group = directory.group(pop.topic(), pop.group());
            if (ensured.refusal() != null) {
                refuse(pop.requestId(), ensured.refusal());
            } else if (group == null) {
                refuse(pop.requestId(), Session.notServed("group " + pop.group()));
            } else {
                dispatch(one, group);
            }
        }
        return true;
    }

    /** The registry has stopped, and will answer nothing any more. */
    void onRegistryGone(Refusal refusal) {
        for (Long token : List.copyOf(groupsAsked.keySet())) {
            onEnsured(new RegistryReply.Ensured(token, refusal));
        }
    }

    void onDelivered(QueueReply.Delivered delivered) {
        long requestId = delivered.requestId();
        Refusal noRoom = waiting.containsKey(requestId) ? session.refuseCongested() : null;
        if (noRoom != null) {
            // The client was given more Pops than it takes the answers of.
            session.giveBack(delivered.from(), delivered.deliveries());
            refuse(requestId, noRoom);
        } else if (ended(requestId) != null) {
            answered.add(requestId, delivered.deliveries().get(0).handle().queueId());
            session.tell(new SessionEvent.Popped(requestId, delivered.deliveries()));
        } else if (!answered.contains(requestId)) {
            // A Pop that was cancelled meanwhile. If it was repeated these are out already and stay so.
            session.giveBack(delivered.from(), delivered.deliveries());
        }
    }

    void onPoppedNothing(long requestId) {
        if (ended(requestId) != null) {
            session.tell(new SessionEvent.Popped(requestId, List.of()));
        }
    }

    void onPopRefused(QueueReply.PopRefused refused) {
        refuse(refused.requestId(), refused.refusal());
    }

    private void refuse(long requestId, Refusal refusal) {
        if (ended(requestId) != null) {
            session.tell(new SessionEvent.Refused(requestId, refusal));
        }
    }

    void onCancelPop(SessionCommand.CancelPop cancel) {
        Waiting one = waiting.get(cancel.popRequestId());
        if (one != null && one.dispatcher != null) {
            cancels.computeIfAbsent(cancel.popRequestId(), id -> new ArrayList<>(1))
                    .add(cancel.requestId());
            one.dispatcher.tell(
                    new Dispatcher.CancelPop(session.sessionId(), cancel.popRequestId(), session.queueReplies()));
        } else {
            session.tell(new SessionEvent.PopCancelled(cancel.requestId(), false));
        }
    }

    void onPopCancelled(QueueReply.PopCancelled cancelled) {
        List<Long> requestIds = cancels.remove(cancelled.requestId());
        if (requestIds != null) {
            requestIds.forEach(id -> session.tell(new SessionEvent.PopCancelled(id, cancelled.found())));
        }
    }

    void onTargetGone(ActorRef<?> target) {
        for (Waiting one : List.copyOf(waiting.values())) {
            if (target.equals(one.dispatcher)) {
                long requestId = one.request.requestId();
                cancels.remove(requestId);
                // Asked again, it is told whether the group is there.
                refuse(
                        requestId,
                        new Refusal(Refusal.Code.QUEUE_AWAY, "the group has stopped", CONGESTED_RETRY_MILLIS));
            }
        }
    }
}
