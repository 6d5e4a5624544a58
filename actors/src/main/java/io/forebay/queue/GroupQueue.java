package io.forebay.queue;

import akka.actor.typed.ActorRef;
import akka.actor.typed.Behavior;
import akka.actor.typed.DispatcherSelector;
import akka.actor.typed.PostStop;
import akka.actor.typed.javadsl.AbstractBehavior;
import akka.actor.typed.javadsl.ActorContext;
import akka.actor.typed.javadsl.Behaviors;
import akka.actor.typed.javadsl.Receive;
import akka.actor.typed.javadsl.TimerScheduler;
import io.forebay.protocol.AckOutcome;
import io.forebay.protocol.AckResult;
import io.forebay.protocol.ChangeResult;
import io.forebay.protocol.Changed;
import io.forebay.protocol.Delivery;
import io.forebay.protocol.Durability;
import io.forebay.protocol.GiveBackOutcome;
import io.forebay.protocol.GiveBackResult;
import io.forebay.protocol.ReceiptHandle;
import io.forebay.protocol.Refusal;
import io.forebay.queue.core.Checkpoint;
import io.forebay.queue.core.GroupPolicy;
import io.forebay.queue.core.GroupQueueCounts;
import io.forebay.queue.core.GroupQueueState;
import io.forebay.queue.core.HandleOutcome;
import io.forebay.queue.core.PopCommand;
import io.forebay.queue.core.PopDecision;
import io.forebay.queue.core.PopReason;
import io.forebay.queue.core.TokenBatch;
import io.forebay.storage.log.AckRecord;
import io.forebay.storage.log.DeadlineRecord;
import io.forebay.storage.log.DeliveryRange;
import io.forebay.storage.log.Frame;
import io.forebay.storage.log.GivenBackRecord;
import io.forebay.storage.log.LogRecord;
import io.forebay.storage.log.Owner;
import io.forebay.storage.log.SnapshotRecord;
import io.forebay.store.StoreWriter;
import io.forebay.store.StripeBudget;
import io.forebay.store.StripeHandle;
import java.time.Duration;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.Executor;
import java.util.concurrent.atomic.AtomicLong;
import java.util.function.Consumer;
import java.util.random.RandomGenerator;

/**
 * One consumer group's place in one queue: what is in flight, what came back, what is settled. Decides Pops, Acks and
 * changes with {@link GroupQueueState}, has their records appended, and answers when they are written, or durable if that
 * was asked for.
 *
 * <p>Everything that arrives while a frame is on its way is decided at once, its records go into the next frame together.
 * Nothing is told to anybody before its record is written.
 */
public final class GroupQueue extends AbstractBehavior<GroupQueue.Command> {

    /** What a group's queue understands. */
    public sealed interface Command
            permits Pop,
                    Ack,
                    Change,
                    GiveBack,
                    Readable,
                    Truncated,
                    ConsumerGone,
                    SessionClosed,
                    Configure,
                    BreakerChanged,
                    Describe,
                    Drain,
                    Delete,
                    Due,
                    ReadAgain,
                    BodiesRead,
                    FromStore {}

    /**
     * Takes messages. Answered to the session by {@link QueueReply.Delivered} if there are any, to the dispatcher in any case.
     * Idempotent by session and request as long as the deliveries are in flight.
     */
    public record Pop(PopCommand pop, ActorRef<QueueReply> session) implements Command {}

    /**
     * Settles deliveries; answered by {@link QueueReply.Acked} when the level holds. Idempotent.
     *
     * @param handles of this queue and group
     */
    public record Ack(List<ReceiptHandle> handles, Durability level, long token, ActorRef<QueueReply> replyTo)
            implements Command {}

    /** Moves deadlines; answered by {@link QueueReply.Changed}. */
    public record Change(
            List<ReceiptHandle> handles,
            DeadlineRecord.Kind kind,
            long millis,
            String reason,
            long token,
            ActorRef<QueueReply> replyTo)
            implements Command {}

    /** Returns deliveries uncounted; answered by {@link QueueReply.GivenBack}. Idempotent. */
    public record GiveBack(List<ReceiptHandle> handles, long token, ActorRef<QueueReply> replyTo) implements Command {}

    /**
     * What may be read.
     *
     * @param endOffset messages below it may be
     * @param firstOffset the lowest that is stored: what lies below is not there any more, settled or not
     */
    public record Readable(long endOffset, long firstOffset) implements Command {}

    /** The queue stores nothing below this offset any more, settled or not: too old, too much, or purged. Idempotent. */
    public record Truncated(long firstOffset) implements Command {}

    /** A consumer is gone: what it holds comes back with its attempt counted. Idempotent. */
    public record ConsumerGone(long sessionId) implements Command {}

    /** A session ends in good order and gives back what it holds; answered by {@link QueueReply.ConsumerReleased}. */
    public record SessionClosed(long sessionId, long token, ActorRef<QueueReply> replyTo) implements Command {}

    /** The group's settings have changed. Idempotent. */
    public record Configure(GroupPolicy policy) implements Command {}

    /**
     * The group's breaker has opened or closed. While it is open a failed attempt is not counted: the consumers are taken for
     * broken, not the messages. Idempotent.
     */
    public record BreakerChanged(boolean isOpen) implements Command {}

    /** Answered by {@link Described}. */
    public record Describe(ActorRef<Described> replyTo) implements Command {}

    /** Answers {@link Drained} when everything taken so far is answered. */
    public record Drain(ActorRef<Drained> replyTo) implements Command {}

    /** The group or the topic is deleted: refuses what is not written and stops; its records are forgotten. */
    public enum Delete implements Command {
        INSTANCE
    }

    private enum Due implements Command {
        INSTANCE
    }

    private enum ReadAgain implements Command {
        INSTANCE
    }

    private record BodiesRead(DeliveryReader.Outcome outcome, Throwable failure) implements Command {}

    private record FromStore(StoreWriter.Event event) implements Command {}

    /** @param oldestBornMillis when the oldest message that is not settled was made, 0 if not known or none */
    public record Described(int queueId, GroupQueueCounts counts, long oldestBornMillis) {}

    /** Everything taken before is answered. */
    public record Drained() {}

    /** What a dispatcher is told. */
    public sealed interface ToDispatcher permits Available, Popped, Activity, ServedBefore {}

    /** So many messages could be popped now. Told when it was none before. */
    public record Available(int queueId, long count) implements ToDispatcher {}

    /**
     * A Pop is decided.
     *
     * @param maxMessages as it was asked for
     * @param gotCount how many messages are newly in flight with it; 0: it got nothing and nobody was answered; {@link
     *     #ANSWERED}: nothing is newly in flight, and the session is answered all the same
     */
    public record Popped(
            int queueId, long sessionId, long requestId, int maxMessages, int gotCount, long availableCount)
            implements ToDispatcher {
        /** The Pop was refused, or repeated and gets what it got before. */
        public static final int ANSWERED = -1;
    }

    /**
     * What has become of deliveries since the last one of these. Told at most once per turn of the queue's actor, behind the
     * {@link Popped} of that turn, if {@link GroupPolicy#wantsActivity}; a first one when the queue begins with something in
     * flight, or when the policy begins to want it.
     *
     * @param inFlight deliveries in flight now, all of them
     * @param acked deliveries that were acked
     * @param failed attempts that failed: nacked, expired, or their consumer gone; not what was given back
     * @param freedSessionIds sessions of deliveries that are not in flight any more, each once
     * @param freedCounts how many deliveries of each; negative: so many are in flight that no {@link Popped} told of
     */
    public record Activity(int queueId, int inFlight, int acked, int failed, long[] freedSessionIds, int[] freedCounts)
            implements ToDispatcher {}

    /** Requests that this queue has served before the start: their repetitions belong here. */
    public record ServedBefore(int queueId, long[] sessionIds, long[] requestIds) implements ToDispatcher {}

    /**
     * What a group's queue is, for the whole of its life.
     *
     * @param queueNumber within its topic
     * @param nodeId see {@link ReceiptHandle#nodeIdOf}
     * @param frameBytes size from which a frame is sent rather than filled further
     * @param segmentBytes size of one file of the stripe's log: what was written within less is expected in memory
     * @param policy until it is {@link Configure configured} anew
     * @param readDispatcher path of the dispatcher that cold reads may block
     */
    public record Identity(
            int queueId,
            int groupId,
            int queueNumber,
            String topic,
            String group,
            int nodeId,
            int frameBytes,
            int segmentBytes,
            GroupPolicy policy,
            String readDispatcher) {}

    private static final int FIXED_RECORD_BYTES = 160;
    private static final int BYTES_PER_HANDLE = 16;
    /** Offsets that may be settled before the queue is told so. */
    private static final long RELEASE_STEP = 1024;

    private static final Duration READ_RETRY = Duration.ofMillis(20);
    private static final long BODY_BYTES_GUESS = 1024;

    /** Somebody who waits for a record. */
    private abstract static class Waiting {
        boolean isAnswered;

        /** Tells the answer. The level holds. */
        abstract void answer(long sequence);

        abstract void refuse(Refusal refusal);

        abstract Durability level();

        final void answerOnce(long sequence) {
            if (!isAnswered) {
                isAnswered = true;
                answer(sequence);
            }
        }

        final void refuseOnce(Refusal refusal) {
            if (!isAnswered) {
                isAnswered = true;
                refuse(refusal);
            }
        }
    }

    /** One {@link Waiting} in a batch, and the index of its last record there; -1: it waits for the batch as a whole. */
    private record Part(Waiting waiting, int lastRecord) {}

    private final class PopWaiting extends Waiting {
        final Checkpoint checkpoint;
        final PopCommand pop;
        final ActorRef<QueueReply> session;
        final boolean isNew;
        final Durability level;

        PopWaiting(Checkpoint checkpoint, Pop request, boolean isNew) {
            this.checkpoint = checkpoint;
            this.pop = request.pop;
            this.session = request.session;
            this.isNew = isNew;
            this.level = policy.popLevel();
        }

        /** Called for its own record at WRITTEN, whatever the level; see {@link #recordWritten}. */
        void recordWritten(long sequence) {
            if (isNew) {
                state.written(checkpoint, sequence);
            }
        }

        @Override
        void answer(long sequence) {
            deliver(this);
        }

        @Override
        void refuse(Refusal refusal) {
            session.tell(new QueueReply.PopRefused(pop.requestId(), refusal));
        }

        @Override
        Durability level() {
            return level;
        }
    }

    private static final class AckWaiting extends Waiting {
        final Ack request;
        final List<AckResult> results;

        AckWaiting(Ack request, List<AckResult> resultsOrNull) {
            this.request = request;
            this.results = resultsOrNull;
        }

        @Override
        void answer(long sequence) {
            request.replyTo.tell(new QueueReply.Acked(request.token, results, request.level));
        }

        @Override
        void refuse(Refusal refusal) {
            request.replyTo.tell(new QueueReply.Acked(
                    request.token, Collections.nCopies(request.handles.size(), refusal), request.level));
        }

        @Override
        Durability level() {
            return request.level;
        }
    }

    private static final class ChangeWaiting extends Waiting {
        final Change request;
        final List<ChangeResult> results;

        ChangeWaiting(Change request, List<ChangeResult> results) {
            this.request = request;
            this.results = results;
        }

        @Override
        void answer(long sequence) {
            request.replyTo.tell(new QueueReply.Changed(request.token, results));
        }

        @Override
        void refuse(Refusal refusal) {
            request.replyTo.tell(
                    new QueueReply.Changed(request.token, Collections.nCopies(request.handles.size(), refusal)));
        }

        @Override
        Durability level() {
            return Durability.WRITTEN;
        }
    }

    private static final class GiveBackWaiting extends Waiting {
        final GiveBack request;
        final List<GiveBackResult> results;

        GiveBackWaiting(GiveBack request, List<GiveBackResult> results) {
            this.request = request;
            this.results = results;
        }

        @Override
        void answer(long sequence) {
            request.replyTo.tell(new QueueReply.GivenBack(request.token, results));
        }

        @Override
        void refuse(Refusal refusal) {
            request.replyTo.tell(
                    new QueueReply.GivenBack(request.token, Collections.nCopies(request.handles.size(), refusal)));
        }

        @Override
        Durability level() {
            return Durability.WRITTEN;
        }
    }

    private static final class CloseWaiting extends Waiting {
        final SessionClosed request;

        CloseWaiting(SessionClosed request) {
            this.request = request;
        }

        @Override
        void answer(long sequence) {
            request.replyTo.tell(new QueueReply.ConsumerReleased(request.token));
        }

        @Override
        void refuse(Refusal refusal) {
            answer(-1);
        }

        @Override
        Durability level() {
            return Durability.WRITTEN;
        }
    }

    private final Identity identity;
    private final Owner owner;
    private final StripeHandle stripe;
    private final GroupQueueState state;
    private GroupPolicy policy;
    private final StripePort port;
    private final Outbox<Part> outbox;
    private final ActorRef<? super Queue.Released> queue;
    private final Consumer<ToDispatcher> dispatcher;
    private final TimerScheduler<Command> timers;
    private final RandomGenerator random;
    private final DeliveryReader reader;
    private final Executor readExecutor;
    private final AtomicLong stripeBytes;
    /** Known when the queue has told where it ends. */
    private HotOffsets hotOffsets;

    private final int handlesPerRecordMax;
    private final TokenBatch tokens = new TokenBatch(4);
    /** What is not answered, in order of arrival; answered ones leave when they come to the front. */
    private final ArrayDeque<Waiting> unanswered = new ArrayDeque<>();
    /** Whose bodies are being read, or cannot be read yet, in order. */
    private final ArrayDeque<PopWaiting> unread = new ArrayDeque<>();
    /** What came while a snapshot waits for the batches before it. */
    private final ArrayDeque<Command> heldBack = new ArrayDeque<>();

    private final ArrayDeque<StoreWriter.SnapshotRequested> snapshotsWanted = new ArrayDeque<>();
    private final List<Drain> drains = new ArrayList<>();
    /** Why nothing can be decided any more, null while it can. */
    private Refusal closed;

    private boolean isReading;
    private long heldOwnerNumber;
    private long readableEnd;
    private long toldAvailable;
    private long toldFloor;
    /** The floor when nothing was on its way the last time: every Ack below it is written. */
    private long writtenFloor;

    private long timerMillis = Long.MAX_VALUE;
    private long averageBodyBytes;

    /**
     * @param state recovered or new; handed over, nobody else touches it any more
     * @param heldOwnerNumber own number of the last record that is in the state, 0 for none
     * @param dispatcher takes what this queue reports; only tells it on
     * @param stripeBytes bytes of messages written to the stripe since the start
     * @param random for nonces: handles must not be guessed
     */
    public static Behavior<Command> create(
            Identity identity,
            StripeHandle stripe,
            GroupQueueState state,
            long heldOwnerNumber,
            ActorRef<? super Queue.Command> queue,
            Consumer<ToDispatcher> dispatcher,
            AtomicLong stripeBytes,
            RandomGenerator random) {
        return Behaviors.setup(context -> Behaviors.withTimers(timers -> new GroupQueue(
                context, timers, identity, stripe, state, heldOwnerNumber, queue, dispatcher, stripeBytes, random)));
    }

    private GroupQueue(
            ActorContext<Command> context,
            TimerScheduler<Command> timers,
            Identity identity,
            StripeHandle stripe,
            GroupQueueState state,
            long heldOwnerNumber,
            ActorRef<? super Queue.Command> queue,
            Consumer<ToDispatcher> dispatcher,
            AtomicLong stripeBytes,
            RandomGenerator random) {
        super(context);
        this.timers = timers;
        this.identity = identity;
        this.policy = identity.policy;
        this.stripe = stripe;
        this.state = state;
        this.heldOwnerNumber = heldOwnerNumber;
        this.queue = queue;
        this.dispatcher = dispatcher;
        this.random = random;
        this.stripeBytes = stripeBytes;
        owner = Owner.group(identity.queueId, identity.groupId);
        reader = new DeliveryReader(identity, stripe);
        readExecutor = context.getSystem().dispatchers().lookup(DispatcherSelector.fromConfig(identity.readDispatcher));
        port = new StripePort(stripe, context.messageAdapter(StoreWriter.Event.class, FromStore::new));
        port.register(owner);
        outbox = new Outbox<>(port, owner, identity.frameBytes);
        handlesPerRecordMax = (outbox.frameBytesMax() - FrameSize.FRAME_BYTES - FIXED_RECORD_BYTES) / BYTES_PER_HANDLE;
        toldFloor = state.floor();
        writtenFloor = toldFloor;
        queue.tell(new Queue.Attach(identity.groupId, toldFloor, context.getSelf()));
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
            dispatcher.accept(new ServedBefore(
                    identity.queueId, Arrays.copyOf(ids[0], count[0]), Arrays.copyOf(ids[1], count[0])));
        }
    }

    @Override
    public Receive<Command> createReceive() {
        return newReceiveBuilder()
                .onMessage(FromStore.class, this::onStoreEvent)
                .onMessage(Readable.class, this::onReadable)
                .onMessage(Truncated.class, this::onTruncated)
                .onMessage(BodiesRead.class, this::onBodiesRead)
                .onMessageEquals(Due.INSTANCE, this::onDue)
                .onMessageEquals(ReadAgain.INSTANCE, this::onReadAgain)
                .onMessage(Describe.class, this::onDescribe)
                .onMessage(Drain.class, this::onDrain)
                .onMessageEquals(Delete.INSTANCE, this::onDelete)
                .onMessage(Command.class, this::onDecision)
                .onSignal(PostStop.class, this::onPostStop)
                .build();
    }

    /** Whatever needs a decision waits while a snapshot is wanted: the snapshot holds written records only. */
    private Behavior<Command> onDecision(Command command) {
        if (closed != null) {
            refuse(command, closed);
        } else if (snapshotsWanted.isEmpty()) {
            decide(command);
            settleDown();
        } else {
            heldBack.addLast(command);
        }
        return this;
    }

    private void decide(Command command) {
        if (command instanceof Pop pop) {
            onPop(pop);
        } else if (command instanceof Ack ack) {
            onAck(ack);
        } else if (command instanceof Change change) {
            onChange(change);
        } else if (command instanceof GiveBack giveBack) {
            onGiveBack(giveBack);
        } else if (command instanceof ConsumerGone gone) {
            onConsumerGone(gone);
        } else if (command instanceof SessionClosed closed) {
            onSessionClosed(closed);
        } else if (command instanceof Configure configure) {
            policy = configure.policy;
        } else if (!(command instanceof BreakerChanged)) {
            throw new AssertionError(command);
        }
    }

    /** After every decision: sends what there is to send, tells what others have to know, sets the timer. */
    private void settleDown() {
        outbox.sendNext();
        long available = state.available(readableEnd);
        if (available > 0 && toldAvailable == 0) {
            toldAvailable = available;
            dispatcher.accept(new Available(identity.queueId, available));
        }
        // An Ack that is decided and not written must not free its message: a crash would keep neither of them.
        if (outbox.isEmpty()) {
            writtenFloor = state.floor();
        }
        if (writtenFloor - toldFloor >= RELEASE_STEP) {
            toldFloor = writtenFloor;
            queue.tell(new Queue.Released(identity.groupId, toldFloor));
        }
        long due = state.nextDueMillis();
        if (due < timerMillis) {
            timerMillis = due;
            long delay = Math.max(1, due - stripe.clock().millis());
            timers.startSingleTimer(Due.INSTANCE, Duration.ofMillis(delay));
        }
    }

    // ---- pop ----------------------------------------------------------------------------------------------------

    private void onPop(Pop request) {
        PopCommand asked = request.pop;
        PopCommand pop = bounded(asked);
        long reserved = FrameSize.FRAME_BYTES + FIXED_RECORD_BYTES + (long) BYTES_PER_HANDLE * pop.maxMessages();
        if (!port.account().tryReserve(reserved, StripeBudget.Tier.DELIVERY)) {
            // The dispatcher first: it must not take a repetition for one that the queue still has.
            tellPopped(asked, Popped.ANSWERED);
            request.session.tell(new QueueReply.PopRefused(
                    pop.requestId(), StoreRefusals.of(stripe.budget().refusal(StripeBudget.Tier.DELIVERY))));
            return;
        }
        PopDecision decision = state.decidePop(
                pop, stripe.clock().millis(), readableEnd, stripe.log().epoch(), random.nextLong(), null);
        if (decision.reason() == PopReason.DELIVERED) {
            Checkpoint checkpoint = state.apply(decision.record());
            PopWaiting waiting = new PopWaiting(checkpoint, request, true);
            port.account().giveBack(reserved - append(decision.record(), waiting, true));
            unanswered.addLast(waiting);
            tellPopped(asked, countOf(decision.record().deliveries()));
            return;
        }
        port.account().giveBack(reserved);
        if (decision.reason() == PopReason.REPEATED) {
            PopWaiting waiting = new PopWaiting(decision.repeated(), request, false);
            waitForWritten(waiting, decision.repeated().isWritten());
            tellPopped(asked, Popped.ANSWERED);
        } else {
            tellPopped(asked, 0);
        }
    }

    /** As many messages as fit a record, and as probably fit the bytes; what is too much all the same is given back. */
    private PopCommand bounded(PopCommand pop) {
        long average = averageBodyBytes == 0 ? BODY_BYTES_GUESS : averageBodyBytes;
        long fitting = Math.max(1, pop.maxBytes() / average);
        int count = (int) Math.min(Math.min(pop.maxMessages(), fitting), handlesPerRecordMax);
        return count == pop.maxMessages()
                ? pop
                : new PopCommand(pop.sessionId(), pop.requestId(), count, pop.maxBytes(), pop.invisibleMillis());
    }

    private static int countOf(List<DeliveryRange> deliveries) {
        int count = 0;
        for (DeliveryRange range : deliveries) {
            count += range.count();
        }
        return count;
    }

    private void tellPopped(PopCommand asked, int gotCount) {
        toldAvailable = state.available(readableEnd);
        dispatcher.accept(new Popped(
                identity.queueId, asked.sessionId(), asked.requestId(), asked.maxMessages(), gotCount, toldAvailable));
    }

    private void deliver(PopWaiting pop) {
        unread.addLast(pop);
        readNext();
    }

    private void readNext() {
        while (!isReading && !unread.isEmpty()) {
            PopWaiting pop = unread.peekFirst();
            DeliveryReader.Job job = reader.job(state, pop.checkpoint, pop.pop.maxBytes());
            if (job.isEmpty()) {
                // Taken back in the meantime: its session is gone, or its deadline is over.
                unread.pollFirst();
                pop.session.tell(new QueueReply.PoppedNothing(pop.pop.requestId()));
                continue;
            }
            isReading = true;
            if (hotOffsets.isHot(job.lowestOffset())) {
                onOutcome(reader.read(job));
            } else {
                // The job owns what it touches; the actor goes on deciding meanwhile.
                getContext()
                        .pipeToSelf(
                                CompletableFuture.supplyAsync(() -> reader.read(job), readExecutor), BodiesRead::new);
            }
        }
    }

    private Behavior<Command> onBodiesRead(BodiesRead read) {
        if (read.failure != null) {
            throw new AssertionError("a cold read of queue " + identity.queueId + " failed", read.failure);
        }
        onOutcome(read.outcome);
        readNext();
        settleDown();
        finishDrains();
        return this;
    }

    private void onOutcome(DeliveryReader.Outcome outcome) {
        isReading = false;
        PopWaiting pop = unread.pollFirst();
        if (pop == null) {
            // Refused meanwhile: the stripe is closed.
            return;
        }
        for (DeliveryReader.Unreadable bad : outcome.unreadable()) {
            getContext()
                    .getLog()
                    .error(
                            "topic {} queue {} group {}: offset {} cannot be read and is passed over: {}",
                            identity.topic,
                            identity.queueNumber,
                            identity.group,
                            bad.offset(),
                            bad.reason());
            state.quarantine(bad.offset(), 1);
        }
        if (outcome.isRewriting()) {
            unread.addFirst(pop);
            isReading = true;
            timers.startSingleTimer(ReadAgain.INSTANCE, READ_RETRY);
            return;
        }
        List<Delivery> deliveries = outcome.deliveries();
        if (!outcome.tooMany().isEmpty()) {
            returnUntouched(outcome.tooMany());
        }
        if (deliveries.isEmpty()) {
            pop.session.tell(new QueueReply.PoppedNothing(pop.pop.requestId()));
            return;
        }
        averageBodyBytes = Math.max(1, (3 * averageBodyBytes + outcome.bodyBytes() / deliveries.size()) / 4);
        pop.session.tell(new QueueReply.Delivered(
                pop.pop.requestId(),
                deliveries,
                outcome.bodyBytes(),
                getContext().getSelf()));
    }

    private Behavior<Command> onReadAgain() {
        isReading = false;
        readNext();
        settleDown();
        finishDrains();
        return this;
    }

    /** More bytes than asked for: nobody has seen these, so they go back uncounted. */
    private void returnUntouched(List<ReceiptHandle> handles) {
        fill(handles, 0, handles.size());
        GivenBackRecord record = state.decideGiveBack(tokens, stripe.clock().millis());
        if (record != null) {
            state.apply(record);
            append(record, null, false);
        }
    }

    // ---- ack, change, give back -----------------------------------------------------------------------------------

    private void onAck(Ack request) {
        int count = request.handles.size();
        long reserved = reserve(count, StripeBudget.Tier.ACK);
        if (reserved < 0) {
            new AckWaiting(request, null)
                    .refuse(StoreRefusals.of(stripe.budget().refusal(StripeBudget.Tier.ACK)));
            return;
        }
        long left = reserved;
        AckResult[] results = null;
        boolean isSettledBefore = false;
        AckRecord record = null;
        List<AckRecord> earlier = null;
        for (int from = 0; from < count; from += handlesPerRecordMax) {
            int to = Math.min(count, from + handlesPerRecordMax);
            fill(request.handles, from, to);
            if (record != null) {
                earlier = earlier == null ? new ArrayList<>() : earlier;
                earlier.add(record);
            }
            record = state.decideAck(tokens);
            if (record != null) {
                state.apply(record);
            }
            for (int i = from; i < to; i++) {
                HandleOutcome outcome = tokens.outcome(i - from);
                if (outcome == HandleOutcome.ACCEPTED) {
                    if (results != null) {
                        results[i] = AckOutcome.ACKED;
                    }
                    continue;
                }
                if (results == null) {
                    results = new AckResult[count];
                    Arrays.fill(results, 0, i, AckOutcome.ACKED);
                }
                if (outcome == HandleOutcome.ALREADY_SETTLED) {
                    results[i] = AckOutcome.ALREADY_SETTLED;
                    isSettledBefore = true;
                } else {
                    results[i] = refused(outcome, request.handles.get(i));
                }
            }
        }
        AckWaiting waiting =
                new AckWaiting(request, results == null ? null : Collections.unmodifiableList(Arrays.asList(results)));
        if (earlier != null) {
            for (AckRecord one : earlier) {
                left -= append(one, null, true);
            }
        }
        if (record != null) {
            left -= append(record, waiting, true);
            unanswered.addLast(waiting);
        } else if (isSettledBefore || earlier != null) {
            waitForWritten(waiting, false);
        } else {
            waiting.answerOnce(-1);
        }
        port.account().giveBack(left);
    }

    private void onChange(Change request) {
        int count = request.handles.size();
        long reserved = reserve(count, StripeBudget.Tier.EXTENSION);
        if (reserved < 0) {
            new ChangeWaiting(request, null)
                    .refuse(StoreRefusals.of(stripe.budget().refusal(StripeBudget.Tier.EXTENSION)));
            return;
        }
        long left = reserved - request.reason.length() * 3L;
        long now = stripe.clock().millis();
        Changed changed = new Changed(now + request.millis);
        ChangeResult[] results = new ChangeResult[count];
        ChangeWaiting waiting = new ChangeWaiting(request, Collections.unmodifiableList(Arrays.asList(results)));
        List<LogRecord> records = new ArrayList<>(1);
        for (int from = 0; from < count; from += handlesPerRecordMax) {
            int to = Math.min(count, from + handlesPerRecordMax);
            fill(request.handles, from, to);
            DeadlineRecord record = state.decideChange(tokens, request.kind, now, request.millis, request.reason);
            if (record != null) {
                state.apply(record);
                records.add(record);
            }
            for (int i = from; i < to; i++) {
                HandleOutcome outcome = tokens.outcome(i - from);
                results[i] = outcome == HandleOutcome.ACCEPTED || outcome == HandleOutcome.ALREADY_RETURNED
                        ? changed
                        : refused(outcome, request.handles.get(i));
            }
        }
        left = reserved - appendAll(records, waiting);
        port.account().giveBack(Math.max(0, left));
    }

    private void onGiveBack(GiveBack request) {
        int count = request.handles.size();
        long reserved = reserve(count, StripeBudget.Tier.EXTENSION);
        if (reserved < 0) {
            new GiveBackWaiting(request, null)
                    .refuse(StoreRefusals.of(stripe.budget().refusal(StripeBudget.Tier.EXTENSION)));
            return;
        }
        long now = stripe.clock().millis();
        GiveBackResult[] results = new GiveBackResult[count];
        GiveBackWaiting waiting = new GiveBackWaiting(request, Collections.unmodifiableList(Arrays.asList(results)));
        List<LogRecord> records = new ArrayList<>(1);
        for (int from = 0; from < count; from += handlesPerRecordMax) {
            int to = Math.min(count, from + handlesPerRecordMax);
            fill(request.handles, from, to);
            GivenBackRecord record = state.decideGiveBack(tokens, now);
            if (record != null) {
                state.apply(record);
                records.add(record);
            }
            for (int i = from; i < to; i++) {
                HandleOutcome outcome = tokens.outcome(i - from);
                results[i] = switch (outcome) {
                    case ACCEPTED, ALREADY_RETURNED -> GiveBackOutcome.GIVEN_BACK;
                    case ALREADY_SETTLED -> GiveBackOutcome.ALREADY_SETTLED;
                    default -> refused(outcome, request.handles.get(i));
                };
            }
        }
        port.account().giveBack(Math.max(0, reserved - appendAll(records, waiting)));
    }

    private void onConsumerGone(ConsumerGone gone) {
        // Nobody could be told to try again later, so it is not asked whether there is room.
        for (GivenBackRecord record :
                state.decideConsumerGone(gone.sessionId, stripe.clock().millis())) {
            state.apply(record);
            append(record, null, false);
        }
    }

    private void onSessionClosed(SessionClosed closed) {
        CloseWaiting waiting = new CloseWaiting(closed);
        GivenBackRecord record =
                state.decideSessionClosed(closed.sessionId, stripe.clock().millis());
        if (record == null || record.offsets().isEmpty()) {
            waitForWritten(waiting, false);
            return;
        }
        state.apply(record);
        append(record, waiting, false);
        unanswered.addLast(waiting);
    }

    /** Returns what was reserved, -1 if there is no room. */
    private long reserve(int handleCount, StripeBudget.Tier tier) {
        long records = 1 + handleCount / handlesPerRecordMax;
        long bytes = records * (FrameSize.FRAME_BYTES + FIXED_RECORD_BYTES) + (long) BYTES_PER_HANDLE * handleCount;
        return port.account().tryReserve(bytes, tier) ? bytes : -1;
    }

    private void fill(List<ReceiptHandle> handles, int from, int to) {
        tokens.clear();
        for (int i = from; i < to; i++) {
            ReceiptHandle handle = handles.get(i);
            tokens.add(handle.queueOffset(), handle.epoch(), handle.checkpointSequence(), handle.nonce());
        }
    }

    private Refusal refused(HandleOutcome outcome, ReceiptHandle handle) {
        String message = "offset " + handle.queueOffset() + " of queue " + identity.queueNumber + " of topic "
                + identity.topic + " for group " + identity.group;
        return switch (outcome) {
            case ALREADY_SETTLED -> Refusal.of(Refusal.Code.STALE_HANDLE, message + " is settled");
            case FORGED_HANDLE ->
                Refusal.of(Refusal.Code.FORGED_HANDLE, message + " was never delivered with this handle");
            case UNKNOWN_OFFSET -> Refusal.of(Refusal.Code.FORGED_HANDLE, message + " was never delivered");
            default ->
                Refusal.of(
                        Refusal.Code.STALE_HANDLE,
                        message + " has gone out again or was given back since this delivery");
        };
    }

    // ---- the way to the stripe ------------------------------------------------------------------------------------

    /** Returns how much of the reservation the records take. */
    private long appendAll(List<LogRecord> records, Waiting waiting) {
        if (records.isEmpty()) {
            waitForWritten(waiting, false);
            return 0;
        }
        long taken = 0;
        for (int i = 0; i < records.size(); i++) {
            taken += append(records.get(i), i == records.size() - 1 ? waiting : null, true);
        }
        unanswered.addLast(waiting);
        return taken;
    }

    private long append(LogRecord record, Waiting waitingOrNull, boolean isReserved) {
        long bytes = FrameSize.ofRecord(record);
        Outbox.Batch<Part> batch = outbox.batchFor(bytes, bytes);
        if (waitingOrNull != null) {
            batch.parts.add(new Part(waitingOrNull, batch.recordCount()));
            if (waitingOrNull.level() == Durability.FLUSHED) {
                batch.wantDurable();
            }
        }
        return outbox.add(batch, record, bytes, isReserved);
    }

    /**
     * The answer needs no record of its own, but those of others before it must be written.
     *
     * @param isWritten whether what it speaks of is written already
     */
    private void waitForWritten(Waiting waiting, boolean isWritten) {
        if (!isWritten && !outbox.isEmpty()) {
            outbox.newest().parts.add(new Part(waiting, -1));
            unanswered.addLast(waiting);
            return;
        }
        long sequence = state.heldSequence();
        boolean isDurableWanted = waiting.level() == Durability.FLUSHED || port.isRewriting();
        if (isDurableWanted && sequence > stripe.log().durableSequence()) {
            unanswered.addLast(waiting);
            port.awaitDurable(sequence, () -> waiting.answerOnce(sequence));
        } else {
            waiting.answerOnce(sequence);
        }
    }

    private Behavior<Command> onStoreEvent(FromStore message) {
        StoreWriter.Event event = message.event;
        if (event instanceof StoreWriter.Written written) {
            onWritten(written);
        } else if (event instanceof StoreWriter.Durable durable) {
            port.onDurable(durable);
        } else if (event instanceof StoreWriter.FlushFailed failed) {
            port.onFlushFailed(failed);
        } else if (event instanceof StoreWriter.Rewritten rewritten) {
            port.onRewritten(rewritten);
        } else if (event instanceof StoreWriter.SnapshotRequested requested) {
            snapshotsWanted.addLast(requested);
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
        answerSnapshots();
        settleDown();
        finishDrains();
        return this;
    }

    private void onWritten(StoreWriter.Written written) {
        Outbox.Batch<Part> batch = outbox.written();
        long lastSequence = port.onWritten(written);
        Frame frame = written.frame();
        heldOwnerNumber = frame.ownerNumber(frame.recordCount() - 1);
        // The next frame goes first: bodies are read and answers made while it is written.
        outbox.sendNext();
        long firstSequence = frame.firstSequence();
        List<Checkpoint> unheard = null;
        for (Part part : batch.parts) {
            Waiting waiting = part.waiting;
            long sequence = part.lastRecord < 0 ? lastSequence : firstSequence + part.lastRecord;
            if (part.lastRecord >= 0 && waiting instanceof PopWaiting pop) {
                pop.recordWritten(sequence);
                if (pop.isAnswered && !isAskedAgain(pop, batch.parts)) {
                    unheard = unheard == null ? new ArrayList<>(1) : unheard;
                    unheard.add(pop.checkpoint);
                }
            }
            if (waiting.level() == Durability.FLUSHED) {
                if (batch.wantsDurable()) {
                    port.whenDurable(sequence, () -> waiting.answerOnce(sequence));
                } else {
                    port.awaitDurable(sequence, () -> waiting.answerOnce(sequence));
                }
            } else {
                waiting.answerOnce(sequence);
            }
        }
        state.written(lastSequence);
        if (unheard != null) {
            unheard.forEach(this::returnUnheard);
        }
    }

    private static boolean isAskedAgain(PopWaiting refused, List<Part> parts) {
        for (Part part : parts) {
            if (!part.waiting.isAnswered
                    && part.waiting instanceof PopWaiting pop
                    && pop.checkpoint == refused.checkpoint) {
                return true;
            }
        }
        return false;
    }

    /** Refused with an unknown outcome, and written after all: nobody has seen these messages, so they go back uncounted. */
    private void returnUnheard(Checkpoint checkpoint) {
        tokens.clear();
        state.visitInFlight(
                checkpoint,
                (offset, attempt, deadline) ->
                        tokens.add(offset, checkpoint.epoch(), checkpoint.sequence(), checkpoint.nonce()));
        GivenBackRecord record = state.decideGiveBack(tokens, stripe.clock().millis());
        if (record != null) {
            state.apply(record);
            append(record, null, false);
        }
    }

    /** When nothing is on its way the state is what is written. */
    private void answerSnapshots() {
        if (snapshotsWanted.isEmpty()) {
            return;
        }
        outbox.sendNext();
        if (!outbox.isEmpty()) {
            return;
        }
        while (!snapshotsWanted.isEmpty()) {
            stripe.writer()
                    .tell(new StoreWriter.Snapshot(
                            snapshotsWanted.pollFirst().checkpointId(), owner, snapshotFrames()));
        }
        toldFloor = state.floor();
        queue.tell(new Queue.Released(identity.groupId, toldFloor));
        while (!heldBack.isEmpty()) {
            decide(heldBack.pollFirst());
        }
    }

    private List<Frame> snapshotFrames() {
        if (state.heldSequence() < 0) {
            return List.of();
        }
        List<Frame> frames = new ArrayList<>();
        byte[] payload = state.snapshot().encode();
        for (SnapshotRecord part :
                SnapshotRecord.split(state.heldSequence(), heldOwnerNumber, 0, payload, outbox.frameBytesMax() / 2)) {
            frames.add(
                    Frame.builder(part.payload().length + 128).add(owner, part).build());
        }
        return frames;
    }

    /** The stripe is closed: nothing on its way was appended, and nothing more will be. */
    private void onRejected(StoreWriter.Rejected rejected) {
        port.onRejected(rejected);
        outbox.clear();
        closed = StoreRefusals.of(rejected);
        refuseUnanswered(closed);
        refuseUnread(closed);
        heldBack.forEach(command -> refuse(command, closed));
        heldBack.clear();
        snapshotsWanted.clear();
    }

    private void refuseUnanswered(Refusal refusal) {
        for (Waiting waiting : unanswered) {
            waiting.refuseOnce(refusal);
        }
        unanswered.clear();
    }

    /** What is written and out, but not read: its deadline rules. */
    private void refuseUnread(Refusal refusal) {
        for (PopWaiting pop : unread) {
            pop.refuse(refusal);
        }
        unread.clear();
    }

    private void refuse(Command command, Refusal refusal) {
        if (command instanceof Pop pop) {
            tellPopped(pop.pop, Popped.ANSWERED);
            pop.session.tell(new QueueReply.PopRefused(pop.pop.requestId(), refusal));
        } else if (command instanceof Ack ack) {
            new AckWaiting(ack, null).refuse(refusal);
        } else if (command instanceof Change change) {
            new ChangeWaiting(change, null).refuse(refusal);
        } else if (command instanceof GiveBack giveBack) {
            new GiveBackWaiting(giveBack, null).refuse(refusal);
        } else if (command instanceof SessionClosed closed) {
            new CloseWaiting(closed).refuse(refusal);
        }
    }

    // ---- what else happens ----------------------------------------------------------------------------------------

    private Behavior<Command> onReadable(Readable readable) {
        if (hotOffsets == null) {
            hotOffsets = new HotOffsets(stripeBytes, identity.segmentBytes, readable.endOffset);
        } else {
            hotOffsets.written(readable.endOffset);
        }
        readableEnd = Math.max(readableEnd, readable.endOffset);
        settleDown();
        return this;
    }

    private Behavior<Command> onTruncated(Truncated truncated) {
        return this;
    }

    private Behavior<Command> onDue() {
        timerMillis = Long.MAX_VALUE;
        state.expire(stripe.clock().millis());
        settleDown();
        return this;
    }

    private Behavior<Command> onDescribe(Describe describe) {
        GroupQueueCounts counts = state.counts(readableEnd);
        long oldest = counts.depth() > 0 && !isReading ? reader.bornMillis(state.floor()) : 0;
        describe.replyTo.tell(new Described(identity.queueId, counts, oldest));
        return this;
    }

    private Behavior<Command> onDrain(Drain drain) {
        drains.add(drain);
        finishDrains();
        return this;
    }

    private void finishDrains() {
        while (!unanswered.isEmpty() && unanswered.peekFirst().isAnswered) {
            unanswered.pollFirst();
        }
        if (!drains.isEmpty() && unanswered.isEmpty() && unread.isEmpty() && outbox.isEmpty() && heldBack.isEmpty()) {
            drains.forEach(drain -> drain.replyTo.tell(new Drained()));
            drains.clear();
        }
    }

    private Behavior<Command> onDelete() {
        Refusal refusal = Refusal.of(
                Refusal.Code.UNKNOWN_GROUP,
                "group " + identity.group + " of topic " + identity.topic + " has been deleted");
        refuseUnanswered(refusal);
        refuseUnread(refusal);
        heldBack.forEach(command -> refuse(command, refusal));
        heldBack.clear();
        queue.tell(new Queue.Released(identity.groupId, state.floor()));
        stripe.writer().tell(new StoreWriter.Forget(owner));
        return Behaviors.stopped();
    }

    private Behavior<Command> onPostStop(PostStop signal) {
        Refusal refusal = StoreRefusals.outcomeUnknown(
                "queue " + identity.queueNumber + " of topic " + identity.topic + " stops for group " + identity.group);
        refuseUnanswered(refusal);
        refuseUnread(refusal);
        return this;
    }
}
