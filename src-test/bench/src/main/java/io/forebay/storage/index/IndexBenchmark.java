package io.forebay.storage.index;

import io.forebay.storage.io.FileStorageDirectory;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Comparator;
import java.util.SplittableRandom;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.BenchmarkMode;
import org.openjdk.jmh.annotations.Fork;
import org.openjdk.jmh.annotations.Level;
import org.openjdk.jmh.annotations.Measurement;
import org.openjdk.jmh.annotations.Mode;
import org.openjdk.jmh.annotations.OutputTimeUnit;
import org.openjdk.jmh.annotations.Scope;
import org.openjdk.jmh.annotations.Setup;
import org.openjdk.jmh.annotations.State;
import org.openjdk.jmh.annotations.TearDown;
import org.openjdk.jmh.annotations.Warmup;

/** The queue index, with a million entries of 64 queues in files: nanoseconds for an entry that is found, or put. */
@State(Scope.Thread)
@BenchmarkMode(Mode.AverageTime)
@OutputTimeUnit(TimeUnit.NANOSECONDS)
@Warmup(iterations = 3, time = 1)
@Measurement(iterations = 5, time = 1)
@Fork(1)
public class IndexBenchmark {
    private static final int QUEUES = 64;
    private static final int PER_QUEUE = 16_384;

    private final SplittableRandom random = new SplittableRandom(1);
    private final IndexEntry entry = new IndexEntry();
    private Path directory;
    private QueueIndex index;
    private long next;

    @Setup(Level.Trial)
    public void open() throws IOException {
        directory = Files.createTempDirectory("index-benchmark");
        index = QueueIndex.open(FileStorageDirectory.at(directory.toString()), 1, IndexOptions.DEFAULT);
        for (long offset = 0; offset < PER_QUEUE; offset++) {
            for (int queue = 1; queue <= QUEUES; queue++) {
                index.put(queue, offset, offset * 400, 0, 376, 0);
            }
        }
    }

    @TearDown(Level.Trial)
    public void close() throws IOException {
        index.close();
        try (Stream<Path> paths = Files.walk(directory)) {
            for (Path path : paths.sorted(Comparator.reverseOrder()).toList()) {
                Files.delete(path);
            }
        }
    }

    @Benchmark
    public long lookupInOrder() throws IOException {
        long offset = next++ % PER_QUEUE;
        index.lookup(1 + (int) (next / PER_QUEUE % QUEUES), offset, entry);
        return entry.position();
    }

    @Benchmark
    public long lookupAnywhere() throws IOException {
        index.lookup(1 + random.nextInt(QUEUES), random.nextInt(PER_QUEUE), entry);
        return entry.position();
    }

    @Benchmark
    public void putInOrder() throws IOException {
        long offset = next++ % PER_QUEUE;
        index.put(1 + (int) (next / PER_QUEUE % QUEUES), offset, offset * 400, 0, 376, 0);
    }
}
