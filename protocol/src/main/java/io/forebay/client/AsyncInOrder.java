package io.forebay.client;

import akka.stream.Attributes;
import akka.stream.FlowShape;
import akka.stream.Inlet;
import akka.stream.Outlet;
import akka.stream.stage.AbstractInHandler;
import akka.stream.stage.AbstractOutHandler;
import akka.stream.stage.AsyncCallback;
import akka.stream.stage.GraphStage;
import akka.stream.stage.GraphStageLogic;
import akka.stream.stage.TimerGraphStageLogic;
import io.forebay.protocol.ForebayException;
import io.forebay.protocol.Refusal;
import java.time.Duration;
import java.util.ArrayDeque;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionStage;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.function.Function;

/**
 * Starts something for each element and emits the outcomes in order. Like {@code mapAsync}, but stages that complete
 * together wake the stream once, and an element that the client has no room for ({@link Refusal.Code#LIMIT}) waits until
 * it has, with everything behind it.
 */
final class AsyncInOrder<I, O> extends GraphStage<FlowShape<I, O>> {
    private static final Duration RETRY = Duration.ofMillis(20);

    private final int parallelism;
    private final Function<I, CompletionStage<O>> function;
    private final Inlet<I> in = Inlet.create("Forebay.in");
    private final Outlet<O> out = Outlet.create("Forebay.out");
    private final FlowShape<I, O> shape = FlowShape.of(in, out);

    AsyncInOrder(int parallelism, Function<I, CompletionStage<O>> function) {
        this.parallelism = parallelism;
        this.function = function;
    }

    @Override
    public FlowShape<I, O> shape() {
        return shape;
    }

    @Override
    public GraphStageLogic createLogic(Attributes attributes) {
        return new Logic();
    }

    private final class Logic extends TimerGraphStageLogic {
        private final ArrayDeque<CompletableFuture<O>> started = new ArrayDeque<>();
        private final AtomicBoolean isSignalled = new AtomicBoolean();
        private final AsyncCallback<Boolean> signals = createAsyncCallback(signal -> onSignal());
        /** An element the client had no room for. */
        private I parked;

        Logic() {
            super(shape);
            setHandler(in, new AbstractInHandler() {
                @Override
                public void onPush() {
                    begin(grab(in));
                    pullMore();
                }

                @Override
                public void onUpstreamFinish() {
                    completeIfDone();
                }
            });
            setHandler(out, new AbstractOutHandler() {
                @Override
                public void onPull() {
                    emit();
                }
            });
        }

        @Override
        public void preStart() {
            pull(in);
        }

        private void begin(I element) {
            CompletableFuture<O> outcome = function.apply(element).toCompletableFuture();
            if (outcome.isCompletedExceptionally() && isLimit(outcome)) {
                parked = element;
                scheduleOnce("parked", RETRY);
                return;
            }
            started.addLast(outcome);
            outcome.whenComplete((result, failure) -> {
                if (isSignalled.compareAndSet(false, true)) {
                    signals.invoke(true);
                }
            });
        }

        private boolean isLimit(CompletableFuture<O> outcome) {
            return failureOf(outcome).code() == Refusal.Code.LIMIT;
        }

        @Override
        public void onTimer(Object key) {
            unpark();
        }

        private void unpark() {
            if (parked != null) {
                I element = parked;
                parked = null;
                begin(element);
                pullMore();
            }
        }

        private void onSignal() {
            isSignalled.set(false); // first: what completes from now on signals again
            unpark();
            emit();
        }

        private void emit() {
            CompletableFuture<O> first = started.peekFirst();
            if (first != null && first.isDone()) {
                if (first.isCompletedExceptionally()) {
                    failStage(failureOf(first));
                    return;
                }
                if (isAvailable(out)) {
                    started.removeFirst();
                    push(out, first.join());
                    pullMore();
                }
            }
            completeIfDone();
        }

        private void pullMore() {
            if (parked == null && started.size() < parallelism && !hasBeenPulled(in) && !isClosed(in)) {
                pull(in);
            }
        }

        private void completeIfDone() {
            if (isClosed(in) && started.isEmpty() && parked == null) {
                completeStage();
            }
        }

        private ForebayException failureOf(CompletableFuture<O> outcome) {
            return ForebayClient.exceptionOf(
                    outcome.handle((result, failure) -> failure).join());
        }
    }
}
