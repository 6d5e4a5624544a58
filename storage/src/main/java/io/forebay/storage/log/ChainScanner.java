package io.forebay.storage.log;

import io.forebay.storage.log.LogFiles.Found;
import java.io.IOException;
import java.util.ArrayList;
import java.util.List;

/**
 * Reads the frames of a stopped log in order, along the chain of segments, and tells its tail from damage: rules 1 to 3 of
 * {@code docs/on-disk-format.md}. Changes nothing. Confined to one thread.
 */
final class ChainScanner {
    /** Takes sound frames in order. */
    interface Visitor {
        /**
         * @param bytes with the frame at {@code at}; only until the call returns
         * @param position the frame's address
         */
        void frame(Found segment, byte[] bytes, int at, long position) throws IOException;
    }

    /**
     * A place where something durable is missing.
     *
     * @param missingFrom the first missing sequence
     * @param resumedAt the first sequence behind the hole, -1 if nothing sound was found behind it
     */
    record Hole(String file, long position, String reason, long missingFrom, long resumedAt) {
        boolean isOpen() {
            return resumedAt < 0;
        }
    }

    private final LogFiles files;
    private final FrameWindow window;
    private final List<Hole> holes = new ArrayList<>();
    private long durable;
    /** Where the search for what is durable began, -1 before there was one. */
    private long searchedFrom = -1;

    private long framesBehind;
    private long bytesBehind;
    private RecoveryReport.CutOff cutOff;
    private long epoch;
    private Found segment;
    private long position;
    private long sequence;
    private String endReason = "";
    private Found refused;

    /** @param statedDurable the highest durable position that slots and headers state */
    ChainScanner(LogFiles files, long statedDurable) {
        this(files, statedDurable, new FrameWindow());
    }

    /** The same through a window that may hold some of the bytes already. */
    ChainScanner(LogFiles files, long statedDurable, FrameWindow window) {
        this.files = files;
        this.durable = statedDurable;
        this.window = window;
    }

    /** The highest durable position that anything read so far states. */
    long durable() {
        return durable;
    }

    List<Hole> holes() {
        return holes;
    }

    /** The highest epoch of the log so far. */
    long epoch() {
        return epoch;
    }

    /** Where the scan stopped: the segment, and the address behind the last frame. */
    Found endSegment() {
        return segment;
    }

    long endPosition() {
        return position;
    }

    /** The sequence behind the last one read. */
    long nextSequence() {
        return sequence;
    }

    String endReason() {
        return endReason;
    }

    /** What the log's end cuts off; null if there is nothing. */
    RecoveryReport.CutOff cutOff() {
        return cutOff;
    }

    /** The segment that names the last one as its predecessor and does not fit behind it; null if that is not why it ends. */
    Found refused() {
        return refused;
    }

    /**
     * Reads from a frame on to the log's end, or up to an address.
     *
     * @param from the segment that holds the start
     * @param startPosition address of the first frame, or the end of that segment
     * @param startSequence its first sequence
     * @param stopPosition where to stop at the latest
     */
    void scan(Found from, long startPosition, long startSequence, long stopPosition, Visitor visitor)
            throws IOException {
        segment = from;
        position = startPosition;
        sequence = startSequence;
        epoch = Math.max(epoch, from.header == null ? 0 : from.header.epoch());
        while (position < stopPosition) {
            Found next = files.successor(segment);
            long end = next == null ? segment.limit() : next.header.predecessorEnd();
            if (next != null && position == end) {
                if (!enter(next)) {
                    return;
                }
                continue;
            }
            long limit = Math.min(Math.min(end, segment.limit()), stopPosition);
            String problem = problemHere(limit);
            if (problem == null) {
                take(visitor);
                continue;
            }
            if (next != null && problem.equals(FrameWindow.FULL)) {
                problem = "the frames end here, the header of " + next.name + " says they end at " + end;
            }
            if (!isDamage(problem, next)) {
                endReason = problem;
                noteCutOff(problem, limit);
                return;
            }
            if (!skip(problem, next, limit)) {
                endReason = "damage: " + problem;
                return;
            }
        }
        endReason = "read up to the address asked for";
    }

    private void take(Visitor visitor) throws IOException {
        byte[] bytes = window.bytes();
        int at = window.at();
        int length = FrameCodec.length(bytes, at);
        epoch = FrameCodec.epoch(bytes, at);
        durable = Math.max(durable, FrameCodec.durablePosition(bytes, at));
        if (!FrameCodec.isMoved(bytes, at)) {
            sequence = FrameCodec.firstSequence(bytes, at) + FrameCodec.recordCount(bytes, at);
        }
        visitor.frame(segment, bytes, at, position);
        position += length;
    }

    /** What is wrong with the frame at the current place, or null. */
    private String problemHere(long end) throws IOException {
        String problem = window.check(segment.file, segment.base, position, end - position);
        if (problem != null) {
            return problem;
        }
        byte[] bytes = window.bytes();
        int at = window.at();
        if (FrameCodec.epoch(bytes, at) < epoch) {
            return "a frame of epoch " + FrameCodec.epoch(bytes, at) + " lies behind epoch " + epoch;
        }
        if (FrameCodec.firstSequence(bytes, at) != sequence) {
            return "the frame begins with sequence " + FrameCodec.firstSequence(bytes, at) + ", expected was "
                    + sequence;
        }
        return null;
    }

    private boolean enter(Found next) throws IOException {
        String problem = null;
        if (next.header.epoch() < epoch) {
            problem = "the header has epoch " + next.header.epoch() + ", the log before it " + epoch;
        } else if (next.header.firstSequence() != sequence) {
            problem = "the header says it begins with sequence " + next.header.firstSequence() + ", expected was "
                    + sequence;
        }
        if (problem == null) {
            segment = next;
            position = next.firstPosition();
            epoch = next.header.epoch();
            return true;
        }
        refused = next;
        endReason = next.name + ": " + problem;
        if (statedBeyond() >= next.firstPosition()) {
            holes.add(new Hole(next.name, next.firstPosition(), problem, sequence, -1));
        }
        return false;
    }

    /** Whether the bad place was durable. */
    private boolean isDamage(String problem, Found next) throws IOException {
        // A file does not get shorter by a crash: what is missing of it was there.
        boolean isCutShort =
                next == null && segment.isCutShort() && position + FrameCodec.HEADER_BYTES > segment.limit();
        return isCutShort || statedBeyond() > position;
    }

    /**
     * At the log's end: what lies there was begun, or what lies behind was written by this log. A frame of which not even the header
     * can be made out, and nothing behind it, is no different from what an earlier use of the file has left.
     */
    private void noteCutOff(String problem, long limit) throws IOException {
        if (searchedFrom != position) {
            search();
        }
        long begun = 0;
        if (position + FrameCodec.HEADER_BYTES <= limit) {
            int at = window.load(segment.file, position - segment.base, FrameCodec.HEADER_BYTES);
            boolean isBegun = FrameCodec.headerProblem(window.bytes(), at, position, limit - position) == null;
            begun = isBegun ? FrameCodec.length(window.bytes(), at) : 0;
        }
        if (begun > 0 || framesBehind > 0) {
            cutOff = new RecoveryReport.CutOff(segment.name, position, problem, framesBehind, begun + bytesBehind);
        }
    }

    private long statedBeyond() throws IOException {
        if (searchedFrom < 0) {
            search();
        }
        return durable;
    }

    /** Searches on, to the end of this segment and in all later ones, for anything that says what is durable. */
    private void search() throws IOException {
        searchedFrom = position;
        framesBehind = 0;
        bytesBehind = 0;
        search(segment, position);
        for (Found later : files.above(segment.base)) {
            search(later, later.firstPosition());
        }
    }

    private void search(Found found, long from) throws IOException {
        FrameWindow search = new FrameWindow();
        long limit = found.base + found.file.sizeBytes();
        for (long at = from; at + FrameCodec.HEADER_BYTES <= limit; ) {
            if (search.check(found.file, found.base, at, limit - at) == null) {
                byte[] bytes = search.bytes();
                int length = FrameCodec.length(bytes, search.at());
                durable = Math.max(durable, FrameCodec.durablePosition(bytes, search.at()));
                boolean isBehind = FrameCodec.epoch(bytes, search.at()) >= epoch
                        && FrameCodec.firstSequence(bytes, search.at()) >= sequence;
                framesBehind += isBehind ? 1 : 0;
                bytesBehind += isBehind ? length : 0;
                at += length;
            } else {
                at = search.nextCandidate(found.file, found.base, at + 8, limit);
            }
        }
    }

    /** Goes on behind damage. False if nothing sound is found behind it. */
    private boolean skip(String reason, Found next, long end) throws IOException {
        long bad = position;
        for (long at = window.nextCandidate(segment.file, segment.base, position + 8, end);
                at + FrameCodec.HEADER_BYTES <= end;
                at = window.nextCandidate(segment.file, segment.base, at + 8, end)) {
            if (window.check(segment.file, segment.base, at, end - at) == null) {
                byte[] bytes = window.bytes();
                long found = FrameCodec.firstSequence(bytes, window.at());
                if (found >= sequence && FrameCodec.epoch(bytes, window.at()) >= epoch) {
                    holes.add(new Hole(segment.name, bad, reason, sequence, found));
                    position = at;
                    sequence = found;
                    return true;
                }
            }
        }
        if (next != null && next.header.firstSequence() >= sequence) {
            holes.add(new Hole(segment.name, bad, reason, sequence, next.header.firstSequence()));
            position = next.header.predecessorEnd();
            sequence = next.header.firstSequence();
            return true;
        }
        holes.add(new Hole(segment.name, bad, reason, sequence, -1));
        return false;
    }
}
