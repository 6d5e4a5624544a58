package io.forebay.persistence;

import static org.assertj.core.api.Assertions.assertThat;

import akka.actor.ActorRef;
import akka.actor.testkit.typed.javadsl.TestProbe;
import akka.actor.typed.ActorSystem;
import akka.actor.typed.javadsl.Adapter;
import akka.actor.typed.javadsl.Behaviors;
import akka.pattern.Patterns;
import akka.persistence.DeleteSnapshotSuccess;
import akka.persistence.DeleteSnapshotsSuccess;
import akka.persistence.Persistence;
import akka.persistence.SaveSnapshotFailure;
import akka.persistence.SaveSnapshotSuccess;
import akka.persistence.SelectedSnapshot;
import akka.persistence.SnapshotMetadata;
import akka.persistence.SnapshotProtocol;
import akka.persistence.SnapshotSelectionCriteria;
import com.typesafe.config.Config;
import com.typesafe.config.ConfigFactory;
import io.forebay.persistence.core.UnreadableSnapshotException;
import io.forebay.storage.log.LogVerifier;
import io.forebay.storage.log.PersistenceSnapshotRecord;
import io.forebay.store.ForebayStorage;
import io.forebay.store.StorageEnvironment;
import io.forebay.store.StripeHandle;
import io.forebay.testkit.faults.DiskObserver.Operation;
import io.forebay.testkit.faults.MemoryDisk;
import io.forebay.testkit.sim.Proof;
import java.time.Duration;
import java.time.InstantSource;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.TreeMap;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicLong;
import java.util.function.Consumer;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * The snapshot store as Akka talks to it, on a disk that loses what was not forced. <b>I1</b>: a snapshot that was answered for is
 * there behind a kill or a power cut, and one that was deleted is not. <b>I2</b>: what is loaded has the bytes that were saved, whole; a
 * damaged one is named and not taken for one that is missing. <b>I8</b>: a snapshot of any size is stored within the budget of the
 * stripe, and leaves room for others.
 */
class SnapshotStoreTest {
    private static final Duration PATIENCE = Duration.ofSeconds(60);
    private static final int MAX_UNFLUSHED = 1024 * 1024;
    private static final int PART_BYTES = MAX_UNFLUSHED / 16;

    private static final Config CONFIG = ConfigFactory.parseString("""
        akka.actor.provider = local
        akka.loglevel = WARNING
        akka.log-dead-letters = off
        akka.coordinated-shutdown.run-by-jvm-shutdown-hook = off
        akka.coordinated-shutdown.exit-jvm = off
        akka.persistence.snapshot-store.plugin = "forebay.persistence.snapshot-store"
        forebay {
          storage { segment-size = 4 MiB, low-space = 0 B }
          store { flush-bytes = 64 KiB, max-unflushed = 1 MiB, flush-interval = 20 ms }
          queue { body-max = 64 KiB, batch-bytes-max = 128 KiB }
          group.pop-bytes-max = 128 KiB
        }
        """);

    /** An application that does nothing but talk to its snapshot store. */
    private static final class App {
        final MemoryDisk disk;
        final ActorSystem<Void> system;
        final ActorRef store;

        App(MemoryDisk disk, String settings) {
            this.disk = disk;
            system = ActorSystem.create(
                    Behaviors.empty(),
                    "app",
                    ConfigFactory.parseString(settings).withFallback(CONFIG).withFallback(ConfigFactory.load()));
            ForebayStorage.get(system).use(StorageEnvironment.of(disk, InstantSource.system(), System::nanoTime));
            store = Persistence.get(Adapter.toClassic(system)).snapshotStoreFor("", ConfigFactory.empty());
        }

        CompletableFuture<Object> ask(Object message) {
            return Patterns.ask(store, message, PATIENCE).toCompletableFuture();
        }

        CompletableFuture<Object> askToSave(String id, long sequenceNr, byte[] snapshot) {
            return ask(new SnapshotProtocol.SaveSnapshot(SnapshotMetadata.apply(id, sequenceNr), snapshot));
        }

        SnapshotMetadata save(String id, long sequenceNr, byte[] snapshot) {
            return ((SaveSnapshotSuccess) got(askToSave(id, sequenceNr, snapshot))).metadata();
        }

        Object askToLoad(String id, SnapshotSelectionCriteria criteria) {
            return got(ask(new SnapshotProtocol.LoadSnapshot(id, criteria, Long.MAX_VALUE)));
        }

        SelectedSnapshot selectedOrNull(String id, SnapshotSelectionCriteria criteria) {
            Object answer = askToLoad(id, criteria);
            if (answer instanceof SnapshotProtocol.LoadSnapshotResult result) {
                return result.snapshot().isEmpty() ? null : result.snapshot().get();
            }
            throw new AssertionError(answer.toString());
        }

        byte[] newestOrNull(String id) {
            SelectedSnapshot selected = selectedOrNull(id, SnapshotSelectionCriteria.latest());
            return selected == null ? null : (byte[]) selected.snapshot();
        }

        byte[] exactlyOrNull(String id, long sequenceNr) {
            SelectedSnapshot selected =
                    selectedOrNull(id, SnapshotSelectionCriteria.create(sequenceNr, Long.MAX_VALUE, sequenceNr, 0));
            if (selected == null) {
                return null;
            }
            assertThat(selected.metadata().persistenceId()).isEqualTo(id);
            assertThat(selected.metadata().sequenceNr()).isEqualTo(sequenceNr);
            return (byte[]) selected.snapshot();
        }

        StripeHandle stripe() {
            return ForebayStorage.get(system)
                    .whenReady()
                    .toCompletableFuture()
                    .join()
                    .get(0);
        }

        /** How many parts lie in the queue of an id. */
        long partsOf(String id) {
            return stripe().log().nextOffset(ShardKind.SNAPSHOTS.queueId(ShardKind.shardOf(id)));
        }

        void stop() {
            system.terminate();
            got(system.getWhenTerminated().toCompletableFuture());
        }

        /** The process dies. @return what it leaves */
        MemoryDisk kill() {
            disk.crash();
            MemoryDisk image = disk.killImage();
            stop();
            Proof.kills.increment();
            return image;
        }

        /** The power goes. @return what is left */
        MemoryDisk cutPower(Random random) {
            disk.crash();
            MemoryDisk image = disk.powerCutImage(random);
            stop();
            Proof.kills.increment();
            return image;
        }
    }

    private static <T> T got(CompletableFuture<T> promised) {
        try {
            return promised.get(PATIENCE.toSeconds(), TimeUnit.SECONDS);
        } catch (Exception e) {
            throw new AssertionError(e);
        }
    }

    private static byte[] bytes(Random random, int count) {
        byte[] bytes = new byte[count];
        random.nextBytes(bytes);
        return bytes;
    }

    @ParameterizedTest
    @ValueSource(strings = {"flushed", "written"})
    void aSnapshotLargerThanWhatMayBeUnflushedIsStoredAndLeavesRoom(String durability) {
        Random random = new Random(1);
        byte[] large = bytes(random, (durability.equals("flushed") ? 20 : 3) * 1024 * 1024 + 3);
        byte[] other = bytes(random, 2 * 1024 * 1024);
        String settings = "forebay.persistence.durability = " + durability;
        MemoryDisk disk = new MemoryDisk();
        App app = new App(disk, settings);
        app.save("other", 1, new byte[0]);
        AtomicLong most = new AtomicLong();
        StripeHandle stripe = app.stripe();
        disk.observe((operation, path, at, length) -> {
            if (operation == Operation.FORCE) {
                most.accumulateAndGet(stripe.budget().unflushedBytes(), Math::max);
            }
        });
        app.save("large", 1, large);
        // Four parts of it, and the states that checkpoints take.
        assertThat(most.get()).isBetween((long) PART_BYTES, MAX_UNFLUSHED / 2L);
        assertThat(Arrays.equals(app.newestOrNull("large"), large)).isTrue();
        MemoryDisk left = app.kill();
        app = new App(left, settings);
        assertThat(Arrays.equals(app.newestOrNull("large"), large)).isTrue();
        app.save("large", 1, other);
        assertThat(Arrays.equals(app.newestOrNull("large"), other)).isTrue();
        assertThat(app.newestOrNull("other")).isEmpty();
        app.stop();
        app = new App(left, settings);
        assertThat(Arrays.equals(app.newestOrNull("large"), other)).isTrue();
        app.stop();
    }

    @Test
    void aLoadDoesNotWaitForALargeSnapshotOfAnother() {
        String other = "other";
        while (ShardKind.shardOf(other) != ShardKind.shardOf("large")) {
            other += "'";
        }
        App app = new App(new MemoryDisk(), "");
        app.save(other, 1, new byte[7]);
        CountDownLatch isLoaded = new CountDownLatch(1);
        AtomicInteger forces = new AtomicInteger();
        app.disk.observe((operation, path, at, length) -> {
            // So many are not enough for the large one.
            if (operation == Operation.FORCE && forces.incrementAndGet() > 20) {
                await(isLoaded);
            }
        });
        CompletableFuture<Object> saved = app.askToSave("large", 1, new byte[200 * PART_BYTES]);
        assertThat(app.newestOrNull(other)).hasSize(7);
        assertThat(saved).isNotDone();
        isLoaded.countDown();
        assertThat(got(saved)).isInstanceOf(SaveSnapshotSuccess.class);
        app.stop();
    }

    private static void await(CountDownLatch latch) {
        try {
            latch.await();
        } catch (InterruptedException e) {
            throw new AssertionError(e);
        }
    }

    @Test
    void aCrashBetweenPartsLeavesWhatWasThereBefore() {
        Random random = new Random(2);
        byte[] old = bytes(random, 3 * PART_BYTES);
        byte[] large = bytes(random, 40 * PART_BYTES);
        MemoryDisk disk = new MemoryDisk();
        App app = new App(disk, "");
        app.save("one", 7, old);
        assertThat(app.partsOf("one")).isEqualTo(3);
        CountDownLatch isForcing = new CountDownLatch(1);
        CountDownLatch mayGoOn = new CountDownLatch(1);
        App first = app;
        disk.observe((operation, path, at, length) -> {
            // A segment may be prepared, or what lies before may be forced.
            if (operation == Operation.FORCE && first.partsOf("one") > 3) {
                isForcing.countDown();
                await(mayGoOn);
            }
        });
        CompletableFuture<Object> saved = app.askToSave("one", 7, large);
        await(isForcing);
        disk.crash();
        MemoryDisk image = disk.killImage();
        mayGoOn.countDown();
        app.stop();
        assertThat(saved.isDone() && saved.join() instanceof SaveSnapshotSuccess)
                .isFalse();

        app = new App(image, "");
        long leftovers = app.partsOf("one") - 3;
        assertThat(leftovers).isBetween(1L, 39L);
        assertThat(app.newestOrNull("one")).isEqualTo(old);
        app.save("one", 7, large);
        assertThat(app.partsOf("one")).isEqualTo(3 + leftovers + 40);
        assertThat(app.newestOrNull("one")).isEqualTo(large);
        image = app.kill();
        app = new App(image, "");
        assertThat(app.newestOrNull("one")).isEqualTo(large);
        app.stop();
    }

    @Test
    void aDamagedPartFailsTheLoadAndSaysWhereItLies() throws Exception {
        Random random = new Random(3);
        byte[] old = bytes(random, 10);
        byte[] sound = bytes(random, 2 * PART_BYTES);
        MemoryDisk disk = new MemoryDisk();
        App app = new App(disk, "");
        app.save("one", 6, old);
        app.save("one", 7, bytes(random, 5 * PART_BYTES));
        app.save("two", 1, sound);
        app.stop();
        String[] segment = {null};
        long[] at = {0};
        LogVerifier.verify(disk.child("stripe-0"), (file, position, view) -> {
            if (view.decode() instanceof PersistenceSnapshotRecord part && part.parts() == 5 && part.part() == 2) {
                segment[0] = file;
                at[0] = position - Long.parseLong(file.replaceAll("\\D", ""), 16);
            }
        });
        disk.flip("stripe-0/" + segment[0], at[0] + 1_000, 4);
        app = new App(disk, "");
        Object answer = app.askToLoad("one", SnapshotSelectionCriteria.latest());
        assertThat(answer).isInstanceOf(SnapshotProtocol.LoadSnapshotFailed.class);
        assertThat(((SnapshotProtocol.LoadSnapshotFailed) answer).cause())
                .isInstanceOf(UnreadableSnapshotException.class)
                .hasMessageStartingWith(
                        "snapshot 7 of persistence id 'one' cannot be read: part 3 of 5, at offset 3 of queue ")
                .hasMessageContaining(segment[0]);
        assertThat(app.exactlyOrNull("one", 6)).isEqualTo(old);
        assertThat(app.newestOrNull("two")).isEqualTo(sound);
        byte[] better = bytes(random, 5);
        app.save("one", 7, better);
        assertThat(app.newestOrNull("one")).isEqualTo(better);
        app.stop();
    }

    @Test
    void aSnapshotIsDeletedByItsNumberAndByItsTimestampIfThatIsNamed() {
        App app = new App(new MemoryDisk(), "");
        SnapshotMetadata one = app.save("one", 1, new byte[1]);
        app.save("one", 2, new byte[2]);
        SnapshotMetadata wrong = SnapshotMetadata.apply("one", 1, one.timestamp() + 1);
        assertThat(got(app.ask(new SnapshotProtocol.DeleteSnapshot(wrong)))).isInstanceOf(DeleteSnapshotSuccess.class);
        assertThat(app.exactlyOrNull("one", 1)).hasSize(1);
        got(app.ask(new SnapshotProtocol.DeleteSnapshot(one)));
        assertThat(app.exactlyOrNull("one", 1)).isNull();
        got(app.ask(new SnapshotProtocol.DeleteSnapshot(SnapshotMetadata.apply("one", 2))));
        assertThat(app.newestOrNull("one")).isNull();
        Object unknown =
                got(app.ask(new SnapshotProtocol.DeleteSnapshots("unknown", SnapshotSelectionCriteria.latest())));
        assertThat(unknown).isInstanceOf(DeleteSnapshotsSuccess.class);
        app.stop();
    }

    /** Akka then has whatever is of its number deleted. */
    @Test
    void aSnapshotThatCannotBeSerializedFailsAlone() {
        App app = new App(new MemoryDisk(), "akka.actor.allow-java-serialization = off");
        app.save("one", 1, new byte[1]);
        Object answer = got(app.ask(new SnapshotProtocol.SaveSnapshot(SnapshotMetadata.apply("one", 2), new Object())));
        assertThat(answer).isInstanceOf(SaveSnapshotFailure.class);
        assertThat(app.newestOrNull("one")).hasSize(1);
        app.save("one", 2, new byte[2]);
        assertThat(app.newestOrNull("one")).hasSize(2);
        app.stop();
    }

    /** What is replaced, deleted, or was never whole is given back, though older snapshots are needed; behind a start as well. */
    @Test
    void theDiskDoesNotGrowWhileSnapshotsAreReplaced() {
        Random random = new Random(4);
        String settings = "forebay.store.checkpoint-bytes = 1 MiB, forebay.store.checkpoint-idle-interval = 10 ms";
        byte[] kept = bytes(random, 2 * PART_BYTES + 1);
        MemoryDisk disk = new MemoryDisk();
        App app = new App(disk, settings);
        app.save("kept", 1, kept);
        byte[] snapshot = {};
        for (int life = 0; life < 3; life++) {
            for (int i = 0; i < 40; i++) {
                snapshot = bytes(random, 8 * PART_BYTES);
                app.save("replaced", i % 2, snapshot);
                app.save("deleted-" + i % 16, i, new byte[PART_BYTES]);
                got(app.ask(
                        new SnapshotProtocol.DeleteSnapshots("deleted-" + i % 16, SnapshotSelectionCriteria.latest())));
            }
            MemoryDisk left = app.kill();
            app = new App(left, settings);
            assertThat(app.newestOrNull("kept")).isEqualTo(kept);
            assertThat(app.newestOrNull("replaced")).isEqualTo(snapshot);
            assertThat(app.newestOrNull("deleted-3")).isNull();
        }
        // Some 67 MiB were written, and the newest four segments are kept whatever lies in them.
        StripeHandle stripe = app.stripe();
        TestProbe.create(app.system).awaitAssert(PATIENCE, () -> {
            assertThat(stripe.log().storedBytes()).isLessThan(32L * 1024 * 1024);
            return true;
        });
        app.stop();
    }

    /** What one id has, and what was asked for and not answered. */
    private static final class Expected {
        Map<Long, byte[]> there = new TreeMap<>();
        Consumer<Map<Long, byte[]>> change;
        CompletableFuture<Object> answer;

        boolean isAnswered() {
            return answer.isDone()
                    && !answer.isCompletedExceptionally()
                    && !(answer.join() instanceof SaveSnapshotFailure)
                    && (answer.join() instanceof SaveSnapshotSuccess
                            || answer.join() instanceof DeleteSnapshotSuccess
                            || answer.join() instanceof DeleteSnapshotsSuccess);
        }

        void settle() {
            change.accept(there);
            answer = null;
        }
    }

    private static final int NUMBERS = 5;

    private static void askSomething(App app, Random random, String id, Expected expected) {
        long sequenceNr = random.nextInt(NUMBERS);
        switch (random.nextInt(5)) {
            case 0 -> {
                expected.change = there -> there.keySet().removeIf(number -> number <= sequenceNr);
                expected.answer = app.ask(new SnapshotProtocol.DeleteSnapshots(
                        id, SnapshotSelectionCriteria.create(sequenceNr, Long.MAX_VALUE)));
            }
            case 1 -> {
                expected.change = there -> there.remove(sequenceNr);
                expected.answer = app.ask(new SnapshotProtocol.DeleteSnapshot(SnapshotMetadata.apply(id, sequenceNr)));
            }
            default -> {
                byte[] snapshot = bytes(random, random.nextInt(random.nextBoolean() ? 6 * PART_BYTES : 500));
                expected.change = there -> there.put(sequenceNr, snapshot);
                expected.answer = app.askToSave(id, sequenceNr, snapshot);
            }
        }
    }

    private static void check(App app, String id, Expected expected) {
        Map<Long, byte[]> found = new TreeMap<>();
        for (long sequenceNr = 0; sequenceNr < NUMBERS; sequenceNr++) {
            byte[] snapshot = app.exactlyOrNull(id, sequenceNr);
            if (snapshot != null) {
                found.put(sequenceNr, snapshot);
            }
        }
        if (expected.answer != null && !isSame(found, expected.there)) {
            // It was not answered, and has been done.
            expected.settle();
        }
        assertThat(isSame(found, expected.there))
                .as("%s: %s, expected %s", id, found.keySet(), expected.there.keySet())
                .isTrue();
        expected.answer = null;
    }

    private static boolean isSame(Map<Long, byte[]> left, Map<Long, byte[]> right) {
        return left.keySet().equals(right.keySet())
                && left.keySet().stream().allMatch(number -> Arrays.equals(left.get(number), right.get(number)));
    }

    /** With so small a checkpoint interval that states are taken between the parts of snapshots, and without any. */
    @ParameterizedTest
    @ValueSource(strings = {"64 KiB", "1 GiB"})
    void whatWasAnsweredIsThereBehindAKillAPowerCutOrAStop(String checkpointBytes) {
        Random random = new Random(checkpointBytes.hashCode());
        Map<String, Expected> all = new HashMap<>();
        List<String> ids = new ArrayList<>();
        for (int i = 0; i < 12; i++) {
            ids.add("id-" + i);
            all.put("id-" + i, new Expected());
        }
        MemoryDisk disk = new MemoryDisk();
        for (int life = 0; life < 5; life++) {
            boolean isFlushed = random.nextBoolean();
            App app = new App(
                    disk,
                    "forebay.store.checkpoint-bytes = " + checkpointBytes + ", forebay.persistence.durability = "
                            + (isFlushed ? "flushed" : "written"));
            for (String id : ids) {
                check(app, id, all.get(id));
            }
            for (int step = 0; step < 100; step++) {
                String id = ids.get(random.nextInt(ids.size()));
                Expected expected = all.get(id);
                if (expected.answer != null) {
                    got(expected.answer);
                    assertThat(expected.isAnswered()).as("%s", expected.answer).isTrue();
                    expected.settle();
                }
                askSomething(app, random, id, expected);
            }
            int end = random.nextInt(3);
            if (end == 0) {
                app.stop();
            } else {
                disk = end == 1 && isFlushed ? app.cutPower(random) : app.kill();
            }
            for (String id : ids) {
                Expected expected = all.get(id);
                if (expected.answer != null && expected.isAnswered()) {
                    expected.settle();
                }
            }
        }
    }
}
