package io.forebay.bench;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.MappedByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.channels.FileChannel.MapMode;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.zip.CRC32C;

/**
 * What the machine gives at most: one thread appends frames of one message each to a mapped file that was written before,
 * with a header and a CRC-32C, and does nothing else. The file is used over and over, as recycled segments are.
 */
final class MappedAppend {
    private static final int HEADER_BYTES = 56 + 24;
    private static final int FILE_BYTES = 128 << 20;

    private MappedAppend() {}

    /** Messages per second. */
    static double run(Path directory, int bodyBytes, long count) throws IOException {
        Path file = Files.createDirectories(directory).resolve("mapped-append");
        try (FileChannel channel =
                FileChannel.open(file, StandardOpenOption.CREATE, StandardOpenOption.READ, StandardOpenOption.WRITE)) {
            ByteBuffer zeros = ByteBuffer.allocateDirect(1 << 20);
            for (long at = 0; at < FILE_BYTES; at += zeros.capacity()) {
                channel.write(zeros.clear(), at);
            }
            MappedByteBuffer map = channel.map(MapMode.READ_WRITE, 0, FILE_BYTES);
            Payload payload = new Payload(bodyBytes, 1);
            byte[] frame = new byte[HEADER_BYTES + bodyBytes];
            byte[] body = payload.body(0);
            append(map, frame, body, count / 4); // warm up
            long start = System.nanoTime();
            append(map, frame, body, count);
            return count * 1e9 / (System.nanoTime() - start);
        } finally {
            Files.deleteIfExists(file);
        }
    }

    private static void append(MappedByteBuffer map, byte[] frame, byte[] body, long count) {
        CRC32C crc = new CRC32C();
        ByteBuffer header = ByteBuffer.wrap(frame);
        int at = 0;
        for (long i = 0; i < count; i++) {
            System.arraycopy(body, 0, frame, HEADER_BYTES, body.length);
            header.putLong(16, i);
            header.putLong(HEADER_BYTES, i);
            crc.reset();
            crc.update(frame, 4, frame.length - 4);
            header.putInt(0, (int) crc.getValue());
            if (at + frame.length > FILE_BYTES) {
                at = 0;
            }
            map.put(at, frame);
            at += frame.length + 7 & -8;
        }
    }
}
