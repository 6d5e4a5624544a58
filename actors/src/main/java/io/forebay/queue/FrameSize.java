package io.forebay.queue;

import io.forebay.storage.log.LogRecord;

/** How many bytes a frame will take, known before it is built: what has to be reserved. */
public final class FrameSize {
    /** A frame's header, and what its length is rounded up by. */
    static final int FRAME_BYTES = 56 + 8;
    /** Most records of one frame. */
    static final int RECORD_COUNT_MAX = 65_000;

    private static final int RECORD_HEADER_BYTES = 24;
    private static final int SMALL_RECORD_BYTES = 64;

    private FrameSize() {}

    /** At most the bytes of a frame that holds this record and a small one beside it. */
    public static long ofFrameWith(LogRecord record) {
        return FRAME_BYTES + ofRecord(record) + SMALL_RECORD_BYTES;
    }

    /** Bytes of a record with its header and padding. */
    public static long ofRecord(LogRecord record) {
        return (RECORD_HEADER_BYTES + (long) record.bodyBytes() + 7) & ~7L;
    }
}
