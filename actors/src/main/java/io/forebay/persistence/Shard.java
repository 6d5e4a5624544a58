package io.forebay.persistence;

import akka.actor.typed.ActorRef;
import akka.actor.typed.Behavior;
import akka.actor.typed.PostStop;
import akka.actor.typed.javadsl.AbstractBehavior;
import akka.actor.typed.javadsl.ActorContext;
import akka.actor.typed.javadsl.Receive;
import io.forebay.persistence.core.ShardTable;
import io.forebay.protocol.Refusal;
import io.forebay.queue.StoreRefusals;
import io.forebay.storage.log.LogRecord;
import io.forebay.storage.log.Owner;
import io.forebay.store.StoreWriter;
import io.forebay.store.StripeBudget;
import io.forebay.store.StripeHandle;
import java.util.ArrayDeque;
import java.util.List;
import java.util.concurrent.CompletableFuture;

/**
 * The one who writes to a reserved queue. Takes what it is told in order; what there is no room for waits, and so does whatever
 * comes behind it. What is asked for here is a promise that is kept, or fails with a {@link
 * io.forebay.protocol.ForebayException}; promises are completed in this actor's thread.
 *
 * @param <T> what it holds of its queue in memory
 */
abstract class Shard<T extends ShardTable> extends AbstractBehavior<Shard.Command> {
    /** What it understands. */
    sealed interface Command permits Request, Room, FromStore {}

    /** What others ask for. */
    non-sealed interface Request extends Command {
        CompletableFuture<?> reply();
    }

    private enum Room implements Command {
        INSTANCE
    }

    private record FromStore(StoreWriter.Event event) implements Command {}

    private static final int FRAME_BYTES = 64 * 1024;

    private final ActorRef<Command> self;
    private final StripeHandle stripe;
    private final T table;
    private final ShardLog log;
    /** In the order in which they came. */
    private final ArrayDeque<Request> waiting = new ArrayDeque<>();

    private boolean isWaitingForRoom;
    private boolean isClosingTold;

    /** @param table that was recovered */
    Shard(ActorContext<Command> context, StripeHandle stripe, int queueId, ShardRecovery.Recovered recovered, T table) {
        super(context);
        this.stripe = stripe;
        this.table = table;
        self = context.getSelf();
        table.begin(stripe.log().nextOffset(queueId));
        log = new ShardLog(
                stripe,
                queueId,
                context.messageAdapter(StoreWriter.Event.class, FromStore::new),
                FRAME_BYTES,
                recovered.held,
                table::snapshot,
                this::isWatched,
                this::flushed);
        Owner owner = Owner.queue(queueId);
        if (stripe.recovery().stoppedOwners().contains(owner)) {
            log.close(Refusal.of(
                    Refusal.Code.FAILED,
                    "records of " + owner + " in stripe " + stripe.stripeId()
                            + " are missing from the log; `forebay log"
                            + " verify` says which, `forebay log repair` goes on without them"));
        } else if (recovered.contradiction != null) {
            log.close(Refusal.of(Refusal.Code.FAILED, recovered.contradiction));
        }
    }

    T table() {
        return table;
    }

    /** Log time. */
    long nowMillis() {
        return stripe.clock().millis();
    }

    /** Largest sum of {@link ShardLog#bytesOf} that fits a frame. */
    long bytesMax() {
        return log.bytesMax();
    }

    @Override
    public Receive<Command> createReceive() {
        return newReceiveBuilder()
                .onMessage(Request.class, request -> {
                    waiting.addLast(request);
                    return proceed();
                })
                .onMessage(FromStore.class, message -> {
                    log.onEvent(message.event);
                    return proceed();
                })
                .onMessageEquals(Room.INSTANCE, () -> {
                    isWaitingForRoom = false;
                    return proceed();
                })
                .onSignal(PostStop.class, signal -> {
                    isWaitingForRoom = false;
                    log.close(Refusal.of(
                            Refusal.Code.SHUTTING_DOWN, "the actor system ends; nothing is stored any more"));
                    return proceed();
                })
                .build();
    }

    private Behavior<Command> proceed() {
        if (log.closed() != null && !isClosingTold) {
            isClosingTold = true;
            closed(log.closed());
        }
        while (!waiting.isEmpty() && !isWaitingForRoom && (log.closed() != null || !log.isHoldingBack())) {
            Request request = waiting.peekFirst();
            if (log.closed() != null) {
                fail(request, log.closed());
            } else {
                take(request);
            }
            if (!isWaitingForRoom) {
                waiting.pollFirst();
            }
        }
        log.sendNext();
        return this;
    }

    /**
     * Decides, and either {@linkplain #store stores}, {@linkplain #awaitFlushed waits} or answers. Called again for the same
     * request if there was no room: until {@link #store} nothing may have changed.
     */
    abstract void take(Request request);

    /**
     * Applies and writes what was decided, all or none of it; the last that is done for a request.
     *
     * @param wantsFlushed whether it is done when that is flushed, or as soon as it is written
     */
    void store(Request request, List<LogRecord> together, boolean wantsFlushed, Runnable done) {
        long bytes = ShardLog.bytesOf(together);
        if (bytes > log.bytesMax()) {
            fail(
                    request,
                    Refusal.tooLarge(
                            "an atomic write of " + together.size() + " records",
                            bytes + " bytes",
                            "at most " + log.bytesMax() + ", which forebay.storage.segment-size gives"));
            return;
        }
        StripeBudget.NoRoom noRoom = log.tryReserve(bytes);
        if (noRoom == null) {
            together.forEach(table::apply);
            log.add(together, wantsFlushed, done, refusal -> fail(request, refusal));
        } else if (noRoom.reason() == StripeBudget.Reason.BUSY) {
            isWaitingForRoom = true;
            log.whenRoom(bytes, () -> self.tell(Room.INSTANCE));
        } else {
            fail(request, StoreRefusals.of(noRoom));
        }
    }

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

    static void fail(Request request, Refusal refusal) {
        request.reply().completeExceptionally(refusal.toException());
    }
}
