package io.forebay.testkit.sim;

import akka.actor.AbstractScheduler;
import akka.actor.ActorSystem;
import akka.actor.Cancellable;
import akka.actor.Scheduler;
import akka.event.LoggingAdapter;
import com.typesafe.config.Config;
import com.typesafe.config.ConfigFactory;
import java.io.Closeable;
import java.util.List;
import java.util.TreeMap;
import java.util.concurrent.ThreadFactory;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.function.LongConsumer;
import scala.concurrent.ExecutionContext;
import scala.concurrent.duration.FiniteDuration;

/**
 * Timers of an actor system that go off when {@link #pass} is called, in order, and never by themselves. Made by Akka, see {@link
 * #CONFIG}. Thread-safe.
 */
public final class VirtualScheduler extends AbstractScheduler implements Closeable {
    /** Of a system with these timers. */
    public static final Config CONFIG =
            ConfigFactory.parseString("akka.scheduler.implementation = \"" + VirtualScheduler.class.getName() + "\"");

    private record Key(long dueMillis, long number) implements Comparable<Key> {
        @Override
        public int compareTo(Key other) {
            int byTime = Long.compare(dueMillis, other.dueMillis);
            return byTime != 0 ? byTime : Long.compare(number, other.number);
        }
    }

    private final class Timer implements Cancellable, Runnable {
        private final long intervalMillis;
        private final Runnable runnable;
        /** Null: by whoever has time pass. */
        private final ExecutionContext executor;

        private final AtomicBoolean isCancelled = new AtomicBoolean();

        Timer(long intervalMillis, Runnable runnable, ExecutionContext executor) {
            this.intervalMillis = intervalMillis;
            this.runnable = runnable;
            this.executor = executor;
        }

        @Override
        public void run() {
            if (isCancelled.get()) {
                return;
            }
            if (intervalMillis > 0) {
                add(intervalMillis, this);
            }
            if (executor == null) {
                runnable.run();
            } else {
                executor.execute(runnable);
            }
        }

        @Override
        public boolean cancel() {
            return isCancelled.compareAndSet(false, true);
        }

        @Override
        public boolean isCancelled() {
            return isCancelled.get();
        }
    }

    /** What waits on the dispatchers of the system, if they are {@link SteppedExecutor stepped}. */
    final SteppedExecutor.Tasks tasks = new SteppedExecutor.Tasks();

    private final TreeMap<Key, Timer> timers = new TreeMap<>();
    private long nowMillis;
    private long lastNumber;
    private boolean isClosed;

    private static final ThreadLocal<VirtualScheduler> NEWEST = new ThreadLocal<>();

    /** As Akka makes it. */
    public VirtualScheduler(Config config, LoggingAdapter log, ThreadFactory threads) {
        NEWEST.set(this);
    }

    /** The last one that was made on this thread: an actor system that is being made has no other way to it. */
    static VirtualScheduler newestOfThread() {
        return NEWEST.get();
    }

    static void forgetNewestOfThread() {
        NEWEST.remove();
    }

    /** The one of a system with these timers. */
    public static VirtualScheduler of(ActorSystem system) {
        return (VirtualScheduler) system.scheduler();
    }

    /**
     * Time passes from one timer to the next.
     *
     * @param millis how much of it
     * @param clock is told first by how much it goes on
     */
    public void pass(long millis, LongConsumer clock) {
        long end;
        synchronized (timers) {
            end = nowMillis + millis;
        }
        while (true) {
            long step;
            Timer next = null;
            synchronized (timers) {
                boolean isDue = !timers.isEmpty() && timers.firstKey().dueMillis <= end;
                step = Math.max(0, (isDue ? timers.firstKey().dueMillis : end) - nowMillis);
                nowMillis += step;
                if (isDue) {
                    next = timers.pollFirstEntry().getValue();
                }
            }
            if (step > 0) {
                clock.accept(step);
            }
            if (next == null) {
                return;
            }
            next.run();
        }
    }

    /** Milliseconds until the next timer is due, {@link Long#MAX_VALUE} if there is none. */
    public long untilNext() {
        synchronized (timers) {
            return timers.isEmpty() ? Long.MAX_VALUE : Math.max(0, timers.firstKey().dueMillis - nowMillis);
        }
    }

    /** Something that no dispatcher does; at once if there are no timers any more. */
    void later(long delayMillis, Runnable runnable) {
        synchronized (timers) {
            if (!isClosed) {
                timers.put(new Key(nowMillis + delayMillis, ++lastNumber), new Timer(0, runnable, null));
                return;
            }
        }
        runnable.run();
    }

    /** The process is gone. */
    void clear() {
        tasks.clear();
        synchronized (timers) {
            timers.clear();
        }
    }

    private void add(long delayMillis, Timer timer) {
        synchronized (timers) {
            if (isClosed) {
                throw new IllegalStateException("no timer any more: the actor system has ended");
            }
            timers.put(new Key(nowMillis + delayMillis, ++lastNumber), timer);
        }
    }

    @Override
    @SuppressWarnings("deprecation") // Akka's own timers at a fixed rate come here
    public Cancellable schedule(
            FiniteDuration delay, FiniteDuration interval, Runnable runnable, ExecutionContext executor) {
        Timer timer = new Timer(Math.max(1, interval.toMillis()), runnable, executor);
        add(delay.toMillis(), timer);
        return timer;
    }

    @Override
    public Cancellable scheduleOnce(FiniteDuration delay, Runnable runnable, ExecutionContext executor) {
        Timer timer = new Timer(0, runnable, executor);
        add(delay.toMillis(), timer);
        return timer;
    }

    /** The system ends: what a dispatcher would do a while after its last task is done now, or its threads would stay for ever. */
    @Override
    public void close() {
        List<Timer> left;
        synchronized (timers) {
            isClosed = true;
            left = List.copyOf(timers.values());
            timers.clear();
        }
        for (Timer timer : left) {
            if (timer.runnable instanceof Scheduler.TaskRunOnClose && timer.cancel()) {
                timer.runnable.run();
            }
        }
    }

    @Override
    public double maxFrequency() {
        return 1000;
    }
}
