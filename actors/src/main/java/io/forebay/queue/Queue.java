package io.forebay.queue;

import akka.actor.typed.ActorRef;
import akka.actor.typed.Behavior;
import akka.actor.typed.PostStop;
import akka.actor.typed.javadsl.AbstractBehavior;
import akka.actor.typed.javadsl.ActorContext;
import akka.actor.typed.javadsl.Behaviors;
import akka.actor.typed.javadsl.Receive;
import io.forebay.protocol.Durability;
import io.forebay.protocol.Message;
import io.forebay.protocol.Receipt;
import io.forebay.protocol.Refusal;
import io.forebay.protocol.SendResult;
import io.forebay.queue.core.QueueState;
import io.forebay.queue.core.TopicPolicy;
import io.forebay.storage.log.Frame;
import io.forebay.storage.log.MessageRecord;
import io.forebay.storage.log.Owner;
import io.forebay.storage.log.QueueSnapshot;
import io.forebay.storage.log.SnapshotRecord;
import io.forebay.store.StoreWriter;
import io.forebay.store.StripeBudget;
import io.forebay.store.StripeHandle;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.atomic.AtomicLong;

/**
 * One queue on the node that stores it: takes batches of messages, has them appended and answers with receipts, and tells
 * the queue's groups how far they may read.
 *
 * <p>What arrives while a frame is on its way is encoded into the next one, so that batches grow with the load and nothing
 * ever waits for a timer. A message is answered when the level asked for holds, not before.
 */
public final class Queue extends AbstractBehavior<Queue.Command> {

    /** What a queue understands. */
    public sealed interface Command
            permits Enqueue,
                    Appended,
                    Refused,
                    Withdraw,
                    SessionEnded,
                    Attach,
                    Released,
                    DetachGroup,
                    Hold,
                    Configure,
                    Delete,
                    Drain,
                    FromStore {}

    /**
     * Stores messages, which have been checked; answered by {@link QueueReply.Enqueued}. Not idempotent: sent twice they are
     * stored twice.
     *
     * @param sessionId whose order per key is kept when a message is refused
     * @param messages at least one; not changed from now on
     * @param token comes back in the answer
     */
    public record Enqueue(
            long sessionId, List<Message> messages, Durability level, long token, ActorRef<QueueReply> replyTo)
            implements Command {}

    /**
     * Another actor has appended entries to this queue in a frame of its own, which is written: dead letters, which go in
     * one step with what they settle. Idempotent, and comes in any order.
     *
     * @param endOffset one behind the last of them; everything below is written
     * @param lastSequence sequence of the last of them
     * @param lastOwnerNumber this queue's own number of the last of them
     */
    public record Appended(long endOffset, long lastSequence, long lastOwnerNumber) implements Command {}

    /**
     * The session has refused keyed messages of this queue itself: as if it had been the queue, what comes behind them waits
     * until they are sent again. Idempotent.
     *
     * @param firstIds by key, the id of its first message that was refused
     */
    public record Refused(long sessionId, Map<String, String> firstIds) implements Command {}

    /** The session gives these messages up: what was refused behind them may be sent. Idempotent. */
    public record Withdraw(long sessionId, List<String> messageIds) implements Command {}

    /** The session has ended: it has no order to keep any more. Idempotent. */
    public record SessionEnded(long sessionId) implements Command {}

    /** A group reads this queue; it is told {@link GroupQueue.Readable} now and whenever there is more. Idempotent. */
    public record Attach(int groupId, long floor, ActorRef<? super GroupQueue.Readable> group) implements Command {}

    /** A group needs nothing below this offset any more. */
    public record Released(int groupId, long floor) implements Command {}

    /**
     * A group is about to go back: from now on what is still stored from this offset on is kept for it. Answered by {@link
     * GroupQueue.Held}. Idempotent.
     */
    public record Hold(int groupId, long floor, ActorRef<? super GroupQueue.Held> replyTo) implements Command {}

    /** The group reads this queue no more. Idempotent. */
    public record DetachGroup(int groupId) implements Command {}

    /** The topic's settings have changed. Idempotent. */
    public record Configure(TopicPolicy policy) implements Command {}

    /** Refuses what is not written yet and stops; its records are forgotten. */
    public enum Delete implements Command {
        INSTANCE
    }

    /** Answers {@link Drained} when everything taken so far is answered. */
    public record Drain(ActorRef<Drained> replyTo) implements Command {}

    private record FromStore(StoreWriter.Event event) implements Command {}

    /** Everything taken before is answered. */
    public record Drained() {}

    /**
     * What a queue is, for the whole of its life.
     *
     * @param number within its topic
     * @param frameBytes size from which a frame is sent rather than filled further; one message may be larger
     * @param policy until it is {@link Configure configured} anew
     */
    public record Identity(
            int queueId, int number, String topic, String nodeName, int frameBytes, TopicPolicy policy) {}

    /**
     * Where a queue goes on.
     *
     * @param firstOffset lowest offset still stored
     * @param nextOffset offset of the next message
     * @param heldSequence sequence of its last record, -1 for none
     * @param heldOwnerNumber own number of its last record, 0 for none
     */
    public record Start(long firstOffset, long nextOffset, long heldSequence, long heldOwnerNumber) {
        /** A queue without any message. */
        public static final Start NEW = new Start(0, 0, -1, 0);
    }

    /** Keys of one session that are remembered as refused; beyond, the oldest is forgotten. */
    private static final int REFUSED_KEYS_MAX = 1 << 16;

    /** One {@link Enqueue} on its way. */
    private static final class Waiting {
        final Enqueue request;
        final SendResult[] results;
        final int[] payloadCrcs;
        int unwritten;
        boolean isAnswered;

        Waiting(Enqueue request) {
            this.request = request;
            results = new SendResult[request.messages.size()];
            payloadCrcs = new int[results.length];
        }

        void answer() {
            if (!isAnswered) {
                isAnswered = true;
                request.replyTo.tell(
                        new QueueReply.Enqueued(request.token, Collections.unmodifiableList(Arrays.asList(results))));
            }
        }

        void refuse(Refusal refusal) {
            if (!isAnswered) {
                for (int i = 0; i < results.length; i++) {
                    if (!(results[i] instanceof Refusal)) {
                        results[i] = refusal;
                    }
                }
                answer();
            }
        }
    }

    /** Consecutive messages of one request that are consecutive records of one frame. */
    private record Part(Waiting waiting, int firstMessage, int count, int firstRecord) {}

    private final Identity identity;
    private final Owner owner;
    private final StripeHandle stripe;
    private final StripePort port;
    private final Outbox<Part> outbox;
    private final QueueState state;
    private final QueueMarks marks;
    private final AtomicLong stripeBytes;
    private final int frameBytesMax;
    private TopicPolicy policy;
    private final Map<Integer, ActorRef<? super GroupQueue.Readable>> groups = new HashMap<>();
    /** What is not answered, in order of arrival; answered ones leave when they come to the front. */
    private final ArrayDeque<Waiting> unanswered = new ArrayDeque<>();

    private final Map<Long, Map<String, String>> refusedKeys = new HashMap<>();
    private final ArrayDeque<StoreWriter.SnapshotRequested> snapshotsWanted = new ArrayDeque<>();
    private final List<Drain> drains = new ArrayList<>();
    /** Why nothing can be taken any more, null while it can. */
    private Refusal closed;

    private long heldSequence;
    private long heldOwnerNumber;

    /**
     * @param marks where the queue's ends are published
     * @param stripeBytes counts what all queues of the stripe write
     */
    public static Behavior<Command> create(
            Identity identity, StripeHandle stripe, Start start, QueueMarks marks, AtomicLong stripeBytes) {
        return Behaviors.setup(context -> new Queue(context, identity, stripe, start, marks, stripeBytes));
    }

    private Queue(
            ActorContext<Command> context,
            Identity identity,
            StripeHandle stripe,
            Start start,
            QueueMarks marks,
            AtomicLong stripeBytes) {
        super(context);
        this.identity = identity;
        this.stripe = stripe;
        policy = identity.policy;
        owner = Owner.queue(identity.queueId);
        state = new QueueState(start.firstOffset, start.nextOffset, policy.isReadableWhenDurable());
        this.marks = marks;
        this.stripeBytes = stripeBytes;
        marks.nextOffset(start.nextOffset);
        marks.firstOffset(start.firstOffset);
        heldSequence = start.heldSequence;
        heldOwnerNumber = start.heldOwnerNumber;
        frameBytesMax = stripe.log().frameBytesMax();
        port = new StripePort(stripe, context.messageAdapter(StoreWriter.Event.class, FromStore::new));
        port.register(owner);
        outbox = new Outbox<>(port, owner, identity.frameBytes);
    }

    @Override
    public Receive<Command> createReceive() {
        return newReceiveBuilder()
                .onMessage(Enqueue.class, this::onEnqueue)
                .onMessage(FromStore.class, this::onStoreEvent)
                .onMessage(Appended.class, this::onAppended)
                .onMessage(Released.class, this::onReleased)
                .onMessage(Refused.class, this::onRefused)
                .onMessage(Withdraw.class, this::onWithdraw)
                .onMessage(SessionEnded.class, this::onSessionEnded)
                .onMessage(Attach.class, this::onAttach)
                .onMessage(DetachGroup.class, this::onDetachGroup)
                .onMessage(Hold.class, this::onHold)
                .onMessage(Configure.class, this::onConfigure)
                .onMessage(Drain.class, this::onDrain)
                .onMessageEquals(Delete.INSTANCE, this::onDelete)
                .onSignal(PostStop.class, this::onPostStop)
                .build();
    }

    private Behavior<Command> onEnqueue(Enqueue request) {
        Waiting waiting = new Waiting(request);
        if (closed != null) {
            waiting.refuse(closed);
            return this;
        }
        boolean hasRefused = !refusedKeys.isEmpty() && refuseBehindRefused(waiting);
        MessageRecord[] records = new MessageRecord[waiting.results.length];
        long recordBytes = 0;
        for (int i = 0; i < records.length; i++) {
            if (hasRefused && waiting.results[i] != null) {
                continue;
            }
            MessageRecord record = MessageForm.toRecord(request.messages.get(i));
            long bytes = FrameSize.ofRecord(record);
            if (bytes + FrameSize.FRAME_BYTES > frameBytesMax) {
                waiting.results[i] = Refusal.tooLarge(
                        "message '" + record.id() + "'",
                        bytes + " bytes with its properties",
                        "at most " + (frameBytesMax - FrameSize.FRAME_BYTES) + " in the node's segments");
                continue;
            }
            records[i] = record;
            recordBytes += bytes;
            waiting.unwritten++;
        }
        if (waiting.unwritten == 0) {
            waiting.answer();
            return this;
        }
        // Each record might begin a frame of its own only if it is larger than a frame is filled.
        long reserved = recordBytes + FrameSize.FRAME_BYTES * (2 + 2 * (recordBytes / identity.frameBytes));
        if (!port.account().tryReserve(reserved, StripeBudget.Tier.SEND)) {
            Refusal refusal = StoreRefusals.of(stripe.budget().refusal(StripeBudget.Tier.SEND));
            rememberRefusedKeys(waiting);
            waiting.refuse(refusal);
            return this;
        }
        forgetRepeatedKeys(waiting);
        gather(waiting, records, recordBytes, reserved);
        unanswered.addLast(waiting);
        sendNext();
        return this;
    }

    private void gather(Waiting waiting, MessageRecord[] records, long recordBytes, long reserved) {
        boolean wantsDurable = waiting.request.level == Durability.FLUSHED || policy.isReadableWhenDurable();
        long left = reserved;
        long following = recordBytes;
        Outbox.Batch<Part> batch = null;
        int partFirst = 0;
        int partRecord = 0;
        for (int i = 0; i < records.length; i++) {
            if (records[i] == null) {
                batch = endPart(batch, waiting, partFirst, i, partRecord);
                continue;
            }
            long bytes = FrameSize.ofRecord(records[i]);
            Outbox.Batch<Part> next = outbox.batchFor(bytes, following);
            following -= bytes;
            if (next != batch) {
                endPart(batch, waiting, partFirst, i, partRecord);
                batch = next;
                partFirst = i;
                partRecord = batch.recordCount();
                if (wantsDurable) {
                    batch.wantDurable();
                }
            }
            left -= outbox.add(batch, records[i], bytes, true);
            waiting.payloadCrcs[i] = records[i].payloadCrc();
        }
        endPart(batch, waiting, partFirst, records.length, partRecord);
        if (left < 0) {
            throw new AssertionError("reserved " + reserved + " bytes, " + (reserved - left) + " needed");
        }
        port.account().giveBack(left);
    }

    private static Outbox.Batch<Part> endPart(
            Outbox.Batch<Part> batchOrNull, Waiting waiting, int firstMessage, int end, int firstRecord) {
        if (batchOrNull != null) {
            batchOrNull.parts.add(new Part(waiting, firstMessage, end - firstMessage, firstRecord));
        }
        return null;
    }

    private void sendNext() {
        if (snapshotsWanted.isEmpty()) {
            outbox.sendNext();
        }
    }

    private Behavior<Command> onStoreEvent(FromStore message) {
        StoreWriter.Event event = message.event;
        if (event instanceof StoreWriter.Written written) {
            onWritten(written);
        } else if (event instanceof StoreWriter.Durable durable) {
            port.onDurable(durable);
            onDurable();
        } else if (event instanceof StoreWriter.FlushFailed failed) {
            port.onFlushFailed(failed);
        } else if (event instanceof StoreWriter.Rewritten rewritten) {
            port.onRewritten(rewritten);
            onDurable();
        } else if (event instanceof StoreWriter.SnapshotRequested requested) {
            snapshotsWanted.addLast(requested);
            answerSnapshots();
        } else if (event instanceof StoreWriter.Unavailable unavailable) {
            port.onUnavailable();
            refuseUnanswered(StoreRefusals.outcomeUnknown(unavailable.detail()));
        } else if (event instanceof StoreWriter.Available) {
            port.onAvailable();
        } else if (event instanceof StoreWriter.Rejected rejected) {
            onRejected(rejected);
        } else {
            throw new AssertionError(event);
        }
        finishDrains();
        return this;
    }

    private void onWritten(StoreWriter.Written written) {
        long lastSequence = port.onWritten(written);
        Frame frame = written.frame();
        Outbox.Batch<Part> batch = outbox.written();
        int last = frame.recordCount() - 1;
        // Groups first: the consumers' way is the longer one.
        stripeBytes.addAndGet(frame.lengthBytes());
        noteWritten(frame.queueOffset(last) + 1, lastSequence, frame.ownerNumber(last));
        answerSnapshots();
        sendNext();
        for (Part part : batch.parts) {
            receipt(frame, part);
        }
        dropAnswered();
    }

    private void noteWritten(long endOffset, long lastSequence, long lastOwnerNumber) {
        // A frame of another appender may lie between those that are known here; its word comes when it comes.
        heldSequence = Math.max(heldSequence, lastSequence);
        heldOwnerNumber = Math.max(heldOwnerNumber, lastOwnerNumber);
        boolean isMore = state.written(endOffset, lastSequence);
        marks.nextOffset(state.writtenEnd());
        if (isMore) {
            tellReadable();
        }
    }

    private Behavior<Command> onAppended(Appended appended) {
        noteWritten(appended.endOffset, appended.lastSequence, appended.lastOwnerNumber);
        if (state.awaitsDurability()) {
            // Whoever appended it need not have asked for more than WRITTEN.
            port.requestDurable(appended.lastSequence);
            onDurable();
        }
        return this;
    }

    private void receipt(Frame frame, Part part) {
        Waiting waiting = part.waiting;
        Enqueue request = waiting.request;
        long firstSequence = frame.firstSequence();
        for (int i = 0; i < part.count; i++) {
            int message = part.firstMessage + i;
            int record = part.firstRecord + i;
            waiting.results[message] = new Receipt(
                    request.level,
                    identity.nodeName,
                    stripe.stripeId(),
                    firstSequence + record,
                    identity.topic,
                    identity.number,
                    frame.queueOffset(record),
                    waiting.payloadCrcs[message]);
        }
        waiting.unwritten -= part.count;
        if (waiting.unwritten > 0 || waiting.isAnswered) {
            return;
        }
        if (request.level == Durability.FLUSHED) {
            port.whenDurable(firstSequence + part.firstRecord + part.count - 1, waiting::answer);
        } else {
            waiting.answer();
        }
    }

    private void onDurable() {
        if (state.awaitsDurability() && state.durable(stripe.log().durableSequence())) {
            tellReadable();
        }
        dropAnswered();
    }

    private void tellReadable() {
        GroupQueue.Readable readable = readable();
        for (ActorRef<? super GroupQueue.Readable> group : groups.values()) {
            group.tell(readable);
        }
    }

    private GroupQueue.Readable readable() {
        return new GroupQueue.Readable(state.readableEnd(), state.releaseFloor());
    }

    private void answerSnapshots() {
        while (!port.isBusy() && !snapshotsWanted.isEmpty()) {
            StoreWriter.SnapshotRequested requested = snapshotsWanted.pollFirst();
            byte[] payload = QueueSnapshot.of(state.writtenEnd(), state.releaseFloor()).encode();
            List<Frame> frames = new ArrayList<>();
            if (heldSequence >= 0) {
                for (SnapshotRecord part : SnapshotRecord.split(
                        heldSequence, heldOwnerNumber, state.writtenEnd(), payload, frameBytesMax / 2)) {
                    frames.add(
                            Frame.builder(payload.length + 128).add(owner, part).build());
                }
            }
            stripe.writer().tell(new StoreWriter.Snapshot(requested.checkpointId(), owner, frames));
        }
        sendNext();
    }

    /** The stripe is closed: nothing on its way was appended, and nothing more will be. */
    private void onRejected(StoreWriter.Rejected rejected) {
        port.onRejected(rejected);
        outbox.clear();
        closed = StoreRefusals.of(rejected);
        refuseUnanswered(closed);
    }

    private void refuseUnanswered(Refusal refusal) {
        for (Waiting waiting : unanswered) {
            waiting.refuse(refusal);
        }
        unanswered.clear();
    }

    private void dropAnswered() {
        while (!unanswered.isEmpty() && unanswered.peekFirst().isAnswered) {
            unanswered.pollFirst();
        }
    }

    /** Refuses what would overtake a message of its key that was refused before. Returns whether there was any. */
    private boolean refuseBehindRefused(Waiting waiting) {
        Map<String, String> keys = refusedKeys.get(waiting.request.sessionId);
        if (keys == null) {
            return false;
        }
        boolean hasRefused = false;
        List<String> repeated = List.of();
        for (int i = 0; i < waiting.results.length; i++) {
            Message message = waiting.request.messages.get(i);
            String firstId = message.isKeyed() ? keys.get(message.messageGroup()) : null;
            if (firstId == null || repeated.contains(message.messageGroup())) {
                continue;
            }
            if (firstId.equals(message.id())) {
                if (repeated.isEmpty()) {
                    repeated = new ArrayList<>();
                }
                repeated.add(message.messageGroup());
            } else {
                hasRefused = true;
                waiting.results[i] = Refusal.busy(
                        "message '" + firstId + "' of the same key was refused before and has to be sent first", 1);
            }
        }
        return hasRefused;
    }

    private void rememberRefusedKeys(Waiting waiting) {
        Map<String, String> keys = null;
        for (int i = 0; i < waiting.results.length; i++) {
            Message message = waiting.request.messages.get(i);
            if (waiting.results[i] == null && message.isKeyed()) {
                if (keys == null) {
                    keys = refusedKeys.computeIfAbsent(waiting.request.sessionId, id -> new LinkedHashMap<>());
                }
                remember(keys, message.messageGroup(), message.id());
            }
        }
    }

    private static void remember(Map<String, String> keys, String key, String firstId) {
        keys.putIfAbsent(key, firstId);
        if (keys.size() > REFUSED_KEYS_MAX) {
            // A client that gives up so many without a word has no order left to keep.
            keys.remove(keys.keySet().iterator().next());
        }
    }

    private Behavior<Command> onRefused(Refused refused) {
        Map<String, String> keys = refusedKeys.computeIfAbsent(refused.sessionId, id -> new LinkedHashMap<>());
        refused.firstIds.forEach((key, firstId) -> remember(keys, key, firstId));
        return this;
    }

    private void forgetRepeatedKeys(Waiting waiting) {
        Map<String, String> keys = refusedKeys.isEmpty() ? null : refusedKeys.get(waiting.request.sessionId);
        if (keys == null) {
            return;
        }
        for (int i = 0; i < waiting.results.length; i++) {
            Message message = waiting.request.messages.get(i);
            if (waiting.results[i] == null && message.isKeyed()) {
                keys.remove(message.messageGroup(), message.id());
            }
        }
        if (keys.isEmpty()) {
            refusedKeys.remove(waiting.request.sessionId);
        }
    }

    private Behavior<Command> onWithdraw(Withdraw withdraw) {
        Map<String, String> keys = refusedKeys.get(withdraw.sessionId);
        if (keys != null) {
            keys.values().removeAll(withdraw.messageIds);
            if (keys.isEmpty()) {
                refusedKeys.remove(withdraw.sessionId);
            }
        }
        return this;
    }

    private Behavior<Command> onSessionEnded(SessionEnded ended) {
        refusedKeys.remove(ended.sessionId);
        return this;
    }

    private Behavior<Command> onAttach(Attach attach) {
        groups.put(attach.groupId, attach.group);
        release(state.groupFloor(attach.groupId, attach.floor));
        attach.group.tell(readable());
        return this;
    }

    private Behavior<Command> onReleased(Released released) {
        if (groups.containsKey(released.groupId)) {
            release(state.groupFloor(released.groupId, released.floor));
        }
        return this;
    }

    private Behavior<Command> onHold(Hold hold) {
        if (groups.containsKey(hold.groupId)) {
            release(state.groupFloor(hold.groupId, hold.floor));
        }
        hold.replyTo.tell(new GroupQueue.Held(state.releaseFloor()));
        return this;
    }

    private Behavior<Command> onDetachGroup(DetachGroup detach) {
        groups.remove(detach.groupId);
        release(state.removeGroup(detach.groupId));
        return this;
    }

    private Behavior<Command> onConfigure(Configure configure) {
        policy = configure.policy;
        return this;
    }

    private void release(boolean hasRisen) {
        if (hasRisen) {
            marks.firstOffset(state.releaseFloor());
            stripe.log().releaseBelow(identity.queueId, state.releaseFloor());
        }
    }

    private Behavior<Command> onDrain(Drain drain) {
        drains.add(drain);
        finishDrains();
        return this;
    }

    private void finishDrains() {
        dropAnswered();
        if (!drains.isEmpty() && unanswered.isEmpty()) {
            drains.forEach(drain -> drain.replyTo.tell(new Drained()));
            drains.clear();
        }
    }

    private Behavior<Command> onDelete() {
        refuseUnanswered(Refusal.unknownTopic(identity.topic));
        stripe.writer().tell(new StoreWriter.Forget(owner));
        return Behaviors.stopped();
    }

    private Behavior<Command> onPostStop(PostStop signal) {
        refuseUnanswered(
                StoreRefusals.outcomeUnknown("queue " + identity.number + " of topic " + identity.topic + " stops"));
        return this;
    }
}
