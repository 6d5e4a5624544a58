package io.forebay.persistence;

import akka.actor.ExtendedActorSystem;
import akka.actor.typed.ActorSystem;
import akka.actor.typed.javadsl.Adapter;
import akka.persistence.Persistence;
import akka.persistence.PersistentRepr;
import akka.persistence.journal.EventAdapter;
import akka.persistence.journal.EventAdapters;
import akka.persistence.journal.Tagged;
import akka.persistence.query.EventEnvelope;
import akka.persistence.query.javadsl.CurrentEventsByPersistenceIdQuery;
import akka.persistence.query.javadsl.CurrentPersistenceIdsQuery;
import io.forebay.config.StoreSettings;
import io.forebay.persistence.core.EventDraft;
import io.forebay.persistence.core.EventTable;
import io.forebay.persistence.core.SnapshotBounds;
import io.forebay.persistence.core.SnapshotTable;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.UUID;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.concurrent.CompletionStage;
import java.util.function.Function;
import scala.jdk.javaapi.CollectionConverters;

/**
 * Takes over what persistent actors have stored with another journal: reads whatever read journal of Akka's, and writes into {@code
 * forebay.persistence.journal}. To be run once, in an application that has the old plugins and Forebay's on its class path and the
 * serializers of the events, before any persistent actor of it is started.
 *
 * <p>Sequence numbers, times and metadata are kept; so are gaps, and the place where what was deleted ends. Tags are in no envelope:
 * {@link #withTags} says them, unless the event adapters of Forebay's journal do. Events pass the event adapters of the old journal,
 * as for any query, and then those of Forebay's. Who wrote an event is not told by a query; it is this import, from now on. Of
 * snapshots the newest of each id is taken, if {@link #withSnapshotsOf} is said.
 *
 * <p>It may be run again, behind a crash or at any time: an id is gone on with behind its highest number, and what is there is not
 * stored again. An id that has been written to by an actor since takes no more, and the import fails if there is any. When it is
 * done, all events are flushed, and snapshots are as {@code forebay.persistence.durability} says. Memory: some 64 KiB of events for
 * each of 32 ids at a time.
 *
 * <p>Thread-safe; immutable.
 */
public final class JournalImport {
    /**
     * What was done in one run.
     *
     * @param persistenceIds that the old journal has
     * @param events that were stored, without those that were there
     * @param snapshots that were stored, in the same way
     */
    public record Imported(long persistenceIds, long events, long snapshots) {
        private Imported plus(Imported more) {
            return new Imported(persistenceIds + more.persistenceIds, events + more.events, snapshots + more.snapshots);
        }
    }

    private static final String WRITER_PREFIX = "forebay-import-";
    private static final int IDS_AT_ONCE = 32;
    /** Of what is stored together, about; an event that is larger is stored alone. */
    private static final long GROUP_BYTES = 64 * 1024;

    private static final long EVENT_OVERHEAD_BYTES = 200;

    private final ActorSystem<?> system;
    private final CurrentPersistenceIdsQuery ids;
    private final CurrentEventsByPersistenceIdQuery events;
    private final Function<EventEnvelope, Set<String>> tags;
    private final Optional<String> snapshotPluginId;

    private JournalImport(
            ActorSystem<?> system,
            CurrentPersistenceIdsQuery ids,
            CurrentEventsByPersistenceIdQuery events,
            Function<EventEnvelope, Set<String>> tags,
            Optional<String> snapshotPluginId) {
        this.system = system;
        this.ids = ids;
        this.events = events;
        this.tags = tags;
        this.snapshotPluginId = snapshotPluginId;
    }

    /** @param source the read journal of the old plugin, as {@code PersistenceQuery} gives it */
    public static <J extends CurrentPersistenceIdsQuery & CurrentEventsByPersistenceIdQuery> JournalImport from(
            ActorSystem<?> system, J source) {
        return new JournalImport(system, source, source, event -> Set.of(), Optional.empty());
    }

    /** @param tagsOf of an event, in addition to those that the adapters of Forebay's journal give it; called by whichever thread */
    public JournalImport withTags(Function<EventEnvelope, Set<String>> tagsOf) {
        return new JournalImport(system, ids, events, tagsOf, snapshotPluginId);
    }

    /** @param pluginId of the old snapshot store, as an actor would name it */
    public JournalImport withSnapshotsOf(String pluginId) {
        return new JournalImport(system, ids, events, tags, Optional.of(pluginId));
    }

    /**
     * Does it. Fails with the first thing that goes wrong, and names the persistence id; what is stored by then stays, and the next
     * run goes on behind it.
     */
    public CompletionStage<Imported> run() {
        Run run = new Run();
        return ids.currentPersistenceIds()
                .mapAsyncUnordered(IDS_AT_ONCE, run::take)
                .runFold(new Imported(0, 0, 0), Imported::plus, system)
                .thenCompose(imported -> run.flushed().thenApply(done -> imported));
    }

    private final class Run {
        private final ExtendedActorSystem classic = (ExtendedActorSystem) Adapter.toClassic(system);
        private final ForebayPersistence persistence = ForebayPersistence.get(system);
        private final EventCodec eventCodec = new EventCodec(classic);
        private final SnapshotCodec snapshotCodec = new SnapshotCodec(classic);
        private final PatientReads reads = new PatientReads(classic, StoreSettings.READ_DISPATCHER);
        private final String journalPluginId =
                classic.settings().config().getString(ForebayReadJournal.IDENTIFIER + ".write-plugin");
        private final EventAdapters adapters = Persistence.get(classic).adaptersFor(journalPluginId);
        private final String writer = WRITER_PREFIX + UUID.randomUUID();

        CompletionStage<Imported> take(String persistenceId) {
            return locate(persistenceId)
                    .thenCompose(place -> events(persistenceId, place))
                    .thenCompose(stored ->
                            snapshot(persistenceId).thenApply(snapshots -> new Imported(1, stored, snapshots)))
                    .exceptionally(failure -> {
                        Throwable cause = ForebayJournal.causeOf(failure);
                        throw new CompletionException(new IllegalStateException(
                                "persistence id '" + persistenceId + "' is not imported: " + cause.getMessage(),
                                cause));
                    });
        }

        private CompletableFuture<EventTable.Place> locate(String persistenceId) {
            CompletableFuture<EventTable.Place> place = new CompletableFuture<>();
            persistence.request(ShardKind.EVENTS, persistenceId, new EventShard.Locate(persistenceId, place));
            return place;
        }

        // ---- events -----------------------------------------------------------------------------------------------

        private CompletionStage<Long> events(String persistenceId, EventTable.Place place) {
            return events.currentEventsByPersistenceId(persistenceId, place.highestSequenceNr() + 1, Long.MAX_VALUE)
                    .map(this::draft)
                    .groupedWeighted(GROUP_BYTES, draft -> draft.payload().length + EVENT_OVERHEAD_BYTES)
                    .statefulMapConcat(() -> {
                        boolean[] isFirst = {true};
                        return group -> {
                            boolean isToBeChecked = isFirst[0] && place.highestSequenceNr() > 0;
                            isFirst[0] = false;
                            return List.of(new Group(group, isToBeChecked));
                        };
                    })
                    .mapAsync(
                            1,
                            group -> group.isToBeChecked
                                    ? checkWriter(persistenceId, place)
                                            .thenCompose(ours -> write(persistenceId, group.events))
                                    : write(persistenceId, group.events))
                    .runFold(0L, Long::sum, system);
        }

        private EventDraft draft(EventEnvelope envelope) {
            EventAdapter adapter = adapters.get(envelope.event().getClass());
            Object payload = adapter.toJournal(envelope.event());
            Set<String> all = new HashSet<>(tags.apply(envelope));
            if (payload instanceof Tagged tagged) {
                all.addAll(CollectionConverters.asJava(tagged.tags()));
                payload = tagged.payload();
            }
            PersistentRepr repr = PersistentRepr.apply(
                            all.isEmpty()
                                    ? payload
                                    : new Tagged(
                                            payload,
                                            CollectionConverters.asScala(all).toSet()),
                            envelope.sequenceNr(),
                            envelope.persistenceId(),
                            adapter.manifest(envelope.event()),
                            false,
                            akka.actor.ActorRef.noSender(),
                            writer)
                    .withTimestamp(envelope.timestamp());
            return eventCodec.toDraft(
                    envelope.getEventMetaData().map(repr::withMetadata).orElse(repr));
        }

        private CompletionStage<Long> write(String persistenceId, List<EventDraft> drafts) {
            CompletableFuture<Void> stored = new CompletableFuture<>();
            persistence.request(ShardKind.EVENTS, persistenceId, new EventShard.Write(persistenceId, drafts, stored));
            return stored.thenApply(done -> (long) drafts.size());
        }

        /** Whether the newest event that is stored was stored by an import: fails if it was not. */
        private CompletionStage<?> checkWriter(String persistenceId, EventTable.Place place) {
            CompletableFuture<String> writerUuid = new CompletableFuture<>();
            persistence
                    .stripe()
                    .whenCompleteAsync(
                            (stripe, failure) -> {
                                if (failure != null) {
                                    writerUuid.completeExceptionally(failure);
                                    return;
                                }
                                StoredEvents newest = new StoredEvents(
                                        stripe,
                                        ShardKind.EVENTS.queueId(ShardKind.shardOf(persistenceId)),
                                        persistenceId,
                                        place,
                                        place.highestSequenceNr(),
                                        place.highestSequenceNr(),
                                        1);
                                List<String> found = new ArrayList<>();
                                reads.read(
                                        () -> {
                                            newest.handOut(stored ->
                                                    found.add(stored.event().writerUuid()));
                                            writerUuid.complete(found.isEmpty() ? "" : found.get(0));
                                        },
                                        writerUuid);
                            },
                            reads.executor());
            return writerUuid.thenAccept(uuid -> {
                if (!uuid.startsWith(WRITER_PREFIX)) {
                    throw new IllegalStateException("event " + place.highestSequenceNr()
                            + " in the log is of an actor, and the old journal has events of higher numbers: it was"
                            + " written to in both");
                }
            });
        }

        /** When all events that were written before are flushed. */
        CompletionStage<?> flushed() {
            List<CompletableFuture<?>> all = new ArrayList<>();
            for (int shard = 0; shard < ShardKind.COUNT; shard++) {
                CompletableFuture<Integer> count = new CompletableFuture<>();
                all.add(count);
                persistence.request(ShardKind.EVENTS, shard, new EventShard.AwaitFlushed(count));
            }
            return CompletableFuture.allOf(all.toArray(CompletableFuture[]::new));
        }

        // ---- snapshots --------------------------------------------------------------------------------------------

        private CompletionStage<Integer> snapshot(String persistenceId) {
            if (snapshotPluginId.isEmpty()) {
                return CompletableFuture.completedStage(0);
            }
            return SnapshotOffering.newest(classic, persistenceId, journalPluginId, snapshotPluginId.get())
                    .thenCompose(offer -> offer.isEmpty()
                            ? CompletableFuture.completedStage(0)
                            : storedSnapshot(persistenceId)
                                    .thenCompose(there ->
                                            there >= offer.get().metadata().sequenceNr()
                                                    ? CompletableFuture.completedStage(0)
                                                    : save(offer.get())));
        }

        /** The number of the newest one in the log, -1 if there is none. */
        private CompletionStage<Long> storedSnapshot(String persistenceId) {
            CompletableFuture<Optional<SnapshotTable.Place>> newest = new CompletableFuture<>();
            SnapshotBounds any = new SnapshotBounds(Long.MIN_VALUE, Long.MAX_VALUE, Long.MIN_VALUE, Long.MAX_VALUE);
            persistence.request(
                    ShardKind.SNAPSHOTS, persistenceId, new SnapshotShard.Select(persistenceId, any, newest));
            return newest.thenApply(
                    place -> place.map(SnapshotTable.Place::sequenceNr).orElse(-1L));
        }

        private CompletionStage<Integer> save(akka.persistence.SnapshotOffer offer) {
            CompletableFuture<Void> saved = new CompletableFuture<>();
            persistence.request(
                    ShardKind.SNAPSHOTS,
                    offer.metadata().persistenceId(),
                    new SnapshotShard.Save(snapshotCodec.toDraft(offer.metadata(), offer.snapshot()), saved));
            return saved.thenApply(done -> 1);
        }
    }

    private record Group(List<EventDraft> events, boolean isToBeChecked) {}
}
