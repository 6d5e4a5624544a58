package io.forebay.storage.log;

/**
 * Events of a persistence id up to a number are gone; its highest number stays known. Owner: the stripe.
 * <pre> byte  0  i64  number
 * byte  8  i64  toSequenceNr      inclusive
 * byte 16  i64  highestSequenceNr </pre>
 */
public record PersistenceEventsDeletedRecord(long number, long toSequenceNr, long highestSequenceNr)
        implements LogRecord {
    public PersistenceEventsDeletedRecord {
        Fields.positive("number", number);
    }

    @Override
    public RecordType type() {
        return RecordType.PERSISTENCE_EVENTS_DELETED;
    }

    @Override
    public int bodyBytes() {
        return 24;
    }

    @Override
    public void encodeBody(byte[] target, int at) {
        new BodyWriter(target, at).i64(number).i64(toSequenceNr).i64(highestSequenceNr);
    }

    static PersistenceEventsDeletedRecord decode(BodyReader in) throws CorruptRecordException {
        return new PersistenceEventsDeletedRecord(in.i64(), in.i64(), in.i64());
    }
}
