package io.forebay.persistence;

import akka.stream.Attributes;
import akka.stream.Outlet;
import akka.stream.SourceShape;
import akka.stream.stage.AbstractOutHandler;
import akka.stream.stage.AsyncCallback;
import akka.stream.stage.GraphStage;
import akka.stream.stage.GraphStageLogic;
import java.util.Collections;
import java.util.Iterator;
import java.util.List;
import java.util.Optional;
import java.util.function.Supplier;

/**
 * A stream of what a cursor finds. Asks for the next batch when the last one is handed on and there is demand, so it holds one.
 * There is no boundary in it, and no work on the stream's own dispatcher.
 */
final class CursorStage<T> extends GraphStage<SourceShape<T>> {
    /** Of the cursor; one of them is null. */
    private record Answer<T>(Optional<List<T>> batch, Throwable failure) {}

    private final Outlet<T> out = Outlet.create("ForebayQuery.out");
    private final SourceShape<T> shape = SourceShape.of(out);
    private final Supplier<Cursor<T>> cursors;

    /** @param cursors a new one for each stream */
    CursorStage(Supplier<Cursor<T>> cursors) {
        this.cursors = cursors;
    }

    @Override
    public SourceShape<T> shape() {
        return shape;
    }

    @Override
    public GraphStageLogic createLogic(Attributes attributes) {
        return new Logic();
    }

    private final class Logic extends GraphStageLogic {
        private Cursor<T> cursor;
        private AsyncCallback<Answer<T>> answered;
        private Iterator<T> batch = Collections.emptyIterator();

        Logic() {
            super(shape);
            setHandler(out, new AbstractOutHandler() {
                @Override
                public void onPull() {
                    if (batch.hasNext()) {
                        push(out, batch.next());
                    } else {
                        cursor.next().whenComplete((next, failure) -> answered.invoke(new Answer<>(next, failure)));
                    }
                }
            });
        }

        @Override
        public void preStart() {
            answered = createAsyncCallback(this::onAnswer);
            cursor = cursors.get();
            cursor.open();
        }

        private void onAnswer(Answer<T> answer) {
            if (answer.failure != null) {
                failStage(answer.failure);
            } else if (answer.batch.isEmpty()) {
                completeStage();
            } else {
                batch = answer.batch.get().iterator();
                push(out, batch.next());
            }
        }

        @Override
        public void postStop() {
            if (cursor != null) {
                cursor.close();
            }
        }
    }
}
