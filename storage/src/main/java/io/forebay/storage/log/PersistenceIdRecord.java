package io.forebay.storage.log;

/**
 * Gives a persistence id its number; hot records carry the number. Owner: the stripe.
 * <pre> byte  0  i64  number      never given twice
 * byte  8  i64  createdMillis
 * byte 16  text persistenceId
 *          text entityType      the part before the separator, empty if none
 *          i32  slice      0 to 1023 </pre>
 */
public record PersistenceIdRecord(long number, long createdMillis, String persistenceId, String entityType, int slice)
        implements LogRecord {
    public PersistenceIdRecord {
        Fields.positive("number", number);
        Fields.check(slice >= 0 && slice < 1024, "slice", slice, "0 to 1023");
        Fields.text("persistenceId", persistenceId);
        Fields.text("entityType", entityType);
    }

    @Override
    public RecordType type() {
        return RecordType.PERSISTENCE_ID;
    }

    @Override
    public int bodyBytes() {
        return 20 + BodyWriter.textBytes(persistenceId) + BodyWriter.textBytes(entityType);
    }

    @Override
    public void encodeBody(byte[] target, int at) {
        new BodyWriter(target, at)
                .i64(number)
                .i64(createdMillis)
                .text(persistenceId)
                .text(entityType)
                .i32(slice);
    }

    static PersistenceIdRecord decode(BodyReader in) throws CorruptRecordException {
        return new PersistenceIdRecord(in.i64(), in.i64(), in.text(), in.text(), in.i32());
    }
}
