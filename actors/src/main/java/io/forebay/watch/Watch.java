package io.forebay.watch;

import io.forebay.config.WatchSettings;
import io.forebay.store.EventLog;
import io.forebay.store.LogEvent;
import io.forebay.store.StripeHandle;
import io.forebay.store.StripeHealth;
import java.io.IOException;
import java.net.InetSocketAddress;
import java.net.UnknownHostException;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionStage;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.LongSupplier;

/**
 * Where a node tells how it is, over HTTP: {@code /metrics}, {@code /ready}, {@code /alive}. From before its recovery to its very
 * end. What keeps it from listening (a port that is taken) is said in the log and costs the node nothing. Thread-safe.
 */
public final class Watch implements AutoCloseable {
    /** More than one, so that a slow reader of metrics does not hold up the question whether the node is alive. */
    private static final int THREADS = 4;
    /** Whoever asks whether the node is alive does not wait longer for its actors. */
    private static final long PULSE_MILLIS_MAX = 200;

    private final NodeView node;
    private final WatchSettings settings;
    private final Pulse pulse;
    private final ExecutorService executor;
    private final CompletableFuture<InetSocketAddress> address = new CompletableFuture<>();

    // Guarded by this.
    private WatchServer server;
    private MetricsPage metrics;
    private boolean isClosed;

    private Watch(NodeView node, WatchSettings settings, LongSupplier nanoTime) {
        this.node = node;
        this.settings = settings;
        this.pulse = new Pulse(node::countSessions, nanoTime);
        AtomicInteger number = new AtomicInteger();
        executor = Executors.newFixedThreadPool(THREADS, work -> {
            Thread thread = new Thread(work, "forebay-watch-" + number.incrementAndGet());
            thread.setDaemon(true);
            return thread;
        });
    }

    /**
     * Begins to listen, and waits for nothing.
     *
     * @param nanoTime monotonic
     */
    public static Watch start(NodeView node, WatchSettings settings, LongSupplier nanoTime) {
        Watch watch = new Watch(node, settings, nanoTime);
        watch.executor.execute(watch::open);
        return watch;
    }

    /** Where it listens. Fails if it cannot. */
    public CompletionStage<InetSocketAddress> address() {
        return address.minimalCompletionStage();
    }

    /** The stripes are there. */
    public synchronized void recovered() {
        if (metrics != null && !isClosed) {
            executor.execute(metrics::refresh);
        }
    }

    /** On a thread of its own: a name of a host may have to be looked up. */
    private synchronized void open() {
        if (isClosed) {
            address.completeExceptionally(new IllegalStateException("closed before it was open"));
            return;
        }
        try {
            InetSocketAddress wanted = new InetSocketAddress(settings.host(), settings.port());
            if (wanted.isUnresolved()) {
                throw new UnknownHostException("'" + settings.host() + "' is no host that this machine knows");
            }
            metrics = metrics(node, settings);
            server = new WatchServer(
                    wanted,
                    Map.of("/metrics", metrics::answer, "/ready", accept -> ready(), "/alive", accept -> alive()),
                    executor);
        } catch (IOException | LinkageError e) {
            EventLog.log(
                    EventLog.Weight.WARNING,
                    LogEvent.WATCH_FAILED,
                    "node",
                    node.name(),
                    "host",
                    settings.host(),
                    "port",
                    settings.port(),
                    "cause",
                    e.getMessage(),
                    "remedy",
                    "set forebay.watch.port, 0 for any free one, or forebay.watch.enabled = off");
            address.completeExceptionally(e);
            return;
        }
        InetSocketAddress bound = server.address();
        EventLog.log(
                EventLog.Weight.INFO,
                LogEvent.WATCH_LISTENING,
                "node",
                node.name(),
                "url",
                "http://" + bound.getHostString() + ":" + bound.getPort() + "/metrics");
        metrics.refresh();
        address.complete(bound);
    }

    private static MetricsPage metrics(NodeView node, WatchSettings settings) {
        try {
            return new PrometheusPage(node, settings.groupsMax());
        } catch (LinkageError missing) {
            return new NoMetricsPage();
        }
    }

    /** An application has no Micrometer: health is told all the same. */
    private static final class NoMetricsPage implements MetricsPage {
        @Override
        public WatchServer.Answer answer(String accept) {
            return WatchServer.Answer.text(
                    501, "no metrics: io.micrometer:micrometer-registry-prometheus is not on the class path\n");
        }

        @Override
        public void refresh() {}

        @Override
        public void close() {}
    }

    // ---- health
    // -------------------------------------------------------------------------------------------------------

    private WatchServer.Answer ready() {
        List<StripeHealth> stripes =
                node.stripes().stream().map(StripeHandle::health).toList();
        NodeView.State state = node.state();
        HealthView health = health(state, stripes);
        return WatchServer.Answer.json(
                health.isReady() ? 200 : 503, HealthText.ready(node.name(), state, health, stripes));
    }

    private WatchServer.Answer alive() {
        List<StripeHealth> stripes =
                node.stripes().stream().map(StripeHandle::health).toList();
        NodeView.State state = node.state();
        HealthView health = health(state, stripes);
        return WatchServer.Answer.json(health.isAlive() ? 200 : 503, HealthText.alive(node.name(), state, health));
    }

    private HealthView health(NodeView.State state, List<StripeHealth> stripes) {
        try {
            pulse.beat().get(PULSE_MILLIS_MAX, TimeUnit.MILLISECONDS);
        } catch (TimeoutException e) {
            // How long they have been silent is what counts.
        } catch (ExecutionException e) {
            throw new AssertionError("never fails", e);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
        Duration silence = pulse.silence();
        return HealthView.of(
                new HealthView.Node(state, node.failure(), silence, StoppedQueue.of(node)),
                stripes,
                settings.stallLimit());
    }

    /** Ends at once. */
    @Override
    public synchronized void close() {
        if (!isClosed) {
            isClosed = true;
            if (server != null) {
                server.close();
            }
            if (metrics != null) {
                metrics.close();
            }
            executor.shutdownNow();
        }
    }
}
