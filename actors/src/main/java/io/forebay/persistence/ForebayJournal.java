package io.forebay.persistence;

import akka.actor.ActorSystem;
import akka.actor.typed.javadsl.Adapter;
import akka.persistence.AtomicWrite;
import akka.persistence.PersistentRepr;
import akka.persistence.journal.japi.AsyncWriteJournal;
import com.typesafe.config.Config;
import io.forebay.persistence.core.EventDraft;
import io.forebay.persistence.core.EventTable;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.function.Consumer;
import scala.concurrent.Future;
import scala.jdk.javaapi.CollectionConverters;
import scala.jdk.javaapi.FutureConverters;

/**
 * Akka's journal on the log of this node, or of this application alone: {@code akka.persistence.journal.plugin =
 * "forebay.persistence.journal"}. Requests that come before the log is recovered wait for it.
 *
 * <p>An event is stored at the level that {@code forebay.persistence.durability} names; those that are persisted together are in the
 * log all or none. An event that cannot be serialized, or a group of events that no frame holds, is rejected; whatever else goes
 * wrong is a failure, behind which the events may be stored. A number that is stored already is such a failure: two actors write
 * under one id. What is replayed is flushed, whatever that level is.
 */
public final class ForebayJournal extends AsyncWriteJournal {
    private static final int LOCATED_MAX = 10_000;

    private final ForebayPersistence persistence;
    private final EventCodec codec;
    private final PatientReads reads;
    /** Where the events of an id are of which Akka has asked the highest number: for the replay that it asks for next. */
    private final Map<String, EventTable.Place> located = new LinkedHashMap<>() {
        private static final long serialVersionUID = 1;

        @Override
        protected boolean removeEldestEntry(Map.Entry<String, EventTable.Place> eldest) {
            return size() > LOCATED_MAX;
        }
    };

    /** Called by Akka with the plugin's section. */
    public ForebayJournal(Config config) {
        ActorSystem system = context().system();
        persistence = ForebayPersistence.get(Adapter.toTyped(system));
        codec = new EventCodec(system);
        reads = new PatientReads(system, config.getString("replay-dispatcher"));
    }

    @Override
    public Future<Iterable<Optional<Exception>>> doAsyncWriteMessages(Iterable<AtomicWrite> messages) {
        List<CompletableFuture<Optional<Exception>>> outcomes = new ArrayList<>(1);
        for (AtomicWrite write : messages) {
            outcomes.add(write(write));
        }
        return JournalWrites.all(outcomes);
    }

    private CompletableFuture<Optional<Exception>> write(AtomicWrite write) {
        List<EventDraft> events = new ArrayList<>(write.size());
        try {
            for (PersistentRepr event : CollectionConverters.asJava(write.payload())) {
                events.add(codec.toDraft(event));
            }
        } catch (Exception e) {
            return CompletableFuture.completedFuture(Optional.of(e));
        }
        CompletableFuture<Void> stored = new CompletableFuture<>();
        persistence.request(
                ShardKind.EVENTS, write.persistenceId(), new EventShard.Write(write.persistenceId(), events, stored));
        return JournalWrites.outcome(stored);
    }

    @Override
    public Future<Void> doAsyncDeleteMessagesTo(String persistenceId, long toSequenceNr) {
        CompletableFuture<Void> deleted = new CompletableFuture<>();
        persistence.request(
                ShardKind.EVENTS, persistenceId, new EventShard.Delete(persistenceId, toSequenceNr, deleted));
        return FutureConverters.asScala(deleted);
    }

    @Override
    public Future<Long> doAsyncReadHighestSequenceNr(String persistenceId, long fromSequenceNr) {
        return FutureConverters.asScala(locate(persistenceId).thenApply(place -> {
            synchronized (located) {
                located.put(persistenceId, place);
            }
            return place.highestSequenceNr();
        }));
    }

    @Override
    public Future<Void> doAsyncReplayMessages(
            String persistenceId,
            long fromSequenceNr,
            long toSequenceNr,
            long max,
            Consumer<PersistentRepr> replayCallback) {
        CompletableFuture<Void> replayed = new CompletableFuture<>();
        EventTable.Place known;
        synchronized (located) {
            known = located.remove(persistenceId);
        }
        // Of two recoveries of one id the later one's place may be gone, or the earlier one's left.
        boolean isKnown = known != null && known.highestSequenceNr() >= toSequenceNr;
        (isKnown ? CompletableFuture.completedFuture(known) : locate(persistenceId))
                .thenCombine(
                        persistence.stripe(),
                        (place, stripe) -> new StoredEvents(
                                persistence.eventReaders(ShardKind.shardOf(persistenceId)),
                                persistenceId,
                                place,
                                fromSequenceNr,
                                toSequenceNr,
                                max))
                .whenCompleteAsync(
                        (events, failure) -> {
                            if (failure != null) {
                                replayed.completeExceptionally(causeOf(failure));
                            } else {
                                reads.read(
                                        () -> {
                                            events.handOut(stored ->
                                                    replayCallback.accept(codec.toRepr(persistenceId, stored.event())));
                                            replayed.complete(null);
                                        },
                                        replayed);
                            }
                        },
                        reads.executor());
        return FutureConverters.asScala(replayed);
    }

    private CompletableFuture<EventTable.Place> locate(String persistenceId) {
        CompletableFuture<EventTable.Place> place = new CompletableFuture<>();
        persistence.request(ShardKind.EVENTS, persistenceId, new EventShard.Locate(persistenceId, place));
        return place;
    }

    static Throwable causeOf(Throwable failure) {
        return failure instanceof CompletionException && failure.getCause() != null
                ? causeOf(failure.getCause())
                : failure;
    }
}
