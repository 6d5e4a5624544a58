package io.forebay.store;

import akka.actor.typed.ActorRef;
import akka.actor.typed.ActorSystem;
import akka.actor.typed.DispatcherSelector;
import akka.actor.typed.Props;
import io.forebay.config.StoreSettings;
import io.forebay.storage.io.StorageDirectory;
import io.forebay.storage.log.RecoveryReport;
import io.forebay.storage.log.RecoverySink;
import io.forebay.storage.log.StripeLog;
import io.forebay.storage.log.StripeOptions;
import java.io.IOException;
import java.util.concurrent.Executor;
import java.util.function.LongSupplier;
import java.util.random.RandomGenerator;

/** Puts one stripe together: log, budget, StoreWriter, Flusher. */
public final class StripeSystem {
    private final ActorSystem<?> system;
    private final StoreSettings settings;
    private final long lowSpaceBytes;
    private final LogClock clock;
    private final LongSupplier nanoTime;
    private final RandomGenerator random;

    /**
     * @param lowSpaceBytes free space below which Sends are refused
     * @param clock log time; raised to the newest time of each log that is opened
     * @param nanoTime monotonic
     * @param random for the numbers that tell new logs apart; thread-safe
     */
    public StripeSystem(
            ActorSystem<?> system,
            StoreSettings settings,
            long lowSpaceBytes,
            LogClock clock,
            LongSupplier nanoTime,
            RandomGenerator random) {
        this.system = system;
        this.settings = settings;
        this.lowSpaceBytes = lowSpaceBytes;
        this.clock = clock;
        this.nanoTime = nanoTime;
        this.random = random;
    }

    /** Where everything of a stripe runs that blocks. */
    static Executor blocking(ActorSystem<?> system) {
        return system.dispatchers().lookup(DispatcherSelector.fromConfig(StoreSettings.FLUSH_DISPATCHER));
    }

    /**
     * Recovers the stripe in a directory, or makes a new one, and starts its actors. Blocks; the sink is called on this thread
     * and not any more when this returns. The directory stays the caller's to close, after the stripe.
     *
     * @throws IOException typed, as {@link StripeLog#open} tells; then nothing runs
     */
    public StripeHandle open(StorageDirectory directory, StripeOptions options, RecoverySink sink) throws IOException {
        var recorded = new RecordedDirectory(directory, options.stripeId(), FlightRecorder.ofThisJvm());
        StripeLog log = StripeLog.open(recorded, options, clock.millis(), random, sink);
        try {
            return start(recorded, log);
        } catch (RuntimeException | AssertionError e) {
            log.close(false);
            throw e;
        }
    }

    private StripeHandle start(StorageDirectory directory, StripeLog log) {
        clock.raiseTo(log.report().newestLogTimeMillis());
        int stripeId = log.stripeId();
        for (String finding : log.report().findings()) {
            system.log().warn("stripe {}: {}", stripeId, finding);
        }
        log.report().cutOff().ifPresent(cutOff -> tell(stripeId, cutOff));
        var budget = new StripeBudget(
                stripeId,
                settings.maxUnflushedBytes(),
                settings.sendHighWaterPercent(),
                lowSpaceBytes,
                log.segmentBytes());
        var meters = new StripeMeters(stripeId, nanoTime);
        var status = new StripeStatus(stripeId, log, budget, meters);
        var parts = new StoreWriter.Parts(
                stripeId,
                directory,
                log,
                settings,
                budget,
                status,
                clock,
                blocking(system),
                StoreSettings.FLUSH_DISPATCHER);
        Props props = DispatcherSelector.fromConfig(StoreSettings.WRITER_DISPATCHER);
        ActorRef<StoreWriter.Message> writer =
                system.systemActorOf(StoreWriter.create(parts), "forebay-store-writer-" + stripeId, props);
        EventLog.log(
                EventLog.Weight.INFO,
                LogEvent.STRIPE_OPENED,
                "stripe",
                stripeId,
                "epoch",
                log.epoch(),
                "written",
                log.writtenSequence(),
                "durable",
                log.durableSequence());
        return new StripeHandle(stripeId, writer.narrow(), log, budget, clock, log.report(), status::health, meters);
    }

    private static void tell(int stripeId, RecoveryReport.CutOff cutOff) {
        EventLog.log(
                EventLog.Weight.WARNING,
                LogEvent.LOG_CUT_OFF,
                "stripe",
                stripeId,
                "segment",
                cutOff.file(),
                "position",
                cutOff.position(),
                "frames",
                1 + cutOff.framesBehind(),
                "bytes",
                cutOff.bytes(),
                "reason",
                cutOff.reason(),
                "detail",
                RecoveryReport.CutOff.MEANING);
    }
}
