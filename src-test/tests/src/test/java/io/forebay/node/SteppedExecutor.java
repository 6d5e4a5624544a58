package io.forebay.node;

import akka.dispatch.DispatcherPrerequisites;
import akka.dispatch.ExecutorServiceConfigurator;
import akka.dispatch.ExecutorServiceFactory;
import com.typesafe.config.Config;
import com.typesafe.config.ConfigFactory;
import io.forebay.config.QueueSettings;
import io.forebay.config.StoreSettings;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.AbstractExecutorService;
import java.util.concurrent.ThreadFactory;
import java.util.concurrent.TimeUnit;
import java.util.random.RandomGenerator;

/**
 * Dispatchers without threads: what actors have to do waits until somebody calls {@link Tasks#runOne}, which does one thing of
 * all that could be done next. For actor systems with {@link VirtualScheduler the timers of a test}. Made by Akka.
 */
public final class SteppedExecutor extends ExecutorServiceConfigurator {
    /** Of a system that has no thread of its own. */
    static final Config CONFIG = config();

    private final Tasks tasks;

    private static Config config() {
        StringBuilder text = new StringBuilder();
        for (String path : List.of(
                "akka.actor.default-dispatcher",
                "akka.actor.internal-dispatcher",
                "akka.actor.default-blocking-io-dispatcher",
                "forebay.client.dispatcher",
                "forebay.client.callback-dispatcher",
                QueueSettings.DISPATCHER,
                StoreSettings.WRITER_DISPATCHER,
                StoreSettings.FLUSHER_DISPATCHER,
                StoreSettings.FLUSH_DISPATCHER,
                StoreSettings.READ_DISPATCHER)) {
            text.append(path)
                    .append(" { type = Dispatcher, throughput = 1, executor = \"")
                    .append(SteppedExecutor.class.getName())
                    .append("\" }\n");
        }
        return ConfigFactory.parseString(text.toString()).withFallback(VirtualScheduler.CONFIG);
    }

    /** What waits to be done in one actor system. Others may add to it; what there is is done by one thread. */
    static final class Tasks {
        private static final int LOOKS_MAX = 16;

        private record Task(Runnable runnable, boolean isSlow) {}

        private final List<Task> waiting = new ArrayList<>();
        private int slowness = 1;

        /** From now on a force, or another thing that blocks, is done only when it has come up so often. */
        void slowness(int times) {
            slowness = times;
        }

        /**
         * @param isPatient whether a slow thing is done, too, when there is nothing else
         * @return whether anything was done
         */
        boolean runOne(RandomGenerator random, boolean isPatient) {
            Task task = takeOne(random, isPatient);
            if (task == null) {
                return false;
            }
            task.runnable.run();
            return true;
        }

        private synchronized Task takeOne(RandomGenerator random, boolean isPatient) {
            int count = waiting.size();
            if (count == 0) {
                return null;
            }
            int at = random.nextInt(count);
            for (int look = 0; waiting.get(at).isSlow && random.nextInt(slowness) != 0; look++) {
                if (look == LOOKS_MAX) {
                    if (isPatient) {
                        break;
                    }
                    return null;
                }
                at = random.nextInt(count);
            }
            Task task = waiting.get(at);
            waiting.set(at, waiting.get(count - 1));
            waiting.remove(count - 1);
            return task;
        }

        private synchronized void add(Task task) {
            waiting.add(task);
        }

        /** The process is gone. */
        synchronized void clear() {
            waiting.clear();
        }
    }

    private static final class Service extends AbstractExecutorService {
        private final Tasks tasks;
        private final boolean isSlow;
        private boolean isShutdown;

        Service(Tasks tasks, boolean isSlow) {
            this.tasks = tasks;
            this.isSlow = isSlow;
        }

        @Override
        public void execute(Runnable runnable) {
            tasks.add(new Tasks.Task(runnable, isSlow));
        }

        @Override
        public void shutdown() {
            isShutdown = true;
        }

        @Override
        public List<Runnable> shutdownNow() {
            isShutdown = true;
            return List.of();
        }

        @Override
        public boolean isShutdown() {
            return isShutdown;
        }

        @Override
        public boolean isTerminated() {
            return isShutdown;
        }

        @Override
        public boolean awaitTermination(long timeout, TimeUnit unit) {
            return true;
        }
    }

    /** As Akka makes it. */
    public SteppedExecutor(Config config, DispatcherPrerequisites prerequisites) {
        super(config, prerequisites);
        tasks = ((VirtualScheduler) prerequisites.scheduler()).tasks;
    }

    @Override
    public ExecutorServiceFactory createExecutorServiceFactory(String id, ThreadFactory threads) {
        return () -> new Service(tasks, id.equals(StoreSettings.FLUSH_DISPATCHER));
    }
}
