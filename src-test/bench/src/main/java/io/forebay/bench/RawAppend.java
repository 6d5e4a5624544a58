package io.forebay.bench;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.MappedByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.channels.FileChannel.MapMode;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.LinkedHashMap;
import java.util.Locale;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import java.util.zip.CRC32C;
import org.HdrHistogram.Histogram;

/**
 * What the machine gives at most: one thread appends records with a header and a CRC-32C to a file that was written before,
 * and does nothing else. The file is used over and over, as recycled segments are. Confined to its thread.
 */
final class RawAppend implements AutoCloseable {
    /** How records get into the file, and how they are forced. */
    enum Way {
        /** Stored through the map, and left to the operating system. */
        MAPPED("mapped append, not forced"),
        /** Stored through the map, and forced after so many. */
        MAPPED_FORCED("mapped append, forced"),
        /** Collected, written with a call, and forced, after so many. */
        CALLED_FORCED("write and force");

        final String text;

        Way(String text) {
            this.text = text;
        }
    }

    /**
     * @param perSecond records
     * @param forceMicros of each force; empty if there was none
     */
    record Outcome(double perSecond, Histogram forceMicros) {
        Map<String, String> values() {
            Map<String, String> values = new LinkedHashMap<>();
            values.put("perSecond", String.format(Locale.ROOT, "%.0f", perSecond));
            if (forceMicros.getTotalCount() > 0) {
                values.put("forceP50Micros", Long.toString(forceMicros.getValueAtPercentile(50)));
                values.put("forceP99Micros", Long.toString(forceMicros.getValueAtPercentile(99)));
            }
            return values;
        }
    }

    private static final int HEADER_BYTES = 56 + 24;
    private static final int FILE_BYTES = 128 << 20;
    private static final int LOOK_EVERY = 1024;
    private static final int LARGE_BYTES = 16 << 10;

    private final Path file;
    private final FileChannel channel;
    private final MappedByteBuffer map;
    private final int forcedCount;
    private final byte[] record;
    private final ByteBuffer header;
    private final CRC32C crc = new CRC32C();
    private int position;
    private long count;

    /** @param forcedCount records of a force */
    RawAppend(Path directory, int bodyBytes, int forcedCount) throws IOException {
        this.forcedCount = forcedCount;
        file = Files.createDirectories(directory).resolve("raw-append");
        channel = FileChannel.open(file, StandardOpenOption.CREATE, StandardOpenOption.READ, StandardOpenOption.WRITE);
        ByteBuffer zeros = ByteBuffer.allocateDirect(1 << 20);
        for (long at = 0; at < FILE_BYTES; at += zeros.capacity()) {
            channel.write(zeros.clear(), at);
        }
        channel.force(true);
        map = channel.map(MapMode.READ_WRITE, 0, FILE_BYTES);
        record = new byte[HEADER_BYTES + bodyBytes];
        for (int i = HEADER_BYTES; i < record.length; i++) {
            record[i] = (byte) (i * 31 + 7);
        }
        header = ByteBuffer.wrap(record);
    }

    /** @param warmUpSeconds the same before it, not measured */
    Outcome run(Way way, int warmUpSeconds, int seconds) throws IOException {
        append(way, warmUpSeconds);
        return append(way, seconds);
    }

    private Outcome append(Way way, int seconds) throws IOException {
        Histogram forceMicros = new Histogram(3);
        ByteBuffer batch = ByteBuffer.allocateDirect(forcedCount * aligned());
        long start = System.nanoTime();
        long end = start + TimeUnit.SECONDS.toNanos(seconds);
        long first = count;
        int batchStart = position;
        long now = start;
        while (now < end) {
            next();
            if (position + aligned() > FILE_BYTES) {
                if (way == Way.MAPPED_FORCED) {
                    int from = from(batchStart);
                    force(forceMicros, () -> map.force(from, position - from));
                }
                position = 0;
                batchStart = 0;
            }
            if (way == Way.CALLED_FORCED) {
                batch.put(record).position(batch.position() + aligned() - record.length);
            } else {
                map.put(position, record);
            }
            position += aligned();
            count++;
            if (way == Way.MAPPED_FORCED && count % forcedCount == 0) {
                int from = from(batchStart);
                force(forceMicros, () -> map.force(from, position - from));
                batchStart = position;
            } else if (way == Way.CALLED_FORCED && batch.remaining() < aligned()) {
                int at = Math.max(0, position - batch.position());
                channel.write(batch.flip(), at);
                batch.clear();
                force(forceMicros, () -> channel.force(false));
            }
            if (record.length > LARGE_BYTES || count % LOOK_EVERY == 0) {
                now = System.nanoTime();
            }
        }
        return new Outcome((count - first) * 1e9 / (now - start), forceMicros);
    }

    private interface Force {
        void run() throws IOException;
    }

    private static void force(Histogram micros, Force force) throws IOException {
        long begin = System.nanoTime();
        force.run();
        micros.recordValue((System.nanoTime() - begin) / 1000);
    }

    /** A whole page: what lies before is forced with it. */
    private static int from(int position) {
        return position & -4096;
    }

    private int aligned() {
        return record.length + 7 & -8;
    }

    private void next() {
        header.putLong(16, count);
        header.putLong(HEADER_BYTES, count);
        crc.reset();
        crc.update(record, 4, record.length - 4);
        header.putInt(0, (int) crc.getValue());
    }

    @Override
    public void close() throws IOException {
        channel.close();
        Files.deleteIfExists(file);
    }
}
