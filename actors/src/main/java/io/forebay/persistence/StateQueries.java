package io.forebay.persistence;

import akka.NotUsed;
import akka.persistence.query.DurableStateChange;
import akka.persistence.query.Offset;
import akka.persistence.query.Sequence;
import akka.stream.javadsl.Source;
import io.forebay.persistence.core.StateSelection;
import java.util.Objects;

/** Streams of what a {@link StateStore} holds. */
final class StateQueries {
    private StateQueries() {}

    /**
     * The newest change of each state that is wanted behind an offset.
     *
     * @throws IllegalArgumentException if the offset is none of this store's
     */
    static Source<DurableStateChange<Object>, NotUsed> changes(
            StateStore store, StateSelection wanted, Offset offset, boolean isLive) {
        long afterSequence;
        Objects.requireNonNull(offset, "an offset is missing");
        if (offset instanceof Sequence sequence) {
            afterSequence = sequence.value();
        } else if (offset.equals(Offset.noOffset())) {
            afterSequence = -1;
        } else {
            throw new IllegalArgumentException(
                    "offset " + offset + " is not this store's: its offsets are of type " + Sequence.class.getName());
        }
        return Source.fromGraph(new StateChanges(store, wanted, afterSequence, isLive));
    }

    /**
     * Ids that have, or had, a state, in their order, behind one if it is not null.
     *
     * @throws IllegalArgumentException if the limit is not positive
     */
    static Source<String, NotUsed> persistenceIds(StateStore store, String afterIdOrNull, long limit) {
        if (limit < 1) {
            throw new IllegalArgumentException("limit is " + limit + ", allowed: 1 or more");
        }
        return Source.lazyCompletionStage(() -> store.persistenceIds(afterIdOrNull, limit))
                .mapMaterializedValue(stage -> NotUsed.getInstance())
                .mapConcat(ids -> ids);
    }
}
