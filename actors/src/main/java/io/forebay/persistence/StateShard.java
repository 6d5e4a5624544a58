package io.forebay.persistence;

import akka.actor.typed.Behavior;
import akka.actor.typed.javadsl.ActorContext;
import io.forebay.config.DurabilitySetting;
import io.forebay.config.PersistenceSettings;
import io.forebay.persistence.core.StateDraft;
import io.forebay.persistence.core.StateSelection;
import io.forebay.persistence.core.StateTable;
import io.forebay.protocol.Refusal;
import io.forebay.queue.OwnerLog;
import io.forebay.storage.log.DurableStateRecord;
import io.forebay.storage.log.LogRecord;
import io.forebay.store.StripeHandle;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.CompletableFuture;

/** The one who writes the durable states of a reserved queue, and tells those who watch a tag. */
final class StateShard extends Shard<StateTable> {
    /**
     * Stores a state; kept at the level that the settings name. Fails with {@link Refusal.Code#ILLEGAL_ARGUMENT} if the revision is
     * not the one behind what is stored, with {@link Refusal.Code#OUTCOME_UNKNOWN} if it may be stored.
     *
     * @param tag "" for none
     */
    record Upsert(String persistenceId, long revision, StateDraft state, String tag, CompletableFuture<Void> reply)
            implements Request {}

    /** Deletes a state, as {@link Upsert} stores one; kept when that is flushed. */
    record Delete(String persistenceId, long revision, CompletableFuture<Void> reply) implements Request {}

    /** The same, whatever its revision is. Idempotent. */
    record DeleteAny(String persistenceId, CompletableFuture<Void> reply) implements Request {}

    /** Where the state of an id is; kept when everything that was written before is flushed. */
    record Locate(String persistenceId, CompletableFuture<StateTable.Place> reply) implements Request {}

    /** All ids that have, or had, a state; kept when everything that was written before is flushed. */
    record ListIds(CompletableFuture<String[]> reply) implements Request {}

    /**
     * The newest changes of what is wanted, as {@link StateTable#changes} has them; kept when everything that was written before is
     * flushed, so that none is missing of what was durable when this was asked.
     */
    record FindChanges(
            StateSelection wanted,
            long afterSequence,
            long toSequence,
            int countMax,
            CompletableFuture<StateTable.Changes> reply)
            implements Request {}

    /**
     * From now on that is called, on this actor's thread, whenever a change under the tag is flushed; until {@link Unwatch}.
     *
     * @param tagOrNull null for any
     * @param watcher its identity names it
     */
    record Watch(String tagOrNull, Runnable watcher, CompletableFuture<Void> reply) implements Request {}

    /** Idempotent. */
    record Unwatch(String tagOrNull, Runnable watcher, CompletableFuture<Void> reply) implements Request {}

    private static final int PART_BYTES_MAX = 1024 * 1024;
    /** An id that is new, and parts that come to 4 MiB. */
    private static final int RECORDS_TOGETHER_MAX = 5;

    private final boolean isFlushedWanted;
    private final int partBytesMax;
    /** By their tags; those of null are told of any. */
    private final Map<String, Set<Runnable>> watchers = new HashMap<>();

    static Behavior<Command> create(
            ShardRef ref,
            StripeHandle stripe,
            int queueId,
            PersistenceSettings settings,
            ShardRecovery.Recovered recovered) {
        return setup(ref, context -> new StateShard(context, ref, stripe, queueId, settings, recovered));
    }

    private StateShard(
            ActorContext<Command> context,
            ShardRef ref,
            StripeHandle stripe,
            int queueId,
            PersistenceSettings settings,
            ShardRecovery.Recovered recovered) {
        super(context, ref, stripe, queueId, settings, recovered, (StateTable) recovered.table);
        isFlushedWanted = settings.durability() == DurabilitySetting.FLUSHED;
        partBytesMax = (int) Math.min(PART_BYTES_MAX, bytesMax() / 4);
        release(table().takeDead());
    }

    @Override
    void take(Request request) {
        if (request instanceof Upsert upsert) {
            if (!refusesForLostName(upsert, upsert.persistenceId)) {
                upsert(upsert);
            }
        } else if (request instanceof Delete delete) {
            if (!refusesForLostName(delete, delete.persistenceId)) {
                delete(delete);
            }
        } else if (request instanceof DeleteAny delete) {
            if (!refusesForLostName(delete, delete.persistenceId)) {
                deleteAny(delete);
            }
        } else if (request instanceof Locate locate) {
            if (refusesForLostName(locate, locate.persistenceId)) {
                return;
            }
            StateTable.Place place = table().place(locate.persistenceId);
            awaitFlushed(locate, () -> locate.reply.complete(place));
        } else if (request instanceof ListIds list) {
            awaitFlushed(list, () -> list.reply.complete(table().persistenceIds()));
        } else if (request instanceof FindChanges find) {
            awaitFlushed(
                    find,
                    () -> find.reply.complete(
                            table().changes(find.wanted, find.afterSequence, find.toSequence, find.countMax)));
        } else if (request instanceof Watch watch) {
            watchers.computeIfAbsent(watch.tagOrNull, tag -> new LinkedHashSet<>())
                    .add(watch.watcher);
            watch.reply.complete(null);
            // What is on its way was decided when nobody watched.
            whenFlushed(watch.watcher);
        } else if (request instanceof Unwatch unwatch) {
            watchers.computeIfPresent(unwatch.tagOrNull, (tag, of) -> {
                of.remove(unwatch.watcher);
                return of.isEmpty() ? null : of;
            });
            unwatch.reply.complete(null);
        } else {
            throw new AssertionError(request);
        }
    }

    private void upsert(Upsert upsert) {
        List<LogRecord> records;
        try {
            records = table().decideUpsert(
                            upsert.persistenceId, upsert.revision, upsert.state, upsert.tag, partBytesMax, nowMillis());
        } catch (IllegalArgumentException e) {
            fail(upsert, Refusal.of(Refusal.Code.ILLEGAL_ARGUMENT, e.getMessage()));
            return;
        }
        storeInOrder(upsert, inFrames(records), isFlushedWanted, () -> upsert.reply.complete(null));
    }

    private void delete(Delete delete) {
        List<LogRecord> records;
        try {
            records = table().decideDelete(delete.persistenceId, delete.revision, nowMillis());
        } catch (IllegalArgumentException e) {
            fail(delete, Refusal.of(Refusal.Code.ILLEGAL_ARGUMENT, e.getMessage()));
            return;
        }
        storeDeletionInOrder(delete, records, () -> delete.reply.complete(null));
    }

    private void deleteAny(DeleteAny delete) {
        List<LogRecord> records = table().decideDelete(delete.persistenceId, nowMillis());
        if (records.isEmpty()) {
            awaitFlushed(delete, () -> delete.reply.complete(null));
        } else {
            storeDeletionInOrder(delete, records, () -> delete.reply.complete(null));
        }
    }

    /** All of it in one frame if it is not large, else a frame for each part: a large one would wait until nothing else does. */
    private List<List<LogRecord>> inFrames(List<LogRecord> records) {
        if (records.size() <= RECORDS_TOGETHER_MAX && OwnerLog.bytesOf(records) <= bytesMax()) {
            return List.of(records);
        }
        List<List<LogRecord>> frames = new ArrayList<>(records.size());
        for (LogRecord record : records) {
            frames.add(List.of(record));
        }
        return frames;
    }

    /** They find out why when they ask. */
    @Override
    void closed(Refusal reason) {
        watchers.values().forEach(of -> of.forEach(Runnable::run));
    }

    @Override
    void onStored(LogRecord last) {
        releaseOnceFlushed(table().takeDead());
        if (last instanceof DurableStateRecord state
                && (watchers.containsKey(state.tag()) || watchers.containsKey(null))) {
            whenFlushed(() -> {
                watchers.getOrDefault(state.tag(), Set.of()).forEach(Runnable::run);
                watchers.getOrDefault(null, Set.of()).forEach(Runnable::run);
            });
        }
    }
}
