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
import io.forebay.protocol.Delivery;
import io.forebay.protocol.Refusal;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionStage;
import java.util.concurrent.ConcurrentLinkedQueue;

/** The stage behind {@link ForebaySource}. Its credits follow what downstream has taken. */
final class DeliverySource extends AbstractGraphStageWithMaterializedValue<SourceShape<Delivery>, Control> {
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

    private record Held(Delivery delivery, NodeSubscription from) {}

    private record Come(NodeSubscription from, List<Delivery> deliveries) {}

    private enum Ending {
        STOP,
        SHUTDOWN
    }

    private final class Logic extends GraphStageLogic implements Control, ClientSubscription.Consumer {
        private final ArrayDeque<Held> buffer = new ArrayDeque<>();
        private final CompletableFuture<Done> ended = new CompletableFuture<>();
        /** What has come and the stage has not seen; whoever takes it out looks after it. */
        private final ConcurrentLinkedQueue<Come> inbox = new ConcurrentLinkedQueue<>();

        private final AsyncCallback<Done> arrivals = createAsyncCallback(this::onArrival);
        private final AsyncCallback<Refusal> refusals = createAsyncCallback(this::onRefused);
        private final AsyncCallback<Ending> endings = createAsyncCallback(this::onEnding);
        private final AsyncCallback<Done> closings = createAsyncCallback(this::onClosed);
        private final ClientSubscription subscription =
                new ClientSubscription(client, request, client.settings().streamPrefetch(), this, this);
        private volatile boolean isStopped;
        private boolean isEnding;
        private boolean isClosed;

        Logic() {
            super(shape);
            setHandler(out, new AbstractOutHandler() {
                @Override
                public void onPull() {
                    emit();
                }

                @Override
                public void onDownstreamFinish(Throwable cause) {
                    setKeepGoing(true); // until nothing comes any more: what does has to be given back
                    onEnding(Ending.SHUTDOWN);
                }
            });
        }

        @Override
        public void preStart() {
            client.start(subscription);
        }

        private void emit() {
            Held next = buffer.pollFirst();
            if (next != null) {
                push(out, next.delivery);
                subscription.consumed(next.from, 1);
            }
            completeIfDone();
        }

        /** Not in the stage's thread. */
        @Override
        public void deliveries(NodeSubscription from, List<Delivery> deliveries) {
            inbox.add(new Come(from, deliveries));
            arrivals.invoke(Done.done());
            if (isStopped) {
                giveBackInbox();
            }
        }

        /** Not in the stage's thread. */
        @Override
        public void ended(Refusal refusal) {
            refusals.invoke(refusal);
        }

        private void onArrival(Done done) {
            if (isClosed(out)) {
                giveBackInbox();
                return;
            }
            for (Come come = inbox.poll(); come != null; come = inbox.poll()) {
                for (Delivery delivery : come.deliveries) {
                    buffer.addLast(new Held(delivery, come.from));
                }
            }
            if (isAvailable(out)) {
                emit();
            }
        }

        private void onRefused(Refusal refusal) {
            isClosed = true;
            if (!isEnding) {
                failStage(refusal.toException());
            } else {
                completeIfDone();
            }
        }

        private void onEnding(Ending ending) {
            if (!isEnding) {
                isEnding = true;
                subscription.close().thenAccept(closings::invoke);
            }
            if (ending == Ending.SHUTDOWN) {
                giveBackBuffer();
                if (!isClosed(out)) {
                    setKeepGoing(true);
                    complete(out);
                }
            }
            completeIfDone();
        }

        private void onClosed(Done done) {
            isClosed = true;
            completeIfDone();
        }

        private void completeIfDone() {
            if (isEnding && buffer.isEmpty() && isClosed) {
                completeStage();
            }
        }

        private void giveBackBuffer() {
            List<Delivery> deliveries = new ArrayList<>(buffer.size());
            buffer.forEach(held -> deliveries.add(held.delivery));
            buffer.clear();
            giveBack(deliveries);
        }

        private void giveBackInbox() {
            for (Come come = inbox.poll(); come != null; come = inbox.poll()) {
                giveBack(come.deliveries);
            }
        }

        private void giveBack(List<Delivery> deliveries) {
            if (!deliveries.isEmpty()) {
                client.giveBack(
                        request.group(),
                        deliveries.stream().map(Delivery::handle).toList());
            }
        }

        /** However it ended: what nobody will emit any more goes back. */
        @Override
        public void postStop() {
            isStopped = true;
            giveBackInbox();
            giveBackBuffer();
            subscription.close();
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
