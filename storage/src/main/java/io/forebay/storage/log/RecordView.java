package io.forebay.storage.log;

import io.forebay.storage.io.LittleEndian;
import java.util.Arrays;

/**
 * A record as it lies in a verified frame, not yet decoded. Reused by whoever hands it out: valid only until the call that
 * brought it returns; {@link #decode()} gives what may be kept.
 */
public final class RecordView {
    private byte[] bytes;
    private int frameAt;
    private int at;
    private int bodyAt;
    private int ordinal;
    private long sequence;
    private long logTimeMillis;

    RecordView() {}

    /** Shows a record of a frame that has passed {@link FrameCodec#problem}. */
    RecordView wrap(byte[] frameBytes, int frameStart, int recordAt, int ordinalInFrame) {
        ordinal = ordinalInFrame;
        bytes = frameBytes;
        frameAt = frameStart;
        at = recordAt;
        bodyAt = recordAt + FrameCodec.RECORD_HEADER_BYTES;
        if (FrameCodec.isMoved(frameBytes, frameStart)) {
            sequence = LittleEndian.getLong(frameBytes, bodyAt);
            logTimeMillis = LittleEndian.getLong(frameBytes, bodyAt + 8);
            bodyAt += FrameCodec.MOVED_BYTES;
        } else {
            sequence = FrameCodec.firstSequence(frameBytes, frameStart) + ordinal;
            logTimeMillis = FrameCodec.logTimeMillis(frameBytes, frameStart);
        }
        return this;
    }

    /** The type, or null if this code does not know it. */
    public RecordType type() {
        return RecordType.ofNumberOrNull(typeNumber());
    }

    int typeNumber() {
        return bytes[at + 4] & 0xFF;
    }

    int version() {
        return bytes[at + 5] & 0xFF;
    }

    /** Whether this code can decode it. */
    boolean isKnown() {
        RecordType type = type();
        return type != null && version() <= type.version();
    }

    public int queueId() {
        return LittleEndian.getInt(bytes, at + 8);
    }

    public int groupId() {
        return LittleEndian.getInt(bytes, at + 12);
    }

    /** A new object; {@link #queueId()} and {@link #groupId()} say the same without one. */
    public Owner owner() {
        return new Owner(queueId(), groupId());
    }

    /** Number of the record in its frame, from 0. */
    int ordinal() {
        return ordinal;
    }

    /** Where the record's header begins in {@link #bytes()}. */
    int headerAt() {
        return at;
    }

    /** Of the frame it lies in. */
    long position() {
        return FrameCodec.position(bytes, frameAt);
    }

    int offsetInFrame() {
        return at - frameAt;
    }

    byte[] copyOfFrame() {
        return Arrays.copyOfRange(bytes, frameAt, frameAt + FrameCodec.length(bytes, frameAt));
    }

    long ownerKey() {
        return Owner.key(queueId(), groupId());
    }

    public long ownerNumber() {
        return LittleEndian.getLong(bytes, at + 16);
    }

    public long sequence() {
        return sequence;
    }

    /** Whether cleaning has copied it forward: the log then holds it behind records with higher sequences. */
    public boolean isMoved() {
        return FrameCodec.isMoved(bytes, frameAt);
    }

    /** When it was appended first. */
    public long logTimeMillis() {
        return logTimeMillis;
    }

    /** Epoch of the start that wrote the frame, not of the one that made the record. */
    public long epoch() {
        return FrameCodec.epoch(bytes, frameAt);
    }

    /** Whether it lies in a queue: a message, an entry, or what Akka Persistence stores. */
    public boolean hasOffset() {
        return Frame.hasOffset(bytes[at + 4]);
    }

    /** Its offset in the queue, -1 if it has none. */
    public long queueOffset() {
        return hasOffset() && bodyBytes() >= 12 ? LittleEndian.getLong(bytes, bodyAt) : -1;
    }

    /** Of a record with an offset. */
    int tagHash() {
        return LittleEndian.getInt(bytes, bodyAt + 8);
    }

    /** Length of the record in the log. */
    public int lengthBytes() {
        return LittleEndian.getInt(bytes, at);
    }

    /** The array the record lies in; must not be changed or kept. */
    public byte[] bytes() {
        return bytes;
    }

    /** Where the record's body begins in {@link #bytes()}. */
    public int bodyAt() {
        return bodyAt;
    }

    /** Length of the body, without padding. */
    public int bodyBytes() {
        return lengthBytes() - bytes[at + 6] - (bodyAt - at);
    }

    /** @throws CorruptRecordException if the body is not what its type says, though its frame's checksum is right */
    public LogRecord decode() throws CorruptRecordException {
        return LogRecord.decode(RecordType.ofNumber(typeNumber()), version(), bytes, bodyAt, bodyBytes());
    }

    /**
     * Shows the message in place, as long as this one is valid.
     *
     * @throws CorruptRecordException if it is no message, of a version that is not known, or not what its type says
     */
    public void show(MessageView message) throws CorruptRecordException {
        if (type() != RecordType.MESSAGE || !isKnown() || version() < 1) {
            throw new CorruptRecordException("a record of type " + typeNumber() + ", version " + version()
                    + " instead of" + " a message as this version knows it");
        }
        message.wrap(bytes, bodyAt, bodyBytes());
    }

    @Override
    public String toString() {
        return type() + " of queue " + queueId() + ", group " + groupId() + ", number " + ownerNumber() + ", sequence "
                + sequence;
    }
}
