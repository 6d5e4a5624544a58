package io.forebay.storage.log;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.catchThrowableOfType;

import io.forebay.testkit.faults.MemoryDisk;
import java.io.IOException;
import org.junit.jupiter.api.Test;

/** Invariant: what a slot names is durable before the slot is written, whoever asks for it too early. */
class CheckpointOrderTest {
    private final MemoryDisk disk = new MemoryDisk();

    private static void append(StripeLog log, String id) throws IOException {
        MessageRecord message =
                MessageRecord.builder().id(id).body(new byte[100]).build();
        log.append(Frame.builder(256).add(Owner.queue(1), message).build(), 1_000);
    }

    private static void force(StripeLog log) throws IOException {
        FlushRange range = log.takeUnflushed();
        log.force(range);
        log.forced(range);
    }

    @Test
    void theSlotOfAManifestThatIsNotDurableIsNotWritten() throws IOException {
        try (StripeLog log = StripeLog.open(disk, LogDriver.OPTIONS, 1_000, new LogModel.Sink())) {
            append(log, "a");
            Checkpoint checkpoint = log.beginCheckpoint();
            append(log, "b");
            force(log);
            log.writeManifest(checkpoint);
            byte[] before = disk.content(StripeLog.CHECKPOINT_FILE);
            StripeException refused =
                    catchThrowableOfType(StripeException.class, () -> log.finishCheckpoint(checkpoint));
            assertThat(refused).isNotNull();
            assertThat(refused.reason()).isEqualTo(StripeException.Reason.CHECKPOINT_VOID);
            assertThat(disk.content(StripeLog.CHECKPOINT_FILE)).isEqualTo(before);

            force(log);
            log.finishCheckpoint(checkpoint);
            assertThat(disk.content(StripeLog.CHECKPOINT_FILE)).isNotEqualTo(before);
        }
    }
}
