package io.forebay.persistence;

import static org.assertj.core.api.Assertions.assertThat;

import akka.Done;
import akka.actor.typed.ActorRef;
import akka.actor.typed.ActorSystem;
import akka.actor.typed.Behavior;
import akka.actor.typed.javadsl.Behaviors;
import akka.persistence.typed.PersistenceId;
import akka.persistence.typed.javadsl.CommandHandler;
import akka.persistence.typed.javadsl.EventHandler;
import akka.persistence.typed.javadsl.EventSourcedBehavior;
import com.typesafe.config.Config;
import com.typesafe.config.ConfigFactory;
import io.forebay.persistence.core.EventDraft;
import io.forebay.persistence.core.EventTable;
import io.forebay.storage.io.StorageDirectory;
import io.forebay.storage.log.StripeLog;
import io.forebay.store.ForebayStorage;
import io.forebay.store.StorageEnvironment;
import io.forebay.testkit.faults.MemoryDisk;
import io.forebay.testkit.sim.Proof;
import java.time.Duration;
import java.time.InstantSource;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.TimeUnit;
import org.awaitility.Awaitility;
import org.junit.jupiter.api.Test;

/**
 * Actors of Akka's own kind on this journal, on a disk that loses what was not forced. <b>I1</b>: an event whose handler has run is
 * there behind a kill or a power cut. <b>I2</b>: what is recovered is what was persisted, in order, without a gap or a repetition;
 * events of one {@code persist} are there all or none.
 */
class PersistentActorsTest {
    static final Config CONFIG = ConfigFactory.parseString("""
        akka.actor.provider = local
        akka.loglevel = WARNING
        akka.log-dead-letters = off
        akka.coordinated-shutdown.run-by-jvm-shutdown-hook = off
        akka.coordinated-shutdown.exit-jvm = off
        akka.persistence.journal.plugin = "forebay.persistence.journal"
        forebay {
          storage { segment-size = 4 MiB, low-space = 0 B }
          store { flush-bytes = 256 KiB, max-unflushed = 32 MiB, flush-interval = 20 ms }
          queue { body-max = 1 MiB, batch-bytes-max = 2 MiB }
        }
        """);

    private static final String SMALL_LOG = """
        forebay.storage { segment-size = 1 MiB, spare-segments = 1 }
        forebay.store { checkpoint-bytes = 1 MiB, flush-bytes = 64 KiB, max-unflushed = 2 MiB, evacuation-share = 100 }
        forebay.queue { body-max = 128 KiB, batch-bytes-max = 256 KiB }
        forebay.group.pop-bytes-max = 256 KiB
        """;

    /** The numbers that an actor was told, in order. */
    private static final class Numbers {
        final List<String> all = new ArrayList<>();
    }

    interface Command {}

    /** Persists that many events together. */
    record Add(int count, CompletableFuture<Integer> added) implements Command {}

    private record Get(CompletableFuture<List<String>> all) implements Command {}

    static final class Counter extends EventSourcedBehavior<Command, String, Numbers> {
        Counter(String id) {
            super(PersistenceId.ofUniqueId(id));
        }

        @Override
        public Numbers emptyState() {
            return new Numbers();
        }

        @Override
        public CommandHandler<Command, String, Numbers> commandHandler() {
            return newCommandHandlerBuilder()
                    .forAnyState()
                    .onCommand(Add.class, (state, add) -> {
                        List<String> events = new ArrayList<>();
                        for (int i = 1; i <= add.count; i++) {
                            events.add(persistenceId().id() + "/" + (state.all.size() + i));
                        }
                        return Effect().persist(events).thenRun(after -> add.added.complete(after.all.size()));
                    })
                    .onCommand(Get.class, (state, get) -> {
                        get.all.complete(List.copyOf(state.all));
                        return Effect().none();
                    })
                    .build();
        }

        @Override
        public EventHandler<Numbers, String> eventHandler() {
            return newEventHandlerBuilder().forAnyState().onAnyEvent((state, event) -> {
                state.all.add(event);
                return state;
            });
        }
    }

    static ActorSystem<Void> start(StorageDirectory disk, String settings) {
        ActorSystem<Void> system = ActorSystem.create(
                Behaviors.empty(),
                "app",
                ConfigFactory.parseString(settings).withFallback(CONFIG).withFallback(ConfigFactory.load()));
        ForebayStorage.get(system).use(StorageEnvironment.of(disk, InstantSource.system(), System::nanoTime));
        return system;
    }

    static void stop(ActorSystem<Void> system) throws Exception {
        system.terminate();
        system.getWhenTerminated().toCompletableFuture().get(60, TimeUnit.SECONDS);
    }

    static ActorRef<Command> spawn(ActorSystem<Void> system, String id) {
        Behavior<Command> behavior = new Counter(id);
        return system.systemActorOf(behavior, id, akka.actor.typed.Props.empty());
    }

    static int add(ActorRef<Command> actor, int count) throws Exception {
        CompletableFuture<Integer> added = new CompletableFuture<>();
        actor.tell(new Add(count, added));
        return added.get(60, TimeUnit.SECONDS);
    }

    static List<String> get(ActorRef<Command> actor) throws Exception {
        CompletableFuture<List<String>> all = new CompletableFuture<>();
        actor.tell(new Get(all));
        return all.get(60, TimeUnit.SECONDS);
    }

    static List<String> numbers(String id, int count) {
        List<String> all = new ArrayList<>();
        for (int i = 1; i <= count; i++) {
            all.add(id + "/" + i);
        }
        return all;
    }

    @Test
    void whatWasPersistedIsThereBehindACleanStop() throws Exception {
        MemoryDisk disk = new MemoryDisk();
        ActorSystem<Void> system = start(disk, "");
        for (int i = 0; i < 40; i++) {
            ActorRef<Command> actor = spawn(system, "id-" + i);
            for (int count = 0; count < 5; count++) {
                add(actor, 1);
            }
            assertThat(add(actor, 3)).isEqualTo(8);
        }
        stop(system);
        system = start(disk, "");
        for (int i = 0; i < 40; i++) {
            ActorRef<Command> actor = spawn(system, "id-" + i);
            assertThat(get(actor)).isEqualTo(numbers("id-" + i, 8));
            assertThat(add(actor, 1)).isEqualTo(9);
        }
        stop(system);
    }

    /** Small checkpoints and segments, so that what is recovered comes of snapshots and of replay. */
    @Test
    void whatWasPersistedIsThereBehindAKillOrAPowerCut() throws Exception {
        Random random = new Random(Proof.class.getName().hashCode());
        MemoryDisk disk = new MemoryDisk();
        Map<String, Integer> persisted = new ConcurrentHashMap<>();
        for (int life = 0; life < 8; life++) {
            ActorSystem<Void> system = start(disk, "forebay.store.checkpoint-bytes = 64 KiB");
            List<CompletableFuture<Integer>> underWay = new ArrayList<>();
            for (int i = 0; i < 24; i++) {
                String id = "id-" + i;
                ActorRef<Command> actor = spawn(system, id);
                List<String> all = get(actor);
                assertThat(all).isEqualTo(numbers(id, all.size()));
                assertThat(all.size()).isGreaterThanOrEqualTo(persisted.getOrDefault(id, 0));
                // Three that go together are there all or none.
                assertThat(all.size() % 3).as(id).isZero();
                persisted.put(id, all.size());
                for (int count = random.nextInt(20); count >= 0; count--) {
                    CompletableFuture<Integer> added = new CompletableFuture<>();
                    added.thenAccept(size -> persisted.put(id, size));
                    actor.tell(new Add(3, added));
                    underWay.add(added);
                }
            }
            underWay.get(random.nextInt(underWay.size())).get(60, TimeUnit.SECONDS);
            disk.crash();
            MemoryDisk image = random.nextBoolean() ? disk.killImage() : disk.powerCutImage(random);
            Map<String, Integer> promised = Map.copyOf(persisted);
            system.terminate();
            system.getWhenTerminated().toCompletableFuture().get(60, TimeUnit.SECONDS);
            Proof.kills.increment();
            persisted.clear();
            persisted.putAll(promised);
            disk = image;
        }
    }

    /** Disk use stays flat while one actor deletes what it does not need, though another one's first event lies before all of it. */
    @Test
    void theSpaceOfDeletedEventsIsGivenBack() throws Exception {
        MemoryDisk disk = new MemoryDisk();
        ActorSystem<Void> system = start(disk, SMALL_LOG);
        // In the same queue, so that its event holds back whatever is released in the order of the log alone.
        String pinned = "pinned";
        String busy = java.util.stream.IntStream.range(0, 1000)
                .mapToObj(i -> "busy-" + i)
                .filter(id -> ShardKind.shardOf(id) == ShardKind.shardOf(pinned))
                .findFirst()
                .orElseThrow();
        assertThat(add(spawn(system, pinned), 1)).isEqualTo(1);
        long sequenceNr = 0;
        long most = 0;
        for (int round = 0; round < 90; round++) {
            if (round % 30 == 29) {
                // What was given back is known in the next life, too.
                stop(system);
                system = start(disk, SMALL_LOG);
            }
            ForebayPersistence persistence = ForebayPersistence.get(system);
            List<CompletableFuture<Void>> writes = new ArrayList<>();
            for (int i = 0; i < 32; i++) {
                writes.add(write(persistence, busy, "writer", ++sequenceNr, new byte[16 * 1024]));
            }
            CompletableFuture<Void> deleted = new CompletableFuture<>();
            persistence.request(ShardKind.EVENTS, busy, new EventShard.Delete(busy, sequenceNr - 4, deleted));
            CompletableFuture.allOf(writes.toArray(CompletableFuture[]::new)).get(60, TimeUnit.SECONDS);
            deleted.get(60, TimeUnit.SECONDS);
            StripeLog log = ForebayStorage.get(system).stripes().get(0).log();
            if (round == 20) {
                most = log.storedBytes();
            } else if (round > 20) {
                // It is given back by checkpoints, which nobody here waits for.
                long bound = 2 * most;
                Awaitility.await()
                        .atMost(Duration.ofSeconds(60))
                        .untilAsserted(() -> assertThat(log.storedBytes()).isLessThanOrEqualTo(bound));
            }
        }
        stop(system);
        system = start(disk, SMALL_LOG);
        assertThat(get(spawn(system, pinned))).isEqualTo(numbers(pinned, 1));
        CompletableFuture<EventTable.Place> place = new CompletableFuture<>();
        ForebayPersistence.get(system).request(ShardKind.EVENTS, busy, new EventShard.Locate(busy, place));
        assertThat(place.get(60, TimeUnit.SECONDS).highestSequenceNr()).isEqualTo(sequenceNr);
        assertThat(place.get().deletedTo()).isEqualTo(sequenceNr - 4);
        stop(system);
    }

    private static CompletableFuture<Void> write(
            ForebayPersistence persistence, String id, String writer, long sequenceNr, byte[] payload) {
        CompletableFuture<Void> written = new CompletableFuture<>();
        EventDraft event = EventDraft.of(sequenceNr, 0, 20, "", payload, writer, "", List.of());
        persistence.request(ShardKind.EVENTS, id, new EventShard.Write(id, List.of(event), written));
        return written;
    }

    /** Two actors under one id: of the one that is behind nothing is stored, also what it numbers beyond the other's. */
    @Test
    void behindAWriteThatFailedNothingOfItsActorIsStored() throws Exception {
        ActorSystem<Void> system = start(new MemoryDisk(), "");
        ForebayPersistence persistence = ForebayPersistence.get(system);
        for (int number = 1; number <= 10; number++) {
            write(persistence, "one", "x", number, new byte[1]).get(60, TimeUnit.SECONDS);
        }
        List<CompletableFuture<Void>> late = new ArrayList<>();
        for (int number = 9; number <= 12; number++) {
            late.add(write(persistence, "one", "y", number, new byte[1]));
        }
        for (CompletableFuture<Void> one : late) {
            assertThat(one).failsWithin(60, TimeUnit.SECONDS);
        }
        write(persistence, "one", "x", 11, new byte[1]).get(60, TimeUnit.SECONDS);
        stop(system);
    }

    @Test
    void eventsThatNoFrameHoldsAreRejectedAndTheActorGoesOn() throws Exception {
        MemoryDisk disk = new MemoryDisk();
        ActorSystem<Void> system = start(disk, "");
        ActorRef<Command> actor = spawn(system, "large");
        assertThat(add(actor, 1)).isEqualTo(1);
        CompletableFuture<Integer> added = new CompletableFuture<>();
        actor.tell(new Add(200_000, added));
        // A rejected event ends the actor, as Akka has it; what was stored before is there, and nothing of the rest.
        CompletableFuture<Done> gone = new CompletableFuture<>();
        system.systemActorOf(
                Behaviors.setup(context -> {
                    context.watch(actor);
                    return Behaviors.receiveSignal((ignored, signal) -> {
                        gone.complete(Done.getInstance());
                        return Behaviors.stopped();
                    });
                }),
                "watcher",
                akka.actor.typed.Props.empty());
        gone.get(60, TimeUnit.SECONDS);
        assertThat(added).isNotDone();
        stop(system);
        system = start(disk, "");
        assertThat(get(spawn(system, "large"))).isEqualTo(numbers("large", 1));
        stop(system);
    }
}
