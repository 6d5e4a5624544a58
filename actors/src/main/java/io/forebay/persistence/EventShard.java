package io.forebay.persistence;

import akka.actor.typed.ActorRef;
import akka.actor.typed.Behavior;
import akka.actor.typed.PostStop;
import akka.actor.typed.javadsl.AbstractBehavior;
import akka.actor.typed.javadsl.ActorContext;
import akka.actor.typed.javadsl.Behaviors;
import akka.actor.typed.javadsl.Receive;
import io.forebay.config.DurabilitySetting;
import io.forebay.config.PersistenceSettings;
import io.forebay.persistence.core.EventDraft;
import io.forebay.persistence.core.EventTable;
import io.forebay.protocol.Refusal;
import io.forebay.queue.StoreRefusals;
import io.forebay.storage.log.LogRecord;
import io.forebay.store.StoreWriter;
import io.forebay.store.StripeBudget;
import io.forebay.store.StripeHandle;
import java.util.ArrayDeque;
import java.util.List;
import java.util.concurrent.CompletableFuture;

/**
 * The one who writes the events of a reserved queue. Takes what it is told in order; what there is no room for waits, and so does
 * whatever comes behind it. What is told here is a promise that is kept, or fails with a {@link
 * io.forebay.protocol.ForebayException}; a promise is completed in this actor's thread.
 */
final class EventShard extends AbstractBehavior<EventShard.Command> {
    /** What it understands. */
    sealed interface Command permits Request, Room, FromStore {}

    /** What others ask for. */
    sealed interface Request extends Command permits Write, Delete, Locate {
        CompletableFuture<?> reply();
    }

    /**
     * Stores events, all or none; kept at the level that the settings name.
     *
     * @param events of ascending numbers, at least one
     * @param reply fails with {@link Refusal.Code#ILLEGAL_ARGUMENT} if a number is stored already, with {@link
     *     Refusal.Code#TOO_LARGE} if they do not fit a frame, with {@link Refusal.Code#OUTCOME_UNKNOWN} if they may be stored
     */
    record Write(String persistenceId, List<EventDraft> events, CompletableFuture<Void> reply) implements Request {}

    /** Deletes the events up to a number; kept when that is flushed. Idempotent. */
    record Delete(String persistenceId, long toSequenceNr, CompletableFuture<Void> reply) implements Request {}

    /** Where the events of an id are; kept when everything that was written before is flushed. */
    record Locate(String persistenceId, CompletableFuture<EventTable.Place> reply) implements Request {}

    private enum Room implements Command {
        INSTANCE
    }

    private record FromStore(StoreWriter.Event event) implements Command {}

    private static final int FRAME_BYTES = 64 * 1024;

    private final EventTable table;
    private final ShardLog log;
    private final StripeHandle stripe;
    private final ActorRef<Command> self;
    private final boolean isFlushedWanted;
    /** In the order in which they came. */
    private final ArrayDeque<Request> waiting = new ArrayDeque<>();

    private boolean isWaitingForRoom;

    /**
     * @param table recovered; handed over
     * @param contradiction why the table is not to be trusted, null if it is: everything is refused then
     */
    static Behavior<Command> create(
            StripeHandle stripe,
            int queueId,
            PersistenceSettings settings,
            EventTable table,
            ShardRecovery.Held held,
            String contradiction) {
        return Behaviors.setup(
                context -> new EventShard(context, stripe, queueId, settings, table, held, contradiction));
    }

    private EventShard(
            ActorContext<Command> context,
            StripeHandle stripe,
            int queueId,
            PersistenceSettings settings,
            EventTable table,
            ShardRecovery.Held held,
            String contradiction) {
        super(context);
        this.stripe = stripe;
        this.table = table;
        self = context.getSelf();
        isFlushedWanted = settings.durability() == DurabilitySetting.FLUSHED;
        table.begin(stripe.log().nextOffset(queueId));
        log = new ShardLog(
                stripe,
                queueId,
                context.messageAdapter(StoreWriter.Event.class, FromStore::new),
                FRAME_BYTES,
                held,
                () -> table.toSnapshot().encode());
        if (contradiction != null) {
            log.close(Refusal.of(Refusal.Code.FAILED, contradiction));
        }
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
                    log.close(Refusal.of(
                            Refusal.Code.SHUTTING_DOWN, "the actor system ends; nothing is stored any more"));
                    return proceed();
                })
                .build();
    }

    private Behavior<Command> proceed() {
        while (!waiting.isEmpty() && !isWaitingForRoom && !log.isHoldingBack()) {
            Request request = waiting.peekFirst();
            if (log.closed() != null) {
                fail(request.reply(), log.closed());
            } else if (request instanceof Write write) {
                write(write);
            } else if (request instanceof Delete delete) {
                delete(delete);
            } else if (request instanceof Locate locate) {
                EventTable.Place place = table.place(locate.persistenceId);
                log.awaitFlushed(() -> locate.reply.complete(place), refusal -> fail(locate.reply, refusal));
            }
            if (!isWaitingForRoom) {
                waiting.pollFirst();
            }
        }
        log.sendNext();
        return this;
    }

    private void write(Write write) {
        List<LogRecord> records;
        try {
            records = table.decideWrite(
                    write.persistenceId, write.events, stripe.clock().millis());
        } catch (IllegalArgumentException e) {
            fail(write.reply, Refusal.of(Refusal.Code.ILLEGAL_ARGUMENT, e.getMessage()));
            return;
        }
        add(records, isFlushedWanted, write.reply);
    }

    private void delete(Delete delete) {
        LogRecord record = table.decideDelete(delete.persistenceId, delete.toSequenceNr);
        if (record == null) {
            log.awaitFlushed(() -> delete.reply.complete(null), refusal -> fail(delete.reply, refusal));
        } else {
            add(List.of(record), true, delete.reply);
        }
    }

    private void add(List<LogRecord> records, boolean wantsFlushed, CompletableFuture<Void> reply) {
        long bytes = ShardLog.bytesOf(records);
        if (bytes > log.bytesMax()) {
            fail(
                    reply,
                    Refusal.tooLarge(
                            "an atomic write of " + records.size() + " records",
                            bytes + " bytes",
                            "at most " + log.bytesMax() + ", which forebay.storage.segment-size gives"));
            return;
        }
        StripeBudget.NoRoom noRoom = log.tryReserve(bytes);
        if (noRoom == null) {
            records.forEach(table::apply);
            log.add(records, wantsFlushed, () -> reply.complete(null), refusal -> fail(reply, refusal));
        } else if (noRoom.reason() == StripeBudget.Reason.BUSY) {
            isWaitingForRoom = true;
            log.whenRoom(bytes, () -> self.tell(Room.INSTANCE));
        } else {
            fail(reply, StoreRefusals.of(noRoom));
        }
    }

    private static void fail(CompletableFuture<?> reply, Refusal refusal) {
        reply.completeExceptionally(refusal.toException());
    }
}
