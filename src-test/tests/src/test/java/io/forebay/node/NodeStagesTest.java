package io.forebay.node;

import static org.assertj.core.api.Assertions.assertThat;

import akka.actor.typed.ActorSystem;
import akka.actor.typed.javadsl.Behaviors;
import akka.dispatch.DispatcherPrerequisites;
import akka.dispatch.ExecutorServiceConfigurator;
import akka.dispatch.ExecutorServiceFactory;
import akka.dispatch.Mailbox;
import com.typesafe.config.Config;
import com.typesafe.config.ConfigFactory;
import io.forebay.client.ForebayClient;
import io.forebay.client.Target;
import io.forebay.config.QueueSettings;
import io.forebay.store.ForebayStorage;
import io.forebay.store.StorageEnvironment;
import io.forebay.testkit.faults.MemoryDisk;
import java.time.InstantSource;
import java.util.Map;
import java.util.Set;
import java.util.SplittableRandom;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionStage;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.ThreadFactory;
import java.util.concurrent.ThreadPoolExecutor;
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
    private static ActorSystem<Void> system(CountDownLatch start, String settings) {
        ActorSystem<Void> system = ActorSystem.create(
                Behaviors.empty(),
                "stages",
                ConfigFactory.parseString(settings)
                        .withFallback(NodeFixture.SMALL)
                        .withFallback(ConfigFactory.load()));
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
        ActorSystem<Void> system = system(start, "");
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
        ActorSystem<Void> system = system(start, "");
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

    /** Akka Persistence, too, which the registry uses, starts its helpers elsewhere. */
    @Test
    void nothingOfTheRegistryRunsOnTheApplicationsDispatcher() throws Exception {
        ActorSystem<Void> system = system(
                new CountDownLatch(0), "akka.actor.default-dispatcher.executor = \"" + Naming.class.getName() + '"');
        try {
            Forebay forebay = Forebay.get(system);
            await(forebay.whenReady());
            await(ForebayClient.connect(system, Target.node(forebay.entry())).createTopic("t", 1, Map.of()));
            assertThat(Naming.NAMES)
                    .as("what the dispatcher is for")
                    .anyMatch(name -> name.contains("/user"))
                    .noneMatch(name -> name.contains("recoveryPermitter")
                            || name.contains("persistence")
                            || name.contains("forebay-registry"));
        } finally {
            system.terminate();
            await(system.getWhenTerminated());
        }
    }

    /** One thread, that notes which actors it runs. */
    public static final class Naming extends ExecutorServiceConfigurator {
        private static final Set<String> NAMES = ConcurrentHashMap.newKeySet();

        public Naming(Config config, DispatcherPrerequisites prerequisites) {
            super(config, prerequisites);
        }

        @Override
        public ExecutorServiceFactory createExecutorServiceFactory(String id, ThreadFactory threads) {
            return () -> new ThreadPoolExecutor(1, 1, 0, TimeUnit.SECONDS, new LinkedBlockingQueue<>(), threads) {
                @Override
                public void execute(Runnable command) {
                    if (command instanceof Mailbox mailbox) {
                        NAMES.add(mailbox.actor().self().path().toStringWithoutAddress());
                    }
                    super.execute(command);
                }
            };
        }
    }
}
