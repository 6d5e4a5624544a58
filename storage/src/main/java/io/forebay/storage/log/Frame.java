package io.forebay.storage.log;

import io.forebay.storage.io.LittleEndian;
import java.util.Arrays;
import java.util.zip.CRC32C;

/**
 * An owner's encoded batch of records: the unit of atomicity of the log. It is built by anyone, handed to
 * {@link StripeLog#append} once, and from then on only read; the same frame may be rewritten elsewhere after a failed
 * force and keeps its sequences and queue offsets.
 */
public final class Frame {
    private static final long NONE = -1;

    private final byte[] image;
    private final int length;
    private final int[] recordAts;
    private final int recordCount;
    private long firstSequence = NONE;

    private Frame(byte[] image, int length, int[] recordAts, int recordCount) {
        this.image = image;
        this.length = length;
        this.recordAts = recordAts;
        this.recordCount = recordCount;
    }

    /** A builder with room for about that many bytes of records; it grows when needed. */
    public static Builder builder(int expectedBytes) {
        return new Builder(expectedBytes);
    }

    /** Length in the log, header included: a multiple of 8. */
    public int lengthBytes() {
        return length;
    }

    /** Memory this frame holds; at least its length. */
    public int retainedBytes() {
        return image.length + 4 * recordAts.length;
    }

    public int recordCount() {
        return recordCount;
    }

    /** Whether it has its sequences. */
    public boolean isAppended() {
        return firstSequence != NONE;
    }

    /** Sequence of the first record; those of the others follow without a gap. Valid after append. */
    public long firstSequence() {
        return firstSequence;
    }

    /** Sequence of the last record. Valid after append. */
    public long lastSequence() {
        return firstSequence + recordCount - 1;
    }

    /** Epoch of the start that appended it. Valid after append. */
    public long epoch() {
        return FrameCodec.epoch(image, 0);
    }

    /** Valid after append. */
    public long logTimeMillis() {
        return FrameCodec.logTimeMillis(image, 0);
    }

    /** The owner of a record. */
    public Owner owner(int recordIndex) {
        return new Owner(queueId(recordIndex), groupId(recordIndex));
    }

    int queueId(int recordIndex) {
        return LittleEndian.getInt(image, at(recordIndex) + 8);
    }

    int groupId(int recordIndex) {
        return LittleEndian.getInt(image, at(recordIndex) + 12);
    }

    public RecordType type(int recordIndex) {
        return RecordType.ofNumberOrNull(image[at(recordIndex) + 4] & 0xFF);
    }

    /** Length of a record in the log, its header and padding included. */
    public int recordBytes(int recordIndex) {
        return LittleEndian.getInt(image, at(recordIndex));
    }

    /** The owner's own number of a record. Valid after append. */
    public long ownerNumber(int recordIndex) {
        return LittleEndian.getLong(image, at(recordIndex) + 16);
    }

    /** The offset that a record got in its queue, -1 for those that have none. Valid after append. */
    public long queueOffset(int recordIndex) {
        int at = at(recordIndex);
        return hasOffset(image[at + 4]) ? LittleEndian.getLong(image, at + FrameCodec.RECORD_HEADER_BYTES) : -1;
    }

    private int at(int recordIndex) {
        if (recordIndex >= recordCount) {
            throw new IndexOutOfBoundsException("record " + recordIndex + " of " + recordCount);
        }
        return recordAts[recordIndex];
    }

    /** It lies in that segment now. */
    void addEntriesTo(Segment segment) {
        for (int record = 0; record < recordCount; record++) {
            int at = recordAts[record];
            if (image[at + 4] == ENTRY) {
                int body = at + FrameCodec.RECORD_HEADER_BYTES;
                segment.addEntry(
                        queueId(record),
                        LittleEndian.getLong(image, body),
                        LittleEndian.getInt(image, body + 12),
                        LittleEndian.getLong(image, body + 16));
            }
        }
    }

    /**
     * Whether records of that type lie in a queue: their bodies begin with the offset (i64), which the append gives, and a tag hash
     * (i32), and the queue index names them.
     */
    static boolean hasOffset(byte typeNumber) {
        return typeNumber == MESSAGE
                || typeNumber == ENTRY
                || typeNumber == PERSISTENCE_EVENT
                || typeNumber == PERSISTENCE_SNAPSHOT
                || typeNumber == DURABLE_STATE;
    }

    private static final byte MESSAGE = (byte) RecordType.MESSAGE.number();
    private static final byte PERSISTENCE_EVENT = (byte) RecordType.PERSISTENCE_EVENT.number();
    private static final byte PERSISTENCE_SNAPSHOT = (byte) RecordType.PERSISTENCE_SNAPSHOT.number();
    private static final byte DURABLE_STATE = (byte) RecordType.DURABLE_STATE.number();
    private static final byte ENTRY = (byte) RecordType.ENTRY.number();

    byte[] image() {
        return image;
    }

    int recordAt(int recordIndex) {
        return recordAts[recordIndex];
    }

    void seal(long epoch, long sequence, long position, long durablePosition, long logTimeMillis, CRC32C crc) {
        FrameCodec.seal(
                image, 0, length, recordCount, 0, epoch, sequence, position, durablePosition, logTimeMillis, crc);
        firstSequence = sequence;
    }

    /** Nothing was appended after all. */
    void unseal() {
        firstSequence = NONE;
    }

    void place(long position, long durablePosition, CRC32C crc) {
        FrameCodec.place(image, 0, length, epoch(), position, durablePosition, crc);
    }

    @Override
    public String toString() {
        return "frame of " + recordCount + " records, " + length + " bytes"
                + (isAppended() ? ", from sequence " + firstSequence : "");
    }

    /** Encodes records one after the other. Not thread-safe. */
    public static final class Builder {
        private static final int BYTES_MAX = 1 << 30;

        private byte[] image;
        private int at = FrameCodec.HEADER_BYTES;
        private int[] recordAts = new int[4];
        private int recordCount;

        private Builder(int expectedBytes) {
            image = new byte[FrameCodec.HEADER_BYTES + Math.max(64, Math.min(expectedBytes, BYTES_MAX))];
        }

        /**
         * @throws IllegalArgumentException if the frame would hold more records or bytes than a frame can; it is as
         *     before then
         */
        public Builder add(Owner owner, LogRecord record) {
            return add(owner.queueId(), owner.groupId(), record);
        }

        /** The same without an {@link Owner}. */
        public Builder add(int queueId, int groupId, LogRecord record) {
            int bodyBytes = record.bodyBytes();
            long end = ((long) at + FrameCodec.RECORD_HEADER_BYTES + bodyBytes + 7) & ~7L;
            if (end > BYTES_MAX || recordCount == FrameCodec.RECORD_COUNT_MAX) {
                throw new IllegalArgumentException("a frame of " + (recordCount + 1) + " records and " + end
                        + " bytes; allowed are " + FrameCodec.RECORD_COUNT_MAX + " and " + BYTES_MAX);
            }
            if (end > image.length) {
                grow(end);
            }
            if (recordCount == recordAts.length) {
                recordAts = Arrays.copyOf(recordAts, recordCount * 2);
            }
            int unpadded = FrameCodec.RECORD_HEADER_BYTES + bodyBytes;
            int length = FrameCodec.align(unpadded);
            LittleEndian.putInt(image, at, length);
            image[at + 4] = (byte) record.type().number();
            image[at + 5] = (byte) record.type().version();
            image[at + 6] = (byte) (length - unpadded);
            LittleEndian.putInt(image, at + 8, queueId);
            LittleEndian.putInt(image, at + 12, groupId);
            record.encodeBody(image, at + FrameCodec.RECORD_HEADER_BYTES);
            recordAts[recordCount++] = at;
            at += length;
            return this;
        }

        /** Makes room at once for so many bytes of records that will be added. */
        public void expect(int recordBytes) {
            long end = Math.min(BYTES_MAX, (long) at + recordBytes);
            if (end > image.length) {
                grow(end);
            }
        }

        private void grow(long end) {
            image = Arrays.copyOf(image, (int) Math.min(BYTES_MAX, Math.max(end, image.length * 3L / 2)));
        }

        /** Length in the log of what was added so far, header included. */
        public int bytes() {
            return at;
        }

        public int recordCount() {
            return recordCount;
        }

        /** Ends the frame. The builder is used up. */
        public Frame build() {
            if (recordCount == 0) {
                throw new IllegalStateException("a frame without records");
            }
            Frame frame = new Frame(image, at, recordAts, recordCount);
            image = null;
            return frame;
        }
    }
}
