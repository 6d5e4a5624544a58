package io.forebay.persistence;

import akka.actor.ActorSystem;
import akka.actor.typed.javadsl.Adapter;
import akka.dispatch.MessageDispatcher;
import akka.persistence.Persistence;
import akka.persistence.query.DeletedDurableState;
import akka.persistence.query.DurableStateChange;
import akka.persistence.query.Offset;
import akka.persistence.query.UpdatedDurableState;
import io.forebay.persistence.core.StateDraft;
import io.forebay.persistence.core.StateSelection;
import io.forebay.persistence.core.StateTable;
import io.forebay.protocol.ForebayException;
import io.forebay.protocol.Refusal;
import io.forebay.storage.log.DurableStateRecord;
import io.forebay.store.StripeHandle;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.concurrent.Executor;
import java.util.function.Supplier;

/** What the durable state stores of both of Akka's APIs do. Thread-safe. */
final class StateStore {
    /**
     * What is stored of an id.
     *
     * @param stateOrNull null if it was deleted, or never was
     * @param revision 0 if it never was
     */
    record Found(Object stateOrNull, long revision) {}

    /**
     * Changes of what is wanted, in the order of their sequences.
     *
     * @param toSequence there are no others up to this one
     * @param durableSequence what was durable when this was asked
     */
    record Round(List<StateTable.Change> changes, long toSequence, long durableSequence) {}

    /**
     * The first of some changes with what they stored.
     *
     * @param count how many of them that are; some may have been replaced since, and are left out
     */
    record Read(List<DurableStateChange<Object>> changes, int count) {}

    /** Something is to be tried again: it is known that this may pass. */
    private static final class AgainException extends RuntimeException {
        private static final long serialVersionUID = 1;

        AgainException(Throwable cause) {
            super(cause.getMessage(), cause, false, false);
        }
    }

    /** Pauses between tries; all together about a quarter of a minute. */
    private static final int TRIES_MAX = 300;

    private static final Duration TRY_PAUSE = Duration.ofMillis(50);

    /** Changes of one shard that are asked for at once. */
    private static final int ROUND_CHANGES_MAX = 64;
    /** States, and bytes of them, that are in memory before they are asked for. */
    private static final int AHEAD_MAX = 16;

    private static final int AHEAD_BYTES_MAX = 1024 * 1024;

    private final ActorSystem system;
    private final ForebayPersistence persistence;
    private final StateCodec codec;
    private final MessageDispatcher readExecutor;

    /** @param readDispatcher where states are read and decoded; its threads may block */
    StateStore(ActorSystem system, String readDispatcher) {
        this.system = system;
        persistence = ForebayPersistence.get(Adapter.toTyped(system));
        codec = new StateCodec(system);
        readExecutor = system.dispatchers().lookup(readDispatcher);
    }

    /** The same as its caller is to have it: failed with the reason itself, and completed by that executor. */
    static <T> CompletableFuture<T> handedOver(CompletableFuture<T> stage, Executor executor) {
        CompletableFuture<T> handed = new CompletableFuture<>();
        stage.whenCompleteAsync(
                (value, failure) -> {
                    if (failure == null) {
                        handed.complete(value);
                    } else {
                        handed.completeExceptionally(ForebayJournal.causeOf(failure));
                    }
                },
                executor);
        return handed;
    }

    /** Akka's way of giving persistence ids slices. */
    Persistence slices() {
        return Persistence.get(system);
    }

    /** Where an application's own code runs. */
    Executor applicationExecutor() {
        return system.dispatcher();
    }

    // ---- single states ----------------------------------------------------------------------------------------------

    CompletableFuture<Found> get(String persistenceId) {
        return ofId(
                persistenceId,
                () -> retried(() -> locate(persistenceId)
                        .thenCombineAsync(
                                persistence.stripe(),
                                (place, stripe) -> found(stripe, persistenceId, place),
                                readExecutor)));
    }

    private CompletableFuture<StateTable.Place> locate(String persistenceId) {
        CompletableFuture<StateTable.Place> place = new CompletableFuture<>();
        persistence.request(ShardKind.STATES, persistenceId, new StateShard.Locate(persistenceId, place));
        return place;
    }

    private Found found(StripeHandle stripe, String persistenceId, StateTable.Place place) {
        if (place.parts() == 0 || place.isDeleted()) {
            return new Found(null, place.revision());
        }
        List<DurableStateRecord> parts = read(stripe, persistenceId, place);
        if (parts == null) {
            // Replaced and given back since it was located.
            throw new AgainException(new IllegalStateException("revision " + place.revision() + " of the state of"
                    + " persistence id '" + persistenceId + "' was replaced while it was read"));
        }
        return new Found(codec.toState(parts), place.revision());
    }

    CompletableFuture<Void> upsert(String persistenceId, long revision, Object state, String tag) {
        return ofId(persistenceId, () -> {
            if (state == null) {
                throw new IllegalArgumentException("the state of persistence id '" + persistenceId
                        + "' is null; one that is not there any more is deleted");
            }
            StateDraft draft = codec.toDraft(state);
            return asked(
                    persistenceId,
                    reply -> new StateShard.Upsert(persistenceId, revision, draft, tag == null ? "" : tag, reply));
        });
    }

    CompletableFuture<Void> delete(String persistenceId, long revision) {
        return ofId(
                persistenceId,
                () -> asked(persistenceId, reply -> new StateShard.Delete(persistenceId, revision, reply)));
    }

    CompletableFuture<Void> delete(String persistenceId) {
        return ofId(persistenceId, () -> asked(persistenceId, reply -> new StateShard.DeleteAny(persistenceId, reply)));
    }

    private interface Asking {
        StateShard.Request request(CompletableFuture<Void> reply);
    }

    private CompletableFuture<Void> asked(String persistenceId, Asking asking) {
        CompletableFuture<Void> reply = new CompletableFuture<>();
        persistence.request(ShardKind.STATES, persistenceId, asking.request(reply));
        return reply;
    }

    private static <T> CompletableFuture<T> ofId(String persistenceId, Supplier<CompletableFuture<T>> action) {
        if (persistenceId == null) {
            return CompletableFuture.failedFuture(new IllegalArgumentException("a persistence id is missing"));
        }
        try {
            return action.get();
        } catch (Exception e) {
            // Whatever a serializer throws: of those in Scala none says what.
            return CompletableFuture.failedFuture(e);
        }
    }

    // ---- queries ----------------------------------------------------------------------------------------------------

    /** All ids that have, or had, a state, in their order; those behind one, if it is not null. */
    CompletableFuture<List<String>> persistenceIds(String afterIdOrNull, long limit) {
        List<CompletableFuture<String[]>> replies = new ArrayList<>();
        for (int shard = 0; shard < ShardKind.COUNT; shard++) {
            CompletableFuture<String[]> reply = new CompletableFuture<>();
            replies.add(reply);
            persistence.request(ShardKind.STATES, shard, new StateShard.ListIds(reply));
        }
        return all(replies)
                .thenApplyAsync(
                        lists -> lists.stream()
                                .flatMap(Arrays::stream)
                                .filter(id -> afterIdOrNull == null || id.compareTo(afterIdOrNull) > 0)
                                .sorted()
                                .limit(limit)
                                .toList(),
                        readExecutor);
    }

    /** Has that called, on any thread, when there may be changes of what is wanted; until {@link #unwatch}. */
    void watch(StateSelection wanted, Runnable watcher) {
        for (int shard = firstShard(wanted); shard <= lastShard(wanted); shard++) {
            persistence.request(
                    ShardKind.STATES,
                    shard,
                    new StateShard.Watch(wanted.tagOrNull(), watcher, new CompletableFuture<>()));
        }
    }

    void unwatch(StateSelection wanted, Runnable watcher) {
        for (int shard = firstShard(wanted); shard <= lastShard(wanted); shard++) {
            persistence.request(
                    ShardKind.STATES,
                    shard,
                    new StateShard.Unwatch(wanted.tagOrNull(), watcher, new CompletableFuture<>()));
        }
    }

    private static int firstShard(StateSelection wanted) {
        return ShardKind.shardOfSlice(wanted.minSlice());
    }

    private static int lastShard(StateSelection wanted) {
        return ShardKind.shardOfSlice(wanted.maxSlice());
    }

    /**
     * The next changes of what is wanted, of those that are durable; none that is durable is passed over, whoever wrote it.
     *
     * @param toSequenceMax there is no need to look further
     */
    CompletableFuture<Round> changes(StateSelection wanted, long afterSequence, long toSequenceMax) {
        return retried(() -> persistence.stripe().toCompletableFuture().thenCompose(stripe -> {
            // Read before the shards are asked: what it covers they have written before, and know of, or hear of before
            // they reply.
            long durableSequence = stripe.log().durableSequence();
            long toSequence = Math.min(durableSequence, toSequenceMax);
            // Asked even if nothing more is durable: one that is closed says so.
            List<CompletableFuture<StateTable.Changes>> replies = new ArrayList<>();
            for (int shard = firstShard(wanted); shard <= lastShard(wanted); shard++) {
                CompletableFuture<StateTable.Changes> reply = new CompletableFuture<>();
                replies.add(reply);
                persistence.request(
                        ShardKind.STATES,
                        shard,
                        new StateShard.FindChanges(wanted, afterSequence, toSequence, ROUND_CHANGES_MAX, reply));
            }
            return all(replies).thenApply(of -> merged(of, durableSequence));
        }));
    }

    private static Round merged(List<StateTable.Changes> ofShards, long durableSequence) {
        // Behind where one of them was cut nothing is whole.
        long toSequence = ofShards.stream()
                .mapToLong(StateTable.Changes::toSequence)
                .min()
                .orElseThrow();
        List<StateTable.Change> changes = ofShards.stream()
                .flatMap(of -> of.changes().stream())
                .filter(change -> change.sequence() <= toSequence)
                .sorted(Comparator.comparingLong(StateTable.Change::sequence))
                .toList();
        return new Round(changes, toSequence, durableSequence);
    }

    /** Reads the first of some changes, at least one, as many as may be in memory. */
    CompletableFuture<Read> read(List<StateTable.Change> changes) {
        return retried(() -> persistence
                .stripe()
                .toCompletableFuture()
                .thenApplyAsync(stripe -> read(stripe, changes), readExecutor));
    }

    private Read read(StripeHandle stripe, List<StateTable.Change> changes) {
        List<DurableStateChange<Object>> read = new ArrayList<>();
        long bytes = 0;
        int count = 0;
        while (count < Math.min(changes.size(), AHEAD_MAX) && bytes < AHEAD_BYTES_MAX) {
            StateTable.Change change = changes.get(count);
            List<DurableStateRecord> parts;
            try {
                parts = read(stripe, change.persistenceId(), change.place());
            } catch (AgainException e) {
                if (count == 0) {
                    throw e;
                }
                break;
            }
            count++;
            if (parts != null) {
                read.add(toChange(change, parts));
                for (DurableStateRecord part : parts) {
                    bytes += part.payload().length;
                }
            }
        }
        return new Read(read, count);
    }

    private DurableStateChange<Object> toChange(StateTable.Change change, List<DurableStateRecord> parts) {
        Offset offset = Offset.sequence(change.sequence());
        long revision = change.place().revision();
        long timestampMillis = parts.get(0).timestampMillis();
        return change.place().isDeleted()
                ? new DeletedDurableState<>(change.persistenceId(), revision, offset, timestampMillis)
                : new UpdatedDurableState<>(
                        change.persistenceId(), revision, codec.toState(parts), offset, timestampMillis);
    }

    // ---- both -------------------------------------------------------------------------------------------------------

    private static List<DurableStateRecord> read(StripeHandle stripe, String persistenceId, StateTable.Place place) {
        try {
            return StateReader.readOrNull(stripe, persistenceId, place);
        } catch (StateReader.NotNowException e) {
            throw new AgainException(e);
        } catch (StateReader.UnreadableStateException e) {
            throw new CompletionException(e);
        }
    }

    private <T> CompletableFuture<T> retried(Supplier<CompletableFuture<T>> action) {
        CompletableFuture<T> result = new CompletableFuture<>();
        attempt(action, result, 1);
        return result;
    }

    private <T> void attempt(Supplier<CompletableFuture<T>> action, CompletableFuture<T> result, int tries) {
        action.get().whenComplete((value, failure) -> {
            Throwable cause = ForebayJournal.causeOf(failure);
            if (cause == null) {
                result.complete(value);
            } else if (tries < TRIES_MAX && mayPass(cause)) {
                try {
                    system.scheduler().scheduleOnce(TRY_PAUSE, () -> attempt(action, result, tries + 1), readExecutor);
                } catch (IllegalStateException ended) {
                    result.completeExceptionally(reasonOf(cause)); // with the system, and there is no later
                }
            } else {
                result.completeExceptionally(reasonOf(cause));
            }
        });
    }

    private static Throwable reasonOf(Throwable cause) {
        return cause instanceof AgainException ? cause.getCause() : cause;
    }

    /** A question that the stripe was too slow to answer changes nothing, and may be asked again. */
    private static boolean mayPass(Throwable cause) {
        return cause instanceof AgainException
                || (cause instanceof ForebayException refused
                        && refused.refusal().code() == Refusal.Code.OUTCOME_UNKNOWN);
    }

    private static <T> CompletableFuture<List<T>> all(List<CompletableFuture<T>> replies) {
        return CompletableFuture.allOf(replies.toArray(CompletableFuture[]::new))
                .thenApply(done -> replies.stream().map(CompletableFuture::join).toList());
    }
}
