package io.forebay.persistence;

import akka.Done;
import akka.NotUsed;
import akka.persistence.query.DurableStateChange;
import akka.persistence.query.Offset;
import akka.persistence.query.scaladsl.DurableStateStorePagedPersistenceIdsQuery;
import akka.persistence.query.scaladsl.DurableStateStoreQuery;
import akka.persistence.query.typed.scaladsl.DurableStateStoreBySliceQuery;
import akka.persistence.state.scaladsl.DurableStateUpdateStore;
import akka.persistence.state.scaladsl.GetObjectResult;
import akka.stream.scaladsl.Source;
import io.forebay.persistence.core.StateSelection;
import java.util.concurrent.CompletableFuture;
import scala.Option;
import scala.collection.immutable.Range;
import scala.collection.immutable.Seq;
import scala.concurrent.Future;
import scala.jdk.javaapi.FutureConverters;

/**
 * The store of {@link ForebayDurableStateProvider} for Scala, and for every {@code DurableStateBehavior}, in whichever language that is.
 * Thread-safe.
 */
final class ForebayScalaDurableStateStore
        implements DurableStateUpdateStore<Object>,
                DurableStateStoreQuery<Object>,
                DurableStateStoreBySliceQuery<Object>,
                DurableStateStorePagedPersistenceIdsQuery<Object> {
    private final StateStore store;

    ForebayScalaDurableStateStore(StateStore store) {
        this.store = store;
    }

    @Override
    public Future<GetObjectResult<Object>> getObject(String persistenceId) {
        return asScala(store.get(persistenceId)
                .thenApply(found -> new GetObjectResult<>(Option.apply(found.stateOrNull()), found.revision())));
    }

    @Override
    public Future<Done> upsertObject(String persistenceId, long revision, Object value, String tag) {
        return done(store.upsert(persistenceId, revision, value, tag));
    }

    /** @deprecated by Akka: whatever the revision is, the deletion is the next one */
    @Deprecated
    @Override
    public Future<Done> deleteObject(String persistenceId) {
        return done(store.delete(persistenceId));
    }

    @Override
    public Future<Done> deleteObject(String persistenceId, long revision) {
        return done(store.delete(persistenceId, revision));
    }

    @Override
    public Source<DurableStateChange<Object>, NotUsed> currentChanges(String tag, Offset offset) {
        return StateQueries.changes(store, StateSelection.ofTag(tag), offset, false)
                .asScala();
    }

    @Override
    public Source<DurableStateChange<Object>, NotUsed> changes(String tag, Offset offset) {
        return StateQueries.changes(store, StateSelection.ofTag(tag), offset, true)
                .asScala();
    }

    /** As by tag, of all states of an entity type in some slices; the last one included. */
    @Override
    public Source<DurableStateChange<Object>, NotUsed> currentChangesBySlices(
            String entityType, int minSlice, int maxSlice, Offset offset) {
        return StateQueries.changes(store, StateSelection.ofSlices(entityType, minSlice, maxSlice), offset, false)
                .asScala();
    }

    @Override
    public Source<DurableStateChange<Object>, NotUsed> changesBySlices(
            String entityType, int minSlice, int maxSlice, Offset offset) {
        return StateQueries.changes(store, StateSelection.ofSlices(entityType, minSlice, maxSlice), offset, true)
                .asScala();
    }

    @Override
    public int sliceForPersistenceId(String persistenceId) {
        return store.slices().sliceForPersistenceId(persistenceId);
    }

    @Override
    public Seq<Range> sliceRanges(int numberOfRanges) {
        return store.slices().sliceRanges(numberOfRanges);
    }

    @Override
    public Source<String, NotUsed> currentPersistenceIds(Option<String> afterId, long limit) {
        return StateQueries.persistenceIds(store, afterId.isEmpty() ? null : afterId.get(), limit)
                .asScala();
    }

    private static Future<Done> done(CompletableFuture<Void> stage) {
        return asScala(stage.thenApply(nothing -> Done.getInstance()));
    }

    /** What is added to a future brings its own executor. */
    private static <T> Future<T> asScala(CompletableFuture<T> stage) {
        return FutureConverters.asScala(StateStore.handedOver(stage, Runnable::run));
    }
}
