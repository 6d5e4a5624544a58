package io.forebay.store;

import akka.actor.testkit.typed.javadsl.TestInbox;
import akka.actor.typed.ActorRef;
import io.forebay.config.StoreSettings;
import io.forebay.storage.log.StripeLog;
import io.forebay.storage.log.StripeOptions;
import io.forebay.testkit.faults.MemoryDisk;
import java.io.IOException;
import java.time.Duration;
import java.time.InstantSource;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.function.Function;
import org.slf4j.Logger;
import org.slf4j.helpers.NOPLogger;

/**
 * A stripe's log over a disk in memory and the tools of its StoreWriter, worked by hand: for the parts of a StoreWriter, without
 * an actor or a thread.
 */
final class WriterBench implements WriterTools, AutoCloseable {
    static final int LOW_SPACE_BYTES = 10 << 20;

    /** What an actor would be told later. */
    record Timer(StoreWriter.Message message, Duration delay) {}

    private record Offloaded(BlockingCalls.Call call, Function<Throwable, StoreWriter.Message> ended) {}

    final MemoryDisk disk = new MemoryDisk();
    final StripeLog log;
    final StripeBudget budget;
    final StripeStatus status;
    final StoreWriter.Parts parts;
    final Map<Object, Timer> timers = new LinkedHashMap<>();
    final List<StoreWriter.Message> toldSelf = new ArrayList<>();
    /** Who is told what concerns everybody. */
    final TestInbox<StoreWriter.Event> everybody = TestInbox.create("everybody");

    final TestInbox<StoreWriter.Event> own = TestInbox.create("own");
    final Set<ActorRef<StoreWriter.Event>> concerned = new HashSet<>(Set.of(everybody.getRef()));
    final Set<ActorRef<?>> watched = new HashSet<>();
    final Availability availability;
    private final ArrayDeque<Offloaded> offloaded = new ArrayDeque<>();

    WriterBench(StoreSettings settings) throws IOException {
        log = StripeLog.open(
                disk,
                StripeOptions.of(0)
                        .withSegmentBytes(64 * 1024)
                        .withIndexExtentEntries(64)
                        .withIndexFileBytes(64 * 1024),
                0,
                new StripeFixture.Recovered());
        budget = new StripeBudget(
                0, settings.maxUnflushedBytes(), settings.sendHighWaterPercent(), LOW_SPACE_BYTES, Integer.MAX_VALUE);
        status = new StripeStatus(0, log, budget, new StripeMeters(0, System::nanoTime));
        parts = new StoreWriter.Parts(
                0,
                disk,
                log,
                settings,
                budget,
                status,
                new LogClock(InstantSource.system(), System::nanoTime),
                Runnable::run,
                "none");
        availability = new Availability(0, budget, status, this::logger, () -> concerned);
    }

    /** Prepares what the log needs, so that the next append finds it. */
    void prepare() throws IOException {
        while (log.isPreparationNeeded()) {
            log.prepareNext();
        }
    }

    /** Forces all that is appended. */
    void force() throws IOException {
        var range = log.takeUnflushed();
        if (range != null) {
            log.force(range);
            log.forced(range);
        }
    }

    int offloadedCount() {
        return offloaded.size();
    }

    /** Runs the oldest call that was offloaded. @return what the actor is told of its end */
    <T extends StoreWriter.Message> T runOffloaded(Class<T> expected) {
        Offloaded one = offloaded.remove();
        Throwable failure = null;
        try {
            one.call.run();
        } catch (IOException | RuntimeException | AssertionError e) {
            failure = e;
        }
        return expected.cast(one.ended.apply(failure));
    }

    @Override
    public Logger logger() {
        return NOPLogger.NOP_LOGGER;
    }

    @Override
    public void startTimer(Object key, StoreWriter.Message message, Duration delay) {
        timers.put(key, new Timer(message, delay));
    }

    @Override
    public void cancelTimer(Object key) {
        timers.remove(key);
    }

    @Override
    public void tellSelf(StoreWriter.Message message) {
        toldSelf.add(message);
    }

    @Override
    public void offload(BlockingCalls.Call call, Function<Throwable, StoreWriter.Message> ended) {
        offloaded.add(new Offloaded(call, ended));
    }

    @Override
    public boolean isAnyCallRunning() {
        return !offloaded.isEmpty();
    }

    @Override
    public void watch(ActorRef<?> target) {
        watched.add(target);
    }

    @Override
    public void close() throws IOException {
        log.close(false);
    }
}
