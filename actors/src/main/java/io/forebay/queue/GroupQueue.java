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
import io.forebay.protocol.SessionCommand;
import io.forebay.queue.core.Checkpoint;
import io.forebay.queue.core.GroupActivity;
import io.forebay.queue.core.GroupPolicy;
import io.forebay.queue.core.GroupQueueCounts;
import io.forebay.queue.core.GroupQueueState;
import io.forebay.queue.core.HandleOutcome;
import io.forebay.queue.core.MessageFilter;
import io.forebay.queue.core.Poison;
import io.forebay.queue.core.PoisonPolicy;
import io.forebay.queue.core.PopCommand;
import io.forebay.queue.core.PopDecision;
import io.forebay.queue.core.PopReason;
import io.forebay.queue.core.TokenBatch;
import io.forebay.storage.log.AckRecord;
import io.forebay.storage.log.DeadLetteredRecord;
import io.forebay.storage.log.DeadlineRecord;
import io.forebay.storage.log.DeliveryRange;
import io.forebay.storage.log.EntryRecord;
import io.forebay.storage.log.FilteredRecord;
import io.forebay.storage.log.Frame;
import io.forebay.storage.log.GivenBackRecord;
import io.forebay.storage.log.KeyParkedRecord;
import io.forebay.storage.log.KeyUnparkedRecord;
import io.forebay.storage.log.LogRecord;
import io.forebay.storage.log.OffsetSet;
import io.forebay.storage.log.Owner;
import io.forebay.storage.log.PurgeRecord;
import io.forebay.storage.log.QuarantinedRecord;
import io.forebay.storage.log.SeekRecord;
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
                    Quarantined,
                    ConsumerGone,
                    SessionClosed,
                    Configure,
                    BreakerChanged,
                    Seek,
                    Held,
                    PurgeBelow,
                    Unpark,
                    ListParked,
                    Peek,
                    DeadLetterQueue,
                    Describe,
                    Drain,
                    Delete,
                    Due,
                    ReadAgain,
                    GoOn,
                    BodiesRead,
                    Scanned,
                    OriginsRead,
                    OldestRead,
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

    /**
     * Moves deadlines; answered by {@link QueueReply.Changed}.
     *
     * @param millis from now; {@link #BACKOFF} for a nack that leaves it to the group
     */
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

    /** These offsets of the queue cannot be read: they are passed over, and nobody settles them. Idempotent. */
    public record Quarantined(OffsetSet offsets) implements Command {}

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

    /**
     * Lets the group begin anew in this queue; handles given out before are stale. Answered by {@link SeekDone} when that is
     * written.
     *
     * @param offset the next one to go out; clamped to what is stored
     * @param askedMillis the log time asked for, {@link SeekRecord#BY_OFFSET} if there is none
     * @param isDryRun only says what it would do
     */
    public record Seek(
            long offset,
            long askedMillis,
            boolean isDryRun,
            ActorRef<? super SeekDone> replyTo,
            ActorRef<? super OperatorRefused> refusedTo)
            implements Command {}

    /** The queue keeps what is stored from here on: the answer to {@link Queue.Hold}. */
    public record Held(long firstOffset) implements Command {}

    /**
     * Settles unseen what lies below an offset. Answered by {@link PurgeDone} when that is written.
     *
     * @param belowOffset clamped to what is readable
     */
    public record PurgeBelow(
            long belowOffset,
            boolean isDryRun,
            ActorRef<? super PurgeDone> replyTo,
            ActorRef<? super OperatorRefused> refusedTo)
            implements Command {}

    /**
     * Lets parked keys go on. Answered by {@link UnparkDone} when that is written.
     *
     * @param messageGroup the key; "" for all that are parked
     */
    public record Unpark(
            String messageGroup,
            KeyUnparkedRecord.How how,
            ActorRef<? super UnparkDone> replyTo,
            ActorRef<? super OperatorRefused> refusedTo)
            implements Command {}

    /** Answered by {@link ParkedKeys}. */
    public record ListParked(ActorRef<? super ParkedKeys> replyTo) implements Command {}

    /** Which messages would go out next; answered by {@link NextOffsets}. */
    public record Peek(int countMax, ActorRef<? super NextOffsets> replyTo) implements Command {}

    /**
     * Where this group's dead letters go in this stripe.
     *
     * @param queue null if it cannot be had now
     * @param refusal why, else null
     */
    public record DeadLetterQueue(int queueId, ActorRef<Queue.Command> queue, Refusal refusal) implements Command {}

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

    /** More to look at, or poison to deal with again. */
    private enum GoOn implements Command {
        INSTANCE
    }

    private record Scanned(MessageFilter filter, MessageScanner.Found found, Throwable failure) implements Command {}

    private record OriginsRead(List<Poison> poison, MessageScanner.Origins origins, Throwable failure)
            implements Command {}

    private record OldestRead(MessageScanner.Origins origins, Throwable failure) implements Command {}

    private record BodiesRead(DeliveryReader.Outcome outcome, Throwable failure) implements Command {}

    private record FromStore(StoreWriter.Event event) implements Command {}

    /**
     * How the group stands in this queue.
     *
     * @param oldestBornMillis when the oldest message that is not settled was made, 0 if not known or none
     * @param blockingKey if the oldest message holds up the queue, its key; "" if it has none
     */
    public record Described(int queueId, GroupQueueCounts counts, long oldestBornMillis, String blockingKey) {}

    /** An operator's command that could not be done. */
    public record OperatorRefused(int queueId, Refusal refusal) {}

    /**
     * What a {@link Seek} did, or would do.
     *
     * @param fromOffset the oldest message that was not settled before
     * @param cursor how far the group had come
     * @param toOffset where it begins now
     * @param isClamped whether that is not where it was asked to: nothing is stored there
     */
    public record SeekDone(int queueId, long fromOffset, long cursor, long toOffset, boolean isClamped) {}

    /**
     * What a {@link PurgeBelow} did, or would do.
     *
     * @param belowOffset as it was clamped
     * @param count messages that were not settled
     */
    public record PurgeDone(int queueId, long belowOffset, long count) {}

    /** @param count keys that go on */
    public record UnparkDone(int queueId, int count) {}

    /** A key that waits for an operator. */
    public record ParkedKey(
            String messageGroup,
            long blockedOffset,
            int attempts,
            long parkedMillis,
            String reason,
            int waitingCount) {}

    /** @param keys in order of the message that blocks each */
    public record ParkedKeys(int queueId, List<ParkedKey> keys) {}

    /** @param offsets in the order in which they would go out */
    public record NextOffsets(int queueId, long[] offsets, long readableEnd) {}

    /** Asks for the queue that takes the dead letters; the answer is {@link DeadLetterQueue}. */
    @FunctionalInterface
    public interface DeadLetterSource {
        void ask(ActorRef<? super DeadLetterQueue> replyTo);
    }

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
            String nodeName,
            int nodeId,
            int frameBytes,
            int segmentBytes,
            GroupPolicy policy,
            String readDispatcher) {}

    private static final int FIXED_RECORD_BYTES = 160;
    private static final int BYTES_PER_HANDLE = 16;
    /** Offsets that may be settled before the queue is told so. */
    private static final long RELEASE_STEP = 1024;

    /** A nack's delay that the group's own schedule is to give. */
    public static final long BACKOFF = SessionCommand.ChangeInvisible.BACKOFF;

    private static final Duration READ_RETRY = Duration.ofMillis(20);
    /** Before poison is dealt with again for which there was no room, or no dead-letter queue. */
    private static final Duration POISON_RETRY = Duration.ofMillis(200);
    /** Messages looked at in one go. */
    private static final int SCAN_COUNT = 512;
    /** So many that could go out are enough for now. */
    private static final int SCAN_READY_ENOUGH = 512;
    /** Messages dead-lettered or parked in one go. */
    private static final int POISON_COUNT = 64;
    /** Of an entry beside its properties and texts. */
    private static final int POISON_RECORD_BYTES = 1024;

    private static final long BODY_BYTES_GUESS = 1024;

    /** One {@link Waiting} in a batch, and the index of its last record there; -1: it waits for the batch as a whole. */
    private record Part(Waiting waiting, int lastRecord) {}

    private final class PopWaiting extends Waiting {
        final Checkpoint checkpoint;
        final PopCommand pop;
        final ActorRef<QueueReply> session;
        final boolean isNew;

        PopWaiting(Checkpoint checkpoint, Pop request, boolean isNew) {
            super(policy.popLevel());
            this.checkpoint = checkpoint;
            this.pop = request.pop;
            this.session = request.session;
            this.isNew = isNew;
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
    }

    private final Identity identity;
    private final Owner owner;
    private final StripeHandle stripe;
    private final GroupQueueState state;
    private GroupPolicy policy;
    private final StripePort port;
    private final Outbox<Part> outbox;
    private final ActorRef<? super Queue.Command> queue;
    private final Consumer<ToDispatcher> dispatcher;
    private final DeadLetterSource deadLetters;
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

    /** Where the group began in this queue: to be its first record. */
    private final long beginning;

    private boolean hasBegun;

    private MessageScanner scanner;
    private boolean isScanRunning;
    private boolean isScanPaused;
    private MessageScanner originScanner;
    private boolean isOriginsRunning;
    private boolean isOriginsPaused;
    private DeadLetterQueue deadLetterQueue;
    private boolean isDeadLetterQueueAsked;
    /** Who wants to know how the group stands: answered together by one look at the oldest message. */
    private final List<Describe> describes = new ArrayList<>();
    /** Parked messages on their way to the dead letters, in order of the commands. */
    private final ArrayDeque<Burial> burials = new ArrayDeque<>();
    /** Seeks that wait for the queue's word, in order. */
    private final ArrayDeque<Seek> seeks = new ArrayDeque<>();

    /**
     * @param state recovered or new; handed over, nobody else touches it any more
     * @param heldOwnerNumber own number of the last record that is in the state, 0 for none
     * @param dispatcher takes what this queue reports; only tells it on
     * @param deadLetters asked once, when it has a dead letter
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
            DeadLetterSource deadLetters,
            AtomicLong stripeBytes,
            RandomGenerator random) {
        return Behaviors.setup(context -> Behaviors.withTimers(timers -> new GroupQueue(
                context,
                timers,
                identity,
                stripe,
                state,
                heldOwnerNumber,
                queue,
                dispatcher,
                deadLetters,
                stripeBytes,
                random)));
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
            DeadLetterSource deadLetters,
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
        this.deadLetters = deadLetters;
        this.random = random;
        this.stripeBytes = stripeBytes;
        owner = Owner.group(identity.queueId, identity.groupId);
        reader = new DeliveryReader(identity, stripe);
        readExecutor = context.getSystem().dispatchers().lookup(DispatcherSelector.fromConfig(identity.readDispatcher));
        port = new StripePort(stripe, context.messageAdapter(StoreWriter.Event.class, FromStore::new));
        port.register(owner);
        outbox = new Outbox<>(port, owner, identity.frameBytes);
        handlesPerRecordMax = (outbox.frameBytesMax() - FrameSize.FRAME_BYTES - FIXED_RECORD_BYTES) / BYTES_PER_HANDLE;
        beginning = state.floor();
        configure(policy);
        toldFloor = state.floor();
        writtenFloor = toldFloor;
        queue.tell(new Queue.Attach(identity.groupId, toldFloor, context.getSelf()));
        tellServedBefore();
    }

    private void configure(GroupPolicy newPolicy) {
        policy = newPolicy;
        // What cannot even be taken out of the dead letters has nowhere else to go.
        boolean isDeadLetters = identity.topic.startsWith(DeadLetterForm.TOPIC_PREFIX);
        state.configure(
                policy,
                isDeadLetters ? 0 : policy.maxAttempts(),
                policy.wantsActivity(state.inFlightMax()),
                stripe.clock().millis());
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
                .onMessage(Scanned.class, this::onScanned)
                .onMessage(OriginsRead.class, this::onOriginsRead)
                .onMessage(OldestRead.class, this::onOldestRead)
                .onMessage(DeadLetterQueue.class, this::onDeadLetterQueue)
                .onMessageEquals(GoOn.INSTANCE, this::onGoOn)
                .onMessage(ListParked.class, this::onListParked)
                .onMessage(Peek.class, this::onPeek)
                .onMessage(Quarantined.class, this::onQuarantined)
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
            configure(configure.policy);
        } else if (command instanceof BreakerChanged breaker) {
            state.breaker(breaker.isOpen);
        } else if (command instanceof Seek seek) {
            onSeek(seek);
        } else if (command instanceof Held held) {
            onHeld(held);
        } else if (command instanceof PurgeBelow purge) {
            onPurge(purge);
        } else if (command instanceof Unpark unpark) {
            onUnpark(unpark);
        } else if (command instanceof Truncated truncated) {
            truncate(truncated.firstOffset);
        } else {
            throw new AssertionError(command);
        }
    }

    /** After every decision: sends what there is to send, tells what others have to know, sets the timer. */
    private void settleDown() {
        takeBackUncounted();
        lookAhead();
        dealWithPoison();
        outbox.sendNext();
        long available = state.available(readableEnd);
        if (available > 0 && toldAvailable == 0) {
            toldAvailable = available;
            dispatcher.accept(new Available(identity.queueId, available));
        }
        tellActivity();
        // An Ack that is decided and not written must not free its message: a crash would keep neither of them.
        if (outbox.isEmpty()) {
            writtenFloor = state.floor();
        }
        if (writtenFloor - toldFloor >= RELEASE_STEP) {
            tellFloor(writtenFloor);
        }
        long due = state.nextDueMillis();
        if (due < timerMillis) {
            timerMillis = due;
            long delay = Math.max(1, due - stripe.clock().millis());
            timers.startSingleTimer(Due.INSTANCE, Duration.ofMillis(delay));
        }
    }

    private void tellFloor(long floor) {
        toldFloor = floor;
        queue.tell(new Queue.Released(identity.groupId, floor));
    }

    private void tellActivity() {
        GroupActivity activity = state.activity();
        if (!activity.isEmpty()) {
            dispatcher.accept(new Activity(
                    identity.queueId,
                    state.inFlightCount(),
                    activity.acked(),
                    activity.failed(),
                    activity.freedSessionIds(),
                    activity.freedCounts()));
            activity.clear();
        }
    }

    /** While a snapshot is wanted nothing is decided. */
    private boolean mayDecide() {
        return closed == null && snapshotsWanted.isEmpty();
    }

    // ---- what fails ---------------------------------------------------------------------------------------------

    private void takeBackUncounted() {
        if (mayDecide()) {
            for (GivenBackRecord record : state.decideUncounted(stripe.clock().millis())) {
                state.apply(record);
                append(record, null, false);
            }
        }
    }

    private void dealWithPoison() {
        if (isOriginsRunning || isOriginsPaused || !mayDecide() || !state.hasPoisoned() && burials.isEmpty()) {
            return;
        }
        if (deadLetterQueue == null && (policy.poison() == PoisonPolicy.DEAD_LETTER || !burials.isEmpty())) {
            askForDeadLetterQueue();
            return;
        }
        while (!burials.isEmpty()) {
            List<Poison> parked = burials.peekFirst().next();
            if (!parked.isEmpty()) {
                readOrigins(parked);
                return;
            }
            waitForWritten(burials.pollFirst().waiting, false);
        }
        List<Poison> poison = state.takePoisoned(POISON_COUNT);
        if (!poison.isEmpty()) {
            readOrigins(poison);
        }
    }

    private void askForDeadLetterQueue() {
        if (!isDeadLetterQueueAsked) {
            isDeadLetterQueueAsked = true;
            deadLetters.ask(getContext().getSelf());
        }
    }

    private Behavior<Command> onDeadLetterQueue(DeadLetterQueue found) {
        isDeadLetterQueueAsked = false;
        if (found.queue == null) {
            burials.forEach(burial -> burial.waiting.refuseOnce(found.refusal));
            burials.clear();
            getContext()
                    .getLog()
                    .warn(
                            "topic {} queue {} group {}: messages that failed for the last time wait for their dead-letter"
                                    + " queue: {}",
                            identity.topic,
                            identity.queueNumber,
                            identity.group,
                            found.refusal.text());
            isOriginsPaused = true;
            timers.startSingleTimer(
                    GoOn.INSTANCE,
                    found.refusal.retryAfterMillis() > 0
                            ? Duration.ofMillis(found.refusal.retryAfterMillis())
                            : POISON_RETRY);
            return this;
        }
        deadLetterQueue = found;
        settleDown();
        return this;
    }

    private void readOrigins(List<Poison> poison) {
        long[] offsets = poison.stream().mapToLong(Poison::queueOffset).toArray();
        if (originScanner == null) {
            originScanner = new MessageScanner(identity.queueId, stripe);
        }
        isOriginsRunning = true;
        MessageScanner from = originScanner;
        getContext()
                .pipeToSelf(
                        CompletableFuture.supplyAsync(() -> from.origins(offsets), readExecutor),
                        (origins, failure) -> new OriginsRead(poison, origins, failure));
    }

    private Behavior<Command> onOriginsRead(OriginsRead read) {
        if (read.failure != null) {
            throw new AssertionError("a read of queue " + identity.queueId + " failed", read.failure);
        }
        isOriginsRunning = false;
        if (!mayDecide()) {
            // The snapshot has them as they were; they are read again behind it.
            read.poison.forEach(poison -> state.poisonedAgain(poison.queueOffset()));
            settleDown();
            return this;
        }
        boolean isRetried = read.origins.isRewriting();
        for (int i = 0; i < read.poison.size(); i++) {
            Poison poison = read.poison.get(i);
            if (i >= read.origins.found().size()
                    || !bury(poison, read.origins.found().get(i))) {
                state.poisonedAgain(poison.queueOffset());
                isRetried = true;
            }
        }
        if (isRetried) {
            // Nothing at once: what was in the way has to go first.
            isOriginsPaused = true;
            timers.startSingleTimer(GoOn.INSTANCE, POISON_RETRY);
        }
        settleDown();
        finishDrains();
        return this;
    }

    private Behavior<Command> onGoOn() {
        isOriginsPaused = false;
        isScanPaused = false;
        settleDown();
        return this;
    }

    /** Dead-letters or parks; false if that has to wait. */
    private boolean bury(Poison poison, MessageScanner.Origin origin) {
        long offset = poison.queueOffset();
        KeyParkedRecord parked = state.parkedAt(offset);
        if (parked == null && !state.isPoison(offset)) {
            return true; // acked, purged or tried again meanwhile
        }
        if (origin.reasonOrNull() != null) {
            unreadable(offset, origin.reasonOrNull());
            return true;
        }
        boolean isToPark = parked == null
                && policy.poison() == PoisonPolicy.PARK
                && !origin.messageGroup().isEmpty();
        if (!isToPark && deadLetterQueue == null) {
            askForDeadLetterQueue();
            return false;
        }
        if (isToPark) {
            return park(poison, origin);
        }
        if (parked == null) {
            return deadLetter(poison, origin, null);
        }
        boolean isDone = deadLetter(
                poison,
                origin,
                state.decideUnpark(
                        offset,
                        KeyUnparkedRecord.How.DEAD_LETTERED,
                        stripe.clock().millis()));
        if (isDone && !burials.isEmpty()) {
            burials.peekFirst().count++;
        }
        return isDone;
    }

    private boolean park(Poison poison, MessageScanner.Origin origin) {
        KeyParkedRecord record = new KeyParkedRecord(
                poison.queueOffset(),
                poison.attempts(),
                stripe.clock().millis(),
                origin.messageGroup(),
                poison.reason());
        long reserved = FrameSize.FRAME_BYTES + FrameSize.ofRecord(record);
        if (!port.account().tryReserve(reserved, StripeBudget.Tier.ACK)) {
            return false;
        }
        state.apply(record);
        port.account().giveBack(reserved - append(record, null, true));
        getContext()
                .getLog()
                .warn(
                        "topic {} queue {} group {}: key '{}' is parked behind offset {} after {} attempts: {}",
                        identity.topic,
                        identity.queueNumber,
                        identity.group,
                        origin.messageGroup(),
                        poison.queueOffset(),
                        poison.attempts(),
                        poison.reason());
        return true;
    }

    /**
     * The entry in the dead-letter queue and the settlement are one frame: both are there or neither is.
     *
     * @param unparkedOrNull what lets the key go on, if it is parked behind the message
     */
    private boolean deadLetter(Poison poison, MessageScanner.Origin origin, KeyUnparkedRecord unparkedOrNull) {
        EntryRecord entry = DeadLetterForm.entry(identity, origin, poison);
        DeadLetteredRecord record = new DeadLetteredRecord(
                poison.queueOffset(), deadLetterQueue.queueId, poison.attempts(), poison.reason());
        long entryBytes = FrameSize.ofRecord(entry);
        long unparkedBytes = unparkedOrNull == null ? 0 : FrameSize.ofRecord(unparkedOrNull);
        long bytes = entryBytes + FrameSize.ofRecord(record) + unparkedBytes + POISON_RECORD_BYTES;
        long reserved = FrameSize.FRAME_BYTES + bytes;
        if (!port.account().tryReserve(reserved, StripeBudget.Tier.ACK)) {
            return false;
        }
        begin();
        state.apply(record);
        Outbox.Batch<Part> batch = outbox.batchFor(bytes, bytes);
        long taken = outbox.add(batch, Owner.queue(deadLetterQueue.queueId), entry, entryBytes, true);
        batch.parts.add(new Part(new DeadLetter(deadLetterQueue.queue), batch.recordCount() - 1));
        // The group's own record last: what it holds in a snapshot is told by the last record of its frames.
        taken += outbox.add(batch, record, FrameSize.ofRecord(record), true);
        if (unparkedOrNull != null) {
            state.apply(unparkedOrNull);
            taken += outbox.add(batch, unparkedOrNull, unparkedBytes, true);
        }
        port.account().giveBack(reserved - taken);
        return true;
    }

    /** An entry for the dead-letter queue, which is told when it is written. */
    private static final class DeadLetter extends Waiting {
        final ActorRef<Queue.Command> queue;

        DeadLetter(ActorRef<Queue.Command> queue) {
            super(Durability.WRITTEN);
            this.queue = queue;
        }

        @Override
        void answer(long sequence) {
            // Told by the batch, which knows the offset.
        }

        @Override
        void refuse(Refusal refusal) {
            // Nobody asked.
        }
    }

    private void unreadable(long offset, String reason) {
        getContext()
                .getLog()
                .error(
                        "topic {} queue {} group {}: offset {} cannot be read and is passed over: {}",
                        identity.topic,
                        identity.queueNumber,
                        identity.group,
                        offset,
                        reason);
        state.quarantine(offset, 1);
        queue.tell(new Queue.Quarantine(offset, 1, -1, QuarantinedRecord.Cause.BAD_FRAME, reason));
    }

    // ---- looking ahead --------------------------------------------------------------------------------------------

    private void lookAhead() {
        if (isScanRunning
                || isScanPaused
                || !mayDecide()
                || !state.isScanDue(readableEnd)
                || state.scannedReadyCount() >= SCAN_READY_ENOUGH) {
            return;
        }
        if (scanner == null) {
            scanner = new MessageScanner(identity.queueId, stripe);
        }
        long from = state.scanFrom();
        int count = state.scanCount(readableEnd, SCAN_COUNT);
        MessageFilter filter = policy.filter();
        isScanRunning = true;
        if (hotOffsets != null && hotOffsets.isHot(from)) {
            found(scanner.scan(from, count, filter));
            if (!isScanPaused && state.isScanDue(readableEnd) && state.scannedReadyCount() < SCAN_READY_ENOUGH) {
                // Others have their turn in between.
                isScanPaused = true;
                getContext().getSelf().tell(GoOn.INSTANCE);
            }
            return;
        }
        MessageScanner by = scanner;
        getContext()
                .pipeToSelf(
                        CompletableFuture.supplyAsync(() -> by.scan(from, count, filter), readExecutor),
                        (found, failure) -> new Scanned(filter, found, failure));
    }

    private Behavior<Command> onScanned(Scanned scanned) {
        if (scanned.failure != null) {
            throw new AssertionError("a scan of queue " + identity.queueId + " failed", scanned.failure);
        }
        if (mayDecide() && scanned.filter == policy.filter()) {
            found(scanned.found);
        } else {
            isScanRunning = false; // looked at again: behind the snapshot, or with the filter that is set now
        }
        settleDown();
        return this;
    }

    private void found(MessageScanner.Found found) {
        isScanRunning = false;
        for (int i = 0; i < found.count(); i++) {
            state.scanned(found.firstOffset() + i, found.wanted()[i], found.keyHashes()[i]);
        }
        MessageScanner.Unreadable bad = found.unreadableOrNull();
        if (bad != null && bad.offset() == state.scanFrom()) {
            unreadable(bad.offset(), bad.reason());
            state.scannedUnreadable(bad.offset());
        }
        FilteredRecord filtered = state.decideFiltered();
        if (filtered != null) {
            state.apply(filtered);
            append(filtered, null, false);
        }
        if (found.isRewriting()) {
            isScanPaused = true;
            timers.startSingleTimer(GoOn.INSTANCE, READ_RETRY);
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
            unreadable(bad.offset(), bad.reason());
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
            new Waiting.Ack(request, null)
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
        Waiting waiting =
                new Waiting.Ack(request, results == null ? null : Collections.unmodifiableList(Arrays.asList(results)));
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
            new Waiting.Change(request, null)
                    .refuse(StoreRefusals.of(stripe.budget().refusal(StripeBudget.Tier.EXTENSION)));
            return;
        }
        long now = stripe.clock().millis();
        boolean isNack = request.kind == DeadlineRecord.Kind.NACKED;
        ChangeResult[] results = new ChangeResult[count];
        Waiting waiting = new Waiting.Change(request, Collections.unmodifiableList(Arrays.asList(results)));
        List<LogRecord> records = new ArrayList<>(1);
        for (int from = 0; from < count; from += handlesPerRecordMax) {
            int to = Math.min(count, from + handlesPerRecordMax);
            fill(request.handles, from, to);
            if (isNack) {
                for (LogRecord record : state.decideNack(tokens, now, request.millis, request.reason)) {
                    applyReturn(record);
                    records.add(record);
                }
            } else {
                DeadlineRecord record = state.decideExtend(tokens, now, request.millis);
                if (record != null) {
                    state.apply(record);
                    records.add(record);
                }
            }
            for (int i = from; i < to; i++) {
                HandleOutcome outcome = tokens.outcome(i - from);
                results[i] = outcome == HandleOutcome.ACCEPTED || outcome == HandleOutcome.ALREADY_RETURNED
                        ? new Changed(changedTo(request, tokens.queueOffset(i - from), now))
                        : refused(outcome, request.handles.get(i));
            }
        }
        port.account().giveBack(Math.max(0, reserved - appendAll(records, waiting)));
    }

    private void applyReturn(LogRecord record) {
        if (record instanceof DeadlineRecord nacked) {
            state.apply(nacked);
        } else {
            state.apply((GivenBackRecord) record);
        }
    }

    /** When a message that was nacked by the group's schedule comes back is the state's to tell. */
    private long changedTo(Change request, long offset, long now) {
        return request.millis >= 0 ? now + request.millis : Math.max(now, state.dueMillis(offset));
    }

    private void onGiveBack(GiveBack request) {
        int count = request.handles.size();
        long reserved = reserve(count, StripeBudget.Tier.EXTENSION);
        if (reserved < 0) {
            new Waiting.GiveBack(request, null)
                    .refuse(StoreRefusals.of(stripe.budget().refusal(StripeBudget.Tier.EXTENSION)));
            return;
        }
        long now = stripe.clock().millis();
        GiveBackResult[] results = new GiveBackResult[count];
        Waiting waiting = new Waiting.GiveBack(request, Collections.unmodifiableList(Arrays.asList(results)));
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
        Waiting waiting = new Waiting.Close(closed);
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

    // ---- operators ------------------------------------------------------------------------------------------------

    /** The queue is asked first: it must not let go of what the group goes back to. */
    private void onSeek(Seek seek) {
        seeks.addLast(seek);
        queue.tell(new Queue.Hold(
                identity.groupId,
                Math.min(Math.max(0, seek.offset), state.floor()),
                getContext().getSelf()));
    }

    private void onHeld(Held held) {
        Seek seek = seeks.pollFirst();
        if (seek == null) {
            return;
        }
        long first = Math.min(held.firstOffset, readableEnd);
        long to = Math.max(first, Math.min(seek.offset, readableEnd));
        SeekDone done = new SeekDone(identity.queueId, state.floor(), state.cursor(), to, to != seek.offset);
        if (seek.isDryRun) {
            queue.tell(new Queue.Released(identity.groupId, toldFloor));
            seek.replyTo.tell(done);
            return;
        }
        SeekRecord record = state.decideSeek(to, stripe.clock().millis(), seek.askedMillis);
        Waiting waiting = told(() -> seek.replyTo.tell(done), seek.refusedTo);
        long reserved = FrameSize.FRAME_BYTES + FrameSize.ofRecord(record);
        if (!isReservedOrRefused(reserved, waiting)) {
            queue.tell(new Queue.Released(identity.groupId, toldFloor));
            return;
        }
        state.apply(record);
        toldFloor = Math.min(toldFloor, to);
        writtenFloor = Math.min(writtenFloor, to);
        port.account().giveBack(Math.max(0, reserved - appendAll(List.of(record), waiting)));
    }

    private void onPurge(PurgeBelow purge) {
        long below = Math.min(purge.belowOffset, readableEnd);
        long depth = state.counts(readableEnd).depth();
        PurgeRecord record = state.decidePurge(below, stripe.clock().millis());
        if (record == null || purge.isDryRun) {
            purge.replyTo.tell(
                    new PurgeDone(identity.queueId, below, record == null ? 0 : state.unsettledBelow(below)));
            return;
        }
        long[] count = {0};
        Waiting waiting =
                told(() -> purge.replyTo.tell(new PurgeDone(identity.queueId, below, count[0])), purge.refusedTo);
        long reserved = FrameSize.FRAME_BYTES + FrameSize.ofRecord(record);
        if (isReservedOrRefused(reserved, waiting)) {
            state.apply(record);
            count[0] = depth - state.counts(readableEnd).depth();
            port.account().giveBack(Math.max(0, reserved - appendAll(List.of(record), waiting)));
        }
    }

    private void truncate(long firstOffset) {
        PurgeRecord record = state.decidePurge(firstOffset, stripe.clock().millis());
        if (record != null) {
            state.apply(record);
            append(record, null, false);
        }
    }

    private void onUnpark(Unpark unpark) {
        List<KeyParkedRecord> parked = new ArrayList<>();
        for (KeyParkedRecord record : state.parkedKeys()) {
            if (unpark.messageGroup.isEmpty() || record.messageGroup().equals(unpark.messageGroup)) {
                parked.add(record);
            }
        }
        if (unpark.how == KeyUnparkedRecord.How.DEAD_LETTERED && !parked.isEmpty()) {
            Burial burial = new Burial(unpark, parked);
            burials.addLast(burial);
            unanswered.addLast(burial.waiting);
            return;
        }
        int count = parked.size();
        Waiting waiting = told(() -> unpark.replyTo.tell(new UnparkDone(identity.queueId, count)), unpark.refusedTo);
        List<LogRecord> records = new ArrayList<>();
        long reserved = FrameSize.FRAME_BYTES;
        for (KeyParkedRecord record : parked) {
            KeyUnparkedRecord unparked = state.decideUnpark(
                    record.blockedOffset(), unpark.how, stripe.clock().millis());
            records.add(unparked);
            reserved += FrameSize.ofRecord(unparked);
        }
        if (!isReservedOrRefused(reserved, waiting)) {
            return;
        }
        for (LogRecord record : records) {
            state.apply((KeyUnparkedRecord) record);
        }
        port.account().giveBack(Math.max(0, reserved - appendAll(records, waiting)));
    }

    /** Parked messages that an operator gives up. What was parked later is none of its business. */
    private final class Burial {
        final Waiting waiting;
        private final ArrayDeque<KeyParkedRecord> parked;
        int count;

        Burial(Unpark unpark, List<KeyParkedRecord> parked) {
            this.parked = new ArrayDeque<>(parked);
            waiting = told(() -> unpark.replyTo.tell(new UnparkDone(identity.queueId, count)), unpark.refusedTo);
        }

        /** Those to be read next, as far as they are still parked; empty when all are gone. */
        List<Poison> next() {
            parked.removeIf(record -> state.parkedAt(record.blockedOffset()) != record);
            return parked.stream()
                    .limit(POISON_COUNT)
                    .map(record -> {
                        Poison known = state.poisonAt(record.blockedOffset());
                        return new Poison(
                                record.blockedOffset(),
                                record.attempts(),
                                known.firstPoppedMillis(),
                                known.lastPoppedMillis(),
                                record.reason());
                    })
                    .toList();
        }
    }

    private Waiting told(Runnable answer, ActorRef<? super OperatorRefused> refusedTo) {
        return new Waiting.Told(answer, refusal -> refusedTo.tell(new OperatorRefused(identity.queueId, refusal)));
    }

    private boolean isReservedOrRefused(long bytes, Waiting waiting) {
        if (port.account().tryReserve(bytes, StripeBudget.Tier.EXTENSION)) {
            return true;
        }
        waiting.refuseOnce(StoreRefusals.of(stripe.budget().refusal(StripeBudget.Tier.EXTENSION)));
        return false;
    }

    private Behavior<Command> onListParked(ListParked list) {
        List<ParkedKey> keys = new ArrayList<>();
        for (KeyParkedRecord record : state.parkedKeys()) {
            keys.add(new ParkedKey(
                    record.messageGroup(),
                    record.blockedOffset(),
                    record.attempts(),
                    record.parkedMillis(),
                    record.reason(),
                    state.waitingBehind(record.blockedOffset())));
        }
        list.replyTo.tell(new ParkedKeys(identity.queueId, keys));
        return this;
    }

    private Behavior<Command> onPeek(Peek peek) {
        state.expire(stripe.clock().millis());
        peek.replyTo.tell(new NextOffsets(
                identity.queueId, state.nextOffsets(Math.max(0, peek.countMax), readableEnd), readableEnd));
        settleDown();
        return this;
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

    /**
     * Before its first record the group says where it begins: what it takes first may be anything, when it looks at messages
     * before it takes them.
     */
    private void begin() {
        if (heldOwnerNumber == 0 && !hasBegun) {
            hasBegun = true;
            SeekRecord record = new SeekRecord(beginning, stripe.clock().millis(), SeekRecord.BEGINNING);
            long bytes = FrameSize.ofRecord(record);
            outbox.add(outbox.batchFor(bytes, bytes), record, bytes, false);
        }
    }

    private long append(LogRecord record, Waiting waitingOrNull, boolean isReserved) {
        begin();
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
            if (waiting instanceof DeadLetter letter) {
                letter.queue.tell(new Queue.Appended(
                        frame.queueOffset(part.lastRecord) + 1,
                        firstSequence + part.lastRecord,
                        frame.ownerNumber(part.lastRecord)));
                continue;
            }
            long sequence = part.lastRecord < 0 ? lastSequence : firstSequence + part.lastRecord;
            if (part.lastRecord >= 0 && waiting instanceof PopWaiting pop) {
                pop.recordWritten(sequence);
                if (pop.isAnswered() && !isAskedAgain(pop, batch.parts)) {
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
            if (!part.waiting.isAnswered()
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
        burials.clear();
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
            new Waiting.Ack(ack, null).refuse(refusal);
        } else if (command instanceof Change change) {
            new Waiting.Change(change, null).refuse(refusal);
        } else if (command instanceof GiveBack giveBack) {
            new Waiting.GiveBack(giveBack, null).refuse(refusal);
        } else if (command instanceof SessionClosed closed) {
            new Waiting.Close(closed).refuse(refusal);
        } else if (command instanceof Seek seek) {
            seek.refusedTo.tell(new OperatorRefused(identity.queueId, refusal));
        } else if (command instanceof PurgeBelow purge) {
            purge.refusedTo.tell(new OperatorRefused(identity.queueId, refusal));
        } else if (command instanceof Unpark unpark) {
            unpark.refusedTo.tell(new OperatorRefused(identity.queueId, refusal));
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
        if (readable.firstOffset > state.floor()) {
            // Dropped while this group was not there to hear of it.
            onDecision(new Truncated(readable.firstOffset));
        }
        settleDown();
        return this;
    }

    private Behavior<Command> onQuarantined(Quarantined quarantined) {
        OffsetSet offsets = quarantined.offsets;
        for (int range = 0; range < offsets.rangeCount(); range++) {
            state.quarantine(offsets.rangeFirst(range), offsets.rangeLast(range) - offsets.rangeFirst(range) + 1);
        }
        settleDown();
        return this;
    }

    private Behavior<Command> onDue() {
        timerMillis = Long.MAX_VALUE;
        state.expire(stripe.clock().millis());
        settleDown();
        return this;
    }

    /** The oldest message may be cold, so it is looked at elsewhere; whoever asks meanwhile gets the same answer. */
    private Behavior<Command> onDescribe(Describe describe) {
        GroupQueueCounts counts = state.counts(readableEnd);
        if (counts.depth() == 0) {
            describe.replyTo.tell(new Described(identity.queueId, counts, 0, ""));
            return this;
        }
        describes.add(describe);
        if (describes.size() == 1) {
            long oldest = state.floor();
            MessageScanner by = new MessageScanner(identity.queueId, stripe);
            getContext()
                    .pipeToSelf(
                            CompletableFuture.supplyAsync(() -> by.origins(new long[] {oldest}), readExecutor),
                            OldestRead::new);
        }
        return this;
    }

    private Behavior<Command> onOldestRead(OldestRead read) {
        GroupQueueCounts counts = state.counts(readableEnd);
        MessageScanner.Origin oldest =
                read.failure != null || read.origins.found().isEmpty()
                        ? null
                        : read.origins.found().get(0);
        String key = counts.isLookAheadFull() && oldest != null ? oldest.messageGroup() : "";
        for (Describe describe : describes) {
            describe.replyTo.tell(
                    new Described(identity.queueId, counts, oldest == null ? 0 : oldest.bornMillis(), key));
        }
        describes.clear();
        return this;
    }

    private Behavior<Command> onDrain(Drain drain) {
        drains.add(drain);
        finishDrains();
        return this;
    }

    private void finishDrains() {
        while (!unanswered.isEmpty() && unanswered.peekFirst().isAnswered()) {
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
