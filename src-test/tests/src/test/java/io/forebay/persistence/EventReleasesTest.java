package io.forebay.persistence;

import static org.assertj.core.api.Assertions.assertThat;

import akka.actor.testkit.typed.javadsl.TestProbe;
import akka.actor.typed.ActorSystem;
import io.forebay.persistence.core.EventDraft;
import io.forebay.storage.log.StripeLog;
import io.forebay.store.ForebayStorage;
import io.forebay.testkit.faults.DiskObserver.Operation;
import io.forebay.testkit.faults.MemoryDisk;
import java.io.IOException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

/**
 * The space of deleted events. <b>I1</b>: it is given back only when a snapshot knows of it, so that a start that finds nothing there
 * knows why. <b>I8</b>: a device that does not give the events now delays that, and no more.
 */
class EventReleasesTest {
    private static final Duration PATIENCE = Duration.ofSeconds(60);
    private static final int QUEUE_ID = ShardKind.EVENTS.queueId(ShardKind.shardOf("one"));

    private final MemoryDisk disk = new MemoryDisk();
    private ActorSystem<Void> system;
    private ForebayPersistence persistence;

    private void start(String checkpointBytes) {
        system = PersistentActorsTest.start(disk, """
            forebay.storage { segment-size = 1 MiB, spare-segments = 1 }
            forebay.store { flush-bytes = 64 KiB, max-unflushed = 2 MiB, checkpoint-idle-interval = 1 h }
            forebay.queue { body-max = 128 KiB, batch-bytes-max = 256 KiB }
            forebay.group.pop-bytes-max = 256 KiB
            forebay.store.checkpoint-bytes = %s
            """.formatted(checkpointBytes));
        persistence = ForebayPersistence.get(system);
    }

    @AfterEach
    void stop() throws Exception {
        PersistentActorsTest.stop(system);
    }

    private static <T> T got(CompletableFuture<T> asked) throws Exception {
        return asked.get(PATIENCE.toSeconds(), TimeUnit.SECONDS);
    }

    private void write(String id, long firstNumber, int count) throws Exception {
        List<CompletableFuture<Void>> all = new ArrayList<>();
        for (long number = firstNumber; number < firstNumber + count; number++) {
            CompletableFuture<Void> written = new CompletableFuture<>();
            EventDraft event = EventDraft.of(number, 0, 20, "", new byte[16 * 1024], "writer", "", List.of());
            persistence.request(ShardKind.EVENTS, id, new EventShard.Write(id, List.of(event), written));
            all.add(written);
        }
        for (CompletableFuture<Void> one : all) {
            got(one);
        }
    }

    private void delete(String id, long toNumber) throws Exception {
        CompletableFuture<Void> deleted = new CompletableFuture<>();
        persistence.request(ShardKind.EVENTS, id, new EventShard.Delete(id, toNumber, deleted));
        got(deleted);
    }

    private StripeLog log() {
        return ForebayStorage.get(system).stripes().get(0).log();
    }

    @Test
    void whatCouldNotBeReadIsLookedForAgain() throws Exception {
        start("64 KiB");
        write("one", 1, 100);
        CountDownLatch isRefused = new CountDownLatch(1);
        disk.observe((operation, path, at, length) -> {
            if ((operation == Operation.READ || operation == Operation.READ_COLD) && path.endsWith(".log")) {
                isRefused.countDown();
                throw new IOException("not now");
            }
        });
        delete("one", 90);
        assertThat(isRefused.await(PATIENCE.toSeconds(), TimeUnit.SECONDS)).isTrue();
        disk.observe((operation, path, at, length) -> {});
        long[] number = {101};
        TestProbe.create(system).awaitAssert(PATIENCE, () -> {
            write("one", number[0]++, 1);
            assertThat(log().releasedBelow(QUEUE_ID)).isEqualTo(90);
            return null;
        });
    }

    /** One is looked for after the other: when the second is looked for, the first has been found. */
    @Test
    void whatIsFoundIsGivenBackWithTheNextSnapshotOnly() throws Exception {
        start("64 MiB");
        String other = "other";
        while (ShardKind.shardOf(other) != ShardKind.shardOf("one")) {
            other += "'";
        }
        write("one", 1, 3);
        write(other, 1, 80);
        List<String> segments = disk.files().stream()
                .filter(file -> file.matches("stripe-0/segment-[0-9a-f]+\\.log"))
                .sorted()
                .toList();
        CountDownLatch isSecondLookedFor = new CountDownLatch(1);
        AtomicInteger reads = new AtomicInteger();
        disk.observe((operation, path, at, length) -> {
            if ((operation == Operation.READ || operation == Operation.READ_COLD) && segments.contains(path)) {
                reads.incrementAndGet();
                if (!path.equals(segments.get(0))) {
                    isSecondLookedFor.countDown();
                }
            }
        });
        delete("one", 2);
        delete(other, 1);
        assertThat(isSecondLookedFor.await(PATIENCE.toSeconds(), TimeUnit.SECONDS))
                .isTrue();
        assertThat(reads.get()).isGreaterThan(1);
        assertThat(log().releasedBelow(QUEUE_ID)).isZero();
        assertThat(log().releasedOffsetsBytes(QUEUE_ID)).isZero();
    }
}
