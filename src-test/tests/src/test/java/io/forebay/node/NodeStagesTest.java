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
import io.forebay.client.PopRequest;
import io.forebay.client.Target;
import io.forebay.config.QueueSettings;
import io.forebay.protocol.Delivery;
import io.forebay.protocol.Durability;
import io.forebay.protocol.Message;
import io.forebay.store.ForebayStorage;
import io.forebay.store.StorageEnvironment;
import io.forebay.testkit.faults.MemoryDisk;
import java.time.InstantSource;
import java.util.List;
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
import java.util.regex.Pattern;
import org.junit.jupiter.api.Test;

/** What an application adds to the stages of a node holds up none of its actors, and needs no thread that is not the node's. */
class NodeStagesTest {
    /** What Akka runs on the default dispatcher of every application that has Akka Streams on its class path. */
    private static final Pattern AKKAS_OWN =
            Pattern.compile("/user|/system/(eventstream.*|log[0-9]+-.*|Materializers(/StreamSupervisor-[0-9]+)?)");

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

    /** Nor does what Akka starts for it: the streams of its Flushers, and the helpers of Akka Persistence, which the registry uses. */
    @Test
    void nothingOfTheNodeRunsOnTheApplicationsDispatcher() throws Exception {
        Naming.NAMES.clear();
        Set<String> before;
        ActorSystem<Void> system = system(
                new CountDownLatch(0),
                "forebay.watch { enabled = on, port = 0 }, akka.actor.default-dispatcher.executor = \""
                        + Naming.class.getName() + '"');
        try {
            Forebay forebay = Forebay.get(system);
            await(forebay.whenReady());
            ForebayClient client = ForebayClient.connect(system, Target.node(forebay.entry()));
            await(client.createTopic("t", 1, Map.of()));
            await(client.createGroup("g", "t", Map.of()));
            await(client.send(Message.of("t", new byte[1]), Durability.FLUSHED));
            List<Delivery> popped = List.of();
            while (popped.isEmpty()) {
                popped = await(client.pop(PopRequest.of("t", "g", 1)));
            }
            await(client.ack(popped.get(0)));
            before = Set.copyOf(Naming.NAMES);
        } finally {
            system.terminate();
            await(system.getWhenTerminated());
        }
        assertThat(before).as("what the dispatcher is for").contains("/user");
        assertThat(before).allMatch(name -> AKKAS_OWN.matcher(name).matches());
        assertThat(Naming.NAMES)
                .as("also while it stops; behind the last actors Akka goes on with its end there")
                .allMatch(
                        name -> !name.startsWith("/") || AKKAS_OWN.matcher(name).matches());
    }

    /** One thread, that notes which actors it runs, and of which class other things are. */
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
                    NAMES.add(
                            command instanceof Mailbox mailbox
                                    ? mailbox.actor().self().path().toStringWithoutAddress()
                                    : command.getClass().getName());
                    super.execute(command);
                }
            };
        }
    }
}
