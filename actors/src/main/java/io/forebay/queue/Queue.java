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
import io.forebay.protocol.Refusal;
import io.forebay.queue.core.QueueState;
import io.forebay.queue.core.TopicPolicy;
import io.forebay.storage.log.Frame;
import io.forebay.storage.log.Owner;
import io.forebay.storage.log.ReadProblem;
import io.forebay.storage.log.SnapshotRecord;
import io.forebay.store.StoreWriter;
import io.forebay.store.StripeHandle;
import java.time.Duration;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Collection;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.atomic.AtomicLong;

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
                    ReleaseQuarantine,
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

    /** Offsets of this queue cannot be read: noted for good, and told to every group that reads it, now or later. Idempotent. */
    public record Quarantine(long firstOffset, long count, ReadProblem problem) implements Command {}

    /**
     * Offsets are not to be taken for unreadable any more; told to every group. Answered by {@link QuarantineReleased} when that is
     * flushed. Idempotent.
     *
     * @param count of offsets, quarantined or not
     * @param isDryRun only says what it would do
     */
    public record ReleaseQuarantine(
            long firstOffset, long count, boolean isDryRun, ActorRef<? super QuarantineReleased> replyTo)
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
     * The answer to {@link ReleaseQuarantine}.
     *
     * @param count messages that are not quarantined any more
     * @param refusal null if it is done
     */
    public record QuarantineReleased(int queueId, long count, Refusal refusal) {}

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

    private final Identity identity;
    private final Owner owner;
    private final StripeHandle stripe;
    private final StripePort port;
    private final Outbox<QueuePart> outbox;
    private final QueueState state;
    private final QueueSends sends;
    private final QueueKeeper keeper;
    private final QueueMarks marks;
    private final AtomicLong stripeBytes;
    private final Map<Integer, ActorRef<? super GroupQueue.Command>> groups = new HashMap<>();
    private final ArrayDeque<StoreWriter.SnapshotRequested> snapshotsWanted = new ArrayDeque<>();
    private final List<Drain> drains = new ArrayList<>();
    /** Why nothing can be taken any more, null while it can. */
    private Refusal closed;

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
        this.identity = identity;
        this.stripe = stripe;
        this.state = state;
        this.marks = marks;
        this.stripeBytes = stripeBytes;
        owner = Owner.queue(identity.queueId);
        state.begin(
                nextOffset,
                stripe.log().releasedBelow(identity.queueId),
                groupIds,
                identity.policy,
                stripe.clock().millis());
        port = new StripePort(stripe, owner, context.messageAdapter(StoreWriter.Event.class, FromStore::new));
        outbox = new Outbox<>(port, owner, identity.frameBytes);
        sends = new QueueSends(identity, port, outbox, state);
        keeper = new QueueKeeper(
                identity,
                port,
                outbox,
                state,
                marks,
                this::tellGroups,
                millis -> timers.startSingleTimer(Tick.INSTANCE, Duration.ofMillis(millis)),
                context.getLog());
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
                .onMessage(ReleaseQuarantine.class, this::onReleaseQuarantine)
                .onMessage(OffsetAt.class, this::onOffsetAt)
                .onMessageEquals(Tick.INSTANCE, this::onTick)
                .onMessage(Drain.class, this::onDrain)
                .onMessageEquals(Delete.INSTANCE, this::onDelete)
                .onSignal(PostStop.class, this::onPostStop)
                .build();
    }

    private Behavior<Command> onEnqueue(Enqueue request) {
        if (closed == null) {
            sends.enqueue(request);
            sendNext();
        } else {
            new PendingSend(request).refuse(closed);
        }
        return this;
    }

    private Behavior<Command> onRefused(Refused refused) {
        refused.firstIds.forEach((key, firstId) -> sends.refusedKeys().refused(refused.sessionId, key, firstId));
        return this;
    }

    private Behavior<Command> onWithdraw(Withdraw withdraw) {
        sends.refusedKeys().withdrawn(withdraw.sessionId, withdraw.messageIds);
        return this;
    }

    private Behavior<Command> onSessionEnded(SessionEnded ended) {
        sends.refusedKeys().sessionEnded(ended.sessionId);
        return this;
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
        Outbox.Batch<QueuePart> batch = outbox.written();
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
        for (QueuePart part : batch.parts) {
            part.written(frame);
        }
        keeper.written();
        sendNext();
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
        noteMessages(appended.endOffset, appended.lastSequence, stripe.clock().millis(), 0);
        if (state.awaitsDurability()) {
            // Whoever appended it need not have asked for more than WRITTEN.
            port.requestDurable(appended.lastSequence);
            onDurable();
        }
        keeper.written();
        sendNext();
        return this;
    }

    private void onDurable() {
        if (state.awaitsDurability() && state.durable(stripe.log().durableSequence())) {
            tellReadable();
        }
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
                        outbox.frameBytesMax() / 2)) {
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
        sends.forgetUnwritten();
        state.forgetDecided();
        keeper.close();
        closed = StoreRefusals.of(rejected);
        refuseUnanswered(closed);
    }

    private void refuseUnanswered(Refusal refusal) {
        sends.refuseUnanswered(refusal);
        keeper.refuseUnanswered(refusal);
    }

    // ---- groups ---------------------------------------------------------------------------------------------------

    private Behavior<Command> onAttach(Attach attach) {
        groups.put(attach.groupId, attach.group);
        keeper.groupFloor(attach.groupId, attach.floor);
        if (!state.quarantined().isEmpty()) {
            attach.group.tell(new GroupQueue.Quarantined(state.quarantined()));
        }
        attach.group.tell(readable());
        return this;
    }

    private Behavior<Command> onReleased(Released released) {
        if (groups.containsKey(released.groupId)) {
            keeper.groupFloor(released.groupId, released.floor);
        }
        return this;
    }

    private Behavior<Command> onHold(Hold hold) {
        if (groups.containsKey(hold.groupId)) {
            keeper.groupFloor(hold.groupId, hold.floor);
        }
        hold.replyTo.tell(new GroupQueue.Held(state.retention().firstOffset()));
        return this;
    }

    private Behavior<Command> onDetachGroup(DetachGroup detach) {
        groups.remove(detach.groupId);
        keeper.removeGroup(detach.groupId);
        return this;
    }

    // ---- what is kept ---------------------------------------------------------------------------------------------

    private Behavior<Command> onConfigure(Configure configure) {
        state.configure(configure.policy);
        sends.configure(configure.policy);
        keeper.configure(configure.policy);
        sendNext();
        return this;
    }

    private Behavior<Command> onPurge(Purge purge) {
        if (closed == null) {
            keeper.purge(purge);
            sendNext();
        } else {
            keeper.answer(purge, closed);
        }
        return this;
    }

    private Behavior<Command> onOffsetAt(OffsetAt at) {
        keeper.offsetAt(at);
        return this;
    }

    private Behavior<Command> onQuarantine(Quarantine quarantine) {
        keeper.quarantine(quarantine);
        sendNext();
        return this;
    }

    private Behavior<Command> onReleaseQuarantine(ReleaseQuarantine release) {
        if (closed == null) {
            keeper.release(release);
            sendNext();
        } else {
            keeper.answer(release, 0, closed);
        }
        return this;
    }

    private Behavior<Command> onTick() {
        keeper.tick();
        sendNext();
        return this;
    }

    // ---- the end
    // -------------------------------------------------------------------------------------------------------

    private Behavior<Command> onDrain(Drain drain) {
        drains.add(drain);
        finishDrains();
        return this;
    }

    private void finishDrains() {
        if (sends.isIdle() && !drains.isEmpty()) {
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
