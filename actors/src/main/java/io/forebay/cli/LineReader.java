package io.forebay.cli;

import java.io.IOException;
import java.io.InputStream;
import java.util.Arrays;

/**
 * Cuts a stream of bytes into lines at {@code \n} and at nothing else: a {@code \r} is content, an empty line is an empty
 * line, and a last line without a newline counts. Holds one line and one buffer, whatever the size of the stream. Not
 * thread-safe.
 */
final class LineReader {
    private static final int BUFFER_BYTES = 64 * 1024;

    private final InputStream source;
    private final int lineBytesMax;
    private final byte[] buffer = new byte[BUFFER_BYTES];
    private int from;
    private int to;
    private long lineCount;

    /** @param lineBytesMax the longest line that is taken, without its newline */
    LineReader(InputStream source, int lineBytesMax) {
        this.source = source;
        this.lineBytesMax = lineBytesMax;
    }

    /**
     * The next line without its newline, or null at the end of the stream.
     *
     * @throws TooLongException when the line is longer than allowed; how long it is is not found out
     */
    byte[] next() throws IOException {
        byte[] start = null;
        while (true) {
            if (from == to && !fill()) {
                if (start != null) {
                    lineCount++;
                }
                return start;
            }
            int end = from;
            while (end < to && buffer[end] != '\n') {
                end++;
            }
            int startBytes = start == null ? 0 : start.length;
            if (end - from > lineBytesMax - startBytes) {
                throw new TooLongException(lineCount + 1, lineBytesMax);
            }
            byte[] line = start == null ? new byte[end - from] : Arrays.copyOf(start, startBytes + end - from);
            System.arraycopy(buffer, from, line, startBytes, end - from);
            from = end;
            if (end < to) {
                from++;
                lineCount++;
                return line;
            }
            start = line;
        }
    }

    /** Number of lines returned so far, so also the 1-based number of the last one. */
    long lineCount() {
        return lineCount;
    }

    private boolean fill() throws IOException {
        int count = source.read(buffer, 0, buffer.length);
        from = 0;
        to = Math.max(count, 0);
        return count > 0;
    }

    /** A line is longer than what is taken. */
    static final class TooLongException extends IOException {
        private static final long serialVersionUID = 1L;

        private final long lineNumber;

        TooLongException(long lineNumber, int lineBytesMax) {
            super("line " + lineNumber + " is longer than " + lineBytesMax + " bytes");
            this.lineNumber = lineNumber;
        }

        long lineNumber() {
            return lineNumber;
        }
    }
}
