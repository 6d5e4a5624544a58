package io.forebay.client;

import akka.Done;
import io.forebay.protocol.Delivery;
import io.forebay.protocol.Refusal;
import java.util.List;
import java.util.Objects;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionStage;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.Function;

/**
 * A subscription whose deliveries a function of the application handles: what it has done is acked, what it has failed at is
 * nacked. Thread-safe.
 */
final class HandledSubscription implements ClientSubscription.Consumer, Control {
    /** Nacks say no more than so many characters of what was thrown. */
    private static final int REASON_CHARS_MAX = 200;

    private final ForebayClient client;
    private final Function<Delivery, ? extends CompletionStage<?>> handler;
    private final ClientSubscription subscription;
    private final CompletableFuture<Done> ended = new CompletableFuture<>();
    /** Handlers under way, and one for as long as more may come. */
    private final AtomicInteger underWay = new AtomicInteger(1);

    /** Whether nothing more comes, or that is under way. */
    private final AtomicBoolean isEnding = new AtomicBoolean();

    private volatile boolean isShutdown;
    private volatile Refusal refusal;

    HandledSubscription(
            ForebayClient client, PopRequest request, Function<Delivery, ? extends CompletionStage<?>> handler) {
        this.client = client;
        this.handler = handler;
        subscription = new ClientSubscription(client, request, client.settings().streamPrefetch(), this, this);
    }

    void start() {
        client.start(subscription);
    }

    @Override
    public void deliveries(NodeSubscription from, List<Delivery> deliveries) {
        if (isShutdown) {
            client.giveBack(
                    from.request.group(),
                    deliveries.stream().map(Delivery::handle).toList());
            return;
        }
        for (Delivery delivery : deliveries) {
            underWay.incrementAndGet();
            handle(delivery).whenComplete((done, failure) -> onHandled(from, delivery, failure));
        }
    }

    private CompletionStage<?> handle(Delivery delivery) {
        try {
            return Objects.requireNonNull(handler.apply(delivery), "the handler returned null");
        } catch (RuntimeException thrown) {
            return CompletableFuture.failedStage(thrown);
        }
    }

    private void onHandled(NodeSubscription from, Delivery delivery, Throwable failure) {
        CompletionStage<?> settled;
        if (failure == null) {
            settled = client.ack(delivery);
        } else {
            String reason = String.valueOf(ForebayClient.causeOf(failure));
            settled = client.nack(delivery, reason.substring(0, Math.min(reason.length(), REASON_CHARS_MAX)));
        }
        subscription.consumed(from, 1);
        // However it was answered: a message whose ack got lost comes again.
        settled.whenComplete((done, refused) -> leave());
    }

    private void leave() {
        if (underWay.decrementAndGet() == 0) {
            if (refusal == null) {
                ended.complete(Done.done());
            } else {
                ended.completeExceptionally(refusal.toException());
            }
        }
    }

    @Override
    public void ended(Refusal reason) {
        if (isEnding.compareAndSet(false, true)) {
            refusal = reason;
            leave();
        }
    }

    @Override
    public CompletionStage<Done> stop() {
        end();
        return ended;
    }

    @Override
    public CompletionStage<Done> shutdown() {
        isShutdown = true;
        end();
        return ended;
    }

    private void end() {
        if (isEnding.compareAndSet(false, true)) {
            subscription.close().thenRun(this::leave);
        }
    }

    @Override
    public CompletionStage<Done> isShutdown() {
        return ended;
    }

    @Override
    public <T> CompletionStage<T> drainAndShutdown(CompletionStage<T> streamCompletion) {
        return stop().handle((done, failure) -> failure)
                .thenCompose(failure -> streamCompletion.handle((result, also) -> also))
                .thenCompose(failure -> client.release(this))
                .thenCompose(released -> streamCompletion);
    }
}
