package io.forebay.queue;

import akka.actor.typed.ActorRef;
import akka.actor.typed.Behavior;
import akka.actor.typed.PostStop;
import akka.actor.typed.javadsl.AbstractBehavior;
import akka.actor.typed.javadsl.ActorContext;
import akka.actor.typed.javadsl.Behaviors;
import akka.actor.typed.javadsl.Receive;
import akka.actor.typed.javadsl.TimerScheduler;
import io.forebay.protocol.Durability;
import io.forebay.protocol.ReceiptHandle;
import io.forebay.protocol.Refusal;
import io.forebay.protocol.SessionCommand;
import io.forebay.queue.core.Checkpoint;
import io.forebay.queue.core.GroupPolicy;
import io.forebay.queue.core.GroupQueueCounts;
import io.forebay.queue.core.GroupQueueState;
import io.forebay.queue.core.MessageFilter;
import io.forebay.queue.core.Poison;
import io.forebay.queue.core.PopCommand;
import io.forebay.queue.core.PopDecision;
import io.forebay.queue.core.PopReason;
import io.forebay.storage.log.DeadlineRecord;
import io.forebay.storage.log.DeliveryRange;
import io.forebay.storage.log.EntryRecord;
import io.forebay.storage.log.GivenBackRecord;
import io.forebay.storage.log.KeyUnparkedRecord;
import io.forebay.storage.log.MessageRecord;
import io.forebay.storage.log.OffsetSet;
import io.forebay.storage.log.QueueReader;
import io.forebay.storage.log.SeekRecord;
import io.forebay.store.StoreWriter;
import io.forebay.store.StripeBudget;
import io.forebay.store.StripeHandle;
import java.time.Duration;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.List;
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
                    QuarantineReleased,
                    ConsumerGone,
                    SessionClosed,
                    Configure,
                    BreakerChanged,
                    Seek,
                    Held,
                    PurgeBelow,
                    Unpark,
                    ListParked,
                    ListUnsettled,
                    ListReceived,
                    Redrive,
                    ReceiveLetters,
                    Peek,
                    DeadLetterQueue,
                    Describe,
                    Drain,
                    Delete,
                    Due,
                    ReadAgain,
                    Probed,
                    GoOn,
                    BodiesRead,
                    Scanned,
                    OriginsRead,
                    OldestRead,
                    DeadLetterQueueGone,
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

    /** These offsets may be read again, by whoever has not passed them over. Idempotent. */
    public record QuarantineReleased(OffsetSet offsets) implements Command {}

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

    /**
     * Which messages are not settled. Answered by {@link UnsettledOffsets}.
     *
     * @param endOffset exclusive
     */
    public record ListUnsettled(
            long fromOffset, long endOffset, int countMax, ActorRef<? super UnsettledOffsets> replyTo)
            implements Command {}

    /** Which letters of a dead-letter queue of another stripe have come here. Answered by {@link ReceivedOffsets}. */
    public record ListReceived(int fromQueueId, ActorRef<? super ReceivedOffsets> replyTo) implements Command {}

    /**
     * Moves dead letters to queues of this stripe, each in one frame with its settlement, or settles those that another stripe has
     * received. Answered by {@link RedriveDone} when that is flushed. Idempotent: what is settled stays as it is.
     */
    public record Redrive(
            List<Redriven> letters, ActorRef<? super RedriveDone> replyTo, ActorRef<? super OperatorRefused> refusedTo)
            implements Command {}

    /**
     * A dead letter and where it goes.
     *
     * @param entryOrNull what the queue gets; null if the letter is there already
     * @param to the queue, of this stripe; null if the letter is there already
     */
    public record Redriven(long offset, EntryRecord entryOrNull, int toQueueId, ActorRef<Queue.Command> to) {}

    /**
     * Takes dead letters of another stripe into queues of this one, each in one frame with a note of it. Answered by {@link
     * LettersReceived} when that is flushed. Idempotent: what has come before does not come again.
     *
     * @param fromQueueId the dead-letter queue of the other stripe
     * @param fromFloor everything below is settled there
     */
    public record ReceiveLetters(
            int fromQueueId,
            long fromFloor,
            List<Received> letters,
            ActorRef<? super LettersReceived> replyTo,
            ActorRef<? super OperatorRefused> refusedTo)
            implements Command {}

    /** @param to the queue, of this stripe */
    public record Received(long fromOffset, MessageRecord message, int toQueueId, ActorRef<Queue.Command> to) {}

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

    enum Due implements Command {
        INSTANCE
    }

    enum ReadAgain implements Command {
        INSTANCE
    }

    /** More to look at, or poison to deal with again. */
    enum GoOn implements Command {
        INSTANCE
    }

    record Scanned(MessageFilter filter, MessageScanner.Found found, Throwable failure) implements Command {}

    record OriginsRead(List<Poison> poison, MessageScanner.Origins origins, Throwable failure) implements Command {}

    /** The actor of the dead-letter queue has stopped. */
    record DeadLetterQueueGone(int queueId) implements Command {}

    record OldestRead(MessageScanner.Origins origins, Throwable failure) implements Command {}

    record BodiesRead(DeliveryReader.Outcome outcome, Throwable failure) implements Command {}

    record Probed(long offset, QueueReader.Result result, Throwable failure) implements Command {}

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

    /**
     * @param offsets in order
     * @param nextOffset where to go on; nothing was left out below
     * @param floor everything below is settled
     */
    public record UnsettledOffsets(int queueId, long[] offsets, long nextOffset, long floor) {}

    /**
     * @param offsets of the letters that are settled now and were not before, in order
     * @param tooFarOffset the first letter that lies too far behind the oldest one that stays, -1 if none does
     * @param floor the oldest one that stays
     */
    public record RedriveDone(int queueId, long[] offsets, long tooFarOffset, long floor) {}

    /** @param offsets those of them that the other stripe may not have settled yet are all there */
    public record ReceivedOffsets(int queueId, OffsetSet offsets) {}

    /** All of them are in their queues. */
    public record LettersReceived(int queueId) {}

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

        /**
         * Whether the queue that was answered last has not been deleted; false as soon as somebody could be told that its topic is. Any
         * thread.
         */
        default boolean isThere(int queueId) {
            return true;
        }
    }

    /** Everything taken before is answered. */
    public record Drained() {}

    /** What a dispatcher is told. */
    public sealed interface ToDispatcher permits Available, Popped, Activity, ServedBefore, ReadFailing {}

    /** So many messages could be popped now. Told when it was none before, and when it is none though it was not popped. */
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

    /**
     * Messages of this queue cannot be read for now, or can again. Told when that changes: whoever is told that there is nothing has to
     * be told this instead.
     *
     * @param refusalOrNull what to tell, null if nothing is in the way any more
     */
    public record ReadFailing(int queueId, Refusal refusalOrNull) implements ToDispatcher {}

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
     * @param quarantineAfterMillis how long the device may fail to give a message before it is quarantined
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
            String readDispatcher,
            long quarantineAfterMillis) {}

    /** A nack's delay that the group's own schedule is to give. */
    public static final long BACKOFF = SessionCommand.ChangeInvisible.BACKOFF;

    private final Identity identity;
    private final StripeHandle stripe;
    private final GroupQueueState state;
    private final GroupEnvironment environment;
    private final GroupAppender appender;
    private final GroupDeliveries deliveries;
    private final GroupLookAhead lookAhead;
    private final GroupBurial burial;
    private final GroupOperator operator;
    private final GroupRedrive redrive;
    private final GroupReports reports;
    private final GroupSettlement settlement;
    private final ActorRef<? super Queue.Command> queue;
    private final TimerScheduler<Command> timers;
    private final GroupMarks marks;
    private final RandomGenerator random;

    /** What came while a snapshot waits for the batches before it. */
    private final ArrayDeque<Command> heldBack = new ArrayDeque<>();

    /** What came before the queue has said how far it goes. */
    private final List<Command> tooEarly = new ArrayList<>();

    private final ArrayDeque<StoreWriter.SnapshotRequested> snapshotsWanted = new ArrayDeque<>();
    private final List<Drain> drains = new ArrayList<>();
    /** Why nothing can be decided any more, null while it can. */
    private Refusal closed;

    private long timerMillis = Long.MAX_VALUE;

    /**
     * @param state recovered or new; handed over, nobody else touches it any more
     * @param heldOwnerNumber own number of the last record that is in the state, 0 for none
     * @param dispatcher takes what this queue reports; only tells it on
     * @param deadLetters asked when there is a dead letter
     * @param stripeBytes bytes of messages written to the stripe since the start
     * @param marks told behind each turn how the group stands
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
            GroupMarks marks,
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
                marks,
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
            GroupMarks marks,
            RandomGenerator random) {
        super(context);
        this.timers = timers;
        this.identity = identity;
        this.stripe = stripe;
        this.state = state;
        this.queue = queue;
        this.marks = marks;
        this.random = random;
        environment =
                new GroupEnvironment(context, timers, identity, stripe, state, queue, stripeBytes, this::mayDecide);
        appender = new GroupAppender(
                identity,
                stripe,
                state,
                heldOwnerNumber,
                context.messageAdapter(StoreWriter.Event.class, FromStore::new));
        deliveries = new GroupDeliveries(environment, appender);
        lookAhead = new GroupLookAhead(environment, appender);
        burial = new GroupBurial(environment, appender, deadLetters);
        operator = new GroupOperator(environment, appender, burial);
        redrive = new GroupRedrive(environment, appender);
        configure(identity.policy);
        settlement = new GroupSettlement(environment, appender);
        reports = new GroupReports(environment, appender, operator, dispatcher);
        reports.begin();
    }

    private void configure(GroupPolicy policy) {
        environment.policy(policy);
        // What cannot even be taken out of the dead letters has nowhere else to go.
        boolean isDeadLetters = identity.topic.startsWith(DeadLetterForm.TOPIC_PREFIX);
        state.configure(
                policy,
                isDeadLetters ? 0 : policy.maxAttempts(),
                policy.wantsActivity(state.inFlightMax()),
                environment.now());
    }

    @Override
    public Receive<Command> createReceive() {
        return newReceiveBuilder()
                .onMessage(FromStore.class, this::onStoreEvent)
                .onMessage(Readable.class, this::onReadable)
                .onMessage(Scanned.class, scanned -> then(() -> lookAhead.onScanned(scanned)))
                .onMessage(OriginsRead.class, read -> then(() -> burial.onRead(read)))
                .onMessage(DeadLetterQueue.class, found -> then(() -> burial.onQueue(found)))
                .onMessage(DeadLetterQueueGone.class, gone -> then(() -> burial.onQueueGone(gone.queueId)))
                .onMessage(Quarantined.class, found -> then(() -> quarantine(found.offsets)))
                .onMessage(QuarantineReleased.class, found -> then(() -> state.released(found.offsets)))
                .onMessage(BodiesRead.class, read -> then(() -> deliveries.onRead(read)))
                .onMessageEquals(ReadAgain.INSTANCE, () -> then(deliveries::readAgain))
                .onMessage(Probed.class, probed -> then(() -> deliveries.onProbed(probed)))
                .onMessageEquals(GoOn.INSTANCE, this::onGoOn)
                .onMessageEquals(Due.INSTANCE, this::onDue)
                .onMessage(ListParked.class, list -> then(() -> operator.listParked(list)))
                .onMessage(ListUnsettled.class, this::onQuestion)
                .onMessage(ListReceived.class, list -> then(() -> redrive.received(list)))
                .onMessage(Peek.class, this::onQuestion)
                .onMessage(Describe.class, this::onQuestion)
                .onMessage(OldestRead.class, read -> then(() -> operator.oldestRead(read)))
                .onMessage(Drain.class, this::onDrain)
                .onMessageEquals(Delete.INSTANCE, this::onDelete)
                .onMessage(Command.class, this::onDecision)
                .onSignal(PostStop.class, this::onPostStop)
                .build();
    }

    private Behavior<Command> then(Runnable step) {
        step.run();
        settleDown();
        finishDrains();
        return this;
    }

    /** What depends on how far the queue goes waits until the queue has said so: a new group would take it for an empty one. */
    private Behavior<Command> onQuestion(Command question) {
        if (!environment.isEndKnown()) {
            tooEarly.add(question);
            return this;
        }
        return then(() -> {
            if (question instanceof ListUnsettled list) {
                redrive.unsettled(list);
            } else if (question instanceof Peek peek) {
                operator.peek(peek);
            } else if (question instanceof Describe describe) {
                operator.describe(describe);
            } else {
                throw new AssertionError(question);
            }
        });
    }

    /** Whatever needs a decision waits while a snapshot is wanted: the snapshot holds written records only. */
    private Behavior<Command> onDecision(Command command) {
        if (closed != null) {
            refuse(command, closed);
        } else if (!environment.isEndKnown() && needsEnd(command)) {
            tooEarly.add(command);
        } else if (snapshotsWanted.isEmpty()) {
            decide(command);
            settleDown();
        } else {
            heldBack.addLast(command);
        }
        return this;
    }

    private static boolean needsEnd(Command command) {
        return command instanceof Seek || command instanceof PurgeBelow || command instanceof Redrive;
    }

    private boolean mayDecide() {
        return closed == null && snapshotsWanted.isEmpty();
    }

    private void decide(Command command) {
        if (command instanceof Pop pop) {
            onPop(pop);
        } else if (command instanceof Ack ack) {
            settlement.onAck(ack);
        } else if (command instanceof Change change) {
            settlement.onChange(change);
        } else if (command instanceof GiveBack giveBack) {
            settlement.onGiveBack(giveBack);
        } else if (command instanceof ConsumerGone gone) {
            onConsumerGone(gone);
        } else if (command instanceof SessionClosed closed) {
            onSessionClosed(closed);
        } else if (command instanceof Configure configure) {
            configure(configure.policy);
        } else if (command instanceof BreakerChanged breaker) {
            state.breaker(breaker.isOpen);
        } else if (command instanceof Seek seek) {
            operator.seek(seek, reports.toldFloor());
        } else if (command instanceof Held held) {
            onHeld(held);
        } else if (command instanceof PurgeBelow purge) {
            operator.purge(purge);
        } else if (command instanceof Unpark unpark) {
            operator.unpark(unpark);
        } else if (command instanceof Redrive letters) {
            redrive.redrive(letters);
        } else if (command instanceof ReceiveLetters letters) {
            redrive.receive(letters);
        } else if (command instanceof Truncated truncated) {
            operator.truncate(truncated.firstOffset);
        } else {
            throw new AssertionError(command);
        }
    }

    /** After every decision: sends what there is to send, tells what others have to know, sets the timer. */
    private void settleDown() {
        long now = stripe.clock().millis();
        if (state.nextDueMillis() <= now) {
            // What was put back without a delay goes out at once: a timer would take its time.
            state.expire(now);
        }
        takeBackUncounted();
        lookAhead.proceed();
        burial.proceed();
        appender.sendNext();
        reports.proceed();
        state.visitCounts(environment.readableEnd(), marks);
        long due = state.nextDueMillis();
        if (due < timerMillis) {
            timerMillis = due;
            long delay = Math.max(1, due - environment.now());
            timers.startSingleTimer(Due.INSTANCE, Duration.ofMillis(delay));
        }
    }

    private void takeBackUncounted() {
        if (mayDecide()) {
            for (GivenBackRecord record : state.decideUncounted(environment.now())) {
                state.apply(record);
                appender.append(record);
            }
        }
    }

    private void onHeld(Held held) {
        long beginsAt = operator.held(held);
        if (beginsAt >= 0) {
            reports.wentBack(beginsAt);
        }
        reports.tellFloorAgain();
    }

    // ---- pop ----------------------------------------------------------------------------------------------------

    private void onPop(Pop request) {
        PopCommand asked = request.pop;
        PopCommand pop = deliveries.bounded(asked);
        long reserved = FrameSize.FRAME_BYTES
                + GroupAppender.FIXED_RECORD_BYTES
                + (long) GroupAppender.BYTES_PER_HANDLE * pop.maxMessages();
        if (!appender.tryReserve(reserved, StripeBudget.Tier.DELIVERY)) {
            // The dispatcher first: it must not take a repetition for one that the queue still has.
            reports.popped(asked, Popped.ANSWERED);
            request.session.tell(
                    new QueueReply.PopRefused(pop.requestId(), appender.refusal(StripeBudget.Tier.DELIVERY)));
            return;
        }
        PopDecision decision = state.decidePop(
                pop, environment.now(), environment.readableEnd(), stripe.log().epoch(), random.nextLong(), null);
        if (decision.reason() == PopReason.DELIVERED && environment.deliveryTrouble.isFailing()) {
            // The dispatcher knows why, and whether another queue has something.
            appender.giveBack(reserved);
            reports.popped(asked, 0);
            return;
        }
        if (decision.reason() == PopReason.DELIVERED) {
            Checkpoint checkpoint = state.apply(decision.record());
            Waiting waiting = deliveries.waiting(checkpoint, request, true);
            appender.giveBack(reserved - appender.append(decision.record(), waiting, true));
            reports.popped(asked, countOf(decision.record().deliveries()));
            return;
        }
        appender.giveBack(reserved);
        if (decision.reason() == PopReason.REPEATED) {
            Waiting waiting = deliveries.waiting(decision.repeated(), request, false);
            appender.waitForWritten(waiting, decision.repeated().isWritten());
            reports.popped(asked, Popped.ANSWERED);
        } else {
            reports.popped(asked, 0);
        }
    }

    private static int countOf(List<DeliveryRange> deliveries) {
        int count = 0;
        for (DeliveryRange range : deliveries) {
            count += range.count();
        }
        return count;
    }

    // ---- the ends of sessions -------------------------------------------------------------------------------------

    private void onConsumerGone(ConsumerGone gone) {
        // Nobody could be told to try again later, so it is not asked whether there is room.
        for (GivenBackRecord record : state.decideConsumerGone(gone.sessionId, environment.now())) {
            state.apply(record);
            appender.append(record);
        }
    }

    private void onSessionClosed(SessionClosed closing) {
        Waiting waiting = new Waiting.Close(closing);
        GivenBackRecord record = state.decideSessionClosed(closing.sessionId, environment.now());
        if (record == null || record.offsets().isEmpty()) {
            appender.waitForWritten(waiting, false);
            return;
        }
        state.apply(record);
        appender.append(record, waiting, false);
    }

    // ---- what the stripe says ---------------------------------------------------------------------------------------

    private Behavior<Command> onStoreEvent(FromStore message) {
        StoreWriter.Event event = message.event;
        StripePort port = appender.port();
        if (event instanceof StoreWriter.Written written) {
            deliveries.returnUnheard(appender.onWritten(written));
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
            appender.refuseUnanswered(StoreRefusals.outcomeUnknown(unavailable.detail()));
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

    /** When nothing is on its way the state is what is written. */
    private void answerSnapshots() {
        if (snapshotsWanted.isEmpty()) {
            return;
        }
        appender.sendNext();
        if (!appender.isEmpty()) {
            return;
        }
        while (!snapshotsWanted.isEmpty()) {
            stripe.writer()
                    .tell(new StoreWriter.Snapshot(
                            snapshotsWanted.pollFirst().checkpointId(), appender.owner(), appender.snapshotFrames()));
        }
        reports.tellFloor();
        while (!heldBack.isEmpty()) {
            decide(heldBack.pollFirst());
        }
    }

    /** The stripe is closed: nothing on its way was appended, and nothing more will be. */
    private void onRejected(StoreWriter.Rejected rejected) {
        appender.onRejected(rejected);
        closed = StoreRefusals.of(rejected);
        refuseEverybody(closed);
        snapshotsWanted.clear();
    }

    private void refuseEverybody(Refusal refusal) {
        appender.refuseUnanswered(refusal);
        deliveries.refuseUnread(refusal);
        operator.refuseSeeks(refusal);
        burial.forget();
        heldBack.forEach(command -> refuse(command, refusal));
        heldBack.clear();
        tooEarly.forEach(command -> refuse(command, refusal));
        tooEarly.clear();
    }

    private void refuse(Command command, Refusal refusal) {
        if (command instanceof Pop pop) {
            reports.popped(pop.pop, Popped.ANSWERED);
            pop.session.tell(new QueueReply.PopRefused(pop.pop.requestId(), refusal));
        } else if (command instanceof Ack ack) {
            new Waiting.Ack(ack, null).refuse(refusal);
        } else if (command instanceof Change change) {
            new Waiting.Change(change, null).refuse(refusal);
        } else if (command instanceof GiveBack giveBack) {
            new Waiting.GiveBack(giveBack, null).refuse(refusal);
        } else if (command instanceof SessionClosed closing) {
            new Waiting.Close(closing).refuse(refusal);
        } else {
            operator.refuse(command, refusal);
            redrive.refuse(command, refusal);
        }
    }

    // ---- what else happens ----------------------------------------------------------------------------------------

    private Behavior<Command> onReadable(Readable readable) {
        environment.readable(readable.endOffset);
        if (readable.firstOffset > state.floor()) {
            // Dropped while this group was not there to hear of it.
            onDecision(new Truncated(readable.firstOffset));
        }
        for (Command command : tooEarly) {
            if (needsEnd(command)) {
                onDecision(command);
            } else {
                onQuestion(command);
            }
        }
        tooEarly.clear();
        settleDown();
        return this;
    }

    private void quarantine(OffsetSet offsets) {
        for (int range = 0; range < offsets.rangeCount(); range++) {
            state.quarantine(offsets.rangeFirst(range), offsets.rangeLast(range) - offsets.rangeFirst(range) + 1);
        }
    }

    private Behavior<Command> onGoOn() {
        lookAhead.goOn();
        burial.goOn();
        settleDown();
        return this;
    }

    private Behavior<Command> onDue() {
        timerMillis = Long.MAX_VALUE;
        state.expire(environment.now());
        settleDown();
        return this;
    }

    private Behavior<Command> onDrain(Drain drain) {
        drains.add(drain);
        finishDrains();
        return this;
    }

    private void finishDrains() {
        if (appender.isEverythingAnswered()
                && !drains.isEmpty()
                && deliveries.isEmpty()
                && appender.isEmpty()
                && heldBack.isEmpty()) {
            drains.forEach(drain -> drain.replyTo.tell(new Drained()));
            drains.clear();
        }
    }

    private Behavior<Command> onDelete() {
        refuseEverybody(Refusal.of(
                Refusal.Code.UNKNOWN_GROUP,
                "group " + identity.group + " of topic " + identity.topic + " has been deleted"));
        queue.tell(new Queue.Released(identity.groupId, state.floor()));
        stripe.writer().tell(new StoreWriter.Forget(appender.owner()));
        return Behaviors.stopped();
    }

    private Behavior<Command> onPostStop(PostStop signal) {
        refuseEverybody(StoreRefusals.outcomeUnknown("queue " + identity.queueNumber + " of topic " + identity.topic
                + " stops for group " + identity.group));
        return this;
    }
}
