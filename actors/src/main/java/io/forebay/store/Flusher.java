package io.forebay.store;

import akka.actor.typed.ActorRef;
import akka.actor.typed.Behavior;
import akka.actor.typed.javadsl.AbstractBehavior;
import akka.actor.typed.javadsl.ActorContext;
import akka.actor.typed.javadsl.Behaviors;
import akka.actor.typed.javadsl.Receive;
import akka.stream.ActorAttributes;
import akka.stream.Materializer;
import akka.stream.OverflowStrategy;
import akka.stream.javadsl.Sink;
import akka.stream.javadsl.Source;
import akka.stream.javadsl.SourceQueueWithComplete;
import io.forebay.storage.io.MappedAccessException;
import io.forebay.storage.log.FlushRange;
import io.forebay.storage.log.StripeLog;
import java.io.IOException;
import java.util.Collection;
import java.util.HashSet;
import java.util.List;
import java.util.Set;

/**
 * Forces behind the StoreWriter, whose child it is, and tells the origins whatever concerns durability: {@code Durable},
 * {@code FlushFailed}, {@code Rewritten}. The actor never blocks; the forces run in its stream, on a dispatcher for that.
 * It holds a range, and with it the encoded frames, until the range is durable or the StoreWriter has it back.
 *
 * <p>Who tells what. The StoreWriter tells what concerns appending ({@code Written}, {@code Rejected}, availability, snapshots),
 * so what it says to one origin is in order, and so is what this actor says. Between the two:
 *
 * <ul>
 *   <li>Origins live in the same actor system, where a message lies in the mailbox when {@code tell} returns. The StoreWriter
 *       hands a range over, or has a failure told, behind the {@code Written} of its frames; so neither {@code Durable} nor
 *       {@code FlushFailed} comes before the {@code Written} of a frame that it covers.
 *   <li>A failed force is told in two steps: this actor reports to the StoreWriter, which makes the failed addresses unreadable
 *       and stops appending, and only then says whom to tell. So {@code FlushFailed} covers every frame that was answered
 *       {@code Written}, and none is answered until {@code Rewritten} is told: the StoreWriter goes on behind {@link
 *       StoreWriter.RewrittenTold}.
 *   <li>{@code Durable} and the {@code Written} of <em>later</em> frames come as it happens. Both are facts that nothing takes
 *       back, whatever fails next: an origin compares {@code Durable} with the sequences it waits for, and before it waits it
 *       looks at {@link StripeLog#durableSequence()}, which is published before {@code Durable} is told.
 * </ul>
 */
final class Flusher extends AbstractBehavior<Flusher.Message> {
    /** What the actor understands. {@link Command} is the StoreWriter's. */
    sealed interface Message permits Command, Internal {}

    sealed interface Command extends Message permits Flush, Await, TellFailed, TellRewritten, Finish {}

    private sealed interface Internal extends Message permits ForceDone, ForceFailed, StreamEnded {}

    /**
     * Forces a range. The answer is {@link StoreWriter.RangeForced} or {@link StoreWriter.RangeFailed}, and before it comes there
     * must not be another one: what is appended meanwhile gathers at the StoreWriter.
     *
     * @param frameBytes what the budget gets back when the range is durable
     * @param waiters are told {@code Durable} when it is, if it takes a rewrite then after that
     */
    record Flush(FlushRange range, long frameBytes, Collection<ActorRef<StoreWriter.Event>> waiters)
            implements Command {}

    /** Tells {@code Durable} at once if the sequence is, else with the range that is here or the rewrite under way. Idempotent. */
    record Await(long sequence, ActorRef<StoreWriter.Event> origin) implements Command {}

    /**
     * Nothing above the sequence counts as forced, and nothing is appended for now: tells the origins {@code FlushFailed}.
     *
     * @param waiters as in {@link Flush}, of frames that were in no range yet
     */
    record TellFailed(
            long aboveSequence,
            Collection<ActorRef<StoreWriter.Event>> origins,
            Collection<ActorRef<StoreWriter.Event>> waiters)
            implements Command {}

    /** All is written again and durable: tells the same origins, and whoever waits. The answer is {@link StoreWriter.RewrittenTold}. */
    record TellRewritten(long durableSequence) implements Command {}

    /** Ends the actor behind what is in its stream. */
    enum Finish implements Command {
        INSTANCE
    }

    /** The range is on the device, and published unless a failed store has overtaken it. */
    private record ForceDone(Flush flush, long forceNanos) implements Internal {}

    private record ForceFailed(Flush flush, IOException cause) implements Internal {}

    /** @param cause a bug; null if the stream was completed */
    private record StreamEnded(Throwable cause) implements Internal {}

    private final ActorRef<? super StoreWriter.Internal> writer;
    private final StripeLog log;
    private final StripeBudget budget;
    private final SourceQueueWithComplete<Flush> entrance;
    /** Told {@code Durable} after the next force that succeeds, or the rewrite. */
    private final Set<ActorRef<StoreWriter.Event>> waiters = new HashSet<>();
    /** Who was told {@code FlushFailed} and has yet to be told {@code Rewritten}. */
    private Collection<ActorRef<StoreWriter.Event>> rewriting = List.of();
    /** Keeps the frames until they are durable; null while there is nothing to force. */
    private Flush underWay;

    private boolean isFinishing;

    /**
     * @param forceDispatcher path of the dispatcher that may block
     * @param writer who hands ranges over
     */
    static Behavior<Message> create(
            ActorRef<? super StoreWriter.Internal> writer,
            String forceDispatcher,
            StripeLog log,
            StripeBudget budget,
            StripeMeters meters) {
        return Behaviors.setup(context -> new Flusher(context, writer, forceDispatcher, log, budget, meters));
    }

    private Flusher(
            ActorContext<Message> context,
            ActorRef<? super StoreWriter.Internal> writer,
            String forceDispatcher,
            StripeLog log,
            StripeBudget budget,
            StripeMeters meters) {
        super(context);
        this.writer = writer;
        this.log = log;
        this.budget = budget;
        ActorRef<Message> self = context.getSelf();
        // A force blocks the stream's thread, and so holds the entrance back; that thread touches nothing of the actor.
        // The stream ends with this actor, and this actor ends when the force under way has.
        // Its end is told from within: a stage for it would go on in Java's common pool.
        this.entrance = Source.<Flush>queue(1, OverflowStrategy.backpressure())
                .map(flush -> {
                    self.tell(force(log, meters, flush));
                    return flush;
                })
                .to(Sink.onComplete(end ->
                        self.tell(new StreamEnded(end.isFailure() ? end.failed().get() : null))))
                .withAttributes(ActorAttributes.dispatcher(forceDispatcher))
                .run(Materializer.createMaterializer(context));
    }

    /** Blocks; on the stream's thread. */
    private static Message force(StripeLog log, StripeMeters meters, Flush flush) {
        StripeMeters.Force force = meters.force(flush.range);
        try {
            log.force(flush.range);
        } catch (IOException e) {
            force.failed();
            return new ForceFailed(flush, e);
        } catch (InternalError e) {
            force.failed();
            return new ForceFailed(flush, new MappedAccessException("a page of a mapped file could not be had", e));
        }
        // Published here: who reads the durable sequence need not wait for this actor's turn.
        log.forced(flush.range);
        return new ForceDone(flush, force.done());
    }

    @Override
    public Receive<Message> createReceive() {
        return newReceiveBuilder()
                .onMessage(Flush.class, this::onFlush)
                .onMessage(ForceDone.class, this::onForceDone)
                .onMessage(Await.class, this::onAwait)
                .onMessage(ForceFailed.class, this::onForceFailed)
                .onMessage(TellFailed.class, this::onTellFailed)
                .onMessage(TellRewritten.class, this::onTellRewritten)
                .onMessage(Finish.class, this::onFinish)
                .onMessage(StreamEnded.class, this::onStreamEnded)
                .build();
    }

    private Behavior<Message> onFlush(Flush flush) {
        if (underWay != null) {
            throw new AssertionError("a second range, " + flush.range + ", beside " + underWay.range);
        }
        underWay = flush;
        waiters.addAll(flush.waiters);
        // Its answer says nothing that ForceDone, ForceFailed or StreamEnded does not.
        entrance.offer(flush);
        return this;
    }

    private Behavior<Message> onForceDone(ForceDone done) {
        FlushRange range = ended(done.flush).range;
        long durable = log.durableSequence();
        // Else a store behind it failed meanwhile: it is written again with the rest, and its room is still taken.
        if (durable >= range.toSequence()) {
            budget.flushed(done.flush.frameBytes, done.forceNanos);
            tellWaiters(durable);
        }
        writer.tell(new StoreWriter.RangeForced(range));
        return this;
    }

    private Behavior<Message> onForceFailed(ForceFailed failed) {
        writer.tell(new StoreWriter.RangeFailed(ended(failed.flush).range, failed.cause));
        return this;
    }

    private Flush ended(Flush flush) {
        if (flush != underWay) {
            throw new AssertionError("the force of " + flush + " ended, not of " + underWay);
        }
        underWay = null;
        return flush;
    }

    private Behavior<Message> onAwait(Await await) {
        long durable = log.durableSequence();
        if (await.sequence <= durable) {
            await.origin.tell(new StoreWriter.Durable(durable));
        } else {
            waiters.add(await.origin);
        }
        return this;
    }

    private void tellWaiters(long durableSequence) {
        if (!waiters.isEmpty()) {
            var durable = new StoreWriter.Durable(durableSequence);
            waiters.forEach(waiter -> waiter.tell(durable));
            waiters.clear();
        }
    }

    private Behavior<Message> onTellFailed(TellFailed tell) {
        waiters.addAll(tell.waiters);
        rewriting = tell.origins;
        var failed = new StoreWriter.FlushFailed(tell.aboveSequence);
        rewriting.forEach(origin -> origin.tell(failed));
        return this;
    }

    private Behavior<Message> onTellRewritten(TellRewritten tell) {
        var rewritten = new StoreWriter.Rewritten(tell.durableSequence);
        rewriting.forEach(origin -> origin.tell(rewritten));
        rewriting = List.of();
        tellWaiters(tell.durableSequence);
        writer.tell(StoreWriter.RewrittenTold.INSTANCE);
        return this;
    }

    private Behavior<Message> onFinish(Finish finish) {
        isFinishing = true;
        entrance.complete();
        return this;
    }

    private Behavior<Message> onStreamEnded(StreamEnded ended) {
        if (isFinishing && ended.cause == null) {
            return Behaviors.stopped();
        }
        // Fails this actor; the StoreWriter sees that and closes the stripe.
        throw new AssertionError("the Flusher's stream has ended", ended.cause);
    }
}
