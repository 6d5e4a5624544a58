package io.forebay.persistence;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import akka.NotUsed;
import akka.actor.typed.ActorRef;
import akka.actor.typed.ActorSystem;
import akka.actor.typed.javadsl.Adapter;
import akka.pattern.Patterns;
import akka.persistence.Persistence;
import akka.persistence.SaveSnapshotSuccess;
import akka.persistence.SelectedSnapshot;
import akka.persistence.SnapshotMetadata;
import akka.persistence.SnapshotProtocol;
import akka.persistence.SnapshotSelectionCriteria;
import akka.persistence.query.EventEnvelope;
import akka.persistence.query.Offset;
import akka.persistence.query.PersistenceQuery;
import akka.persistence.query.javadsl.CurrentEventsByPersistenceIdQuery;
import akka.persistence.query.javadsl.CurrentPersistenceIdsQuery;
import akka.stream.javadsl.Sink;
import akka.stream.javadsl.Source;
import com.typesafe.config.ConfigFactory;
import io.forebay.persistence.JournalImport.Imported;
import io.forebay.testkit.faults.MemoryDisk;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Random;
import java.util.Set;
import java.util.TreeMap;
import java.util.concurrent.CompletionStage;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicReference;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * What another journal holds is taken over. <b>I1</b>: each event once, in order, with its number, time, metadata and tags, whatever
 * broke off the import before. <b>I2</b>: what was answered for is flushed. <b>I3</b>: an id that actors have written to takes no more.
 */
class JournalImportTest {
    private static final int BREAKS = 3;
    private static final String LOCAL_SNAPSHOTS = "akka.persistence.snapshot-store.local";

    /** A read journal that may break off. */
    private static final class OldJournal implements CurrentPersistenceIdsQuery, CurrentEventsByPersistenceIdQuery {
        private final Map<String, List<EventEnvelope>> events = new TreeMap<>();
        /** It fails behind so many more events. */
        final AtomicInteger left = new AtomicInteger(Integer.MAX_VALUE);

        /** Done when it fails, too. */
        Runnable breaking = () -> {};

        void add(String persistenceId, long sequenceNr, Object event, Optional<Object> metadata) {
            EventEnvelope envelope = new EventEnvelope(
                    Offset.sequence(sequenceNr), persistenceId, sequenceNr, event, 1_000_000 + sequenceNr);
            events.computeIfAbsent(persistenceId, any -> new ArrayList<>())
                    .add(metadata.map(envelope::withMetadata).orElse(envelope));
        }

        void addAll(String persistenceId, int from, int to) {
            for (int sequenceNr = from; sequenceNr <= to; sequenceNr++) {
                add(persistenceId, sequenceNr, persistenceId + "/" + sequenceNr, Optional.empty());
            }
        }

        @Override
        public Source<String, NotUsed> currentPersistenceIds() {
            return Source.from(events.keySet());
        }

        @Override
        public Source<EventEnvelope, NotUsed> currentEventsByPersistenceId(String persistenceId, long from, long to) {
            return Source.from(events.get(persistenceId))
                    .filter(event -> event.sequenceNr() >= from && event.sequenceNr() <= to)
                    .map(event -> {
                        if (left.getAndDecrement() <= 0) {
                            breaking.run();
                            throw new IllegalStateException("the old journal breaks off");
                        }
                        return event;
                    });
        }
    }

    private static <T> T get(CompletionStage<T> stage) throws Exception {
        return stage.toCompletableFuture().get(60, TimeUnit.SECONDS);
    }

    private static ForebayReadJournal journal(ActorSystem<Void> system) {
        return PersistenceQuery.get(system).getReadJournalFor(ForebayReadJournal.class, ForebayReadJournal.IDENTIFIER);
    }

    private static List<akka.persistence.query.typed.EventEnvelope<Object>> events(ActorSystem<Void> system, String id)
            throws Exception {
        return get(journal(system)
                .currentEventsByPersistenceIdTyped(id, 0, Long.MAX_VALUE)
                .runWith(Sink.seq(), system));
    }

    /** I1, I2. */
    @Test
    void eventsAreTakenOverAsTheyWere() throws Exception {
        OldJournal old = new OldJournal();
        old.add("order|1", 1, "first", Optional.of("about it"));
        old.add("order|1", 2, "second", Optional.empty());
        old.add("deleted|1", 7, "seventh", Optional.empty()); // those before it are deleted
        old.add("deleted|1", 9, "ninth", Optional.empty()); // and the eighth is no event for its adapter
        old.addAll("counter", 1, 300);
        MemoryDisk disk = new MemoryDisk();
        ActorSystem<Void> system = PersistentActorsTest.start(disk, "forebay.persistence.durability = written");
        JournalImport toTake = JournalImport.from(system, old)
                .withTags(event -> event.event().equals("second") ? Set.of("red", "blue") : Set.of());
        assertThat(get(toTake.run())).isEqualTo(new Imported(3, 304, 0));
        MemoryDisk cut = disk.powerCutImage(new Random(1));
        PersistentActorsTest.stop(system);

        system = PersistentActorsTest.start(cut, "");
        var events = events(system, "order|1");
        assertThat(events).as("I2").hasSize(2);
        assertThat(events.get(0).event()).isEqualTo("first");
        assertThat(events.get(0).timestamp()).isEqualTo(1_000_001);
        assertThat(events.get(0).getEventMetaData()).contains("about it");
        assertThat(events.get(0).getTags()).isEmpty();
        assertThat(events.get(1).event()).isEqualTo("second");
        assertThat(events.get(1).sequenceNr()).isEqualTo(2);
        assertThat(events.get(1).getEventMetaData()).isEmpty();
        assertThat(events.get(1).getTags()).containsExactlyInAnyOrder("red", "blue");
        assertThat(events(system, "deleted|1").stream().map(event -> event.sequenceNr()))
                .containsExactly(7L, 9L);
        // An actor goes on with what was another journal's.
        ActorRef<PersistentActorsTest.Command> counter = PersistentActorsTest.spawn(system, "counter");
        assertThat(PersistentActorsTest.add(counter, 2)).isEqualTo(302);
        assertThat(PersistentActorsTest.get(counter)).isEqualTo(PersistentActorsTest.numbers("counter", 302));
        assertThat(events(system, "counter").get(301).sequenceNr()).isEqualTo(302);
        PersistentActorsTest.stop(system);
    }

    /** I1. */
    @Test
    void whatBrokeOffGoesOn() throws Exception {
        long seed = Long.getLong("forebay.seed", System.nanoTime());
        Random random = new Random(seed);
        OldJournal old = new OldJournal();
        int all = 0;
        for (int i = 0; i < 30; i++) {
            int count = 1 + random.nextInt(200);
            old.addAll("id-" + i, 1, count);
            all += count;
        }
        MemoryDisk disk = new MemoryDisk();
        long stored = 0;
        for (int round = 0; round <= BREAKS && stored < all; round++) {
            ActorSystem<Void> system = PersistentActorsTest.start(disk, "");
            MemoryDisk now = disk;
            AtomicReference<MemoryDisk> cut = new AtomicReference<>();
            boolean isCut = random.nextBoolean();
            old.left.set(round < BREAKS ? random.nextInt(all / 3) : Integer.MAX_VALUE);
            old.breaking = () -> {
                if (isCut) {
                    cut.compareAndSet(null, now.powerCutImage(new Random(seed)));
                }
            };
            try {
                get(JournalImport.from(system, old).run());
                stored = 0;
                for (String id : get(journal(system).currentPersistenceIds().runWith(Sink.<String>seq(), system))) {
                    List<Object> events = new ArrayList<>();
                    events(system, id).forEach(event -> events.add(event.event()));
                    assertThat(events)
                            .as("I1, seed %d", seed)
                            .isEqualTo(PersistentActorsTest.numbers(
                                    id, old.events.get(id).size()));
                    stored += events.size();
                }
            } catch (ExecutionException broken) {
                assertThat(round).as("seed %d: %s", seed, broken).isLessThan(BREAKS);
            }
            PersistentActorsTest.stop(system);
            if (cut.get() != null) {
                disk = cut.get();
            }
        }
        assertThat(stored).as("I1, seed %d", seed).isEqualTo(all);
    }

    /** I3. */
    @Test
    void anIdThatIsWrittenToTakesNoMore() throws Exception {
        OldJournal old = new OldJournal();
        old.addAll("counter", 1, 5);
        ActorSystem<Void> system = PersistentActorsTest.start(new MemoryDisk(), "");
        get(JournalImport.from(system, old).run());
        ActorRef<PersistentActorsTest.Command> counter = PersistentActorsTest.spawn(system, "counter");
        assertThat(PersistentActorsTest.add(counter, 1)).isEqualTo(6);
        // Once more by mistake: nothing to do.
        assertThat(get(JournalImport.from(system, old).run())).isEqualTo(new Imported(1, 0, 0));
        old.addAll("counter", 6, 8);
        assertThatThrownBy(() -> get(JournalImport.from(system, old).run()))
                .as("I3")
                .hasMessageContaining("'counter'")
                .hasMessageContaining("written to in both");
        assertThat(PersistentActorsTest.get(counter)).isEqualTo(PersistentActorsTest.numbers("counter", 6));
        PersistentActorsTest.stop(system);
    }

    /** What was imported last may be gone on with, and a further run of the same application is none that another one refused. */
    @Test
    void whatIsNewInTheOldJournalIsTakenByTheNextRun() throws Exception {
        OldJournal old = new OldJournal();
        old.addAll("counter", 1, 5);
        ActorSystem<Void> system = PersistentActorsTest.start(new MemoryDisk(), "");
        assertThat(get(JournalImport.from(system, old).run())).isEqualTo(new Imported(1, 5, 0));
        old.addAll("counter", 6, 70);
        assertThat(get(JournalImport.from(system, old).run())).isEqualTo(new Imported(1, 65, 0));
        assertThat(PersistentActorsTest.get(PersistentActorsTest.spawn(system, "counter")))
                .isEqualTo(PersistentActorsTest.numbers("counter", 70));
        PersistentActorsTest.stop(system);
    }

    /** I1. */
    @Test
    void theNewestSnapshotIsTakenOver(@TempDir Path folder) throws Exception {
        OldJournal old = new OldJournal();
        old.addAll("counter", 8, 10);
        old.addAll("without", 1, 1);
        ActorSystem<Void> system = PersistentActorsTest.start(
                new MemoryDisk(),
                "akka.persistence.snapshot-store.plugin = \"forebay.persistence.snapshot-store\"\n" + LOCAL_SNAPSHOTS
                        + ".dir = \"" + folder + "\"");
        SnapshotMetadata newest = null;
        for (long sequenceNr : new long[] {3, 7}) {
            newest = ((SaveSnapshotSuccess) ask(
                            system,
                            LOCAL_SNAPSHOTS,
                            new SnapshotProtocol.SaveSnapshot(
                                    SnapshotMetadata.apply("counter", sequenceNr), "state " + sequenceNr)))
                    .metadata();
        }
        JournalImport toTake = JournalImport.from(system, old).withSnapshotsOf(LOCAL_SNAPSHOTS);
        assertThat(get(toTake.run())).isEqualTo(new Imported(2, 4, 1));
        assertThat(get(toTake.run())).isEqualTo(new Imported(2, 0, 0));
        SelectedSnapshot snapshot = loaded(system, "counter").orElseThrow();
        assertThat(snapshot.snapshot()).isEqualTo("state 7");
        assertThat(snapshot.metadata()).isEqualTo(newest);
        assertThat(loaded(system, "without")).isEmpty();
        PersistentActorsTest.stop(system);
    }

    private static Optional<SelectedSnapshot> loaded(ActorSystem<Void> system, String id) throws Exception {
        SnapshotProtocol.LoadSnapshotResult result = (SnapshotProtocol.LoadSnapshotResult) ask(
                system, "", new SnapshotProtocol.LoadSnapshot(id, SnapshotSelectionCriteria.latest(), Long.MAX_VALUE));
        return scala.jdk.javaapi.OptionConverters.toJava(result.snapshot());
    }

    private static Object ask(ActorSystem<Void> system, String pluginId, Object message) throws Exception {
        akka.actor.ActorRef store =
                Persistence.get(Adapter.toClassic(system)).snapshotStoreFor(pluginId, ConfigFactory.empty());
        return get(Patterns.ask(store, message, Duration.ofSeconds(60)));
    }
}
