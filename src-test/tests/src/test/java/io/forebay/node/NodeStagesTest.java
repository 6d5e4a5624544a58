package io.forebay.node;

import static org.assertj.core.api.Assertions.assertThat;

import akka.actor.typed.ActorSystem;
import akka.actor.typed.javadsl.Behaviors;
import com.typesafe.config.ConfigFactory;
import io.forebay.client.ForebayClient;
import io.forebay.client.Target;
import io.forebay.config.QueueSettings;
import io.forebay.store.ForebayStorage;
import io.forebay.store.StorageEnvironment;
import io.forebay.testkit.faults.MemoryDisk;
import java.time.InstantSource;
import java.util.Map;
import java.util.SplittableRandom;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionStage;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import org.junit.jupiter.api.Test;

/** What an application adds to the stages of a node holds up none of its actors, and needs no thread that is not the node's. */
class NodeStagesTest {
    private static String thread() {
        return Thread.currentThread().getName();
    }

    private static <T> T await(CompletionStage<T> stage) throws InterruptedException {
        try {
            return stage.toCompletableFuture().get(20, TimeUnit.SECONDS);
        } catch (ExecutionException | TimeoutException e) {
            throw new AssertionError(e);
        }
    }

    /** A node that cannot go on with its start before somebody says so. */
    private static ActorSystem<Void> system(CountDownLatch start) {
        ActorSystem<Void> system =
                ActorSystem.create(Behaviors.empty(), "stages", NodeFixture.SMALL.withFallback(ConfigFactory.load()));
        MemoryDisk disk = new MemoryDisk();
        ForebayStorage.get(system)
                .use(new StorageEnvironment(
                        (directory, name) -> {
                            try {
                                start.await();
                            } catch (InterruptedException e) {
                                throw new AssertionError(e);
                            }
                            return new StorageEnvironment.Root(disk, () -> {});
                        },
                        InstantSource.system(),
                        System::nanoTime,
                        new SplittableRandom(1)));
        return system;
    }

    /** An application that waits where it should not: the registry, too, tells that the node is ready, and makes topics. */
    @Test
    void whoeverHearsThatTheNodeIsReadyMayUseItThere() throws Exception {
        CountDownLatch start = new CountDownLatch(1);
        ActorSystem<Void> system = system(start);
        try {
            Forebay forebay = Forebay.get(system);
            CompletableFuture<String> callback = forebay.whenReady()
                    .thenApply(node -> {
                        ForebayClient client = ForebayClient.connect(system, Target.node(node.entry()));
                        try {
                            await(client.createTopic("t", 1, Map.of()));
                        } catch (InterruptedException e) {
                            throw new AssertionError(e);
                        }
                        return thread();
                    })
                    .toCompletableFuture();
            start.countDown();
            assertThat(await(callback)).contains(QueueSettings.DISPATCHER);
        } finally {
            system.terminate();
            await(system.getWhenTerminated());
        }
    }

    @Test
    void sessionsAreCountedInTheNodesDispatcher() throws Exception {
        CountDownLatch start = new CountDownLatch(0);
        ActorSystem<Void> system = system(start);
        try {
            Forebay forebay = Forebay.get(system);
            await(forebay.whenReady());
            for (int i = 0; i < 20; i++) {
                CompletionStage<Integer> counted = forebay.countSessions();
                String thread = await(counted.thenApply(count -> thread()));
                if (!thread.equals(thread())) { // the answer was there before anybody wanted to go on with it
                    assertThat(thread).contains(QueueSettings.DISPATCHER);
                }
                assertThat(await(counted)).isZero();
            }
        } finally {
            system.terminate();
            await(system.getWhenTerminated());
        }
    }
}
