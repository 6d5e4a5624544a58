package io.forebay.persistence;

import static org.assertj.core.api.Assertions.assertThat;

import akka.actor.testkit.typed.javadsl.TestProbe;
import akka.actor.typed.ActorSystem;
import io.forebay.persistence.core.EventDraft;
import io.forebay.persistence.core.EventTable;
import io.forebay.persistence.core.SnapshotBounds;
import io.forebay.persistence.core.SnapshotDraft;
import io.forebay.persistence.core.StateDraft;
import io.forebay.protocol.ForebayException;
import io.forebay.protocol.Refusal;
import io.forebay.store.ForebayStorage;
import io.forebay.store.StripeBudget;
import io.forebay.testkit.faults.DiskObserver.Operation;
import io.forebay.testkit.faults.Fault;
import io.forebay.testkit.faults.MemoryDisk;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/**
 * A reserved queue and the room of its stripe, on a disk whose forces wait, fail, or leave no space. <b>I8</b>: who waits for room hears
 * why there will be none; what would wait until nothing else is there is rejected; what gives space back is taken while the reserve
 * lasts.
 */
class ShardRoomTest {
    private static final Duration PATIENCE = Duration.ofSeconds(60);
    private static final int EVENT_BYTES = 100 * 1024;
    /** In 3/4 of 1 MiB. */
    private static final int EVENTS_THAT_FIT = 7;
    /** Small ones: four times as much as there is room for. */
    private static final int OTHERS = 300;

    private static final String SETTINGS = """
        forebay {
          storage { segment-size = 4 MiB, spare-segments = 1, low-space = 64 MiB }
          store {
            max-unflushed = 1 MiB, flush-bytes = 64 KiB
            checkpoint-idle-interval = 100 ms, retry-backoff = 20 ms, retry-backoff-max = 50 ms
          }
          queue { body-max = 64 KiB, batch-bytes-max = 128 KiB }
          group.pop-bytes-max = 128 KiB
        }
        """;

    private final MemoryDisk disk = new MemoryDisk();
    private final CountDownLatch mayForce = new CountDownLatch(1);
    private ActorSystem<Void> system;
    private ForebayPersistence persistence;
    private StripeBudget budget;
    private long lastNumber;

    @BeforeEach
    void start() throws Exception {
        system = PersistentActorsTest.start(disk, SETTINGS);
        persistence = ForebayPersistence.get(system);
        done(write(EVENT_BYTES));
        budget = ForebayStorage.get(system).stripes().get(0).budget();
        // Who is answered may be so before the room is given back.
        eventually(() -> assertThat(budget.unflushedBytes()).isZero());
    }

    @AfterEach
    void stop() throws Exception {
        mayForce.countDown();
        PersistentActorsTest.stop(system);
    }

    private static void done(CompletableFuture<?> asked) throws Exception {
        asked.get(PATIENCE.toSeconds(), TimeUnit.SECONDS);
    }

    private static Refusal refusalOf(CompletableFuture<?> asked) throws Exception {
        try {
            done(asked);
        } catch (ExecutionException e) {
            return ((ForebayException) e.getCause()).refusal();
        }
        throw new AssertionError("it was answered");
    }

    /** By a writer of its own: what comes behind a write that failed is refused with it. */
    private CompletableFuture<Void> write(int bytes) {
        CompletableFuture<Void> written = new CompletableFuture<>();
        EventDraft event =
                EventDraft.of(++lastNumber, 0, 20, "", new byte[bytes], "writer-" + lastNumber, "", List.of());
        persistence.request(ShardKind.EVENTS, "id", new EventShard.Write("id", List.of(event), written));
        return written;
    }

    private void eventually(Runnable assertion) {
        TestProbe.create(system).awaitAssert(PATIENCE, () -> {
            assertion.run();
            return null;
        });
    }

    /** No force ends until it may; as much is written as there is room for, and one event more waits. */
    private CompletableFuture<Void> writeUntilOneWaits(List<CompletableFuture<Void>> written) {
        disk.observe((operation, path, at, length) -> {
            if (operation == Operation.FORCE && path.endsWith(".log")) {
                await(mayForce);
            }
        });
        for (int i = 0; i < EVENTS_THAT_FIT; i++) {
            written.add(write(EVENT_BYTES));
        }
        CompletableFuture<Void> waiting = write(EVENT_BYTES);
        eventually(() -> assertThat(budget.waiterCount()).isOne());
        assertThat(waiting).isNotDone();
        return waiting;
    }

    private static void await(CountDownLatch latch) {
        try {
            latch.await();
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }

    @Test
    void whoWaitsForRoomHearsThatTheDiskIsLow() throws Exception {
        List<CompletableFuture<Void>> written = new ArrayList<>();
        CompletableFuture<Void> waiting = writeUntilOneWaits(written);
        disk.fullAfter(16 << 20);
        assertThat(refusalOf(waiting).code()).isEqualTo(Refusal.Code.DISK_FULL);
        mayForce.countDown();
        for (CompletableFuture<Void> one : written) {
            done(one);
        }
        disk.roomAgain();
        eventually(() -> assertThat(budget.hasRoom(StripeBudget.Tier.SEND, 1)).isTrue());
        done(write(EVENT_BYTES));
    }

    @Test
    void whoWaitsForRoomHearsThatTheDeviceFails() throws Exception {
        List<CompletableFuture<Void>> written = new ArrayList<>();
        CompletableFuture<Void> waiting = writeUntilOneWaits(written);
        disk.arm(Fault.of(Operation.FORCE));
        mayForce.countDown();
        assertThat(refusalOf(waiting).code()).isEqualTo(Refusal.Code.READ_ONLY);
        for (CompletableFuture<Void> one : written) {
            assertThat(refusalOf(one).code()).isEqualTo(Refusal.Code.OUTCOME_UNKNOWN);
        }
        disk.heal();
        eventually(() -> assertThat(budget.hasRoom(StripeBudget.Tier.SEND, 1)).isTrue());
        done(write(EVENT_BYTES));
    }

    /** It would find room only when nothing else is unflushed, and hold up its queue until then. */
    @Test
    void whatIsMoreThanMayBeUnflushedIsRejectedAndHoldsUpNobody() throws Exception {
        disk.observe((operation, path, at, length) -> {
            if (operation == Operation.FORCE && path.endsWith(".log")) {
                await(mayForce);
            }
        });
        CompletableFuture<Void> before = write(EVENT_BYTES);
        Refusal refusal = refusalOf(write(800 * 1024));
        assertThat(refusal.code()).isEqualTo(Refusal.Code.TOO_LARGE);
        assertThat(refusal.text()).contains("forebay.store.max-unflushed");
        CompletableFuture<Void> behind = write(EVENT_BYTES);
        mayForce.countDown();
        done(before);
        done(behind);
        done(write(700 * 1024));
    }

    /** Others come with little again and again, and nearly all the room there is is waited for. */
    @Test
    void whoWaitsForMuchIsWrittenBeforeWhatComesLater() throws Exception {
        String other = "other";
        assertThat(ShardKind.shardOf(other)).isNotEqualTo(ShardKind.shardOf("id"));
        List<CompletableFuture<Void>> asked = new ArrayList<>();
        disk.observe((operation, path, at, length) -> {
            if (operation == Operation.FORCE && path.endsWith(".log")) {
                await(mayForce);
            }
        });
        for (int i = 0; i < EVENTS_THAT_FIT; i++) {
            asked.add(write(EVENT_BYTES));
        }
        asked.add(write(700 * 1024));
        eventually(() -> assertThat(budget.waiterCount()).isOne());
        for (int number = 1; number <= OTHERS; number++) {
            CompletableFuture<Void> written = new CompletableFuture<>();
            EventDraft event = EventDraft.of(number, 0, 20, "", new byte[EVENT_BYTES / 10], "writer", "", List.of());
            persistence.request(ShardKind.EVENTS, other, new EventShard.Write(other, List.of(event), written));
            asked.add(written);
        }
        eventually(() -> assertThat(budget.waiterCount()).isEqualTo(2));
        mayForce.countDown();
        for (CompletableFuture<Void> one : asked) {
            done(one);
        }
        // Some fit beside what is kept for it before its writer has its turn; all of them would come first if it were
        // overtaken.
        assertThat(newestOf("id").sequence()).isLessThan(newestOf(other).sequence() - OTHERS / 3);
    }

    private StoredEvent newestOf(String id) throws Exception {
        CompletableFuture<EventTable.Place> place = new CompletableFuture<>();
        persistence.request(ShardKind.EVENTS, id, new EventShard.Locate(id, place));
        done(place);
        StoredEvent[] newest = {null};
        new StoredEvents(
                        ForebayStorage.get(system).stripes().get(0),
                        ShardKind.EVENTS.queueId(ShardKind.shardOf(id)),
                        id,
                        place.get(),
                        1,
                        Long.MAX_VALUE,
                        Long.MAX_VALUE)
                .handOut(event -> newest[0] = event);
        return newest[0];
    }

    @Test
    void deletionsAreTakenWhileTheDiskIsLow() throws Exception {
        byte[] payload = new byte[10];
        for (long number = 1; number <= 3; number++) {
            CompletableFuture<Void> saved = new CompletableFuture<>();
            persistence.request(
                    ShardKind.SNAPSHOTS,
                    "id",
                    new SnapshotShard.Save(
                            new SnapshotDraft("id", number, 0, 1, "", payload, 0, "", new byte[0]), saved));
            done(saved);
        }
        for (String id : List.of("id", "other")) {
            CompletableFuture<Void> stored = new CompletableFuture<>();
            persistence.request(
                    ShardKind.STATES, id, new StateShard.Upsert(id, 1, new StateDraft(1, "", payload), "", stored));
            done(stored);
        }
        disk.fullAfter(16 << 20);
        eventually(() -> assertThat(budget.diskRefuses())
                .contains(StripeBudget.Tier.SEND)
                .doesNotContain(StripeBudget.Tier.ACK));
        assertThat(refusalOf(write(10)).code()).isEqualTo(Refusal.Code.DISK_FULL);
        List<CompletableFuture<Void>> deleted = new ArrayList<>();
        for (int i = 0; i < 4; i++) {
            deleted.add(new CompletableFuture<>());
        }
        persistence.request(ShardKind.EVENTS, "id", new EventShard.Delete("id", 1, deleted.get(0)));
        persistence.request(
                ShardKind.SNAPSHOTS,
                "id",
                new SnapshotShard.Delete("id", SnapshotBounds.ofSequenceNr(2), deleted.get(1)));
        persistence.request(ShardKind.STATES, "id", new StateShard.Delete("id", 2, deleted.get(2)));
        persistence.request(ShardKind.STATES, "other", new StateShard.DeleteAny("other", deleted.get(3)));
        for (CompletableFuture<Void> one : deleted) {
            done(one);
        }
        assertThat(refusalOf(write(10)).code()).isEqualTo(Refusal.Code.DISK_FULL);
    }
}
