package io.forebay.storage.log;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.forebay.storage.log.QueueReader.Status;
import io.forebay.testkit.faults.DiskObserver.Operation;
import io.forebay.testkit.faults.MemoryDisk;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/**
 * I2: nothing altered is handed out. What the device does not give is told apart from what is damaged, and both from what is
 * sound though its neighbours are not.
 */
class QueueReaderTest {
    private static final int QUEUE = 1;
    private static final int ENTRIES = 2;

    private final MemoryDisk disk = new MemoryDisk();
    private final List<String> found = new ArrayList<>();
    private StripeLog log;

    @BeforeEach
    void open() throws IOException {
        log = StripeLog.open(disk, LogDriver.OPTIONS, 1_000, new LogModel.Sink());
    }

    @AfterEach
    void close() throws IOException {
        log.close(false);
    }

    private Frame append(int queue, LogRecord record) throws IOException {
        while (log.isPreparationNeeded()) {
            log.prepareNext();
        }
        Frame frame = Frame.builder(64).add(Owner.queue(queue), record).build();
        log.append(frame, 1_000);
        return frame;
    }

    private Frame send(String text, int bodyBytes) throws IOException {
        byte[] body = new byte[bodyBytes];
        System.arraycopy(text.getBytes(StandardCharsets.US_ASCII), 0, body, 0, text.length());
        return append(QUEUE, MessageRecord.builder().id(text).body(body).build());
    }

    private void flush() throws IOException {
        FlushRange range = log.takeUnflushed();
        log.force(range);
        log.forced(range);
    }

    /** Until what was sent first is read positionally. */
    private void sendUntilCold() throws IOException {
        for (int i = 0; i < 12; i++) {
            send("filler" + i, 16_000);
        }
    }

    private QueueReader.Result read(QueueReader reader, long offset) {
        return reader.read(offset, 1, 1, (at, message, body) -> found.add(((MessageRecord) body.decode()).id()));
    }

    private QueueReader.Result read(int queue, long offset) {
        return read(log.newReader(queue), offset);
    }

    /** Where a text lies that occurs once behind another place. */
    private long placeOf(String path, String text) throws IOException {
        String content = new String(disk.content(path), StandardCharsets.ISO_8859_1);
        int at = content.lastIndexOf(text);
        assertThat(at).as(text).isPositive();
        return at;
    }

    private String firstSegment() {
        return disk.files().stream()
                .filter(name -> Segment.baseOf(name) >= 0)
                .findFirst()
                .orElseThrow();
    }

    @Test
    void whatTheDeviceDoesNotGiveIsAskedForAgainAndNotCalledDamaged() throws IOException {
        send("first", 100);
        send("second", 100);
        for (boolean isCold : new boolean[] {false, true}) {
            if (isCold) {
                sendUntilCold();
            }
            QueueReader reader = log.newReader(QUEUE);
            disk.failReads(firstSegment(), placeOf(firstSegment(), "second"), 1);
            assertThat(read(reader, 0).status()).isEqualTo(Status.READ);
            QueueReader.Result failed = read(reader, 1);
            assertThat(failed.status()).isEqualTo(Status.FAILED);
            assertThat(failed.nextOffset()).isEqualTo(1);
            assertThat(failed.problem().cause()).isEqualTo(QuarantinedRecord.Cause.READ_ERROR);
            assertThat(failed.problem().segment()).isEqualTo(firstSegment());
            assertThat(failed.problem().position()).isBetween(1L, placeOf(firstSegment(), "second"));
            assertThat(failed.problem().reason()).contains("Input/output error");
            disk.failReads(firstSegment(), 0, 0);
            assertThat(read(reader, 1).status()).as("with the same reader").isEqualTo(Status.READ);
        }
        assertThat(found).containsExactly("first", "second", "first", "second");
    }

    @Test
    void anIndexThatCannotBeReadForNowIsNoReasonToCallAMessageDamaged() throws IOException {
        send("first", 100);
        QueueReader reader = log.newReader(QUEUE);
        String index = disk.files().stream()
                .filter(name -> name.startsWith("index/"))
                .findFirst()
                .orElseThrow();
        disk.failReads(index, 0, disk.sizeBytes(index));
        QueueReader.Result failed = read(reader, 0);
        assertThat(failed.status()).isEqualTo(Status.FAILED);
        assertThat(failed.problem().position()).isEqualTo(ReadProblem.NO_POSITION);
        assertThat(failed.problem().segment()).isEmpty();
        disk.failReads(index, 0, 0);
        assertThat(read(reader, 0).status()).isEqualTo(Status.READ);
    }

    @Test
    void bytesThatComeWrongOnceAreReadAgain() throws IOException {
        send("first", 100);
        long at = placeOf(firstSegment(), "first");
        boolean[] isWrong = {false};
        int[] reads = {0};
        disk.observe((operation, path, from, length) -> {
            if (operation == Operation.READ && path.equals(firstSegment()) && from <= at && at < from + length) {
                reads[0]++;
                if (reads[0] <= 2) {
                    isWrong[0] = !isWrong[0];
                    disk.flip(path, at, 4);
                }
            }
        });
        assertThat(read(QUEUE, 0).status()).isEqualTo(Status.READ);
        assertThat(reads[0]).as("the frame was wrong the first time").isEqualTo(2);
        assertThat(isWrong[0]).isFalse();
        assertThat(found).containsExactly("first");
    }

    @Test
    void aFrameThatFailsItsChecksIsNamedAndNeverHandedOut() throws IOException {
        send("first", 100);
        send("second", 100);
        send("third", 100);
        flush();
        for (boolean isCold : new boolean[] {false, true}) {
            if (isCold) {
                sendUntilCold();
            } else {
                disk.flip(firstSegment(), placeOf(firstSegment(), "second") + 20, 1);
            }
            QueueReader reader = log.newReader(QUEUE);
            QueueReader.Result bad = reader.read(
                    0, 3, Long.MAX_VALUE, (at, message, body) -> found.add(((MessageRecord) body.decode()).id()));
            assertThat(bad.status()).isEqualTo(Status.QUARANTINED);
            assertThat(bad.count()).isOne();
            assertThat(bad.nextOffset()).isOne();
            assertThat(bad.problem().cause()).isEqualTo(QuarantinedRecord.Cause.BAD_FRAME);
            assertThat(bad.problem().segment()).isEqualTo(firstSegment());
            assertThat(bad.problem().position()).isBetween(1L, placeOf(firstSegment(), "second"));
            assertThat(bad.problem().reason()).contains("checksum");
            assertThat(read(reader, 2).status()).isEqualTo(Status.READ);
        }
        assertThat(found).containsExactly("first", "third", "first", "third");
    }

    /** I1: it is written again when the writer has heard of it. */
    @Test
    void whatAFailedForceHasCostItsPageIsNotCalledDamaged() throws IOException {
        send("first", 100);
        flush();
        send("second", 100);
        FlushRange range = log.takeUnflushed();
        disk.failNextForces(1);
        assertThatThrownBy(() -> log.force(range)).isInstanceOf(IOException.class);
        disk.evictCleanPages();
        QueueReader reader = log.newReader(QUEUE);
        assertThat(read(reader, 0).status()).isEqualTo(Status.READ);
        assertThat(read(reader, 1).status()).isEqualTo(Status.NOT_READABLE);
        assertThat(log.phase()).isEqualTo(Phase.RUNNING);
        // Had it not failed, it would be damage.
        log.forced(range);
        assertThat(read(reader, 1).status()).isEqualTo(Status.QUARANTINED);
    }

    @Test
    void aFrameIsReadThoughTheDeviceFailsRightBehindIt() throws IOException {
        send("first", 3_000);
        send("second", 3_000);
        send("third", 3_000);
        sendUntilCold();
        List<Operation> operations = new ArrayList<>();
        disk.observe((operation, path, at, length) -> {
            if (path.equals(firstSegment())) {
                operations.add(operation);
            }
        });
        disk.failReads(firstSegment(), placeOf(firstSegment(), "second") + 1_000, 100);
        assertThat(read(QUEUE, 0).status()).isEqualTo(Status.READ);
        assertThat(read(QUEUE, 1).status()).isEqualTo(Status.FAILED);
        assertThat(read(QUEUE, 2).status()).isEqualTo(Status.READ);
        assertThat(found).containsExactly("first", "third");
        assertThat(operations).containsOnly(Operation.READ_COLD);
    }

    @Test
    void anEntryWhoseBodyCannotBeReadForNowIsNotCalledDamaged() throws IOException {
        Frame body = send("body", 100);
        append(ENTRIES, new EntryRecord(-1, QUEUE, 0, body.firstSequence(), 0, Map.of()));
        flush();
        QueueReader reader = log.newReader(ENTRIES);
        disk.failReads(firstSegment(), placeOf(firstSegment(), "body"), 1);
        QueueReader.Result failed = read(reader, 0);
        assertThat(failed.status()).isEqualTo(Status.FAILED);
        assertThat(failed.problem().segment()).isEqualTo(firstSegment());
        disk.failReads(firstSegment(), 0, 0);
        assertThat(read(reader, 0).status()).isEqualTo(Status.READ);
        assertThat(found).containsExactly("body");
        disk.flip(firstSegment(), placeOf(firstSegment(), "body") + 20, 1);
        QueueReader.Result bad = read(log.newReader(ENTRIES), 0);
        assertThat(bad.status()).isEqualTo(Status.QUARANTINED);
        assertThat(bad.problem().cause()).isEqualTo(QuarantinedRecord.Cause.BAD_FRAME);
        assertThat(bad.problem().position()).isBetween(1L, placeOf(firstSegment(), "body"));
        assertThat(found).containsExactly("body");
    }

    @Test
    void aMessageThatItsReaderCannotDecodeIsNamed() throws IOException {
        send("first", 100);
        QueueReader.Result bad = log.newReader(QUEUE).read(0, 1, 1, (at, message, body) -> {
            throw new CorruptRecordException("no such thing");
        });
        assertThat(bad.status()).isEqualTo(Status.QUARANTINED);
        assertThat(bad.count()).isZero();
        assertThat(bad.problem().segment()).isEqualTo(firstSegment());
        assertThat(bad.problem().text()).startsWith(firstSegment()).endsWith("no such thing");
    }
}
