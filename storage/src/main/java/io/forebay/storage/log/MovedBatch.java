package io.forebay.storage.log;

import io.forebay.storage.io.LittleEndian;
import java.util.Arrays;
import java.util.zip.CRC32C;

/**
 * Records of an {@link Evacuation} on their way, in one frame flagged as moved: each carries its own sequence and log time.
 * Built on a blocking thread, appended once by the StoreWriter's.
 */
public final class MovedBatch {
    private static final byte ENTRY = (byte) RecordType.ENTRY.number();

    final Evacuation evacuation;
    private byte[] image;
    private int length = FrameCodec.HEADER_BYTES;
    private int count;
    private int[] queueIds = new int[16];
    private long[] offsets = new long[16];
    private long[] oldPositions = new long[16];
    private int[] recordBytes = new int[16];
    private boolean hasEntries;

    MovedBatch(Evacuation evacuation, int expectedBytes) {
        this.evacuation = evacuation;
        this.image = new byte[FrameCodec.HEADER_BYTES + expectedBytes];
    }

    /** Length in the log, header included. */
    public int lengthBytes() {
        return length;
    }

    int count() {
        return count;
    }

    boolean hasEntries() {
        return hasEntries;
    }

    /** It lies in that segment now. */
    void addEntriesTo(Segment segment) {
        int at = FrameCodec.HEADER_BYTES;
        for (int record = 0; record < count; record++) {
            if (image[at + 4] == ENTRY) {
                int body = at + FrameCodec.RECORD_HEADER_BYTES + FrameCodec.MOVED_BYTES;
                segment.addEntry(
                        queueIds[record],
                        offsets[record],
                        LittleEndian.getInt(image, body + 12),
                        LittleEndian.getLong(image, body + 16));
            }
            at += recordBytes[record];
        }
    }

    byte[] image() {
        return image;
    }

    int queueId(int record) {
        return queueIds[record];
    }

    long offset(int record) {
        return offsets[record];
    }

    long oldPosition(int record) {
        return oldPositions[record];
    }

    int recordBytes(int record) {
        return recordBytes[record];
    }

    boolean isFull(int bytesMax) {
        return length >= bytesMax || count == FrameCodec.RECORD_COUNT_MAX;
    }

    /** What a record takes in a moved frame. */
    static int bytesOf(RecordView record) {
        return FrameCodec.align(FrameCodec.RECORD_HEADER_BYTES + FrameCodec.MOVED_BYTES + record.bodyBytes());
    }

    /** @param position of the frame that the index names for it */
    void add(RecordView record, long position) {
        int bodyBytes = record.bodyBytes();
        int bytes = bytesOf(record);
        makeRoom(bytes);
        System.arraycopy(record.bytes(), record.headerAt(), image, length, FrameCodec.RECORD_HEADER_BYTES);
        LittleEndian.putInt(image, length, bytes);
        image[length + 6] = (byte) (bytes - FrameCodec.RECORD_HEADER_BYTES - FrameCodec.MOVED_BYTES - bodyBytes);
        int body = length + FrameCodec.RECORD_HEADER_BYTES;
        LittleEndian.putLong(image, body, record.sequence());
        LittleEndian.putLong(image, body + 8, record.logTimeMillis());
        System.arraycopy(record.bytes(), record.bodyAt(), image, body + FrameCodec.MOVED_BYTES, bodyBytes);
        hasEntries |= image[length + 4] == ENTRY;
        queueIds[count] = record.queueId();
        offsets[count] = record.queueOffset();
        oldPositions[count] = position;
        recordBytes[count] = bytes;
        count++;
        length += bytes;
    }

    private void makeRoom(int bytes) {
        if (length + bytes > image.length) {
            image = Arrays.copyOf(image, Math.max(length + bytes, image.length * 2));
        }
        if (count == queueIds.length) {
            int capacity = count * 2;
            queueIds = Arrays.copyOf(queueIds, capacity);
            offsets = Arrays.copyOf(offsets, capacity);
            oldPositions = Arrays.copyOf(oldPositions, capacity);
            recordBytes = Arrays.copyOf(recordBytes, capacity);
        }
    }

    void seal(long epoch, long nextSequence, long position, long durablePosition, long logTimeMillis, CRC32C crc) {
        FrameCodec.seal(
                image,
                0,
                length,
                count,
                FrameCodec.FLAG_MOVED,
                epoch,
                nextSequence,
                position,
                durablePosition,
                logTimeMillis,
                crc);
    }

    /** The bytes are in the log; what is needed to repoint the index stays. */
    void dropImage() {
        image = null;
    }
}
