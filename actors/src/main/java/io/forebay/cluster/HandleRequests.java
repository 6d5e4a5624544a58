package io.forebay.cluster;

import akka.actor.typed.ActorRef;
import io.forebay.cluster.UnansweredRequests.Unanswered;
import io.forebay.protocol.AckOutcome;
import io.forebay.protocol.AckResult;
import io.forebay.protocol.ChangeResult;
import io.forebay.protocol.Durability;
import io.forebay.protocol.GiveBackResult;
import io.forebay.protocol.Names;
import io.forebay.protocol.ReceiptHandle;
import io.forebay.protocol.Refusal;
import io.forebay.protocol.SessionCommand;
import io.forebay.protocol.SessionEvent;
import io.forebay.protocol.SessionLimits;
import io.forebay.queue.GroupQueue;
import io.forebay.queue.QueueReply;
import io.forebay.storage.log.DeadlineRecord;
import io.forebay.storage.log.Owner;
import io.forebay.topic.TopicDirectory;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * What a session's client says of deliveries: acks, changes of the invisible duration, give-backs. Each is split over the queues
 * that its handles name and answered when all of them have, with the results in the order of the handles. A handle that is no
 * group's here is refused here. Confined to its session.
 */
final class HandleRequests {
    private static final int REASON_CHARS_MAX = 1000;

    private static final class Waiting<R> extends Unanswered {
        final Object[] results;
        /** Of an ack. */
        Durability level;

        int missingParts = 1;

        Waiting(long requestId, int count) {
            super(requestId, 0);
            results = new Object[count];
        }

        @SuppressWarnings("unchecked") // a part of a request is answered with results of its kind
        List<R> results() {
            return (List<R>) Collections.unmodifiableList(Arrays.asList(results));
        }
    }

    /**
     * What a group's queue has been told and has not answered.
     *
     * @param indexes where its results belong; null for the whole request
     */
    private record Part(
            Waiting<?> waiting, int[] indexes, ActorRef<GroupQueue.Command> groupQueue, GroupQueue.Command told) {}

    private final SessionParts session;
    private final SessionLimits limits;
    private final int nodeId;
    private final TopicDirectory directory;
    private final UnansweredRequests unanswered;
    private final Map<Long, Part> parts = new HashMap<>();

    HandleRequests(SessionParts session, UnansweredRequests unanswered) {
        this.session = session;
        this.unanswered = unanswered;
        limits = session.environment().limits();
        nodeId = session.environment().nodeId();
        directory = session.environment().directory();
    }

    // ---- acks -------------------------------------------------------------------------------------------------------

    void onAck(SessionCommand.Ack ack) {
        List<ReceiptHandle> handles = ack.handles();
        if (isRefused(ack, ack.group(), handles, null)) {
            return;
        }
        Waiting<AckResult> waiting = new Waiting<>(ack.requestId(), handles.size());
        waiting.level = ack.durability() == null ? Durability.FLUSHED : ack.durability();
        unanswered.add(waiting);
        split(
                waiting,
                ack.group(),
                handles,
                (route, part, token) -> new GroupQueue.Ack(
                        part,
                        ack.durability() == null ? route.policy().ackLevel() : ack.durability(),
                        token,
                        session.queueReplies()));
        if (waiting.missingParts == 0) {
            unanswered.answer(waiting, ackReply(waiting));
        }
    }

    void onAcked(QueueReply.Acked acked) {
        Part part = parts.remove(acked.token());
        if (part == null) {
            return;
        }
        @SuppressWarnings("unchecked") // only an Ack is answered with Acked
        Waiting<AckResult> waiting = (Waiting<AckResult>) part.waiting;
        if (waiting.level.covers(acked.level())) {
            waiting.level = acked.level(); // the lowest of all parts
        }
        if (part.indexes == null) {
            unanswered.answer(
                    waiting,
                    acked.results() == null
                            ? SessionEvent.AckReply.allAcked(waiting.requestId, waiting.results.length, acked.level())
                            : new SessionEvent.AckReply(waiting.requestId, acked.results(), acked.level()));
            return;
        }
        for (int i = 0; i < part.indexes.length; i++) {
            waiting.results[part.indexes[i]] =
                    acked.results() == null ? AckOutcome.ACKED : acked.results().get(i);
        }
        if (--waiting.missingParts == 0) {
            unanswered.answer(waiting, ackReply(waiting));
        }
    }

    private static SessionEvent.AckReply ackReply(Waiting<AckResult> waiting) {
        return new SessionEvent.AckReply(waiting.requestId, waiting.results(), waiting.level);
    }

    // ---- changes ----------------------------------------------------------------------------------------------------

    void onChangeInvisible(SessionCommand.ChangeInvisible change) {
        List<ReceiptHandle> handles = change.handles();
        if (isRefused(change, change.group(), handles, refuseChange(change))) {
            return;
        }
        Waiting<ChangeResult> waiting = new Waiting<>(change.requestId(), handles.size());
        unanswered.add(waiting);
        DeadlineRecord.Kind kind = change.nack() ? DeadlineRecord.Kind.NACKED : DeadlineRecord.Kind.EXTENDED;
        split(
                waiting,
                change.group(),
                handles,
                (route, part, token) -> new GroupQueue.Change(
                        part, kind, change.millis(), change.reason(), token, session.queueReplies()));
        if (waiting.missingParts == 0) {
            unanswered.answer(waiting, new SessionEvent.ChangeReply(waiting.requestId, waiting.results()));
        }
    }

    private Refusal refuseChange(SessionCommand.ChangeInvisible change) {
        if (change.reason() == null || change.reason().length() > REASON_CHARS_MAX) {
            return change.reason() == null
                    ? Refusal.illegalArgument("reason", null, "a text, which may be empty")
                    : Refusal.tooLarge(
                            "the reason of a nack",
                            change.reason().length() + " characters",
                            "at most " + REASON_CHARS_MAX);
        }
        if (!change.nack()) {
            return PopRequests.refuseInvisible(limits, change.millis());
        }
        return change.millis() < SessionCommand.ChangeInvisible.BACKOFF || change.millis() > limits.invisibleMillisMax()
                ? Refusal.illegalArgument(
                        "the delay of a nack",
                        change.millis() + " ms",
                        "0 to " + limits.invisibleMillisMax() + " ms, or none for the group's own")
                : null;
    }

    void onChanged(QueueReply.Changed changed) {
        Waiting<?> waiting = gather(changed.token(), changed.results());
        if (waiting != null) {
            @SuppressWarnings("unchecked") // only a change is answered with Changed
            List<ChangeResult> results = (List<ChangeResult>) waiting.results();
            unanswered.answer(waiting, new SessionEvent.ChangeReply(waiting.requestId, results));
        }
    }

    // ---- give-backs -------------------------------------------------------------------------------------------------

    void onGiveBack(SessionCommand.GiveBack giveBack) {
        List<ReceiptHandle> handles = giveBack.handles();
        if (isRefused(giveBack, giveBack.group(), handles, null)) {
            return;
        }
        Waiting<GiveBackResult> waiting = new Waiting<>(giveBack.requestId(), handles.size());
        unanswered.add(waiting);
        split(
                waiting,
                giveBack.group(),
                handles,
                (route, part, token) -> new GroupQueue.GiveBack(part, token, session.queueReplies()));
        if (waiting.missingParts == 0) {
            unanswered.answer(waiting, new SessionEvent.GiveBackReply(waiting.requestId, waiting.results()));
        }
    }

    void onGivenBack(QueueReply.GivenBack givenBack) {
        Waiting<?> waiting = gather(givenBack.token(), givenBack.results());
        if (waiting != null) {
            @SuppressWarnings("unchecked") // only a give-back is answered with GivenBack
            List<GiveBackResult> results = (List<GiveBackResult>) waiting.results();
            unanswered.answer(waiting, new SessionEvent.GiveBackReply(waiting.requestId, results));
        }
    }

    // ---- to the queues and back -------------------------------------------------------------------------------------

    /** Whether the request as a whole was refused, and that is told. */
    private boolean isRefused(
            SessionCommand.Request request, String group, List<ReceiptHandle> handles, Refusal special) {
        Refusal refusal = session.refuseTooMany();
        refusal = refusal != null ? refusal : special;
        refusal = refusal != null ? refusal : Names.check("group", group);
        if (refusal == null && handles.size() > limits.batchCountMax()) {
            refusal = Refusal.tooLarge(
                    "a request",
                    handles.size() + " handles",
                    "at most " + limits.batchCountMax() + " (forebay.queue.batch-messages-max)");
        }
        if (refusal != null) {
            session.tell(new SessionEvent.Refused(request.requestId(), refusal));
        }
        return refusal != null;
    }

    private interface PartCommand {
        GroupQueue.Command of(TopicDirectory.GroupQueueRoute route, List<ReceiptHandle> part, long token);
    }

    private void tellPart(
            TopicDirectory.GroupQueueRoute route, Waiting<?> waiting, int[] at, long token, GroupQueue.Command told) {
        parts.put(token, new Part(waiting, at, route.groupQueue(), told));
        session.watchOnce(route.groupQueue());
        route.groupQueue().tell(told);
    }

    /** What a queue gets of a request. */
    private static final class Share {
        private final TopicDirectory.GroupQueueRoute route;
        private final List<ReceiptHandle> handles = new ArrayList<>();
        private int[] indexes = new int[8];

        Share(TopicDirectory.GroupQueueRoute route) {
            this.route = route;
        }

        /** Whether it is of the same group in the same queue of the same node as what is in here. */
        boolean isFor(ReceiptHandle handle) {
            ReceiptHandle last = handles.get(handles.size() - 1);
            return handle.queueId() == last.queueId()
                    && handle.groupId() == last.groupId()
                    && handle.nodeId() == last.nodeId();
        }

        void add(ReceiptHandle handle, int index) {
            if (handles.size() == indexes.length) {
                indexes = Arrays.copyOf(indexes, indexes.length * 2);
            }
            indexes[handles.size()] = index;
            handles.add(handle);
        }

        /** Where they are in the request. */
        int[] indexes() {
            return Arrays.copyOf(indexes, handles.size());
        }
    }

    /** Sends each group's queue its handles; sets how many parts are missing, 0 if every handle was refused here. */
    private void split(Waiting<?> waiting, String group, List<ReceiptHandle> handles, PartCommand command) {
        if (handles.isEmpty()) {
            waiting.missingParts = 0;
            return;
        }
        ReceiptHandle first = handles.get(0);
        TopicDirectory.GroupQueueRoute route = route(first, group);
        if (route != null && isOneQueue(handles, first)) {
            long token = session.nextToken();
            tellPart(route, waiting, null, token, command.of(route, handles, token));
            return;
        }
        Map<Long, Share> byQueue = new LinkedHashMap<>();
        Share share = null;
        for (int i = 0; i < handles.size(); i++) {
            ReceiptHandle handle = handles.get(i);
            // As a rule those of a queue come together.
            if (share == null || !share.isFor(handle)) {
                TopicDirectory.GroupQueueRoute found = route(handle, group);
                share = found == null
                        ? null
                        : byQueue.computeIfAbsent(
                                Owner.key(handle.queueId(), handle.groupId()), key -> new Share(found));
            }
            if (share == null) {
                waiting.results[i] = wrong(handle, group);
            } else {
                share.add(handle, i);
            }
        }
        waiting.missingParts = byQueue.size();
        for (Share each : byQueue.values()) {
            long token = session.nextToken();
            tellPart(each.route, waiting, each.indexes(), token, command.of(each.route, each.handles, token));
        }
    }

    private static boolean isOneQueue(List<ReceiptHandle> handles, ReceiptHandle first) {
        for (int i = 1; i < handles.size(); i++) {
            ReceiptHandle handle = handles.get(i);
            if (handle.queueId() != first.queueId()
                    || handle.groupId() != first.groupId()
                    || handle.nodeId() != first.nodeId()) {
                return false;
            }
        }
        return true;
    }

    /** Null if the handle is not one of that group on this node. */
    private TopicDirectory.GroupQueueRoute route(ReceiptHandle handle, String group) {
        if (handle.nodeId() != nodeId) {
            return null;
        }
        TopicDirectory.GroupQueueRoute route = directory.groupQueue(handle.queueId(), handle.groupId());
        return route != null && route.group().equals(group) ? route : null;
    }

    private Refusal wrong(ReceiptHandle handle, String group) {
        if (handle.nodeId() != nodeId) {
            return Refusal.of(
                    Refusal.Code.FOREIGN_HANDLE,
                    "the handle was made by another node than '"
                            + session.environment().settings().node().name() + "'");
        }
        TopicDirectory.GroupQueueRoute route = directory.groupQueue(handle.queueId(), handle.groupId());
        if (route != null) {
            return Refusal.of(
                    Refusal.Code.WRONG_GROUP,
                    "the handle belongs to group '" + route.group() + "', not to '" + group + "'");
        }
        Refusal why = directory.whyUnserved(handle.queueId(), handle.groupId());
        if (why != null) {
            return why;
        }
        return Refusal.of(
                Refusal.Code.FOREIGN_HANDLE,
                "queue " + handle.queueId() + " and group " + handle.groupId()
                        + " of the handle are not on this node: they were deleted, or are of another data directory");
    }

    /** The request that is complete with these results, or null. */
    private Waiting<?> gather(long token, List<?> results) {
        Part part = parts.remove(token);
        if (part == null) {
            return null;
        }
        Waiting<?> waiting = part.waiting;
        for (int i = 0; i < results.size(); i++) {
            waiting.results[part.indexes == null ? i : part.indexes[i]] = results.get(i);
        }
        return part.indexes == null || --waiting.missingParts == 0 ? waiting : null;
    }

    /** A group's queue has stopped: what it was told behind its last message nobody else will answer. */
    void onTargetGone(ActorRef<?> target, Refusal unknown) {
        List<GroupQueue.Command> lost = new ArrayList<>();
        parts.values().forEach(part -> {
            if (part.groupQueue.equals(target)) {
                lost.add(part.told);
            }
        });
        for (GroupQueue.Command told : lost) {
            if (told instanceof GroupQueue.Ack ack) {
                onAcked(new QueueReply.Acked(
                        ack.token(), Collections.nCopies(ack.handles().size(), unknown), ack.level()));
            } else if (told instanceof GroupQueue.Change change) {
                onChanged(new QueueReply.Changed(
                        change.token(), Collections.nCopies(change.handles().size(), unknown)));
            } else if (told instanceof GroupQueue.GiveBack giveBack) {
                onGivenBack(new QueueReply.GivenBack(
                        giveBack.token(), Collections.nCopies(giveBack.handles().size(), unknown)));
            } else {
                throw new AssertionError(told);
            }
        }
    }
}
