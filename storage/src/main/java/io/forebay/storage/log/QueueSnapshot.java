package io.forebay.storage.log;

/**
 * State of a queue.
 * <pre> byte  0  u8   kind = 1
 * byte  1  u8   version = 1
 * byte  2  i64  nextOffset       the next message gets it
 * byte 10  i64  firstOffset      below it nothing is kept any more </pre>
 */
public record QueueSnapshot(long nextOffset, long firstOffset) {
    public QueueSnapshot {
        Fields.notNegative("nextOffset", nextOffset);
        Fields.check(firstOffset >= 0 && firstOffset <= nextOffset, "firstOffset", firstOffset, "0 to " + nextOffset);
    }

    /** The payload of its {@link SnapshotRecord}s. */
    public byte[] encode() {
        byte[] payload = new byte[SnapshotKind.HEADER_BYTES + 16];
        SnapshotKind.finished(
                payload, SnapshotKind.QUEUE.begin(payload).i64(nextOffset).i64(firstOffset));
        return payload;
    }

    public static QueueSnapshot decode(byte[] payload) throws CorruptRecordException {
        BodyReader in = SnapshotKind.QUEUE.open(payload);
        try {
            QueueSnapshot snapshot = new QueueSnapshot(in.i64(), in.i64());
            in.end();
            return snapshot;
        } catch (IllegalArgumentException e) {
            throw in.corrupt(e.getMessage());
        }
    }
}
