package io.forebay.cluster;

import akka.actor.typed.ActorRef;
import io.forebay.cluster.UnansweredRequests.Unanswered;
import io.forebay.protocol.Durability;
import io.forebay.protocol.Message;
import io.forebay.protocol.MessageLimits;
import io.forebay.protocol.Names;
import io.forebay.protocol.Refusal;
import io.forebay.protocol.SendResult;
import io.forebay.protocol.SessionCommand;
import io.forebay.protocol.SessionEvent;
import io.forebay.protocol.SessionLimits;
import io.forebay.queue.Queue;
import io.forebay.queue.QueueReply;
import io.forebay.queue.core.Deduplication;
import io.forebay.queue.core.SendKey;
import io.forebay.queue.core.TopicPolicy;
import io.forebay.topic.RegistryReply;
import io.forebay.topic.TopicDirectory;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.HashMap;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;

/**
 * The Sends of a session: each is split over the queues of its topic and answered when all of them have; one whose topic has to
 * be made waits for that, in order. Invariant: what is refused here holds up its keys as if their queues had refused it, or what
 * comes behind would overtake it. Confined to its session.
 */
final class SendRequests {
    private static final long MESSAGE_OVERHEAD_BYTES = 200;
    private static final int HELD_UP_KEYS_MAX = 1 << 16;
    private static final int HELD_UP_TOPICS_MAX = 1 << 10;
    private static final int ORDERED_TOPICS_MAX = 1 << 10;
    private static final long LOST_RETRY_MILLIS = 1;

    static final class Waiting extends Unanswered {
        /** Null while all of it is one queue's to answer. */
        private SendResult[] results;

        private int missingParts = 1;

        private Waiting(long requestId, long bytes) {
            super(requestId, bytes);
        }
    }

    /**
     * What a queue has been told and has not answered.
     *
     * @param indexes where its results belong; null for the whole request
     * @param queue null if it is not served
     */
    private record Part(Waiting waiting, int[] indexes, ActorRef<Queue.Command> queue, Queue.Enqueue told) {}

    private final SessionParts session;
    private final SessionLimits limits;
    private final TopicDirectory directory;
    private final UnansweredRequests unanswered;
    private final Map<Long, Part> parts = new HashMap<>();
    private final DeferredSends deferredSends = new DeferredSends(HELD_UP_KEYS_MAX);

    private final Map<Long, String> topicsAsked = new HashMap<>();
    private final SendOrder order = new SendOrder(ORDERED_TOPICS_MAX);
    private final HeldUpKeys heldUp = new HeldUpKeys(HELD_UP_KEYS_MAX, HELD_UP_TOPICS_MAX);
    private final QueueTurns turns;
    /** They keep the order of this session's keys, and are told of its end. */
    private final Set<ActorRef<Queue.Command>> keyedQueues = new HashSet<>();

    SendRequests(SessionParts session, UnansweredRequests unanswered) {
        this.session = session;
        this.unanswered = unanswered;
        limits = session.environment().limits();
        directory = session.environment().directory();
        turns = new QueueTurns(session.sessionId());
    }

    // ---- what the client says ---------------------------------------------------------------------------------------

    void onSend(SessionCommand.Send send) {
        Refusal refusal = refuseUnseen(send);
        if (refusal != null) {
            session.tell(new SessionEvent.Refused(send.requestId(), refusal));
            return;
        }
        List<Message> messages = send.messages();
        long bytes = 0;
        for (Message message : messages) {
            bytes += message.body() == null ? 0 : message.body().length + MESSAGE_OVERHEAD_BYTES;
        }
        refusal = refuse(send, bytes);
        if (refusal != null) {
            if (refusal.retryAfterMillis() > 0) {
                holdUpKeys(send);
            }
            session.tell(new SessionEvent.Refused(send.requestId(), refusal));
            return;
        }
        Waiting waiting = new Waiting(send.requestId(), bytes);
        unanswered.add(waiting);
        if (messages.isEmpty()) {
            unanswered.answer(waiting, new SessionEvent.SendReply(send.requestId(), List.of()));
            return;
        }
        TopicDirectory.TopicRoute topic = directory.topic(send.topic());
        if (topic != null && !deferredSends.isBeingMade(send.topic())) {
            tellHeldUp(topic);
            dispatch(send, waiting, topic, Set.of());
        } else {
            defer(send, waiting);
        }
    }

    void onWithdraw(SessionCommand.Withdraw withdraw) {
        heldUp.withdraw(withdraw.topic(), withdraw.messageIds());
        deferredSends.withdraw(withdraw.topic(), withdraw.messageIds());
        TopicDirectory.TopicRoute topic = directory.topic(withdraw.topic());
        if (topic != null) {
            tellWithdrawn(topic, withdraw.messageIds());
        }
        session.tell(new SessionEvent.Withdrawn(withdraw.requestId()));
    }

    /** What is refused here has no part in any order: as if it had not come. */
    private Refusal refuseUnseen(SessionCommand.Send send) {
        Refusal refusal = Names.check("topic", send.topic());
        if (refusal == null && !order.comes(send)) {
            refusal = new Refusal(
                    Refusal.Code.OUT_OF_ORDER,
                    "Send " + send.after() + " to topic '" + send.topic() + "' has to come before and has not",
                    LOST_RETRY_MILLIS);
        }
        return refusal;
    }

    /** Reserves the bytes if it returns null. */
    private Refusal refuse(SessionCommand.Send send, long bytes) {
        Refusal refusal = session.refuseNew();
        if (refusal != null) {
            return refusal;
        }
        int count = send.messages().size();
        if (count > limits.batchCountMax()) {
            return Refusal.tooLarge(
                    "a Send",
                    count + " messages",
                    "at most " + limits.batchCountMax() + " (forebay.queue.batch-messages-max)");
        }
        if (bytes > limits.batchBytesMax() && count > 1) {
            return Refusal.tooLarge(
                    "a Send",
                    bytes + " bytes",
                    "at most " + limits.batchBytesMax() + " (forebay.queue.batch-bytes-max)");
        }
        if (send.queue() < -1) {
            return Refusal.illegalArgument("queue", send.queue(), "the number of a queue, or -1 for any");
        }
        return unanswered.reserve(bytes);
    }

    // ---- while there is no topic ------------------------------------------------------------------------------------

    private void defer(SessionCommand.Send send, Waiting waiting) {
        if (deferredSends.add(send, waiting)) {
            long token = session.nextToken();
            topicsAsked.put(token, send.topic());
            session.ensureTopic(send.topic(), token);
        }
    }

    /** @return whether it was an answer to this */
    boolean onEnsured(RegistryReply.Ensured ensured) {
        String topicName = topicsAsked.remove(ensured.token());
        if (topicName == null) {
            return false;
        }
        TopicDirectory.TopicRoute topic = directory.topic(topicName);
        Refusal refusal =
                ensured.refusal() != null || topic != null ? ensured.refusal() : Refusal.unknownTopic(topicName);
        if (refusal == null) {
            tellHeldUp(topic);
        }
        boolean isRepeated = refusal != null && (refusal.isTransient() || refusal.retryAfterMillis() > 0);
        for (DeferredSends.Deferred again : deferredSends.take(topicName)) {
            if (isRepeated) {
                heldUp.holdUp(topicName, again.firstIds());
            }
            if (again.send == null) {
                if (refusal == null) {
                    tellRefused(topic, again.firstIds());
                    tellWithdrawn(topic, List.copyOf(again.givenUp())); // what was taken its queue may have refused
                }
            } else if (refusal != null) {
                unanswered.refuse(again.waiting, refusal);
            } else {
                dispatch(again.send, again.waiting, topic, again.givenUp());
            }
        }
        return true;
    }

    /** The registry has stopped, and will answer nothing any more. */
    void onRegistryGone(Refusal refusal) {
        for (Long token : List.copyOf(topicsAsked.keySet())) {
            onEnsured(new RegistryReply.Ensured(token, refusal));
        }
    }

    // ---- the order of keys ------------------------------------------------------------------------------------------

    /** What is refused here has to hold up its keys as if their queues had refused it, or what comes behind overtakes it. */
    private void holdUpKeys(SessionCommand.Send send) {
        if (session.isEnding()) {
            return;
        }
        Map<String, String> firstIds = DeferredSends.firstIdsOf(send, Set.of());
        if (firstIds.isEmpty()) {
            return;
        }
        TopicDirectory.TopicRoute topic = directory.topic(send.topic());
        if (deferredSends.isBeingMade(send.topic())) {
            deferredSends.addRefused(send.topic(), firstIds);
        } else if (topic != null) {
            tellHeldUp(topic);
            tellRefused(topic, firstIds);
        } else {
            heldUp.holdUp(send.topic(), firstIds); // what is refused makes no topic
        }
    }

    private void tellHeldUp(TopicDirectory.TopicRoute topic) {
        Map<String, String> held = heldUp.take(topic.name());
        if (!held.isEmpty()) {
            tellRefused(topic, held);
        }
    }

    private void tellRefused(TopicDirectory.TopicRoute topic, Map<String, String> firstIds) {
        Map<Integer, Map<String, String>> byQueue = new HashMap<>();
        int queueCount = topic.queues().size();
        firstIds.forEach((key, id) -> byQueue.computeIfAbsent(
                        QueueTurns.queueOfKey(key, queueCount), queue -> new LinkedHashMap<>())
                .put(key, id));
        byQueue.forEach((number, part) -> {
            ActorRef<Queue.Command> queue = topic.queues().get(number).queue();
            if (queue != null) {
                keyedQueues.add(queue);
                queue.tell(new Queue.Refused(session.sessionId(), part));
            }
        });
    }

    private void tellWithdrawn(TopicDirectory.TopicRoute topic, List<String> messageIds) {
        if (messageIds.isEmpty()) {
            return;
        }
        for (TopicDirectory.QueueRoute queue : topic.queues()) {
            if (queue.queue() != null && keyedQueues.contains(queue.queue())) {
                queue.queue().tell(new Queue.Withdraw(session.sessionId(), messageIds));
            }
        }
    }

    // ---- to the queues ----------------------------------------------------------------------------------------------

    /** @param givenUp ids of those of its messages that will not be sent again */
    private void dispatch(
            SessionCommand.Send send, Waiting waiting, TopicDirectory.TopicRoute topic, Set<String> givenUp) {
        List<Message> messages = send.messages();
        int count = messages.size();
        int queueCount = topic.queues().size();
        if (send.queue() >= queueCount) {
            unanswered.refuse(
                    waiting,
                    Refusal.illegalArgument(
                            "queue",
                            send.queue(),
                            queueCount == 1 ? "0" : "0 to " + (queueCount - 1) + " for topic '" + topic.name() + "'"));
            return;
        }
        TopicPolicy policy = topic.policy();
        if (policy.ratePerSecond() > 0) {
            long now = session.environment().clock().millis();
            long waitMillis = directory.sendRate(topic).take(count, policy.ratePerSecond(), now);
            if (waitMillis > 0) {
                tellRefused(topic, DeferredSends.firstIdsOf(send, givenUp));
                unanswered.refuse(
                        waiting,
                        Refusal.busy(
                                "topic '" + topic.name() + "' takes " + policy.ratePerSecond()
                                        + " messages a second (its rate-limit), and has taken as many",
                                waitMillis));
                return;
            }
        }
        Durability level = send.durability() == null ? policy.sendLevel() : send.durability();
        boolean isRouted = policy.deduplication() != Deduplication.OFF && send.queue() < 0;
        boolean isSimple = !isRouted;
        for (int i = 0; i < count && isSimple; i++) {
            Message message = messages.get(i);
            isSimple = refusal(message, send.topic()) == null && !message.isKeyed();
        }
        int any = send.queue() >= 0 ? send.queue() : turns.next(topic);
        if (isSimple) {
            enqueue(topic.queues().get(any), messages, level, waiting, null);
            return;
        }
        waiting.results = new SendResult[count];
        Map<Integer, List<Integer>> byQueue = new LinkedHashMap<>();
        for (int i = 0; i < count; i++) {
            Message message = messages.get(i);
            Refusal refusal = refusal(message, send.topic());
            if (refusal != null) {
                waiting.results[i] = refusal;
                continue;
            }
            int number = message.isKeyed()
                    ? QueueTurns.queueOfKey(message.messageGroup(), queueCount)
                    : isRouted ? SendKey.queueOf(policy.deduplication(), message, queueCount) : any;
            byQueue.computeIfAbsent(number < 0 ? any : number, queue -> new ArrayList<>())
                    .add(i);
        }
        if (byQueue.isEmpty()) {
            unanswered.answer(waiting, reply(waiting));
            return;
        }
        waiting.missingParts = byQueue.size();
        byQueue.forEach((number, indexes) -> {
            List<Message> part = new ArrayList<>(indexes.size());
            boolean isKeyed = false;
            for (int index : indexes) {
                part.add(messages.get(index));
                isKeyed |= messages.get(index).isKeyed();
            }
            TopicDirectory.QueueRoute queue = topic.queues().get(number);
            if (isKeyed && queue.queue() != null) {
                keyedQueues.add(queue.queue());
            }
            enqueue(
                    queue,
                    part,
                    level,
                    waiting,
                    indexes.stream().mapToInt(Integer::intValue).toArray());
        });
    }

    private void enqueue(
            TopicDirectory.QueueRoute queue, List<Message> messages, Durability level, Waiting waiting, int[] at) {
        long token = session.nextToken();
        Queue.Enqueue enqueue = new Queue.Enqueue(session.sessionId(), messages, level, token, session.queueReplies());
        Part part = new Part(waiting, at, queue.queue(), enqueue);
        if (queue.queue() == null) {
            Refusal why = directory.whyUnserved(queue.queueId(), 0);
            enqueued(
                    part,
                    Collections.nCopies(
                            messages.size(), why != null ? why : Session.notServed("queue " + queue.number())));
            return;
        }
        parts.put(token, part);
        session.watchOnce(queue.queue());
        queue.queue().tell(enqueue);
    }

    private Refusal refusal(Message message, String topic) {
        Refusal refusal = MessageLimits.check(message, limits.bodyBytesMax());
        if (refusal == null && !message.topic().equals(topic)) {
            refusal = Refusal.illegalArgument(
                    "the topic of a message in a Send to '" + topic + "'", message.topic(), "the same");
        }
        if (refusal == null && message.deliverAtMillis() > 0) {
            refusal =
                    Refusal.of(Refusal.Code.UNSUPPORTED, "messages for a later time are not supported by this version");
        }
        return refusal;
    }

    // ---- from the queues --------------------------------------------------------------------------------------------

    void onEnqueued(QueueReply.Enqueued enqueued) {
        Part part = parts.remove(enqueued.token());
        if (part != null) {
            enqueued(part, enqueued.results());
        }
    }

    private void enqueued(Part part, List<SendResult> results) {
        Waiting waiting = part.waiting;
        if (part.indexes == null) {
            unanswered.answer(waiting, new SessionEvent.SendReply(waiting.requestId, results));
            return;
        }
        for (int i = 0; i < part.indexes.length; i++) {
            waiting.results[part.indexes[i]] = results.get(i);
        }
        if (--waiting.missingParts == 0) {
            unanswered.answer(waiting, reply(waiting));
        }
    }

    private static SessionEvent.SendReply reply(Waiting waiting) {
        return new SessionEvent.SendReply(
                waiting.requestId, Collections.unmodifiableList(Arrays.asList(waiting.results)));
    }

    /** A queue has stopped: what it was told behind its last message nobody else will answer. */
    void onTargetGone(ActorRef<?> target, Refusal unknown) {
        List<Queue.Enqueue> lost = new ArrayList<>();
        parts.values().forEach(part -> {
            if (part.queue.equals(target)) {
                lost.add(part.told);
            }
        });
        for (Queue.Enqueue enqueue : lost) {
            onEnqueued(new QueueReply.Enqueued(
                    enqueue.token(), Collections.nCopies(enqueue.messages().size(), unknown)));
        }
        keyedQueues.removeIf(target::equals);
    }

    /** The session ends: it has no order to keep any more. */
    void onEnd() {
        keyedQueues.forEach(queue -> queue.tell(new Queue.SessionEnded(session.sessionId())));
    }
}
