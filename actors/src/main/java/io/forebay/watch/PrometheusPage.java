package io.forebay.watch;

import io.micrometer.prometheusmetrics.PrometheusConfig;
import io.micrometer.prometheusmetrics.PrometheusMeterRegistry;
import java.nio.charset.StandardCharsets;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;

/** A node's meters as Prometheus reads them. Thread-safe. */
final class PrometheusPage implements MetricsPage {
    private static final String PLAIN = "text/plain; version=0.0.4; charset=utf-8";
    private static final String OPEN_METRICS = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    /** What is not there by then is of the last time. */
    private static final long ANSWER_MILLIS_MAX = 200;

    private final PrometheusMeterRegistry registry = new PrometheusMeterRegistry(PrometheusConfig.DEFAULT);
    private final NodeMeters meters;

    PrometheusPage(NodeView node, int groupsMax) {
        meters = new NodeMeters(node, groupsMax, registry);
    }

    @Override
    public WatchServer.Answer answer(String accept) {
        try {
            meters.refresh().get(ANSWER_MILLIS_MAX, TimeUnit.MILLISECONDS);
        } catch (TimeoutException e) {
            // Told with the next one.
        } catch (ExecutionException e) {
            throw new AssertionError("never fails", e);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
        String type = accept != null && accept.contains("application/openmetrics-text") ? OPEN_METRICS : PLAIN;
        return new WatchServer.Answer(200, type, registry.scrape(type).getBytes(StandardCharsets.UTF_8));
    }

    @Override
    public void refresh() {
        meters.refresh();
    }

    @Override
    public void close() {
        meters.close();
        registry.close();
    }
}
