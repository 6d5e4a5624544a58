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
import io.forebay.protocol.Message;
import io.forebay.protocol.Receipt;
import io.forebay.protocol.Refusal;
import io.forebay.queue.core.DedupWindow;
import io.forebay.queue.core.OffsetMarks;
import io.forebay.queue.core.QueueRetention;
import io.forebay.queue.core.QueueState;
import io.forebay.queue.core.RefusedKeys;
import io.forebay.queue.core.SendKey;
import io.forebay.queue.core.TopicPolicy;
import io.forebay.storage.log.DeduplicationRecord;
import io.forebay.storage.log.ExpiredRecord;
import io.forebay.storage.log.Frame;
import io.forebay.storage.log.LogRecord;
import io.forebay.storage.log.MessageRecord;
import io.forebay.storage.log.Owner;
import io.forebay.storage.log.PurgeRecord;
import io.forebay.storage.log.QuarantinedRecord;
import io.forebay.storage.log.SendWindow;
import io.forebay.storage.log.SnapshotRecord;
import io.forebay.store.StoreWriter;
import io.forebay.store.StripeBudget;
import io.forebay.store.StripeHandle;
import java.time.Duration;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Collection;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.atomic.AtomicLong;
import java.util.function.LongConsumer;

/**
 * One queue on the node that stores it: takes batches of messages, has them appended and answers with receipts, tells the
 * queue's groups how far they may read, and drops what need not be kept. {@link QueueState} decides.
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
                    Purge,
                    Quarantine,
                    OffsetAt,
                    Delete,
                    Drain,
                    Tick,
                    FromStore {}

    /**
     * Stores messages, which have been checked; answered by {@link QueueReply.Enqueued}. Sent twice they are stored twice,
     * unless the topic's deduplication knows them again: then they get their first receipts.
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
    public record Attach(int groupId, long floor, ActorRef<? super GroupQueue.Command> group) implements Command {}

    /** A group needs nothing below this offset any more; it falls again by a seek. */
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

    /**
     * Drops what lies below an offset, for everyone and settled or not; answered by {@link Purged} when that is flushed.
     * Idempotent.
     *
     * @param belowOffset what is written at most; {@link Long#MAX_VALUE} for all of it
     */
    public record Purge(long belowOffset, ActorRef<? super Purged> replyTo) implements Command {}

    /**
     * Offsets of this queue cannot be read: noted for good, and told to every group that reads it, now or later. Idempotent.
     *
     * @param position of the bad frame, -1 if not known
     * @param detail for people
     */
    public record Quarantine(long firstOffset, long count, long position, QuarantinedRecord.Cause cause, String detail)
            implements Command {}

    /** Where the first message lies that was written at a log time or later; answered by {@link OffsetRange}. */
    public record OffsetAt(long logMillis, ActorRef<? super OffsetRange> replyTo) implements Command {}

    /** Refuses what is not written yet and stops; its records are forgotten. */
    public enum Delete implements Command {
        INSTANCE
    }

    /** Answers {@link Drained} when everything taken so far is answered. */
    public record Drain(ActorRef<Drained> replyTo) implements Command {}

    private enum Tick implements Command {
        INSTANCE
    }

    private record FromStore(StoreWriter.Event event) implements Command {}

    /** Everything taken before is answered. */
    public record Drained() {}

    /**
     * The answer to {@link Purge}.
     *
     * @param firstOffset the lowest that is stored now
     * @param refusal null if it is done
     */
    public record Purged(int queueId, long firstOffset, Refusal refusal) {}

    /**
     * The answer to {@link OffsetAt}: the first message in {@code [low, high)} whose frame's log time is the one asked for or
     * later is what was asked for; if there is none it is {@code high}.
     *
     * @param high exclusive
     */
    public record OffsetRange(int queueId, long low, long high) {}

    /**
     * What a queue is, for the whole of its life.
     *
     * @param number within its topic
     * @param frameBytes size from which a frame is sent rather than filled further; one message may be larger
     * @param policy until it is {@link Configure configured} anew
     */
    public record Identity(
            int queueId, int number, String topic, String nodeName, int frameBytes, TopicPolicy policy) {}

    /** Consecutive records of one frame, and who waits for them. */
    private sealed interface Part permits SendPart, RecordPart {}

    /** Consecutive messages of one request. */
    private record SendPart(PendingSend send, int firstMessage, int count, int firstRecord) implements Part {}

    /** @param whenWritten told the frame's last sequence */
    private record RecordPart(LongConsumer whenWritten) implements Part {}

    /** A message that was sent before and waits for that one's receipt. */
    private record Joined(PendingSend send, int message) {}

    /** What a record of the queue itself takes at most, without texts. */
    private static final int RECORD_BYTES = 192;

    private static final int DETAIL_CHARS_MAX = 500;
    private static final long TICK_MILLIS_MIN = 1_000;
    private static final long TICK_MILLIS_MAX = 60_000;
    private static final long EXPIRY_LOG_MILLIS = 60_000;

    private final Identity identity;
    private final Owner owner;
    private final StripeHandle stripe;
    private final StripePort port;
    private final Outbox<Part> outbox;
    private final TimerScheduler<Command> timers;
    private final QueueState state;
    private final QueueMarks marks;
    private final AtomicLong stripeBytes;
    private final int frameBytesMax;
    private TopicPolicy policy;
    private final Map<Integer, ActorRef<? super GroupQueue.Command>> groups = new HashMap<>();
    /** What is not answered, in order of arrival; answered ones leave when they come to the front. */
    private final ArrayDeque<PendingSend> unanswered = new ArrayDeque<>();
    /** By the number, in the window, of a Send that is not written yet. */
    private final Map<Long, List<Joined>> joined = new HashMap<>();

    private final RefusedKeys refusedKeys = new RefusedKeys();
    private final SendKey sendKey = new SendKey();
    private final ArrayDeque<StoreWriter.SnapshotRequested> snapshotsWanted = new ArrayDeque<>();
    private final List<Purge> purges = new ArrayList<>();
    private final List<Drain> drains = new ArrayList<>();
    /** Why nothing can be taken any more, null while it can. */
    private Refusal closed;
    /** When the timer ticks, by log time. */
    private long tickMillis = QueueRetention.NEVER;

    private long expiredCountLogged;
    private long nextExpiryLogMillis;

    /**
     * @param state recovered or new; handed over, nobody else touches it any more
     * @param nextOffset of the next message, as the log says
     * @param groupIds of groups that read this queue and will attach: nothing they may need is let go before
     * @param marks where the queue's ends are published
     * @param stripeBytes counts what all queues of the stripe write
     */
    public static Behavior<Command> create(
            Identity identity,
            StripeHandle stripe,
            QueueState state,
            long nextOffset,
            Collection<Integer> groupIds,
            QueueMarks marks,
            AtomicLong stripeBytes) {
        return Behaviors.setup(context -> Behaviors.withTimers(timers ->
                new Queue(context, timers, identity, stripe, state, nextOffset, groupIds, marks, stripeBytes)));
    }

    private Queue(
            ActorContext<Command> context,
            TimerScheduler<Command> timers,
            Identity identity,
            StripeHandle stripe,
            QueueState state,
            long nextOffset,
            Collection<Integer> groupIds,
            QueueMarks marks,
            AtomicLong stripeBytes) {
        super(context);
        this.timers = timers;
        this.identity = identity;
        this.stripe = stripe;
        this.state = state;
        policy = identity.policy;
        owner = Owner.queue(identity.queueId);
        state.begin(nextOffset, stripe.log().releasedBelow(identity.queueId), groupIds, policy, nowMillis());
        this.marks = marks;
        this.stripeBytes = stripeBytes;
        expiredCountLogged = state.retention().expiredCount();
        publishMarks();
        frameBytesMax = stripe.log().frameBytesMax();
        port = new StripePort(stripe, context.messageAdapter(StoreWriter.Event.class, FromStore::new));
        port.register(owner);
        outbox = new Outbox<>(port, owner, identity.frameBytes);
        setTimer();
    }

    private long nowMillis() {
        return stripe.clock().millis();
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
                .onMessage(Purge.class, this::onPurge)
                .onMessage(Quarantine.class, this::onQuarantine)
                .onMessage(OffsetAt.class, this::onOffsetAt)
                .onMessageEquals(Tick.INSTANCE, this::onTick)
                .onMessage(Drain.class, this::onDrain)
                .onMessageEquals(Delete.INSTANCE, this::onDelete)
                .onSignal(PostStop.class, this::onPostStop)
                .build();
    }

    // ---- send -----------------------------------------------------------------------------------------------------

    private Behavior<Command> onEnqueue(Enqueue request) {
        PendingSend send = new PendingSend(request);
        if (closed != null) {
            send.refuse(closed);
            return this;
        }
        if (isRemembering()) {
            state.window().forgetBefore(nowMillis());
            send.keys = new PendingSend.Keys(request.messages, policy.deduplication(), sendKey);
        }
        MessageRecord[] records = new MessageRecord[send.results.length];
        long recordBytes = admit(send, records);
        if (recordBytes > 0) {
            // Each record might begin a frame of its own only if it is larger than a frame is filled.
            long reserved =
                    RECORD_BYTES + recordBytes + FrameSize.FRAME_BYTES * (2 + 2 * (recordBytes / identity.frameBytes));
            if (port.account().tryReserve(reserved, StripeBudget.Tier.SEND)) {
                take(send, records, recordBytes, reserved);
            } else {
                refuse(send, records, StoreRefusals.of(stripe.budget().refusal(StripeBudget.Tier.SEND)));
            }
        }
        if (send.missing == 0) {
            complete(send);
        }
        if (!send.isAnswered) {
            unanswered.addLast(send);
        }
        sendNext();
        return this;
    }

    private boolean isRemembering() {
        return state.window().kind() != SendWindow.Kind.OFF;
    }

    /** Finds what was sent before and what may not be taken; the records of the rest, and their bytes. */
    private long admit(PendingSend send, MessageRecord[] records) {
        RefusedKeys.Pass pass = refusedKeys.pass(send.request.sessionId);
        long recordBytes = 0;
        for (int i = 0; i < records.length; i++) {
            Message message = send.request.messages.get(i);
            String firstId = pass == null ? null : pass.firstBefore(message);
            if (isRepeated(send, i)) {
                continue;
            }
            if (firstId != null) {
                send.results[i] = Refusal.busy(
                        "message '" + firstId + "' of the same key was refused before and has to be sent first", 1);
                continue;
            }
            MessageRecord record = MessageForm.toRecord(message);
            long bytes = FrameSize.ofRecord(record);
            if (bytes + FrameSize.FRAME_BYTES > frameBytesMax) {
                send.results[i] = Refusal.tooLarge(
                        "message '" + record.id() + "'",
                        bytes + " bytes with its properties",
                        "at most " + (frameBytesMax - FrameSize.FRAME_BYTES) + " in the node's segments");
                continue;
            }
            records[i] = record;
            recordBytes += bytes;
        }
        return recordBytes;
    }

    /** Whether it was sent before: then it has the first one's receipt, or waits for it. */
    private boolean isRepeated(PendingSend send, int message) {
        PendingSend.Keys keys = send.keys;
        if (keys == null || !keys.has(message)) {
            return false;
        }
        long number = state.window().find(keys.highs[message], keys.lows[message]);
        if (number == DedupWindow.NONE) {
            return false;
        }
        send.hasRepeated = true;
        if (state.window().isWritten(number)) {
            answerRepeated(send, message, number);
        } else {
            send.missing++;
            joined.computeIfAbsent(number, absent -> new ArrayList<>()).add(new Joined(send, message));
        }
        refusedKeys.taken(send.request.sessionId, send.request.messages.get(message));
        return true;
    }

    private void answerRepeated(PendingSend send, int message, long number) {
        DedupWindow window = state.window();
        setReceipt(send, message, window.sequence(number), window.offset(number), window.payloadCrc(number));
    }

    private void setReceipt(PendingSend send, int message, long sequence, long queueOffset, int payloadCrc) {
        send.results[message] = new Receipt(
                send.request.level,
                identity.nodeName,
                stripe.stripeId(),
                sequence,
                identity.topic,
                identity.number,
                queueOffset,
                payloadCrc);
        send.lastSequence = Math.max(send.lastSequence, sequence);
    }

    private void refuse(PendingSend send, MessageRecord[] records, Refusal refusal) {
        for (int i = 0; i < records.length; i++) {
            if (records[i] != null) {
                send.results[i] = refusal;
                refusedKeys.refused(send.request.sessionId, send.request.messages.get(i));
            }
        }
    }

    private void take(PendingSend send, MessageRecord[] records, long recordBytes, long reserved) {
        long bytes = recordBytes;
        for (int i = 0; i < records.length; i++) {
            if (records[i] == null) {
                continue;
            }
            if (isRepeated(send, i)) {
                // Twice in one request.
                bytes -= FrameSize.ofRecord(records[i]);
                records[i] = null;
                continue;
            }
            PendingSend.Keys keys = send.keys;
            if (keys != null && keys.has(i)) {
                keys.numbers[i] = state.window().take(keys.highs[i], keys.lows[i]);
            }
            send.missing++;
            refusedKeys.taken(send.request.sessionId, send.request.messages.get(i));
        }
        gather(send, records, bytes, reserved);
    }

    private void gather(PendingSend send, MessageRecord[] records, long recordBytes, long reserved) {
        boolean wantsDurable = send.request.level == Durability.FLUSHED || policy.isReadableWhenDurable();
        long left = reserved - noteWindow(recordBytes);
        long following = recordBytes;
        Outbox.Batch<Part> batch = null;
        int partFirst = 0;
        int partRecord = 0;
        for (int i = 0; i < records.length; i++) {
            if (records[i] == null) {
                batch = endPart(batch, send, partFirst, i, partRecord);
                continue;
            }
            long bytes = FrameSize.ofRecord(records[i]);
            Outbox.Batch<Part> next = outbox.batchFor(bytes, following);
            following -= bytes;
            if (next != batch) {
                endPart(batch, send, partFirst, i, partRecord);
                batch = next;
                partFirst = i;
                partRecord = batch.recordCount();
                if (wantsDurable) {
                    batch.wantDurable();
                }
            }
            left -= outbox.add(batch, records[i], bytes, true);
            send.payloadCrcs[i] = records[i].payloadCrc();
        }
        endPart(batch, send, partFirst, records.length, partRecord);
        if (left < 0) {
            throw new AssertionError("reserved " + reserved + " bytes, " + (reserved - left) + " needed");
        }
        port.account().giveBack(left);
    }

    private static Outbox.Batch<Part> endPart(
            Outbox.Batch<Part> batchOrNull, PendingSend send, int firstMessage, int end, int firstRecord) {
        if (batchOrNull != null) {
            batchOrNull.parts.add(new SendPart(send, firstMessage, end - firstMessage, firstRecord));
        }
        return null;
    }

    /** Before the first message that is remembered in another way than those before it. Returns what it takes. */
    private long noteWindow(long followingBytes) {
        DeduplicationRecord note = state.decideWindowNote(nowMillis());
        return note == null ? 0 : add(note, followingBytes, false, sequence -> {});
    }

    /** Puts a record of the queue itself into the next frame; room is reserved. Returns what it takes of that. */
    private long add(LogRecord record, long followingBytes, boolean wantsDurable, LongConsumer whenWritten) {
        long bytes = FrameSize.ofRecord(record);
        Outbox.Batch<Part> batch = outbox.batchFor(bytes, bytes + followingBytes);
        if (wantsDurable) {
            batch.wantDurable();
        }
        batch.parts.add(new RecordPart(whenWritten));
        return outbox.add(batch, record, bytes, true);
    }

    /** Everything of it is known: answers when the level holds. */
    private void complete(PendingSend send) {
        // While a failed force is made good nothing is promised that lies behind what is durable.
        boolean needsDurable = send.request.level == Durability.FLUSHED || send.hasRepeated && port.isRewriting();
        if (!needsDurable || send.lastSequence < 0) {
            send.answer();
        } else if (send.hasRepeated) {
            port.awaitDurable(send.lastSequence, send::answer);
        } else {
            port.whenDurable(send.lastSequence, send::answer);
        }
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
        state.held(lastSequence, frame.ownerNumber(last));
        while (last >= 0 && frame.queueOffset(last) < 0) {
            last--;
        }
        // Groups first: the consumers' way is the longer one.
        stripeBytes.addAndGet(frame.lengthBytes());
        if (last >= 0) {
            noteMessages(
                    frame.queueOffset(last) + 1,
                    frame.firstSequence() + last,
                    frame.logTimeMillis(),
                    frame.lengthBytes());
        }
        sendNext();
        for (Part part : batch.parts) {
            if (part instanceof SendPart sent) {
                receipts(frame, sent);
            } else if (part instanceof RecordPart record) {
                record.whenWritten.accept(lastSequence);
            } else {
                throw new AssertionError(part);
            }
        }
        dropAnswered();
        expire();
        if (tickMillis == QueueRetention.NEVER) {
            setTimer();
        }
        // Last: a snapshot holds this frame's records, so what they change must be in it.
        answerSnapshots();
    }

    private void noteMessages(long endOffset, long lastSequence, long logMillis, long bytes) {
        // A frame of another appender may lie between those that are known here; its word comes when it comes.
        boolean isMore = state.written(endOffset, lastSequence, logMillis, bytes);
        marks.nextOffset(state.writtenEnd());
        if (isMore) {
            tellReadable();
        }
    }

    private Behavior<Command> onAppended(Appended appended) {
        state.held(appended.lastSequence, appended.lastOwnerNumber);
        // When exactly is not known, and the bodies are another queue's: both errs towards keeping.
        noteMessages(appended.endOffset, appended.lastSequence, nowMillis(), 0);
        if (state.awaitsDurability()) {
            // Whoever appended it need not have asked for more than WRITTEN.
            port.requestDurable(appended.lastSequence);
            onDurable();
        }
        setTimer();
        return this;
    }

    private void receipts(Frame frame, SendPart part) {
        PendingSend send = part.send;
        for (int i = 0; i < part.count; i++) {
            int message = part.firstMessage + i;
            int record = part.firstRecord + i;
            long sequence = frame.firstSequence() + record;
            setReceipt(send, message, sequence, frame.queueOffset(record), send.payloadCrcs[message]);
            if (send.keys != null && send.keys.isNumbered(message)) {
                long number = send.keys.numbers[message];
                state.window()
                        .written(
                                number,
                                frame.queueOffset(record),
                                sequence,
                                send.payloadCrcs[message],
                                frame.logTimeMillis());
                if (!joined.isEmpty()) {
                    answerJoined(number, (Receipt) send.results[message]);
                }
            }
        }
        send.missing -= part.count;
        if (send.missing == 0 && !send.isAnswered) {
            complete(send);
        }
    }

    private void answerJoined(long number, Receipt first) {
        List<Joined> repetitions = joined.remove(number);
        if (repetitions == null) {
            return;
        }
        for (Joined one : repetitions) {
            setReceipt(one.send, one.message, first.sequence(), first.queueOffset(), first.payloadCrc());
            if (--one.send.missing == 0 && !one.send.isAnswered) {
                complete(one.send);
            }
        }
    }

    private void onDurable() {
        if (state.awaitsDurability() && state.durable(stripe.log().durableSequence())) {
            tellReadable();
        }
        dropAnswered();
    }

    private void tellReadable() {
        tellGroups(readable());
    }

    private void tellGroups(GroupQueue.Command command) {
        for (ActorRef<? super GroupQueue.Command> group : groups.values()) {
            group.tell(command);
        }
    }

    private GroupQueue.Readable readable() {
        return new GroupQueue.Readable(state.readableEnd(), state.retention().firstOffset());
    }

    private void answerSnapshots() {
        while (!port.isBusy() && !snapshotsWanted.isEmpty()) {
            StoreWriter.SnapshotRequested requested = snapshotsWanted.pollFirst();
            List<Frame> frames = new ArrayList<>();
            if (state.heldSequence() >= 0) {
                for (SnapshotRecord part : SnapshotRecord.split(
                        state.heldSequence(),
                        state.heldOwnerNumber(),
                        state.writtenEnd(),
                        state.toSnapshot().encode(),
                        frameBytesMax / 2)) {
                    frames.add(Frame.builder((int) FrameSize.ofRecord(part))
                            .add(owner, part)
                            .build());
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
        joined.clear();
        state.forgetDecided();
        closed = StoreRefusals.of(rejected);
        refuseUnanswered(closed);
    }

    private void refuseUnanswered(Refusal refusal) {
        for (PendingSend send : unanswered) {
            send.refuse(refusal);
        }
        unanswered.clear();
        for (Purge purge : purges) {
            purge.replyTo.tell(new Purged(identity.queueId, state.retention().firstOffset(), refusal));
        }
        purges.clear();
    }

    private void dropAnswered() {
        while (!unanswered.isEmpty() && unanswered.peekFirst().isAnswered) {
            unanswered.pollFirst();
        }
    }

    // ---- refused keys -----------------------------------------------------------------------------------------------

    private Behavior<Command> onRefused(Refused refused) {
        refused.firstIds.forEach((key, firstId) -> refusedKeys.refused(refused.sessionId, key, firstId));
        return this;
    }

    private Behavior<Command> onWithdraw(Withdraw withdraw) {
        refusedKeys.withdrawn(withdraw.sessionId, withdraw.messageIds);
        return this;
    }

    private Behavior<Command> onSessionEnded(SessionEnded ended) {
        refusedKeys.sessionEnded(ended.sessionId);
        return this;
    }

    // ---- groups -----------------------------------------------------------------------------------------------------

    private Behavior<Command> onAttach(Attach attach) {
        groups.put(attach.groupId, attach.group);
        state.retention().groupFloor(attach.groupId, attach.floor, nowMillis(), policy.graceMillis());
        release();
        if (!state.quarantined().isEmpty()) {
            attach.group.tell(new GroupQueue.Quarantined(state.quarantined()));
        }
        attach.group.tell(readable());
        return this;
    }

    private Behavior<Command> onReleased(Released released) {
        if (groups.containsKey(released.groupId)) {
            state.retention().groupFloor(released.groupId, released.floor, nowMillis(), policy.graceMillis());
            release();
        }
        return this;
    }

    private Behavior<Command> onHold(Hold hold) {
        if (groups.containsKey(hold.groupId)) {
            state.retention().groupFloor(hold.groupId, hold.floor, nowMillis(), policy.graceMillis());
            release();
        }
        hold.replyTo.tell(new GroupQueue.Held(state.retention().firstOffset()));
        return this;
    }

    private Behavior<Command> onDetachGroup(DetachGroup detach) {
        groups.remove(detach.groupId);
        state.retention().removeGroup(detach.groupId, nowMillis(), policy.graceMillis());
        release();
        return this;
    }

    private Behavior<Command> onConfigure(Configure configure) {
        policy = configure.policy;
        state.configure(policy);
        release();
        expire();
        sendNext();
        return this;
    }

    // ---- retention --------------------------------------------------------------------------------------------------

    private void release() {
        if (state.retention().release(nowMillis(), policy.graceMillis())) {
            publishFirstOffset();
        }
        setTimer();
    }

    private void publishFirstOffset() {
        publishMarks();
        stripe.log().releaseBelow(identity.queueId, state.retention().firstOffset());
    }

    private void publishMarks() {
        marks.nextOffset(state.writtenEnd());
        marks.firstOffset(state.retention().firstOffset());
        marks.expiredCount(state.retention().expiredCount());
        marks.quarantinedCount(
                state.quarantined().from(state.retention().firstOffset()).count());
    }

    /** Drops what is too old or too much, when that is written: what the log has freed must not come back. */
    private void expire() {
        QueueRetention retention = state.retention();
        long now = nowMillis();
        if (closed != null || !retention.isExpiryDue(now, policy.maxAgeMillis(), policy.maxBytes())) {
            return;
        }
        if (!port.account().tryReserve(RECORD_BYTES, StripeBudget.Tier.ACK)) {
            // The next tick tries again.
            return;
        }
        ExpiredRecord record = retention.decideExpiry(now, policy.maxAgeMillis(), policy.maxBytes());
        long used = add(record, 0, false, sequence -> {
            retention.apply(record);
            truncated();
            logExpired();
        });
        port.account().giveBack(RECORD_BYTES - used);
        sendNext();
    }

    private void truncated() {
        publishFirstOffset();
        tellGroups(new GroupQueue.Truncated(state.retention().firstOffset()));
        setTimer();
    }

    private void logExpired() {
        long count = state.retention().expiredCount() - expiredCountLogged;
        long now = nowMillis();
        if (count > 0 && now >= nextExpiryLogMillis) {
            nextExpiryLogMillis = now + EXPIRY_LOG_MILLIS;
            expiredCountLogged += count;
            getContext()
                    .getLog()
                    .info(
                            "topic {} queue {}: {} messages were dropped that not every group had settled, older than"
                                    + " {} ms or beyond {} bytes (0: no limit)",
                            identity.topic,
                            identity.number,
                            count,
                            policy.maxAgeMillis(),
                            policy.maxBytes());
        }
    }

    private Behavior<Command> onTick() {
        tickMillis = QueueRetention.NEVER;
        state.window().forgetBefore(nowMillis());
        release();
        expire();
        logExpired();
        return this;
    }

    /** One timer, for whatever is due first; not to the millisecond, so that what becomes due soon after goes with it. */
    private void setTimer() {
        long due = state.nextDueMillis(policy);
        if (due >= tickMillis || closed != null) {
            return;
        }
        long shortest = Math.min(
                policy.maxAgeMillis() == 0 ? Long.MAX_VALUE : policy.maxAgeMillis() / 100,
                policy.graceMillis() == 0 ? Long.MAX_VALUE : policy.graceMillis() / 100);
        long step = Math.max(TICK_MILLIS_MIN, Math.min(TICK_MILLIS_MAX, shortest));
        long now = nowMillis();
        // What is overdue was so before a start, or had no room: soon again, but not at once.
        tickMillis = due <= now ? now + TICK_MILLIS_MIN : due + step;
        timers.startSingleTimer(Tick.INSTANCE, Duration.ofMillis(tickMillis - now));
    }

    private Behavior<Command> onPurge(Purge purge) {
        if (closed != null || !port.account().tryReserve(RECORD_BYTES, StripeBudget.Tier.ACK)) {
            Refusal refusal =
                    closed != null ? closed : StoreRefusals.of(stripe.budget().refusal(StripeBudget.Tier.ACK));
            purge.replyTo.tell(new Purged(identity.queueId, state.retention().firstOffset(), refusal));
            return this;
        }
        PurgeRecord record = state.retention().decidePurge(purge.belowOffset, state.writtenEnd(), nowMillis());
        purges.add(purge);
        long used = add(record, 0, true, sequence -> {
            state.retention().apply(record);
            truncated();
            port.whenDurable(sequence, () -> {
                if (purges.remove(purge)) {
                    purge.replyTo.tell(
                            new Purged(identity.queueId, state.retention().firstOffset(), null));
                }
            });
        });
        port.account().giveBack(RECORD_BYTES - used);
        sendNext();
        return this;
    }

    private Behavior<Command> onOffsetAt(OffsetAt at) {
        QueueRetention retention = state.retention();
        OffsetMarks.Range range = retention.marks().at(at.logMillis, retention.firstOffset());
        at.replyTo.tell(new OffsetRange(identity.queueId, range.low(), range.high()));
        return this;
    }

    // ---- what cannot be read
    // ------------------------------------------------------------------------------------------

    private Behavior<Command> onQuarantine(Quarantine quarantine) {
        String detail = quarantine.detail.length() <= DETAIL_CHARS_MAX
                ? quarantine.detail
                : quarantine.detail.substring(0, DETAIL_CHARS_MAX);
        long reserved = RECORD_BYTES + 3L * detail.length();
        // Without room it is noted when it is met again.
        if (closed != null || !port.account().tryReserve(reserved, StripeBudget.Tier.ACK)) {
            return this;
        }
        long used = 0;
        if (state.decideQuarantine(quarantine.firstOffset, quarantine.count)) {
            QuarantinedRecord record = new QuarantinedRecord(
                    quarantine.firstOffset,
                    quarantine.count,
                    quarantine.position,
                    -1,
                    nowMillis(),
                    quarantine.cause,
                    detail);
            used = add(record, 0, false, sequence -> {
                state.apply(record);
                publishMarks();
                tellGroups(new GroupQueue.Quarantined(state.quarantined()));
            });
        }
        port.account().giveBack(reserved - used);
        sendNext();
        return this;
    }

    // ---- the end
    // ------------------------------------------------------------------------------------------------------

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
