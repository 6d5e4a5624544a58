package io.forebay.testkit.sim;

import akka.Done;
import akka.actor.typed.ActorSystem;
import akka.actor.typed.javadsl.Adapter;
import akka.actor.typed.javadsl.Behaviors;
import com.typesafe.config.Config;
import io.forebay.client.ClientWorld;
import io.forebay.node.Forebay;
import io.forebay.store.ForebayStorage;
import io.forebay.store.StorageEnvironment;
import io.forebay.testkit.faults.DiskCrashed;
import io.forebay.testkit.faults.MemoryDisk;
import java.time.Duration;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import java.util.function.Consumer;
import java.util.random.RandomGenerator;
import scala.Function0;
import scala.concurrent.BlockContext;
import scala.concurrent.CanAwait;
import scala.concurrent.Future;

/**
 * One life of a whole node inside an actor system without a thread of its own, on a disk in memory: its actors do one thing at a time,
 * in an order drawn by chance, when the caller says so; time passes when the caller says so. So every order in which threads could
 * have done things can come up, thousands of times a second. A node that is killed or loses its power is left where it stands. Nothing
 * has to be closed.
 *
 * <p>Nonces and session ids come from the same chance as the order: one seed brings back one run, if whoever drives it does the same.
 * (Akka draws the uids of actors elsewhere; nothing that is done depends on them, see {@link SteppedExecutor}.) Confined to one thread; others may tell actors something at any time, then the order is theirs as well.
 */
public final class SteppedSystem {
    private static final int STOP_STEPS_MAX = 600;
    private static final long STOP_STEP_MILLIS = 100;

    private final MemoryDisk disk;
    private final VirtualTime time;
    private final RandomGenerator random;
    private final Runnable afterEach;
    private final ActorSystem<Void> system;
    private final Forebay forebay;
    private final VirtualScheduler timers;
    private Consumer<String> trace;

    /**
     * Makes an actor system in which a node begins to start.
     *
     * @param config resolved; has {@link SteppedExecutor#CONFIG} in it
     * @param disk what an earlier life has left, or an empty one
     * @param random decides about the order, and gives the node its chance
     * @param afterEach called after each thing that was done, and whenever time has passed; what it throws ends the run
     */
    public SteppedSystem(
            String name, Config config, MemoryDisk disk, VirtualTime time, RandomGenerator random, Runnable afterEach) {
        this.disk = disk;
        this.time = time;
        this.random = random;
        this.afterEach = afterEach;
        system = create(name, config);
        timers = VirtualScheduler.of(Adapter.toClassic(system));
        VirtualScheduler.forgetNewestOfThread();
        ClientWorld.get(system).use(() -> TimeUnit.NANOSECONDS.toMillis(time.nanos()), time::millis, random::nextLong);
        ForebayStorage.get(system).use(StorageEnvironment.of(disk, time, time::nanos, random));
        forebay = Forebay.get(system);
    }

    /** Loggers are waited for; whoever waits does meanwhile what is to be done. */
    private ActorSystem<Void> create(String name, Config config) {
        BlockContext working = new BlockContext() {
            @Override
            public <T> T blockOn(Function0<T> wait, CanAwait permission) {
                SteppedExecutor.Tasks tasks = VirtualScheduler.newestOfThread().tasks;
                for (boolean isMore = true; isMore; ) {
                    isMore = runOne(tasks, true);
                }
                return wait.apply();
            }
        };
        return BlockContext.withBlockContext(working, () -> ActorSystem.create(Behaviors.empty(), name, config));
    }

    /** Has what is done told before it is done, by names that are the same when a seed is. For whoever compares runs. */
    public void trace(Consumer<String> newTrace) {
        trace = newTrace;
    }

    /**
     * Does what there is to do until the node serves.
     *
     * @throws DiskCrashed if the disk was armed to crash and it came to that
     * @throws java.util.concurrent.CompletionException if the node cannot start, with its reason
     */
    public void start() {
        runAll();
        CompletableFuture<Forebay> ready = forebay.whenReady().toCompletableFuture();
        if (!ready.isDone()) {
            throw new AssertionError("I8: the node has nothing more to do and does not serve");
        }
        ready.join();
    }

    /** Forces take their time from now on: they are done when they have come up so often, or when all there is to do is done. */
    public void slowForces(int times) {
        timers.tasks.slowness(times);
    }

    /** What blocks, forces above all, begins so long after it was asked for, from now on. */
    public void delayForces(Duration delay) {
        timers.tasks.slowMillis(delay.toMillis());
    }

    /** Does so many things, or fewer if there are no more, and slow ones take their time. */
    public void run(int steps) {
        for (int i = 0; i < steps && runOne(timers.tasks, false); i++) {
            checkPower();
        }
    }

    /** Until nothing is left to do before time passes. */
    public void runAll() {
        while (runOne()) {}
    }

    /** @return whether there was anything to do */
    public boolean runOne() {
        boolean isDone = runOne(timers.tasks, true);
        if (isDone) {
            checkPower();
        }
        return isDone;
    }

    private boolean runOne(SteppedExecutor.Tasks tasks, boolean isPatient) {
        SteppedExecutor.Tasks.Task task = tasks.takeOne(random, isPatient);
        if (task != null) {
            if (trace != null) {
                trace.accept(task.toString());
            }
            task.runnable().run();
        }
        afterEach.run();
        return task != null;
    }

    private void checkPower() {
        if (disk.isCrashed()) {
            timers.tasks.clear();
            throw new DiskCrashed("the node is gone");
        }
    }

    /** Time passes from one timer to the next, and all there is to do is done in between. */
    public void pass(long millis) {
        long left = millis;
        runAll();
        while (left > 0) {
            left -= step(left);
            runAll();
        }
    }

    /** Time passes, and timers go off; what they begin waits to be done. */
    public void passOnly(long millis) {
        for (long left = millis; left > 0; ) {
            left -= step(left);
        }
    }

    /**
     * Time passes until the next timer goes off; what it begins waits to be done.
     *
     * @param millisMax but no more than that
     * @return how much, in milliseconds
     */
    public long step(long millisMax) {
        long millis = Math.min(millisMax, timers.untilNext());
        if (trace != null) {
            trace.accept("time " + millis);
        }
        timers.pass(millis, time::pass);
        afterEach.run();
        return millis;
    }

    /** The process dies, wherever it is. @return what it leaves */
    public MemoryDisk kill() {
        MemoryDisk image = disk.killImage();
        gone();
        return image;
    }

    /** The power goes. @return what is left */
    public MemoryDisk cutPower() {
        MemoryDisk image = disk.powerCutImage(random);
        gone();
        return image;
    }

    /** A disk that is gone already leaves the rest behind, too. */
    public void gone() {
        disk.crash();
        timers.clear();
    }

    /** A clean stop. @return what it leaves */
    public MemoryDisk stop() {
        system.terminate();
        // Its stage for Java would start threads.
        Future<Done> terminated = system.whenTerminated();
        for (int i = 0; i < STOP_STEPS_MAX && !terminated.isCompleted(); i++) {
            pass(STOP_STEP_MILLIS);
        }
        if (!terminated.isCompleted()) {
            throw new AssertionError("I8: the node does not stop");
        }
        return disk.killImage();
    }

    public ActorSystem<Void> system() {
        return system;
    }

    public Forebay forebay() {
        return forebay;
    }

    public MemoryDisk disk() {
        return disk;
    }

    /** Whether nothing is left to do before time passes, or another thread tells something. */
    public boolean isIdle() {
        return timers.tasks.isEmpty();
    }
}
