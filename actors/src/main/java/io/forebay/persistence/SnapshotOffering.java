package io.forebay.persistence;

import akka.actor.ExtendedActorSystem;
import akka.actor.Props;
import akka.persistence.AbstractPersistentActor;
import akka.persistence.Recovery;
import akka.persistence.RecoveryCompleted;
import akka.persistence.SnapshotOffer;
import akka.persistence.SnapshotSelectionCriteria;
import java.util.Optional;
import java.util.UUID;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionStage;
import scala.Option;

/**
 * Recovers as a persistent actor would, of whatever snapshot store, and stops when that has offered its newest snapshot: no other way
 * of reading one is there for whoever is not that store. Persists nothing, and has no events replayed.
 */
final class SnapshotOffering extends AbstractPersistentActor {
    private final String persistenceId;
    private final String journalPluginId;
    private final String snapshotPluginId;
    private final CompletableFuture<Optional<SnapshotOffer>> newest;
    private SnapshotOffer offerOrNull;

    private SnapshotOffering(
            String persistenceId,
            String journalPluginId,
            String snapshotPluginId,
            CompletableFuture<Optional<SnapshotOffer>> newest) {
        this.persistenceId = persistenceId;
        this.journalPluginId = journalPluginId;
        this.snapshotPluginId = snapshotPluginId;
        this.newest = newest;
    }

    static CompletionStage<Optional<SnapshotOffer>> newest(
            ExtendedActorSystem system, String persistenceId, String journalPluginId, String snapshotPluginId) {
        CompletableFuture<Optional<SnapshotOffer>> newest = new CompletableFuture<>();
        system.systemActorOf(
                Props.create(
                        SnapshotOffering.class,
                        () -> new SnapshotOffering(persistenceId, journalPluginId, snapshotPluginId, newest)),
                "forebay-import-" + UUID.randomUUID());
        return newest;
    }

    @Override
    public String persistenceId() {
        return persistenceId;
    }

    @Override
    public String journalPluginId() {
        return journalPluginId;
    }

    @Override
    public String snapshotPluginId() {
        return snapshotPluginId;
    }

    @Override
    public Recovery recovery() {
        return Recovery.create(SnapshotSelectionCriteria.latest(), Long.MAX_VALUE, 0);
    }

    @Override
    public Receive createReceiveRecover() {
        return receiveBuilder()
                .match(SnapshotOffer.class, offer -> offerOrNull = offer)
                .match(RecoveryCompleted.class, completed -> {
                    newest.complete(Optional.ofNullable(offerOrNull));
                    getContext().stop(getSelf());
                })
                .build();
    }

    @Override
    public Receive createReceive() {
        return receiveBuilder().build();
    }

    @Override
    public void onRecoveryFailure(Throwable cause, Option<Object> event) {
        newest.completeExceptionally(cause);
    }

    @Override
    public void postStop() {
        newest.completeExceptionally(new IllegalStateException("the actor system ends"));
    }
}
