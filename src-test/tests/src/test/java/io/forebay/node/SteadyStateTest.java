package io.forebay.node;

import static org.assertj.core.api.Assertions.assertThat;

import akka.actor.ExtendedActorSystem;
import akka.actor.typed.javadsl.Adapter;
import io.forebay.protocol.Delivery;
import io.forebay.protocol.Durability;
import io.forebay.protocol.Message;
import java.io.IOException;
import java.lang.management.BufferPoolMXBean;
import java.lang.management.ManagementFactory;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.Stream;
import org.awaitility.Awaitility;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.EnabledOnOs;
import org.junit.jupiter.api.condition.OS;
import org.junit.jupiter.api.io.TempDir;

/** What goes in comes out and is acked, through 200 segments: a node then holds no more than after the first. */
class SteadyStateTest {
    private static final int SEGMENT_BYTES = 1 << 20;
    private static final int BODY_BYTES = 50_000;
    /** One more may be prepared and one on its way out at the later look. */
    private static final int SEGMENTS_SLACK = 2;
    /** Allocated once and for all by whoever reads or writes first. */
    private static final long DIRECT_SLACK_BYTES = 1 << 20;

    private static final String SETTINGS = """
        forebay.storage { segment-size = 1 MiB }
        forebay.store { checkpoint-bytes = 4 MiB, checkpoint-idle-interval = 200 ms, max-unflushed = 16 MiB }
        forebay.queue { body-max = 100 KiB, batch-bytes-max = 300 KiB }
        forebay.group.pop-bytes-max = 1 MiB
        """;

    @TempDir
    Path folder;

    /** Actors of ours; open files and maps below the test's folder. */
    private record Held(long actors, long files, long maps) {}

    @Test
    @EnabledOnOs(OS.LINUX)
    void twoHundredSegmentsLeaveNothingBehind() throws Exception {
        try (NodeFixture node = NodeFixture.onFiles(folder, SETTINGS)) {
            NodeFixture.Client client = node.open();
            turnOver(client, 10);
            // It swings by a dozen segments with the checkpoints; what is left right after one is what a leak would
            // raise.
            Held early = least(node, client, 50);
            long earlyDirectBytes = directBytes();
            turnOver(client, 150);
            // How soon a checkpoint gives back what it may is the disk's matter; what has leaked never comes back.
            Awaitility.await("what is left at rest").untilAsserted(() -> {
                Held late = held(node);
                assertThat(late.actors).isLessThanOrEqualTo(early.actors);
                assertThat(late.files).isLessThanOrEqualTo(early.files + SEGMENTS_SLACK);
                assertThat(late.maps).isLessThanOrEqualTo(early.maps + SEGMENTS_SLACK);
            });
            System.out.println("steady state, after 50 segments: " + early + "; after 200: " + held(node));
            assertThat(directBytes()).isLessThanOrEqualTo(earlyDirectBytes + DIRECT_SLACK_BYTES);
            try (Stream<Path> files = Files.walk(folder)) {
                assertThat(files.filter(file -> file.toString().endsWith(".log"))
                                .count())
                        .isLessThan(40);
            }
        }
    }

    private Held least(NodeFixture node, NodeFixture.Client client, int segments) throws IOException {
        Held least = held(node);
        for (int turn = 0; turn < segments; turn++) {
            turnOver(client, 1);
            Held now = held(node);
            least = new Held(
                    Math.min(least.actors, now.actors),
                    Math.min(least.files, now.files),
                    Math.min(least.maps, now.maps));
        }
        return least;
    }

    private static void turnOver(NodeFixture.Client client, int segments) {
        byte[] body = new byte[BODY_BYTES];
        List<Message> batch =
                Stream.generate(() -> Message.of("steady", body)).limit(5).toList();
        for (long sent = 0; sent < (long) segments * SEGMENT_BYTES; sent += 5L * BODY_BYTES) {
            assertThat(client.trySend("steady", batch, Durability.WRITTEN)).hasSize(5);
            List<Delivery> deliveries = client.popAll("steady", "g", 5, 60_000);
            client.ack("g", NodeFixture.handles(deliveries));
        }
    }

    private Held held(NodeFixture node) throws IOException {
        String tree = ((ExtendedActorSystem) Adapter.toClassic(node.system)).printTree();
        long actors = tree.lines()
                .filter(line -> line.contains("forebay") || line.contains("queue-") || line.contains("group-"))
                .count();
        long files;
        try (Stream<Path> handles = Files.list(Path.of("/proc/self/fd"))) {
            files = handles.filter(this::isOfTheLog).count();
        }
        long maps;
        try (Stream<String> lines = Files.lines(Path.of("/proc/self/maps"))) {
            maps = lines.filter(line -> line.contains(folder.toString())).count();
        }
        return new Held(actors, files, maps);
    }

    private static long directBytes() {
        return ManagementFactory.getPlatformMXBeans(BufferPoolMXBean.class).stream()
                .filter(pool -> pool.getName().equals("direct"))
                .mapToLong(BufferPoolMXBean::getMemoryUsed)
                .sum();
    }

    private boolean isOfTheLog(Path handle) {
        try {
            return Files.readSymbolicLink(handle).startsWith(folder);
        } catch (IOException e) {
            return false; // closed meanwhile
        }
    }
}
