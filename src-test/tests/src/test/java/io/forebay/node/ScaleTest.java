package io.forebay.node;

import static org.assertj.core.api.Assertions.assertThat;

import io.forebay.protocol.Delivery;
import java.lang.management.ManagementFactory;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * Many queues with two groups each on one node: what they take of the heap while nothing happens, how long the node takes to
 * start with them after a kill and after a clean stop, and that each of them serves then. A tenth of the full size unless {@code
 * -Dforebay.scale=full}.
 */
class ScaleTest {
    private static final int QUEUES_PER_TOPIC = 100;
    private static final int TOPICS = "full".equals(System.getProperty("forebay.scale")) ? 100 : 10;
    private static final List<String> GROUPS = List.of("left", "right");
    private static final int PAIRS = TOPICS * QUEUES_PER_TOPIC * GROUPS.size();
    /** Several times what it takes, so that only a mistake in kind exceeds it: a buffer for each, or for each message. */
    private static final long HEAP_BYTES_PER_PAIR_MAX = 32 * 1024;

    private static final String SETTINGS = "forebay.storage.segment-size = 16 MiB";

    @TempDir
    Path folder;

    @Test
    void manyQueuesWithTwoGroupsEach() throws Exception {
        SparseDisk disk = SparseDisk.at(folder);
        long idleBytes;
        long createNanos;
        try (NodeFixture node = NodeFixture.on(disk, SETTINGS)) {
            NodeFixture.Client client = node.open();
            long emptyBytes = heapBytes();
            long begin = System.nanoTime();
            for (int topic = 0; topic < TOPICS; topic++) {
                client.createTopic("t" + topic, QUEUES_PER_TOPIC, Map.of());
                for (String group : GROUPS) {
                    client.createGroup(group, "t" + topic, Map.of());
                }
            }
            createNanos = System.nanoTime() - begin;
            idleBytes = heapBytes() - emptyBytes;
            disk.kill();
        }
        disk = SparseDisk.at(folder);
        long killedNanos = System.nanoTime();
        long usedBytes;
        try (NodeFixture node = NodeFixture.on(disk, SETTINGS)) {
            killedNanos = System.nanoTime() - killedNanos;
            serveAll(node.open());
            usedBytes = heapBytes();
        }
        long stoppedNanos = System.nanoTime();
        try (NodeFixture node = NodeFixture.on(disk, SETTINGS)) {
            stoppedNanos = System.nanoTime() - stoppedNanos;
            serveAll(node.open());
            usedBytes = heapBytes() - usedBytes;
        }
        System.out.printf(
                "scale: %,d queues with %d groups each made in %,d ms; idle %,d bytes of heap for each pair;"
                        + " start %,d ms after a kill, %,d ms after a clean stop; %,d bytes more after the second start%n",
                TOPICS * QUEUES_PER_TOPIC,
                GROUPS.size(),
                createNanos / 1_000_000,
                idleBytes / PAIRS,
                killedNanos / 1_000_000,
                stoppedNanos / 1_000_000,
                usedBytes);
        assertThat(idleBytes / PAIRS).isLessThan(HEAP_BYTES_PER_PAIR_MAX);
    }

    /** One message through each queue, and from there to each group. */
    private static void serveAll(NodeFixture.Client client) {
        for (int topic = 0; topic < TOPICS; topic++) {
            String name = "t" + topic;
            for (int queue = 0; queue < QUEUES_PER_TOPIC; queue++) {
                client.sendTo(queue, name, 1, "m");
            }
            for (String group : GROUPS) {
                List<Delivery> deliveries = client.popAll(name, group, QUEUES_PER_TOPIC, 60_000);
                assertThat(deliveries.stream().map(Delivery::queue).distinct()).hasSize(QUEUES_PER_TOPIC);
                client.ack(group, NodeFixture.handles(deliveries));
            }
        }
    }

    private static long heapBytes() {
        System.gc();
        System.gc();
        return ManagementFactory.getMemoryMXBean().getHeapMemoryUsage().getUsed();
    }
}
