package io.forebay.storage.log;

import io.forebay.storage.io.StorageFile;
import java.io.IOException;
import java.util.zip.CRC32C;

/** A stretch of a segment's bytes in memory, read cold and ahead; moves along with who scans. Confined to one thread. */
final class FrameWindow {
    private static final int READ_AHEAD_BYTES = 1 << 20;

    private final CRC32C crc = new CRC32C();
    private byte[] buffer = new byte[READ_AHEAD_BYTES];
    private StorageFile file;
    private long from;
    private long to;

    byte[] bytes() {
        return buffer;
    }

    /** Where in {@link #bytes()} that byte of the file is, with at least so many behind it. */
    int load(StorageFile source, long at, int length) throws IOException {
        if (source != file || at < from || at + length > to) {
            if (length > buffer.length) {
                buffer = new byte[Math.max(length, Math.min(buffer.length * 2, 1 << 30))];
            }
            file = null;
            int count = (int) Math.min(buffer.length, source.sizeBytes() - at);
            source.readCold(at, buffer, 0, count);
            file = source;
            from = at;
            to = at + count;
        }
        return (int) (at - from);
    }

    /**
     * Loads the frame at an address and checks it.
     *
     * @param roomBytes up to where it may reach from there; at most to the end of the file
     * @return null if it is sound and {@link #at()} says where, else what is wrong
     */
    String check(StorageFile source, long base, long position, long roomBytes) throws IOException {
        if (roomBytes < FrameCodec.HEADER_BYTES) {
            return FULL;
        }
        at = load(source, position - base, FrameCodec.HEADER_BYTES);
        String problem = FrameCodec.headerProblem(buffer, at, position, roomBytes);
        if (problem == null) {
            at = load(source, position - base, FrameCodec.length(buffer, at));
            problem = FrameCodec.problem(buffer, at, crc);
        }
        return problem;
    }

    /** {@link #check} where no frame fits any more. */
    static final String FULL = "no frame fits into what is left";

    private int at;

    int at() {
        return at;
    }
}
