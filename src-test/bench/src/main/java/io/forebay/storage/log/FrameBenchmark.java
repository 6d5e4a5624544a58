package io.forebay.storage.log;

import io.forebay.storage.io.FileStorageDirectory;
import io.forebay.storage.io.StorageFile;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.concurrent.TimeUnit;
import java.util.zip.CRC32C;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.BenchmarkMode;
import org.openjdk.jmh.annotations.Fork;
import org.openjdk.jmh.annotations.Level;
import org.openjdk.jmh.annotations.Measurement;
import org.openjdk.jmh.annotations.Mode;
import org.openjdk.jmh.annotations.OutputTimeUnit;
import org.openjdk.jmh.annotations.Param;
import org.openjdk.jmh.annotations.Scope;
import org.openjdk.jmh.annotations.Setup;
import org.openjdk.jmh.annotations.State;
import org.openjdk.jmh.annotations.TearDown;
import org.openjdk.jmh.annotations.Warmup;

/**
 * What a frame costs: nanoseconds for one with {@code records} messages of 300 bytes. Building it, sealing it (its checksum above
 * all), and writing it into a file that was written before; beside the plain copy and checksum of as many bytes.
 */
@State(Scope.Thread)
@BenchmarkMode(Mode.AverageTime)
@OutputTimeUnit(TimeUnit.NANOSECONDS)
@Warmup(iterations = 3, time = 1)
@Measurement(iterations = 5, time = 1)
@Fork(1)
public class FrameBenchmark {
    private static final int FILE_BYTES = 64 << 20;

    @Param({"1", "32"})
    private int records;

    private final CRC32C crc = new CRC32C();
    private MessageRecord message;
    private Frame frame;
    private byte[] copy;
    private Path directory;
    private StorageFile file;
    private long position;

    @Setup(Level.Trial)
    public void open() throws IOException {
        message = MessageRecord.builder()
                .id("1y2p0ij32e8e7-1")
                .body(new byte[300])
                .bornMillis(1_800_000_000_000L)
                .build();
        frame = build();
        copy = new byte[frame.lengthBytes()];
        directory = Files.createTempDirectory("frame-benchmark");
        file = FileStorageDirectory.at(directory.toString()).create("segment", FILE_BYTES);
        byte[] zeros = new byte[1 << 20];
        for (long at = 0; at < FILE_BYTES; at += zeros.length) {
            file.write(at, zeros, 0, zeros.length);
        }
    }

    @TearDown(Level.Trial)
    public void close() throws IOException {
        file.close();
        Files.delete(directory.resolve("segment"));
        Files.delete(directory);
    }

    @Benchmark
    public Frame build() {
        Frame.Builder builder =
                Frame.builder(records * FrameCodec.align(FrameCodec.RECORD_HEADER_BYTES + message.bodyBytes()));
        for (int i = 0; i < records; i++) {
            builder.add(1, 0, message);
        }
        return builder.build();
    }

    @Benchmark
    public byte[] seal() {
        byte[] image = frame.image();
        FrameCodec.seal(image, 0, frame.lengthBytes(), records, 0, 5, 1234, 65_536, 60_000, 1_800_000_000_000L, crc);
        return image;
    }

    @Benchmark
    public long write() throws IOException {
        int length = frame.lengthBytes();
        if (position + length > FILE_BYTES) {
            position = 0;
        }
        file.write(position, frame.image(), 0, length);
        position += length;
        return position;
    }

    @Benchmark
    public long copyAndChecksum() {
        System.arraycopy(frame.image(), 0, copy, 0, copy.length);
        crc.reset();
        crc.update(copy, 0, copy.length);
        return crc.getValue();
    }
}
