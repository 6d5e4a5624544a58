package io.forebay.storage.log;

/**
 * Snapshots of a persistence id within bounds are gone, all inclusive. Owner: a reserved queue.
 * <pre> byte  0  i64  number
 * byte  8  i64  fromSequenceNr
 * byte 16  i64  toSequenceNr
 * byte 24  i64  fromTimestampMillis
 * byte 32  i64  toTimestampMillis </pre>
 */
public record PersistenceSnapshotsDeletedRecord(
        long number, long fromSequenceNr, long toSequenceNr, long fromTimestampMillis, long toTimestampMillis)
        implements LogRecord {
    public PersistenceSnapshotsDeletedRecord {
        Fields.positive("number", number);
    }

    @Override
    public RecordType type() {
        return RecordType.PERSISTENCE_SNAPSHOTS_DELETED;
    }

    @Override
    public int bodyBytes() {
        return 40;
    }

    @Override
    public void encodeBody(byte[] target, int at) {
        new BodyWriter(target, at)
                .i64(number)
                .i64(fromSequenceNr)
                .i64(toSequenceNr)
                .i64(fromTimestampMillis)
                .i64(toTimestampMillis);
    }

    static PersistenceSnapshotsDeletedRecord decode(BodyReader in) throws CorruptRecordException {
        return new PersistenceSnapshotsDeletedRecord(in.i64(), in.i64(), in.i64(), in.i64(), in.i64());
    }
}
