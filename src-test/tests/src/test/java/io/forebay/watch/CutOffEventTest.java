package io.forebay.watch;

import static org.assertj.core.api.Assertions.assertThat;

import io.forebay.protocol.Durability;
import io.forebay.protocol.Message;
import io.forebay.store.LogEvent;
import io.forebay.testkit.faults.MemoryDisk;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.util.Map;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

/**
 * I8: a node whose newest message was damaged behind a {@code kill -9} starts, and tells what it cuts off of its log, and what that may
 * mean; one that was only killed has nothing to tell.
 */
@Tag("proof")
class CutOffEventTest {
    private static final String NO_CHECKPOINTS = "forebay.store.checkpoint-idle-interval = 1 h";

    @Test
    void whatAStartCutsOffIsTold() throws IOException {
        MemoryDisk disk = new MemoryDisk();
        MemoryDisk killed;
        try (WatchedNode node = WatchedNode.serving(disk, NO_CHECKPOINTS)) {
            WatchedNode.now(node.client().createTopic("t", 1, Map.of()));
            WatchedNode.now(node.client()
                    .send(
                            Message.builder("t")
                                    .body("newest".getBytes(StandardCharsets.US_ASCII))
                                    .build(),
                            Durability.FLUSHED));
            killed = disk.killImage();
        }
        try (EventLines events = new EventLines();
                WatchedNode node = WatchedNode.serving(killed.killImage(), NO_CHECKPOINTS)) {
            assertThat(node.ready().codes()).isEmpty();
            assertThat(events.of(LogEvent.LOG_CUT_OFF)).isEmpty();
        }
        flip(killed, "newest");
        try (EventLines events = new EventLines();
                WatchedNode node = WatchedNode.serving(killed, NO_CHECKPOINTS)) {
            assertThat(node.ready().codes()).isEmpty();
            assertThat(events.of(LogEvent.LOG_CUT_OFF)).hasSize(1);
            assertThat(events.of(LogEvent.LOG_CUT_OFF).get(0))
                    .startsWith("WARN ")
                    .contains(" stripe=0 segment=segment-", " position=", " frames=", " bytes=", "checksum", "FLUSHED");
        }
    }

    private static void flip(MemoryDisk disk, String text) throws IOException {
        for (String file : disk.files()) {
            int at = file.contains("segment-")
                    ? new String(disk.content(file), StandardCharsets.ISO_8859_1).lastIndexOf(text)
                    : -1;
            if (at >= 0) {
                disk.flip(file, at, 1);
                return;
            }
        }
        throw new AssertionError(text + " is nowhere");
    }
}
