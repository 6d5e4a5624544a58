package io.forebay.storage.log;

import java.util.List;

/**
 * What was appended since the last range was taken. It holds the encoded frames until it is let go, so that they can be
 * written again. Immutable.
 *
 * @param fromPosition address of its first frame
 * @param toPosition address behind its last frame; the range may cross segments
 * @param toSequence its last sequence
 * @param bytes sum of the frames' lengths
 * @param retainedBytes memory the frames hold
 * @param generation which rewrite it belongs to: one older than the log's is void
 * @param frames in order of sequence
 */
public record FlushRange(
        long fromPosition,
        long toPosition,
        long toSequence,
        long bytes,
        long retainedBytes,
        long generation,
        List<Frame> frames) {}
