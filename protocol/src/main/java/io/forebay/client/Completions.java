package io.forebay.client;

import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.Executor;
import java.util.concurrent.atomic.AtomicInteger;
import org.slf4j.Logger;

/**
 * Runs what completes the stages of one client, one task at a time and in order, away from its session actors: a callback
 * that takes long holds up other callbacks of the client, but no heartbeat. Thread-safe.
 */
final class Completions implements Executor {
    /** Tasks run before another user of the dispatcher gets the thread. */
    private static final int TASKS_AT_ONCE = 64;

    private final Executor executor;
    private final Logger log;
    private final ConcurrentLinkedQueue<Runnable> tasks = new ConcurrentLinkedQueue<>();
    private final AtomicInteger count = new AtomicInteger();

    Completions(Executor executor, Logger log) {
        this.executor = executor;
        this.log = log;
    }

    @Override
    public void execute(Runnable task) {
        tasks.add(task);
        if (count.getAndIncrement() == 0) {
            start();
        }
    }

    private void start() {
        try {
            executor.execute(this::run);
        } catch (RuntimeException stopped) {
            // The dispatcher is shut down with its actor system: whoever still waits must not wait for ever.
            while (!runSome()) {}
        }
    }

    private void run() {
        if (!runSome()) {
            start();
        }
    }

    /** @return whether nothing is left */
    private boolean runSome() {
        for (int i = 0; i < TASKS_AT_ONCE; i++) {
            Runnable task = tasks.poll(); // never null: the count was raised behind it
            try {
                task.run();
            } catch (
                    Throwable
                            broken) { // an application's code: whatever it throws, the other stages are to be completed
                log.error("a callback of the Forebay client failed", broken);
            }
            if (count.decrementAndGet() == 0) {
                return true;
            }
        }
        return false;
    }
}
