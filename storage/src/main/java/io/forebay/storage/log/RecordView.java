package io.forebay.storage.log;

/**
 * A record as it lies in a verified frame, not yet decoded. Reused by whoever hands it out: valid only until the call that
 * brought it returns; {@link #decode()} gives what may be kept.
 */
public final class RecordView {
    RecordView() {}

    public RecordType type() {
        throw new AssertionError("skeleton");
    }

    public int queueId() {
        throw new AssertionError("skeleton");
    }

    public int groupId() {
        throw new AssertionError("skeleton");
    }

    /** A new object; {@link #queueId()} and {@link #groupId()} say the same without one. */
    public Owner owner() {
        return new Owner(queueId(), groupId());
    }

    public long ownerNumber() {
        throw new AssertionError("skeleton");
    }

    public long sequence() {
        throw new AssertionError("skeleton");
    }

    public long logTimeMillis() {
        throw new AssertionError("skeleton");
    }

    /** Epoch of the start that wrote the frame, not of the one that made the record. */
    public long epoch() {
        throw new AssertionError("skeleton");
    }

    /** Of a message or entry its offset in the queue, else -1. */
    public long queueOffset() {
        throw new AssertionError("skeleton");
    }

    /** Length of the record in the log. */
    public int lengthBytes() {
        throw new AssertionError("skeleton");
    }

    /** @throws CorruptRecordException if the body is not what its type says, though its frame's checksum is right */
    public LogRecord decode() throws CorruptRecordException {
        throw new AssertionError("skeleton");
    }
}
