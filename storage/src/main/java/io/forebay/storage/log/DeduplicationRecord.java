package io.forebay.storage.log;

/**
 * From here on the queue remembers Sends in this way, and has forgotten what it remembered before: so that a start knows of
 * which replayed messages it has to take note. Owner: the queue.
 * <pre> byte  0  u8   kind      1 off · 2 producer · 3 message id
 * byte  1  i64  changedMillis </pre>
 */
public record DeduplicationRecord(SendWindow.Kind kind, long changedMillis) implements LogRecord {
    @Override
    public RecordType type() {
        return RecordType.DEDUPLICATION;
    }

    @Override
    public int bodyBytes() {
        return 9;
    }

    @Override
    public void encodeBody(byte[] target, int at) {
        new BodyWriter(target, at).u8(kind.ordinal() + 1).i64(changedMillis);
    }

    static DeduplicationRecord decode(BodyReader in) throws CorruptRecordException {
        return new DeduplicationRecord(in.code(SendWindow.Kind.values()), in.i64());
    }
}
