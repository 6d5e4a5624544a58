package io.forebay.storage.log;

import io.forebay.storage.io.StorageDirectory;
import java.io.IOException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/**
 * Hands out the records of a stripe's log in the order in which they lie, each one once: of a running log up to what was
 * written when the walk began, while the writer goes on, or of a stopped one or a copy of its directory
 * ({@link #walk(StorageDirectory, Span, Sink)}). What cleaning has moved forward comes at its new place, and only if it is
 * not stored at its first place any more; the walk goes to the log's end for it, also when its span ends before.
 *
 * <p>A walk blocks and reads cold, with read-ahead: it is for a thread that may wait. While it runs no segment that it may
 * come to is removed, so it should not be left standing. One walker for each thread.
 */
public final class LogWalker {
    private final StripeLog log;
    private final SegmentStore segments;

    LogWalker(StripeLog log, SegmentStore segments) {
        this.log = log;
        this.segments = segments;
    }

    /** Takes records. */
    public interface Sink {
        /**
         * Takes one record.
         *
         * @param record valid during the call
         * @return whether it wants more
         */
        boolean record(RecordView record) throws IOException;
    }

    /**
     * Which records are wanted. All bounds are inclusive.
     *
     * @param fromMillis log time
     * @param isDurableOnly whether what is only written is left out; of a stopped log everything that is found counts
     */
    public record Span(long fromSequence, long toSequence, long fromMillis, long toMillis, boolean isDurableOnly) {
        private static final Span EVERYTHING = new Span(0, Long.MAX_VALUE, Long.MIN_VALUE, Long.MAX_VALUE, false);

        public static Span everything() {
            return EVERYTHING;
        }

        public static Span ofSequences(long fromSequence, long toSequence) {
            return new Span(fromSequence, toSequence, Long.MIN_VALUE, Long.MAX_VALUE, false);
        }

        /** Of log time, in milliseconds since 1970. */
        public static Span ofTime(long fromMillis, long toMillis) {
            return new Span(0, Long.MAX_VALUE, fromMillis, toMillis, false);
        }

        public Span durableOnly() {
            return new Span(fromSequence, toSequence, fromMillis, toMillis, true);
        }

        boolean holds(long sequence, long millis) {
            return sequence >= fromSequence && sequence <= toSequence && millis >= fromMillis && millis <= toMillis;
        }

        boolean endsBefore(long sequence, long millis) {
            return sequence > toSequence || millis > toMillis;
        }
    }

    /**
     * What a walk has done.
     *
     * @param frames read, wanted or not
     * @param records handed out
     * @param bytes of the frames read
     * @param isStopped whether the sink had enough
     * @param isComplete whether everything wanted was looked at; not if the stripe began to rewrite or was closed
     *     meanwhile: then the walk may be tried again
     * @param problems bad places that were passed over, with file, position and reason; what lay there is missing
     */
    public record Result(
            long frames, long records, long bytes, boolean isStopped, boolean isComplete, List<String> problems) {}

    /**
     * Walks through a running log.
     *
     * @throws IOException what the sink threw; what the disk does wrong becomes a problem
     */
    public Result walk(Span span, Sink sink) throws IOException {
        Pass pass = new Pass(span, sink);
        List<Segment> leased = leaseAll();
        try {
            long generation = log.generation();
            long end = leased.isEmpty() ? 0 : leased.get(leased.size() - 1).end();
            end = Math.min(end, span.isDurableOnly ? log.durablePosition() : log.readableEnd());
            boolean isWhole = true;
            for (int index = start(leased, span); index < leased.size() && !pass.isStopped && isWhole; index++) {
                Segment segment = leased.get(index);
                if (!pass.isBehindSpan || segment.holdsMoved()) {
                    isWhole = walk(segment, Math.min(segment.end(), end), generation, pass);
                }
            }
            return pass.result(isWhole);
        } finally {
            leased.forEach(Segment::release);
        }
    }

    /**
     * Walks through a stopped stripe in its directory, or a copy of it. The whole log is read, whatever the span.
     *
     * @throws StripeException if it is of a newer format
     */
    public static Result walk(StorageDirectory directory, Span span, Sink sink) throws IOException {
        Pass pass = new Pass(span, sink);
        List<String> problems = LogVerifier.frames(directory, (found, bytes, at, position) -> {
            pass.frame(bytes, at);
            return !pass.isStopped;
        });
        pass.problems.addAll(problems);
        return pass.result(true);
    }

    /**
     * The sequence of the first record of at least that log time among those still stored where they were written first,
     * found by halving; one behind the last record if there is none. Blocks for a few reads and a pass over one segment.
     */
    public long firstSequenceAt(long logTimeMillis) throws IOException {
        long[] found = {log.writtenSequence() + 1};
        walk(Span.ofTime(logTimeMillis, Long.MAX_VALUE), record -> {
            if (record.isMoved()) {
                return true;
            }
            found[0] = record.sequence();
            return false;
        });
        return found[0];
    }

    /** All live segments in order. */
    private List<Segment> leaseAll() {
        while (true) {
            List<Segment> leased = new ArrayList<>();
            boolean isWhole = true;
            for (Segment segment : segments.live()) {
                isWhole = segment.lease();
                if (!isWhole) {
                    break;
                }
                leased.add(segment);
            }
            if (isWhole || log.phase() == Phase.CLOSED) {
                return leased;
            }
            // It went since the list was read: what was moved out of it may lie in a segment that is not in the list.
            leased.forEach(Segment::release);
        }
    }

    /** Index of the segment in which the span begins. */
    private int start(List<Segment> leased, Span span) {
        int low = 0;
        int high = leased.size() - 1;
        FrameWindow window = new FrameWindow();
        while (low < high) {
            int middle = (low + high + 1) >>> 1;
            Segment segment = leased.get(middle);
            long millis = span.fromMillis == Long.MIN_VALUE ? span.fromMillis : firstMillis(segment, window);
            // Frames of one instant may lie on both sides of a segment's beginning.
            boolean isBefore = segment.firstSequence() <= span.fromSequence
                    || (span.fromSequence == 0 && millis < span.fromMillis);
            if (isBefore) {
                low = middle;
            } else {
                high = middle - 1;
            }
        }
        return low;
    }

    /** Log time of a segment's first frame; one that cannot be read or is not there yet counts as late. */
    private static long firstMillis(Segment segment, FrameWindow window) {
        try {
            long room = segment.end() - segment.firstPosition();
            String problem = window.checkAlone(segment.file(), segment.base(), segment.firstPosition(), room);
            return problem == null ? FrameCodec.logTimeMillis(window.bytes(), window.at()) : Long.MAX_VALUE;
        } catch (IOException e) {
            return Long.MAX_VALUE;
        }
    }

    /** @return false if the walk cannot go on */
    private boolean walk(Segment segment, long end, long generation, Pass pass) throws IOException {
        FrameWindow window = pass.window;
        for (long at = segment.firstPosition(); at < end && !pass.isStopped; ) {
            if (pass.isBehindSpan && !segment.holdsMoved()) {
                return true;
            }
            String problem;
            try {
                problem = window.check(segment.file(), segment.base(), at, end - at);
            } catch (IOException e) {
                problem = e.getMessage();
                if (log.phase() == Phase.CLOSED) {
                    return false;
                }
                // What cannot be read is not searched for what could.
                pass.problem(segment, at, problem);
                return true;
            }
            if (problem == null) {
                int length = FrameCodec.length(window.bytes(), window.at());
                pass.frame(window.bytes(), window.at());
                at += length;
            } else if (log.generation() != generation) {
                return false;
            } else {
                pass.problem(segment, at, problem);
                at = window.nextFrame(segment.file(), segment.base(), at + 8, end);
            }
        }
        return true;
    }

    /** One walk's memory. */
    private static final class Pass {
        private final Span span;
        private final Sink sink;
        private final FrameWindow window = new FrameWindow();
        private final RecordView view = new RecordView();
        private final SequenceSet movedSeen = new SequenceSet();
        private final List<String> problems = new ArrayList<>();

        /** First and last sequences of the runs that were walked through at their first place. */
        private long[] runs = new long[16];

        private int runsEnd;
        private long frames;
        private long records;
        private long bytes;
        private boolean isStopped;
        /** From here on only moved records are wanted. */
        private boolean isBehindSpan;

        Pass(Span span, Sink sink) {
            this.span = span;
            this.sink = sink;
        }

        void problem(Segment segment, long position, String reason) {
            problems.add(segment + ", position " + position + ": " + reason);
        }

        Result result(boolean isComplete) {
            return new Result(frames, records, bytes, isStopped, isComplete, List.copyOf(problems));
        }

        void frame(byte[] source, int at) throws IOException {
            frames++;
            bytes += FrameCodec.length(source, at);
            boolean isMoved = FrameCodec.isMoved(source, at);
            int count = FrameCodec.recordCount(source, at);
            if (!isMoved) {
                long first = FrameCodec.firstSequence(source, at);
                walked(first, first + count - 1);
                isBehindSpan |= span.endsBefore(first, FrameCodec.logTimeMillis(source, at));
                if (isBehindSpan) {
                    return;
                }
            }
            int recordAt = at + FrameCodec.HEADER_BYTES;
            for (int ordinal = 0; ordinal < count && !isStopped; ordinal++) {
                view.wrap(source, at, recordAt, ordinal);
                recordAt += view.lengthBytes();
                boolean isWanted = span.holds(view.sequence(), view.logTimeMillis());
                if (isWanted && (!isMoved || isNew(view.sequence()))) {
                    records++;
                    isStopped = !sink.record(view);
                }
            }
        }

        private void walked(long first, long last) {
            if (runsEnd > 0 && runs[runsEnd - 1] == first - 1) {
                runs[runsEnd - 1] = last;
                return;
            }
            if (runsEnd == runs.length) {
                runs = Arrays.copyOf(runs, runsEnd * 2);
            }
            runs[runsEnd++] = first;
            runs[runsEnd++] = last;
        }

        /** Whether a moved record was not met before, neither at its first place nor at a later one. */
        private boolean isNew(long sequence) {
            int at = Arrays.binarySearch(runs, 0, runsEnd, sequence);
            boolean isInRun = at >= 0 || (-at - 1) % 2 == 1;
            return !isInRun && movedSeen.add(sequence);
        }
    }

    /** Sequences, unordered: open addressing, at most half full. */
    private static final class SequenceSet {
        private long[] places = new long[64];
        private int count;

        /** @return whether it was not in the set; sequences begin at 1 */
        boolean add(long sequence) {
            if (count * 2 >= places.length) {
                long[] old = places;
                places = new long[old.length * 2];
                count = 0;
                for (long one : old) {
                    if (one != 0) {
                        add(one);
                    }
                }
            }
            int mask = places.length - 1;
            int place = (int) ((sequence * 0x9E37_79B9_7F4A_7C15L) >>> 32) & mask;
            while (places[place] != 0) {
                if (places[place] == sequence) {
                    return false;
                }
                place = (place + 1) & mask;
            }
            places[place] = sequence;
            count++;
            return true;
        }
    }
}
