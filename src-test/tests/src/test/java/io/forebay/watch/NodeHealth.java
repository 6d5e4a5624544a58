package io.forebay.watch;

import io.forebay.store.StripeHandle;
import java.time.Duration;
import java.util.List;

/** What a node that serves says of its health, for tests of other packages. */
public final class NodeHealth {
    private NodeHealth() {}

    /** Holds what it says of itself against what may be said of a node that serves: it lives, and whatever is wrong has a text. */
    public static void check(NodeView node) {
        HealthView health = HealthView.of(
                new HealthView.Node(node.state(), node.failure(), Duration.ZERO, StoppedQueue.of(node)),
                node.stripes().stream().map(StripeHandle::health).toList(),
                Duration.ofHours(1));
        boolean isTold =
                health.reasons().stream().noneMatch(reason -> reason.text().isBlank());
        if (!isTold || !health.isAlive()) {
            throw new AssertionError("I8: the health of a node that serves: " + health);
        }
    }

    /** What it says of the queues, and groups in queues, that it does not serve, a line each; empty if there are none. */
    public static List<String> stopped(NodeView node) {
        List<StoppedQueue> stopped = StoppedQueue.of(node);
        HealthView health = HealthView.of(
                new HealthView.Node(node.state(), node.failure(), Duration.ZERO, stopped),
                node.stripes().stream().map(StripeHandle::health).toList(),
                Duration.ofHours(1));
        boolean isTold = health.reasons().stream().anyMatch(reason -> reason.code() == HealthView.Code.QUEUES_STOPPED);
        if (isTold == stopped.isEmpty()) {
            throw new AssertionError("stopped are " + stopped + ", health says " + health);
        }
        return stopped.stream().map(StoppedQueue::text).toList();
    }
}
