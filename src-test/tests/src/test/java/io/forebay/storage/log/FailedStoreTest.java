package io.forebay.storage.log;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.catchThrowableOfType;

import io.forebay.testkit.faults.DiskObserver.Operation;
import io.forebay.testkit.faults.MemoryDisk;
import java.io.IOException;
import org.junit.jupiter.api.Test;

/**
 * A frame that cannot be stored. Invariants: nothing of it counts; appended later it gets what it would have got, so that no
 * number and no offset is left out (I2). Fault: the store into the segment fails, that into the index does not.
 */
class FailedStoreTest {
    private static final Owner QUEUE = Owner.queue(1);
    private static final Owner OTHER = Owner.queue(2);
    private static final Owner GROUP = Owner.group(1, 1);

    private final MemoryDisk disk = new MemoryDisk();

    private static MessageRecord message(String id) {
        return MessageRecord.builder().id(id).body(new byte[100]).build();
    }

    private static Frame frame() {
        return Frame.builder(256)
                .add(QUEUE, message("a"))
                .add(GROUP, new AckRecord(OffsetSet.of(0)))
                .add(QUEUE, message("b"))
                .add(OTHER, message("c"))
                .build();
    }

    @Test
    void itsNumbersAndOffsetsAreGivenToItAgain() throws IOException {
        try (StripeLog log = StripeLog.open(disk, LogDriver.OPTIONS, 1_000, new LogModel.Sink())) {
            Frame before = frame();
            log.append(before, 1_000);
            Frame frame = frame();
            disk.observe((operation, path, at, length) -> {
                if (operation == Operation.WRITE && Segment.baseOf(path) >= 0) {
                    throw new IOException("Input/output error");
                }
            });
            StripeException refused = catchThrowableOfType(StripeException.class, () -> log.append(frame, 1_000));
            assertThat(refused.reason()).isEqualTo(StripeException.Reason.STORE_FAILED);
            assertThat(frame.isAppended()).isFalse();
            assertThat(log.writtenSequence()).isEqualTo(before.lastSequence());
            assertThat(log.nextOffset(1)).isEqualTo(2);
            assertThat(log.nextOffset(2)).isEqualTo(1);

            disk.observe((operation, path, at, length) -> {});
            log.rewrite(before);
            log.finishRewrite();
            log.append(frame, 1_000);
            assertThat(frame.firstSequence()).isEqualTo(before.lastSequence() + 1);
            assertThat(frame.queueOffset(0)).isEqualTo(2);
            assertThat(frame.queueOffset(2)).isEqualTo(3);
            assertThat(frame.queueOffset(3)).isEqualTo(1);
            assertThat(frame.ownerNumber(0)).isEqualTo(3);
            assertThat(frame.ownerNumber(1)).isEqualTo(2);
            assertThat(frame.ownerNumber(2)).isEqualTo(4);
            assertThat(frame.ownerNumber(3)).isEqualTo(2);
        }
    }
}
