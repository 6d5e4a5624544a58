package io.forebay.client;

import akka.Done;
import akka.japi.Pair;
import akka.stream.Attributes;
import akka.stream.Outlet;
import akka.stream.SourceShape;
import akka.stream.stage.AbstractGraphStageWithMaterializedValue;
import akka.stream.stage.AbstractOutHandler;
import akka.stream.stage.AsyncCallback;
import akka.stream.stage.GraphStageLogic;
import akka.stream.stage.TimerGraphStageLogic;
import io.forebay.protocol.Delivery;
import io.forebay.protocol.ForebayException;
import io.forebay.protocol.ReceiptHandle;
import io.forebay.protocol.Refusal;
import java.time.Duration;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Collection;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionStage;

/** The stage behind {@link ForebaySource}. Pops again when half of what it may hold is free. */
final class DeliverySource extends AbstractGraphStageWithMaterializedValue<SourceShape<Delivery>, Control> {
    /** Pops under way at once: while the answer of one travels the other one waits at the node. */
    private static final int POPS_MAX = 2;
    /** Before popping again after a refusal that will pass. */
    private static final Duration RETRY = Duration.ofMillis(500);

    private final ForebayClient client;
    private final PopRequest request;
    private final Outlet<Delivery> out = Outlet.create("ForebaySource.out");
    private final SourceShape<Delivery> shape = SourceShape.of(out);

    DeliverySource(ForebayClient client, PopRequest request) {
        this.client = client;
        this.request = request;
    }

    @Override
    public SourceShape<Delivery> shape() {
        return shape;
    }

    @Override
    public Pair<GraphStageLogic, Control> createLogicAndMaterializedValuePair(Attributes attributes) {
        Logic logic = new Logic();
        return new Pair<>(logic, logic);
    }

    /** A pop under way and what became of it. */
    private record Answer(Asked asked, List<Delivery> deliveries, ForebayException failure) {}

    /** Identity, not contents, tells one from another. */
    private static final class Asked {
        final int count;
        ForebayClient.PendingPop pop;

        Asked(int count) {
            this.count = count;
        }
    }

    private enum Ending {
        STOP,
        SHUTDOWN
    }

    private final class Logic extends TimerGraphStageLogic implements Control {
        private final ArrayDeque<Delivery> buffer = new ArrayDeque<>();
        private final Set<Asked> asked = new LinkedHashSet<>();
        private final CompletableFuture<Done> ended = new CompletableFuture<>();
        private final AsyncCallback<Answer> answers = createAsyncCallback(this::onAnswer);
        private final AsyncCallback<Ending> endings = createAsyncCallback(this::onEnding);
        private final int heldMax = client.settings().streamPrefetch();
        private int askedCount;
        private boolean isEnding;
        private boolean isResting;

        Logic() {
            super(shape);
            setHandler(out, new AbstractOutHandler() {
                @Override
                public void onPull() {
                    emit();
                }

                @Override
                public void onDownstreamFinish(Throwable cause) {
                    setKeepGoing(true); // until the pops under way are back: what they bring has to be given back
                    onEnding(Ending.SHUTDOWN);
                }
            });
        }

        @Override
        public void preStart() {
            popMore();
        }

        private void emit() {
            Delivery next = buffer.pollFirst();
            if (next != null) {
                push(out, next);
                popMore();
            }
            completeIfDone();
        }

        private void popMore() {
            while (!isEnding && !isResting && asked.size() < POPS_MAX) {
                int free = heldMax - buffer.size() - askedCount;
                if (free < Math.max(1, heldMax / 2)) {
                    return;
                }
                Asked one = new Asked(Math.min(free, request.countMax()));
                asked.add(one);
                askedCount += one.count;
                one.pop = client.pop(request.withCountMax(one.count), this);
                one.pop.deliveries.whenComplete((deliveries, failure) -> answers.invoke(
                        new Answer(one, deliveries, failure == null ? null : ForebayClient.exceptionOf(failure))));
            }
        }

        private void onAnswer(Answer answer) {
            asked.remove(answer.asked);
            askedCount -= answer.asked.count;
            if (answer.failure != null) {
                onFailure(answer.failure);
            } else if (isClosed(out)) {
                giveBack(answer.deliveries);
            } else {
                buffer.addAll(answer.deliveries);
                if (isAvailable(out)) {
                    emit();
                } else {
                    popMore();
                }
            }
            completeIfDone();
        }

        private void onFailure(ForebayException failure) {
            Refusal.Code code = failure.code();
            boolean passes = failure.refusal().isTransient()
                    || code == Refusal.Code.NO_NODE
                    || code == Refusal.Code.TIMED_OUT
                    || code == Refusal.Code.LIMIT;
            if (isEnding) {
                return;
            }
            if (passes) {
                isResting = true;
                scheduleOnce("retry", RETRY);
            } else {
                failStage(failure);
            }
        }

        @Override
        public void onTimer(Object key) {
            isResting = false;
            popMore();
        }

        private void onEnding(Ending ending) {
            isEnding = true;
            asked.forEach(one -> one.pop.cancel());
            if (ending == Ending.SHUTDOWN) {
                giveBack(buffer);
                buffer.clear();
                if (!isClosed(out)) {
                    setKeepGoing(true);
                    complete(out);
                }
            }
            completeIfDone();
        }

        private void completeIfDone() {
            if (isEnding && buffer.isEmpty() && asked.isEmpty()) {
                completeStage();
            }
        }

        private void giveBack(Collection<Delivery> deliveries) {
            if (!deliveries.isEmpty()) {
                List<ReceiptHandle> handles = new ArrayList<>(deliveries.size());
                deliveries.forEach(delivery -> handles.add(delivery.handle()));
                client.giveBack(request.group(), handles);
            }
        }

        /** However it ended: what nobody will emit any more goes back. */
        @Override
        public void postStop() {
            giveBack(buffer);
            for (Asked one : asked) {
                one.pop.cancel();
                one.pop.deliveries.thenAccept(this::giveBack);
            }
            ended.complete(Done.done());
        }

        @Override
        public CompletionStage<Done> stop() {
            endings.invoke(Ending.STOP);
            return ended;
        }

        @Override
        public CompletionStage<Done> shutdown() {
            endings.invoke(Ending.SHUTDOWN);
            return ended;
        }

        @Override
        public CompletionStage<Done> isShutdown() {
            return ended;
        }

        @Override
        public <T> CompletionStage<T> drainAndShutdown(CompletionStage<T> streamCompletion) {
            return stop().thenCompose(stopped -> streamCompletion.handle((result, failure) -> failure))
                    .thenCompose(failure -> client.release(this))
                    .thenCompose(released -> streamCompletion);
        }
    }
}
