package io.forebay.storage.log;

import io.forebay.storage.io.FileStorageDirectory;
import io.forebay.storage.io.StorageFile;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;
import java.util.zip.CRC32C;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.BenchmarkMode;
import org.openjdk.jmh.annotations.Fork;
import org.openjdk.jmh.annotations.Level;
import org.openjdk.jmh.annotations.Measurement;
import org.openjdk.jmh.annotations.Mode;
import org.openjdk.jmh.annotations.OperationsPerInvocation;
import org.openjdk.jmh.annotations.OutputTimeUnit;
import org.openjdk.jmh.annotations.Param;
import org.openjdk.jmh.annotations.Scope;
import org.openjdk.jmh.annotations.Setup;
import org.openjdk.jmh.annotations.State;
import org.openjdk.jmh.annotations.TearDown;
import org.openjdk.jmh.annotations.Warmup;

/**
 * What a message costs in a stripe's log: nanoseconds for each of 65,536 messages of 300 bytes, in frames of {@code records}, that
 * go into a fresh log's first segment. {@code append} is all that the StoreWriter's thread does with a frame that it has been
 * given: sequences, queue offsets, index entries, the checksum, the write, the lists for the next force; nothing is forced. Beside
 * it {@code copyChecksumWrite}: as many bytes in as many pieces into a fresh file of the same size, copied, with a CRC-32C, and
 * nothing else. What {@code -prof gc} says is above the truth by the making of the log, which it counts and the time does not.
 */
@State(Scope.Thread)
@BenchmarkMode(Mode.AverageTime)
@OutputTimeUnit(TimeUnit.NANOSECONDS)
@Warmup(iterations = 3, time = 1)
@Measurement(iterations = 5, time = 1)
@Fork(1)
public class StripeLogBenchmark {
    private static final int MESSAGES = 65_536;
    private static final int QUEUE = 1;
    private static final int NO_GROUP = 0;
    private static final RecoverySink NOTHING = new RecoverySink() {
        @Override
        public void snapshot(RecordView part) {}

        @Override
        public void record(RecordView record) {}
    };

    @Param({"1", "32"})
    private int records;

    private final CRC32C crc = new CRC32C();
    private final List<Frame> frames = new ArrayList<>();
    private byte[] copy;
    private Path directory;
    private StripeLog log;
    private StorageFile file;

    @Setup(Level.Trial)
    public void build() {
        MessageRecord message = MessageRecord.builder()
                .id("1y2p0ij32e8e7-1")
                .body(new byte[300])
                .bornMillis(1_800_000_000_000L)
                .build();
        int recordBytes = FrameCodec.align(FrameCodec.RECORD_HEADER_BYTES + message.bodyBytes());
        for (int frame = 0; frame < MESSAGES / records; frame++) {
            Frame.Builder builder = Frame.builder(records * recordBytes);
            for (int record = 0; record < records; record++) {
                builder.add(QUEUE, NO_GROUP, message);
            }
            frames.add(builder.build());
        }
        copy = new byte[frames.get(0).lengthBytes()];
    }

    @Setup(Level.Invocation)
    public void open() throws IOException {
        directory = Files.createTempDirectory("log-benchmark");
        FileStorageDirectory place = FileStorageDirectory.at(directory.toString());
        StripeOptions options = StripeOptions.of(0);
        log = StripeLog.open(place, options, 0, NOTHING);
        while (log.isPreparationNeeded()) {
            log.prepareNext();
        }
        file = place.create("plain", options.segmentBytes());
        file.force(0, options.segmentBytes()); // as the log's own are before they are used
    }

    @TearDown(Level.Invocation)
    public void close() throws IOException {
        file.close();
        log.close();
        for (Frame frame : frames) {
            frame.unseal(); // to be appended again
        }
        try (Stream<Path> paths = Files.walk(directory)) {
            for (Path path : paths.sorted(Comparator.reverseOrder()).toList()) {
                Files.delete(path);
            }
        }
    }

    @Benchmark
    @OperationsPerInvocation(MESSAGES)
    public StripeLog append() throws StripeException {
        for (Frame frame : frames) {
            log.appendIfPrepared(frame, 0);
        }
        return log;
    }

    @Benchmark
    @OperationsPerInvocation(MESSAGES)
    public long copyChecksumWrite() throws IOException {
        long position = 0;
        for (Frame frame : frames) {
            System.arraycopy(frame.image(), 0, copy, 0, copy.length);
            crc.reset();
            crc.update(copy, 0, copy.length);
            file.write(position, copy, 0, copy.length);
            position += copy.length;
        }
        return crc.getValue();
    }
}
