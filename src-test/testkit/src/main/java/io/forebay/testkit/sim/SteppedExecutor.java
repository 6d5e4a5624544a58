package io.forebay.testkit.sim;

import akka.dispatch.DispatcherPrerequisites;
import akka.dispatch.ExecutorServiceConfigurator;
import akka.dispatch.ExecutorServiceFactory;
import akka.dispatch.Mailbox;
import com.typesafe.config.Config;
import com.typesafe.config.ConfigFactory;
import com.typesafe.config.ConfigValue;
import io.forebay.config.QueueSettings;
import io.forebay.config.StoreSettings;
import io.forebay.config.WatchSettings;
import java.util.ArrayList;
import java.util.Collections;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.concurrent.AbstractExecutorService;
import java.util.concurrent.ThreadFactory;
import java.util.concurrent.TimeUnit;
import java.util.random.RandomGenerator;

/**
 * Dispatchers without threads: what actors have to do waits until somebody asks a {@link SteppedSystem} to do it, which does one
 * thing of all that could be done next. For actor systems with {@link VirtualScheduler the timers of a test}. Made by Akka.
 *
 * <p>What waits is kept in the order of its names, not in that in which it was told: actors that tell many others something, or die, go
 * through sets whose order comes from the hash codes of references, which are other ones in each run. So the same chance picks the same
 * thing, whatever these are.
 */
public final class SteppedExecutor extends ExecutorServiceConfigurator {
    /** Of a system that has no thread of its own. */
    public static final Config CONFIG = config();

    private static final Set<String> DISPATCHER_TYPES = Set.of("Dispatcher", "PinnedDispatcher");

    private final VirtualScheduler timers;

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
                StoreSettings.READ_DISPATCHER,
                WatchSettings.DISPATCHER)) {
            append(text, path);
        }
        return ConfigFactory.parseString(text.toString()).withFallback(VirtualScheduler.CONFIG);
    }

    /**
     * The same for every dispatcher of a configuration, those of an application included.
     *
     * @param all resolved
     */
    public static Config replacing(Config all) {
        StringBuilder text = new StringBuilder();
        for (Map.Entry<String, ConfigValue> entry : new TreeMap<>(entries(all)).entrySet()) {
            String key = entry.getKey();
            if (key.endsWith(".type")
                    && DISPATCHER_TYPES.contains(entry.getValue().unwrapped())) {
                String path = key.substring(0, key.length() - ".type".length());
                if (all.hasPath(path + ".executor") || all.hasPath(path + ".throughput")) {
                    append(text, path);
                }
            }
        }
        return ConfigFactory.parseString(text.toString()).withFallback(CONFIG);
    }

    private static Map<String, ConfigValue> entries(Config all) {
        Map<String, ConfigValue> entries = new HashMap<>();
        all.entrySet().forEach(entry -> entries.put(entry.getKey(), entry.getValue()));
        return entries;
    }

    private static void append(StringBuilder text, String path) {
        text.append(path)
                .append(" { type = Dispatcher, throughput = 1, executor = \"")
                .append(SteppedExecutor.class.getName())
                .append("\" }\n");
    }

    /** What waits to be done in one actor system. Others may add to it; what there is is done by one thread. */
    static final class Tasks {
        private static final int LOOKS_MAX = 16;
        /** Akka counts them over all systems of the process. */
        private static final String STREAMS = "StreamSupervisor-";

        /**
         * @param name the path of the actor that is to do something, else the kind of thing
         * @param number of all that were to be done, in the order in which they were told
         */
        record Task(Runnable runnable, boolean isSlow, String name, long number) implements Comparable<Task> {
            @Override
            public int compareTo(Task other) {
                int byName = name.compareTo(other.name);
                return byName != 0 ? byName : Long.compare(number, other.number);
            }

            @Override
            public String toString() {
                return runnable instanceof Mailbox mailbox ? name + " " + mailbox.numberOfMessages() : name;
            }
        }

        /** Sorted. */
        private final List<Task> waiting = new ArrayList<>();

        private long lastNumber;
        private int slowness = 1;
        private long slowMillis;

        /** From now on a force, or another thing that blocks, is done only when it has come up so often. */
        void slowness(int times) {
            slowness = times;
        }

        /** From now on what blocks begins so long after it was asked for. */
        synchronized void slowMillis(long millis) {
            slowMillis = millis;
        }

        synchronized long slowMillis() {
            return slowMillis;
        }

        /**
         * What is to be done next.
         *
         * @param isPatient whether a slow thing is done, too, when there is nothing else
         * @return null if there is nothing
         */
        synchronized Task takeOne(RandomGenerator random, boolean isPatient) {
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
            return waiting.remove(at);
        }

        synchronized boolean isEmpty() {
            return waiting.isEmpty();
        }

        private void add(Runnable runnable, boolean isSlow) {
            String name = nameOf(runnable);
            synchronized (this) {
                Task task = new Task(runnable, isSlow, name, ++lastNumber);
                waiting.add(-1 - Collections.binarySearch(waiting, task), task);
            }
        }

        private static String nameOf(Runnable runnable) {
            if (runnable instanceof Mailbox mailbox) {
                String path = mailbox.actor().self().path().toStringWithoutAddress();
                return path.contains(STREAMS) ? path.replaceAll(STREAMS + "\\d+", STREAMS) : path;
            }
            String name = runnable.getClass().getName();
            int numbers = name.indexOf("$$Lambda");
            return numbers < 0 ? name : name.substring(0, numbers);
        }

        /** The process is gone. */
        synchronized void clear() {
            waiting.clear();
        }
    }

    private static final class Service extends AbstractExecutorService {
        private final VirtualScheduler timers;
        private final boolean isSlow;
        private boolean isShutdown;

        Service(VirtualScheduler timers, boolean isSlow) {
            this.timers = timers;
            this.isSlow = isSlow;
        }

        @Override
        public void execute(Runnable runnable) {
            long millis = isSlow ? timers.tasks.slowMillis() : 0;
            if (millis > 0) {
                timers.later(millis, () -> timers.tasks.add(runnable, isSlow));
            } else {
                timers.tasks.add(runnable, isSlow);
            }
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
        timers = (VirtualScheduler) prerequisites.scheduler();
    }

    @Override
    public ExecutorServiceFactory createExecutorServiceFactory(String id, ThreadFactory threads) {
        return () -> new Service(timers, id.equals(StoreSettings.FLUSH_DISPATCHER));
    }
}
