package io.forebay.persistence;

import akka.Done;
import akka.NotUsed;
import akka.japi.Pair;
import akka.persistence.query.DurableStateChange;
import akka.persistence.query.Offset;
import akka.persistence.query.javadsl.DurableStateStorePagedPersistenceIdsQuery;
import akka.persistence.query.javadsl.DurableStateStoreQuery;
import akka.persistence.query.typed.javadsl.DurableStateStoreBySliceQuery;
import akka.persistence.state.javadsl.DurableStateUpdateStore;
import akka.persistence.state.javadsl.GetObjectResult;
import akka.stream.javadsl.Source;
import io.forebay.persistence.core.StateSelection;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionStage;

/**
 * The store of {@link ForebayDurableStateProvider} for Java. Stages complete where the application's own code runs. Thread-safe.
 */
final class ForebayDurableStateStore
        implements DurableStateUpdateStore<Object>,
                DurableStateStoreQuery<Object>,
                DurableStateStoreBySliceQuery<Object>,
                DurableStateStorePagedPersistenceIdsQuery<Object> {
    private final StateStore store;

    ForebayDurableStateStore(StateStore store) {
        this.store = store;
    }

    @Override
    public CompletionStage<GetObjectResult<Object>> getObject(String persistenceId) {
        return handedOver(store.get(persistenceId)
                .thenApply(found -> new GetObjectResult<>(Optional.ofNullable(found.stateOrNull()), found.revision())));
    }

    @Override
    public CompletionStage<Done> upsertObject(String persistenceId, long revision, Object value, String tag) {
        return done(store.upsert(persistenceId, revision, value, tag));
    }

    /** @deprecated by Akka: whatever the revision is, the deletion is the next one */
    @Deprecated
    @Override
    public CompletionStage<Done> deleteObject(String persistenceId) {
        return done(store.delete(persistenceId));
    }

    @Override
    public CompletionStage<Done> deleteObject(String persistenceId, long revision) {
        return done(store.delete(persistenceId, revision));
    }

    @Override
    public Source<DurableStateChange<Object>, NotUsed> currentChanges(String tag, Offset offset) {
        return StateQueries.changes(store, StateSelection.ofTag(tag), offset, false);
    }

    @Override
    public Source<DurableStateChange<Object>, NotUsed> changes(String tag, Offset offset) {
        return StateQueries.changes(store, StateSelection.ofTag(tag), offset, true);
    }

    /** As by tag, of all states of an entity type in some slices; the last one included. */
    @Override
    public Source<DurableStateChange<Object>, NotUsed> currentChangesBySlices(
            String entityType, int minSlice, int maxSlice, Offset offset) {
        return StateQueries.changes(store, StateSelection.ofSlices(entityType, minSlice, maxSlice), offset, false);
    }

    @Override
    public Source<DurableStateChange<Object>, NotUsed> changesBySlices(
            String entityType, int minSlice, int maxSlice, Offset offset) {
        return StateQueries.changes(store, StateSelection.ofSlices(entityType, minSlice, maxSlice), offset, true);
    }

    @Override
    public int sliceForPersistenceId(String persistenceId) {
        return store.slices().sliceForPersistenceId(persistenceId);
    }

    @Override
    public List<Pair<Integer, Integer>> sliceRanges(int numberOfRanges) {
        return store.slices().getSliceRanges(numberOfRanges);
    }

    @Override
    public Source<String, NotUsed> currentPersistenceIds(Optional<String> afterId, long limit) {
        return StateQueries.persistenceIds(store, afterId.orElse(null), limit);
    }

    private CompletionStage<Done> done(CompletableFuture<Void> stage) {
        return handedOver(stage.thenApply(nothing -> Done.getInstance()));
    }

    /** What an application adds to a stage shall not run on a thread of the store. */
    private <T> CompletionStage<T> handedOver(CompletableFuture<T> stage) {
        return StateStore.handedOver(stage, store.applicationExecutor());
    }
}
