package io.forebay.persistence;

import static org.assertj.core.api.Assertions.assertThat;

import akka.actor.typed.ActorSystem;
import akka.actor.typed.Props;
import io.forebay.node.Forebay;
import io.forebay.persistence.core.EventDraft;
import io.forebay.persistence.core.EventTable;
import io.forebay.protocol.ForebayException;
import io.forebay.protocol.Refusal;
import io.forebay.storage.log.Owner;
import io.forebay.store.LogEvent;
import io.forebay.testkit.faults.DiskObserver.Operation;
import io.forebay.testkit.faults.MemoryDisk;
import io.forebay.watch.EventLines;
import java.net.InetSocketAddress;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;

/**
 * Who writes to a reserved queue ends. <b>I8</b>: whoever has asked, or asks later, is told why, at once; the other queues have nothing
 * to do with it.
 */
class ShardEndTest {
    private static final int PATIENCE_SECONDS = 60;

    /** No shard knows it, so whoever takes it has a bug. */
    private record Strange(CompletableFuture<Void> reply) implements Shard.Request {}

    private static Refusal refusalOf(CompletableFuture<?> asked) throws Exception {
        try {
            asked.get(PATIENCE_SECONDS, TimeUnit.SECONDS);
        } catch (ExecutionException e) {
            return ((ForebayException) e.getCause()).refusal();
        }
        throw new AssertionError("it was answered");
    }

    private static CompletableFuture<Void> write(ForebayPersistence persistence, String id, long sequenceNr) {
        CompletableFuture<Void> written = new CompletableFuture<>();
        EventDraft event = EventDraft.of(sequenceNr, 0, 20, "", new byte[1], "writer", "", List.of());
        persistence.request(ShardKind.EVENTS, id, new EventShard.Write(id, List.of(event), written));
        return written;
    }

    private static String ofAnotherShard(String id) {
        String other = id;
        while (ShardKind.shardOf(other) == ShardKind.shardOf(id)) {
            other += "'";
        }
        return other;
    }

    @Test
    void whoHasAskedOneThatEndsByABugIsToldAtOnce() throws Exception {
        MemoryDisk disk = new MemoryDisk();
        ActorSystem<Void> system = PersistentActorsTest.start(disk, "");
        ForebayPersistence persistence = ForebayPersistence.get(system);
        write(persistence, "id", 1).get(PATIENCE_SECONDS, TimeUnit.SECONDS);
        CountDownLatch isTold = new CountDownLatch(1);
        disk.observe((operation, path, at, length) -> {
            if (operation == Operation.FORCE) {
                awaitQuietly(isTold);
            }
        });
        List<CompletableFuture<?>> before = new ArrayList<>();
        for (int number = 2; number < 10; number++) {
            before.add(write(persistence, "id", number));
        }
        Strange strange = new Strange(new CompletableFuture<>());
        persistence.request(ShardKind.EVENTS, "id", strange);
        before.add(strange.reply);
        CompletableFuture<EventTable.Place> behind = new CompletableFuture<>();
        persistence.request(ShardKind.EVENTS, "id", new EventShard.Locate("id", behind));
        before.add(behind);
        for (CompletableFuture<?> one : before) {
            assertThat(refusalOf(one).code()).isIn(Refusal.Code.OUTCOME_UNKNOWN, Refusal.Code.FAILED);
            assertThat(refusalOf(one).text()).contains("Strange");
        }
        assertThat(refusalOf(write(persistence, "id", 10)).text()).contains("Strange");
        isTold.countDown();
        write(persistence, ofAnotherShard("id"), 1).get(PATIENCE_SECONDS, TimeUnit.SECONDS);
        PersistentActorsTest.stop(system);

        // A start begins anew, with everything that was answered.
        system = PersistentActorsTest.start(disk, "");
        persistence = ForebayPersistence.get(system);
        CompletableFuture<EventTable.Place> place = new CompletableFuture<>();
        persistence.request(ShardKind.EVENTS, "id", new EventShard.Locate("id", place));
        assertThat(place.get(PATIENCE_SECONDS, TimeUnit.SECONDS).highestSequenceNr())
                .isBetween(1L, 9L);
        write(persistence, "id", 10).get(PATIENCE_SECONDS, TimeUnit.SECONDS);
        PersistentActorsTest.stop(system);
    }

    private static String page(Forebay node, String path) throws Exception {
        InetSocketAddress address = node.watchAddress().toCompletableFuture().get(PATIENCE_SECONDS, TimeUnit.SECONDS);
        URI uri = URI.create("http://" + address.getAddress().getHostAddress() + ":" + address.getPort() + path);
        return HttpClient.newHttpClient()
                .send(HttpRequest.newBuilder(uri).build(), HttpResponse.BodyHandlers.ofString())
                .body();
    }

    /** The log keeps all that is written behind it, so somebody has to hear of it. */
    @Test
    void whatABugHasEndedIsNamedByTheNodeUntilTheNextStart() throws Exception {
        String settings = "forebay.watch { enabled = on, port = 0 }";
        MemoryDisk disk = new MemoryDisk();
        List<ShardFault> faults = new ArrayList<>();
        try (EventLines events = new EventLines()) {
            ActorSystem<Void> system = PersistentActorsTest.start(disk, settings);
            Forebay node =
                    Forebay.get(system).whenReady().toCompletableFuture().get(PATIENCE_SECONDS, TimeUnit.SECONDS);
            ForebayPersistence.visitFaults(system, faults::add);
            ForebayPersistence persistence = ForebayPersistence.get(system);
            write(persistence, "id", 1).get(PATIENCE_SECONDS, TimeUnit.SECONDS);
            ForebayPersistence.visitFaults(system, faults::add);
            assertThat(faults).isEmpty();
            assertThat(page(node, "/ready")).doesNotContain("queues-failed");

            Strange strange = new Strange(new CompletableFuture<>());
            persistence.request(ShardKind.EVENTS, "id", strange);
            assertThat(refusalOf(strange.reply).text()).contains("Strange");
            ForebayPersistence.visitFaults(system, faults::add);
            assertThat(faults).hasSize(1);
            assertThat(page(node, "/ready"))
                    .contains("queues-failed", "events of slices ", "Strange", "\"ready\":true");
            assertThat(page(node, "/metrics"))
                    .containsPattern("(?m)^forebay_stripe_stopped_queues\\{[^}]*stripe=\"0\"[^}]*\\} 1(\\.0)?$");
            assertThat(events.of(LogEvent.QUEUE_STOPPED)).hasSize(1);
            assertThat(events.of(LogEvent.QUEUE_STOPPED).get(0))
                    .startsWith("ERROR ")
                    .contains(" stripe=0 persistence=\"events of slices ", " reason=ACTOR_FAILED ", "Strange");
            PersistentActorsTest.stop(system);
        }
        ActorSystem<Void> system = PersistentActorsTest.start(disk, settings);
        Forebay node = Forebay.get(system).whenReady().toCompletableFuture().get(PATIENCE_SECONDS, TimeUnit.SECONDS);
        write(ForebayPersistence.get(system), "id", 2).get(PATIENCE_SECONDS, TimeUnit.SECONDS);
        assertThat(page(node, "/ready")).doesNotContain("queues-failed");
        PersistentActorsTest.stop(system);
    }

    private static void awaitQuietly(CountDownLatch latch) {
        try {
            latch.await();
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }

    @Test
    void whoAsksWhenTheActorSystemHasEndedIsToldSo() throws Exception {
        ActorSystem<Void> system = PersistentActorsTest.start(new MemoryDisk(), "");
        ForebayPersistence persistence = ForebayPersistence.get(system);
        write(persistence, "id", 1).get(PATIENCE_SECONDS, TimeUnit.SECONDS);
        PersistentActorsTest.stop(system);
        assertThat(refusalOf(write(persistence, "id", 2)).code()).isEqualTo(Refusal.Code.SHUTTING_DOWN);
    }

    @Test
    void whoAsksOneThatCouldNotBeginIsTold() throws Exception {
        ActorSystem<Void> system = PersistentActorsTest.start(new MemoryDisk(), "");
        ShardRef ref = new ShardRef(0, Owner.queue(Owner.RESERVED_FROM), "events");
        Strange early = new Strange(new CompletableFuture<>());
        ref.begin(system.systemActorOf(
                Shard.setup(ref, context -> {
                    throw new IllegalStateException("no begin");
                }),
                "failing",
                Props.empty()));
        ref.ask(early);
        assertThat(refusalOf(early.reply).text()).contains("no begin");
        assertThat(ref.fault().orElseThrow().hasFailed()).isTrue();
        PersistentActorsTest.stop(system);
    }

    @Test
    void anAnswerIsNotKept() {
        ShardRef ref = new ShardRef(0, Owner.queue(Owner.RESERVED_FROM), "events");
        ActorSystem<Void> system = PersistentActorsTest.start(new MemoryDisk(), "");
        ref.begin(system.ignoreRef());
        for (int round = 0; round < 100; round++) {
            Strange asked = new Strange(new CompletableFuture<>());
            ref.ask(asked);
            assertThat(ref.unanswered()).isOne();
            asked.reply.complete(null);
            assertThat(ref.unanswered()).isZero();
        }
        system.terminate();
    }
}
