package io.forebay.persistence;

import akka.Done;
import akka.persistence.query.DurableStateChange;
import akka.stream.Attributes;
import akka.stream.Outlet;
import akka.stream.SourceShape;
import akka.stream.stage.AbstractOutHandler;
import akka.stream.stage.AsyncCallback;
import akka.stream.stage.GraphStage;
import akka.stream.stage.GraphStageLogic;
import io.forebay.persistence.core.StateSelection;
import io.forebay.persistence.core.StateTable;
import java.util.ArrayDeque;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.function.Consumer;

/**
 * The newest change of each state under a tag, in the order of their sequences, of those that are durable: what is there, or for ever.
 * Looks again when it is told of a change, and keeps a bounded number of changes in memory.
 */
final class StateChanges extends GraphStage<SourceShape<DurableStateChange<Object>>> {
    private final Outlet<DurableStateChange<Object>> out = Outlet.create("changes");
    private final SourceShape<DurableStateChange<Object>> shape = SourceShape.of(out);
    private final StateStore store;
    private final StateSelection wanted;
    private final long afterSequence;
    private final boolean isLive;

    /**
     * @param afterSequence -1 for all
     * @param isLive whether it goes on with what comes; else it ends with what is durable when it starts
     */
    StateChanges(StateStore store, StateSelection wanted, long afterSequence, boolean isLive) {
        this.store = store;
        this.wanted = wanted;
        this.afterSequence = afterSequence;
        this.isLive = isLive;
    }

    @Override
    public SourceShape<DurableStateChange<Object>> shape() {
        return shape;
    }

    @Override
    public GraphStageLogic createLogic(Attributes inheritedAttributes) {
        return new Logic();
    }

    /** What was asked for is there, or is not to be had. */
    private record Answer<T>(T value, Throwable failure) {}

    private final class Logic extends GraphStageLogic {
        private final AsyncCallback<Done> told = createAsyncCallback(done -> {
            mayHaveMore = true;
            proceed();
        });
        private final AsyncCallback<Answer<StateStore.Round>> found = createAsyncCallback(onAnswer(this::onFound));
        private final AsyncCallback<Answer<StateStore.Read>> read = createAsyncCallback(onAnswer(this::onRead));
        private final Runnable watcher = () -> told.invoke(Done.getInstance());

        private final ArrayDeque<DurableStateChange<Object>> ready = new ArrayDeque<>();
        /** Whose states are not read yet. */
        private List<StateTable.Change> unread = List.of();
        /** All up to this one were found. */
        private long foundTo = afterSequence;
        /** Where it ends, if it does. */
        private long end = Long.MAX_VALUE;

        private boolean mayHaveMore = true;
        private boolean isAsking;

        Logic() {
            super(shape);
            setHandler(out, new AbstractOutHandler() {
                @Override
                public void onPull() {
                    proceed();
                }
            });
        }

        @Override
        public void preStart() {
            if (isLive) {
                // Before the first look: what comes behind it is told.
                store.watch(wanted, watcher);
            }
        }

        @Override
        public void postStop() {
            if (isLive) {
                store.unwatch(wanted, watcher);
            }
        }

        private void proceed() {
            if (isAsking || !isAvailable(out)) {
                return;
            }
            if (!ready.isEmpty()) {
                push(out, ready.pollFirst());
            } else if (!unread.isEmpty()) {
                ask(store.read(unread), read);
            } else if (foundTo >= end) {
                completeStage();
            } else if (mayHaveMore) {
                mayHaveMore = false;
                ask(store.changes(wanted, foundTo, end), found);
            }
        }

        private <T> void ask(CompletableFuture<T> answer, AsyncCallback<Answer<T>> callback) {
            isAsking = true;
            answer.whenComplete((value, failure) -> callback.invoke(new Answer<>(value, failure)));
        }

        private <T> akka.japi.function.Procedure<Answer<T>> onAnswer(Consumer<T> action) {
            return answer -> {
                isAsking = false;
                if (answer.failure != null) {
                    failStage(answer.failure);
                } else {
                    action.accept(answer.value);
                    proceed();
                }
            };
        }

        private void onFound(StateStore.Round round) {
            if (!isLive && end == Long.MAX_VALUE) {
                end = round.durableSequence();
            }
            unread = round.changes();
            foundTo = Math.max(foundTo, round.toSequence());
            // Else nothing durable is left, and whatever becomes durable is told.
            mayHaveMore |= !isLive || foundTo < round.durableSequence();
        }

        private void onRead(StateStore.Read some) {
            ready.addAll(some.changes());
            unread = unread.subList(some.count(), unread.size());
        }
    }
}
