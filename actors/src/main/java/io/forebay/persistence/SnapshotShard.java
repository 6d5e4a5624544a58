package io.forebay.persistence;

import akka.actor.typed.Behavior;
import akka.actor.typed.javadsl.ActorContext;
import io.forebay.config.DurabilitySetting;
import io.forebay.config.PersistenceSettings;
import io.forebay.persistence.core.SnapshotBounds;
import io.forebay.persistence.core.SnapshotDraft;
import io.forebay.persistence.core.SnapshotTable;
import io.forebay.protocol.Refusal;
import io.forebay.storage.log.LogRecord;
import io.forebay.store.StripeHandle;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;

/**
 * The one who writes the snapshots of a reserved queue. A large one goes in parts, of which few are on their way at a time: others
 * that write to the stripe find room beside it, whatever its size.
 */
final class SnapshotShard extends Shard<SnapshotTable> {
    /**
     * Stores a snapshot, in place of another one of its number; kept at the level that the settings name. Until then there is nothing
     * of it, and the other one is still there.
     *
     * @param reply fails with {@link Refusal.Code#ILLEGAL_ARGUMENT} if it cannot be stored as it is, with {@link
     *     Refusal.Code#TOO_LARGE} if its metadata fit no frame, with {@link Refusal.Code#OUTCOME_UNKNOWN} if it may be stored
     */
    record Save(SnapshotDraft snapshot, CompletableFuture<Void> reply) implements Request {}

    /** Deletes the snapshots within bounds; kept when that is flushed. Idempotent. */
    record Delete(String persistenceId, SnapshotBounds bounds, CompletableFuture<Void> reply) implements Request {}

    /**
     * Where the snapshot of the highest number within bounds is, if there is one; kept when everything that was written before is
     * flushed. Does not wait for saves that are under way.
     */
    record Select(String persistenceId, SnapshotBounds bounds, CompletableFuture<Optional<SnapshotTable.Place>> reply)
            implements Request {}

    private static final int PART_BYTES_MAX = 1024 * 1024;
    /** Of a frame: what is moved by cleaning, or read, is held in memory as a whole. */
    private static final int PARTS_IN_A_FRAME = 4;
    /** Of what may be unflushed. */
    private static final int PARTS_IN_THE_BUDGET = 16;

    /** More would not make it faster: while some are forced the others are written. */
    private static final int PARTS_UNDER_WAY_MAX = 4;

    private final boolean isFlushedWanted;
    private final int partBytesMax;
    /** Of the snapshot that is being stored. */
    private int nextPart;

    private int partsUnderWay;

    static Behavior<Command> create(
            ShardRef ref,
            StripeHandle stripe,
            int queueId,
            PersistenceSettings settings,
            ShardRecovery.Recovered recovered) {
        return setup(ref, context -> new SnapshotShard(context, ref, stripe, queueId, settings, recovered));
    }

    private SnapshotShard(
            ActorContext<Command> context,
            ShardRef ref,
            StripeHandle stripe,
            int queueId,
            PersistenceSettings settings,
            ShardRecovery.Recovered recovered) {
        super(context, ref, stripe, queueId, settings, recovered, (SnapshotTable) recovered.table);
        isFlushedWanted = settings.durability() == DurabilitySetting.FLUSHED;
        partBytesMax = (int) Math.min(
                PART_BYTES_MAX,
                Math.min(
                        stripe.log().frameBytesMax() / PARTS_IN_A_FRAME,
                        stripe.budget().unflushedBytesMax() / PARTS_IN_THE_BUDGET));
        release(table().takeDead());
    }

    @Override
    void take(Request request) {
        if (request instanceof Save save) {
            if (nextPart > 0 || !refusesForLostName(save, save.snapshot.persistenceId())) {
                save(save);
            }
        } else if (request instanceof Delete delete) {
            if (!refusesForLostName(delete, delete.persistenceId)) {
                delete(delete);
            }
        } else if (request instanceof Select select) {
            if (refusesForLostName(select, select.persistenceId)) {
                return;
            }
            Optional<SnapshotTable.Place> place =
                    Optional.ofNullable(table().newestOrNull(select.persistenceId, select.bounds));
            awaitFlushed(select, () -> select.reply.complete(place));
        } else {
            throw new AssertionError(request);
        }
    }

    /** A load that overtakes a save finds what there was before, as it may until that is answered. */
    @Override
    boolean isNotInOrder(Request request) {
        return request instanceof Select;
    }

    @Override
    boolean isUnfinished() {
        return nextPart > 0;
    }

    private void save(Save save) {
        int parts = save.snapshot.parts(partBytesMax);
        while (!save.reply.isDone()) {
            if (nextPart > 0 && partsUnderWay >= PARTS_UNDER_WAY_MAX) {
                return;
            }
            List<LogRecord> records;
            try {
                records = table().decidePart(save.snapshot, nextPart, partBytesMax, nowMillis());
            } catch (IllegalArgumentException e) {
                fail(save, Refusal.of(Refusal.Code.ILLEGAL_ARGUMENT, e.getMessage()));
                return;
            }
            if (nextPart == parts - 1) {
                if (store(save, records, isFlushedWanted, () -> save.reply.complete(null))) {
                    nextPart = 0;
                    releaseOnceFlushed(table().takeDead());
                    return;
                }
            } else if (store(save, records, true, this::partIsOver, this::partIsOver)) {
                partsUnderWay++;
                nextPart++;
            }
            if (isWaitingForRoom()) {
                return;
            }
        }
        // It was refused. What was stored of it counts for nothing, and is not gone on with.
        nextPart = 0;
    }

    private void partIsOver() {
        partsUnderWay--;
    }

    private void delete(Delete delete) {
        LogRecord record = table().decideDelete(delete.persistenceId, delete.bounds);
        if (record == null) {
            awaitFlushed(delete, () -> delete.reply.complete(null));
        } else if (storeDeletion(delete, record, () -> delete.reply.complete(null))) {
            releaseOnceFlushed(table().takeDead());
        }
    }
}
