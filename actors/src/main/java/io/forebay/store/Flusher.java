package io.forebay.store;

import akka.Done;
import akka.actor.typed.ActorRef;
import akka.stream.ActorAttributes;
import akka.stream.BoundedSourceQueue;
import akka.stream.Materializer;
import akka.stream.QueueOfferResult;
import akka.stream.javadsl.Keep;
import akka.stream.javadsl.Sink;
import akka.stream.javadsl.Source;
import io.forebay.storage.log.FlushRange;
import io.forebay.storage.log.StripeLog;
import java.io.IOException;
import java.util.Collection;
import java.util.concurrent.CompletionStage;
import java.util.function.LongSupplier;

/**
 * Forces behind the StoreWriter, on a thread of its own: a stream with a bounded entrance. It holds a range's frames until
 * they are durable, publishes how far that is, gives their room back, and tells those who wait. A force that fails is the
 * StoreWriter's to deal with; a stream that ends for another reason is a bug and closes the stripe.
 *
 * <p>{@link #flush} belongs to the StoreWriter's thread.
 */
final class Flusher {
    /** What the Flusher tells the StoreWriter. */
    interface Listener {
        /** The range is durable and published, or a failed store has overtaken it; the entrance is free. */
        void forced(FlushRange range);

        /** Nothing of the range may be taken for durable; the entrance is free. */
        void failed(FlushRange range, IOException cause);
    }

    /**
     * @param frameBytes what the budget gets back
     * @param waiters who is told how far the log is durable
     */
    private record Batch(FlushRange range, long frameBytes, Collection<ActorRef<StoreWriter.Event>> waiters) {}

    private final StripeLog log;
    private final StripeBudget budget;
    private final LongSupplier nanoTime;
    private final Listener listener;
    private final BoundedSourceQueue<Batch> entrance;
    private final CompletionStage<Done> whenEnded;
    private boolean isCompleted;

    /** @param materializer ends the stream with the StoreWriter, not before it */
    Flusher(
            Materializer materializer,
            String dispatcher,
            StripeLog log,
            StripeBudget budget,
            LongSupplier nanoTime,
            Listener listener) {
        this.log = log;
        this.budget = budget;
        this.nanoTime = nanoTime;
        this.listener = listener;
        // A force blocks the stream's thread; that is what makes the entrance hold back. The StoreWriter has one range
        // in
        // here at most, so all that gathers meanwhile becomes the next one.
        var stream = Source.<Batch>queue(1)
                .toMat(Sink.foreach(this::force), Keep.both())
                .withAttributes(ActorAttributes.dispatcher(dispatcher))
                .run(materializer);
        this.entrance = stream.first();
        this.whenEnded = stream.second();
    }

    void flush(FlushRange range, long frameBytes, Collection<ActorRef<StoreWriter.Event>> waiters) {
        QueueOfferResult result = entrance.offer(new Batch(range, frameBytes, waiters));
        if (result == QueueOfferResult.dropped()) {
            throw new AssertionError("a second range at the Flusher's entrance: " + range);
        }
        // Otherwise the stream has ended, which whenEnded tells.
    }

    /** Completes when the stream has ended; exceptionally if by a bug. */
    CompletionStage<Done> whenEnded() {
        return whenEnded;
    }

    /** Ends the stream behind what is in it; idempotent. */
    void complete() {
        if (!isCompleted && !whenEnded.toCompletableFuture().isDone()) {
            isCompleted = true;
            try {
                entrance.complete();
            } catch (IllegalStateException e) {
                // It has ended by itself in between: whenEnded tells why.
                return;
            }
        }
    }

    private void force(Batch batch) {
        long start = nanoTime.getAsLong();
        try {
            log.force(batch.range);
        } catch (IOException e) {
            listener.failed(batch.range, e);
            return;
        }
        log.forced(batch.range);
        if (log.durableSequence() < batch.range.toSequence()) {
            // A store behind it failed meanwhile: it is written again with the rest, and its room is still taken.
            listener.forced(batch.range);
            return;
        }
        budget.flushed(batch.frameBytes, nanoTime.getAsLong() - start);
        if (!batch.waiters.isEmpty()) {
            var durable = new StoreWriter.Durable(batch.range.toSequence());
            batch.waiters.forEach(waiter -> waiter.tell(durable));
        }
        listener.forced(batch.range);
    }
}
