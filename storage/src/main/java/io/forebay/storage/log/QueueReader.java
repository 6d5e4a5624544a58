package io.forebay.storage.log;

import io.forebay.storage.index.IndexEntry;
import io.forebay.storage.index.QueueIndex;
import io.forebay.storage.io.LittleEndian;
import io.forebay.storage.io.StorageFile;
import java.io.IOException;
import java.util.zip.CRC32C;

/**
 * Reads the messages of one queue by offset. Each record is checked before it is handed out: the frame's checksum and
 * place, the record's queue and offset. A run of messages in one frame is verified once. What is found bad is read once
 * more before it is called so; what the device does not give is told apart, because that may pass. What the index has no sound
 * entry for is looked for in the log. Confined to one actor.
 */
public final class QueueReader {
    /** A buffer that a large frame made larger is not kept beyond the read. */
    private static final int KEPT_BYTES_MAX = 64 * 1024;

    private static final int COLD_READ_BYTES = 64 * 1024;
    private static final long NO_FRAME = -1;

    private final StripeLog log;
    private final QueueMarks queue;
    private final QueueIndex index;
    private final SegmentStore segments;
    private final IndexEntry entry = new IndexEntry();
    private final RecordView view = new RecordView();
    private final CRC32C crc = new CRC32C();
    private byte[] buffer = new byte[4096];

    /** What of a cold segment the buffer holds; cold segments do not change any more. */
    private long windowFrom;

    private long windowTo;

    /** The verified frame in the buffer. */
    private int frameAt;

    private long framePosition = NO_FRAME;
    private long frameGeneration;
    private int ordinal;
    private int recordAt;
    private QueueReader bodies;
    /** Whether it reads what entries of another queue name. */
    private boolean isOfBodies;

    private RecordView body;
    private boolean isBufferKept;

    QueueReader(StripeLog log, QueueMarks queue, QueueIndex index, SegmentStore segments) {
        this.log = log;
        this.queue = queue;
        this.index = index;
        this.segments = segments;
    }

    /** Takes messages in order of offset. */
    public interface Sink {
        /**
         * Takes one message.
         *
         * @param offset the message's number in its queue
         * @param message a {@link RecordType#MESSAGE} or {@link RecordType#ENTRY}, of a reserved queue what that holds; valid
         *     during the call
         * @param body of an entry the message it names, or null if that cannot be read any more; else of the record itself
         */
        void message(long offset, RecordView message, RecordView body) throws CorruptRecordException;
    }

    /** How a read ended. */
    public enum Status {
        /** Count or bytes reached, or nothing further is stored. */
        READ,
        /**
         * The stripe is rewriting what a failed force lost, or may be about to: ask again when it runs; or it is closed. Nothing is called
         * bad that is not durable.
         */
        NOT_READABLE,
        /**
         * The device, or the operating system, does not give the message at {@link Result#nextOffset()}, or what is needed to find
         * it. Nothing is known to be wrong with it: ask again.
         */
        FAILED,
        /** The message at {@link Result#nextOffset()} is damaged: name it, count it, never deliver it, never call it acked. */
        QUARANTINED,
        /** The message at {@link Result#nextOffset()} was released by all who could need it, and is not stored any more. */
        GONE
    }

    /**
     * What a read has done.
     *
     * @param status how it ended
     * @param count messages handed out
     * @param bytes length of their records
     * @param nextOffset the first offset not handed out
     * @param problem why, if it ended FAILED or QUARANTINED, else null
     */
    public record Result(Status status, int count, long bytes, long nextOffset, ReadProblem problem) {}

    public int queueId() {
        return queue.queueId();
    }

    /**
     * Hands out messages from an offset on, at least one if the first is readable, until count or bytes are reached or no
     * more is written. A message with which the sink has a {@link CorruptRecordException} is QUARANTINED.
     */
    public Result read(long fromOffset, int countMax, long bytesMax, Sink sink) {
        int count = 0;
        long bytes = 0;
        long offset = fromOffset;
        try {
            while (count < countMax && offset < queue.nextOffset()) {
                Found found = find(offset, count == 0 ? Long.MAX_VALUE : bytesMax - bytes);
                if (found == Found.TOO_LARGE) {
                    break;
                }
                if (found == Found.FOUND) {
                    found = findBody();
                }
                int length = found == Found.FOUND ? view.lengthBytes() : 0;
                if (found == Found.FOUND) {
                    found = handOut(offset, sink);
                }
                if (found != Found.FOUND) {
                    return result(found.status, count, bytes, offset);
                }
                count++;
                bytes += length;
                offset++;
            }
            return result(Status.READ, count, bytes, offset);
        } finally {
            if (!isBufferKept) {
                dropLargeBuffer();
            }
        }
    }

    /** A large buffer is kept beyond the reads to come: they are of messages in one frame, or near each other. */
    public void keepBuffer() {
        isBufferKept = true;
    }

    /** Ends what {@link #keepBuffer} has begun. */
    public void releaseBuffer() {
        isBufferKept = false;
        dropLargeBuffer();
    }

    private Found handOut(long offset, Sink sink) {
        try {
            sink.message(offset, view, body);
            return Found.FOUND;
        } catch (CorruptRecordException e) {
            return bad(QuarantinedRecord.Cause.BAD_FRAME, e.getMessage());
        }
    }

    private enum Found {
        FOUND(null),
        TOO_LARGE(null),
        /** Cleaning has taken it elsewhere since it was looked up. */
        MOVED(null),
        NOT_READABLE(Status.NOT_READABLE),
        FAILED(Status.FAILED),
        QUARANTINED(Status.QUARANTINED),
        GONE(Status.GONE);

        private final Status status;

        Found(Status status) {
            this.status = status;
        }
    }

    private ReadProblem problem;

    /** Where the message that is looked for lies, as far as that is known; the segment only with the position. */
    private long triedPosition = NO_FRAME;

    private Segment triedSegment;

    private Result result(Status status, int count, long bytes, long nextOffset) {
        boolean isBad = status == Status.QUARANTINED || status == Status.FAILED;
        return new Result(status, count, bytes, nextOffset, isBad ? problem : null);
    }

    private Found bad(QuarantinedRecord.Cause cause, String reason) {
        boolean isSegmentKnown = triedPosition != NO_FRAME && triedSegment != null;
        problem = new ReadProblem(
                cause, isSegmentKnown ? triedSegment.toString() : "", triedPosition, String.valueOf(reason));
        return cause == QuarantinedRecord.Cause.READ_ERROR ? Found.FAILED : Found.QUARANTINED;
    }

    /** Points the view at the message with that offset. */
    private Found find(long offset, long bytesMax) {
        boolean isReadAgain = false;
        while (true) {
            // Read first: an index entry found later is at least as new, a failure in between shows as another number.
            long generation = log.generation();
            Found found;
            try {
                found = find(offset, bytesMax, generation);
            } catch (IOException | InternalError e) {
                // The latter is how a fault of a mapped page shows, sometimes later than where it happened.
                found = bad(QuarantinedRecord.Cause.READ_ERROR, "it cannot be read: " + e.getMessage());
            }
            boolean isBad = found == Found.QUARANTINED || found == Found.FAILED;
            if (isBad) {
                forgetFrame();
            }
            if (isBad && log.phase() == Phase.CLOSED) {
                // The message is sound for all that is known; its file was closed.
                return Found.NOT_READABLE;
            }
            if (found == Found.MOVED || generation != log.generation()) {
                framePosition = NO_FRAME;
            } else if (found == Found.QUARANTINED && !isReadAgain) {
                isReadAgain = true; // what came wrong once may come right
            } else if (found == Found.QUARANTINED && triedPosition >= log.durablePosition()) {
                // A force may have failed, and have cost it its page: then it is about to be written again elsewhere,
                // as soon as the writer has heard of that. Else it is durable soon, and still bad.
                return Found.NOT_READABLE;
            } else {
                return found;
            }
        }
    }

    private void forgetFrame() {
        framePosition = NO_FRAME;
        windowTo = 0;
    }

    private Found find(long offset, long bytesMax, long generation) throws IOException {
        triedPosition = NO_FRAME;
        if (!index.lookup(queueId(), offset, entry) && !isFoundAgain(offset)) {
            return queue.isReleased(offset)
                    ? Found.GONE
                    : bad(
                            QuarantinedRecord.Cause.MISSING_SEGMENT,
                            "neither the queue index nor a search of the log knows where it is");
        }
        long position = entry.position();
        triedPosition = position;
        if (!log.isReadable(position)) {
            return Found.NOT_READABLE;
        }
        if (entry.recordBytes() > bytesMax) {
            return Found.TOO_LARGE;
        }
        if (position != framePosition || generation != frameGeneration) {
            framePosition = NO_FRAME;
            Segment segment = segments.find(position);
            triedSegment = segment;
            if (segment == null || !segment.lease()) {
                boolean isElsewhere = index.lookup(queueId(), offset, entry) && entry.position() != position;
                if (isElsewhere) {
                    return Found.MOVED;
                }
                if (queue.isReleased(offset)) {
                    return Found.GONE;
                }
                return segment == null && new EntrySearch(log, queue, index, segments).replace(offset, position)
                        ? Found.MOVED
                        : bad(QuarantinedRecord.Cause.MISSING_SEGMENT, "no segment holds this position");
            }
            String loadProblem;
            try {
                loadProblem = load(segment, position);
            } finally {
                segment.release();
            }
            if (loadProblem != null) {
                return bad(QuarantinedRecord.Cause.BAD_FRAME, loadProblem);
            }
            framePosition = position;
            frameGeneration = generation;
            ordinal = 0;
            recordAt = frameAt + FrameCodec.HEADER_BYTES;
        }
        return select(offset);
    }

    /** Whether an entry that is damaged can be made out of the log. */
    private boolean isFoundAgain(long offset) throws IOException {
        // What was released may be named as somebody's body.
        boolean isWanted = isOfBodies || !queue.isReleased(offset);
        return isWanted
                && new EntrySearch(log, queue, index, segments).restore(offset)
                && index.lookup(queueId(), offset, entry);
    }

    /** Loads and verifies a whole frame. */
    private String load(Segment segment, long position) throws IOException {
        StorageFile file = segment.file();
        long at = position - segment.base();
        long room = Math.min(segment.end(), segment.limit()) - position;
        if (room < FrameCodec.HEADER_BYTES || at < SegmentHeader.PAGE_BYTES) {
            return "no frame of the log begins here";
        }
        boolean isHot = log.isHot(segment);
        if (isHot) {
            windowTo = 0;
            frameAt = 0;
            file.read(at, buffer, 0, FrameCodec.HEADER_BYTES);
        } else {
            loadCold(file, segment.base(), position, FrameCodec.HEADER_BYTES, room);
        }
        String headerProblem = FrameCodec.headerProblem(buffer, frameAt, position, room);
        if (headerProblem != null) {
            return headerProblem;
        }
        int length = FrameCodec.length(buffer, frameAt);
        if (isHot) {
            makeRoom(length);
            file.read(at + FrameCodec.HEADER_BYTES, buffer, FrameCodec.HEADER_BYTES, length - FrameCodec.HEADER_BYTES);
        } else {
            loadCold(file, segment.base(), position, length, room);
        }
        return FrameCodec.problem(buffer, frameAt, crc);
    }

    /** Reads ahead, so that the frames behind this one are there already. */
    private void loadCold(StorageFile file, long base, long position, int length, long room) throws IOException {
        if (position < windowFrom || position + length > windowTo) {
            windowTo = 0;
            int count = (int) Math.min(room, Math.max(length, COLD_READ_BYTES));
            makeRoom(count);
            try {
                file.readCold(position - base, buffer, 0, count);
            } catch (IOException e) {
                if (count == length) {
                    throw e;
                }
                // What lies behind it is no reason not to have this one.
                count = length;
                file.readCold(position - base, buffer, 0, count);
            }
            windowFrom = position;
            windowTo = position + count;
        }
        frameAt = (int) (position - windowFrom);
    }

    private void makeRoom(int bytes) {
        if (bytes > buffer.length) {
            byte[] larger = new byte[Math.max(bytes, Math.min(KEPT_BYTES_MAX, buffer.length * 2))];
            System.arraycopy(buffer, 0, larger, 0, FrameCodec.HEADER_BYTES);
            buffer = larger;
        }
    }

    private Found select(long offset) {
        int wanted = entry.ordinal();
        if (wanted >= FrameCodec.recordCount(buffer, frameAt)) {
            return bad(QuarantinedRecord.Cause.BAD_FRAME, "the frame has no record " + wanted);
        }
        if (wanted < ordinal) {
            ordinal = 0;
            recordAt = frameAt + FrameCodec.HEADER_BYTES;
        }
        for (; ordinal < wanted; ordinal++) {
            recordAt += LittleEndian.getInt(buffer, recordAt);
        }
        view.wrap(buffer, frameAt, recordAt, ordinal);
        if (view.type() == RecordType.LOST) {
            return bad(QuarantinedRecord.Cause.BAD_FRAME, "it is lost, and a repair of the log has given it up");
        }
        if (!view.hasOffset() || view.queueId() != queueId() || view.queueOffset() != offset) {
            return bad(QuarantinedRecord.Cause.BAD_FRAME, "record " + wanted + " of the frame is not it: " + view);
        }
        return Found.FOUND;
    }

    /**
     * Points {@link #body} at what the message in the view carries, or at nothing if that is not stored any more. What is wrong with
     * the body is wrong with the message.
     */
    private Found findBody() {
        body = view;
        if (view.type() != RecordType.ENTRY) {
            return Found.FOUND;
        }
        EntryRecord named;
        try {
            named = (EntryRecord) view.decode();
        } catch (CorruptRecordException e) {
            return bad(QuarantinedRecord.Cause.BAD_FRAME, e.getMessage());
        }
        if (bodies == null || bodies.queueId() != named.bodyQueueId()) {
            bodies = log.newReader(named.bodyQueueId());
            bodies.isOfBodies = true;
        }
        bodies.dropLargeBuffer();
        Found found = bodies.find(named.bodyOffset(), Long.MAX_VALUE);
        if (found == Found.NOT_READABLE) {
            return found;
        }
        boolean isDamaged = found == Found.QUARANTINED && bodies.problem.cause() == QuarantinedRecord.Cause.BAD_FRAME;
        if (found == Found.FAILED || isDamaged) {
            problem = bodies.problem;
            return found;
        }
        boolean isIt = found == Found.FOUND
                && bodies.view.type() == RecordType.MESSAGE
                && bodies.view.sequence() == named.bodySequence();
        body = isIt ? bodies.view : null;
        return Found.FOUND;
    }

    private void dropLargeBuffer() {
        if (buffer.length > KEPT_BYTES_MAX) {
            buffer = new byte[4096];
            framePosition = NO_FRAME;
            windowTo = 0;
        }
    }
}
