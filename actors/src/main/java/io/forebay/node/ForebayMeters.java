package io.forebay.node;

import akka.actor.Cancellable;
import akka.actor.typed.ActorSystem;
import akka.actor.typed.DispatcherSelector;
import io.forebay.config.QueueSettings;
import io.forebay.watch.NodeMeters;
import io.micrometer.core.instrument.MeterRegistry;
import io.micrometer.core.instrument.binder.MeterBinder;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;

/**
 * The meters of the node in an actor system, for a registry of the application's own: the same that {@code /metrics} shows. The
 * registry follows what comes and goes within seconds. Needs {@code io.micrometer:micrometer-core} on the class path. Thread-safe.
 *
 * <pre>{@code
 * new ForebayMeters(system).bindTo(registry);
 * }</pre>
 */
public final class ForebayMeters implements MeterBinder, AutoCloseable {
    private static final Duration REFRESHED_EVERY = Duration.ofSeconds(5);

    private final ActorSystem<?> system;
    private final List<Runnable> ends = new ArrayList<>();

    public ForebayMeters(ActorSystem<?> system) {
        this.system = system;
    }

    /** Starts the node, should nobody have done so. */
    @Override
    public synchronized void bindTo(MeterRegistry registry) {
        Forebay forebay = Forebay.get(system);
        NodeMeters meters =
                new NodeMeters(forebay.view(), forebay.settings().watch().groupsMax(), registry);
        forebay.whenReady().thenRun(meters::refresh);
        Cancellable refreshing = system.scheduler()
                .scheduleWithFixedDelay(
                        Duration.ZERO,
                        REFRESHED_EVERY,
                        meters::refresh,
                        system.dispatchers().lookup(DispatcherSelector.fromConfig(QueueSettings.DISPATCHER)));
        ends.add(() -> {
            refreshing.cancel();
            meters.close();
        });
    }

    /** Takes the meters out of every registry again. */
    @Override
    public synchronized void close() {
        ends.forEach(Runnable::run);
        ends.clear();
    }
}
