package io.forebay.storage.log;

/**
 * An owner's encoded batch of records: the unit of atomicity of the log. It is built by anyone, handed to
 * {@link StripeLog#append} once, and from then on only read; the same frame may be rewritten elsewhere after a failed
 * force and keeps its sequences and queue offsets.
 */
public final class Frame {
    private Frame() {}

    /** A builder with room for about that many bytes of records; it grows when needed. */
    public static Builder builder(int expectedBytes) {
        throw new AssertionError("skeleton");
    }

    /** Length in the log, header included: a multiple of 8. */
    public int lengthBytes() {
        throw new AssertionError("skeleton");
    }

    /** Memory this frame holds; at least its length. */
    public int retainedBytes() {
        throw new AssertionError("skeleton");
    }

    public int recordCount() {
        throw new AssertionError("skeleton");
    }

    /** Sequence of the first record; those of the others follow without a gap. Valid after append. */
    public long firstSequence() {
        throw new AssertionError("skeleton");
    }

    /** Sequence of the last record. Valid after append. */
    public long lastSequence() {
        throw new AssertionError("skeleton");
    }

    /** Epoch of the start that appended it. Valid after append. */
    public long epoch() {
        throw new AssertionError("skeleton");
    }

    /** Valid after append. */
    public long logTimeMillis() {
        throw new AssertionError("skeleton");
    }

    /** The owner of a record. */
    public Owner owner(int recordIndex) {
        throw new AssertionError("skeleton");
    }

    public RecordType type(int recordIndex) {
        throw new AssertionError("skeleton");
    }

    /** The owner's own number of a record. Valid after append. */
    public long ownerNumber(int recordIndex) {
        throw new AssertionError("skeleton");
    }

    /** The offset that a message or entry got in its queue, -1 for other records. Valid after append. */
    public long queueOffset(int recordIndex) {
        throw new AssertionError("skeleton");
    }

    /** Encodes records one after the other. Not thread-safe. */
    public static final class Builder {
        private Builder() {}

        /** @throws IllegalArgumentException if the frame would hold more records or bytes than a frame can */
        public Builder add(Owner owner, LogRecord record) {
            throw new AssertionError("skeleton");
        }

        /** Length in the log of what was added so far, header included. */
        public int bytes() {
            throw new AssertionError("skeleton");
        }

        public int recordCount() {
            throw new AssertionError("skeleton");
        }

        /** Ends the frame. The builder is used up. */
        public Frame build() {
            throw new AssertionError("skeleton");
        }
    }
}
