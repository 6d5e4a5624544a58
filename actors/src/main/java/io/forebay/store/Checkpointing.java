package io.forebay.store;

import akka.actor.typed.ActorRef;
import io.forebay.storage.log.Checkpoint;
import io.forebay.storage.log.Frame;
import io.forebay.storage.log.Owner;
import io.forebay.storage.log.StripeException;
import io.forebay.storage.log.StripeLog;
import io.forebay.store.StoreWriter.Append;
import io.forebay.store.StoreWriter.Event;
import io.forebay.store.StoreWriter.Snapshot;
import io.forebay.store.StoreWriter.SnapshotRequested;
import java.io.IOException;
import java.util.ArrayList;
import java.util.List;

/**
 * Takes a stripe's checkpoints, one at a time, as {@link CheckpointState} decides: asks the owners for snapshots, appends these
 * and the manifest, and has the slot written when the manifest is durable. What is appended here are the stripe's own frames:
 * nobody is told of them, and nobody else writes them again. Confined to the StoreWriter.
 */
final class Checkpointing {
    /** Time is over for the snapshots of this checkpoint. */
    record SnapshotsTimedOut(long checkpointId) implements StoreWriter.Internal {}

    /** The pause behind a checkpoint that failed. */
    enum CheckpointPauseOver implements StoreWriter.Internal {
        INSTANCE
    }

    /** @param failure null if the slot is written */
    record CheckpointFinished(Throwable failure) implements StoreWriter.Internal {}

    private static final Object SNAPSHOTS = "snapshots";

    private final StoreWriter.Parts parts;
    private final StripeLog log;
    private final StripeBudget budget;
    private final StripeStatus status;
    private final WriterTools tools;
    private final AppendGate gate;
    private final Registrations<Owner, ActorRef<Event>> registrations;
    private final Unflushed unflushed;
    private final ActorRef<Event> ownOrigin;
    private final CheckpointState checkpoints;
    /** Null while none is under way. */
    private Checkpoint checkpoint;

    /**
     * @param registrations who is asked for which snapshot
     * @param ownOrigin of the stripe's own frames
     */
    Checkpointing(
            StoreWriter.Parts parts,
            WriterTools tools,
            AppendGate gate,
            Registrations<Owner, ActorRef<Event>> registrations,
            Unflushed unflushed,
            ActorRef<Event> ownOrigin) {
        this.parts = parts;
        this.log = parts.log();
        this.budget = parts.budget();
        this.status = parts.status();
        this.tools = tools;
        this.gate = gate;
        this.registrations = registrations;
        this.unflushed = unflushed;
        this.ownOrigin = ownOrigin;
        this.checkpoints = new CheckpointState(parts.config().checkpointBytes(), log.bytesSinceCheckpoint());
    }

    // --- when ---

    /** Owners have appended so much. */
    void appended(long bytes) {
        checkpoints.appended(bytes);
    }

    /** One is worth while although the log has not grown much: it frees segments. */
    void want() {
        checkpoints.want();
    }

    boolean isDue() {
        return checkpoints.isDue();
    }

    /** Called once per idle interval: whether one is due because nothing is appended, or because it would give space back. */
    boolean isDueWhenIdle() {
        return checkpoints.isDueWhenIdle(log::isSpaceFreeable);
    }

    boolean hasChanges() {
        return checkpoints.hasChanges();
    }

    boolean isUnderWay() {
        return checkpoints.isUnderWay();
    }

    void pauseOver() {
        checkpoints.pauseOver();
    }

    // --- snapshots ---

    /** Begins one, unless one is under way or has failed just now. Only while nothing waits to be appended. */
    void begin() {
        if (!checkpoints.mayBegin()) {
            return;
        }
        try {
            checkpoint = log.beginCheckpoint();
        } catch (StripeException e) {
            failed(e);
            return;
        }
        List<Owner> asked = new ArrayList<>();
        for (Owner owner : checkpoint.changedOwners()) {
            if (registrations.origin(owner) != null) {
                asked.add(owner);
            }
        }
        long id = checkpoints.begin(asked);
        status.meters().checkpointBegins();
        for (Owner owner : asked) {
            registrations.origin(owner).tell(new SnapshotRequested(id, owner));
        }
        tools.startTimer(SNAPSHOTS, new SnapshotsTimedOut(id), parts.config().snapshotTimeout());
        writeManifestIfGathered();
    }

    /** The owner is somebody else's to answer for from now on: asks that one for a snapshot that is waited for. */
    void registered(Owner owner, ActorRef<Event> origin) {
        if (checkpoints.awaits(owner)) {
            origin.tell(new SnapshotRequested(checkpoints.id(), owner));
        }
    }

    /** There is no snapshot of this owner to be had. The manifest may be due then. */
    void gone(Owner owner) {
        checkpoints.gathered(owner);
    }

    /** @return what has to be tried again later, or null */
    Snapshot appendSnapshot(Snapshot snapshot) {
        if (!checkpoints.isAwaited(snapshot.checkpointId(), snapshot.owner())) {
            return null; // of one that was given up
        }
        for (int part = 0; part < snapshot.frames().size(); part++) {
            Frame frame = snapshot.frames().get(part);
            try {
                log.appendIfPrepared(frame, parts.clock().millis());
            } catch (StripeException e) {
                if (e.reason() == StripeException.Reason.NOT_PREPARED) {
                    gate.awaitPrepared();
                    List<Frame> rest = List.copyOf(
                            snapshot.frames().subList(part, snapshot.frames().size()));
                    return new Snapshot(snapshot.checkpointId(), snapshot.owner(), rest);
                }
                // The parts that are there do not count without the last one: the owner only keeps the replay start
                // back.
                gate.refusedBecause(e);
                status.failed("snapshot of " + snapshot.owner() + ": " + e.getMessage());
                break;
            }
            gate.appended();
            budget.take(frame.retainedBytes());
            unflushed.appended(new Append(frame, ownOrigin, false, 0));
        }
        checkpoints.gathered(snapshot.owner());
        writeManifestIfGathered();
        return null;
    }

    void onSnapshotsTimedOut(SnapshotsTimedOut timeout) {
        checkpoints.timedOut(timeout.checkpointId);
        writeManifestIfGathered();
    }

    // --- manifest and slot ---

    void writeManifestIfGathered() {
        if (!checkpoints.isGathered() || !gate.isOpen()) {
            return;
        }
        tools.cancelTimer(SNAPSHOTS);
        try {
            log.writeManifestIfPrepared(checkpoint);
        } catch (StripeException e) {
            if (e.reason() == StripeException.Reason.NOT_PREPARED) {
                gate.awaitPrepared();
                return;
            }
            if (e.reason() == StripeException.Reason.STORE_FAILED) {
                gate.storeFailed(e);
            }
            failed(e);
            return;
        }
        checkpoints.manifestWritten(checkpoint.manifestSequence());
        unflushed.wantForce();
    }

    /** More is durable: has the slot written if that was what it waits for. */
    void durable(long durableSequence) {
        if (checkpoints.isForced(durableSequence)) {
            checkpoints.finishing();
            Checkpoint finishing = checkpoint;
            tools.offload(() -> log.finishCheckpoint(finishing), CheckpointFinished::new);
        }
    }

    void onCheckpointFinished(CheckpointFinished finished) {
        if (finished.failure != null) {
            failed(StripeFailures.environment(parts.stripeId(), finished.failure));
        } else {
            checkpoints.finished();
            checkpoint = null;
            status.checkpointCount(checkpoints.completedCount());
            status.meters().checkpointTaken();
        }
    }

    private void failed(IOException cause) {
        status.failed("checkpoint: " + cause.getMessage());
        status.meters().checkpointFailed();
        tools.logger().warn("stripe {}: no checkpoint was made: {}", parts.stripeId(), cause.getMessage());
        abandon();
        checkpoints.pause();
        tools.startTimer(
                CheckpointPauseOver.INSTANCE,
                CheckpointPauseOver.INSTANCE,
                parts.config().retryBackoff());
    }

    /** A failed force has overtaken it. One whose slot is being written ends by itself. */
    void overtaken() {
        if (checkpoints.step() != CheckpointState.Step.FINISHING) {
            abandon();
        }
    }

    private void abandon() {
        checkpoints.abandon();
        checkpoint = null;
        tools.cancelTimer(SNAPSHOTS);
    }
}
