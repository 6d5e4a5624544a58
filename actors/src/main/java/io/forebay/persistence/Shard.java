package io.forebay.persistence;

import akka.actor.typed.ActorRef;
import akka.actor.typed.Behavior;
import akka.actor.typed.PostStop;
import akka.actor.typed.javadsl.AbstractBehavior;
import akka.actor.typed.javadsl.ActorContext;
import akka.actor.typed.javadsl.Behaviors;
import akka.actor.typed.javadsl.Receive;
import akka.japi.function.Function;
import io.forebay.config.LostNamesSetting;
import io.forebay.config.PersistenceSettings;
import io.forebay.persistence.core.ShardTable;
import io.forebay.protocol.Refusal;
import io.forebay.queue.OwnerLog;
import io.forebay.queue.StoreRefusals;
import io.forebay.storage.log.LogRecord;
import io.forebay.storage.log.OffsetSet;
import io.forebay.storage.log.Owner;
import io.forebay.store.StoreWriter;
import io.forebay.store.StripeBudget;
import io.forebay.store.StripeBudget.Tier;
import io.forebay.store.StripeHandle;
import java.util.ArrayDeque;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.function.LongConsumer;

/**
 * The one who writes to a reserved queue. Takes what it is told in order; what there is no room for waits, and so does whatever
 * comes behind it. What is asked for here is a promise that is kept, or fails with a {@link
 * io.forebay.protocol.ForebayException}; promises are completed in this actor's thread.
 *
 * @param <T> what it holds of its queue in memory
 */
abstract class Shard<T extends ShardTable> extends AbstractBehavior<Shard.Command> {
    /** What it understands. */
    sealed interface Command permits Request, Asked, Room, FromStore {}

    /** What others ask for. */
    non-sealed interface Request extends Command {
        CompletableFuture<?> reply();
    }

    /** {@link ShardRef#takeAsked} has something. */
    enum Asked implements Command {
        INSTANCE
    }

    private enum Room implements Command {
        INSTANCE
    }

    private record FromStore(StoreWriter.Event event) implements Command {}

    /** What a request has decided and not all written. */
    private record Begun(
            Request request, Tier tier, ArrayDeque<List<LogRecord>> groups, boolean wantsFlushed, Runnable done) {}

    private static final int FRAME_BYTES = 64 * 1024;
    /** Requests that are taken in one go; then those who have been written, or flushed, are told. */
    private static final int TAKEN_MAX = 256;

    private final ActorRef<Command> self;
    private final ShardRef ref;
    private final StripeHandle stripe;
    private final int queueId;
    private final boolean areLostNamesForgotten;
    private final T table;
    private final OwnerLog log;
    /** In the order in which they came. */
    private final ArrayDeque<Request> waiting = new ArrayDeque<>();

    private boolean isWaitingForRoom;
    /** Of the first of those that wait, if there was no room for all of it; else null. */
    private Begun begun;

    private boolean isClosingTold;

    /** As {@link Behaviors#setup}; whoever is behind the reference is told if that fails. */
    static Behavior<Command> setup(ShardRef ref, Function<ActorContext<Command>, Behavior<Command>> maker) {
        return Behaviors.setup(context -> {
            try {
                return maker.apply(context);
            } catch (RuntimeException | AssertionError bug) {
                ref.failed(bug);
                ref.ended(refusalOf(bug));
                throw bug;
            }
        });
    }

    /**
     * @param ref told when this actor has ended
     * @param table that was recovered
     */
    Shard(
            ActorContext<Command> context,
            ShardRef ref,
            StripeHandle stripe,
            int queueId,
            PersistenceSettings settings,
            ShardRecovery.Recovered recovered,
            T table) {
        super(context);
        areLostNamesForgotten = settings.lostNames() == LostNamesSetting.FORGET;
        this.ref = ref;
        this.stripe = stripe;
        this.queueId = queueId;
        this.table = table;
        self = context.getSelf();
        table.begin(stripe.log().nextOffset(queueId));
        Owner owner = Owner.queue(queueId);
        log = new OwnerLog(
                stripe,
                owner,
                context.messageAdapter(StoreWriter.Event.class, FromStore::new),
                FRAME_BYTES,
                recovered.held,
                table::snapshot,
                this::snapshotGiven,
                this::isWatched,
                this::flushed);
        if (stripe.recovery().stoppedOwners().contains(owner)) {
            log.close(Refusal.of(
                    Refusal.Code.FAILED,
                    "records of " + owner + " in stripe " + stripe.stripeId()
                            + " are missing from the log; `forebay log"
                            + " verify` says which, `forebay log repair` goes on without them"));
        } else if (recovered.contradiction != null) {
            contradicted(recovered.contradiction);
        } else if (recovered.held.sequence() < 0 && stripe.log().nextOffset(queueId) > 0 && !table.mayBeginAnew()) {
            contradicted(owner + ": its snapshot is lost, and nothing else says what is stored");
        }
    }

    private void contradicted(String why) {
        ref.contradicted(why);
        log.close(Refusal.of(Refusal.Code.FAILED, why));
    }

    T table() {
        return table;
    }

    /** Log time. */
    long nowMillis() {
        return stripe.clock().millis();
    }

    /** As {@link OwnerLog#bytesMax}. */
    long bytesMax() {
        return log.bytesMax();
    }

    @Override
    public Receive<Command> createReceive() {
        return newReceiveBuilder()
                .onMessageEquals(Asked.INSTANCE, () -> guarded(this::onAsked).apply(Asked.INSTANCE))
                .onMessage(Request.class, guarded(this::onRequest))
                .onMessage(FromStore.class, guarded(this::onFromStore))
                .onMessageEquals(Room.INSTANCE, () -> guarded(this::onRoom).apply(Room.INSTANCE))
                .onSignal(PostStop.class, this::onPostStop)
                .build();
    }

    /** A bug ends this queue's writer and nothing else, and whoever waits for it is told. */
    private <M> Function<M, Behavior<Command>> guarded(Function<M, Behavior<Command>> handler) {
        return message -> {
            try {
                return handler.apply(message);
            } catch (RuntimeException | AssertionError bug) {
                getContext().getLog().error("{}: takes nothing until the next start", Owner.queue(queueId), bug);
                ref.failed(bug);
                log.close(refusalOf(bug));
                return Behaviors.stopped();
            }
        };
    }

    private static Refusal refusalOf(Throwable bug) {
        return Refusal.of(
                Refusal.Code.FAILED, "who writes there has ended with a bug, and the next start begins anew: " + bug);
    }

    private Behavior<Command> onAsked(Asked told) {
        ref.takeAsked(TAKEN_MAX, this::add);
        return proceed();
    }

    private Behavior<Command> onRequest(Request request) {
        add(request);
        return proceed();
    }

    private void add(Request request) {
        if (isNotInOrder(request) && log.closed() == null) {
            take(request);
        } else {
            waiting.addLast(request);
        }
    }

    private Behavior<Command> onFromStore(FromStore message) {
        log.onEvent(message.event);
        return proceed();
    }

    private Behavior<Command> onRoom(Room room) {
        isWaitingForRoom = false;
        return proceed();
    }

    private Behavior<Command> onPostStop(PostStop signal) {
        if (log.closed() == null) {
            log.close(Refusal.of(Refusal.Code.SHUTTING_DOWN, "the actor system ends; nothing is stored any more"));
        }
        try {
            isWaitingForRoom = false;
            proceed();
        } finally {
            ref.ended(log.closed());
        }
        return this;
    }

    private Behavior<Command> proceed() {
        if (log.closed() != null && !isClosingTold) {
            isClosingTold = true;
            closed(log.closed());
        }
        while (!waiting.isEmpty() && !isWaitingForRoom && (log.closed() != null || !log.isHoldingBack())) {
            Request request = waiting.peekFirst();
            if (log.closed() != null) {
                begun = null;
                fail(request, log.closed());
            } else if (begun != null) {
                storeBegun();
            } else {
                take(request);
                if (isUnfinished()) {
                    break;
                }
            }
            if (isWaitingForRoom) {
                break;
            }
            waiting.pollFirst();
        }
        if (!isWaitingForRoom && (log.closed() != null || !log.isHoldingBack())) {
            log.endTurn(); // who waited has used it, or was refused for another reason
        }
        log.sendNext();
        return this;
    }

    /** Decides, and either {@linkplain #store stores}, {@linkplain #awaitFlushed waits} or answers. */
    abstract void take(Request request);

    /** Whether it changes nothing, and need not wait for what was asked for before and is not decided yet. */
    boolean isNotInOrder(Request request) {
        return false;
    }

    /** Whether the request that was taken last is to be taken again when something was written or flushed. */
    boolean isUnfinished() {
        return false;
    }

    /** Whether the request that was taken last is to be taken again when there is room. */
    boolean isWaitingForRoom() {
        return isWaitingForRoom;
    }

    /**
     * Applies and writes what was decided, all or none of it; the last that is done for a request.
     *
     * @param wantsFlushed whether it is done when that is flushed, or as soon as it is written
     * @return whether it was; else there is no room, or the request has failed
     */
    boolean store(Request request, List<LogRecord> together, boolean wantsFlushed, Runnable done) {
        return store(request, Tier.SEND, together, wantsFlushed, done, () -> {});
    }

    /**
     * The same for a request of which more may follow.
     *
     * @param refused called instead of {@code done} when what was applied is not known to be done; the request has failed then
     */
    boolean store(Request request, List<LogRecord> together, boolean wantsFlushed, Runnable done, Runnable refused) {
        return store(request, Tier.SEND, together, wantsFlushed, done, refused);
    }

    /** The same, done when it is flushed, for what an operator changes: taken when messages are not any more. */
    boolean storeAdministration(Request request, List<LogRecord> together, Runnable done) {
        return store(request, Tier.EXTENSION, together, true, done, () -> {});
    }

    /** The same, done when it is flushed, for what gives space back: taken as long as acks are. */
    boolean storeDeletion(Request request, LogRecord deletion, Runnable done) {
        return store(request, Tier.ACK, List.of(deletion), true, done, () -> {});
    }

    private boolean store(
            Request request,
            Tier tier,
            List<LogRecord> together,
            boolean wantsFlushed,
            Runnable done,
            Runnable refused) {
        long bytes = OwnerLog.bytesOf(together);
        Refusal tooLarge = log.tooLargeOrNull(together, bytes);
        if (tooLarge != null) {
            fail(request, tooLarge);
            return false;
        }
        StripeBudget.NoRoom noRoom = log.tryReserve(tier, bytes);
        if (noRoom == null) {
            log.add(together, bytes, wantsFlushed, apply(together), done, refusal -> {
                refused.run();
                fail(request, refusal);
            });
            return true;
        }
        if (noRoom.reason() == StripeBudget.Reason.BUSY) {
            awaitRoom(tier, bytes);
        } else {
            fail(request, StoreRefusals.of(noRoom));
        }
        return false;
    }

    private void awaitRoom(Tier tier, long bytes) {
        isWaitingForRoom = true;
        log.awaitTurn(tier, bytes, () -> self.tell(Room.INSTANCE));
    }

    /**
     * The same for what may take more than one frame. What is together is in the log all or none, the first of them first, and
     * nothing else comes between; it is done when all are. Whoever decides this knows what the first of them alone come to.
     */
    void storeInOrder(Request request, List<List<LogRecord>> groups, boolean wantsFlushed, Runnable done) {
        storeInOrder(request, Tier.SEND, groups, wantsFlushed, done);
    }

    /** The same, done when it is flushed, for what gives space back: taken as long as acks are. */
    void storeDeletionInOrder(Request request, List<LogRecord> together, Runnable done) {
        storeInOrder(request, Tier.ACK, List.of(together), true, done);
    }

    private void storeInOrder(
            Request request, Tier tier, List<List<LogRecord>> groups, boolean wantsFlushed, Runnable done) {
        for (List<LogRecord> together : groups) {
            Refusal tooLarge = log.tooLargeOrNull(together);
            if (tooLarge != null) {
                fail(request, tooLarge);
                return;
            }
        }
        begun = new Begun(request, tier, new ArrayDeque<>(groups), wantsFlushed, done);
        storeBegun();
    }

    private void storeBegun() {
        Request request = begun.request;
        while (!begun.groups.isEmpty()) {
            List<LogRecord> together = begun.groups.peekFirst();
            long bytes = OwnerLog.bytesOf(together);
            StripeBudget.NoRoom noRoom = log.tryReserve(begun.tier, bytes);
            if (noRoom != null && noRoom.reason() == StripeBudget.Reason.BUSY) {
                awaitRoom(begun.tier, bytes);
                return;
            }
            if (noRoom != null) {
                fail(request, StoreRefusals.of(noRoom));
                break;
            }
            begun.groups.pollFirst();
            boolean isLast = begun.groups.isEmpty();
            log.add(
                    together,
                    isLast && begun.wantsFlushed,
                    apply(together),
                    isLast ? begun.done : () -> {},
                    refusal -> fail(request, refusal));
            if (isLast) {
                onStored(together.get(together.size() - 1));
            }
        }
        begun = null;
    }

    /** What was decided is applied and on its way; the last record of it. */
    void onStored(LogRecord last) {}

    /** Runs when all that was decided before is flushed, however long that takes; never if that does not come to pass. */
    void whenFlushed(Runnable action) {
        log.whenFlushed(action);
    }

    /** Returns who is told the sequence of the first. */
    private LongConsumer apply(List<LogRecord> together) {
        LongConsumer all = firstSequence -> {};
        for (int index = 0; index < together.size(); index++) {
            LogRecord record = together.get(index);
            table.apply(record);
            LongConsumer taker = table.sequenceTaker(record);
            if (taker != null) {
                int ahead = index;
                all = all.andThen(firstSequence -> taker.accept(firstSequence + ahead));
            }
        }
        return all;
    }

    /** A snapshot of all that is in the table is on its way to the log: a checkpoint that counts will name it, or a later one. */
    void snapshotGiven() {}

    /** Whether {@link #flushed} is wanted of a frame that was just written. */
    boolean isWatched() {
        return false;
    }

    /** A frame that was written while this was watched is flushed, and all before it. */
    void flushed() {}

    /** Nothing is written from now on; told once. */
    void closed(Refusal reason) {}

    /** Done when all that was decided before is flushed. */
    void awaitFlushed(Request request, Runnable done) {
        log.awaitFlushed(done, refusal -> fail(request, refusal));
    }

    /** What lies there is of no use any more, and can be given back when the records that say so, stored last, are flushed. */
    void releaseOnceFlushed(OffsetSet offsets) {
        if (!offsets.isEmpty()) {
            log.onceFlushed(() -> release(offsets));
        }
    }

    /** Gives back what lies there; the records that say so are flushed. Nothing, if what is known of the queue is not all. */
    void release(OffsetSet offsets) {
        if (!offsets.isEmpty() && log.closed() == null) {
            stripe.log().releaseOffsets(queueId, offsets);
        }
    }

    /** Refuses what is asked of an id that may not be taken for a new one. */
    boolean refusesForLostName(Request request, String persistenceId) {
        return table.mayHaveLostItsName(persistenceId)
                && refusesAsLost(
                        request,
                        "nothing is known of persistence id '" + persistenceId
                                + "', but a repair of the log has lost names of "
                                + Owner.queue(queueId)
                                + ", and it may be one of them; once it is sure that it is new, or may"
                                + " begin anew, forebay.persistence.lost-names = forget takes it for that");
    }

    /** Refuses it unless the settings say that what is lost is to be forgotten. */
    boolean refusesAsLost(Request request, String why) {
        if (!areLostNamesForgotten) {
            fail(request, Refusal.of(Refusal.Code.FAILED, why));
        }
        return !areLostNamesForgotten;
    }

    static void fail(Request request, Refusal refusal) {
        request.reply().completeExceptionally(refusal.toException());
    }
}
