package io.forebay.storage.log;

import static org.assertj.core.api.Assertions.assertThat;

import io.forebay.storage.checkpoint.CheckpointFile;
import io.forebay.storage.checkpoint.CheckpointSlot;
import io.forebay.storage.index.IndexEntry;
import io.forebay.storage.index.IndexOptions;
import io.forebay.storage.index.QueueIndex;
import io.forebay.storage.io.StorageFile;
import io.forebay.testkit.faults.MemoryDisk;
import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;

/**
 * Format version 1 as it was written on its first day: it stays readable, and as long as it is the newest version it is
 * written byte for byte the same. The files are never changed; another version gets files of its own.
 */
class GoldenFormatTest {
    private static final HexFormat HEX = HexFormat.of();

    static final CheckpointSlot SLOT =
            new CheckpointSlot(2, 7, 65_536, 400, 90_000, 503, 98_304, 510, 1L << 40, 1_800_000_000_000L, -1);
    static final CheckpointSlot CLEAN_SLOT =
            new CheckpointSlot(2, 7, 98_304, 600, 99_000, 603, 131_072, 610, 1L << 40, 1_800_000_001_000L, 131_072);
    private static final long LOG_ID = 0x0123_4567_89AB_CDEFL;
    private static final IndexOptions INDEX = new IndexOptions(2048, 8);

    @Test
    void recordsAreReadAndWrittenAsOnTheFirstDay() throws Exception {
        List<LogRecord> samples = RecordSamples.all();
        List<String> golden = golden("records.txt");
        assertThat(golden).hasSameSizeAs(samples);
        assertThat(golden.stream().map(line -> line.substring(0, line.indexOf(' ', line.indexOf(' ') + 1))))
                .as("every type in its newest version")
                .containsAll(Stream.of(RecordType.values())
                        .map(type -> type + " " + type.version())
                        .toList());
        for (int index = 0; index < golden.size(); index++) {
            String[] parts = golden.get(index).split(" ");
            byte[] body = parts.length == 3 ? HEX.parseHex(parts[2]) : new byte[0];
            RecordType type = RecordType.valueOf(parts[0]);
            int version = Integer.parseInt(parts[1]);
            assertThat(LogRecord.decode(type, version, body, 0, body.length)).isEqualTo(samples.get(index));
            if (version == type.version()) {
                assertThat(RecordSamples.encode(samples.get(index)))
                        .as(golden.get(index))
                        .isEqualTo(body);
            }
        }
    }

    /** Payloads of every version are read; those of the newest are written as on their first day. */
    @Test
    void snapshotPayloadsAreReadAndWrittenAsOnTheFirstDay() throws Exception {
        List<String> newest = List.of(
                payload("QUEUE", QueueSnapshot.of(1234, 100).encode()),
                payload(
                        "QUEUE",
                        RecordSamples.queue(RecordSamples.producerWindow()).encode()),
                payload(
                        "QUEUE",
                        RecordSamples.queue(RecordSamples.messageIdWindow()).encode()),
                payload("GROUP", RecordSamples.group().encode()),
                payload("REGISTRY", RecordSamples.registry().encode()));
        List<String> golden = golden("snapshot-payloads.txt");
        assertThat(golden).containsAll(newest);
        for (String line : golden) {
            byte[] payload = HEX.parseHex(line.substring(line.lastIndexOf(' ') + 1));
            if (line.startsWith("QUEUE")) {
                assertThat(QueueSnapshot.decode(payload).nextOffset()).isEqualTo(1234);
            } else if (line.startsWith("GROUP")) {
                GroupSnapshot read = GroupSnapshot.decode(payload);
                assertThat(read.acked()).isEqualTo(RecordSamples.group().acked());
                assertThat(read.checkpoints()).isEqualTo(RecordSamples.group().checkpoints());
                assertThat(read.redeliveries().get(0).nonce()).isEqualTo(0x1122_3344_5566_7788L);
            } else {
                assertThat(RegistrySnapshot.decode(payload).topics())
                        .isEqualTo(RecordSamples.registry().topics());
            }
        }
    }

    private static String payload(String kind, byte[] payload) {
        return kind + " " + payload[1] + " " + HEX.formatHex(payload);
    }

    @Test
    void recordNumbersAreThoseOfTheFirstDay() throws Exception {
        List<String> numbers = new ArrayList<>();
        for (RecordType type : RecordType.values()) {
            numbers.add(type.number() + " " + type.name());
        }
        assertThat(numbers).containsAll(golden("record-types.txt"));
    }

    @Test
    void checkpointFilesAreReadAndWrittenAsOnTheFirstDay() throws Exception {
        MemoryDisk disk = new MemoryDisk();
        try (CheckpointFile file = CheckpointFile.open(disk, "checkpoint")) {
            file.write(SLOT);
            file.write(CLEAN_SLOT);
        }
        byte[] content = disk.content("checkpoint");
        assertThat(List.of(HEX.formatHex(content, 0, 128), HEX.formatHex(content, 4096, 4224)))
                .isEqualTo(golden("checkpoint.txt"));
        MemoryDisk old = new MemoryDisk();
        byte[] bytes = new byte[8192];
        System.arraycopy(HEX.parseHex(golden("checkpoint.txt").get(0)), 0, bytes, 0, 128);
        System.arraycopy(HEX.parseHex(golden("checkpoint.txt").get(1)), 0, bytes, 4096, 128);
        write(old, "checkpoint", bytes);
        try (CheckpointFile file = CheckpointFile.open(old, "checkpoint")) {
            assertThat(file.found()).contains(CLEAN_SLOT);
        }
    }

    /** Slots and headers that carry the number of their log; those of the first day carry none, and are read as that. */
    @Test
    void theNumberOfALogIsReadAndWrittenAsOnItsFirstDay() throws Exception {
        CheckpointSlot slot = new CheckpointSlot(
                2, 7, 65_536, 400, 90_000, 503, 98_304, 510, 1L << 40, 1_800_000_000_000L, -1, LOG_ID, 6);
        SegmentHeader header = new SegmentHeader(true, 2, 5, 65_536, 65_536, 40_000, 0, 50_000, 1234, LOG_ID);
        MemoryDisk disk = new MemoryDisk();
        try (CheckpointFile file = CheckpointFile.open(disk, "checkpoint")) {
            file.write(slot);
        }
        assertThat(List.of(
                        "header " + HEX.formatHex(header.encode()),
                        "slot " + HEX.formatHex(disk.content("checkpoint"), 0, 128)))
                .isEqualTo(golden("log-id.txt"));
        try (CheckpointFile file = CheckpointFile.open(disk, "checkpoint")) {
            assertThat(file.found()).contains(slot);
        }
        byte[] page = HEX.parseHex(golden("log-id.txt").get(0).substring("header ".length()));
        assertThat(SegmentHeader.decode(page)).isEqualTo(header);
        assertThat(SLOT)
                .extracting(CheckpointSlot::logId, CheckpointSlot::logIdEpoch)
                .containsExactly(0L, 0L);
    }

    @Test
    void indexFilesAreReadAndWrittenAsOnTheFirstDay() throws Exception {
        MemoryDisk disk = new MemoryDisk();
        try (QueueIndex index = QueueIndex.open(disk, 2, INDEX)) {
            for (int offset = 5; offset < 12; offset++) {
                index.put(7, offset, 65_536L + 100 * offset, offset % 3, 96, MessageRecord.tagHash("red"));
            }
        }
        assertThat(List.of(HEX.formatHex(disk.content("index-0000000001")))).isEqualTo(golden("index.txt"));
        MemoryDisk old = new MemoryDisk();
        write(old, "index-0000000001", HEX.parseHex(golden("index.txt").get(0)));
        try (QueueIndex index = QueueIndex.open(old, 2, INDEX)) {
            IndexEntry entry = new IndexEntry();
            assertThat(index.droppedOnOpen()).isEmpty();
            assertThat(index.lookup(7, 4, entry)).isFalse();
            assertThat(index.lookup(7, 11, entry)).isTrue();
            assertThat(entry.position()).isEqualTo(66_636);
            assertThat(entry.ordinal()).isEqualTo(2);
        }
    }

    private static void write(MemoryDisk disk, String name, byte[] bytes) throws IOException {
        try (StorageFile file = disk.create(name, bytes.length)) {
            file.write(0, bytes, 0, bytes.length);
        }
    }

    private static List<String> golden(String name) throws IOException {
        try (InputStream in = GoldenFormatTest.class.getResourceAsStream("/golden/v1/" + name)) {
            assertThat(in).as("golden file " + name).isNotNull();
            return new String(in.readAllBytes(), StandardCharsets.US_ASCII)
                    .lines()
                    .toList();
        }
    }
}
