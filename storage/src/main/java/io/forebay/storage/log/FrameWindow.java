package io.forebay.storage.log;

import io.forebay.storage.io.StorageFile;
import java.io.IOException;
import java.util.zip.CRC32C;

/** A stretch of a segment's bytes in memory, read cold and ahead; moves along with who scans. Confined to one thread. */
final class FrameWindow {
    private static final int READ_AHEAD_BYTES = 1 << 20;

    private static final int SEARCH_BYTES = 64 * 1024;

    private final int readAheadBytes;

    private final CRC32C crc = new CRC32C();
    private byte[] buffer = new byte[0];
    private StorageFile file;
    private long from;
    private long to;

    FrameWindow() {
        this(READ_AHEAD_BYTES);
    }

    /** One that reads so much at a time. */
    FrameWindow(int readAheadBytes) {
        this.readAheadBytes = readAheadBytes;
    }

    byte[] bytes() {
        return buffer;
    }

    /** Where in {@link #bytes()} that byte of the file is, with at least so many behind it. */
    int load(StorageFile source, long at, int length) throws IOException {
        if (source != file || at < from || at + length > to) {
            int wanted = (int) Math.max(length, Math.min(readAheadBytes, source.sizeBytes() - at));
            if (wanted > buffer.length) {
                buffer = new byte[wanted];
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

    /** The same without reading ahead: for single frames here and there. */
    String checkAlone(StorageFile source, long base, long position, long roomBytes) throws IOException {
        if (roomBytes < FrameCodec.HEADER_BYTES) {
            return FULL;
        }
        at = 0;
        loadAlone(source, position - base, FrameCodec.HEADER_BYTES);
        String problem = FrameCodec.headerProblem(buffer, 0, position, roomBytes);
        if (problem == null) {
            loadAlone(source, position - base, FrameCodec.length(buffer, 0));
            problem = FrameCodec.problem(buffer, 0, crc);
        }
        return problem;
    }

    private void loadAlone(StorageFile source, long from, int length) throws IOException {
        file = null;
        if (length > buffer.length) {
            buffer = new byte[length];
        }
        source.readCold(from, buffer, 0, length);
    }

    /** The next address where a frame that lies in its place might begin, or the limit. */
    long nextCandidate(StorageFile source, long base, long fromPosition, long limit) throws IOException {
        for (long next = fromPosition; next + FrameCodec.HEADER_BYTES <= limit; ) {
            int count = (int) Math.min(SEARCH_BYTES, limit - next);
            int start = load(source, next - base, count);
            for (int done = 0; done + FrameCodec.HEADER_BYTES <= count; done += 8) {
                if (FrameCodec.position(buffer, start + done) == next + done) {
                    return next + done;
                }
            }
            next += count - (FrameCodec.HEADER_BYTES - 8);
        }
        return limit;
    }

    /** The first sound frame that lies in its place, or the limit. */
    long nextFrame(StorageFile source, long base, long fromPosition, long limit) throws IOException {
        long next = fromPosition;
        while (next < limit && check(source, base, next, limit - next) != null) {
            next = nextCandidate(source, base, next + 8, limit);
        }
        return Math.min(next, limit);
    }

    /** {@link #check} where no frame fits any more. */
    static final String FULL = "no frame fits into what is left";

    private int at;

    int at() {
        return at;
    }
}
