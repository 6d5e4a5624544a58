package io.forebay.persistence;

import akka.actor.ActorSystem;
import akka.actor.typed.javadsl.Adapter;
import akka.persistence.SelectedSnapshot;
import akka.persistence.SnapshotMetadata;
import akka.persistence.SnapshotSelectionCriteria;
import akka.persistence.snapshot.japi.SnapshotStore;
import com.typesafe.config.Config;
import io.forebay.persistence.core.SnapshotBounds;
import io.forebay.persistence.core.SnapshotDraft;
import io.forebay.persistence.core.SnapshotTable;
import io.forebay.persistence.core.UnreadableSnapshotException;
import io.forebay.storage.log.PersistenceSnapshotRecord;
import io.forebay.store.StripeHandle;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import scala.concurrent.Future;
import scala.jdk.javaapi.FutureConverters;

/**
 * Akka's snapshot store on the log of this node, or of this application alone: {@code akka.persistence.snapshot-store.plugin =
 * "forebay.persistence.snapshot-store"}. Requests that come before the log is recovered wait for it.
 *
 * <p>A snapshot is stored at the level that {@code forebay.persistence.durability} names, whole or not at all, and replaces another
 * one of the same sequence number; deletions are flushed. What is loaded is flushed, whatever that level is. A snapshot of which a part
 * is damaged fails the load: Akka goes on without a snapshot if the application says {@code snapshot-is-optional}, and else the
 * recovery of the actor fails. It is not taken for one that is not there.
 */
public final class ForebaySnapshotStore extends SnapshotStore {
    private final ForebayPersistence persistence;
    private final SnapshotCodec codec;
    private final PatientReads reads;

    /** Called by Akka with the plugin's section. */
    public ForebaySnapshotStore(Config config) {
        ActorSystem system = context().system();
        persistence = ForebayPersistence.get(Adapter.toTyped(system));
        codec = new SnapshotCodec(system);
        reads = new PatientReads(system, config.getString("load-dispatcher"));
    }

    @Override
    public Future<Void> doSaveAsync(SnapshotMetadata metadata, Object snapshot) {
        CompletableFuture<Void> saved = new CompletableFuture<>();
        try {
            SnapshotDraft draft = codec.toDraft(metadata, snapshot);
            persistence.request(ShardKind.SNAPSHOTS, metadata.persistenceId(), new SnapshotShard.Save(draft, saved));
        } catch (Exception e) {
            saved.completeExceptionally(e);
        }
        return FutureConverters.asScala(saved);
    }

    /** A timestamp of 0 is any, as Akka has it: whoever knows only the number deletes by it. */
    @Override
    public Future<Void> doDeleteAsync(SnapshotMetadata metadata) {
        return delete(
                metadata.persistenceId(),
                metadata.timestamp() == 0
                        ? SnapshotBounds.ofSequenceNr(metadata.sequenceNr())
                        : SnapshotBounds.of(metadata.sequenceNr(), metadata.timestamp()));
    }

    @Override
    public Future<Void> doDeleteAsync(String persistenceId, SnapshotSelectionCriteria criteria) {
        return delete(persistenceId, boundsOf(criteria));
    }

    private Future<Void> delete(String persistenceId, SnapshotBounds bounds) {
        CompletableFuture<Void> deleted = new CompletableFuture<>();
        persistence.request(
                ShardKind.SNAPSHOTS, persistenceId, new SnapshotShard.Delete(persistenceId, bounds, deleted));
        return FutureConverters.asScala(deleted);
    }

    private static SnapshotBounds boundsOf(SnapshotSelectionCriteria criteria) {
        return new SnapshotBounds(
                criteria.minSequenceNr(), criteria.maxSequenceNr(), criteria.minTimestamp(), criteria.maxTimestamp());
    }

    @Override
    public Future<Optional<SelectedSnapshot>> doLoadAsync(String persistenceId, SnapshotSelectionCriteria criteria) {
        CompletableFuture<Optional<SelectedSnapshot>> loaded = new CompletableFuture<>();
        load(persistenceId, boundsOf(criteria), null, loaded);
        return FutureConverters.asScala(loaded);
    }

    /** @param goneOrNull what was looked for before, and was not there any more */
    private void load(
            String persistenceId,
            SnapshotBounds bounds,
            SnapshotTable.Place goneOrNull,
            CompletableFuture<Optional<SelectedSnapshot>> loaded) {
        CompletableFuture<Optional<SnapshotTable.Place>> selected = new CompletableFuture<>();
        persistence.request(
                ShardKind.SNAPSHOTS, persistenceId, new SnapshotShard.Select(persistenceId, bounds, selected));
        selected.thenCombine(persistence.stripe(), (place, stripe) -> (Runnable) () -> {
                    if (place.isEmpty()) {
                        loaded.complete(Optional.empty());
                    } else {
                        read(stripe, persistenceId, bounds, place.get(), goneOrNull, loaded);
                    }
                })
                .whenCompleteAsync(
                        (found, failure) -> {
                            if (failure == null) {
                                found.run();
                            } else {
                                loaded.completeExceptionally(ForebayJournal.causeOf(failure));
                            }
                        },
                        reads.executor());
    }

    private void read(
            StripeHandle stripe,
            String persistenceId,
            SnapshotBounds bounds,
            SnapshotTable.Place place,
            SnapshotTable.Place goneOrNull,
            CompletableFuture<Optional<SelectedSnapshot>> loaded) {
        StoredSnapshot stored = new StoredSnapshot(
                stripe, ShardKind.SNAPSHOTS.queueId(ShardKind.shardOf(persistenceId)), persistenceId, place);
        reads.read(
                () -> {
                    PersistenceSnapshotRecord snapshot = stored.readOrNull();
                    if (snapshot != null) {
                        loaded.complete(Optional.of(codec.toSelected(persistenceId, snapshot)));
                    } else if (place.equals(goneOrNull)) {
                        throw new UnreadableSnapshotException("snapshot " + place.sequenceNr() + " of persistence id '"
                                + persistenceId + "' cannot be read: it was given back, and not deleted");
                    } else {
                        // Deleted or replaced since it was selected.
                        load(persistenceId, bounds, place, loaded);
                    }
                },
                loaded);
    }
}
